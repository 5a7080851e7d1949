import type { PartitionKey } from './keys.ts'
import type { Strategy } from './plan.ts'
import type { EpochMs } from './time.ts'
import type { Window } from './window.ts'

export type Counts = {
  readonly items: number
  readonly changed: number
  readonly unchanged: number
  readonly notModified: number
  readonly absent: number
  readonly failed: number
  readonly skipped: number
  readonly events: number
  readonly calls: number
}

export const NO_COUNTS: Counts = {
  items: 0,
  changed: 0,
  unchanged: 0,
  notModified: 0,
  absent: 0,
  failed: 0,
  skipped: 0,
  events: 0,
  calls: 0,
}

/**
 * Where a pass over a partition stands. It is committed with the data it speaks of, against the version it was read at.
 * `status`: `open` while a pass is under way (a later run resumes it), `complete` when the pass ended.
 */
export type Checkpoint = {
  readonly partition: PartitionKey
  readonly version: number
  readonly status: 'open' | 'complete'
  readonly strategy: Strategy
  /** When the pass began; items attempted since belong to it and are not repeated. */
  readonly passStartedAt: EpochMs
  readonly window: Window | null
  /** Opaque place inside the pass: an offset, a page cursor, a file position. Null at the beginning and the end. */
  readonly cursor: string | null
  readonly counts: Counts
  readonly updatedAt: EpochMs
  readonly finishedAt: EpochMs | null
  readonly durationMs: number | null
  readonly runId: string
  /** Newest `lastAttemptAt` of the partition's ledger rows at commit; validated against the ledger before new work. */
  readonly ledgerWatermark: EpochMs | null
}
