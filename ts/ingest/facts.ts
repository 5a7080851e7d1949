/** What a row says, read and checked, before anything is decided about it. */
import { hash } from 'node:crypto'
import { normalizeCompanyName } from '../adapters/shared/names.ts'
import type { RawRow } from './columns.ts'
import { scrubContacts } from './contacts.ts'
import { stateCode } from './states.ts'
import {
  cleanAddress,
  cleanIdentifier,
  cleanText,
  INVALID,
  type Invalid,
  readCount,
  readDuns,
  readFlag,
  readUei,
} from './values.ts'

/** Attributes of a company that a file speaks of, all but those that identify it. */
export type CompanyFields = {
  readonly name: string
  readonly address1: string | null
  readonly address2: string | null
  readonly city: string | null
  readonly state: string | null
  readonly zip: string | null
  readonly country: string | null
  readonly website: string | null
  readonly number_employees: number | null
  readonly number_awards: number | null
  readonly hubzone_owned: 'Y' | 'N' | null
  readonly woman_owned: 'Y' | 'N' | null
  readonly disadvantaged: 'Y' | 'N' | null
}

export type CompanyFacts = {
  readonly uei: string | null
  readonly duns: string | null
  /** `NORMALIZED NAME|STATE`; the state is empty when unknown. */
  readonly nameKey: string
  readonly fields: CompanyFields
  /** Website as written, which may be an e-mail address: used for the domain, never stored. */
  readonly rawWebsite: string | null
  /** Orders rows of one company in time: 20240301, 20240000 when only the year is known, or `UNDATED`. */
  readonly dated: number
}

export const UNDATED = 0

/** `CompanyFacts.dated` as it is stored with a company: `2024-03-01`, `2024`, or null. */
export function datedText(dated: number): string | null {
  if (dated === UNDATED) return null
  const digits = String(dated).padStart(8, '0')
  const year = digits.slice(0, 4)
  return digits.endsWith('0000') ? year : `${year}-${digits.slice(4, 6)}-${digits.slice(6)}`
}

/** Inverse of `datedText`; `UNDATED` for anything else. */
export function datedFrom(value: unknown): number {
  if (typeof value !== 'string' || !/^\d{4}(-\d{2}-\d{2})?$/.test(value)) return UNDATED
  return Number(value.replaceAll('-', '').padEnd(8, '0'))
}

/** Small oddities that do not cost a row; counted in the report. */
export type WarningKind = 'invalid_uei' | 'invalid_duns' | 'invalid_number_employees' | 'invalid_number_awards'
export type Warn = (kind: WarningKind) => void

export type Problem = { readonly problem: string }

const MAX_NAME = 500

/** A cell as it is quoted in reasons: short, without contact data. */
export function quoteCell(text: string | undefined): string {
  const scrubbed = scrubContacts(text ?? '')
  return `"${scrubbed.length > 60 ? `${scrubbed.slice(0, 60)}…` : scrubbed}"`
}

/** The value, or null with a warning when it can not be read. */
function orWarn<T>(value: T | Invalid, kind: WarningKind, warn: Warn): T | null {
  if (value !== INVALID) return value as T
  warn(kind)
  return null
}

/** The company of a row, of either file; a problem when it names none. */
export function companyFacts(raw: RawRow, dated: number, warn: Warn): CompanyFacts | Problem {
  const name = cleanText(raw.company)
  const normalized = name === null ? '' : normalizeCompanyName(name)
  if (name === null || normalized === '')
    return { problem: raw.company?.trim() ? `the company ${quoteCell(raw.company)} is no name` : 'no company' }
  if (name.length > MAX_NAME) return { problem: `the company name is longer than ${MAX_NAME} characters` }
  const state = stateCode(cleanIdentifier(raw.state))
  return {
    uei: orWarn(readUei(raw.uei), 'invalid_uei', warn),
    duns: orWarn(readDuns(raw.duns), 'invalid_duns', warn),
    nameKey: [normalized, state ?? ''].join('|'),
    fields: {
      name,
      address1: cleanAddress(raw.address1),
      address2: cleanAddress(raw.address2),
      city: cleanAddress(raw.city),
      state,
      zip: cleanText(raw.zip),
      country: cleanText(raw.country),
      website: cleanIdentifier(raw.website),
      number_employees: orWarn(readCount(raw.number_employees), 'invalid_number_employees', warn),
      number_awards: orWarn(readCount(raw.number_awards), 'invalid_number_awards', warn),
      hubzone_owned: readFlag(raw.hubzone_owned),
      woman_owned: readFlag(raw.woman_owned),
      disadvantaged: readFlag(raw.disadvantaged),
    },
    rawWebsite: raw.website?.trim() || null,
    dated,
  }
}

/** How many values are known. */
export function fullness(values: Readonly<Record<string, unknown>>): number {
  let known = 0
  for (const name in values) if (values[name] !== null) known++
  return known
}

/** A number below 2^40 that is the same for the same values, to compare rows without keeping them. */
export function fingerprint(values: Readonly<Record<string, unknown>>): number {
  return hash('sha256', JSON.stringify(values), 'buffer').readUIntBE(0, 5)
}
