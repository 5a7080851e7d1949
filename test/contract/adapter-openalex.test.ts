import { describe, expect, it } from 'vitest'
import type { Target } from '../../ts/adapters/adapter.ts'
import { readAuthorId, readAuthorKey } from '../../ts/adapters/openalex/ids.ts'
import { recordOfAuthor } from '../../ts/adapters/openalex/record.ts'
import { openalex } from '../../ts/adapters/openalex.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { HOUR_MS, SECOND_MS } from '../../ts/model/time.ts'
import { diffRecords } from '../../ts/refresh/diff.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ChangedPair, type ErrorCase, type RecordedCase, type RecordPair } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recordedView, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'openalex'
const SINCE = '2024-01-01'
const CONTEXT = { now: RECEIVED_AT, options: { recent_works: 100, works_since: SINCE } }
const FREE = { now: RECEIVED_AT, options: { recent_works: 0, works_since: SINCE } }
/** All works that there are. */
const all = (results: readonly JsonValue[]) => ({ results, complete: true })
const PRIEM = '0000-0001-6187-6610'
const AUTHOR = 'A5023888391'
const RELATED = {
  orcid: PRIEM,
  name: { given: 'Jason', family: 'Priem', credit: null },
  other_names: [],
  employments: [{ organization: { name: 'OurResearch, Inc.' } }],
}

function person(name: string | null): Entity {
  const attributes = { name, company_key: 'uei:X', company_name: 'OurResearch', role: 'principal_investigator' }
  return { kind: 'person', key: `pi:${name ?? ''}|uei:X`, attributes, aliases: [] }
}
function target(providerKey: string | null, related: JsonObject | null = RELATED): Target {
  return {
    entity: person('Jason Priem'),
    providerKey,
    validators: { etag: null, lastModified: null },
    ...(related === null ? {} : { related: { orcid: related } }),
  }
}

