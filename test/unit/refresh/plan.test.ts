import { describe, expect, test } from 'vitest'
import type { SourceAdapter } from '../../../ts/adapters/adapter.ts'
import { NO_COUNTS } from '../../../ts/model/checkpoint.ts'
import type { Plan, RefreshRequest } from '../../../ts/model/plan.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../ts/model/time.ts'
import { DEFAULT_RULE, identityAdapter } from '../../../ts/refresh/identity.ts'
import { type PlanPolicy, type PlanSource, planRefresh } from '../../../ts/refresh/plan.ts'
import { itemCursor } from '../../../ts/refresh/resume.ts'
import type { PartitionStats } from '../../../ts/stores/store.ts'
import { checkpoint, dayRule, EVERYTHING, partitionStats, SOURCE, slotRule } from '../../support/builders.ts'
import { fakeAdapter, fakeBatch, fakeFeed, fakeFile } from '../../support/fake-adapter.ts'
import { TEST_EPOCH } from '../../support/fake-clock.ts'
import { registerAdapter } from '../../support/fake-register.ts'

const NOW = TEST_EPOCH

function policy(parts: Partial<PlanPolicy> = {}): PlanPolicy {
  return {
    enabled: true,
    cadenceMs: DAY_MS,
    slaMs: 2 * DAY_MS,
    windowMs: 7 * DAY_MS,
    batchSize: 100,
    rules: [slotRule(120)],
    ...parts,
  }
}

function source(
  adapter: SourceAdapter,
  stats: readonly Partial<PartitionStats>[],
  parts: Partial<Omit<PlanSource, 'adapter' | 'stats' | 'policy'>> & { readonly policy?: Partial<PlanPolicy> } = {},
): PlanSource {
  const { policy: policyParts, ...rest } = parts
  return {
    adapter,
    options: {},
    stats: stats.map((row) => partitionStats({ source: adapter.id, ...row })),
    checkpoints: [],
    quota: [],
    downUntil: null,
    feedFact: null,
    policy: policy(policyParts),
    ...rest,
  }
}

function plan(sources: PlanSource | readonly PlanSource[], request: Partial<RefreshRequest> = {}): Plan {
  return planRefresh({
    now: NOW,
    request: { ...EVERYTHING, ...request },
    sources: Array.isArray(sources) ? (sources as readonly PlanSource[]) : [sources as PlanSource],
  })
}

const summary = (result: Plan): readonly (readonly [string, string, number])[] =>
  result.partitions.map(({ cohort, strategy, calls }) => [cohort, strategy, calls])

