import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LedgerEntry } from '../../ts/model/ledger.ts'
import type { RunReport } from '../../ts/model/run-report.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../ts/model/time.ts'
import { ref, SOURCE } from '../support/builders.ts'
import { fakeAdapter } from '../support/fake-adapter.ts'
import { answered, refused } from '../support/fake-client.ts'
import { settle } from '../support/fake-clock.ts'
import { FakeProvider } from '../support/fake-provider.ts'
import { dump, LEASE_MS, type OpenedStore, openStore, RefreshWorld, STORES, type TestSource } from '../support/refresh-world.ts'

const IDS = Array.from({ length: 35 }, (_, i) => `A${String(i).padStart(2, '0')}`)
const once = (ids: readonly string[]): Map<string, number> => new Map([...ids].sort().map((id) => [id, 1]))
const sorted = (counts: Map<string, number>): Map<string, number> => new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
const statuses = (report: RunReport): Record<string, string> =>
  Object.fromEntries(report.partitions.map((part) => [part.partition, part.status]))

describe.each(STORES)('refreshing entities over the %s store', (kind) => {
  let opened: OpenedStore
  let world: RefreshWorld
  let source: TestSource

  beforeEach(async () => {
    opened = await openStore(kind)
    world = new RefreshWorld(opened.store)
    source = world.addSource()
    for (const id of IDS) source.provider.put(id, { status: 'active' }, world.clock.now())
    await world.populate(IDS)
  })
  afterEach(() => opened.cleanup())

  const rows = async (): Promise<readonly LedgerEntry[]> => {
    const all: LedgerEntry[] = []
    for await (const row of opened.store.ledger(SOURCE)) all.push(row)
    return all
  }
  const row = async (id: string): Promise<LedgerEntry> => (await rows()).find(({ entity }) => entity.key === `uei:${id}`)!
  const asked = (): Map<string, number> => sorted(FakeProvider.asked(source.client.requests))

  test('all that is due is asked about once and only once; a second run at once makes no call', async () => {
    const first = await world.run()
    expect(asked()).toEqual(once(IDS))
    expect(source.client.requests).toHaveLength(4)
    expect(first.partitions).toMatchObject([
      { status: 'done', resumed: false, reconciled: null, counts: { items: 35, changed: 35, events: 35, calls: 4, failed: 0 } },
    ])
    expect(first.sources).toMatchObject([{ coverageBefore: 0, coverageAfter: 1, callsSaved: 31 }])
    expect(
      (await rows()).every(
        ({ outcome, attempts, lastSuccessAt }) => outcome === 'changed' && attempts === 1 && lastSuccessAt === world.clock.now(),
      ),
    ).toBe(true)

    source.client.forget()
    const second = await world.run()
    expect(source.client.requests).toEqual([])
    expect(second.partitions).toEqual([])
  })

  test('after the cadence only what is due is asked, and only what changed is written', async () => {
    await world.run({ request: { limit: 20 } })
    world.clock.skip(HOUR_MS)
    await world.run()
    source.client.forget()
    world.clock.skip(DAY_MS - HOUR_MS)
    const early = (await rows())
      .filter(({ lastSuccessAt }) => lastSuccessAt! <= world.clock.now() - DAY_MS)
      .map(({ entity }) => entity.key.slice(4))
    expect(early).toHaveLength(20)
    source.provider.put(early[0]!, { status: 'inactive' }, world.clock.now())
    const report = await world.run()
    expect(asked()).toEqual(once(early))
    expect(report.partitions).toMatchObject([
      { status: 'done', reconciled: null, counts: { items: 20, changed: 1, unchanged: 19, events: 1 } },
    ])
    const events = []
    for await (const event of opened.store.events({ runId: report.runId, limit: 10 })) events.push(event)
    expect(events).toMatchObject([
      {
        kind: 'changed',
        entity: ref(`uei:${early[0]}`),
        changes: [{ path: '$.status', old: 'active', new: 'inactive' }],
        confidence: 0.95,
        confidenceMethod: 'uei',
      },
    ])
  })

  test('as many calls at once as the policy allows, and no more', async () => {
    source.respond = async (request, index, signal) => {
      await settle(2)
      return await source.provider.respond(request, index, signal)
    }
    Object.assign(source.run.policy, { batchSize: 2, maxParallelRequests: 3 })
    await world.run()
    expect(source.client.maxInFlight).toBe(3)
    expect(asked()).toEqual(once(IDS))
  })

  test('groups: what the first does not list is asked in the next; what none lists is absent', async () => {
    await world.populate(IDS, () => ({ groups: ['contracts', 'grants'] }))
    const [contract, grant, gone] = [IDS.slice(0, 10), IDS.slice(10, 30), IDS.slice(30)]
    for (const id of contract) source.provider.put(id, { s: 1 }, 0, 'contracts')
    for (const id of grant) source.provider.put(id, { s: 1 }, 0, 'grants')
    for (const id of gone) source.provider.things.delete(id)
    const report = await world.run()
    expect(report.partitions).toMatchObject([{ status: 'done', counts: { items: 35, changed: 30, absent: 5, events: 30 } }])
    for (const [ids, calls] of [
      [contract, 1],
      [grant, 2],
      [gone, 2],
    ] as const)
      for (const id of ids) expect(asked().get(id)).toBe(calls)
    for (const request of source.client.requests)
      expect(request.json).toMatchObject({ group: expect.stringMatching(/^(contracts|grants)$/) })
  })

  test('pages of one batch are followed before anything is said about it', async () => {
    source.provider.pageSize = 3
    const report = await world.run()
    expect(report.partitions).toMatchObject([{ status: 'done', counts: { items: 35, changed: 35, absent: 0, calls: 14 } }])
  })

  test('a poisoned entity is isolated by halving: the others are refreshed, it backs off and is quarantined', async () => {
    source.provider.poison.add('A07')
    const report = await world.run()
    expect(report.partitions).toMatchObject([{ status: 'done', counts: { items: 35, changed: 34, failed: 1 } }])
    expect(await row('A07')).toMatchObject({
      outcome: 'failed',
      errorClass: 'invalid_request',
      nextAttemptAt: world.clock.now() + MINUTE_MS,
      consecutiveFailures: 1,
    })
    const items = await opened.store.quarantine({ limit: 10 })
    expect(items).toMatchObject([
      {
        origin: SOURCE,
        where: '1 entity in group main, first company/uei:A07',
        state: 'open',
        reason: 'the query holds something the provider refuses',
      },
    ])
    expect(JSON.parse(items[0]!.payload)).toMatchObject({ entities: ['company/uei:A07'], status: 400 })
    expect(report.partitions[0]!.counts.calls).toBe(source.client.requests.length)
    expect(source.client.requests.length).toBeLessThanOrEqual(4 + 2 * 4)
  })

  test('a provider that refuses every batch is not asked without end', async () => {
    const many = Array.from({ length: 200 }, (_, i) => `P${i}`)
    await world.populate(many)
    for (const id of [...IDS, ...many]) source.provider.poison.add(id)
    const report = await world.run()
    expect(report.partitions).toMatchObject([{ status: 'failed', code: 'all_failed', counts: { items: 235, failed: 235 } }])
    expect(source.client.requests).toHaveLength(24 + 2 * 32)
    expect((await opened.store.quarantine({ limit: 1_000 })).length).toBe(24 + 32)
  })

  test('a failure backs off, is tried again when its time has come, and starves nobody', async () => {
    const broken = new Set(['A03'])
    source.respond = (request, index, signal) =>
      request.label === 'thing.batch' && (request.json as { ids: string[] }).ids.some((id) => broken.has(id))
        ? answered('transient', { reason: 'reset' })
        : source.provider.respond(request, index, signal)
    const first = await world.run()
    expect(first.partitions).toMatchObject([{ status: 'done', counts: { failed: 10, changed: 25 } }])
    source.client.forget()
    expect((await world.run()).partitions).toEqual([])
    broken.clear()
    world.clock.skip(MINUTE_MS)
    const later = await world.run()
    expect(later.partitions).toMatchObject([{ status: 'done', reconciled: null, counts: { changed: 10, failed: 0 } }])
    expect([...asked().values()].every((count) => count === 1)).toBe(true)
    expect(await row('A03')).toMatchObject({ consecutiveFailures: 0, nextAttemptAt: null, attempts: 2 })
  })

  test('what cannot be told apart is skipped with the reason and asked again after the cadence', async () => {
    source.provider.put('A01', { ambiguous: true }, 0)
    const report = await world.run()
    expect(report.partitions).toMatchObject([{ status: 'done', counts: { changed: 34, skipped: 1 } }])
    expect(await row('A01')).toMatchObject({ outcome: 'skipped', error: 'two candidates' })
    expect((await world.run()).partitions).toEqual([])
    world.clock.skip(DAY_MS)
    source.client.forget()
    await world.run()
    expect(asked().get('A01')).toBe(1)
  })

  test('look-ups one by one, conditional: an unchanged thing is a 304 that keeps its hash', async () => {
    const single = fakeAdapter(['lookup'], { id: 'single' })
    const other = world.addSource({ adapter: single })
    other.provider.conditional = true
    for (const id of IDS) other.provider.put(id, { status: 'active' }, 0)
    other.provider.things.delete('A00')
    await world.run({ request: { sources: ['single'] } })
    world.clock.skip(DAY_MS)
    other.provider.put('A01', { status: 'inactive' }, 0)
    const report = await world.run({ request: { sources: ['single'] } })
    expect(report.partitions).toMatchObject([
      { strategy: 'lookup', status: 'done', counts: { items: 35, changed: 1, notModified: 33, absent: 1, events: 1, calls: 35 } },
    ])
    expect(source.client.requests).toEqual([])
  })

  test('entities the source cannot be asked about are counted and never asked', async () => {
    await opened.store.upsertEntities(
      [{ kind: 'company', key: 'name:ACME|CA', attributes: {}, aliases: [], links: [] }],
      'ingest-2',
      world.clock.now(),
    )
    await world.run()
    expect(asked()).toEqual(once(IDS))
    expect((await rows()).find(({ entity }) => entity.key === 'name:ACME|CA')).toMatchObject({
      cohort: 'unresolved',
      outcome: 'skipped',
      error: 'no UEI',
      lastAttemptAt: null,
    })
    world.clock.skip(MINUTE_MS)
    await world.run({ request: { force: true } })
    expect([...asked().values()].every((count) => count === 2)).toBe(true)
  })

  test('entities that arrive later get their cohort and are asked at the next run', async () => {
    await world.run()
    source.client.forget()
    source.provider.put('B01', { status: 'new' }, 0)
    await world.populate(['B01'])
    expect((await world.run()).partitions).toMatchObject([{ status: 'done', reconciled: null, counts: { items: 1 } }])
    expect(asked()).toEqual(once(['B01']))
  })

  test('a file of cohorts: partitions of one source run, each entity once', async () => {
    Object.assign(source.run.policy, { cohortSize: 10 })
    const report = await world.run()
    expect(statuses(report)).toEqual({
      'fake_source:batch_0001': 'done',
      'fake_source:batch_0002': 'done',
      'fake_source:batch_0003': 'done',
      'fake_source:batch_0004': 'done',
    })
    expect(asked()).toEqual(once(IDS))
  })

  test('two partitions of a source at once, so that the tail of one overlaps with the head of the next; no more', async () => {
    Object.assign(source.run.policy, { cohortSize: 5, maxParallelRequests: 1 })
    source.respond = async (request, index, signal) => {
      await settle(3)
      return await source.provider.respond(request, index, signal)
    }
    let running = 0
    let most = 0
    await world.run({
      maxParallelPartitions: 8,
      onEvent: ({ kind: what }) => {
        if (what === 'partition_started') most = Math.max(most, ++running)
        if (what === 'partition_finished') running -= 1
      },
    })
    expect(most).toBe(2)
    expect(asked()).toEqual(once(IDS))
  })

  describe('limits and choices', () => {
    test('--limit: at most so many entities over all partitions, the rest at the next run', async () => {
      Object.assign(source.run.policy, { cohortSize: 10 })
      const report = await world.run({ request: { limit: 13 } })
      expect(report.sources[0]!.counts.items).toBe(13)
      expect(asked().size).toBe(13)
      await world.run()
      expect(asked()).toEqual(once(IDS))
    })

    test('--force: everything again, due or not', async () => {
      await world.run()
      world.clock.skip(MINUTE_MS)
      const report = await world.run({ request: { force: true } })
      expect(report.partitions).toMatchObject([{ counts: { items: 35, unchanged: 35 } }])
      expect([...asked().values()].every((count) => count === 2)).toBe(true)
    })

    test('--force that was interrupted goes on where it stood: the rest, and nothing again', async () => {
      await world.run()
      world.clock.skip(MINUTE_MS)
      source.client.forget()
      Object.assign(source.run.policy, { maxParallelRequests: 1 })
      source.respond = (request, index, signal) =>
        index >= 2 ? refused('quota') : source.provider.respond(request, index, signal)
      await world.run({ request: { force: true } })
      source.respond = source.provider.respond
      world.clock.skip(MINUTE_MS)
      const rest = await world.run({ request: { force: true } })
      expect(rest.partitions).toMatchObject([{ status: 'done', resumed: true, counts: { items: 15 } }])
      // The third call was refused before it left.
      expect(sorted(FakeProvider.asked(source.client.requests.filter((_request, index) => index !== 2)))).toEqual(once(IDS))
    })

    test('--window: only entities whose date falls in it', async () => {
      await world.populate(IDS, (id) => ({ date: id < 'A10' ? '2023-10-07' : id < 'A20' ? '2023-10-08' : 'unknown' }))
      const window = { from: Date.UTC(2023, 9, 1), to: Date.UTC(2023, 9, 8) }
      const report = await world.run({ request: { window } })
      expect(report.partitions).toMatchObject([{ window, counts: { items: 10 } }])
      expect(asked()).toEqual(once(IDS.slice(0, 10)))
    })

    test('--cohort and --partition: only these', async () => {
      Object.assign(source.run.policy, { cohortSize: 10 })
      await world.run({ request: { cohorts: ['batch_0002'] } })
      expect(asked().size).toBe(10)
      await world.run({ request: { partitions: [`${SOURCE}:batch_0003`] } })
      expect(asked().size).toBe(20)
    })

    test('--dry-run: no call, nothing written, not even the membership; the report says what would be done', async () => {
      await world.run({ request: { limit: 5 } })
      await world.populate(['B01'])
      world.clock.skip(2 * DAY_MS)
      source.client.forget()
      const before = await dump(opened.store, [SOURCE])
      const runs = await opened.store.runs(10)
      const report = await world.run({ dryRun: true })
      expect(source.client.requests).toEqual([])
      expect(await dump(opened.store, [SOURCE])).toEqual(before)
      expect(await opened.store.runs(10)).toEqual(runs)
      expect(report).toMatchObject({
        dryRun: true,
        partitions: [{ status: 'not_started', reason: expect.stringContaining('dry run') }],
      })
    })
  })

  describe('leases and stops', () => {
    test('a partition that another process works on is left to it', async () => {
      Object.assign(source.run.policy, { cohortSize: 20 })
      const held = await opened.store.acquireLease(`${SOURCE}:batch_0001`, 'other', LEASE_MS, world.clock.monotonic())
      expect(held).not.toBeNull()
      const report = await world.run()
      expect(statuses(report)).toEqual({ 'fake_source:batch_0001': 'lease_held', 'fake_source:batch_0002': 'done' })
      expect(asked().size).toBe(15)
      expect(await opened.store.leases(world.clock.monotonic())).toMatchObject([{ holder: 'other' }])
    })

    test('two runs at once: every entity is asked about once, one of them finds the lease held', async () => {
      const [a, b] = await Promise.all([world.run(), world.run()])
      expect([statuses(a!), statuses(b!)].map((one) => one['fake_source:batch_0001']).sort()).toEqual(['done', 'lease_held'])
      expect(asked()).toEqual(once(IDS))
    })

    test('a lease that is lost on the way: nothing more is written, and the run says so', async () => {
      let before: unknown
      Object.assign(source.run.policy, { maxParallelRequests: 1 })
      const deaf = new Proxy(opened.store, {
        get: (target, name) =>
          name === 'renewLease'
            ? () => Promise.reject(new Error('no route to the store'))
            : (Reflect.get(target, name) as unknown),
      })
      source.respond = async (request, index, signal) => {
        if (index === 2) {
          await settle()
          world.clock.skip(LEASE_MS + 1)
          expect(
            await opened.store.acquireLease(`${SOURCE}:batch_0001`, 'other', LEASE_MS, world.clock.monotonic()),
          ).not.toBeNull()
          before = await dump(opened.store, [SOURCE])
        }
        return await source.provider.respond(request, index, signal)
      }
      const report = await world.run({ store: deaf })
      expect(report.partitions).toMatchObject([{ status: 'failed', reason: expect.stringMatching(/lease/) }])
      expect(await dump(opened.store, [SOURCE])).toEqual(before)
      expect(await opened.store.leases(world.clock.monotonic())).toMatchObject([{ holder: 'other' }])
      expect((await rows()).filter(({ outcome }) => outcome !== null)).toHaveLength(20)
    })

    test('the heartbeat keeps the lease through a long run, and ends with it', async () => {
      Object.assign(source.run.policy, { maxParallelRequests: 1 })
      source.respond = async (request, index, signal) => {
        await world.clock.advance(LEASE_MS * 0.9)
        expect(await opened.store.acquireLease(`${SOURCE}:batch_0001`, 'other', LEASE_MS, world.clock.monotonic())).toBeNull()
        return await source.provider.respond(request, index, signal)
      }
      expect((await world.run()).partitions).toMatchObject([{ status: 'done' }])
      await settle()
      expect(await opened.store.leases(world.clock.monotonic())).toEqual([])
      expect(world.clock.sleeping).toBe(0)
    })

    test('interrupted: answers that are under way are recorded, nothing new is sent, and the next run does the rest', async () => {
      Object.assign(source.run.policy, { maxParallelRequests: 2 })
      const stop = new AbortController()
      source.respond = async (request, index, signal) => {
        if (index === 1) stop.abort()
        await settle()
        return await source.provider.respond(request, index, signal)
      }
      const report = await world.run({ signal: stop.signal })
      expect(report).toMatchObject({
        interrupted: true,
        partitions: [{ status: 'interrupted', counts: { items: 20, calls: 2 } }],
      })
      expect(asked().size).toBe(20)
      const rest = await world.run()
      expect(rest.partitions).toMatchObject([{ status: 'done', resumed: true, reconciled: null, counts: { items: 15 } }])
      expect(asked()).toEqual(once(IDS))
    })

    test('interrupted before it began: partitions that were not started say so', async () => {
      const report = await world.run({ signal: AbortSignal.abort() })
      expect(report.partitions).toMatchObject([{ status: 'not_started', reason: 'stopped by a signal' }])
      expect(source.client.requests).toEqual([])
    })
  })

  describe('a source that says later', () => {
    let other: TestSource
    beforeEach(() => {
      other = world.addSource({ adapter: fakeAdapter(['batch'], { id: 'other' }), policy: { cohortSize: 10 } })
      for (const id of IDS) other.provider.put(id, { status: 'active' }, 0)
      Object.assign(source.run.policy, { cohortSize: 10, maxParallelRequests: 1 })
    })

    test.each([
      ['the quota is spent', () => refused('quota', 'quota of 1000 per day spent', 99), 'parked', 'quota of 1000 per day spent'],
      [
        'the provider says 429',
        () => answered('rate_limited', { reason: 'slow down', until: 99 }),
        'parked',
        'the provider says later: slow down',
      ],
      [
        'the source is down',
        () => answered('source_down', { reason: 'maintenance', until: 99 }),
        'parked',
        'the source is down: maintenance',
      ],
      ['the breaker is open', () => refused('breaker_open', 'breaker open', 99), 'parked', 'breaker open'],
      [
        'the credential was refused',
        () => answered('auth', { reason: 'bad key', until: 99 }),
        'failed',
        'the provider refused the credentials: bad key',
      ],
    ] as const)(
      '%s: its partition stops, its other partitions are not started, other sources go on',
      async (_name, answer, status, reason) => {
        source.respond = (request, index, signal) => (index >= 1 ? answer() : source.provider.respond(request, index, signal))
        const report = await world.run({ maxParallelPartitions: 1 })
        const own = report.partitions.filter((part) => part.source === SOURCE)
        expect(own.map((part) => part.status).sort()).toEqual(['done', status, 'not_started', 'not_started'].sort())
        expect(own.find((part) => part.status === status)).toMatchObject({ reason, until: 99 })
        for (const part of own.filter((one) => one.status === 'not_started'))
          expect(part).toMatchObject({ until: 99, reason: expect.stringContaining(reason) })
        const callsMade = source.client.requests.length - 1 + answer().stats.calls
        expect(own.reduce((sum, part) => sum + part.counts.calls, 0)).toBe(callsMade)
        expect(report.partitions.filter((part) => part.source === 'other').every((part) => part.status === 'done')).toBe(true)
        expect(asked().size).toBeLessThanOrEqual(20)

        source.respond = source.provider.respond
        source.client.forget()
        const settled = (await rows()).filter(({ outcome }) => outcome !== null).length
        const rest = await world.run()
        expect(rest.partitions.every((part) => part.status === 'done' && part.reconciled === null)).toBe(true)
        expect(asked().size).toBe(35 - settled)
        expect((await rows()).every(({ attempts, outcome }) => attempts === 1 && outcome === 'changed')).toBe(true)
      },
    )

    test('a missing credential stops the source too, whatever the message says', async () => {
      source.respond = () => refused('credential', 'SAM_GOV_KEY is not set')
      const report = await world.run({ maxParallelPartitions: 1 })
      expect(
        report.partitions
          .filter((part) => part.source === SOURCE)
          .map((part) => part.status)
          .sort(),
      ).toEqual(['failed', 'not_started', 'not_started', 'not_started'])
    })
  })

  describe('status changes', () => {
    test('an event of one source makes the entity due and stale at another, where the next success closes it', async () => {
      const rule = { kinds: ['changed'], paths: ['$.status'], source: 'other', reason: 'status changed' }
      const other = world.addSource({ adapter: fakeAdapter(['batch'], { id: 'other' }) })
      for (const id of IDS) other.provider.put(id, { status: 'active' }, 0)
      Object.assign(source.run, { followUps: [rule] })
      await world.run()
      world.clock.skip(DAY_MS)
      await world.run({ request: { sources: ['other'] } })
      other.client.forget()
      world.clock.skip(MINUTE_MS)
      source.provider.put('A05', { status: 'excluded' }, 0)
      await world.run({ request: { sources: [SOURCE] } })
      expect(await opened.store.pending()).toMatchObject([{ source: 'other', entity: ref('uei:A05'), reason: 'status changed' }])
      world.clock.skip(MINUTE_MS)
      const report = await world.run()
      expect(sorted(FakeProvider.asked(other.client.requests))).toEqual(once(['A05']))
      expect(report.partitions).toMatchObject([{ source: 'other', status: 'done', slaGapsClosed: 1, reconciled: null }])
      expect(await opened.store.pending()).toEqual([])
    })

    test('one that comes while a pass is open does not wait for its end', async () => {
      Object.assign(source.run.policy, { maxParallelRequests: 1 })
      source.respond = (request, index, signal) =>
        index >= 2 ? refused('quota') : source.provider.respond(request, index, signal)
      await world.run()
      const [first] = [...asked().keys()]
      world.clock.skip(MINUTE_MS)
      await opened.store.addPending([
        { source: SOURCE, entity: ref(`uei:${first}`), reason: 'by hand', at: world.clock.now(), by: 'user' },
      ])
      source.respond = source.provider.respond
      source.client.forget()
      await world.run()
      expect(asked().get(first!)).toBe(1)
      expect(await opened.store.pending()).toEqual([])
    })
  })

  describe('the checkpoint against the ledger', () => {
    /** Someone restored an older copy of one of the two. */
    async function tamper(watermark: number | null): Promise<void> {
      const partition = `${SOURCE}:batch_0001`
      const lease = (await opened.store.acquireLease(partition, 'tamper', LEASE_MS, world.clock.monotonic()))!
      const point = (await opened.store.checkpoint(partition))!
      await opened.store.putCheckpoint(lease, { ...point, version: point.version + 1, ledgerWatermark: watermark })
      await opened.store.releaseLease(lease)
    }

    test.each([
      ['the checkpoint is older than the ledger', -HOUR_MS, 'the checkpoint is older than the ledger'],
      ['the ledger is older than the checkpoint', HOUR_MS, 'rows were lost'],
    ])('%s: reported and reconciled before any call, and then all is well', async (_name, offset, message) => {
      await world.run()
      await tamper(world.clock.now() + offset)
      world.clock.skip(DAY_MS)
      source.client.forget()
      const order: string[] = []
      source.respond = (request, index, signal) => {
        order.push('call')
        return source.provider.respond(request, index, signal)
      }
      const report = await world.run({ onEvent: (event) => order.push(event.kind) })
      expect(order.indexOf('checkpoint_mismatch')).toBeGreaterThan(-1)
      expect(order.indexOf('checkpoint_mismatch')).toBeLessThan(order.indexOf('call'))
      expect(report.partitions).toMatchObject([
        { status: 'done', reconciled: expect.stringContaining(message), counts: { items: 35 } },
      ])
      expect(world.logs.some(({ level, message: text }) => level === 'warn' && text.includes('does not match the ledger'))).toBe(
        true,
      )
      world.clock.skip(DAY_MS)
      expect((await world.run()).partitions).toMatchObject([{ status: 'done', reconciled: null }])
    })
  })
})
