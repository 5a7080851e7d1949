/**
 * The key of an award. No column of the published file is one: contract numbers repeat and a quarter has none, half of the
 * dates are missing. The key is a hash over the columns that tell two awards apart, with the version of this recipe before it.
 */
import { hash } from 'node:crypto'

export const GRAIN_VERSION = 'v1'

export type Grain = {
  readonly recipient: string
  readonly agencyTrackingNumber: string | null
  readonly contract: string | null
  readonly agency: string | null
  readonly branch: string | null
  readonly phase: string | null
  readonly program: string | null
  /** `YYYY-MM-DD`, however the file writes it. */
  readonly proposalAwardDate: string | null
  readonly solicitationNumber: string | null
}

/** SBIR.gov renamed the agency in 2025, on old awards too; they stay the awards they were. */
const RENAMED: Readonly<Record<string, string>> = { 'DEPARTMENT OF WAR': 'DEPARTMENT OF DEFENSE', DOW: 'DOD' }

/** Nearly all text is folded already. */
const UNFOLDED = /[^\x21-\x7e ]| {2}|^ | $/

/** Upper case, white space (control characters included) folded: what is left can not hold the separator. */
function part(text: string | null): string {
  if (text === null) return ''
  const folded = UNFOLDED.test(text) ? text.replace(/[\s\p{Cc}]+/gu, ' ').trim() : text
  return folded.toUpperCase()
}

/** `v1:` and 64 hexadecimal digits. */
export function grainKey(grain: Grain): string {
  const agency = part(grain.agency)
  const parts = [
    part(grain.recipient),
    part(grain.agencyTrackingNumber),
    part(grain.contract),
    RENAMED[agency] ?? agency,
    part(grain.branch),
    part(grain.phase),
    part(grain.program),
    part(grain.proposalAwardDate),
    part(grain.solicitationNumber),
  ]
  return `${GRAIN_VERSION}:${hash('sha256', parts.join('\u001f'))}`
}
