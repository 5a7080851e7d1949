/** Where the last export left off, and whether the new one may continue from there or has to write everything again. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError } from '../model/errors.ts'
import { isJsonObject } from '../model/json.ts'
import type { PartitionKey } from '../model/keys.ts'
import { type EpochMs, toIso } from '../model/time.ts'
import { ERASURES, type Store } from '../stores/store.ts'
import { coverageSpan, type Layout } from './layout.ts'
import {
  type CoverageChunk,
  type EventChunk,
  type FileEntry,
  filesOf,
  type Manifest,
  type PartitionEntry,
  readManifest,
} from './manifest.ts'
import type { Scratch } from './scratch.ts'

export type Position = {
  /** Of the last export; 0 when there is none to be known. */
  readonly generation: number
  readonly partitions: readonly PartitionEntry[]
  /** Partitions whose files are missing or of another size than the manifest says. */
  readonly damaged: ReadonlySet<PartitionKey>
  readonly events: readonly EventChunk[]
  /** The store's count of erasures, read before any event. */
  readonly erasures: number
  /** Null: no manifest could be read; history is looked for on disk. */
  readonly coverage: readonly CoverageChunk[] | null
  /** Why everything is written again; null when the export continues. */
  readonly rebuildReason: string | null
}

const STORE_ID = 'warehouse.store_id'

/** Names the state file, so that a warehouse is never continued from another one. Made at the first export. */
export async function storeIdentity(store: Pick<Store, 'getState' | 'putState'>, holder: string, now: EpochMs): Promise<string> {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const found = await store.getState(STORE_ID)
    if (found !== null && isJsonObject(found.value) && typeof found.value['id'] === 'string') return found.value['id']
    await store.putState(STORE_ID, found?.version ?? 0, { id: `${holder}@${toIso(now)}` })
  }
  throw new EngineError('try_later', 'store_busy', 'the identity of the state file could not be written', {
    hint: 'run the export again',
  })
}

async function isWhole(layout: Layout, entry: FileEntry): Promise<boolean> {
  const found = await stat(join(layout.root, entry.file)).catch(() => null)
  return found?.isFile() === true && found.size === entry.bytes
}

/** True when the event we exported last is still at its position: a restored state file gives positions out anew. */
async function sameEvents(store: Pick<Store, 'events'>, chunk: EventChunk | undefined): Promise<boolean> {
  if (chunk === undefined) return true
  for await (const event of store.events({ after: chunk.last_position - 1, limit: 1 })) {
    return event.position === chunk.last_position && event.eventId === chunk.last_event_id
  }
  return false
}

/** Chunks up to the first that is not whole; what comes after it is written again. */
function wholePrefix<Chunk extends FileEntry>(chunks: readonly Chunk[], whole: ReadonlySet<string>): readonly Chunk[] {
  const broken = chunks.findIndex((chunk) => !whole.has(chunk.file))
  return broken < 0 ? chunks : chunks.slice(0, broken)
}

export async function findPosition(
  store: Pick<Store, 'events' | 'getState'>,
  layout: Layout,
  storeId: string,
  rebuild: boolean,
): Promise<Position> {
  const found = await readManifest(layout.manifest)
  const generation = found.kind === 'ok' ? found.manifest.generation : 0
  const erasures = (await store.getState(ERASURES))?.version ?? 0
  const nothing = { generation, erasures, partitions: [], damaged: new Set<PartitionKey>(), events: [] }
  if (found.kind !== 'ok') {
    return {
      ...nothing,
      coverage: null,
      rebuildReason: found.kind === 'none' ? 'first export' : 'the manifest could not be read',
    }
  }
  const { manifest } = found
  if (manifest.store_id !== storeId)
    return { ...nothing, coverage: [], rebuildReason: 'the warehouse was made from another state file' }

  const whole = new Set<string>()
  for (const entry of filesOf(manifest)) if (await isWhole(layout, entry)) whole.add(entry.file)
  // Coverage is history that the store does not keep: whatever is left of it stays, also in a rebuild.
  const coverage = manifest.coverage.filter((chunk) => whole.has(chunk.file))
  if (rebuild) return { ...nothing, coverage, rebuildReason: 'asked for' }
  if (!(await sameEvents(store, manifest.events.at(-1)))) {
    return { ...nothing, coverage, rebuildReason: 'the state file was replaced or restored since the last export' }
  }
  const continues = { generation, erasures, ...continued(manifest, whole), coverage, rebuildReason: null }
  // What must be forgotten is in files that were written before it had to be.
  return manifest.erasures === erasures ? continues : { ...continues, events: [] }
}

function continued(manifest: Manifest, whole: ReadonlySet<string>): Pick<Position, 'partitions' | 'damaged' | 'events'> {
  const isBroken = (entry: PartitionEntry) => [entry.ledger, entry.records].some((file) => file !== null && !whole.has(file.file))
  return {
    partitions: manifest.partitions,
    damaged: new Set(manifest.partitions.filter(isBroken).map((entry) => `${entry.source}:${entry.cohort}`)),
    events: wholePrefix(manifest.events, whole),
  }
}

/** Without a manifest: the readable coverage files on disk, as few as hold every export, none twice. */
export async function coverageOnDisk(
  scratch: Scratch,
  layout: Layout,
  onDisk: readonly string[],
): Promise<readonly CoverageChunk[]> {
  const spans = onDisk.flatMap((file) => {
    const span = coverageSpan(file)
    return span === null ? [] : [{ file, ...span }]
  })
  // A merged chunk ends later, or begins earlier, than those it was merged from, which may still lie beside it.
  spans.sort((a, b) => b.last - a.last || a.first - b.first || (a.file < b.file ? -1 : 1))
  const chunks: CoverageChunk[] = []
  for (const { file, first, last } of spans) {
    if (last >= (chunks[0]?.first_export ?? Number.POSITIVE_INFINITY)) continue
    const found = await scratch.describe(join(layout.root, file))
    if (found !== null) chunks.unshift({ file, ...found, first_export: first })
  }
  return chunks
}
