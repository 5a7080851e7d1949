/** Companies by UEI: one, or up to ten in a call. Ten, because a page holds ten rows; duplicates by EFT indicator make more. */

import type { JsonObject } from '../../model/json.ts'
import type { ResponseView } from '../../model/response.ts'
import type { AdapterContext, Answer, BatchCapability, LookupCapability, Target } from '../adapter.ts'
import { badCursor, readCursor, writeCursor } from '../shared/cursor.ts'
import { refOf } from '../shared/entity.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { answerOf, entitiesPage, entitiesRequest, PAGE_ROWS, rowList, rowsByUei, ueiOf } from './entities.ts'
import { eftOfRow, ueiOfRow } from './registration.ts'

const GROUP = 'entities'
/** Ten companies do not have hundreds of registrations: a total like that means that the filter was not applied. */
const MAX_ROWS = 500

/** `held`: rows of earlier pages; a UEI's registrations may lie on several. */
type Place = { readonly page: number; readonly held: readonly JsonObject[] }

function placeOf(cursor: string | null): Place {
  if (cursor === null) return { page: 0, held: [] }
  const { page, held } = readCursor(cursor)
  const rows = rowList(held)
  if (typeof page !== 'number' || !Number.isSafeInteger(page) || page < 1 || rows === null) throw badCursor(cursor)
  return { page, held: rows }
}

/** Rows about the companies asked for. Throws when the answer is plainly about others. */
function ourRows(rows: readonly JsonObject[], total: number, targets: readonly Target[]): readonly JsonObject[] {
  const asked = new Set(targets.map(ueiOf))
  const ours = rows.filter((row) => asked.has(ueiOfRow(row)))
  if (total > MAX_ROWS || (rows.length > 0 && ours.length === 0)) {
    throw new MalformedAnswer(
      `asked about ${asked.size} UEIs, SAM.gov answered with ${total} entities of others; was its filter ignored?`,
    )
  }
  return ours
}

/** Paging is by offset over a list that may move meanwhile: a row seen twice means that another was missed. */
function checkNoRepeat(held: readonly JsonObject[], rows: readonly JsonObject[]): void {
  const keys = new Set(held.map((row) => `${ueiOfRow(row)}+${eftOfRow(row)}`))
  for (const row of rows) {
    if (keys.has(`${ueiOfRow(row)}+${eftOfRow(row)}`))
      throw new MalformedAnswer(`the list moved between two pages: ${ueiOfRow(row)} came twice`)
  }
}

function batchParse(
  view: ResponseView,
  targets: readonly Target[],
  cursor: string | null,
): { answers: readonly Answer[]; next: string | null } {
  const place = placeOf(cursor)
  const { rows, total } = entitiesPage(view)
  const ours = ourRows(rows, total, targets)
  checkNoRepeat(place.held, ours)
  const held = [...place.held, ...ours]
  if ((place.page + 1) * PAGE_ROWS < total) {
    if (rows.length === 0) throw new MalformedAnswer(`page ${place.page} is empty, although ${total} entities were announced`)
    return { answers: [], next: writeCursor({ page: place.page + 1, held }) }
  }
  if (rows.length === 0 && total > place.page * PAGE_ROWS)
    throw new MalformedAnswer(`${total} entities were announced, none came`)
  const byUei = rowsByUei(held)
  return { answers: targets.map((target) => answerOf(target, byUei.get(ueiOf(target)) ?? [])), next: null }
}

export const batch: BatchCapability = {
  maxSize: 10,
  groups: () => [GROUP],
  request: (targets, _group, cursor, context) => {
    const ueis = [...new Set(targets.map(ueiOf))]
    return entitiesRequest('entities.batch', context.options, [['ueiSAM', `[${ueis.join('~')}]`]], placeOf(cursor).page)
  },
  parse: (view, targets, _group, cursor) => batchParse(view, targets, cursor),
}

export const lookup: LookupCapability = {
  request: (target: Target, context: AdapterContext) =>
    entitiesRequest('entities.lookup', context.options, [['ueiSAM', ueiOf(target)]], 0),
  parse: (view, target) => {
    const { answers } = batchParse(view, [target], null)
    const [answer] = answers
    if (answer !== undefined) return answer
    return {
      kind: 'skipped',
      entity: refOf(target.entity),
      reason: 'more registrations than a page holds; a batch refresh reads all of them',
    }
  },
}
