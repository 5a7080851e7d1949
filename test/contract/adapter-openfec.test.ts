import { describe, expect, it } from 'vitest'
import type { Target } from '../../ts/adapters/adapter.ts'
import { addRow, centsOf, emptySums, readSums, recordOfSums, writeSums } from '../../ts/adapters/openfec/sums.ts'
import { openfec } from '../../ts/adapters/openfec.ts'
import { parseJson } from '../../ts/http/json.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass, ResponseView } from '../../ts/model/response.ts'
import { MINUTE_MS, SECOND_MS } from '../../ts/model/time.ts'
import { askUnit } from '../../ts/refresh/ask-unit.ts'
import type { WorkItem } from '../../ts/stores/store.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ChangedPair, type ErrorCase, type RecordedCase, type RecordPair } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'openfec'
const LABEL = 'contributions.by_employer'
const CONTEXT = { now: RECEIVED_AT, options: { since: 2022, max_pages: 30 } }

function company(name: string | null, state: string | null = 'CA'): Entity {
  return { kind: 'company', key: `name:${name ?? ''}|${state}`, attributes: { name, uei: null, state }, aliases: [] }
}
function target(name = 'Netflix, Inc.', providerKey: string | null = null, state: string | null = 'NY'): Target {
  return { entity: company(name, state), providerKey, validators: { etag: null, lastModified: null } }
}
const parse = (view: ResponseView, asked = target(), cursor: string | null = null, context = CONTEXT) =>
  openfec.batch!.parse(view, [asked], 'employer', cursor, context)
const query = (asked = target(), cursor: string | null = null) =>
  openfec.batch!.request([asked], 'employer', cursor, CONTEXT).query!

type Expected = {
  readonly status?: number
  readonly class: ResponseClass
  readonly headers?: Readonly<Record<string, string>>
  readonly untilMs?: number
}
/** Every recording with its status and class. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, Expected>> = {
  'error-400-missing-secondary-filter': { status: 400, class: 'invalid_request' },
  'error-403-api-key-invalid': { status: 403, class: 'auth' },
  'error-403-api-key-missing': { status: 403, class: 'auth' },
  // A crash that calls itself "not found".
  'error-404-unhandled': { status: 404, class: 'transient' },
  'error-422-field-errors-object': { status: 422, class: 'invalid_request' },
  'error-422-per-page': { status: 422, class: 'invalid_request' },
  'error-422-too-many-values': { status: 422, class: 'invalid_request' },
  'error-429-over-rate-limit': {
    status: 429,
    class: 'rate_limited',
    headers: { 'x-ratelimit-remaining': '0', 'retry-after': '90' },
    untilMs: 90 * SECOND_MS,
  },
  'error-504-timeout': { status: 504, class: 'transient' },
  'schedule-a-employer-page-1': { class: 'ok' },
  'schedule-a-empty-page-nonzero-count': { class: 'empty' },
  // Only the pagination of a page.
  'schedule-a-pagination-dated': { class: 'malformed' },
  'schedule-a-pagination-null-dates': { class: 'malformed' },
}
const reads = readingsOf(openfec, CONTEXT)
/** All rows are summed up with the last page: the recorded one is read as if it were that. */
const READ_BY: Readonly<Record<string, EmptyReading>> = {
  'schedule-a-employer-page-1': {
    kind: 'list',
    parser: 'batch.parse',
    parse(view) {
      const first = parse(view, target(), null, { ...CONTEXT, options: { since: 2022, max_pages: 100 } })
      const { answers } = parse(viewOf({ body: { results: [], pagination: { count: 0 } } }), target(), first.next)
      return answers.flatMap((answer) => (answer.kind === 'record' ? [answer.record] : []))
    },
  },
  'schedule-a-empty-page-nonzero-count': reads.batch([target()]),
}
const recordings: RecordedCase[] = []
const errors: ErrorCase[] = []
for (const name of recordingNames(PROVIDER)) {
  const expected = EXPECTED[name]
  if (expected === undefined) continue
  const parts = { status: expected.status ?? 200, body: recording(PROVIDER, name), headers: expected.headers ?? {} }
  const reading = READ_BY[name]
  recordings.push({
    name,
    label: LABEL,
    class: expected.class,
    view: viewOf(parts),
    ...(reading === undefined ? {} : { reads: reading }),
  })
  if (parts.status >= 400)
    errors.push({
      name: `recorded: ${name}`,
      label: LABEL,
      answer: parts,
      class: expected.class,
      ...(expected.untilMs === undefined ? {} : { untilMs: expected.untilMs }),
    })
}
const OWN_ERRORS: ErrorCase[] = [
  {
    name: 'a spent hour without a moment',
    label: LABEL,
    answer: { status: 429, body: { error: { code: 'OVER_RATE_LIMIT' } }, headers: { 'x-ratelimit-remaining': '0' } },
    class: 'quota_exhausted',
    untilMs: 5 * MINUTE_MS,
  },
  {
    name: 'too fast',
    label: LABEL,
    answer: { status: 429, body: { error: { code: 'OVER_RATE_LIMIT' } } },
    class: 'rate_limited',
  },
  { name: 'a block of the address', label: LABEL, answer: { status: 403, text: '<h1>Forbidden</h1>' }, class: 'source_down' },
  { name: 'traffic block', label: LABEL, answer: { status: 503, text: 'blocked' }, class: 'transient' },
  {
    name: 'a key that was switched off',
    label: LABEL,
    answer: { status: 403, body: { error: { code: 'API_KEY_DISABLED', message: 'x' } } },
    class: 'auth',
  },
  { name: 'a page instead of JSON', label: LABEL, answer: { text: '<html>' }, class: 'malformed' },
]

