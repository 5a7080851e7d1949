/**
 * Passes over a whole source (a bulk file, a change feed) have no ledger row of their own: what is remembered of those that
 * failed, so that a file of hundreds of megabytes is not fetched again by every run. Failed passes wait as failed entities do.
 */
import type { JsonValue } from '../model/json.ts'
import { isJsonObject } from '../model/json.ts'
import { FEED_COHORT, FILE_COHORT, type PartitionKey, partitionKey, type SourceId } from '../model/keys.ts'
import type { PartitionReport } from '../model/run-report.ts'
import { type EpochMs, toIso } from '../model/time.ts'
import type { SmallStore } from '../stores/store.ts'
import { failureBackoff } from './freshness.ts'

export type PassBackoff = {
  /** In a row. */
  readonly failures: number
  readonly failedAt: EpochMs
  readonly nextAttemptAt: EpochMs
  readonly reason: string
}

const MAX_REASON = 300

const nameOf = (partition: PartitionKey): string => `pass_backoff/${partition}`

function read(value: JsonValue | undefined): PassBackoff | null {
  if (!isJsonObject(value)) return null
  const { failures, failedAt, nextAttemptAt, reason } = value
  if (typeof failures !== 'number' || typeof failedAt !== 'number' || typeof nextAttemptAt !== 'number') return null
  return { failures, failedAt, nextAttemptAt, reason: typeof reason === 'string' ? reason : '' }
}

/** What keeps the pass waiting now; null when nothing does. A clock that was set back does not make it wait for longer. */
async function passBackoff(
  store: Pick<SmallStore, 'getState'>,
  partition: PartitionKey,
  now: EpochMs,
): Promise<PassBackoff | null> {
  const known = read((await store.getState(nameOf(partition)))?.value)
  return known === null || known.nextAttemptAt <= now || known.failedAt > now ? null : known
}

/** Passes of the source that failed and wait, by cohort. */
export async function passBackoffs(
  store: Pick<SmallStore, 'getState'>,
  source: SourceId,
  now: EpochMs,
): Promise<ReadonlyMap<string, PassBackoff>> {
  const waiting = new Map<string, PassBackoff>()
  for (const cohort of [FILE_COHORT, FEED_COHORT]) {
    const backoff = await passBackoff(store, partitionKey(source, cohort), now)
    if (backoff !== null) waiting.set(cohort, backoff)
  }
  return waiting
}

export function backoffReason({ failures, reason }: Pick<PassBackoff, 'failures' | 'reason'>): string {
  return `${failures === 1 ? 'failed' : `failed ${failures} times in a row`} (${reason})`
}

export function backoffText(cohort: string, backoff: PassBackoff): string {
  return `${cohort} ${backoffReason(backoff)} and is tried again at ${toIso(backoff.nextAttemptAt)}; --force tries it now`
}

/** Takes note of how a pass ended. Only success and failure say anything; who was told to wait, or stopped, has not failed. */
export async function notePass(
  store: Pick<SmallStore, 'getState' | 'putState'>,
  partition: PartitionKey,
  { status, reason }: Pick<PartitionReport, 'status' | 'reason'>,
  now: EpochMs,
): Promise<void> {
  if (status !== 'done' && status !== 'failed') return
  const stored = await store.getState(nameOf(partition))
  const known = read(stored?.value)
  if (status === 'done' && known === null) return
  const failures = (known?.failures ?? 0) + 1
  const next: PassBackoff | null =
    status === 'done'
      ? null
      : { failures, failedAt: now, nextAttemptAt: now + failureBackoff(failures), reason: (reason ?? '').slice(0, MAX_REASON) }
  await store.putState(nameOf(partition), stored?.version ?? 0, next)
}
