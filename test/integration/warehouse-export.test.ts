import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isEngineError } from '../../ts/model/errors.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import { OUTCOMES } from '../../ts/model/ledger.ts'
import { DAY_MS, HOUR_MS } from '../../ts/model/time.ts'
import { dueAt, isDue, isStale } from '../../ts/refresh/freshness.ts'
import { ERASURES } from '../../ts/stores/store.ts'
import { type ExportReport, exportWarehouse } from '../../ts/warehouse/export.ts'
import { currentRecord, deltaEvent, type FakeStore, fakeStore, ledgerEntry } from '../unit/warehouse/fake-store.ts'
import {
  addCohort,
  contentOf,
  exportDeps,
  POLICIES,
  parquetFiles,
  query,
  T0,
  temporaryDirectory,
  VIEWS,
} from '../unit/warehouse/world.ts'

let path: string
let remove: () => void
let store: FakeStore
beforeEach(() => {
  const directory = temporaryDirectory()
  path = join(directory.path, 'warehouse')
  remove = directory.remove
  store = fakeStore()
})
afterEach(() => remove())

const INCREMENTAL = { rebuild: false }
const REBUILD = { rebuild: true }

describe('what is exported', () => {
  it('an empty store gives every view, typed and empty', async () => {
    const report = await exportWarehouse(exportDeps(path, store, { policies: {} }), INCREMENTAL)
    expect(report).toMatchObject({
      status: 'done',
      generation: 1,
      rebuildReason: 'first export',
      partitions: { total: 0, written: 0 },
    })
    for (const view of VIEWS)
      expect(await query(path, `SELECT count(*) AS n FROM ${view}`), view).toEqual([{ n: view === 'export_info' ? '1' : '0' }])
    const types = await query(path, 'DESCRIBE ledger')
    expect(types.map((row) => row['column_name'])).toEqual([
      ...[
        'entity_kind',
        'entity_key',
        'source',
        'cohort',
        'last_attempt_at',
        'last_success_at',
        'response_status',
        'outcome',
        'delta_detected',
      ],
      ...[
        'payload_hash',
        'normalizer_version',
        'etag',
        'last_modified',
        'attempts',
        'consecutive_failures',
        'next_attempt_at',
        'error_class',
        'error',
      ],
      ...['run_id', 'pending_since', 'due_at', 'sla_seconds', 'as_of', 'stale', 'sla_delta_seconds'],
    ])
    expect(Object.fromEntries(types.map((row) => [row['column_name'], row['column_type']]))).toMatchObject({
      ...{ last_success_at: 'TIMESTAMP', attempts: 'BIGINT', stale: 'BOOLEAN', delta_detected: 'BOOLEAN', sla_seconds: 'BIGINT' },
    })
  })

  it('files and empty views have the same column types', async () => {
    await exportWarehouse(exportDeps(path, store, { policies: {} }), INCREMENTAL)
    const empty = Object.fromEntries(await Promise.all(VIEWS.map(async (view) => [view, await query(path, `DESCRIBE ${view}`)])))
    addCohort(store, 'uei_batch_0001', 3)
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    for (const view of VIEWS) expect(await query(path, `DESCRIBE ${view}`), view).toEqual(empty[view])
  })

  it('ledger rows carry the facts, and due and stale as of the export', async () => {
    store.entries.push(
      ledgerEntry({
        key: 'fresh',
        lastSuccessAt: T0 - DAY_MS / 2,
        outcome: 'changed',
        attempts: 2 ** 53,
        validators: { etag: 'W/"x"', lastModified: 'Sat' },
      }),
      ledgerEntry({
        key: 'stale',
        lastSuccessAt: T0 - 8 * DAY_MS - 500,
        outcome: 'failed',
        consecutiveFailures: 2,
        nextAttemptAt: T0 + HOUR_MS,
        errorClass: 'transient',
        error: 'a\n"b"',
      }),
      ledgerEntry({ key: 'never', lastAttemptAt: null, lastSuccessAt: null, outcome: null, responseStatus: null, attempts: 0 }),
      ledgerEntry({ key: 'pending', pendingSince: T0 - 1000 }),
      ledgerEntry({ key: 'unresolved', lastAttemptAt: null, lastSuccessAt: null, outcome: 'skipped', error: 'no UEI' }),
      ledgerEntry({
        key: 'taken back',
        lastSuccessAt: T0 - 30 * DAY_MS,
        outcome: 'skipped',
        errorClass: 'unresolved',
        error: 'no identity',
      }),
    )
    store.touch('sam_gov', 'uei_batch_0001')
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    const rows = Object.fromEntries((await query(path, 'FROM ledger')).map((row) => [row['entity_key'], row]))
    expect(rows['fresh']).toMatchObject({
      ...{
        source: 'sam_gov',
        cohort: 'uei_batch_0001',
        entity_kind: 'company',
        outcome: 'changed',
        delta_detected: true,
        etag: 'W/"x"',
        last_modified: 'Sat',
      },
      ...{
        attempts: '9007199254740992',
        due_at: '2026-11-21 12:00:00',
        as_of: '2026-11-21 00:00:00',
        sla_seconds: '604800',
        stale: false,
        sla_delta_seconds: '-561600',
      },
    })
    expect(rows['stale']).toMatchObject({
      stale: true,
      due_at: '2026-11-21 01:00:00',
      sla_delta_seconds: '86400',
      delta_detected: false,
      error: 'a\n"b"',
    })
    expect(rows['never']).toMatchObject({
      stale: false,
      due_at: '2026-11-21 00:00:00',
      sla_delta_seconds: null,
      last_attempt_at: null,
      outcome: null,
      delta_detected: false,
    })
    expect(rows['pending']).toMatchObject({ stale: true, due_at: '2026-11-20 23:59:59', pending_since: '2026-11-20 23:59:59' })
    expect(rows['unresolved']).toMatchObject({ stale: false, due_at: null, error: 'no UEI' })
    expect(rows['taken back']).toMatchObject({ stale: false, due_at: null, error: 'no identity' })
  })

  it('due and stale are those of the engine, at the export and at any later moment', async () => {
    const time = fc.oneof(fc.constant(null), fc.integer({ min: T0 - 20 * DAY_MS, max: T0 + 2 * DAY_MS }))
    const row = fc.record({
      lastAttemptAt: time,
      lastSuccessAt: time,
      nextAttemptAt: time,
      pendingSince: time,
      outcome: fc.constantFrom(null, ...OUTCOMES),
    })
    const policy = POLICIES.sam_gov
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 50, maxLength: 200 }),
        fc.integer({ min: 0, max: 30 * DAY_MS }),
        async (rows, later) => {
          const random = fakeStore()
          random.entries.push(...rows.map((change, index) => ledgerEntry({ ...change, key: String(index).padStart(4, '0') })))
          random.touch('sam_gov', 'uei_batch_0001')
          const directory = temporaryDirectory()
          await exportWarehouse(exportDeps(directory.path, random), INCREMENTAL)
          const at = T0 + later
          const judged = (moment: number) =>
            random.entries.map((entry) => ({
              stale: isStale(entry, policy, moment),
              due: isDue(entry, policy, moment),
              dueAt: dueAt(entry, policy) || null,
            }))
          const columns = `stale, coalesce(due_at <= as_of, false) AS due,
          CASE WHEN coalesce(pending_since, last_success_at, next_attempt_at) IS NULL THEN NULL ELSE epoch_ms(due_at) END::DOUBLE AS "dueAt"`
          const exported = await query(directory.path, `SELECT ${columns} FROM ledger ORDER BY entity_key`)
          const recomputed = await query(
            directory.path,
            `SELECT ${columns}, due AS own FROM ledger_at(make_timestamp(${at} * 1000)) ORDER BY entity_key`,
          )
          directory.remove()
          expect(exported).toEqual(judged(T0))
          expect(recomputed).toEqual(judged(at).map((verdict) => ({ ...verdict, own: verdict.due })))
        },
      ),
      { numRuns: 12 },
    )
  })

  it('a source without policy has facts but no judgement', async () => {
    store.entries.push(ledgerEntry({ lastSuccessAt: T0 - 99 * DAY_MS }))
    store.touch('sam_gov', 'uei_batch_0001')
    await exportWarehouse(exportDeps(path, store, { policies: {} }), INCREMENTAL)
    const [row] = await query(path, 'SELECT stale, due_at, sla_seconds, sla_delta_seconds, attempts, due FROM ledger_now')
    expect(row).toEqual({ stale: null, due_at: null, sla_seconds: null, sla_delta_seconds: null, attempts: '1', due: false })
  })

  it('ledger_now judges at the moment of the query, and stale cohorts follow', async () => {
    store.entries.push(
      ledgerEntry({ key: 'a', lastSuccessAt: Date.UTC(2000, 0, 1) }),
      ledgerEntry({ key: 'b', cohort: 'uei_batch_0002', lastSuccessAt: Date.UTC(2200, 0, 1) }),
    )
    store.touch('sam_gov', 'uei_batch_0001')
    store.touch('sam_gov', 'uei_batch_0002')
    await exportWarehouse(exportDeps(path, store, { now: () => Date.UTC(2000, 0, 2) }), INCREMENTAL)
    expect(await query(path, 'SELECT stale FROM ledger ORDER BY entity_key')).toEqual([{ stale: false }, { stale: false }])
    expect(await query(path, 'SELECT stale, due FROM ledger_now ORDER BY entity_key')).toEqual([
      { stale: true, due: true },
      { stale: false, due: false },
    ])
    expect(await query(path, 'SELECT cohort, population, stale, pending FROM stale_cohorts')).toEqual([
      { cohort: 'uei_batch_0001', population: '1', stale: '1', pending: '0' },
    ])
    expect(await query(path, `SELECT count(*) AS n FROM ledger_at(TIMESTAMP '2300-01-01') WHERE stale`)).toEqual([{ n: '2' }])
  })

  it('records and events hold any JSON, and event_changes has a row per field', async () => {
    const record = JSON.parse(
      `{"quote":"it's \\"x\\"\\n\\u0000","__proto__":{"polluted":true},"big":9007199254740992,"text":"9007199254740993","😀":"\\u202e"}`,
    ) as JsonObject
    store.recordsOf.push({
      cohort: 'uei_batch_0001',
      record: currentRecord({ record: { ...record, lone: '\uD800' }, present: false }),
    })
    store.eventList.push(
      deltaEvent(1, { kind: 'created', changes: [], oldHash: null }),
      deltaEvent(2, {
        changes: [
          { path: `$.a['it''s "x"']`, old: null, new: { nested: [1, 'two', null] } },
          { path: '$.b\n', old: 2 ** 53, new: null },
          { path: '$.__proto__', old: record, new: '\uDFFF"' },
        ],
      }),
    )
    store.touch('sam_gov', 'uei_batch_0001')
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    const [row] = await query(path, `SELECT record, present, record->>'$.quote' AS quote, record->>'$.lone' AS lone FROM records`)
    expect(row).toMatchObject({ present: false, quote: 'it\'s "x"\n\0', lone: '\uFFFD' })
    expect(JSON.stringify(JSON.parse(String(row!['record'])))).toBe(JSON.stringify({ ...record, lone: '\uFFFD' }))
    expect(Object.keys(JSON.parse(String(row!['record'])))).toContain('__proto__')
    expect(await query(path, 'SELECT event_id, kind, "at", changes FROM events ORDER BY position')).toMatchObject([
      { event_id: 'event-1', kind: 'created', at: '2026-11-21 00:00:00.001', changes: '[]' },
      { event_id: 'event-2', kind: 'changed' },
    ])
    expect(await query(path, 'SELECT event_id, path, old, new FROM event_changes')).toEqual([
      { event_id: 'event-2', path: `$.a['it''s "x"']`, old: null, new: '{"nested":[1,"two",null]}' },
      { event_id: 'event-2', path: '$.b\n', old: '9007199254740992', new: null },
      { event_id: 'event-2', path: '$.__proto__', old: JSON.stringify(record), new: '"\uFFFD\\""' },
    ])
  })

  it('hostile cohorts and keys stay inside the directory and come back as they were', async () => {
    const names = [
      `../../up`,
      `it's "quoted"`,
      'nul\0byte',
      '\u202Ertl',
      'x'.repeat(4096),
      '',
      '__proto__',
      'a,b',
      '*.parquet',
      'UPPER',
      'upper',
      '[x]?',
    ]
    for (const name of names) {
      store.entries.push(ledgerEntry({ cohort: name, key: `key ${name}` }))
      store.recordsOf.push({ cohort: name, record: currentRecord({ key: `key ${name}` }) })
      store.touch('sam_gov', name)
    }
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    const sorted = (values: unknown[]) => values.sort()
    for (const table of ['ledger', 'records']) {
      const rows = await query(path, `SELECT cohort, entity_key FROM ${table}`)
      expect(sorted(rows.map((row) => row['cohort']))).toEqual(sorted([...names]))
      expect(sorted(rows.map((row) => row['entity_key']))).toEqual(sorted(names.map((name) => `key ${name}`)))
    }
    expect(readdirSync(join(path, '..'))).toEqual(['warehouse'])
    expect(parquetFiles(path).filter((file) => file.startsWith('ledger'))).toHaveLength(names.length)
  })

  it('a directory of any name works', async () => {
    path = join(path, `it's a [dir] * "x" {a,b} é`)
    addCohort(store, 'uei_batch_0001', 3)
    await exportWarehouse(exportDeps(path, store, { chunkRows: 2 }), INCREMENTAL)
    addCohort(store, 'uei_batch_0002', 3)
    await exportWarehouse(exportDeps(path, store, { chunkRows: 100 }), INCREMENTAL)
    expect(await query(path, 'SELECT (SELECT count(*) FROM ledger) AS l, (SELECT count(*) FROM events) AS e')).toEqual([
      { l: '6', e: '6' },
    ])
  })
})

