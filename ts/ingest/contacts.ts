/** Contact data of people, which is never stored: neither in entities nor in what is kept of a broken row. */

/** Bounded on both sides of the @, so that no text takes more than linear time. */
export const EMAIL = /[^\s<>()[\],;:"']{1,64}@[^\s<>()[\],;:"'@]{1,190}\.[^\s<>()[\],;:"'@]{2,63}/g
const PHONE = /(?<![A-Za-z0-9])(?:\+?1[-. ]?)?(?:\(\d{3}\) ?|\d{3}[-. ]?)\d{3}[-. ]?\d{4}(?![0-9])/g

/** A number that nothing but a telephone has: `(703) 555-0101`, `703-555-0101`, `703.555.0101`. */
export const WRITTEN_PHONE = /(?<![A-Za-z0-9-])(?:\+?1[-. ])?(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}(?![A-Za-z0-9-])/g

/** The text without e-mail addresses and telephone numbers. Ten digits in a row count as a telephone number. */
export function scrubContacts(text: string): string {
  const withoutPhones = text.replace(PHONE, '[number]')
  return withoutPhones.includes('@') ? withoutPhones.replace(EMAIL, '[e-mail]') : withoutPhones
}
