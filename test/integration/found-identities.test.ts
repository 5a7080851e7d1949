/** Identities that come with answers: below the threshold they are candidates, and what came with them is nobody's record. */
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { SourceAdapter } from '../../ts/adapters/adapter.ts'
import { clearbit } from '../../ts/adapters/clearbit.ts'
import { openfec } from '../../ts/adapters/openfec.ts'
import { peopleDataLabs } from '../../ts/adapters/people-data-labs.ts'
import { ADAPTERS } from '../../ts/adapters/registry.ts'
import { loadConfig } from '../../ts/config/load.ts'
import type { CallResult } from '../../ts/http/source-client.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import type { RequestSpec } from '../../ts/model/response.ts'
import { DAY_MS } from '../../ts/model/time.ts'
import { weighed } from '../../ts/refresh/identity.ts'
import { withIdentitySource } from '../../ts/refresh/identity-source.ts'
import { identitySettings } from '../../ts/source-names.ts'
import { entity } from '../support/builders.ts'
import { fakeAdapter } from '../support/fake-adapter.ts'
import { answered, ok } from '../support/fake-client.ts'
import { type OpenedStore, openStore, RefreshWorld, STORES, type StoreKind } from '../support/refresh-world.ts'

const opened: OpenedStore[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.cleanup()
})

const SOURCE = 'clearbit'
const SURE = { kind: 'company', key: 'uei:SURE' } as const
const DOUBT = { kind: 'company', key: 'uei:DOUBT' } as const

/** SURE is answered with its own domain; DOUBT's domain leads to a company of a like name, nobody knows where: 0.8 of 0.5 + 0.4 of the similarity. */
const ITEMS: Readonly<Record<string, JsonObject>> = {
  'sure.com': { id: '11111111-1111-4111-8111-111111111111', domain: 'sure.com', name: 'Sure Optics' },
  'doubt.com': {
    id: '22222222-2222-4222-8222-222222222222',
    domain: 'other.com',
    name: 'Doubtful Systems Research Technologies',
  },
}

async function scene(kind: StoreKind) {
  const store = await openStore(kind)
  opened.push(store)
  const world = new RefreshWorld(store.store)
  const main = world.addSource({
    adapter: { ...clearbit, lookup: clearbit.lookup! },
    respond: (request) => {
      world.clock.skip(1)
      const query = new Map(request.query ?? [])
      const item = Object.values(ITEMS).find(({ id }) => request.path.includes(String(id))) ?? ITEMS[query.get('domain') ?? '']
      return ok(item ?? {})
    },
  })
  const plain = main.run
  const judgeBy = (minConfidence?: number): void => {
    const policy = minConfidence === undefined ? {} : { identity: { ...FULL, min_confidence: minConfidence } }
    Object.assign(main, { run: withIdentitySource(plain, identitySettings(policy, clearbit))[0]! })
  }
  judgeBy()
  const populate = (doubtDomain = 'doubt.com') =>
    world.store.upsertEntities(
      [
        { ...entity(SURE.key, { name: 'Sure Optics, Inc.', domain: 'sure.com' }), links: [] },
        { ...entity(DOUBT.key, { name: 'Doubtful Systems', domain: doubtDomain }), links: [] },
      ],
      'ingest-1',
      world.clock.now(),
    )
  await populate()
  const refresh = async () => {
    main.client.forget()
    await world.run()
    return main.client.requests.map(({ path, query = [] }) => `${path}?${query.map(([, value]) => value).join('&')}`).sort()
  }
  const known = async () => {
    const found: string[] = []
    for await (const {
      entity: { key },
      present,
    } of world.store.currentRecords(SOURCE))
      if (present) found.push(key)
    return found.sort()
  }
  const waiting = async () =>
    Object.fromEntries((await world.store.unresolved(SOURCE, 100)).map(({ entry }) => [entry.entity.key, entry.error]))
  return { world, judgeBy, populate, refresh, known, waiting }
}

const FULL = {
  enabled: true,
  cadence: '90d',
  sla: '180d',
  min_margin: 0.05,
  cohort: { size: 500 },
  coverage_threshold: 0.9,
}
const REASON =
  /^the best match 22222222-.* has confidence 0\.6\d*, below 0\.85; decide with: identities set --source clearbit --entity company:uei:DOUBT --provider-key 22222222-/

