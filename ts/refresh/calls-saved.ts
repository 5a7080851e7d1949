import type { Strategy } from '../model/plan.ts'
import type { PartitionReport } from '../model/run-report.ts'

/** Calls that one look-up per entity would have taken, less the calls made; by the strategy that saved them. */
export function callsSavedByStrategy(reports: readonly PartitionReport[]): Readonly<Partial<Record<Strategy, number>>> {
  const saved: Partial<Record<Strategy, number>> = {}
  for (const { strategy, counts } of reports) {
    saved[strategy] = (saved[strategy] ?? 0) + Math.max(0, counts.items - counts.calls)
  }
  return saved
}
