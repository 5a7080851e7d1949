import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Target } from '../../ts/adapters/adapter.ts'
import { companyPath, readCompanyKey } from '../../ts/adapters/opencorporates/ids.ts'
import { recordOfCompany, recordOfOfficers, recordOfOwners, unwrapped } from '../../ts/adapters/opencorporates/record.ts'
import { opencorporates } from '../../ts/adapters/opencorporates.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { HOUR_MS } from '../../ts/model/time.ts'
import { payloadHash } from '../../ts/refresh/canonical.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ChangedPair, type ErrorCase, type RecordedCase, type RecordPair } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recordedView, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'opencorporates'
const CONTEXT = { now: RECEIVED_AT, options: { officers: true, statements: true, max_pages: 3 } }
const GITHUB = 'us_ca/C3268102'
const GOOGLE = 'us_ca/C2474131'
/** Midnight UTC after 03:00; the first of December after 21 November, 03:00. */
const TO_MIDNIGHT = 21 * HOUR_MS
const TO_DECEMBER = (9 * 24 + 21) * HOUR_MS

function company(name: string | null, state: string | null = 'CA', more: JsonObject = {}): Entity {
  const attributes = { name, uei: null, duns: null, city: 'SAN FRANCISCO', state, zip: '94107', country: null, ...more }
  return { kind: 'company', key: `name:${name ?? ''}|${state ?? ''}`, attributes, aliases: [] }
}
function target(name: string | null, providerKey: string | null = null, state: string | null = 'CA'): Target {
  return { entity: company(name, state), providerKey, validators: { etag: null, lastModified: null } }
}
type Row = { number: string; name: string; state?: string; inactive?: boolean; former?: string[]; street?: string }
const found = (rows: readonly Row[], total = rows.length) =>
  viewOf({
    body: {
      api_version: '0.4',
      results: {
        companies: rows.map(({ number, name, state = 'us_ca', inactive = false, former, street }) => ({
          company: {
            name,
            company_number: number,
            jurisdiction_code: state,
            inactive,
            previous_names: former === undefined ? null : former.map((text) => ({ company_name: text, con_date: null })),
            ...(street === undefined
              ? {}
              : { registered_address: { street_address: street, locality: null, postal_code: null } }),
          },
        })),
        page: 1,
        per_page: 100,
        total_pages: Math.ceil(total / 100),
        total_count: total,
      },
    },
  })
const list = (name: 'officers' | 'statements', items: readonly JsonValue[], pages = 1) =>
  viewOf({ body: { api_version: '0.4', results: { [name]: items, page: 1, per_page: 100, total_pages: pages } } })
const officer = (id: JsonValue, more: JsonObject = {}): JsonObject => ({
  officer: {
    id,
    name: 'JANE ROE',
    position: 'director',
    uid: null,
    start_date: '2014-02-01',
    end_date: null,
    address: '1 PRIVATE LANE, SAN FRANCISCO',
    date_of_birth: '1970-01-01',
    nationality: 'American',
    occupation: 'Engineer',
    ...more,
  },
})
const got = (key = GITHUB, more: JsonObject = {}) => {
  const [jurisdiction, number] = key.split('/')
  return viewOf({
    body: { results: { company: { name: 'GITHUB, INC.', jurisdiction_code: jurisdiction!, company_number: number!, ...more } } },
  })
}
const candidatesOf = (rows: readonly Row[], name = 'GitHub, Inc.', total = rows.length) =>
  opencorporates.resolve!.parse([found(rows, total)], target(name), CONTEXT).candidates

