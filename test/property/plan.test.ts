import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { Plan, PlannedPartition, RefreshRequest } from '../../ts/model/plan.ts'
import { DAY_MS } from '../../ts/model/time.ts'
import { type PlanSource, planRefresh } from '../../ts/refresh/plan.ts'
import type { PartitionStats } from '../../ts/stores/store.ts'
import { planSource, planSources, refreshRequest } from '../support/arbitrary-plans.ts'
import { EVERYTHING } from '../support/builders.ts'
import { TEST_EPOCH } from '../support/fake-clock.ts'

// Many runs each, and no statement about speed.
vi.setConfig({ testTimeout: 120_000 })

const NOW = TEST_EPOCH
const plan = (sources: readonly PlanSource[], request: RefreshRequest = EVERYTHING): Plan =>
  planRefresh({ now: NOW, request, sources })
const isWhole = (part: PlannedPartition): boolean => part.strategy === 'file' || part.strategy === 'feed'
const sizeOf = (source: PlanSource): number =>
  source.adapter.batch === undefined ? 1 : Math.min(source.policy.batchSize, source.adapter.batch.maxSize)
const askable = (source: PlanSource): readonly PartitionStats[] => source.stats.filter((row) => row.cohort !== 'unresolved')

const anyPlan = fc.tuple(planSources, refreshRequest)

