/**
 * What would make an SLA feasible that is not: for each setting that can help, the smallest change that does. Every number
 * is found with the same judgement that found the SLA infeasible, so that applying it is enough, and less is not.
 */
import type { JsonObject } from '../model/json.ts'
import type { Feasibility, Repair } from '../model/plan.ts'
import { DAY_MS, type DurationMs, formatDuration, HOUR_MS, MINUTE_MS, SECOND_MS } from '../model/time.ts'
import { callRules, callsPerDay, capacityPerDay, type SteadySource, steadyLoad, utilisationOf } from './feasibility.ts'
import { effectiveBatchSize, itemCallsOf, itemStrategy, learnedCallsPerEntity } from './strategy-cost.ts'

/** Nobody waits longer for anything to be refreshed; beyond, patience is no repair. */
const LONGEST_MS: DurationMs = 10 * 366 * DAY_MS

export function feasibility(source: SteadySource, othersPerDay = 0): Feasibility {
  const utilisation = utilisationOf(source, othersPerDay)
  if (utilisation <= 1) return { feasible: true, utilisation, repairs: [], repair: null }
  const isFeasible = (changed: SteadySource): boolean => utilisationOf(changed, othersPerDay) <= 1
  const repairs = [
    batchSizeRepair(source, isFeasible),
    cadenceRepair(source, isFeasible),
    slaRepair(source, isFeasible),
    entitiesRepair(source, othersPerDay),
    quotaRepair(source, othersPerDay, isFeasible),
  ].filter((repair) => repair !== null)
  const shared = othersPerDay === 0 ? '' : ` (the quota is shared: ${Math.ceil(othersPerDay)} of its calls a day are others')`
  const repair = repairs.length === 0 ? null : `needs ${repairs.map(({ text }) => text).join(', or ')}${shared}`
  return { feasible: false, utilisation, repairs, repair }
}

type Judge = (changed: SteadySource) => boolean

/** Smallest whole number in (below, upTo] for which `holds`, which stays true once it is; null when there is none. */
function smallest(below: number, upTo: number, holds: (value: number) => boolean): number | null {
  if (upTo <= below || !holds(upTo)) return null
  let no = below
  let yes = upTo
  while (yes - no > 1) {
    const middle = Math.floor((no + yes) / 2)
    if (holds(middle)) yes = middle
    else no = middle
  }
  return yes
}

/** In a unit that people would write: days for months, hours for days, minutes for hours, seconds for minutes. */
function stepFor(span: DurationMs): DurationMs {
  if (span > 60 * DAY_MS) return DAY_MS
  if (span > HOUR_MS * 12) return HOUR_MS
  return span > 10 * MINUTE_MS ? MINUTE_MS : SECOND_MS
}

function withPolicy(source: SteadySource, policy: Partial<SteadySource['policy']>): SteadySource {
  return { ...source, policy: { ...source.policy, ...policy } }
}

function batchSizeRepair(source: SteadySource, isFeasible: Judge): Repair | null {
  const { adapter, policy } = source
  if (adapter.batch === undefined) return null
  const from = effectiveBatchSize(adapter, policy.batchSize)
  const to = smallest(from, adapter.batch.maxSize, (batchSize) => isFeasible(withPolicy(source, { batchSize })))
  if (to === null) return null
  return {
    kind: 'batch_size',
    changes: [{ what: 'batch_size', from, to, unit: 'entities' }],
    text: `a batch_size of ${to} instead of ${from}`,
  }
}

/**
 * The smallest longer span for which `holds`, rounded up to a step of its size, at most `upTo`. `holds` may only be false
 * again after having been true where a day ends (a walk begins on a whole day), so days are looked at one by one.
 */