/** Every recording with the request it answers, its status and its class. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, { label: string; status?: number; class: ResponseClass }>> = {
  'companies-search-200': { label: 'companies.search', class: 'ok' },
  'companies-search-200-v1': { label: 'companies.search', class: 'ok' },
  'company-get-200': { label: 'company.lookup', class: 'ok' },
  'company-get-200-docs-sample': { label: 'company.lookup', class: 'ok' },
  'company-get-200-later': { label: 'company.lookup', class: 'ok' },
  'control-statements-search-200.shape': { label: 'company.statements', class: 'ok' },
  'error-401-invalid-token': { label: 'companies.search', status: 401, class: 'auth' },
  // Jurisdictions are never asked for: states have codes of their own.
  'jurisdictions-match-200': { label: 'company.lookup', class: 'malformed' },
  'jurisdictions-match-200-none': { label: 'company.lookup', class: 'malformed' },
}
const reads = readingsOf(opencorporates, CONTEXT)
const NOTHING_MORE = [list('officers', []), list('statements', [])]
const READ_BY: Readonly<Record<string, EmptyReading>> = {
  'companies-search-200': reads.candidates(target('GitHub, Inc.')),
  'companies-search-200-v1': reads.candidates(target('GitHub, Inc.')),
  'company-get-200': reads.recordThen(target(null, GOOGLE), NOTHING_MORE),
  'company-get-200-docs-sample': reads.recordThen(target(null, 'nl/17087985'), NOTHING_MORE),
  'company-get-200-later': reads.recordThen(target(null, 'us_ca/C3517133'), NOTHING_MORE),
  'control-statements-search-200.shape': {
    kind: 'list',
    parser: 'lookup.parse',
    parse(view) {
      const answer = opencorporates.lookup!.parse(view, target(null, GITHUB), CONTEXT, [got(), list('officers', [])])
      return answer.kind === 'record' ? [answer.record['owners']!] : []
    },
  },
}
const recordings: RecordedCase[] = recordingNames(PROVIDER).flatMap((name): RecordedCase[] => {
  const expected = EXPECTED[name]
  if (expected === undefined) return []
  const view = { ...recordedView(PROVIDER, name), status: expected.status ?? 200 }
  const reading = READ_BY[name]
  return [{ name, label: expected.label, class: expected.class, view, ...(reading === undefined ? {} : { reads: reading }) }]
})

const BLOCK_FILE = new URL(`../../../shared/recordings/${PROVIDER}/error-ip-block.html`, import.meta.url)
const BLOCK = existsSync(BLOCK_FILE) ? readFileSync(BLOCK_FILE, 'utf8') : null
const saying = (message: string) => ({ body: { error: { message } } })
const ERRORS: ErrorCase[] = [
  ...[200, 403, 429, 503].flatMap((status): ErrorCase[] =>
    BLOCK === null
      ? []
      : [
          {
            name: `recorded: blocked address, under ${status}`,
            label: 'companies.search',
            answer: { status, text: BLOCK },
            class: 'source_down',
          },
        ],
  ),
  { name: 'another page of the edge', label: 'company.lookup', answer: { status: 403, text: '<p>No</p>' }, class: 'source_down' },
  {
    name: 'quota as 429, of the day',
    label: 'company.lookup',
    answer: { status: 429, ...saying('Too many requests today') },
    class: 'quota_exhausted',
    untilMs: TO_MIDNIGHT,
  },
  {
    name: 'quota as 429 without a word',
    label: 'company.officers',
    answer: { status: 429, text: '' },
    class: 'quota_exhausted',
    untilMs: TO_MIDNIGHT,
  },
  {
    name: 'quota as 403, of the month',
    label: 'companies.search',
    answer: { status: 403, ...saying('You have exceeded your monthly limit') },
    class: 'quota_exhausted',
    untilMs: TO_DECEMBER,
  },
  {
    name: 'quota with a moment',
    label: 'companies.search',
    answer: { status: 429, ...saying('quota'), headers: { 'retry-after': '3600' } },
    class: 'quota_exhausted',
    untilMs: HOUR_MS,
  },
  {
    name: 'a list that the plan has not',
    label: 'company.statements',
    answer: { status: 403, ...saying('Not available on your plan; access is limited to enterprise customers') },
    class: 'not_found',
  },
  {
    name: 'what the plan does not allow',
    label: 'company.lookup',
    answer: { status: 403, ...saying('Not available on your plan; access is limited to enterprise customers') },
    class: 'auth',
  },
  {
    name: 'a list that is refused for no such reason',
    label: 'company.statements',
    answer: { status: 403, ...saying('Forbidden') },
    class: 'auth',
  },
  { name: 'no such company', label: 'company.lookup', answer: { status: 404, ...saying('Not found') }, class: 'not_found' },
  { name: 'no list of it', label: 'company.statements', answer: { status: 404, ...saying('Not found') }, class: 'not_found' },
  { name: 'no such path', label: 'companies.search', answer: { status: 404, ...saying('Not found') }, class: 'invalid_request' },
  {
    name: 'another number',
    label: 'company.lookup',
    answer: { status: 301, text: '', headers: { location: 'https://api.opencorporates.com/v0.4/companies/us_ca/3268102' } },
    class: 'not_found',
  },
  {
    name: 'a redirect to a log-in',
    label: 'company.lookup',
    answer: { status: 302, text: '', headers: { location: '/users/sign_in' } },
    class: 'invalid_request',
  },
  { name: 'a bad gateway', label: 'company.lookup', answer: { status: 502, text: '<h1>502</h1>' }, class: 'transient' },
  { name: 'a page instead of JSON', label: 'companies.search', answer: { text: '<html></html>' }, class: 'malformed' },
  {
    name: 'an account without calls left this month',
    label: 'account.status',
    answer: { body: { results: { account_status: { calls_remaining: { today: 50, this_month: 0 } } } } },
    class: 'quota_exhausted',
    untilMs: TO_DECEMBER,
  },
]

const companyOf = (name: string): JsonObject => {
  const { results } = recording(PROVIDER, name) as { results: { company?: JsonObject; companies?: { company: JsonObject }[] } }
  return results.company ?? results.companies![0]!.company
}
const full = (body: JsonObject, officers: readonly JsonValue[] = [], statements: readonly JsonValue[] = []): JsonObject => ({
  ...recordOfCompany(body),
  officers: recordOfOfficers(unwrapped(officers as JsonValue, 'officer')),
  officers_complete: true,
  owners: recordOfOwners(unwrapped(statements as JsonValue, 'statement')),
  owners_complete: true,
})

function pairs(): { unchanged: RecordPair[]; changed: ChangedPair[] } {
  const google = companyOf('company-get-200')
  const shape = recording(PROVIDER, 'control-statements-search-200.shape') as { results: { statements: JsonObject[] } }
  const { statements } = shape.results
  const staff = [officer(1), officer(2, { position: 'secretary' })]
  const before = full(google, staff, statements)
  const source = google['source'] as JsonObject
  return {
    unchanged: [
      {
        name: 'recorded: the same company in two captures',
        before: full(companyOf('companies-search-200-v1')),
        after: full(companyOf('companies-search-200')),
      },
      {
        name: 'what moves with every retrieval',
        before,
        after: full(
          {
            ...google,
            retrieved_at: '2026-01-01T00:00:00Z',
            updated_at: '2026-01-01T00:00:00Z',
            created_at: '2011-09-21T23:27:02+01:00',
            registry_url: 'https://elsewhere.example/',
            source: { ...source, url: 'https://elsewhere.example/', retrieved_at: '2026-01-01T00:00:00Z' },
            data: { most_recent: [], total_count: 0, url: null },
            financial_summary: { assets: 1 },
            previous_names: null,
            registered_address_in_full: null,
            opencorporates_url: String(google['opencorporates_url']).replace('https', 'http'),
            filings: [{ filing: { id: 1 } }],
          },
          [...staff].reverse(),
          statements,
        ),
      },
      {
        name: 'private data of officers and owners',
        before,
        after: full(
          google,
          staff.map(({ officer: one }) => ({ officer: { ...(one as JsonObject), address: 'X', date_of_birth: null } })),
          JSON.parse(JSON.stringify(statements).replaceAll('1970', '1971').replaceAll('British', 'French')) as JsonObject[],
        ),
      },
    ],
    changed: [
      {
        name: 'it was dissolved',
        before,
        after: full({ ...google, inactive: true, current_status: 'Dissolved' }, staff, statements),
        path: '$.inactive',
      },
      {
        name: 'it moved',
        before,
        after: full({ ...google, registered_address: { street_address: '1 MAIN ST' } }, staff, statements),
        path: '$.registered_address.street',
      },
      {
        name: 'an officer left',
        before,
        after: full(google, [staff[0]!, officer(2, { position: 'secretary', end_date: '2020-01-01' })], statements),
        path: '$.officers[id=2].end_date',
      },
      {
        name: 'it took another name',
        before,
        after: full({ ...google, name: 'GOOGLE LLC', previous_names: [{ company_name: 'GOOGLE INC.' }] }, staff, statements),
        path: '$.name',
      },
    ],
  }
}
const recorded = hasRecordings(PROVIDER) ? pairs() : { unchanged: [], changed: [] }

const statement = (notified: string, ceased: string | null, ...mechanisms: readonly string[]): JsonObject => ({
  statement: {
    controlling_entities: [{ person: { name: 'ANN LEE' } }],
    control_mechanisms: mechanisms.map((source_description) => ({ source_description })),
    other_attributes: { notified_on: notified, ceased_on: ceased },
  },
})
/** One person twice, from the same day and by the same means, once ended and once not; and with another end. */
const TWICE = [
  statement('2020-01-01', '2021-06-30', 'shares', 'votes'),
  statement('2020-01-01', null, 'shares', 'votes'),
  statement('2020-01-01', '2022-12-31', 'shares'),
]
const UNNAMED = { name: 'BO KIM', position: 'director', start_date: '2019-01-01' }
const STAFF_TWICE = [null, '2020-01-01'].map((end_date) => ({ officer: { ...UNNAMED, end_date } }))
const ACME = { name: 'ACME', jurisdiction_code: 'gb', company_number: '1' }
const unchanged: RecordPair[] = [
  ...recorded.unchanged,
  {
    name: 'order of the rows of one officer and of one owner, and of means of control',
    before: full(ACME, STAFF_TWICE, TWICE),
    after: full(ACME, STAFF_TWICE.toReversed(), [
      ...TWICE.slice(1).reverse(),
      statement('2020-01-01', '2021-06-30', 'votes', 'shares'),
    ]),
  },
]
const changed: ChangedPair[] = [
  ...recorded.changed,
  {
    name: 'one of two rows of one owner ended',
    before: full(ACME, [], TWICE.slice(0, 2)),
    after: full(ACME, [], [TWICE[0]!, statement('2020-01-01', '2024-02-02', 'shares', 'votes')]),
    path: '$.owners[kind=person,name=ANN LEE,notified_on=2020-01-01#2].ceased_on',
  },
]

