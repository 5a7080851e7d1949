/** Checkpoints: one row per partition, replaced only by the version that follows it. */
import type { Checkpoint, Counts } from '../../model/checkpoint.ts'
import { EngineError } from '../../model/errors.ts'
import { type PartitionKey, partitionKey, type SourceId } from '../../model/keys.ts'
import type { Strategy } from '../../model/plan.ts'
import { checkpointConflict } from '../errors.ts'
import type { Lease } from '../store.ts'
import type { Connection } from './connection.ts'
import { findByKey } from './ids.ts'

type Row = {
  readonly source: SourceId
  readonly cohort: string
  readonly version: number
  readonly status: string
  readonly strategy: string
  readonly pass_started_at: number
  readonly window_from: number | null
  readonly window_to: number | null
  readonly cursor: string | null
  readonly counts: string
  readonly updated_at: number
  readonly finished_at: number | null
  readonly duration_ms: number | null
  readonly run_id: string
  readonly ledger_watermark: number | null
}

const SELECT =
  'SELECT s.name AS source, p.cohort, c.* FROM checkpoint c JOIN partition p ON p.id = c.partition_id JOIN source s ON s.id = p.source_id'

function checkpointOf(db: Connection, row: Row): Checkpoint {
  return {
    partition: partitionKey(row.source, row.cohort),
    version: row.version,
    status: row.status as Checkpoint['status'],
    strategy: row.strategy as Strategy,
    passStartedAt: row.pass_started_at,
    window: row.window_from === null || row.window_to === null ? null : { from: row.window_from, to: row.window_to },
    cursor: row.cursor,
    counts: db.json<Counts>(row.counts),
    updatedAt: row.updated_at,
    finishedAt: row.finished_at,
    durationMs: row.duration_ms,
    runId: row.run_id,
    ledgerWatermark: row.ledger_watermark,
  }
}

/** Inside a transaction. Throws `checkpoint_conflict` unless the stored version is the one before. */
export function writeCheckpoint(db: Connection, partitionId: number, lease: Lease, checkpoint: Checkpoint): void {
  if (checkpoint.partition !== lease.partition) {
    throw new EngineError(
      'failed',
      'checkpoint_conflict',
      `a checkpoint of ${checkpoint.partition} cannot be written under the lease of ${lease.partition}`,
    )
  }
  const stored = db.get<{ version: number }>('SELECT version FROM checkpoint WHERE partition_id = ?', partitionId)?.version ?? 0
  if (stored !== checkpoint.version - 1) throw checkpointConflict(checkpoint.partition, checkpoint.version - 1, stored)
  db.run(
    `INSERT OR REPLACE INTO checkpoint (partition_id, version, status, strategy, pass_started_at, window_from, window_to, cursor, counts, updated_at, finished_at,
       duration_ms, run_id, ledger_watermark) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    partitionId,
    checkpoint.version,
    checkpoint.status,
    checkpoint.strategy,
    checkpoint.passStartedAt,
    checkpoint.window?.from ?? null,
    checkpoint.window?.to ?? null,
    checkpoint.cursor,
    JSON.stringify(checkpoint.counts),
    checkpoint.updatedAt,
    checkpoint.finishedAt,
    checkpoint.durationMs,
    checkpoint.runId,
    checkpoint.ledgerWatermark,
  )
}

export function readCheckpoint(db: Connection, partition: PartitionKey): Promise<Checkpoint | null> {
  return db.read(() => {
    const ids = findByKey(db, partition)
    const row = ids === null ? undefined : db.get<Row>(`${SELECT} WHERE c.partition_id = ?`, ids.partitionId)
    return row === undefined ? null : checkpointOf(db, row)
  })
}

export function listCheckpoints(db: Connection, source: SourceId | undefined): Promise<readonly Checkpoint[]> {
  return db.read(() =>
    db
      .all<Row>(`${SELECT} WHERE ?1 IS NULL OR s.name = ?1 ORDER BY s.name, p.cohort`, source ?? null)
      .map((row) => checkpointOf(db, row)),
  )
}
