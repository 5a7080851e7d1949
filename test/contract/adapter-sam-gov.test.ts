import { describe, expect, it } from 'vitest'
import type { Target } from '../../ts/adapters/adapter.ts'
import { recordOfRows } from '../../ts/adapters/sam-gov/registration.ts'
import { samGov } from '../../ts/adapters/sam-gov.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { DAY_MS, HOUR_MS } from '../../ts/model/time.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ChangedPair, type ErrorCase, type RecordedCase, type RecordPair } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recordedView, recording, recordingNames, type ViewParts, viewOf } from './recorded.ts'

const PROVIDER = 'sam_entity'
const CONTEXT = { now: RECEIVED_AT, options: {} }

function company(uei: string | null): Entity {
  return {
    kind: 'company',
    key: uei === null ? 'name:X|WI' : `uei:${uei}`,
    attributes: { name: 'X', uei, duns: null, state: 'WI' },
    aliases: [],
  }
}
function target(uei: string, providerKey: string | null = null): Target {
  return { entity: company(uei), providerKey, validators: { etag: null, lastModified: null } }
}

/** Every recording with its class and the UEIs in it. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, { class: ResponseClass; ueis: readonly string[] }>> = {
  entity_not_found: { class: 'empty', ueis: [] },
  entity_one_uei_two_records_by_EFT: { class: 'ok', ueis: ['TESTLZR5JNQ8'] },
  entity_search_page0_46_hits: {
    class: 'ok',
    ueis: [
      'XRVFU3YRA2U5',
      'DBW8PTLMFVG8',
      'ZW1WY1L2U3F3',
      'ZXENKQJ9ZB24',
      'DY94Q3MY5FP7',
      'PSPUPXM41Y35',
      'CANLQBVBGES1',
      'Q1VJLXN5K893',
      'RLFKYG6P81N3',
      'CEWZZUSHY9B3',
    ],
  },
  entity_single_entityRegistration_only: { class: 'ok', ueis: ['XRVFU3YRA2U5'] },
  entity_single_inactive_expired_with_integrity: { class: 'ok', ueis: ['SQ64PQQWATX8'] },
  entity_single_includeSections_all_active: { class: 'ok', ueis: ['ZMXAHH8M8VL8'] },
  entity_single_registration_and_core: { class: 'ok', ueis: ['XRVFU3YRA2U5'] },
  // A list of quoted errors, not an answer: it lacks what every answer has.
  errors_quoted: { class: 'malformed', ueis: [] },
}

function rowsOf(name: string): readonly JsonObject[] {
  return (recordedView(PROVIDER, name).json as JsonObject)['entityData'] as readonly JsonObject[]
}

function check(name: string, ueis: readonly string[]): () => void {
  return () => {
    if (ueis.length === 0) return
    const view = recordedView(PROVIDER, name)
    const { items } = samGov.feed!.parse(view, '2023-10-19', null, CONTEXT)
    expect(items.map((item) => item.providerKey)).toEqual(ueis)
    const single = ueis.length === 1
    const { answers } = single ? samGov.batch!.parse(view, [target(ueis[0]!)], 'entities', null, CONTEXT) : { answers: [] }
    if (single) expect(answers).toMatchObject([{ kind: 'record', record: { uei: ueis[0] } }])
    expect(JSON.stringify(answers)).not.toMatch(/api_key|pointsOfContact|selfLink/)
  }
}

function pairs(): { unchanged: RecordPair[]; changed: ChangedPair[] } {
  const record = (rows: readonly JsonObject[]): JsonObject => recordOfRows('X', rows)
  const full = rowsOf('entity_single_registration_and_core')[0]!
  const two = rowsOf('entity_one_uei_two_records_by_EFT')
  const expired = rowsOf('entity_single_inactive_expired_with_integrity')[0]!
  const core = full['coreData'] as JsonObject
  const registration = full['entityRegistration'] as JsonObject
  const types = core['businessTypes'] as JsonObject
  const list = types['businessTypeList'] as readonly JsonValue[]
  const withTypes = (businessTypeList: JsonValue): JsonObject => ({
    ...full,
    coreData: { ...core, businessTypes: { ...types, businessTypeList } },
  })
  const withRegistration = (members: JsonObject): JsonObject => ({ ...full, entityRegistration: { ...registration, ...members } })
  return {
    unchanged: [
      {
        name: 'links and exclusion URLs',
        before: record([full]),
        after: record([
          {
            ...withRegistration({ exclusionURL: 'https://api.sam.gov/?api_key=REPLACE_WITH_API_KEY' }),
            links: { selfLink: 'x' },
          },
        ]),
      },
      { name: 'order of business types', before: record([full]), after: record([withTypes([...list].reverse())]) },
      { name: 'a list of one as a bare object', before: record([withTypes([list[0]!])]), after: record([withTypes(list[0]!)]) },
      {
        name: 'an empty list and one element of nulls',
        before: record([withTypes([])]),
        after: record([withTypes([{ businessTypeCode: null, businessTypeDesc: null }])]),
      },
      { name: 'order of two registrations', before: record(two), after: record([...two].reverse()) },
      {
        name: 'members that nobody asked for',
        before: record([full]),
        after: record([{ ...full, pointsOfContact: { email: 'x' }, newSection: 1 }]),
      },
    ],
    changed: [
      {
        name: 'a registration that expired',
        before: record([full]),
        after: record([withRegistration({ registrationStatus: 'Inactive' })]),
        path: '$.registrations[entityEFTIndicator=].registrationStatus',
      },
      {
        name: 'a second bank account',
        before: record([two[1]!]),
        after: record(two),
        path: '$.registrations[entityEFTIndicator=0686]',
      },
      {
        name: 'another business type',
        before: record([withTypes(list.slice(1))]),
        after: record([full]),
        path: '$.registrations[entityEFTIndicator=].businessTypes[businessTypeCode=2X]',
      },
      {
        name: 'two companies',
        before: record([full]),
        after: record([expired]),
        path: '$.registrations[entityEFTIndicator=].legalBusinessName',
      },
    ],
  }
}

it('the district and the dates of SBA certifications are part of the record', () => {
  const row = {
    entityRegistration: { ueiSAM: 'XRVFU3YRA2U5' },
    coreData: {
      congressionalDistrict: '02',
      businessTypes: {
        sbaBusinessTypeList: {
          sbaBusinessTypeCode: 'A6',
          sbaBusinessTypeDesc: 'SBA Certified 8A Program Participant',
          certificationEntryDate: '2020-03-01',
          certificationExitDate: '2029-03-01',
        },
      },
    },
  }
  const [registration] = recordOfRows('XRVFU3YRA2U5', [row])['registrations'] as readonly JsonObject[]
  expect(registration).toMatchObject({
    congressionalDistrict: '02',
    sbaBusinessTypes: [{ sbaBusinessTypeCode: 'A6', certificationEntryDate: '2020-03-01', certificationExitDate: '2029-03-01' }],
  })
})

/** `untilMs` from the moment of the answer, 2026-11-21T03:00Z; quoted access times are past by then, so the next midnight counts. */
const ERROR_CLASSES: Readonly<Record<string, { class: ResponseClass; untilMs?: number }>> = {
  'size above 10 (v1/v2 shape)': { class: 'invalid_request' },
  'size above 10 (v3/v4 shape; timestamp and transaction_id values illustrative)': { class: 'invalid_request' },
  'page*size above 10,000': { class: 'invalid_request' },
  'more than 100 UEIs': { class: 'invalid_request' },
  'unknown parameter': { class: 'invalid_request' },
  'bad date': { class: 'invalid_request' },
  'extract not ready': { class: 'transient' },
  'expired extract token': { class: 'invalid_request' },
  'invalid or expired key, HTML': { class: 'auth' },
  'invalid key, JSON': { class: 'auth' },
  'daily quota exhausted (flat shape, verbatim, 2026-09-08)': { class: 'quota_exhausted', untilMs: 21 * HOUR_MS },
  'daily quota exhausted (wrapped in fault)': { class: 'quota_exhausted', untilMs: 21 * HOUR_MS },
  'umbrella rate limit, HTML': { class: 'rate_limited', untilMs: HOUR_MS },
  'Accept: application/json on exclusions': { class: 'invalid_request' },
}