const EXAMPLES = [
  company('GitHub, Inc.'),
  company("O'Brien & Sons (R&D) L.L.C.", 'Puerto Rico'),
  company(null),
  company('X', 'GU'),
]
adapterSuite(opencorporates, {
  exampleEntities: EXAMPLES,
  providerKeys: { [EXAMPLES[0]!.key]: GITHUB, [EXAMPLES[1]!.key]: 'pr/12 345-[S]*' },
  recordings,
  errors: ERRORS,
  unchangedPairs: unchanged,
  changedPairs: changed,
  conversations: [
    {
      name: 'renumbered, then pages of officers and of owners',
      by: 'lookup',
      targets: [target('X', GOOGLE)],
      answers: [
        viewOf({
          status: 301,
          text: '',
          headers: { location: `https://api.opencorporates.com/v0.4.8/companies/${GITHUB}?api_token=x` },
        }),
        got(GITHUB),
        list('officers', [officer(1)], 2),
        list('officers', [officer(2)], 2),
        list('statements', [], 2),
        list('statements', [], 2),
      ],
      requests: 6,
    },
  ],
  onePage: { identity: 'what is behind the first page of a search fits worse' },
  instants: 'dates are days; retrieved_at and other times are left out',
  noise: ['retrieved_at', 'updated_at', 'created_at', 'source', 'corporate_groupings'],
})

