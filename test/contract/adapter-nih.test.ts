import { describe, expect, it } from 'vitest'
import type { Answer, Target } from '../../ts/adapters/adapter.ts'
import { coreNumber } from '../../ts/adapters/nih/project-number.ts'
import { coreOfRow, recordOfRows } from '../../ts/adapters/nih/record.ts'
import { nih } from '../../ts/adapters/nih.ts'
import type { Entity } from '../../ts/model/entity.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { DAY_MS, SECOND_MS } from '../../ts/model/time.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ErrorCase, type RecordedCase } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recordedView, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'nih_reporter'
const LABEL = 'projects.batch'
const CONTEXT = { now: RECEIVED_AT, options: {} }
const CORE = 'R43AI123456'
const OTHER = 'R44GM654321'

function award(contract: string | null, attributes: JsonObject = {}): Entity {
  return {
    kind: 'award',
    key: `v1:${contract}`,
    attributes: { contract, agency_tracking_number: null, proposal_award_date: '2024-05-06', award_year: 2024, ...attributes },
    aliases: [],
  }
}
const target = (contract: string, providerKey: string | null = null): Target => ({
  entity: award(contract),
  providerKey,
  validators: { etag: null, lastModified: null },
})

/** Every recording with its class and, where it holds projects that the adapter reads, how many. A new file without a line fails. */
const EXPECTED: Readonly<Record<string, { class: ResponseClass; projects?: number }>> = {
  errors_400: { class: 'malformed' },
  // 2019 was asked for, 2004 came: the criterion was in the wrong place.
  ignored_criterion_last_page_2022: { class: 'ok' },
  v1_projects_seq_page1of2: { class: 'ok' },
  v1_projects_seq_page2of2: { class: 'ok' },
  v1path_api2_headers_2022: { class: 'ok' },
  v2_one_core_project_many_fiscal_years: { class: 'ok', projects: 1 },
  v2_project_by_full_number: { class: 'ok', projects: 1 },
  v2_project_full_record_2023: { class: 'ok', projects: 1 },
  // A row alone, without its answer.
  v2_project_record_2022_12_legacy_dates: { class: 'malformed' },
  v2_project_record_probed_2026_07: { class: 'ok', projects: 1 },
  v2_projects_empty: { class: 'empty' },
  v2_projects_search_866_total: { class: 'ok' },
  v2_publications_five_of_twelve: { class: 'ok' },
  v2_publications_one_core_project: { class: 'ok' },
  v2_sbir_r43_SYNTHETIC: { class: 'ok', projects: 1 },
}

function rowsOf(name: string): readonly JsonObject[] {
  const body = recordedView(PROVIDER, name).json
  return isJsonObject(body) && Array.isArray(body['results']) ? (body['results'] as unknown as readonly JsonObject[]) : []
}

