/** Applications by number, many in a call; and those whose status changed on a day. */

import type { JsonObject } from '../../model/json.ts'
import type { ResponseView } from '../../model/response.ts'
import { DAY_MS, type EpochMs, parseUtcDate, startOfUtcDay, toUtcDate } from '../../model/time.ts'
import type { Window } from '../../model/window.ts'
import type { Answer, BatchCapability, FeedAnswer, FeedCapability, Target } from '../adapter.ts'
import { badCursor } from '../shared/cursor.ts'
import { attributeText, refOf } from '../shared/entity.ts'
import { textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { recordOfRow } from './record.ts'
import { applicationNumber, FEED_LABEL, isTooLarge, numberOfRow, RESULT_WINDOW, searchPage, searchRequest } from './search.ts'

const GROUP = 'applications'
const FEED_PAGE = 100

export function numberOf(target: Target): string {
  return applicationNumber(target.providerKey) ?? applicationNumber(attributeText(target.entity, 'application_number')) ?? ''
}

function answerOf(target: Target, row: Parameters<typeof recordOfRow>[0]): FeedAnswer {
  const number = numberOf(target)
  const entity = refOf(target.entity)
  const record = recordOfRow(row)
  if (target.providerKey === number) return { kind: 'record', entity, record }
  return {
    kind: 'record',
    entity,
    record,
    identity: { providerKey: number, method: 'application_number', confidence: 1, evidence: {} },
  }
}

function parseBatch(view: ResponseView, targets: readonly Target[]): { answers: readonly Answer[]; next: null } {
  const { rows, total } = searchPage(view)
  const asked = new Map<string, Target[]>()
  for (const target of targets) asked.set(numberOf(target), [...(asked.get(numberOf(target)) ?? []), target])
  const byNumber = new Map(rows.map((row) => [numberOfRow(row), row]))
  const ours = [...byNumber].filter(([number]) => asked.has(number))
  if (total > asked.size || (rows.length > 0 && ours.length === 0))
    throw new MalformedAnswer(`asked about ${asked.size} applications, ${total} were found; was the query ignored?`)
  // All that match fit on the page that was asked for; fewer rows than announced would make entities absent that are there.
  if (rows.length < total) throw new MalformedAnswer(`${total} applications were announced, ${rows.length} came`)
  return { answers: ours.flatMap(([number, row]) => asked.get(number)!.map((target) => answerOf(target, row))), next: null }
}

export const batch: BatchCapability = {
  maxSize: 100,
  groups: () => [GROUP],
  request(targets) {
    const numbers = [...new Set(targets.map(numberOf))]
    return searchRequest({
      label: 'applications.batch',
      q: `applicationNumberText:(${numbers.join(' OR ')})`,
      offset: 0,
      limit: numbers.length,
    })
  },
  parse: (view, targets) => parseBatch(view, targets),
}

/** Before the first application that the portal has. */
const FIRST_FILED = Date.UTC(1900, 0, 1)
const DAY = /^\d{4}-\d{2}-\d{2}$/

/** `2026-11-20`, or of a day with more rows than can be read those that were filed in a span: `2026-11-20/1900-01-01/2013-06-30`. */
type Slice = { readonly day: string; readonly filed: { readonly from: EpochMs; readonly to: EpochMs } | null }

function sliceOf(text: string): Slice {
  const [day = '', first, last, ...rest] = text.split('/')
  const at = DAY.test(day) ? parseUtcDate(day) : null
  if (at === null || rest.length > 0) throw badCursor(text)
  if (first === undefined) return { day, filed: null }
  const [from, to] = [first, last ?? ''].map((one) => (DAY.test(one) ? parseUtcDate(one) : null))
  if (from == null || to == null || from > to) throw badCursor(text)
  return { day, filed: { from, to } }
}

/** Halves of a slice by the day of filing, which no application lacks; nothing can have been filed after it changed. */
function halvesOf({ day, filed }: Slice): readonly string[] {
  const { from, to } = filed ?? { from: FIRST_FILED, to: parseUtcDate(day)! }
  if (from === to)
    throw new MalformedAnswer(
      `more than ${RESULT_WINDOW} applications filed on ${toUtcDate(from)} changed on ${day}; no more of them can be read`,
    )
  const middle = startOfUtcDay(from + (to - from) / 2)
  const text = (first: EpochMs, last: EpochMs): string => `${day}/${toUtcDate(first)}/${toUtcDate(last)}`
  return [text(from, middle), text(middle + DAY_MS, to)]
}

/** What was asked for shows in the rows, as far as they tell it. */
function checkSlice(rows: readonly JsonObject[], { day, filed }: Slice): void {
  for (const row of rows) {
    const changed = textAt(row, 'applicationMetaData', 'applicationStatusDate')?.slice(0, 10) ?? day
    const at = parseUtcDate(textAt(row, 'applicationMetaData', 'filingDate') ?? '')
    const isFiledThen = filed === null || at === null || (at >= filed.from && at <= filed.to)
    if (changed !== day || !isFiledThen)
      throw new MalformedAnswer(
        `asked for applications that changed on ${day}, ${numberOfRow(row)} did not; was the filter ignored?`,
      )
  }
}

function daysIn(window: Window): readonly string[] {
  const days: string[] = []
  for (let day = startOfUtcDay(window.from); day < window.to; day += DAY_MS) days.push(toUtcDate(day))
  return days
}

/** `300`: a hundred rows from there on; `300/50`: fifty, because a hundred were too much for one answer. */
type Place = { readonly offset: number; readonly limit: number }

function placeOf(cursor: string | null): Place {
  if (cursor === null) return { offset: 0, limit: FEED_PAGE }
  const [, from = '', rows = String(FEED_PAGE)] = /^(\d{1,5})(?:\/(\d{1,3}))?$/.exec(cursor) ?? []
  const [offset, limit] = [Number(from), Number(rows)]
  if (from === '' || limit < 1 || limit > FEED_PAGE || offset >= RESULT_WINDOW) throw badCursor(cursor)
  return { offset, limit: Math.min(limit, RESULT_WINDOW - offset) }
}

function cursorOf({ offset, limit }: Place): string {
  return limit === FEED_PAGE ? String(offset) : `${offset}/${limit}`
}

/**
 * By `applicationStatusDate`: the portal has no "updated since". It proves nothing unchanged (an assignment is recorded without a new
 * status), and it lists all of the Office, so it serves an operator's window.
 */
export const feed: FeedCapability = {
  overlapMs: 7 * DAY_MS,
  estimate: { rowsPerDay: 6_000, rowsPerPage: FEED_PAGE },
  complete: false,
  slices: (window) => daysIn(window),
  request(_window, slice, cursor) {
    const { day, filed } = sliceOf(slice)
    const changed = { field: 'applicationMetaData.applicationStatusDate', from: day, to: day }
    const span =
      filed === null ? [] : [{ field: 'applicationMetaData.filingDate', from: toUtcDate(filed.from), to: toUtcDate(filed.to) }]
    return searchRequest({
      label: FEED_LABEL,
      ranges: [changed, ...span],
      ...placeOf(cursor),
    })
  },
  parse(view, slice, cursor) {
    const { offset, limit } = placeOf(cursor)
    if (isTooLarge(view)) {
      if (limit === 1) throw new MalformedAnswer(`one row of ${slice} is too large an answer`)
      return { items: [], next: cursorOf({ offset, limit: Math.floor(limit / 2) }) }
    }
    const { rows, total } = searchPage(view)
    if (total > RESULT_WINDOW) return { items: [], next: null, split: halvesOf(sliceOf(slice)) }
    checkSlice(rows, sliceOf(slice))
    const next = offset + limit
    const items = rows.flatMap((row) => {
      const number = numberOfRow(row)
      return number === '' ? [] : [{ providerKey: number, aliases: [`us_app:${number}`], row }]
    })
    return { items, next: rows.length > 0 && next < total ? cursorOf({ offset: next, limit }) : null }
  },
  answer: (item, target) => (numberOf(target) === item.providerKey ? answerOf(target, item.row) : null),
}
