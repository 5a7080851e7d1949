/**
 * The date formats of the providers, each parsed by its own pattern: `Date()` reads some of them by locale and others not
 * at all. Two kinds of result: a calendar day as the provider wrote it (`YYYY-MM-DD`; most write no zone, and moving a day
 * by a guessed zone would make changes out of nothing), and an instant (UTC milliseconds).
 */
import type { JsonValue } from '../../model/json.ts'
import { DAY_MS, type EpochMs, HOUR_MS, MINUTE_MS, parseUtcDate, SECOND_MS, toUtcDate } from '../../model/time.ts'

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const US_DATE = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/
/** `2019-10-27`, `2019-10-27 20:06:44`, `2026-04-24T00:00:00Z`, `2026-04-24T00:00:00.000+00:00`. */
const ISO_LIKE = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?)?$/i
/** `2026-Sep-09 00:00:00+0000 UTC`: SAM.gov's gateway. */
const NAMED_MONTH = /^(\d{4})-([A-Za-z]{3})-(\d{1,2}) (\d{2}):(\d{2}):(\d{2})\s*([+-]\d{2}:?\d{2})?\s*(?:UTC|GMT|Z)?$/
/** `Wed, 21 Oct 2015 07:28:00 GMT`: HTTP headers. */
const HTTP_DATE = /^[A-Za-z]{3,9}, (\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4}) (\d{2}):(\d{2}):(\d{2}) (?:GMT|UTC)$/

function dayOf(year: string, month: string, day: string): EpochMs | null {
  return parseUtcDate(`${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`)
}

function monthNumber(name: string): string {
  return String(MONTHS.indexOf(name.toLowerCase()) + 1)
}

function timeOf(hour: string, minute: string, second: string, zone: string | undefined): number | null {
  const [h, m, s] = [Number(hour), Number(minute), Number(second)]
  if (h > 23 || m > 59 || s > 60) return null
  const offset = /^([+-])(\d{2}):?(\d{2})$/.exec(zone ?? '')
  const shift = offset === null ? 0 : (offset[1] === '-' ? -1 : 1) * (Number(offset[2]) * HOUR_MS + Number(offset[3]) * MINUTE_MS)
  return h * HOUR_MS + m * MINUTE_MS + s * SECOND_MS - shift
}

/** A day that every month has: nearly all dates, and no calendar is needed to see that they are real. */
const PLAIN_DAY = /^[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])$/

/** The day as written, as `YYYY-MM-DD`; a time or zone behind it is left out. Null when it is no real date. */
export function calendarDate(value: JsonValue | undefined): string | null {
  if (typeof value !== 'string') return null
  if (PLAIN_DAY.test(value)) return value
  const text = value.trim()
  const us = US_DATE.exec(text)
  const at = us === null ? parseUtcDate(ISO_LIKE.exec(text)?.[1] ?? '') : dayOf(us[3]!, us[1]!, us[2]!)
  return at === null ? null : toUtcDate(at)
}

/** Any of the formats above as an instant; without a zone it is UTC, without a time the start of the day. */
export function parseInstant(value: JsonValue | undefined): EpochMs | null {
  if (typeof value !== 'string') return null
  const text = value.trim()
  const us = US_DATE.exec(text)
  if (us !== null) return dayOf(us[3]!, us[1]!, us[2]!)
  const iso = ISO_LIKE.exec(text)
  if (iso !== null) return add(parseUtcDate(iso[1]!), timeOf(iso[2] ?? '00', iso[3] ?? '00', iso[4] ?? '00', iso[5]))
  const named = NAMED_MONTH.exec(text)
  if (named !== null)
    return add(dayOf(named[1]!, monthNumber(named[2]!), named[3]!), timeOf(named[4]!, named[5]!, named[6]!, named[7]))
  const http = HTTP_DATE.exec(text)
  if (http !== null) return add(dayOf(http[3]!, monthNumber(http[2]!), http[1]!), timeOf(http[4]!, http[5]!, http[6]!, undefined))
  return null
}

function add(day: EpochMs | null, time: number | null): EpochMs | null {
  return day === null || time === null ? null : day + time
}

/** `MM-DD-YYYY`, which is no variant of the formats above: with dashes the year comes first everywhere else. */
export function parseDashedUsDate(value: JsonValue | undefined): EpochMs | null {
  const match = typeof value === 'string' ? /^(\d{2})-(\d{2})-(\d{4})$/.exec(value.trim()) : null
  return match === null ? null : dayOf(match[3]!, match[1]!, match[2]!)
}

/** `MM/DD/YYYY` of the UTC day that holds the instant: how SAM.gov wants dates in a request. */
export function toUsDate(at: EpochMs): string {
  const [year, month, day] = toUtcDate(at).split('-')
  return `${month}/${day}/${year}`
}

/** Start of the UTC day after the one that holds the instant: when daily quotas begin again. */
export function nextUtcMidnight(at: EpochMs): EpochMs {
  return (Math.floor(at / DAY_MS) + 1) * DAY_MS
}
