import { describe, expect, it } from 'vitest'
import type { Target } from '../../ts/adapters/adapter.ts'
import { patentsview, recordOfPatent } from '../../ts/adapters/patentsview.ts'
import type { Entity } from '../../ts/model/entity.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { SECOND_MS } from '../../ts/model/time.ts'
import { patentsviewDialect, SANDBOX_PATENTSVIEW_KEY } from '../../ts/sandbox/dialects/patentsview.ts'
import { createSandbox } from '../../ts/sandbox/sandbox.ts'
import { askerOf, targetOf } from '../unit/sandbox/ask.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ErrorCase, type RecordedCase } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recordedView, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'patentsview'
const LABEL = 'patents.batch'
const CONTEXT = { now: RECEIVED_AT, options: {} }

function patent(number: string | null, grant: string | null = '2018-06-19'): Entity {
  return { kind: 'patent', key: `us_app:${number}`, attributes: { patent_number: number, grant_date: grant }, aliases: [] }
}
const target = (number: string): Target => targetOf(patent(number))

/** Every recording with its class. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, ResponseClass>> = {
  assignee_exact_case_hit: 'ok',
  assignee_unnest_3: 'ok',
  assignee_wrong_case_no_hit: 'empty',
  cpc_group_by_id_hateoas: 'ok',
  errors_derived: 'malformed',
  inventors_82: 'ok',
  ipc_500_html: 'transient',
  patent_all_fields_5116621: 'ok',
  patent_extra_fields_returned: 'ok',
  patent_with_links_10000000: 'ok',
  patents_after_seq_page1: 'ok',
  patents_after_seq_page2: 'ok',
  publication_20010000002: 'ok',
  retired_host_behaviour: 'malformed',
  sort_assignees_567568: 'ok',
  us_patent_citation_6: 'ok',
  withdrawn_patents_empty_post: 'empty',
}
/** Lists of cases are no answers themselves. */
const LISTS = new Set(['errors_derived', 'retired_host_behaviour'])

const reads = readingsOf(patentsview, CONTEXT)
const rows: EmptyReading = {
  kind: 'list',
  parser: 'recordOfPatent',
  parse: (view) => ((view.json as JsonObject)['patents'] as unknown as readonly JsonObject[]).map(recordOfPatent),
}
const elsewhere = reads.other('patents alone are asked for: this is an answer of another endpoint')
const READ_BY: Readonly<Record<string, EmptyReading>> = {
  assignee_exact_case_hit: elsewhere,
  assignee_unnest_3: elsewhere,
  assignee_wrong_case_no_hit: elsewhere,
  cpc_group_by_id_hateoas: elsewhere,
  inventors_82: elsewhere,
  patent_all_fields_5116621: reads.batch([target('5116621')]),
  patent_extra_fields_returned: reads.batch([target('5116621')]),
  patent_with_links_10000000: reads.batch([target('10000000')]),
  patents_after_seq_page1: rows,
  patents_after_seq_page2: rows,
  publication_20010000002: elsewhere,
  sort_assignees_567568: elsewhere,
  us_patent_citation_6: elsewhere,
  withdrawn_patents_empty_post: { ...reads.batch([target('9978309')]), nothing: 'withdrawn patents are not listed' },
}
function readBy(name: string): { readonly reads?: EmptyReading } {
  const reading = READ_BY[name]
  return reading === undefined ? {} : { reads: reading }
}
const recordings: RecordedCase[] = recordingNames(PROVIDER)
  .filter((name) => !LISTS.has(name))
  .map((name) => ({
    name,
    label: LABEL,
    view: recordedView(PROVIDER, name),
    class: EXPECTED[name] ?? ('no line in EXPECTED' as ResponseClass),
    ...readBy(name),
    check() {
      const body = recordedView(PROVIDER, name).json
      const rows =
        isJsonObject(body) && Array.isArray(body['patents']) ? (body['patents'] as unknown as readonly JsonObject[]) : []
      for (const row of rows) expect(recordOfPatent(row)).toMatchObject({ patent_id: row['patent_id'] })
    },
  }))

type Derived = {
  readonly response: { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: JsonValue }
}
const CLASS_OF_STATUS: Readonly<Record<number, ResponseClass>> = {
  400: 'invalid_request',
  403: 'auth',
  429: 'rate_limited',
  500: 'transient',
}
const derived: ErrorCase[] = hasRecordings(PROVIDER)
  ? (recording(PROVIDER, 'errors_derived') as unknown as readonly Derived[]).map(
      ({ response }, index): ErrorCase => ({
        name: `derived ${index}: ${response.status}`,
        label: LABEL,
        answer: {
          status: response.status,
          headers: Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), value])),
          body: response.body,
        },
        class: CLASS_OF_STATUS[response.status]!,
        ...(response.status === 429 ? { untilMs: Number(response.headers['Retry-After']) * SECOND_MS } : {}),
      }),
    )
  : []

const ROW: JsonObject = {
  patent_id: '10000000',
  patent_title: 'Coherent LADAR',
  patent_date: '2018-06-19',
  assignees: [{ assignee_id: 'a', assignee_organization: 'Raytheon Company' }, { assignee_organization: 'Another' }],
  inventors: [{ inventor_name_first: 'Joseph', inventor_name_last: 'Marron' }],
  cpc_current: [{ cpc_sequence: 0, cpc_group_id: 'G01S7/4863' }],
}
const page = (rows: readonly JsonObject[], total = rows.length) =>
  viewOf({ body: { error: false, count: rows.length, total_hits: total, patents: rows } })

