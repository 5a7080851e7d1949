/** Text as providers write it -> text that can be compared. */

/** What `foldText` would change. Nearly no text of a provider has it, and this check is what makes rows cheap. */
const NEEDS_FOLDING = /[^\S ]| {2}|^ | $|_x000D_/

/** White space (also the `_x000D_` that spreadsheets leave behind) folded to single spaces, ends trimmed. */
export function foldText(text: string): string {
  if (!NEEDS_FOLDING.test(text)) return text
  return text.replaceAll('_x000D_', ' ').replace(/\s+/g, ' ').trim()
}

/** A provider's own words for a reason or a log line: one line, no control characters, at most `max` characters. */
export function clipText(text: string, max = 200): string {
  const line = foldText(
    text.slice(0, max * 8).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, ' '),
  )
  return line.length <= max ? line : `${line.slice(0, max - 1)}…`
}

/** Upper case, letters and digits only: the form in which award numbers are compared. */
export function stripId(text: string): string {
  return text.toUpperCase().replace(/[^A-Z0-9]/g, '')
}
