import { describe, expect, it } from 'vitest'
import type { Resolution, Target } from '../../ts/adapters/adapter.ts'
import { recordOfRow } from '../../ts/adapters/uspto/record.ts'
import { usptoOdp } from '../../ts/adapters/uspto-odp.ts'
import type { Entity } from '../../ts/model/entity.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../ts/model/json.ts'
import type { RequestSpec, ResponseClass, ResponseView } from '../../ts/model/response.ts'
import { payloadHash } from '../../ts/refresh/canonical.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import type { Conversation } from './adapter-requests.ts'
import { adapterSuite, type ErrorCase, type RecordedCase } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recordedView, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'uspto_odp'
const LABEL = 'applications.batch'
const CONTEXT = { now: RECEIVED_AT, options: {} }

function patent(number: string | null, attributes: JsonObject = {}): Entity {
  return {
    kind: 'patent',
    key: `us_app:${number}`,
    attributes: {
      application_number: number,
      title: 'X',
      patent_number: null,
      filing_date: '2021-01-05',
      grant_date: null,
      ...attributes,
    },
    aliases: [],
  }
}
function company(name: string | null, state: string | null = 'CA'): Entity {
  return { kind: 'company', key: `name:${name}|${state}`, attributes: { name, state, uei: null }, aliases: [] }
}
const target = (entity: Entity, providerKey: string | null = null): Target => ({
  entity,
  providerKey,
  validators: { etag: null, lastModified: null },
})

