import { describe, expect, it } from 'vitest'
import { NO_COUNTS } from '../../ts/model/checkpoint.ts'
import { partitionKey } from '../../ts/model/keys.ts'
import { at, batch, checkpoint, codeOf, lease, NOW, PARTITION, SOURCE } from './store-fixtures.ts'
import type { Open } from './store-suite.ts'

export function coordinationSuite(open: Open): void {
  describe('leases', () => {
    it('grants one holder at a time; others and the same one get null', async () => {
      const store = await open()
      const held = (await store.acquireLease(PARTITION, 'a', 1000, at(10)))!
      expect(held).toMatchObject({ partition: PARTITION, holder: 'a', expiresAtMonotonicMs: 1010 })
      expect(await store.acquireLease(PARTITION, 'b', 1000, at(1009))).toBeNull()
      expect(await store.acquireLease(PARTITION, 'a', 1000, at(1009))).toBeNull()
      expect(await store.acquireLease(partitionKey(SOURCE, 'other'), 'b', 1000, at(20))).not.toBeNull()
    })

    it('grants again with a larger token after expiry, release, or a reboot', async () => {
      const store = await open()
      const first = (await store.acquireLease(PARTITION, 'a', 1000, at(0)))!
      const second = (await store.acquireLease(PARTITION, 'b', 1000, at(1000)))!
      expect(second.token).toBeGreaterThan(first.token)
      await store.releaseLease(second)
      const third = (await store.acquireLease(PARTITION, 'c', 1000, at(1001)))!
      expect(third.token).toBeGreaterThan(second.token)
      const fourth = (await store.acquireLease(PARTITION, 'd', 1000, at(5, 'boot-2')))!
      expect(fourth.token).toBeGreaterThan(third.token)
      expect(await store.leases(at(6, 'boot-2'))).toEqual([fourth])
      expect(await store.leases(at(6, 'boot-3'))).toEqual([])
    })

    it('renews while nobody else was granted it, expired or not', async () => {
      const store = await open()
      const held = (await store.acquireLease(PARTITION, 'a', 1000, at(0)))!
      const renewed = await store.renewLease(held, 1000, at(500))
      expect(renewed).toEqual({ ...held, expiresAtMonotonicMs: 1500 })
      expect(await store.acquireLease(PARTITION, 'b', 1000, at(1499))).toBeNull()
      expect((await store.renewLease(renewed, 1000, at(9000))).expiresAtMonotonicMs).toBe(10_000)
      expect(await store.acquireLease(PARTITION, 'b', 1000, at(9999))).toBeNull()
      await store.acquireLease(PARTITION, 'b', 1000, at(10_000))
      expect(await codeOf(store.renewLease(renewed, 1000, at(10_001)))).toBe('lease_lost')
    })

    it('does not renew what was released or never granted', async () => {
      const store = await open()
      const held = await lease(store)
      await store.releaseLease(held)
      expect(await codeOf(store.renewLease(held, 1000, at(1)))).toBe('lease_lost')
      expect(await codeOf(store.renewLease({ ...held, partition: partitionKey(SOURCE, 'never') }, 1000, at(1)))).toBe(
        'lease_lost',
      )
    })

    it('releases idempotently, and never the lease of another', async () => {
      const store = await open()
      const first = (await store.acquireLease(PARTITION, 'a', 1000, at(0)))!
      const second = (await store.acquireLease(PARTITION, 'a', 1000, at(1000)))!
      await store.releaseLease(first)
      expect(await store.leases(at(1001))).toEqual([second])
      await store.releaseLease(second)
      await store.releaseLease(second)
      await store.releaseLease({ ...second, partition: partitionKey(SOURCE, 'never') })
      expect(await store.leases(at(1001))).toEqual([])
    })

    it('lists held leases by partition', async () => {
      const store = await open()
      const b = await lease(store, partitionKey('b_source', 'x'))
      const a2 = await lease(store, partitionKey('a_source', 'y'))
      const a1 = await lease(store, partitionKey('a_source', 'x'))
      expect(await store.leases(at(1))).toEqual([a1, a2, b])
      expect(await store.leases(at(60_000))).toEqual([])
    })

    it('refuses what is no partition', async () => {
      const store = await open()
      expect(await codeOf(store.acquireLease('nonsense', 'a', 1, at(0)))).toBe('bad_partition')
      expect(await codeOf(store.checkpoint('a:b c'))).toBe('bad_partition')
    })
  })

  describe('checkpoints', () => {
    it('are null until written, and come back whole', async () => {
      const store = await open()
      expect(await store.checkpoint(PARTITION)).toBeNull()
      expect(await store.checkpoints()).toEqual([])
      const held = await lease(store)
      const full = checkpoint(1, {
        status: 'complete',
        strategy: 'feed',
        window: { from: NOW - 10, to: NOW },
        cursor: '{"offset":1}\u0000',
        counts: { ...NO_COUNTS, items: 5, calls: 2 },
        finishedAt: NOW,
        durationMs: 1234,
      })
      await store.putCheckpoint(held, full)
      expect(await store.checkpoint(PARTITION)).toEqual(full)
    })

    it('are listed by partition, of one source or all', async () => {
      const store = await open()
      for (const partition of ['b_source:x', 'a_source:y', 'a_source:x'])
        await store.putCheckpoint(await lease(store, partition), checkpoint(1, { partition }))
      expect((await store.checkpoints()).map(({ partition }) => partition)).toEqual(['a_source:x', 'a_source:y', 'b_source:x'])
      expect((await store.checkpoints('a_source')).map(({ partition }) => partition)).toEqual(['a_source:x', 'a_source:y'])
      expect(await store.checkpoints('a')).toEqual([])
    })

    it('are rewritten only under the lease and the version before', async () => {
      const store = await open()
      const held = await lease(store)
      await store.putCheckpoint(held, checkpoint(1))
      expect(await codeOf(store.putCheckpoint(held, checkpoint(1)))).toBe('checkpoint_conflict')
      expect(await codeOf(store.putCheckpoint({ ...held, holder: 'other' }, checkpoint(2)))).toBe('lease_lost')
      await store.putCheckpoint(held, checkpoint(2, { cursor: null, ledgerWatermark: null }))
      expect(await store.checkpoint(PARTITION)).toEqual(checkpoint(2, { cursor: null, ledgerWatermark: null }))
    })

    it('are forgotten by a reset, but not under a lease', async () => {
      const store = await open()
      expect(await store.resetCheckpoint(PARTITION, at(0))).toBe(false)
      const held = await lease(store)
      await store.commit(batch(held, 1))
      expect(await codeOf(store.resetCheckpoint(PARTITION, at(59_999)))).toBe('lease_held')
      expect(await store.resetCheckpoint(PARTITION, at(60_000))).toBe(true)
      expect(await store.resetCheckpoint(PARTITION, at(60_000))).toBe(false)
      expect(await store.checkpoint(PARTITION)).toBeNull()
      await store.commit(batch(held, 1))
      expect((await store.checkpoint(PARTITION))?.version).toBe(1)
    })
  })
}
