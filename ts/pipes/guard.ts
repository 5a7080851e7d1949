/**
 * Sees to it that Dagster is told how the process ended, whichever way it does: an error nobody caught, a signal nobody
 * handles, `process.exit` in the middle, work that stopped without an end. Dagster itself looks at the exit code alone, so an
 * end that was no success gets one other than 0.
 */
import { constants } from 'node:os'
import type { PipesException } from './protocol.ts'

export type GuardedContext = {
  readonly state: 'open' | 'disposed' | 'closed'
  readonly isFailed: boolean
  isGuarded: boolean
  close(exception?: unknown): void
}

type Listener = (...args: never[]) => void
/** What is needed of `process`; tests bring an emitter. */
export type GuardedProcess = {
  on(event: string, listener: Listener): unknown
  off(event: string, listener: Listener): unknown
  listenerCount(event: string): number
  exitCode?: number | string | null | undefined
  exit(code?: number): void
}

export type GuardOptions = {
  /** To stderr; secrets are out of it already. */
  readonly say: (text: string) => void
  readonly exitCodeOf?: (error: unknown) => number
  readonly process?: GuardedProcess
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

function ended(name: string, message: string): PipesException {
  return { message, stack: [], name, cause: null, context: null }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.stack ?? `${error.name}: ${error.message}`
}

export function guardProcess(context: GuardedContext, options: GuardOptions): void {
  const host = options.process ?? (process as unknown as GuardedProcess)
  const { say, exitCodeOf = () => 1 } = options
  context.isGuarded = true

  /** The last message is worth a try; that it fails must not hide why the process ends. */
  function closeWith(exception: unknown): void {
    try {
      context.close(exception)
    } catch (error) {
      say(`${textOf(error)}\n`)
    }
  }

  function onUncaught(error: unknown): void {
    closeWith(error)
    // Whoever else listens decides how the process goes on.
    if (host.listenerCount('uncaughtException') > 1) return
    say(`${textOf(error)}\n`)
    host.exit(exitCodeOf(error) || 1)
  }

  const onSignal = Object.fromEntries(
    SIGNALS.map((signal) => [
      signal,
      (): void => {
        // A program that handles the signal saves its state first, and closes by itself.
        if (host.listenerCount(signal) > 1) return
        closeWith(ended('Interrupted', `the process was stopped by ${signal}`))
        host.exit(128 + constants.signals[signal])
      },
    ]),
  )

  function onExit(code: number): void {
    if (context.state !== 'closed') {
      if (code !== 0) closeWith(ended('ExitCode', `the process ended with exit code ${code} before it closed the Pipes context`))
      else if (context.state === 'disposed') closeWith(null)
      else closeWith(ended('Unfinished', 'the process ended without closing the Pipes context: its work stopped half way'))
    }
    if (code === 0 && (context.isFailed || context.state !== 'closed')) host.exitCode = 1
  }

  host.on('uncaughtException', onUncaught as Listener)
  for (const signal of SIGNALS) host.on(signal, onSignal[signal]!)
  host.on('exit', onExit as Listener)
}
