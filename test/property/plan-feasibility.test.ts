import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { SourceAdapter } from '../../ts/adapters/adapter.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, parseDuration } from '../../ts/model/time.ts'
import { feasibility, timeForCalls } from '../../ts/refresh/feasibility.ts'
import { type PlanSource, steadyLoad } from '../../ts/refresh/plan.ts'
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

function sourceOf({ cohorts, batchSize, rules, slaMs }: World): PlanSource {
  const adapter: SourceAdapter = fakeAdapter(['batch'])
  return {
    adapter,
    options: {},
    policy: { enabled: true, cadenceMs: slaMs / 2, slaMs, windowMs: DAY_MS, batchSize, rules },
    stats: cohorts.map((population, i) => partitionStats({ cohort: `c${i}`, population })),
    checkpoints: [],
    quota: [],
    downUntil: null,
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
        const verdict = feasibility(steadyLoad(sourceOf(one)), one.rules, one.slaMs)
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

  test('each repair that is offered makes it feasible', () => {
    let repaired = 0
    fc.assert(
      fc.property(world, (one) => {
        const { repair } = feasibility(steadyLoad(sourceOf(one)), one.rules, one.slaMs)
        if (repair === null) return
        repaired += 1
        const slaMs = parseDuration(/an SLA of (\S+?),/.exec(repair)![1]!)!
        expect(feasibility(steadyLoad(sourceOf({ ...one, slaMs })), one.rules, slaMs).feasible).toBe(true)
        const limit = Number(/a quota of (\d+) calls a day/.exec(repair)![1])
        const rules = [{ ...one.rules[0]!, limit, perMs: DAY_MS }]
        expect(feasibility(steadyLoad(sourceOf(one)), rules, one.slaMs).feasible).toBe(true)
      }),
      { numRuns: 500 },
    )
    expect(repaired).toBeGreaterThan(50)
  })

  test('more quota, a longer SLA or larger batches never make anything worse', () => {
    fc.assert(
      fc.property(world, fc.integer({ min: 2, max: 5 }), (one, factor) => {
        const utilisation = (changed: Partial<World>): number => {
          const next = { ...one, ...changed }
          return feasibility(steadyLoad(sourceOf(next)), next.rules, next.slaMs).utilisation
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
