import { quotaRules } from '../../http/quota.ts'
import { type EpochMs, toIso, toIsoOrNull } from '../../model/time.ts'
import type { QuotaUse } from '../../stores/store.ts'
import { defineCommand } from '../command.ts'
import type { CliContext } from '../context.ts'
import type { EngineHandle } from '../engine.ts'
import { duration, instant, number } from '../format.ts'
import { configuredSources, sourceOption } from '../selection.ts'
import { type Column, formatTable } from '../table.ts'

type Row = QuotaUse & { readonly sources: readonly string[] }

export const quota = defineCommand({
  name: 'quota',
  summary: 'Show how much of each quota is used, over all processes, and when it frees',
  options: { source: sourceOption },
  examples: [
    { command: 'quota', does: 'All quotas.' },
    { command: 'quota --source sam_gov --json', does: 'What is left of the day, as data.' },
  ],
  async handler(context, args) {
    const sources = configuredSources(args.source, await context.config())
    const engine = await context.engine({ readOnly: true })
    const now = engine.clock.now()
    const rows = await quotaRows(engine, sources, now)
    await context.show({ at: toIso(now), quotas: rows.map(rowDocument) }, () => quotaText(rows, now, context))
  },
})

/** One row per quota; sources that share one are named together. */
async function quotaRows(
  { config, store, clock }: EngineHandle,
  sources: readonly string[],
  now: EpochMs,
): Promise<readonly Row[]> {
  const sharers = Map.groupBy(
    Object.keys(config.enrichment),
    (source) => config.enrichment_refresh[source]?.quota_partition ?? source,
  )
  const rows: Row[] = []
  for (const members of sharers.values()) {
    const [first] = members
    if (first === undefined || !members.some((member) => sources.includes(member))) continue
    const rules = quotaRules(first, config.enrichment_refresh[first]!)
    for (const use of await store.quotaUse(rules, clock.monotonic(), now)) rows.push({ ...use, sources: members })
  }
  return rows
}

function rowDocument({ rule, sources, used, remaining, freesAt, blockedUntil }: Row) {
  return {
    quota_partition: rule.quotaPartition,
    sources: [...sources],
    limit: rule.limit,
    per_ms: rule.perMs,
    resets: rule.resets ?? 'sliding',
    unit: rule.unit ?? 'request',
    used,
    remaining,
    frees_at: toIsoOrNull(freesAt),
    blocked_until: toIsoOrNull(blockedUntil),
  }
}

const COLUMNS = (now: EpochMs): readonly Column<Row>[] => [
  { title: 'quota of', value: (row) => row.sources.join(', ') },
  {
    title: 'limit',
    value: (row) => `${number(row.rule.limit)}${row.rule.unit === 'credit' ? ' credits' : ''} per ${duration(row.rule.perMs)}`,
    align: 'right',
  },
  { title: 'counted', value: (row) => (row.rule.resets ?? 'sliding').replace('_', ' ') },
  { title: 'used', value: (row) => number(row.used), align: 'right' },
  { title: 'left', value: (row) => number(row.remaining), align: 'right' },
  { title: 'frees', value: (row) => when(row.freesAt, now) },
  { title: 'provider said not before', value: (row) => when(row.blockedUntil, now) },
]

function when(at: EpochMs | null, now: EpochMs): string {
  return at === null ? '-' : `${instant(at)} (in ${duration(at - now)})`
}

function quotaText(rows: readonly Row[], now: EpochMs, { tableWidth, bold }: CliContext): string {
  return rows.length === 0 ? 'No source is configured.\n' : formatTable(rows, COLUMNS(now), tableWidth, bold)
}