describe.each(STORES)('identities that come with answers, %s store', (kind) => {
  test('below the threshold are kept as candidates, and their record is not taken', async () => {
    const { world, refresh, known, waiting } = await scene(kind)
    expect(await refresh()).toHaveLength(2)
    expect(await known()).toEqual([SURE.key])
    expect(await waiting()).toEqual({ [DOUBT.key]: expect.stringMatching(REASON) })
    const [candidate] = await world.store.identities({ source: SOURCE, entity: DOUBT, limit: 1 })
    expect(candidate).toMatchObject({ providerKey: ITEMS['doubt.com']!['id'], method: 'domain_redirect', decidedBy: 'computed' })
    expect(candidate!.confidence).toBeLessThan(0.85)
    const events: string[] = []
    for await (const event of world.store.events({ source: SOURCE, limit: 100 })) events.push(`${event.entity.key} ${event.kind}`)
    expect(events).toEqual(['uei:SURE created'])
    const [row] = await world.store.items(SOURCE, [DOUBT])
    expect(row!.entry).toMatchObject({ outcome: 'skipped', attempts: 1, lastSuccessAt: null, payloadHash: null })
    // It is neither due nor asked again before the cadence.
    expect(await refresh()).toEqual([])
  })

  test('wait for a person, whose decision counts at once', async () => {
    const { world, refresh, known, waiting } = await scene(kind)
    await refresh()
    world.clock.skip(1)
    const [candidate] = await world.store.identities({ source: SOURCE, entity: DOUBT, limit: 1 })
    await world.store.putIdentities([{ ...candidate!, method: 'user', decidedBy: 'user', resolvedAt: world.clock.now() }])
    const asked = await refresh()
    expect(asked).toHaveLength(1)
    expect(await known()).toEqual([DOUBT.key, SURE.key])
    expect(await waiting()).toEqual({})
    // Taken back: asked by what it was asked by at first, and a candidate again. What is known stays.
    world.clock.skip(1)
    await world.store.clearIdentity(SOURCE, DOUBT)
    await world.store.addPending([{ source: SOURCE, entity: DOUBT, reason: 'cleared', at: world.clock.now(), by: 'user' }])
    expect(await refresh()).toEqual([expect.stringContaining('doubt.com')])
    expect(await waiting()).toEqual({ [DOUBT.key]: expect.stringMatching(REASON) })
    expect(await world.store.pending(SOURCE)).toEqual([])
  })

  test('are judged anew when the threshold changes, and asked about again after a cadence', async () => {
    const { world, judgeBy, populate, refresh, known, waiting } = await scene(kind)
    await refresh()
    judgeBy(0.6)
    expect(await refresh()).toHaveLength(1)
    expect(await known()).toEqual([DOUBT.key, SURE.key])
    judgeBy(0.98)
    expect(await refresh()).toEqual([])
    expect(Object.keys(await waiting()).sort()).toEqual([DOUBT.key, SURE.key])
    judgeBy()
    await refresh()
    expect(Object.keys(await waiting())).toEqual([DOUBT.key])
    const attempts = async () => (await world.store.items(SOURCE, [DOUBT]))[0]!.entry.attempts
    const before = await attempts()
    world.clock.skip(DAY_MS / 4)
    await refresh()
    expect(await attempts()).toBe(before)
    // A cadence later it is asked about by what is known of it then: a better domain.
    await populate('sure.com')
    world.clock.skip(2 * DAY_MS)
    await refresh()
    expect(await attempts()).toBe(before + 1)
    expect(await waiting()).toEqual({})
    // Nothing is judged any more: who waits is asked about.
    judgeBy(0.98)
    await refresh()
    expect(Object.keys(await waiting()).sort()).toEqual([DOUBT.key, SURE.key])
    judgeBy(0)
    await refresh()
    expect(await waiting()).toEqual({})
  })

  test('count whatever they are where the adapter is sure of them', async () => {
    const store = await openStore(kind)
    opened.push(store)
    const world = new RefreshWorld(store.store)
    const main = world.addSource({ adapter: { ...fakeAdapter(['lookup']), identifies: { minConfidence: 0 } } })
    await world.populate(['A1'])
    main.provider.put('A1', { name: 'x' }, world.clock.now())
    Object.assign(main, { run: withIdentitySource(main.run, identitySettings({}, main.run.adapter))[0]! })
    expect(main.run.identity).toBeUndefined()
    await world.run()
    expect((await world.store.records(main.run.adapter.id, [{ kind: 'company', key: 'uei:A1' }]))[0]?.present).toBe(true)
    // Unless the configuration asks for more.
    world.clock.skip(2 * DAY_MS)
    const strict = identitySettings({ identity: { ...FULL, min_confidence: 0.99 } }, main.run.adapter)
    Object.assign(main, { run: withIdentitySource(main.run, strict)[0]! })
    await world.run()
    expect((await world.store.unresolved(main.run.adapter.id, 10)).map(({ entry }) => entry.error)).toEqual([
      expect.stringContaining('confidence 0.95, below 0.99'),
    ])
  })
})