describe('the numbers of the requirement', () => {
  const awards = [{ cohort: 'award_year_2024', population: 200_000, due: 200_000, neverAttempted: 200_000 }]
  const daily = { slaMs: DAY_MS, cadenceMs: DAY_MS, rules: [slotRule(120)] }

  test('200,000 awards one by one at 120 a minute take 27.8 h: not feasible within 24 h, and what would make it so', () => {
    const [one] = plan(source(fakeAdapter(['lookup']), awards, { policy: daily })).sources
    expect(one).toMatchObject({
      strategy: 'lookup',
      calls: 200_000,
      feasibility: {
        feasible: false,
        repair:
          'needs an SLA of 28h instead of 1d, or at most 172800 entities instead of 200000, or a quota of 139 per 1m instead of 120',
      },
    })
    expect(one?.feasibility.utilisation).toBeCloseTo(1.157, 3)
    expect(one!.etaMs! / HOUR_MS).toBeCloseTo(27.77, 1)
  })

  test('the same by a hundred a call takes 17 minutes', () => {
    const [one] = plan(source(fakeAdapter(['lookup', 'batch']), awards, { policy: daily })).sources
    expect(one).toMatchObject({
      strategy: 'batch',
      calls: 2_000,
      callsByStrategy: { batch: 2_000, lookup: 200_000 },
      etaMs: 16 * MINUTE_MS,
      feasibility: { feasible: true, repair: null },
    })
    expect(one?.feasibility.utilisation).toBeCloseTo(0.0116, 4)
  })

  test('70,000 companies, ten a call, 1,000 calls a day: exactly the whole quota for 7 days', () => {
    const adapter = fakeAdapter(['batch'], { batch: { ...fakeBatch, maxSize: 10 } })
    const cohorts = Array.from({ length: 140 }, (_, i) => ({
      cohort: `uei_batch_${String(i + 1).padStart(4, '0')}`,
      population: 500,
      due: 500,
      neverAttempted: 500,
    }))
    const week = { slaMs: 7 * DAY_MS, cadenceMs: 7 * DAY_MS, rules: [slotRule(60), dayRule(1_000)] }
    const [one] = plan(source(adapter, cohorts, { policy: week })).sources
    expect(one).toMatchObject({ calls: 7_000, feasibility: { feasible: true, utilisation: 1, repair: null }, etaMs: 6 * DAY_MS })
    const more = plan(source(adapter, [...cohorts, { cohort: 'uei_batch_0141', population: 1 }], { policy: week })).sources[0]
    expect(more?.feasibility).toMatchObject({
      feasible: false,
      repair:
        'needs an SLA of 169h instead of 7d, or at most 70000 entities instead of 70001, or a quota of 1001 per 1d instead of 1000',
    })
  })

  test('calls never span cohorts: a hundred cohorts of one are a hundred calls', () => {
    const cohorts = Array.from({ length: 100 }, (_, i) => ({ cohort: `c${i}`, population: 1, due: 1 }))
    const [one] = plan(source(fakeAdapter(['batch']), cohorts, { policy: { slaMs: DAY_MS, rules: [dayRule(50)] } })).sources
    expect(one).toMatchObject({ calls: 100, feasibility: { feasible: false, utilisation: 2 } })
  })

  test('without quotas everything is feasible', () => {
    expect(plan(source(fakeAdapter(['lookup']), awards, { policy: { rules: [] } })).sources[0]).toMatchObject({
      etaMs: 0,
      feasibility: { feasible: true, utilisation: 0 },
    })
  })
})

describe('order', () => {
  test('stale cohorts before due ones, the oldest knowledge first, over all sources', () => {
    const one = source(fakeAdapter(['batch'], { id: 'one' }), [
      { cohort: 'late', population: 5, due: 5, oldestSuccessAt: NOW - 5 * DAY_MS },
      { cohort: 'stale_new', population: 5, due: 5, stale: 1, oldestSuccessAt: NOW - 3 * DAY_MS },
      { cohort: 'stale_old', population: 5, due: 5, stale: 1, oldestSuccessAt: NOW - 4 * DAY_MS },
      { cohort: 'never', population: 5, due: 5, neverAttempted: 5 },
    ])
    const two = source(fakeAdapter(['file'], { id: 'two' }), [{ cohort: 'a', population: 5, due: 5 }])
    expect(plan([one, two]).partitions.map((part) => part.partition)).toEqual([
      'two:bulk_file',
      'one:stale_old',
      'one:stale_new',
      'one:never',
      'one:late',
    ])
  })

  test('equal cohorts go by name, so that equal inputs give equal plans', () => {
    const rows = ['b', 'c', 'a'].map((cohort) => ({ cohort, population: 1, due: 1 }))
    expect(summary(plan(source(fakeAdapter(['batch']), rows))).map(([cohort]) => cohort)).toEqual(['a', 'b', 'c'])
  })
})

