import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { SourceAdapter } from '../../ts/adapters/adapter.ts'
import type { Repair, RepairChange } from '../../ts/model/plan.ts'
import { DAY_MS, formatDuration, HOUR_MS, MINUTE_MS, parseDuration } from '../../ts/model/time.ts'
import { type SteadySource, timeForCalls, utilisationOf } from '../../ts/refresh/feasibility.ts'
import { feasibility } from '../../ts/refresh/feasibility-repairs.ts'
import type { QuotaRule } from '../../ts/stores/store.ts'
import { partitionStats, SOURCE } from '../support/builders.ts'
import { fakeAdapter } from '../support/fake-adapter.ts'

// Many runs each, and no statement about speed.
vi.setConfig({ testTimeout: 120_000 })

type World = {
  readonly cohorts: readonly number[]
  readonly batchSize: number
  readonly rules: readonly QuotaRule[]
  readonly slaMs: number
}

const rule = fc
  .record({ limit: fc.integer({ min: 1, max: 50 }), perMs: fc.constantFrom(1_000, MINUTE_MS, HOUR_MS) })
  .map(({ limit, perMs }): QuotaRule => ({ quotaPartition: SOURCE, kind: 'slots', limit, perMs }))
const world: fc.Arbitrary<World> = fc.record({
  cohorts: fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 12 }),
  batchSize: fc.integer({ min: 1, max: 40 }),
  rules: fc.array(rule, { minLength: 1, maxLength: 3 }),
  slaMs: fc.integer({ min: 1, max: 200 }).map((factor) => factor * 30_000),
})

function sourceOf({ cohorts, batchSize, rules, slaMs }: World): SteadySource {
  const adapter: SourceAdapter = fakeAdapter(['batch'])
  return {
    adapter,
    options: {},
    policy: { enabled: true, cadenceMs: slaMs / 2, slaMs, windowMs: DAY_MS, batchSize, rules },
    stats: cohorts.map((population, i) => partitionStats({ cohort: `c${i}`, population })),
    checkpoints: [],
    feedFact: null,
  }
}

/** Calls can leave no faster than this, whatever the rule they wait for: the slowest rule paces them all. */
function paceMs(rules: readonly QuotaRule[]): number {
  return Math.max(...rules.map((one) => one.perMs / one.limit))
}

/**
 * A month of SLAs, call by call: each call asks about the batch that was answered longest ago. Returns the greatest age
 * that any batch reached. Batches never span cohorts.
 */
function greatestAge({ cohorts, batchSize, rules, slaMs }: World): number {
  const batches = cohorts.reduce((sum, population) => sum + Math.ceil(population / batchSize), 0)
  const pace = paceMs(rules)
  /** Oldest first; every call takes the head and puts it to the end, which keeps the order. */
  const answeredAt: number[] = Array.from({ length: batches }, () => 0)
  let head = 0
  let greatest = 0
  const calls = Math.min(20_000, Math.max(3 * batches, Math.ceil((30 * slaMs) / pace)))
  for (let call = 1; call <= calls; call++) {
    const at = call * pace
    greatest = Math.max(greatest, at - answeredAt[head]!)
    answeredAt[head] = at
    head = (head + 1) % batches
  }
  return greatest
}

describe('feasibility against a simulated schedule', () => {
  test('feasible: a month without a breach; not feasible: breaches appear', () => {
    const seen = { feasible: 0, infeasible: 0 }
    fc.assert(
      fc.property(world, (one) => {
        const verdict = feasibility(sourceOf(one))
        // On the very edge the sums of floats decide; neither answer would be wrong there.
        fc.pre(Math.abs(verdict.utilisation - 1) > 1e-9)
        seen[verdict.feasible ? 'feasible' : 'infeasible'] += 1
        expect(greatestAge(one) > one.slaMs * (1 + 1e-9)).toBe(!verdict.feasible)
        expect(verdict.feasible).toBe(verdict.utilisation <= 1)
        expect(verdict.repair === null).toBe(verdict.feasible)
      }),
      { numRuns: 1_000 },
    )
    expect(Math.min(seen.feasible, seen.infeasible)).toBeGreaterThan(100)
  })

  test('more quota, a longer SLA or larger batches never make anything worse', () => {
    fc.assert(
      fc.property(world, fc.integer({ min: 2, max: 5 }), (one, factor) => {
        const utilisation = (changed: Partial<World>): number => {
          const next = { ...one, ...changed }
          return feasibility(sourceOf(next)).utilisation
        }
        const before = utilisation({})
        expect(utilisation({ slaMs: one.slaMs * factor })).toBeLessThanOrEqual(before)
        expect(utilisation({ batchSize: one.batchSize * factor })).toBeLessThanOrEqual(before)
        expect(utilisation({ rules: one.rules.map((each) => ({ ...each, limit: each.limit * factor })) })).toBeLessThanOrEqual(
          before,
        )
      }),
    )
  })
})

