import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Target } from '../../ts/adapters/adapter.ts'
import { orcidChecksum, readOrcid } from '../../ts/adapters/orcid/ids.ts'
import { partialDate, recordOfPerson } from '../../ts/adapters/orcid/record.ts'
import { orcid } from '../../ts/adapters/orcid.ts'
import type { Entity } from '../../ts/model/entity.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { DAY_MS, HOUR_MS, SECOND_MS } from '../../ts/model/time.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ChangedPair, type ErrorCase, type RecordedCase, type RecordPair } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recordedView, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'orcid'
const CONTEXT = { now: RECEIVED_AT, options: { max_works: 1000 } }
const CARBERRY = '0000-0002-1825-0097'
const SAMPLE = '0000-0002-7319-2192'

function person(name: string | null, company: string | null = 'Cold Spring Harbor Laboratory'): Entity {
  const attributes = { name, company_key: 'uei:X', company_name: company, role: 'principal_investigator' }
  return { kind: 'person', key: `pi:${name ?? ''}|uei:X`, attributes, aliases: [] }
}
function target(name: string, providerKey: string | null = null, company: string | null = 'CSHL, Inc.'): Target {
  return { entity: person(name, company), providerKey, validators: { etag: null, lastModified: null } }
}
type Row = { id: string; given: string; family: string; credit?: string; other?: string[]; at?: string[] }
const found = (rows: readonly Row[], total = rows.length) =>
  viewOf({
    body: {
      'expanded-result':
        rows.length === 0
          ? null
          : rows.map(({ id, given, family, credit, other, at }) => ({
              'orcid-id': id,
              'given-names': given,
              'family-names': family,
              'credit-name': credit ?? null,
              'other-name': other ?? [],
              email: ['someone@example.org'],
              'institution-name': at ?? [],
            })),
      'num-found': total,
    },
  })
const idOf = (number: number): string => {
  const digits = String(number).padStart(15, '0')
  return readOrcid(digits + orcidChecksum(digits))!
}

/** Every recording with the request it answers, its status and its class. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, { label: string; status?: number; class: ResponseClass; untilMs?: number }>> = {
  'error-400-rows': { label: 'people.search', status: 400, class: 'invalid_request' },
  'error-401-invalid-token': { label: 'record.lookup', status: 401, class: 'auth' },
  'error-404-malformed-id': { label: 'record.lookup', status: 404, class: 'not_found' },
  'error-500-solr-start': { label: 'people.search', status: 500, class: 'invalid_request' },
  'expanded-search': { label: 'people.search', class: 'ok' },
  // Sections of a record, which is asked for as a whole.
  person: { label: 'record.lookup', class: 'malformed' },
  'person-sparse': { label: 'record.lookup', class: 'malformed' },
  'record-full': { label: 'record.lookup', class: 'ok' },
  'search-by-doi': { label: 'people.feed', class: 'ok' },
  'search-empty': { label: 'people.feed', class: 'empty' },
  'search-page-1': { label: 'people.feed', class: 'ok' },
  'search-page-2': { label: 'people.feed', class: 'ok' },
  'token-200': { label: 'record.lookup', class: 'malformed' },
  'work-detail': { label: 'record.lookup', class: 'malformed' },
  works: { label: 'record.lookup', class: 'malformed' },
  'works-empty': { label: 'record.lookup', class: 'malformed' },
}
const reads = readingsOf(orcid, CONTEXT)
/** The smallest slice: larger ones with so many changes are cut up. */
const TEN_MINUTES = '2026-11-20T05:50'
const READ_BY: Readonly<Record<string, EmptyReading>> = {
  'error-404-malformed-id': reads.record(target('Josiah Carberry', CARBERRY)),
  'expanded-search': reads.candidates(target('Carberry, Josiah')),
  'record-full': reads.record(target('Three R', SAMPLE)),
  'search-by-doi': reads.feed(TEN_MINUTES),
  'search-empty': { ...reads.feed(TEN_MINUTES), nothing: 'nobody changed' },
  'search-page-1': reads.feed(TEN_MINUTES, [target('X Y', '0000-0002-8289-1497')]),
  'search-page-2': reads.feed(TEN_MINUTES, [], '3'),
}
const recordings: RecordedCase[] = recordingNames(PROVIDER).flatMap((name): RecordedCase[] => {
  const expected = EXPECTED[name]
  if (expected === undefined) return []
  const view = { ...recordedView(PROVIDER, name), status: expected.status ?? 200 }
  const reading = READ_BY[name]
  return [{ name, label: expected.label, class: expected.class, view, ...(reading === undefined ? {} : { reads: reading }) }]
})

