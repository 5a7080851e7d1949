/** Coverage as rows: one per source and one per partition, at the moment of an export. Pure. */
import type { SourceId } from '../model/keys.ts'
import type { EpochMs } from '../model/time.ts'
import { type SourceFreshness, sourceFreshness } from '../refresh/coverage.ts'
import type { PartitionStats } from '../stores/store.ts'

/** One source's freshness as of an export; `cohort` is null in the row that speaks of the whole source. */
export type CoverageRow = Omit<SourceFreshness, 'cohorts'> & {
  readonly generation: number
  readonly asOf: EpochMs
  readonly cohort: string | null
  readonly newestAttemptAt: EpochMs | null
}

function latest(a: EpochMs | null, b: EpochMs | null): EpochMs | null {
  return a === null ? b : b === null ? a : Math.max(a, b)
}

export function coverageRows(
  source: SourceId,
  stats: readonly PartitionStats[],
  threshold: number,
  moment: { readonly generation: number; readonly asOf: EpochMs },
): readonly CoverageRow[] {
  const { cohorts: _, ...whole } = sourceFreshness(source, stats, threshold)
  const newestAttemptAt = stats.reduce<EpochMs | null>((newest, row) => latest(newest, row.newestAttemptAt), null)
  const partitions = stats.map((row): CoverageRow => {
    const { cohorts: __, ...one } = sourceFreshness(source, [row], threshold)
    return { ...moment, ...one, cohort: row.cohort, newestAttemptAt: row.newestAttemptAt }
  })
  return [{ ...moment, ...whole, cohort: null, newestAttemptAt }, ...partitions]
}