const reads = readingsOf(nih, CONTEXT)
const projects: EmptyReading = {
  kind: 'list',
  parser: 'recordOfRows',
  parse(view) {
    const rows = ((view.json as JsonObject)['results'] ?? []) as unknown as readonly JsonObject[]
    const byCore = Map.groupBy(rows, (row) => coreOfRow(row) ?? '')
    byCore.delete('')
    return [...byCore].map(([core, years]) => recordOfRows(core, years))
  },
}
const publications = reads.other('publications are never asked for: a record is of a project')
const firstVersion = reads.other('the first version of the service, which has other names and is switched off')
const READ_BY: Readonly<Record<string, EmptyReading>> = {
  ignored_criterion_last_page_2022: projects,
  v1_projects_seq_page1of2: firstVersion,
  v1_projects_seq_page2of2: firstVersion,
  v1path_api2_headers_2022: firstVersion,
  v2_one_core_project_many_fiscal_years: projects,
  v2_project_by_full_number: projects,
  v2_project_full_record_2023: projects,
  v2_project_record_probed_2026_07: projects,
  v2_projects_empty: { ...projects, nothing: 'no project matches' },
  v2_projects_search_866_total: projects,
  v2_publications_five_of_twelve: publications,
  v2_publications_one_core_project: publications,
  v2_sbir_r43_SYNTHETIC: projects,
}
function readBy(name: string): { readonly reads?: EmptyReading } {
  const reading = READ_BY[name]
  return reading === undefined ? {} : { reads: reading }
}
const recordings: RecordedCase[] = recordingNames(PROVIDER).map((name) => ({
  ...readBy(name),
  name,
  label: LABEL,
  view: recordedView(PROVIDER, name),
  class: EXPECTED[name]?.class ?? ('no line in EXPECTED' as ResponseClass),
  check() {
    const rows = rowsOf(name)
    const cores = [...new Set(rows.map(coreOfRow))].filter((core) => core !== null)
    if (EXPECTED[name]!.projects !== undefined) expect(cores).toHaveLength(EXPECTED[name]!.projects!)
    for (const core of cores)
      expect(
        recordOfRows(
          core,
          rows.filter((row) => coreOfRow(row) === core),
        ),
      ).toMatchObject({ core_project_num: core })
  },
}))
const documented: ErrorCase[] = hasRecordings(PROVIDER)
  ? (recording(PROVIDER, 'errors_400') as unknown as readonly { response: { status: number; body: JsonValue } }[]).map(
      ({ response }, index): ErrorCase => ({ name: `400 ${index}`, label: LABEL, answer: response, class: 'invalid_request' }),
    )
  : []

const ROW: JsonObject = {
  appl_id: 10_824_314,
  fiscal_year: 2024,
  project_num: `1${CORE}-01`,
  core_project_num: CORE,
  award_amount: 275_000,
  award_notice_date: '2024-05-06T12:12:00Z',
  project_start_date: '2024-06-01T05:00:00Z',
  project_title: 'A  project',
  organization: { org_name: 'EXAMPLE BIOTECH INC', org_state: 'MA', primary_uei: 'DPMGH9MG1X67', org_zipcode: '021100000' },
  principal_investigators: [
    { full_name: 'Ada  Lovelace', first_name: 'Ada' },
    { full_name: 'Grace  Hopper', first_name: 'Grace' },
  ],
  is_active: true,
  terms: '<a>',
  spending_categories: null,
}
const SECOND: JsonObject = { ...ROW, appl_id: 10_900_000, fiscal_year: 2025, project_num: `5${CORE}-02`, award_amount: 300_000.5 }
const page = (rows: readonly JsonObject[], total = rows.length) =>
  viewOf({ body: { meta: { total, offset: 0, limit: 500 }, results: rows } })
const ask = (rows: readonly JsonObject[], contracts: readonly string[], total = rows.length, cursor: string | null = null) =>
  nih.batch!.parse(
    page(rows, total),
    contracts.map((contract) => target(contract)),
    'projects',
    cursor,
    CONTEXT,
  )
const recordOf = (...rows: JsonObject[]): JsonObject => recordOfRows(CORE, rows)

