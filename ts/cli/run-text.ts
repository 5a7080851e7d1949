/** A run's report for people. Pure. */
import type { PartitionReport, RunReport, SourceReport } from '../model/run-report.ts'
import { callsSavedByStrategy } from '../refresh/calls-saved.ts'
import type { CliContext } from './context.ts'
import { duration, instant, number, percent, plural } from './format.ts'
import { type Column, formatTable } from './table.ts'

const SOURCES: readonly Column<SourceReport>[] = [
  { title: 'source', value: (row) => row.source },
  { title: 'asked', value: (row) => number(row.counts.items), align: 'right' },
  { title: 'changed', value: (row) => number(row.counts.changed), align: 'right' },
  { title: 'unchanged', value: (row) => number(row.counts.unchanged + row.counts.notModified), align: 'right' },
  { title: 'absent', value: (row) => number(row.counts.absent), align: 'right' },
  { title: 'failed', value: (row) => number(row.counts.failed), align: 'right' },
  { title: 'skipped', value: (row) => number(row.counts.skipped), align: 'right' },
  { title: 'events', value: (row) => number(row.counts.events), align: 'right' },
  { title: 'calls', value: (row) => number(row.counts.calls), align: 'right' },
  { title: 'saved', value: (row) => number(row.callsSaved), align: 'right' },
  { title: 'waited', value: (row) => duration(row.quotaWaitMs), align: 'right' },
  { title: 'coverage', value: (row) => `${percent(row.coverageBefore)} -> ${percent(row.coverageAfter)}` },
]

const PARTITIONS: readonly Column<PartitionReport>[] = [
  { title: 'partition', value: (row) => row.partition },
  { title: 'status', value: (row) => row.status.replaceAll('_', ' ') },
  { title: 'strategy', value: (row) => row.strategy },
  { title: 'asked', value: (row) => number(row.counts.items), align: 'right' },
  { title: 'calls', value: (row) => number(row.counts.calls), align: 'right' },
  { title: 'took', value: (row) => duration(row.durationMs), align: 'right' },
  { title: 'again at', value: (row) => instant(row.until) },
  { title: 'why', value: (row) => row.reason ?? '', flexible: true },
]

/** Partitions listed; --json has all. */
const MOST_ROWS = 20

/** What is not done comes first and in full; of what is done, the sums say enough. */
export function runText(report: RunReport, { tableWidth, bold }: Pick<CliContext, 'tableWidth' | 'bold'>): string {
  const done = report.partitions.filter((part) => part.status === 'done')
  const open = report.partitions.filter((part) => part.status !== 'done')
  const parts = [`run ${report.runId}, ${instant(report.startedAt)}, ${duration(report.finishedAt - report.startedAt)}\n`]
  if (report.sources.length > 0) parts.push(formatTable(report.sources, SOURCES, tableWidth, bold))
  if (open.length > 0) {
    parts.push(`\n${formatTable(open.slice(0, MOST_ROWS), PARTITIONS, tableWidth, bold)}`)
    if (open.length > MOST_ROWS) parts.push(`… and ${plural(open.length - MOST_ROWS, 'partition')} more (--json shows all)\n`)
  }
  const repaired = report.partitions.filter((part) => part.reconciled !== null)
  for (const part of repaired.slice(0, MOST_ROWS)) {
    parts.push(`${part.partition}: checkpoint repaired before the first call: ${part.reconciled}\n`)
  }
  for (const { source, due, why } of report.heldBack)
    parts.push(`${source} was not asked${due === 0 ? '' : `, ${number(due)} due there`}: ${why}\n`)
  const saved = Object.entries(callsSavedByStrategy(report.partitions)).filter(([, calls]) => calls > 0)
  if (saved.length > 0)
    parts.push(`\nCalls saved against one look-up each: ${saved.map(([way, calls]) => `${way} ${number(calls)}`).join(', ')}.`)
  parts.push(`\n${summary(report, done.length, open.length)}\n`)
  return parts.join('')
}

function summary(report: RunReport, done: number, open: number): string {
  if (report.partitions.length === 0)
    return report.heldBack.length === 0 ? 'Nothing to do: nothing that was selected is due.' : 'Nothing was asked.'
  const counts = `${number(done)} of ${plural(report.partitions.length, 'partition')} done`
  if (report.interrupted) return `${counts}; stopped by a signal, state saved. The same command goes on from here.`
  return open === 0 ? `${counts}.` : `${counts}; the others are listed above.`
}
