/** Whether a state file still has the tables, columns and indexes of the schema version that it says it has. */
import { DatabaseSync } from 'node:sqlite'
import type { Migration } from './migrate.ts'

/** `table ledger`, `index ledger_due`, `column ledger.due_at`. What SQLite makes by itself is left out. */
function partsOf(database: DatabaseSync): ReadonlySet<string> {
  const objects = database
    .prepare(
      "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'index', 'trigger') AND name NOT LIKE 'sqlite!_%' ESCAPE '!'",
    )
    .all() as { type: string; name: string }[]
  const columns = database
    .prepare(
      "SELECT t.name || '.' || c.name AS name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!'",
    )
    .all() as { name: string }[]
  return new Set([...objects.map(({ type, name }) => `${type} ${name}`), ...columns.map(({ name }) => `column ${name}`)])
}

/** What the file lacks of its schema, or null. More than it needs does no harm. */
export function missingPart(database: DatabaseSync, version: number, migrations: readonly Migration[]): string | null {
  const whole = new DatabaseSync(':memory:')
  try {
    for (const migration of migrations) {
      if (migration.version > version) break
      for (const sql of migration.sql) whole.exec(sql)
    }
    const found = partsOf(database)
    for (const part of partsOf(whole)) if (!found.has(part)) return part
    return null
  } finally {
    whole.close()
  }
}
