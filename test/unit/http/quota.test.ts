import { describe, expect, test } from 'vitest'
import { createQuota, exhaustedUntil, type QuotaOptions, quotaRules } from '../../../ts/http/quota.ts'
import { NO_CRASH_POINTS } from '../../../ts/runtime/ports.ts'
import type { QuotaRule } from '../../../ts/stores/store.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { type FakeControlStore, fakeControlStore } from '../../support/http-client.ts'

const SECOND: QuotaRule = { quotaPartition: 's', kind: 'slots', limit: 2, perMs: 1_000 }
const { signal: never } = new AbortController()

function setUp(changes: Partial<QuotaOptions> = {}) {
  const clock = new FakeClock()
  const store: FakeControlStore = fakeControlStore()
  const quota = createQuota({
    source: 's',
    quotaPartition: 's',
    rules: [SECOND],
    holder: 'h',
    timeoutMs: 5_000,
    maxWaitMs: 60_000,
    store,
    clock,
    random: { next: () => 0.5 },
    crashPoints: NO_CRASH_POINTS,
    ...changes,
  })
  const take = async () => {
    const outcome = await quota.acquire(never)
    if (outcome.kind !== 'granted') throw new Error(outcome.kind)
    return outcome
  }
  return { clock, store, quota, take }
}

test('the configuration becomes rules', () => {
  const quotas = [
    { limit: 60, per: '1m', resets: 'sliding' },
    { limit: 1_000, per: '1d', resets: 'utc_day' },
    { limit: 200, per: '30d', resets: 'utc_month' },
  ] as const
  expect(quotaRules('sam_gov', { quotas: [...quotas] })).toEqual([
    { quotaPartition: 'sam_gov', kind: 'slots', limit: 60, perMs: 60_000 },
    { quotaPartition: 'sam_gov', kind: 'counter', limit: 1_000, perMs: 86_400_000, resets: 'utc_day' },
    { quotaPartition: 'sam_gov', kind: 'counter', limit: 200, perMs: 30 * 86_400_000, resets: 'utc_month' },
  ])
  expect(quotaRules('sam_exclusions', { quotas: [quotas[0]], quota_partition: 'sam_key' })[0]?.quotaPartition).toBe('sam_key')
  expect(() => quotaRules('x', { quotas: [{ limit: 1, per: 'often', resets: 'sliding' }] })).toThrow(/not a duration/)
})

describe('waiting', () => {
  test('goes on when a slot is free again, a window after its request completed', async () => {
    const { clock, quota, take } = setUp()
    const first = await take()
    await take()
    clock.skip(400)
    await quota.release(first.grant)
    const third = quota.acquire(never)
    await settle()
    await clock.advance(999)
    expect(clock.sleeping).toBe(1)
    await clock.advance(50)
    expect(await third).toMatchObject({ kind: 'granted', waitedMs: 1_010 })
  })

  test('is refused at once when it would be longer than the run may wait', async () => {
    const { clock, store, quota } = setUp()
    await store.blockQuota('s', clock.now() + 3_600_000, 'later')
    expect(await quota.acquire(never)).toEqual({
      kind: 'refused',
      until: clock.now() + 3_600_000,
      waitedMs: 0,
      message: expect.stringMatching(/^s: the quota of 2 per 1s .* in 1h, longer than run\.max_quota_wait/),
    })
  })

  test('is refused when waiting adds up to too much', async () => {
    const { clock, store, quota } = setUp({ maxWaitMs: 2_500 })
    const greedy: typeof store.acquireQuota = async (rules) => ({ granted: false, waitMs: 1_000, rule: rules[0]! })
    store.acquireQuota = greedy
    const waiting = quota.acquire(never)
    await settle()
    await clock.advance(5_000)
    expect(await waiting).toMatchObject({ kind: 'refused', waitedMs: 2_020 })
  })

  test('ends with the signal', async () => {
    const { clock, quota, take } = setUp()
    await take()
    await take()
    const controller = new AbortController()
    const waiting = quota.acquire(controller.signal)
    await settle()
    controller.abort()
    expect(await waiting).toMatchObject({ kind: 'aborted' })
    expect(clock.sleeping).toBe(0)
  })

  test('looks again from time to time, because slots may be given back early', async () => {
    const { clock, quota, take } = setUp({ rules: [{ ...SECOND, limit: 1, perMs: 50_000 }] })
    const first = await take()
    const waiting = quota.acquire(never)
    await settle()
    await quota.refund(first.grant)
    await clock.advance(5_100)
    expect(await waiting).toMatchObject({ kind: 'granted' })
  })
})

test('a refunded unit is free at once', async () => {
  const { quota, take, clock } = setUp()
  await take()
  const second = await take()
  await quota.refund(second.grant)
  expect((await take()).waitedMs).toBe(0)
  expect(clock.sleeping).toBe(0)
})

describe('blocks', () => {
  test('are passed on, and never earlier than now nor later than a month', async () => {
    const { clock, store, quota } = setUp()
    expect(await quota.block(clock.now() + 5_000, 'x')).toBe(clock.now() + 5_000)
    expect(store.blocks.get('s')).toBe(clock.now() + 5_000)
    expect(await quota.block(-1, 'x')).toBe(clock.now())
    expect(await quota.block(Number.MAX_SAFE_INTEGER, 'x')).toBe(clock.now() + 32 * 86_400_000)
  })

  test('without rules they are kept in the process', async () => {
    const { clock, store, quota } = setUp({ rules: [] })
    expect(await quota.acquire(never)).toMatchObject({ kind: 'granted', grant: null })
    await quota.block(clock.now() + 2_000, 'x')
    const waiting = quota.acquire(never)
    await settle()
    await clock.advance(2_100)
    expect(await waiting).toMatchObject({ kind: 'granted', grant: null, waitedMs: 2_010 })
    await quota.block(clock.now() + 120_000, 'x')
    expect(await quota.acquire(never)).toMatchObject({ kind: 'refused', until: clock.now() + 120_000 })
    expect(store.blocks.size).toBe(0)
    await quota.release(null)
    await quota.refund(null)
  })
})

test('"exhausted" without a moment lasts until the next reset we know of', () => {
  const now = Date.UTC(2026, 11, 31, 22, 30)
  expect(exhaustedUntil([{ ...SECOND, kind: 'counter', resets: 'utc_day' }], now)).toBe(Date.UTC(2027, 0, 1))
  expect(exhaustedUntil([{ ...SECOND, kind: 'counter', resets: 'utc_month' }], Date.UTC(2026, 11, 3))).toBe(Date.UTC(2027, 0, 1))
  expect(exhaustedUntil([SECOND], now)).toBe(now + 900_000)
})