adapterSuite(nih, {
  exampleEntities: [award(CORE), award(`1${OTHER}-01A1`, { proposal_award_date: null }), award('75N91023C00012'), award(null)],
  providerKeys: { [`v1:${CORE}`]: CORE },
  recordings: [
    ...recordings,
    { name: 'two years', label: LABEL, view: page([ROW, SECOND]), class: 'ok', reads: reads.batch([target(CORE)]) },
  ],
  conversations: [
    {
      name: 'years of a project on two pages',
      by: 'batch',
      targets: [target(CORE)],
      answers: [page([ROW], 2), page([SECOND], 2)],
      requests: 2,
    },
    {
      name: 'a day of the feed on three pages',
      by: 'feed',
      slice: 'added/2026-11-20',
      answers: [1, 2, 3].map((number) => page([{ ...ROW, appl_id: number, date_added: '2026-11-20T08:00:00Z' }], 3)),
      requests: 3,
    },
  ],
  instants: [
    {
      text: 'x-rate-limit-reset: 2026-11-21T03:00:30.1234567Z',
      read: () =>
        nih.classify(
          viewOf({ status: 429, body: [], headers: { 'x-rate-limit-reset': '2026-11-21T03:00:30.1234567Z' } }),
          { method: 'POST', path: '/', label: LABEL },
          CONTEXT,
        ).until,
      utc: '2026-11-21T03:00:30.000Z',
    },
    {
      text: 'award_notice_date: 2024-05-06T12:12:00Z, in former days 2024-05-06T00:00:00',
      read: () => (recordOf(ROW)['years'] as JsonObject[])[0]!['award_notice_date'],
      utc: '2024-05-06',
    },
  ],
  noise: ['terms', 'pref_terms', 'spending_categories', 'is_active'],
  errors: [
    ...documented,
    {
      name: 'too many, with their own header',
      label: LABEL,
      answer: {
        status: 429,
        body: ['Too many requests.'],
        headers: { 'x-rate-limit-reset': new Date(RECEIVED_AT + 30_000).toISOString().replace('Z', '0000Z') },
      },
      class: 'rate_limited',
      untilMs: 30 * SECOND_MS,
    },
    {
      name: 'too many, with a Retry-After, which outranks it',
      label: LABEL,
      answer: {
        status: 429,
        body: [],
        headers: { 'retry-after': '75', 'x-rate-limit-reset': new Date(RECEIVED_AT + 30_000).toISOString() },
      },
      class: 'rate_limited',
      untilMs: 75 * SECOND_MS,
    },
    { name: 'blocked', label: LABEL, answer: { status: 403, text: 'Forbidden' }, class: 'source_down' },
    { name: 'GET', label: LABEL, answer: { status: 405, text: '' }, class: 'invalid_request' },
    { name: 'a page', label: LABEL, answer: { text: '<html>' }, class: 'malformed' },
    { name: 'maintenance', label: LABEL, answer: { status: 503, text: '' }, class: 'transient' },
  ],
  unchangedPairs: [
    {
      name: 'another zone, another order, no longer active, terms mined again',
      before: recordOf(ROW, SECOND),
      after: recordOf(SECOND, {
        ...ROW,
        award_notice_date: '2024-05-06T00:00:00',
        award_amount: 275_000.0,
        is_active: false,
        terms: '<b>',
        spending_categories: [1],
        principal_investigators: [...(ROW['principal_investigators'] as JsonValue[])].reverse(),
      }),
    },
  ],
  changedPairs: [
    {
      name: 'more money',
      before: recordOf(ROW),
      after: recordOf({ ...ROW, award_amount: 280_000 }),
      path: '$.years[appl_id=10824314].award_amount',
    },
  ],
})

