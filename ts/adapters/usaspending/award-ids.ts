/** Award numbers as SBIR.gov writes them -> the forms in which USAspending may know them. */
import { foldText, stripId } from '../shared/text.ts'

/** Four characters are an order number (`0009`), which repeats under every vehicle and brings thousands of awards. */
const MIN_CHARS = 5
const MAX_CHARS = 50

/** `1R43EY036753-01A1`: application type, activity, institute, serial, year and amendments. The award number is the middle. */
const NIH_NUMBER = /^[1-9]?([A-Z][A-Z0-9]\d[A-Z]{2}\d{6})(?:\d{2}(?:[A-Z]\d){0,2})?$/
/** Office, fiscal year, instrument, serial: the uniform procurement number, `FA8651-14-C-0132`. */
const PROCUREMENT_NUMBER = /^[A-Z0-9]{6}\d{2}([A-Z0-9])[A-Z0-9]{4,8}$/

/** Why an award number can identify nothing; null when it can. */
export function awardNumberProblem(contract: string | null): string | null {
  if (contract === null) return 'no contract number'
  const stripped = stripId(contract)
  if (stripped.length < MIN_CHARS) return `contract number "${contract}" is too short to identify an award`
  if (stripped.length > MAX_CHARS) return `contract number is longer than ${MAX_CHARS} characters`
  return /\d/.test(stripped) ? null : `contract number "${contract}" holds no digit`
}

/** `R43EY036753` of an NIH application number; null for other numbers. */
export function nihCore(contract: string): string | null {
  return NIH_NUMBER.exec(stripId(contract))?.[1] ?? null
}

/** The ninth character of a uniform procurement number: `C` contract, `D` indefinite delivery, `2` cooperative agreement. */
export function instrumentLetter(contract: string): string | null {
  return PROCUREMENT_NUMBER.exec(stripId(contract))?.[1] ?? null
}

/**
 * The forms to search by, most likely first: without separators, as given where that differs, and for NIH the award's own
 * number in front. The search is exact and case-sensitive, and the procurement system writes no hyphens.
 */
export function awardIdForms(contract: string): readonly string[] {
  const stripped = stripId(contract)
  const core = nihCore(contract)
  if (core !== null) return core === stripped ? [core] : [core, stripped]
  // A quotation mark would end the exact phrase, and the server drops these characters anyway.
  const given = foldText(contract.replace(/["\\|{}()?+[\]<>]/g, '')).toUpperCase()
  return given === stripped ? [stripped] : [stripped, given]
}

/** Forms compared with a row's award id: separators never matter there. */
export function matchKeys(contract: string): readonly string[] {
  return [...new Set(awardIdForms(contract).map(stripId))]
}

const SBIR_ACTIVITIES = /^(?:R4[1-4]|U4[34]|SB1|UB1|UT[12])/
const NIH_TYPES = ['', '1', '2', '3', '4', '5', '6', '7', '8', '9']
const NIH_SUFFIXES = [
  '',
  ...Array.from({ length: 12 }, (_, year) => String(year + 1).padStart(2, '0')).flatMap((year) => [
    year,
    `${year}A1`,
    `${year}S1`,
  ]),
]

/**
 * Aliases of our awards that a row with this award id may be about. SBIR.gov lists NIH awards by application
 * (`1R43EY036753-01`), USAspending by award (`R43EY036753`), so the applications that an award can have are spelled out.
 */
export function aliasesOf(awardId: string): readonly string[] {
  const stripped = stripId(awardId)
  if (stripped === '') return []
  if (nihCore(stripped) !== stripped || !SBIR_ACTIVITIES.test(stripped)) return [`award_id:${stripped}`]
  return NIH_TYPES.flatMap((type) => NIH_SUFFIXES.map((suffix) => `award_id:${type}${stripped}${suffix}`))
}
