/**
 * Many awards in one search by quoted award ids. A call carries at most 100 ids (a page holds 100 rows), so that targets
 * with two forms of their number need two calls per hundred until USAspending's own id is known; then one form is enough.
 */

import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { Answer, BatchCapability, Target } from '../adapter.ts'
import { badCursor, readCursor, writeCursor } from '../shared/cursor.ts'
import { attributeText, refOf } from '../shared/entity.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { type AwardGroup, groupsOf, isAwardGroup } from './award-groups.ts'
import { awardIdForms } from './award-ids.ts'
import { decide, rowsByTarget } from './match.ts'
import { generatedIdOf } from './record.ts'
import { type After, readPlace, searchPage, searchRequest } from './search.ts'

const MAX_IDS = 100
/** A number that thousands of awards share would be paged for hours; nothing could be told apart anyway. */
const MAX_PAGES = 20
const MAX_CANDIDATES = 25

type Chunk = { readonly targets: readonly Target[]; readonly ids: readonly string[] }
type Place = { readonly chunk: number; readonly page: number; readonly after: After | null; readonly held: readonly JsonObject[] }

const START: Place = { chunk: 0, page: 1, after: null, held: [] }

/** The award id inside USAspending's generated id, exactly as its search knows it; null for ids of another make. */
export function awardIdOfKey(generatedId: string): string | null {
  return /^CONT_(?:AWD|IDV)_([^_]+)_/.exec(generatedId)?.[1] ?? /^ASST_(?:NON|AGG)_(.+)_[^_]+$/.exec(generatedId)?.[1] ?? null
}

function idsOf(target: Target): readonly string[] {
  const known = target.providerKey === null ? null : awardIdOfKey(target.providerKey)
  return known === null ? awardIdForms(attributeText(target.entity, 'contract') ?? '') : [known]
}

/** Targets in calls of at most 100 ids; a target's forms stay together. */
export function chunksOf(targets: readonly Target[]): readonly Chunk[] {
  const chunks: { targets: Target[]; ids: Set<string> }[] = []
  for (const target of targets) {
    const ids = idsOf(target)
    let chunk = chunks.at(-1)
    if (chunk === undefined || chunk.ids.size + ids.filter((id) => !chunk!.ids.has(id)).length > MAX_IDS) {
      chunk = { targets: [], ids: new Set() }
      chunks.push(chunk)
    }
    chunk.targets.push(target)
    for (const id of ids) chunk.ids.add(id)
  }
  return chunks.map((chunk) => ({ targets: chunk.targets, ids: [...chunk.ids] }))
}

function placeOf(cursor: string | null): Place {
  if (cursor === null) return START
  const place = readCursor(cursor)
  const { chunk, held } = place
  if (typeof chunk !== 'number' || !Number.isSafeInteger(chunk) || chunk < 0) throw badCursor(cursor)
  if (!Array.isArray(held) || !(held as readonly JsonValue[]).every(isJsonObject)) throw badCursor(cursor)
  return { chunk, held: held as readonly JsonObject[], ...readPlace(place, cursor) }
}

function chunkAt(
  targets: readonly Target[],
  place: Place,
  cursor: string | null,
): { readonly chunk: Chunk; readonly isLast: boolean } {
  const chunks = chunksOf(targets)
  const chunk = chunks[place.chunk]
  if (chunk === undefined) throw badCursor(cursor ?? 'the beginning')
  return { chunk, isLast: place.chunk === chunks.length - 1 }
}

function groupNamed(group: string): AwardGroup {
  if (!isAwardGroup(group)) throw badCursor(group)
  return group
}

export function batchRequest(targets: readonly Target[], group: string, cursor: string | null, options: JsonObject): RequestSpec {
  const place = placeOf(cursor)
  const { chunk } = chunkAt(targets, place, cursor)
  return searchRequest(
    'awards.search',
    groupNamed(group),
    { award_ids: chunk.ids.map((id) => `"${id}"`) },
    place.page,
    place.after,
    options,
  )
}

function absent(target: Target): Answer {
  const number = attributeText(target.entity, 'contract') ?? ''
  return {
    kind: 'absent',
    entity: refOf(target.entity),
    reason: `USAspending lists no award ${number} among ${groupsOf(target).join(', ')}`,
  }
}

/** Answers once all pages of a chunk are there: a later page may hold a second candidate for any of its targets. */
function answersOf(chunk: Chunk, group: string, found: ReadonlyMap<Target, readonly JsonObject[]>, truncated: boolean): Answer[] {
  const answers: Answer[] = []
  for (const target of chunk.targets) {
    const candidates = found.get(target) ?? []
    const last = groupsOf(target).at(-1) === group
    if (candidates.length > MAX_CANDIDATES) {
      answers.push({
        kind: 'skipped',
        entity: refOf(target.entity),
        reason: `more than ${MAX_CANDIDATES} awards carry the number ${attributeText(target.entity, 'contract')}`,
      })
      continue
    }
    if (truncated && candidates.length === 0) {
      answers.push({
        kind: 'failed',
        entity: refOf(target.entity),
        errorClass: 'invalid_request',
        reason: `its batch has more than ${MAX_PAGES} pages`,
      })
      continue
    }
    const answer = decide(target, candidates, last) ?? (last ? absent(target) : null)
    if (answer !== null) answers.push(answer)
  }
  return answers
}

/** Every target's own row is there: what further pages hold are other awards with the same numbers. */
function allKnown(found: ReadonlyMap<Target, readonly JsonObject[]>): boolean {
  for (const [{ providerKey }, rows] of found) if (!rows.some((row) => generatedIdOf(row) === providerKey)) return false
  return true
}

export function batchParse(
  view: ResponseView,
  targets: readonly Target[],
  group: string,
  cursor: string | null,
): { readonly answers: readonly Answer[]; readonly next: string | null } {
  const place = placeOf(cursor)
  const { chunk, isLast } = chunkAt(targets, place, cursor)
  const { rows, next } = searchPage(view, place.after)
  const found = rowsByTarget(chunk.targets, [...place.held, ...rows])
  const matched = [...found.values()].some((list) => list.length > 0)
  if (rows.length > 0 && !matched)
    throw new MalformedAnswer('the search brought only awards that were not asked for; was its filter ignored?')
  if (next !== null && place.page < MAX_PAGES && !allKnown(found)) {
    const held = new Set([...found.values()].flatMap((list) => list.slice(0, MAX_CANDIDATES + 1)))
    return { answers: [], next: writeCursor({ chunk: place.chunk, page: place.page + 1, after: next, held: [...held] }) }
  }
  const following = isLast ? null : writeCursor({ ...START, chunk: place.chunk + 1 })
  return { answers: answersOf(chunk, group, found, next !== null), next: following }
}

export const batch: BatchCapability = {
  maxSize: MAX_IDS,
  // Contracts and grants each, and then what the first group did not list in the next one, of which few are left.
  firstCalls: { perBatch: 2, perPartition: 2 },
  groups: (target) => groupsOf(target),
  request: (targets, group, cursor, context) => batchRequest(targets, group, cursor, context.options),
  parse: (view, targets, group, cursor) => batchParse(view, targets, group, cursor),
}
