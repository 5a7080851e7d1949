import { describe, expect, it } from 'vitest'
import type { Target } from '../../ts/adapters/adapter.ts'
import { clearbit } from '../../ts/adapters/clearbit.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ErrorCase } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'clearbit'
const CONTEXT = { now: RECEIVED_AT, options: clearbit.options.parse({}) as JsonObject }
const company = (domain: string | null, name = 'Uber Technologies'): Entity => ({
  kind: 'company',
  key: 'uei:AAAAAAAAAAA1',
  attributes: { name, domain, website: null },
  aliases: [],
})
const target = (domain = 'uber.com', name?: string): Target => ({
  entity: company(domain, name),
  providerKey: null,
  validators: { etag: null, lastModified: null },
})

/** Every recording with its status; other endpoints' answers are no company. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, { readonly status: number; readonly class: ResponseClass }>> = {
  'company-find-200': { status: 200, class: 'ok' },
  'discovery-search-200': { status: 200, class: 'malformed' },
  'error-404-unknown-record': { status: 404, class: 'not_found' },
  'error-404-unknown-record-company': { status: 404, class: 'not_found' },
  'lookup-queued-202': { status: 202, class: 'ok' },
  'name-to-domain-200': { status: 200, class: 'malformed' },
  'person-find-200': { status: 200, class: 'ok' },
  'risk-200': { status: 200, class: 'malformed' },
  'watchlist-200': { status: 200, class: 'malformed' },
}

const reads = readingsOf(clearbit, CONTEXT)
const READ_BY: Readonly<Record<string, EmptyReading>> = {
  'company-find-200': reads.record(target()),
  'error-404-unknown-record': reads.record(target()),
  'error-404-unknown-record-company': reads.record(target()),
  'lookup-queued-202': reads.record(target()),
  'person-find-200': reads.other('people are never asked for; the answer is told from a company by its domain'),
}
const BODY = {
  id: '027b0d40-016c-40ea-8925-a076fa640992',
  name: 'Uber',
  domain: 'uber.com',
  category: { sector: 'Industrials', industry: 'Transportation' },
  geo: { city: 'San Francisco', stateCode: 'CA' },
  metrics: { employees: 200, employeesRange: '101-250', alexaGlobalRank: 7, raised: 1_500_000_000 },
  tags: ['B2C', 'Mobile'],
  tech: ['nginx', 'aws'],
  indexedAt: '2026-01-01T00:00:00Z',
  logo: 'https://x.test/a.png',
} satisfies JsonObject
const recordOf = (body: JsonObject): JsonObject => {
  const answer = clearbit.lookup!.parse(viewOf({ body }), target(), CONTEXT)
  if (answer.kind !== 'record') throw new Error(JSON.stringify(answer))
  return answer.record
}

const ERRORS: readonly ErrorCase[] = [
  {
    name: 'a key that is not known',
    label: 'companies.find',
    answer: { status: 401, body: { error: { type: 'auth_invalid', message: 'x' } } },
    class: 'auth',
  },
  {
    name: 'no more look-ups',
    label: 'companies.find',
    answer: { status: 402, body: { error: { type: 'over_quota' } } },
    class: 'quota_exhausted',
    untilMs: Date.UTC(2026, 11, 1) - RECEIVED_AT,
  },
  {
    name: 'no domain',
    label: 'companies.find',
    answer: { status: 422, body: { error: { type: 'params_invalid' } } },
    class: 'invalid_request',
  },
  {
    name: 'too many',
    label: 'companies.find',
    answer: { status: 429, text: '', headers: { 'x-ratelimit-reset': String(RECEIVED_AT / 1000 + 42) } },
    class: 'rate_limited',
    untilMs: 42_000,
  },
  {
    name: 'a path that is not there',
    label: 'companies.find',
    answer: { status: 404, text: 'Not found' },
    class: 'invalid_request',
  },
  { name: 'overload', label: 'companies.find', answer: { status: 503, text: '' }, class: 'transient' },
]

adapterSuite(clearbit, {
  exampleEntities: [company('uber.com'), company(null)],
  recordings: hasRecordings(PROVIDER)
    ? Object.entries(EXPECTED).map(([name, expected]) => ({
        name,
        label: 'companies.find',
        view: viewOf({ status: expected.status, body: recording(PROVIDER, name) }),
        class: expected.class,
        ...(READ_BY[name] === undefined ? {} : { reads: READ_BY[name] }),
      }))
    : [],
  errors: ERRORS,
  onePage: { lookup: 'what is looked up later is asked for again by the next refresh' },
  instants: 'times of crawls are left out; what remains is no date',
  noise: ['raised', 'employees', 'logo', 'google', 'alexa', 'site', 'founders', 'facebook'],
  unchangedPairs: [
    {
      name: 'estimates, crawl dates, logos and order',
      before: recordOf(BODY),
      after: recordOf({
        ...BODY,
        metrics: { ...BODY.metrics, employees: 300, raised: 1 },
        indexedAt: 'x',
        logo: 'y',
        tags: ['Mobile', 'B2C'],
        tech: ['aws', 'nginx'],
      }),
    },
  ],
  changedPairs: [
    {
      name: 'sector',
      before: recordOf(BODY),
      after: recordOf({ ...BODY, category: { sector: 'x', industry: 'Transportation' } }),
      path: '$.sector',
    },
  ],
})

describe('clearbit', () => {
  it('asks by domain, with the version of the layout when one is pinned', () => {
    expect(clearbit.lookup!.request(target(), CONTEXT)).toEqual({
      method: 'GET',
      path: '/v2/companies/find',
      query: [['domain', 'uber.com']],
      label: 'companies.find',
      credits: 1,
    })
    const pinned = { ...CONTEXT, options: clearbit.options.parse({ api_version: '2019-12-19' }) as JsonObject }
    expect(clearbit.lookup!.request(target(), pinned).headers).toEqual({ 'api-version': '2019-12-19' })
    expect(clearbit.unresolvable(company(null))).toBe('no domain')
  })

  it('keeps every member that the sheet names, from where the sheet has it', () => {
    const body = {
      ...BODY,
      legalName: 'Uber, Inc.',
      domainAliases: ['uber.io'],
      foundedYear: 2009,
      type: 'private',
      ticker: 'UBER',
      category: { sector: 'A', industryGroup: 'B', industry: 'C', subIndustry: 'D', naicsCode: '48', sicCode: '41' },
      location: 'San Francisco, CA',
      geo: { city: 'San Francisco', stateCode: 'CA', postalCode: '94103', countryCode: 'US' },
      parent: { domain: 'Parent.example' },
      ultimateParent: { domain: 'top.example' },
      linkedin: { handle: 'company/uber-com' },
    }
    expect(recordOf(body)).toEqual({
      id: BODY.id,
      name: 'Uber',
      legal_name: 'Uber, Inc.',
      domain: 'uber.com',
      domain_aliases: ['uber.io'],
      description: null,
      founded_year: 2009,
      type: 'private',
      ticker: 'UBER',
      sector: 'A',
      industry_group: 'B',
      industry: 'C',
      sub_industry: 'D',
      naics_code: '48',
      sic_code: '41',
      categories: [],
      tags: expect.arrayContaining(['B2C', 'Mobile']),
      location: 'San Francisco, CA',
      city: 'San Francisco',
      state: 'CA',
      postal_code: '94103',
      country: 'US',
      parent_domain: 'parent.example',
      ultimate_parent_domain: 'top.example',
      linkedin_handle: 'company/uber-com',
      twitter_handle: null,
      raised_usd: '1500000000',
      employees: 200,
      employees_range: '101-250',
      estimated_annual_revenue: null,
      tech: expect.arrayContaining(['nginx', 'aws']),
    })
  })

  it('hands on what Clearbit warns of', () => {
    const request = { method: 'GET', path: '/', label: 'companies.find' } as const
    const headers = { 'x-api-warn': 'version 2014-01-01 is deprecated' }
    for (const [answer, responseClass] of [
      [{ body: BODY }, 'ok'],
      [{ status: 422, body: { error: { type: 'params_invalid' } } }, 'invalid_request'],
    ] as const) {
      const verdict = clearbit.classify(viewOf({ ...answer, headers }), request, { now: RECEIVED_AT, options: {} })
      expect(verdict.class).toBe(responseClass)
      expect(verdict.reason).toMatch(/; Clearbit warns: version 2014-01-01 is deprecated$/)
    }
  })

  it('asks again for what is queued: an error body on a success status', () => {
    const answer = clearbit.lookup!.parse(viewOf({ status: 202, body: { error: { type: 'queued' } } }), target(), CONTEXT)
    expect(answer).toMatchObject({
      kind: 'failed',
      errorClass: 'transient',
      reason: expect.stringContaining('looking the company up'),
    })
  })

  it('takes a company of another domain for ours in our town alone', () => {
    const sure = (geo: JsonObject) => {
      const asked = target('old-uber.com', 'Uber, Inc.')
      const here = {
        ...asked,
        entity: { ...asked.entity, attributes: { ...asked.entity.attributes, city: 'Ames', state: 'IA' } },
      }
      const answer = clearbit.lookup!.parse(viewOf({ body: { ...BODY, geo } }), here, CONTEXT)
      return answer.kind === 'record' ? answer.identity?.confidence : answer.kind
    }
    expect(sure({ city: 'Ames', stateCode: 'IA' })).toBe(0.9)
    expect(sure({ city: 'San Francisco', stateCode: 'CA' })).toBe(0.72)
    expect(sure({ city: 'Ames', stateCode: 'OK' })).toBe(0.72)
    expect(sure({ city: null })).toBe(0.9)
  })

  it('follows a redirected domain only to a company of the same name', () => {
    expect(clearbit.lookup!.parse(viewOf({ body: BODY }), target('old-uber.com', 'Uber, Inc.'), CONTEXT)).toMatchObject({
      kind: 'record',
      identity: { method: 'domain_redirect', confidence: 0.9 },
    })
    expect(clearbit.lookup!.parse(viewOf({ body: BODY }), target('acme.com', 'Acme Robotics'), CONTEXT)).toMatchObject({
      kind: 'skipped',
    })
    expect(clearbit.lookup!.parse(viewOf({ body: BODY }), target(), CONTEXT)).toMatchObject({
      identity: { providerKey: BODY.id, method: 'domain' },
    })
  })
})

describe.skipIf(!hasRecordings(PROVIDER))('clearbit against recordings', () => {
  it('has an expectation for every recording', () => {
    expect(recordingNames(PROVIDER)).toEqual(Object.keys(EXPECTED).sort())
  })

  it('reads the early flat layout', () => {
    expect(recordOf(recording(PROVIDER, 'company-find-200') as JsonObject)).toMatchObject({
      id: '027b0d40-016c-40ea-8925-a076fa640992',
      name: 'Uber',
      legal_name: 'Uber, Inc.',
      domain: 'uber.com',
      categories: expect.arrayContaining(['Transportation']),
      raised_usd: '1500000000',
      employees: 200,
      location: 'San Francisco, California, U.S.',
      twitter_handle: 'uber',
    })
  })

  it.each(['error-404-unknown-record', 'error-404-unknown-record-company'])('%s is absent', (name) => {
    expect(clearbit.lookup!.parse(viewOf({ status: 404, body: recording(PROVIDER, name) }), target(), CONTEXT)).toMatchObject({
      kind: 'absent',
    })
  })
})