describe('every plan', () => {
  test('names each partition once, of a selected source, with passes over whole sources first and stale before not stale', () => {
    fc.assert(
      fc.property(anyPlan, ([sources, request]) => {
        const { partitions } = plan(sources, request)
        expect(new Set(partitions.map((part) => part.partition)).size).toBe(partitions.length)
        const ranks = partitions.map((part) => (isWhole(part) ? 0 : part.stale > 0 ? 1 : 2))
        expect(ranks).toEqual([...ranks].sort())
        for (const part of partitions) {
          expect(part.partition).toBe(`${part.source}:${part.cohort}`)
          expect(part.reason).not.toBe('')
          expect(part.calls).toBeGreaterThanOrEqual(part.resume ? 0 : 1)
          expect(Number.isSafeInteger(part.calls)).toBe(true)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('plans a disabled source only when it is named, and nothing that was not named', () => {
    fc.assert(
      fc.property(anyPlan, ([sources, request]) => {
        const { partitions, sources: planned } = plan(sources, request)
        for (const source of sources) {
          const { id } = source.adapter
          const byPartition = request.partitions.some((key) => key.startsWith(`${id}:`))
          const named = byPartition || request.sources.includes(id)
          const expected = named || (request.sources.length === 0 && request.partitions.length === 0 && source.policy.enabled)
          expect(planned.some((one) => one.source === id)).toBe(expected)
          if (!expected) expect(partitions.filter((part) => part.source === id)).toEqual([])
        }
        for (const part of partitions) {
          const cohorts = [
            ...request.cohorts,
            ...request.partitions.filter((key) => key.startsWith(`${part.source}:`)).map((key) => key.split(':')[1]!),
          ]
          // In a window a cohort chooses among what the feed lists.
          const isWindow = part.strategy === 'feed' && request.window !== null
          if (cohorts.length > 0 && part.strategy !== 'file' && !isWindow) expect(cohorts).toContain(part.cohort)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('leaves nothing that is due without a way to settle it', () => {
    fc.assert(
      fc.property(planSources, (sources) => {
        const { partitions, sources: planned } = plan(sources)
        for (const source of sources) {
          const one = planned.find(({ source: id }) => id === source.adapter.id)
          if (one === undefined || one.heldBack !== null) continue
          const own = partitions.filter((part) => part.source === source.adapter.id)
          const feed = own.find((part) => part.strategy === 'feed')
          for (const row of askable(source)) {
            if (row.due === 0 || own.some((part) => part.strategy === 'file' || part.cohort === row.cohort)) continue
            // Only the feed is left, so it must be able to settle all that is due here (or the source has no other way at all).
            const onlyFeed = source.adapter.batch === undefined && source.adapter.lookup === undefined
            if (feed === undefined) expect(onlyFeed).toBe(true)
            else if (!onlyFeed) {
              expect(row.neverAttempted + row.pending).toBe(0)
              expect(row.oldestSuccessAt).toBeGreaterThanOrEqual(feed.provesSince!)
            }
          }
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('adds up: due, stale and calls are those of its parts', () => {
    fc.assert(
      fc.property(planSources, (sources) => {
        const result = plan(sources)
        for (const one of result.sources) {
          const source = sources.find(({ adapter }) => adapter.id === one.source)!
          const total = (pick: (row: PartitionStats) => number): number =>
            askable(source).reduce((sum, row) => sum + pick(row), 0)
          expect([one.due, one.stale, one.neverAttempted, one.backingOff]).toEqual([
            total((row) => row.due),
            total((row) => row.stale),
            total((row) => row.neverAttempted),
            total((row) => row.backingOff),
          ])
          expect(one.population).toBe(source.stats.reduce((sum, row) => sum + row.population, 0))
          const own = result.partitions.filter((part) => part.source === one.source)
          if (one.heldBack === null) expect(one.calls).toBe(own.reduce((sum, part) => sum + part.calls, 0))
          else expect(own).toEqual([])
          expect(one.etaMs === 0).toBe(one.calls <= source.policy.rules[0]!.limit)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('estimates calls by batches within cohorts: never under what the work takes, never a batch too many for each', () => {
    fc.assert(
      fc.property(planSources, fc.boolean(), (sources, force) => {
        for (const part of plan(sources, { ...EVERYTHING, force }).partitions) {
          if (isWhole(part)) continue
          const source = sources.find(({ adapter }) => adapter.id === part.source)!
          const row = source.stats.find(({ cohort }) => cohort === part.cohort)!
          const most = force ? row.population - row.unresolved : row.due
          expect(part.calls).toBeLessThanOrEqual(Math.ceil(most / sizeOf(source)))
          expect(part.calls * sizeOf(source)).toBeGreaterThanOrEqual(part.resume ? 0 : 1)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('is pure: the same input gives the same plan and stays as it was; the order of counts does not matter', () => {
    fc.assert(
      fc.property(anyPlan, ([sources, request]) => {
        const copy = JSON.stringify(sources.map(({ adapter: _adapter, ...rest }) => rest))
        const first = plan(sources, request)
        expect(plan(sources, request)).toEqual(first)
        expect(JSON.stringify(sources.map(({ adapter: _adapter, ...rest }) => rest))).toBe(copy)
        expect(
          plan(
            sources.map((source) => ({ ...source, stats: [...source.stats].reverse() })),
            request,
          ).partitions,
        ).toEqual(first.partitions)
      }),
      { numRuns: 300 },
    )
  })

  test('keeps to a budget of calls: a prefix of the plan without one, over it by at most its last partition', () => {
    fc.assert(
      fc.property(planSources, fc.nat(300), (sources, maxCalls) => {
        const all = plan(sources).partitions
        const kept = plan(sources, { ...EVERYTHING, maxCalls }).partitions
        expect(kept).toEqual(all.slice(0, kept.length))
        expect(kept.slice(0, -1).reduce((sum, part) => sum + part.calls, 0)).toBeLessThanOrEqual(Math.max(0, maxCalls))
        const spent = kept.reduce((sum, part) => sum + part.calls, 0)
        if (kept.length < all.length) expect(spent).toBeGreaterThanOrEqual(maxCalls)
      }),
      { numRuns: 300 },
    )
  })

  test('holds back a source that is down or refuses calls, and only that one', () => {
    fc.assert(
      fc.property(planSources, (sources) => {
        const { sources: planned } = plan(sources)
        for (const one of planned) {
          const source = sources.find(({ adapter }) => adapter.id === one.source)!
          const held = (source.downUntil ?? 0) > NOW || source.quota.some((use) => (use.blockedUntil ?? 0) > NOW)
          expect(one.heldBack !== null).toBe(held)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('the feed', () => {
  /** The same decision, counted out entity by entity. */
  function cheaperByFeed(source: PlanSource): boolean {
    const { adapter, policy } = source
    const successes = askable(source).flatMap((row) => (row.oldestSuccessAt === null ? [] : [row.oldestSuccessAt]))
    if (successes.length === 0) return false
    const knownSince = Math.max(Math.min(...successes), NOW - policy.windowMs)
    const from = Math.floor((knownSince - adapter.feed!.overlapMs) / DAY_MS) * DAY_MS
    const days = Math.max(1, Math.ceil((NOW - from) / DAY_MS))
    const walk =
      Math.ceil((adapter.feed!.estimate.rowsPerDay / adapter.feed!.estimate.rowsPerPage) * days) +
      (adapter.feed!.gate === undefined ? 0 : 1)
    const settled = (row: PartitionStats): number =>
      row.oldestSuccessAt === null || row.oldestSuccessAt < knownSince ? 0 : row.due - row.neverAttempted - row.pending
    const calls = (amount: (row: PartitionStats) => number): number =>
      askable(source).reduce((sum, row) => sum + Math.ceil(amount(row) / sizeOf(source)), 0)
    return (
      askable(source).some((row) => settled(row) > 0) && walk + calls((row) => row.due - settled(row)) < calls((row) => row.due)
    )
  }

  test('is walked exactly when that is cheaper than asking about all it would settle', () => {
    const source = planSource('s1').filter(
      ({ adapter }) => adapter.feed !== undefined && (adapter.batch !== undefined || adapter.lookup !== undefined),
    )
    let walked = 0
    fc.assert(
      fc.property(source, (raw) => {
        const one = { ...raw, policy: { ...raw.policy, enabled: true }, downUntil: null, quota: [] }
        const feed = plan([one]).partitions.find((part) => part.strategy === 'feed')
        if (feed !== undefined) walked += 1
        expect(feed !== undefined).toBe(cheaperByFeed(one))
        if (feed !== undefined) expect(feed.window!.from).toBeLessThanOrEqual(feed.provesSince! - one.adapter.feed!.overlapMs)
      }),
      { numRuns: 2_000 },
    )
    expect(walked).toBeGreaterThan(50)
  })

  test('proves nothing when it is the operator who names the window', () => {
    const window = { from: NOW - DAY_MS, to: NOW }
    fc.assert(
      fc.property(planSources, (sources) => {
        for (const part of plan(sources, { ...EVERYTHING, window }).partitions) {
          expect(part.provesSince).toBeNull()
          expect(part.window).toEqual(window)
        }
      }),
      { numRuns: 200 },
    )
  })
})