type Row = Partial<Record<'id' | 'employer' | 'occupation' | 'date' | 'committee' | 'state' | 'memo', string>> & {
  amount?: JsonValue
  individual?: boolean
  period?: number
}
let made = 0
function row({
  id,
  employer = 'NETFLIX',
  occupation = 'ENGINEER',
  date = '2026-01-03T00:00:00',
  committee = 'C00401224',
  state = 'NY',
  memo,
  amount = 50,
  individual = true,
  period = 2026,
}: Row = {}): JsonObject {
  made += 1
  return {
    sub_id: id ?? String(4_111_520_171_460_000_000n + BigInt(made)),
    contributor_employer: employer,
    contributor_occupation: occupation,
    contributor_name: 'DONOR, ALEX',
    contributor_street_1: '1 PRIVATE WAY',
    contributor_state: state,
    contribution_receipt_amount: amount,
    contribution_receipt_date: date,
    two_year_transaction_period: period,
    committee_id: committee,
    committee: { name: 'ACTBLUE', party: null, treasurer_name: 'HILL, ERIN' },
    memo_code: memo ?? null,
    is_individual: individual,
  }
}
function page(rows: readonly JsonObject[], last: JsonObject | null, count = rows.length): ResponseView {
  return viewOf({
    body: { api_version: '1.0', results: rows, pagination: { count, pages: 1, per_page: 100, last_indexes: last } },
  })
}
const END = page([], null, 745_519)
function recordOf(rows: readonly JsonObject[]): JsonObject {
  const sums = emptySums()
  for (const item of rows) addRow(sums, item, ['NETFLIX'], 'NY')
  return recordOfSums(sums, ['NETFLIX'], 2022)
}

const ROWS = [
  row({ amount: 1.42 }),
  row({ amount: 1000, committee: 'C00000935', occupation: 'Founder & CEO' }),
  row({ period: 2024, state: 'CA' }),
]
const unchanged: RecordPair[] = [
  { name: 'order of rows', before: recordOf(ROWS), after: recordOf([...ROWS].reverse()) },
  {
    name: 'a row that was loaded again',
    before: recordOf(ROWS),
    after: recordOf(ROWS.map((item) => ({ ...item, load_date: '2026-11-20', pdf_url: 'x', link_id: '4103120171461553241' }))),
  },
  {
    name: 'what the committee is called today',
    before: recordOf(ROWS),
    after: recordOf(ROWS.map((item) => ({ ...item, committee: { name: 'OTHER', party: 'IND' } }))),
  },
  {
    name: 'a contribution of somebody elsewhere',
    before: recordOf(ROWS),
    after: recordOf([...ROWS, row({ employer: 'NETFLIX CLEANING SERVICES OF OHIO' })]),
  },
]
const changed: ChangedPair[] = [
  {
    name: 'a further contribution',
    before: recordOf(ROWS),
    after: recordOf([...ROWS, row()]),
    path: '$.committees[committee_id=C00401224].amount_cents',
  },
  {
    name: 'a refund',
    before: recordOf(ROWS),
    after: recordOf([...ROWS, row({ amount: -50 })]),
    path: '$.by_period[period=2026].contributions',
  },
  {
    name: 'a further committee',
    before: recordOf(ROWS),
    after: recordOf([...ROWS, row({ committee: 'C00999999' })]),
    path: '$.committees[committee_id=C00999999]',
  },
]

