/** The report of a run as the metadata of its materialization. Names and types are stable: Dagster plots them. Pure. */

import { checkpointDocument } from '../cli/documents.ts'
import { duration, instant, number, percent, plainText } from '../cli/format.ts'
import type { Checkpoint, Counts } from '../model/checkpoint.ts'
import { NO_COUNTS } from '../model/checkpoint.ts'
import type { PartitionReport, RunReport } from '../model/run-report.ts'
import { formatWindow, type Window } from '../model/window.ts'
import { callsSavedByStrategy } from '../refresh/calls-saved.ts'
import { addCounts } from '../refresh/commit-batch.ts'
import type { PartitionStats } from '../stores/store.ts'
import { metadata, type PipesMetadata } from './metadata.ts'
import { SLA_GAP_COLUMNS, slaGapRecords, slaGaps, tally } from './tallies.ts'

export type RefreshFacts = {
  readonly report: RunReport
  /** What the run was about; `cohort` is null when it was whole sources. */
  readonly source: string
  readonly cohort: string | null
  readonly window: Window | null
  /** Partitions that the run was about, before and after it. */
  readonly before: readonly PartitionStats[]
  readonly after: readonly PartitionStats[]
  readonly checkpoints: readonly Checkpoint[]
  readonly links: { readonly providerDocs: string | null; readonly providerUrl: string | null; readonly warehouse: string }
}

const seconds = (ms: number): number => Math.round(ms) / 1000

function sum(reports: readonly PartitionReport[], pick: (report: PartitionReport) => number): number {
  return reports.reduce((total, report) => total + pick(report), 0)
}

/** Entities of which the run learned what the provider says now. */
function refreshed(counts: Counts): number {
  return counts.changed + counts.unchanged + counts.notModified + counts.absent
}

function cell(text: string): string {
  return plainText(text).replaceAll('\\', '\\\\').replaceAll('|', '\\|')
}

/** At most so many partitions in the text; the numbers count all. */
const MOST_ROWS = 50

export function reportMarkdown({ report, before, after }: Pick<RefreshFacts, 'report' | 'before' | 'after'>): string {
  const { partitions } = report
  const lines = [
    `Run \`${report.runId}\`, ${instant(report.startedAt)}, ${duration(report.finishedAt - report.startedAt)}. Coverage ${percent(tally(before).coverage)} -> ${percent(tally(after).coverage)}.`,
    '',
  ]
  if (partitions.length === 0) lines.push('Nothing was due.')
  else {
    lines.push('| partition | status | by | asked | changed | unchanged | failed | events | calls | waited | took | why |')
    lines.push('|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|')
    for (const part of partitions.slice(0, MOST_ROWS)) {
      const { counts } = part
      const columns = [
        cell(part.partition),
        part.status.replaceAll('_', ' '),
        part.strategy,
        number(counts.items),
        number(counts.changed),
        number(counts.unchanged + counts.notModified),
        number(counts.failed),
        number(counts.events),
        number(counts.calls),
        duration(part.quotaWaitMs),
        duration(part.durationMs),
        cell(part.reason ?? ''),
      ]
      lines.push(`| ${columns.join(' | ')} |`)
    }
    if (partitions.length > MOST_ROWS) lines.push('', `… and ${number(partitions.length - MOST_ROWS)} more.`)
  }
  for (const part of partitions) {
    if (part.reconciled !== null)
      lines.push('', `${cell(part.partition)}: checkpoint repaired before the first call: ${cell(part.reconciled)}`)
  }
  return lines.join('\n')
}

export function refreshMetadata(facts: RefreshFacts): PipesMetadata {
  const { report, before, after, links } = facts
  const parts = report.partitions
  const counts = parts.reduce((total, part) => addCounts(total, part.counts), NO_COUNTS)
  const saved = callsSavedByStrategy(parts)
  const gaps = slaGaps(before, after)
  const [earlier, later] = [tally(before), tally(after)]
  const closed = sum(parts, (part) => part.slaGapsClosed)
  return {
    coverage_before: metadata.float(earlier.coverage),
    coverage_after: metadata.float(later.coverage),
    due: metadata.int(earlier.due),
    due_after: metadata.int(later.due),
    refreshed: metadata.int(refreshed(counts)),
    changed: metadata.int(counts.changed),
    unchanged: metadata.int(counts.unchanged + counts.notModified),
    absent: metadata.int(counts.absent),
    failed: metadata.int(counts.failed),
    skipped: metadata.int(counts.skipped),
    deltas: metadata.int(counts.events),
    api_calls: metadata.int(counts.calls),
    calls_saved: metadata.int(Object.values(saved).reduce((total, calls) => total + calls, 0)),
    calls_saved_by_strategy: metadata.json(saved),
    quota_wait_s: metadata.float(seconds(sum(parts, (part) => part.quotaWaitMs))),
    duration_s: metadata.float(seconds(report.finishedAt - report.startedAt)),
    sla_gaps_closed: metadata.int(closed),
    sla_gaps_left: metadata.int(later.stale),
    sla_gaps: metadata.table(SLA_GAP_COLUMNS, slaGapRecords(gaps)),
    checkpoint: metadata.json(checkpointOf(facts.checkpoints)),
    report: metadata.md(reportMarkdown(facts)),
    source: metadata.text(facts.source),
    cohort: metadata.text(facts.cohort ?? 'all'),
    window: metadata.text(facts.window === null ? 'none' : formatWindow(facts.window)),
    strategy: metadata.text([...new Set(parts.map((part) => part.strategy))].join(', ') || 'none'),
    resumed: metadata.bool(parts.some((part) => part.resumed)),
    'enrichment/run_id': metadata.text(report.runId),
    'dagster/row_count': metadata.int(later.population),
    warehouse: metadata.path(links.warehouse),
    ...(links.providerDocs === null ? {} : { provider_docs: metadata.url(links.providerDocs) }),
    ...(links.providerUrl === null ? {} : { provider_url: metadata.url(links.providerUrl) }),
  }
}

/** One partition's checkpoint by itself; of several, a list. */
function checkpointOf(checkpoints: readonly Checkpoint[]): object {
  const documents = checkpoints.map(checkpointDocument)
  return documents.length === 1 ? documents[0]! : documents
}