/** Every recording with its class. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, ResponseClass>> = {
  assignment_16123456_2025: 'ok',
  associated_documents_2025: 'ok',
  beta2024_404_no_records: 'empty',
  // The beta had another envelope, but a count: it is the parser that refuses it.
  beta2024_continuity: 'ok',
  beta2024_foreign_priority: 'ok',
  beta2024_post_search_all_count: 'ok',
  beta2024_post_search_range_filter: 'ok',
  bulk_products_search_2025: 'ok',
  errors_documented: 'malformed',
  get_application_full_record_same_content: 'ok',
  get_bulk_product: 'ok',
  get_patent_assignment: 'ok',
  get_patent_associated_documents: 'ok',
  get_patent_continuity: 'ok',
  get_patent_foreign_priority: 'ok',
  get_patent_transactions: 'ok',
  get_status_codes: 'ok',
  meta_data_14412875_2025: 'ok',
  search_bulk_products: 'ok',
  search_one_full_record: 'ok',
}
const reads = readingsOf(usptoOdp, CONTEXT)
const wrappers: EmptyReading = {
  kind: 'list',
  parser: 'recordOfRow',
  parse: (view) => ((view.json as JsonObject)['patentFileWrapperDataBag'] as unknown as readonly JsonObject[]).map(recordOfRow),
}
const part = reads.other('parts of an application are never asked for by themselves')
const beta = reads.other('the beta of 2024 had another envelope, which is refused')
const bulk = reads.other('bulk products are not of the applications')
const READ_BY: Readonly<Record<string, EmptyReading>> = {
  assignment_16123456_2025: part,
  associated_documents_2025: part,
  beta2024_404_no_records: beta,
  beta2024_continuity: beta,
  beta2024_foreign_priority: beta,
  beta2024_post_search_all_count: beta,
  beta2024_post_search_range_filter: beta,
  bulk_products_search_2025: bulk,
  get_application_full_record_same_content: wrappers,
  get_bulk_product: bulk,
  get_patent_assignment: part,
  get_patent_associated_documents: part,
  get_patent_continuity: part,
  get_patent_foreign_priority: part,
  get_patent_transactions: part,
  get_status_codes: reads.other('codes of states come with their words'),
  meta_data_14412875_2025: part,
  search_bulk_products: bulk,
  search_one_full_record: reads.batch([target(patent('17248024'))]),
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
  class: EXPECTED[name] ?? ('no line in EXPECTED' as ResponseClass),
}))

const CLASS_OF_STATUS: Readonly<Record<number, ResponseClass>> = {
  400: 'invalid_request',
  403: 'auth',
  404: 'empty',
  413: 'invalid_request',
  500: 'transient',
}
const documented: ErrorCase[] = hasRecordings(PROVIDER)
  ? (recording(PROVIDER, 'errors_documented') as unknown as readonly { response: { status: number; body: JsonValue } }[]).map(
      ({ response: { status, body } }): ErrorCase => ({
        name: `documented ${status}`,
        label: LABEL,
        answer: { status, body },
        class: CLASS_OF_STATUS[status]!,
      }),
    )
  : []
const errors: ErrorCase[] = [
  ...documented,
  {
    name: 'two requests at once, or too many',
    label: LABEL,
    answer: { status: 429, body: { code: 429, error: 'Too Many Requests' } },
    class: 'rate_limited',
    untilMs: 5_000,
  },
  {
    name: 'the same, with a longer Retry-After',
    label: LABEL,
    answer: { status: 429, body: {}, headers: { 'retry-after': '60' } },
    class: 'rate_limited',
    untilMs: 60_000,
  },
  { name: 'the portal’s page instead of an answer', label: LABEL, answer: { text: '<!doctype html>' }, class: 'malformed' },
  {
    name: 'a path that is not there',
    label: LABEL,
    answer: { status: 404, body: { message: 'Not Found' } },
    class: 'invalid_request',
  },
]

const ROW: JsonObject = {
  applicationNumberText: '17248024',
  applicationMetaData: {
    inventionTitle: 'Cells',
    applicationStatusCode: 41,
    applicationStatusDescriptionText: 'Non Final Action Mailed',
    applicationStatusDate: '2023-04-19',
    filingDate: '2021-01-05',
    cpcClassificationBag: ['H01M  50/46', 'H01M   4/00'],
    inventorBag: [{ inventorNameText: 'Steven J. Visco', correspondenceAddressBag: [{ cityName: 'Berkeley' }] }],
    applicantBag: [
      {
        applicantNameText: 'PolyPlus Battery Company',
        correspondenceAddressBag: [{ cityName: 'Berkeley', geographicRegionCode: 'CA', countryCode: 'US' }],
      },
    ],
  },
  recordAttorney: { attorneyBag: [{ telecommunicationAddressBag: [{ telecommunicationNumber: '555-555-5555' }] }] },
  lastIngestionDateTime: '2026-05-02T13:00:02',
}
const meta = (changes: JsonObject): JsonObject => ({
  ...ROW,
  applicationMetaData: { ...(ROW['applicationMetaData'] as JsonObject), ...changes },
})
const page = (rows: readonly JsonObject[], count = rows.length) =>
  viewOf({ body: { count, patentFileWrapperDataBag: rows, requestIdentifier: 'x' } })
const NONE = viewOf({ status: 404, body: { code: 404, errorDetails: 'No matching records found, refine your search' } })

const many = (number: number, from = 0): readonly JsonObject[] =>
  Array.from({ length: number }, (_, at) => ({ ...ROW, applicationNumberText: String(17_000_000 + from + at) }))
const TOO_LARGE = viewOf({ status: 413, body: { code: '413', message: 'Payload Too Large' } })
const POLYPLUS = target(company('PolyPlus Battery Company'))
const CONVERSATIONS: readonly Conversation[] = [
  {
    name: 'pages of a day',
    by: 'feed',
    // The day that the row says of itself.
    slice: '2023-04-19',
    answers: [0, 100, 200].map((from) => page(many(100, from), 300)),
    requests: 3,
  },
  { name: 'pages of an applicant', by: 'identity', targets: [POLYPLUS], answers: [page(many(100), 150)], requests: 2 },
  {
    name: 'pages of an applicant whom a person decided',
    by: 'decided',
    targets: [target(company('Other'), 'POLYPLUS BATTERY|CA')],
    answers: [page(many(100), 150)],
    requests: 2,
  },
  { name: 'pages of an applicant, the first too large', by: 'identity', targets: [POLYPLUS], answers: [TOO_LARGE], requests: 2 },
]

adapterSuite(usptoOdp, {
  exampleEntities: [patent('17248024'), patent('14412875', { grant_date: '2020-09-08' }), patent(null)],
  providerKeys: { 'us_app:17248024': '17248024' },
  resolveEntities: [company('PolyPlus Battery Company'), company('X'), company(null)],
  recordings: [
    ...recordings,
    { name: 'a row', label: LABEL, view: page([ROW]), class: 'ok', reads: reads.batch([target(patent('17248024'))]) },
  ],
  conversations: CONVERSATIONS,
  onePage: { batch: 'a page is as large as the batch' },
  instants: 'dates are days; lastIngestionDateTime, which has a time, is left out',
  noise: ['lastIngestionDateTime', 'recordAttorney'],
  errors,
  unchangedPairs: [
    {
      name: 'taken in again, padded otherwise, classes the other way round',
      before: recordOfRow(ROW),
      after: recordOfRow({ ...meta({ cpcClassificationBag: ['H01M 4/00', 'H01M    50/46'] }), lastIngestionDateTime: 'later' }),
    },
  ],
  changedPairs: [
    {
      name: 'granted',
      before: recordOfRow(ROW),
      after: recordOfRow(meta({ patentNumber: '11646472', grantDate: '2023-05-09', applicationStatusCode: 150 })),
      path: '$.patent_number',
    },
  ],
})

describe('uspto_odp', () => {
  it.skipIf(!hasRecordings(PROVIDER))('hashes the recorded pair without a change alike, and keeps nobody’s number', () => {
    const rowOf = (name: string): JsonObject =>
      ((recordedView(PROVIDER, name).json as JsonObject)['patentFileWrapperDataBag'] as JsonObject[])[0]!
    const [first, second] = ['search_one_full_record', 'get_application_full_record_same_content'].map((name) =>
      recordOfRow(rowOf(name)),
    )
    expect(payloadHash(second!, usptoOdp)).toBe(payloadHash(first!, usptoOdp))
    expect(first).toMatchObject({
      application_number: '17248024',
      patent_number: '11646472',
      grant_date: '2023-05-09',
      applicants: ['PolyPlus Battery Company'],
      status_code: '150',
    })
    expect((first!['cpc'] as string[])[0]).toMatch(/^[A-Z]\d{2}[A-Z] \d/)
    expect(JSON.stringify(first)).not.toMatch(/555-555|BOX|94612/)
  })

  it.skipIf(!hasRecordings(PROVIDER))('does not read the beta’s envelope', () => {
    const view = recordedView(PROVIDER, 'beta2024_post_search_range_filter')
    if (isJsonObject(view.json) && view.json['patentFileWrapperDataBag'] === undefined)
      expect(() => usptoOdp.batch!.parse(view, [target(patent('17248024'))], 'applications', null, CONTEXT)).toThrow(/beta/)
  })

  it('asks many applications in one call, each once, for what is read alone', () => {
    const request = usptoOdp.batch!.request(
      [target(patent('17248024')), target(patent('14/412,875')), target(patent('17248024'))],
      'applications',
      null,
      CONTEXT,
    )
    expect(request).toMatchObject({
      method: 'POST',
      path: '/api/v1/patent/applications/search',
      json: { q: 'applicationNumberText:(17248024 OR 14412875)', pagination: { offset: 0, limit: 2 } },
    })
    expect((request.json as JsonObject)['fields']).not.toContain('recordAttorney')
  })

  it('leaves out what the Office does not list, and takes nothing for an answer that is about others', () => {
    const parse = (view: ReturnType<typeof viewOf>, numbers: readonly string[]) =>
      usptoOdp.batch!.parse(
        view,
        numbers.map((number) => target(patent(number))),
        'applications',
        null,
        CONTEXT,
      )
    expect(parse(page([ROW]), ['17248024', '99999999']).answers).toMatchObject([
      { kind: 'record', entity: { key: 'us_app:17248024' }, identity: { providerKey: '17248024' } },
    ])
    expect(parse(NONE, ['17248024']).answers).toEqual([])
    expect(() => parse(page([ROW]), ['14412875'])).toThrow(/ignored/)
    expect(() => parse(page([ROW], 5_000), ['17248024'])).toThrow(/ignored/)
    expect(() => parse(page([ROW], 2), ['17248024', '14412875'])).toThrow(/announced/)
  })

  it('groups patents by the month of their grant, the others by the year they were filed in', () => {
    const { cohort } = usptoOdp
    expect(cohort.name(patent('14412875', { grant_date: '2020-09-08' }))).toBe('grant_month_2020-09')
    expect(cohort.name(patent('17248024'))).toBe('pending_filed_2021')
    expect(cohort.name(patent('17248024', { filing_date: null }))).toBe('pending_filed_unknown')
  })

  it('keeps inventors, assignments and dates, each from its own member', () => {
    const row = {
      ...meta({
        patentNumber: '11646472',
        grantDate: '2023-05-09',
        earliestPublicationDate: '2022-07-07',
        effectiveFilingDate: '2021-02-06',
        inventorBag: [{ inventorNameText: 'Steven J. Visco' }, { inventorNameText: 'Yevgeniy S. Nimon' }],
      }),
      assignmentBag: [
        {
          reelAndFrameNumber: '054321/0001',
          conveyanceText: 'ASSIGNMENT',
          assignmentRecordedDate: '2021-03-01',
          assigneeBag: [{ assigneeNameText: 'POLYPLUS', assigneeAddress: { addressLineOneText: 'PRIVATE WAY' } }],
        },
      ],
    }
    expect(recordOfRow(row)).toMatchObject({
      status_date: '2023-04-19',
      filing_date: '2021-01-05',
      effective_filing_date: '2021-02-06',
      publication_date: '2022-07-07',
      grant_date: '2023-05-09',
      inventors: ['Steven J. Visco', 'Yevgeniy S. Nimon'],
      assignments: [{ reel_frame: '054321/0001', conveyance: 'ASSIGNMENT', recorded: '2021-03-01', assignees: ['POLYPLUS'] }],
    })
    expect(JSON.stringify(recordOfRow(row))).not.toContain('PRIVATE WAY')
  })

  it('hashes applicants and symbols alike in whatever order they come', () => {
    const two = (...names: string[]): JsonObject =>
      recordOfRow(meta({ applicantBag: names.map((applicantNameText) => ({ applicantNameText })) }))
    expect(payloadHash(two('A', 'B'), usptoOdp)).toBe(payloadHash(two('B', 'A'), usptoOdp))
    expect(payloadHash(two('A', 'B'), usptoOdp)).not.toBe(payloadHash(two('A', 'C'), usptoOdp))
  })

  it('says why a request was refused', () => {
    const body = {
      code: 400,
      error: 'Bad Request',
      errorDetails: 'Invalid request, review the q parameter',
      requestIdentifier: 'x',
    }
    const { reason } = usptoOdp.classify(viewOf({ status: 400, body }), { method: 'POST', path: '/', label: LABEL }, CONTEXT)
    expect(reason).toBe('HTTP 400: Bad Request; Invalid request, review the q parameter')
  })

  it('asks for smaller pages where one is too large, and gives up at a single row', () => {
    const classOf = (request: RequestSpec) => usptoOdp.classify(TOO_LARGE, request, CONTEXT).class
    const limits = (ask: (views: readonly ResponseView[]) => RequestSpec | null): unknown[] => {
      const seen: unknown[] = []
      for (let views: ResponseView[] = []; ; views = [...views, TOO_LARGE]) {
        const request = ask(views)!
        seen.push((request.json as JsonObject)['pagination'])
        if (classOf(request) !== 'ok') return seen
      }
    }
    const halves = [100, 50, 25, 12, 6, 3, 1].map((limit) => ({ offset: 0, limit }))
    const context = CONTEXT
    expect(limits((views) => usptoOdp.resolve!.request(views, POLYPLUS, context))).toEqual(halves)
    const decided = target(company('Other'), 'POLYPLUS BATTERY|CA')
    expect(limits((views) => usptoOdp.resolve!.ofDecided!.request(views, decided, context))).toEqual(halves)
    const day = '2026-11-20'
    const cursorAfter = (views: readonly ResponseView[]): string | null =>
      views.reduce<string | null>((cursor, view) => usptoOdp.feed!.parse(view, day, cursor, context).next, null)
    expect(limits((views) => usptoOdp.feed!.request({ from: 0, to: 1 }, day, cursorAfter(views), context))).toEqual(halves)
    expect(classOf(usptoOdp.batch!.request([target(patent('17248024')), target(patent('14412875'))], 'x', null, context))).toBe(
      'invalid_request',
    )
  })

  describe('the days of a feed', () => {
    const { feed } = usptoOdp
    const window = { from: 0, to: 1 }
    const changedOn = (day: string, filed: string, number: number): JsonObject => ({
      ...meta({ applicationStatusDate: day, filingDate: filed }),
      applicationNumberText: String(number),
    })

    it('are read page after page, a hundred further each time', () => {
      const rows = Array.from({ length: 100 }, (_, at) => changedOn('2026-11-20', '2021-01-05', 17_000_000 + at))
      const { items, next } = feed!.parse(page(rows, 250), '2026-11-20', '100', CONTEXT)
      expect([items.length, next]).toEqual([100, '200'])
      expect(feed!.request(window, '2026-11-20', next, CONTEXT).json).toMatchObject({ pagination: { offset: 200, limit: 100 } })
      expect(feed!.parse(page(rows.slice(0, 50), 250), '2026-11-20', next, CONTEXT).next).toBeNull()
    })

    it('go on from where a page was too large, in smaller ones, and never beyond what can be read', () => {
      const rows = Array.from({ length: 50 }, (_, at) => changedOn('2026-11-20', '2021-01-05', 17_000_000 + at))
      const pagination = (cursor: string | null) => {
        const request = feed!.request(window, '2026-11-20', cursor, CONTEXT)
        return (request.json as JsonObject)['pagination']
      }
      const half = feed!.parse(TOO_LARGE, '2026-11-20', '100', CONTEXT).next
      expect([half, pagination(half)]).toEqual(['100/50', { offset: 100, limit: 50 }])
      const { items, next } = feed!.parse(page(rows, 250), '2026-11-20', half, CONTEXT)
      expect([items.length, pagination(next)]).toEqual([50, { offset: 150, limit: 50 }])
      expect(pagination('9990/25')).toEqual({ offset: 9_990, limit: 10 })
      for (const wrong of ['10000', '0/0', '0/101', '5/x', '-1', '1/2/3'])
        expect(() => feed!.request(window, '2026-11-20', wrong, CONTEXT), wrong).toThrow(/no place/)
    })

    it('with more than can be read are split by the day of filing, down to a day', () => {
      const split = feed!.parse(page([], 10_001), '2026-11-20', null, CONTEXT).split!
      expect(split).toEqual(['2026-11-20/1900-01-01/1963-06-12', '2026-11-20/1963-06-13/2026-11-20'])
      const ranges = (feed!.request(window, split[1]!, null, CONTEXT).json as JsonObject)['rangeFilters']
      expect(ranges).toEqual([
        { field: 'applicationMetaData.applicationStatusDate', valueFrom: '2026-11-20', valueTo: '2026-11-20' },
        { field: 'applicationMetaData.filingDate', valueFrom: '1963-06-13', valueTo: '2026-11-20' },
      ])
      // Halves cover the whole, and end with a day by itself.
      let slice = '2026-11-20'
      let depth = 0
      for (; !/\/(.+)\/\1$/.test(slice); depth += 1) {
        const [left, right] = feed!.parse(page([], 10_001), slice, null, CONTEXT).split!
        expect(Date.parse(right!.split('/')[1]!) - Date.parse(left!.split('/')[2]!)).toBe(86_400_000)
        slice = depth % 2 === 0 ? right! : left!
      }
      expect(depth).toBeLessThan(20)
      expect(() => feed!.parse(page([], 10_001), slice, null, CONTEXT)).toThrow(/more than 10000/)
      for (const wrong of ['2026-11-20/2021-01-05', '2026-11-20/2021-01-06/2021-01-05', '2026-13-40', 'x'])
        expect(() => feed!.request(window, wrong, null, CONTEXT), wrong).toThrow()
    })

    it('list nothing that changed on another, or was filed outside of the part that was asked for', () => {
      const parse = (row: JsonObject, slice: string) => feed!.parse(page([row]), slice, null, CONTEXT)
      const row = changedOn('2026-11-20', '2021-01-05', 17_000_000)
      expect(parse(row, '2026-11-20').items).toHaveLength(1)
      expect(() => parse(row, '2026-11-19')).toThrow(/ignored/)
      expect(parse(row, '2026-11-20/2021-01-05/2021-01-05').items).toHaveLength(1)
      expect(() => parse(row, '2026-11-20/2020-01-05/2021-01-04')).toThrow(/ignored/)
    })
  })

  describe('applicants', () => {
    const ask = (rows: readonly JsonObject[], asked = company('PolyPlus Battery Co., Inc.')): Resolution =>
      usptoOdp.resolve!.parse([page(rows)], target(asked), CONTEXT)
    const applicant = (name: string, state: string | null, number = '17248024'): JsonObject => ({
      ...meta({
        firstApplicantName: name,
        applicantBag: [
          {
            applicantNameText: name,
            correspondenceAddressBag: state === null ? [] : [{ geographicRegionCode: state }],
          },
        ],
      }),
      applicationNumberText: number,
    })

    it('of the same name and state are ours, and their applications come to light', () => {
      const { candidates, discovered } = ask([
        applicant('POLYPLUS BATTERY COMPANY', 'CA'),
        applicant('PolyPlus Battery Company', 'CA', '16000001'),
      ])
      expect(candidates).toMatchObject([
        { providerKey: 'POLYPLUS BATTERY|CA', method: 'exact_name+state', confidence: 0.95, evidence: { applications: 2 } },
      ])
      expect(discovered!.map(({ key }) => key)).toEqual(['us_app:17248024', 'us_app:16000001'])
      expect(discovered![0]).toMatchObject({
        kind: 'patent',
        attributes: { application_number: '17248024', filing_date: '2021-01-05' },
        links: [{ kind: 'assigned_to', to: { kind: 'company', key: 'name:PolyPlus Battery Co., Inc.|CA' } }],
      })
    })

    it('of the name in another state, or without one, wait for a person', () => {
      for (const state of ['TX', null]) {
        const { candidates, discovered } = ask([applicant('PolyPlus Battery Company', state)])
        expect(candidates[0]!.confidence).toBeLessThan(0.85)
        expect(discovered).toEqual([])
      }
    })

    it('that are known to be ours count whatever their address', () => {
      const rows = [applicant('PolyPlus Battery Company', 'TX'), applicant('PolyPlus Battery Company', 'NY', '16000001')]
      const known = target(company('PolyPlus Battery Co., Inc.'), 'POLYPLUS BATTERY|TX')
      const { discovered } = usptoOdp.resolve!.parse([page(rows)], known, CONTEXT)
      expect(discovered!.map(({ key }) => key)).toEqual(['us_app:17248024'])
    })

    it('that are mistyped are less sure than those that are not', () => {
      const { candidates } = ask([
        applicant('PolyPuls Battery Company', 'CA'),
        applicant('PolyPlus Battery Company', 'CA', '16000001'),
      ])
      expect(candidates).toHaveLength(2)
      const of = (key: string) => candidates.find(({ providerKey }) => providerKey.startsWith(key))!.confidence
      expect(of('POLYPLUS')).toBeGreaterThan(of('POLYPULS'))
    })

    const assigned = (
      assignee: JsonObject,
      number = '12000001',
      conveyance = 'ASSIGNMENT OF ASSIGNORS INTEREST',
    ): JsonObject => ({
      ...applicant('Steven J. Visco', 'CA', number),
      assignmentBag: [{ reelAndFrameNumber: '1/2', conveyanceText: conveyance, assigneeBag: [assignee] }],
    })

    it('are also those to whom inventors assigned what they applied for', () => {
      const { candidates, discovered } = ask([
        assigned({ assigneeNameText: 'POLYPLUS BATTERY COMPANY', assigneeAddress: { geographicRegionCode: 'CA' } }),
        // The address of an assignee says where it is, that of the inventors does not.
        assigned({ assigneeNameText: 'POLYPLUS BATTERY COMPANY', assigneeAddress: { geographicRegionCode: 'TX' } }, '12000002'),
        assigned({ assigneeNameText: 'POLYPLUS BATTERY COMPANY', assigneeAddress: { geographicRegionCode: 'JPX' } }, '12000003'),
      ])
      expect(candidates).toMatchObject([
        {
          providerKey: 'POLYPLUS BATTERY|CA',
          method: 'assignee_exact_name+state',
          confidence: 0.95,
          evidence: { as_applicant: 0 },
        },
        { providerKey: 'POLYPLUS BATTERY|TX', method: 'assignee_exact_name' },
        { providerKey: 'POLYPLUS BATTERY', method: 'assignee_exact_name' },
      ])
      expect(discovered!.map(({ key }) => key)).toEqual(['us_app:12000001'])
      const decided = target(company('Other'), 'POLYPLUS BATTERY|CA')
      const rows = [
        assigned({ assigneeNameText: 'PolyPlus Battery', assigneeAddress: { geographicRegionCode: 'CA' } }),
        assigned({ assigneeNameText: 'PolyPlus Battery', assigneeAddress: { geographicRegionCode: 'TX' } }, '12000002'),
      ]
      expect(usptoOdp.resolve!.ofDecided!.discovered([page(rows)], decided, CONTEXT).map(({ key }) => key)).toEqual([
        'us_app:12000001',
      ])
    })

    it('are one with the assignee of the same application, whatever address that has', () => {
      const both = {
        ...applicant('PolyPlus Battery Company', 'CA'),
        assignmentBag: [{ conveyanceText: 'ASSIGNMENT', assigneeBag: [{ assigneeNameText: 'POLYPLUS BATTERY COMPANY' }] }],
      }
      expect(ask([both]).candidates).toMatchObject([
        { providerKey: 'POLYPLUS BATTERY|CA', method: 'exact_name+state', evidence: { applications: 1, as_applicant: 1 } },
      ])
    })

    it('are not those who lend money on a patent, or may use it', () => {
      for (const conveyance of ['SECURITY INTEREST (SEE DOCUMENT FOR DETAILS).', 'RELEASE BY SECURED PARTY', 'LICENSE'])
        expect(
          ask([assigned({ assigneeNameText: 'POLYPLUS BATTERY COMPANY' }, '12000001', conveyance)]).candidates,
          conveyance,
        ).toEqual([])
    })

    it('of other names are no candidates', () => {
      expect(ask([applicant('Battery Company of Ohio', 'CA')])).toMatchObject({ candidates: [] })
      expect(usptoOdp.resolve!.parse([NONE], target(company('PolyPlus')), CONTEXT)).toMatchObject({ candidates: [] })
    })

    it('are searched by words that mean nothing to the query language, page after page, not without end', () => {
      const first = usptoOdp.resolve!.request([], target(company('Ale (OR) "Not" & Sons: Inc.')), CONTEXT)!
      expect((first.json as JsonObject)['q']).toBe(
        'applicationMetaData.applicantBag.applicantNameText:(ALE AND SONS) OR assignmentBag.assigneeBag.assigneeNameText:(ALE AND SONS)',
      )
      expect((first.json as JsonObject)['fields']).toContain('assignmentBag')
      const full = page([ROW], 100_000)
      const next = usptoOdp.resolve!.request([full, full], target(company('PolyPlus')), CONTEXT)!
      expect((next.json as JsonObject)['pagination']).toEqual({ offset: 200, limit: 100 })
      expect(
        usptoOdp.resolve!.request(
          Array.from({ length: 10 }, () => full),
          target(company('PolyPlus')),
          CONTEXT,
        ),
      ).toBeNull()
      expect(usptoOdp.resolve!.request([page([ROW])], target(company('PolyPlus')), CONTEXT)).toBeNull()
    })

    it('are read newest first, and in smaller pages from where one was too large', () => {
      const full = page([ROW], 300)
      const next = (...views: ResponseView[]) =>
        (usptoOdp.resolve!.request(views, target(company('PolyPlus')), CONTEXT)?.json ?? null) as JsonObject | null
      expect(next()!['sort']).toEqual([{ field: 'applicationMetaData.filingDate', order: 'desc' }])
      expect(next(full, TOO_LARGE)!['pagination']).toEqual({ offset: 100, limit: 50 })
      expect(next(full, TOO_LARGE, full)!['pagination']).toEqual({ offset: 150, limit: 50 })
      expect(next(full, TOO_LARGE, full, full, full)!['pagination']).toEqual({ offset: 250, limit: 50 })
      expect(next(full, TOO_LARGE, full, full, full, full)).toBeNull()
      // Twenty questions are all that may be asked of a name.
      expect(next(TOO_LARGE, TOO_LARGE, ...Array.from({ length: 18 }, () => page([ROW], 100_000)))).toBeNull()
    })

    it('of which not all applications were read are a little less sure, and say how many', () => {
      const row = (number: number) => applicant('PolyPlus Battery Company', 'CA', String(number))
      const resolve = (...views: ResponseView[]) =>
        usptoOdp.resolve!.parse(views, target(company('PolyPlus Battery Co., Inc.')), CONTEXT)
      const whole = resolve(page([row(17_000_001), row(17_000_002)], 2))
      expect(whole.candidates).toMatchObject([{ confidence: 0.95, evidence: { applications: 2, unread: 0 } }])
      const part = resolve(TOO_LARGE, page([row(17_000_001), row(17_000_002)], 1_500), page([row(17_000_002)], 1_500))
      expect(part.candidates).toMatchObject([{ confidence: 0.922, evidence: { applications: 2, unread: 1_498 } }])
      expect(part.discovered).toHaveLength(2)
      const others = resolve(page([applicant('Battery Company of Ohio', 'CA')], 1_500))
      expect(others).toMatchObject({ candidates: [], reason: expect.stringContaining('newest 1 of 1500') })
      expect(resolve(NONE).reason).toBe('the Office knows no applicant of that name')
    })
  })
})
