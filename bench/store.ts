/**
 * The state store at a million ledger rows: 250,000 entities at four sources, 200 partitions of 5,000. Two sources have
 * numbered cohorts (entities that came together), two scatter theirs over the whole population (years of a mixed file), so
 * that each row of a partition lies on a page of its own. Every figure is the median of several runs on a file.
 *
 *     node scripts/with-node.mjs bench/store.ts [--rows 1000000] [--json]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { NO_COUNTS } from '../ts/model/checkpoint.ts'
import { type EntityRef, partitionKey } from '../ts/model/keys.ts'
import type { LedgerEntry } from '../ts/model/ledger.ts'
import type { CurrentRecord } from '../ts/model/record.ts'
import { DAY_MS } from '../ts/model/time.ts'
import { openSqliteStore, type SqliteStore } from '../ts/stores/sqlite/open.ts'
import type { EntityUpsert, Judge, Lease, LedgerQuery } from '../ts/stores/store.ts'

export type BenchRow = {
  readonly what: string
  /** Median of the runs. */
  readonly value: number
  /** The quickest run, which other load on the machine disturbs least; null for what was measured once. */
  readonly best?: number | null
  readonly unit: 'ms' | 'rows/s' | 'MB' | 'grants/s'
  readonly bar: number | null
  readonly ok: boolean | null
}

const NOW = Date.UTC(2026, 10, 21)
const SOURCES = ['numbered_a', 'numbered_b', 'scattered_a', 'scattered_b'] as const
type Source = (typeof SOURCES)[number]
const MONOTONIC = { ms: 0, boot: 'bench' }
const JUDGE: Judge = { now: NOW, cadenceMs: 3 * DAY_MS, slaMs: 4 * DAY_MS }
const PARTITION_ROWS = 5000

function cohort(index: number): string {
  return `cohort_${String(index).padStart(4, '0')}`
}

function ref(index: number): EntityRef {
  return { kind: 'award', key: `v1:${String(index).padStart(64, '0')}` }
}

function award(index: number): EntityUpsert {
  const attributes = {
    title: `A study of subject ${index} with a title of usual length in this data set`,
    agency: 'Department of Defense',
    branch: 'Air Force',
    phase: 'Phase I',
    program: 'SBIR',
    contract: `FA8650-${index}`,
    award_year: 2000 + (index % 25),
    award_amount: String(100_000 + index),
    company_name: `Company ${index % 70_000}`,
    company_key: `uei:${index % 70_000}`,
    uei: `U${index % 70_000}`,
    duns: null,
  }
  return { ...ref(index), attributes, aliases: [`award_id:FA8650${index}`], links: [] }
}

/** Deterministic spread of last successes over a week, so that thresholds fall into the middle of every partition. */
function successOf(index: number): number {
  return NOW - ((index * 2_654_435_761) % (7 * DAY_MS))
}

function entry(source: Source, index: number, partition: number, lastSuccessAt: number, attempts = 1): LedgerEntry {
  return {
    source,
    entity: ref(index),
    cohort: cohort(partition),
    lastAttemptAt: lastSuccessAt,
    lastSuccessAt,
    outcome: 'unchanged',
    responseStatus: 200,
    payloadHash: String(index * 31 + attempts).padStart(64, 'a'),
    normalizerVersion: 1,
    validators: { etag: null, lastModified: null },
    attempts,
    consecutiveFailures: 0,
    nextAttemptAt: null,
    errorClass: null,
    error: null,
    runId: 'run_20261121T030000_4f2a9c',
    pendingSince: null,
  }
}

function record(source: Source, index: number, version: number): CurrentRecord {
  return {
    source,
    entity: ref(index),
    record: {
      id: index,
      version,
      recipient: `Company ${index}`,
      obligated: 274_993.5,
      status: 'Active',
      awarding: { agency: 'DOD', office: 'AFRL' },
      codes: ['541715', '3364'],
    },
    payloadHash: String(index * 31 + version).padStart(64, 'b'),
    normalizerVersion: 1,
    changedAt: NOW,
    present: true,
    runId: 'run_20261121T030000_4f2a9c',
  }
}