describe.skipIf(!hasRecordings(PROVIDER))('opencorporates against recordings', () => {
  it('has an expectation for every recording', () => {
    expect(recordingNames(PROVIDER)).toEqual(Object.keys(EXPECTED).sort())
  })

  it('reads the recorded companies', () => {
    expect(recordOfCompany(companyOf('company-get-200'))).toMatchObject({
      jurisdiction_code: 'us_ca',
      company_number: 'C2474131',
      inactive: false,
      branch_status: 'branch of an out-of-jurisdiction company',
      controlling_entity: { name: 'GOOGLE INC.', jurisdiction_code: 'us_de', company_number: null },
      registered_address: { street: '1600 AMPHITHEATRE PARKWAY, MOUNTAIN VIEW, CA 94043', country: 'United States' },
      incorporation_date: '2002-11-07',
    })
    // Dissolved without a date: the flag is what counts.
    expect(recordOfCompany(companyOf('company-get-200-later'))).toMatchObject({
      inactive: true,
      current_status: 'Dissolved',
      dissolution_date: null,
    })
    expect(recordOfCompany(companyOf('company-get-200-docs-sample'))).toMatchObject({
      jurisdiction_code: 'nl',
      registered_address: null,
    })
  })

  it('finds the same candidates in both captures of the same company', () => {
    const [v1, later] = ['companies-search-200-v1', 'companies-search-200'].map((name) =>
      opencorporates.resolve!.parse([recordedView(PROVIDER, name)], target('GitHub Inc'), CONTEXT),
    )
    expect(later).toEqual(v1)
    expect(later!.candidates).toMatchObject([{ providerKey: GITHUB, method: 'exact_name+state' }])
    // 41 more were announced and not read, and it is still sure.
    expect(later!.candidates[0]!.confidence).toBeGreaterThan(0.9)
    const [hash, again] = ['companies-search-200-v1', 'companies-search-200'].map((name) =>
      payloadHash(recordOfCompany(companyOf(name)), opencorporates),
    )
    expect(again).toBe(hash)
  })

  it('keeps of owners the name and what they control by, nothing private', () => {
    const views = [
      recordedView(PROVIDER, 'company-get-200'),
      list('officers', [officer(9_007_199_254_740_993n.toString())]),
      recordedView(PROVIDER, 'control-statements-search-200.shape'),
    ]
    const asked = target('Google', GOOGLE)
    expect(opencorporates.lookup!.more!(views, asked, CONTEXT)).toBeNull()
    const answer = opencorporates.lookup!.parse(views[2]!, asked, CONTEXT, views.slice(0, 2))
    expect(answer).toMatchObject({
      kind: 'record',
      record: {
        officers: [{ id: '9007199254740993', name: 'JANE ROE', position: 'director', start_date: '2014-02-01', end_date: null }],
        officers_complete: true,
        owners: [
          {
            kind: 'person',
            name: 'Ms Example Owner',
            mechanisms: ['ownership-of-shares-75-to-100-percent'],
            notified_on: '2016-04-06',
            ceased_on: null,
          },
        ],
        owners_complete: true,
      },
    })
    expect(JSON.stringify(answer)).not.toMatch(/PRIVATE LANE|1970|Example Street|British|American|Engineer|EC1A/)
  })
})