adapterSuite(openfec, {
  exampleEntities: [company('Netflix, Inc.'), company('The A & B Photonics Co.'), company(null), company('X, LLC')],
  providerKeys: { 'name:Netflix, Inc.|CA': 'NETFLIX STUDIOS' },
  recordings,
  errors: [...errors, ...OWN_ERRORS],
  unchangedPairs: unchanged,
  changedPairs: changed,
  conversations: [
    {
      name: 'three pages, the place of each from the one before',
      by: 'batch',
      targets: [target()],
      answers: [1, 2, 3].map((number) =>
        viewOf({
          body: {
            results: number === 3 ? [] : [row({ id: String(number) })],
            pagination: {
              count: 250,
              last_indexes: { last_index: String(number), last_contribution_receipt_date: `2026-01-0${number}T00:00:00` },
            },
          },
        }),
      ),
      requests: 3,
    },
  ],
  instants: [
    {
      text: 'contribution_receipt_date: 2026-01-03T00:00:00 (a day, without a zone)',
      read: () => recordOf([row({ date: '2026-01-03T00:00:00' })])['latest_contribution'],
      utc: '2026-01-03',
    },
  ],
  noise: ['contributor_aggregate_ytd', 'pdf_url', 'load_date', 'link_id', 'memo_text'],
})

describe.skipIf(!hasRecordings(PROVIDER))('openfec against recordings', () => {
  it('has an expectation for every recording', () => {
    expect(recordingNames(PROVIDER)).toEqual(Object.keys(EXPECTED).sort())
  })

  it('sums the recorded page up exactly, and asks on with every member of last_indexes', () => {
    const first = parse(viewOf({ body: recording(PROVIDER, 'schedule-a-employer-page-1') }), target('Netflix, Inc.'), null, {
      ...CONTEXT,
      options: { since: 2022, max_pages: 100 },
    })
    expect(first.answers).toEqual([])
    expect(query(target(), first.next).slice(-2)).toEqual([
      ['last_index', '4111520171461874141'],
      ['last_contribution_receipt_date', '2017-01-27T00:00:00'],
    ])
    const { answers } = parse(viewOf({ body: recording(PROVIDER, 'schedule-a-empty-page-nonzero-count') }), target(), first.next)
    // The fifth row is not one that the FEC counts as given by an individual.
    expect(answers).toMatchObject([
      {
        kind: 'record',
        record: {
          contributions: 4,
          amount_cents: 8142,
          rows_not_counted: 1,
          by_period: [{ period: '2018', contributions: 4, amount_cents: 8142 }],
          latest_contribution: '2017-01-27',
        },
        identity: { providerKey: 'NETFLIX', method: 'employer_name+state' },
      },
    ])
    expect(JSON.stringify([answers, first.next])).not.toMatch(/DONOR|HILL|treasurer|11209|BROOKLYN/)
  })

  it('keeps the place of rows without a date', () => {
    const { pagination } = recording(PROVIDER, 'schedule-a-pagination-null-dates') as { pagination: JsonObject }
    const { next } = parse(page([row()], pagination['last_indexes'] as JsonObject))
    expect(query(target(), next).slice(-2)).toEqual([
      ['last_index', '230880639'],
      ['sort_null_only', 'true'],
    ])
  })
})

describe('openfec requests', () => {
  it('ask by the name without its legal form, in the running period and those before, always sorted', () => {
    expect(query(target('The A & B Photonics Co.'))).toEqual([
      ['contributor_employer', 'A AND B PHOTONICS'],
      ['two_year_transaction_period', '2026'],
      ['two_year_transaction_period', '2024'],
      ['two_year_transaction_period', '2022'],
      ['sort', 'contribution_receipt_date'],
      ['per_page', '100'],
    ])
    expect(
      query(target('Netflix', 'NETFLIX STUDIOS'))
        .filter(([name]) => name === 'contributor_employer')
        .map(([, value]) => value),
    ).toEqual(['NETFLIX', 'NETFLIX STUDIOS'])
    const odd = openfec.batch!.request([target()], 'employer', null, { ...CONTEXT, now: Date.UTC(2027, 0, 1) }).query
    expect(odd).toContainEqual(['two_year_transaction_period', '2028'])
    expect(openfec.unresolvable(company('3M Co'))).not.toBeNull()
    expect(openfec.unresolvable(company('IBM'))).toBeNull()
  })
})