/** A partition's lease and the version its checkpoint stands at. */
class Writer {
  private readonly store: SqliteStore
  private readonly lease: Lease
  private version: number

  constructor(store: SqliteStore, lease: Lease, version: number) {
    this.store = store
    this.lease = lease
    this.version = version
  }

  end(): Promise<void> {
    return this.store.releaseLease(this.lease)
  }

  async commit(ledger: readonly LedgerEntry[], records: readonly CurrentRecord[] = [], proven = false): Promise<number> {
    this.version += 1
    const summary = await this.store.commit({
      lease: this.lease,
      runId: 'run_20261121T030000_4f2a9c',
      checkpoint: {
        partition: this.lease.partition,
        version: this.version,
        status: 'open',
        strategy: 'batch',
        passStartedAt: NOW,
        window: null,
        cursor: String(this.version),
        counts: NO_COUNTS,
        updatedAt: NOW,
        finishedAt: null,
        durationMs: null,
        runId: 'run_20261121T030000_4f2a9c',
        ledgerWatermark: NOW,
      },
      ledger,
      records,
      events: [],
      identities: [],
      pending: [],
      ...(proven
        ? { provenUnchanged: { asOf: NOW + DAY_MS, knownSince: 0, responseStatus: 200, outcome: 'unchanged' as const } }
        : {}),
    })
    return summary.provenUnchanged
  }
}

async function writerOf(store: SqliteStore, source: Source, name: string): Promise<Writer> {
  const lease = await store.acquireLease(partitionKey(source, name), 'bench', 3_600_000, MONOTONIC)
  if (lease === null) throw new Error(`${name} is leased`)
  return new Writer(store, lease, (await store.checkpoint(lease.partition))?.version ?? 0)
}

type Times = { readonly value: number; readonly best: number }

/** Milliseconds of `work`: the median of the runs, and the quickest. */
async function median(runs: number, work: (run: number) => Promise<unknown>): Promise<Times> {
  const times: number[] = []
  for (let run = 0; run < runs; run += 1) {
    const since = performance.now()
    await work(run)
    times.push(performance.now() - since)
  }
  times.sort((a, b) => a - b)
  return { value: times[Math.floor(runs / 2)]!, best: times[0]! }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  return (await median(1, work)).value
}

async function count(items: AsyncIterable<unknown>): Promise<number> {
  let n = 0
  for await (const _ of items) n += 1
  return n
}

/** Index of the entity at a place of a partition. */
function indexOf(source: Source, partition: number, place: number, partitions: number): number {
  return source.startsWith('numbered') ? partition * PARTITION_ROWS + place : place * partitions + partition
}

type Add = (what: string, value: number | Times, unit: BenchRow['unit'], bar?: number) => void

async function fill(store: SqliteStore, partitions: number, add: Add): Promise<void> {
  const entities = partitions * PARTITION_ROWS
  const upsert = await timed(async () => {
    for (let from = 0; from < entities; from += 2000) {
      const size = Math.min(2000, entities - from)
      await store.upsertEntities(
        Array.from({ length: size }, (_, offset) => award(from + offset)),
        'ingest-1',
        NOW,
      )
    }
  })
  add('ingest of entities', (entities / upsert) * 1000, 'rows/s')
  let assign = 0
  for (const source of SOURCES) {
    let placed = 0
    const partitionOf = (place: number): number =>
      source.startsWith('numbered') ? Math.floor(place / PARTITION_ROWS) : place % partitions
    assign += await timed(() =>
      store.assign(source, ['award'], () => ({ cohort: cohort(partitionOf(placed++)), unresolvable: null }), NOW),
    )
  }
  add('assign to cohorts', ((SOURCES.length * entities) / assign) * 1000, 'rows/s')
  for (const source of SOURCES) {
    for (let partition = 0; partition < partitions; partition += 1) {
      const writer = await writerOf(store, source, cohort(partition))
      await writer.commit(
        Array.from({ length: PARTITION_ROWS }, (_, place) => {
          const index = indexOf(source, partition, place, partitions)
          return entry(source, index, partition, successOf(index))
        }),
      )
      await writer.end()
    }
  }
}

