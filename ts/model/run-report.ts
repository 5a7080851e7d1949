import type { Counts } from './checkpoint.ts'
import type { PartitionKey, SourceId } from './keys.ts'
import type { Strategy } from './plan.ts'
import type { DurationMs, EpochMs } from './time.ts'
import type { Window } from './window.ts'

export const PARTITION_STATUSES = ['done', 'failed', 'parked', 'lease_held', 'interrupted', 'not_started'] as const
/** `parked`: stopped early without fault (quota, budget or provider says "later"); resumable, like `interrupted`. */
export type PartitionStatus = (typeof PARTITION_STATUSES)[number]

/** Why a partition stopped early, for programs. */
export const ENDING_CODES = [
  'credentials',
  'quota',
  'budget',
  'breaker_open',
  'rate_limited',
  'source_down',
  'lease_lost',
  /** Something that the configuration names cannot be used, e.g. a data file; a person must see to it. */
  'configuration',
  /** It went through, and not one of the entities it asked about was answered. */
  'all_failed',
] as const
export type EndingCode = (typeof ENDING_CODES)[number]

export type PartitionReport = {
  readonly partition: PartitionKey
  readonly source: SourceId
  readonly strategy: Strategy
  readonly window: Window | null
  readonly status: PartitionStatus
  readonly code: EndingCode | null
  readonly reason: string | null
  /** Earliest moment at which going on makes sense, when the provider or a quota named one. */
  readonly until: EpochMs | null
  readonly resumed: boolean
  /** What the checkpoint check found and repaired before the first call; null when it matched. */
  readonly reconciled: string | null
  readonly counts: Counts
  /** Entities stale before that are not after. */
  readonly slaGapsClosed: number
  readonly quotaWaitMs: DurationMs
  readonly durationMs: DurationMs
}

export type SourceReport = {
  readonly source: SourceId
  readonly counts: Counts
  readonly coverageBefore: number
  readonly coverageAfter: number
  readonly slaGapsClosed: number
  readonly quotaWaitMs: DurationMs
  /** Calls that one look-up per entity would have taken, less the calls made. */
  readonly callsSaved: number
}

/** A source that was not asked at all although there is work: it is down, its quota is spent, or its pass failed and waits. */
export type HeldBack = { readonly source: SourceId; readonly due: number; readonly why: string }

export type RunReport = {
  readonly runId: string
  readonly startedAt: EpochMs
  readonly finishedAt: EpochMs
  readonly dryRun: boolean
  readonly partitions: readonly PartitionReport[]
  readonly sources: readonly SourceReport[]
  readonly heldBack: readonly HeldBack[]
  readonly interrupted: boolean
}