type QuotedError = {
  case: string
  status: number
  body?: JsonValue
  body_text?: string
  headers?: Record<string, string>
  content_type?: string
}

function recordedErrors(): ErrorCase[] {
  if (!hasRecordings(PROVIDER)) return []
  const { cases } = recording(PROVIDER, 'errors_quoted') as unknown as { cases: QuotedError[] }
  return cases.map(({ case: name, status, body, body_text, headers = {}, content_type }) => {
    const expected = ERROR_CLASSES[name]
    if (expected === undefined) throw new Error(`the quoted error "${name}" has no expectation`)
    const content = body === undefined || body === null ? { text: body_text ?? '' } : { body }
    return {
      name,
      label: 'entities.batch',
      ...expected,
      answer: {
        status,
        headers: { ...headers, ...(content_type === undefined ? {} : { 'content-type': content_type }) },
        ...content,
      },
    }
  })
}

const throttled = (nextAccessTime: string): JsonValue => ({ code: '900804', message: 'Message throttled out', nextAccessTime })
const OWN_ERRORS: ErrorCase[] = [
  {
    name: 'quota until a moment that is past',
    label: 'entities.batch',
    answer: { status: 429, body: throttled('2026-Sep-09 00:00:00+0000 UTC') },
    class: 'quota_exhausted',
    untilMs: 21 * HOUR_MS,
  },
  {
    name: 'an extract that is not ready',
    label: 'entities.batch',
    answer: { status: 400, body: { message: 'The requested JSON or CSV file is not generated yet. Please try again later.' } },
    class: 'transient',
  },
  {
    name: 'quota until the moment that the gateway names',
    label: 'entities.batch',
    answer: { status: 429, body: throttled('2026-Nov-22 00:00:00+0000 UTC') },
    class: 'quota_exhausted',
    untilMs: 21 * HOUR_MS,
  },
  {
    name: 'quota until a moment in the fault',
    label: 'entities.batch',
    answer: { status: 429, body: { fault: { code: 900804, nextAccessTime: '2026-11-21T12:00:00Z' } } },
    class: 'quota_exhausted',
    untilMs: 21 * HOUR_MS - 12 * HOUR_MS,
  },
  {
    name: 'quota until a moment in another zone',
    label: 'entities.batch',
    answer: { status: 429, body: throttled('2026-Nov-21 07:00:00-0500') },
    class: 'quota_exhausted',
    untilMs: 9 * HOUR_MS,
  },
  {
    name: 'quota without a moment',
    label: 'entities.batch',
    answer: { status: 429, body: { code: '900804', message: 'Message throttled out' } },
    class: 'quota_exhausted',
    untilMs: 21 * HOUR_MS,
  },
  {
    name: 'quota until a moment nobody can mean',
    label: 'entities.batch',
    answer: { status: 429, body: throttled('2999-Jan-01 00:00:00+0000 UTC') },
    class: 'quota_exhausted',
    untilMs: 21 * HOUR_MS,
  },
  {
    name: 'too many without a quota',
    label: 'entities.batch',
    answer: { status: 429, body: { message: 'slow down' } },
    class: 'rate_limited',
  },
  {
    name: 'Retry-After as a date',
    label: 'entities.batch',
    answer: { status: 429, text: '<h1>OVER_RATE_LIMIT</h1>', headers: { 'retry-after': 'Sat, 21 Nov 2026 03:30:00 GMT' } },
    class: 'rate_limited',
    untilMs: HOUR_MS / 2,
  },
  { name: 'a maintenance page', label: 'entities.batch', answer: { status: 200, text: '<html>' }, class: 'malformed' },
  {
    name: 'another answer than entities',
    label: 'entities.batch',
    answer: { status: 200, body: { ok: true } },
    class: 'malformed',
  },
  {
    name: 'a path that is not there',
    label: 'entities.batch',
    answer: { status: 404, body: { message: 'x' } },
    class: 'invalid_request',
  },
  {
    name: 'out of order',
    label: 'entities.batch',
    answer: { status: 503, text: '<html>', headers: { 'retry-after': '60' } },
    class: 'transient',
    untilMs: 60_000,
  },
]