const DAILY = fileText('error-429-daily-quota.txt')
function fileText(name: string): string | null {
  const url = new URL(`../../../shared/recordings/${PROVIDER}/${name}`, import.meta.url)
  return existsSync(url) ? readFileSync(url, 'utf8') : null
}
const ERRORS: ErrorCase[] = [
  ...(DAILY === null
    ? []
    : [
        {
          name: 'recorded: daily quota',
          label: 'record.lookup',
          answer: { status: 429, text: DAILY, headers: { 'content-type': 'text/plain' } },
          class: 'quota_exhausted' as const,
          untilMs: 21 * HOUR_MS,
        },
      ]),
  {
    name: 'too many at once',
    label: 'record.lookup',
    answer: { status: 503, text: '<html><h1>503 Service Temporarily Unavailable</h1></html>' },
    class: 'transient',
    untilMs: SECOND_MS,
  },
  {
    name: 'a 429 that is not of the quota',
    label: 'record.lookup',
    answer: { status: 429, text: 'slow down' },
    class: 'rate_limited',
  },
  {
    name: 'deactivated',
    label: 'record.lookup',
    answer: { status: 409, body: { 'response-code': 409, 'error-code': 9044 } },
    class: 'not_found',
  },
  {
    name: 'deprecated',
    label: 'record.lookup',
    answer: { status: 301, body: { 'error-code': 9007 }, headers: { location: `https://pub.orcid.org/v3.0/${CARBERRY}/record` } },
    class: 'not_found',
  },
  { name: 'a wrong path', label: 'record.lookup', answer: { status: 404, text: 'no' }, class: 'invalid_request' },
  { name: 'a search that is not there', label: 'people.search', answer: { status: 404, body: {} }, class: 'invalid_request' },
  {
    name: 'the index is away',
    label: 'people.search',
    answer: { status: 500, body: { 'error-code': 9008, 'developer-message': 'SolrServerException: refused' } },
    class: 'transient',
  },
  { name: 'a page instead of JSON', label: 'people.search', answer: { text: '<record:record/>' }, class: 'malformed' },
]

/** Every object below, changed by `change`. */
function everywhere(value: JsonValue, change: (object: JsonObject) => JsonObject): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((item) => everywhere(item, change))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(change(value)).map(([name, member]) => [name, everywhere(member, change)]))
}
const reversed = (value: JsonValue): JsonValue =>
  Array.isArray(value)
    ? [...(value as readonly JsonValue[])].reverse().map(reversed)
    : isJsonObject(value)
      ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name, reversed(member)]))
      : value

