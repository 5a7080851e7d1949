/**
 * Quotas as a provider counts them: over arrivals or over what they cost, per credential, exactly. A sliding window of W admits an
 * arrival when fewer than N were admitted in the W before it; a daily or monthly quota is a counter that starts again at 00:00 UTC of
 * the world's day or of the first of its month.
 */
import { DAY_MS, type DurationMs, type EpochMs, startOfUtcDay } from '../model/time.ts'

export type QuotaRule = {
  readonly limit: number
  /** Length of the window in the world's time; on the wire it lasts `per / speed`. Ignored for `utc_day` and `utc_month`. */
  readonly per: DurationMs
  readonly resets?: 'sliding' | 'utc_day' | 'utc_month'
  /** `credit`: an arrival counts as much as the dialect says it costs. Default `request`: it counts one. */
  readonly unit?: 'request' | 'credit'
  /** Who goes beyond it is refused until the arrivals, refused ones as well, have been within it for so long. Only of sliding windows. */
  readonly blocksFor?: DurationMs
  /** False: arrivals beyond it are counted as violations but answered. Default true. */
  readonly enforce?: boolean
  /** At most `limit` requests being answered at once, whatever the window; `per` is ignored. */
  readonly concurrency?: boolean
}

export type Refusal = {
  readonly kind: 'window' | 'day' | 'month'
  /** World time at which the next request would be admitted. */
  readonly until: EpochMs
}

/** What is left of a quota, as providers tell it in headers and bodies. */
export type QuotaStatus = {
  readonly rule: QuotaRule
  readonly remaining: number
  /** World time at which a counter starts again; for a sliding window, when its first place becomes free (now, when all are). */
  readonly resetsAt: EpochMs
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
  readonly resets: 'sliding' | 'utc_day' | 'utc_month'
  readonly unit: 'request' | 'credit'
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
  /** Requests under way, for rules of `concurrency`. */
  busy: number
  /** Of the monotonic clock; until then nothing is admitted. */
  blockedUntil: number
}

export type QuotaMeter = {
  /**
   * One arrival: `realAt` in ms of a monotonic clock, `worldAt` in the world's time. Null when it is admitted.
   * A refused arrival uses up nothing. `credits`: what it costs of quotas that count credits, a whole number, default 1.
   */
  arrive(n: number, credential: string, realAt: number, worldAt: EpochMs, credits?: number): Refusal | null
  /** An admitted request turned out to cost so many credits more (or less, below 0) than it was counted with. Only counters care. */
  settle(credential: string, worldAt: EpochMs, credits: number): void
  /** An admitted request was answered in full. Only rules of `concurrency` care. */
  depart(credential: string): void
  /** Per rule, after the arrivals so far. */
  status(credential: string, realAt: number, worldAt: EpochMs): readonly QuotaStatus[]
  report(): readonly WindowReport[]
  readonly violations: readonly Violation[]
  readonly violationCount: number
}

const KEPT_VIOLATIONS = 10_000

function isCounter({ resets }: QuotaRule): boolean {
  return resets === 'utc_day' || resets === 'utc_month'
}

/** The day or month of the world that holds the moment, and its end. */
function periodOf({ resets }: QuotaRule, at: EpochMs): { readonly from: EpochMs; readonly to: EpochMs } {
  const from = startOfUtcDay(at)
  if (resets !== 'utc_month') return { from, to: from + DAY_MS }
  const date = new Date(at)
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
  return { from: Date.UTC(year, month, 1), to: Date.UTC(year, month + 1, 1) }
}

