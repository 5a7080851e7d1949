/** Plain values of the model with sensible contents; a test names only what it is about. */
import type { Checkpoint } from '../../ts/model/checkpoint.ts'
import { NO_COUNTS } from '../../ts/model/checkpoint.ts'
import type { Entity, Identity } from '../../ts/model/entity.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import type { EntityKind, EntityRef } from '../../ts/model/keys.ts'
import type { LedgerEntry } from '../../ts/model/ledger.ts'
import type { PlannedPartition, RefreshRequest } from '../../ts/model/plan.ts'
import type { CurrentRecord } from '../../ts/model/record.ts'
import { DAY_MS, MINUTE_MS } from '../../ts/model/time.ts'
import type { PartitionStats, QuotaRule, WorkItem } from '../../ts/stores/store.ts'
import { TEST_EPOCH } from './fake-clock.ts'

export const SOURCE = 'fake_source'

export function ref(key: string, kind: EntityKind = 'company'): EntityRef {
  return { kind, key }
}

export function entity(
  key: string,
  attributes: JsonObject = {},
  aliases: readonly string[] = [],
  kind: EntityKind = 'company',
): Entity {
  return { kind, key, attributes: { name: key, ...attributes }, aliases }
}

export function ledgerEntry(parts: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    source: SOURCE,
    entity: ref('uei:A'),
    cohort: 'batch_0001',
    lastAttemptAt: null,
    lastSuccessAt: null,
    outcome: null,
    responseStatus: null,
    payloadHash: null,
    normalizerVersion: null,
    validators: { etag: null, lastModified: null },
    attempts: 0,
    consecutiveFailures: 0,
    nextAttemptAt: null,
    errorClass: null,
    error: null,
    runId: null,
    pendingSince: null,
    ...parts,
  }
}

export function identity(parts: Partial<Identity> = {}): Identity {
  return {
    source: SOURCE,
    entity: ref('uei:A'),
    providerKey: 'A',
    method: 'uei',
    confidence: 0.9,
    evidence: {},
    alternatives: [],
    resolvedAt: TEST_EPOCH - DAY_MS,
    decidedBy: 'computed',
    ...parts,
  }
}

/** Entity and ledger row of one key; `entry` overrides parts of the row. */
export function workItem(
  key: string,
  entry: Partial<LedgerEntry> = {},
  more: { readonly identity?: Identity | null; readonly attributes?: JsonObject } = {},
): WorkItem {
  const subject = entity(key, more.attributes)
  return {
    entity: subject,
    entry: ledgerEntry({ entity: { kind: subject.kind, key }, ...entry }),
    identity: more.identity ?? null,
  }
}

export function currentRecord(parts: Partial<CurrentRecord> = {}): CurrentRecord {
  return {
    source: SOURCE,
    entity: ref('uei:A'),
    record: { status: 'active' },
    payloadHash: 'hash-a',
    normalizerVersion: 1,
    changedAt: TEST_EPOCH - DAY_MS,
    present: true,
    runId: 'run-old',
    ...parts,
  }
}

export function partitionStats(parts: Partial<PartitionStats> = {}): PartitionStats {
  return {
    source: SOURCE,
    cohort: 'batch_0001',
    population: 0,
    due: 0,
    neverAttempted: 0,
    stale: 0,
    backingOff: 0,
    unresolved: 0,
    fresh: 0,
    pending: 0,
    oldestSuccessAt: null,
    newestAttemptAt: null,
    ...parts,
  }
}

export function checkpoint(parts: Partial<Checkpoint> = {}): Checkpoint {
  return {
    partition: `${SOURCE}:batch_0001`,
    version: 1,
    status: 'open',
    strategy: 'batch',
    passStartedAt: TEST_EPOCH - MINUTE_MS,
    window: null,
    cursor: null,
    counts: NO_COUNTS,
    updatedAt: TEST_EPOCH - MINUTE_MS,
    finishedAt: null,
    durationMs: null,
    runId: 'run-old',
    ledgerWatermark: null,
    ...parts,
  }
}

export function plannedPartition(parts: Partial<PlannedPartition> = {}): PlannedPartition {
  return {
    partition: `${SOURCE}:batch_0001`,
    source: SOURCE,
    cohort: 'batch_0001',
    strategy: 'batch',
    window: null,
    due: 0,
    stale: 0,
    calls: 0,
    provesSince: null,
    entities: 0,
    resume: false,
    reason: 'due',
    ...parts,
  }
}

export const EVERYTHING: RefreshRequest = {
  sources: [],
  cohorts: [],
  partitions: [],
  window: null,
  force: false,
  limit: null,
  maxCalls: null,
}

export function slotRule(limit: number, perMs: number = MINUTE_MS): QuotaRule {
  return { quotaPartition: SOURCE, kind: 'slots', limit, perMs }
}

export function dayRule(limit: number): QuotaRule {
  return { quotaPartition: SOURCE, kind: 'counter', limit, perMs: DAY_MS, resets: 'utc_day' }
}
