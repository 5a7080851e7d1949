/** Identities from nothing to a record, and back: found, missed, decided by a person, taken back, found anew. */
import { afterEach, describe, expect, test } from 'vitest'
import { usptoOdp } from '../../ts/adapters/uspto-odp.ts'
import type { CallResult } from '../../ts/http/source-client.ts'
import type { Identity } from '../../ts/model/entity.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import type { RequestSpec } from '../../ts/model/response.ts'
import { DAY_MS } from '../../ts/model/time.ts'
import { withIdentityFollowUps, withIdentitySource } from '../../ts/refresh/identity-source.ts'
import { entity } from '../support/builders.ts'
import { fakeAdapter } from '../support/fake-adapter.ts'
import { answered, ok, type Respond } from '../support/fake-client.ts'
import { addRegister, type FakeRegister, REGISTER, REGISTER_IDENTITY, registerAdapter } from '../support/fake-register.ts'
import { dump, Killed, type OpenedStore, openStore, RefreshWorld, STORES, type StoreKind } from '../support/refresh-world.ts'

const scenes: OpenedStore[] = []
afterEach(async () => {
  for (const opened of scenes.splice(0)) await opened.cleanup()
})

const COMPANIES = [
  { id: 'ACME', name: 'Acme Photonics, Inc.', state: 'MA' },
  { id: 'BLUE', name: 'Blue Sky Robotics', state: 'CA' },
  { id: 'CORE', name: 'Coreless Motors', state: 'TX' },
  { id: 'DELT', name: 'Delta Wing Systems', state: 'NY' },
]

async function population(world: RefreshWorld, more: Readonly<Record<string, Record<string, string>>> = {}): Promise<void> {
  await world.store.upsertEntities(
    COMPANIES.map(({ id, name, state }) => ({ ...entity(`uei:${id}`, { name, state, ...more[id] }), links: [] })),
    'ingest-1',
    world.clock.now(),
  )
}

/** ACME is found, BLUE has a namesake in its own state, CORE is unknown there, DELT is only somewhat like an entry elsewhere. */
function furnish(register: FakeRegister): void {
  register.put(
    { number: '100', name: 'ACME PHOTONICS INCORPORATED', state: 'MA', officers: ['Jane Doe'] },
    { number: '200', name: 'Blue Sky Robotics LLC', state: 'CA' },
    { number: '201', name: 'Blue Sky Robotics, Inc.', state: 'CA', status: 'dissolved' },
    { number: '400', name: 'Delta Wing Systems', state: 'OH' },
  )
}

async function scene(kind: StoreKind, parts: Parameters<typeof addRegister>[1] = {}) {
  const opened = await openStore(kind)
  scenes.push(opened)
  const world = new RefreshWorld(opened.store)
  const { main, identities, register } = addRegister(world, parts)
  furnish(register)
  await population(world)
  const labels = (): string[] => main.client.requests.map((request) => `${request.label} ${request.path}`).sort()
  const reasons = async (): Promise<Record<string, string | null>> =>
    Object.fromEntries((await world.store.unresolved(REGISTER, 100)).map(({ entry }) => [entry.entity.key, entry.error]))
  const eventsAt = async (source: string) => {
    const found: string[] = []
    for await (const event of world.store.events({ source, limit: 1000 }))
      found.push(`${event.entity.key} ${event.kind} ${event.confidence} ${event.confidenceMethod}`)
    return found
  }
  const refresh = async (request: Parameters<RefreshWorld['run']>[0] = {}) => {
    main.client.forget()
    const report = await world.run(request)
    return Object.fromEntries(report.partitions.map((part) => [part.partition, `${part.status} ${part.counts.items}`]))
  }
  return { world, main, identities, register, labels, reasons, eventsAt, refresh }
}

function decided(key: string, providerKey: string, at: number): Identity {
  return {
    source: REGISTER,
    entity: { kind: 'company', key },
    providerKey,
    method: 'user',
    confidence: 1,
    evidence: { reason: 'checked' },
    alternatives: [],
    resolvedAt: at,
    decidedBy: 'user',
  }
}