describe('opencorporates keys', () => {
  it('are read from what people paste, and refused when they cannot stand in a path', () => {
    expect(readCompanyKey('https://opencorporates.com/companies/us_nh/12345%20[S]')).toEqual({
      jurisdiction: 'us_nh',
      number: '12345 [S]',
    })
    expect(companyPath(readCompanyKey('us_nh/12345 [S]')!)).toBe('/v0.4/companies/us_nh/12345%20%5BS%5D')
    for (const wrong of [
      '',
      null,
      'C3268102',
      'us_ca/',
      'us_ca/..',
      'us_ca/a/b',
      'us_ca/a\\b',
      'California/1',
      `us_ca/${'9'.repeat(90)}`,
    ])
      expect(readCompanyKey(wrong)).toBeNull()
  })

  it('that are none are said to be none', () => {
    const wrong = target('GitHub', '../../account_status')
    expect(opencorporates.lookup!.request(wrong, CONTEXT).path).toBe('/v0.4/companies/us/accountstatus')
    expect(opencorporates.lookup!.parse(viewOf({ status: 404, body: {} }), wrong, CONTEXT)).toMatchObject({ kind: 'skipped' })
  })

  it('go with the token in a header', () => {
    expect(opencorporates.credentials[0]!.placement).toEqual({ in: 'header', name: 'X-API-TOKEN' })
    expect(opencorporates.cohort.name(company('A', 'ca'))).toBe('jurisdiction_CA')
    expect(opencorporates.cohort.name(company('A', null))).toBe('jurisdiction_unknown')
  })
})