const reads = readingsOf(samGov, CONTEXT)
const NAMED = (number: number): string => `AAAAAAAAA${String(number).padStart(3, '0')}`
const entities = (from: number, count: number, total: number): ViewParts['body'] => ({
  totalRecords: total,
  entityData: Array.from({ length: count }, (_, at) => ({ entityRegistration: { ueiSAM: NAMED(from + at) } })),
})
function readBy(ueis: readonly string[]): EmptyReading {
  if (ueis.length === 0) return { ...reads.feed('2023-10-19'), nothing: 'no entity matches' }
  return ueis.length === 1 ? reads.batch([target(ueis[0]!)]) : reads.feed('2023-10-19', [target(ueis[0]!)])
}
const recordings: RecordedCase[] = recordingNames(PROVIDER).map((name) => {
  const expected = EXPECTED[name] ?? { class: 'rate_limited' as const, ueis: [] }
  return {
    name,
    label: 'entities.batch',
    class: expected.class,
    view: recordedView(PROVIDER, name),
    check: check(name, expected.ueis),
    reads: readBy(expected.ueis),
  }
})
const { unchanged, changed } = hasRecordings(PROVIDER) ? pairs() : { unchanged: [], changed: [] }

const TWELFTH = {
  totalRecords: 11,
  entityData: [{ entityRegistration: { ueiSAM: NAMED(0), entityEFTIndicator: '0686' } }],
}