describe.each(STORES)('identities, %s store', (kind) => {
  test('one run finds them and then asks by them; the rest says why it waits', async () => {
    const { world, labels, reasons, eventsAt, refresh, main } = await scene(kind)
    expect(await refresh({ request: { sources: [REGISTER] } })).toEqual({
      'register_identity:name_batch_0001': 'done 4',
      'register:batch_0001': 'done 1',
    })
    expect(labels()).toEqual([
      'entry /entries/100',
      'officers /entries/100/officers',
      'search /search',
      'search /search',
      'search /search',
      'search /search',
    ])
    expect(await reasons()).toEqual({
      'uei:BLUE':
        'the best match 200 (confidence 1) is less than 0.05 ahead of 201 (1); decide with: identities set --source register --entity company:uei:BLUE --provider-key 200 --reason TEXT',
      'uei:CORE': 'The register knows no such company: no entry has a name like it',
      'uei:DELT':
        'the best match 400 has confidence 0.8, below 0.85; decide with: identities set --source register --entity company:uei:DELT --provider-key 400 --reason TEXT',
    })
    const [record] = await world.store.records(REGISTER, [{ kind: 'company', key: 'uei:ACME' }])
    expect(record?.record).toEqual({
      number: '100',
      name: 'ACME PHOTONICS INCORPORATED',
      status: 'active',
      officers: ['Jane Doe'],
    })
    expect(await eventsAt(REGISTER)).toEqual(['uei:ACME created 1 name+state'])
    const found = await world.store.records(
      REGISTER_IDENTITY,
      COMPANIES.map(({ id }) => ({ kind: 'company', key: `uei:${id}` })),
    )
    expect(found.map(({ record: { status, provider_key, candidates } }) => [status, provider_key, candidates])).toEqual([
      ['resolved', '100', 1],
      ['ambiguous', '200', 2],
      ['none', null, 0],
      ['ambiguous', '400', 1],
    ])
    const [blue] = await world.store.identities({ source: REGISTER, entity: { kind: 'company', key: 'uei:BLUE' }, limit: 1 })
    expect(blue).toMatchObject({ providerKey: '200', confidence: 1, method: 'name+state', decidedBy: 'computed' })
    expect(blue?.alternatives).toMatchObject([{ provider_key: '201', confidence: 1, evidence: { similarity: 1 } }])
    // Nothing is due any more, and nothing is asked.
    expect(await refresh()).toEqual({})
    expect(main.client.requests).toEqual([])
  })

  test('before the first pass the reason says that nobody has asked', async () => {
    const { reasons, refresh } = await scene(kind)
    await refresh({ request: { partitions: ['register:batch_0001'] } })
    expect(new Set(Object.values(await reasons()))).toEqual(new Set(['no identity yet: the identity pass has not asked']))
  })

  test('a decision counts at once, survives re-ingest and re-resolution, and is taken back without a call', async () => {
    const { world, labels, reasons, eventsAt, refresh } = await scene(kind)
    await refresh()
    world.clock.skip(1)
    await world.store.putIdentities([decided('uei:BLUE', '201', world.clock.now())])
    await world.store.addPending(
      [REGISTER, REGISTER_IDENTITY].map((source) => ({
        source,
        entity: { kind: 'company', key: 'uei:BLUE' },
        reason: 'identity set',
        at: world.clock.now(),
        by: 'user',
      })),
    )
    await refresh()
    expect(labels()).toEqual(['entry /entries/201', 'officers /entries/201/officers'])
    expect((await eventsAt(REGISTER)).at(-1)).toBe('uei:BLUE created 1 user')
    const [found] = await world.store.records(REGISTER_IDENTITY, [{ kind: 'company', key: 'uei:BLUE' }])
    expect(found?.record).toMatchObject({ status: 'resolved', provider_key: '201', method: 'user' })

    // Re-ingest, then re-resolution after the cadence: the decision stands, and is not looked for again.
    world.clock.skip(91 * DAY_MS)
    await population(world, { BLUE: { website: 'https://blue.example' } })
    await refresh()
    expect(labels().filter((label) => label.startsWith('search'))).toHaveLength(3)
    expect(labels()).toContain('entry /entries/201')
    expect(await world.store.identities({ source: REGISTER, decidedBy: 'user', limit: 10 })).toMatchObject([
      { providerKey: '201' },
    ])

    // Taken back: set aside with the reason, what is known stays, and no call is made for it at the register.
    await world.store.clearIdentity(REGISTER, { kind: 'company', key: 'uei:BLUE' })
    await refresh({ request: { partitions: ['register:batch_0001'], force: true } })
    expect(labels()).toEqual(['entry /entries/100', 'officers /entries/100/officers'])
    expect((await reasons())['uei:BLUE']).toBe('no identity yet: the identity pass has not asked')
    const [known] = await world.store.records(REGISTER, [{ kind: 'company', key: 'uei:BLUE' }])
    expect(known).toMatchObject({ present: true, record: { number: '201' } })
  })

  test('another key found later makes the entity due at once, and is asked by it in the same run', async () => {
    const { world, register, labels, refresh } = await scene(kind)
    await refresh()
    register.entries.delete('100')
    register.put({ number: '101', name: 'Acme Photonics', state: 'MA' })
    world.clock.skip(91 * DAY_MS)
    await refresh()
    // Known first by the old key, which is gone; then by the new one.
    expect(labels()).toEqual(expect.arrayContaining(['entry /entries/100', 'entry /entries/101']))
    const [known] = await world.store.records(REGISTER, [{ kind: 'company', key: 'uei:ACME' }])
    expect(known).toMatchObject({ present: true, record: { number: '101' } })
    expect(await world.store.pending()).toEqual([])
  })

  test('another threshold judges what is stored anew, without asking', async () => {
    const { world, main, identities, labels, reasons, refresh } = await scene(kind)
    await refresh()
    const rule = { minConfidence: 0.75, minMargin: 0.05 }
    for (const source of [main, identities]) Object.assign(source, { run: { ...source.run, identity: rule } })
    await refresh()
    expect(labels()).toEqual(['entry /entries/400', 'officers /entries/400/officers'])
    expect(Object.keys(await reasons())).toEqual(['uei:BLUE', 'uei:CORE'])
    // And back: what is known is kept, and not asked about again however old it gets.
    for (const source of [main, identities])
      Object.assign(source, { run: { ...source.run, identity: { ...rule, minConfidence: 0.85 } } })
    world.clock.skip(30 * DAY_MS)
    await refresh()
    expect(labels()).toEqual(['entry /entries/100', 'officers /entries/100/officers'])
    expect(Object.keys(await reasons())).toEqual(['uei:BLUE', 'uei:CORE', 'uei:DELT'])
  })

  test('an identity that the attributes say takes no call', async () => {
    const { world, labels, refresh } = await scene(kind)
    await population(world, { CORE: { number: '100' } })
    await refresh()
    expect(labels().filter((label) => label.startsWith('search'))).toHaveLength(3)
    expect(labels().filter((label) => label === 'entry /entries/100')).toHaveLength(2)
  })

  test('an identity that is taken back between plan and request is set aside without a call', async () => {
    const { world, main, register, labels, reasons, refresh } = await scene(kind)
    await population(world, { CORE: { number: '100' } })
    await refresh()
    world.clock.skip(2 * DAY_MS)
    Object.assign(main, { run: { ...main.run, policy: { ...main.run.policy, maxParallelRequests: 1 } } })
    let calls = 0
    main.respond = async (request) => {
      calls += 1
      if (calls === 1) await world.store.clearIdentity(REGISTER, { kind: 'company', key: 'uei:CORE' })
      world.clock.skip(1)
      return register.respond(request)
    }
    // Rows are read in pages of hundreds, so the second one was read already; the next assignment sets it aside.
    await refresh({ request: { sources: [REGISTER] } })
    await refresh({ request: { partitions: ['register:batch_0001'], force: true } })
    expect(labels()).toEqual(['entry /entries/100', 'officers /entries/100/officers'])
    expect((await reasons())['uei:CORE']).toBe('no identity yet: the identity pass has not asked')
  })

  test('a process that dies at any commit leaves what the next one finishes', async () => {
    const undisturbed = await scene(kind)
    await undisturbed.refresh({ maxParallelPartitions: 1 })
    const expected = await dump(undisturbed.world.store, [REGISTER, REGISTER_IDENTITY])
    for (const point of ['session.before_commit', 'session.after_commit', 'session.after_lease']) {
      for (let pass = 1; pass < 20; pass += 1) {
        const { world } = await scene(kind)
        const died = await world.run({ crash: { point, pass }, maxParallelPartitions: 1 }).then(
          () => false,
          (error: unknown) => {
            if (!(error instanceof Killed)) throw error
            return true
          },
        )
        if (!died) break
        world.reboot()
        await world.run({ maxParallelPartitions: 1 })
        const after = await dump(world.store, [REGISTER, REGISTER_IDENTITY])
        const settled = (one: typeof after) =>
          one.perSource.map(({ ledger, records, events, identities, pending }) => ({
            ledger: ledger.map(({ lastAttemptAt: _a, lastSuccessAt: _s, attempts: _n, ...row }) => row),
            records: records.map(({ changedAt: _c, ...record }) => record),
            events: events
              .map(({ eventId: _e, at: _at, ...event }) => event)
              .sort((a, b) => (a.entity.key < b.entity.key ? -1 : 1)),
            identities: identities.map(({ resolvedAt: _r, ...identity }) => identity),
            pending,
          }))
        expect(settled(after), `${point} #${pass}`).toEqual(settled(expected))
      }
    }
  })

  test('records of sources that are read come with the question, and a first one there has the identity looked for', async () => {
    const opened = await openStore(kind)
    scenes.push(opened)
    const world = new RefreshWorld(opened.store)
    const other = world.addSource({ adapter: fakeAdapter(['lookup'], { id: 'other' }) })
    const seen: unknown[] = []
    const plain = registerAdapter()
    const { main, identities, register } = addRegister(world, {
      adapter: registerAdapter({
        reads: ['other'],
        resolve: {
          ...plain.resolve!,
          request: () => null,
          parse(_views, target) {
            seen.push(target.related)
            const number = target.related?.['other']?.['number']
            return typeof number === 'string'
              ? { candidates: [{ providerKey: number, method: 'other', confidence: 1, evidence: {} }] }
              : { candidates: [], reason: 'the other source has no number of it' }
          },
        },
      }),
    })
    furnish(register)
    await population(world)
    const wired = withIdentityFollowUps([other.run, main.run, identities.run])
    for (const [index, source] of [other, main, identities].entries()) Object.assign(source, { run: wired[index]! })
    other.provider.put('ACME', { number: '100' }, 0)
    await world.run()
    // The other source went first, so its record was there to be read.
    expect(seen).toContainEqual({ other: expect.objectContaining({ number: '100' }) })
    expect(seen).toContainEqual({})
    expect(await world.store.records(REGISTER, [{ kind: 'company', key: 'uei:ACME' }])).toHaveLength(1)

    world.clock.skip(2 * DAY_MS)
    other.provider.put('BLUE', { number: '200' }, 0)
    await world.run()
    await world.run()
    expect(await world.store.records(REGISTER, [{ kind: 'company', key: 'uei:BLUE' }])).toHaveLength(1)
  })

  test('what answers bring to light is placed and asked about in the same run, and no ingest is said to have seen it', async () => {
    const opened = await openStore(kind)
    scenes.push(opened)
    const world = new RefreshWorld(opened.store)
    const address = { kind: 'ip' as const, key: '192.0.2.1' }
    world.addSource({
      adapter: fakeAdapter(['lookup'], {
        id: 'names',
        lookup: {
          request: () => ({ method: 'GET', path: '/resolve', label: 'resolve' }),
          parse: (_view, target) => ({
            kind: 'record',
            entity: target.entity,
            record: { addresses: ['192.0.2.1'] },
            discovered: [
              {
                ...address,
                attributes: { address: '192.0.2.1' },
                aliases: [],
                links: [{ from: target.entity, kind: 'has_address', to: address }],
              },
              // Known already: what the ingest says of it stands.
              { kind: 'company', key: 'uei:ACME', attributes: { name: 'wrong' }, aliases: [], links: [] },
            ],
          }),
        },
      }),
      respond: () => ok({}),
    })
    const numbers = world.addSource({
      adapter: fakeAdapter(['lookup'], {
        id: 'numbers',
        entityKinds: ['ip'],
        unresolvable: () => null,
        lookup: {
          request: (target) => ({ method: 'GET', path: `/asn/${target.entity.key}`, label: 'asn' }),
          parse: (_view, target) => ({ kind: 'record', entity: target.entity, record: { asn: 64496 } }),
        },
      }),
      respond: () => ok({}),
    })
    await population(world)
    const report = await world.run()
    expect(report.partitions.map((part) => `${part.partition} ${part.status}`).sort()).toEqual([
      'names:batch_0001 done',
      'numbers:batch_0001 done',
    ])
    expect(numbers.client.requests).toHaveLength(1)
    expect(await world.store.links({ kind: 'company', key: 'uei:BLUE' })).toEqual([
      { from: { kind: 'company', key: 'uei:BLUE' }, kind: 'has_address', to: address },
    ])
    expect((await world.store.entity({ kind: 'company', key: 'uei:ACME' }))?.attributes['name']).toBe('Acme Photonics, Inc.')
    expect(await world.store.seenBy([address], 'ingest-1')).toEqual(new Set())
  })

  test('a process that dies between what came to light and its answer leaves it to be placed once', async () => {
    const opened = await openStore(kind)
    scenes.push(opened)
    const world = new RefreshWorld(opened.store)
    const address = { kind: 'ip' as const, key: '192.0.2.1' }
    world.addSource({
      adapter: fakeAdapter(['lookup'], {
        id: 'names',
        lookup: {
          request: () => ({ method: 'GET', path: '/resolve', label: 'resolve' }),
          parse: (_view, { entity: domain }) => ({
            kind: 'record',
            entity: domain,
            record: { addresses: ['192.0.2.1'] },
            discovered: [
              { ...address, attributes: {}, aliases: [], links: [{ from: domain, kind: 'has_address', to: address }] },
            ],
          }),
        },
      }),
      respond: () => ok({}),
    })
    await population(world)
    await expect(world.run({ crash: { point: 'session.before_commit', pass: 1 } })).rejects.toThrow(Killed)
    expect(await world.store.entity(address)).not.toBeNull()
    expect(await world.store.records('names', [{ kind: 'company', key: 'uei:ACME' }])).toEqual([])
    world.reboot()
    await world.run()
    expect(await world.store.countEntities()).toEqual({ company: 4, ip: 1 })
    expect(await world.store.linksTo(address)).toHaveLength(4)
  })

  test('what a feed names without saying what it is now is asked about after it', async () => {
    const opened = await openStore(kind)
    scenes.push(opened)
    const world = new RefreshWorld(opened.store)
    const plain = fakeAdapter(['lookup', 'feed'])
    const { provider, client } = world.addSource({
      adapter: fakeAdapter(['lookup'], {
        feed: {
          ...plain.feed!,
          answer: (_item, target) => ({ kind: 'due', entity: target.entity, reason: 'a new filing' }),
        },
      }),
    })
    const ids = Array.from({ length: 30 }, (_, index) => `A${index}`)
    for (const id of ids) provider.put(id, { status: 'active' }, world.clock.now() - 90 * DAY_MS)
    await world.populate(ids)
    await world.run()
    world.clock.skip(DAY_MS)
    provider.put('A7', { status: 'inactive' }, world.clock.now() - DAY_MS / 24)
    client.forget()
    const report = await world.run()
    expect(report.partitions.map((part) => [part.strategy, part.status])).toEqual([
      ['feed', 'done'],
      ['lookup', 'done'],
    ])
    expect(client.requests.filter((request) => request.label === 'thing.lookup').map((request) => request.path)).toEqual([
      '/things/A7',
    ])
    expect(await world.store.pending()).toEqual([])
    const events: string[] = []
    for await (const event of world.store.events({ kinds: ['changed'], limit: 10 })) events.push(event.entity.key)
    expect(events).toEqual(['uei:A7'])
  })

  test('a stored key that could mean more than itself is never asked by; it waits, with the reason, for another one', async () => {
    const numbersOnly = (key: string): string | null => (/^\d+$/.test(key) ? null : 'a key of the register is a number')
    const { world, labels, reasons, refresh } = await scene(kind, {
      adapter: registerAdapter({ providerKeyProblem: numbersOnly }),
    })
    await refresh()
    world.clock.skip(2 * DAY_MS)
    // Not by the command, which refuses such keys: by an older version, or by hand.
    await world.store.putIdentities([decided('uei:ACME', '../../x?y=1', world.clock.now())])
    await world.store.addPending([
      {
        source: REGISTER_IDENTITY,
        entity: { kind: 'company', key: 'uei:ACME' },
        reason: 'set',
        at: world.clock.now(),
        by: 'hand',
      },
    ])
    await refresh()
    expect(labels()).toEqual([])
    expect((await reasons())['uei:ACME']).toBe(
      'its identity "../../x?y=1" cannot be asked by: a key of the register is a number; decide with: identities set --source register --entity company:uei:ACME --provider-key KEY --reason TEXT, or forget it with: identities clear',
    )
    const [row] = await world.store.items(REGISTER_IDENTITY, [{ kind: 'company', key: 'uei:ACME' }])
    expect(row?.entry).toMatchObject({ outcome: 'skipped', error: expect.stringContaining('cannot be asked by') })
    // What was known stays, and a usable decision counts at once.
    expect(await world.store.records(REGISTER, [{ kind: 'company', key: 'uei:ACME' }])).toMatchObject([{ present: true }])
    await world.store.putIdentities([decided('uei:ACME', '100', world.clock.now())])
    await refresh()
    expect(labels()).toEqual(['entry /entries/100', 'officers /entries/100/officers'])
    expect(Object.keys(await reasons())).not.toContain('uei:ACME')
  })

  test('the same at a source that can be asked without an identity, until the key is set or cleared', async () => {
    const opened = await openStore(kind)
    scenes.push(opened)
    const world = new RefreshWorld(opened.store)
    const plain = fakeAdapter(['lookup', 'batch'])
    const { provider, client } = world.addSource({
      adapter: fakeAdapter(['lookup', 'batch'], {
        providerKeyProblem: (key) => (/^[A-Z]\d$/.test(key) ? null : 'a key is a letter and a digit'),
        batch: {
          ...plain.batch!,
          request: (targets, group, cursor, context) => ({
            ...plain.batch!.request(targets, group, cursor, context),
            query: targets.map(({ providerKey }) => ['key', providerKey ?? ''] as const),
          }),
        },
      }),
    })
    const source = plain.id
    const ids = ['A1', 'A2', 'A3', 'bad key']
    for (const id of ids) provider.put(id, { status: 'active' }, 0)
    await world.populate(ids)
    await world.run()
    const bad = 'foo~bar]&x\r\n'.repeat(1000)
    const stored = async () =>
      (await world.store.identities({ source, limit: 10 })).map(({ entity: { key }, providerKey }) => [key, providerKey])
    // What the provider itself calls by an impossible key is recorded, without the key.
    expect(await stored()).toEqual(ids.slice(0, 3).map((id) => [`uei:${id}`, id]))

    await world.store.putIdentities([{ ...decided('uei:A2', bad, world.clock.now()), source }])
    world.clock.skip(8 * DAY_MS)
    client.forget()
    const report = await world.run()
    expect(report.sources[0]?.counts).toMatchObject({ items: 4, skipped: 1, failed: 0, calls: 1 })
    const asked = (): string[] => client.requests.flatMap(({ query }) => (query ?? []).map(([, key]) => key)).sort()
    expect(asked()).toEqual(['', 'A1', 'A3'])
    const waiting = await world.store.unresolved(source, 10)
    expect(waiting.map(({ entry }) => entry.entity.key)).toEqual(['uei:A2'])
    expect(waiting[0]?.entry.error).toContain('cannot be asked by: a key is a letter and a digit')
    expect(waiting[0]?.entry.error?.length).toBeLessThan(400)
    // Neither due nor asked again, however old it gets.
    world.clock.skip(8 * DAY_MS)
    client.forget()
    await world.run()
    expect(asked()).toEqual(['', 'A1', 'A3'])

    await world.store.clearIdentity(source, { kind: 'company', key: 'uei:A2' })
    client.forget()
    await world.run()
    expect(asked()).toEqual([''])
    expect(await world.store.unresolved(source, 10)).toEqual([])
    expect(await stored()).toContainEqual(['uei:A2', 'A2'])
  })

  test('what a feed lists of an entity with such a key is not taken for another one’s, nor is the entity proven unchanged', async () => {
    const opened = await openStore(kind)
    scenes.push(opened)
    const world = new RefreshWorld(opened.store)
    const { provider, client } = world.addSource({
      adapter: fakeAdapter(['lookup', 'feed'], {
        providerKeyProblem: (key) => (/^[A-Z]\d+$/.test(key) ? null : 'a key is a letter and digits'),
      }),
    })
    const ids = Array.from({ length: 30 }, (_, index) => `A${index}`)
    for (const id of ids) provider.put(id, { status: 'active' }, world.clock.now() - 90 * DAY_MS)
    await world.populate(ids)
    await world.run()
    const source = fakeAdapter().id
    await world.store.putIdentities([{ ...decided('uei:A7', '../A8', world.clock.now()), source }])
    world.clock.skip(DAY_MS)
    provider.put('A7', { status: 'inactive' }, world.clock.now() - DAY_MS / 24)
    client.forget()
    const report = await world.run()
    expect(report.partitions.map((part) => part.strategy)).toEqual(['feed'])
    const waiting = await world.store.unresolved(source, 10)
    expect(waiting.map(({ entry }) => [entry.entity.key, entry.errorClass])).toEqual([['uei:A7', 'unresolved']])
    const changed: string[] = []
    for await (const event of world.store.events({ kinds: ['changed'], limit: 10 })) changed.push(event.entity.key)
    expect(changed).toEqual([])
  })

  test('a change of what the candidates depend on has the identity looked for, once; any other change does not', async () => {
    const opened = await openStore(kind)
    scenes.push(opened)
    const world = new RefreshWorld(opened.store)
    const other = world.addSource({ adapter: fakeAdapter(['lookup'], { id: 'other', arrayKeys: { '$.offices': ['id'] } }) })
    const plain = registerAdapter()
    const { main, identities, register } = addRegister(world, {
      adapter: registerAdapter({
        reads: ['other'],
        resolve: {
          ...plain.resolve!,
          dependsOn: { other: ['$.number', '$.offices[*].number'] },
          request: () => null,
          parse(_views, target) {
            const number = target.related?.['other']?.['number']
            return typeof number === 'string'
              ? { candidates: [{ providerKey: number, method: 'other', confidence: 1, evidence: {} }] }
              : { candidates: [], reason: 'the other source has no number of it' }
          },
        },
      }),
    })
    furnish(register)
    await population(world)
    const wired = withIdentityFollowUps([other.run, main.run, identities.run])
    for (const [index, source] of [other, main, identities].entries()) Object.assign(source, { run: wired[index]! })
    const say = (parts: Record<string, unknown>) => other.provider.put('ACME', parts as never, world.clock.now())
    const offices = [{ id: '1', number: 'X', town: 'Lynn' }]
    say({ number: '100', website: 'a', offices })
    await world.run()
    const known = async () => {
      const found = await world.store.records(REGISTER, [{ kind: 'company', key: 'uei:ACME' }])
      return found.map(({ record }) => record['number'])
    }
    const opened_ = async () => (await world.store.pending(REGISTER_IDENTITY)).map(({ reason }) => reason)
    await world.run()
    expect(await known()).toEqual(['100'])
    expect(await opened_()).toEqual([])

    // Nothing that was read changed.
    world.clock.skip(8 * DAY_MS)
    say({ number: '100', website: 'b', offices: [{ ...offices[0], town: 'Salem' }] })
    await world.run({ request: { sources: ['other'] } })
    expect(await opened_()).toEqual([])

    // Something did; that it changes again before anybody looked opens no second entry.
    for (const number of ['200', '201']) {
      world.clock.skip(8 * DAY_MS)
      say({ number, website: 'b', offices })
      await world.run({ request: { sources: ['other'] } })
    }
    expect(await opened_()).toEqual(['what other says of it changed'])
    await world.run()
    expect(await opened_()).toEqual([])
    await world.run()
    expect(await known()).toEqual(['201'])

    // A member of a list element counts wherever the element stands, and when it comes.
    world.clock.skip(8 * DAY_MS)
    say({ number: '201', website: 'b', offices: [{ id: '0', number: 'Y', town: 'Lynn' }, ...offices] })
    await world.run({ request: { sources: ['other'] } })
    expect(await opened_()).toEqual(['what other says of it changed'])
  })
})