describe('openfec pages', () => {
  const last = (id: number) => ({ last_index: String(id), last_contribution_receipt_date: '2026-01-03' })

  it('are followed until one is empty, whatever the count says', () => {
    const [a, b, c] = [row({ amount: 0.1 }), row({ amount: 0.2 }), row({ amount: '12345678901.05' })]
    const first = parse(page([a, b], last(1), 5))
    const second = parse(page([b, c], last(2), 5), target(), first.next)
    expect(second.answers).toEqual([])
    // The row that came twice counts once.
    expect(parse(END, target(), second.next).answers).toMatchObject([
      { record: { contributions: 3, amount_cents: 1_234_567_890_135 } },
    ])
  })

  it('count nothing twice that comes again pages later, as long as it is of a day that is not over', () => {
    const day = (number: number) => `2026-01-0${number}T00:00:00`
    const [old, a, b, c, d] = [row({ date: day(1) }), ...[1, 2, 3, 4].map(() => row({ date: day(3) }))]
    const first = parse(page([old!, a!], last(1)))
    const second = parse(page([b!, c!], last(2)), target(), first.next)
    const third = parse(page([a!, d!], last(3)), target(), second.next)
    expect(parse(END, target(), third.next).answers).toMatchObject([{ record: { contributions: 5 } }])
    // The first one, of a day that is over, is not carried along any more.
    expect(second.next).not.toContain(String(old!['sub_id']))
    expect(second.next).toContain(String(a!['sub_id']))
  })

  it('make the same record of the same rows whatever year it is', () => {
    const at = (now: number): JsonObject => {
      const context = { now, options: openfec.options.parse({}) as { since: number; max_pages: number } }
      const first = parse(page([row(), row({ period: 2022 })], last(1)), target(), null, context)
      const [answer] = parse(END, target(), first.next, context).answers
      return answer!.kind === 'record' ? answer!.record : {}
    }
    const [before, after] = [at(Date.UTC(2026, 11, 31)), at(Date.UTC(2027, 0, 1))]
    expect(before).toMatchObject({ since: 2022, contributions: 2 })
    expect(after).toEqual(before)
    const periods = (now: number) =>
      openfec
        .batch!.request([target()], 'employer', null, { now, options: openfec.options.parse({}) })
        .query!.flatMap(([name, value]) => (name === 'two_year_transaction_period' ? [value] : []))
    expect(periods(Date.UTC(2026, 11, 31))).toEqual(['2026', '2024', '2022'])
    // What was summed up stays summed up.
    expect(periods(Date.UTC(2027, 0, 1))).toEqual(['2028', '2026', '2024', '2022'])
    expect(periods(Date.UTC(2060, 0, 1))).toHaveLength(10)
  })

  it('keep asking by the name of before', () => {
    const renamed = target('Qwikster Inc', 'NETFLIX')
    const first = parse(page([row()], last(1)), renamed)
    expect(parse(END, renamed, first.next).answers).toMatchObject([
      { record: { employers: ['NETFLIX', 'QWIKSTER'], contributions: 1 }, identity: { providerKey: 'NETFLIX' } },
    ])
  })

  it('say absent when there is nothing, and count those of similar names', () => {
    expect(parse(page([], null)).answers).toMatchObject([{ kind: 'absent', reason: expect.stringContaining('2021 to 2026') }])
    const first = parse(page([row({ employer: 'NETFLIX CLEANING SERVICES OF OHIO' })], last(1)))
    expect(parse(END, target(), first.next).answers).toMatchObject([
      { kind: 'absent', reason: expect.stringContaining('1 name another') },
    ])
  })

  it('are not walked for a name that everybody has', () => {
    expect(parse(page([row()], last(1), 3001)).answers).toMatchObject([{ kind: 'skipped' }])
    const few = { ...CONTEXT, options: { since: 2022, max_pages: 1 } }
    expect(parse(page([row()], last(1)), target(), null, few).answers).toMatchObject([{ kind: 'skipped' }])
  })

  it('are capped at what the engine walks, so that a common name is skipped and never refused', async () => {
    expect(openfec.options.safeParse({ max_pages: 100 }).error?.issues).toMatchObject([{ code: 'too_big', maximum: 99 }])
    const options = openfec.options.parse({ max_pages: 99 })
    const { entity } = target()
    const item = {
      entry: { entity: { kind: 'company', key: entity.key }, payloadHash: null },
      entity,
      identity: null,
      record: null,
    } as unknown as WorkItem
    let sent = 0
    const result = await askUnit(
      { kind: 'batch', group: 'employer', targets: [{ item, target: target(), laterGroups: [] }], splits: 0 },
      {
        adapter: openfec,
        context: { ...CONTEXT, options },
        signal: new AbortController().signal,
        client: {
          async call() {
            sent += 1
            const view = page(
              Array.from({ length: 100 }, () => row()),
              last(sent),
            )
            const stats = { calls: 1, quotaWaitMs: 0 }
            return { kind: 'answer', view, classified: { class: 'ok', reason: '' }, stats }
          },
        },
      },
    )
    expect(sent).toBe(99)
    expect(result).toMatchObject({ kind: 'answered', judged: [{ answer: { kind: 'skipped' } }] })
  })

  it('that go nowhere, are about others or have no amounts are malformed', () => {
    const first = parse(page([row({ id: '1' })], last(1)))
    for (const wrong of [
      page([row({ id: '1' })], last(2)),
      page([row()], last(1)),
      page([row({ employer: 'SOMETHING ELSE' })], last(3)),
      page([row({ amount: 'much' })], last(4)),
      page([row()], { last_contribution_receipt_date: 'x' }),
      page([row()], { last_index: '1', api_key: 'x' }),
    ])
      expect(() => parse(wrong, target(), first.next)).toThrow()
    const full = Array.from({ length: 100 }, () => row())
    expect(() => parse(page(full, null))).toThrow('where to go on')
    expect(parse(page(full.slice(1), null)).answers).toMatchObject([{ record: { contributions: 99 } }])
    expect(() => parse(END, target(), '{"page":1}')).toThrow('no place')
  })
})

