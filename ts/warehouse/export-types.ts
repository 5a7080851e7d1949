/** What an export is given and what it answers. */
import type { DurationMs, EpochMs } from '../model/time.ts'
import type { CrashPoints, Logger, Monotonic } from '../runtime/ports.ts'
import type { Store } from '../stores/store.ts'
import type { Policies } from './export-plan.ts'

/** What an export reads, the lease it takes, and two small states it keeps (the identity of the state file, the mark of refused exports). */
export type WarehouseStore = Pick<
  Store,
  | 'ledger'
  | 'currentRecords'
  | 'events'
  | 'changeCounters'
  | 'partitionStats'
  | 'acquireLease'
  | 'renewLease'
  | 'releaseLease'
  | 'getState'
  | 'putState'
>

export type ExportDeps = {
  readonly store: WarehouseStore
  /** Per source that has a refresh policy. Sources without one are exported with null in the derived columns. */
  readonly policies: Policies
  readonly now: () => EpochMs
  readonly monotonic: () => Monotonic
  /** `Ids.holder()`: unique over processes and hosts. */
  readonly holder: string
  /** Directory of the warehouse; made when missing. */
  readonly path: string
  readonly logger: Logger
  readonly crashPoints: CrashPoints
  /** Stops the export between two rows; nothing is published then. */
  readonly signal?: AbortSignal
  /** Most rows of a chunk of events or coverage. Only tests give another. */
  readonly chunkRows?: number
  /** Rows staged at once. Only tests give another. */
  readonly partRows?: number
}

/** `rebuild`: write everything again from the store instead of what changed. Coverage history is kept: only it has it. */
export type ExportOptions = { readonly rebuild: boolean }

export type ExportReport = {
  /** `lease_held`: another export is under way; nothing was done here, and the other goes round once more. */
  readonly status: 'done' | 'lease_held'
  readonly path: string
  readonly database: string
  readonly generation: number
  readonly asOf: EpochMs
  /** Why everything was written again; null when only what changed was. */
  readonly rebuildReason: string | null
  readonly partitions: { readonly total: number; readonly written: number }
  /** Rows of the whole warehouse after the export. */
  readonly rows: { readonly ledger: number; readonly records: number; readonly events: number; readonly coverage: number }
  readonly eventsAdded: number
  readonly bytes: number
  /** Files that no catalog has named for the grace period. */
  readonly filesDeleted: number
  readonly durationMs: DurationMs
}
