/**
 * Exclusions of companies by UEI, a hundred in a call: hardly any company is excluded, so the rows of a hundred fit on a page of
 * ten, and the whole population costs a sixth of the day's quota.
 */
import type { JsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { Answer, BatchCapability, LookupCapability, Target } from '../adapter.ts'
import { badCursor, readCursor, writeCursor } from '../shared/cursor.ts'
import { attributeText, refOf } from '../shared/entity.ts'
import { countOf, listOf, requireObject, requireObjects } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { recordOfRows, ueiOfRow } from './record.ts'

export const PAGE_ROWS = 10
/** Pages 0-999 can be asked for. */
export const MAX_ROWS = 10_000
/** A hundred companies do not have hundreds of exclusions: a total like that means that the filter was not applied. */
const PLAUSIBLE_ROWS = 1_000
const GROUP = 'exclusions'

/** `Accept: application/json` is answered with 406. */
export function exclusionsRequest(label: string, filters: readonly (readonly [string, string])[], page: number): RequestSpec {
  return {
    method: 'GET',
    path: '/entity-information/v4/exclusions',
    query: [...filters, ['page', String(page)], ['size', String(PAGE_ROWS)]],
    headers: { accept: '*/*' },
    label,
  }
}

export function ueiOf(target: Target): string {
  return (target.providerKey ?? attributeText(target.entity, 'uei') ?? '').toUpperCase()
}

/** Rows and their announced number. Throws `MalformedAnswer`. */
export function exclusionsPage(view: ResponseView): { readonly rows: readonly JsonObject[]; readonly total: number } {
  const body = requireObject(view, 'the exclusions answer')
  const total = countOf(body['totalRecords'])
  if (total === null) throw new MalformedAnswer('the exclusions answer has no totalRecords')
  return { rows: requireObjects(listOf(body['excludedEntity']), 'excludedEntity'), total }
}

type Place = {
  readonly page: number
  readonly held: readonly JsonObject[]
  /** Rows of all pages before, whoever they are about. */
  readonly read: number
  /** What the first page announced; null before it, and in places that were written before this was looked at. */
  readonly announced: number | null
}

/** Of an operator's batch: rows of earlier pages are carried along, because a UEI's exclusions may lie on several. */
function placeOf(cursor: string | null): Place {
  if (cursor === null) return { page: 0, held: [], read: 0, announced: null }
  const { page, held, read = null, announced = null } = readCursor(cursor)
  const rows = listOf(held)
  const fits = typeof page === 'number' && Number.isSafeInteger(page) && page >= 1 && page <= 999
  if (!fits || rows.some((row) => typeof row !== 'object' || row === null || Array.isArray(row))) throw badCursor(cursor)
  return { page, held: rows as readonly JsonObject[], read: countOf(read) ?? page * PAGE_ROWS, announced: countOf(announced) }
}

/**
 * What is missing would be taken for an exclusion that ended: every page but the last is full, all rows that were announced came, and
 * the list did not move while it was read (nothing came twice, nothing was added or taken away).
 */
function checkComplete({ page, held, read, announced }: Place, rows: readonly JsonObject[], total: number): void {
  if (announced !== null && announced !== total)
    throw new MalformedAnswer(`the list moved between two pages: ${announced} exclusions were announced, then ${total}`)
  const expected = Math.min(PAGE_ROWS, total - page * PAGE_ROWS)
  if (rows.length !== expected || read !== page * PAGE_ROWS)
    throw new MalformedAnswer(`${total} exclusions were announced; page ${page} has ${rows.length} instead of ${expected}`)
  const before = new Set(held.map((row) => JSON.stringify(row)))
  if (rows.some((row) => before.has(JSON.stringify(row))))
    throw new MalformedAnswer('the list moved between two pages: an exclusion came twice')
}

function answerOf(target: Target, rows: readonly JsonObject[]): Answer {
  const uei = ueiOf(target)
  const entity = refOf(target.entity)
  if (rows.length === 0) return { kind: 'absent', entity, reason: `no active exclusion names UEI ${uei}` }
  const identity = { providerKey: uei, method: 'uei', confidence: 1, evidence: {} }
  return { kind: 'record', entity, record: recordOfRows(uei, rows), ...(target.providerKey === uei ? {} : { identity }) }
}

function parse(
  view: ResponseView,
  targets: readonly Target[],
  cursor: string | null,
): { answers: readonly Answer[]; next: string | null } {
  const place = placeOf(cursor)
  const { page, held: before } = place
  const { rows, total } = exclusionsPage(view)
  const asked = new Set(targets.map(ueiOf))
  const ours = rows.filter((row) => asked.has(ueiOfRow(row)))
  if (total > PLAUSIBLE_ROWS || (rows.length > 0 && ours.length === 0))
    throw new MalformedAnswer(
      `asked about ${asked.size} UEIs, SAM.gov answered with ${total} exclusions of others; was its filter ignored?`,
    )
  checkComplete(place, rows, total)
  const held = [...before, ...ours]
  if ((page + 1) * PAGE_ROWS < total)
    return { answers: [], next: writeCursor({ page: page + 1, held, read: place.read + rows.length, announced: total }) }
  const byUei = Map.groupBy(held, ueiOfRow)
  return { answers: targets.map((target) => answerOf(target, byUei.get(ueiOf(target)) ?? [])), next: null }
}

export const batch: BatchCapability = {
  maxSize: 100,
  groups: () => [GROUP],
  // The list in brackets is documented for other parameters of this API, not for ueiSAM; the form with OR is.
  request(targets, _group, cursor) {
    const ueis = [...new Set(targets.map(ueiOf))]
    const filter = ueis.map((uei) => `(ueiSAM:${uei})`).join(' OR ')
    return exclusionsRequest('exclusions.batch', [['q', `(${filter})`]], placeOf(cursor).page)
  },
  parse: (view, targets, _group, cursor) => parse(view, targets, cursor),
}

export const lookup: LookupCapability = {
  request: (target) => exclusionsRequest('exclusions.lookup', [['ueiSAM', ueiOf(target)]], 0),
  parse(view, target) {
    const { answers } = parse(view, [target], null)
    return (
      answers[0] ?? {
        kind: 'skipped',
        entity: refOf(target.entity),
        reason: 'more exclusions than a page holds; a batch refresh reads all of them',
      }
    )
  },
}
