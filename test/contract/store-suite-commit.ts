import { describe, expect, it } from 'vitest'
import { partitionKey } from '../../ts/model/keys.ts'
import { HOUR_MS } from '../../ts/model/time.ts'
import { type CommitBatch, ERASURES, type ProvenUnchanged } from '../../ts/stores/store.ts'
import {
  at,
  batch,
  COHORT,
  checkpoint,
  codeOf,
  commitRows,
  company,
  entry,
  event,
  failed,
  identity,
  lease,
  list,
  NOW,
  PARTITION,
  pendingChange,
  record,
  rowOf,
  SOURCE,
  seed,
  seedAssigned,
} from './store-fixtures.ts'
import type { Open } from './store-suite.ts'

export function commitSuite(open: Open): void {
  describe('commit', () => {
    it('writes all that one answer brings and says how much was new', async () => {
      const store = await open()
      const [a, b] = await seedAssigned(store, ['A', 'B'])
      const held = await lease(store)
      const one: CommitBatch = batch(held, 1, {
        ledger: [entry(a!), failed(b!)],
        records: [record(a!)],
        events: [event(a!, 'e1')],
        identities: [identity(a!)],
        facts: { 'feed:sam_gov': { asOf: NOW } },
      })
      expect(await store.commit(one)).toEqual({ ledgerRows: 2, recordsWritten: 1, eventsInserted: 1, provenUnchanged: 0 })
      expect(await rowOf(store, a!)).toEqual(entry(a!))
      expect(await rowOf(store, b!)).toEqual(failed(b!))
      expect(await store.records(SOURCE, [a!, b!])).toEqual([record(a!)])
      expect((await list(store.events({ limit: 9 }))).map(({ eventId }) => eventId)).toEqual(['e1'])
      expect(await store.identities({ limit: 9 })).toEqual([identity(a!)])
      expect(await store.getState('feed:sam_gov')).toEqual({ version: 1, value: { asOf: NOW } })
      expect(await store.checkpoint(PARTITION)).toEqual(checkpoint(1))
    })

    it('leaves a record alone that has the same content, and an event that is there', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      const held = await lease(store)
      await store.commit(batch(held, 1, { records: [record(a!)], events: [event(a!, 'e1')] }))
      const again = { records: [record(a!, { changedAt: NOW + 9, runId: 'run-2' })], events: [event(a!, 'e1', { at: NOW + 9 })] }
      expect(await store.commit(batch(held, 2, again))).toMatchObject({ recordsWritten: 0, eventsInserted: 0 })
      expect(await store.records(SOURCE, [a!])).toEqual([record(a!)])
      expect((await list(store.events({ limit: 9 }))).map(({ at: when }) => when)).toEqual([NOW])
      for (const [index, changes] of [{ payloadHash: 'hash-2' }, { normalizerVersion: 2 }, { present: false }].entries()) {
        const next = record(a!, { changedAt: NOW + index, record: { status: `v${index}` }, ...changes })
        expect(await store.commit(batch(held, 3 + index, { records: [next] }))).toMatchObject({ recordsWritten: 1 })
        expect(await store.records(SOURCE, [a!])).toEqual([next])
      }
    })

    it('writes nothing when any part is refused', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      const held = await lease(store)
      await store.commit(batch(held, 1))
      const before = await store.changeCounters()
      const whole = {
        ledger: [entry(a!)],
        records: [record(a!)],
        events: [event(a!, 'e1')],
        identities: [identity(a!)],
        facts: { fact: 1 },
      }
      const unknown = company('unknown')
      for (const broken of [
        { ...whole, ledger: [entry(a!), entry(unknown)] },
        { ...whole, records: [record(a!), record(unknown)] },
        { ...whole, events: [event(a!, 'e1'), event(unknown, 'e2')] },
        { ...whole, identities: [identity(a!), identity(unknown)] },
        { ...whole, pending: [pendingChange(a!), pendingChange(unknown)] },
      ]) {
        expect(await codeOf(store.commit(batch(held, 2, broken)))).toBe('unknown_entity')
      }
      expect(await codeOf(store.commit(batch(held, 3, whole)))).toBe('checkpoint_conflict')
      expect(await codeOf(store.commit(batch({ ...held, token: held.token - 1 }, 2, whole)))).toBe('lease_lost')
      expect((await rowOf(store, a!)).attempts).toBe(0)
      expect(await store.records(SOURCE, [a!])).toEqual([])
      expect(await list(store.events({ limit: 9 }))).toEqual([])
      expect(await store.identities({ limit: 9 })).toEqual([])
      expect(await store.pending()).toEqual([])
      expect(await store.getState('fact')).toBeNull()
      expect((await store.checkpoint(PARTITION))?.version).toBe(1)
      expect(await store.changeCounters()).toEqual(before)
      expect(await store.commit(batch(held, 2, whole))).toMatchObject({ ledgerRows: 1, recordsWritten: 1, eventsInserted: 1 })
    })

    it('refuses a repeated, an older and a skipped version of the checkpoint', async () => {
      const store = await open()
      await seedAssigned(store, ['A'])
      const held = await lease(store)
      await store.commit(batch(held, 1))
      await store.commit(batch(held, 2))
      for (const version of [1, 2, 4]) expect(await codeOf(store.commit(batch(held, version)))).toBe('checkpoint_conflict')
      expect((await store.checkpoint(PARTITION))?.version).toBe(2)
    })

    it('refuses a checkpoint of another partition than the leased one', async () => {
      const store = await open()
      const held = await lease(store)
      const other = checkpoint(1, { partition: partitionKey(SOURCE, 'other') })
      expect(await codeOf(store.commit(batch(held, 1, { checkpoint: other })))).toBe('checkpoint_conflict')
    })

    it('fences a holder that was overtaken, whatever it still believes', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      const slow = (await store.acquireLease(PARTITION, 'slow', 1000, at(0)))!
      await store.commit(batch(slow, 1))
      const quick = (await store.acquireLease(PARTITION, 'quick', 1000, at(1000)))!
      expect(await codeOf(store.commit(batch(slow, 2, { ledger: [entry(a!)] })))).toBe('lease_lost')
      await store.commit(batch(quick, 2))
      await store.releaseLease(quick)
      expect(await codeOf(store.commit(batch(quick, 3)))).toBe('lease_lost')
      expect(await codeOf(store.commit(batch(slow, 3)))).toBe('lease_lost')
      // The same holder name with a newer grant does not make the old grant good again.
      await store.acquireLease(PARTITION, 'slow', 1000, at(2000))
      expect(await codeOf(store.commit(batch(slow, 3)))).toBe('lease_lost')
    })

    it('lets a holder commit whose lease ran out while nobody took over', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      const held = (await store.acquireLease(PARTITION, 'slow', 1, at(0)))!
      expect(await store.leases(at(5000))).toEqual([])
      expect(await store.commit(batch(held, 1, { ledger: [entry(a!)] }))).toMatchObject({ ledgerRows: 1 })
    })

    it('keeps the stored cohort, and adds a row that is not there', async () => {
      const store = await open()
      const [a, b] = await seed(store, ['A', 'B'])
      await store.assign(SOURCE, ['company'], ({ key }) => ({ cohort: key === 'A' ? 'home' : COHORT, unresolvable: null }), NOW)
      await commitRows(store, [entry(a!), entry(b!)])
      expect((await rowOf(store, a!)).cohort).toBe('home')
      expect([...(await store.cohortSizes(SOURCE))]).toEqual([
        ['home', 1],
        [COHORT, 1],
      ])
      await commitRows(store, [entry(a!, { source: 'usaspending', cohort: 'award_year_2024' })])
      expect(await rowOf(store, a!, 'usaspending')).toMatchObject({ cohort: 'award_year_2024', outcome: 'unchanged' })
    })

    it('takes the last of two rows of one entity', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      await commitRows(store, [entry(a!, { attempts: 1 }), entry(a!, { attempts: 2 })])
      expect((await rowOf(store, a!)).attempts).toBe(2)
    })

    it('erases what earlier events of an entity said, not that they happened', async () => {
      const store = await open()
      const [a, b] = await seedAssigned(store, ['A', 'B'])
      const held = await lease(store)
      await store.commit(batch(held, 1, { events: [event(a!, 'e1'), event(a!, 'e2'), event(b!, 'e3')] }))
      expect(await store.getState(ERASURES)).toBeNull()
      const own = [{ path: '$.opted_out', old: null, new: true }]
      await store.commit(batch(held, 2, { erased: [a!], events: [event(a!, 'e4', { changes: own }), event(a!, 'e1')] }))
      const stored = await list(store.events({ limit: 9 }))
      expect(stored.map(({ eventId, changes }) => [eventId, changes.length])).toEqual([
        ['e1', 0],
        ['e2', 0],
        ['e3', 1],
        ['e4', 1],
      ])
      expect(stored.at(-1)!.changes).toEqual(own)
      expect(stored[0]).toEqual({ ...event(a!, 'e1', { changes: [] }), position: stored[0]!.position })
      expect((await store.getState(ERASURES))?.version).toBe(1)
      await store.commit(batch(held, 3, { erased: [] }))
      expect((await store.getState(ERASURES))?.version).toBe(1)
    })

    it('counts up the version of a fact that it replaces', async () => {
      const store = await open()
      await store.putState('breaker', 0, 'closed')
      await commitRows(store, [], { facts: { breaker: ['open'] } })
      expect(await store.getState('breaker')).toEqual({ version: 2, value: ['open'] })
      expect(await store.putState('breaker', 1, 'lost')).toBe(false)
    })

    it('keeps an identity that a user decided', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      await store.putIdentities([identity(a!, { decidedBy: 'user', providerKey: 'chosen' })])
      await commitRows(store, [], { identities: [identity(a!, { providerKey: 'guessed' })] })
      expect((await store.identities({ limit: 1 }))[0]?.providerKey).toBe('chosen')
    })
  })

  describe('commit: rows proven unchanged', () => {
    const FEED = partitionKey(SOURCE, 'change_feed')
    const proof: ProvenUnchanged = { asOf: NOW + HOUR_MS, knownSince: NOW, responseStatus: 200, outcome: 'unchanged' }

    it('moves exactly the rows that the proof covers', async () => {
      const store = await open()
      const names = [
        'start',
        'inside',
        'before',
        'end',
        'absent',
        'changed',
        'failing',
        'failures counted',
        'pending',
        'skipped',
        'never',
        'listed',
        'other cohort',
        'other source',
      ]
      const refs = new Map((await seed(store, names)).map((ref) => [ref.key, ref]))
      const ref = (key: string): ReturnType<typeof company> => refs.get(key)!
      await store.assign(
        SOURCE,
        ['company'],
        ({ key }) => ({ cohort: key === 'other cohort' ? 'other' : COHORT, unresolvable: null }),
        NOW,
      )
      await store.assign('usaspending', ['company'], () => ({ cohort: 'x', unresolvable: null }), NOW)
      const success = (key: string, lastSuccessAt: number, changes = {}): ReturnType<typeof entry> =>
        entry(ref(key), { lastAttemptAt: lastSuccessAt, lastSuccessAt, attempts: 3, runId: 'run-0', ...changes })
      await commitRows(store, [
        success('start', NOW),
        success('inside', NOW + 1, { validators: { etag: '"a"', lastModified: null } }),
        success('before', NOW - 1),
        success('end', NOW + HOUR_MS),
        success('absent', NOW, { outcome: 'absent', payloadHash: null }),
        success('changed', NOW, { outcome: 'changed' }),
        failed(ref('failing'), { lastSuccessAt: NOW, attempts: 3 }),
        success('failures counted', NOW, { consecutiveFailures: 1 }),
        success('pending', NOW),
        success('skipped', NOW, { outcome: 'skipped' }),
        success('listed', NOW),
        success('other cohort', NOW, { cohort: 'other' }),
        success('other source', NOW, { source: 'usaspending', cohort: 'x' }),
      ])
      await store.addPending([pendingChange(ref('pending'))])
      const before = new Map((await list(store.ledger(SOURCE))).map((row) => [row.entity.key, row]))
      const elsewhere = await list(store.ledger('usaspending'))

      const held = await lease(store, FEED)
      const listed = entry(ref('listed'), { lastAttemptAt: NOW + 1, lastSuccessAt: NOW + 1, attempts: 4 })
      const summary = await store.commit(batch(held, 1, { runId: 'run-feed', ledger: [listed], provenUnchanged: proof }))
      expect(summary).toMatchObject({ ledgerRows: 1, provenUnchanged: 5 })

      const after = new Map((await list(store.ledger(SOURCE))).map((row) => [row.entity.key, row]))
      for (const key of ['start', 'inside', 'changed', 'other cohort', 'absent']) {
        const old = before.get(key)!
        const outcome = key === 'absent' ? 'absent' : 'unchanged'
        expect(after.get(key)).toEqual({
          ...old,
          lastAttemptAt: proof.asOf,
          lastSuccessAt: proof.asOf,
          outcome,
          responseStatus: 200,
          attempts: 4,
          runId: 'run-feed',
        })
      }
      for (const key of ['before', 'end', 'failing', 'failures counted', 'pending', 'skipped', 'never'])
        expect(after.get(key)).toEqual(before.get(key))
      expect(after.get('listed')).toEqual(listed)
      expect(await list(store.ledger('usaspending'))).toEqual(elsewhere)
    })

    it('proves only the leased partition unless the lease is on the whole source', async () => {
      const store = await open()
      const [a, b] = await seed(store, ['A', 'B'])
      await store.assign(SOURCE, ['company'], ({ key }) => ({ cohort: key === 'A' ? COHORT : 'other', unresolvable: null }), NOW)
      await commitRows(store, [entry(a!), entry(b!, { cohort: 'other' })])
      await commitRows(store, [], { provenUnchanged: { ...proof, outcome: 'not_modified', responseStatus: 304 } })
      expect(await rowOf(store, a!)).toMatchObject({ outcome: 'not_modified', responseStatus: 304, lastSuccessAt: proof.asOf })
      expect(await rowOf(store, b!)).toMatchObject({ outcome: 'unchanged', lastSuccessAt: NOW })
    })

    it('proves nothing the second time', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      await commitRows(store, [entry(a!)])
      const held = await lease(store, FEED)
      expect(await store.commit(batch(held, 1, { provenUnchanged: proof }))).toMatchObject({ provenUnchanged: 1 })
      expect(await store.commit(batch(held, 2, { provenUnchanged: proof }))).toMatchObject({ provenUnchanged: 0 })
    })
  })
}
