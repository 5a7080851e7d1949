import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runExitCode } from '../../ts/cli/run-exit-code.ts'
import { runText } from '../../ts/cli/run-text.ts'
import type { CallResult } from '../../ts/http/source-client.ts'
import { EngineError } from '../../ts/model/errors.ts'
import type { LedgerEntry } from '../../ts/model/ledger.ts'
import type { DeltaEvent } from '../../ts/model/record.ts'
import type { RequestSpec } from '../../ts/model/response.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../ts/model/time.ts'
import type { FileAccess } from '../../ts/refresh/run-partition.ts'
import { SIGHTINGS_KEPT } from '../../ts/stores/limits.ts'
import { entity, SOURCE } from '../support/builders.ts'
import { fakeAdapter } from '../support/fake-adapter.ts'
import { answered, ok } from '../support/fake-client.ts'
import { dump, type OpenedStore, openStore, RefreshWorld, STORES, type TestSource } from '../support/refresh-world.ts'

const FILE = `${SOURCE}:bulk_file`
const IDS = Array.from({ length: 1_020 }, (_, i) => `A${String(i).padStart(4, '0')}`)

/** What the provider publishes: ids with a status, under an ETag; and the disk of the engine, where downloads land. */
class BulkProvider implements FileAccess {
  rows = new Map<string, string>()
  etag = '"1"'
  /** Rows the loader had to refuse: the file is then not proven whole. */
  whole = true
  readonly disk = new Map<
    string,
    { readonly rows: ReadonlyMap<string, string>; readonly whole: boolean; readonly etag: string }
  >()
  readonly removed: string[] = []
  readonly ingests = new Map<string, string>()
  loads = 0
  downloads = 0
  refuseWith: Error | null = null
  private readonly world: RefreshWorld

  constructor(world: RefreshWorld) {
    this.world = world
  }

  readonly respond = (request: RequestSpec): CallResult => {
    if (request.label !== 'all.file') throw new Error(`unexpected ${request.label}`)
    if (request.validators?.etag === this.etag) return answered('not_modified')
    this.downloads += 1
    const path = `/downloads/${this.downloads}.csv`
    this.disk.set(path, { rows: new Map(this.rows), whole: this.whole, etag: this.etag })
    return ok(
      {},
      {
        headers: { etag: this.etag, 'last-modified': 'Sat, 21 Nov 2026 00:00:00 GMT' },
        file: { path, bytes: this.rows.size, sha256: this.etag, complete: true },
      },
    )
  }

  readonly load: FileAccess['load'] = async (loader, path, now) => {
    expect(loader).toBe('sbir_awards')
    this.loads += 1
    if (this.refuseWith !== null) throw this.refuseWith
    const { rows, whole, etag } = this.disk.get(path)!
    // The same bytes are the same ingest as long as no other came, as in the real loader.
    const before = this.ingests.get(etag)
    const isLast = before !== undefined && before === (await this.world.store.lastIngest())
    const ingestId = isLast ? before : `ingest ${this.loads} of ${etag}`
    this.ingests.set(etag, ingestId)
    await this.world.store.upsertEntities(
      [...rows].map(([id, status]) => ({ ...entity(`uei:${id}`, { status }), links: [] })),
      ingestId,
      now,
    )
    return { ingestId, whole, rows: rows.size }
  }

  readonly readTable: FileAccess['readTable'] = () => Promise.reject(new Error('this file is loaded, not read'))
  readonly minRowShare = 0.5

  readonly exists: FileAccess['exists'] = (path, bytes) => Promise.resolve(this.disk.get(path)?.rows.size === bytes)

  readonly remove: FileAccess['remove'] = (path) => {
    this.disk.delete(path)
    this.removed.push(path)
    return Promise.resolve()
  }

  readonly sweep: FileAccess['sweep'] = () => {
    this.disk.clear()
    return Promise.resolve()
  }
}

