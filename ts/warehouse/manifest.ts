/**
 * The projection's own position: which files make up the warehouse, and up to where of the store they reach. Readers take
 * file lists from here (or from the views made of it), never from a directory listing.
 */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { EngineError } from '../model/errors.ts'

export const MANIFEST_SCHEMA_VERSION = 1

const count = z.number().int().nonnegative()
/** Relative, inside the warehouse, made of safe segments only: a manifest that was tampered with cannot name other files. */
const fileName = z.string().regex(/^(ledger|records|events|coverage)(\/[a-z0-9_][a-z0-9_.-]*){1,2}\.parquet$/)

const fileSchema = z.strictObject({ file: fileName, rows: count, bytes: count })
const partitionSchema = z.strictObject({
  source: z.string(),
  cohort: z.string(),
  /** The store's change counter of the partition, read before its rows were. */
  counter: count,
  /** Cadence and SLA that the derived columns were computed with. */
  policy: z.string(),
  exported_at: z.string(),
  ledger: fileSchema.nullable(),
  records: fileSchema.nullable(),
})
const eventChunkSchema = fileSchema.extend({
  first_position: z.number().int(),
  last_position: z.number().int(),
  last_event_id: z.string(),
})
const coverageChunkSchema = fileSchema.extend({ first_export: count })

const manifestSchema = z.strictObject({
  schema_version: z.literal(MANIFEST_SCHEMA_VERSION),
  /** Which state file this is a projection of. */
  store_id: z.string(),
  generation: count,
  exported_at: z.string(),
  partitions: z.array(partitionSchema),
  events: z.array(eventChunkSchema),
  /** How often the store had erased values from events when these were written. */
  erasures: count.default(0),
  coverage: z.array(coverageChunkSchema),
})

export type FileEntry = z.infer<typeof fileSchema>
export type PartitionEntry = z.infer<typeof partitionSchema>
export type EventChunk = z.infer<typeof eventChunkSchema>
export type CoverageChunk = z.infer<typeof coverageChunkSchema>
export type Manifest = z.infer<typeof manifestSchema>

export type FoundManifest = { readonly kind: 'ok'; readonly manifest: Manifest } | { readonly kind: 'none' | 'damaged' }

/**
 * Parses a manifest. `damaged`: not ours or not whole; everything is written again. Throws `warehouse_newer` when a newer
 * version of the engine wrote it: an old one must not replace what it does not understand.
 */
export function parseManifest(text: string): FoundManifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { kind: 'damaged' }
  }
  const version = z.looseObject({ schema_version: z.number().int() }).safeParse(value)
  if (version.success && version.data.schema_version > MANIFEST_SCHEMA_VERSION) {
    throw new EngineError(
      'configuration',
      'warehouse_newer',
      `the warehouse was written by a newer version (manifest schema ${version.data.schema_version}, this one knows ${MANIFEST_SCHEMA_VERSION})`,
      {
        hint: 'use the newer version, or point warehouse.path at an empty directory and export again',
      },
    )
  }
  const parsed = manifestSchema.safeParse(value)
  return parsed.success ? { kind: 'ok', manifest: parsed.data } : { kind: 'damaged' }
}

export async function readManifest(path: string): Promise<FoundManifest> {
  try {
    return parseManifest(await readFile(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'none' }
    throw error
  }
}

export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 1)}\n`
}

/** Every data file a manifest names. */
export function filesOf(manifest: Manifest): readonly FileEntry[] {
  const partitions = manifest.partitions.flatMap((entry) => [entry.ledger, entry.records])
  return [...partitions.filter((entry) => entry !== null), ...manifest.events, ...manifest.coverage]
}
