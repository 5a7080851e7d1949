/** Five characters without I and O; a letter in front or at the end marks a foreign code (NCAGE). */
const CAGE = /^[0-9A-HJ-NP-Z]{5}$/

/** A code in the form in which it is compared; null when it is none. */
export function cageCode(text: string | null): string | null {
  const code = text?.trim().toUpperCase() ?? ''
  return CAGE.test(code) ? code : null
}