describe('openfec sums', () => {
  it('hold whole cents, of any size, across a cursor', () => {
    expect(['1.42', 1.42, 1000, '-25.5', '0.07', '99999999999999.99'].map((value) => centsOf(value))).toEqual([
      142n,
      142n,
      100_000n,
      -2550n,
      7n,
      9_999_999_999_999_999n,
    ])
    for (const wrong of [null, '1.234', 'x', true]) expect(() => centsOf(wrong)).toThrow('dollars and cents')
    const sums = emptySums()
    for (let count = 0; count < 3; count += 1) addRow(sums, row({ amount: '99999999999999.99' }), ['NETFLIX'], null)
    const again = readSums(JSON.parse(JSON.stringify(writeSums(sums))))
    expect(again).toEqual(sums)
    expect(recordOfSums(again!, ['NETFLIX'], 2026)['amount_cents']).toBe('29999999999999997')
    expect(readSums({ total: [1, 'x'] })).toBeNull()
  })

  it('keep ids beyond 2^53 apart', () => {
    const text =
      '{"results":[{"sub_id":4111520171462661016,"contributor_employer":"NETFLIX","contribution_receipt_amount":1},{"sub_id":4111520171462661017,"contributor_employer":"NETFLIX","contribution_receipt_amount":1}],"pagination":{"count":2,"last_indexes":{"last_index":4111520171462661017}}}'
    const parsed = parseJson(text, 20)
    const first = parse(viewOf({ body: parsed.ok ? parsed.value : null }))
    expect(query(target(), first.next).at(-1)).toEqual(['last_index', '4111520171462661017'])
    expect(parse(END, target(), first.next).answers).toMatchObject([{ record: { contributions: 2, amount_cents: 200 } }])
  })

  it('know leaders by their occupation, and leave memo entries out', () => {
    const rows = [
      ...['CEO', 'Founder', 'VICE PRESIDENT, SALES', 'CHIEF TECHNOLOGY OFFICER', 'MANAGING DIRECTOR'].map((occupation) =>
        row({ occupation, amount: 10 }),
      ),
      ...['ENGINEER', 'OFFICER', 'DIRECTOR OF RESEARCH', 'PRESIDENTIAL SCHOLAR'].map((occupation) =>
        row({ occupation, amount: 1 }),
      ),
      row({ memo: 'X', amount: 500 }),
      row({ individual: false, amount: 500 }),
    ]
    expect(recordOf(rows)).toMatchObject({
      contributions: 9,
      amount_cents: 5400,
      leadership: { contributions: 5, amount_cents: 5000 },
      rows_not_counted: 2,
    })
  })

  it('are surer of a name that is the same and of donors in the company’s state', () => {
    const confidence = (rows: readonly JsonObject[], state: string | null = 'NY') => {
      const first = parse(page(rows, { last_index: '1' }), target('Netflix', null, state))
      const [answer] = parse(END, target('Netflix', null, state), first.next).answers
      return answer?.kind === 'record' ? answer.identity!.confidence : null
    }
    expect(confidence([row()])).toBe(0.9)
    expect(confidence([row(), row({ state: 'TX' })])).toBe(0.675)
    expect(confidence([row({ state: 'TX' })])).toBe(0.45)
    expect(confidence([row()], null)).toBe(0.45)
  })
})
