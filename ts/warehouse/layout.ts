/** Where things lie under the warehouse directory, and how partitions of any name become file names. Pure. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'

export const TABLES = ['ledger', 'records', 'events', 'coverage'] as const
export type TableName = (typeof TABLES)[number]

export const TEMP_DIRECTORY = '.tmp'

export type Layout = {
  /** Absolute. */
  readonly root: string
  readonly manifest: string
  readonly database: string
  readonly unreferenced: string
  readonly temp: string
}

export function layoutOf(root: string): Layout {
  return {
    root,
    manifest: join(root, 'manifest.json'),
    database: join(root, 'enrichment.duckdb'),
    unreferenced: join(root, 'unreferenced.json'),
    temp: join(root, TEMP_DIRECTORY),
  }
}

const PLAIN = /^[a-z0-9_][a-z0-9_.-]{0,79}$/
const LOOKS_HASHED = /-[0-9a-f]{16}$/
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/

/**
 * A name that is safe as one path segment on any file system: plain lower-case names stay as they are, everything else
 * becomes `slug-<16 hex digits of its SHA-256>`. Distinct names give distinct segments, also where case is ignored.
 */
export function safeSegment(name: string): string {
  const plain =
    PLAIN.test(name) && !name.endsWith('.') && !name.includes('..') && !LOOKS_HASHED.test(name) && !RESERVED.test(name)
  if (plain) return name
  const slug = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, 40)
    .replace(/^_+|_+$/g, '')
  const hash = createHash('sha256').update(Buffer.from(name, 'utf16le')).digest('hex').slice(0, 16)
  return `${slug === '' ? 'x' : slug}-${hash}`
}

/**
 * Names one export's files: `generation` grows with every export of the directory, `token` with every grant of the
 * export lease. Together they are never used twice, so that a file once visible is never written again.
 */
export type ExportStamp = { readonly generation: number; readonly token: number }

function suffix(stamp: ExportStamp): string {
  return `g${String(stamp.generation).padStart(6, '0')}-${stamp.token}.parquet`
}

/** Relative to the warehouse directory, with `/` on every platform. */
export function partitionFile(table: 'ledger' | 'records', source: string, cohort: string, stamp: ExportStamp): string {
  return `${table}/${safeSegment(source)}/${safeSegment(cohort)}.${suffix(stamp)}`
}

/** `first`: position of the first event, or number of the first export, that the chunk holds. */
export function chunkFile(table: 'events' | 'coverage', first: number, stamp: ExportStamp): string {
  return `${table}/${String(first).padStart(10, '0')}.${suffix(stamp)}`
}

/** The generation in a file name of ours; null for a file that is not ours. */
export function generationOf(file: string): number | null {
  const match = /\.g(\d{6,})-\d+\.parquet$/.exec(file)
  return match === null ? null : Number(match[1])
}

/** The exports whose rows a coverage file holds, both ends included; null for other files. */
export function coverageSpan(file: string): { readonly first: number; readonly last: number } | null {
  const match = /^coverage\/(\d{10,})\.g(\d{6,})-\d+\.parquet$/.exec(file)
  return match === null ? null : { first: Number(match[1]), last: Number(match[2]) }
}
