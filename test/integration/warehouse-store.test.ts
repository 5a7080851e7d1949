import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DAY_MS, HOUR_MS } from '../../ts/model/time.ts'
import { openMemoryStore } from '../../ts/stores/memory/open.ts'
import { openSqliteStore } from '../../ts/stores/sqlite/open.ts'
import type { Store } from '../../ts/stores/store.ts'
import { exportWarehouse } from '../../ts/warehouse/export.ts'
import {
  commitRows,
  company,
  entry,
  event,
  failed,
  NOW,
  pendingChange,
  placeAll,
  record,
  seedAssigned,
  upsert,
} from '../contract/store-fixtures.ts'
import { contentOf, exportDeps, query, temporaryDirectory } from '../unit/warehouse/world.ts'

let directory: ReturnType<typeof temporaryDirectory>
let store: Store
let copies = 0
beforeEach(() => {
  directory = temporaryDirectory()
})
afterEach(async () => {
  await store.close()
  directory.remove()
})

const path = (name: string) => join(directory.path, name)
const openers = {
  memory: async () => openMemoryStore(),
  sqlite: () => openSqliteStore({ path: path('state.sqlite'), busyTimeoutMs: 5_000 }),
}

/** Exports what changed; what is then there must be what an export from nothing gives. Returns the partitions written. */
async function exportAndCompare(): Promise<number> {
  const deps = exportDeps(path('warehouse'), store, { now: () => NOW })
  const report = await exportWarehouse(deps, { rebuild: false })
  copies += 1
  await exportWarehouse({ ...deps, path: path(`copy-${copies}`) }, { rebuild: false })
  expect(await contentOf(path('warehouse'))).toEqual(await contentOf(path(`copy-${copies}`)))
  return report.partitions.written
}

describe.each(['memory', 'sqlite'] as const)('exports of the %s store', (kind) => {
  it('follow everything that changes a row', async () => {
    store = await openers[kind]()
    expect(await exportAndCompare()).toBe(0)

    const first = await seedAssigned(store, ['uei:A', 'uei:B', 'uei:C'])
    expect(await exportAndCompare()).toBe(1)
    await store.upsertEntities([upsert(company('uei:D')), upsert(company('name:E'))], 'ingest-2', NOW)
    const place = (key: string) =>
      key.startsWith('uei:') ? { cohort: 'uei_batch_0002', unresolvable: null } : { cohort: 'unresolved', unresolvable: 'no UEI' }
    await store.assign('sam_gov', ['company'], (entity) => place(entity.key), NOW)
    expect(await exportAndCompare()).toBe(2)
    expect(await exportAndCompare()).toBe(0)

    const [a, b, c] = first
    await commitRows(
      store,
      [
        entry(a!, { outcome: 'changed', lastSuccessAt: NOW - HOUR_MS, lastAttemptAt: NOW - HOUR_MS }),
        failed(b!, { nextAttemptAt: NOW + HOUR_MS }),
      ],
      {
        records: [record(a!, { record: { status: 'Active', __proto__: null, quote: `"'\n` } })],
        events: [event(a!, 'e1', { kind: 'created', changes: [] }), event(a!, 'e2')],
      },
    )
    expect(await exportAndCompare()).toBe(1)

    // A walked feed proves rows of other partitions unchanged.
    const provenUnchanged = { asOf: NOW, knownSince: NOW - DAY_MS, responseStatus: 200, outcome: 'unchanged' } as const
    await commitRows(store, [], { provenUnchanged }, 'sam_gov:change_feed')
    expect(await exportAndCompare()).toBeGreaterThanOrEqual(1)
    expect(await query(path('warehouse'), `SELECT last_success_at FROM ledger WHERE entity_key = 'uei:A'`)).toEqual([
      { last_success_at: '2026-11-21 03:00:00' },
    ])

    // A status change reported from outside makes a row stale.
    await store.addPending([pendingChange(c!)])
    expect(await exportAndCompare()).toBe(1)
    expect(await query(path('warehouse'), 'SELECT entity_key FROM ledger WHERE stale AND pending_since IS NOT NULL')).toEqual([
      { entity_key: 'uei:C' },
    ])

    // An entity that could not be asked about moves to a cohort when it can.
    await store.upsertEntities([upsert(company('name:E'), { name: 'E', uei: 'E' })], 'ingest-3', NOW)
    await store.assign('sam_gov', ['company'], placeAll('uei_batch_0002'), NOW)
    expect(await exportAndCompare()).toBe(2)
    expect(await query(path('warehouse'), 'SELECT cohort, count(*) AS n FROM ledger GROUP BY cohort ORDER BY cohort')).toEqual([
      { cohort: 'uei_batch_0001', n: '3' },
      { cohort: 'uei_batch_0002', n: '2' },
    ])
    expect(
      await query(path('warehouse'), 'SELECT population, unresolved, pending FROM coverage_latest WHERE cohort IS NULL'),
    ).toEqual([{ population: '5', unresolved: '0', pending: '1' }])
  })
})

describe('exports of one state file by several processes', () => {
  it('never disturb each other, nor commits, nor readers', async () => {
    store = await openSqliteStore({ path: path('state.sqlite'), busyTimeoutMs: 30_000 })
    const refs = await seedAssigned(
      store,
      Array.from({ length: 50 }, (_, index) => `uei:${index}`),
    )
    const script = fileURLToPath(new URL('../unit/warehouse/sqlite-exporter.ts', import.meta.url))
    const exporters = [1, 2].map(
      () =>
        new Promise<string>((resolve, reject) => {
          const child = spawn(process.execPath, [script, path('state.sqlite'), path('warehouse'), '25'], {
            stdio: ['ignore', 'pipe', 'inherit'],
          })
          let output = ''
          child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
          child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`exporter ended with ${code}`))))
        }),
    )
    let running = true
    const statuses = Promise.all(exporters).finally(() => {
      running = false
    })
    let commits = 0
    let reads = 0
    while (running) {
      commits += 1
      await commitRows(
        store,
        refs.map((ref) => entry(ref, { attempts: commits })),
        { events: [event(refs[0]!, `event-${commits}`)] },
      )
      const row = await query(
        path('warehouse'),
        'SELECT count(*) AS n, min(attempts) = max(attempts) AS whole, (SELECT count(*) = coalesce(max(position), 0) FROM events) AS all_events FROM ledger',
      ).catch((error: unknown) => {
        // Before the first export is through there is no catalog.
        if (/does not exist|Cannot open file/.test(String(error)) && reads === 0) return null
        throw error
      })
      if (row !== null) {
        expect(row).toEqual([{ n: '50', whole: true, all_events: true }])
        reads += 1
      }
    }
    const counted = (await statuses).map((text) => JSON.parse(text) as { done?: number; lease_held?: number })
    expect(counted.map(({ done = 0, lease_held = 0 }) => done + lease_held)).toEqual([25, 25])
    expect(counted.reduce((sum, { done = 0 }) => sum + done, 0)).toBeGreaterThan(5)
    expect(reads).toBeGreaterThan(5)
    await exportAndCompare()
    expect(await query(path('warehouse'), 'SELECT count(*) AS n FROM events')).toEqual([{ n: String(commits) }])
  })
})