describe('opencorporates identities', () => {
  const query = (name: string, state: string | null = 'CA') =>
    Object.fromEntries(opencorporates.resolve!.request([], target(name, null, state), CONTEXT)?.query ?? [])

  it('are asked for by words alone, in the register of the state and in Delaware', () => {
    expect(query("The O'Brien & Sons (R&D), L.L.C.")).toMatchObject({
      q: 'O BRIEN SONS R D',
      jurisdiction_code: 'us_ca|us_de',
      per_page: '100',
    })
    expect(query('Acme/Photonics "2000" Inc.', 'Delaware')).toMatchObject({
      q: 'ACME PHOTONICS 2000',
      jurisdiction_code: 'us_de',
    })
    expect(query('Acme', 'PR')['jurisdiction_code']).toBe('pr|us_de')
    const { unresolvable } = opencorporates.resolve!
    expect(unresolvable(company('Acme', 'GU'))).toMatch(/no state/)
    expect(unresolvable(company('Acme', null))).toMatch(/no state/)
    expect(unresolvable(company('--', 'CA'))).toMatch(/too short/)
    expect(unresolvable(company(null))).toBe('no name')
    expect(unresolvable(company('3M'))).toBeNull()
  })

  it('are as sure as what agrees: name, former name, likeness, address, status, form, place', () => {
    const confidence = (row: Partial<Row>, name?: string) =>
      candidatesOf([{ number: 'C1', name: 'GITHUB, INC.', ...row }], name)[0]?.confidence ?? 0
    const exact = confidence({ street: '548 4TH STREET, SAN FRANCISCO, CA 94107' })
    expect(exact).toBe(0.96)
    for (const worse of [
      { street: '1 MAIN ST, FRESNO, CA 93650' },
      { name: 'GitHub LLC' },
      { inactive: true },
      { name: 'OCTO CORP', former: ['GITHUB INC'] },
    ]) {
      expect(confidence(worse), JSON.stringify(worse)).toBeLessThan(exact)
      expect(confidence(worse), JSON.stringify(worse)).toBeGreaterThanOrEqual(0.85)
    }
    // Each of them alone is enough; a former name of a company that is gone, or one in Delaware, is not.
    expect(confidence({ name: 'OCTO CORP', former: ['GITHUB INC'], inactive: true })).toBeLessThan(0.85)
    expect(confidence({ state: 'us_de' })).toBeLessThan(0.8)
    expect(confidence({ name: 'GITHUB HOLDINGS COMPANY OF CALIFORNIA' })).toBe(0)
    expect(confidence({ name: 'GITUB INC' })).toBeLessThan(exact)
  })

  it('share what there is to be sure of when several fit, but not with those elsewhere', () => {
    const one = { number: 'C1', name: 'GITHUB, INC.' }
    const twins = candidatesOf([one, { ...one, number: 'C2' }])
    expect(twins.map((candidate) => candidate.confidence)).toEqual([0.48, 0.48])
    const branch = candidatesOf([one, { ...one, number: '7', state: 'us_de' }])
    expect(branch.map(({ providerKey }) => providerKey)).toEqual(['us_ca/C1', 'us_de/7'])
    expect(branch[0]!.confidence).toBe(0.96)
    expect(branch[0]!.confidence - branch[1]!.confidence).toBeGreaterThan(0.1)
    expect(candidatesOf([one], 'GitHub', 400)[0]!.confidence).toBeLessThan(0.96)
    expect(candidatesOf([])).toEqual([])
  })

  it('are refused when the answer is about other places than were asked for', () => {
    expect(() => candidatesOf([{ number: '1', name: 'GITHUB', state: 'gb' }])).toThrow(/other jurisdictions/)
  })
})

