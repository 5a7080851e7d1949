import { describe, expect, it } from 'vitest'
import { partitionKey } from '../../ts/model/keys.ts'
import type { LedgerEntry } from '../../ts/model/ledger.ts'
import { DAY_MS, HOUR_MS } from '../../ts/model/time.ts'
import type { LedgerQuery, PartitionStats } from '../../ts/stores/store.ts'
import {
  batch,
  COHORT,
  commitRows,
  company,
  entry,
  event,
  failed,
  identity,
  JUDGE,
  keysOf,
  lease,
  list,
  NOW,
  PARTITION,
  pendingChange,
  placeAll,
  record,
  rowOf,
  SOURCE,
  seed,
  seedAssigned,
  upsert,
} from './store-fixtures.ts'
import type { Open } from './store-suite.ts'

const DUE: LedgerQuery = { source: SOURCE, cohort: COHORT, select: 'due', notAttemptedSince: null, limit: null }
const ALL: LedgerQuery = { ...DUE, select: 'all' }

/** One row of each kind that judging tells apart; the name says what it is. */
const ROWS: Readonly<Record<string, (ref: ReturnType<typeof company>) => LedgerEntry | null>> = {
  never: () => null,
  fresh: (ref) => entry(ref),
  'at cadence': (ref) => entry(ref, { lastSuccessAt: NOW - DAY_MS }),
  'before cadence': (ref) => entry(ref, { lastSuccessAt: NOW - DAY_MS + 1 }),
  'at sla': (ref) => entry(ref, { lastSuccessAt: NOW - 2 * DAY_MS }),
  'past sla': (ref) => entry(ref, { lastSuccessAt: NOW - 2 * DAY_MS - 1 }),
  'never succeeded': (ref) => failed(ref),
  'backing off': (ref) => failed(ref, { nextAttemptAt: NOW + 1 }),
  'back-off over': (ref) => failed(ref, { nextAttemptAt: NOW }),
  'stale, backing off': (ref) => failed(ref, { lastSuccessAt: NOW - 3 * DAY_MS, nextAttemptAt: NOW + HOUR_MS }),
  'fresh, failed since': (ref) => failed(ref, { lastSuccessAt: NOW - HOUR_MS, nextAttemptAt: NOW + HOUR_MS }),
  absent: (ref) => entry(ref, { outcome: 'absent', payloadHash: null }),
  ambiguous: (ref) => entry(ref, { outcome: 'skipped', lastSuccessAt: null, nextAttemptAt: NOW - 1 }),
  'ambiguous, waiting': (ref) => entry(ref, { outcome: 'skipped', lastSuccessAt: null, nextAttemptAt: NOW + 1 }),
}

