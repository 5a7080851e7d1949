/**
 * USAspending searches one group of award types at a time. Which groups an award may be in, most likely first: each group
 * costs a call per hundred awards, so one that is merely possible is not asked.
 */
import type { JsonObject } from '../../model/json.ts'
import type { Target } from '../adapter.ts'
import { attributeText } from '../shared/entity.ts'
import { agencyCode } from './agencies.ts'
import { instrumentLetter, nihCore } from './award-ids.ts'

export type AwardGroup = 'contracts' | 'idvs' | 'grants' | 'direct_payments' | 'other_financial_assistance'

/** Award type codes by group, as the server groups them. Loans are left out: no SBIR award is one. */
const AWARD_TYPE_CODES: Readonly<Record<AwardGroup, readonly string[]>> = {
  contracts: ['A', 'B', 'C', 'D'],
  idvs: ['IDV_A', 'IDV_B', 'IDV_B_A', 'IDV_B_B', 'IDV_B_C', 'IDV_C', 'IDV_D', 'IDV_E'],
  grants: ['02', '03', '04', '05'],
  direct_payments: ['06', '10'],
  other_financial_assistance: ['09', '11'],
}
/** Codes of the new assistance format, which the server puts in the same groups since February 2026. */
const NEW_ASSISTANCE_CODES: Readonly<Partial<Record<AwardGroup, readonly string[]>>> = {
  grants: ['F001', 'F002'],
  direct_payments: ['F006', 'F007'],
  other_financial_assistance: ['F008', 'F009', 'F010'],
}
export const AWARD_GROUPS = Object.keys(AWARD_TYPE_CODES) as readonly AwardGroup[]

/** Codes to search a group by; `new_assistance_codes: false` leaves the new ones out, for a server that does not know them. */
export function awardTypeCodes(group: AwardGroup, options: JsonObject): readonly string[] {
  const added = options['new_assistance_codes'] === false ? [] : (NEW_ASSISTANCE_CODES[group] ?? [])
  return [...AWARD_TYPE_CODES[group], ...added]
}

export function isAwardGroup(text: string): text is AwardGroup {
  return Object.hasOwn(AWARD_TYPE_CODES, text)
}

/** Agencies whose SBIR awards are grants or cooperative agreements unless the number says otherwise: NSF, HHS, DOE, USDA. */
const GRANT_MAKERS: ReadonlySet<string> = new Set(['049', '075', '089', '012'])
/** Instrument letters of the uniform procurement number that mean an indefinite delivery vehicle, and an assistance award. */
const IDV_LETTERS = 'ADG'
const ASSISTANCE_DIGITS = '12'

/** Groups of an award that USAspending already identified by its generated id. */
export function groupsOfKey(generatedId: string): readonly AwardGroup[] {
  if (generatedId.startsWith('CONT_AWD_')) return ['contracts']
  if (generatedId.startsWith('CONT_IDV_')) return ['idvs']
  // The id of an assistance award does not tell its type; nearly all of ours are grants.
  return ['grants', 'other_financial_assistance', 'direct_payments']
}

export function groupsOf(target: Target): readonly AwardGroup[] {
  if (target.providerKey !== null) return groupsOfKey(target.providerKey)
  const contract = attributeText(target.entity, 'contract') ?? ''
  if (nihCore(contract) !== null) return ['grants', 'contracts']
  const letter = instrumentLetter(contract)
  if (letter !== null && ASSISTANCE_DIGITS.includes(letter)) return ['grants', 'contracts']
  if (letter !== null && IDV_LETTERS.includes(letter)) return ['idvs', 'contracts', 'grants']
  // A letter in the instrument place is a procurement number, whatever the agency usually does.
  if (letter !== null && /[A-Z]/.test(letter)) return ['contracts', 'grants']
  const agency = agencyCode(attributeText(target.entity, 'agency') ?? '')
  return agency !== null && GRANT_MAKERS.has(agency) ? ['grants', 'contracts'] : ['contracts', 'grants']
}
