/**
 * Can the SLA be met at the published quota at all? Pure arithmetic over the steady state: how many calls a day keep the
 * whole population inside its SLA with the cheapest strategy, against how many calls a day the quotas allow.
 */
import type { Feasibility, Strategy } from '../model/plan.ts'
import { DAY_MS, type DurationMs, formatDuration, HOUR_MS } from '../model/time.ts'
import type { QuotaRule } from '../stores/store.ts'

/** Calls a day that all rules together allow; Infinity without rules. */
export function capacityPerDay(rules: readonly QuotaRule[]): number {
  return rules.reduce((least, rule) => Math.min(least, (rule.limit * DAY_MS) / rule.perMs), Number.POSITIVE_INFINITY)
}

/** Time that `calls` calls take from a standing start: each rule lets `limit` through, then waits its window out. */
export function timeForCalls(calls: number, rules: readonly QuotaRule[]): DurationMs {
  if (calls <= 0) return 0
  return rules.reduce((longest, rule) => Math.max(longest, (Math.ceil(calls / rule.limit) - 1) * rule.perMs), 0)
}

export type SteadyLoad = {
  /** Calls that bring the whole population round once. */
  readonly callsPerRound: number
  /** How often a round is needed. */
  readonly everyMs: DurationMs
  readonly strategy: Strategy
}

function roundUp(duration: DurationMs): DurationMs {
  return duration > 2 * DAY_MS ? Math.ceil(duration / DAY_MS) * DAY_MS : Math.ceil(duration / HOUR_MS) * HOUR_MS
}

export function callsPerDay(load: SteadyLoad | null): number {
  return load === null ? 0 : (load.callsPerRound * DAY_MS) / load.everyMs
}

/** `load` null: nothing has to be asked. `othersPerDay`: calls that other sources make on the same quotas. */
export function feasibility(
  load: SteadyLoad | null,
  rules: readonly QuotaRule[],
  slaMs: DurationMs,
  othersPerDay = 0,
): Feasibility {
  if (load === null || load.callsPerRound === 0) return { feasible: true, utilisation: 0, repair: null }
  const perDay = capacityPerDay(rules)
  const neededPerDay = callsPerDay(load)
  const utilisation = perDay === Number.POSITIVE_INFINITY ? 0 : (neededPerDay + othersPerDay) / perDay
  if (utilisation <= 1) return { feasible: true, utilisation, repair: null }
  const repairs: string[] = []
  // What the others leave; where they leave nothing, no patience helps.
  const stretch = othersPerDay < perDay ? neededPerDay / (perDay - othersPerDay) : null
  // A feed publishes what it publishes however seldom it is walked; a file is fetched by cadence, entities are asked by SLA.
  if (stretch !== null && load.strategy === 'file')
    repairs.push(`a cadence of ${formatDuration(roundUp(load.everyMs * stretch))}`)
  else if (stretch !== null && load.strategy !== 'feed') repairs.push(`an SLA of ${formatDuration(roundUp(slaMs * stretch))}`)
  repairs.push(`a quota of ${Math.ceil(neededPerDay + othersPerDay)} calls a day`)
  if (stretch !== null && load.strategy === 'lookup') repairs.push(`${Math.ceil(stretch)} records a call`)
  const shared = othersPerDay === 0 ? '' : ` (the quota is shared: ${Math.ceil(othersPerDay)} of its calls a day are others')`
  return { feasible: false, utilisation, repair: `needs ${repairs.join(', or ')}${shared}` }
}
