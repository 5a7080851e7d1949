/**
 * Entities by `updateDate`, day by day. It does not prove anything unchanged: a registration expires by date alone without
 * being updated, and an entity that opts out of public display just stops being listed.
 *
 * At ten rows a page a day of the whole country is some 500 calls, so for a usual key the feed serves an operator's window;
 * the weekly cadence is kept by batches of UEIs.
 */

import type { JsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import { DAY_MS, type EpochMs, parseUtcDate, startOfUtcDay, toUtcDate } from '../../model/time.ts'
import type { Window } from '../../model/window.ts'
import type { FeedAnswer, FeedCapability, FeedItem, Target } from '../adapter.ts'
import { badCursor } from '../shared/cursor.ts'
import { toUsDate } from '../shared/dates.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { US_STATE_CODES } from '../shared/us-states.ts'
import { answerOf, entitiesPage, entitiesRequest, PAGE_ROWS, rowsByUei, ueiOf } from './entities.ts'
import { eftOfRow } from './registration.ts'

/** Rows that can be paged through; beyond, the day has to be cut into states. */
const MAX_ROWS = 10_000
/** The part of a cut day that no state has. */
const ABROAD = 'abroad'

/** A slice is `2026-11-20`, or a state's part of it: `2026-11-20/CA`, `2026-11-20/abroad`. */
function sliceOf(slice: string): { readonly day: EpochMs; readonly part: string | null } {
  const match = /^(\d{4}-\d{2}-\d{2})(?:\/([A-Za-z]+))?$/.exec(slice)
  const day = parseUtcDate(match?.[1] ?? '')
  if (day === null) throw badCursor(slice)
  return { day, part: match?.[2] ?? null }
}

function pageOf(cursor: string | null): number {
  if (cursor === null) return 0
  if (!/^\d{1,4}$/.test(cursor)) throw badCursor(cursor)
  return Number(cursor)
}

function daysIn(window: Window): readonly string[] {
  const days: string[] = []
  for (let day = startOfUtcDay(window.from); day < window.to; day += DAY_MS) days.push(toUtcDate(day))
  return days
}

function feedRequest(options: JsonObject, slice: string, cursor: string | null): RequestSpec {
  const { day, part } = sliceOf(slice)
  const filters: (readonly [string, string])[] = [['updateDate', toUsDate(day)]]
  if (part === ABROAD) filters.push(['physicalAddressCountryCode', '!USA'])
  else if (part !== null) filters.push(['physicalAddressProvinceOrStateCode', part])
  return entitiesRequest('entities.feed', options, filters, pageOf(cursor))
}

function feedParse(
  view: ResponseView,
  slice: string,
  cursor: string | null,
): { items: readonly FeedItem[]; next: string | null; split?: readonly string[] } {
  const page = pageOf(cursor)
  const { rows, total } = entitiesPage(view)
  if (total > MAX_ROWS && sliceOf(slice).part === null) {
    return { items: [], next: null, split: [...US_STATE_CODES, ABROAD].map((part) => `${slice}/${part}`) }
  }
  // Rows of one UEI on one page are one item: its registrations are updated together.
  const items = [...rowsByUei(rows)].map(([uei, list]) => ({ providerKey: uei, aliases: [`uei:${uei}`], row: { rows: list } }))
  // A state of its own with more than can be paged through: what lies beyond must not be lost without a word.
  if (total > MAX_ROWS)
    throw new MalformedAnswer(`${total} entities were updated in ${slice}, of which only ${MAX_ROWS} can be read`)
  const more = rows.length > 0 && (page + 1) * PAGE_ROWS < total
  return { items, next: more ? String(page + 1) : null }
}

/**
 * The feed lists the rows that were updated, a record holds all of a UEI. So a row speaks for the company only when it is the
 * main registration of one that has no other; for the rest it says that there is something to ask.
 */
function feedAnswer(item: FeedItem, target: Target): FeedAnswer | null {
  if (ueiOf(target) !== item.providerKey) return null
  const listed = item.row['rows']
  const rows = Array.isArray(listed) ? (listed as readonly JsonObject[]) : []
  const isWhole = rows.length === 1 && eftOfRow(rows[0]!) === '' && !(target.providerKey ?? '').includes('+')
  if (isWhole) return answerOf(target, rows)
  return {
    kind: 'due',
    entity: { kind: target.entity.kind, key: target.entity.key },
    reason: 'updated, but it has several registrations, which only a look-up by UEI shows together',
  }
}

export const feed: FeedCapability = {
  overlapMs: 2 * DAY_MS,
  estimate: { rowsPerDay: 5_000, rowsPerPage: PAGE_ROWS },
  complete: false,
  slices: (window) => daysIn(window),
  request: (_window, slice, cursor, context) => feedRequest(context.options, slice, cursor),
  parse: (view, slice, cursor) => feedParse(view, slice, cursor),
  answer: (item, target) => feedAnswer(item, target),
}