/** One page of contributions by people who name the company, all of one state, then the end. */
function contributions(state: string): (request: RequestSpec) => CallResult {
  return ({ query = [] }) => {
    const isNext = query.some(([name]) => name === 'last_index')
    const rows = Array.from({ length: isNext ? 0 : 4 }, (_, index) => ({
      sub_id: String(index + 1),
      contributor_employer: 'ACME PHOTONICS',
      contributor_state: state,
      contribution_receipt_amount: 100,
      contribution_receipt_date: '2025-02-01T00:00:00',
      two_year_transaction_period: 2026,
      is_individual: true,
      memoed_subtotal: false,
      committee_id: 'C00401224',
      committee: { committee_id: 'C00401224', name: 'ACTBLUE' },
    }))
    const pagination = {
      count: 4,
      last_indexes: isNext ? null : { last_index: '4', last_contribution_receipt_date: '2025-02-01' },
    }
    return answered(isNext ? 'empty' : 'ok', { json: { results: rows, pagination } })
  }
}

describe.each(STORES)('contributions, %s store', (kind) => {
  test.each([
    ['MA', { present: 1, waiting: [] }],
    ['TX', { present: 0, waiting: [expect.stringMatching(/^the best match ACME PHOTONICS has confidence 0\.45, below 0\.7;/)] }],
  ])('from %s, to a company of MA', async (state, expected) => {
    const store = await openStore(kind)
    opened.push(store)
    const world = new RefreshWorld(store.store)
    const main = world.addSource({ adapter: openfec, respond: contributions(state) })
    Object.assign(main, { run: withIdentitySource(main.run, identitySettings({}, openfec))[0]! })
    const company = { ...entity('uei:ACME', { name: 'Acme Photonics, Inc.', state: 'MA' }), links: [] }
    await world.store.upsertEntities([company], 'ingest-1', world.clock.now())
    const report = await world.run()
    expect(report.partitions.map(({ status, counts }) => [status, counts.failed])).toEqual([['done', 0]])
    expect(await world.store.records('openfec', [{ kind: 'company', key: 'uei:ACME' }])).toHaveLength(expected.present)
    expect((await world.store.unresolved('openfec', 10)).map(({ entry }) => entry.error)).toEqual(expected.waiting)
    expect(await world.store.identities({ source: 'openfec', limit: 10 })).toMatchObject([{ providerKey: 'ACME PHOTONICS' }])
  })
})

describe('the thresholds of the sources themselves', () => {
  const ruleOf = (adapter: SourceAdapter) => identitySettings({}, adapter).rule
  const found = (adapter: SourceAdapter, confidence: number) => {
    const identity = { providerKey: 'ACME', method: 'x', confidence, evidence: {} }
    const answer = { kind: 'record' as const, entity: SURE, record: {}, identity }
    return weighed(adapter, { identity: null }, answer, ruleOf(adapter)).kind
  }

  test.each([
    // Nobody of those who gave lives in its state; half; all.
    [openfec, 0.45, 'candidate'],
    [openfec, 0.675, 'candidate'],
    [openfec, 0.9, 'record'],
    // Only somewhat like it; the same name; PDL itself is not sure.
    [peopleDataLabs, 0.72, 'candidate'],
    [peopleDataLabs, 0.9, 'record'],
    [clearbit, 0.8, 'candidate'],
    [clearbit, 0.85, 'record'],
  ])('$0.id at $1: $2', (adapter, confidence, kind) => {
    expect(found(adapter, confidence)).toBe(kind)
  })

  test('are written in the configuration, too', async () => {
    const { config } = await loadConfig({
      dir: join(import.meta.dirname, '../../config'),
      environment: 'dev',
      variables: {},
      settings: [],
      adapters: { byId: (id) => ADAPTERS.find((adapter) => adapter.id === id) ?? null, ids: ADAPTERS.map(({ id }) => id) },
    })
    for (const adapter of [openfec, peopleDataLabs, clearbit])
      expect(config.enrichment_refresh[adapter.id]?.identity?.min_confidence, adapter.id).toBe(adapter.identifies?.minConfidence)
  })
})
