/** Contributions by the employer that contributors name, page after page of one company. The place to go on from is the provider's. */
import type { Entity } from '../../model/entity.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { EpochMs } from '../../model/time.ts'
import type { AdapterContext, Answer, BatchCapability, FoundIdentity, Target } from '../adapter.ts'
import { badCursor, readCursor, writeCursor } from '../shared/cursor.ts'
import { calendarDate } from '../shared/dates.ts'
import { attributeText, refOf } from '../shared/entity.ts'
import { countOf, listOf, memberAt, requireObject, requireObjects, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { companyNameKey } from '../shared/names.ts'
import { usStateCode } from '../shared/us-states.ts'
import { addRow, emptySums, readSums, recordOfSums, type Sums, writeSums } from './sums.ts'

export const ROWS_LABEL = 'contributions.by_employer'
const GROUP = 'employer'
const PAGE_ROWS = 100
/** Longer ones are no names of employers; the field holds 38 characters. */
const MAX_NAME_CHARS = 200
export const DEFAULT_SINCE = 2022
/** As many values as a parameter takes. */
const MAX_PERIODS = 10
export const DEFAULT_MAX_PAGES = 30
/** The engine follows no more than a hundred pages of a batch, and the end of the last one is an empty page. */
export const MAX_PAGES = 99

/** Names of the company to ask by: its own, and one that an operator or an earlier answer tied it to. */
function employersOf(target: Target): readonly string[] {
  const names = [attributeText(target.entity, 'name'), target.providerKey]
  return [...new Set(names.map((name) => companyNameKey(name ?? '')).filter((key) => !isTooShort(key)))]
}

/** The index is asked for words; one or two letters are in everything. */
function isTooShort(key: string): boolean {
  return key.replace(/[^\p{L}\p{N}]/gu, '').length < 3 || !/\p{L}/u.test(key)
}

export function employerProblem(entity: Entity): string | null {
  const name = attributeText(entity, 'name')
  if (name === null) return 'no name'
  return isTooShort(companyNameKey(name)) ? `the name "${name.slice(0, 40)}" is too short to ask by` : null
}

/** A key is a name in the form in which names are compared: letters, digits and spaces, so that it is only ever words to be found. */
export function employerKeyProblem(key: string): string | null {
  return key.length <= MAX_NAME_CHARS && companyNameKey(key) === key && !isTooShort(key)
    ? null
    : 'a key of OpenFEC is the name of an employer in capitals, without legal form and punctuation: ACME ROBOTICS'
}

/**
 * The running two-year period, named after its even year, and those before it back to a fixed one: a number of periods would leave the
 * oldest out on a New Year's Day, and every sum would change by the calendar alone.
 */
export function periodsOf(now: EpochMs, options: JsonObject): readonly number[] {
  const year = new Date(now).getUTCFullYear()
  const running = year + (year % 2)
  const since = Math.min(running, countOf(options['since']) ?? DEFAULT_SINCE)
  const count = Math.min(MAX_PERIODS, Math.floor((running - since) / 2) + 1)
  return Array.from({ length: count }, (_, back) => running - 2 * back)
}

type Place = {
  readonly page: number
  /** Every member of `last_indexes`, as it is to be sent. */
  readonly after: readonly (readonly [string, string])[]
  /** Rows that may come again: those of the page before, and of earlier ones from the first day of that page on. */
  readonly seen: readonly (readonly [id: string, day: string])[]
  readonly sums: Sums
}

function pairsOf(value: JsonValue | undefined): readonly (readonly [string, string])[] | null {
  const pairs = listOf(value).map((item) => (Array.isArray(item) ? (item as readonly JsonValue[]) : []))
  const valid = pairs.every((pair) => pair.length === 2 && pair.every((part) => typeof part === 'string'))
  return valid ? (pairs as unknown as readonly (readonly [string, string])[]) : null
}

function placeOf(cursor: string | null): Place {
  if (cursor === null) return { page: 0, after: [], seen: [], sums: emptySums() }
  const place = readCursor(cursor)
  const [page, after, sums] = [countOf(place['page']), pairsOf(place['after']), readSums(place['sums'])]
  if (page === null || page === 0 || after === null || after.length === 0 || sums === null) throw badCursor(cursor)
  const seen = listOf(place['seen']).map((item): readonly [string, string] => {
    const [id, day] = Array.isArray(item) ? (item as readonly JsonValue[]) : [item]
    return [String(id), typeof day === 'string' ? day : '']
  })
  return { page, after, seen, sums }
}

function request(targets: readonly Target[], cursor: string | null, { now, options }: AdapterContext): RequestSpec {
  const [target] = targets
  const employers = target === undefined ? [] : employersOf(target)
  return {
    method: 'GET',
    path: '/v1/schedules/schedule_a/',
    query: [
      ...employers.map((name) => ['contributor_employer', name] as const),
      ...periodsOf(now, options).map((period) => ['two_year_transaction_period', String(period)] as const),
      // What the documentation calls the default is not the default.
      ['sort', 'contribution_receipt_date'],
      ['per_page', String(PAGE_ROWS)],
      ...placeOf(cursor).after,
    ],
    label: ROWS_LABEL,
  }
}

/** Names come from the provider and go into the query: only such as it has. */
function nextPlace(body: JsonObject): readonly (readonly [string, string])[] | null {
  const indexes = memberAt(body, 'pagination', 'last_indexes')
  if (!isJsonObject(indexes)) return null
  const pairs = Object.entries(indexes).flatMap(([name, value]): (readonly [string, string])[] => {
    if (!/^(?:last_[a-z_]{1,60}|sort_null_only)$/.test(name))
      throw new MalformedAnswer('last_indexes has a member of an unknown name')
    return value === null ? [] : [[name, String(typeof value === 'object' ? '' : value)]]
  })
  if (!pairs.some(([name, value]) => name === 'last_index' && value !== ''))
    throw new MalformedAnswer('last_indexes has no last_index')
  return pairs
}

/** A filter that is misspelt is ignored without a word, and everybody's rows come. */
function checkFilter(rows: readonly JsonObject[], employers: readonly string[]): void {
  const wanted = new Set(employers.flatMap((name) => name.split(' ')))
  const about = (row: JsonObject): boolean =>
    companyNameKey(textAt(row, 'contributor_employer') ?? '')
      .split(' ')
      .some((word) => [...wanted].some((part) => word.startsWith(part) || (part.startsWith(word) && word !== '')))
  if (rows.length > 0 && !rows.some(about))
    throw new MalformedAnswer('none of the rows names such an employer; was the filter ignored?')
}

function maxPages(options: JsonObject): number {
  return Math.min(MAX_PAGES, countOf(options['max_pages']) ?? DEFAULT_MAX_PAGES)
}

function tooMany(target: Target, pages: number): Answer {
  const reason = `more than ${pages * PAGE_ROWS} contributions match the name; it is too common to tell whose they are (options.max_pages)`
  return { kind: 'skipped', entity: refOf(target.entity), reason }
}

/** What the donors typed is all there is: never above 0.9, and half of it when they live elsewhere. */
function identityOf(sums: Sums, providerKey: string, state: string | null): FoundIdentity {
  const { total, sameState, exactName } = sums
  const exact = exactName.count / total.count
  const near = state === null ? 0 : sameState.count / total.count
  const confidence = Math.round(0.9 * (0.93 + 0.07 * exact) * (0.5 + 0.5 * near) * 1000) / 1000
  const evidence = {
    contributions: total.count,
    exact_name: exactName.count,
    same_state: sameState.count,
    other_employers: sums.others,
  }
  return { providerKey, method: state === null ? 'employer_name' : 'employer_name+state', confidence, evidence }
}

function answerOf(target: Target, sums: Sums, periods: readonly number[]): Answer {
  const entity = refOf(target.entity)
  const employers = employersOf(target)
  if (sums.total.count === 0) {
    const others = sums.others === 0 ? '' : ` (${sums.others} name another of a similar name)`
    return {
      kind: 'absent',
      entity,
      reason: `no itemized contribution of ${periods.at(-1)! - 1} to ${periods[0]} names it as employer${others}`,
    }
  }
  const record = recordOfSums(sums, employers, periods.at(-1)!)
  // The first name stays known when the company takes another.
  const key = target.providerKey ?? employers[0]!
  return { kind: 'record', entity, record, identity: identityOf(sums, key, stateOf(target)) }
}

function stateOf(target: Target): string | null {
  return usStateCode(attributeText(target.entity, 'state') ?? '')
}

function parse(
  view: ResponseView,
  targets: readonly Target[],
  cursor: string | null,
  { now, options }: AdapterContext,
): { answers: readonly Answer[]; next: string | null } {
  const [target] = targets
  if (target === undefined) return { answers: [], next: null }
  const body = requireObject(view, 'the contributions')
  if (!Array.isArray(body['results'])) throw new MalformedAnswer('the contributions have no list of results')
  const rows = requireObjects(listOf(body['results']), 'results')
  const place = placeOf(cursor)
  // The count stays what it was estimated, so that only an empty page is the end.
  if (rows.length === 0) return { answers: [answerOf(target, place.sums, periodsOf(now, options))], next: null }
  const pages = maxPages(options)
  if (place.page === 0 && (countOf(memberAt(body, 'pagination', 'count')) ?? 0) > pages * PAGE_ROWS)
    return { answers: [tooMany(target, pages)], next: null }
  const employers = employersOf(target)
  checkFilter(rows, employers)
  const ids = rows.map((row) => {
    const id = textAt(row, 'sub_id')
    if (id === null) throw new MalformedAnswer('a contribution has no sub_id')
    return id
  })
  const seen = new Map(place.seen)
  if (ids.every((id) => seen.has(id))) throw new MalformedAnswer('the same page came twice')
  const days = rows.map((row) => calendarDate(row['contribution_receipt_date']) ?? '')
  rows.forEach((row, index) => {
    const id = ids[index]!
    if (!seen.has(id)) addRow(place.sums, row, employers, stateOf(target))
    seen.set(id, days[index]!)
  })
  const after = nextPlace(body)
  if (after === null) {
    if (rows.length >= PAGE_ROWS) throw new MalformedAnswer('a full page does not say where to go on')
    return { answers: [answerOf(target, place.sums, periodsOf(now, options))], next: null }
  }
  if (JSON.stringify(after) === JSON.stringify(place.after)) throw new MalformedAnswer('the page leads back to where it began')
  if (place.page + 1 >= pages) return { answers: [tooMany(target, pages)], next: null }
  return {
    answers: [],
    next: writeCursor({
      page: place.page + 1,
      after: after.map(([name, value]) => [name, value]),
      seen: mayComeAgain(seen, new Set(ids), days),
      sums: writeSums(place.sums),
    }),
  }
}

/** Pages are in order of days: what is before the first day of the last page is passed for good, whatever moves within a day. */
function mayComeAgain(
  seen: ReadonlyMap<string, string>,
  last: ReadonlySet<string>,
  days: readonly string[],
): readonly (readonly [string, string])[] {
  const first = days.reduce((least, day) => (day < least ? day : least))
  return [...seen].filter(([id, day]) => last.has(id) || day >= first).map(([id, day]) => [id, day])
}

export const batch: BatchCapability = {
  // Ten employers fit into a call, but their pages could not be told apart any more when one of them is common.
  maxSize: 1,
  groups: () => [GROUP],
  request: (targets, _group, cursor, context) => request(targets, cursor, context),
  parse: (view, targets, _group, cursor, context) => parse(view, targets, cursor, context),
}
