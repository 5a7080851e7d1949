/**
 * JSON as DuckDB can read it. A lone surrogate is legal in a JavaScript string and comes out of JSON.stringify as an
 * escape that DuckDB refuses, and one such value makes every query over the column fail: it becomes U+FFFD, as it does
 * in text columns.
 */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value)
  if (!text.includes('\\ud')) return text
  // JSON.stringify writes paired surrogates as characters, so an escaped one is always lone. `\\` is consumed first, so
  // that the text `\ud800` with a real backslash stays as it is.
  return text.replace(/\\\\|\\ud[89a-f][0-9a-f]{2}/g, (found) => (found === '\\\\' ? found : '\\ufffd'))
}
