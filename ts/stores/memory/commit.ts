/** The commit point in memory: everything that can fail is checked first, so that nothing is half written. */

import type { Checkpoint } from '../../model/checkpoint.ts'
import type { Identity } from '../../model/entity.ts'
import { EngineError } from '../../model/errors.ts'
import type { JsonValue } from '../../model/json.ts'
import {
  type EntityRef,
  entityId,
  FEED_COHORT,
  FILE_COHORT,
  type PartitionKey,
  parsePartitionKey,
  partitionKey,
  type SourceId,
} from '../../model/keys.ts'
import type { LedgerEntry } from '../../model/ledger.ts'
import type { CurrentRecord, DeltaEvent } from '../../model/record.ts'
import { badPartition, checkpointConflict, leaseLost, unknownEntity } from '../errors.ts'
import { AMBIGUOUS, closesPending, KNOWN, rowState } from '../row-state.ts'
import { type CommitBatch, type CommitSummary, ERASURES, type Lease, type PendingChange, type ProvenUnchanged } from '../store.ts'
import { copy, type Data, pairKey } from './data.ts'

export function requireLease(data: Data, lease: Lease): void {
  if (parsePartitionKey(lease.partition) === null) throw badPartition(lease.partition)
  const stored = data.leases.get(lease.partition)
  if (stored?.holder !== lease.holder || stored.token !== lease.token) throw leaseLost(lease.partition, lease.holder)
}

export function requireVersion(data: Data, lease: Lease, checkpoint: Checkpoint): void {
  if (checkpoint.partition !== lease.partition) {
    throw new EngineError(
      'failed',
      'checkpoint_conflict',
      `a checkpoint of ${checkpoint.partition} cannot be written under the lease of ${lease.partition}`,
    )
  }
  const stored = data.checkpoints.get(lease.partition)?.version ?? 0
  if (stored !== checkpoint.version - 1) throw checkpointConflict(checkpoint.partition, checkpoint.version - 1, stored)
}

function putLedgerRow(data: Data, entry: LedgerEntry, touched: Set<PartitionKey>): void {
  const stored = data.known(entry.entity)
  const key = pairKey(entry.source, entry.entity)
  const open = data.pending.get(key)
  const closes = open !== undefined && closesPending(entry, open.at)
  if (closes) data.pending.delete(key)
  const cohort = data.row(entry.source, entry.entity)?.entry.cohort ?? entry.cohort
  const { kind, key: name } = entry.entity
  data.putRow(stored, {
    ...entry,
    entity: { kind, key: name },
    validators: { etag: entry.validators.etag, lastModified: entry.validators.lastModified },
    cohort,
    pendingSince: open === undefined || closes ? null : open.at,
  })
  touched.add(partitionKey(entry.source, cohort))
}

function putRecord(data: Data, record: CurrentRecord): number {
  const key = pairKey(record.source, record.entity)
  const stored = data.records.get(key)
  const same =
    stored !== undefined &&
    stored.payloadHash === record.payloadHash &&
    stored.normalizerVersion === record.normalizerVersion &&
    stored.present === record.present
  if (!same) data.records.set(key, copy(record))
  return same ? 0 : 1
}

function putEvent(data: Data, event: DeltaEvent): number {
  const known = `${entityId(event.entity)} ${event.eventId}`
  if (data.eventIds.has(known)) return 0
  data.eventIds.add(known)
  data.events.push({ ...copy(event), position: data.events.length + 1 })
  return 1
}

function erase(data: Data, source: SourceId, entities: readonly EntityRef[]): void {
  const ids = new Set(entities.map(entityId))
  for (const [index, event] of data.events.entries()) {
    if (event.source === source && ids.has(entityId(event.entity))) data.events[index] = { ...event, changes: [] }
  }
  if (entities.length > 0) putFact(data, ERASURES, null)
}

function putFact(data: Data, name: string, value: JsonValue): void {
  data.facts.set(name, { version: (data.facts.get(name)?.version ?? 0) + 1, value: copy(value) })
}