function costOf({ unit }: QuotaRule, credits: number): number {
  return unit === 'credit' ? credits : 1
}

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
        busy: 0,
        blockedUntil: Number.NEGATIVE_INFINITY,
      }))
      byCredential.set(credential, tracks)
    }
    return tracks
  }

  /** How many are admitted in the window now, after what is over was let go. */
  function countOf(track: Track, realAt: number, worldAt: EpochMs): number {
    if (track.rule.concurrency === true) return track.busy
    if (isCounter(track.rule)) {
      const day = periodOf(track.rule, worldAt).from
      if (day !== track.day) Object.assign(track, { day, dayArrivals: 0, dayAdmitted: 0 })
      return track.dayAdmitted
    }
    return track.admitted.within(realAt - track.rule.per / speed)
  }

  /** Whether the arrival goes beyond a rule that blocks; then the block begins anew. */
  function blockAt(track: Track, cost: number, realAt: number): boolean {
    const { rule, all } = track
    if (rule.blocksFor === undefined || all.within(realAt - rule.per / speed) + cost <= rule.limit) return false
    track.blockedUntil = realAt + rule.blocksFor / speed
    return true
  }

  /** `over`: how many of those admitted must leave the window before the arrival fits. */
  function refusalOf({ rule, admitted }: Track, over: number, realAt: number, worldAt: EpochMs): Refusal {
    if (rule.concurrency === true) return { kind: 'window', until: worldAt }
    if (isCounter(rule)) return { kind: rule.resets === 'utc_day' ? 'day' : 'month', until: periodOf(rule, worldAt).to }
    const frees = admitted.nth(over - 1) + rule.per / speed
    return { kind: 'window', until: Math.ceil(worldAt + (frees - realAt) * speed) }
  }

  return {
    violations,
    get violationCount() {
      return violationCount
    },
    arrive(n, credential, realAt, worldAt, credits = 1) {
      const tracks = tracksOf(credential)
      let refusal: Refusal | null = null
      for (const track of tracks) {
        const count = countOf(track, realAt, worldAt)
        const cost = costOf(track.rule, credits)
        const isOver = blockAt(track, cost, realAt)
        const isBlocked = track.blockedUntil > realAt
        // What is free is let in, even where more was spent than there is.
        if ((cost === 0 || count + cost <= track.rule.limit) && !isBlocked) continue
        if (isBlocked && !isOver) {
          refusal = { kind: 'window', until: Math.ceil(worldAt + (track.blockedUntil - realAt) * speed) }
          continue
        }
        violationCount += 1
        if (violations.length < KEPT_VIOLATIONS)
          violations.push({ n, at: worldAt, credential, limit: track.rule.limit, per: track.rule.per, in_window: count })
        if (track.rule.enforce === false) continue
        if (isBlocked) {
          refusal = { kind: 'window', until: Math.ceil(worldAt + (track.blockedUntil - realAt) * speed) }
          continue
        }
        // What costs more than the whole quota never fits; it is told to come back when all is free again.
        const found = refusalOf(track, Math.min(count, count + cost - track.rule.limit), realAt, worldAt)
        if (refusal === null || found.until > refusal.until) refusal = found
      }
      for (const track of tracks) {
        const windowStart = realAt - track.rule.per / speed
        const counter = isCounter(track.rule)
        const cost = costOf(track.rule, credits)
        track.arrivals += cost
        if (track.rule.concurrency === true) {
          track.maxArrivals = Math.max(track.maxArrivals, track.busy + 1)
          if (refusal !== null) continue
          track.busy += 1
          track.admittedCount += 1
          track.maxAdmitted = Math.max(track.maxAdmitted, track.busy)
          continue
        }
        track.dayArrivals += cost
        if (!counter) for (let unit = 0; unit < cost; unit += 1) track.all.add(realAt)
        track.maxArrivals = Math.max(track.maxArrivals, counter ? track.dayArrivals : track.all.within(windowStart))
        if (refusal !== null) continue
        track.admittedCount += cost
        track.dayAdmitted += cost
        if (!counter) for (let unit = 0; unit < cost; unit += 1) track.admitted.add(realAt)
        track.maxAdmitted = Math.max(track.maxAdmitted, counter ? track.dayAdmitted : track.admitted.within(windowStart))
      }
      return refusal
    },
    settle(credential, worldAt, credits) {
      for (const track of tracksOf(credential)) {
        if (track.rule.unit !== 'credit' || !isCounter(track.rule)) continue
        countOf(track, 0, worldAt)
        track.arrivals += credits
        track.admittedCount += credits
        track.dayArrivals += credits
        track.dayAdmitted = Math.max(0, track.dayAdmitted + credits)
        track.maxArrivals = Math.max(track.maxArrivals, track.dayArrivals)
        track.maxAdmitted = Math.max(track.maxAdmitted, track.dayAdmitted)
      }
    },
    depart(credential) {
      for (const track of tracksOf(credential)) if (track.rule.concurrency === true) track.busy = Math.max(0, track.busy - 1)
    },
    status(credential, realAt, worldAt) {
      return tracksOf(credential).map((track) => {
        const count = countOf(track, realAt, worldAt)
        const frees = (): EpochMs =>
          count === 0 || track.rule.concurrency === true
            ? worldAt
            : Math.ceil(worldAt + (track.admitted.nth(0) + track.rule.per / speed - realAt) * speed)
        return {
          rule: track.rule,
          remaining: Math.max(0, track.rule.limit - count),
          resetsAt: isCounter(track.rule) ? periodOf(track.rule, worldAt).to : frees(),
        }
      })
    },
    report() {
      return [...byCredential].flatMap(([credential, tracks]) =>
        tracks.map(({ rule, arrivals, admittedCount, maxArrivals, maxAdmitted }) => ({
          credential,
          limit: rule.limit,
          per_ms: rule.per,
          real_window_ms: rule.resets === 'utc_day' ? DAY_MS / speed : rule.per / speed,
          resets: rule.resets ?? ('sliding' as const),
          unit: rule.unit ?? ('request' as const),
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
