/** Versioned values under a name. */
import type { JsonValue } from '../../model/json.ts'
import type { Connection } from './connection.ts'

/** Inside a transaction: writes whatever the stored version is, and counts it up. */
export function writeFact(db: Connection, name: string, value: JsonValue): void {
  db.run(
    'INSERT INTO fact (name, version, value) VALUES (?, 1, ?) ON CONFLICT (name) DO UPDATE SET version = version + 1, value = excluded.value',
    name,
    JSON.stringify(value),
  )
}

export function getFact(db: Connection, name: string): Promise<{ readonly version: number; readonly value: JsonValue } | null> {
  return db.read(() => {
    const row = db.get<{ version: number; value: string }>('SELECT version, value FROM fact WHERE name = ?', name)
    return row === undefined ? null : { version: row.version, value: db.json<JsonValue>(row.value) }
  })
}

export function putFact(db: Connection, name: string, expected: number, value: JsonValue): Promise<boolean> {
  return db.write('put_state', () => {
    const stored = db.get<{ version: number }>('SELECT version FROM fact WHERE name = ?', name)?.version ?? 0
    if (stored !== expected) return false
    writeFact(db, name, value)
    return true
  })
}