describe('only what changed', () => {
  it('writes the partitions whose counter moved and leaves other files untouched', async () => {
    addCohort(store, 'uei_batch_0001', 5)
    addCohort(store, 'uei_batch_0002', 5)
    store.touch('sam_gov', 'change_feed')
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    const before = parquetFiles(path)
    store.entries[0] = ledgerEntry({ key: 'uei:uei_batch_0001-0', attempts: 7 })
    store.touch('sam_gov', 'uei_batch_0001')
    const report = await exportWarehouse(exportDeps(path, store, { now: () => T0 + HOUR_MS }), INCREMENTAL)
    expect(report).toMatchObject({
      rebuildReason: null,
      partitions: { total: 3, written: 1 },
      eventsAdded: 0,
      rows: { ledger: 10, records: 10, events: 10 },
    })
    const added = parquetFiles(path).filter((file) => !before.includes(file))
    expect(added.map((file) => file.replace(/\.g.*/, ''))).toEqual([
      'coverage/0000000001',
      'ledger/sam_gov/uei_batch_0001',
      'records/sam_gov/uei_batch_0001',
    ])
    expect(await query(path, 'SELECT max(attempts) AS a, count(DISTINCT as_of) AS moments FROM ledger')).toEqual([
      { a: '7', moments: '2' },
    ])
  })

  it('an incremental history gives row by row what a rebuild gives', async () => {
    for (let round = 1; round <= 6; round += 1) {
      addCohort(store, `uei_batch_000${round}`, round * 7)
      store.entries[round] = ledgerEntry({ key: `uei:changed-${round}`, attempts: round })
      store.touch('sam_gov', 'uei_batch_0001')
      await exportWarehouse(exportDeps(path, store, { chunkRows: 20 }), INCREMENTAL)
    }
    const incremental = await contentOf(path)
    const files = await query(path, 'SELECT count(*) AS n FROM coverage')
    const report = await exportWarehouse(exportDeps(path, store, { chunkRows: 20 }), REBUILD)
    expect(report).toMatchObject({ rebuildReason: 'asked for', partitions: { total: 6, written: 6 }, eventsAdded: 147 })
    expect(await contentOf(path)).toEqual(incremental)
    expect(incremental['ledger']).toHaveLength(147)
    expect(Number((await query(path, 'SELECT count(*) AS n FROM coverage'))[0]!['n'])).toBe(Number(files[0]!['n']) + 7)

    const elsewhere = join(path, '..', 'elsewhere')
    await exportWarehouse(exportDeps(elsewhere, store), INCREMENTAL)
    expect(await contentOf(elsewhere)).toEqual(incremental)
  })

  it('events fill bounded chunks, each event once and in order', async () => {
    let expected = 0
    for (const batch of [1, 2, 3, 50, 1, 120, 4, 4, 4]) {
      for (let index = 0; index < batch; index += 1) {
        expected += 1
        store.eventList.push(deltaEvent(expected * 3))
      }
      await exportWarehouse(exportDeps(path, store, { chunkRows: 50 }), INCREMENTAL)
      const [row] = await query(path, 'SELECT count(*) AS n, count(DISTINCT position) AS d, max(position) AS m FROM events')
      expect(row).toEqual({ n: String(expected), d: String(expected), m: String(expected * 3) })
    }
    const manifest = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'))
    expect(manifest.events.length).toBeLessThan(10)
    for (const chunk of manifest.events) expect(chunk.rows).toBeLessThanOrEqual(50)
    expect(await query(path, 'SELECT events_through FROM export_info')).toEqual([{ events_through: String(expected * 3) }])
  })

  it('writes the events anew after values were erased, and leaves no file that still has them', async () => {
    for (const position of [1, 2, 3])
      store.eventList.push(deltaEvent(position, { changes: [{ path: '$.x', old: null, new: `SECRET-${position}` }] }))
    await exportWarehouse(exportDeps(path, store, { chunkRows: 2 }), INCREMENTAL)
    store.eventList[0] = { ...store.eventList[0]!, changes: [] }
    store.states.set(ERASURES, { version: 1, value: null })
    await exportWarehouse(exportDeps(path, store, { chunkRows: 2 }), INCREMENTAL)
    expect(await query(path, 'SELECT position, new FROM event_changes ORDER BY position')).toEqual([
      { position: '2', new: '"SECRET-2"' },
      { position: '3', new: '"SECRET-3"' },
    ])
    // Readers may still hold the earlier files: like all that is replaced they go an hour later.
    const earlier = parquetFiles(path).filter((file) => /^events.*g000001/.test(file))
    expect(earlier.length).toBeGreaterThan(0)
    writeFileSync(join(path, 'unreferenced.json'), JSON.stringify(Object.fromEntries(earlier.map((file) => [file, 0]))))
    expect((await exportWarehouse(exportDeps(path, store, { chunkRows: 2 }), INCREMENTAL)).eventsAdded).toBe(0)
    expect(parquetFiles(path).filter((file) => /^events.*g000001/.test(file))).toEqual([])
  })

  it('coverage is a history with a latest state', async () => {
    addCohort(store, 'uei_batch_0001', 3)
    for (let round = 0; round < 4; round += 1)
      await exportWarehouse(exportDeps(path, store, { now: () => T0 + round * DAY_MS, chunkRows: 5 }), INCREMENTAL)
    expect(
      await query(
        path,
        'SELECT export, as_of, fresh, stale, coverage, below_threshold FROM coverage WHERE cohort IS NULL ORDER BY as_of',
      ),
    ).toEqual(
      [0, 1, 2, 3].map((round) => ({
        export: String(round + 1),
        as_of: `2026-11-${21 + round} 00:00:00`,
        ...{ fresh: '2', stale: '1', coverage: 2 / 3, below_threshold: true },
      })),
    )
    expect(await query(path, 'SELECT export, source, cohort, population FROM coverage_latest')).toEqual([
      { export: '4', source: 'sam_gov', cohort: null, population: '3' },
      { export: '4', source: 'sam_gov', cohort: 'uei_batch_0001', population: '3' },
    ])
  })

  it('a partition larger than what is staged at once becomes one file of all its rows', async () => {
    addCohort(store, 'uei_batch_0001', 100)
    for (const partRows of [7, 50, 100, 101]) {
      store.touch('sam_gov', 'uei_batch_0001')
      const report = await exportWarehouse(exportDeps(path, store, { partRows }), INCREMENTAL)
      expect(report.rows).toMatchObject({ ledger: 100, records: 100 })
      expect(await query(path, 'SELECT count(DISTINCT entity_key) AS n, count(*) AS all FROM ledger')).toEqual([
        { n: '100', all: '100' },
      ])
    }
    const manifest = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'))
    expect(manifest.partitions).toHaveLength(1)
    expect(readdirSync(join(path, '.tmp'))).toEqual([])
  })

  it('stops between two rows when it is told to, and publishes nothing', async () => {
    addCohort(store, 'uei_batch_0001', 100)
    const stop = new AbortController()
    const stopping: FakeStore = {
      ...store,
      async *ledger() {
        for (let index = 0; ; index += 1) {
          if (index === 1000) stop.abort()
          yield ledgerEntry({ key: String(index) })
        }
      },
    }
    await expect(exportWarehouse(exportDeps(path, stopping, { signal: stop.signal }), INCREMENTAL)).rejects.toMatchObject({
      code: 'export_interrupted',
      recovery: 'interrupted',
    })
    expect(existsSync(join(path, 'manifest.json'))).toBe(false)
    expect(readdirSync(join(path, '.tmp'))).toEqual([])
    expect(await exportWarehouse(exportDeps(path, store), INCREMENTAL)).toMatchObject({ status: 'done', rows: { ledger: 100 } })
  })

  it('a changed policy and a vanished partition are seen', async () => {
    addCohort(store, 'uei_batch_0001', 2)
    addCohort(store, 'uei_batch_0002', 2)
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    const policies = { sam_gov: { ...POLICIES.sam_gov, slaMs: 3_600_000 } }
    expect(await exportWarehouse(exportDeps(path, store, { policies }), INCREMENTAL)).toMatchObject({
      partitions: { written: 2 },
    })
    expect(await query(path, 'SELECT DISTINCT sla_seconds FROM ledger')).toEqual([{ sla_seconds: '3600' }])
    store.counters.delete('sam_gov:uei_batch_0002')
    await exportWarehouse(exportDeps(path, store, { policies }), INCREMENTAL)
    expect(await query(path, 'SELECT DISTINCT cohort FROM ledger')).toEqual([{ cohort: 'uei_batch_0001' }])
  })
})

