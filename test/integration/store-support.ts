/** Temporary state files for the store's integration tests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'
import { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from '../../ts/stores/sqlite/open.ts'
import type { Job } from './store-worker.ts'

export type Files = {
  /** A path in a directory of its own, where nothing is yet. */
  path(): Promise<string>
  open(options?: Partial<SqliteStoreOptions>): Promise<SqliteStore>
}

/** Everything made through it is closed and removed after each test. */
export function temporaryFiles(): Files {
  const directories: string[] = []
  const stores: SqliteStore[] = []
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close()
    for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true })
  })
  const path = async (): Promise<string> => {
    const directory = await mkdtemp(join(tmpdir(), 'store-test-'))
    directories.push(directory)
    return join(directory, 'state.sqlite')
  }
  return {
    path,
    open: async (options = {}) => {
      const store = await openSqliteStore({ path: options.path ?? (await path()), busyTimeoutMs: 5000, ...options })
      stores.push(store)
      return store
    },
  }
}

export type Ended = {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly lines: readonly string[]
  readonly errors: string
}
/** `spoke`: it told something, or ended. */
export type Worker = { readonly child: ChildProcess; readonly spoke: Promise<void>; readonly ended: Promise<Ended> }

/** Starts `store-worker.ts` in a process of its own. */
export function startWorker(job: Job): Worker {
  const child = spawn(process.execPath, [fileURLToPath(new URL('store-worker.ts', import.meta.url)), JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, lines: output.split('\n').slice(0, -1), errors }))
  })
  const spoke = new Promise<void>((resolve) => {
    child.stdout.once('data', () => resolve())
    child.once('close', () => resolve())
  })
  return { child, spoke, ended }
}

/** Numbers that a worker told after `word`. */
export function told(ended: Ended, word: string): number[] {
  return ended.lines.filter((line) => line.startsWith(`${word} `)).map((line) => Number(line.slice(word.length + 1)))
}
