/** A file about everybody, of which only rows with our identities count: real archives on a real disk. */
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { KeyedFile } from '../../ts/adapters/adapter.ts'
import { dlaCage } from '../../ts/adapters/dla-cage.ts'
import type { CallResult } from '../../ts/http/source-client.ts'
import { readZipTable } from '../../ts/ingest/zip-table.ts'
import type { LedgerEntry } from '../../ts/model/ledger.ts'
import type { DeltaEvent } from '../../ts/model/record.ts'
import type { RequestSpec } from '../../ts/model/response.ts'
import { DAY_MS, MINUTE_MS } from '../../ts/model/time.ts'
import type { FileAccess } from '../../ts/refresh/run-partition.ts'
import { zipFile } from '../../ts/sandbox/zip-file.ts'
import { identity, SOURCE } from '../support/builders.ts'
import { fakeAdapter } from '../support/fake-adapter.ts'
import { answered, ok } from '../support/fake-client.ts'
import { dump, type OpenedStore, openStore, RefreshWorld, STORES, type TestSource } from '../support/refresh-world.ts'

const FILE = `${SOURCE}:bulk_file`
const IDS = Array.from({ length: 1_020 }, (_, i) => `A${String(i).padStart(4, '0')}`)
/** Entity `A0007` is `10007` in the file. */
const codeOf = (id: string): string => `1${id.slice(1)}`
const HEADER = '"CAGE","STATUS","TYPE","CAO","COMPANY","CITY","STATE","ZIP","COUNTRY"\r\n'

class Publisher implements FileAccess {
  /** Code -> company name. */
  readonly rows = new Map<string, string>()
  lastModified = 'Mon, 02 Nov 2026 06:00:00 GMT'
  extra = ''
  maxBadRows = 10
  readonly minRowShare = 0.5
  downloads = 0
  reads = 0
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  readonly respond = async (request: RequestSpec): Promise<CallResult> => {
    if (request.label === 'cage.page') return ok(null, { headers: { 'content-type': 'text/html' } })
    if (request.label !== 'cage.file') throw new Error(`unexpected ${request.label}`)
    if (request.validators?.lastModified === this.lastModified) return answered('not_modified')
    this.downloads += 1
    const rows = [...this.rows].map(([code, name]) => `"${code}","A","A","","${name}","X","FL","1","US"\r\n`)
    const bytes = zipFile(
      [{ name: 'P_CAGE.CSV', content: Buffer.from(HEADER + rows.join('') + this.extra) }],
      Date.UTC(2026, 10, 2),
    )
    const path = join(this.directory, `${SOURCE}-${this.downloads}.zip`)
    await writeFile(path, bytes)
    return ok(
      {},
      {
        headers: { 'last-modified': this.lastModified },
        file: { path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), complete: true },
      },
    )
  }

  readonly load: FileAccess['load'] = () => Promise.reject(new Error('this file is read, not loaded'))
  readonly readTable: FileAccess['readTable'] = (path, table, wanted, onRow) => {
    this.reads += 1
    return readZipTable(path, { table, maxBadRows: this.maxBadRows, wanted, onRow })
  }
  readonly exists: FileAccess['exists'] = async (path, bytes) => (await stat(path).catch(() => null))?.size === bytes
  readonly remove: FileAccess['remove'] = (path) => rm(path, { force: true })
  readonly sweep: FileAccess['sweep'] = async () => {
    for (const name of await readdir(this.directory)) await rm(join(this.directory, name))
  }
}

/** The file of `dla_cage`, whose address is taken as known. */
const adapter = fakeAdapter([], {
  file: { ...(dlaCage.file as KeyedFile), request: (validators, context) => dlaCage.file!.request(validators, context) },
  volatile: dlaCage.volatile,
})