/** A source of any kind that cannot keep its SLA or can, with credits, shared quotas and limits in several windows. */
const anySource = fc
  .record({
    kind: fc.constantFrom(
      ['batch'] as const,
      ['lookup'] as const,
      ['feed', 'batch'] as const,
      ['feed'] as const,
      ['file'] as const,
    ),
    cohorts: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
    batchSize: fc.integer({ min: 1, max: 4 }),
    maxSize: fc.integer({ min: 1, max: 8 }),
    callsPerEntity: fc.integer({ min: 1, max: 3 }),
    creditsPerCall: fc.constantFrom(1, 2, 3.5),
    perEntity: fc.boolean(),
    rowsPerDay: fc.integer({ min: 1, max: 400 }),
    rules: fc.array(
      fc.record({ limit: fc.integer({ min: 1, max: 12 }), perMs: fc.constantFrom(HOUR_MS, DAY_MS), credit: fc.boolean() }),
      { minLength: 1, maxLength: 3 },
    ),
    slaMs: fc.integer({ min: 1, max: 400 }).map((hours) => hours * 37 * MINUTE_MS),
    cadenceShare: fc.constantFrom(0.1, 0.5, 1),
    othersPerDay: fc.constantFrom(0, 0, 0.7, 11),
  })
  .map((one): { readonly source: SteadySource; readonly othersPerDay: number } => {
    // Others of the same quota are counted in calls, whose price is then not known.
    const priced = one.perEntity && one.othersPerDay === 0 ? 'creditsPerEntity' : 'creditsPerCall'
    const plain: SourceAdapter = fakeAdapter([...one.kind], { [priced]: () => one.creditsPerCall })
    const adapter: SourceAdapter = {
      ...plain,
      ...(plain.batch === undefined ? {} : { batch: { ...plain.batch, maxSize: one.maxSize } }),
      ...(plain.lookup === undefined ? {} : { lookup: { ...plain.lookup, callsPerEntity: one.callsPerEntity } }),
    }
    const rules = one.rules.map(
      ({ limit, perMs, credit }): QuotaRule =>
        credit
          ? { quotaPartition: SOURCE, kind: 'counter', limit, perMs, resets: 'utc_day', unit: 'credit' }
          : { quotaPartition: SOURCE, kind: 'slots', limit, perMs },
    )
    const policy = {
      enabled: true,
      cadenceMs: Math.ceil(one.slaMs * one.cadenceShare),
      slaMs: one.slaMs,
      windowMs: 3 * DAY_MS,
      batchSize: one.batchSize,
      rules,
    }
    const stats = one.cohorts.map((population, i) => partitionStats({ cohort: `c${i}`, population }))
    const options = { feed_rows_per_day: one.rowsPerDay }
    const source: SteadySource = { adapter, options, policy, stats, checkpoints: [], feedFact: null }
    return { source, othersPerDay: one.othersPerDay }
  })

/** The source with the changes made, as an operator would make them in the configuration. */
function repaired(source: SteadySource, changes: readonly RepairChange[]): SteadySource {
  let policy = source.policy
  for (const { what, from, to } of changes) {
    const index = Number(/^quotas\[(\d+)\]\.limit$/.exec(what)?.[1] ?? -1)
    if (index >= 0) {
      expect(policy.rules[index]!.limit).toBe(from)
      policy = { ...policy, rules: policy.rules.map((one, i) => (i === index ? { ...one, limit: to } : one)) }
    } else {
      const key = ({ sla: 'slaMs', cadence: 'cadenceMs', batch_size: 'batchSize' } as const)[what]!
      expect(what === 'batch_size' ? Math.min(policy[key], source.adapter.batch!.maxSize) : policy[key]).toBe(from)
      policy = { ...policy, [key]: to }
    }
  }
  return { ...source, policy }
}

/** The step to which a number is given: smaller changes than one step less are not offered. */
function stepOf({ unit, to }: RepairChange): number {
  if (unit !== 'ms') return 1
  // As it is written: 28h is exact to the hour.
  return parseDuration(`1${/[a-z]+$/.exec(formatDuration(to))![0]}`)!
}

/** All ways to leave entities out, as the entities that stay in each cohort. */
function* subsets(cohorts: readonly number[]): Generator<readonly number[]> {
  const [first, ...rest] = cohorts
  if (first === undefined) yield []
  else for (let kept = 0; kept <= first; kept++) for (const others of subsets(rest)) yield [kept, ...others]
}

