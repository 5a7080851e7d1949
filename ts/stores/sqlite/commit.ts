/** The one commit point: what one answer brings is written whole, under the lease and the expected checkpoint, or not at all. */
import { type EntityRef, FEED_COHORT, FILE_COHORT, parsePartitionKey } from '../../model/keys.ts'
import type { LedgerEntry } from '../../model/ledger.ts'
import type { CurrentRecord, DeltaEvent } from '../../model/record.ts'
import { leaseLost } from '../errors.ts'
import { closesPending, KNOWN, rowState } from '../row-state.ts'
import { type CommitBatch, type CommitSummary, ERASURES, type Lease, type ProvenUnchanged } from '../store.ts'
import { writeCheckpoint } from './checkpoint.ts'
import type { Connection, Value } from './connection.ts'
import { writeFact } from './facts.ts'
import { writeIdentities } from './identities.ts'
import { findByKey, type KnownEntities, TransactionIds } from './ids.ts'
import { openPending } from './pending.ts'

/** Throws `lease_lost` unless the lease is still the newest grant of its partition and was not released. Returns its ids. */
export function requireLease(db: Connection, lease: Lease): { readonly partitionId: number; readonly sourceId: number } {
  const ids = findByKey(db, lease.partition)
  const row =
    ids === null
      ? undefined
      : db.get<{ holder: string | null; token: number }>(
          'SELECT holder, token FROM lease WHERE partition_id = ?',
          ids.partitionId,
        )
  if (ids === null || row?.holder !== lease.holder || row.token !== lease.token) throw leaseLost(lease.partition, lease.holder)
  return ids
}

class Commit {
  private readonly db: Connection
  private readonly batch: CommitBatch
  private readonly ids: TransactionIds
  private readonly lease: { readonly partitionId: number; readonly sourceId: number }
  /** Partitions whose rows this commit changes, and the leased one. */
  private readonly touched = new Set<number>()

  constructor(db: Connection, batch: CommitBatch, known: KnownEntities) {
    this.db = db
    this.batch = batch
    this.ids = new TransactionIds(db, known)
    this.lease = requireLease(db, batch.lease)
    this.touched.add(this.lease.partitionId)
  }

  run(): CommitSummary {
    const { db, batch } = this
    writeCheckpoint(db, this.lease.partitionId, batch.lease, batch.checkpoint)
    // Nearly always nothing is pending anywhere, and rows need not be read before they are written.
    const anyPending = db.get('SELECT 1 FROM pending LIMIT 1') !== undefined
    for (const entry of batch.ledger) this.ledgerRow(entry, anyPending)
    db.reach('store.commit.after_ledger')
    let recordsWritten = 0
    for (const record of batch.records) recordsWritten += this.record(record)
    if (batch.erased !== undefined) this.erase(batch.erased)
    let eventsInserted = 0
    for (const event of batch.events) eventsInserted += this.event(event)
    writeIdentities(db, this.ids, batch.identities)
    const provenUnchanged = batch.provenUnchanged === undefined ? 0 : this.prove(batch.provenUnchanged)
    for (const partitionId of openPending(db, this.ids, batch.pending, 'leave_out').partitions) this.touched.add(partitionId)
    for (const [name, value] of Object.entries(batch.facts ?? {})) writeFact(db, name, value)
    for (const partitionId of this.touched) db.run('UPDATE partition SET changes = changes + 1 WHERE id = ?', partitionId)
    return { ledgerRows: batch.ledger.length, recordsWritten, eventsInserted, provenUnchanged }
  }

  private ledgerRow(entry: LedgerEntry, anyPending: boolean): void {
    const entityId = this.ids.entity(entry.entity)
    const partitionId = this.ids.partition(entry.source, entry.cohort)
    const pendingSince = anyPending ? this.settlePending(entry, entityId) : null
    if (!this.update(entry, partitionId, entityId, pendingSince)) this.insertOrMove(entry, partitionId, entityId, pendingSince)
  }

  /** Since when the row is pending after this write. A commit closes entries; it never opens one by its ledger row. */
  private settlePending(entry: LedgerEntry, entityId: number): number | null {
    const sourceId = this.ids.source(entry.source)
    const open = this.db.get<{ at: number }>('SELECT at FROM pending WHERE entity_id = ? AND source_id = ?', entityId, sourceId)
    if (open === undefined) return null
    if (!closesPending(entry, open.at)) return open.at
    this.db.run('DELETE FROM pending WHERE entity_id = ? AND source_id = ?', entityId, sourceId)
    return null
  }

  private update(entry: LedgerEntry, partitionId: number, entityId: number, pendingSince: number | null): boolean {
    const changed = this.db.run(
      `UPDATE ledger SET state = ?, last_attempt_at = ?, last_success_at = ?, outcome = ?, response_status = ?, payload_hash = ?, normalizer_version = ?,
         etag = ?, last_modified = ?, attempts = ?, consecutive_failures = ?, next_attempt_at = ?, error_class = ?, error = ?, run_id = ?, pending_since = ?
       WHERE partition_id = ? AND entity_id = ?`,
      ...ledgerValues(entry, pendingSince),
      partitionId,
      entityId,
    )
    if (changed > 0) this.touched.add(partitionId)
    return changed > 0
  }

