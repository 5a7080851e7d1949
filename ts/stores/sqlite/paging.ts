/**
 * Streams over what one query selects now, in pages, while others write between them. Only the ids are held, as one text
 * of about 8 bytes a row, so that each row comes at most once and in the order it was selected in, and no read stays open.
 */
import type { Connection, Value } from './connection.ts'

export const PAGE_ROWS = 500

/** A query with one column `id`, in order. Null when there is nothing to select from. */
export type IdQuery = { readonly sql: string; readonly values: Readonly<Record<string, Value>> } | null

/** SQLite joins the ids, which is many times faster than to hand over a row for each; it keeps the order of the inner query. */
function collect(db: Connection, query: IdQuery): string {
  if (query === null) return ''
  return db.getNamed<{ ids: string | null }>(`SELECT group_concat(id) AS ids FROM (${query.sql})`, query.values)?.ids ?? ''
}

/** End of the page that begins at `from`. */
function pageEnd(ids: string, from: number): number {
  let end = from
  for (let rows = 0; rows < PAGE_ROWS; rows += 1) {
    end = ids.indexOf(',', end + 1)
    if (end < 0) return ids.length
  }
  return end
}

/**
 * `select`: the query that names the ids. `fetch`: reads one page of them, given as a JSON array; rows that are gone or no
 * longer wanted are left out. `settled`: each page is on disk before it is handed out (see `Connection.settled`).
 */
export async function* pages<Item>(
  db: Connection,
  select: () => IdQuery,
  fetch: (ids: string) => readonly Item[],
  options: { readonly settled: boolean } = { settled: false },
): AsyncGenerator<Item> {
  const ids = await db.read(() => collect(db, select()))
  for (let from = 0; from < ids.length; ) {
    const end = pageEnd(ids, from)
    const page = `[${ids.slice(from, end)}]`
    const items = await db.read(() => fetch(page))
    if (options.settled) await db.settled()
    // Not `yield*`, which asks an array for each item through two promises more.
    for (const item of items) yield item
    from = end + 1
  }
}
