/**
 * Who filed, day by day: one text file a working day, written at about 10 p.m. in Washington. It names a filer's number, not what its
 * record says now, so whoever is listed becomes due.
 */
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import { DAY_MS, type EpochMs, parseUtcDate, startOfUtcDay, toUtcDate } from '../../model/time.ts'
import type { Window } from '../../model/window.ts'
import type { FeedCapability, FeedItem } from '../adapter.ts'
import { badCursor } from '../shared/cursor.ts'
import { refOf } from '../shared/entity.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { paddedCik } from './cik.ts'

export const INDEX_LABEL = 'filings.daily_index'
/** Columns are padded; behind the name come the number, the day (`20200318`; `2020-03-18` in the quarterly index) and the file. */
const ROW_END = /^(.*?)\s+(\d{1,10})\s+(?:\d{8}|\d{4}-\d{2}-\d{2})\s+edgar\/data\/\d{1,10}\/([0-9A-Za-z-]+)\.txt\s*$/
/** An index of yesterday may still be missing; the overlap of the windows asks for it again. */
const LATE_MS = 2 * DAY_MS

function headerOf(text: string): string | null {
  return /^Form Type +Company Name .*$/m.exec(text.slice(0, 5_000))?.[0] ?? null
}

export function isIndex(text: string): boolean {
  return headerOf(text) !== null
}

function nthWeekday(year: number, month: number, weekday: number, nth: number): EpochMs {
  const first = Date.UTC(year, month, 1)
  const offset = (weekday - new Date(first).getUTCDay() + 7) % 7
  return first + (offset + (nth - 1) * 7) * DAY_MS
}

/** Of the year, as they are observed: the Friday before or the Monday after when they fall on a weekend. */
function federalHolidays(year: number): ReadonlySet<EpochMs> {
  const observed = (at: EpochMs): EpochMs => {
    const weekday = new Date(at).getUTCDay()
    return weekday === 6 ? at - DAY_MS : weekday === 0 ? at + DAY_MS : at
  }
  const memorialDay = nthWeekday(year, 5, 1, 1) - 7 * DAY_MS
  return new Set([
    ...[Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1), Date.UTC(year, 5, 19), Date.UTC(year, 6, 4)].map(observed),
    ...[Date.UTC(year, 10, 11), Date.UTC(year, 11, 25)].map(observed),
    nthWeekday(year, 0, 1, 3),
    nthWeekday(year, 1, 1, 3),
    memorialDay,
    nthWeekday(year, 8, 1, 1),
    nthWeekday(year, 9, 1, 2),
    nthWeekday(year, 10, 4, 4),
  ])
}

/** Whether EDGAR publishes an index of the day. */
export function isFilingDay(day: EpochMs): boolean {
  const date = new Date(day)
  const weekday = date.getUTCDay()
  return weekday !== 0 && weekday !== 6 && !federalHolidays(date.getUTCFullYear()).has(day)
}

function daysIn(window: Window): readonly string[] {
  const days: string[] = []
  for (let day = startOfUtcDay(window.from); day < window.to; day += DAY_MS) if (isFilingDay(day)) days.push(toUtcDate(day))
  // A window of a weekend has nothing to ask for but must have a slice: the working day before it.
  for (let day = startOfUtcDay(window.from); days.length === 0; day -= DAY_MS) if (isFilingDay(day)) days.push(toUtcDate(day))
  return days
}

function indexRequest(slice: string): RequestSpec {
  const day = parseUtcDate(slice)
  if (day === null) throw badCursor(slice)
  const date = new Date(day)
  const quarter = Math.floor(date.getUTCMonth() / 3) + 1
  return {
    method: 'GET',
    base: 'www',
    path: `/Archives/edgar/daily-index/${date.getUTCFullYear()}/QTR${quarter}/form.${slice.replaceAll('-', '')}.idx`,
    label: INDEX_LABEL,
  }
}

/** One item per filer. Throws `MalformedAnswer` when a row cannot be read. */
function itemsIn(text: string): readonly FeedItem[] {
  const header = headerOf(text)
  if (header === null) throw new MalformedAnswer('the index has no header')
  const nameAt = header.indexOf('Company Name')
  const filers = new Map<string, { forms: Set<string>; accessions: Set<string> }>()
  const lines = text.slice(text.indexOf(header) + header.length).split('\n')
  for (const line of lines) {
    const content = line.trimEnd()
    if (content === '' || /^-+$/.test(content)) continue
    // The form's column has grown with the names of forms; what is longer than it pushes the rest to the right.
    const [, , number, accession] = ROW_END.exec(content) ?? []
    const cik = paddedCik(number)
    if (cik === null || accession === undefined)
      throw new MalformedAnswer(`a row of the index cannot be read: ${content.slice(0, 120)}`)
    const filer = filers.get(cik) ?? { forms: new Set<string>(), accessions: new Set<string>() }
    filer.forms.add(content.slice(0, nameAt).trim())
    filer.accessions.add(accession)
    filers.set(cik, filer)
  }
  return [...filers].map(([cik, { forms, accessions }]) => ({
    providerKey: cik,
    aliases: [],
    row: { forms: [...forms], accession_numbers: [...accessions] },
  }))
}

function parse(view: ResponseView, slice: string): readonly FeedItem[] {
  if (view.status >= 200 && view.status <= 299) return itemsIn(view.text)
  const day = parseUtcDate(slice)
  // The same 403 is said of what does not exist and of what one may not have. A working day's index exists.
  if (day !== null && isFilingDay(day) && view.receivedAt - day > LATE_MS)
    throw new MalformedAnswer(`the index of ${slice}, a working day, is not there; was EDGAR closed, or are we shut out?`)
  return []
}

export const feed: FeedCapability = {
  overlapMs: 2 * DAY_MS,
  estimate: { rowsPerDay: 1, rowsPerPage: 1 },
  complete: true,
  slices: (window) => daysIn(window),
  request: (_window, slice) => indexRequest(slice),
  parse: (view, slice) => ({ items: parse(view, slice), next: null }),
  answer(item, target) {
    if (target.providerKey !== item.providerKey) return null
    const forms = (item.row['forms'] as readonly string[]).slice(0, 5).join(', ')
    return { kind: 'due', entity: refOf(target.entity), reason: `the daily index lists new filings: ${forms}` }
  },
}