type Expected = {
  readonly label: string
  readonly status?: number
  readonly class: ResponseClass
  readonly headers?: Readonly<Record<string, string>>
  readonly untilMs?: number
  /** Only a part of an answer was recorded: the member that it goes into. */
  readonly wrap?: 'results'
}
/** Every recording with the request it answers, its status and its class. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, Expected>> = {
  'author-deleted-sentinel': { label: 'authors.lookup', class: 'ok' },
  'author-v1': { label: 'authors.lookup', class: 'ok' },
  'author-v2': { label: 'authors.lookup', class: 'ok' },
  'authors-search-results-2026': { label: 'works.recent', class: 'ok', wrap: 'results' },
  'error-400-invalid-query': { label: 'works.recent', status: 400, class: 'invalid_request' },
  'error-401-invalid-key': { label: 'authors.lookup', status: 401, class: 'auth' },
  'error-429-budget-exhausted': {
    label: 'works.recent',
    status: 429,
    class: 'quota_exhausted',
    headers: { 'retry-after': '49093' },
    untilMs: 49_093 * SECOND_MS,
  },
  'error-429-per-second': {
    label: 'works.recent',
    status: 429,
    class: 'rate_limited',
    headers: { 'retry-after': '1' },
    untilMs: SECOND_MS,
  },
  'error-429-plan-required': { label: 'works.recent', status: 429, class: 'invalid_request' },
  'error-503-anonymous-search-paused': {
    label: 'works.recent',
    status: 503,
    class: 'transient',
    headers: { 'retry-after': '30' },
    untilMs: 30 * SECOND_MS,
  },
  'error-504-query-timeout': { label: 'works.recent', status: 504, class: 'transient' },
  // Other kinds of things, and headers: none is an author.
  funder: { label: 'authors.lookup', class: 'malformed' },
  'headers-anonymous': { label: 'authors.lookup', class: 'malformed' },
  institution: { label: 'authors.lookup', class: 'malformed' },
  'institutions-search-results-2026': { label: 'works.recent', class: 'ok', wrap: 'results' },
  'list-cursor-meta': { label: 'works.recent', class: 'empty' },
  'rate-limit-endpoint-200': { label: 'authors.lookup', class: 'malformed' },
  'work-v1': { label: 'authors.lookup', class: 'malformed' },
  'work-v2': { label: 'authors.lookup', class: 'malformed' },
  'works-search-results-2026': { label: 'works.recent', class: 'ok', wrap: 'results' },
}
const reads = readingsOf(openalex, CONTEXT)
const workRows: EmptyReading = {
  kind: 'list',
  parser: 'recordOfAuthor',
  parse: (view) =>
    recordOfAuthor({}, all((view.json as { results: readonly JsonValue[] }).results))['works'] as readonly JsonValue[],
}
const READ_BY: Readonly<Record<string, EmptyReading>> = {
  'author-deleted-sentinel': reads.record(target('A5317838346')),
  'author-v1': reads.record(target(PRIEM)),
  'author-v2': reads.record(target(PRIEM)),
  'authors-search-results-2026': reads.other('authors are never searched for: the iD of ORCID names them'),
  'institutions-search-results-2026': reads.other('institutions are never searched for; they come with authors'),
  'list-cursor-meta': { ...workRows, nothing: 'only the meta of a page was recorded' },
  'works-search-results-2026': workRows,
}
function readBy(name: string): { readonly reads?: EmptyReading } {
  const reading = READ_BY[name]
  return reading === undefined ? {} : { reads: reading }
}
const recordings: RecordedCase[] = []
const errors: ErrorCase[] = []
for (const name of recordingNames(PROVIDER)) {
  const expected = EXPECTED[name]
  if (expected === undefined) continue
  const body = expected.wrap === undefined ? recording(PROVIDER, name) : { meta: {}, [expected.wrap]: recording(PROVIDER, name) }
  const parts = { status: expected.status ?? 200, body, headers: expected.headers ?? {} }
  recordings.push({ name, label: expected.label, class: expected.class, view: viewOf(parts), ...readBy(name) })
  if (parts.status >= 400)
    errors.push({
      name: `recorded: ${name}`,
      label: expected.label,
      answer: parts,
      class: expected.class,
      ...(expected.untilMs === undefined ? {} : { untilMs: expected.untilMs }),
    })
}

const PAGE = '<!doctype html><title>404 Not Found</title>'
const OWN_ERRORS: ErrorCase[] = [
  { name: 'an author that is not there', label: 'authors.lookup', answer: { status: 404, text: PAGE }, class: 'not_found' },
  { name: 'a wrong path', label: 'works.recent', answer: { status: 404, text: PAGE }, class: 'invalid_request' },
  {
    name: 'a search that failed, under 404',
    label: 'works.recent',
    answer: { status: 404, body: { error: 'Search execution error.', message: 'x' } },
    class: 'transient',
  },
  {
    name: 'the plan, under 200',
    label: 'works.recent',
    answer: { body: { error: 'Plan upgrade required', message: 'x' } },
    class: 'invalid_request',
  },
  {
    name: 'a part of the list, under 200',
    label: 'works.recent',
    answer: { body: { meta: { timed_out: true }, results: [{}] } },
    class: 'transient',
  },
  {
    name: 'credits spent, without a moment',
    label: 'works.recent',
    answer: { status: 429, body: { message: 'Insufficient budget.' } },
    class: 'quota_exhausted',
    untilMs: 21 * HOUR_MS,
  },
  {
    name: 'credits spent, with a moment that nobody believes',
    label: 'works.recent',
    answer: { status: 429, body: { creditsRequired: 10, creditsRemaining: 3 }, headers: { 'retry-after': '9999999' } },
    class: 'quota_exhausted',
    untilMs: 21 * HOUR_MS,
  },
  {
    name: 'credits spent, told by the header alone',
    label: 'works.recent',
    answer: { status: 429, text: '', headers: { 'x-ratelimit-reset': '3600' } },
    class: 'quota_exhausted',
    untilMs: HOUR_MS,
  },
  {
    name: 'an author elsewhere',
    label: 'authors.lookup',
    answer: { status: 302, text: '', headers: { location: `https://api.openalex.org/authors/${AUTHOR}` } },
    class: 'not_found',
  },
]

function pairs(): { unchanged: RecordPair[]; changed: ChangedPair[] } {
  const author = recording(PROVIDER, 'author-v2') as JsonObject
  const works = recording(PROVIDER, 'works-search-results-2026') as readonly JsonObject[]
  const record = (value: JsonObject, results: readonly JsonValue[] | null = works): JsonObject =>
    recordOfAuthor(value, results === null ? null : all(results))
  const before = record(author)
  const reverse = (name: string): JsonValue => [...(author[name] as readonly JsonValue[])].reverse()
  const scored = (author['topics'] as readonly JsonObject[]).map((topic) => ({ ...topic, count: 999, score: 0.1 }))
  const cited = works.map((work) => ({
    ...work,
    cited_by_count: 10_000,
    fwci: 3,
    relevance_score: 0.2,
    updated_date: '2030-01-01',
  }))
  return {
    unchanged: [
      {
        name: 'counts, statistics and dates',
        before,
        after: record(
          {
            ...author,
            works_count: 900,
            cited_by_count: 1,
            summary_stats: { h_index: 99 },
            counts_by_year: [],
            updated_date: 'x',
            created_date: '2025-10-10',
          },
          cited,
        ),
      },
      {
        name: 'order of everything',
        before,
        after: record(
          {
            ...author,
            topics: reverse('topics'),
            affiliations: reverse('affiliations'),
            display_name_alternatives: reverse('display_name_alternatives'),
          },
          [...works].reverse(),
        ),
      },
      { name: 'scores of topics', before, after: record({ ...author, topics: scored, x_concepts: [] }) },
    ],
    changed: [
      { name: 'a name', before, after: record({ ...author, display_name: 'J. Priem' }), path: '$.name' },
      { name: 'a new work', before: record(author, works.slice(1)), after: before, path: '$.works[id=W52443429]' },
      {
        name: 'a retraction',
        before,
        after: record(author, [{ ...works[0]!, is_retracted: true }, ...works.slice(1)]),
        path: '$.works[id=W52443429].retracted',
      },
      {
        name: 'another year at an institution',
        before,
        after: record({ ...author, affiliations: [{ institution: { id: 'https://openalex.org/I4200000001' }, years: [2026] }] }),
        path: '$.affiliations[id=I145311948]',
      },
    ],
  }
}
const { unchanged, changed } = hasRecordings(PROVIDER) ? pairs() : { unchanged: [], changed: [] }

adapterSuite(openalex, {
  exampleEntities: [person('Jason Priem'), person(null)],
  providerKeys: { 'pi:Jason Priem|uei:X': PRIEM },
  related: { 'pi:Jason Priem|uei:X': { orcid: RELATED } },
  recordings,
  errors: [...errors, ...OWN_ERRORS],
  unchangedPairs: unchanged,
  changedPairs: changed,
  conversations: [
    {
      name: 'a merged author, then the works of the one that it leads to',
      by: 'lookup',
      targets: [target(PRIEM)],
      answers: [
        viewOf({ status: 301, text: '', headers: { location: 'https://api.openalex.org/authors/A5000000001?api_key=x' } }),
        viewOf({ body: { id: 'https://openalex.org/A5000000001', orcid: `https://orcid.org/${PRIEM}` } }),
      ],
      requests: 3,
    },
    {
      name: 'an author that is gone, then the iD, then the works',
      by: 'lookup',
      targets: [target(AUTHOR)],
      answers: [
        viewOf({ status: 404, text: PAGE }),
        viewOf({ body: { id: `https://openalex.org/${AUTHOR}`, orcid: `https://orcid.org/${PRIEM}` } }),
      ],
      requests: 3,
    },
  ],
  onePage: { identity: 'nothing is asked: the iD is that of the ORCID record' },
  instants: 'publication_date is a day; created_date and updated_date are left out',
  noise: [
    'updated_date',
    'created_date',
    'cited_by_count',
    'counts_by_year',
    'works_count',
    'summary_stats',
    'fwci',
    'relevance_score',
  ],
})

describe.skipIf(!hasRecordings(PROVIDER))('openalex against recordings', () => {
  it('has an expectation for every recording', () => {
    expect(recordingNames(PROVIDER)).toEqual(Object.keys(EXPECTED).sort())
  })

  it('finds in the recorded pair what became known of the author, and nothing that only counts', () => {
    const [v1, v2] = ['author-v1', 'author-v2'].map((name) => recordOfAuthor(recording(PROVIDER, name) as JsonObject, null))
    expect(v1).toMatchObject({ openalex_id: AUTHOR, orcid: PRIEM, name: 'Jason Priem', counts: { works: 53, h_index: 16 } })
    expect(v2).toMatchObject({
      last_institutions: [{ id: 'I4200000001', ror: '02nr0ka47', country: 'CA' }],
      other_ids: { scopus: expect.any(String) },
    })
    const paths = diffRecords(v1!, v2!, openalex).map(({ path }) => path.replace(/\[.*/, ''))
    // In the first year these three were not published yet.
    expect(new Set(paths)).toEqual(new Set(['$.affiliations', '$.last_institutions', '$.topics']))
  })

  it('reads works of 2023, 2025 and 2026', () => {
    for (const name of ['work-v1', 'work-v2']) {
      const { works } = recordOfAuthor({}, all([recording(PROVIDER, name)]))
      expect(works).toEqual([
        {
          id: 'W2741809807',
          doi: '10.7717/peerj.4375',
          title: expect.stringContaining('The state of OA'),
          published: '2018-02-13',
          type: expect.stringMatching(/article/),
          venue: 'PeerJ',
          retracted: false,
        },
      ])
    }
    expect(
      recordOfAuthor({}, all(recording(PROVIDER, 'works-search-results-2026') as readonly JsonValue[]))['works'],
    ).toHaveLength(3)
  })

  it('takes the deleted author for nobody', () => {
    const view = recordedView(PROVIDER, 'author-deleted-sentinel')
    const asked = target('A5317838346')
    expect(openalex.lookup!.more!([view], asked, CONTEXT)).toBeNull()
    expect(openalex.lookup!.parse(view, asked, CONTEXT)).toMatchObject({
      kind: 'absent',
      reason: expect.stringContaining('deleted'),
    })
  })
})