describe('nih', () => {
  it.each([
    [`1${CORE}-01A1`, CORE],
    [`5 ${CORE}-02S1`, CORE],
    [CORE.toLowerCase(), CORE],
    ['1SB1CA123456-01', 'SB1CA123456'],
    // RePORTER writes HD036038 where older lists leave out the zero.
    ['1 R43 HD36038-01', 'R43HD036038'],
    ['2R44HD36038-02A1', 'R44HD036038'],
    ['R43HD36038', 'R43HD036038'],
    // Seven digits in a row are a slip, not a serial of five with a year.
    ['R43HD3603801', null],
    ['R43HD3603', null],
    ['75N91023C00012', null],
    ['HHSN261201700001C', null],
    ['', null],
  ])('reads %s as project %s', (text, core) => expect(coreNumber(text)).toBe(core))

  it('says of a project whose number was completed how it was written, and is less sure', () => {
    const COMPLETED: JsonObject = { ...ROW, core_project_num: 'R43HD036038', project_num: '1R43HD036038-01' }
    const identityOf = (one: Target) => {
      const [answer] = nih.batch!.parse(
        viewOf({ body: { meta: { total: 1 }, results: [COMPLETED] } }),
        [one],
        'projects',
        null,
        CONTEXT,
      ).answers
      return answer?.kind === 'record' ? answer.identity : null
    }
    expect(identityOf(target('1R43HD36038-01'))).toEqual({
      providerKey: 'R43HD036038',
      method: 'project_number_completed',
      confidence: 0.9,
      evidence: { written: '1R43HD36038-01' },
    })
    expect(identityOf(target('1R43HD036038-01'))).toMatchObject({ method: 'project_number', confidence: 1 })
    // The whole number beside it says the same.
    const both = { ...target('x'), entity: award('1R43HD36038-01', { agency_tracking_number: 'R43HD036038' }) }
    expect(identityOf(both)).toMatchObject({ method: 'project_number', confidence: 1 })
  })

  it('asks for projects, each once, by the names that the service knows, in an order that pages can rely on', () => {
    const request = nih.batch!.request([target(`1${CORE}-01`), target(OTHER), target(`5${CORE}-02`)], 'projects', null, CONTEXT)
    expect(request).toMatchObject({
      method: 'POST',
      path: '/v2/projects/search',
      json: { criteria: { project_nums: [CORE, OTHER] }, offset: 0, limit: 500, sort_field: 'appl_id' },
    })
    for (const field of (request.json as JsonObject)['include_fields'] as string[]) expect(field).toMatch(/^[A-Z][A-Za-z]+$/)
  })

  it('makes one record of a project’s years, newest first', () => {
    expect(recordOf(ROW, SECOND)).toMatchObject({
      title: 'A project',
      principal_investigators: ['Ada Lovelace', 'Grace Hopper'],
      organization: { uei: 'DPMGH9MG1X67', state: 'MA' },
      years: [
        { appl_id: '10900000', award_amount: '300000.5' },
        { appl_id: '10824314', award_amount: '275000', award_notice_date: '2024-05-06' },
      ],
    })
    expect(JSON.stringify(recordOf(ROW))).not.toMatch(/02110|terms|is_active/)
  })

  it('follows pages, and says absent of what none of them lists', () => {
    const first = ask([ROW], [CORE, OTHER], 2)
    expect(first.answers).toEqual([])
    const { answers, next } = ask([SECOND], [CORE, OTHER], 2, first.next)
    expect(next).toBeNull()
    const [ours, other] = answers as [Answer, Answer]
    expect(ours.kind === 'record' && (ours.record['years'] as unknown[]).length).toBe(2)
    expect(other).toMatchObject({ kind: 'absent' })
    expect(() => ask([ROW], [CORE], 2, first.next)).toThrow(/moved/)
  })

  it('sees that a criterion was left out without a word', () => {
    expect(() => ask([{ ...ROW, core_project_num: OTHER }], [CORE])).toThrow(/ignored/)
    expect(() => ask([ROW], [CORE], 2_999)).toThrow(/ignored/)
    expect(() => ask([], [CORE], 1)).toThrow(/announced/)
  })

  it.skipIf(!hasRecordings(PROVIDER))('sees it in the recorded case too', () => {
    const view = recordedView(PROVIDER, 'ignored_criterion_last_page_2022')
    expect(() => nih.batch!.parse(view, [target(CORE)], 'projects', null, CONTEXT)).toThrow(/ignored/)
  })

  it('groups awards by the week they were made in, those without a date by their year', () => {
    const name = (date: string | null): string => nih.cohort.name(award(CORE, { proposal_award_date: date }))
    expect(name('2024-05-06')).toBe('project_week_2024-W19')
    expect(name('2021-01-03')).toBe('project_week_2020-W53')
    expect(name('2020-12-31')).toBe('project_week_2020-W53')
    expect(name('2024-12-30')).toBe('project_week_2025-W01')
    expect(name(null)).toBe('project_year_2024')
  })

  it('asks the feed by the day of adding, and reads what it asks for', () => {
    const asked = nih.feed!.request({ from: 0, to: 1 }, 'added/2026-11-19', null, CONTEXT).json as JsonObject
    expect(asked['criteria']).toEqual({
      date_added: { from_date: '2026-11-19', to_date: '2026-11-19' },
      activity_codes: ['R43', 'R44', 'U43', 'U44', 'SB1', 'UB1', 'R41', 'R42', 'UT1', 'UT2'],
    })
    expect(asked['include_fields']).toEqual(expect.arrayContaining(['DateAdded', 'FiscalYear', 'CoreProjectNum']))
  })

  it('sees in every row of the feed that its criteria were applied', () => {
    const parse = (row: JsonObject, slice: string) => nih.feed!.parse(page([row]), slice, null, CONTEXT)
    const old = { ...ROW, fiscal_year: 2004, date_added: '2004-02-14T00:00:00' }
    expect(() => parse(old, 'added/2026-11-20')).toThrow(/2004-02-14; was the filter ignored/)
    expect(() => parse(ROW, 'added/2026-11-20')).toThrow(/nothing; was the filter ignored/)
    expect(() => parse(old, 'year/2027/R43')).toThrow(/fiscal year 2027, a row says 2004/)
    expect(() => parse({ ...ROW, fiscal_year: 2027 }, 'year/2027/R44')).toThrow(/none of R44/)
    expect(parse({ ...ROW, fiscal_year: 2027 }, 'year/2027/R43').items).toHaveLength(1)
    expect(parse({ ...ROW, date_added: '2026-11-20' }, 'added/2026-11-20').items).toHaveLength(1)
  })

  it('keeps the dates and the money of a year, days alone', () => {
    const row = {
      ...ROW,
      date_added: '2026-11-20T23:30:00-05:00',
      budget_start: '2024-06-01T05:00:00Z',
      budget_end: '2025-05-31T04:00:00Z',
      project_end_date: '2026-05-31T23:59:59-05:00',
    }
    expect(recordOf(row)).toMatchObject({
      project_start_date: '2024-06-01',
      project_end_date: '2026-05-31',
      years: [{ date_added: '2026-11-20', budget_start: '2024-06-01', budget_end: '2025-05-31', award_amount: '275000' }],
    })
  })

  it('walks added days, and for a longer window the two fiscal years that are edited without a date', () => {
    const { feed } = nih
    const to = Date.UTC(2026, 10, 21)
    expect(feed!.slices({ from: to - 2 * DAY_MS, to }, CONTEXT)).toEqual(['added/2026-11-19', 'added/2026-11-20'])
    const long = feed!.slices({ from: to - 7 * DAY_MS, to }, CONTEXT)
    expect(long).toContain('year/2027/R43')
    expect(long).toContain('year/2026/R44')
    expect(long).toHaveLength(7 + 20)
    const request = feed!.request({ from: 0, to: 1 }, 'year/2026/R44', '500', CONTEXT)
    expect(request.json).toMatchObject({ criteria: { fiscal_years: [2026], activity_codes: ['R44'] }, offset: 500 })
    const added = [ROW, SECOND].map((row) => ({ ...row, date_added: '2026-11-19T05:00:00Z' }))
    const { items, next } = feed!.parse(page(added, 600), 'added/2026-11-19', null, CONTEXT)
    expect(items.map(({ providerKey }) => providerKey)).toEqual([CORE])
    expect(items[0]!.aliases).toEqual([`award_id:${CORE}`, `award_id:1${CORE}01`, `award_id:5${CORE}02`])
    expect(next).toBe('2')
    expect(feed!.answer(items[0]!, target(CORE), CONTEXT)).toMatchObject({ kind: 'due' })
    expect(feed!.answer(items[0]!, target(OTHER), CONTEXT)).toBeNull()
    expect(() => feed!.parse(page([{ ...ROW, core_project_num: 'R01AI170850' }]), 'added/2026-11-19', null, CONTEXT)).toThrow(
      /ignored/,
    )
  })
})