describe('what is worked on', () => {
  const rows = [
    { cohort: 'a', population: 250, due: 150, neverAttempted: 150, unresolved: 10 },
    { cohort: 'b', population: 250, due: 0, fresh: 250, oldestSuccessAt: NOW - HOUR_MS },
    { cohort: 'unresolved', population: 7, unresolved: 7 },
  ]
  const one = source(fakeAdapter(['batch']), rows)

  test('only what is due', () => {
    expect(summary(plan(one))).toEqual([['a', 'batch', 2]])
    expect(plan(one).sources).toMatchObject([{ population: 507, due: 150, unresolved: 17, neverAttempted: 150 }])
  })

  test('nothing is due: nothing is planned', () => {
    for (const able of [['batch'], ['feed'], ['file'], ['batch', 'feed']] as const) {
      expect(plan(source(fakeAdapter(able), [rows[1]!]))).toMatchObject({
        partitions: [],
        sources: [{ calls: 0, strategy: null, etaMs: 0 }],
      })
    }
  })

  test('forced: all that can be asked about, but not what cannot', () => {
    expect(summary(plan(one, { force: true }))).toEqual([
      ['a', 'batch', 3],
      ['b', 'batch', 3],
    ])
  })

  test('cohorts and partitions by name; another source’s partition selects nothing here', () => {
    expect(summary(plan(one, { cohorts: ['b'] }))).toEqual([])
    expect(summary(plan(one, { cohorts: ['b'], force: true }))).toEqual([['b', 'batch', 3]])
    expect(summary(plan(one, { partitions: [`${SOURCE}:a`] }))).toEqual([['a', 'batch', 2]])
    expect(plan(one, { partitions: ['other:a'] })).toMatchObject({ partitions: [], sources: [] })
    expect(plan(one, { sources: [SOURCE], partitions: ['other:a'] }).partitions).toEqual([])
  })

  test('a disabled source, unless it is named', () => {
    const off = source(fakeAdapter(['batch']), rows, { policy: { enabled: false } })
    expect(plan(off).sources).toEqual([])
    expect(summary(plan(off, { sources: [SOURCE] }))).toHaveLength(1)
    expect(summary(plan(off, { partitions: [`${SOURCE}:a`] }))).toHaveLength(1)
  })

  test('a window without a feed: all entities of the cohorts, their dates decide in the run', () => {
    const window = { from: Date.UTC(2023, 9, 1), to: Date.UTC(2023, 9, 8) }
    const [part] = plan(one, { window, cohorts: ['b'] }).partitions
    expect(part).toMatchObject({
      cohort: 'b',
      window,
      calls: 3,
      reason: expect.stringContaining('cohort dates in 2023-10-01:2023-10-07'),
    })
  })

  test('a window with a feed: what changed in it, and it proves nothing', () => {
    const window = { from: NOW - 2 * DAY_MS, to: NOW }
    const withFeed = source(fakeAdapter(['batch', 'feed']), rows)
    expect(plan(withFeed, { window }).partitions).toMatchObject([
      { cohort: 'change_feed', strategy: 'feed', window, provesSince: null, calls: 3 },
    ])
    // A cohort chooses among what changed there; a partition that is named is asked about by itself, by its entities' dates.
    expect(summary(plan(withFeed, { window, cohorts: ['a'] }))).toEqual([['change_feed', 'feed', 3]])
    expect(summary(plan(withFeed, { window, partitions: [`${SOURCE}:a`] }))).toEqual([['a', 'batch', 3]])
  })

  test('a file settles everything with one call, and is fetched once even when nothing was ever loaded', () => {
    const file = fakeAdapter(['file'])
    const byFile = (stats: readonly Partial<PartitionStats>[], request: Partial<RefreshRequest> = {}) =>
      plan(source(file, stats), request).partitions
    const settled = [rows[1]!]
    expect(byFile(rows)).toMatchObject([{ cohort: 'bulk_file', strategy: 'file', calls: 1, due: 150, reason: '150 due of 507' }])
    expect(byFile([])).toMatchObject([{ cohort: 'bulk_file', reason: 'never loaded' }])
    // By its own name it is judged by all cohorts; by one of them, by that.
    expect(byFile(rows, { partitions: [`${SOURCE}:bulk_file`] })).toMatchObject([{ due: 150 }])
    expect(byFile(rows, { cohorts: ['a'] })).toHaveLength(1)
    expect(byFile(rows, { cohorts: ['b'] })).toEqual([])
    expect(byFile(settled, { partitions: [`${SOURCE}:bulk_file`] })).toEqual([])
    expect(byFile(settled, { partitions: [`${SOURCE}:bulk_file`], force: true })).toHaveLength(1)
  })

  test('reasons are for people', () => {
    const mixed = {
      cohort: 'a',
      population: 100,
      due: 60,
      neverAttempted: 10,
      pending: 5,
      stale: 12,
      oldestSuccessAt: NOW - 3 * DAY_MS,
    }
    expect(plan(source(fakeAdapter(['batch']), [mixed])).partitions[0]?.reason).toBe(
      '12 stale past 2d, 5 with a pending status change, 10 never attempted, 45 older than 1d',
    )
  })
})

