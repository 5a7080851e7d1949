/** ORCID iDs: sixteen characters, of which the last one is a checksum (ISO 7064, mod 11-2) and may be X. */

const ID = /(?<![0-9A-Za-z])(\d{4})-?(\d{4})-?(\d{4})-?(\d{3}[\dXx])(?![0-9A-Za-z])/

/** The last character that belongs to fifteen digits. */
export function orcidChecksum(digits: string): string {
  let total = 0
  for (const digit of digits) total = (total + Number(digit)) * 2
  const rest = (12 - (total % 11)) % 11
  return rest === 10 ? 'X' : String(rest)
}

/** `0000-0002-1825-0097` out of an iD, its URL or a text that holds one; null when there is none or its checksum is wrong. */
export function readOrcid(text: string | null | undefined): string | null {
  const match = ID.exec((text ?? '').slice(0, 400))
  if (match === null) return null
  const [, a, b, c, d] = match
  const digits = `${a}${b}${c}${d}`.toUpperCase()
  return orcidChecksum(digits.slice(0, 15)) === digits[15] ? `${a}-${b}-${c}-${digits.slice(12)}` : null
}
