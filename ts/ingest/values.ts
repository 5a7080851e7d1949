/** Reads the values of single cells. Pure; what cannot be read is `INVALID`, what is not there is null. */
import { EMAIL, WRITTEN_PHONE } from './contacts.ts'

/** The cell says something that is no value of its kind. */
export const INVALID = Symbol('invalid')
export type Invalid = typeof INVALID

/** Printable ASCII without @, in words one space apart: nearly every cell, and nothing to do. */
const PLAIN = /^[!-?A-~]+(?: [!-?A-~]+)*$/
/** What people write into a cell that they have nothing for. */
const PLACEHOLDERS: ReadonlySet<string> = new Set([
  'N/A',
  'NA',
  'N.A.',
  'NONE',
  'NULL',
  'NIL',
  'TBD',
  'TBA',
  'UNKNOWN',
  'NOT AVAILABLE',
  'NOT APPLICABLE',
  '-',
  '--',
  '.',
  '0',
])

/** `_x000D_` (a carriage return as Excel writes it) and control characters are spaces; white space is folded. */
function fold(raw: string | undefined): string | null {
  if (raw === undefined || raw === '') return null
  if (PLAIN.test(raw) && !raw.includes('_x') && !raw.includes('_X')) return raw
  const text = raw
    .replace(/_x000d_/gi, ' ')
    .replace(/[\s\p{Cc}\u200b\ufeff]+/gu, ' ')
    .trim()
  return text === '' ? null : text
}

const orNull = (text: string | null): string | null => (text === null || PLACEHOLDERS.has(text.toUpperCase()) ? null : text)

/** Text without noise: carriage returns of Excel and white space folded, e-mail addresses taken out. Null when nothing is left. */
export function cleanText(raw: string | undefined): string | null {
  const text = fold(raw)
  return text?.includes('@') === true ? fold(text.replace(EMAIL, ' ')) : text
}

/** Like `cleanText`, and null for `N/A`, `none`, `TBD` and the like. */
export function cleanIdentifier(raw: string | undefined): string | null {
  return orNull(cleanText(raw))
}

/** Like `cleanText`, for cells that people write telephone numbers into (addresses, names, titles): those are taken out too. */
export function cleanAddress(raw: string | undefined): string | null {
  const text = cleanText(raw)
  return text === null ? null : fold(text.replace(WRITTEN_PHONE, ' '))
}

const ISO_DATE = /^(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?$/
const US_DATE = /^(\d{1,2})\/(\d{1,2})\/(\d{4})(?: \d{1,2}:\d{2}(?::\d{2})?(?: ?[AP]M)?)?$/i
const EARLIEST_YEAR = 1950
const LATEST_YEAR = 2199

/** `YYYY-MM-DD` or `MM/DD/YYYY` (a time of day is dropped) as `YYYY-MM-DD`. A day that no calendar has is invalid. */
export function readDate(raw: string | undefined): string | null | Invalid {
  const text = orNull(fold(raw))
  if (text === null || text === '0000-00-00' || text === '00/00/0000') return null
  let date = ISO_DATE.exec(text)?.[1]
  if (date === undefined) {
    const parts = US_DATE.exec(text)
    if (parts === null) return INVALID
    date = `${parts[3]}-${parts[1]!.padStart(2, '0')}-${parts[2]!.padStart(2, '0')}`
  }
  const [year, month, day] = [Number(date.slice(0, 4)), Number(date.slice(5, 7)), Number(date.slice(8, 10))]
  return year >= EARLIEST_YEAR && year <= LATEST_YEAR && day >= 1 && day <= daysIn(year, month) ? date : INVALID
}

/** Days of a month (1-12); 0 when there is no such month. */
function daysIn(year: number, month: number): number {
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return [0, 31, isLeapYear ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month] ?? 0
}

/** A calendar year; `2024.0` too. A year 0 is none. */
export function readYear(raw: string | undefined): number | null | Invalid {
  const text = fold(raw)
  if (text === null || (text !== '0' && orNull(text) === null)) return null
  const digits = /^(\d{4})(?:\.0+)?$/.exec(text)?.[1]
  if (digits === undefined) return INVALID
  const year = Number(digits)
  return year < EARLIEST_YEAR || year > LATEST_YEAR ? INVALID : year
}

/** A count; `1,200` and `12.0` too. */
export function readCount(raw: string | undefined): number | null | Invalid {
  const text = fold(raw)
  if (text === null || (text !== '0' && PLACEHOLDERS.has(text.toUpperCase()))) return null
  const digits = /^(\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.0+)?$/.exec(text)?.[1]
  return digits === undefined ? INVALID : Number(digits.replaceAll(',', ''))
}

const AMOUNT = /^(-?)\$?\s?(-?)(\d{1,3}(?:,\d{3})+|\d{1,18})?(?:\.(\d{0,10}))?$/

/**
 * An amount of US dollars as a canonical decimal: no sign of currency, no separators, no needless zeros (`$1,234.50` ->
 * `1234.5`). Digits are never rounded: text in, text out. `(500.00)` is negative, as accountants write it.
 */
export function readAmount(raw: string | undefined): string | null | Invalid {
  const cleaned = fold(raw)
  if (cleaned === null || (cleaned !== '0' && PLACEHOLDERS.has(cleaned.toUpperCase()))) return null
  const bracketed = /^\((.*)\)$/.exec(cleaned)?.[1]
  const match = AMOUNT.exec(bracketed ?? cleaned)
  if (match === null) return INVALID
  const [, sign = '', innerSign = '', whole, fraction = ''] = match
  if ((whole === undefined && fraction === '') || (sign !== '' && innerSign !== '')) return INVALID
  const integer = (whole ?? '0').replaceAll(',', '').replace(/^0+(?=\d)/, '')
  const decimals = fraction.replace(/0+$/, '')
  const amount = decimals === '' ? integer : `${integer}.${decimals}`
  const negative = (bracketed !== undefined) !== (sign !== '' || innerSign !== '')
  return negative && amount !== '0' ? `-${amount}` : amount
}

const YES: ReadonlySet<string> = new Set(['Y', 'YES', 'TRUE', 'T', '1'])
const NO: ReadonlySet<string> = new Set(['N', 'NO', 'FALSE', 'F', '0'])

/** A yes-or-no cell; anything else, such as `U`, is unknown. */
export function readFlag(raw: string | undefined): 'Y' | 'N' | null {
  const text = fold(raw)?.toUpperCase() ?? ''
  return YES.has(text) ? 'Y' : NO.has(text) ? 'N' : null
}

/** A Unique Entity ID: twelve letters and digits, not all the same. */
export function readUei(raw: string | undefined): string | null | Invalid {
  const text = orNull(fold(raw))?.toUpperCase() ?? null
  if (text === null) return null
  return /^[A-Z0-9]{12}$/.test(text) && !/^(.)\1+$/.test(text) ? text : INVALID
}

/** A DUNS number: nine digits, hyphens allowed; of thirteen (DUNS+4) the first nine. All the same digit is no number. */
export function readDuns(raw: string | undefined): string | null | Invalid {
  const text = orNull(fold(raw))
  if (text === null) return null
  const digits = text.replace(/[\s-]/g, '').replace(/\.0+$/, '')
  if (/^0+$/.test(digits)) return null
  if (!/^\d{8,9}$|^\d{13}$/.test(digits)) return INVALID
  const duns = digits.length === 8 ? `0${digits}` : digits.slice(0, 9)
  return /^(.)\1+$/.test(duns) ? INVALID : duns
}
