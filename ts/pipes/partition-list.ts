/** Every partition there is, with what a scheduler needs to know of it, in the order in which they are best worked on. Pure. */
import type { Checkpoint } from '../model/checkpoint.ts'
import { FEED_COHORT, FILE_COHORT, type PartitionKey, partitionKey, type SourceId } from '../model/keys.ts'
import type { Plan, PlannedPartition, SourcePlan } from '../model/plan.ts'
import { type DurationMs, type EpochMs, toIso, toIsoOrNull } from '../model/time.ts'
import { UNRESOLVED_COHORT } from '../refresh/cohort.ts'
import { sourceFreshness } from '../refresh/coverage.ts'
import type { PartitionStats } from '../stores/store.ts'

export type ListedSource = {
  readonly source: SourceId
  readonly enabled: boolean
  readonly slaMs: DurationMs
  readonly coverageThreshold: number
  readonly hasFeed: boolean
  readonly hasFile: boolean
  readonly stats: readonly PartitionStats[]
  readonly checkpoints: readonly Checkpoint[]
}

export type PartitionListInput = {
  readonly now: EpochMs
  readonly sources: readonly ListedSource[]
  /** Of everything, by all enabled sources. */
  readonly plan: Plan
  readonly leased: ReadonlySet<PartitionKey>
}

/** As documented in docs/dagster-pipes.md. */
export type PartitionRow = {
  readonly partition: PartitionKey
  readonly source: SourceId
  readonly cohort: string
  readonly kind: 'cohort' | 'feed' | 'file'
  readonly population: number
  readonly due: number
  readonly stale: number
  readonly never_attempted: number
  readonly pending: number
  readonly backing_off: number
  readonly overdue_ratio: number
  /** Time until the oldest knowledge is past the SLA, all of it for what was never asked; negative: past it. */
  readonly sla_left_s: number
  /** The plan has work for it now. */
  readonly planned: boolean
  readonly strategy: string | null
  readonly calls: number
  readonly reason: string | null
  /** Planned to come first: what it settles, this one need not ask. */
  readonly after: PartitionKey | null
  /** Asking for this one runs that one: the source has nothing but a file. */
  readonly served_by: PartitionKey | null
  readonly checkpoint: Checkpoint['status'] | null
  readonly leased: boolean
  readonly oldest_success_at: string | null
  readonly newest_attempt_at: string | null
}

export type SourceRow = {
  readonly source: SourceId
  readonly enabled: boolean
  readonly population: number
  readonly due: number
  readonly stale: number
  readonly coverage: number
  readonly threshold: number
  readonly below_threshold: boolean
  readonly calls: number
  readonly eta_s: number | null
  readonly feasible: boolean
  readonly repair: string | null
  readonly held_back: string | null
}

export type PartitionList = {
  readonly kind: 'partitions'
  readonly at: string
  readonly partitions: readonly PartitionRow[]
  readonly sources: readonly SourceRow[]
}

type Counts = Pick<
  PartitionStats,
  'population' | 'due' | 'stale' | 'neverAttempted' | 'pending' | 'backingOff' | 'oldestSuccessAt' | 'newestAttemptAt'
>

/**
 * Age of the oldest knowledge in SLAs: above 1 something is past it. What was attempted and never succeeded, or is pending,
 * counts as at it at least; what was never asked is due, and behind nothing yet.
 */
export function overdueRatio(counts: Pick<Counts, 'oldestSuccessAt' | 'stale'>, now: EpochMs, slaMs: DurationMs): number {
  const age = counts.oldestSuccessAt === null ? 0 : Math.max(0, now - counts.oldestSuccessAt) / slaMs
  return Math.round(Math.max(age, counts.stale > 0 ? 1 : 0) * 10_000) / 10_000
}

function total(source: ListedSource): Counts {
  const { population, due, stale, neverAttempted, pending, backingOff, oldestSuccessAt } = sourceFreshness(
    source.source,
    source.stats,
    source.coverageThreshold,
  )
  const attempts = source.stats.flatMap((row) => (row.newestAttemptAt === null ? [] : [row.newestAttemptAt]))
  return {
    population,
    due,
    stale,
    neverAttempted,
    pending,
    backingOff,
    oldestSuccessAt,
    newestAttemptAt: attempts.length === 0 ? null : attempts.reduce((a, b) => Math.max(a, b)),
  }
}

