import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LedgerEntry } from '../../ts/model/ledger.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, startOfUtcDay, toUtcDate } from '../../ts/model/time.ts'
import { ref, SOURCE } from '../support/builders.ts'
import { fakeAdapter } from '../support/fake-adapter.ts'
import { answered, ok, refused } from '../support/fake-client.ts'
import { FakeProvider } from '../support/fake-provider.ts'
import { type OpenedStore, openStore, RefreshWorld, STORES, type TestSource } from '../support/refresh-world.ts'

const IDS = Array.from({ length: 60 }, (_, i) => `A${String(i).padStart(2, '0')}`)
const FEED = `${SOURCE}:change_feed`

describe.each(STORES)('walking a change feed over the %s store', (kind) => {
  let opened: OpenedStore
  let world: RefreshWorld
  let source: TestSource

  /** All 60 known since day 0, one call each way; then a day has passed and everything is due. */
  beforeEach(async () => {
    opened = await openStore(kind)
    world = new RefreshWorld(opened.store)
    source = world.addSource({ adapter: fakeAdapter(['batch', 'feed']), policy: { batchSize: 1, maxParallelRequests: 8 } })
    for (const id of IDS) source.provider.put(id, { status: 'active' }, world.clock.now() - 90 * DAY_MS)
    await world.populate(IDS)
    await world.run()
    world.clock.skip(DAY_MS)
    source.client.forget()
  })
  afterEach(() => opened.cleanup())

  const rows = async (): Promise<ReadonlyMap<string, LedgerEntry>> => {
    const all = new Map<string, LedgerEntry>()
    for await (const row of opened.store.ledger(SOURCE)) all.set(row.entity.key.slice(4), row)
    return all
  }
  const labels = (): string[] =>
    source.client.requests.map((request) =>
      request.label === 'changes.page' ? `${request.query?.[0]?.[1]}/${request.query?.[1]?.[1]}` : request.label,
    )
  const change = (ids: readonly string[]): void => {
    for (const id of ids) source.provider.put(id, { status: 'inactive' }, world.clock.now() - HOUR_MS)
  }

  test('what it lists is recorded, what it does not list is proven unchanged as of its beginning', async () => {
    change(['A03', 'A04', 'A05'])
    const startedAt = world.clock.now()
    const report = await world.run()
    expect(report.partitions).toMatchObject([
      {
        partition: FEED,
        strategy: 'feed',
        status: 'done',
        reconciled: null,
        counts: { items: 60, changed: 3, unchanged: 57, events: 3, calls: 4 },
      },
    ])
    expect(labels()).toEqual(['changes.gate', '2026-11-20/', '2026-11-21/', '2026-11-22/'])
    const after = await rows()
    for (const [id, row] of after)
      expect(row).toMatchObject({
        lastSuccessAt: startedAt,
        lastAttemptAt: startedAt,
        outcome: id >= 'A03' && id <= 'A05' ? 'changed' : 'unchanged',
      })
    source.client.forget()
    expect((await world.run()).partitions).toEqual([])
    expect(source.client.requests).toEqual([])
  })

  test('exactly the rows it speaks about: not the failing, the pending, the never attempted, nor those it does not reach back to', async () => {
    await world.populate(['N01'])
    source.provider.put('N01', { status: 'active' }, 0)
    await opened.store.addPending([
      { source: SOURCE, entity: ref('uei:A10'), reason: 'by hand', at: world.clock.now(), by: 'user' },
    ])
    source.respond = (request, index, signal) =>
      request.label === 'thing.batch' ? answered('transient') : source.provider.respond(request, index, signal)
    const failed = await world.run({ request: { cohorts: ['batch_0001'], limit: 1 } })
    expect(failed.sources[0]!.counts.failed).toBe(1)
    const before = await rows()
    const failing = [...before].filter(([, row]) => row.outcome === 'failed').map(([id]) => id)
    world.clock.skip(MINUTE_MS / 2)
    const startedAt = world.clock.now()
    const report = await world.run({ request: { partitions: [FEED] } })
    expect(report.partitions).toMatchObject([{ partition: FEED, status: 'done' }])
    const after = await rows()
    const untouched = new Set([...failing, 'A10', 'N01'])
    for (const [id, row] of after) {
      if (untouched.has(id)) expect(row).toEqual(before.get(id))
      else expect(row).toMatchObject({ lastSuccessAt: startedAt, outcome: 'unchanged' })
    }
    expect(report.partitions[0]!.counts.unchanged).toBe(61 - untouched.size)
  })

  test('what it cannot settle is asked besides, after it', async () => {
    await world.populate(['N01', 'N02'])
    for (const id of ['N01', 'N02']) source.provider.put(id, { status: 'active' }, world.clock.now() - 80 * DAY_MS)
    const report = await world.run()
    expect(report.partitions.map((part) => [part.partition, part.status])).toEqual([
      [FEED, 'done'],
      [`${SOURCE}:batch_0001`, 'done'],
    ])
    expect([...FakeProvider.asked(source.client.requests)].sort()).toEqual([
      ['N01', 1],
      ['N02', 1],
    ])
    expect(labels().at(-1)).toBe('thing.batch')
  })

  test('the gate says nothing is new: one call, everything that was known is proven not modified', async () => {
    change(['A03'])
    await world.run()
    world.clock.skip(DAY_MS)
    source.client.forget()
    const startedAt = world.clock.now()
    const report = await world.run()
    expect(labels()).toEqual(['changes.gate'])
    expect(report.partitions).toMatchObject([
      { status: 'done', reconciled: null, counts: { items: 60, notModified: 60, unchanged: 0, calls: 1, events: 0 } },
    ])
    for (const row of (await rows()).values())
      expect(row).toMatchObject({ outcome: 'not_modified', lastSuccessAt: startedAt, responseStatus: 200 })
    world.clock.skip(DAY_MS)
    expect((await world.run()).partitions).toMatchObject([{ status: 'done', reconciled: null, counts: { notModified: 60 } }])
  })

  test('the gate says something is new: it is walked again', async () => {
    await world.run()
    world.clock.skip(DAY_MS)
    source.client.forget()
    change(['A03'])
    expect((await world.run()).partitions).toMatchObject([{ status: 'done', counts: { changed: 1, unchanged: 59 } }])
    expect(labels()[0]).toBe('changes.gate')
    expect(labels().length).toBeGreaterThan(1)
  })

  test('an unchanged gate says nothing about what was not known when the feed was last walked', async () => {
    await opened.cleanup()
    opened = await openStore(kind)
    world = new RefreshWorld(opened.store)
    source = world.addSource({ adapter: fakeAdapter(['batch', 'feed']), policy: { cohortSize: 1 } })
    for (const id of ['OLD', 'NEW']) source.provider.put(id, { status: 'active' }, 0)
    await world.populate(['OLD', 'NEW'])
    await world.run()
    const before = (await rows()).get('OLD')
    world.clock.skip(10 * DAY_MS)
    await world.run({ request: { cohorts: ['batch_0002'] } })
    world.clock.skip(DAY_MS)
    // The walk reaches back a week: far enough for one of them.
    expect((await world.run({ request: { partitions: [FEED] } })).partitions).toMatchObject([
      { status: 'done', counts: { unchanged: 1 } },
    ])
    world.clock.skip(DAY_MS)
    expect((await world.run({ request: { partitions: [FEED] } })).partitions).toMatchObject([
      { status: 'done', counts: { notModified: 1, calls: 1 } },
    ])
    expect((await rows()).get('OLD')).toEqual(before)
    expect((await rows()).get('NEW')).toMatchObject({ outcome: 'not_modified', lastSuccessAt: world.clock.now() })
  })

  test('a gate that proves nothing for anybody leaves a checkpoint that still agrees with the ledger', async () => {
    await world.run()
    world.clock.skip(DAY_MS)
    await opened.store.addPending(
      IDS.map((id) => ({ source: SOURCE, entity: ref(`uei:${id}`), reason: 'by hand', at: world.clock.now(), by: 'user' })),
    )
    const window = { from: startOfUtcDay(world.clock.now()) - DAY_MS, to: startOfUtcDay(world.clock.now()) }
    await world.run({ request: { window } })
    world.clock.skip(MINUTE_MS)
    expect((await world.run({ request: { window } })).partitions).toMatchObject([{ status: 'done', reconciled: null }])
  })

  test('pages that were received share commits, and all of them are recorded when one after them is not understood', async () => {
    source.provider.pageSize = 4
    change(IDS.slice(0, 10))
    source.respond = (request, index, signal) =>
      request.query?.[1]?.[1] === '8' ? answered('malformed') : source.provider.respond(request, index, signal)
    const report = await world.run()
    expect(report.partitions.find(({ partition }) => partition === FEED)).toMatchObject({
      status: 'failed',
      counts: { changed: 8, events: 8, calls: 6 },
    })
    expect(JSON.parse((await opened.store.checkpoint(FEED))!.cursor!)).toMatchObject({
      slices: ['2026-11-22'],
      page: '8',
      pages: 4,
    })
    source.respond = source.provider.respond
    source.client.forget()
    world.clock.skip(HOUR_MS)
    const next = await world.run({ request: { partitions: [FEED] } })
    expect(labels()).toEqual(['2026-11-22/8'])
    expect(next.partitions).toMatchObject([{ partition: FEED, status: 'done', resumed: true, counts: { calls: 1 } }])
  })

  test('each page is committed with the place after it; killed there, the next run goes on at the next page', async () => {
    Object.assign(source.run.policy, { maxParallelRequests: 1 })
    source.provider.pageSize = 4
    change(IDS.slice(0, 10))
    await expect(world.run({ crash: { point: 'session.after_commit', pass: 3 } })).rejects.toThrow('killed')
    const seen = labels()
    expect(seen).toEqual(['changes.gate', '2026-11-20/', '2026-11-21/'])
    const point = await opened.store.checkpoint(FEED)
    expect(point).toMatchObject({ status: 'open', strategy: 'feed', finishedAt: null, counts: { items: 0 } })
    expect(JSON.parse(point!.cursor!)).toMatchObject({ slices: ['2026-11-22'], page: null, pages: 2 })
    world.reboot()
    await expect(world.run({ crash: { point: 'session.after_commit', pass: 1 } })).rejects.toThrow('killed')
    expect(JSON.parse((await opened.store.checkpoint(FEED))!.cursor!)).toMatchObject({
      slices: ['2026-11-22'],
      page: '4',
      pages: 3,
    })
    world.reboot()
    source.client.forget()
    const report = await world.run()
    expect(labels()).toEqual(['2026-11-22/4', '2026-11-22/8'])
    expect(report.partitions).toMatchObject([{ status: 'done', resumed: true, reconciled: null }])
    expect(await opened.store.checkpoint(FEED)).toMatchObject({
      status: 'complete',
      cursor: null,
      counts: { changed: 10, events: 10 },
    })
  })

  test('a slice that is too large is walked in the parts the provider names', async () => {
    change(['A01', 'A02', 'A03'])
    const parts = new Map([
      ['2026-11-22', ['am', 'pm']],
      ['pm', ['pm1', 'pm2']],
    ])
    const inPart = new Map([
      ['am', ['A01']],
      ['pm1', ['A02']],
      ['pm2', ['A03']],
    ])
    source.respond = (request, index, signal) => {
      const slice = request.query?.[0]?.[1] ?? ''
      if (parts.has(slice)) return ok({ split: parts.get(slice)! })
      if (inPart.has(slice)) return ok({ rows: inPart.get(slice)!.map((id) => ({ id, status: 'inactive' })), next: null })
      return source.provider.respond(request, index, signal)
    }
    const report = await world.run()
    expect(labels()).toEqual(['changes.gate', '2026-11-20/', '2026-11-21/', '2026-11-22/', 'am/', 'pm/', 'pm1/', 'pm2/'])
    expect(report.partitions).toMatchObject([{ status: 'done', counts: { changed: 3, unchanged: 57 } }])
  })

  test.each([
    [
      'a page cursor that repeats itself',
      (slice: string) => (slice === '2026-11-21' ? ok({ rows: [], next: 'x' }) : null),
      'the page cursor "x" of slice 2026-11-21 repeats itself',
      4,
    ],
    [
      'pages that go in a circle',
      (slice: string, page: string) => (slice === '2026-11-21' ? ok({ rows: [], next: page === 'x' ? 'y' : 'x' }) : null),
      'the page cursor "x" of slice 2026-11-21 repeats itself',
      5,
    ],
    [
      'a slice that splits into itself',
      (slice: string) => (slice === '2026-11-21' ? ok({ split: ['am', '2026-11-21'] }) : null),
      'slice 2026-11-21 splits into one that was asked before',
      3,
    ],
    [
      'slices that split into each other',
      (slice: string) => (slice === '2026-11-21' ? ok({ split: ['b'] }) : slice === 'b' ? ok({ split: ['2026-11-21'] }) : null),
      'slice b splits into one that was asked before',
      4,
    ],
    [
      'a page of the wrong shape',
      (slice: string) => (slice === '2026-11-21' ? ok({ oops: true }) : null),
      'the feed answered malformed: the body has no list of rows',
      3,
    ],
    [
      'a page that fails',
      (slice: string) => (slice === '2026-11-21' ? answered('transient', { reason: 'reset' }) : null),
      'the feed answered transient: reset',
      3,
    ],
  ])('%s: the walk fails where it is and proves nothing', async (_name, trouble, reason, calls) => {
    const before = await rows()
    source.respond = (request, index, signal) =>
      trouble(request.query?.[0]?.[1] ?? '', request.query?.[1]?.[1] ?? '') ?? source.provider.respond(request, index, signal)
    const report = await world.run({ request: { partitions: [FEED] } })
    expect(report.partitions).toMatchObject([{ partition: FEED, status: 'failed', reason }])
    expect(source.client.requests).toHaveLength(calls)
    expect(await rows()).toEqual(before)
    // A page of the wrong shape is kept for whoever has to find out why; the others say it all in their reason.
    const kept = await opened.store.quarantine({ origin: SOURCE, limit: 10 })
    expect(kept.map((item) => item.where)).toEqual(
      reason.includes('malformed') ? ['a page of the change feed, slice 2026-11-21'] : [],
    )
    expect(await opened.store.getState(`feed:${SOURCE}`)).toBeNull()
    // The walk is not tried again at once, but what it would have settled can be asked about one by one.
    const held = await world.run({ request: { partitions: [FEED] } })
    expect(held).toMatchObject({ partitions: [], heldBack: [{ why: expect.stringContaining('change_feed failed (') }] })
    expect(source.client.requests).toHaveLength(calls)
    // The provider is well again: the walk goes on where it stood, and completes.
    source.respond = source.provider.respond
    world.clock.skip(MINUTE_MS)
    const rest = await world.run({ request: { partitions: [FEED] } })
    expect(rest.partitions).toMatchObject([{ status: 'done', resumed: true, counts: { unchanged: 60 } }])
  })

  test('a walk that fails leaves the rest of the plan alone: what is due is asked', async () => {
    source.respond = (request, index, signal) =>
      request.label === 'changes.page' ? answered('transient') : source.provider.respond(request, index, signal)
    await world.populate(['N01'])
    source.provider.put('N01', { status: 'active' }, 0)
    const report = await world.run()
    expect(report.partitions.map((part) => [part.partition, part.status])).toEqual([
      [FEED, 'failed'],
      [`${SOURCE}:batch_0001`, 'done'],
    ])
    expect([...(await rows()).values()].every((row) => row.lastSuccessAt === world.clock.now())).toBe(true)
  })

  test('a refusal parks the walk; nothing is proven until it is complete', async () => {
    const before = await rows()
    source.respond = (request, index, signal) =>
      index >= 2 ? refused('quota', 'quota spent', 99) : source.provider.respond(request, index, signal)
    expect((await world.run()).partitions).toMatchObject([{ status: 'parked', until: 99 }])
    expect(await rows()).toEqual(before)
    source.respond = source.provider.respond
    world.clock.skip(HOUR_MS)
    expect((await world.run()).partitions).toMatchObject([{ status: 'done', resumed: true, counts: { unchanged: 60 } }])
    // Proven as of the beginning of the walk, not of its end.
    expect([...(await rows()).values()].every((row) => row.lastSuccessAt === world.clock.now() - HOUR_MS)).toBe(true)
  })

  test('interrupted between pages: resumed, nothing lost, nothing walked twice', async () => {
    const stop = new AbortController()
    change(IDS.slice(0, 5))
    source.respond = (request, index, signal) => {
      if (index === 2) stop.abort()
      return source.provider.respond(request, index, signal)
    }
    expect((await world.run({ signal: stop.signal })).partitions).toMatchObject([{ status: 'interrupted' }])
    const rest = await world.run()
    expect(rest.partitions).toMatchObject([{ status: 'done', resumed: true }])
    expect(new Set(labels()).size).toBe(labels().length)
    expect(await opened.store.checkpoint(FEED)).toMatchObject({ counts: { changed: 5 } })
  })

  test('an operator’s window: what changed in it is recorded, and nothing is proven', async () => {
    change(['A03'])
    const before = await rows()
    const today = startOfUtcDay(world.clock.now())
    const report = await world.run({ request: { window: { from: today, to: today + DAY_MS } } })
    expect(labels()).toEqual([`${toUtcDate(today)}/`])
    expect(report.partitions).toMatchObject([
      { window: { from: today, to: today + DAY_MS }, status: 'done', counts: { items: 1, changed: 1, unchanged: 0 } },
    ])
    for (const [id, row] of await rows()) if (id !== 'A03') expect(row).toEqual(before.get(id))
    expect(await opened.store.getState(`feed:${SOURCE}`)).toBeNull()
  })

  test('an operator’s window with cohorts or a limit: of what changed in it, only those; the rest stays as it was', async () => {
    change(['A03', 'A04', 'A05'])
    const before = await rows()
    const today = startOfUtcDay(world.clock.now())
    const window = { from: today, to: today + DAY_MS }
    const limited = await world.run({ request: { window, cohorts: [before.get('A03')!.cohort], limit: 1 } })
    expect(limited.partitions).toMatchObject([{ partition: FEED, status: 'done', counts: { items: 1, changed: 1 } }])
    const moved = [...(await rows())].filter(([id, row]) => row.lastAttemptAt !== before.get(id)!.lastAttemptAt)
    expect(moved).toHaveLength(1)
    expect(await opened.store.getState(`feed:${SOURCE}`)).toBeNull()
  })

  test('an operator’s window with cohorts alone: who changed in another cohort stays as it was', async () => {
    await opened.cleanup()
    opened = await openStore(kind)
    world = new RefreshWorld(opened.store)
    source = world.addSource({ adapter: fakeAdapter(['batch', 'feed']), policy: { cohortSize: 1 } })
    for (const id of ['A03', 'A04']) source.provider.put(id, { status: 'active' }, world.clock.now() - 90 * DAY_MS)
    await world.populate(['A03', 'A04'])
    await world.run()
    world.clock.skip(DAY_MS)
    change(['A03', 'A04'])
    const before = await rows()
    expect(before.get('A03')!.cohort).not.toBe(before.get('A04')!.cohort)
    const today = startOfUtcDay(world.clock.now())
    const report = await world.run({
      request: { window: { from: today, to: today + DAY_MS }, cohorts: [before.get('A03')!.cohort] },
    })
    expect(report.partitions).toMatchObject([{ partition: FEED, status: 'done', counts: { items: 1, changed: 1 } }])
    expect((await rows()).get('A03')).toMatchObject({ outcome: 'changed', lastAttemptAt: world.clock.now() })
    expect((await rows()).get('A04')).toEqual(before.get('A04'))
  })

  test('a window’s walk that was interrupted is not mistaken for one that proves', async () => {
    const today = startOfUtcDay(world.clock.now())
    const window = { from: today - DAY_MS, to: today + DAY_MS }
    source.respond = (request, index, signal) => (index >= 1 ? refused('quota') : source.provider.respond(request, index, signal))
    expect((await world.run({ request: { window } })).partitions).toMatchObject([{ status: 'parked' }])
    source.respond = source.provider.respond
    source.client.forget()
    change(['A07'])
    const report = await world.run()
    expect(labels()).toEqual(['changes.gate', '2026-11-20/', '2026-11-21/', '2026-11-22/'])
    expect(report.partitions).toMatchObject([{ status: 'done', resumed: false, counts: { changed: 1, unchanged: 59 } }])
  })

  test('things in the feed that are nobody of ours are ignored', async () => {
    source.provider.put('X99', { status: 'active' }, world.clock.now() - HOUR_MS)
    expect((await world.run()).partitions).toMatchObject([{ status: 'done', counts: { items: 60, changed: 0, unchanged: 60 } }])
  })

  test('the walk is remembered: its marker, how far it reaches, and what it cost', async () => {
    await world.run()
    expect((await opened.store.getState(`feed:${SOURCE}`))?.value).toMatchObject({
      asOf: world.clock.now(),
      marker: expect.any(String),
      pagesPerDay: expect.any(Number),
    })
  })
})
