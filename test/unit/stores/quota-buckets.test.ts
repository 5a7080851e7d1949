import { describe, expect, it } from 'vitest'
import { DAY_MS } from '../../../ts/model/time.ts'
import { bucketOf, bucketsOf, currentCount, slotWait, windowEnd, windowStart } from '../../../ts/stores/quota-buckets.ts'
import type { QuotaRule } from '../../../ts/stores/store.ts'

const counter = (changes: Partial<QuotaRule> = {}): QuotaRule => ({
  quotaPartition: 'key',
  kind: 'counter',
  limit: 10,
  perMs: DAY_MS,
  resets: 'utc_day',
  ...changes,
})
const slots = (changes: Partial<QuotaRule> = {}): QuotaRule => ({
  quotaPartition: 'key',
  kind: 'slots',
  limit: 10,
  perMs: 1000,
  ...changes,
})

describe('windows', () => {
  const noon = Date.UTC(2024, 1, 29, 12)

  it('are UTC days and months, leap days included', () => {
    const day = bucketOf(counter())
    expect([windowStart(day, noon), windowEnd(day, windowStart(day, noon))]).toEqual([
      Date.UTC(2024, 1, 29),
      Date.UTC(2024, 2, 1),
    ])
    const month = bucketOf(counter({ resets: 'utc_month' }))
    expect([windowStart(month, noon), windowEnd(month, windowStart(month, noon))]).toEqual([
      Date.UTC(2024, 1, 1),
      Date.UTC(2024, 2, 1),
    ])
    expect(windowEnd(month, Date.UTC(2024, 11, 1))).toBe(Date.UTC(2025, 0, 1))
  })

  it('begin a new count, but never an older one', () => {
    const day = bucketOf(counter())
    const start = Date.UTC(2024, 1, 29)
    expect(currentCount(day, null, noon)).toEqual({ windowStart: start, used: 0 })
    expect(currentCount(day, { windowStart: start, used: 3 }, noon)).toEqual({ windowStart: start, used: 3 })
    expect(currentCount(day, { windowStart: start - DAY_MS, used: 3 }, noon)).toEqual({ windowStart: start, used: 0 })
    expect(currentCount(day, { windowStart: start + DAY_MS, used: 3 }, noon)).toEqual({ windowStart: start + DAY_MS, used: 3 })
  })
})

describe('bucketsOf', () => {
  it('merges rules of one bucket under the strictest limit, keeping the order', () => {
    const rules = [
      slots(),
      counter(),
      slots({ limit: 3 }),
      slots({ perMs: 2000 }),
      slots({ quotaPartition: 'other' }),
      counter({ perMs: 5 * DAY_MS, limit: 20 }),
    ]
    expect(bucketsOf(rules).map(({ window, quotaPartition, perMs, limit }) => [window, quotaPartition, perMs, limit])).toEqual([
      ['slots', 'key', 1000, 3],
      ['utc_day', 'key', 0, 10],
      ['slots', 'key', 2000, 10],
      ['slots', 'other', 1000, 10],
    ])
  })
})

describe('slotWait', () => {
  const busy = (...frees: number[]): { freeAt: number; held: boolean }[] => frees.map((freeAt) => ({ freeAt, held: false }))

  it('is nothing while a slot is free', () => {
    expect(slotWait(busy(5, 6), 3, 0, 10)).toBe(0)
  })

  it('is the time until as many are free as are needed', () => {
    expect(slotWait(busy(9, 5, 7), 3, 0, 10)).toBe(5)
    expect(slotWait(busy(9, 5, 7), 1, 0, 10)).toBe(9)
  })

  it('takes a held slot to be released right now', () => {
    expect(slotWait([{ freeAt: 500, held: true }], 1, 100, 10)).toBe(10)
    expect(slotWait([{ freeAt: 105, held: true }], 1, 100, 10)).toBe(5)
  })
})