adapterSuite(samGov, {
  exampleEntities: [company('XRVFU3YRA2U5'), company('TESTLZR5JNQ8'), company(null)],
  providerKeys: { 'uei:TESTLZR5JNQ8': 'TESTLZR5JNQ8+0686' },
  recordings,
  errors: [...recordedErrors(), ...OWN_ERRORS],
  unchangedPairs: unchanged,
  changedPairs: changed,
  conversations: [
    {
      name: 'registrations of ten on two pages',
      by: 'batch',
      targets: Array.from({ length: 10 }, (_, at) => target(NAMED(at))),
      answers: [viewOf({ body: entities(0, 10, 11)! }), viewOf({ body: TWELFTH })],
      requests: 2,
    },
    {
      name: 'pages of a day',
      by: 'feed',
      slice: '2026-11-20',
      answers: [0, 10, 20].map((from) => viewOf({ body: entities(from, 10, 30)! })),
      requests: 3,
    },
  ],
  instants: (
    [
      ['2026-Nov-22 00:00:00+0000 UTC', '2026-11-22T00:00:00.000Z'],
      ['2026-Nov-21 20:00:00-0400 UTC', '2026-11-22T00:00:00.000Z'],
      ['2026-11-22T05:30:00+05:30', '2026-11-22T00:00:00.000Z'],
      ['11/22/2026', '2026-11-22T00:00:00.000Z'],
    ] as const
  ).map(([text, utc]) => ({
    text: `nextAccessTime: ${text}`,
    read: () =>
      samGov.classify(
        viewOf({ status: 429, body: { code: '900804', nextAccessTime: text } }),
        { method: 'GET', path: '/', label: 'entities.batch' },
        CONTEXT,
      ).until,
    utc,
  })),
  noise: ['links', 'exclusionURL', 'pointsOfContact'],
})