describe('the feed', () => {
  const known = { cohort: 'a', population: 10_000, due: 10_000, oldestSuccessAt: NOW - 25 * HOUR_MS }
  const adapter = fakeAdapter(['batch', 'feed'])

  test('is walked from a whole day before what is known, and settles it', () => {
    const [part] = plan(source(adapter, [known])).partitions
    expect(part).toMatchObject({
      cohort: 'change_feed',
      provesSince: NOW - 25 * HOUR_MS,
      window: { from: Date.UTC(2026, 10, 19), to: NOW },
      reason: 'proves the rest unchanged since 2026-11-20',
    })
    expect(part?.calls).toBe(3 + 1)
  })

  test('what it cannot settle is asked besides: never attempted, pending', () => {
    const rest = plan(source(adapter, [{ ...known, neverAttempted: 120, pending: 3, stale: 5 }]))
    expect(summary(rest)).toEqual([
      ['change_feed', 'feed', 4],
      ['a', 'batch', 2],
    ])
  })

  test('cohorts that know nothing since its beginning are asked', () => {
    const old = { cohort: 'old', population: 300, due: 300, stale: 300, oldestSuccessAt: NOW - 30 * DAY_MS }
    expect(summary(plan(source(adapter, [known, old])))).toEqual([
      ['change_feed', 'feed', 10],
      ['old', 'batch', 3],
    ])
  })

  test('is left alone when asking is cheaper', () => {
    expect(summary(plan(source(adapter, [{ ...known, population: 200, due: 200 }])))).toEqual([['a', 'batch', 2]])
  })

  test('its cost is what the last walk took, when there was one; then what the config says', () => {
    const fact = { asOf: 0, marker: null, pagesPerDay: 200 }
    expect(summary(plan(source(adapter, [known], { feedFact: fact })))).toEqual([['a', 'batch', 100]])
    expect(plan(source(adapter, [known], { options: { feed_rows_per_day: 20 } })).sources[0]?.callsByStrategy).toEqual({
      feed: 7,
      batch: 100,
    })
  })

  test('an incomplete feed proves nothing and is never planned for it', () => {
    const partial = fakeAdapter(['batch', 'feed'], { feed: { ...fakeFeed, complete: false } })
    expect(summary(plan(source(partial, [known])))).toEqual([['a', 'batch', 100]])
  })

  test('named as a partition it is judged by all cohorts, and walked when it settles anything', () => {
    const few = { ...known, population: 200, due: 150 }
    expect(summary(plan(source(adapter, [few]), { partitions: [`${SOURCE}:change_feed`] }))).toEqual([['change_feed', 'feed', 4]])
    expect(plan(source(adapter, [few]), { cohorts: ['change_feed'] }).partitions).toMatchObject([{ due: 150 }])
    expect(summary(plan(source(adapter, [few]), { cohorts: ['change_feed', 'a'] }))).toEqual([['change_feed', 'feed', 4]])
    expect(plan(source(adapter, [{ ...few, due: 0 }]), { partitions: [`${SOURCE}:change_feed`] }).partitions).toEqual([])
  })

  test('after the walk, what is still due is asked by itself', () => {
    expect(summary(plan(source(adapter, [known], { feedWalked: true })))).toEqual([['a', 'batch', 100]])
  })

  test('is not walked for so many entities alone, unless it is named', () => {
    expect(summary(plan(source(adapter, [known]), { limit: 5 }))).toEqual([['a', 'batch', 100]])
    expect(summary(plan(source(adapter, [known]), { limit: 5, partitions: [`${SOURCE}:change_feed`] }))).toEqual([
      ['change_feed', 'feed', 4],
    ])
  })

  test('a cohort named alone is asked, not walked', () => {
    expect(summary(plan(source(adapter, [known]), { cohorts: ['a'] }))).toEqual([['a', 'batch', 100]])
  })

  test('an SLA that no walk can keep is repaired by asking about each entity within a longer one, not by walking less often', () => {
    const fact = { asOf: 0, marker: null, pagesPerDay: 5_000 }
    const huge = source(adapter, [{ ...known, population: 10_000_000 }], { feedFact: fact, policy: { rules: [dayRule(1_000)] } })
    expect(plan(huge).sources[0]?.feasibility).toMatchObject({
      feasible: false,
      repair:
        'needs an SLA of 100d instead of 2d, or at most 200000 entities instead of 10000000, or a quota of 5001 per 1d instead of 1000',
    })
  })
})