describe('opencorporates lists', () => {
  it('that a plan does not have (any more) make another origin, so that their absence is no change', () => {
    const by = (record: JsonObject) => opencorporates.origin!(record)
    expect(by({ officers: [], owners: null })).toMatchObject({ standsIn: false, lacks: ['owners', 'owners_complete'] })
    expect(by({ officers: [], owners: [] }).lacks).toEqual([])
    expect(
      new Set(
        [by({ officers: null, owners: null }), by({ officers: null, owners: [] }), by({ officers: [], owners: [] })].map(
          (one) => one.by,
        ),
      ).size,
    ).toBe(3)
  })
})

describe('opencorporates rows of one person', () => {
  it('are all kept, whatever their order; what is the same row is one', () => {
    const owners = (rows: readonly JsonValue[]) => full(ACME, STAFF_TWICE, rows)['owners']
    expect(owners(TWICE)).toHaveLength(3)
    expect(owners([...TWICE, ...TWICE].reverse())).toEqual(owners(TWICE))
    expect(full(ACME, [...STAFF_TWICE, ...STAFF_TWICE])['officers']).toEqual([
      expect.objectContaining({ name: 'BO KIM', end_date: '2020-01-01' }),
      expect.objectContaining({ name: 'BO KIM', end_date: null }),
    ])
  })
})

