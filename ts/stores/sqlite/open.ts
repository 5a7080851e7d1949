/**
 * Opens the state file, or makes it when there is none. Whatever is wrong with an existing file is reported with what to
 * do; it is never started over and never written to.
 */
import { randomInt } from 'node:crypto'
import { closeSync, openSync, rmSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { EngineError, messageOf } from '../../model/errors.ts'
import type { DurationMs } from '../../model/time.ts'
import { type CrashPoints, NO_CRASH_POINTS, type Random } from '../../runtime/ports.ts'
import type { Store } from '../store.ts'
import { Connection, SYNC_WAIT_MS } from './connection.ts'
import { APPLICATION_ID, createStateFile, ensureDirectory, lookAt, storeMissing } from './file.ts'
import { refuseNetworkFileSystem } from './file-system.ts'
import { LogSync, type SyncFile } from './log-sync.ts'
import { MIGRATIONS, type Migration, migrate, refusal, schemaVersion } from './migrate.ts'
import { schemaProblem } from './schema-check.ts'
import { isBusy, isUnreadable, storeUnreadable, translate } from './sqlite-errors.ts'
import { createStore } from './store-of.ts'

export type SqliteStoreOptions = {
  readonly path: string
  /** Longest wait for other processes per call, then `store_busy` (`store_locked` when opening). */
  readonly busyTimeoutMs: DurationMs
  /** For commands that only read: makes and changes nothing, takes no lock that a writer would wait for. */
  readonly readOnly?: boolean
  readonly crashPoints?: CrashPoints
  /** Jitter of waits for other processes. */
  readonly random?: Random
  /** For tests of upgrades and of the disk check. */
  readonly migrations?: readonly Migration[]
  readonly statType?: (directory: string) => number
  /** How the log is brought to disk. Replaced by tests alone. */
  readonly syncFile?: SyncFile
}

export type SqliteStore = Store & {
  readonly path: string
  /** Copies a consistent state to a new file while work goes on; the copy is a complete state file. `store_exists` when the file is there. */
  backup(path: string): Promise<void>
}

/** Files up to this size are checked page by page at every opening (about 1 ms per MB); larger ones by their structure. */
const FULL_CHECK_BYTES = 32 * 1024 * 1024

const SYSTEM_JITTER: Random = { next: () => randomInt(2 ** 32) / 2 ** 32 }

/**
 * @throws EngineError (recovery `configuration`) `store_unreadable`, `store_foreign`, `store_newer`, `no_upgrade_path`,
 * `store_network_fs`, `store_missing` (only with `readOnly`); `store_locked` when another program keeps it to itself.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const path = resolve(options.path)
  const readOnly = options.readOnly ?? false
  const migrations = options.migrations ?? MIGRATIONS
  const crashPoints = options.crashPoints ?? NO_CRASH_POINTS
  const base = { path, busyTimeoutMs: options.busyTimeoutMs, crashPoints, random: options.random ?? SYSTEM_JITTER }

  if (!readOnly) ensureDirectory(path)
  if (lookAt(path, readOnly) === 'missing') {
    if (readOnly) throw storeMissing(path)
    refuseNetworkFileSystem(dirname(path), options.statType)
    await createStateFile({ ...base, reach: (point) => crashPoints.reach(point) }, migrations)
  } else {
    refuseNetworkFileSystem(dirname(path), options.statType)
  }
  await patiently(base, () => inspect(path, migrations, readOnly))
  const database = await patiently(base, () => connect(path, readOnly))
  const connection = new Connection(database, { ...base, log: new LogSync(path, readOnly, options.syncFile) })
  try {
    if (!readOnly) await migrate(connection, migrations)
  } catch (error) {
    connection.close()
    throw error
  }
  return {
    ...createStore(connection),
    path,
    backup: (target) => copyTo(connection, target),
  }
}

async function copyTo(connection: Connection, target: string): Promise<void> {
  try {
    // Made first, for its owner only; an existing file is never written over.
    closeSync(openSync(target, 'wx', 0o600))
  } catch (error) {
    throw new EngineError('configuration', 'store_exists', `cannot make ${target}: ${messageOf(error)}`, {
      hint: 'Name a file that is not there yet, in a directory that is.',
      cause: error,
    })
  }
  try {
    await backup(connection.handle, target)
  } catch (error) {
    rmSync(target, { force: true })
    throw translate(error, target)
  }
}

/** Waits for other processes as long as allowed; what then still holds the file is named `store_locked`. */
async function patiently<T>(base: { path: string; busyTimeoutMs: DurationMs; random: Random }, attempt: () => T): Promise<T> {
  const since = performance.now()
  for (;;) {
    try {
      return attempt()
    } catch (error) {
      if (!isBusy(error)) throw opening(error, base.path)
      if (performance.now() - since >= base.busyTimeoutMs) {
        throw new EngineError('configuration', 'store_locked', `another program keeps ${base.path} to itself`, {
          hint: 'Close it (an open sqlite3 shell, a backup, a copy in progress), then run the same command again.',
          cause: error,
        })
      }
      await sleep(1 + base.random.next() * 20)
    }
  }
}

function opening(error: unknown, path: string): unknown {
  if (isUnreadable(error)) return storeUnreadable(path, messageOf(error), error)
  const known = translate(error, path)
  if (known instanceof EngineError) return known.code === 'store_io' ? storeUnreadable(path, messageOf(error), error) : known
  return storeUnreadable(path, messageOf(error), error)
}

/** Looks at the file through a connection that cannot write, so that a file of someone else stays as it is. */
function inspect(path: string, migrations: readonly Migration[], readOnly: boolean): void {
  const database = new DatabaseSync(path, { readOnly: true, timeout: SYNC_WAIT_MS })
  try {
    const get = <T>(sql: string): T => database.prepare(sql).get() as T
    const { application_id: application } = get<{ application_id: number }>('PRAGMA application_id')
    if (application !== APPLICATION_ID) {
      throw new EngineError('configuration', 'store_foreign', `${path} is an SQLite database of another program`, {
        hint: 'Point state.path (or --state) to another file.',
      })
    }
    const version = schemaVersion({ get: <Row>(sql: string) => get<Row>(sql) })
    const refused = refusal(path, version, migrations, readOnly)
    if (refused !== null) throw refused
    checkStructure(database, path)
    const problem = schemaProblem(database, version, migrations)
    if (problem !== null) throw storeUnreadable(path, `it ${problem}`)
  } finally {
    database.close()
  }
}

/**
 * A small file is checked page by page. In a large one both ends of every table and index are read, and the number of
 * pages compared with the file's length: finds cut-off files and broken roots in milliseconds; damage elsewhere shows as
 * `store_unreadable` when it is read.
 */
function checkStructure(database: DatabaseSync, path: string): void {
  const number = (sql: string): number => Number(Object.values(database.prepare(sql).get()!)[0])
  const bytes = statSync(path).size
  if (bytes <= FULL_CHECK_BYTES) {
    const problem = Object.values(database.prepare('PRAGMA quick_check(1)').get()!)[0]
    if (problem !== 'ok') throw storeUnreadable(path, `it is damaged (${String(problem)})`)
    return
  }
  // Pages may still be in the log alone; without a log the file must hold them all.
  const isFolded = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) === 0
  const pageSize = number('PRAGMA page_size')
  if (bytes % pageSize !== 0 || (isFolded && number('PRAGMA page_count') * pageSize > bytes))
    throw storeUnreadable(path, 'it was cut off')
  for (const { name, columns } of database
    .prepare(
      "SELECT name, (SELECT group_concat('\"' || name || '\"') FROM pragma_table_info(t.name) WHERE pk > 0) AS columns FROM sqlite_schema t WHERE type = 'table'",
    )
    .all() as { name: string; columns: string | null }[]) {
    const keys = columns ?? 'rowid'
    const order = (direction: string): string =>
      keys
        .split(',')
        .map((key) => `${key} ${direction}`)
        .join(',')
    database.prepare(`SELECT 1 FROM "${name}" ORDER BY ${order('ASC')} LIMIT 1`).get()
    database.prepare(`SELECT 1 FROM "${name}" ORDER BY ${order('DESC')} LIMIT 1`).get()
  }
}

function connect(path: string, readOnly: boolean): DatabaseSync {
  const database = new DatabaseSync(path, {
    readOnly,
    timeout: SYNC_WAIT_MS,
    // Rows are never deleted where another row points at them; checking it again would cost every commit.
    enableForeignKeyConstraints: false,
  })
  try {
    database.exec('PRAGMA trusted_schema = OFF')
    database.exec('PRAGMA cell_size_check = ON')
    database.exec('PRAGMA temp_store = MEMORY')
    database.exec('PRAGMA cache_size = -16384')
    if (!readOnly) {
      const { journal_mode: mode } = database.prepare('PRAGMA journal_mode = WAL').get() as { journal_mode: string }
      if (mode !== 'wal')
        throw storeUnreadable(path, `this disk does not support the write-ahead log (journal mode stays ${mode})`)
      // The log is synced by `LogSync` before a commit is acknowledged, on another thread.
      database.exec('PRAGMA synchronous = NORMAL')
      // Larger than the default: pages that many commits rewrite are then folded back once. The log file shrinks after.
      database.exec('PRAGMA wal_autocheckpoint = 4000')
      database.exec('PRAGMA journal_size_limit = 67108864')
    }
    return database
  } catch (error) {
    database.close()
    throw error
  }
}