function pairs(): { unchanged: RecordPair[]; changed: ChangedPair[] } {
  const body = recording(PROVIDER, 'record-full') as JsonObject
  const record = (value: JsonValue, maxWorks = 1000): JsonObject => recordOfPerson(SAMPLE, value as JsonObject, maxWorks)
  const before = record(body)
  const activities = body['activities-summary'] as JsonObject
  const withActivities = (members: JsonObject): JsonObject => ({ ...body, 'activities-summary': { ...activities, ...members } })
  const touched = everywhere(body, (object) => {
    const copy: Record<string, JsonValue> = { ...object }
    for (const name of ['last-modified-date', 'created-date']) if (name in copy) copy[name] = { value: 1_700_000_000_000 }
    for (const name of ['display-index', 'visibility', 'path'])
      if (name in copy && !('host' in copy)) copy[name] = name === 'path' ? '/x' : '7'
    if ('source' in copy) copy['source'] = { 'source-name': { value: 'Somebody else' } }
    return copy
  })
  return {
    unchanged: [
      { name: 'dates, sources, order numbers, visibility', before, after: record(touched) },
      { name: 'order of everything', before, after: record(reversed(body)) },
      {
        name: 'an e-mail address made public',
        before,
        after: record({
          ...body,
          person: { ...(body['person'] as JsonObject), emails: { email: [{ email: 'three@example.org' }] } },
        }),
      },
      {
        name: 'a biography',
        before,
        after: record({ ...body, person: { ...(body['person'] as JsonObject), biography: { content: 'Born.' } } }),
      },
    ],
    changed: [
      {
        name: 'an employment that ended',
        before,
        after: record(withActivities({ employments: null })),
        path: `$.employments[put_code=9266]`,
      },
      { name: 'a work that is gone', before, after: record(withActivities({ works: null })), path: '$.works_count' },
      {
        name: 'a family name',
        before,
        after: record({ ...body, person: { ...(body['person'] as JsonObject), name: { 'family-name': { value: 'Other' } } } }),
        path: '$.name.family',
      },
    ],
  }
}
const { unchanged, changed } = hasRecordings(PROVIDER) ? pairs() : { unchanged: [], changed: [] }

adapterSuite(orcid, {
  exampleEntities: [person('Josiah Carberry'), person("Dr. J. Robert O'Brien, Ph.D."), person(null)],
  providerKeys: { 'pi:Josiah Carberry|uei:X': CARBERRY },
  recordings,
  errors: ERRORS,
  unchangedPairs: unchanged,
  changedPairs: changed,
  conversations: [
    {
      name: 'a deprecated iD leads to another',
      by: 'lookup',
      targets: [target('X Y', SAMPLE)],
      answers: [
        viewOf({
          status: 301,
          body: { 'error-code': 9007 },
          headers: { location: `https://pub.orcid.org/v3.0/${CARBERRY}/record?access_token=x` },
        }),
      ],
      requests: 2,
    },
    {
      name: 'more namesakes than a page',
      by: 'identity',
      targets: [target('Wei Zhang')],
      answers: [found([{ id: idOf(1), given: 'Wei', family: 'Zhang' }], 20_000), found([], 0)],
      requests: 2,
    },
    {
      name: 'pages of a slice',
      by: 'feed',
      slice: TEN_MINUTES,
      answers: [1, 2, 3].map((number) =>
        viewOf({ body: { result: [{ 'orcid-identifier': { path: idOf(number) } }], 'num-found': 3 } }),
      ),
      requests: 3,
    },
  ],
  instants: [
    {
      text: 'history.last-modified-date.value: 1559917016886',
      read: () => recordOfPerson(SAMPLE, { history: { 'last-modified-date': { value: 1_559_917_016_886 } } }, 1)['last_modified'],
      utc: '2019-06-07T14:16:56.886Z',
    },
    {
      text: 'start-date: 2012, 02, 01',
      read: () => partialDate({ year: { value: '2012' }, month: { value: '2' }, day: { value: '01' } }),
      utc: '2012-02-01',
    },
  ],
  noise: [
    'last-modified-date',
    'created-date',
    'display-index',
    'visibility',
    'source',
    'emails',
    'biography',
    'completion-date',
  ],
})

