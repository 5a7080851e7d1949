/** What an export has to write, from the manifest of the last one and the store's counters. Pure. */
import type { PartitionKey, SourceId } from '../model/keys.ts'
import type { DurationMs } from '../model/time.ts'
import type { PartitionEntry } from './manifest.ts'

export type WarehousePolicy = { readonly cadenceMs: DurationMs; readonly slaMs: DurationMs; readonly coverageThreshold: number }
export type Policies = Readonly<Record<SourceId, WarehousePolicy>>

export function policyOf(policies: Policies, source: SourceId): WarehousePolicy | null {
  return Object.hasOwn(policies, source) ? policies[source]! : null
}

/** The derived columns of a partition's file depend on this; another value means writing it again. */
export function policyMark(policy: WarehousePolicy | null): string {
  return policy === null ? 'none' : `cadence ${policy.cadenceMs} ms, sla ${policy.slaMs} ms`
}

export type PartitionToWrite = {
  readonly source: SourceId
  readonly cohort: string
  readonly counter: number
  readonly policy: WarehousePolicy | null
}

export type ExportPlan = { readonly write: readonly PartitionToWrite[]; readonly keep: readonly PartitionEntry[] }

/**
 * How many of the last chunks to merge with new rows: those that are not much larger than what they are merged with, up to
 * a full chunk. So a chunk is written again O(log n) times while it grows, not at every export, and the files stay few.
 */
export function mergeableTail(chunks: readonly { readonly rows: number }[], newRows: number, chunkRows: number): number {
  let rows = newRows
  let merged = 0
  for (const chunk of chunks.toReversed()) {
    if (chunk.rows > 2 * rows || chunk.rows + rows > chunkRows) break
    rows += chunk.rows
    merged += 1
  }
  return merged
}

/** The first colon separates: sources hold none. */
function splitPartition(key: PartitionKey): { source: SourceId; cohort: string } {
  const colon = key.indexOf(':')
  return colon < 0 ? { source: key, cohort: '' } : { source: key.slice(0, colon), cohort: key.slice(colon + 1) }
}

const idOf = (source: SourceId, cohort: string): string => `${source}:${cohort}`

/**
 * Partitions whose counter is not the one they were last exported at (a restored state file may have gone back), or whose
 * policy changed, are written; the others are kept. Partitions that the store no longer has fall out. `damaged` names
 * partitions whose files are not what the manifest says.
 */
export function planExport(
  previous: readonly PartitionEntry[],
  counters: ReadonlyMap<PartitionKey, number>,
  policies: Policies,
  damaged: ReadonlySet<PartitionKey>,
): ExportPlan {
  const known = new Map(previous.map((entry) => [idOf(entry.source, entry.cohort), entry]))
  const write: PartitionToWrite[] = []
  const keep: PartitionEntry[] = []
  for (const key of [...counters.keys()].sort()) {
    const { source, cohort } = splitPartition(key)
    const counter = counters.get(key)!
    const policy = policyOf(policies, source)
    const entry = known.get(key)
    const current = entry !== undefined && entry.counter === counter && entry.policy === policyMark(policy) && !damaged.has(key)
    if (current) keep.push(entry)
    else write.push({ source, cohort, counter, policy })
  }
  return { write, keep }
}