describe('interrupted passes', () => {
  const row = { cohort: 'batch_0001', population: 100, due: 0, fresh: 100, oldestSuccessAt: NOW - HOUR_MS }
  const open = checkpoint({ cursor: itemCursor(false, 50) })

  test('are resumed even when nothing is due any more, to be closed', () => {
    expect(plan(source(fakeAdapter(['batch']), [row], { checkpoints: [open] })).partitions).toMatchObject([
      { resume: true, calls: 0, reason: expect.stringContaining('resumes an interrupted pass') },
    ])
    expect(plan(source(fakeAdapter(['batch']), [row], { checkpoints: [{ ...open, status: 'complete' }] })).partitions).toEqual([])
  })

  test('a forced refresh over an interrupted one of what was due begins anew', () => {
    expect(plan(source(fakeAdapter(['batch']), [row], { checkpoints: [open] }), { force: true }).partitions).toMatchObject([
      { resume: false, calls: 1 },
    ])
  })

  test('a walk goes on although asking would be cheaper by now', () => {
    const cursor = JSON.stringify({ slices: ['2026-11-20'], page: null, pages: 3, marker: null, knownSince: NOW - DAY_MS })
    const walk = checkpoint({
      partition: `${SOURCE}:change_feed`,
      strategy: 'feed',
      cursor,
      window: { from: NOW - 2 * DAY_MS, to: NOW - HOUR_MS },
    })
    expect(summary(plan(source(fakeAdapter(['batch', 'feed']), [row], { checkpoints: [walk] })))).toEqual([
      ['change_feed', 'feed', 1],
    ])
  })

  test('a file that was downloaded is not downloaded again', () => {
    const pass = checkpoint({ partition: `${SOURCE}:bulk_file`, strategy: 'file', cursor: '{"stage":"downloaded"}' })
    expect(plan(source(fakeAdapter(['file']), [row], { checkpoints: [pass] })).partitions).toMatchObject([
      { cohort: 'bulk_file', resume: true },
    ])
  })
})

describe('held back', () => {
  const rows = [{ cohort: 'a', population: 10, due: 10 }]
  const use = { rule: dayRule(1_000), used: 1_000, remaining: 0, freesAt: NOW + HOUR_MS, blockedUntil: null }

  test.each<[string, Partial<PlanSource>, string]>([
    ['the breaker is open', { downUntil: NOW + 1 }, 'source down, next probe at 2026-11-21T03:00:00.001Z'],
    [
      'the provider named a moment',
      { quota: [{ ...use, remaining: 5, blockedUntil: NOW + 1 }] },
      'the provider refuses calls until 2026-11-21T03:00:00.001Z',
    ],
    ['the day’s quota is spent', { quota: [use] }, 'quota of 1000 per 1d spent until 2026-11-21T04:00:00.000Z'],
    ['spent, nobody knows until when', { quota: [{ ...use, freesAt: null }] }, 'quota of 1000 per 1d spent until its reset'],
  ])('%s: nothing is planned, and the plan says why and what it would cost', (_name, parts, reason) => {
    expect(plan({ ...source(fakeAdapter(['batch']), rows), ...parts })).toMatchObject({
      partitions: [],
      sources: [{ heldBack: reason, due: 10, calls: 1 }],
    })
  })

  test.each<[string, Partial<PlanSource>]>([
    ['the breaker’s time is over', { downUntil: NOW }],
    ['the provider’s moment is past', { quota: [{ ...use, remaining: 5, blockedUntil: NOW }] }],
    ['slots that are busy free themselves', { quota: [{ ...use, rule: slotRule(1) }] }],
  ])('not when %s', (_name, parts) => {
    expect(plan({ ...source(fakeAdapter(['batch']), rows), ...parts })).toMatchObject({
      partitions: [{ cohort: 'a' }],
      sources: [{ heldBack: null }],
    })
  })
})