async function reads(store: SqliteStore, partitions: number, add: Add): Promise<void> {
  const query = (source: Source, partition: number): LedgerQuery => ({
    source,
    cohort: cohort(partition % partitions),
    select: 'all',
    notAttemptedSince: null,
    limit: null,
  })
  add(
    'counts of a source (the stale query)',
    await median(15, (run) => store.partitionStats(SOURCES[run % 4]!, JUDGE)),
    'ms',
    100,
  )
  add(
    'plan input: counts of all sources',
    await median(7, async () => {
      for (const source of SOURCES) await store.partitionStats(source, JUDGE)
    }),
    'ms',
    2000,
  )
  add(
    'counts of one partition',
    await median(31, (run) => store.partitionStats('numbered_a', JUDGE, cohort(run % partitions))),
    'ms',
  )
  for (const source of ['numbered_a', 'scattered_a'] as const) {
    const place = source.startsWith('numbered') ? 'entities side by side' : 'entities scattered'
    add(
      `partition read, 5,000 work items, ${place}`,
      await median(31, (run) => count(store.workItems(query(source, run * 7), JUDGE))),
      'ms',
      15,
    )
    add(
      `ledger rows of a partition, 5,000, ${place}`,
      await median(15, (run) => count(store.ledger(source, cohort((run * 13) % partitions)))),
      'ms',
    )
  }
  const attributes = Array.from({ length: PARTITION_ROWS }, (_, index) => JSON.stringify(award(index).attributes))
  add(
    'of a partition read, parsing the attributes',
    await median(31, async () => attributes.map((text) => JSON.parse(text))),
    'ms',
  )
  add(
    'first 100 due items of a partition',
    await median(31, (run) => count(store.workItems({ ...query('numbered_b', run * 11), select: 'due', limit: 100 }, JUDGE))),
    'ms',
  )
  const all = await timed(() => count(store.ledger('scattered_b')))
  add('export of a source in key order', ((partitions * PARTITION_ROWS) / all) * 1000, 'rows/s')
}

async function writes(store: SqliteStore, partitions: number, add: Add): Promise<void> {
  const rowsAt = (run: number, rows: number): number[] =>
    Array.from({ length: rows }, (_, offset) => (run * rows + offset) % PARTITION_ROWS)
  const ledgerRows = (source: Source, partition: number, places: readonly number[], attempts: number): LedgerEntry[] =>
    places.map((place) => entry(source, indexOf(source, partition, place, partitions), partition, NOW + attempts, attempts))
  for (const source of ['numbered_a', 'scattered_a'] as const) {
    const place = source.startsWith('numbered') ? 'side by side' : 'scattered'
    const writer = await writerOf(store, source, cohort(3))
    add(
      `commit of 500 ledger rows, entities ${place}`,
      await median(41, (run) => writer.commit(ledgerRows(source, 3, rowsAt(run, 500), run + 2))),
      'ms',
      5,
    )
  }

  const mixed = async (writer: Writer, partition: number, run: number, rows: number): Promise<unknown> => {
    const places = rowsAt(run, rows)
    return writer.commit(
      ledgerRows('numbered_a', partition, places, run + 2),
      places.map((place) => record('numbered_a', indexOf('numbered_a', partition, place, partitions), run)),
    )
  }
  const two = await writerOf(store, 'numbered_a', cohort(5))
  const rate = ({ value, best }: Times): Times => ({ value: 200_000 / value, best: 200_000 / best })
  add('ledger + new record rows in commits of 200', rate(await median(25, (run) => mixed(two, 5, run, 200))), 'rows/s', 30_000)
  add(
    'ledger + changed record rows in commits of 200',
    rate(await median(75, (run) => mixed(two, 5, run + 25, 200))),
    'rows/s',
    30_000,
  )
  const one = await writerOf(store, 'numbered_a', cohort(7))
  add('commit of one answer (ledger + record)', await median(101, (run) => mixed(one, 7, run, 1)), 'ms')

  const rule = { quotaPartition: 'key', kind: 'slots' as const, limit: 100_000, perMs: 60_000 }
  const grants = await timed(async () => {
    for (let run = 0; run < 2000; run += 1) {
      const answer = await store.acquireQuota([rule], 'bench', 30_000, { ...MONOTONIC, ms: run * 1000 }, NOW)
      if (answer.granted) await store.releaseQuota(answer.grant, { ...MONOTONIC, ms: run * 1000 + 1 })
    }
  })
  add('quota: acquire and release', (2000 * 1000) / grants, 'grants/s')

  const feed = await writerOf(store, 'scattered_b', 'change_feed')
  let proven = 0
  const prove = await timed(async () => {
    proven = await feed.commit([], [], true)
  })
  add(`one feed proves ${proven.toLocaleString('en')} rows unchanged`, prove, 'ms')
  add(
    'counts of a source whose rows are all of one age',
    await median(5, () => store.partitionStats('scattered_b', { ...JUDGE, now: NOW + 2 * DAY_MS })),
    'ms',
    100,
  )
}

