/** Deps, readers and data sets that the warehouse's integration tests share. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { DAY_MS } from '../../../ts/model/time.ts'
import { type Logger, NO_CRASH_POINTS } from '../../../ts/runtime/ports.ts'
import type { ExportDeps } from '../../../ts/warehouse/export.ts'
import { currentRecord, deltaEvent, type FakeStore, fakeStore, ledgerEntry } from './fake-store.ts'

export const T0 = Date.UTC(2026, 10, 21)
export const SILENT: Logger = { log() {} }
export const POLICIES = { sam_gov: { cadenceMs: DAY_MS, slaMs: 7 * DAY_MS, coverageThreshold: 0.9 } }
export const VIEWS = [
  'ledger',
  'ledger_now',
  'records',
  'events',
  'event_changes',
  'coverage',
  'coverage_latest',
  'stale_cohorts',
  'export_info',
] as const

export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'warehouse-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export function exportDeps(path: string, store: ExportDeps['store'], change: Partial<ExportDeps> = {}): ExportDeps {
  let ms = 0
  return {
    store,
    policies: POLICIES,
    now: () => T0,
    monotonic: () => {
      ms += 1
      return { ms, boot: 'boot' }
    },
    holder: 'holder-1',
    path,
    logger: SILENT,
    crashPoints: NO_CRASH_POINTS,
    ...change,
  }
}

export type Rows = readonly Record<string, unknown>[]

/** Opens the catalog as a reader would, runs one query and closes it. Big integers come back as strings. */
export async function query(directory: string, sql: string): Promise<Rows> {
  const instance = await DuckDBInstance.create(join(directory, 'enrichment.duckdb'), { access_mode: 'READ_ONLY', threads: '1' })
  try {
    const connection = await instance.connect()
    try {
      return (await connection.runAndReadAll(sql)).getRowObjectsJson()
    } finally {
      connection.closeSync()
    }
  } finally {
    instance.closeSync()
  }
}

/** Everything a projection of the same store must have in common, whichever way it came about. */
export async function contentOf(directory: string): Promise<Readonly<Record<string, Rows>>> {
  return {
    ledger: await query(directory, 'FROM ledger ORDER BY ALL'),
    records: await query(directory, 'FROM records ORDER BY ALL'),
    events: await query(directory, 'FROM events ORDER BY position'),
    eventChanges: await query(directory, 'FROM event_changes ORDER BY ALL'),
    coverage: await query(directory, 'SELECT * EXCLUDE (export, as_of) FROM coverage_latest ORDER BY ALL'),
  }
}

/** Fills a cohort of `size` companies, each with a record, and one event per company. */
export function addCohort(store: FakeStore, cohort: string, size: number): void {
  for (let index = 0; index < size; index += 1) {
    const key = `uei:${cohort}-${index}`
    store.entries.push(ledgerEntry({ key, cohort, lastSuccessAt: index % 3 === 0 ? T0 - 8 * DAY_MS : T0 }))
    store.recordsOf.push({ cohort, record: currentRecord({ key }) })
    store.eventList.push(deltaEvent(store.eventList.length + 1, { key }))
  }
  store.touch('sam_gov', cohort)
}

/** The same store in every process that asks; step 2 changes one cohort, adds one and more events. */
export function steppedStore(step: 1 | 2): FakeStore {
  const store = fakeStore()
  store.states.set('warehouse.store_id', { version: 1, value: { id: 'stepped' } })
  addCohort(store, 'uei_batch_0001', 40)
  addCohort(store, 'uei_batch_0002', 40)
  if (step === 1) return store
  for (const [index, entry] of store.entries.entries()) {
    if (entry.cohort === 'uei_batch_0002') store.entries[index] = { ...entry, attempts: 2, outcome: 'changed', lastSuccessAt: T0 }
  }
  store.touch('sam_gov', 'uei_batch_0002')
  addCohort(store, 'uei_batch_0003', 10)
  return store
}

export function parquetFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.parquet'))
    .sort()
}
