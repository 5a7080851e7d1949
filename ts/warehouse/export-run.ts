/** One export under its lease, from reading the position to sweeping what it replaced. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { toIso } from '../model/time.ts'
import { sweepTemporaries, writeFileAtomic } from '../runtime/atomic-file.ts'
import { publishCatalog } from './catalog.ts'
import { ensureDirectory } from './durable.ts'
import { CHUNK_ROWS, type ExportContext, PART_ROWS, writeCoverage, writeEvents, writePartition } from './export-files.ts'
import { EXPORT_PARTITION, type ExportLease } from './export-lease.ts'
import { planExport } from './export-plan.ts'
import type { ExportDeps, ExportOptions, ExportReport } from './export-types.ts'
import { generationOf, type Layout, TABLES } from './layout.ts'
import { filesOf, MANIFEST_SCHEMA_VERSION, type Manifest, manifestText, type PartitionEntry } from './manifest.ts'
import { coverageOnDisk, findPosition, storeIdentity } from './position.ts'
import { openScratch, type Scratch } from './scratch.ts'
import { dataFiles, openTemporary, sweepUnreferenced } from './sweep.ts'

export type RoundReport = Omit<ExportReport, 'durationMs'>

export async function exportUnderLease(
  deps: ExportDeps,
  options: ExportOptions,
  layout: Layout,
  lease: ExportLease,
): Promise<RoundReport> {
  for (const table of TABLES) await ensureDirectory(join(layout.root, table))
  await sweepTemporaries(layout.root)
  const temporary = await openTemporary(layout, lease.token)
  try {
    const scratch = await openScratch(temporary)
    try {
      return await exportWith(deps, options, layout, lease, temporary, scratch)
    } finally {
      scratch.close()
    }
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

async function exportWith(
  deps: ExportDeps,
  options: ExportOptions,
  layout: Layout,
  lease: ExportLease,
  temporary: string,
  scratch: Scratch,
): Promise<RoundReport> {
  const { store, policies, crashPoints } = deps
  const asOf = deps.now()
  const storeId = await storeIdentity(store, deps.holder, asOf)
  const position = await findPosition(store, layout, storeId, options.rebuild)
  const onDisk = await dataFiles(layout)
  const generation = 1 + onDisk.reduce((newest, file) => Math.max(newest, generationOf(file) ?? 0), position.generation)
  const context: ExportContext = {
    ...{ store, layout, scratch, temporary, asOf, lease, crashPoints },
    stamp: { generation, token: lease.token },
    chunkRows: deps.chunkRows ?? CHUNK_ROWS,
    partRows: deps.partRows ?? PART_ROWS,
  }
  // Counters first, rows second: a commit in between is exported again next time instead of being missed.
  const counters = new Map(await store.changeCounters())
  // The export's own lease is a partition too, but of nothing.
  counters.delete(EXPORT_PARTITION)
  const plan = planExport(position.partitions, counters, policies, position.damaged)
  const written: PartitionEntry[] = []
  for (const partition of plan.write) written.push(await writePartition(context, partition))
  const events = await writeEvents(context, position.events)
  const history = position.coverage ?? (await coverageOnDisk(scratch, layout, onDisk))
  const coverage = await writeCoverage(context, history, policies)
  const manifest: Manifest = {
    schema_version: MANIFEST_SCHEMA_VERSION,
    store_id: storeId,
    generation,
    exported_at: toIso(asOf),
    partitions: [...plan.keep, ...written].sort((a, b) => compare(a.source, b.source) || compare(a.cohort, b.cohort)),
    events: [...events.chunks],
    erasures: position.erasures,
    coverage: [...coverage],
  }
  await publish(context, manifest)
  const filesDeleted = await sweepUnreferenced(layout, new Set(filesOf(manifest).map((entry) => entry.file)), temporary)
  return {
    status: 'done',
    path: layout.root,
    database: layout.database,
    generation,
    asOf,
    rebuildReason: position.rebuildReason,
    partitions: { total: manifest.partitions.length, written: written.length },
    rows: rowsOf(manifest),
    eventsAdded: events.added,
    bytes: filesOf(manifest).reduce((sum, entry) => sum + entry.bytes, 0),
    filesDeleted,
  }
}

/** Makes the new state visible: to the next export by the manifest, to readers by the catalog. */
async function publish({ layout, temporary, lease, crashPoints }: ExportContext, manifest: Manifest): Promise<void> {
  await lease.confirm()
  crashPoints.reach('export.before_manifest')
  await writeFileAtomic(layout.manifest, manifestText(manifest))
  crashPoints.reach('export.after_manifest')
  await publishCatalog(manifest, layout.root, temporary, layout.database, () => crashPoints.reach('export.before_database'))
  crashPoints.reach('export.after_database')
}

function rowsOf(manifest: Manifest): ExportReport['rows'] {
  const sum = (entries: readonly ({ readonly rows: number } | null)[]) =>
    entries.reduce((total, entry) => total + (entry?.rows ?? 0), 0)
  return {
    ledger: sum(manifest.partitions.map((entry) => entry.ledger)),
    records: sum(manifest.partitions.map((entry) => entry.records)),
    events: sum(manifest.events),
    coverage: sum(manifest.coverage),
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
