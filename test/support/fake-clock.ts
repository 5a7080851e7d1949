/** Virtual time: nothing passes unless a test says so, and a sleeper wakes exactly when its time has come. */
import type { DurationMs, EpochMs } from '../../ts/model/time.ts'
import type { Clock, Monotonic } from '../../ts/runtime/ports.ts'

type Sleeper = { readonly at: number; readonly wake: () => void }

/** 2026-11-21T03:00:00Z, a Saturday. */
export const TEST_EPOCH: EpochMs = Date.UTC(2026, 10, 21, 3)

export class FakeClock implements Clock {
  private wallMs: EpochMs
  private elapsedMs = 0
  private readonly boot: string
  private sleepers: Sleeper[] = []

  constructor(start: EpochMs = TEST_EPOCH, boot = 'boot-a') {
    this.wallMs = start
    this.boot = boot
  }

  now(): EpochMs {
    return this.wallMs
  }

  monotonic(): Monotonic {
    return { ms: this.elapsedMs, boot: this.boot }
  }

  sleep(duration: DurationMs, signal?: AbortSignal): Promise<void> {
    if (duration <= 0 || signal?.aborted === true) return Promise.resolve()
    return new Promise((resolve) => {
      const sleeper: Sleeper = {
        at: this.elapsedMs + duration,
        wake: () => {
          signal?.removeEventListener('abort', sleeper.wake)
          this.sleepers = this.sleepers.filter((other) => other !== sleeper)
          resolve()
        },
      }
      signal?.addEventListener('abort', sleeper.wake)
      this.sleepers.push(sleeper)
    })
  }

  /** How many are asleep: a run that ended must leave none. */
  get sleeping(): number {
    return this.sleepers.length
  }

  /** Moves wall and monotonic time at once, without giving sleepers a turn in between; for tests that do not sleep. */
  skip(duration: DurationMs): void {
    this.wallMs += duration
    this.elapsedMs += duration
    for (const sleeper of [...this.sleepers].sort((a, b) => a.at - b.at)) if (sleeper.at <= this.elapsedMs) sleeper.wake()
  }

  /** Moves time forward from sleeper to sleeper; what a woken sleeper starts runs before the next one wakes. */
  async advance(duration: DurationMs): Promise<void> {
    const until = this.elapsedMs + duration
    while (true) {
      const next = this.sleepers.reduce((least, sleeper) => Math.min(least, sleeper.at), Number.POSITIVE_INFINITY)
      if (next > until) break
      this.skip(next - this.elapsedMs)
      await settle()
    }
    this.skip(until - this.elapsedMs)
    await settle()
  }

  /** A clock step: wall time jumps, monotonic time does not. */
  stepWall(duration: DurationMs): void {
    this.wallMs += duration
  }
}

/** Lets everything that is ready run: a few turns of the event loop. */
export async function settle(turns = 5): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}