describe.skipIf(!hasRecordings(PROVIDER))('orcid against recordings', () => {
  it('has an expectation for every recording', () => {
    expect(recordingNames(PROVIDER)).toEqual(Object.keys(EXPECTED).sort())
  })

  it('reads the whole sample record, without e-mail addresses', () => {
    const answer = orcid.lookup!.parse(recordedView(PROVIDER, 'record-full'), target('Three R', SAMPLE), CONTEXT)
    expect(answer).toMatchObject({
      kind: 'record',
      record: {
        orcid: SAMPLE,
        name: { given: 'Three', family: 'releasecandidate1', credit: null },
        external_ids: [{ type: 'My ID System', value: 'A-0003', url: 'https://myid.com/A-0003' }],
        employments: [
          {
            put_code: '9266',
            role: 'role-title',
            start: '1948-02-02',
            organization: { name: 'common:name', country: 'AF', id_source: 'FUNDREF' },
          },
        ],
        works: [
          { put_code: '178602', title: 'Work Title', type: 'journal-article', published: '2012-10-01', doi: '10.1087/20120404' },
        ],
        fundings: [
          {
            title: 'Grant title',
            type: 'grant',
            funder: { name: 'Wellcome Trust' },
            grant_number: '1234',
            start: '2000-02-02',
            end: '2020-02-02',
          },
        ],
        last_modified: '2019-06-07T14:16:56.886Z',
      },
    })
    expect(JSON.stringify(answer)).not.toMatch(/@|display-index|assertion/)
  })

  it('takes a group of a work from several sources for one work, and works without identifiers too', () => {
    const works = recording(PROVIDER, 'works') as JsonObject
    const body = {
      'orcid-identifier': { path: '0000-0002-9341-7985' },
      person: recording(PROVIDER, 'person'),
      'activities-summary': { works },
    }
    const record = recordOfPerson('0000-0002-9341-7985', body, 2)
    expect(record['works_count']).toBe((works['group'] as readonly JsonValue[]).length)
    expect(record['works']).toHaveLength(2)
    expect(record).toMatchObject({
      name: { given: 'Peter', family: 'Binfield' },
      countries: ['US'],
      external_ids: [{ type: 'Scopus Author ID', value: '55224382400' }],
    })
    const [first, second] = record['works'] as readonly JsonObject[]
    expect(String(first!['published']) >= String(second!['published'])).toBe(true)
    const sparse = recordOfPerson(CARBERRY, { person: recording(PROVIDER, 'person-sparse') }, 10)
    expect(sparse).toMatchObject({ name: { given: 'Thomas' }, works_count: 0, works: [], employments: [] })
  })

  it('finds the researcher of the recorded search at the company', () => {
    const { candidates } = orcid.resolve!.parse([recordedView(PROVIDER, 'expanded-search')], target('Carberry, Josiah'), CONTEXT)
    expect(candidates).toMatchObject([
      { providerKey: CARBERRY, method: 'name+affiliation', evidence: { name: 'Carberry, Josiah', institution: 'CSHL' } },
    ])
    expect(candidates[0]!.confidence).toBeGreaterThan(0.9)
  })

  it('walks the feed page by page, cutting what is too much into hours and minutes', () => {
    const view = recordedView(PROVIDER, 'search-page-1')
    const day = orcid.feed!.parse(view, '2026-11-20', null, CONTEXT)
    expect(day.split).toHaveLength(24)
    expect(orcid.feed!.parse(view, '2026-11-20T05', null, CONTEXT).split).toContain('2026-11-20T05:50')
    const smallest = orcid.feed!.parse(view, '2026-11-20T05:50', null, CONTEXT)
    expect([smallest.items.length, smallest.next, smallest.split]).toEqual([3, '3', undefined])
    expect(orcid.feed!.answer(smallest.items[0]!, target('X Y', '0000-0002-8289-1497'), CONTEXT)).toMatchObject({ kind: 'due' })
    expect(orcid.feed!.answer(smallest.items[0]!, target('X Y', CARBERRY), CONTEXT)).toBeNull()
    expect(orcid.feed!.parse(recordedView(PROVIDER, 'search-empty'), '2026-11-20', null, CONTEXT)).toEqual({
      items: [],
      next: null,
    })
  })
})

