/**
 * The warehouse export at a million ledger rows: time, memory, size. `node bench/warehouse.ts [rows] [partitions] [records]`
 * prints a table; `benchWarehouse` is what `bench/run.ts` calls.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { JsonValue } from '../ts/model/json.ts'
import type { LedgerEntry } from '../ts/model/ledger.ts'
import type { CurrentRecord } from '../ts/model/record.ts'
import { DAY_MS } from '../ts/model/time.ts'
import { NO_CRASH_POINTS } from '../ts/runtime/ports.ts'
import { exportWarehouse, type WarehouseStore } from '../ts/warehouse/export.ts'

import type { BenchRow } from './store.ts'

export type WarehouseBenchOptions = { readonly rows?: number; readonly partitions?: number; readonly records?: boolean }

const T0 = Date.UTC(2026, 10, 21)

/** Rows are made as they are read, so that what is measured is the export and not the store. */
function generatedStore(
  rows: number,
  partitions: number,
  withRecords: boolean,
): WarehouseStore & { touch(partition: number): void } {
  const size = Math.ceil(rows / partitions)
  const cohortOf = (partition: number) => `uei_batch_${String(partition).padStart(4, '0')}`
  const counters = new Map(Array.from({ length: partitions }, (_, partition) => [`sam_gov:${cohortOf(partition)}`, 1]))
  const states = new Map<string, { version: number; value: JsonValue }>()
  const range = (cohort: string | undefined) => {
    const from = Number(cohort?.slice(-4)) * size
    return { from, to: Math.min(rows, from + size) }
  }
  let token = 0
  return {
    touch: (partition) => void counters.set(`sam_gov:${cohortOf(partition)}`, 2),
    async *ledger(source, cohort) {
      const { from, to } = range(cohort)
      for (let index = from; index < to; index += 1) yield ledgerRow(source, cohort!, index)
    },
    async *currentRecords(source, cohort) {
      const { from, to } = range(cohort)
      if (withRecords) for (let index = from; index < to; index += 1) yield recordRow(source, index)
    },
    async *events() {},
    changeCounters: async () => new Map(counters),
    partitionStats: async () => [],
    acquireLease: async (partition, holder) => {
      token += 1
      return { partition, holder, token, expiresAtMonotonicMs: 0 }
    },
    renewLease: async (lease) => lease,
    releaseLease: async () => {},
    getState: async (name) => states.get(name) ?? null,
    putState: async (name, expected, value) => states.set(name, { version: expected + 1, value }) !== undefined,
  }
}

const keyOf = (index: number) => `uei:K${String(index).padStart(11, '0')}`
/** As random to a compressor as a real hash, at a price that does not count: four of 4,096 digests' quarters each. */
const QUARTERS = Array.from({ length: 4096 }, (_, index) => createHash('sha256').update(String(index)).digest('hex').slice(0, 16))
const hashOf = (index: number) =>
  [1, 31, 977, 30_011].map((factor) => QUARTERS[(Math.imul(index + factor, 2_654_435_761) >>> 16) & 4095]).join('')

function ledgerRow(source: string, cohort: string, index: number): LedgerEntry {
  return {
    ...{ source, entity: { kind: 'company', key: keyOf(index) }, cohort },
    ...{
      lastAttemptAt: T0 - (index % 864_000) * 1000,
      lastSuccessAt: T0 - (index % 864_000) * 1000,
      outcome: index % 50 === 0 ? 'changed' : 'unchanged',
    },
    ...{ responseStatus: 200, payloadHash: hashOf(index), normalizerVersion: 1, validators: { etag: null, lastModified: null } },
    ...{
      attempts: 1 + (index % 9),
      consecutiveFailures: 0,
      nextAttemptAt: null,
      errorClass: null,
      error: null,
      runId: 'run_20261121T030000_4f2a9c',
      pendingSince: null,
    },
  }
}

function recordRow(source: string, index: number): CurrentRecord {
  const record = {
    name: `Company ${index}`,
    status: index % 7 === 0 ? 'Inactive' : 'Active',
    city: 'Springfield',
    expires: '2027-01-01',
    codes: ['541715', '541330'],
    amount: String(index),
  }
  return {
    source,
    entity: { kind: 'company', key: keyOf(index) },
    record,
    payloadHash: hashOf(index),
    normalizerVersion: 1,
    changedAt: T0,
    present: true,
    runId: 'run_1',
  }
}

async function staleQuery(database: string): Promise<number> {
  const since = performance.now()
  const instance = await DuckDBInstance.create(database, { access_mode: 'READ_ONLY' })
  const connection = await instance.connect()
  await connection.runAndReadAll('SELECT count(*) FILTER (stale) FROM ledger_now')
  connection.closeSync()
  instance.closeSync()
  return performance.now() - since
}

/**
 * A full export, one of a single changed partition, one of nothing, and a query over all rows. Memory is sampled every
 * 20 ms; run it in a process of its own, or what came before counts too.
 */
export async function benchWarehouse({
  rows = 1_000_000,
  partitions = 200,
  records = false,
}: WarehouseBenchOptions = {}): Promise<readonly BenchRow[]> {
  const path = mkdtempSync(join(tmpdir(), 'bench-warehouse-'))
  const store = generatedStore(rows, partitions, records)
  const deps = {
    ...{ store, path, holder: 'bench', crashPoints: NO_CRASH_POINTS, logger: { log() {} } },
    policies: { sam_gov: { cadenceMs: 7 * DAY_MS, slaMs: 7 * DAY_MS, coverageThreshold: 0.9 } },
    now: () => T0,
    monotonic: () => ({ ms: performance.now(), boot: 'bench' }),
  }
  const before = process.memoryUsage.rss()
  let peak = before
  const sampler = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 20)
  const row = (what: string, value: number, unit: BenchRow['unit']): BenchRow => ({ what, value, unit, bar: null, ok: null })
  try {
    const full = await exportWarehouse(deps, { rebuild: false })
    if (full.rows.ledger !== rows) throw new Error(`exported ${full.rows.ledger} rows of ${rows}`)
    clearInterval(sampler)
    const queryMs = await staleQuery(full.database)
    store.touch(0)
    const one = await exportWarehouse(deps, { rebuild: false })
    const none = await exportWarehouse(deps, { rebuild: false })
    const what = `${rows.toLocaleString('en')} ledger rows${records ? ' and records' : ''} in ${partitions} partition${partitions === 1 ? '' : 's'}`
    return [
      row(`full export of ${what}`, full.durationMs, 'ms'),
      row('the same', (rows / full.durationMs) * 1000, 'rows/s'),
      row('size of its files', full.bytes / 1e6, 'MB'),
      row('memory before it', before / 1e6, 'MB'),
      row('peak memory during it', peak / 1e6, 'MB'),
      row('export after a change in one partition', one.durationMs, 'ms'),
      row('export after no change', none.durationMs, 'ms'),
      row('stale rows counted in ledger_now, catalog opened anew', queryMs, 'ms'),
    ]
  } finally {
    clearInterval(sampler)
    rmSync(path, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const [rows, partitions, records] = process.argv.slice(2).filter((argument) => argument !== '--json')
  const options = { rows: Number(rows ?? 1_000_000), partitions: Number(partitions ?? 200), records: records === 'records' }
  const table = await benchWarehouse(options)
  if (process.argv.includes('--json')) console.log(JSON.stringify(table))
  else
    for (const { what, value, unit } of table)
      console.log(`${what.padEnd(64)} ${Math.round(value).toLocaleString('en').padStart(12)} ${unit}`)
}