describe.each(STORES)('refreshing from a keyed file over the %s store', (kind) => {
  let opened: OpenedStore
  let world: RefreshWorld
  let source: TestSource
  let files: Publisher
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'keyed-'))
    opened = await openStore(kind)
    files = new Publisher(directory)
    ;({ world, source } = await populated(opened, files))
  })
  afterEach(async () => {
    await opened.cleanup()
    await rm(directory, { recursive: true, force: true })
  })

  /** 1,020 entities, of which all but the last 10 have an identity; the file holds 1,000 of them, and as many others. */
  async function populated(into: OpenedStore, publisher: Publisher): Promise<{ world: RefreshWorld; source: TestSource }> {
    const made = new RefreshWorld(into.store)
    await made.populate(IDS)
    await identify(into, IDS.slice(0, 1_010))
    for (const id of IDS.slice(0, 1_000)) publisher.rows.set(codeOf(id), `COMPANY ${id}`)
    for (let other = 0; other < 1_000; other += 1) publisher.rows.set(`2${String(other).padStart(4, '0')}`, 'SOMEBODY ELSE')
    return { world: made, source: made.addSource({ adapter, respond: publisher.respond }) }
  }

  async function identify(into: OpenedStore, ids: readonly string[]): Promise<void> {
    await into.store.putIdentities(
      ids.map((id) => identity({ entity: { kind: 'company', key: `uei:${id}` }, providerKey: codeOf(id), confidence: 0.95 })),
    )
  }

  const run = (options: Parameters<RefreshWorld['run']>[0] = {}) => world.run({ files, ...options })
  const eventsOf = async (query: Parameters<OpenedStore['store']['events']>[0]): Promise<readonly DeltaEvent[]> => {
    const all: DeltaEvent[] = []
    for await (const event of opened.store.events(query)) all.push(event)
    return all
  }
  const rows = async (): Promise<ReadonlyMap<string, LedgerEntry>> => {
    const all = new Map<string, LedgerEntry>()
    for await (const row of opened.store.ledger(SOURCE)) all.set(row.entity.key.slice(4), row)
    return all
  }

  test('asks where the file is, downloads it once, and records the rows of our identities alone', async () => {
    const report = await run()
    expect(report.partitions).toMatchObject([
      {
        partition: FILE,
        strategy: 'file',
        status: 'done',
        counts: { items: 1_010, changed: 1_000, absent: 10, events: 1_000, calls: 2 },
      },
    ])
    expect(source.client.requests.map(({ label }) => label)).toEqual(['cage.page', 'cage.file'])
    const ledger = await rows()
    expect(ledger.get('A0999')).toMatchObject({ outcome: 'changed', responseStatus: 200 })
    expect(ledger.get('A1005')).toMatchObject({ outcome: 'absent', lastSuccessAt: world.clock.now() })
    // Without an identity there is nothing to match by.
    expect(ledger.get('A1015')).toMatchObject({ outcome: null, lastAttemptAt: null })
    const [record] = await opened.store.records(SOURCE, [{ kind: 'company', key: 'uei:A0007' }])
    expect(record?.record).toMatchObject({ cage: '10007', company: 'COMPANY A0007' })
    const events = await eventsOf({ source: SOURCE, limit: 1 })
    expect(events).toMatchObject([{ confidence: 0.95, confidenceMethod: 'uei' }])
    // Nobody joined the population, and nothing is left on the disk.
    expect(await opened.store.countEntities()).toMatchObject({ company: 1_020 })
    expect(await readdir(directory)).toEqual([])
    expect((await opened.store.getState(`file:${SOURCE}`))?.value).toMatchObject({ loaded: { rows: 2_000, whole: true } })
  })

  test('304: one edition proves all of it not modified', async () => {
    await opened.store.putIdentities([])
    await identify(opened, IDS)
    await run()
    world.clock.skip(DAY_MS)
    expect((await run()).partitions).toMatchObject([{ status: 'done', counts: { items: 1_020, notModified: 1_020, events: 0 } }])
    expect(files.downloads).toBe(1)
    expect(source.client.requests.at(-1)?.validators).toEqual({ etag: null, lastModified: files.lastModified })
  })

  test('304 with entities that came since: the file is fetched once more for them', async () => {
    await run()
    await identify(opened, IDS)
    files.rows.set(codeOf('A1015'), 'NEW HERE')
    world.clock.skip(DAY_MS)
    expect((await run()).partitions).toMatchObject([{ status: 'done', counts: { notModified: 1_010, changed: 1, absent: 9 } }])
    expect(files.downloads).toBe(2)
    expect((await rows()).get('A1015')).toMatchObject({ outcome: 'changed', lastSuccessAt: world.clock.now() })
    expect(source.client.requests.at(-1)?.validators).toEqual({ etag: null, lastModified: null })
    expect((await run()).partitions).toEqual([])
  })

  test('a new edition: changed rows, vanished codes, returned codes', async () => {
    await run()
    world.clock.skip(DAY_MS)
    files.lastModified = 'Tue, 01 Dec 2026 06:00:00 GMT'
    files.rows.set(codeOf('A0003'), 'RENAMED')
    files.rows.delete(codeOf('A0004'))
    files.rows.set(codeOf('A1005'), 'HERE AT LAST')
    const report = await run()
    expect(report.partitions).toMatchObject([
      { status: 'done', counts: { items: 1_010, changed: 2, unchanged: 998, absent: 10, events: 3 } },
    ])
    const events = await eventsOf({ runId: report.runId, limit: 10 })
    expect(events.map(({ entity: { key }, kind: what, changes }) => [key, what, changes.map(({ path }) => path)]).sort()).toEqual(
      [
        ['uei:A0003', 'changed', ['$.company']],
        ['uei:A0004', 'absent', []],
        ['uei:A1005', 'created', []],
      ],
    )
  })

  test('a file with broken rows makes nobody absent', async () => {
    files.extra = '"19999","A"\r\n'
    expect((await run()).partitions).toMatchObject([{ status: 'done', counts: { changed: 1_000, absent: 0, skipped: 10 } }])
  })

  test.each([
    ['half of it missing', () => files.rows.clear(), 'file_truncated', /has 1 rows, the last one had 2000/],
    [
      'too many broken rows',
      () => Object.assign(files, { extra: '"1","2"\r\n'.repeat(20) }),
      'file_bad_rows',
      /more than 10 rows/,
    ],
  ])('%s: refused as a whole, forgotten, and asked for anew by the next run', async (_name, damage, _code, reason) => {
    await run()
    const before = await dump(opened.store, [SOURCE])
    world.clock.skip(DAY_MS)
    const kept = new Map(files.rows)
    damage()
    files.rows.set('20000', 'SOMEBODY ELSE')
    files.lastModified = 'Tue, 01 Dec 2026 06:00:00 GMT'
    expect((await run()).partitions).toMatchObject([{ status: 'failed', reason: expect.stringMatching(reason) }])
    const after = await dump(opened.store, [SOURCE])
    expect(after.perSource[0]!.ledger).toEqual(before.perSource[0]!.ledger)
    expect(after.perSource[0]!.events).toEqual(before.perSource[0]!.events)
    expect(await readdir(directory)).toEqual([])
    for (const [code, name] of kept) files.rows.set(code, name)
    files.extra = ''
    world.clock.skip(MINUTE_MS)
    expect((await run()).partitions).toMatchObject([{ status: 'done', counts: { unchanged: 1_000 } }])
  })

  test('--force takes a file that has shrunk', async () => {
    await run()
    files.rows.clear()
    files.rows.set(codeOf('A0000'), 'COMPANY A0000')
    world.clock.skip(MINUTE_MS)
    expect((await run({ request: { force: true } })).partitions).toMatchObject([
      { status: 'done', counts: { unchanged: 1, absent: 1_009 } },
    ])
  })

  test('a page that does not say where the file is ends the pass, and says so', async () => {
    source.respond = () => answered('source_down', { reason: 'the bot filter' })
    const [partition] = (await run()).partitions
    expect(partition).toMatchObject({ counts: { items: 0 } })
    expect(partition?.reason).toContain('the bot filter')
    expect(partition?.status).not.toBe('done')
  })

  describe('killed on the way', () => {
    const points = [
      ['session.before_commit', 1],
      ['session.after_commit', 1],
      ['file.after_download', 1],
      ['session.before_commit', 2],
      ['session.after_commit', 2],
      ['file.after_load', 1],
      ['session.before_commit', 3],
      ['session.after_commit', 3],
      ['session.after_commit', 4],
      ['session.before_commit', 5],
      ['session.after_commit', 5],
      ['session.before_commit', 6],
      ['session.after_commit', 6],
      ['session.before_release', 1],
    ] as const

    test.each(points)('at %s, pass %i: the same end, with at most one more download', async (point, pass) => {
      const undisturbed = await openStore('memory')
      const elsewhere = await mkdtemp(join(tmpdir(), 'keyed-'))
      const same = new Publisher(elsewhere)
      const other = await populated(undisturbed, same)
      // Everybody has an identity: whoever has none is due for ever in this world.
      for (const into of [opened, undisturbed]) await identify(into, IDS)
      await other.world.run({ files: same })

      await expect(run({ crash: { point, pass } })).rejects.toThrow('killed')
      world.reboot()
      await run()
      expect(await dump(opened.store, [SOURCE])).toEqual(await dump(undisturbed.store, [SOURCE]))
      expect(files.downloads).toBe(point === 'session.before_commit' && pass === 1 ? 2 : 1)
      await undisturbed.cleanup()
      await rm(elsewhere, { recursive: true })
    })
  })

  test('a signal while the table is read: nothing of it is recorded, and the next run reads on without a download', async () => {
    const stop = new AbortController()
    const stopping: FileAccess = {
      ...files,
      readTable: async (path, table, wanted, onRow) => {
        if (wanted !== null) stop.abort()
        const options = { table, maxBadRows: 0, wanted, onRow, signal: stop.signal }
        return await readZipTable(path, options)
      },
    }
    const report = await run({ files: stopping, signal: stop.signal })
    expect(report.partitions).toMatchObject([{ status: 'interrupted', counts: { items: 0 } }])
    expect(world.logs.filter(({ level }) => level === 'error')).toEqual([])
    expect((await run()).partitions).toMatchObject([{ status: 'done', resumed: true, counts: { changed: 1_000 } }])
    expect(files.downloads).toBe(1)
  })

  test('a download that vanished after it was checked is made again', async () => {
    await expect(run({ crash: { point: 'file.after_load', pass: 1 } })).rejects.toThrow('killed')
    await files.sweep(SOURCE)
    world.reboot()
    expect((await run()).partitions).toMatchObject([{ status: 'done', resumed: true, counts: { changed: 1_000 } }])
    expect(files.downloads).toBe(2)
  })
})