describe('a pass over a whole source that failed', () => {
  const backoff = { failures: 2, failedAt: NOW - MINUTE_MS, nextAttemptAt: NOW + HOUR_MS, reason: 'HTTP 503' }

  test('is counted as work that waits, also when the file was never loaded and so nothing is due', () => {
    const loader = fakeAdapter(['file'], { file: { ...fakeFile, loader: 'sbir_awards' } as unknown as typeof fakeFile })
    const waiting = plan({ ...source(loader, []), passBackoffs: new Map([['bulk_file', backoff]]) })
    expect(waiting.partitions).toEqual([])
    expect(waiting.sources).toMatchObject([
      { due: 0, calls: 1, strategy: 'file', heldBack: expect.stringContaining('failed 2 times in a row (HTTP 503)') },
    ])
    expect(plan(source(loader, [])).partitions).toMatchObject([{ strategy: 'file', calls: 1, entities: 0 }])
  })
})

describe('the entities of a partition', () => {
  const row = { cohort: 'a', population: 50, due: 10, unresolved: 5 }
  test('are those that are due, or all that can be asked about when forced', () => {
    const one = source(fakeAdapter(['batch']), [row])
    expect(plan(one).partitions).toMatchObject([{ due: 10, entities: 10 }])
    expect(plan(one, { force: true }).partitions).toMatchObject([{ due: 10, entities: 45 }])
  })
})

describe('the finding of identities', () => {
  const rows = [{ cohort: 'name_batch_0001', population: 10, due: 4 }]
  const main = source(registerAdapter(), [{ cohort: 'batch_0001', population: 6, due: 2 }])
  const identities = source(identityAdapter(registerAdapter(), DEFAULT_RULE)!, rows)
  const planned = (request: Partial<RefreshRequest>): string[] =>
    plan([main, identities], request).partitions.map((part) => `${part.partition} ${part.calls}`)

  test('comes along with its source, and alone when it is named', () => {
    const both = ['register:batch_0001 2', 'register_identity:name_batch_0001 4']
    expect(planned({})).toEqual(both)
    expect(planned({ sources: ['register'] })).toEqual(both)
    expect(planned({ sources: ['register_identity'] })).toEqual(both.slice(1))
    expect(planned({ partitions: ['register:batch_0001'] })).toEqual(both.slice(0, 1))
    expect(planned({ sources: ['other'] })).toEqual([])
  })

  test('is not forced by what is asked of its source, and has no place in time', () => {
    expect(planned({ sources: ['register'], force: true })).toEqual([
      'register:batch_0001 6',
      'register_identity:name_batch_0001 4',
    ])
    expect(planned({ sources: ['register_identity'], force: true })).toEqual(['register_identity:name_batch_0001 10'])
    expect(planned({ window: { from: NOW - DAY_MS, to: NOW } })).toEqual(['register:batch_0001 6'])
  })

  test('a look-up of several calls is planned by what earlier passes took', () => {
    const done = checkpoint({
      partition: 'register:batch_0001',
      status: 'complete',
      strategy: 'lookup',
      counts: { ...NO_COUNTS, items: 10, calls: 25 },
    })
    expect(plan({ ...main, checkpoints: [done] })).toMatchObject({ sources: [{ calls: 5, callsByStrategy: { lookup: 5 } }] })
  })

  test('one that needs none, or several, is planned as its adapter says', () => {
    const planned = (callsPerEntity: number) => {
      const adapter = fakeAdapter(['lookup'])
      const rows = [{ cohort: 'a', population: 7, due: 7 }]
      return plan(source({ ...adapter, lookup: { ...adapter.lookup!, callsPerEntity } }, rows))
    }
    expect(planned(0)).toMatchObject({ sources: [{ calls: 0, etaMs: 0 }], partitions: [{ cohort: 'a', calls: 0 }] })
    expect(planned(2.5)).toMatchObject({ sources: [{ calls: 18 }] })
  })
})