describe.skipIf(!hasRecordings(PROVIDER))('sam_gov against recordings', () => {
  it('has an expectation for every recording', () => {
    expect(recordingNames(PROVIDER)).toEqual(Object.keys(EXPECTED).sort())
  })

  it('makes one record of a UEI with two registrations', () => {
    const { answers } = samGov.batch!.parse(
      recordedView(PROVIDER, 'entity_one_uei_two_records_by_EFT'),
      [target('TESTLZR5JNQ8'), target('AAAAAAAAAAA1')],
      'entities',
      null,
      CONTEXT,
    )
    expect(answers).toMatchObject([
      {
        kind: 'record',
        record: {
          uei: 'TESTLZR5JNQ8',
          registrations: [
            { entityEFTIndicator: '', cageCode: '6TEST' },
            { entityEFTIndicator: '0686', cageCode: '7TEST' },
          ],
        },
        identity: { providerKey: 'TESTLZR5JNQ8+0686', method: 'uei', confidence: 1 },
      },
      { kind: 'absent', entity: { key: 'uei:AAAAAAAAAAA1' } },
    ])
  })

  it('keeps an expired registration as a record', () => {
    const answer = samGov.lookup!.parse(
      recordedView(PROVIDER, 'entity_single_inactive_expired_with_integrity'),
      target('SQ64PQQWATX8'),
      CONTEXT,
    )
    expect(answer).toMatchObject({
      kind: 'record',
      record: { registrations: [{ registrationStatus: 'Inactive', registrationExpirationDate: '2021-12-12' }] },
    })
    expect(JSON.stringify(answer)).not.toMatch(/integrity|repsAndCerts/)
  })

  it('says absent for the recorded "not found"', () => {
    const answer = samGov.lookup!.parse(recordedView(PROVIDER, 'entity_not_found'), target('XRVFU3YRA2U5'), CONTEXT)
    expect(answer).toMatchObject({ kind: 'absent' })
  })

  it('does not take the feed row of one registration for the whole company', () => {
    const { items } = samGov.feed!.parse(recordedView(PROVIDER, 'entity_one_uei_two_records_by_EFT'), '2022-12-22', null, CONTEXT)
    expect(items).toHaveLength(1)
    expect(samGov.feed!.answer(items[0]!, target('TESTLZR5JNQ8'), CONTEXT)).toMatchObject({ kind: 'due' })
    const single = samGov.feed!.parse(recordedView(PROVIDER, 'entity_single_registration_and_core'), '2022-12-22', null, CONTEXT)
      .items[0]!
    expect(single.aliases).toEqual(['uei:XRVFU3YRA2U5'])
    expect(samGov.feed!.answer(single, target('XRVFU3YRA2U5', 'XRVFU3YRA2U5'), CONTEXT)).toMatchObject({ kind: 'record' })
    expect(samGov.feed!.answer(single, target('XRVFU3YRA2U5', 'XRVFU3YRA2U5+0001'), CONTEXT)).toMatchObject({ kind: 'due' })
    expect(samGov.feed!.answer(single, target('TESTLZR5JNQ8'), CONTEXT)).toBeNull()
  })

  it('goes on paging while more is announced', () => {
    const view = recordedView(PROVIDER, 'entity_search_page0_46_hits')
    expect(samGov.feed!.parse(view, '2023-10-19', null, CONTEXT).next).toBe('1')
    expect(samGov.feed!.parse(view, '2023-10-19', '4', CONTEXT).next).toBeNull()
  })
})

describe('sam_gov windows', () => {
  it('has a slice for each day', () => {
    const window = { from: Date.UTC(2023, 9, 1), to: Date.UTC(2023, 9, 8) }
    expect(samGov.feed!.slices(window, CONTEXT)).toHaveLength(7)
    expect(samGov.feed!.request(window, '2023-10-01', '3', CONTEXT).query).toEqual([
      ['updateDate', '10/01/2023'],
      ['includeSections', 'entityRegistration,coreData'],
      ['page', '3'],
      ['size', '10'],
    ])
    expect(samGov.feed!.slices({ from: RECEIVED_AT, to: RECEIVED_AT + DAY_MS }, CONTEXT)).toEqual(['2026-11-21', '2026-11-22'])
  })

  it('cuts a day that is too large into states and the world', () => {
    const view = viewOf({ body: { totalRecords: '10001', entityData: [] } })
    const { split, items, next } = samGov.feed!.parse(view, '2023-10-01', null, CONTEXT)
    expect(items).toEqual([])
    expect(next).toBeNull()
    expect(split).toContain('2023-10-01/CA')
    expect(split).toContain('2023-10-01/abroad')
    // A part that is too large itself: nothing may be lost without a word.
    expect(() => samGov.feed!.parse(view, '2023-10-01/CA', null, CONTEXT)).toThrow(/10001 .*only 10000/)
    const window = { from: 0, to: 1 }
    expect(samGov.feed!.request(window, '2023-10-01/CA', null, CONTEXT).query?.slice(0, 2)).toEqual([
      ['updateDate', '10/01/2023'],
      ['physicalAddressProvinceOrStateCode', 'CA'],
    ])
    expect(samGov.feed!.request(window, '2023-10-01/abroad', null, CONTEXT).query?.slice(0, 2)).toEqual([
      ['updateDate', '10/01/2023'],
      ['physicalAddressCountryCode', '!USA'],
    ])
  })
})
