/** Partition counts before and after a run, added up and compared. Pure. */

import { toIsoOrNull } from '../model/time.ts'
import { sourceFreshness } from '../refresh/coverage.ts'
import type { PartitionStats } from '../stores/store.ts'
import type { TableRecord } from './metadata.ts'

export type Tally = {
  readonly population: number
  readonly due: number
  readonly stale: number
  readonly unresolved: number
  /** fresh / (population - unresolved), 0 to 1; 1 when nothing can be asked about. */
  readonly coverage: number
}

export function tally(stats: readonly PartitionStats[]): Tally {
  const { population, due, stale, unresolved, coverage } = sourceFreshness('', stats, 0)
  return { population, due, stale, unresolved, coverage }
}

export type SlaGap = {
  readonly partition: string
  readonly staleBefore: number
  readonly staleAfter: number
  readonly closed: number
  readonly oldestSuccessAt: string | null
}

/** Rows of one run's table; a whole-source pass may concern hundreds of cohorts. */
export const MOST_GAPS = 100

/** Partitions that had, or have, entities past their SLA; most closed first. */
export function slaGaps(before: readonly PartitionStats[], after: readonly PartitionStats[]): readonly SlaGap[] {
  const key = (row: PartitionStats): string => `${row.source}:${row.cohort}`
  const earlier = new Map(before.map((row) => [key(row), row]))
  return after
    .map((row) => {
      const staleBefore = earlier.get(key(row))?.stale ?? 0
      return {
        partition: key(row),
        staleBefore,
        staleAfter: row.stale,
        closed: Math.max(0, staleBefore - row.stale),
        oldestSuccessAt: toIsoOrNull(row.oldestSuccessAt),
      }
    })
    .filter((gap) => gap.staleBefore > 0 || gap.staleAfter > 0)
    .sort((a, b) => b.closed - a.closed || b.staleAfter - a.staleAfter || (a.partition < b.partition ? -1 : 1))
}

export const SLA_GAP_COLUMNS = [
  { name: 'partition', type: 'string', description: 'source:cohort' },
  { name: 'stale_before', type: 'int', description: 'entities past their SLA before the run' },
  { name: 'stale_after', type: 'int', description: 'entities past their SLA after it' },
  { name: 'closed', type: 'int', description: 'gaps closed' },
  { name: 'oldest_success_at', type: 'string', description: 'the oldest knowledge that is left, UTC' },
] as const

export function slaGapRecords(gaps: readonly SlaGap[]): readonly TableRecord[] {
  return gaps.slice(0, MOST_GAPS).map((gap) => ({
    partition: gap.partition,
    stale_before: gap.staleBefore,
    stale_after: gap.staleAfter,
    closed: gap.closed,
    oldest_success_at: gap.oldestSuccessAt,
  }))
}
