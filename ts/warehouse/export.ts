/**
 * Exports the store to Parquet files and a DuckDB catalog. Order of durable steps: data files (under names nobody knows
 * yet), manifest, catalog, clean-up. A kill between any two leaves readers with the old or the new state, and the next
 * export continues from the manifest.
 */
import { resolve } from 'node:path'
import { EngineError, isEngineError, messageOf } from '../model/errors.ts'
import { EXPORT_PARTITION, takeExportLease } from './export-lease.ts'
import { exportUnderLease, type RoundReport } from './export-run.ts'
import type { ExportDeps, ExportOptions, ExportReport } from './export-types.ts'
import { leaveMark, marks } from './export-wanted.ts'
import { type Layout, layoutOf } from './layout.ts'

export type { ExportDeps, ExportOptions, ExportReport, WarehouseStore } from './export-types.ts'

/** Where exports are asked for faster than they are done, the next one takes over. */
const MAX_ROUNDS = 5

/**
 * Brings the warehouse up to what the store holds. Safe at any time, also while refreshes run and readers read; of two at
 * once the second answers `lease_held`, and what was committed before it asked is exported by the first. Throws
 * `warehouse_path`, `warehouse_newer`, `lease_lost`, `export_interrupted`, the store's own errors, and `export_failed`
 * (disk full, no permission, …); the last published state stays readable after each.
 */
export async function exportWarehouse(deps: ExportDeps, options: ExportOptions): Promise<ExportReport> {
  const startedMs = deps.monotonic().ms
  const layout = layoutOf(resolve(deps.path))
  // DuckDB takes what follows a `?` for parameters and looks for its log beside another name (tried with 1.5.5).
  if (/[?\0]/.test(layout.root)) {
    const problem = `the warehouse cannot lie in ${JSON.stringify(layout.root)}: a DuckDB file cannot have "?" or NUL in its path`
    throw new EngineError('configuration', 'warehouse_path', problem, {
      hint: 'set warehouse.path to a directory without these characters',
    })
  }
  let { report, wanted } = await exportOnce(deps, options, layout)
  for (let round = 1; round < MAX_ROUNDS && wanted; round += 1) {
    const again = await exportOnce(deps, { rebuild: false }, layout)
    // Whoever has the lease now began after the mark was left.
    if (again.report.status === 'lease_held') break
    report = sum(report, again.report)
    wanted = again.wanted
  }
  const durationMs = deps.monotonic().ms - startedMs
  if (report.status === 'done') deps.logger.log('info', 'warehouse exported', { ...report, durationMs })
  return { ...report, durationMs }
}

/** `wanted`: somebody asked for an export while this one ran. */
type Round = { readonly report: RoundReport; readonly wanted: boolean }

async function exportOnce(deps: ExportDeps, options: ExportOptions, layout: Layout): Promise<Round> {
  const lease = await takeExportLease(deps)
  if (lease === null) {
    await leaveMark(deps.store)
    deps.logger.log('info', 'export left to the one that is under way', { lease: EXPORT_PARTITION })
    return { report: { ...NOTHING_DONE, path: layout.root, database: layout.database, asOf: deps.now() }, wanted: false }
  }
  const seen = await marks(deps.store)
  let report: RoundReport
  try {
    report = await exportUnderLease(deps, options, layout, lease)
  } catch (error) {
    if (isEngineError(error)) throw error
    const problem = `the warehouse could not be exported to ${layout.root}: ${messageOf(error)}`
    const hint =
      'what was exported before is still readable; check free space and permissions of the directory, then run the export again'
    throw new EngineError('failed', 'export_failed', problem, { cause: error, hint })
  } finally {
    await lease.release()
  }
  return { report, wanted: (await marks(deps.store)) !== seen }
}

const NOTHING_DONE = {
  status: 'lease_held',
  generation: 0,
  rebuildReason: null,
  partitions: { total: 0, written: 0 },
  rows: { ledger: 0, records: 0, events: 0, coverage: 0 },
  eventsAdded: 0,
  bytes: 0,
  filesDeleted: 0,
} as const

function sum(first: RoundReport, second: RoundReport): RoundReport {
  return {
    ...second,
    rebuildReason: first.rebuildReason,
    partitions: { total: second.partitions.total, written: first.partitions.written + second.partitions.written },
    eventsAdded: first.eventsAdded + second.eventsAdded,
    filesDeleted: first.filesDeleted + second.filesDeleted,
  }
}
