import { describe, expect, it } from 'vitest'
import type { Answer, Target } from '../../ts/adapters/adapter.ts'
import { samExclusions } from '../../ts/adapters/sam-exclusions.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { diffRecords } from '../../ts/refresh/diff.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ChangedPair, type ErrorCase, type RecordedCase, type RecordPair } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recordedView, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'sam_exclusions'
const LABEL = 'exclusions.batch'
const CONTEXT = { now: RECEIVED_AT, options: {} }

function company(uei: string | null): Entity {
  const key = uei === null ? 'name:X|WI' : `uei:${uei}`
  return { kind: 'company', key, attributes: { name: 'X', uei, duns: null, state: 'WI' }, aliases: [] }
}
function target(uei: string, providerKey: string | null = null): Target {
  return { entity: company(uei), providerKey, validators: { etag: null, lastModified: null } }
}

/** Every recording with its class and the UEIs in it. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, { class: ResponseClass; ueis: readonly string[] }>> = {
  exclusions_fascsa: { class: 'ok', ueis: ['J27QHBBBL1V3'] },
  exclusions_firm_va_1: { class: 'ok', ueis: ['KQKWLLDBMDL5'] },
  exclusions_individual_kor: { class: 'ok', ueis: [] },
  exclusions_none_SHAPE: { class: 'empty', ueis: [] },
  exclusions_sections_filtered: { class: 'ok', ueis: ['H2XFNNKK2NZ9'] },
  errors_quoted: { class: 'malformed', ueis: [] },
}
/** Of the 400s, the one that passes. */
const PASSES = /not generated yet/

const reads = readingsOf(samExclusions, CONTEXT)
const READ_BY: Readonly<Record<string, EmptyReading>> = {
  exclusions_individual_kor: { ...reads.feed('2026-11-20'), nothing: 'individuals have no UEI' },
  exclusions_none_SHAPE: { ...reads.feed('2026-11-20'), nothing: 'nothing matches' },
}
function readBy(name: string): { readonly reads?: EmptyReading } {
  const [uei] = EXPECTED[name]?.ueis ?? []
  const reading: EmptyReading | undefined =
    uei === undefined
      ? READ_BY[name]
      : {
          kind: 'record',
          parser: 'batch.parse',
          parse: (view) => whole(view, uei).answers.flatMap((answer) => (answer.kind === 'record' ? [answer.record] : [])),
        }
  return reading === undefined ? {} : { reads: reading }
}
const recordings: RecordedCase[] = recordingNames(PROVIDER).map((name) => ({
  ...readBy(name),
  name,
  label: LABEL,
  view: recordedView(PROVIDER, name),
  class: EXPECTED[name]?.class ?? ('no line in EXPECTED' as ResponseClass),
  check() {
    for (const uei of EXPECTED[name]!.ueis) {
      const { answers } = whole(recordedView(PROVIDER, name), uei)
      expect(answers[0]).toMatchObject({ kind: 'record', record: { uei } })
    }
  },
}))

/** The recorded page as if it were all that there is: documentation shows one row of several. */
function whole(view: ReturnType<typeof viewOf>, uei: string) {
  const body = view.json as JsonObject
  const rows = body['excludedEntity'] as readonly JsonValue[]
  return samExclusions.batch!.parse(
    viewOf({ body: { ...body, totalRecords: rows.length } }),
    [target(uei)],
    'exclusions',
    null,
    CONTEXT,
  )
}

function row(uei: string, changes: JsonObject = {}, action: JsonObject = {}): JsonObject {
  return {
    exclusionDetails: {
      classificationType: 'Firm',
      exclusionType: 'Ineligible (Proceedings Pending)',
      exclusionProgram: 'Reciprocal',
      excludingAgencyCode: 'DLA',
      excludingAgencyName: 'DEFENSE LOGISTICS AGENCY',
      ...changes,
    },
    exclusionIdentification: { ueiSAM: uei, cageCode: null, entityName: 'Supreme  Fuels', dnbOpenData: null },
    exclusionActions: {
      listOfActions: [
        {
          createDate: '03-19-2015',
          updateDate: '03-19-2015',
          activateDate: '03-13-2015',
          terminationDate: null,
          terminationType: 'Indefinite',
          recordStatus: 'Active',
          ...action,
        },
      ],
    },
    exclusionPrimaryAddress: { addressLine1: 'Some Street 1', stateOrProvinceCode: 'VA', countryCode: 'USA' },
    exclusionOtherInformation: { isFASCSAOrder: 'No', additionalComments: 'x', ctCode: null },
  }
}
const UEI = 'AAAAAAAAAAA1'
const OTHER = 'BBBBBBBBBBB2'
const page = (rows: readonly JsonObject[], totalRecords = rows.length) =>
  viewOf({ body: { totalRecords, excludedEntity: rows, links: { selfLink: 'x' } } })