describe('orcid identifiers', () => {
  it('reads iDs in every form and refuses wrong checksums', () => {
    expect(readOrcid('https://orcid.org/0000-0002-1694-233x')).toBe('0000-0002-1694-233X')
    expect(readOrcid('0000000218250097')).toBe(CARBERRY)
    for (const wrong of ['0000-0002-1825-0098', '', null, 'A5023888391', '10000-0002-1825-0097'])
      expect(readOrcid(wrong)).toBeNull()
  })

  it('says that an identity is none, instead of calling the person absent', () => {
    const wrong = target('Josiah Carberry', '../0000-0002-1825-0098')
    expect(orcid.lookup!.request(wrong, CONTEXT).path).toBe('/v3.0/0000-0002-1825-0098/record')
    expect(orcid.lookup!.parse(viewOf({ status: 404, body: { 'error-code': 9016 } }), wrong, CONTEXT)).toMatchObject({
      kind: 'skipped',
    })
  })
})

describe('orcid identities', () => {
  const query = (name: string, company: string | null = 'Acme Photonics, Inc.') =>
    orcid.resolve!.request([], target(name, null, company), CONTEXT)!.query![0]![1]

  it('asks once for namesakes and for the family name at the company', () => {
    expect(query('Dr. Wei Q. Zhang, Ph.D.')).toBe(
      'family-name:"ZHANG" AND (given-names:"WEI" OR affiliation-org-name:"ACME PHOTONICS")',
    )
    expect(query("J. Robert O'Brien", null)).toBe(`family-name:("OBRIEN" OR "O'BRIEN") AND given-names:(J* OR "ROBERT")`)
    expect(query('Zoë García-López')).toContain('given-names:("ZOE" OR "ZOË")')
    // A query in disguise stays words.
    expect(query('Ann "OR *:*" Lee) OR (x:y', 'A" OR orcid:*')).not.toMatch(/\*:|orcid:|x:/)
    expect(orcid.resolve!.unresolvable(person('Madonna'))).not.toBeNull()
  })

  it('asks again only when there are more than a page, then for those at the company', () => {
    const common = target('Wei Zhang')
    const one = { id: idOf(1), given: 'Wei', family: 'Zhang' }
    expect(orcid.resolve!.request([found([one])], common, CONTEXT)).toBeNull()
    const second = orcid.resolve!.request([found([one], 4000)], common, CONTEXT)
    expect(second?.query?.[0]?.[1]).toBe('family-name:"ZHANG" AND affiliation-org-name:"CSHL"')
    expect(orcid.resolve!.request([found([one], 4000), found([])], common, CONTEXT)).toBeNull()
    const nobody = orcid.resolve!.parse([found([one], 4000), found([])], common, CONTEXT)
    expect(nobody.candidates[0]!.confidence).toBeLessThan(0.001)
    const there = orcid.resolve!.parse([found([one], 4000), found([{ ...one, id: idOf(2), at: ['CSHL LLC'] }])], common, CONTEXT)
    expect(there.candidates[0]).toMatchObject({ providerKey: idOf(2), method: 'name+affiliation' })
    expect(there.candidates[0]!.confidence).toBeGreaterThan(0.9)
  })

  it('is the less sure the less agrees', () => {
    const confidence = (name: string, rows: readonly Row[]) =>
      orcid.resolve!.parse([found(rows)], target(name), CONTEXT).candidates[0]?.confidence ?? 0
    const at = { id: idOf(1), given: 'Josiah', family: 'Carberry', at: ['Brown University', 'CSHL'] }
    const steps = [
      confidence('Josiah Carberry', [at]),
      confidence('Josiah Q. Carberry', [at]),
      confidence('J. Carberry', [at]),
      confidence('Josiah Carberry', [{ ...at, at: [] }]),
      confidence('Josiah Carberry', [{ ...at, at: ['Brown University'] }]),
      confidence('Josiah Carberry', [
        { ...at, at: [] },
        { ...at, id: idOf(2), at: [] },
      ]),
      confidence('Josiah Carberry', [{ ...at, given: 'Jane' }]),
    ]
    expect([...steps].sort((a, b) => b - a)).toEqual(steps)
    expect(steps[0]).toBeLessThan(0.95)
    expect(steps[3]).toBeLessThan(0.5)
    expect(steps.at(-1)).toBe(0)
    const twins = orcid.resolve!.parse([found([at, { ...at, id: idOf(2) }])], target('Josiah Carberry'), CONTEXT)
    expect(twins.candidates.map((candidate) => candidate.confidence)).toEqual([0.47, 0.47])
    const credit = { ...at, given: 'Yossi', family: 'Karbery', credit: 'Josiah Carberry' }
    expect(confidence('Josiah Carberry', [credit])).toBeGreaterThan(0.9)
  })

  it('keeps no e-mail address as evidence', () => {
    const rows = [{ id: idOf(1), given: 'Josiah', family: 'Carberry', at: ['CSHL'] }]
    expect(JSON.stringify(orcid.resolve!.parse([found(rows)], target('Josiah Carberry'), CONTEXT))).not.toContain('@')
  })
})

