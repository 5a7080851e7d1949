/**
 * How long to wait before asking again: full jitter over a doubling ceiling. What the provider asked for is a floor and is
 * obeyed in full; the configured longest delay bounds only our own.
 */
import type { DurationMs } from '../model/time.ts'

/** After "too many requests" without a time, never sooner than a draw from this. */
export const THROTTLE_BASE_MS = 1_000

export type BackoffInput = {
  /** Attempts made so far, 1 or more. */
  readonly attempt: number
  readonly baseMs: DurationMs
  readonly maxMs: DurationMs
  /** What the provider asked for, from now; 0 when it named nothing. */
  readonly floorMs: DurationMs
  /** Uniform in [0, 1). */
  readonly draw: number
}

/** Milliseconds, 0 or more: at least the floor, and at most the larger of the floor and `maxMs`. */
export function backoffMs({ attempt, baseMs, maxMs, floorMs, draw }: BackoffInput): DurationMs {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(Math.max(attempt - 1, 0), 30))
  return Math.max(0, floorMs, Math.floor(draw * ceiling))
}
