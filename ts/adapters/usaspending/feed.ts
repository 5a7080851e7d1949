/**
 * Awards by `last_modified_date`: days, both ends included, one walk per group of award types. The date is the provider's
 * own; defence contracts are published 90 days after signing under an old action date, which is why no other date will do.
 */

import type { JsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import { DAY_MS, toUtcDate } from '../../model/time.ts'
import type { Window } from '../../model/window.ts'
import type { FeedAnswer, FeedCapability, FeedItem, Target } from '../adapter.ts'
import { badCursor, readCursor, writeCursor } from '../shared/cursor.ts'
import { calendarDate } from '../shared/dates.ts'
import { refOf } from '../shared/entity.ts'
import { requireObject, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { AWARD_GROUPS, type AwardGroup, isAwardGroup } from './award-groups.ts'
import { aliasesOf } from './award-ids.ts'
import { decide } from './match.ts'
import { generatedIdOf, recordOfRow } from './record.ts'
import { PAGE_ROWS, readPlace, searchPage, searchRequest } from './search.ts'

/** The search refuses earlier days. */
const FIRST_DAY = '2007-10-01'

export const LAST_UPDATED_PATH = '/api/v2/awards/last_updated/'

function daysOf(window: Window): { readonly start: string; readonly end: string } | null {
  const end = toUtcDate(window.to - 1)
  const start = toUtcDate(window.from)
  if (window.to <= window.from || end < FIRST_DAY) return null
  return { start: start < FIRST_DAY ? FIRST_DAY : start, end }
}

function groupNamed(slice: string): AwardGroup {
  if (!isAwardGroup(slice)) throw badCursor(slice)
  return slice
}

function feedRequest(window: Window, slice: string, cursor: string | null, options: JsonObject): RequestSpec {
  const { page, after } = cursor === null ? { page: 1, after: null } : readPlace(readCursor(cursor), cursor)
  // An empty window has no slices; asked all the same, it is the day it begins on.
  const days = daysOf(window) ?? { start: FIRST_DAY, end: FIRST_DAY }
  const filters = { time_period: [{ start_date: days.start, end_date: days.end, date_type: 'last_modified_date' }] }
  return searchRequest('awards.feed', groupNamed(slice), filters, page, after, options)
}

function feedParse(
  view: ResponseView,
  cursor: string | null,
): { readonly items: readonly FeedItem[]; readonly next: string | null } {
  const { page, after } = cursor === null ? { page: 1, after: null } : readPlace(readCursor(cursor), cursor)
  const { rows, next } = searchPage(view, after)
  const items = rows.map((row) => ({ providerKey: generatedIdOf(row), aliases: aliasesOf(textAt(row, 'Award ID') ?? ''), row }))
  return { items, next: next === null ? null : writeCursor({ page: page + 1, after: next }) }
}

/**
 * A row is about the award that it is the identity of. A feed shows one row and not whether its number is unique, so it identifies
 * nothing: an award without identity that the row may be about is due, and the search by number sees all that carry it.
 */
function feedAnswer(item: FeedItem, target: Target): FeedAnswer | null {
  if (target.providerKey !== null) {
    if (target.providerKey !== item.providerKey) return null
    return { kind: 'record', entity: refOf(target.entity), record: recordOfRow(item.row) }
  }
  if (decide(target, [item.row], false) === null) return null
  return { kind: 'due', entity: refOf(target.entity), reason: 'an award with its number was modified' }
}

export const feed: FeedCapability = {
  gate: {
    request: () => ({ method: 'GET', path: LAST_UPDATED_PATH, label: 'awards.last_updated' }),
    marker: (view) => {
      const day = calendarDate(requireObject(view, 'the last update')['last_updated'])
      if (day === null) throw new MalformedAnswer('last_updated is no date')
      return day
    },
  },
  overlapMs: 3 * DAY_MS,
  estimate: { rowsPerDay: 50_000, rowsPerPage: PAGE_ROWS },
  complete: true,
  slices: (window) => (daysOf(window) === null ? [] : AWARD_GROUPS),
  request: (window, slice, cursor, context) => feedRequest(window, slice, cursor, context.options),
  parse: (view, _slice, cursor) => feedParse(view, cursor),
  answer: (item, target) => feedAnswer(item, target),
}
