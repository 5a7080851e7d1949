import { describe, expect, it } from 'vitest'
import type { Resolution, Target } from '../../ts/adapters/adapter.ts'
import { recordOfRow } from '../../ts/adapters/uspto/record.ts'
import { usptoOdp } from '../../ts/adapters/uspto-odp.ts'
import type { Entity } from '../../ts/model/entity.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { payloadHash } from '../../ts/refresh/canonical.ts'
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
const recordings: RecordedCase[] = recordingNames(PROVIDER).map((name) => ({
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

adapterSuite(usptoOdp, {
  exampleEntities: [patent('17248024'), patent('14412875', { grant_date: '2020-09-08' }), patent(null)],
  providerKeys: { 'us_app:17248024': '17248024' },
  resolveEntities: [company('PolyPlus Battery Company'), company('X'), company(null)],
  recordings: [...recordings, { name: 'a row', label: LABEL, view: page([ROW]), class: 'ok' }],
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

    it('of other names are no candidates', () => {
      expect(ask([applicant('Battery Company of Ohio', 'CA')])).toMatchObject({ candidates: [] })
      expect(usptoOdp.resolve!.parse([NONE], target(company('PolyPlus')), CONTEXT)).toMatchObject({ candidates: [] })
    })

    it('are searched by words that mean nothing to the query language, page after page, not without end', () => {
      const first = usptoOdp.resolve!.request([], target(company('Ale (OR) "Not" & Sons: Inc.')), CONTEXT)!
      expect((first.json as JsonObject)['q']).toBe('applicationMetaData.applicantBag.applicantNameText:(ALE AND SONS)')
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
  })
})