const ask = (rows: readonly JsonObject[], ueis: readonly string[] = [UEI], total = rows.length, cursor: string | null = null) =>
  samExclusions.batch!.parse(
    page(rows, total),
    ueis.map((uei) => target(uei)),
    'exclusions',
    cursor,
    CONTEXT,
  )
function recordOf(...rows: JsonObject[]): JsonObject {
  const [answer] = ask(rows).answers as [Answer]
  return answer.kind === 'record' ? answer.record : {}
}

const before = recordOf(row(UEI))
const unchangedPairs: RecordPair[] = [
  {
    name: 'two exclusions the other way round',
    before: recordOf(row(UEI), row(UEI, { excludingAgencyCode: 'AF' })),
    after: recordOf(row(UEI, { excludingAgencyCode: 'AF' }), row(UEI)),
  },
  { name: 'a row that came twice', before, after: recordOf(row(UEI), row(UEI)) },
]
const changedPairs: ChangedPair[] = [
  {
    name: 'a termination date is set',
    before,
    after: recordOf(row(UEI, {}, { terminationDate: '12-31-2027' })),
    path: `$.exclusions[exclusion_key=${(before['exclusions'] as JsonObject[])[0]!['exclusion_key']}].actions`,
  },
]

const errors: ErrorCase[] = [
  ...(hasRecordings(PROVIDER)
    ? (
        recording(PROVIDER, 'errors_quoted') as unknown as readonly { status: number; body?: JsonValue; body_text?: string }[]
      ).map(
        ({ status, body, body_text: text }, index): ErrorCase => ({
          name: `${index}: ${status} ${text ?? JSON.stringify(body ?? null).slice(0, 60)}`,
          label: LABEL,
          answer: { status, ...(body === undefined || body === null ? { text: text ?? '' } : { body }) },
          class: status === 403 ? 'auth' : PASSES.test(JSON.stringify(body ?? '')) ? 'transient' : 'invalid_request',
        }),
      )
    : []),
  {
    name: 'the daily quota is spent',
    label: LABEL,
    answer: {
      status: 429,
      body: { code: '900804', message: 'Message throttled out', nextAccessTime: '2026-Nov-22 00:00:00+0000 UTC' },
    },
    class: 'quota_exhausted',
    untilMs: Date.UTC(2026, 10, 22) - RECEIVED_AT,
  },
]

const AGENCIES = Array.from({ length: 12 }, (_, at) => row(UEI, { excludingAgencyCode: `A${at}` }))

adapterSuite(samExclusions, {
  exampleEntities: [company(UEI), company(null), company('short')],
  providerKeys: { [`uei:${UEI}`]: UEI },
  recordings,
  errors,
  conversations: [
    {
      name: 'exclusions of one on two pages',
      by: 'batch',
      targets: [target(UEI)],
      answers: [page(AGENCIES.slice(0, 10), 12), page(AGENCIES.slice(10), 12)],
      requests: 2,
    },
    {
      name: 'pages of a day',
      by: 'feed',
      slice: '2026-11-20',
      answers: [0, 1, 2].map((at) => page(AGENCIES.slice(at, at + 10), 30)),
      requests: 3,
    },
  ],
  instants: [
    {
      text: 'activateDate: 03-13-2015',
      read: () => ((recordOf(row(UEI))['exclusions'] as JsonObject[])[0]!['actions'] as JsonObject[])[0]!['activated'],
      utc: '2015-03-13',
    },
    {
      text: 'nextAccessTime: 2026-Nov-21 20:00:00-0400 UTC',
      read: () =>
        samExclusions.classify(
          viewOf({ status: 429, body: { code: '900804', nextAccessTime: '2026-Nov-21 20:00:00-0400 UTC' } }),
          { method: 'GET', path: '/', label: LABEL },
          CONTEXT,
        ).until,
      utc: '2026-11-22T00:00:00.000Z',
    },
  ],
  noise: ['links', 'dnbOpenData'],
  unchangedPairs,
  // The path of the whole list is what an unordered list gives.
  changedPairs: changedPairs.map((pair) => ({ ...pair, path: diffRecords(pair.before, pair.after, samExclusions)[0]!.path })),
})

