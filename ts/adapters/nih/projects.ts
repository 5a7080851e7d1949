/** `POST /v2/projects/search`: projects by number, up to 500 in a call; and what was added in a window of days. */
import type { JsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import { DAY_MS, type EpochMs, startOfUtcDay, toUtcDate } from '../../model/time.ts'
import type { Window } from '../../model/window.ts'
import type { Answer, BatchCapability, FeedCapability, LookupCapability, Target } from '../adapter.ts'
import { badCursor, readCursor, writeCursor } from '../shared/cursor.ts'
import { refOf } from '../shared/entity.ts'
import { countOf, listOf, memberAt, requireObject, requireObjects, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { coreNumber, coreOf, SBIR_ACTIVITIES, shortNumberOf } from './project-number.ts'
import { applIdOf, coreOfRow, FIELDS, recordOfRows } from './record.ts'

const PAGE = 500
/** The highest offset that is served. */
const MAX_OFFSET = 14_999
const GROUP = 'projects'
/** A project has a handful of years; more rows than this a project were not asked for. */
const ROWS_PER_PROJECT = 30
/** Days from which on a window is taken for a catching up, and the years it touches are listed whole. */
const RE_PULL_FROM_MS = 7 * DAY_MS

/** Sorted by id, because the default order is undefined and not safe for paging by offset. */
export function searchRequest(
  label: string,
  criteria: JsonObject,
  offset: number,
  fields: readonly string[] = FIELDS,
  limit = PAGE,
): RequestSpec {
  const json = { criteria, include_fields: [...fields], offset, limit, sort_field: 'appl_id', sort_order: 'asc' }
  return { method: 'POST', path: '/v2/projects/search', json, label }
}

function pageOf(view: ResponseView): { readonly rows: readonly JsonObject[]; readonly total: number } {
  const body = requireObject(view, 'the projects answer')
  const total = countOf(memberAt(body, 'meta', 'total'))
  if (total === null) throw new MalformedAnswer('the projects answer has no meta.total')
  return { rows: requireObjects(listOf(body['results']), 'results'), total }
}

export function projectOf(target: Target): string {
  return coreNumber(target.providerKey) ?? coreOf(target.entity) ?? ''
}

type Place = { readonly offset: number; readonly held: readonly JsonObject[] }

/** Rows of earlier pages are carried along: a project's years lie on several. */
function placeOf(cursor: string | null): Place {
  if (cursor === null) return { offset: 0, held: [] }
  const { offset, held } = readCursor(cursor)
  const rows = listOf(held)
  const isPlace = typeof offset === 'number' && Number.isSafeInteger(offset) && offset > 0 && offset <= MAX_OFFSET
  if (!isPlace || rows.some((row) => typeof row !== 'object' || row === null || Array.isArray(row))) throw badCursor(cursor)
  return { offset, held: rows as readonly JsonObject[] }
}

function answerOf(target: Target, rows: readonly JsonObject[]): Answer {
  const core = projectOf(target)
  const entity = refOf(target.entity)
  if (rows.length === 0) return { kind: 'absent', entity, reason: `RePORTER lists no project ${core}` }
  const record = recordOfRows(core, rows)
  if (target.providerKey === core) return { kind: 'record', entity, record }
  // A digit that is missing is nearly always the zero in front; it may be a slip as well.
  const written = shortNumberOf(target.entity)
  const identity =
    written === null || coreNumber(written) !== core
      ? { providerKey: core, method: 'project_number', confidence: 1, evidence: {} }
      : { providerKey: core, method: 'project_number_completed', confidence: 0.9, evidence: { written } }
  return { kind: 'record', entity, record, identity }
}

/**
 * A criterion that the service does not understand is silently left out, and the query widens: rows about projects that were not
 * asked for, or far too many of them, show it.
 */
function checkFilter(rows: readonly JsonObject[], total: number, asked: ReadonlySet<string>): void {
  const foreign = rows.find((row) => !asked.has(coreOfRow(row) ?? ''))
  if (foreign !== undefined || total > asked.size * ROWS_PER_PROJECT)
    throw new MalformedAnswer(
      `asked about ${asked.size} projects, ${total} rows matched${foreign === undefined ? '' : `, ${coreOfRow(foreign) ?? 'one without a number'} among them`}; was the filter ignored?`,
    )
}

function parseBatch(view: ResponseView, targets: readonly Target[], cursor: string | null) {
  const { offset, held: before } = placeOf(cursor)
  const { rows, total } = pageOf(view)
  checkFilter(rows, total, new Set(targets.map(projectOf)))
  const known = new Set(before.map(applIdOf))
  if (rows.some((row) => known.has(applIdOf(row)))) throw new MalformedAnswer('the list moved between two pages')
  const held = [...before, ...rows]
  const next = offset + rows.length
  if (next < total) {
    if (rows.length === 0) throw new MalformedAnswer(`the page at ${offset} is empty, although ${total} rows were announced`)
    return { answers: [], next: writeCursor({ offset: next, held }) }
  }
  const byCore = Map.groupBy(held, (row) => coreOfRow(row) ?? '')
  return { answers: targets.map((target) => answerOf(target, byCore.get(projectOf(target)) ?? [])), next: null }
}

export const batch: BatchCapability = {
  maxSize: 500,
  groups: () => [GROUP],
  request(targets, _group, cursor) {
    const numbers = [...new Set(targets.map(projectOf))]
    return searchRequest('projects.batch', { project_nums: numbers }, placeOf(cursor).offset)
  },
  parse: (view, targets, _group, cursor) => parseBatch(view, targets, cursor),
}

export const lookup: LookupCapability = {
  request: (target) => searchRequest('projects.lookup', { project_nums: [projectOf(target)] }, 0),
  parse(view, target) {
    const { answers } = parseBatch(view, [target], null)
    return answers[0] ?? { kind: 'skipped', entity: refOf(target.entity), reason: 'more years than a page holds' }
  },
}

function fiscalYear(at: EpochMs): number {
  const date = new Date(at)
  return date.getUTCFullYear() + (date.getUTCMonth() >= 9 ? 1 : 0)
}

/** Days of `date_added`; for a longer window also the running and the last fiscal year, whose rows are edited without any date. */
function slicesOf(window: Window): readonly string[] {
  const slices: string[] = []
  for (let day = startOfUtcDay(window.from); day < window.to; day += DAY_MS) slices.push(`added/${toUtcDate(day)}`)
  if (window.to - window.from >= RE_PULL_FROM_MS) {
    const year = fiscalYear(window.to - 1)
    for (const fy of [year, year - 1]) for (const activity of SBIR_ACTIVITIES) slices.push(`year/${fy}/${activity}`)
  }
  return slices
}

function criteriaOf(slice: string): JsonObject {
  const [kind, first = '', activity = ''] = slice.split('/')
  if (kind === 'added' && /^\d{4}-\d{2}-\d{2}$/.test(first))
    return { date_added: { from_date: first, to_date: first }, activity_codes: [...SBIR_ACTIVITIES] }
  if (kind === 'year' && /^\d{4}$/.test(first) && (SBIR_ACTIVITIES as readonly string[]).includes(activity))
    return { fiscal_years: [Number(first)], activity_codes: [activity] }
  throw badCursor(slice)
}

/** Each criterion of the slice has to show in every row: one that the service left out in silence would bring other rows along. */
function checkSlice(rows: readonly JsonObject[], slice: string): void {
  const [kind, wanted = '', activity = ''] = slice.split('/')
  const codes: readonly string[] = kind === 'year' ? [activity] : SBIR_ACTIVITIES
  for (const row of rows) {
    const core = coreOfRow(row)
    if (core !== null && !codes.includes(core.slice(0, 3)))
      throw new MalformedAnswer(`${core} is none of ${codes.join(', ')}; was the filter ignored?`)
    const told = kind === 'year' ? textAt(row, 'fiscal_year') : (textAt(row, 'date_added')?.slice(0, 10) ?? null)
    if (told !== wanted)
      throw new MalformedAnswer(
        `asked for ${kind === 'year' ? 'fiscal year' : 'what was added on'} ${wanted}, a row says ${told ?? 'nothing'}; was the filter ignored?`,
      )
  }
}

function offsetOf(cursor: string | null): number {
  if (cursor === null) return 0
  const offset = /^\d{1,5}$/.test(cursor) ? Number(cursor) : -1
  if (offset < 0 || offset > MAX_OFFSET) throw badCursor(cursor)
  return offset
}

/** Contracts are written as the core number or as that of one year: `award_id:1R43AI12345601A1`. */
function aliasesOf(core: string, years: readonly JsonObject[]): readonly string[] {
  const numbers = years.map((row) => (textAt(row, 'project_num') ?? '').toUpperCase().replace(/[^A-Z0-9]/g, ''))
  return [...new Set([core, ...numbers])].filter((number) => number !== '').map((number) => `award_id:${number}`)
}

/** There is no "modified since": the feed proves nothing unchanged and serves an operator's window. */
export const feed: FeedCapability = {
  overlapMs: 7 * DAY_MS,
  estimate: { rowsPerDay: 15, rowsPerPage: PAGE },
  complete: false,
  slices: (window) => slicesOf(window),
  request: (_window, slice, cursor) => searchRequest('projects.feed', criteriaOf(slice), offsetOf(cursor), FEED_FIELDS),
  parse(view, slice, cursor) {
    const { rows, total } = pageOf(view)
    criteriaOf(slice)
    checkSlice(rows, slice)
    if (total > MAX_OFFSET + PAGE) throw new MalformedAnswer(`${total} rows in ${slice}, of which only ${MAX_OFFSET} can be read`)
    const next = offsetOf(cursor) + rows.length
    const byCore = Map.groupBy(rows, (row) => coreOfRow(row) ?? '')
    byCore.delete('')
    return {
      items: [...byCore].map(([core, years]) => ({ providerKey: core, aliases: aliasesOf(core, years), row: {} })),
      next: rows.length > 0 && next < total ? String(next) : null,
    }
  },
  // A row is one year of a project; its record holds them all.
  answer: (item, target) =>
    projectOf(target) === item.providerKey
      ? { kind: 'due', entity: refOf(target.entity), reason: 'RePORTER added or lists a year of the project' }
      : null,
}
const FEED_FIELDS = ['ApplId', 'ProjectNum', 'CoreProjectNum', 'DateAdded', 'FiscalYear'] as const