function smallestSpan(from: DurationMs, upTo: DurationMs, holds: (span: DurationMs) => boolean): DurationMs | null {
  const inSeconds = (span: DurationMs): number => Math.floor(span / SECOND_MS)
  for (let start = from; start < upTo; start = Math.floor(start / DAY_MS + 1) * DAY_MS) {
    const end = Math.min(Math.floor(start / DAY_MS + 1) * DAY_MS, upTo)
    const least = smallest(inSeconds(start), inSeconds(end), (seconds) => holds(seconds * SECOND_MS))
    if (least === null) continue
    const exact = least * SECOND_MS
    const step = stepFor(exact)
    const rounded = Math.ceil(exact / step) * step
    return rounded <= upTo && holds(rounded) ? rounded : exact
  }
  return null
}

/** A file is fetched, and a feed walked, as often as the cadence says; entities are asked about as the SLA demands. */
function cadenceRepair(source: SteadySource, isFeasible: Judge): Repair | null {
  const { adapter, policy } = source
  if (adapter.file === undefined && adapter.feed?.complete !== true) return null
  const holds = (cadenceMs: DurationMs): boolean => isFeasible(withPolicy(source, { cadenceMs }))
  // A cadence beyond the SLA would let everything become stale first; a walk reaches no farther back than its window.
  const reach = adapter.file === undefined ? Math.min(policy.slaMs, policy.windowMs) : LONGEST_MS
  const to = smallestSpan(policy.cadenceMs, reach, holds)
  if (to === null) return null
  const cadence = { what: 'cadence', from: policy.cadenceMs, to, unit: 'ms' } as const
  const text = `a cadence of ${formatDuration(to)} instead of ${formatDuration(policy.cadenceMs)}`
  if (to <= policy.slaMs) return { kind: 'cadence', changes: [cadence], text }
  const sla = { what: 'sla', from: policy.slaMs, to, unit: 'ms' } as const
  return { kind: 'cadence', changes: [cadence, sla], text: `${text} with an SLA of as much` }
}

function slaRepair(source: SteadySource, isFeasible: Judge): Repair | null {
  const { slaMs } = source.policy
  const holds = (longer: DurationMs): boolean => isFeasible(withPolicy(source, { slaMs: longer }))
  const exact = smallest(Math.floor(slaMs / SECOND_MS), LONGEST_MS / SECOND_MS, (seconds) => holds(seconds * SECOND_MS))
  if (exact === null) return null
  const step = stepFor(exact * SECOND_MS)
  const to = Math.ceil((exact * SECOND_MS) / step) * step
  return {
    kind: 'sla',
    changes: [{ what: 'sla', from: slaMs, to, unit: 'ms' }],
    text: `an SLA of ${formatDuration(to)} instead of ${formatDuration(slaMs)}`,
  }
}

/** The most entities that can be kept fresh, chosen so that no call is half empty while another entity waits. */
function entitiesRepair(source: SteadySource, othersPerDay: number): Repair | null {
  const { adapter, policy } = source
  const asked = itemStrategy(adapter)
  if (asked === null || adapter.file !== undefined) return null
  const perEntity = adapter.creditsPerEntity?.(source.options as JsonObject)
  // Where every entity costs the same, credits bound the entities by themselves, however they are spread over calls.
  const requests =
    perEntity === undefined ? source : withPolicy(source, { rules: policy.rules.filter(({ unit }) => unit !== 'credit') })
  const perDay = capacityPerDay(callRules(requests))
  if (perDay <= othersPerDay) return null
  const learned = learnedCallsPerEntity(source.checkpoints, asked)
  const size = effectiveBatchSize(adapter, policy.batchSize)
  const callsFor = (entities: number): number => itemCallsOf(adapter, asked, [{ due: entities }], size, learned)
  const fits = (calls: number): boolean =>
    (callsPerDay({ callsPerRound: calls, everyMs: policy.slaMs, strategy: asked }) + othersPerDay) / perDay <= 1
  const about = Math.floor(((perDay - othersPerDay) * policy.slaMs) / DAY_MS)
  const calls = fits(about + 1) ? about + 1 : fits(about) ? about : about - 1
  const cohorts = source.stats.map((row) => Math.max(0, row.population - row.unresolved))
  const from = cohorts.reduce((sum, count) => sum + count, 0)
  const affordable =
    perEntity === undefined ? Number.POSITIVE_INFINITY : entitiesForCredits(source, perEntity, size * othersPerDay)
  const to = Math.min(affordable, calls === Number.POSITIVE_INFINITY ? from : mostEntities(cohorts, calls, callsFor))
  if (to < 1 || to >= from) return null
  return {
    kind: 'entities',
    changes: [{ what: 'entities', from, to, unit: 'entities' }],
    text: `at most ${to} entities instead of ${from}`,
  }
}

