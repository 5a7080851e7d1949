import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DAY_MS, MINUTE_MS } from '../../../ts/model/time.ts'
import { createWorldClock } from '../../../ts/sandbox/clock.ts'
import { createQuotaMeter } from '../../../ts/sandbox/quota.ts'

describe('world clock', () => {
  it('runs at its speed, skips, and never goes back', () => {
    let real = 5000
    const clock = createWorldClock(1_000_000, 10, () => real)
    expect(clock.now()).toBe(1_000_000)
    real += 100
    expect(clock.now()).toBe(1_001_000)
    clock.advance(DAY_MS)
    expect([clock.now(), clock.skippedMs]).toEqual([1_001_000 + DAY_MS, DAY_MS])
    real -= 5000
    expect(clock.now()).toBe(1_001_000 + DAY_MS)
    for (const wrong of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => clock.advance(wrong)).toThrow('only forward')
    expect(() => createWorldClock(0, 0, () => 0)).toThrow('speed')
  })
})

describe('quota', () => {
  it('never admits more than the limit in any window, whatever arrives when, and refuses nothing that fits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 120 }),
        fc.constantFrom(1, 10),
        (limit, gaps, speed) => {
          const meter = createQuotaMeter([{ limit, per: 1000 * speed }], speed)
          const admitted: number[] = []
          let at = 0
          let refused = 0
          gaps.forEach((gap, n) => {
            at += gap
            const inWindow = admitted.filter((time) => time > at - 1000).length
            const refusal = meter.arrive(n, 'a', at, at * speed)
            expect(refusal === null).toBe(inWindow < limit)
            if (refusal === null) admitted.push(at)
            else refused += 1
          })
          for (const end of admitted)
            expect(admitted.filter((time) => time > end - 1000 && time <= end).length).toBeLessThanOrEqual(limit)
          expect(meter.violationCount).toBe(refused)
          const report = meter.report()[0]
          if (gaps.length > 0) {
            expect(report).toMatchObject({ arrivals: gaps.length, admitted: admitted.length, real_window_ms: 1000 })
            expect(report!.max_admitted).toBeLessThanOrEqual(limit)
            expect(report!.max_arrivals).toBeGreaterThanOrEqual(report!.max_admitted)
          }
        },
      ),
    )
  })

  it('says when the next request would be admitted, and admits it then', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 60 }),
        (limit, gaps) => {
          const meter = createQuotaMeter([{ limit, per: 1000 }], 1)
          let at = 0
          for (const gap of gaps) {
            at += gap
            const refusal = meter.arrive(0, 'a', at, at)
            if (refusal === null) continue
            expect(refusal.until).toBeGreaterThan(at)
            expect(refusal.until).toBeLessThanOrEqual(at + 1000)
            at = refusal.until
            expect(meter.arrive(0, 'a', at, at)).toBeNull()
          }
        },
      ),
    )
  })

  it('frees a place exactly a window after it was taken', () => {
    const meter = createQuotaMeter([{ limit: 1, per: 1000 }], 1)
    expect(meter.arrive(1, 'a', 0, 0)).toBeNull()
    expect(meter.arrive(2, 'a', 999.9, 999)).toMatchObject({ kind: 'window' })
    expect(meter.arrive(3, 'a', 1000, 1000)).toBeNull()
  })

  it('counts each credential by itself', () => {
    const meter = createQuotaMeter([{ limit: 1, per: MINUTE_MS }], 1)
    expect([meter.arrive(1, 'a', 0, 0), meter.arrive(2, 'b', 0, 0)]).toEqual([null, null])
    expect(meter.violations).toEqual([])
  })

  it('starts the daily count again at midnight UTC of the world, and a refused request uses up nothing', () => {
    const meter = createQuotaMeter(
      [
        { limit: 5, per: MINUTE_MS },
        { limit: 2, per: DAY_MS, resets: 'utc_day' },
      ],
      1,
    )
    const noon = Date.UTC(2026, 10, 21, 12)
    const midnight = Date.UTC(2026, 10, 22)
    expect([1, 2].map((n) => meter.arrive(n, 'a', n, noon))).toEqual([null, null])
    expect(meter.arrive(3, 'a', 3, noon)).toEqual({ kind: 'day', until: midnight })
    expect(meter.arrive(4, 'a', 4, midnight - 1)).toEqual({ kind: 'day', until: midnight })
    expect(meter.arrive(5, 'a', 5, midnight)).toBeNull()
    expect(
      meter.report().map(({ resets, admitted, arrivals, max_admitted }) => [resets, admitted, arrivals, max_admitted]),
    ).toEqual([
      ['sliding', 3, 5, 3],
      ['utc_day', 3, 5, 2],
    ])
    expect(meter.violations.map(({ n, limit, in_window }) => [n, limit, in_window])).toEqual([
      [3, 2, 2],
      [4, 2, 2],
    ])
  })

  it('only counts where nothing is enforced', () => {
    const meter = createQuotaMeter([{ limit: 1, per: 1000, enforce: false }], 1)
    expect([meter.arrive(1, 'a', 0, 0), meter.arrive(2, 'a', 1, 1)]).toEqual([null, null])
    expect(meter.violationCount).toBe(1)
  })

  it('stays exact and small over many arrivals', () => {
    const meter = createQuotaMeter([{ limit: 100, per: 1000 }], 1)
    let admitted = 0
    for (let n = 0; n < 200_000; n += 1) if (meter.arrive(n, 'a', n, n) === null) admitted += 1
    expect(admitted).toBe(20_000)
    expect(meter.violations.length).toBe(10_000)
    expect(meter.violationCount).toBe(180_000)
  })

  it('refuses rules that make no sense', () => {
    expect(() => createQuotaMeter([{ limit: 0, per: 1000 }], 1)).toThrow('whole number from 1')
    expect(() => createQuotaMeter([{ limit: 1, per: 0 }], 1)).toThrow('window longer than 0')
  })
})

