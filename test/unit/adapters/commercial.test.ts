/** The template for commercial providers, proven by adding three: Apollo (bulk of ten, polling), Crunchbase, Coresignal. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Answer, SourceAdapter, Target } from '../../../ts/adapters/adapter.ts'
import {
  classifyCommercial,
  createCommercialAdapter,
  hostOf,
  identify,
  itemOf,
  nextUtcMonth,
  type Outcome,
  queryOf,
  rateLimitReset,
} from '../../../ts/adapters/shared/commercial.ts'
import { listOf, memberAt, textAt } from '../../../ts/adapters/shared/json.ts'
import { MalformedAnswer } from '../../../ts/adapters/shared/malformed.ts'
import type { Entity } from '../../../ts/model/entity.ts'
import type { JsonObject } from '../../../ts/model/json.ts'
import { adapterSuite } from '../../contract/adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recording, viewOf } from '../../contract/recorded.ts'

const CONTEXT = { now: RECEIVED_AT, options: {} }
const RECORDED = hasRecordings('commercial')
const ROOT = fileURLToPath(new URL('../../../../shared/recordings/commercial/', import.meta.url))
const body = (name: string): JsonObject => recording('commercial', name) as JsonObject

const company = (name: string, domain: string | null): Entity => ({
  kind: 'company',
  key: `name:${name}`,
  attributes: { name, domain, website: null, city: 'San Francisco', state: 'CA' },
  aliases: [],
})
const target = (name: string, domain: string | null, providerKey: string | null = null): Target => ({
  entity: company(name, domain),
  providerKey,
  validators: { etag: null, lastModified: null },
})

const apollo = createCommercialAdapter({
  id: 'apollo',
  title: 'Apollo organizations',
  docs: 'https://docs.apollo.io/reference/organization-enrichment',
  credential: { name: 'api_key', placement: { in: 'header', name: 'x-api-key' }, required: true },
  normalizerVersion: 1,
  options: z.strictObject({}),
  askBy: ['domain'],
  single: {
    request: ({ domain }) => ({
      method: 'GET',
      path: '/organizations/enrich',
      query: [['domain', domain ?? '']],
      label: 'organizations.enrich',
    }),
    // The number is beyond 2^53 and arrives as text; 404 while it is worked on.
    poll: (accepted) => {
      const id = textAt(accepted.json, 'request_id')
      return textAt(accepted.json, 'waterfall', 'status') === 'accepted' && id !== null
        ? { method: 'GET', path: `/webhook_result/${id}`, label: 'webhook_result' }
        : null
    },
    read: (view) => {
      if (textAt(view.json, 'error_code') === 'result_pending') return { kind: 'pending', reason: 'not ready yet' }
      const item = itemOf(memberAt(view.json, 'organization'))
      return item === null ? { kind: 'miss', reason: 'nothing was enriched' } : { kind: 'hit', item }
    },
  },
  batch: {
    maxSize: 10,
    request: (queries) => ({
      method: 'POST',
      path: '/organizations/bulk_enrich',
      json: { domains: queries.map(({ domain }) => domain) },
      label: 'organizations.bulk',
    }),
    read: (view, queries) => {
      const organizations = listOf(memberAt(view.json, 'organizations'))
      if (textAt(view.json, 'status') !== 'success') throw new MalformedAnswer('the bulk answer is no success')
      return queries.map(({ domain }): Outcome => {
        const item = itemOf(organizations.find((one) => hostOf(textAt(one, 'primary_domain')) === domain))
        return item === null ? { kind: 'miss', reason: 'nothing was enriched' } : { kind: 'hit', item }
      })
    },
  },
  idPath: 'id',
  domainPath: 'primary_domain',
  namePath: 'name',
  fields: {
    id: ['id', 'text'],
    name: ['name', 'text'],
    domain: ['primary_domain', 'lower'],
    industry: ['industry', 'text'],
    founded_year: ['founded_year', 'count'],
    employees: ['estimated_num_employees', 'count'],
    total_funding: ['total_funding', 'amount'],
    latest_funding_date: ['latest_funding_round_date', 'date'],
    keywords: ['keywords', 'texts'],
  },
  probe: () => ({ method: 'GET', path: '/organizations/enrich', label: 'organizations.probe' }),
  probeAnswer: 'invalid_request',
  volatile: ['$.employees'],
  unordered: ['$.keywords'],
})

const crunchbase = createCommercialAdapter({
  id: 'crunchbase',
  title: 'Crunchbase organizations',
  docs: 'https://data.crunchbase.com/docs',
  credential: { name: 'user_key', placement: { in: 'header', name: 'X-cb-user-key' }, required: true },
  normalizerVersion: 1,
  options: z.strictObject({}),
  askBy: ['name'],
  single: {
    request: ({ providerKey, name }) =>
      providerKey === null
        ? {
            method: 'POST',
            path: '/searches/organizations',
            json: { query: name ?? '', limit: 2 },
            label: 'organizations.search',
          }
        : { method: 'GET', path: `/entities/organizations/${encodeURIComponent(providerKey)}`, label: 'organizations.entity' },
    read: (view) => {
      if (view.status === 404) return { kind: 'miss', reason: 'not there, or not part of the licence' }
      const [first] = listOf(memberAt(view.json, 'entities') ?? view.json)
      const item = itemOf(first)
      return item === null ? { kind: 'miss', reason: 'no organization of this name' } : { kind: 'hit', item }
    },
  },
  idPath: 'uuid',
  domainPath: 'properties.website_url',
  namePath: 'properties.identifier.value',
  fields: {
    id: ['uuid', 'text'],
    name: ['properties.identifier.value', 'text'],
    rank: ['properties.rank_org', 'count'],
    updated_on: ['properties.updated_at', 'date'],
  },
  probe: () => ({ method: 'GET', path: '/entities/organizations/crunchbase', label: 'organizations.entity' }),
  volatile: ['$.rank', '$.updated_on'],
})

const coresignal = createCommercialAdapter({
  id: 'coresignal',
  title: 'Coresignal companies',
  docs: 'https://docs.coresignal.com',
  credential: { name: 'api_key', placement: { in: 'header', name: 'apikey' }, required: true },
  normalizerVersion: 1,
  options: z.strictObject({}),
  askBy: ['domain'],
  creditsPerItem: 2,
  single: {
    request: ({ domain }) => ({
      method: 'GET',
      path: '/company_multi_source/enrich',
      query: [['website', domain ?? '']],
      label: 'company.enrich',
    }),
    read: (view) => {
      const item = itemOf(view.json)
      return item === null || view.status !== 200 ? { kind: 'miss', reason: 'no such company' } : { kind: 'hit', item }
    },
  },
  idPath: 'id',
  domainPath: 'website',
  namePath: 'company_name',
  fields: { id: ['id', 'text'], name: ['company_name', 'text'], industry: ['industry', 'text'] },
  probe: () => ({ method: 'GET', path: '/company_multi_source/enrich', label: 'company.probe' }),
  probeAnswer: 'invalid_request',
  volatile: [],
})

const ORGANIZATION = {
  id: 'x1',
  name: 'Acme Robotics',
  primary_domain: 'acme.com',
  industry: 'robots',
  estimated_num_employees: 5,
  keywords: ['a', 'b'],
}
const recordOf = (answer: Answer): JsonObject => (answer.kind === 'record' ? answer.record : {})
const enriched = (organization: JsonObject): JsonObject =>
  recordOf(apollo.lookup!.parse(viewOf({ body: { organization } }), target('Acme Robotics', 'acme.com'), CONTEXT))

for (const [adapter, error] of [
  [apollo, { status: 401, text: 'Invalid API key. See the documentation.' }],
  [crunchbase, { status: 401, body: [{ status: 401, code: 'LA401', message: 'Unauthorized user_key' }] }],
  [coresignal, { status: 401, body: { detail: 'no key' } }],
] as const satisfies readonly (readonly [SourceAdapter, object])[]) {
  adapterSuite(adapter, {
    exampleEntities: [company('Acme Robotics', 'acme.com'), { ...company('', null), attributes: { name: null, domain: null } }],
    onePage: {
      lookup: 'polling is tried below, answer by answer',
      batch: 'a call answers about all that were asked',
      identity: 'what fits best stands on the first page of a search',
    },
    instants: 'records keep days and no moments',
    errors: [
      { name: 'a key that is not known', label: 'x', answer: error, class: 'auth' },
      {
        name: 'no credits',
        label: 'x',
        answer: { status: 402, body: { detail: 'Insufficient credits' } },
        class: 'quota_exhausted',
        untilMs: Date.UTC(2026, 11, 1) - RECEIVED_AT,
      },
    ],
    ...(adapter === apollo
      ? {
          unchangedPairs: [
            {
              name: 'head count and order',
              before: enriched(ORGANIZATION),
              after: enriched({ ...ORGANIZATION, estimated_num_employees: 9, keywords: ['b', 'a'] }),
            },
          ],
          changedPairs: [
            {
              name: 'industry',
              before: enriched(ORGANIZATION),
              after: enriched({ ...ORGANIZATION, industry: 'x' }),
              path: '$.industry',
            },
          ],
        }
      : {}),
  })
}

describe('a provider out of the template', () => {
  it('asks in bulk, counts credits before the call, and matches answers to questions by domain', () => {
    const targets = [target('Acme Robotics', 'acme.com'), target('Nobody', 'nobody.com'), target('Other', 'other.com')]
    expect(apollo.batch!.request(targets, 'companies', null, CONTEXT)).toMatchObject({
      credits: 3,
      json: { domains: ['acme.com', 'nobody.com', 'other.com'] },
    })
    expect(coresignal.lookup!.request(targets[0]!, CONTEXT).credits).toBe(2)
    expect(apollo.probe(CONTEXT).credits).toBe(0)
    const other = { ...ORGANIZATION, id: 'x2', name: 'Other Inc', primary_domain: 'WWW.other.com' }
    const { answers } = apollo.batch!.parse(
      viewOf({ body: { status: 'success', organizations: [other, ORGANIZATION] } }),
      targets,
      'companies',
      null,
      CONTEXT,
    )
    expect(answers).toMatchObject([
      { kind: 'record', record: { id: 'x1' }, identity: { providerKey: 'x1', method: 'domain', confidence: 0.97 } },
      { kind: 'absent', reason: 'nothing was enriched' },
      { kind: 'record', record: { id: 'x2' } },
    ])
  })

  it('fetches what was only accepted once, and comes back later for what is not ready', () => {
    const accepted = viewOf({ body: { waterfall: { status: 'accepted' }, request_id: '1039995589705121900' } })
    const poll = apollo.lookup!.more!([accepted], target('Acme', 'acme.com'), CONTEXT)
    expect(poll).toEqual({ method: 'GET', path: '/webhook_result/1039995589705121900', label: 'webhook_result', credits: 0 })
    const pending = viewOf({ status: 404, body: { error_code: 'result_pending', retry_after_seconds: 10 } })
    expect(apollo.lookup!.more!([accepted, pending], target('Acme', 'acme.com'), CONTEXT)).toBeNull()
    expect(apollo.lookup!.parse(pending, target('Acme', 'acme.com'), CONTEXT, [accepted])).toMatchObject({
      kind: 'failed',
      errorClass: 'transient',
    })
  })

  it('uses the id it has learned, and no second proof', () => {
    expect(crunchbase.lookup!.request(target('Acme', null, 'abc/d'), CONTEXT)).toMatchObject({
      path: '/entities/organizations/abc%2Fd',
    })
    expect(crunchbase.lookup!.request(target('Acme', null), CONTEXT)).toMatchObject({
      label: 'organizations.search',
      json: { query: 'Acme' },
    })
    const view = viewOf({ body: { entities: [{ uuid: 'u1', properties: { identifier: { value: 'Renamed' } } }] } })
    expect(crunchbase.lookup!.parse(view, target('Acme', null, 'u1'), CONTEXT)).toEqual({
      kind: 'record',
      entity: { kind: 'company', key: 'name:Acme' },
      record: { id: 'u1', name: 'Renamed', rank: null, updated_on: null },
    })
    expect(crunchbase.lookup!.parse(view, target('Acme', null), CONTEXT)).toMatchObject({
      kind: 'skipped',
      alternatives: [{ id: 'u1' }],
    })
  })

  it('says what it cannot be asked about', () => {
    expect(apollo.unresolvable(company('Acme', null))).toBe('no domain')
    expect(crunchbase.unresolvable(company('Acme', null))).toBeNull()
    expect(queryOf(target('Acme', 'https://WWW.Acme.com/about?x')).domain).toBe('acme.com')
  })
})

describe('what they have in common', () => {
  it.each([
    [{ status: 202, body: {} }, 'ok', undefined],
    [
      { status: 403, body: { error: { type: 'quota_exceeded' }, message: 'credits used up' } },
      'quota_exhausted',
      nextUtcMonth(RECEIVED_AT),
    ],
    [{ status: 403, body: { error: 'not in scope', error_code: 'API_INACCESSIBLE' } }, 'auth', undefined],
    [{ status: 404, body: {} }, 'not_found', undefined],
    [{ status: 454, body: { detail: 'removed' } }, 'not_found', undefined],
    [{ status: 409, body: { detail: 'in progress' } }, 'transient', undefined],
    [{ status: 410, body: { error_code: 'request_id_expired' } }, 'invalid_request', undefined],
    [{ status: 426, text: 'use https' }, 'invalid_request', undefined],
    [{ status: 429, text: '', headers: { 'retry-after': '7' } }, 'rate_limited', RECEIVED_AT + 7_000],
    [{ status: 429, text: '' }, 'rate_limited', RECEIVED_AT + 60_000],
    [{ status: 429, text: '', headers: { 'x-ratelimit-reset': '2030-01-01T00:00:00Z' } }, 'rate_limited', RECEIVED_AT + 60_000],
    [{ status: 200, text: '<html>' }, 'malformed', undefined],
    [{ status: 502, text: '' }, 'transient', undefined],
  ] as const)('%j', (parts, responseClass, until) => {
    const classified = classifyCommercial(viewOf(parts))
    expect(classified.class).toBe(responseClass)
    expect(classified.until).toBe(until)
  })

  it('reads the moment at which a limit ends in every form seen', () => {
    const reset = (text: string) => rateLimitReset(viewOf({ text: '', headers: { 'x-ratelimit-reset': text } }))
    expect(reset(String(RECEIVED_AT / 1000))).toBe(RECEIVED_AT)
    expect(reset('42')).toBe(RECEIVED_AT + 42_000)
    expect(reset('2022-02-23T20:19:55Z')).toBe(Date.UTC(2022, 1, 23, 20, 19, 55))
    expect(reset('2026-09-25 14:18:55')).toBe(Date.UTC(2026, 8, 25, 14, 18, 55))
    expect(reset('soon')).toBeNull()
  })

  it('is sure in proportion to what was compared', () => {
    const query = queryOf(target('Acme Robotics, Inc.', 'acme.com'))
    const confidence = (id: string, domain: string | null, name: string | null) => {
      const found = identify(query, { id, domain, name })
      return found !== null && 'confidence' in found ? found.confidence : found
    }
    expect(confidence('1', 'http://www.acme.com/', 'ACME ROBOTICS LLC')).toBe(0.97)
    expect(confidence('1', 'acme.com', 'Something Else')).toBe(0.85)
    expect(confidence('1', 'acme-robotics.com', 'Acme Robotics')).toBe(0.9)
    expect(confidence('1', null, 'Zeta Foods')).toMatchObject({ doubt: expect.stringContaining('Zeta Foods') })
    expect(identify({ ...query, providerKey: '1' }, { id: '1', domain: null, name: null })).toBeNull()
    const inTown = { ...query, domain: null, name: 'Acme Robotics', city: 'Lynn' }
    const other = (name: string, ...cities: string[]) =>
      identify(inTown, { id: '1', domain: null, name, places: cities.map((city) => ({ city, state: null })) })
    expect(other('Acme Robotics Labs', 'lynn')).toMatchObject({ method: 'name' })
    expect(other('Acme Robotics Labs', 'Salem', 'LYNN')).toMatchObject({ method: 'name' })
    expect(other('Acme Robotics Labs')).toMatchObject({ method: 'name' })
    expect(other('Acme Robotics Labs', 'Salem')).toEqual({ doubt: expect.stringContaining('of Salem') })
    // It may have moved: a person decides.
    expect(other('Acme Robotics, Inc.', 'Salem')).toMatchObject({ method: 'name', confidence: 0.72 })
    expect(other('Acme Robotics, Inc.', 'Lynn')).toMatchObject({ method: 'name', confidence: 0.9 })
  })

  const AUSTIN = { city: 'Austin', state: 'TX' }
  const PDL = 0.75
  it.each([
    // The reviewer's case: asked for one, PDL followed the redirect to another elsewhere.
    ['Radiant Power LLC', 'Radiant Power Imaging', [{ city: 'seattle', state: 'washington' }], 'other', false],
    ['Blue River Technologies', 'Blue River Systems', [{ city: 'boise', state: 'idaho' }], 'other', false],
    ['Radiant Power LLC', 'Radiant Power, Inc.', [{ city: 'seattle', state: 'washington' }], 'other', false],
    ['Radiant Power LLC', 'Radiant Power, Inc.', [{ city: 'Austin', state: 'MN' }], 'other', false],
    ['Radiant Power LLC', 'Radiant Power Imaging', [], 'unknown', false],
    // A company that moved its website, told by name or town.
    ['Radiant Power LLC', 'Radiant Power, Inc.', [], 'unknown', true],
    ['Radiant Power LLC', 'RadiantPower', [], 'unknown', true],
    ['Radiant Power LLC', 'Radiant Power Imaging', [{ city: 'austin', state: 'texas' }], 'same', true],
    ['Radiant Power LLC', 'Radiant Power, Inc.', [{ city: 'seattle', state: 'washington' }, AUSTIN], 'same', true],
    ['Radiant Power LLC', 'Radiant Power, Inc.', [{ city: 'AUSTIN', state: null }], 'same', true],
  ] as const)('redirected from %s to %s, %j: %s', (asked, name, places, town, counts) => {
    const query = { ...queryOf(target(asked, 'radiantpower.com')), city: 'Austin', state: 'TX' }
    const found = identify(query, { id: '1', domain: 'rpi-imaging.com', name, places })
    expect(found).toMatchObject({ method: 'domain_redirect', evidence: { town } })
    expect(found !== null && 'confidence' in found && found.confidence >= PDL).toBe(counts)
  })

  it('doubts our own domain where name and town are both those of somebody else', () => {
    const query = { ...queryOf(target('Radiant Power LLC', 'radiantpower.com')), city: 'St. Louis', state: 'MO' }
    const sure = (name: string, city: string) => {
      const found = identify(query, { id: '1', domain: 'radiantpower.com', name, places: [{ city, state: 'missouri' }] })
      return found !== null && 'confidence' in found ? found.confidence : null
    }
    expect(sure('Zeta Foods', 'Kansas City')).toBe(0.68)
    expect(sure('Zeta Foods', 'saint louis')).toBe(0.85)
    expect(sure('Radiant Power', 'Kansas City')).toBe(0.97)
  })

  it('keeps no more of the places of a large company than a person wants to see', () => {
    const places = Array.from({ length: 500 }, (_, at) => ({ city: `Town ${at}`, state: null }))
    const found = identify(queryOf(target('Acme', 'acme.com')), { id: '1', domain: 'acme.com', name: 'Acme', places })
    expect(JSON.stringify(found).length).toBeLessThan(600)
  })

  it.each([
    ['https://www.Acme.com/x', 'acme.com'],
    ['ACME.CO.UK.', 'acme.co.uk'],
    ['acme.com:8080', 'acme.com'],
    ['acme', null],
    ['not a host.com', null],
    [null, null],
  ])('%j is the host %j', (text, host) => {
    expect(hostOf(text)).toBe(host)
  })
})

describe.skipIf(!RECORDED)('recorded answers of other providers', () => {
  it('Apollo: one, ten, limits, and what is still being worked on', () => {
    const answer = apollo.lookup!.parse(
      viewOf({ body: body('apollo-organization-enrich-200') }),
      target('Apollo', 'apollo.io'),
      CONTEXT,
    )
    expect(answer).toMatchObject({
      record: { domain: 'apollo.io', founded_year: 2015, total_funding: '251200000', latest_funding_date: '2023-08-01' },
      identity: { method: 'domain' },
    })
    const { answers } = apollo.batch!.parse(
      viewOf({ body: body('apollo-organization-bulk-enrich-200') }),
      [target('Apollo.io', 'apollo.io'), target('Nobody', 'nobody.example')],
      'companies',
      null,
      CONTEXT,
    )
    expect(answers).toMatchObject([{ kind: 'record', record: { name: 'Apollo.io' } }, { kind: 'absent' }])
    const text = existsSync(`${ROOT}apollo-error-401.txt`) ? readFileSync(`${ROOT}apollo-error-401.txt`, 'utf8') : ''
    expect(classifyCommercial(viewOf({ status: 401, text }))).toMatchObject({
      class: 'auth',
      reason: expect.stringContaining('Invalid API key'),
    })
    for (const [name, status, expected] of [
      ['apollo-error-400-bulk-limit', 400, 'invalid_request'],
      ['apollo-error-403-scope', 403, 'auth'],
      ['apollo-error-422', 422, 'invalid_request'],
      ['apollo-error-429', 429, 'rate_limited'],
      ['apollo-webhook-result-expired-410', 410, 'invalid_request'],
      ['apollo-webhook-result-pending-404', 404, 'not_found'],
      ['coresignal-error-402', 402, 'quota_exhausted'],
      ['coresignal-error-409-duplicate-bulk', 409, 'transient'],
      ['crunchbase-error-401', 401, 'auth'],
    ] as const)
      expect(classifyCommercial(viewOf({ status, body: body(name) })).class, name).toBe(expected)
    expect(classifyCommercial(viewOf({ status: 401, body: body('crunchbase-error-401') })).reason).toContain(
      'Unauthorized user_key',
    )
  })

  it('Crunchbase: a search, checked against the name', () => {
    const view = viewOf({ body: body('crunchbase-search-200.shape') })
    expect(crunchbase.lookup!.parse(view, target('Example Robotics, Inc.', null), CONTEXT)).toMatchObject({
      kind: 'record',
      record: { name: 'Example Robotics', rank: 51_234, updated_on: '2026-07-14' },
      identity: { method: 'name' },
    })
    expect(crunchbase.lookup!.parse(view, target('Zeta Foods', null), CONTEXT)).toMatchObject({ kind: 'skipped' })
  })
})