/** Entities within an SLA that the credits allow. `othersPerDay`: about how many others ask a day. */
function entitiesForCredits({ policy }: SteadySource, perEntity: number, othersPerDay: number): number {
  if (perEntity <= 0) return Number.POSITIVE_INFINITY
  const perDay = capacityPerDay(policy.rules.filter(({ unit }) => unit === 'credit')) / perEntity - othersPerDay
  return Math.floor((Math.max(0, perDay) * policy.slaMs) / DAY_MS + 1e-9)
}

/**
 * Entities that so many calls can ask about. Calls do not span cohorts, so whole calls come first, then the last ones of
 * each cohort, the fullest first. Exact where every full call holds the same number, or every entity takes the same number
 * of calls; where calls per entity were learned from earlier passes, it may be a few too low, never too high.
 */
export function mostEntities(cohorts: readonly number[], calls: number, callsFor: (entities: number) => number): number {
  const perCall = smallestHolding(callsFor)
  let left = calls
  let kept = 0
  const tails: number[] = []
  for (const count of cohorts) {
    const whole = Math.floor(count / perCall) * perCall
    const taken = fitting(whole, left, callsFor)
    kept += taken
    left -= callsFor(taken)
    if (taken === whole && count > taken) tails.push(count - taken)
  }
  for (const tail of tails.sort((a, b) => b - a)) {
    const taken = fitting(tail, left, callsFor)
    kept += taken
    left -= callsFor(taken)
  }
  return kept
}

/** How many entities one call holds; 1 where an entity takes a call or more. */
function smallestHolding(callsFor: (entities: number) => number): number {
  let held = 1
  while (callsFor(1) === 1 && held < 1_000_000 && callsFor(held * 2) === 1) held *= 2
  return (smallest(held, held * 2, (entities) => callsFor(entities) > callsFor(1)) ?? held + 1) - 1
}

function fitting(upTo: number, calls: number, callsFor: (entities: number) => number): number {
  if (upTo <= 0 || callsFor(upTo) <= calls) return Math.max(0, upTo)
  return (smallest(0, upTo, (entities) => callsFor(entities) > calls) ?? 1) - 1
}

/** Every limit that is too low, raised to what is needed in its own window. */
function quotaRepair(source: SteadySource, othersPerDay: number, isFeasible: Judge): Repair | null {
  const { rules } = source.policy
  const needed = callsPerDay(steadyLoad(source)) + othersPerDay
  const limits = rules.map((rule) => {
    const alone = (limit: number): boolean => isFeasible(withPolicy(source, { rules: [{ ...rule, limit }] }))
    if (alone(rule.limit)) return rule.limit
    const [alike = rule] = callRules(withPolicy(source, { rules: [rule] }))
    const about = Math.ceil((needed * rule.perMs * rule.limit) / alike.limit / DAY_MS)
    return smallest(rule.limit, 2 * Math.max(rule.limit, about), alone)
  })
  const raised = rules.flatMap((rule, index) => {
    const to = limits[index] ?? rule.limit
    return to === rule.limit ? [] : [{ rule, index, to }]
  })
  if (raised.length === 0) return null
  const texts = raised.map(
    ({ rule, to }) =>
      `${to}${rule.unit === 'credit' ? ' credits' : ''} per ${formatDuration(rule.perMs)} instead of ${rule.limit}`,
  )
  return {
    kind: 'quota',
    changes: raised.map(({ rule, index, to }) => ({
      what: `quotas[${index}].limit`,
      from: rule.limit,
      to,
      unit: rule.unit === 'credit' ? 'credits' : 'requests',
    })),
    text: `a quota of ${texts.join(' and ')}`,
  }
}