describe('counters and credits', () => {
  const MONTH = { limit: 3, per: 30 * DAY_MS, resets: 'utc_month' } as const

  it('starts the monthly count again on the first of the month', () => {
    const meter = createQuotaMeter([MONTH], 10)
    const last = Date.UTC(2026, 10, 30, 23, 59, 59)
    const next = Date.UTC(2026, 11, 1)
    expect([1, 2, 3].map((n) => meter.arrive(n, 'a', n, last))).toEqual([null, null, null])
    expect(meter.arrive(4, 'a', 4, last)).toEqual({ kind: 'month', until: next })
    expect(meter.status('a', 4, last)).toMatchObject([{ remaining: 0, resetsAt: next }])
    expect(meter.arrive(5, 'a', 5, next)).toBeNull()
    expect(meter.status('a', 5, next)).toMatchObject([{ remaining: 2, resetsAt: Date.UTC(2027, 0, 1) }])
  })

  it('counts what requests cost where credits are counted, and nothing for what is free', () => {
    const meter = createQuotaMeter(
      [
        { limit: 100, per: 1000 },
        { limit: 12, per: DAY_MS, resets: 'utc_day', unit: 'credit' },
      ],
      1,
    )
    const noon = Date.UTC(2026, 10, 21, 12)
    expect(meter.arrive(1, 'a', 0, noon, 10)).toBeNull()
    expect(meter.arrive(2, 'a', 1, noon, 10)).toEqual({ kind: 'day', until: Date.UTC(2026, 10, 22) })
    expect([meter.arrive(3, 'a', 2, noon, 0), meter.arrive(4, 'a', 3, noon, 2)]).toEqual([null, null])
    expect(meter.arrive(5, 'a', 4, noon)).not.toBeNull()
    expect(meter.arrive(6, 'a', 5, noon, 0)).toBeNull()
    expect(meter.status('a', 5, noon).map(({ remaining }) => remaining)).toEqual([96, 0])
    expect(meter.report().map(({ unit, admitted }) => [unit, admitted])).toEqual([
      ['request', 4],
      ['credit', 12],
    ])
  })

  it('frees credits of a sliding window as they were taken', () => {
    const meter = createQuotaMeter([{ limit: 5, per: 1000, unit: 'credit' }], 1)
    expect([meter.arrive(1, 'a', 0, 0, 3), meter.arrive(2, 'a', 400, 400, 2)]).toEqual([null, null])
    expect(meter.arrive(3, 'a', 500, 500, 3)).toEqual({ kind: 'window', until: 1000 })
    expect(meter.arrive(4, 'a', 500, 500, 4)).toEqual({ kind: 'window', until: 1400 })
    expect(meter.arrive(5, 'a', 500, 500, 9)).toEqual({ kind: 'window', until: 1400 })
    expect(meter.arrive(6, 'a', 1000, 1000, 3)).toBeNull()
  })
})

