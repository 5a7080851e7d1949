/** Table rows -> the engine's words. Column lists and the types that read them stand side by side. */
import type { Entity, Identity } from '../../model/entity.ts'
import type { JsonObject } from '../../model/json.ts'
import type { EntityKind, SourceId } from '../../model/keys.ts'
import type { LedgerEntry, Outcome } from '../../model/ledger.ts'
import type { CurrentRecord } from '../../model/record.ts'
import type { Connection } from './connection.ts'

export const ENTITY_COLUMNS = 'e.kind, e.key, e.attributes, e.aliases'
export type EntityTuple = readonly [kind: string, key: string, attributes: string, aliases: string]

export function entityOf(db: Connection, [kind, key, attributes, aliases]: EntityTuple): Entity {
  return {
    kind: kind as EntityKind,
    key,
    attributes: db.json<JsonObject>(attributes),
    aliases: aliases === '[]' ? [] : db.json<string[]>(aliases),
  }
}

/** Needs `ledger l`, `entity e` and `partition p`. */
export const LEDGER_COLUMNS =
  'e.kind, e.key, p.cohort, l.last_attempt_at, l.last_success_at, l.outcome, l.response_status, l.payload_hash, l.normalizer_version, l.etag, l.last_modified, l.attempts, l.consecutive_failures, l.next_attempt_at, l.error_class, l.error, l.run_id, l.pending_since'
export const LEDGER_WIDTH = 18
export type LedgerTuple = readonly [
  kind: string,
  key: string,
  cohort: string,
  lastAttemptAt: number | null,
  lastSuccessAt: number | null,
  outcome: string | null,
  responseStatus: number | null,
  payloadHash: string | null,
  normalizerVersion: number | null,
  etag: string | null,
  lastModified: string | null,
  attempts: number,
  consecutiveFailures: number,
  nextAttemptAt: number | null,
  errorClass: string | null,
  error: string | null,
  runId: string | null,
  pendingSince: number | null,
]

export function ledgerOf(source: SourceId, row: LedgerTuple): LedgerEntry {
  return {
    source,
    entity: { kind: row[0] as EntityKind, key: row[1] },
    cohort: row[2],
    lastAttemptAt: row[3],
    lastSuccessAt: row[4],
    outcome: row[5] as Outcome | null,
    responseStatus: row[6],
    payloadHash: row[7],
    normalizerVersion: row[8],
    validators: { etag: row[9], lastModified: row[10] },
    attempts: row[11],
    consecutiveFailures: row[12],
    nextAttemptAt: row[13],
    errorClass: row[14],
    error: row[15],
    runId: row[16],
    pendingSince: row[17],
  }
}

/** Needs `identity i`; all null when there is none. */
export const IDENTITY_COLUMNS = 'i.provider_key, i.method, i.confidence, i.evidence, i.alternatives, i.resolved_at, i.decided_by'
export type IdentityTuple = readonly [
  providerKey: string | null,
  method: string,
  confidence: number,
  evidence: string,
  alternatives: string,
  resolvedAt: number,
  decidedBy: string,
]

export function identityOf(
  db: Connection,
  source: SourceId,
  entity: { kind: EntityKind; key: string },
  row: IdentityTuple,
): Identity | null {
  const [providerKey, method, confidence, evidence, alternatives, resolvedAt, decidedBy] = row
  if (providerKey === null) return null
  return {
    source,
    entity,
    providerKey,
    method,
    confidence,
    evidence: db.json<JsonObject>(evidence),
    alternatives: db.json<JsonObject[]>(alternatives),
    resolvedAt,
    decidedBy: decidedBy as Identity['decidedBy'],
  }
}

/** Needs `record r` and `entity e`. */
export const RECORD_COLUMNS = 'e.kind, e.key, r.record, r.payload_hash, r.normalizer_version, r.changed_at, r.present, r.run_id'
export type RecordTuple = readonly [
  kind: string,
  key: string,
  record: string,
  payloadHash: string,
  normalizerVersion: number,
  changedAt: number,
  present: number,
  runId: string,
]

export function recordOf(db: Connection, source: SourceId, row: RecordTuple): CurrentRecord {
  return {
    source,
    entity: { kind: row[0] as EntityKind, key: row[1] },
    record: db.json<JsonObject>(row[2]),
    payloadHash: row[3],
    normalizerVersion: row[4],
    changedAt: row[5],
    present: row[6] === 1,
    runId: row[7],
  }
}
