/** Writes the data files of one export: partitions, event chunks, coverage chunks. Nothing here is visible until the manifest is. */
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { SourceId } from '../model/keys.ts'
import { type EpochMs, toIso } from '../model/time.ts'
import type { CrashPoints } from '../runtime/ports.ts'
import type { PartitionStats, Store } from '../stores/store.ts'
import { type CoverageRow, coverageRows } from './coverage-rows.ts'
import { ensureDirectory, publishFile } from './durable.ts'
import type { ExportLease } from './export-lease.ts'
import { mergeableTail, type PartitionToWrite, type Policies, policyMark } from './export-plan.ts'
import { chunkFile, type ExportStamp, type Layout, partitionFile } from './layout.ts'
import type { CoverageChunk, EventChunk, FileEntry, PartitionEntry } from './manifest.ts'
import type { Scratch, Staged } from './scratch.ts'
import { COVERAGE, EVENTS, type FileVariables, LEDGER, type PositionedEvent, RECORDS, type TableSpec } from './tables.ts'

/** No chunk of events or coverage has more rows than this, except that one export's coverage rows are never split. */
export const CHUNK_ROWS = 100_000

/** Rows staged at once; a larger partition is written in parts that are then joined, so that memory stays flat. */
export const PART_ROWS = 100_000

/** What every step of an export works with. */
export type ExportContext = {
  readonly store: Pick<Store, 'ledger' | 'currentRecords' | 'events' | 'partitionStats'>
  readonly layout: Layout
  readonly scratch: Scratch
  readonly temporary: string
  readonly stamp: ExportStamp
  readonly asOf: EpochMs
  readonly lease: ExportLease
  readonly crashPoints: CrashPoints
  readonly chunkRows: number
  readonly partRows: number
}

/** A Parquet file whose rows go before the staged ones; `path` is absolute. */
type Earlier = { readonly path: string; readonly rows: number }

/** Writes the staged rows, after those of earlier files, as one data file and puts it under its final name. */
async function writeFile<Row>(
  context: ExportContext,
  spec: TableSpec<Row>,
  staged: Staged<Row>,
  file: string,
  variables: FileVariables | null,
  earlier: readonly Earlier[],
): Promise<FileEntry> {
  const { layout, scratch, temporary, crashPoints } = context
  crashPoints.reach('export.before_file')
  await context.lease.keep()
  const partial = join(temporary, 'file.partial')
  const written = await scratch.write(
    spec,
    variables,
    partial,
    earlier.map((entry) => entry.path),
  )
  const expected = earlier.reduce((sum, entry) => sum + entry.rows, staged.rows)
  if (written.rows !== expected) throw new Error(`${file}: ${written.rows} rows were written of ${expected}`)
  crashPoints.reach('export.after_temp')
  await context.lease.keep()
  const target = join(layout.root, file)
  await ensureDirectory(dirname(target))
  await publishFile(partial, target)
  crashPoints.reach('export.after_rename')
  return { file, ...written }
}

/** The next `limit` rows, leaving the iterator open for those after them. */
async function* take<Row>(iterator: AsyncIterator<Row>, limit: number): AsyncGenerator<Row> {
  for (let taken = 0; taken < limit; taken += 1) {
    const next = await iterator.next()
    if (next.done === true) return
    yield next.value
  }
}

/** Writes all rows as one data file; null when there are none. */
async function writeRows<Row>(
  context: ExportContext,
  spec: TableSpec<Row>,
  rows: AsyncIterable<Row>,
  file: string,
  variables: FileVariables,
): Promise<FileEntry | null> {
  const { scratch, temporary, lease, partRows } = context
  const iterator = rows[Symbol.asyncIterator]()
  const parts: Earlier[] = []
  try {
    for (;;) {
      const staged = await scratch.stage(spec, take(iterator, partRows), lease.keep)
      if (staged.rows < partRows) {
        if (staged.rows + parts.length === 0) return null
        return await writeFile(context, spec, staged, file, variables, parts)
      }
      const path = join(temporary, `part-${parts.length}.partial`)
      parts.push({ path, rows: (await scratch.write(spec, variables, path)).rows })
    }
  } finally {
    await iterator.return?.()
    for (const part of parts) await rm(part.path, { force: true })
  }
}

