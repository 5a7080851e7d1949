import { describe, expect, it } from 'vitest'
import type { Entity } from '../../ts/model/entity.ts'
import { DAY_MS } from '../../ts/model/time.ts'
import type { Placement, Placer, Store } from '../../ts/stores/store.ts'
import {
  COHORT,
  commitRows,
  company,
  entry,
  identity,
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

const ALL_OF_KNOWN = { source: SOURCE, cohort: 'known_0001', notAttemptedSince: null, limit: null } as const

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

    describe('by identity', () => {
      const RULE = 'at least 0.8'
      /** Askable by an identity of at least `least`; one that has its place keeps it. */
      const placer =
        (least = 0.8): Placer =>
        (_entity, found = null, current = null) =>
          found === null
            ? { cohort: 'unresolved', unresolvable: 'no identity' }
            : found.confidence < least
              ? { cohort: 'unresolved', unresolvable: `only ${found.confidence}` }
              : { cohort: current ?? 'known_0001', unresolvable: null }
      const assign = (store: Store, least = 0.8, rule = RULE): Promise<number> =>
        store.assign(SOURCE, ['company'], placer(least), NOW, rule)

      it('hands in the stored identity, and offers a row again when one is written or cleared', async () => {
        const store = await open()
        const [a, b] = await seed(store, ['A', 'B'])
        await store.putIdentities([identity(a!)])
        expect(await assign(store)).toBe(2)
        expect(await rowOf(store, a!)).toMatchObject({ cohort: 'known_0001', outcome: null, error: null })
        expect(await rowOf(store, b!)).toMatchObject({ cohort: 'unresolved', outcome: 'skipped', error: 'no identity' })
        expect(await assign(store)).toBe(0)
        await store.putIdentities([identity(b!, { confidence: 0.5 })])
        expect(await assign(store)).toBe(0)
        expect((await rowOf(store, b!)).error).toBe('only 0.5')
        await store.putIdentities([identity(b!, { confidence: 0.8 })])
        expect(await assign(store)).toBe(1)
        expect(await rowOf(store, b!)).toMatchObject({ cohort: 'known_0001', outcome: null, error: null })
        expect(await store.partitionStats(SOURCE, JUDGE)).toMatchObject([{ cohort: 'known_0001', due: 2, unresolved: 0 }])
        await store.clearIdentity(SOURCE, b!)
        await assign(store)
        // It was never asked about, but had its place: there it stays.
        expect(await rowOf(store, b!)).toMatchObject({ cohort: 'known_0001', outcome: 'skipped', error: 'no identity' })
        expect(await keysOf(store.workItems({ ...ALL_OF_KNOWN, select: 'all' }, JUDGE))).toEqual(['A'])
      })

      it('sets a row aside that was asked about, keeps what is known of it, and has it asked about at once when it counts again', async () => {
        const store = await open()
        const [a] = await seed(store, ['A'])
        await store.putIdentities([identity(a!)])
        await assign(store)
        const later = NOW + 3 * DAY_MS
        await commitRows(store, [entry(a!, { cohort: 'known_0001' })], {}, `${SOURCE}:known_0001`)
        await store.addPending([pendingChange(a!)])
        await store.clearIdentity(SOURCE, a!)
        await assign(store)
        const aside = await rowOf(store, a!)
        expect(aside).toMatchObject({
          cohort: 'known_0001',
          outcome: 'skipped',
          errorClass: 'unresolved',
          error: 'no identity',
          lastAttemptAt: NOW,
          payloadHash: 'hash-1',
          attempts: 1,
          pendingSince: NOW,
        })
        const [stats] = await store.partitionStats(SOURCE, { ...JUDGE, now: later })
        expect(stats).toMatchObject({
          population: 1,
          due: 0,
          stale: 0,
          fresh: 0,
          unresolved: 1,
          pending: 1,
          newestAttemptAt: NOW,
        })
        expect(await keysOf(store.workItems({ ...ALL_OF_KNOWN, select: 'due' }, { ...JUDGE, now: later }))).toEqual([])
        expect((await store.unresolved(SOURCE, 9)).map((item) => [item.entity.key, item.entry.error, item.identity])).toEqual([
          ['A', 'no identity', null],
        ])

        await store.putIdentities([identity(a!, { providerKey: 'other' })])
        expect(await assign(store)).toBe(1)
        expect(await rowOf(store, a!)).toEqual({
          ...aside,
          outcome: null,
          errorClass: null,
          error: null,
          lastSuccessAt: null,
        })
        expect(await keysOf(store.workItems({ ...ALL_OF_KNOWN, select: 'due' }, JUDGE))).toEqual(['A'])
        expect(await store.unresolved(SOURCE, 9)).toEqual([])
      })

      it('judges every row anew by another rule, and none by the same', async () => {
        const store = await open()
        const [a, b] = await seed(store, ['A', 'B'])
        await store.putIdentities([identity(a!, { confidence: 0.9 }), identity(b!, { confidence: 0.6 })])
        await assign(store)
        expect(await assign(store, 0.5)).toBe(0)
        expect(await assign(store, 0.5, 'at least 0.5')).toBe(1)
        expect(await keysOf(store.workItems({ ...ALL_OF_KNOWN, select: 'all' }, JUDGE))).toEqual(['A', 'B'])
        await assign(store, 0.95, 'at least 0.95')
        expect((await store.unresolved(SOURCE, 9)).map(({ entry: row }) => row.error)).toEqual(['only 0.9', 'only 0.6'])
        expect(await store.unresolved(SOURCE, 1)).toHaveLength(1)
      })

      it('follows identities of commits, and those of other sources not at all', async () => {
        const store = await open()
        const [a] = await seed(store, ['A'])
        await assign(store)
        await store.putIdentities([identity(a!, { source: 'usaspending' })])
        expect(await assign(store)).toBe(0)
        await commitRows(store, [], { identities: [identity(a!)] }, `${SOURCE}_identity:name_batch_0001`)
        expect(await assign(store)).toBe(1)
        expect((await rowOf(store, a!)).cohort).toBe('known_0001')
      })

      it('tells the placer the cohort that a row has, so that it takes no second place', async () => {
        const store = await open()
        const refs = await seed(store, ['A', 'B', 'C'])
        await store.putIdentities(refs.map((ref) => identity(ref)))
        await assign(store)
        const told: (string | null | undefined)[] = []
        const place: Placer = (_entity, _identity, current) => {
          told.push(current)
          return { cohort: current ?? 'none', unresolvable: null }
        }
        expect(await store.assign(SOURCE, ['company'], place, NOW, 'another rule')).toBe(0)
        expect(told).toEqual(['known_0001', 'known_0001', 'known_0001'])
      })
    })
  })
}
