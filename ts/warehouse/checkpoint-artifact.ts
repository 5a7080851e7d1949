/** `enrichment_refresh_state.json`: the checkpoints as a document for people and other programs. Derived, never read back. */
import { dirname } from 'node:path'
import type { Checkpoint } from '../model/checkpoint.ts'
import { parsePartitionKey } from '../model/keys.ts'
import { toIso, toIsoOrNull } from '../model/time.ts'
import { sweepTemporaries, writeFileAtomic } from '../runtime/atomic-file.ts'
import type { Store } from '../stores/store.ts'

export const CHECKPOINT_ARTIFACT_SCHEMA_VERSION = 1

/** The document. All times ISO 8601 UTC; the window is half-open. */
export function checkpointDocument(checkpoints: readonly Checkpoint[]): object {
  return {
    schema_version: CHECKPOINT_ARTIFACT_SCHEMA_VERSION,
    checkpoints: [...checkpoints]
      .sort((a, b) => (a.partition < b.partition ? -1 : a.partition > b.partition ? 1 : 0))
      .map(entryOf),
  }
}

function entryOf(checkpoint: Checkpoint): object {
  const { counts, window } = checkpoint
  const key = parsePartitionKey(checkpoint.partition)
  return {
    partition: checkpoint.partition,
    source: key?.source ?? null,
    cohort: key?.cohort ?? null,
    status: checkpoint.status,
    strategy: checkpoint.strategy,
    version: checkpoint.version,
    cursor: checkpoint.cursor,
    window: window === null ? null : { from: toIso(window.from), to: toIso(window.to) },
    counts: {
      items: counts.items,
      changed: counts.changed,
      unchanged: counts.unchanged,
      not_modified: counts.notModified,
      absent: counts.absent,
      failed: counts.failed,
      skipped: counts.skipped,
      events: counts.events,
      calls: counts.calls,
    },
    started_at: toIso(checkpoint.passStartedAt),
    updated_at: toIso(checkpoint.updatedAt),
    finished_at: toIsoOrNull(checkpoint.finishedAt),
    duration_ms: checkpoint.durationMs,
    run_id: checkpoint.runId,
    ledger_watermark: toIsoOrNull(checkpoint.ledgerWatermark),
  }
}

/**
 * Writes the document for all partitions and replaces the earlier one atomically. Several processes may do this at once:
 * each looks again after its write and repeats it when the store has moved on, so that the last to write has the newest.
 */
export async function checkpointArtifact(
  store: Pick<Store, 'checkpoints'>,
  path: string,
): Promise<{ readonly checkpoints: number }> {
  await sweepTemporaries(dirname(path))
  let checkpoints = await store.checkpoints()
  for (let attempt = 0; attempt < 5; attempt += 1) {
    await writeFileAtomic(path, `${JSON.stringify(checkpointDocument(checkpoints), null, 2)}\n`)
    const written = fingerprint(checkpoints)
    const current = await store.checkpoints()
    if (fingerprint(current) === written) break
    checkpoints = current
  }
  return { checkpoints: checkpoints.length }
}

function fingerprint(checkpoints: readonly Checkpoint[]): string {
  return checkpoints
    .map((checkpoint) => `${checkpoint.partition} ${checkpoint.version} ${checkpoint.runId}`)
    .sort()
    .join('\n')
}
