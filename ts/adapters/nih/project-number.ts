/** NIH numbers: `1R43AI123456-01A1` is one year's application, `R43AI123456` the project that all its years share. */
import type { Entity } from '../../model/entity.ts'
import { attributeText } from '../shared/entity.ts'

/** Type of application, activity code, institute, serial, year and suffix. */
const NUMBER = /^\d?([A-Z][A-Z0-9]\d)([A-Z]{2})(\d{6})(?:-?\d{2}(?:[A-Z]\d)*)?$/
export const SBIR_ACTIVITIES = ['R43', 'R44', 'U43', 'U44', 'SB1', 'UB1', 'R41', 'R42', 'UT1', 'UT2'] as const

/** `1 R43 AI123456-01A1` -> `R43AI123456`; null for anything that is no grant's number (contracts such as `75N91023C00012`). */
export function coreNumber(text: string | null): string | null {
  const match = NUMBER.exec((text ?? '').toUpperCase().replace(/[^A-Z0-9-]/g, ''))
  return match === null ? null : `${match[1]}${match[2]}${match[3]}`
}

/** From the contract, else from the agency's tracking number, which is the application's number where it has one. */
export function coreOf(entity: Entity): string | null {
  return coreNumber(attributeText(entity, 'contract')) ?? coreNumber(attributeText(entity, 'agency_tracking_number'))
}

export function coreProblem(entity: Entity): string | null {
  if (coreOf(entity) !== null) return null
  const contract = attributeText(entity, 'contract') ?? attributeText(entity, 'agency_tracking_number')
  return contract === null ? 'no contract or tracking number' : `"${contract}" is no NIH project number`
}