describe('a quota that two sources share', () => {
  const shared = { ...dayRule(1_000), quotaPartition: 'one_key' }
  const rows = [{ cohort: 'a', population: 6_000, due: 6_000 }]
  const two = (enabled: boolean): readonly PlanSource[] => [
    source(fakeAdapter(['lookup']), rows, { policy: { rules: [shared], slaMs: 10 * DAY_MS } }),
    source({ ...fakeAdapter(['lookup']), id: 'other' }, rows, { policy: { rules: [shared], slaMs: 10 * DAY_MS, enabled } }),
  ]

  test('is judged by what both take of it', () => {
    for (const { feasibility } of plan(two(true)).sources) {
      expect(feasibility).toMatchObject({ feasible: false, utilisation: 1.2 })
      expect(feasibility.repair).toBe(
        "needs an SLA of 15d instead of 10d, or at most 4000 entities instead of 6000, or a quota of 1200 per 1d instead of 1000 (the quota is shared: 600 of its calls a day are others')",
      )
    }
  })

  test('belongs to the one that is switched on', () => {
    expect(plan(two(false)).sources[0]!.feasibility).toMatchObject({ feasible: true, utilisation: 0.6 })
  })
})

describe('quotas that count credits', () => {
  const credits = { ...dayRule(100), unit: 'credit' as const }
  const rows = [{ cohort: 'a', population: 1_000, due: 1_000 }]
  const utilisation = (adapter: SourceAdapter): number =>
    plan(source(adapter, rows, { policy: { rules: [credits], slaMs: DAY_MS } })).sources[0]!.feasibility.utilisation

  test('are planned by what a call costs on average', () => {
    expect(utilisation(fakeAdapter(['lookup']))).toBe(10)
    expect(utilisation(fakeAdapter(['lookup'], { creditsPerCall: () => 4 }))).toBe(40)
    expect(utilisation(fakeAdapter(['lookup'], { creditsPerCall: () => 0 }))).toBe(0)
  })

  test('are planned by the entities of a call where each of them costs', () => {
    const each = (maxSize: number): SourceAdapter => {
      const plain = fakeAdapter(['batch'], { creditsPerEntity: () => 2, creditsPerCall: () => 1 })
      return { ...plain, batch: { ...plain.batch!, maxSize } }
    }
    // 1,000 entities a day at 2 credits, of 100: in however many calls.
    for (const maxSize of [1, 10, 100]) expect(utilisation(each(maxSize))).toBeCloseTo(20, 6)
    const { feasibility } = plan(source(each(10), rows, { policy: { rules: [credits], slaMs: DAY_MS, batchSize: 10 } }))
      .sources[0]!
    expect(feasibility.repairs.map(({ kind, changes: [change] }) => [kind, change!.to])).toEqual([
      ['sla', 20 * DAY_MS],
      ['entities', 50],
      ['quota', 2_000],
    ])
  })

  test('take the time until they come back, when fewer are left than the work takes', () => {
    const adapter = fakeAdapter(['batch'], { creditsPerEntity: () => 1 })
    const one = source(adapter, [{ cohort: 'a', population: 1_000, due: 170 }], { policy: { rules: [credits], batchSize: 10 } })
    const eta = (remaining: number, freesAt: number | null): number | null =>
      plan({ ...one, quota: [{ rule: credits, used: 100 - remaining, remaining, freesAt, blockedUntil: null }] }).sources[0]!
        .etaMs
    expect(eta(100, NOW + HOUR_MS)).toBe(DAY_MS)
    // 20 now, 100 in an hour, the other 50 a day later.
    expect(eta(20, NOW + HOUR_MS)).toBe(DAY_MS + HOUR_MS)
    expect(eta(70, NOW + HOUR_MS)).toBe(DAY_MS)
    expect(eta(0, null)).toBe(DAY_MS)
  })

  test('hold nothing back when they are spent: what is free is asked', () => {
    const spent = { rule: credits, used: 100, remaining: 0, freesAt: NOW + HOUR_MS, blockedUntil: null }
    expect(plan({ ...source(fakeAdapter(['lookup']), rows), quota: [spent] })).toMatchObject({ sources: [{ heldBack: null }] })
  })
})