const MANY = Array.from({ length: 150 }, (_, number) => String(10_000_000 + number))
const rowOf = (number: string): JsonObject => ({ ...ROW, patent_id: number })

adapterSuite(patentsview, {
  exampleEntities: [patent('10000000'), patent('US 11,646,472 B2', null), patent(null)],
  recordings: [
    ...recordings,
    { name: 'a patent', label: LABEL, view: page([ROW]), class: 'ok', reads: reads.batch([target('10000000')]) },
  ],
  conversations: [
    {
      name: 'two pages, from the last number on',
      by: 'batch',
      targets: MANY.map(target),
      answers: [page(MANY.slice(0, 100).map(rowOf), 150), page(MANY.slice(100).map(rowOf), 150)],
      requests: 2,
    },
  ],
  instants: 'patents and applications have days without a time',
  noise: ['assignee_id', 'inventor_id', 'cpc_sequence', 'attorneys'],
  errors: [
    ...derived,
    {
      name: 'what is left of the host',
      label: LABEL,
      answer: { status: 301, text: '', headers: { location: 'https://data.uspto.gov/support/transition-guide/patentsview' } },
      class: 'source_down',
    },
    {
      name: 'a path that is not there',
      label: LABEL,
      answer: { status: 404, body: { detail: 'Not found.' } },
      class: 'invalid_request',
    },
    { name: 'an error under 200', label: LABEL, answer: { body: { error: true } }, class: 'invalid_request' },
  ],
  unchangedPairs: [
    {
      name: 'clustered anew, in another order, with members that nobody asked for',
      before: recordOfPatent(ROW),
      after: recordOfPatent({
        ...ROW,
        assignees: [{ assignee_organization: 'Another' }, { assignee_id: 'b', assignee_organization: 'Raytheon Company' }],
        patent_num_times_cited_by_us_patents: 7,
      }),
    },
  ],
  changedPairs: [
    { name: 'withdrawn', before: recordOfPatent(ROW), after: recordOfPatent({ ...ROW, withdrawn: true }), path: '$.withdrawn' },
  ],
})

describe('patentsview', () => {
  it('is gone for good, and says where patents are now', () => {
    expect(patentsview.hostGone).toMatch(/2026-03-20.*uspto_odp/)
  })

  it.skipIf(!hasRecordings(PROVIDER))('has every recording in the table', () => {
    for (const name of recordingNames(PROVIDER)) expect(EXPECTED[name], name).toBeDefined()
  })

  it('follows pages by the last number, and says nothing of patents that are on none', () => {
    const numbers = Array.from({ length: 130 }, (_, index) => String(10_000_000 + index))
    const targets = numbers.map(target)
    const rows = numbers.slice(0, 120).map((patent_id) => ({ ...ROW, patent_id }))
    const first = patentsview.batch!.parse(page(rows.slice(0, 100), 120), targets, 'patents', null, CONTEXT)
    expect(first.answers).toHaveLength(100)
    const request = patentsview.batch!.request(targets, 'patents', first.next, CONTEXT)
    expect(request.json).toMatchObject({ o: { size: 100, after: '10000099' }, s: [{ patent_id: 'asc' }] })
    const second = patentsview.batch!.parse(page(rows.slice(100), 120), targets, 'patents', first.next, CONTEXT)
    expect(second).toMatchObject({ next: null })
    expect(second.answers).toHaveLength(20)
    expect(() => patentsview.batch!.parse(page(rows.slice(0, 100), 120), targets, 'patents', first.next, CONTEXT)).toThrow(
      /two pages/,
    )
  })

  it('does not take other patents for an answer', () => {
    const parse = (rows: readonly JsonObject[], total?: number) =>
      patentsview.batch!.parse(page(rows, total), [target('10000000')], 'patents', null, CONTEXT)
    expect(() => parse([{ ...ROW, patent_id: '9999999' }])).toThrow(/ignored/)
    expect(() => parse([ROW], 8_000_000)).toThrow(/ignored/)
    expect(parse([]).answers).toEqual([])
  })

  it('groups patents by the month of their grant', () => {
    expect(patentsview.cohort.name(patent('10000000'))).toBe('grant_month_2018-06')
    expect(patentsview.cohort.name(patent('10000000', null))).toBe('grant_month_unknown')
  })

  it('reads what the sandbox serves as it used to be served', async () => {
    let ms = 0
    const sandbox = createSandbox(
      { seed: 7, companies: 200, awards: 50 },
      { now: () => 0, monotonic: () => (ms += 5_000) },
      'http://sandbox.test',
    )
    const asker = askerOf(sandbox, patentsview, { 'x-api-key': SANDBOX_PATENTSVIEW_KEY })
    const numbers = [...patentsviewDialect.keys(sandbox.world, asker.context.now)].slice(0, 150)
    expect(numbers.length).toBeGreaterThan(100)
    const targets = numbers.map(target)
    let cursor: string | null = null
    let answered = 0
    do {
      const { view, classified } = await asker.ask(patentsview.batch!.request(targets, 'patents', cursor, asker.context))
      expect(classified.class).toBe('ok')
      const { answers, next } = patentsview.batch!.parse(view, targets, 'patents', cursor, asker.context)
      for (const answer of answers) expect(answer.kind).toBe('record')
      answered += answers.length
      cursor = next
    } while (cursor !== null)
    expect(answered).toBe(numbers.length)
    const refused = await askerOf(sandbox, patentsview).ask(patentsview.probe(asker.context))
    expect(refused.classified.class).toBe('auth')
  })
})