describe('openalex look-ups', () => {
  const author = (id = AUTHOR, orcid: string | null = PRIEM) =>
    viewOf({
      body: {
        id: `https://openalex.org/${id}`,
        orcid: orcid === null ? null : `https://orcid.org/${orcid}`,
        display_name: 'Jason Priem',
      },
    })
  const missing = viewOf({ status: 404, text: PAGE })
  const moved = (id: string) =>
    viewOf({ status: 301, text: '', headers: { location: `https://api.openalex.org/authors/${id}?select=id` } })
  const works = viewOf({ body: { meta: { count: 1 }, results: [{ id: 'https://openalex.org/W1000', title: 'T' }] } })
  const more = (
    views: Parameters<NonNullable<NonNullable<typeof openalex.lookup>['more']>>[0],
    asked = target(PRIEM),
    context = CONTEXT,
  ) => openalex.lookup!.more!(views, asked, context)

  it('are free for the author and cost a credit for the works', () => {
    const first = openalex.lookup!.request(target(`https://orcid.org/${PRIEM}`), CONTEXT)
    expect(first).toMatchObject({ path: `/authors/orcid:${PRIEM}`, credits: 0 })
    expect(more([author()])).toMatchObject({
      path: '/works',
      credits: 1,
      query: expect.arrayContaining([
        ['filter', `author.id:${AUTHOR},from_publication_date:2024-01-01`],
        ['per_page', '100'],
      ]),
    })
    expect(more([author(), works])).toBeNull()
    expect(more([author()], target(PRIEM), FREE)).toBeNull()
    expect(openalex.lookup!.parse(works, target(PRIEM), CONTEXT, [author()])).toMatchObject({
      kind: 'record',
      record: { openalex_id: AUTHOR, works: [{ id: 'W1000' }] },
    })
    expect(openalex.lookup!.parse(author(), target(PRIEM), FREE)).toMatchObject({ kind: 'record', record: { works: null } })
  })

  it('follow authors that were merged, and come back by the iD', () => {
    expect(more([moved('A5000000001')])).toMatchObject({ path: '/authors/A5000000001', credits: 0 })
    expect(openalex.lookup!.parse(works, target(PRIEM), CONTEXT, [moved('A5000000001'), author('A5000000001')])).toMatchObject({
      record: { openalex_id: 'A5000000001' },
    })
    const byAuthor = target(AUTHOR)
    expect(more([missing], byAuthor)).toMatchObject({ path: `/authors/orcid:${PRIEM}` })
    expect(openalex.lookup!.parse(works, byAuthor, CONTEXT, [missing, author('A5000000002')])).toMatchObject({
      record: { openalex_id: 'A5000000002' },
    })
    expect(more([missing, missing], byAuthor)).toBeNull()
    expect(openalex.lookup!.parse(missing, target(PRIEM), CONTEXT)).toMatchObject({ kind: 'absent' })
    expect(more([moved(AUTHOR), moved(AUTHOR)])).toBeNull()
    expect(openalex.lookup!.parse(moved(AUTHOR), target(AUTHOR), CONTEXT)).toMatchObject({ kind: 'skipped' })
  })

  it('refuse somebody else, and keys that are none', () => {
    expect(() => openalex.lookup!.parse(author(AUTHOR, null), target(PRIEM), FREE)).toThrow('answered with')
    expect(() => openalex.lookup!.parse(author('A5000000009'), target(AUTHOR), FREE)).toThrow('answered with')
    const wrong = target('../works')
    expect(openalex.lookup!.request(wrong, CONTEXT).path).toBe('/authors/A0')
    expect(openalex.lookup!.parse(missing, wrong, CONTEXT)).toMatchObject({ kind: 'skipped' })
    expect([
      readAuthorKey('W123456'),
      readAuthorId('https://api.openalex.org/authors/a5023888391'),
      readAuthorId('xA5023888391'),
    ]).toEqual([null, AUTHOR, null])
  })

  const work = (number: number, fields: JsonObject = {}): JsonObject => ({
    id: `W${number}0000`,
    publication_date: '2026-01-01',
    ...fields,
  })
  const answerOf = (results: readonly JsonObject[], count: number | null, recent_works = 3): JsonObject => {
    const context = { now: RECEIVED_AT, options: { recent_works, works_since: SINCE } }
    const body = { meta: count === null ? {} : { count }, results }
    const answer = openalex.lookup!.parse(viewOf({ body }), target(PRIEM), context, [author()])
    return answer.kind === 'record' ? answer.record : {}
  }
  const paths = (before: JsonObject, after: JsonObject) => diffRecords(before, after, openalex).map(({ path }) => path)

  it('tell works that came, went or were retracted since a day, where all of them are listed', () => {
    const before = answerOf([work(2), work(1)], 2)
    expect(before).toMatchObject({ works: [{ id: 'W20000' }, { id: 'W10000' }], works_complete: true, newest_works: null })
    expect(paths(before, answerOf([work(3), work(2), work(1)], 3))).toEqual(['$.works[id=W30000]'])
    expect(paths(before, answerOf([work(2)], 1))).toEqual(['$.works[id=W10000]'])
    expect(paths(before, answerOf([work(2), work(1, { is_retracted: true })], 2))).toEqual(['$.works[id=W10000].retracted'])
  })

  it('show the newest of more works than were asked for, and compare none of them', () => {
    const many = answerOf([work(5), work(4), work(3)], 5)
    expect(many).toMatchObject({ works: null, works_complete: false, newest_works: [{}, {}, {}] })
    expect(paths(many, answerOf([work(6), work(5), work(4)], 6))).toEqual([])
    // Without the count, a full page may not be all.
    expect(answerOf([work(3), work(2), work(1)], null)['works_complete']).toBe(false)
    expect(answerOf([work(2), work(1)], null)['works_complete']).toBe(true)
    expect(answerOf([], 0)).toMatchObject({ works: [], works_complete: true })
    expect(openalex.lookup!.parse(author(), target(PRIEM), FREE)).toMatchObject({
      record: { works: null, works_complete: null, newest_works: null },
    })
  })

  it('ask for works since the day that the options name, which must be one', () => {
    const context = { now: RECEIVED_AT, options: openalex.options.parse({ works_since: '2019-06-30', recent_works: 7 }) }
    expect(openalex.lookup!.more!([author()], target(PRIEM), context)?.query).toEqual(
      expect.arrayContaining([
        ['filter', `author.id:${AUTHOR},from_publication_date:2019-06-30`],
        ['per_page', '7'],
      ]),
    )
    for (const works_since of ['2024', '2024-13-01', '2023-02-29', '', '2024-01-01,is_retracted:true'])
      expect(openalex.options.safeParse({ works_since }).success, works_since).toBe(false)
    expect(openalex.options.parse({})).toEqual({ recent_works: 100, works_since: '2024-01-01' })
  })

  it('take another year at an institution for that, and not for a shift of all years', () => {
    const at = (...years: number[]) =>
      recordOfAuthor({ affiliations: [{ institution: { id: 'https://openalex.org/I1' }, years }] }, null)
    expect(diffRecords(at(2024, 2023, 2019), at(2026, 2024, 2023, 2019), openalex)).toEqual([
      { path: '$.affiliations[id=I1].years', old: [2024, 2023, 2019], new: [2026, 2024, 2023, 2019] },
    ])
    expect(paths(at(2024, 2023), at(2023, 2024))).toEqual([])
  })
})

describe('openalex identities', () => {
  it('need no request: the iD is that of the ORCID record', () => {
    const { resolve } = openalex
    expect(resolve!.request([], target(null), CONTEXT)).toBeNull()
    expect(resolve!.parse([], target(null), CONTEXT).candidates).toMatchObject([
      {
        providerKey: PRIEM,
        method: 'orcid',
        confidence: 0.94,
        evidence: { accepted_at: 'orcid', institution: 'OurResearch, Inc.' },
      },
    ])
    // A person tied them together at orcid, whatever the record says.
    expect(resolve!.parse([], target(null, { orcid: PRIEM }), CONTEXT).candidates).toMatchObject([
      { providerKey: PRIEM, confidence: 0.85 },
    ])
    expect(resolve!.parse([], target(null, null), CONTEXT)).toEqual({
      candidates: [],
      reason: expect.stringContaining('no ORCID record'),
    })
  })
})
