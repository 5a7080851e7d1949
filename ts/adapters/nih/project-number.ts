/** NIH numbers: `1R43AI123456-01A1` is one year's application, `R43AI123456` the project that all its years share. */
import type { Entity } from '../../model/entity.ts'
import { attributeText } from '../shared/entity.ts'

/** Type of application, activity code, institute, serial, year and suffix. */
const NUMBER = /^\d?([A-Z][A-Z0-9]\d)([A-Z]{2})(?:(\d{6})(?:-?\d{2}(?:[A-Z]\d)*)?|(\d{5})(?:-\d{2}(?:[A-Z]\d)*)?)$/
export const SBIR_ACTIVITIES = ['R43', 'R44', 'U43', 'U44', 'SB1', 'UB1', 'R41', 'R42', 'UT1', 'UT2'] as const

function readNumber(text: string | null): { readonly core: string; readonly isCompleted: boolean } | null {
  const match = NUMBER.exec((text ?? '').toUpperCase().replace(/[^A-Z0-9-]/g, ''))
  if (match === null) return null
  const [, activity = '', institute = '', six, five = ''] = match
  // Contract numbers of others look like it (`D16PC00123`): only where the activity is one of SBIR's a digit is surely missing.
  if (six === undefined && !(SBIR_ACTIVITIES as readonly string[]).includes(activity)) return null
  return { core: `${activity}${institute}${six ?? `0${five}`}`, isCompleted: six === undefined }
}

/**
 * `1 R43 AI123456-01A1` -> `R43AI123456`; null for anything that is no grant's number (contracts such as `75N91023C00012`). RePORTER writes
 * serials with six digits (`HD036038`), older lists without the zero in front: `R43HD36038-01` -> `R43HD036038`.
 */
export function coreNumber(text: string | null): string | null {
  return readNumber(text)?.core ?? null
}

/** From the contract, else from the agency's tracking number, which is the application's number where it has one. */
export function coreOf(entity: Entity): string | null {
  return coreNumber(attributeText(entity, 'contract')) ?? coreNumber(attributeText(entity, 'agency_tracking_number'))
}

/** The number as it was written, when its serial has five digits everywhere; null when one that is whole says the same. */
export function shortNumberOf(entity: Entity): string | null {
  const core = coreOf(entity)
  const written = ['contract', 'agency_tracking_number'].map((name) => attributeText(entity, name))
  const same = written.filter((text) => core !== null && readNumber(text)?.core === core)
  return same.some((text) => readNumber(text)?.isCompleted === false) ? null : (same[0] ?? null)
}

export function coreProblem(entity: Entity): string | null {
  if (coreOf(entity) !== null) return null
  const contract = attributeText(entity, 'contract') ?? attributeText(entity, 'agency_tracking_number')
  return contract === null ? 'no contract or tracking number' : `"${contract}" is no NIH project number`
}
