/**
 * Quotas as a provider counts them: over arrivals, per credential, exactly. A sliding window of W admits an arrival when
 * fewer than
 * N were admitted in the W before it; a daily quota is a counter that starts again at 00:00 UTC of the world.
 */
import { DAY_MS, type DurationMs, type EpochMs, startOfUtcDay } from '../model/time.ts'

export type QuotaRule = {
  readonly limit: number
  /** Length of the window in the world's time; on the wire it lasts `per / speed`. Ignored for `utc_day`. */
  readonly per: DurationMs
  readonly resets?: 'sliding' | 'utc_day'
  /** False: arrivals beyond it are counted as violations but answered. Default true. */
  readonly enforce?: boolean
}

export type Refusal = {
  readonly kind: 'window' | 'day'
  /** World time at which the next request would be admitted. */
  readonly until: EpochMs
}

export type Violation = {
  /** Number of the arrival in the request log. */
  readonly n: number
  readonly at: EpochMs
  readonly credential: string
  readonly limit: number
  readonly per: DurationMs
  /** Admitted arrivals in the window when it came: at least the limit. */
  readonly in_window: number
}

export type WindowReport = {
  readonly credential: string
  readonly limit: number
  readonly per_ms: DurationMs
  readonly real_window_ms: DurationMs
  readonly resets: 'sliding' | 'utc_day'
  readonly enforced: boolean
  readonly arrivals: number
  readonly admitted: number
  /** Most arrivals, refused ones included, seen in any one window. */
  readonly max_arrivals: number
  /** Most admitted arrivals in any one window. */
  readonly max_admitted: number
}

/** Times of the last window, oldest first, in a list that is trimmed from the front without moving everything each time. */
class Trail {
  private times: number[] = []
  private first = 0

  /** Drops times that are a whole window old or older and says how many are left. */
  within(since: number): number {
    while (this.first < this.times.length && this.times[this.first]! <= since) this.first += 1
    if (this.first > 4096 && this.first * 2 > this.times.length) {
      this.times = this.times.slice(this.first)
      this.first = 0
    }
    return this.times.length - this.first
  }

  add(at: number): void {
    this.times.push(at)
  }

  nth(index: number): number {
    return this.times[this.first + index]!
  }
}

type Track = {
  readonly rule: QuotaRule
  readonly all: Trail
  readonly admitted: Trail
  day: EpochMs
  arrivals: number
  admittedCount: number
  dayArrivals: number
  dayAdmitted: number
  maxArrivals: number
  maxAdmitted: number
}

export type QuotaMeter = {
  /**
   * One arrival: `realAt` in ms of a monotonic clock, `worldAt` in the world's time. Null when it is admitted.
   * A refused arrival uses up nothing.
   */
  arrive(n: number, credential: string, realAt: number, worldAt: EpochMs): Refusal | null
  report(): readonly WindowReport[]
  readonly violations: readonly Violation[]
  readonly violationCount: number
}

const KEPT_VIOLATIONS = 10_000

export function createQuotaMeter(rules: readonly QuotaRule[], speed: number): QuotaMeter {
  for (const { limit, per } of rules) {
    if (!Number.isInteger(limit) || limit < 1 || !(per > 0))
      throw new RangeError(`quota ${limit} per ${per} ms: the limit is a whole number from 1, the window longer than 0`)
  }
  const byCredential = new Map<string, readonly Track[]>()
  const violations: Violation[] = []
  let violationCount = 0

  function tracksOf(credential: string): readonly Track[] {
    let tracks = byCredential.get(credential)
    if (tracks === undefined) {
      tracks = rules.map((rule) => ({
        rule,
        all: new Trail(),
        admitted: new Trail(),
        day: 0,
        arrivals: 0,
        admittedCount: 0,
        dayArrivals: 0,
        dayAdmitted: 0,
        maxArrivals: 0,
        maxAdmitted: 0,
      }))
      byCredential.set(credential, tracks)
    }
    return tracks
  }

  /** How many are admitted in the window now, after what is over was let go. */
  function countOf(track: Track, realAt: number, worldAt: EpochMs): number {
    if (track.rule.resets === 'utc_day') {
      const day = startOfUtcDay(worldAt)
      if (day !== track.day) Object.assign(track, { day, dayArrivals: 0, dayAdmitted: 0 })
      return track.dayAdmitted
    }
    return track.admitted.within(realAt - track.rule.per / speed)
  }

  function refusalOf({ rule, admitted }: Track, count: number, realAt: number, worldAt: EpochMs): Refusal {
    if (rule.resets === 'utc_day') return { kind: 'day', until: startOfUtcDay(worldAt) + DAY_MS }
    const frees = admitted.nth(count - rule.limit) + rule.per / speed
    return { kind: 'window', until: Math.ceil(worldAt + (frees - realAt) * speed) }
  }

  return {
    violations,
    get violationCount() {
      return violationCount
    },
    arrive(n, credential, realAt, worldAt) {
      const tracks = tracksOf(credential)
      let refusal: Refusal | null = null
      for (const track of tracks) {
        const count = countOf(track, realAt, worldAt)
        if (count < track.rule.limit) continue
        violationCount += 1
        if (violations.length < KEPT_VIOLATIONS)
          violations.push({ n, at: worldAt, credential, limit: track.rule.limit, per: track.rule.per, in_window: count })
        if (track.rule.enforce === false) continue
        const found = refusalOf(track, count, realAt, worldAt)
        if (refusal === null || found.until > refusal.until) refusal = found
      }
      for (const track of tracks) {
        const windowStart = realAt - track.rule.per / speed
        const daily = track.rule.resets === 'utc_day'
        track.arrivals += 1
        track.dayArrivals += 1
        if (!daily) track.all.add(realAt)
        track.maxArrivals = Math.max(track.maxArrivals, daily ? track.dayArrivals : track.all.within(windowStart))
        if (refusal !== null) continue
        track.admittedCount += 1
        track.dayAdmitted += 1
        if (!daily) track.admitted.add(realAt)
        track.maxAdmitted = Math.max(track.maxAdmitted, daily ? track.dayAdmitted : track.admitted.within(windowStart))
      }
      return refusal
    },
    report() {
      return [...byCredential].flatMap(([credential, tracks]) =>
        tracks.map(({ rule, arrivals, admittedCount, maxArrivals, maxAdmitted }) => ({
          credential,
          limit: rule.limit,
          per_ms: rule.per,
          real_window_ms: rule.resets === 'utc_day' ? DAY_MS / speed : rule.per / speed,
          resets: rule.resets ?? ('sliding' as const),
          enforced: rule.enforce !== false,
          arrivals,
          admitted: admittedCount,
          max_arrivals: maxArrivals,
          max_admitted: maxAdmitted,
        })),
      )
    },
  }
}
