/** What the engine needs from the world. Real ones are in `system.ts`; tests bring their own. */
import type { DurationMs, EpochMs } from '../model/time.ts'

/**
 * `now` is UTC wall time: due dates, ledger, reports. `monotonic` never steps back and is common to all processes of one
 * boot (`boot` names it): quota slots and leases are timed by it, so that a clock step can neither open nor close a quota.
 */
export type Monotonic = { readonly ms: number; readonly boot: string }
export type Clock = {
  now(): EpochMs
  monotonic(): Monotonic
  /** Resolves after the time has passed or at once when the signal aborts (it never rejects). */
  sleep(duration: DurationMs, signal?: AbortSignal): Promise<void>
}

/** Uniform in [0, 1). */
export type Random = { next(): number }

export type Ids = {
  /** Sortable and unique, e.g. `run_20261121T030000_4f2a9c`. */
  runId(now: EpochMs): string
  /** Sortable and unique, e.g. `quarantine_20261121T030000_9b01d2`. */
  unique(prefix: string, now: EpochMs): string
  /** Unique over processes and hosts; names this process as a holder of leases and slots. */
  holder(): string
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type Logger = {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void
}

/**
 * Named places around durable steps. In production this does nothing; the chaos suite kills the process at one of them.
 * Names are `module.step`, e.g. `commit.before`, listed in `docs/spec.md`.
 */
export type CrashPoints = { reach(name: string): void }

export const NO_CRASH_POINTS: CrashPoints = { reach() {} }
