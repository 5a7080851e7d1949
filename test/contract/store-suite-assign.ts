import { describe, expect, it } from 'vitest'
import type { Entity } from '../../ts/model/entity.ts'
import type { Placement } from '../../ts/stores/store.ts'
import {
  COHORT,
  commitRows,
  company,
  entry,
  JUDGE,
  keysOf,
  list,
  NOW,
  pendingChange,
  placeAll,
  rowOf,
  SOURCE,
  seed,
  upsert,
} from './store-fixtures.ts'
import type { Open } from './store-suite.ts'

/** Cohorts of two, numbered, as a placer of the engine fills them. */
function numbering(size = 2): (entity: Entity) => Placement {
  let placed = 0
  return () => ({ cohort: `batch_${String(Math.floor(placed++ / size) + 1).padStart(4, '0')}`, unresolvable: null })
}

const byUei = (entity: Entity): Placement =>
  entity.attributes['uei'] === undefined
    ? { cohort: 'unresolved', unresolvable: 'it has no UEI' }
    : { cohort: 'found', unresolvable: null }

export function assignSuite(open: Open): void {
  describe('assign', () => {
    it('gives each entity of the kinds one row, in insertion order, never attempted', async () => {
      const store = await open()
      await seed(store, ['C', 'A', 'B'])
      await seed(store, ['P'], 'person')
      expect(await store.assign(SOURCE, ['company'], numbering(), NOW)).toBe(3)
      expect(await store.cohortSizes(SOURCE)).toEqual(
        new Map([
          ['batch_0001', 2],
          ['batch_0002', 1],
        ]),
      )
      expect((await rowOf(store, company('A'))).cohort).toBe('batch_0001')
      expect((await rowOf(store, company('B'))).cohort).toBe('batch_0002')
      expect(await rowOf(store, company('C'))).toEqual(
        entry(company('C'), {
          cohort: 'batch_0001',
          lastAttemptAt: null,
          lastSuccessAt: null,
          outcome: null,
          responseStatus: null,
          payloadHash: null,
          normalizerVersion: null,
          attempts: 0,
          runId: null,
        }),
      )
      expect(await store.items(SOURCE, [{ kind: 'person', key: 'P' }])).toEqual([])
    })

    it('never moves a row; again, it adds only what is new', async () => {
      const store = await open()
      await seed(store, ['A', 'B'])
      await store.assign(SOURCE, ['company'], placeAll('first'), NOW)
      await store.upsertEntities([upsert(company('A'), { name: 'changed' })], 'i2', NOW)
      expect(await store.assign(SOURCE, ['company'], placeAll('second'), NOW)).toBe(0)
      await seed(store, ['A', 'B', 'C'])
      const asked: string[] = []
      const place = (entity: Entity): Placement => {
        asked.push(entity.key)
        return { cohort: 'second', unresolvable: null }
      }
      expect(await store.assign(SOURCE, ['company'], place, NOW)).toBe(1)
      expect(asked).toEqual(['C'])
      expect([...(await store.cohortSizes(SOURCE))]).toEqual([
        ['first', 2],
        ['second', 1],
      ])
    })

    it('assigns each source and each kind by itself', async () => {
      const store = await open()
      await seed(store, ['A'])
      await seed(store, ['P'], 'person')
      expect(await store.assign(SOURCE, ['company'], placeAll('x'), NOW)).toBe(1)
      expect(await store.assign('usaspending', ['company'], placeAll('y'), NOW)).toBe(1)
      expect(await store.assign(SOURCE, ['company', 'person'], placeAll('z'), NOW)).toBe(1)
      expect([...(await store.cohortSizes('usaspending'))]).toEqual([['y', 1]])
      expect([...(await store.cohortSizes('nobody'))]).toEqual([])
    })

    it('marks what cannot be asked as skipped with the reason and without an attempt, and offers it again after it changed', async () => {
      const store = await open()
      await store.upsertEntities(
        [upsert(company('A'), { uei: 'U1' }), upsert(company('B'), {}), upsert(company('C'), {})],
        'i',
        NOW,
      )
      expect(await store.assign(SOURCE, ['company'], byUei, NOW)).toBe(3)
      expect(await rowOf(store, company('B'))).toMatchObject({
        cohort: 'unresolved',
        outcome: 'skipped',
        error: 'it has no UEI',
        attempts: 0,
        lastAttemptAt: null,
      })
      expect(await store.assign(SOURCE, ['company'], placeAll('anything'), NOW)).toBe(0)

      await store.upsertEntities([upsert(company('B'), { uei: 'U2' }), upsert(company('C'), { name: 'still none' })], 'i', NOW)
      expect(await store.assign(SOURCE, ['company'], byUei, NOW)).toBe(1)
      expect(await rowOf(store, company('B'))).toMatchObject({ cohort: 'found', outcome: null, error: null })
      expect((await rowOf(store, company('C'))).cohort).toBe('unresolved')
      expect(
        (await store.partitionStats(SOURCE, JUDGE)).map(({ cohort, unresolved, due }) => ({ cohort, unresolved, due })),
      ).toEqual([
        { cohort: 'found', unresolved: 0, due: 2 },
        { cohort: 'unresolved', unresolved: 1, due: 0 },
      ])
    })

    it('makes a row askable where it is when it was skipped in a cohort of its own', async () => {
      const store = await open()
      await seed(store, ['A'])
      await store.assign(SOURCE, ['company'], () => ({ cohort: 'home', unresolvable: 'not now' }), NOW)
      await store.upsertEntities([upsert(company('A'), { name: 'changed' })], 'i', NOW)
      expect(await store.assign(SOURCE, ['company'], placeAll('elsewhere'), NOW)).toBe(1)
      expect(await rowOf(store, company('A'))).toMatchObject({ cohort: 'home', outcome: null, error: null })
    })

    it('keeps a pending entry open over the move', async () => {
      const store = await open()
      await store.upsertEntities([upsert(company('A'), {})], 'i', NOW)
      await store.assign(SOURCE, ['company'], byUei, NOW)
      await store.addPending([pendingChange(company('A'))])
      await store.upsertEntities([upsert(company('A'), { uei: 'U' })], 'i', NOW)
      await store.assign(SOURCE, ['company'], byUei, NOW)
      expect(await rowOf(store, company('A'))).toMatchObject({ cohort: 'found', pendingSince: NOW })
      expect(await store.partitionStats(SOURCE, JUDGE)).toMatchObject([{ cohort: 'found', pending: 1, stale: 1, due: 1 }])
    })

    it('does not offer again what was skipped by an answer', async () => {
      const store = await open()
      await seed(store, ['A'])
      await store.assign(SOURCE, ['company'], placeAll(COHORT), NOW)
      await commitRows(store, [
        entry(company('A'), { outcome: 'skipped', lastSuccessAt: null, error: 'two records match', nextAttemptAt: NOW + 1 }),
      ])
      await store.upsertEntities([upsert(company('A'), { name: 'changed' })], 'i', NOW)
      expect(await store.assign(SOURCE, ['company'], placeAll('other'), NOW)).toBe(0)
      expect(await rowOf(store, company('A'))).toMatchObject({ cohort: COHORT, outcome: 'skipped', error: 'two records match' })
    })

    it('stores nothing of the batch in which placing fails, and goes on from there', async () => {
      const store = await open()
      const keys = Array.from({ length: 2500 }, (_, index) => `K${index}`)
      await seed(store, keys)
      let calls = 0
      const breaks = (): Placement => {
        calls += 1
        if (calls === 1500) throw new Error('adapter bug')
        return { cohort: 'x', unresolvable: null }
      }
      await expect(store.assign(SOURCE, ['company'], breaks, NOW)).rejects.toThrow('adapter bug')
      const before = (await store.cohortSizes(SOURCE)).get('x') ?? 0
      const added = await store.assign(SOURCE, ['company'], placeAll('x'), NOW)
      expect(before + added).toBe(2500)
      expect((await list(store.ledger(SOURCE))).length).toBe(2500)
      expect(
        await keysOf(
          store.workItems({ source: SOURCE, cohort: 'x', select: 'due', notAttemptedSince: null, limit: null }, JUDGE),
        ),
      ).toEqual(keys)
    })

    it('counts as a change of the partitions it touches', async () => {
      const store = await open()
      await store.upsertEntities([upsert(company('A'), { uei: 'U1' }), upsert(company('B'), {})], 'i', NOW)
      await store.assign(SOURCE, ['company'], byUei, NOW)
      const first = await store.changeCounters()
      expect([...first.keys()]).toEqual([`${SOURCE}:found`, `${SOURCE}:unresolved`])
      await store.assign(SOURCE, ['company'], byUei, NOW)
      expect(await store.changeCounters()).toEqual(first)
      await store.upsertEntities([upsert(company('B'), { uei: 'U2' })], 'i', NOW)
      await store.assign(SOURCE, ['company'], byUei, NOW)
      const second = await store.changeCounters()
      for (const [key, count] of second) expect(count).toBeGreaterThan(first.get(key)!)
    })
  })
}