export function ledgerSuite(open: Open): void {
  describe('ledger', () => {
    const seedEveryKind = async (): Promise<Awaited<ReturnType<Open>>> => {
      const store = await open()
      const names = [...Object.keys(ROWS), 'pending', 'pending, never attempted']
      await seedAssigned(store, names)
      await commitRows(
        store,
        Object.entries(ROWS).flatMap(([name, row]) => row(company(name)) ?? []),
      )
      await commitRows(store, [entry(company('pending'))])
      await store.addPending([pendingChange(company('pending')), pendingChange(company('pending, never attempted'))])
      await store.upsertEntities([upsert(company('unresolvable'))], 'i', NOW)
      await store.assign(SOURCE, ['company'], () => ({ cohort: 'unresolved', unresolvable: 'no UEI' }), NOW)
      return store
    }

    it('counts each kind of row as its definition says', async () => {
      const store = await seedEveryKind()
      const unresolved: PartitionStats = {
        source: SOURCE,
        cohort: 'unresolved',
        population: 1,
        due: 0,
        neverAttempted: 0,
        stale: 0,
        backingOff: 0,
        unresolved: 1,
        fresh: 0,
        pending: 0,
        oldestSuccessAt: null,
        newestAttemptAt: null,
      }
      const counted: PartitionStats = {
        source: SOURCE,
        cohort: COHORT,
        population: 16,
        // never, at cadence, at sla, past sla, never succeeded, back-off over, ambiguous, and both pending ones
        due: 9,
        neverAttempted: 2,
        // past sla, three that never succeeded, the stale one in back-off, and both pending ones
        stale: 7,
        // backing off; stale, backing off; ambiguous, waiting
        backingOff: 3,
        unresolved: 2,
        // fresh, at and before cadence, at sla, failed since, absent
        fresh: 6,
        pending: 2,
        oldestSuccessAt: NOW - 3 * DAY_MS,
        newestAttemptAt: NOW,
      }
      expect(await store.partitionStats(SOURCE, JUDGE)).toEqual([counted, unresolved])
      expect(await store.partitionStats(SOURCE, JUDGE, COHORT)).toEqual([counted])
      expect(await store.partitionStats(SOURCE, JUDGE, 'nobody')).toEqual([])
      expect(await store.partitionStats('nobody', JUDGE)).toEqual([])
    })

    it('does not list partitions without rows, and orders the others by cohort', async () => {
      const store = await open()
      await seed(store, ['A', 'B'])
      await store.assign(SOURCE, ['company'], ({ key }) => ({ cohort: key === 'A' ? 'z' : 'a', unresolvable: null }), NOW)
      await lease(store, partitionKey(SOURCE, 'change_feed'))
      expect((await store.partitionStats(SOURCE, JUDGE)).map(({ cohort }) => cohort)).toEqual(['a', 'z'])
    })

    it('hands out due rows: stale first, then never attempted, then the oldest success', async () => {
      const store = await seedEveryKind()
      expect(await keysOf(store.workItems(DUE, JUDGE))).toEqual([
        'never succeeded',
        'back-off over',
        'pending, never attempted',
        'past sla',
        'pending',
        'never',
        'ambiguous',
        'at sla',
        'at cadence',
      ])
      expect(await keysOf(store.workItems({ ...DUE, limit: 2 }, JUDGE))).toEqual(['never succeeded', 'back-off over'])
      expect(await keysOf(store.workItems({ ...DUE, cohort: 'nobody' }, JUDGE))).toEqual([])
      expect(await keysOf(store.workItems({ ...DUE, source: 'nobody' }, JUDGE))).toEqual([])
    })

    it('hands out all rows but those that cannot be asked', async () => {
      const store = await seedEveryKind()
      expect((await keysOf(store.workItems(ALL, JUDGE))).length).toBe(16)
      expect(await keysOf(store.workItems({ ...ALL, cohort: 'unresolved' }, JUDGE))).toEqual([])
    })

    it('leaves out rows attempted since the pass began', async () => {
      const store = await open()
      await seedAssigned(store, ['never', 'before', 'at', 'after'])
      const attempted = (key: string, lastAttemptAt: number): LedgerEntry =>
        entry(company(key), { lastAttemptAt, lastSuccessAt: lastAttemptAt })
      await commitRows(store, [attempted('before', NOW - 1), attempted('at', NOW), attempted('after', NOW + 1)])
      expect(await keysOf(store.workItems({ ...ALL, notAttemptedSince: NOW }, JUDGE))).toEqual(['never', 'before'])
    })

    it('brings the entity, its row and its identity', async () => {
      const store = await open()
      await store.upsertEntities([upsert(company('A'), { uei: 'U' }, { aliases: ['duns:1'] })], 'i', NOW)
      await store.assign(SOURCE, ['company'], placeAll(COHORT), NOW)
      const row = entry(company('A'), {
        validators: { etag: '"1"', lastModified: 'Fri' },
        nextAttemptAt: 5,
        errorClass: 'x',
        error: 'y',
        consecutiveFailures: 2,
      })
      await commitRows(store, [row], { identities: [identity(company('A'), { alternatives: [{ providerKey: 'Q' }] })] })
      const expected = {
        entity: { ...company('A'), attributes: { uei: 'U' }, aliases: ['duns:1'] },
        entry: row,
        identity: identity(company('A'), { alternatives: [{ providerKey: 'Q' }] }),
      }
      expect(await list(store.workItems(ALL, JUDGE))).toEqual([expected])
      expect(await store.items(SOURCE, [company('Z'), company('A')])).toEqual([expected])
      expect(await store.items('nobody', [company('A')])).toEqual([])
      expect(await store.entitiesByProviderKey(SOURCE, ['P-A', 'Q'])).toEqual(new Map([['P-A', [company('A')]]]))
      expect(await store.entitiesByProviderKey('nobody', ['P-A'])).toEqual(new Map())
      expect(await store.entitiesByProviderKey(SOURCE, [])).toEqual(new Map())
      expect(await store.entitiesByProviderKey(SOURCE, ['', '"', 'P-A', 'P-A'])).toEqual(new Map([['P-A', [company('A')]]]))
    })

    it('streams each row once while commits move rows between pages', async () => {
      const store = await open()
      const keys = Array.from({ length: 1800 }, (_, index) => `K${String(index).padStart(4, '0')}`)
      await seedAssigned(store, keys)
      const seen: string[] = []
      let open1: string[] = []
      for await (const item of store.workItems(DUE, JUDGE)) {
        seen.push(item.entity.key)
        open1.push(item.entity.key)
        if (open1.length === 250) {
          await commitRows(
            store,
            open1.map((key) => entry(company(key))),
          )
          open1 = []
        }
      }
      expect(seen).toEqual(keys)
    })

    it('leaves out rows that another run has done before their page is read', async () => {
      const store = await open()
      const keys = Array.from({ length: 1200 }, (_, index) => `K${String(index).padStart(4, '0')}`)
      await seedAssigned(store, keys)
      const seen: string[] = []
      for await (const item of store.workItems(DUE, JUDGE)) {
        if (seen.length === 0)
          await commitRows(store, [
            entry(company('K1100')),
            entry(company('K1101'), { outcome: 'failed', lastSuccessAt: null, nextAttemptAt: NOW + 5 }),
          ])
        seen.push(item.entity.key)
      }
      expect(seen).toEqual(keys.filter((key) => key !== 'K1100' && key !== 'K1101'))
    })

    it('streams ledger and records in key order, of one cohort or all', async () => {
      const store = await open()
      // Between the surrogates and U+FFFF, order by code point and by UTF-16 unit differ.
      const keys = ['b', 'a', '\u{1F600}', '\uFF21', 'B', 'ä']
      await seed(store, keys)
      await seed(store, ['aaa'], 'award')
      await store.assign(SOURCE, ['company'], ({ key }) => ({ cohort: key === 'b' ? 'one' : 'two', unresolvable: null }), NOW)
      await store.assign(SOURCE, ['award'], placeAll('one'), NOW)
      const held = await lease(store)
      await store.commit(batch(held, 1, { records: [...keys, 'gone'].slice(0, 5).map((key) => record(company(key))) }))
      const byCodePoint = ['B', 'a', 'b', 'ä', '\uFF21', '\u{1F600}']
      expect((await list(store.ledger(SOURCE))).map(({ entity }) => entity.key)).toEqual(['aaa', ...byCodePoint])
      expect((await list(store.ledger(SOURCE, 'one'))).map(({ entity }) => entity.key)).toEqual(['aaa', 'b'])
      expect((await list(store.currentRecords(SOURCE))).map(({ entity }) => entity.key)).toEqual(
        byCodePoint.filter((key) => key !== 'ä'),
      )
      expect((await list(store.currentRecords(SOURCE, 'one'))).map(({ entity }) => entity.key)).toEqual(['b'])
      expect(await list(store.ledger('nobody'))).toEqual([])
      expect(await list(store.currentRecords(SOURCE, 'nobody'))).toEqual([])
    })

    it('streams more than a page of ledger rows and events', async () => {
      const store = await open()
      const keys = Array.from({ length: 1100 }, (_, index) => `K${String(index).padStart(4, '0')}`)
      const refs = await seedAssigned(store, keys)
      await commitRows(
        store,
        refs.map((ref) => entry(ref)),
        { events: refs.map((ref) => event(ref, `e-${ref.key}`)), records: refs.map((ref) => record(ref)) },
      )
      expect((await list(store.ledger(SOURCE, COHORT))).map(({ entity }) => entity.key)).toEqual(keys)
      expect((await list(store.currentRecords(SOURCE))).map(({ entity }) => entity.key)).toEqual(keys)
      expect((await list(store.events({ limit: 10_000 }))).map(({ entity }) => entity.key)).toEqual(keys)
      expect((await list(store.events({ limit: 700 }))).length).toBe(700)
      expect((await store.records(SOURCE, [refs[3]!, company('none'), refs[1]!])).map(({ entity }) => entity.key)).toEqual([
        'K0003',
        'K0001',
      ])
      const wanted = [refs[7]!, { kind: 'award' as const, key: 'K0007' }, refs[2]!, company('none')]
      expect((await store.items(SOURCE, wanted)).map(({ entity }) => entity.key)).toEqual(['K0007', 'K0002'])
      // Rows that were read name their entities; what is written by these names belongs to them.
      const read = (await store.items(SOURCE, [refs[5]!, refs[4]!])).map(({ entry }) => entry.entity)
      expect((await store.records(SOURCE, read)).map(({ entity }) => entity)).toEqual([refs[5], refs[4]])
      expect(await store.records('nobody', read)).toEqual([])
    })

    it('finds events by source, entity, kind, time, run and position', async () => {
      const store = await open()
      const [a, b] = (await seedAssigned(store, ['A', 'B'])) as [ReturnType<typeof company>, ReturnType<typeof company>]
      const events = [
        event(a, '1', { kind: 'created', at: NOW - 5, changes: [] }),
        event(b, '2', { source: 'usaspending', runId: 'run-2' }),
        event(a, '3', { at: NOW + 5, runId: 'run-2', oldHash: null, newHash: null, confidence: 0.25 }),
      ]
      await commitRows(store, [], { events })
      const ids = async (query: Omit<Parameters<typeof store.events>[0], 'limit'>): Promise<string[]> =>
        (await list(store.events({ ...query, limit: 10 }))).map(({ eventId }) => eventId)
      expect(await ids({})).toEqual(['1', '2', '3'])
      expect(await ids({ source: SOURCE })).toEqual(['1', '3'])
      expect(await ids({ source: 'nobody' })).toEqual([])
      expect(await ids({ entity: b })).toEqual(['2'])
      expect(await ids({ entity: company('none') })).toEqual([])
      expect(await ids({ kinds: ['created', 'absent'] })).toEqual(['1'])
      expect(await ids({ kinds: [] })).toEqual([])
      expect(await ids({ since: NOW })).toEqual(['2', '3'])
      expect(await ids({ runId: 'run-2', entity: a })).toEqual(['3'])
      const all = await list(store.events({ limit: 10 }))
      expect(await ids({ after: all[0]!.position })).toEqual(['2', '3'])
      expect(all.map(({ position: _, ...rest }) => rest)).toEqual(events)
      expect(await list(store.events({ limit: 0 }))).toEqual([])
    })

    it('counts changes of the leased partition and of those whose rows changed', async () => {
      const store = await open()
      const refs = await seedAssigned(store, ['A', 'B'])
      const before = await store.changeCounters()
      const feed = partitionKey(SOURCE, 'change_feed')
      await commitRows(store, [entry(refs[0]!)], {}, feed)
      const after = await store.changeCounters()
      expect(after.get(PARTITION)).toBe(before.get(PARTITION)! + 1)
      expect(after.get(feed)).toBe(1)
      await store.addPending([pendingChange(refs[1]!)])
      expect((await store.changeCounters()).get(PARTITION)).toBe(after.get(PARTITION)! + 1)
    })

    it('keeps the largest exact integers', async () => {
      const store = await open()
      const [ref] = await seedAssigned(store, ['A'])
      const row = entry(ref!, {
        attempts: Number.MAX_SAFE_INTEGER,
        lastAttemptAt: Number.MAX_SAFE_INTEGER,
        lastSuccessAt: Number.MAX_SAFE_INTEGER,
      })
      await commitRows(store, [row])
      expect(await rowOf(store, ref!)).toEqual(row)
    })
  })
}
