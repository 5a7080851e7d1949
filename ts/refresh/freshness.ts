/** Due and stale, derived from a ledger row, the policy and the moment. Stores compute the same in their own language. */
import { type LedgerEntry, UNRESOLVED_ERROR } from '../model/ledger.ts'
import { type DurationMs, type EpochMs, HOUR_MS, MINUTE_MS } from '../model/time.ts'

export type FreshnessPolicy = { readonly cadenceMs: DurationMs; readonly slaMs: DurationMs }

/** Back-off of an entity after its n-th failure in a row; the last step repeats. */
export const FAILURE_BACKOFF_MS: readonly DurationMs[] = [MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 12 * HOUR_MS]

export function failureBackoff(consecutiveFailures: number): DurationMs {
  return FAILURE_BACKOFF_MS[Math.min(consecutiveFailures, FAILURE_BACKOFF_MS.length) - 1] ?? 0
}

/** When the row is due, back-off included; null when the source cannot be asked about the entity. */
export function dueAt(entry: LedgerEntry, policy: FreshnessPolicy): EpochMs | null {
  if (entry.outcome === 'skipped' && (entry.lastAttemptAt === null || entry.errorClass === UNRESOLVED_ERROR)) return null
  const byCadence =
    entry.pendingSince !== null ? entry.pendingSince : entry.lastSuccessAt === null ? 0 : entry.lastSuccessAt + policy.cadenceMs
  return Math.max(byCadence, entry.nextAttemptAt ?? 0)
}

export function isDue(entry: LedgerEntry, policy: FreshnessPolicy, now: EpochMs): boolean {
  const at = dueAt(entry, policy)
  return at !== null && at <= now
}

/**
 * Stale: a success is older than the SLA, or an attempt was made and none ever succeeded, or a status change is pending.
 * A row that was never attempted is due, not stale: nothing has been promised about it yet.
 */
export function isStale(entry: LedgerEntry, policy: FreshnessPolicy, now: EpochMs): boolean {
  if (entry.outcome === 'skipped') return false
  if (entry.pendingSince !== null) return true
  if (entry.lastSuccessAt === null) return entry.lastAttemptAt !== null
  return now - entry.lastSuccessAt > policy.slaMs
}

/** Rows that were skipped are neither fresh nor stale: they do not count in coverage at all. */
export function isFresh(entry: LedgerEntry, policy: FreshnessPolicy, now: EpochMs): boolean {
  return entry.outcome !== 'skipped' && entry.lastSuccessAt !== null && !isStale(entry, policy, now)
}
