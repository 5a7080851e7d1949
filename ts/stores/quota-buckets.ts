/**
 * Quota rules as the buckets they draw from, and the arithmetic of waiting. Pure; both stores keep the buckets' contents.
 * Rules that name the same bucket (one credential, one window) draw one unit from it, under the strictest limit of them.
 */
import { DAY_MS, type DurationMs, type EpochMs } from '../model/time.ts'
import type { QuotaRule } from './store.ts'

export type Bucket = {
  /** `slots`, or how the counter resets: `utc_day`, `utc_month`, or `period` (whole multiples of `perMs` since 1970). */
  readonly window: 'slots' | 'utc_day' | 'utc_month' | 'period'
  readonly quotaPartition: string
  /** 0 for days and months: a credential has one counter of each, whatever the rule calls its length. */
  readonly perMs: DurationMs
  readonly limit: number
  /** What one request takes of it. */
  readonly cost: number
  readonly rule: QuotaRule
}

/** The window as stores keep it: credits and requests of one period are counted apart. */
export function windowName(bucket: Pick<Bucket, 'window' | 'rule'>): string {
  return countsCredits(bucket.rule) ? `${bucket.window}/credit` : bucket.window
}

function countsCredits(rule: QuotaRule): boolean {
  return rule.kind === 'counter' && rule.unit === 'credit'
}

export function bucketName(bucket: Pick<Bucket, 'window' | 'quotaPartition' | 'perMs' | 'rule'>): string {
  return `${windowName(bucket)}/${bucket.perMs}/${bucket.quotaPartition}`
}

export function bucketOf(rule: QuotaRule, credits = 1): Bucket {
  const window = rule.kind === 'slots' ? 'slots' : (rule.resets ?? 'period')
  const perMs = window === 'slots' || window === 'period' ? rule.perMs : 0
  return {
    window,
    quotaPartition: rule.quotaPartition,
    perMs,
    limit: rule.limit,
    cost: countsCredits(rule) ? Math.min(credits, rule.limit) : 1,
    rule,
  }
}

/** Those that a request of so many credits draws from. */
export function bucketsOf(rules: readonly QuotaRule[], credits = 1): readonly Bucket[] {
  const buckets = new Map<string, Bucket>()
  for (const rule of rules) {
    const bucket = bucketOf(rule, credits)
    if (bucket.cost === 0) continue
    const name = bucketName(bucket)
    const known = buckets.get(name)
    if (known === undefined || bucket.limit < known.limit) buckets.set(name, bucket)
  }
  return [...buckets.values()]
}

/** Start of the counter's current window. */
export function windowStart(bucket: Bucket, now: EpochMs): EpochMs {
  if (bucket.window === 'utc_month') {
    const date = new Date(now)
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)
  }
  const length = bucket.window === 'utc_day' ? DAY_MS : bucket.perMs
  return Math.floor(now / length) * length
}

/** End of the window that starts at `start`. */
export function windowEnd(bucket: Bucket, start: EpochMs): EpochMs {
  if (bucket.window === 'utc_month') {
    const date = new Date(start)
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
  }
  return start + (bucket.window === 'utc_day' ? DAY_MS : bucket.perMs)
}

/**
 * The counter as it stands at `now`. A wall clock that stepped back does not open an older window again: the newest one
 * that was ever seen stays, with its count.
 */
export function currentCount(
  bucket: Bucket,
  stored: { readonly windowStart: EpochMs; readonly used: number } | null,
  now: EpochMs,
): { windowStart: EpochMs; used: number } {
  const start = windowStart(bucket, now)
  return stored !== null && stored.windowStart >= start
    ? { windowStart: stored.windowStart, used: stored.used }
    : { windowStart: start, used: 0 }
}

/** A slot in use: `freeAt` on the monotonic clock; `held` while its request may still be under way. */
export type BusySlot = { readonly freeAt: number; readonly held: boolean }

/** When a slot may be free at the earliest: a held one may be released right now, and is free a window later. */
export function earliestFree(slot: BusySlot, nowMs: number, perMs: DurationMs): number {
  return slot.held ? Math.min(slot.freeAt, nowMs + perMs) : slot.freeAt
}

/** Time until one of `limit` slots may be free, given those busy now (`freeAt` later than `nowMs`); 0 when one is. */
export function slotWait(busy: readonly BusySlot[], limit: number, nowMs: number, perMs: DurationMs): DurationMs {
  if (busy.length < limit) return 0
  const moments = busy.map((slot) => earliestFree(slot, nowMs, perMs)).sort((a, b) => a - b)
  // A limit that was lowered leaves more busy than it allows: that many must free before one may be taken.
  return moments[busy.length - limit]! - nowMs
}
