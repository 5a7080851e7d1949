/** Schema versions: numbered steps, each applied once, inside the transaction that also writes the new version. */
import { EngineError } from '../../model/errors.ts'
import type { Connection } from './connection.ts'
import { initial } from './migrations/0001-initial.ts'
import { identities } from './migrations/0002-identities.ts'
import { eventsByEntity } from './migrations/0003-events-by-entity.ts'

export type Migration = { readonly version: number; readonly name: string; readonly sql: readonly string[] }

/** In order, without gaps. A file older than the first step's predecessor has no upgrade path. */
export const MIGRATIONS: readonly Migration[] = [initial, identities, eventsByEntity]

export function latestVersion(migrations: readonly Migration[]): number {
  return migrations.at(-1)!.version
}

export function schemaVersion(connection: Pick<Connection, 'get'>): number {
  return connection.get<{ user_version: number }>('PRAGMA user_version')!.user_version
}

/** Says why a file of schema `version` cannot be used; null when it can, perhaps after an upgrade. */
export function refusal(path: string, version: number, migrations: readonly Migration[], readOnly: boolean): EngineError | null {
  const latest = latestVersion(migrations)
  if (version === latest) return null
  if (version > latest) {
    return new EngineError('configuration', 'store_newer', `${path} has schema ${version}; this version knows up to ${latest}`, {
      hint: 'Use the version of this program that wrote the file, or a newer one.',
    })
  }
  if (version < migrations[0]!.version) {
    return new EngineError(
      'configuration',
      'no_upgrade_path',
      `${path} has schema ${version}; this version upgrades from ${migrations[0]!.version}`,
      {
        hint: 'Upgrade it with an older version of this program first, or move it away to start over.',
      },
    )
  }
  if (readOnly) {
    return new EngineError(
      'configuration',
      'no_upgrade_path',
      `${path} has schema ${version} and was opened for reading; ${latest} is needed`,
      {
        hint: 'Run any command that writes (e.g. refresh) once: it upgrades the file.',
      },
    )
  }
  return null
}

/** Brings the schema up to date. Processes that start together take turns; those that come later find nothing to do. */
export async function migrate(connection: Connection, migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
  for (const migration of migrations) {
    if (schemaVersion(connection) >= migration.version) continue
    await connection.write('migrate', () => {
      // Another process may have been first while this one waited for its turn.
      if (schemaVersion(connection) >= migration.version) return
      for (const sql of migration.sql) connection.exec(sql)
      connection.exec(`PRAGMA user_version = ${migration.version}`)
    })
  }
}
