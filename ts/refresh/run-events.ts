/** What a run tells while it goes: the surface that tests, the CLI's progress and Dagster's log observe. */
import type { Counts } from '../model/checkpoint.ts'
import type { PartitionKey, SourceId } from '../model/keys.ts'
import type { Plan, PlannedPartition } from '../model/plan.ts'
import type { PartitionReport, RunReport } from '../model/run-report.ts'
import type { EpochMs } from '../model/time.ts'

export type RunEvent =
  | { readonly kind: 'run_started'; readonly runId: string; readonly plan: Plan }
  | {
      readonly kind: 'partition_started'
      readonly partition: PartitionKey
      readonly planned: PlannedPartition
      readonly resumed: boolean
    }
  | { readonly kind: 'checkpoint_mismatch'; readonly partition: PartitionKey; readonly message: string }
  | { readonly kind: 'progress'; readonly partition: PartitionKey; readonly counts: Counts; readonly planned: PlannedPartition }
  | { readonly kind: 'waiting'; readonly source: SourceId; readonly until: EpochMs | null; readonly why: string }
  | { readonly kind: 'partition_finished'; readonly report: PartitionReport }
  | { readonly kind: 'run_finished'; readonly report: RunReport }

/** A listener that throws must not break the run. */
export function safeEmitter(
  listener: ((event: RunEvent) => void) | undefined,
  onError: (error: unknown) => void,
): (event: RunEvent) => void {
  if (listener === undefined) return () => {}
  return (event) => {
    try {
      listener(event)
    } catch (error) {
      onError(error)
    }
  }
}