describe('orcid look-ups', () => {
  const record = (id: string) => viewOf({ body: { 'orcid-identifier': { path: id }, person: null } })
  const moved = (id: string) =>
    viewOf({ status: 301, body: { 'error-code': 9007 }, headers: { location: `https://pub.orcid.org/v3.0/${id}/record` } })
  const asked = target('Josiah Carberry', CARBERRY)

  it('follows a deprecated iD, and does not go in circles', () => {
    const { lookup } = orcid
    const next = lookup!.more!([moved(SAMPLE)], asked, CONTEXT)
    expect(next?.path).toBe(`/v3.0/${SAMPLE}/record`)
    expect(lookup!.more!([moved(SAMPLE), record(SAMPLE)], asked, CONTEXT)).toBeNull()
    expect(lookup!.parse(record(SAMPLE), asked, CONTEXT, [moved(SAMPLE)])).toMatchObject({
      kind: 'record',
      record: { orcid: SAMPLE },
    })
    expect(lookup!.more!([moved(CARBERRY)], asked, CONTEXT)).toBeNull()
    expect(lookup!.parse(moved(CARBERRY), asked, CONTEXT)).toMatchObject({ kind: 'skipped' })
  })

  it('says why a record is not to be seen', () => {
    const hidden = viewOf({ status: 409, body: { 'error-code': 9044 } })
    expect(orcid.lookup!.parse(hidden, asked, CONTEXT)).toMatchObject({
      kind: 'absent',
      reason: expect.stringContaining('deactivated'),
    })
    expect(() => orcid.lookup!.parse(record(SAMPLE), asked, CONTEXT)).toThrow('asked for')
  })

  it('leaves e-mail addresses and mailto links out of what people write', () => {
    const texts = {
      'other-names': { 'other-name': [{ content: 'Joe (joe@example.org)' }] },
      'researcher-urls': {
        'researcher-url': [{ url: { value: 'mailto:joe@example.org' } }, { url: { value: 'https://joe.example' } }],
      },
    }
    const record = recordOfPerson(CARBERRY, { person: texts }, 1)
    expect(record).toMatchObject({ other_names: ['Joe ( )'], web_pages: ['https://joe.example'] })
  })
})

describe('orcid windows', () => {
  it('has a slice for each day, half open', () => {
    const window = { from: RECEIVED_AT - DAY_MS, to: RECEIVED_AT }
    expect(orcid.feed!.slices(window, CONTEXT)).toEqual(['2026-11-20', '2026-11-21'])
    expect(orcid.feed!.request(window, '2026-11-20T05:30', '1000', CONTEXT).query).toEqual([
      ['q', 'profile-last-modified-date:[2026-11-20T05:30:00Z TO 2026-11-20T05:40:00Z}'],
      ['start', '1000'],
      ['rows', '1000'],
    ])
  })
})
