import { describe, expect, it } from 'vitest'
import {
  batch,
  COHORT,
  codeOf,
  commitRows,
  company,
  entry,
  failed,
  JUDGE,
  keysOf,
  lease,
  NOW,
  pendingChange,
  placeAll,
  rowOf,
  SOURCE,
  seedAssigned,
} from './store-fixtures.ts'
import type { Open } from './store-suite.ts'

export function pendingSuite(open: Open): void {
  describe('pending status changes', () => {
    it('opens one entry per pair; an open one stays as it is', async () => {
      const store = await open()
      const [a, b] = await seedAssigned(store, ['A', 'B'])
      await store.assign('usaspending', ['company'], placeAll('x'), NOW)
      const first = pendingChange(a!, { at: NOW + 2 })
      expect(await store.addPending([first, pendingChange(a!, { reason: 'again', at: NOW + 3 })])).toBe(1)
      expect(await store.addPending([pendingChange(a!), pendingChange(b!), pendingChange(a!, { source: 'usaspending' })])).toBe(2)
      expect(await store.pending()).toEqual([pendingChange(b!), pendingChange(a!, { source: 'usaspending' }), first])
      expect(await store.pending('usaspending')).toEqual([pendingChange(a!, { source: 'usaspending' })])
      expect(await store.pending('nobody')).toEqual([])
      expect((await rowOf(store, a!)).pendingSince).toBe(NOW + 2)
    })

    it('refuses unknown pairs, and then opens none', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      expect(await codeOf(store.addPending([pendingChange(a!), pendingChange(company('unknown'))]))).toBe('unknown_entity')
      expect(await codeOf(store.addPending([pendingChange(a!), pendingChange(a!, { source: 'nobody' })]))).toBe('unknown_entity')
      expect(await store.pending()).toEqual([])
      expect((await rowOf(store, a!)).pendingSince).toBeNull()
    })

    it('ends the wait of a row that could not be told apart, but not the back-off of one that fails', async () => {
      const store = await open()
      const [a, b] = await seedAssigned(store, ['A', 'B'])
      const wait = { nextAttemptAt: NOW + 1000 }
      await commitRows(store, [
        entry(a!, { ...wait, outcome: 'skipped', lastSuccessAt: null, errorClass: 'ambiguous' }),
        failed(b!, wait),
      ])
      await store.addPending([pendingChange(a!, { at: NOW + 1 }), pendingChange(b!, { at: NOW + 1 })])
      expect([(await rowOf(store, a!)).nextAttemptAt, (await rowOf(store, b!)).nextAttemptAt]).toEqual([null, NOW + 1000])
      expect(await store.partitionStats(SOURCE, JUDGE)).toMatchObject([{ due: 1, backingOff: 1 }])
    })

    it('makes the row due at once and stale until a success closes it', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      await commitRows(store, [entry(a!)])
      expect(await store.partitionStats(SOURCE, JUDGE)).toMatchObject([{ due: 0, stale: 0, fresh: 1 }])
      await store.addPending([pendingChange(a!)])
      expect(await store.partitionStats(SOURCE, JUDGE)).toMatchObject([{ due: 1, stale: 1, fresh: 0, pending: 1 }])
      expect(
        await keysOf(
          store.workItems({ source: SOURCE, cohort: COHORT, select: 'due', notAttemptedSince: null, limit: null }, JUDGE),
        ),
      ).toEqual(['A'])

      await commitRows(store, [failed(a!, { lastSuccessAt: NOW, pendingSince: NOW, nextAttemptAt: NOW + 5 })])
      expect(await store.partitionStats(SOURCE, JUDGE)).toMatchObject([{ due: 0, backingOff: 1, stale: 1, pending: 1 }])

      await commitRows(store, [entry(a!, { lastAttemptAt: NOW + 1, lastSuccessAt: NOW + 1 })])
      expect(await store.pending()).toEqual([])
      expect((await rowOf(store, a!)).pendingSince).toBeNull()
      expect(await store.partitionStats(SOURCE, JUDGE)).toMatchObject([{ due: 0, stale: 0, fresh: 1, pending: 0 }])
    })

    it('stays open after a failure, an attempt older than it, or a row that keeps it', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      await store.addPending([pendingChange(a!)])
      for (const row of [
        failed(a!),
        entry(a!, { lastAttemptAt: NOW - 1, lastSuccessAt: NOW - 1 }),
        entry(a!, { lastAttemptAt: NOW + 1, pendingSince: NOW }),
      ]) {
        await commitRows(store, [row])
        expect((await rowOf(store, a!)).pendingSince).toBe(NOW)
        expect(await store.pending()).toHaveLength(1)
      }
      await commitRows(store, [entry(a!, { outcome: 'absent' })])
      expect(await store.pending()).toEqual([])
    })

    it('closes when the source was asked and could not tell which record is meant', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      await store.addPending([pendingChange(a!)])
      await commitRows(store, [entry(a!, { outcome: 'skipped', lastSuccessAt: null, nextAttemptAt: NOW + 5 })])
      expect(await store.pending()).toEqual([])
    })

    it('is never opened by a ledger row alone', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      await commitRows(store, [entry(a!, { pendingSince: NOW })])
      expect((await rowOf(store, a!)).pendingSince).toBeNull()
      expect(await store.pending()).toEqual([])
    })

    it('is opened by a commit at other sources, leaving out pairs that have no row there', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      await store.assign('usaspending', ['company'], placeAll('x'), NOW)
      const held = await lease(store)
      const opens = [pendingChange(a!, { source: 'usaspending' }), pendingChange(a!, { source: 'nobody' }), pendingChange(a!)]
      await store.commit(batch(held, 1, { ledger: [entry(a!)], pending: opens }))
      expect((await store.pending()).map(({ source }) => source)).toEqual([SOURCE, 'usaspending'])
      // The same commit's success is not about the change it reports.
      expect((await rowOf(store, a!)).pendingSince).toBe(NOW)
      expect((await rowOf(store, a!, 'usaspending')).pendingSince).toBe(NOW)
      const counters = await store.changeCounters()
      expect(counters.get('usaspending:x')).toBe(2)
    })

    it('keeps other rows of the same commit apart', async () => {
      const store = await open()
      const [a, b] = await seedAssigned(store, ['A', 'B'])
      await store.addPending([pendingChange(a!)])
      await commitRows(store, [entry(b!)])
      expect(await store.pending()).toHaveLength(1)
      await commitRows(store, [entry(a!), entry(b!)])
      expect(await store.pending()).toEqual([])
      expect((await rowOf(store, b!)).pendingSince).toBeNull()
    })
  })
}
