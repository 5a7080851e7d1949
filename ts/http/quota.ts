/**
 * Waiting for quota. The store decides (slots by the monotonic clock, counters by wall time); this waits for what it says,
 * but never longer than the run may wait, and never past a stop signal.
 */
import type { RefreshPolicyConfig } from '../config/schema.ts'
import { EngineError } from '../model/errors.ts'
import type { SourceId } from '../model/keys.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import { DAY_MS, formatDuration, parseDuration, startOfUtcDay } from '../model/time.ts'
import type { Clock, CrashPoints, Random } from '../runtime/ports.ts'
import type { QuotaGrant, QuotaRule, QuotaStore } from '../stores/store.ts'
import { clampUntil } from './retry-after.ts'

/** Keeps waiters of several processes from asking at the very same moment; small against any window. */
const JITTER_MS = 20
/** Asked again at least this often, because slots may be given back and blocks of a sandbox's world may pass early. */
const LONGEST_NAP_MS: DurationMs = 5_000
/** "Exhausted" without a time: when no rule of ours tells when a new period begins. */
const EXHAUSTED_FALLBACK_MS: DurationMs = 15 * 60_000

/** The source's quotas as the store keeps them. */
export function quotaRules(source: SourceId, policy: Pick<RefreshPolicyConfig, 'quotas' | 'quota_partition'>): QuotaRule[] {
  const quotaPartition = policy.quota_partition ?? source
  return policy.quotas.map(({ limit, per, resets, unit }) => {
    const perMs = parseDuration(per)
    if (perMs === null || perMs <= 0) {
      throw new EngineError(
        'configuration',
        'bad_quota',
        `The quota window "${per}" of ${source} is not a duration; write it as 1s, 1m or 1d.`,
      )
    }
    return resets === 'sliding'
      ? { quotaPartition, kind: 'slots', limit, perMs }
      : { quotaPartition, kind: 'counter', limit, perMs, resets, ...(unit === 'credit' ? { unit } : {}) }
  })
}

export type QuotaOutcome =
  | { readonly kind: 'granted'; readonly grant: QuotaGrant | null; readonly waitedMs: DurationMs; readonly grantedAtMs: number }
  | { readonly kind: 'refused'; readonly until: EpochMs; readonly message: string; readonly waitedMs: DurationMs }
  | { readonly kind: 'aborted'; readonly waitedMs: DurationMs }

export type Quota = {
  /** How long a slot is held when its holder dies: twice the hard deadline of a request. */
  readonly leaseMs: DurationMs
  /** One unit of every rule, `credits` (1 unless said) of those that count credits. `signal` ends the wait. */
  acquire(signal: AbortSignal, credits?: number): Promise<QuotaOutcome>
  /** The request completed in whatever way. */
  release(grant: QuotaGrant | null): Promise<void>
  /** The request was never sent. */
  refund(grant: QuotaGrant | null): Promise<void>
  /** The provider named a moment (or none) before which it refuses. Returns the moment that is in force. */
  block(until: EpochMs | undefined, reason: string): Promise<EpochMs>
}

export type QuotaOptions = {
  readonly source: SourceId
  readonly quotaPartition: string
  readonly rules: readonly QuotaRule[]
  readonly holder: string
  readonly timeoutMs: DurationMs
  readonly maxWaitMs: DurationMs
  readonly store: Pick<QuotaStore, 'acquireQuota' | 'releaseQuota' | 'refundQuota' | 'blockQuota'>
  readonly clock: Clock
  readonly random: Random
  readonly crashPoints: CrashPoints
}

/** The next reset of the rules' counters after `now`, else a fixed while. */
export function exhaustedUntil(rules: readonly QuotaRule[], now: EpochMs): EpochMs {
  const nextDay = startOfUtcDay(now) + DAY_MS
  if (rules.some((rule) => rule.resets === 'utc_day')) return nextDay
  if (rules.some((rule) => rule.resets === 'utc_month')) {
    const today = new Date(now)
    return Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + 1, 1)
  }
  return now + EXHAUSTED_FALLBACK_MS
}

/** For requests that no provider answers. */
export const NO_QUOTA: Quota = {
  leaseMs: Number.POSITIVE_INFINITY,
  acquire: () => Promise.resolve({ kind: 'granted', grant: null, waitedMs: 0, grantedAtMs: Number.POSITIVE_INFINITY }),
  release: () => Promise.resolve(),
  refund: () => Promise.resolve(),
  block: (until) => Promise.resolve(until ?? 0),
}

export function createQuota(options: QuotaOptions): Quota {
  const { rules, holder, store, clock, random, crashPoints, maxWaitMs } = options
  const leaseMs = 2 * options.timeoutMs
  /** For sources without rules, whose blocks no acquire would notice. */
  let blockedUntil: EpochMs = 0

  function refusal(waitMs: DurationMs, waitedMs: DurationMs, what: string): QuotaOutcome {
    const until = clock.now() + Math.ceil(waitMs)
    const message = `${options.source}: ${what}; the next call is possible in ${formatDuration(Math.max(1_000, Math.ceil(waitMs / 1_000) * 1_000))}, longer than run.max_quota_wait.`
    return { kind: 'refused', until, message, waitedMs }
  }

  async function ask(credits: number): Promise<{ grant: QuotaGrant | null } | { waitMs: DurationMs; what: string }> {
    if (rules.length === 0) {
      const waitMs = blockedUntil - clock.now()
      return waitMs <= 0 ? { grant: null } : { waitMs, what: 'the provider asked to wait' }
    }
    const answer = await store.acquireQuota(rules, holder, leaseMs, clock.monotonic(), clock.now(), credits)
    if (answer.granted) return { grant: answer.grant }
    const { limit, perMs } = answer.rule
    return {
      waitMs: answer.waitMs,
      what: `the quota of ${limit}${answer.rule.unit === 'credit' ? ' credits' : ''} per ${formatDuration(perMs)} is used up or blocked by the provider`,
    }
  }

  return {
    leaseMs,

    async acquire(signal, credits = 1) {
      if (rules.length === 0 && blockedUntil === 0) return { kind: 'granted', grant: null, waitedMs: 0, grantedAtMs: Infinity }
      const startedAtMs = clock.monotonic().ms
      for (;;) {
        const answer = await ask(credits)
        const nowMs = clock.monotonic().ms
        const waitedMs = nowMs - startedAtMs
        if ('grant' in answer) {
          crashPoints.reach('quota.after_acquire')
          return { kind: 'granted', grant: answer.grant, waitedMs, grantedAtMs: answer.grant === null ? Infinity : nowMs }
        }
        if (waitedMs + answer.waitMs > maxWaitMs) return refusal(answer.waitMs, waitedMs, answer.what)
        await clock.sleep(Math.min(Math.max(answer.waitMs, 1), LONGEST_NAP_MS) + random.next() * JITTER_MS, signal)
        if (signal.aborted) return { kind: 'aborted', waitedMs: clock.monotonic().ms - startedAtMs }
      }
    },

    async release(grant) {
      if (grant === null) return
      await store.releaseQuota(grant, clock.monotonic())
      crashPoints.reach('quota.after_release')
    },

    async refund(grant) {
      if (grant !== null) await store.refundQuota(grant, clock.monotonic())
    },

    async block(until, reason) {
      const now = clock.now()
      const moment = clampUntil(until ?? exhaustedUntil(rules, now), now)
      blockedUntil = Math.max(blockedUntil, moment)
      if (rules.length > 0) await store.blockQuota(options.quotaPartition, moment, reason)
      return moment
    },
  }
}