describe('what goes wrong', () => {
  it('two exports at once: the second says so and does nothing', async () => {
    addCohort(store, 'uei_batch_0001', 50)
    const [first, second] = await Promise.all([
      exportWarehouse(exportDeps(path, store), INCREMENTAL),
      exportWarehouse(exportDeps(path, store), INCREMENTAL),
    ])
    expect([first.status, second.status]).toEqual(['done', 'lease_held'])
    expect(second.partitions.written).toBe(0)
    expect(await exportWarehouse(exportDeps(path, store), INCREMENTAL)).toMatchObject({
      status: 'done',
      rebuildReason: null,
      partitions: { written: 0 },
    })
  })

  it('what was committed before a refused export asked is exported by the one under way', async () => {
    addCohort(store, 'uei_batch_0001', 5)
    let refused: Promise<ExportReport> | undefined
    const busy = exportDeps(path, store, {
      crashPoints: {
        reach(name) {
          if (name !== 'export.before_manifest' || refused !== undefined) return
          addCohort(store, 'uei_batch_0002', 5)
          refused = exportWarehouse(exportDeps(path, store), INCREMENTAL)
        },
      },
    })
    const report = await exportWarehouse(busy, INCREMENTAL)
    expect(await refused).toMatchObject({ status: 'lease_held' })
    expect(report).toMatchObject({
      status: 'done',
      generation: 2,
      partitions: { total: 2, written: 2 },
      eventsAdded: 10,
      rows: { ledger: 10 },
    })
    expect(await query(path, 'SELECT count(*) AS n FROM ledger')).toEqual([{ n: '10' }])
    expect(await exportWarehouse(exportDeps(path, store), INCREMENTAL)).toMatchObject({
      generation: 3,
      partitions: { written: 0 },
    })
  })

  it('an export that lost its lease publishes nothing', async () => {
    addCohort(store, 'uei_batch_0001', 5)
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    addCohort(store, 'uei_batch_0002', 5)
    const overtaken = exportDeps(path, store, {
      crashPoints: {
        reach(name) {
          // Long asleep: its lease ran out and another export has begun.
          if (name === 'export.after_rename')
            void store.acquireLease('warehouse:export', 'other', 60_000, { ms: 1e9, boot: 'boot' })
        },
      },
    })
    await expect(exportWarehouse(overtaken, INCREMENTAL)).rejects.toMatchObject({ code: 'lease_lost', recovery: 'try_later' })
    expect(await query(path, 'SELECT export FROM export_info')).toEqual([{ export: '1' }])
    expect(JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')).generation).toBe(1)
    expect(readdirSync(join(path, '.tmp'))).toEqual([])
  })

  it('a missing or truncated data file is written again', async () => {
    for (const cohort of ['uei_batch_0001', 'uei_batch_0002', 'uei_batch_0003']) addCohort(store, cohort, 5)
    await exportWarehouse(exportDeps(path, store, { chunkRows: 6 }), INCREMENTAL)
    const intact = await contentOf(path)
    const file = (prefix: string) => join(path, parquetFiles(path).find((name) => name.startsWith(prefix))!)
    rmSync(file('ledger/sam_gov/uei_batch_0001'))
    truncateSync(file('records/sam_gov/uei_batch_0002'), 10)
    truncateSync(file('events/0000000007'), 10)
    const report = await exportWarehouse(exportDeps(path, store, { chunkRows: 6 }), INCREMENTAL)
    expect(report).toMatchObject({ rebuildReason: null, partitions: { total: 3, written: 2 }, eventsAdded: 9 })
    expect(await contentOf(path)).toEqual(intact)
  })

  it.each(['', '{"schema_version":1', '{"schema_version":1}'])(
    'a damaged manifest (%j) costs a full export but no coverage history',
    async (text) => {
      addCohort(store, 'uei_batch_0001', 5)
      for (let round = 0; round < 5; round += 1) await exportWarehouse(exportDeps(path, store, { chunkRows: 6 }), INCREMENTAL)
      writeFileSync(join(path, 'manifest.json'), text)
      const report = await exportWarehouse(exportDeps(path, store, { chunkRows: 6 }), INCREMENTAL)
      expect(report).toMatchObject({ rebuildReason: 'the manifest could not be read', generation: 6, partitions: { written: 1 } })
      expect(await query(path, 'SELECT export, count(*) AS n FROM coverage GROUP BY export ORDER BY export')).toEqual(
        [1, 2, 3, 4, 5, 6].map((number) => ({ export: String(number), n: '2' })),
      )
    },
  )

  it('a manifest of a newer version is refused and nothing is touched', async () => {
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    writeFileSync(join(path, 'manifest.json'), '{"schema_version":2}')
    const before = parquetFiles(path)
    await expect(exportWarehouse(exportDeps(path, store), REBUILD)).rejects.toMatchObject({
      code: 'warehouse_newer',
      recovery: 'configuration',
    })
    expect(parquetFiles(path)).toEqual(before)
    expect(readFileSync(join(path, 'manifest.json'), 'utf8')).toBe('{"schema_version":2}')
  })

  it('another state file, or an older copy of the same, is noticed', async () => {
    addCohort(store, 'uei_batch_0001', 5)
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    const restored = fakeStore()
    restored.states.set('warehouse.store_id', store.states.get('warehouse.store_id')!)
    addCohort(restored, 'uei_batch_0001', 4)
    restored.eventList.push(deltaEvent(5, { runId: 'another' }))
    restored.eventList[4] = { ...restored.eventList[4]!, eventId: 'another' }
    expect((await exportWarehouse(exportDeps(path, restored), INCREMENTAL)).rebuildReason).toMatch(/restored/)
    expect(await query(path, `SELECT count(*) AS n, bool_or(event_id = 'another') AS other FROM events`)).toEqual([
      { n: '5', other: true },
    ])

    const other = fakeStore()
    addCohort(other, 'uei_batch_0001', 2)
    const report = await exportWarehouse(exportDeps(path, other, { holder: 'holder-2' }), INCREMENTAL)
    expect(report.rebuildReason).toMatch(/another state file/)
    expect(
      await query(
        path,
        'SELECT (SELECT count(*) FROM events) AS e, (SELECT count(*) FROM ledger) AS l, (SELECT count(*) FROM coverage) AS c',
      ),
    ).toEqual([{ e: '2', l: '2', c: '2' }])
  })

  it('a directory whose name DuckDB cannot work with is refused before anything is made', async () => {
    await expect(exportWarehouse(exportDeps(join(path, 'what?'), store), INCREMENTAL)).rejects.toMatchObject({
      code: 'warehouse_path',
      recovery: 'configuration',
    })
    expect(existsSync(path)).toBe(false)
  })

  it('a directory that cannot be written says what to do and keeps what was there', async () => {
    addCohort(store, 'uei_batch_0001', 5)
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    rmSync(join(path, 'records'), { recursive: true })
    writeFileSync(join(path, 'records'), 'a file in the way')
    const failure = await exportWarehouse(exportDeps(path, store), REBUILD).catch((error: unknown) => error)
    expect(isEngineError(failure, 'export_failed') && failure.hint).toMatch(/free space and permissions/)
    expect(await query(path, 'SELECT count(*) AS n FROM ledger')).toEqual([{ n: '5' }])
    expect((await store.acquireLease('warehouse:export', 'next', 1, { ms: 0, boot: 'boot' })) !== null).toBe(true)
  })

  it('a store that fails half way leaves the last export in place', async () => {
    addCohort(store, 'uei_batch_0001', 5)
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    store.touch('sam_gov', 'uei_batch_0001')
    const failing: FakeStore = {
      ...store,
      async *ledger() {
        yield ledgerEntry()
        throw new Error('disk I/O error')
      },
    }
    await expect(exportWarehouse(exportDeps(path, failing), INCREMENTAL)).rejects.toThrow(/disk I\/O error/)
    expect(await query(path, 'SELECT export FROM export_info')).toEqual([{ export: '1' }])
    expect(readdirSync(join(path, '.tmp'))).toEqual([])
  })
})

describe('readers and old files', () => {
  it('a reader that opened the catalog before an export can finish; its files go only after the grace period', async () => {
    addCohort(store, 'uei_batch_0001', 5)
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    const reader = await DuckDBInstance.create(join(path, 'enrichment.duckdb'), { access_mode: 'READ_ONLY' })
    const connection = await reader.connect()
    const old = parquetFiles(path)
    store.entries.pop()
    store.touch('sam_gov', 'uei_batch_0001')
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    await exportWarehouse(exportDeps(path, store), REBUILD)
    expect((await connection.runAndReadAll('SELECT count(*) AS n FROM ledger')).getRowObjectsJson()).toEqual([{ n: '5' }])
    connection.closeSync()
    reader.closeSync()
    expect(await query(path, 'SELECT count(*) AS n FROM ledger')).toEqual([{ n: '4' }])

    const listed = JSON.parse(readFileSync(join(path, 'unreferenced.json'), 'utf8'))
    expect(Object.keys(listed)).toEqual(expect.arrayContaining(old))
    const aged = Object.fromEntries(Object.keys(listed).map((file) => [file, listed[file] - 2 * HOUR_MS]))
    writeFileSync(join(path, 'unreferenced.json'), JSON.stringify(aged))
    const report = await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    expect(report.filesDeleted).toBe(Object.keys(aged).length)
    const manifest = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'))
    expect(parquetFiles(path).filter((file) => !file.startsWith('coverage'))).toEqual(
      [
        ...manifest.partitions.flatMap((entry: { ledger: { file: string }; records: { file: string } }) => [
          entry.ledger.file,
          entry.records.file,
        ]),
        manifest.events[0].file,
      ].sort(),
    )
  })

  it('the clock of the engine does not shorten the grace period, and foreign files are left alone', async () => {
    addCohort(store, 'uei_batch_0001', 5)
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    writeFileSync(join(path, 'ledger', 'mine.parquet'), 'of the user')
    mkdirSync(join(path, 'ledger', 'sam_gov', 'sub'))
    const before = parquetFiles(path)
    for (let day = 1; day < 5; day += 1) {
      store.touch('sam_gov', 'uei_batch_0001')
      expect((await exportWarehouse(exportDeps(path, store, { now: () => T0 + day * DAY_MS }), INCREMENTAL)).filesDeleted).toBe(0)
    }
    expect(parquetFiles(path)).toEqual(expect.arrayContaining([...before]))
  })

  it('temporary directories of dead processes are removed, those of the living are not', async () => {
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    const [own] = [join(path, '.tmp')]
    const made = (name: string) => {
      mkdirSync(join(own, name))
      writeFileSync(join(own, name, 'file.partial'), 'half')
      return name
    }
    const { hostname } = await import('node:os')
    const { safeSegment } = await import('../../ts/warehouse/layout.ts')
    const host = safeSegment(hostname())
    made(`${host}~4194303~1`)
    const alive = made(`${host}~${process.ppid}~1`)
    const foreign = made('elsewhere~1~1')
    const expired = made('elsewhere~2~1')
    const { mtimeMs } = statSync(own)
    utimesSync(join(own, expired), (mtimeMs - 2 * HOUR_MS) / 1000, (mtimeMs - 2 * HOUR_MS) / 1000)
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    expect(readdirSync(own).sort()).toEqual([alive, foreign].sort())
  })

  it('a moved directory is read by naming it, and repaired by the next export', async () => {
    addCohort(store, 'uei_batch_0001', 5)
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    const moved = join(path, '..', 'moved')
    renameSync(path, moved)
    await expect(query(moved, 'FROM ledger')).rejects.toThrow(/No files found/)
    const instance = await DuckDBInstance.create(join(moved, 'enrichment.duckdb'), { access_mode: 'READ_ONLY' })
    const connection = await instance.connect()
    await connection.run(`SET VARIABLE warehouse = '${moved}'`)
    expect((await connection.runAndReadAll('SELECT count(*) AS n FROM ledger')).getRowObjectsJson()).toEqual([{ n: '5' }])
    connection.closeSync()
    instance.closeSync()
    expect(await exportWarehouse(exportDeps(moved, store), INCREMENTAL)).toMatchObject({
      rebuildReason: null,
      partitions: { written: 0 },
    })
    expect(await query(moved, 'SELECT count(*) AS n FROM ledger')).toEqual([{ n: '5' }])
  })

  it('a log that somebody left beside the catalog is not replayed into the new one', async () => {
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    const target = join(path, 'enrichment.duckdb')
    const writer = await DuckDBInstance.create(target)
    const connection = await writer.connect()
    await connection.run("SET wal_autocheckpoint = '1GB'")
    await connection.run('CREATE TABLE mine AS SELECT 42 AS x')
    const log = readFileSync(`${target}.wal`)
    connection.closeSync()
    writer.closeSync()
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    writeFileSync(`${target}.wal`, log)
    await exportWarehouse(exportDeps(path, store), INCREMENTAL)
    expect(await query(path, `SELECT count(*) AS n FROM duckdb_tables() WHERE table_name = 'mine'`)).toEqual([{ n: '0' }])
  })
})