describe('a quota that blocks', () => {
  it('lets nobody in until arrivals have been within it for so long, and begins anew when they have not', () => {
    const meter = createQuotaMeter([{ limit: 2, per: 1_000, blocksFor: 10_000 }], 1)
    const at = (ms: number) => meter.arrive(0, 'a', ms, ms)
    expect([at(0), at(1), at(2)]).toEqual([null, null, { kind: 'window', until: 10_002 }])
    // Slow, but not yet for long enough: no violation, and no longer block.
    expect(at(5_000)).toEqual({ kind: 'window', until: 10_002 })
    expect(meter.violationCount).toBe(1)
    // Too fast again, although all are refused.
    for (const ms of [9_000, 9_001]) expect(at(ms)).toEqual({ kind: 'window', until: 10_002 })
    expect(at(9_002)).toEqual({ kind: 'window', until: 19_002 })
    expect(at(19_001)).not.toBeNull()
    expect(at(19_002)).toBeNull()
    expect(meter.arrive(0, 'b', 9_100, 9_100)).toBeNull()
  })

  it('is as much shorter on the wire as the world is faster', () => {
    const meter = createQuotaMeter([{ limit: 1, per: 1_000, blocksFor: 600_000 }], 100)
    expect(meter.arrive(1, 'a', 0, 0)).toBeNull()
    expect(meter.arrive(2, 'a', 1, 100)).toEqual({ kind: 'window', until: 600_100 })
    expect(meter.arrive(3, 'a', 6_000, 600_000)).not.toBeNull()
    expect(meter.arrive(4, 'a', 6_011, 601_100)).toBeNull()
  })
})

describe('credits that only the answer tells', () => {
  it('are settled after it, and spend the month', () => {
    const meter = createQuotaMeter([{ limit: 10, per: DAY_MS, resets: 'utc_month', unit: 'credit' }], 1)
    const now = Date.UTC(2026, 10, 21)
    expect(meter.arrive(1, 'a', 0, now, 1)).toBeNull()
    meter.settle('a', now, 8)
    expect(meter.status('a', 0, now)[0]!.remaining).toBe(1)
    expect(meter.arrive(2, 'a', 1, now, 1)).toBeNull()
    // Nothing matched: nothing is billed.
    meter.settle('a', now, -1)
    expect(meter.status('a', 1, now)[0]!.remaining).toBe(1)
    expect(meter.arrive(3, 'a', 2, now, 1)).toBeNull()
    meter.settle('a', now, 4)
    expect(meter.arrive(4, 'a', 3, now, 1)).toEqual({ kind: 'month', until: Date.UTC(2026, 11, 1) })
    expect(meter.arrive(5, 'a', 4, Date.UTC(2026, 11, 1), 1)).toBeNull()
  })
})
