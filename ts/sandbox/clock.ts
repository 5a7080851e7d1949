import type { DurationMs, EpochMs } from '../model/time.ts'

/** The world's time: real time since the start, times `speed`, plus what was skipped. It never goes back. */
export type WorldClock = {
  now(): EpochMs
  readonly speed: number
  /** Skips time; throws a RangeError for anything but a positive, finite duration. */
  advance(duration: DurationMs): void
  readonly skippedMs: DurationMs
}

/** `realNow`: milliseconds of any clock that counts real time; only differences are used, and steps back are ignored. */
export function createWorldClock(startAt: EpochMs, speed: number, realNow: () => number): WorldClock {
  if (!(speed > 0) || !Number.isFinite(speed)) throw new RangeError(`speed is ${speed}; give a positive number, 1 for real time`)
  const began = realNow()
  let skipped = 0
  let latest = startAt
  return {
    speed,
    get skippedMs() {
      return skipped
    },
    now() {
      latest = Math.max(latest, startAt + Math.floor((realNow() - began) * speed) + skipped)
      return latest
    },
    advance(duration) {
      if (!(duration > 0) || !Number.isFinite(duration))
        throw new RangeError(`cannot advance by ${duration} ms; time moves only forward`)
      skipped += Math.round(duration)
    },
  }
}
