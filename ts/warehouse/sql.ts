/** The only places where text becomes part of SQL. Data never does: it goes through the appender or bound values. */

/** A string literal. Only for paths, names of ours and times; NUL cannot be part of a path and is refused. */
export function sqlText(text: string): string {
  if (text.includes('\0')) throw new Error('a SQL literal cannot hold NUL')
  return `'${text.replaceAll("'", "''")}'`
}

/** A quoted identifier; column names such as `at`, `old` and `new` are keywords. */
export function sqlName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** `TIMESTAMP` (UTC) from an SQL expression of epoch milliseconds; null stays null. */
export function sqlTimestamp(epochMs: string): string {
  return `make_timestamp(CAST(${epochMs} AS BIGINT) * 1000)`
}
