/**
 * Can the SLA be met at the published quota at all? Pure arithmetic over the steady state: how many calls a day keep the
 * whole population inside its SLA with the cheapest strategy, against how many calls a day the quotas allow.
 */
import type { JsonObject } from '../model/json.ts'
import type { Strategy } from '../model/plan.ts'
import { DAY_MS, type DurationMs, type EpochMs } from '../model/time.ts'
import type { QuotaRule, QuotaUse } from '../stores/store.ts'
import type { PlanSource } from './plan.ts'
import { effectiveBatchSize, feedCalls, itemCallsOf, itemStrategy, learnedCallsPerEntity } from './strategy-cost.ts'

/** Calls a day that all rules together allow; Infinity without rules. */
export function capacityPerDay(rules: readonly QuotaRule[]): number {
  return rules.reduce((least, rule) => Math.min(least, (rule.limit * DAY_MS) / rule.perMs), Number.POSITIVE_INFINITY)
}

/** Time that `calls` calls take from a standing start: each rule lets `limit` through, then waits its window out. */
export function timeForCalls(calls: number, rules: readonly QuotaRule[]): DurationMs {
  if (calls <= 0) return 0
  return rules.reduce((longest, rule) => Math.max(longest, (Math.ceil(calls / rule.limit) - 1) * rule.perMs), 0)
}

/**
 * Time until calls about so many entities in all can have been made, of which the counters have less left than they take: they go on when
 * the counter starts again. 0 when enough is left, or nobody knows when that is.
 */
export function waitForSpent(
  source: Priced & { readonly quota: readonly QuotaUse[] },
  calls: number,
  entities: number,
  now: EpochMs,
): DurationMs {
  if (calls <= 0) return 0
  return source.quota.reduce((longest, { rule, remaining, freesAt }) => {
    const cost = costOfCall(source, rule, entities / calls) * calls
    if (rule.kind !== 'counter' || cost <= remaining || freesAt === null) return longest
    const rest = Math.ceil((cost - remaining) / rule.limit)
    return Math.max(longest, freesAt - now + (rest - 1) * rule.perMs)
  }, 0)
}

export type SteadyLoad = {
  /** Calls that bring the whole population round once. */
  readonly callsPerRound: number
  /** How often a round is needed. */
  readonly everyMs: DurationMs
  readonly strategy: Strategy
}

/** What feasibility depends on. */
export type SteadySource = Pick<PlanSource, 'adapter' | 'policy' | 'options' | 'stats' | 'checkpoints' | 'feedFact'>

/** What keeping the SLA costs in the long run with the cheapest complete strategy; null when nothing has to be asked. */
export function steadyLoad(source: SteadySource): SteadyLoad | null {
  const { adapter, policy } = source
  // Calls never span cohorts: ten cohorts of one entity are ten calls, whatever a batch may hold.
  const askable = source.stats.map((row) => ({ due: row.population - row.unresolved }))
  if (askable.every((row) => row.due <= 0)) return null
  if (adapter.file !== undefined) return { callsPerRound: 1, everyMs: policy.cadenceMs, strategy: 'file' }
  const size = effectiveBatchSize(adapter, policy.batchSize)
  const asked = itemStrategy(adapter) ?? 'lookup'
  const items: SteadyLoad = {
    callsPerRound: itemCallsOf(adapter, asked, askable, size, learnedCallsPerEntity(source.checkpoints, asked)),
    everyMs: policy.slaMs,
    strategy: asked,
  }
  if (adapter.feed === undefined || !adapter.feed.complete) return items
  const walk = { from: 0 }
  const feed: SteadyLoad = {
    callsPerRound: feedCalls(adapter, source.options, source.feedFact, walk, policy.cadenceMs),
    everyMs: policy.cadenceMs,
    strategy: 'feed',
  }
  if (itemStrategy(adapter) === null) return feed
  return feed.callsPerRound / feed.everyMs < items.callsPerRound / items.everyMs ? feed : items
}

/** Entities that a call is about on average in the long run; 1 where calls are not about entities (a file, a feed). */
function entitiesPerCall(source: SteadySource): number {
  const load = steadyLoad(source)
  if (load === null || load.callsPerRound === 0 || load.strategy === 'file' || load.strategy === 'feed') return 1
  return source.stats.reduce((sum, row) => sum + Math.max(0, row.population - row.unresolved), 0) / load.callsPerRound
}

type Priced = Pick<SteadySource, 'adapter' | 'options'>

/** What a call about so many entities takes of a rule: one request, or the credits that such a call of this source costs on average. */
export function costOfCall({ adapter, options }: Priced, rule: QuotaRule, entities: number): number {
  if (rule.unit !== 'credit') return 1
  const each = adapter.creditsPerEntity?.(options as JsonObject)
  return each === undefined ? (adapter.creditsPerCall?.(options as JsonObject) ?? 1) : each * entities
}

/** The quotas as calls about so many entities each (as many as usual unless said); those of which calls take nothing do not count. */
export function callRules(source: SteadySource, entities: number = entitiesPerCall(source)): readonly QuotaRule[] {
  return source.policy.rules.flatMap((rule) => {
    const cost = costOfCall(source, rule, entities)
    if (cost === 1) return [rule]
    return cost <= 0 ? [] : [{ ...rule, limit: rule.limit / cost }]
  })
}

export function callsPerDay(load: SteadyLoad | null): number {
  return load === null ? 0 : (load.callsPerRound * DAY_MS) / load.everyMs
}

/** Share of the quota that keeping the SLA takes. `othersPerDay`: calls that other sources make on the same quotas. */
export function utilisationOf(source: SteadySource, othersPerDay = 0): number {
  const load = steadyLoad(source)
  if (load === null || load.callsPerRound === 0) return 0
  const perDay = capacityPerDay(callRules(source))
  return perDay === Number.POSITIVE_INFINITY ? 0 : (callsPerDay(load) + othersPerDay) / perDay
}