export async function writePartition(context: ExportContext, partition: PartitionToWrite): Promise<PartitionEntry> {
  const { store, stamp, asOf } = context
  const { source, cohort, counter, policy } = partition
  const variables: FileVariables = {
    source,
    cohort,
    as_of_ms: asOf,
    cadence_ms: policy?.cadenceMs ?? null,
    sla_ms: policy?.slaMs ?? null,
  }
  const ledger = await writeRows(
    context,
    LEDGER,
    store.ledger(source, cohort),
    partitionFile('ledger', source, cohort, stamp),
    variables,
  )
  const records = await writeRows(
    context,
    RECORDS,
    store.currentRecords(source, cohort),
    partitionFile('records', source, cohort, stamp),
    variables,
  )
  return { source, cohort, counter, policy: policyMark(policy), exported_at: toIso(asOf), ledger, records }
}

function chunkPaths({ layout }: ExportContext, chunks: readonly FileEntry[]): readonly Earlier[] {
  return chunks.map(({ file, rows }) => ({ path: join(layout.root, file), rows }))
}

/** Appends the events that came after the last exported one. Returns all chunks and how many events were added. */
export async function writeEvents(
  context: ExportContext,
  previous: readonly EventChunk[],
): Promise<{ chunks: readonly EventChunk[]; added: number }> {
  const { store, scratch, stamp, lease, chunkRows } = context
  let chunks = previous
  let added = 0
  for (;;) {
    const newest = chunks.at(-1)
    const query = newest === undefined ? { limit: chunkRows } : { after: newest.last_position, limit: chunkRows }
    const staged = await scratch.stage<PositionedEvent>(EVENTS, store.events(query), lease.keep)
    if (staged.first === null || staged.last === null) return { chunks, added }
    const tail = chunks.length - mergeableTail(chunks, staged.rows, chunkRows)
    const merged = chunks.slice(tail)
    const first = merged[0]?.first_position ?? staged.first.position
    const entry = await writeFile(context, EVENTS, staged, chunkFile('events', first, stamp), null, chunkPaths(context, merged))
    chunks = [
      ...chunks.slice(0, tail),
      { ...entry, first_position: first, last_position: staged.last.position, last_event_id: staged.last.eventId },
    ]
    added += staged.rows
    if (staged.rows < chunkRows) return { chunks, added }
  }
}

/** Every source with a policy, judged at the moment of the export. */
async function coverageNow(context: ExportContext, policies: Policies): Promise<readonly CoverageRow[]> {
  const { store, asOf, stamp, lease } = context
  const rows: CoverageRow[] = []
  for (const source of Object.keys(policies).sort() as SourceId[]) {
    const { cadenceMs, slaMs, coverageThreshold } = policies[source]!
    const stats: readonly PartitionStats[] = await store.partitionStats(source, { now: asOf, cadenceMs, slaMs })
    for (const row of coverageRows(source, stats, coverageThreshold, { generation: stamp.generation, asOf })) rows.push(row)
    await lease.keep()
  }
  return rows
}

/** Appends this export's coverage to the history. */
export async function writeCoverage(
  context: ExportContext,
  previous: readonly CoverageChunk[],
  policies: Policies,
): Promise<readonly CoverageChunk[]> {
  const { scratch, stamp, lease, chunkRows } = context
  const staged = await scratch.stage(COVERAGE, await coverageNow(context, policies), lease.keep)
  if (staged.rows === 0) return previous
  const tail = previous.length - mergeableTail(previous, staged.rows, chunkRows)
  const merged = previous.slice(tail)
  const first = merged[0]?.first_export ?? stamp.generation
  const entry = await writeFile(context, COVERAGE, staged, chunkFile('coverage', first, stamp), null, chunkPaths(context, merged))
  return [...previous.slice(0, tail), { ...entry, first_export: first }]
}
