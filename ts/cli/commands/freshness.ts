import { z } from 'zod'
import { toIso, toIsoOrNull } from '../../model/time.ts'
import type { CohortFreshness, SourceFreshness } from '../../refresh/coverage.ts'
import { configuredSource } from '../../source-names.ts'
import * as arg from '../arguments.ts'
import { defineCommand, optionalText, text } from '../command.ts'
import type { CliContext } from '../context.ts'
import { instant, number, percent } from '../format.ts'
import { sourceOption, sourcesOrAll } from '../selection.ts'
import { type Column, formatTable } from '../table.ts'
import { waitingDocument, waitingText, waitingWork } from '../waiting.ts'

export const freshness = defineCommand({
  name: 'freshness',
  summary: 'Show what share of each source is fresh, and alert below its coverage threshold',
  description:
    'Fresh: the last success is younger than the SLA and no status change is pending. Coverage is fresh / resolvable, where resolvable leaves out entities that the source cannot be asked about. Sources that are switched off are shown when they are named. With --fail-under the command exits 1 when a source is below, for use in schedulers.',
  options: {
    source: sourceOption,
    by: text('Break down by cohort', 'cohort', z.literal('cohort', 'must be cohort')),
    'fail-under': optionalText(
      'Exit 1 when a source is below this share; without a value: below its coverage_threshold',
      'SHARE',
      arg.share,
    ),
  },
  examples: [
    { command: 'freshness', does: 'One line per source.' },
    { command: 'freshness --source sam_gov --by cohort', does: 'Which cohorts are stale.' },
    { command: 'freshness --fail-under 0.95', does: 'For a monitor: exit code 1 below 95 %.' },
  ],
  async handler(context, args) {
    const config = await context.config()
    const sources = sourcesOrAll(args.source, config)
    const engine = await context.engine({ readOnly: true })
    // What is switched off on purpose is nobody's alarm; named, it is shown all the same.
    const isOff = (source: string): boolean => !config.config.enrichment_refresh[configuredSource(config.config, source)]!.enabled
    const all = await engine.freshness(sources)
    const off = args.source.length > 0 ? [] : all.map(({ source }) => source).filter(isOff)
    const rows = all.filter((row) => !off.includes(row.source))
    const failUnder = args['fail-under']
    const limitOf = (row: SourceFreshness): number => failUnder ?? row.threshold
    const below = rows.filter((row) => row.coverage < limitOf(row))
    const alerts = below.map((row) => ({
      source: row.source,
      coverage: row.coverage,
      threshold: limitOf(row),
      message: `${row.source}: ${percent(row.coverage)} fresh, below ${percent(limitOf(row))}: ${number(row.stale)} stale, ${number(row.neverAttempted)} never asked`,
    }))
    const waiting = await waitingWork(
      engine,
      rows.map(({ source }) => source),
    )
    const at = toIso(engine.clock.now())
    const document = { at, sources: rows.map(sourceDocument), alerts, waiting: waiting.map(waitingDocument) }
    await context.show(document, () => `${freshnessText(rows, args.by === 'cohort', context)}${waitingText(waiting)}`)
    for (const alert of alerts) context.note(`alert: ${alert.message}`)
    if (off.length > 0) context.note(`switched off: ${off.join(', ')} (shown when named with --source)`)
    return failUnder !== undefined && below.length > 0 ? 1 : 0
  },
})

export function sourceDocument(row: SourceFreshness) {
  return {
    source: row.source,
    population: row.population,
    resolvable: row.resolvable,
    unresolved: row.unresolved,
    fresh: row.fresh,
    due: row.due,
    stale: row.stale,
    never_attempted: row.neverAttempted,
    backing_off: row.backingOff,
    pending: row.pending,
    coverage: row.coverage,
    threshold: row.threshold,
    below_threshold: row.belowThreshold,
    oldest_success_at: toIsoOrNull(row.oldestSuccessAt),
    cohorts: row.cohorts.map((cohort) => ({
      cohort: cohort.cohort,
      population: cohort.population,
      fresh: cohort.fresh,
      due: cohort.due,
      stale: cohort.stale,
      coverage: cohort.coverage,
      oldest_success_at: toIsoOrNull(cohort.oldestSuccessAt),
    })),
  }
}

const SOURCES: readonly Column<SourceFreshness>[] = [
  { title: 'source', value: (row) => row.source },
  { title: 'entities', value: (row) => number(row.population), align: 'right' },
  { title: 'fresh', value: (row) => number(row.fresh), align: 'right' },
  { title: 'due', value: (row) => number(row.due), align: 'right' },
  { title: 'stale', value: (row) => number(row.stale), align: 'right' },
  { title: 'never asked', value: (row) => number(row.neverAttempted), align: 'right' },
  { title: 'pending', value: (row) => number(row.pending), align: 'right' },
  { title: 'unresolved', value: (row) => number(row.unresolved), align: 'right' },
  { title: 'coverage', value: (row) => (row.resolvable === 0 ? '-' : percent(row.coverage)), align: 'right' },
  { title: 'oldest success', value: (row) => instant(row.oldestSuccessAt) },
  { title: '', value: (row) => (row.belowThreshold ? `BELOW ${percent(row.threshold)}` : 'ok') },
]

const COHORTS: readonly Column<CohortFreshness & { readonly source: string }>[] = [
  { title: 'partition', value: (row) => `${row.source}:${row.cohort}` },
  { title: 'entities', value: (row) => number(row.population), align: 'right' },
  { title: 'fresh', value: (row) => number(row.fresh), align: 'right' },
  { title: 'due', value: (row) => number(row.due), align: 'right' },
  { title: 'stale', value: (row) => number(row.stale), align: 'right' },
  { title: 'coverage', value: (row) => percent(row.coverage), align: 'right' },
  { title: 'oldest success', value: (row) => instant(row.oldestSuccessAt) },
]

export function freshnessText(
  rows: readonly SourceFreshness[],
  byCohort: boolean,
  { tableWidth, bold }: Pick<CliContext, 'tableWidth' | 'bold'>,
): string {
  const text = formatTable(rows, SOURCES, tableWidth, bold)
  if (!byCohort) return text
  const cohorts = rows
    .flatMap((row) => row.cohorts.map((cohort) => ({ ...cohort, source: row.source })))
    .sort((a, b) => a.coverage - b.coverage || b.stale - a.stale)
  return `${text}\n${formatTable(cohorts, COHORTS, tableWidth, bold)}`
}