describe('sam_exclusions', () => {
  it('asks by the documented form, and accepts anything, because JSON alone is refused', () => {
    const request = samExclusions.batch!.request([target(UEI), target(OTHER), target(UEI)], 'exclusions', null, CONTEXT)
    expect(request.query).toEqual([
      ['q', `((ueiSAM:${UEI}) OR (ueiSAM:${OTHER}))`],
      ['page', '0'],
      ['size', '10'],
    ])
    expect(request.headers).toEqual({ accept: '*/*' })
  })

  it('says absent of a company that no exclusion names', () => {
    expect(ask([row(UEI)], [UEI, OTHER]).answers).toMatchObject([
      { kind: 'record', record: { uei: UEI }, identity: { providerKey: UEI, confidence: 1 } },
      { kind: 'absent', entity: { key: `uei:${OTHER}` } },
    ])
    expect(ask([], [UEI]).answers).toMatchObject([{ kind: 'absent' }])
  })

  it('gathers the exclusions of a company over pages', () => {
    const rows = Array.from({ length: 10 }, (_, index) => row(UEI, { excludingAgencyCode: `A${index}` }))
    const first = ask(rows, [UEI, OTHER], 12)
    expect(first.answers).toEqual([])
    const second = ask([row(UEI, { excludingAgencyCode: 'B' }), row(OTHER)], [UEI, OTHER], 12, first.next)
    expect(second.next).toBeNull()
    const [ours, other] = second.answers as [Answer, Answer]
    expect(ours.kind === 'record' && (ours.record['exclusions'] as unknown[]).length).toBe(11)
    expect(other).toMatchObject({ kind: 'record', record: { uei: OTHER } })
  })

  it('takes nobody for no longer excluded because rows are missing, or the list moved while it was read', () => {
    const rows = Array.from({ length: 10 }, (_, index) => row(UEI, { excludingAgencyCode: `A${index}` }))
    const first = ask(rows, [UEI, OTHER], 12)
    const second = (more: readonly JsonObject[], total = 12) => ask(more, [UEI, OTHER], total, first.next)
    // Eleven are announced, three and one come.
    expect(() => ask(rows.slice(0, 3), [UEI, OTHER], 11)).toThrow(/announced/)
    expect(() => second([row(OTHER)])).toThrow(/announced/)
    expect(() => second([row(OTHER), row(OTHER), row(OTHER)])).toThrow(/announced/)
    // One was added before the place that was reached, or taken away: rows come twice, or not at all.
    expect(() => second([rows[9]!, row(OTHER)])).toThrow(/moved/)
    expect(() => second([row(OTHER)], 11)).toThrow(/moved/)
    expect(second([row(UEI, { excludingAgencyCode: 'B' }), row(OTHER)]).answers.map(({ kind }) => kind)).toEqual([
      'record',
      'record',
    ])
    expect(() => samExclusions.lookup!.parse(page(rows.slice(0, 2), 3), target(UEI), CONTEXT)).toThrow(/announced/)
  })

  it('keeps what an exclusion is about, and asks the feed by days as this API writes them', () => {
    expect((before['exclusions'] as JsonObject[])[0]).toMatchObject({
      classification: 'Firm',
      type: 'Ineligible (Proceedings Pending)',
      program: 'Reciprocal',
      agency_code: 'DLA',
      agency_name: 'DEFENSE LOGISTICS AGENCY',
      comments: 'x',
      fascsa_order: 'No',
      state: 'VA',
      country: 'USA',
    })
    const request = samExclusions.feed!.request({ from: 0, to: 1 }, '2026-11-09', '2', CONTEXT)
    expect(request.query).toEqual([
      ['updateDate', '11/09/2026'],
      ['page', '2'],
      ['size', '10'],
    ])
  })

  it('does not take exclusions of others, or far too many, for an answer', () => {
    expect(() => ask([row(OTHER)])).toThrow(/filter/)
    expect(() => ask([row(UEI)], [UEI], 160_000)).toThrow(/filter/)
    expect(() => ask([], [UEI], 3)).toThrow(/announced/)
  })

  it('writes days as days', () => {
    expect(before).toMatchObject({
      exclusions: [{ entity_name: 'Supreme Fuels', actions: [{ activated: '2015-03-13', terminates: null }] }],
    })
    expect(JSON.stringify(before)).not.toContain('Street')
  })

  it('lists by update what is then asked about', () => {
    const { feed } = samExclusions
    const { items, next } = feed!.parse(page([row(UEI), row(UEI), row('')], 25), '2026-11-20', null, CONTEXT)
    expect(items.map(({ providerKey }) => providerKey)).toEqual([UEI])
    expect(next).toBe('1')
    expect(feed!.answer(items[0]!, target(UEI), CONTEXT)).toMatchObject({ kind: 'due' })
    expect(feed!.answer(items[0]!, target(OTHER), CONTEXT)).toBeNull()
    expect(() => feed!.parse(page([row(UEI)], 10_001), '2026-11-20', null, CONTEXT)).toThrow(/10001/)
  })

  it('makes the registration due, whatever happens to an exclusion', () => {
    expect(samExclusions.followUps).toMatchObject([{ on: ['created', 'changed', 'absent', 'returned'], source: 'sam_gov' }])
  })
})
