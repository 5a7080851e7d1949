/** The state file as a file: made whole under another name and then linked into place, checked before it is trusted. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { EngineError, messageOf } from '../../model/errors.ts'
import { Connection, SYNC_WAIT_MS } from './connection.ts'
import { type Migration, migrate } from './migrate.ts'
import { storeUnreadable } from './sqlite-errors.ts'

/** "ERFS" in ASCII, in the header of every state file: tells ours from other SQLite databases. */
export const APPLICATION_ID = 0x45524653

type CreateOptions = ConstructorParameters<typeof Connection>[1]

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

export function ensureDirectory(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new EngineError('configuration', 'store_unreadable', `cannot make the directory of ${path}: ${messageOf(error)}`, {
      hint: 'Check the path (state.path or --state) and the permissions of its parents.',
      cause: error,
    })
  }
}

export function storeMissing(path: string): EngineError {
  return new EngineError('configuration', 'store_missing', `there is no state file at ${path}`, {
    hint: 'Ingest the bulk file first (`ingest --awards FILE`), or check state.path (or --state).',
  })
}

/**
 * Says what is at the path without opening it: closing a plain file descriptor would drop the locks that other
 * connections of this process have on the file.
 */
export function lookAt(path: string, readOnly: boolean): 'missing' | 'present' {
  let size: number
  try {
    const stat = statSync(path)
    if (!stat.isFile()) throw storeUnreadable(path, 'it is not a regular file')
    size = stat.size
  } catch (error) {
    if (error instanceof EngineError) throw error
    if (!isMissing(error)) throw storeUnreadable(path, messageOf(error), error)
    if (existsSync(`${path}-wal`))
      throw storeUnreadable(path, `the file is gone, but its log ${basename(path)}-wal is still there`)
    return 'missing'
  }
  // Files are linked into place when they are whole, so an empty one was never ours or was cut off.
  if (size === 0) throw storeUnreadable(path, 'it is empty')
  try {
    accessSync(path, readOnly ? constants.R_OK : constants.R_OK | constants.W_OK)
  } catch (error) {
    throw new EngineError(
      'configuration',
      'store_unreadable',
      `${path} may not be ${readOnly ? 'read' : 'written'} by this user`,
      {
        hint: 'Check the owner and the permissions of the file and its directory.',
        cause: error,
      },
    )
  }
  return 'present'
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function removeDatabase(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true })
}

/** Half-made files of processes that died while making them. */
function sweepLeftovers(path: string): void {
  const prefix = `${basename(path)}.new-`
  for (const name of readdirSync(dirname(path))) {
    const match = name.startsWith(prefix) ? /^(\d+)-\d+$/.exec(name.slice(prefix.length)) : null
    if (match !== null && !isAlive(Number(match[1]))) removeDatabase(join(dirname(path), name))
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Puts the finished file in place unless another process was first. */
function publish(made: string, path: string): void {
  try {
    linkSync(made, path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code === 'EEXIST') return
    // Disks without hard links (exFAT): the last of several processes that start at the same moment wins, before any wrote.
    if (existsSync(path)) return
    renameSync(made, path)
  }
}

/**
 * Makes a new state file with the latest schema. It appears under its name whole and on disk, or not at all; of several
 * processes that start together one wins and the others use its file.
 */
export async function createStateFile(
  options: Omit<CreateOptions, 'log'> & { readonly reach: (point: string) => void },
  migrations: readonly Migration[],
): Promise<void> {
  const { path } = options
  sweepLeftovers(path)
  const made = `${path}.new-${process.pid}-${process.hrtime.bigint()}`
  try {
    closeSync(openSync(made, 'wx', 0o600))
    const database = new DatabaseSync(made, { timeout: SYNC_WAIT_MS })
    const connection = new Connection(database, { ...options, path: made, log: null })
    try {
      connection.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
      await migrate(connection, migrations)
      // Kept in the header: every later connection uses the write-ahead log.
      connection.get('PRAGMA journal_mode = WAL')
    } finally {
      connection.close()
    }
    syncPath(made)
    options.reach('store.create.before_link')
    publish(made, path)
    if (process.platform !== 'win32') syncPath(dirname(path))
    options.reach('store.create.after_link')
  } catch (error) {
    if (error instanceof EngineError) throw error
    throw new EngineError('configuration', 'store_unreadable', `cannot make the state file ${path}: ${messageOf(error)}`, {
      hint: 'Check free space and the permissions of the directory.',
      cause: error,
    })
  } finally {
    removeDatabase(made)
  }
}
