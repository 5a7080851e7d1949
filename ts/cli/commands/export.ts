import { EXIT_CODES } from '../../model/errors.ts'
import { toIso } from '../../model/time.ts'
import type { ExportReport } from '../../warehouse/export.ts'
import { defineCommand, flag } from '../command.ts'
import { bytes, duration, number, plural } from '../format.ts'

export const exportCommand = defineCommand({
  name: 'export',
  summary: 'Bring the warehouse (Parquet, DuckDB) up to date with the state',
  description:
    'Writes what changed since the last export. Readers are never blocked and never see half a file. Safe while refreshes run.',
  options: { rebuild: flag('Write everything again from the state') },
  examples: [
    { command: 'export', does: 'Catch up.' },
    { command: 'export --rebuild', does: 'Make the warehouse anew, e.g. after its directory was damaged or deleted.' },
  ],
  async handler(context, args) {
    const engine = await context.engine()
    const report = await engine.exportWarehouse({ rebuild: args.rebuild, signal: context.signal })
    await context.show(exportDocument(report), () => exportText(report))
    return report.status === 'lease_held' ? EXIT_CODES.try_later : 0
  },
})

export function exportDocument(report: ExportReport) {
  return {
    status: report.status,
    path: report.path,
    database: report.database,
    generation: report.generation,
    as_of: toIso(report.asOf),
    rebuild_reason: report.rebuildReason,
    partitions: { ...report.partitions },
    rows: { ...report.rows },
    events_added: report.eventsAdded,
    bytes: report.bytes,
    files_deleted: report.filesDeleted,
    duration_ms: Math.max(0, report.durationMs),
  }
}

function exportText(report: ExportReport): string {
  if (report.status === 'lease_held') return 'Another export is under way; nothing was done.\n'
  const { rows, partitions } = report
  const why = report.rebuildReason === null ? '' : `Everything was written again: ${report.rebuildReason}.\n`
  return `${why}${number(partitions.written)} of ${plural(partitions.total, 'partition')} written in ${duration(report.durationMs)}, ${plural(report.eventsAdded, 'new event')}.
Now ${number(rows.ledger)} ledger rows, ${number(rows.records)} records, ${number(rows.events)} events, ${number(rows.coverage)} coverage rows, ${bytes(report.bytes)}.
Read it with: duckdb -readonly ${report.database}
`
}