/** The Office: applications by the names of applicants, and by number. */
function patentOffice(rows: readonly JsonObject[]): (request: RequestSpec) => CallResult {
  return ({ json, label }) => {
    const { q = '', pagination } = json as { q?: string; pagination: { offset: number; limit: number } }
    const words = (/\(([^()]*)\)/.exec(q)?.[1] ?? '').split(/ (?:AND|OR) /)
    const matches = rows.filter((row) => {
      const text = JSON.stringify(row).toUpperCase()
      return label === 'applications.batch'
        ? words.includes(String(row['applicationNumberText']))
        : words.every((word) => text.includes(word))
    })
    if (matches.length === 0) return answered('empty', { status: 404 })
    const { offset, limit } = pagination
    return ok({ count: matches.length, patentFileWrapperDataBag: matches.slice(offset, offset + limit) })
  }
}

function application(number: string, applicant: string, state: string): JsonObject {
  return {
    applicationNumberText: number,
    applicationMetaData: {
      inventionTitle: `Invention ${number}`,
      filingDate: '2021-01-05',
      applicationStatusCode: 30,
      applicantBag: [{ applicantNameText: applicant, correspondenceAddressBag: [{ geographicRegionCode: state }] }],
    },
  }
}

describe.each(STORES)('patents of companies, %s store', (kind) => {
  test('come with the applicant that a person decided on, as with one that was found', async () => {
    const opened = await openStore(kind)
    scenes.push(opened)
    const world = new RefreshWorld(opened.store)
    const rows = [
      application('17000001', 'ACME PHOTONICS, INC.', 'MA'),
      application('17000002', 'Lumen Works LLC', 'NH'),
      application('17000003', 'LUMEN WORKS', 'NH'),
      application('17000004', 'Lumen Works', 'OR'),
      application('17000005', 'Lumen Works East', 'NH'),
    ]
    const respond: Respond = (request) => {
      world.clock.skip(1)
      return patentOffice(rows)(request)
    }
    const main = world.addSource({ adapter: usptoOdp, respond })
    const settings = {
      enabled: true,
      cadenceMs: 90 * DAY_MS,
      slaMs: 180 * DAY_MS,
      rule: { minConfidence: 0.85, minMargin: 0.05 },
      cohortSize: 100,
      maxParallelRequests: null,
      coverageThreshold: 0.9,
    }
    const [judged, derived] = withIdentitySource(main.run, settings)
    Object.assign(main, { run: judged! })
    world.sources.push({ ...main, run: derived! })
    await population(world)
    await world.run()
    /** Recorded applications -> whose they are. */
    const patents = async () => {
      const owners: Record<string, string> = {}
      for (const { id } of COMPANIES)
        for (const { from } of await world.store.linksTo({ kind: 'company', key: `uei:${id}` })) owners[from.key] = id
      const found: Record<string, string | undefined> = {}
      for await (const { entity: patent, record } of world.store.currentRecords('uspto_odp'))
        found[String(record['application_number'])] = owners[patent.key]
      return found
    }
    expect(await patents()).toEqual({ '17000001': 'ACME' })

    // Blue Sky Robotics applies under another name altogether.
    const blue = { kind: 'company', key: 'uei:BLUE' } as const
    const decide = async (key: string) => {
      world.clock.skip(DAY_MS)
      await world.store.putIdentities([{ ...decided('uei:BLUE', key, world.clock.now()), source: 'uspto_odp' }])
      const at = world.clock.now()
      await world.store.addPending([{ source: 'uspto_odp_identity', entity: blue, reason: 'set', at, by: 'user' }])
      main.client.forget()
      await world.run()
      const asked = main.client.requests.map(({ json }) => (json as { q: string }).q)
      return asked.filter((q) => /LUMEN|1700000[2-9]/.test(q))
    }
    expect(await decide('LUMEN WORKS|NH')).toEqual([
      'applicationMetaData.applicantBag.applicantNameText:(LUMEN AND WORKS) OR assignmentBag.assigneeBag.assigneeNameText:(LUMEN AND WORKS)',
      'applicationNumberText:(17000002 OR 17000003)',
    ])
    const ours = {
      '17000001': 'ACME',
      '17000002': 'BLUE',
      '17000003': 'BLUE',
    }
    expect(await patents()).toEqual(ours)
    const [found] = await world.store.records('uspto_odp_identity', [blue])
    expect(found?.record).toEqual({
      status: 'resolved',
      provider_key: 'LUMEN WORKS|NH',
      method: 'user',
      confidence: 1,
      candidates: 0,
    })
    // What the Office publishes later under that name comes with the next search for it.
    rows.push(application('17000006', 'LUMEN WORKS', 'NH'))
    world.clock.skip(91 * DAY_MS)
    await world.run()
    expect(Object.keys(await patents())).toEqual([...Object.keys(ours), '17000006'])
    // Without a state the name counts wherever it applied.
    await decide('LUMEN WORKS')
    expect(Object.keys(await patents())).toContain('17000004')
    expect(Object.keys(await patents())).not.toContain('17000005')
  })
})