/** Peak memory of a fresh process that plans (counts of all sources) and streams the work of a whole source. */
async function probe(path: string): Promise<void> {
  const store = await openSqliteStore({ path, busyTimeoutMs: 5000, readOnly: true })
  let items = 0
  for (const source of SOURCES) {
    for (const { cohort: name } of await store.partitionStats(source, JUDGE)) {
      if (source === 'scattered_a')
        items += await count(
          store.workItems({ source, cohort: name, select: 'all', notAttemptedSince: null, limit: null }, JUDGE),
        )
    }
  }
  await store.close()
  process.send!({ items, peakMb: process.resourceUsage().maxRSS / 1000 })
}

async function probeMemory(path: string): Promise<{ items: number; peakMb: number }> {
  const child = fork(fileURLToPath(import.meta.url), ['--probe', path])
  const [message] = (await once(child, 'message')) as [{ items: number; peakMb: number }]
  return message
}

/** Builds the state in a temporary directory, measures, and removes it. */
export async function benchStore(rows = 1_000_000): Promise<readonly BenchRow[]> {
  const partitions = Math.max(10, Math.round(rows / PARTITION_ROWS / SOURCES.length))
  const directory = await mkdtemp(join(tmpdir(), 'bench-store-'))
  const path = join(directory, 'state.sqlite')
  const table: BenchRow[] = []
  const add: Add = (what, measured, unit, bar) => {
    const { value, best } = typeof measured === 'number' ? { value: measured, best: null } : measured
    const ok = bar === undefined ? null : unit === 'rows/s' ? value >= bar : value <= bar
    table.push({ what, value, best, unit, bar: bar ?? null, ok })
  }
  try {
    const store = await openSqliteStore({ path, busyTimeoutMs: 5000 })
    await fill(store, partitions, add)
    await reads(store, partitions, add)
    await writes(store, partitions, add)
    await store.close()
    add('state file', (await stat(path)).size / 1e6, 'MB')
    add('opening it', await median(5, async () => (await openSqliteStore({ path, busyTimeoutMs: 5000 })).close()), 'ms')
    const { items, peakMb } = await probeMemory(path)
    add(`peak memory of a plan and ${items.toLocaleString('en')} work items`, peakMb, 'MB', 200)
    return table
  } finally {
    await rm(directory, { recursive: true })
  }
}

export function printStoreBench(table: readonly BenchRow[]): void {
  const text = (value: number | null): string =>
    value === null ? '' : value >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(2)
  console.log(`${'the state store'.padEnd(62)} ${'median'.padStart(10)} ${'best'.padStart(10)}`)
  for (const { what, value, best, unit, bar, ok } of table) {
    const verdict =
      bar === null ? '' : `${ok ? 'meets' : 'MISSES'} ${unit === 'rows/s' ? '>=' : '<='} ${bar.toLocaleString('en')}`
    console.log(`${what.padEnd(62)} ${text(value).padStart(10)} ${text(best ?? null).padStart(10)} ${unit.padEnd(9)} ${verdict}`)
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '1000000' },
      json: { type: 'boolean', default: false },
      probe: { type: 'string' },
    },
  })
  if (values.probe !== undefined) await probe(values.probe)
  else {
    const table = await benchStore(Number(values.rows))
    if (values.json) console.log(JSON.stringify(table))
    else printStoreBench(table)
  }
}
