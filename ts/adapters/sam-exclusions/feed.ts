/**
 * Exclusions by `updateDate`, day by day. Only active ones are ever listed: one that ended is gone without a trace, so the feed
 * proves nothing unchanged. It serves an operator's window; the daily batches find what ended.
 */
import type { ResponseView } from '../../model/response.ts'
import { DAY_MS, parseUtcDate, startOfUtcDay, toUtcDate } from '../../model/time.ts'
import type { Window } from '../../model/window.ts'
import type { FeedCapability, FeedItem } from '../adapter.ts'
import { badCursor } from '../shared/cursor.ts'
import { toUsDate } from '../shared/dates.ts'
import { refOf } from '../shared/entity.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { exclusionsPage, exclusionsRequest, MAX_ROWS, PAGE_ROWS, ueiOf } from './by-uei.ts'
import { ueiOfRow } from './record.ts'

function daysIn(window: Window): readonly string[] {
  const days: string[] = []
  for (let day = startOfUtcDay(window.from); day < window.to; day += DAY_MS) days.push(toUtcDate(day))
  return days
}

function pageOf(cursor: string | null): number {
  if (cursor === null) return 0
  if (!/^\d{1,3}$/.test(cursor)) throw badCursor(cursor)
  return Number(cursor)
}

function parse(view: ResponseView, slice: string, cursor: string | null): { items: FeedItem[]; next: string | null } {
  const page = pageOf(cursor)
  const { rows, total } = exclusionsPage(view)
  if (total > MAX_ROWS)
    throw new MalformedAnswer(`${total} exclusions on ${slice}, of which only ${MAX_ROWS} can be read; was the filter ignored?`)
  // Individuals, vessels and many firms have no UEI: nothing of ours can be tied to them.
  const ueis = [...new Set(rows.map(ueiOfRow))].filter((uei) => uei !== '')
  const more = rows.length > 0 && (page + 1) * PAGE_ROWS < total
  return {
    items: ueis.map((uei) => ({ providerKey: uei, aliases: [`uei:${uei}`], row: {} })),
    next: more ? String(page + 1) : null,
  }
}

export const feed: FeedCapability = {
  overlapMs: 2 * DAY_MS,
  estimate: { rowsPerDay: 60, rowsPerPage: PAGE_ROWS },
  complete: false,
  slices: (window) => daysIn(window),
  request(_window, slice, cursor) {
    const day = parseUtcDate(slice)
    if (day === null) throw badCursor(slice)
    return exclusionsRequest('exclusions.feed', [['updateDate', toUsDate(day)]], pageOf(cursor))
  },
  parse: (view, slice, cursor) => parse(view, slice, cursor),
  // A row is one exclusion, the record holds all of the company's: it is asked about at once.
  answer: (item, target) =>
    ueiOf(target) === item.providerKey
      ? { kind: 'due', entity: refOf(target.entity), reason: 'an exclusion of the company was updated' }
      : null,
}
