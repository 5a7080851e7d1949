/**
 * Records by the moment of their last change, from the search index. It names iDs and does not say what they are now, so that ours become
 * due. It proves nothing unchanged: the index lags behind the records, by how much nobody says.
 */
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import { DAY_MS, type EpochMs, HOUR_MS, MINUTE_MS, parseUtcDate, startOfUtcDay, toIso, toUtcDate } from '../../model/time.ts'
import type { Window } from '../../model/window.ts'
import type { FeedCapability, FeedItem } from '../adapter.ts'
import { badCursor } from '../shared/cursor.ts'
import { countOf, listOf, requireObject, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { readOrcid } from './ids.ts'
import { orcidSearchRequest } from './search.ts'

export const FEED_LABEL = 'people.feed'
const ROWS = 1_000
/** Anonymous callers may not begin a page beyond it. */
const MAX_START = 10_000

/** A slice is a day, an hour of it, or ten minutes: `2026-11-20`, `2026-11-20T05`, `2026-11-20T05:30`. */
function sliceOf(slice: string): { readonly from: EpochMs; readonly to: EpochMs; readonly step: EpochMs | null } {
  const match = /^(\d{4}-\d{2}-\d{2})(?:T([01]\d|2[0-3])(?::([0-5]0))?)?$/.exec(slice)
  const day = parseUtcDate(match?.[1] ?? '')
  if (match === null || day === null) throw badCursor(slice)
  const [, , hour, minute] = match
  if (hour === undefined) return { from: day, to: day + DAY_MS, step: HOUR_MS }
  const from = day + Number(hour) * HOUR_MS
  if (minute === undefined) return { from, to: from + HOUR_MS, step: 10 * MINUTE_MS }
  return { from: from + Number(minute) * MINUTE_MS, to: from + (Number(minute) + 10) * MINUTE_MS, step: null }
}

function partsOf(slice: string): readonly string[] | null {
  const { from, to, step } = sliceOf(slice)
  if (step === null) return null
  const length = step === HOUR_MS ? 'YYYY-MM-DDTHH'.length : 'YYYY-MM-DDTHH:MM'.length
  return Array.from({ length: (to - from) / step }, (_, part) => toIso(from + part * step).slice(0, length))
}

function startOf(cursor: string | null): number {
  if (cursor === null) return 0
  if (!/^\d{1,6}$/.test(cursor)) throw badCursor(cursor)
  return Number(cursor)
}

const second = (at: EpochMs): string => `${toIso(at).slice(0, 19)}Z`

function request(slice: string, cursor: string | null): RequestSpec {
  const { from, to } = sliceOf(slice)
  // The closing brace leaves the end out, so that neighbouring slices share nothing.
  const query = `profile-last-modified-date:[${second(from)} TO ${second(to)}}`
  return orcidSearchRequest(FEED_LABEL, 'search', query, startOf(cursor), ROWS)
}

function parse(
  view: ResponseView,
  slice: string,
  cursor: string | null,
): { items: readonly FeedItem[]; next: string | null; split?: readonly string[] } {
  const start = startOf(cursor)
  const body = requireObject(view, 'the search answer')
  const total = countOf(body['num-found'])
  if (total === null) throw new MalformedAnswer('the search answer has no num-found')
  if (total > MAX_START) {
    const split = partsOf(slice)
    if (split !== null) return { items: [], next: null, split }
  }
  const rows = listOf(body['result'])
  const ids = rows.map((row) => readOrcid(textAt(row, 'orcid-identifier', 'path')))
  if (ids.some((id) => id === null)) throw new MalformedAnswer('a result has no orcid-identifier')
  const items = [...new Set(ids.filter((id) => id !== null))].map((id) => ({ providerKey: id, aliases: [], row: { orcid: id } }))
  const next = start + rows.length
  return { items, next: rows.length > 0 && next < total && next <= MAX_START ? String(next) : null }
}

function daysIn(window: Window): readonly string[] {
  const days: string[] = []
  for (let day = startOfUtcDay(window.from); day < window.to; day += DAY_MS) days.push(toUtcDate(day))
  return days
}

export const feed: FeedCapability = {
  overlapMs: 2 * DAY_MS,
  estimate: { rowsPerDay: 60_000, rowsPerPage: ROWS },
  complete: false,
  slices: (window) => daysIn(window),
  request: (_window, slice, cursor) => request(slice, cursor),
  parse: (view, slice, cursor) => parse(view, slice, cursor),
  answer: (item, target) =>
    readOrcid(target.providerKey) === item.providerKey
      ? { kind: 'due', entity: { kind: target.entity.kind, key: target.entity.key }, reason: 'the record changed' }
      : null,
}