describe('repairs', () => {
  test('each one alone is enough, and one step less of it is not', () => {
    const seen = new Map<string, number>()
    fc.assert(
      fc.property(anySource, ({ source, othersPerDay }) => {
        const { feasible, repairs, repair } = feasibility(source, othersPerDay)
        const isFeasible = (changed: SteadySource): boolean => utilisationOf(changed, othersPerDay) <= 1
        expect(isFeasible(source)).toBe(feasible)
        if (feasible) expect([repairs, repair]).toEqual([[], null])
        else expect(repairs.map(({ kind }) => kind)).toContain('quota')
        for (const { kind, changes, text } of repairs) {
          seen.set(kind, (seen.get(kind) ?? 0) + 1)
          expect(repair).toContain(text)
          if (kind === 'entities') continue
          expect(isFeasible(repaired(source, changes)), text).toBe(true)
          // What a longer cadence takes along is no condition of its own.
          const needed = kind === 'cadence' ? changes.slice(0, 1) : changes
          for (const [i, change] of needed.entries()) {
            const less = Math.max(change.from, change.to - stepOf(change))
            const others = needed.filter((_, at) => at !== i)
            expect(isFeasible(repaired(source, [...others, { ...change, to: less }])), `${text}: ${less} is enough`).toBe(false)
          }
        }
        for (const { kind, changes } of repairs as readonly Repair[]) {
          // The configuration is refused when the cadence is longer than the SLA.
          const { policy } = kind === 'entities' ? source : repaired(source, changes)
          expect(policy.cadenceMs <= policy.slaMs).toBe(true)
        }
      }),
      { numRuns: 3_000 },
    )
    for (const kind of ['batch_size', 'cadence', 'sla', 'entities', 'quota'])
      expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(20)
  })

  test('of the entities the most are kept that any choice could keep', () => {
    let judged = 0
    fc.assert(
      fc.property(anySource, ({ source, othersPerDay }) => {
        const { adapter } = source
        fc.pre(adapter.file === undefined && (adapter.batch !== undefined || adapter.lookup !== undefined))
        const { feasible, repairs } = feasibility(source, othersPerDay)
        fc.pre(!feasible)
        const offered = repairs.find(({ kind }) => kind === 'entities')?.changes[0]?.to ?? 0
        const withoutFeed: SteadySource = { ...source, adapter: { ...adapter, feed: undefined } as unknown as SourceAdapter }
        let best = 0
        for (const kept of subsets(source.stats.map(({ population }) => population))) {
          const stats = kept.map((population, i) => ({ ...source.stats[i]!, population }))
          if (utilisationOf({ ...withoutFeed, stats }, othersPerDay) > 1) continue
          // What others take of a shared quota stays even when nothing is asked here.
          if (kept.every((count) => count === 0)) continue
          best = Math.max(
            best,
            kept.reduce((sum, count) => sum + count, 0),
          )
        }
        judged += 1
        expect(offered).toBe(best)
      }),
      { numRuns: 400 },
    )
    expect(judged).toBeGreaterThan(50)
  })

  test('what cannot be helped by patience is not promised: the others take the whole quota', () => {
    const source = sourceOf({
      cohorts: [10],
      batchSize: 1,
      rules: [{ quotaPartition: SOURCE, kind: 'slots', limit: 5, perMs: DAY_MS }],
      slaMs: DAY_MS,
    })
    const { repairs, repair } = feasibility(source, 5)
    expect(repairs.map(({ kind }) => kind)).toEqual(['quota'])
    expect(repair).toBe("needs a quota of 15 per 1d instead of 5 (the quota is shared: 5 of its calls a day are others')")
  })
})

describe('timeForCalls', () => {
  /** Sends calls as early as every moving window allows; returns when the last one left. */
  function simulate(calls: number, rules: readonly QuotaRule[]): number {
    const sent: number[] = []
    for (let call = 0; call < calls; call++) {
      const earliest = Math.max(
        sent.at(-1) ?? 0,
        ...rules.map((one) => (call < one.limit ? 0 : sent[call - one.limit]! + one.perMs)),
      )
      sent.push(earliest)
    }
    return sent.at(-1) ?? 0
  }

  test('is what one rule takes exactly, and never more than several take together', () => {
    fc.assert(
      fc.property(fc.nat(400), fc.array(rule, { minLength: 1, maxLength: 3 }), (calls, rules) => {
        const actual = simulate(calls, rules)
        if (rules.length === 1) expect(timeForCalls(calls, rules)).toBe(actual)
        else expect(timeForCalls(calls, rules)).toBeLessThanOrEqual(actual)
      }),
      { numRuns: 300 },
    )
  })
})
