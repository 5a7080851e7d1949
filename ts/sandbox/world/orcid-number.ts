/** iDs of the sandbox's researchers, in the range and with the checksum of real ones. */

/** ISO 7064, mod 11-2, as ORCID computes it. */
function checkCharacter(digits: string): string {
  const total = [...digits].reduce((sum, digit) => (sum + Number(digit)) * 2, 0)
  const value = (12 - (total % 11)) % 11
  return value === 10 ? 'X' : String(value)
}

const FIRST = 15_000_000
const COUNT = 20_000_000
/** Has no factor in common with COUNT, so that no two numbers below it share an iD. */
const STRIDE = 7_919

/** Different for all whole numbers from 0 to 20 million. */
export function orcidOfNumber(number: number): string {
  const digits = String(FIRST + ((number * STRIDE) % COUNT)).padStart(15, '0')
  const all = digits + checkCharacter(digits)
  return `${all.slice(0, 4)}-${all.slice(4, 8)}-${all.slice(8, 12)}-${all.slice(12)}`
}
