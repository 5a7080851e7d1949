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

/** Columns that every new row must fill and that nobody else fills: not null, no default. `table.column`. */
function requiredColumns(database: DatabaseSync): readonly string[] {
  const rows = database
    .prepare(
      "SELECT t.name || '.' || c.name AS name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!' AND c.\"notnull\" = 1 AND c.dflt_value IS NULL",
    )
    .all() as { name: string }[]
  return rows.map(({ name }) => name)
}

/**
 * What keeps the file from being one of its schema, or null: a part that it lacks, or a column of somebody else's without which no row
 * can be written. What else it has more than it needs does no harm.
 */
export function schemaProblem(database: DatabaseSync, version: number, migrations: readonly Migration[]): string | null {
  const whole = new DatabaseSync(':memory:')
  try {
    for (const migration of migrations) {
      if (migration.version > version) break
      for (const sql of migration.sql) whole.exec(sql)
    }
    const found = partsOf(database)
    const expected = partsOf(whole)
    for (const part of expected) if (!found.has(part)) return `lacks the ${part} of its schema ${version}`
    const isOurs = (name: string): boolean => expected.has(`table ${name.slice(0, name.indexOf('.'))}`)
    const foreign = requiredColumns(database).find((name) => isOurs(name) && !expected.has(`column ${name}`))
    return foreign === undefined
      ? null
      : `has the column ${foreign}, which its schema ${version} does not know and every row would have to fill`
  } finally {
    whole.close()
  }
}