  /** The row has another cohort by now (the stored one stands), or there is none yet. */
  private insertOrMove(entry: LedgerEntry, partitionId: number, entityId: number, pendingSince: number | null): void {
    const sourceId = this.ids.source(entry.source)
    const stored = this.db.get<{ partition_id: number }>(
      'SELECT partition_id FROM ledger WHERE entity_id = ? AND source_id = ?',
      entityId,
      sourceId,
    )
    if (stored !== undefined) {
      this.update(entry, stored.partition_id, entityId, pendingSince)
      return
    }
    this.db.run(
      `INSERT INTO ledger (state, last_attempt_at, last_success_at, outcome, response_status, payload_hash, normalizer_version, etag, last_modified,
         attempts, consecutive_failures, next_attempt_at, error_class, error, run_id, pending_since, partition_id, entity_id, source_id)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...ledgerValues(entry, pendingSince),
      partitionId,
      entityId,
      sourceId,
    )
    this.touched.add(partitionId)
  }

  /** 1 when written, 0 when the same content is there already. */
  private record(record: CurrentRecord): number {
    return this.db.run(
      `INSERT INTO record (entity_id, source_id, record, payload_hash, normalizer_version, changed_at, present, run_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (entity_id, source_id) DO UPDATE SET record = excluded.record, payload_hash = excluded.payload_hash,
         normalizer_version = excluded.normalizer_version, changed_at = excluded.changed_at, present = excluded.present, run_id = excluded.run_id
       WHERE payload_hash <> excluded.payload_hash OR normalizer_version <> excluded.normalizer_version OR present <> excluded.present`,
      this.ids.entity(record.entity),
      this.ids.source(record.source),
      JSON.stringify(record.record),
      record.payloadHash,
      record.normalizerVersion,
      record.changedAt,
      record.present ? 1 : 0,
      record.runId,
    )
  }

  private erase(entities: readonly EntityRef[]): void {
    for (const entity of entities) {
      this.db.run(
        "UPDATE event SET changes = '[]' WHERE entity_id = ? AND source_id = ?",
        this.ids.entity(entity),
        this.lease.sourceId,
      )
    }
    if (entities.length > 0) writeFact(this.db, ERASURES, null)
  }

  /** 1 when inserted, 0 when the same event is there already. */
  private event(event: DeltaEvent): number {
    return this.db.run(
      `INSERT INTO event (event_id, source_id, entity_id, kind, at, run_id, old_hash, new_hash, changes, confidence, confidence_method)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (entity_id, event_id) DO NOTHING`,
      event.eventId,
      this.ids.source(event.source),
      this.ids.entity(event.entity),
      event.kind,
      event.at,
      event.runId,
      event.oldHash,
      event.newHash,
      JSON.stringify(event.changes),
      event.confidence,
      event.confidenceMethod,
    )
  }

  /** Set-based: a complete feed may prove hundreds of thousands of rows. Rows listed in the same batch speak for themselves. */
  private prove(proof: ProvenUnchanged): number {
    const { db, batch, lease } = this
    const cohort = parsePartitionKey(batch.lease.partition)!.cohort
    const isWhole = cohort === FEED_COHORT || cohort === FILE_COHORT
    const partitions = isWhole
      ? db.all<{ id: number }>('SELECT id FROM partition WHERE source_id = ?', lease.sourceId).map(({ id }) => id)
      : [lease.partitionId]
    const listed = JSON.stringify(batch.ledger.map((entry) => this.ids.entity(entry.entity)))
    let proven = 0
    for (const partitionId of partitions) {
      const changed = db.run(
        `UPDATE ledger SET last_attempt_at = ?1, last_success_at = ?1, response_status = ?2, outcome = CASE outcome WHEN 'absent' THEN 'absent' ELSE ?3 END,
           attempts = attempts + 1, run_id = ?4
         WHERE partition_id = ?5 AND state = ${KNOWN} AND last_success_at >= ?6 AND last_success_at < ?1
           AND consecutive_failures = 0 AND outcome <> 'failed' AND entity_id NOT IN (SELECT value FROM json_each(?7))`,
        proof.asOf,
        proof.responseStatus,
        proof.outcome,
        batch.runId,
        partitionId,
        proof.knownSince,
        listed,
      )
      if (changed > 0) this.touched.add(partitionId)
      proven += changed
    }
    return proven
  }
}

function ledgerValues(entry: LedgerEntry, pendingSince: number | null): Value[] {
  return [
    rowState({ ...entry, pendingSince }),
    entry.lastAttemptAt,
    entry.lastSuccessAt,
    entry.outcome,
    entry.responseStatus,
    entry.payloadHash,
    entry.normalizerVersion,
    entry.validators.etag,
    entry.validators.lastModified,
    entry.attempts,
    entry.consecutiveFailures,
    entry.nextAttemptAt,
    entry.errorClass,
    entry.error,
    entry.runId,
    pendingSince,
  ]
}

/** `known`: entities that were read through the same connection. */
export function commit(db: Connection, batch: CommitBatch, known: KnownEntities): Promise<CommitSummary> {
  return db.write('commit', () => new Commit(db, batch, known).run())
}
