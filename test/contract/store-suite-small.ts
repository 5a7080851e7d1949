import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../ts/model/json.ts'
import type { RunReport } from '../../ts/model/run-report.ts'
import { MAX_QUARANTINE_BYTES } from '../../ts/stores/limits.ts'
import { codeOf, company, identity, NOW, SOURCE, seedAssigned } from './store-fixtures.ts'
import type { Open } from './store-suite.ts'

const REPORT: RunReport = {
  runId: 'run-1',
  startedAt: NOW,
  finishedAt: NOW + 5,
  dryRun: false,
  partitions: [],
  sources: [],
  heldBack: [],
  interrupted: true,
}

export function smallSuite(open: Open): void {
  describe('state values', () => {
    it('are written only over the version that the writer read', async () => {
      const store = await open()
      expect(await store.getState('a')).toBeNull()
      expect(await store.putState('a', 1, 'x')).toBe(false)
      expect(await store.putState('a', 0, { open: true })).toBe(true)
      expect(await store.putState('a', 0, 'y')).toBe(false)
      expect(await store.putState('a', 1, null)).toBe(true)
      expect(await store.getState('a')).toEqual({ version: 2, value: null })
      expect(await store.getState('b')).toBeNull()
    })

    it('let one of many writers win', async () => {
      const store = await open()
      const wins = await Promise.all(Array.from({ length: 10 }, (_, index) => store.putState('a', 0, index)))
      expect(wins.filter(Boolean)).toHaveLength(1)
    })

    it('keep JSON as it is', async () => {
      const store = await open()
      const text = '{"__proto__":{"x":1},"list":[1,"2",null,{"constructor":{}}],"n":9007199254740991}'
      await store.putState('__proto__', 0, JSON.parse(text) as JsonValue)
      expect(JSON.stringify((await store.getState('__proto__'))!.value)).toBe(text)
    })
  })

  describe('identities', () => {
    it('are listed by source and entity, and cleared', async () => {
      const store = await open()
      const [b, a] = await seedAssigned(store, ['B', 'A'])
      const all = [identity(a!), identity(b!), identity(a!, { source: 'usaspending' })]
      expect(await store.putIdentities([...all].reverse())).toBe(3)
      expect(await store.identities({ limit: 9 })).toEqual(all)
      expect(await store.identities({ limit: 2 })).toEqual(all.slice(0, 2))
      expect(await store.identities({ source: SOURCE, limit: 9 })).toEqual(all.slice(0, 2))
      expect(await store.identities({ entity: a!, limit: 9 })).toEqual([all[0], all[2]])
      expect(await store.identities({ entity: company('none'), limit: 9 })).toEqual([])
      expect(await store.clearIdentity(SOURCE, a!)).toBe(true)
      expect(await store.clearIdentity(SOURCE, a!)).toBe(false)
      expect(await store.identities({ limit: 9 })).toEqual(all.slice(1))
    })

    it('are listed by who decided and by confidence, and read for many entities at once', async () => {
      const store = await open()
      const [a, b, c] = await seedAssigned(store, ['A', 'B', 'C'])
      const mine = identity(b!, { decidedBy: 'user', confidence: 0.5 })
      await store.putIdentities([identity(a!), mine, identity(c!, { source: 'usaspending' })])
      expect(await store.identities({ decidedBy: 'user', limit: 9 })).toEqual([mine])
      expect(await store.identities({ below: 0.9, limit: 9 })).toEqual([mine])
      expect(await store.identities({ below: 0.91, limit: 1 })).toEqual([identity(a!)])
      expect(await store.identitiesOf(SOURCE, [c!, b!, company('none'), a!])).toEqual([mine, identity(a!)])
      expect(await store.identitiesOf('nobody', [a!])).toEqual([])
    })

    it('of a user stand over computed ones, and give way only to a user', async () => {
      const store = await open()
      const [a] = await seedAssigned(store, ['A'])
      expect(await store.putIdentities([identity(a!)])).toBe(1)
      expect(await store.putIdentities([identity(a!, { providerKey: 'new', confidence: 1 })])).toBe(1)
      const decided = identity(a!, { providerKey: 'mine', decidedBy: 'user', method: 'user' })
      expect(await store.putIdentities([decided])).toBe(1)
      expect(await store.putIdentities([identity(a!, { providerKey: 'computed' })])).toBe(0)
      expect(await store.identities({ limit: 9 })).toEqual([decided])
      expect(await store.putIdentities([{ ...decided, providerKey: 'corrected' }])).toBe(1)
      expect(await store.entitiesByProviderKey(SOURCE, ['mine', 'corrected', 'computed'])).toEqual(new Map([['corrected', [a]]]))
    })

    it('may share a provider key, and need an entity', async () => {
      const store = await open()
      const [b, a] = await seedAssigned(store, ['B', 'A'])
      await store.putIdentities([identity(b!, { providerKey: 'same' }), identity(a!, { providerKey: 'same' })])
      expect((await store.entitiesByProviderKey(SOURCE, ['same'])).get('same')).toEqual([a, b])
      expect(await codeOf(store.putIdentities([identity(a!, { providerKey: 'lost' }), identity(company('none'))]))).toBe(
        'unknown_entity',
      )
      expect((await store.entitiesByProviderKey(SOURCE, ['lost'])).size).toBe(0)
    })
  })

  describe('quarantine', () => {
    const item = (id: string, changes = {}) => ({
      id,
      origin: 'ingest',
      where: 'awards.csv:7',
      reason: 'broken row',
      payload: 'a,b',
      at: NOW,
      ...changes,
    })

    it('keeps what was refused, newest first, and its state', async () => {
      const store = await open()
      await store.addQuarantine([item('1'), item('2', { at: NOW + 1 }), item('3', { origin: SOURCE, at: NOW - 1 })])
      await store.addQuarantine([item('1', { reason: 'again' })])
      expect((await store.quarantine({ limit: 9 })).map(({ id }) => id)).toEqual(['2', '1', '3'])
      expect(await store.quarantine({ origin: SOURCE, limit: 9 })).toEqual([
        { ...item('3', { origin: SOURCE, at: NOW - 1 }), state: 'open' },
      ])
      expect(await store.setQuarantineState('1', 'replayed')).toBe(true)
      expect(await store.setQuarantineState('none', 'dropped')).toBe(false)
      expect((await store.quarantine({ state: 'open', limit: 1 })).map(({ id }) => id)).toEqual(['2'])
      await store.addQuarantine([item('1')])
      expect(await store.quarantine({ state: 'replayed', limit: 9 })).toEqual([{ ...item('1'), state: 'replayed' }])
    })

    it('cuts payloads at a whole character', async () => {
      const store = await open()
      await store.addQuarantine([
        item('exact', { payload: 'x'.repeat(MAX_QUARANTINE_BYTES) }),
        item('long', { payload: `${'x'.repeat(MAX_QUARANTINE_BYTES - 1)}ä` }),
      ])
      const sizes = new Map((await store.quarantine({ limit: 9 })).map(({ id, payload }) => [id, payload.length]))
      expect(sizes.get('exact')).toBe(MAX_QUARANTINE_BYTES)
      expect(sizes.get('long')).toBe(MAX_QUARANTINE_BYTES - 1)
    })
  })

  describe('runs and ingests', () => {
    it('keeps runs, newest first, with their report once they finished', async () => {
      const store = await open()
      await store.startRun({ runId: 'run-1', startedAt: NOW, command: 'refresh' })
      await store.startRun({ runId: 'run-2', startedAt: NOW + 1, command: 'refresh' })
      await store.startRun({ runId: 'run-1', startedAt: NOW + 9, command: 'again' })
      await store.finishRun('run-1', REPORT)
      expect(await store.runs(9)).toEqual([
        { runId: 'run-2', startedAt: NOW + 1, finishedAt: null, command: 'refresh', report: null },
        { runId: 'run-1', startedAt: NOW, finishedAt: NOW + 5, command: 'refresh', report: REPORT },
      ])
      expect(await store.runs(1)).toHaveLength(1)
      expect(await codeOf(store.finishRun('none', REPORT))).toBe('unknown_run')
    })

    it('keeps facts of ingests, newest first; one that is told again is replaced', async () => {
      const store = await open()
      const fact = { ingestId: 'i1', loader: 'sbir', file: 'a.csv', sha256: 'x', rows: 5, at: NOW, detail: { quarantined: 0 } }
      await store.addIngest(fact)
      await store.addIngest({ ...fact, ingestId: 'i2', at: NOW + 1 })
      await store.addIngest({ ...fact, rows: 6 })
      expect(await store.ingests(9)).toEqual([
        { ...fact, ingestId: 'i2', at: NOW + 1 },
        { ...fact, rows: 6 },
      ])
      expect(await store.ingests(1)).toHaveLength(1)
    })
  })
}
