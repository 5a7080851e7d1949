/** Starts, kills, stops and collects real processes. Every process started is reaped by `reapAll`, whatever a test does. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { REPOSITORY } from './home.ts'

export type Ended = {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly ms: number
}

export type Child = {
  readonly pid: number
  readonly ended: Promise<Ended>
  readonly isAlive: () => boolean
  kill(signal: NodeJS.Signals): void
  stdout(): string
  stderr(): string
}

const alive = new Set<ChildProcess>()

/** What one process compiled the next need not: halves the time that hundreds of starts take. */
const compileCache = mkdtempSync(join(tmpdir(), 'enrichment-compiled-'))

export function start(
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly input?: string } = {},
): Child {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...args], {
    cwd: options.cwd ?? REPOSITORY,
    env: { ...(options.env ?? process.env), NODE_COMPILE_CACHE: compileCache },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  alive.add(child)
  let stdout = ''
  let stderr = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  if (options.input !== undefined) {
    // A process that is killed before it has read this is one of the cases.
    child.stdin!.on('error', () => {})
    child.stdin!.end(options.input)
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      alive.delete(child)
      resolve({ code, signal, stdout, stderr, ms: performance.now() - startedAt })
    })
  })
  return {
    pid: child.pid!,
    ended,
    isAlive: () => alive.has(child),
    kill: (signal) => void child.kill(signal),
    stdout: () => stdout,
    stderr: () => stderr,
  }
}

/** For `afterAll` of a file: ends what still runs and removes what starting left behind. */
export async function reapAll(): Promise<void> {
  const left = [...alive].map((child) => new Promise((resolve) => child.once('close', resolve)))
  for (const child of alive) child.kill('SIGKILL')
  await Promise.all(left)
  rmSync(compileCache, { recursive: true, force: true })
}

export const CLI = join(REPOSITORY, 'ts', 'cli.js')
export const WORKER = join(REPOSITORY, 'test', 'chaos', 'worker.ts')

/** Runs at most so many jobs at once: tests of processes run side by side, as many as there are processors. */
export function createGate(width: number): <T>(job: () => Promise<T>) => Promise<T> {
  let free = width
  const waiting: (() => void)[] = []
  return async (job) => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await job()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
