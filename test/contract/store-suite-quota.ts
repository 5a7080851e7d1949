import { describe, expect, it } from 'vitest'
import { DAY_MS, HOUR_MS } from '../../ts/model/time.ts'
import type { QuotaAnswer, QuotaGrant, QuotaRule, Store } from '../../ts/stores/store.ts'
import { at, NOW } from './store-fixtures.ts'
import type { Open } from './store-suite.ts'

const SLOTS: QuotaRule = { quotaPartition: 'key', kind: 'slots', limit: 2, perMs: 1000 }
const DAILY: QuotaRule = { quotaPartition: 'key', kind: 'counter', limit: 2, perMs: DAY_MS, resets: 'utc_day' }
const LEASE = 500

export function quotaSuite(open: Open): void {
  const ask = (store: Store, rules: readonly QuotaRule[], ms: number, now = NOW, boot = 'boot-1'): Promise<QuotaAnswer> =>
    store.acquireQuota(rules, 'holder', LEASE, at(ms, boot), now)
  const take = async (store: Store, rules: readonly QuotaRule[], ms: number, now = NOW): Promise<QuotaGrant> => {
    const answer = await ask(store, rules, ms, now)
    if (!answer.granted) throw new Error(`refused for ${answer.waitMs} ms`)
    return answer.grant
  }
  const usedOf = async (store: Store, rule: QuotaRule, ms = 0, now = NOW): Promise<number> =>
    (await store.quotaUse([rule], at(ms), now))[0]!.used

  describe('quota slots', () => {
    it('grants up to the limit, then says when the next may be granted at the earliest', async () => {
      const store = await open()
      const first = await take(store, [SLOTS], 0)
      expect(first).toMatchObject({ rules: [SLOTS], slots: [expect.any(Number)] })
      const second = await take(store, [SLOTS], 10)
      expect(second.id).not.toBe(first.id)
      // Both are under way; one released this moment is free a window later.
      expect(await ask(store, [SLOTS], 20)).toEqual({ granted: false, waitMs: 1000, rule: SLOTS })
      await store.releaseQuota(first, at(100))
      expect(await ask(store, [SLOTS], 300)).toMatchObject({ waitMs: 800 })
      expect((await ask(store, [SLOTS], 1099)).granted).toBe(false)
      expect((await ask(store, [SLOTS], 1100)).granted).toBe(true)
    })

    it('frees a slot a window after its release, not after its grant', async () => {
      const store = await open()
      const one: QuotaRule = { ...SLOTS, limit: 1 }
      await store.releaseQuota(await take(store, [one], 0), at(400))
      expect((await ask(store, [one], 1399)).granted).toBe(false)
      expect((await ask(store, [one], 1400)).granted).toBe(true)
    })

    it('frees the slot of a dead holder a window after its lease', async () => {
      const store = await open()
      const one: QuotaRule = { ...SLOTS, limit: 1 }
      await take(store, [one], 0)
      expect(await ask(store, [one], 1200)).toMatchObject({ granted: false, waitMs: 300 })
      expect((await ask(store, [one], 1499)).granted).toBe(false)
      expect((await ask(store, [one], 1500)).granted).toBe(true)
    })

    it('releases once: later releases and refunds change nothing', async () => {
      const store = await open()
      const one: QuotaRule = { ...SLOTS, limit: 1 }
      const grant = await take(store, [one], 0)
      await store.releaseQuota(grant, at(100))
      await store.releaseQuota(grant, at(300))
      await store.refundQuota(grant, at(300))
      expect((await ask(store, [one], 1099)).granted).toBe(false)
      const next = await take(store, [one], 1100)
      await store.releaseQuota(grant, at(1100))
      expect(await ask(store, [one], 1200)).toMatchObject({ granted: false, waitMs: 1000 })
      await store.releaseQuota(next, at(1200))
    })

    it('gives a refunded slot back at once', async () => {
      const store = await open()
      const one: QuotaRule = { ...SLOTS, limit: 1 }
      const grant = await take(store, [one], 0)
      await store.refundQuota(grant, at(1))
      await store.refundQuota(grant, at(1))
      await take(store, [one], 1)
      expect((await ask(store, [one], 2)).granted).toBe(false)
    })

    it('counts the slots of another boot as busy for a whole window from first sight', async () => {
      const store = await open()
      await store.releaseQuota(await take(store, [SLOTS], 50_000), at(50_000))
      expect(await ask(store, [SLOTS], 5, NOW, 'boot-2')).toEqual({ granted: false, waitMs: 1000, rule: SLOTS })
      expect((await ask(store, [SLOTS], 1004, NOW, 'boot-2')).granted).toBe(false)
      expect((await ask(store, [SLOTS], 1005, NOW, 'boot-2')).granted).toBe(true)
    })

    it('ignores a release that comes from another boot', async () => {
      const store = await open()
      const one: QuotaRule = { ...SLOTS, limit: 1 }
      const grant = await take(store, [one], 50_000)
      await store.releaseQuota(grant, at(1, 'boot-2'))
      expect(await ask(store, [one], 2, NOW, 'boot-2')).toMatchObject({ granted: false, waitMs: 1000 })
    })

    it('shares one quota between sources that name the same partition, and keeps others apart', async () => {
      const store = await open()
      await take(store, [SLOTS], 0)
      await take(store, [{ ...SLOTS }], 0)
      expect((await ask(store, [{ ...SLOTS }], 0)).granted).toBe(false)
      expect((await ask(store, [{ ...SLOTS, quotaPartition: 'other' }], 0)).granted).toBe(true)
    })

    it('follows a limit that was lowered or raised', async () => {
      const store = await open()
      await store.releaseQuota(await take(store, [SLOTS], 0), at(0))
      await store.releaseQuota(await take(store, [SLOTS], 100), at(100))
      expect(await ask(store, [{ ...SLOTS, limit: 1 }], 200)).toMatchObject({ granted: false, waitMs: 900 })
      expect((await ask(store, [{ ...SLOTS, limit: 3 }], 200)).granted).toBe(true)
    })

    it('takes one unit of every rule or of none, and names the rule that makes it wait longest', async () => {
      const store = await open()
      const perSecond: QuotaRule = { ...SLOTS, limit: 1, perMs: 1000 }
      const perMinute: QuotaRule = { ...SLOTS, limit: 2, perMs: 60_000 }
      const rules = [perSecond, perMinute, DAILY]
      const grant = await take(store, rules, 0)
      expect(grant.slots).toHaveLength(2)
      await store.releaseQuota(grant, at(0))
      expect(await ask(store, rules, 10)).toEqual({ granted: false, waitMs: 990, rule: perSecond })
      expect(await usedOf(store, perMinute, 10)).toBe(1)
      expect(await usedOf(store, DAILY)).toBe(1)
      await store.releaseQuota(await take(store, rules, 1000), at(1000))
      const answer = await ask(store, rules, 1500)
      expect(answer).toMatchObject({ granted: false, rule: DAILY })
    })

    it('charges rules that are the same bucket once, under the strictest limit', async () => {
      const store = await open()
      const rules = [SLOTS, { ...SLOTS, limit: 1 }, DAILY, { ...DAILY, perMs: 2 * DAY_MS }]
      await take(store, rules, 0)
      expect(await usedOf(store, SLOTS)).toBe(1)
      expect(await usedOf(store, DAILY)).toBe(1)
      expect((await ask(store, rules, 1)).granted).toBe(false)
    })

    it('grants without rules', async () => {
      const store = await open()
      expect(await ask(store, [], 0)).toMatchObject({ granted: true, grant: { slots: [] } })
    })
  })

  describe('quota counters', () => {
    const midnight = Math.ceil(NOW / DAY_MS) * DAY_MS

    it('count to the limit until UTC midnight, whatever is released', async () => {
      const store = await open()
      await store.releaseQuota(await take(store, [DAILY], 0), at(1))
      await store.releaseQuota(await take(store, [DAILY], 0), at(1))
      expect(await ask(store, [DAILY], 99_999_999)).toEqual({ granted: false, waitMs: midnight - NOW, rule: DAILY })
      expect((await ask(store, [DAILY], 0, midnight - 1)).granted).toBe(false)
      expect((await ask(store, [DAILY], 0, midnight)).granted).toBe(true)
      expect(await usedOf(store, DAILY, 0, midnight)).toBe(1)
    })

    it('count by UTC month', async () => {
      const store = await open()
      const monthly: QuotaRule = { ...DAILY, limit: 1, perMs: 31 * DAY_MS, resets: 'utc_month' }
      const december = Date.UTC(2026, 11, 1)
      await take(store, [monthly], 0)
      expect(await ask(store, [monthly], 0)).toMatchObject({ granted: false, waitMs: december - NOW })
      await take(store, [monthly], 0, december)
      expect(await ask(store, [monthly], 0, december + 30 * DAY_MS)).toMatchObject({ waitMs: DAY_MS })
      expect((await ask(store, [monthly], 0, Date.UTC(2027, 0, 1))).granted).toBe(true)
    })

    it('count in whole periods when no reset is named', async () => {
      const store = await open()
      const weekly: QuotaRule = { quotaPartition: 'key', kind: 'counter', limit: 1, perMs: 7 * DAY_MS }
      const end = Math.ceil(NOW / (7 * DAY_MS)) * 7 * DAY_MS
      await take(store, [weekly], 0)
      expect(await ask(store, [weekly], 0)).toMatchObject({ waitMs: end - NOW })
      expect((await ask(store, [weekly], 0, end)).granted).toBe(true)
    })

    it('do not open an old window again when the wall clock steps back', async () => {
      const store = await open()
      await take(store, [DAILY], 0, midnight + 5)
      await take(store, [DAILY], 0, midnight - HOUR_MS)
      expect((await ask(store, [DAILY], 0, midnight - HOUR_MS)).granted).toBe(false)
      expect(await usedOf(store, DAILY, 0, midnight + 5)).toBe(2)
    })

    it('survive a reboot', async () => {
      const store = await open()
      await take(store, [DAILY], 0)
      await take(store, [DAILY], 0)
      expect((await ask(store, [DAILY], 0, NOW, 'boot-2')).granted).toBe(false)
    })

    it('are given back by a refund, once, and only to the window that was charged', async () => {
      const store = await open()
      const grant = await take(store, [DAILY, SLOTS], 0)
      await store.refundQuota(grant, at(1))
      await store.refundQuota(grant, at(1))
      expect(await usedOf(store, DAILY)).toBe(0)
      const late = await take(store, [DAILY], 0)
      await take(store, [DAILY], 0, midnight)
      await store.refundQuota(late, at(1))
      expect(await usedOf(store, DAILY, 0, midnight)).toBe(1)
      const released = await take(store, [DAILY], 0, midnight)
      await store.releaseQuota(released, at(1))
      await store.refundQuota(released, at(1))
      expect(await usedOf(store, DAILY, 0, midnight)).toBe(2)
    })
  })

  describe('quota blocks and use', () => {
    it('a block holds until its moment, moves only later, and is of one partition', async () => {
      const store = await open()
      await store.blockQuota('key', NOW + 5000, 'Retry-After')
      await store.blockQuota('key', NOW + 1000, 'shorter')
      expect(await ask(store, [SLOTS, DAILY], 0)).toEqual({ granted: false, waitMs: 5000, rule: SLOTS })
      expect((await ask(store, [{ ...SLOTS, quotaPartition: 'other' }], 0)).granted).toBe(true)
      await store.blockQuota('key', NOW + 6000, 'longer')
      expect(await ask(store, [SLOTS], 0, NOW + 5999)).toMatchObject({ granted: false, waitMs: 1 })
      expect((await ask(store, [SLOTS], 0, NOW + 6000)).granted).toBe(true)
    })

    it('shows what is used, what is left, and when more comes', async () => {
      const store = await open()
      expect(await store.quotaUse([SLOTS, DAILY], at(0), NOW)).toEqual([
        { rule: SLOTS, used: 0, remaining: 2, freesAt: null, blockedUntil: null },
        { rule: DAILY, used: 0, remaining: 2, freesAt: null, blockedUntil: null },
      ])
      await store.releaseQuota(await take(store, [SLOTS, DAILY], 0), at(100))
      await store.blockQuota('key', NOW + 7, 'x')
      expect(await store.quotaUse([SLOTS, DAILY], at(300), NOW)).toEqual([
        { rule: SLOTS, used: 1, remaining: 1, freesAt: NOW + 800, blockedUntil: NOW + 7 },
        { rule: DAILY, used: 1, remaining: 1, freesAt: Math.ceil(NOW / DAY_MS) * DAY_MS, blockedUntil: NOW + 7 },
      ])
      expect(await store.quotaUse([SLOTS], at(1100), NOW + 7)).toEqual([
        { rule: SLOTS, used: 0, remaining: 2, freesAt: null, blockedUntil: null },
      ])
      expect((await store.quotaUse([SLOTS], at(0, 'boot-2'), NOW + 9))[0]).toMatchObject({
        used: 2,
        remaining: 0,
        freesAt: NOW + 1009,
      })
    })
  })

  describe('quotas that count credits', () => {
    const CREDITS: QuotaRule = { ...DAILY, limit: 10, unit: 'credit' }
    const spend = (store: Store, rules: readonly QuotaRule[], credits: number | undefined, now = NOW): Promise<QuotaAnswer> =>
      store.acquireQuota(rules, 'holder', LEASE, at(0), now, credits)

    it('take what a request costs, one unless said, and grant only what is left', async () => {
      const store = await open()
      expect((await spend(store, [CREDITS], 7)).granted).toBe(true)
      expect((await spend(store, [CREDITS], undefined)).granted).toBe(true)
      expect(await usedOf(store, CREDITS)).toBe(8)
      expect(await spend(store, [CREDITS], 3)).toMatchObject({ granted: false, rule: CREDITS, waitMs: 21 * HOUR_MS })
      expect((await spend(store, [CREDITS], 2)).granted).toBe(true)
      expect((await spend(store, [CREDITS], 3, NOW + DAY_MS)).granted).toBe(true)
    })

    it('take nothing of a request that is free, even when all is spent', async () => {
      const store = await open()
      await spend(store, [CREDITS], 10)
      expect((await spend(store, [CREDITS], 1)).granted).toBe(false)
      expect((await spend(store, [CREDITS], 0)).granted).toBe(true)
      expect(await usedOf(store, CREDITS)).toBe(10)
    })

    it('are counted apart from requests of the same period, and given back in full', async () => {
      const store = await open()
      const answer = await spend(store, [CREDITS, DAILY], 4)
      if (!answer.granted) throw new Error('refused')
      expect([await usedOf(store, CREDITS), await usedOf(store, DAILY)]).toEqual([4, 1])
      await store.refundQuota(answer.grant, at(1))
      expect([await usedOf(store, CREDITS), await usedOf(store, DAILY)]).toEqual([0, 0])
      await store.refundQuota(answer.grant, at(1))
      expect(await usedOf(store, CREDITS)).toBe(0)
    })

    it('let a request through that costs more than all there is, once the window is unspent', async () => {
      const store = await open()
      await spend(store, [CREDITS], 1)
      expect((await spend(store, [CREDITS], 50)).granted).toBe(false)
      expect((await spend(store, [CREDITS], 50, NOW + DAY_MS)).granted).toBe(true)
    })
  })
}