describe.each(STORES)('refreshing from a bulk file over the %s store', (kind) => {
  let opened: OpenedStore
  let world: RefreshWorld
  let source: TestSource
  let files: BulkProvider

  beforeEach(async () => {
    opened = await openStore(kind)
    world = new RefreshWorld(opened.store)
    source = world.addSource({ adapter: fakeAdapter(['file']) })
    files = new BulkProvider(world)
    source.respond = files.respond
    for (const id of IDS) files.rows.set(id, 'active')
  })
  afterEach(() => opened.cleanup())

  const run = (options: Parameters<RefreshWorld['run']>[0] = {}) => world.run({ files, ...options })
  const rows = async (): Promise<ReadonlyMap<string, LedgerEntry>> => {
    const all = new Map<string, LedgerEntry>()
    for await (const row of opened.store.ledger(SOURCE)) all.set(row.entity.key.slice(4), row)
    return all
  }
  const eventsOf = async (runId: string): Promise<readonly DeltaEvent[]> => {
    const all: DeltaEvent[] = []
    for await (const event of opened.store.events({ runId, limit: 10_000 })) all.push(event)
    return all
  }

  test('the first download fills the population and the ledger with one call; the file is removed', async () => {
    const report = await run()
    expect(report.partitions).toMatchObject([
      { partition: FILE, strategy: 'file', status: 'done', counts: { items: 1_020, changed: 1_020, events: 1_020, calls: 1 } },
    ])
    expect((await rows()).size).toBe(1_020)
    expect(files.removed).toEqual(['/downloads/1.csv'])
    expect((await opened.store.getState(`file:${SOURCE}`))?.value).toMatchObject({
      asOf: world.clock.now(),
      loaded: { rows: 1_020, whole: true },
      validators: { etag: '"1"' },
    })
    expect(source.client.requests).toMatchObject([{ validators: { etag: null, lastModified: null } }])
    expect((await run()).partitions).toEqual([])
  })

  test('304: one conditional call proves all of it not modified; nothing is loaded', async () => {
    await run()
    world.clock.skip(DAY_MS)
    const report = await run()
    expect(source.client.requests.at(-1)?.validators).toEqual({ etag: '"1"', lastModified: 'Sat, 21 Nov 2026 00:00:00 GMT' })
    expect(report.partitions).toMatchObject([
      { status: 'done', reconciled: null, counts: { items: 1_020, notModified: 1_020, events: 0, calls: 1 } },
    ])
    expect(files.loads).toBe(1)
    expect(
      [...(await rows()).values()].every((row) => row.lastSuccessAt === world.clock.now() && row.responseStatus === 304),
    ).toBe(true)
    world.clock.skip(DAY_MS)
    expect((await run()).partitions).toMatchObject([{ status: 'done', reconciled: null }])
  })

  test('304: what was due for another reason is settled by the file that still holds', async () => {
    await run()
    await opened.store.addPending([
      { source: SOURCE, entity: { kind: 'company', key: 'uei:A0003' }, reason: 'a letter', at: world.clock.now(), by: 'test' },
    ])
    // An entity of other origin joins: the file never named it.
    await opened.store.upsertEntities([{ ...entity('uei:Z9999', { status: 'active' }), links: [] }], null, world.clock.now())
    world.clock.skip(DAY_MS)
    const report = await run()
    expect(report.partitions).toMatchObject([
      { status: 'done', counts: { notModified: 1_019, unchanged: 1, absent: 1, calls: 1 } },
    ])
    expect(files.downloads).toBe(1)
    const settled = await rows()
    expect(settled.get('A0003')).toMatchObject({ pendingSince: null, outcome: 'unchanged', responseStatus: 304 })
    expect(settled.get('Z9999')).toMatchObject({ outcome: 'absent', lastSuccessAt: world.clock.now() })
    expect((await run()).partitions).toEqual([])
  })

  test('304 after so many other files that this one is forgotten: fetched anew, nobody is taken for gone', async () => {
    await run()
    for (let other = 0; other < SIGHTINGS_KEPT; other += 1)
      await opened.store.upsertEntities(
        [{ ...entity('uei:A0001', { status: 'active' }), links: [] }],
        `other-${other}`,
        world.clock.now(),
      )
    await opened.store.addPending([
      { source: SOURCE, entity: { kind: 'company', key: 'uei:A0003' }, reason: 'a letter', at: world.clock.now(), by: 'test' },
    ])
    world.clock.skip(DAY_MS)
    const report = await run()
    expect(report.partitions).toMatchObject([{ status: 'done', counts: { absent: 0, events: 0, calls: 2 } }])
    expect(files.downloads).toBe(2)
    expect((await rows()).get('A0003')).toMatchObject({ pendingSince: null, outcome: 'unchanged', responseStatus: 200 })
    world.clock.skip(DAY_MS)
    expect((await run()).partitions).toMatchObject([{ status: 'done', counts: { calls: 1 } }])
  })

  test('304 after somebody loaded a file of his own: what it says is never told as the provider`s word', async () => {
    await run()
    const own = async (id: string, status: string) =>
      await opened.store.upsertEntities([{ ...entity('uei:A0003', { status }), links: [] }], id, world.clock.now())
    await own('own-1', 'made up')
    world.clock.skip(DAY_MS)
    // Nothing is due that the 304 does not prove: one call.
    expect((await run()).partitions).toMatchObject([{ status: 'done', counts: { changed: 0, events: 0, calls: 1 } }])
    await opened.store.addPending([
      { source: SOURCE, entity: { kind: 'company', key: 'uei:A0003' }, reason: 'a letter', at: world.clock.now(), by: 'test' },
    ])
    world.clock.skip(DAY_MS / 24)
    const report = await run()
    expect(report.partitions).toMatchObject([{ status: 'done', counts: { changed: 0, absent: 0, events: 0, calls: 2 } }])
    expect((await rows()).get('A0003')).toMatchObject({ pendingSince: null, outcome: 'unchanged', responseStatus: 200 })
    expect(files.downloads).toBe(2)
  })

  test('a new file: what it names is compared, field by field; new entities join', async () => {
    await run()
    world.clock.skip(DAY_MS)
    files.etag = '"2"'
    files.rows.set('A0007', 'inactive').set('B0001', 'active')
    const report = await run()
    expect(report.partitions).toMatchObject([
      { status: 'done', reconciled: null, counts: { items: 1_021, changed: 2, unchanged: 1_019, absent: 0, events: 2 } },
    ])
    expect((await eventsOf(report.runId)).map(({ entity: { key }, kind: what, changes }) => [key, what, changes])).toEqual(
      expect.arrayContaining([
        ['uei:A0007', 'changed', [{ path: '$.status', old: 'active', new: 'inactive' }]],
        ['uei:B0001', 'created', []],
      ]),
    )
  })

  test('what a whole file no longer names is absent; what returns later has returned', async () => {
    await run()
    world.clock.skip(DAY_MS)
    files.etag = '"2"'
    files.rows.delete('A0003')
    const gone = await run()
    expect(gone.partitions).toMatchObject([{ counts: { absent: 1, unchanged: 1_019 } }])
    expect((await rows()).get('A0003')).toMatchObject({ outcome: 'absent', payloadHash: null })
    world.clock.skip(DAY_MS)
    files.etag = '"3"'
    files.rows.set('A0003', 'active')
    const back = await run()
    expect((await eventsOf(back.runId)).map(({ kind: what }) => what)).toEqual(['returned'])
  })

  test('a file that is not proven whole makes nobody absent: what it does not name stays as it was, and due', async () => {
    await run()
    world.clock.skip(DAY_MS)
    const before = await rows()
    files.etag = '"2"'
    files.whole = false
    for (const id of IDS.slice(0, 100)) files.rows.delete(id)
    const report = await run()
    expect(report.partitions).toMatchObject([{ status: 'done', counts: { items: 920, absent: 0 } }])
    const after = await rows()
    for (const id of IDS.slice(0, 100)) expect(after.get(id)).toEqual(before.get(id))
  })

  test('--force downloads again whatever the validators say', async () => {
    await run()
    world.clock.skip(MINUTE_MS)
    const report = await run({ request: { force: true } })
    expect(files.downloads).toBe(2)
    expect(report.partitions).toMatchObject([{ status: 'done', counts: { unchanged: 1_020 } }])
  })

  test.each([{ force: true }, { window: { from: 0, to: 2 ** 43 } }])(
    'of a source that is down, work that was asked for waits and is said to, though nothing is due: %j',
    async (request) => {
      await run()
      Object.assign(source.run, { downUntil: () => Promise.resolve(world.clock.now() + HOUR_MS) })
      const report = await run({ request })
      expect(report).toMatchObject({ partitions: [], heldBack: [{ source: SOURCE, due: 0, why: expect.stringMatching(/down/) }] })
      expect(runExitCode(report)).toBe(75)
      expect(runText(report, { tableWidth: null, bold: (line) => line })).toMatch(
        /was not asked: source down(.|\n)*Nothing was asked/,
      )
      // Nothing is due and nothing was asked for: nothing waits.
      expect((await run()).heldBack).toEqual([])
    },
  )

  test('named as a partition, as Dagster does', async () => {
    await run()
    world.clock.skip(DAY_MS)
    expect((await run({ request: { partitions: [FILE] } })).partitions).toMatchObject([
      { partition: FILE, status: 'done', counts: { notModified: 1_020 } },
    ])
  })

  describe('killed on the way', () => {
    const points = [
      ['session.after_lease', 1],
      ['session.before_commit', 1],
      ['session.after_commit', 1],
      ['file.after_download', 1],
      ['session.before_commit', 2],
      ['session.after_commit', 2],
      ['file.after_load', 1],
      ['session.before_commit', 3],
      ['session.after_commit', 3],
      ['session.before_commit', 4],
      ['session.after_commit', 4],
      ['session.after_commit', 5],
      ['session.before_commit', 6],
      ['session.after_commit', 6],
      ['session.before_release', 1],
    ] as const

    test.each(points)(
      'at %s, pass %i: the next run ends in the same state as an undisturbed one, with at most one more download',
      async (point, pass) => {
        const undisturbed = await openStore('memory')
        const other = new RefreshWorld(undisturbed.store)
        const same = new BulkProvider(other)
        same.rows = new Map(files.rows)
        other.addSource({ adapter: fakeAdapter(['file']), respond: same.respond })
        await other.run({ files: same })

        await expect(run({ crash: { point, pass } })).rejects.toThrow('killed')
        world.reboot()
        await run()
        expect(await dump(opened.store, [SOURCE])).toEqual(await dump(undisturbed.store, [SOURCE]))
        // Between the download and the commit that knows of it there is nothing to remember it by.
        expect(files.downloads).toBe(point === 'session.before_commit' && pass === 1 ? 2 : 1)
        await undisturbed.cleanup()
      },
    )
  })

  test('a download that vanished from the disk is made again', async () => {
    await expect(run({ crash: { point: 'file.after_download', pass: 1 } })).rejects.toThrow('killed')
    files.disk.clear()
    world.reboot()
    expect((await run()).partitions).toMatchObject([{ status: 'done', resumed: true, counts: { changed: 1_020 } }])
    expect(files.downloads).toBe(2)
  })

  test('a download of yesterday’s pass is not recorded as today’s news', async () => {
    await expect(run({ crash: { point: 'file.after_download', pass: 1 } })).rejects.toThrow('killed')
    world.reboot()
    world.clock.skip(DAY_MS)
    files.rows.set('A0001', 'inactive')
    files.etag = '"2"'
    expect((await run()).partitions).toMatchObject([{ status: 'done', resumed: false }])
    expect(files.downloads).toBe(2)
  })

  test('a file that is refused is not loaded for ever: the next run asks for a new one', async () => {
    files.refuseWith = new EngineError('failed', 'file_truncated', 'the file has 10 rows, the last one had 1020')
    expect((await run()).partitions).toMatchObject([{ status: 'failed', reason: 'the file has 10 rows, the last one had 1020' }])
    expect(files.removed).toEqual(['/downloads/1.csv'])
    files.refuseWith = null
    world.clock.skip(MINUTE_MS)
    expect((await run()).partitions).toMatchObject([{ status: 'done', counts: { changed: 1_020 } }])
    expect(files.downloads).toBe(2)
  })

  test.each([
    ['a file that did not arrive whole', () => ok({}, { file: { path: '/x', bytes: 1, sha256: 'x', complete: false } })],
    ['an answer without a file', () => ok({})],
    ['a 304 although nothing was ever downloaded', () => answered('not_modified')],
    ['a connection that broke', () => answered('transient', { reason: 'reset' })],
  ])('%s: the pass fails, says so, and leaves everything as it was', async (_name, answer) => {
    source.respond = answer
    const report = await run()
    expect(report.partitions).toMatchObject([
      { status: 'failed', reason: expect.stringContaining('the file did not arrive whole') },
    ])
    expect((await rows()).size).toBe(0)
    expect(files.loads).toBe(0)
    source.respond = files.respond
    world.clock.skip(MINUTE_MS)
    expect((await run()).partitions).toMatchObject([{ status: 'done' }])
  })

  test('of a part of the source only that part is judged, nothing is proven, and the file is not taken for settled', async () => {
    await world.populate(IDS.slice(0, 3))
    const part = await run({ request: { limit: 5 } })
    expect(part.partitions).toMatchObject([{ status: 'done', counts: { items: 5, changed: 5 } }])
    expect([...(await rows()).values()].filter((row) => row.lastAttemptAt !== null)).toHaveLength(5)
    expect(await opened.store.getState(`file:${SOURCE}`)).toBeNull()
    const [cohort] = (
      await opened.store.partitionStats(SOURCE, { now: world.clock.now(), cadenceMs: DAY_MS, slaMs: DAY_MS })
    ).map((row) => row.cohort)
    const none = await run({ request: { window: { from: 0, to: 1 }, sources: [SOURCE] } })
    expect(none.partitions).toMatchObject([{ counts: { items: 0 } }])
    const one = await run({ request: { cohorts: [cohort!] } })
    const inCohort = [...(await rows()).values()].filter((row) => row.cohort === cohort).length
    expect(one.sources[0]!.counts.items).toBe(inCohort - 5)
    expect(await opened.store.getState(`file:${SOURCE}`)).toBeNull()
    const rest = await run()
    expect(rest.sources[0]!.counts.items).toBe(rest.partitions.length === 0 ? 0 : 1_020 - inCohort)
    expect([...(await rows()).values()].every((row) => row.lastSuccessAt !== null)).toBe(true)
  })

  test.each(['file.after_download', 'file.after_load'])(
    'a full pass killed at %s: a part is settled from what it paid for, the pass stays open and completes later',
    async (point) => {
      await expect(run({ crash: { point, pass: 1 } })).rejects.toThrow('killed')
      world.reboot()
      const part = await run({ request: { limit: 5 } })
      expect(part.partitions).toMatchObject([{ status: 'done', resumed: true, counts: { items: 5, changed: 5 } }])
      expect(await opened.store.checkpoint(FILE)).toMatchObject({ status: 'open', counts: { items: 5 } })
      expect(await opened.store.getState(`file:${SOURCE}`)).toBeNull()
      expect(files.removed).toEqual([])
      world.clock.skip(MINUTE_MS)
      expect((await run()).partitions).toMatchObject([{ status: 'done', resumed: true, counts: { items: 1_015 } }])
      expect(await opened.store.checkpoint(FILE)).toMatchObject({ status: 'complete', counts: { items: 1_020 } })
      expect(await opened.store.getState(`file:${SOURCE}`)).not.toBeNull()
      expect(files).toMatchObject({ downloads: 1, loads: 1, removed: ['/downloads/1.csv'] })
    },
  )

  test('a part that was killed is not completed as if it had been all', async () => {
    await expect(run({ request: { limit: 5 }, crash: { point: 'file.after_load', pass: 1 } })).rejects.toThrow('killed')
    world.reboot()
    expect((await run()).partitions).toMatchObject([{ status: 'done', resumed: false, counts: { items: 1_020 } }])
  })

  test('a part of a source whose file has not changed proves nothing about the rest', async () => {
    await run()
    world.clock.skip(2 * DAY_MS)
    const part = await run({ request: { limit: 5 } })
    expect(part.partitions).toMatchObject([{ status: 'done', counts: { items: 5 } }])
    const fresh = [...(await rows()).values()].filter((row) => row.lastSuccessAt! > world.clock.now() - DAY_MS)
    expect(fresh).toHaveLength(5)
    expect((await run()).sources[0]!.counts.items).toBe(1_015)
  })

  test('a pass that keeps failing waits longer and longer, says until when, and goes on when told to or when it is time', async () => {
    let calls = 0
    source.respond = () => {
      calls += 1
      return answered('malformed', { reason: 'the bulk file came as text/html' })
    }
    await world.populate(IDS.slice(0, 3))
    expect((await run()).partitions).toMatchObject([{ status: 'failed' }])
    for (const [waited, failures] of [
      [MINUTE_MS, 2],
      [5 * MINUTE_MS, 3],
      [30 * MINUTE_MS, 4],
    ] as const) {
      world.clock.skip(waited - 1)
      const before = calls
      const report = await run()
      expect(report.partitions).toEqual([])
      expect(report.heldBack).toMatchObject([
        { source: SOURCE, why: expect.stringMatching(/bulk_file failed .*text\/html.*tried again at/) },
      ])
      expect(calls).toBe(before)
      world.clock.skip(1)
      expect((await run()).partitions, `${failures}`).toMatchObject([{ status: 'failed' }])
      expect(calls).toBe(before + 1)
    }
    source.respond = files.respond
    expect((await run({ request: { force: true } })).partitions).toMatchObject([{ status: 'done' }])
    // Success forgets it all: the next failure waits a minute again.
    world.clock.skip(2 * DAY_MS)
    source.respond = () => answered('malformed')
    expect((await run()).partitions).toMatchObject([{ status: 'failed' }])
    world.clock.skip(MINUTE_MS)
    expect((await run()).partitions).toMatchObject([{ status: 'failed' }])
  })

  test('a signal while rows are compared: what was committed stays, the rest follows without another download', async () => {
    const stop = new AbortController()
    let commits = 0
    const report = await run({
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'progress' && ++commits === 3) stop.abort()
      },
    })
    expect(report.partitions).toMatchObject([{ status: 'interrupted', counts: { items: 500 } }])
    world.clock.skip(HOUR_MS)
    expect((await run()).partitions).toMatchObject([{ status: 'done', resumed: true, reconciled: null, counts: { items: 520 } }])
    expect(files.downloads).toBe(1)
    expect(await opened.store.checkpoint(FILE)).toMatchObject({ status: 'complete', counts: { items: 1_020, changed: 1_020 } })
  })
})