describe('opencorporates look-ups', () => {
  const asked = target('GitHub', GITHUB)
  const { lookup } = opencorporates
  const next = (...views: ReturnType<typeof viewOf>[]) => lookup!.more!(views, asked, CONTEXT)

  it('ask for the company, its officers page by page, its statements, and no more', () => {
    expect(lookup!.request(asked, CONTEXT)).toMatchObject({
      path: '/v0.4/companies/us_ca/C3268102',
      query: [['sparse', 'true']],
    })
    const officers = (from: number, pages: number) =>
      list(
        'officers',
        Array.from({ length: 100 }, (_, at) => officer(from + at)),
        pages,
      )
    expect(next(got())).toMatchObject({ path: '/v0.4/companies/us_ca/C3268102/officers', label: 'company.officers' })
    expect(next(got(), officers(0, 2))?.query).toContainEqual(['page', '2'])
    const views = [got(), officers(0, 2), officers(100, 2), list('statements', [])]
    expect(next(...views.slice(0, 3))).toMatchObject({ label: 'company.statements' })
    expect(next(...views)).toBeNull()
    const answer = lookup!.parse(views[3]!, asked, CONTEXT, views.slice(0, 3))
    expect(answer.kind === 'record' && (answer.record['officers'] as readonly JsonValue[]).length).toBe(200)
    // More pages than are read: the record says so.
    const many = [got(), officers(0, 9), officers(100, 9), officers(200, 9), list('statements', [])]
    expect(next(...many)).toBeNull()
    expect(lookup!.parse(many[4]!, asked, CONTEXT, many.slice(0, 4))).toMatchObject({ record: { officers_complete: false } })
  })

  it('leave out what is switched off, and what the provider does not have', () => {
    const less = { ...CONTEXT, options: { officers: false, statements: false, max_pages: 3 } }
    expect(lookup!.more!([got()], asked, less)).toBeNull()
    expect(lookup!.parse(got(), asked, less)).toMatchObject({ record: { officers: null, owners: null } })
    const missing = viewOf({ status: 404, body: { error: { message: 'Not found' } } })
    expect(next(got(), missing)).toMatchObject({ label: 'company.statements' })
    expect(next(got(), missing, missing)).toBeNull()
    expect(lookup!.parse(missing, asked, CONTEXT, [got(), missing])).toMatchObject({ record: { officers: null } })
    expect(next(missing)).toBeNull()
    expect(lookup!.parse(missing, asked, CONTEXT)).toMatchObject({ kind: 'absent' })
  })

  it('go on without a list that is not in the plan', () => {
    const denied = viewOf({ status: 403, body: { error: { message: 'Not available on your plan; access is limited' } } })
    const views = [got(), list('officers', [officer(1)]), denied]
    expect(next(...views)).toBeNull()
    expect(lookup!.parse(denied, asked, CONTEXT, views.slice(0, 2))).toMatchObject({
      kind: 'record',
      record: { officers: [{ id: '1' }], owners: null, owners_complete: null },
    })
  })

  it('hash former names and industries alike in whatever order they come', () => {
    const record = (turn: (list: JsonObject[]) => JsonObject[]): JsonObject => {
      const view = got(GITHUB, {
        previous_names: turn([{ company_name: 'A' }, { company_name: 'B' }]),
        industry_codes: turn([{ industry_code: { code: '1' } }, { industry_code: { code: '2' } }]),
      })
      const answer = lookup!.parse(view, asked, { ...CONTEXT, options: { officers: false, statements: false } })
      return answer.kind === 'record' ? answer.record : {}
    }
    const [forth, back] = [record((rows) => rows), record((rows) => rows.toReversed())]
    expect(forth['previous_names']).toHaveLength(2)
    expect(payloadHash(back, opencorporates)).toBe(payloadHash(forth, opencorporates))
  })

  it('follow a company to its new number, and do not go in circles', () => {
    const moved = (key: string) => viewOf({ status: 301, text: '', headers: { location: `/v0.4/companies/${key}` } })
    expect(next(moved('us_ca/B20'))).toMatchObject({ path: '/v0.4/companies/us_ca/B20' })
    const views = [moved('us_ca/B20'), got('us_ca/B20'), list('officers', []), list('statements', [])]
    expect(next(...views.slice(0, 2))).toMatchObject({ path: '/v0.4/companies/us_ca/B20/officers' })
    const answer = lookup!.parse(views[3]!, asked, CONTEXT, views.slice(0, 3))
    expect(answer).toMatchObject({
      record: { company_number: 'B20' },
      // Kept, so that the next refresh asks by it at once.
      identity: { providerKey: 'us_ca/B20', method: 'renumbered', evidence: { renumbered_from: GITHUB } },
    })
    const renamed = target('GitHub', 'us_ca/B20')
    expect(lookup!.request(renamed, CONTEXT)).toMatchObject({ path: '/v0.4/companies/us_ca/B20' })
    expect(lookup!.parse(views[3]!, renamed, CONTEXT, views.slice(1, 3))).not.toHaveProperty('identity')
    expect(next(moved(GITHUB))).toBeNull()
    expect(lookup!.parse(moved(GITHUB), asked, CONTEXT)).toMatchObject({ kind: 'skipped' })
  })

  it('do not take another company for the one that was asked for', () => {
    expect(() => next(got('us_ca/C999'))).toThrow(/answered with us_ca\/C999/)
    expect(next(got('us_ca/c-3268102'))).not.toBeNull()
  })
})