export function listPartitions({ now, sources, plan, leased }: PartitionListInput): PartitionList {
  const planned = new Map(plan.partitions.map((part) => [part.partition, part]))
  const rows = sources.flatMap((source) => rowsOf(source))

  function rowsOf(source: ListedSource): readonly PartitionRow[] {
    const feed = planned.get(partitionKey(source.source, FEED_COHORT))
    const points = new Map(source.checkpoints.map((point) => [point.partition, point.status]))
    const file = source.hasFile ? partitionKey(source.source, FILE_COHORT) : null
    const row = (cohort: string, kind: PartitionRow['kind'], counts: Counts): PartitionRow => {
      const partition = partitionKey(source.source, cohort)
      const part: PlannedPartition | undefined = planned.get(partition)
      const ratio = overdueRatio(counts, now, source.slaMs)
      return {
        partition,
        source: source.source,
        cohort,
        kind,
        population: counts.population,
        due: counts.due,
        stale: counts.stale,
        never_attempted: counts.neverAttempted,
        pending: counts.pending,
        backing_off: counts.backingOff,
        overdue_ratio: ratio,
        sla_left_s: Math.round(((1 - ratio) * source.slaMs) / 1000),
        planned: part !== undefined,
        strategy: part?.strategy ?? null,
        calls: part?.calls ?? 0,
        reason: part?.reason ?? null,
        after: kind === 'cohort' && part !== undefined && feed !== undefined ? feed.partition : null,
        served_by: kind === 'cohort' ? file : null,
        checkpoint: points.get(partition) ?? null,
        leased: leased.has(partition),
        oldest_success_at: toIsoOrNull(counts.oldestSuccessAt),
        newest_attempt_at: toIsoOrNull(counts.newestAttemptAt),
      }
    }
    // What the source cannot be asked about is no work for anybody.
    const cohorts = source.stats.filter((stats) => stats.cohort !== UNRESOLVED_COHORT && stats.population > stats.unresolved)
    return [
      ...(source.hasFile ? [row(FILE_COHORT, 'file', total(source))] : []),
      ...(source.hasFeed ? [row(FEED_COHORT, 'feed', total(source))] : []),
      ...cohorts.map((stats) => row(stats.cohort, 'cohort', stats)),
    ]
  }

  return {
    kind: 'partitions',
    at: toIso(now),
    partitions: [...rows].sort(byUrgency),
    sources: sources.map((source) => sourceRow(source, plan.sources.find((one) => one.source === source.source) ?? null)),
  }
}

/**
 * Planned before not planned; passes over whole sources first, because they settle what others would ask; then what is stale, most
 * overdue first; then what has least time left.
 */
function byUrgency(a: PartitionRow, b: PartitionRow): number {
  if (a.planned !== b.planned) return a.planned ? -1 : 1
  const isWhole = (row: PartitionRow): boolean => row.kind !== 'cohort'
  if (isWhole(a) !== isWhole(b)) return isWhole(a) ? -1 : 1
  if (a.stale > 0 !== b.stale > 0) return a.stale > 0 ? -1 : 1
  if (a.stale > 0 && a.overdue_ratio !== b.overdue_ratio) return b.overdue_ratio - a.overdue_ratio
  if (a.stale === 0 && a.sla_left_s !== b.sla_left_s) return a.sla_left_s - b.sla_left_s
  return b.due - a.due || (a.partition < b.partition ? -1 : 1)
}

function sourceRow(source: ListedSource, plan: SourcePlan | null): SourceRow {
  const { population, due, stale, coverage, threshold, belowThreshold } = sourceFreshness(
    source.source,
    source.stats,
    source.coverageThreshold,
  )
  return {
    source: source.source,
    enabled: source.enabled,
    population,
    due,
    stale,
    coverage,
    threshold,
    below_threshold: belowThreshold,
    calls: plan?.calls ?? 0,
    eta_s: plan === null || plan.etaMs === null ? null : plan.etaMs / 1000,
    feasible: plan?.feasibility.feasible ?? true,
    repair: plan?.feasibility.repair ?? null,
    held_back: plan?.heldBack ?? null,
  }
}
