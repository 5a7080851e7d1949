import type { PartitionKey, SourceId } from './keys.ts'
import type { DurationMs, EpochMs } from './time.ts'
import type { Window } from './window.ts'

/** Ways to learn what a source says now, cheapest first where a source offers several. */
export const STRATEGIES = ['file', 'feed', 'batch', 'lookup'] as const
export type Strategy = (typeof STRATEGIES)[number]

/** One partition to work on, with the reason it is in the plan. */
export type PlannedPartition = {
  readonly partition: PartitionKey
  readonly source: SourceId
  readonly cohort: string
  readonly strategy: Strategy
  readonly window: Window | null
  readonly due: number
  readonly stale: number
  /** Entities that would be asked about, or that a walk or file would settle: what is due, or all when forced. */
  readonly entities: number
  /** Estimated calls. */
  readonly calls: number
  /** For a feed walk: what was known since this moment is proven unchanged when the walk does not list it. Null otherwise. */
  readonly provesSince: EpochMs | null
  /** True when an interrupted pass is resumed. */
  readonly resume: boolean
  /** For people: `12 stale past 7d`, `feed since 2026-11-20`, `forced`. */
  readonly reason: string
}

/** One setting that a repair changes. */
export type RepairChange = {
  /** Below the source's policy: `sla`, `cadence`, `batch_size`, `quotas[1].limit`; `entities` for how many there are. */
  readonly what: string
  readonly from: number
  readonly to: number
  readonly unit: 'ms' | 'entities' | 'requests' | 'credits'
}

/** A change that alone makes an SLA feasible, no greater than it has to be. */
export type Repair = {
  readonly kind: 'batch_size' | 'cadence' | 'sla' | 'entities' | 'quota'
  /** All of them together. */
  readonly changes: readonly RepairChange[]
  /** `an SLA of 28h instead of 24h` */
  readonly text: string
}

/** Whether a source's SLA can be met at its quotas at all, and what would make it so. */
export type Feasibility = {
  readonly feasible: boolean
  /** Share of the quota that keeping the SLA takes, 0 to beyond 1. */
  readonly utilisation: number
  /** Each of them would make it feasible, the cheapest first: what costs nothing, then patience, then coverage, then money. */
  readonly repairs: readonly Repair[]
  /** The same as one sentence; null when it is feasible, or when nothing that can be offered helps. */
  readonly repair: string | null
}

export type SourcePlan = {
  readonly source: SourceId
  readonly population: number
  readonly due: number
  readonly stale: number
  readonly neverAttempted: number
  readonly backingOff: number
  readonly unresolved: number
  readonly strategy: Strategy | null
  /** Calls this plan needs with each strategy the source offers; null where it cannot serve what is due. */
  readonly callsByStrategy: Readonly<Partial<Record<Strategy, number>>>
  readonly calls: number
  /** Time the calls take at the quota. */
  readonly etaMs: DurationMs | null
  readonly feasibility: Feasibility
  /** Why nothing is planned although something is due (`disabled`, `quota spent until …`, `source down until …`); else null. */
  readonly heldBack: string | null
}

/** A pure work list: what would be done, in order, and why. */
export type Plan = {
  readonly at: EpochMs
  readonly sources: readonly SourcePlan[]
  readonly partitions: readonly PlannedPartition[]
}

/** What the caller asked for. Empty lists mean "all". */
export type RefreshRequest = {
  readonly sources: readonly SourceId[]
  readonly cohorts: readonly string[]
  readonly partitions: readonly PartitionKey[]
  readonly window: Window | null
  /** Work on everything selected, due or not. */
  readonly force: boolean
  /** At most so many entities. */
  readonly limit: number | null
  /** At most so many calls in this run, over all sources. */
  readonly maxCalls: number | null
}
