/** What SQLite's result codes mean to the engine. */
import { EngineError, messageOf } from '../../model/errors.ts'

const BUSY = 5
const LOCKED = 6
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const PROTOCOL = 15
const CONSTRAINT = 19
const NOTADB = 26

/** The primary result code of an error of `node:sqlite`; null for any other error. */
export function resultCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null
  return error.errcode & 0xff
}

export function isBusy(error: unknown): boolean {
  const code = resultCode(error)
  return code === BUSY || code === LOCKED || code === PROTOCOL
}

export function isUnreadable(error: unknown): boolean {
  const code = resultCode(error)
  return code === CORRUPT || code === NOTADB
}

export function storeUnreadable(path: string, what: string, cause?: unknown): EngineError {
  return new EngineError('configuration', 'store_unreadable', `${path} cannot be read as a state file: ${what}`, {
    hint: 'Nothing was changed. Restore the file from a backup, or move it (with its -wal and -shm files) away to start over.',
    cause,
  })
}

export function storeBusy(path: string, waitedMs: number): EngineError {
  return new EngineError('try_later', 'store_busy', `${path} was kept busy by another process for ${Math.round(waitedMs)} ms`, {
    hint: 'Run the same command later, or raise state.busy_timeout.',
  })
}

/** Turns an error of SQLite into one that says what to do next; errors of ours and bugs pass unchanged. */
export function translate(error: unknown, path: string): unknown {
  switch (resultCode(error)) {
    case null:
      return error
    case CORRUPT:
    case NOTADB:
      return storeUnreadable(path, `it is damaged (${messageOf(error)})`, error)
    case READONLY:
      return new EngineError('configuration', 'store_read_only', `${path} cannot be written: ${messageOf(error)}`, {
        hint: 'Check the permissions of the file and its directory; a command that only reads cannot write.',
        cause: error,
      })
    case FULL:
    case IOERR:
    case CANTOPEN:
      return new EngineError('failed', 'store_io', `${path}: ${messageOf(error)}`, {
        hint: 'Check free space and the health of the disk; nothing of this step was written. Then run the same command again.',
        cause: error,
      })
    case CONSTRAINT:
      return new EngineError('failed', 'store_refused', `${path} refused a value: ${messageOf(error)}`, { cause: error })
    default:
      return error
  }
}
