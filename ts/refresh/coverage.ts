/** Share of a population that is fresh, per source and cohort, from the store's partition counts. */
import type { SourceId } from '../model/keys.ts'
import type { EpochMs } from '../model/time.ts'
import type { PartitionStats } from '../stores/store.ts'

export type CohortFreshness = {
  readonly cohort: string
  readonly population: number
  readonly fresh: number
  readonly due: number
  readonly stale: number
  readonly coverage: number
  readonly oldestSuccessAt: EpochMs | null
}

export type SourceFreshness = {
  readonly source: SourceId
  readonly population: number
  /** Population less those that the source cannot be asked about. */
  readonly resolvable: number
  readonly unresolved: number
  readonly fresh: number
  readonly due: number
  readonly stale: number
  readonly neverAttempted: number
  readonly backingOff: number
  readonly pending: number
  /** fresh / resolvable; 1 when nothing is resolvable. */
  readonly coverage: number
  readonly threshold: number
  readonly belowThreshold: boolean
  readonly oldestSuccessAt: EpochMs | null
  readonly cohorts: readonly CohortFreshness[]
}

function share(fresh: number, resolvable: number): number {
  return resolvable === 0 ? 1 : fresh / resolvable
}

function oldest(a: EpochMs | null, b: EpochMs | null): EpochMs | null {
  return a === null ? b : b === null ? a : Math.min(a, b)
}

export function sourceFreshness(source: SourceId, stats: readonly PartitionStats[], threshold: number): SourceFreshness {
  const total = { population: 0, unresolved: 0, fresh: 0, due: 0, stale: 0, neverAttempted: 0, backingOff: 0, pending: 0 }
  let oldestSuccessAt: EpochMs | null = null
  for (const row of stats) {
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += row[name]
    oldestSuccessAt = oldest(oldestSuccessAt, row.oldestSuccessAt)
  }
  const resolvable = total.population - total.unresolved
  const coverage = share(total.fresh, resolvable)
  return {
    source,
    ...total,
    resolvable,
    coverage,
    threshold,
    belowThreshold: coverage < threshold,
    oldestSuccessAt,
    cohorts: stats
      .filter((row) => row.population > row.unresolved)
      .map((row) => ({
        cohort: row.cohort,
        population: row.population,
        fresh: row.fresh,
        due: row.due,
        stale: row.stale,
        coverage: share(row.fresh, row.population - row.unresolved),
        oldestSuccessAt: row.oldestSuccessAt,
      })),
  }
}
