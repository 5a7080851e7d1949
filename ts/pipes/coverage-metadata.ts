/** How fresh a source is, as metadata of its coverage asset. Pure. */
import { duration, instant, number, percent } from '../cli/format.ts'
import type { SourcePlan } from '../model/plan.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import type { CohortFreshness, SourceFreshness } from '../refresh/coverage.ts'
import { metadata, type PipesMetadata } from './metadata.ts'

export type CoverageFacts = {
  readonly freshness: SourceFreshness
  /** Null when the source is not part of the plan (disabled). */
  readonly plan: SourcePlan | null
  readonly slaMs: DurationMs
  readonly now: EpochMs
}

/** Rows of the two tables. */
const MOST_COHORTS = 50

/** Least covered first, then those with most past their SLA. */
function worstFirst(cohorts: readonly CohortFreshness[]): readonly CohortFreshness[] {
  return [...cohorts].sort((a, b) => a.coverage - b.coverage || b.stale - a.stale || (a.cohort < b.cohort ? -1 : 1))
}

export function staleCohortsMarkdown({ freshness, slaMs, now }: Omit<CoverageFacts, 'plan'>): string {
  const stale = worstFirst(freshness.cohorts.filter((cohort) => cohort.stale > 0))
  if (stale.length === 0) return `No cohort of ${freshness.source} has an entity past its SLA of ${duration(slaMs)}.`
  const lines = [
    `| cohort | entities | fresh | due | past SLA | coverage | oldest success |`,
    '|---|---:|---:|---:|---:|---:|---|',
    ...stale.slice(0, MOST_COHORTS).map((cohort) => {
      const oldest = cohort.oldestSuccessAt
      const age = oldest === null ? 'never' : `${instant(oldest)}, ${duration(now - oldest)} ago`
      return `| ${cohort.cohort} | ${number(cohort.population)} | ${number(cohort.fresh)} | ${number(cohort.due)} | ${number(cohort.stale)} | ${percent(cohort.coverage)} | ${age} |`
    }),
  ]
  if (stale.length > MOST_COHORTS) lines.push('', `… and ${number(stale.length - MOST_COHORTS)} more.`)
  return lines.join('\n')
}

const COLUMNS = [
  { name: 'cohort', type: 'string' },
  { name: 'population', type: 'int' },
  { name: 'fresh', type: 'int' },
  { name: 'due', type: 'int' },
  { name: 'stale', type: 'int', description: 'entities past their SLA' },
  { name: 'coverage', type: 'float' },
] as const

export function coverageMetadata(facts: CoverageFacts): PipesMetadata {
  const { freshness, plan, slaMs, now } = facts
  const oldest = freshness.oldestSuccessAt
  return {
    coverage: metadata.float(freshness.coverage),
    threshold: metadata.float(freshness.threshold),
    below_threshold: metadata.bool(freshness.belowThreshold),
    population: metadata.int(freshness.population),
    resolvable: metadata.int(freshness.resolvable),
    fresh: metadata.int(freshness.fresh),
    due: metadata.int(freshness.due),
    stale: metadata.int(freshness.stale),
    never_attempted: metadata.int(freshness.neverAttempted),
    backing_off: metadata.int(freshness.backingOff),
    pending: metadata.int(freshness.pending),
    unresolved: metadata.int(freshness.unresolved),
    oldest_success_at: oldest === null ? metadata.nothing() : metadata.timestamp(oldest),
    oldest_success_age_s: oldest === null ? metadata.nothing() : metadata.float(Math.max(0, now - oldest) / 1000),
    sla_s: metadata.float(slaMs / 1000),
    calls_due: metadata.int(plan?.calls ?? 0),
    quota_utilisation: metadata.float(plan?.feasibility.utilisation ?? 0),
    sla_feasible: metadata.bool(plan?.feasibility.feasible ?? true),
    held_back: metadata.text(plan?.heldBack ?? 'no'),
    stale_cohorts: metadata.md(staleCohortsMarkdown(facts)),
    cohorts: metadata.table(
      COLUMNS,
      worstFirst(freshness.cohorts)
        .slice(0, MOST_COHORTS)
        .map(({ cohort, population, fresh, due, stale, coverage }) => ({ cohort, population, fresh, due, stale, coverage })),
    ),
    source: metadata.text(freshness.source),
    'dagster/row_count': metadata.int(freshness.population),
  }
}

/** Why the check passed or not, in one line. */
export function coverageText({ freshness }: Pick<CoverageFacts, 'freshness'>): string {
  const { source, coverage, threshold, belowThreshold, stale, neverAttempted } = freshness
  return `${source}: ${percent(coverage)} fresh, ${belowThreshold ? 'below' : 'at or above'} ${percent(threshold)}; ${number(stale)} past the SLA, ${number(neverAttempted)} never asked`
}