export function putIdentities(data: Data, identities: readonly Identity[]): number {
  for (const { entity } of identities) data.known(entity)
  let written = 0
  for (const identity of identities) {
    if (data.identities.get(pairKey(identity.source, identity.entity))?.decidedBy === 'user' && identity.decidedBy !== 'user')
      continue
    data.putIdentity(identity)
    written += 1
  }
  return written
}

export function openPending(data: Data, changes: readonly PendingChange[], touched: Set<PartitionKey>): number {
  let opened = 0
  for (const change of changes) {
    const row = data.row(change.source, change.entity)
    if (row === undefined || row.entry.pendingSince !== null) continue
    data.pending.set(pairKey(change.source, change.entity), copy(change))
    const nextAttemptAt = rowState(row.entry) === AMBIGUOUS ? null : row.entry.nextAttemptAt
    data.putRow(row.entity, { ...row.entry, pendingSince: change.at, nextAttemptAt })
    touched.add(partitionKey(change.source, row.entry.cohort))
    opened += 1
  }
  return opened
}

export function addPending(data: Data, changes: readonly PendingChange[]): number {
  for (const change of changes) {
    data.known(change.entity)
    if (data.row(change.source, change.entity) === undefined) throw unknownEntity(change.entity, change.source)
  }
  const touched = new Set<PartitionKey>()
  const opened = openPending(data, changes, touched)
  for (const partition of touched) data.touch(partition)
  return opened
}

function prove(data: Data, batch: CommitBatch, proof: ProvenUnchanged, touched: Set<PartitionKey>): number {
  const { source, cohort } = parsePartitionKey(batch.lease.partition)!
  const isWhole = cohort === FEED_COHORT || cohort === FILE_COHORT
  const rows = isWhole ? data.rows.get(source) : data.partitions.get(batch.lease.partition)
  const listed = new Set(batch.ledger.map((entry) => entityId(entry.entity)))
  let proven = 0
  for (const { entity, entry } of rows?.values() ?? []) {
    const { lastSuccessAt: success } = entry
    if (rowState(entry) !== KNOWN || success === null || success < proof.knownSince || success >= proof.asOf) continue
    if (
      entry.consecutiveFailures > 0 ||
      entry.outcome === null ||
      entry.outcome === 'failed' ||
      listed.has(entityId(entry.entity))
    )
      continue
    data.putRow(entity, {
      ...entry,
      lastAttemptAt: proof.asOf,
      lastSuccessAt: proof.asOf,
      responseStatus: proof.responseStatus,
      outcome: entry.outcome === 'absent' ? 'absent' : proof.outcome,
      attempts: entry.attempts + 1,
      runId: batch.runId,
    })
    touched.add(partitionKey(source, entry.cohort))
    proven += 1
  }
  return proven
}

export function commit(data: Data, batch: CommitBatch): CommitSummary {
  requireLease(data, batch.lease)
  requireVersion(data, batch.lease, batch.checkpoint)
  for (const entity of batch.erased ?? []) data.known(entity)
  for (const { entity } of [...batch.ledger, ...batch.records, ...batch.events, ...batch.identities, ...batch.pending])
    data.known(entity)

  const touched = new Set<PartitionKey>([batch.lease.partition])
  data.checkpoints.set(batch.lease.partition, copy(batch.checkpoint))
  for (const entry of batch.ledger) putLedgerRow(data, entry, touched)
  const recordsWritten = batch.records.reduce((sum, record) => sum + putRecord(data, record), 0)
  if (batch.erased !== undefined) erase(data, parsePartitionKey(batch.lease.partition)!.source, batch.erased)
  const eventsInserted = batch.events.reduce((sum, event) => sum + putEvent(data, event), 0)
  putIdentities(data, batch.identities)
  const provenUnchanged = batch.provenUnchanged === undefined ? 0 : prove(data, batch, batch.provenUnchanged, touched)
  openPending(data, batch.pending, touched)
  for (const [name, value] of Object.entries(batch.facts ?? {})) putFact(data, name, value)
  for (const partition of touched) data.touch(partition)
  return { ledgerRows: batch.ledger.length, recordsWritten, eventsInserted, provenUnchanged }
}
