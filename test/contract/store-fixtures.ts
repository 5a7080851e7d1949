/** Small, readable builders for the store's contract suite. Every test says only what it is about. */
import { randomBytes } from 'node:crypto'
import { type Checkpoint, NO_COUNTS } from '../../ts/model/checkpoint.ts'
import type { Entity, Identity } from '../../ts/model/entity.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import { type EntityKind, type EntityRef, partitionKey } from '../../ts/model/keys.ts'
import type { LedgerEntry } from '../../ts/model/ledger.ts'
import type { CurrentRecord, DeltaEvent } from '../../ts/model/record.ts'
import { DAY_MS } from '../../ts/model/time.ts'
import type { Monotonic } from '../../ts/runtime/ports.ts'
import type { CommitBatch, EntityUpsert, Judge, Lease, PendingChange, Placement, Store, WorkItem } from '../../ts/stores/store.ts'

export const NOW = Date.UTC(2026, 10, 21, 3, 0, 0)
export const SOURCE = 'sam_gov'
export const COHORT = 'uei_batch_0001'
export const PARTITION = partitionKey(SOURCE, COHORT)
export const JUDGE: Judge = { now: NOW, cadenceMs: DAY_MS, slaMs: 2 * DAY_MS }

export function at(ms: number, boot = 'boot-1'): Monotonic {
  return { ms, boot }
}

export function company(key: string): EntityRef {
  return { kind: 'company', key }
}

export function upsert(
  ref: EntityRef,
  attributes: JsonObject = { name: ref.key },
  extra: Partial<Pick<EntityUpsert, 'aliases' | 'links'>> = {},
): EntityUpsert {
  return { ...ref, attributes, aliases: extra.aliases ?? [], links: extra.links ?? [] }
}

export async function seed(store: Store, keys: readonly string[], kind: EntityKind = 'company'): Promise<readonly EntityRef[]> {
  const refs = keys.map((key) => ({ kind, key }))
  await store.upsertEntities(
    refs.map((ref) => upsert(ref)),
    'ingest-1',
    NOW,
  )
  return refs
}

export const placeAll = (cohort: string) => (): Placement => ({ cohort, unresolvable: null })

/** Companies with these keys, assigned to one cohort. */
export async function seedAssigned(
  store: Store,
  keys: readonly string[],
  cohort = COHORT,
  source = SOURCE,
): Promise<readonly EntityRef[]> {
  const refs = await seed(store, keys)
  await store.assign(source, ['company'], placeAll(cohort), NOW)
  return refs
}

export function entry(ref: EntityRef, changes: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    source: SOURCE,
    entity: ref,
    cohort: COHORT,
    lastAttemptAt: NOW,
    lastSuccessAt: NOW,
    outcome: 'unchanged',
    responseStatus: 200,
    payloadHash: 'hash-1',
    normalizerVersion: 1,
    validators: { etag: null, lastModified: null },
    attempts: 1,
    consecutiveFailures: 0,
    nextAttemptAt: null,
    errorClass: null,
    error: null,
    runId: 'run-1',
    pendingSince: null,
    ...changes,
  }
}

export function failed(ref: EntityRef, changes: Partial<LedgerEntry> = {}): LedgerEntry {
  return entry(ref, {
    lastSuccessAt: null,
    outcome: 'failed',
    consecutiveFailures: 1,
    payloadHash: null,
    errorClass: 'transient',
    error: 'timed out',
    ...changes,
  })
}

export function record(ref: EntityRef, changes: Partial<CurrentRecord> = {}): CurrentRecord {
  return {
    source: SOURCE,
    entity: ref,
    record: { status: 'Active' },
    payloadHash: 'hash-1',
    normalizerVersion: 1,
    changedAt: NOW,
    present: true,
    runId: 'run-1',
    ...changes,
  }
}

export function event(ref: EntityRef, eventId: string, changes: Partial<DeltaEvent> = {}): DeltaEvent {
  return {
    eventId,
    source: SOURCE,
    entity: ref,
    kind: 'changed',
    at: NOW,
    runId: 'run-1',
    oldHash: 'hash-0',
    newHash: 'hash-1',
    changes: [{ path: '$.status', old: 'Active', new: 'Expired' }],
    confidence: 1,
    confidenceMethod: 'uei',
    ...changes,
  }
}

export function identity(ref: EntityRef, changes: Partial<Identity> = {}): Identity {
  return {
    source: SOURCE,
    entity: ref,
    providerKey: `P-${ref.key}`,
    method: 'uei',
    confidence: 0.9,
    evidence: { matched: ['uei'] },
    alternatives: [],
    resolvedAt: NOW,
    decidedBy: 'computed',
    ...changes,
  }
}

export function pendingChange(ref: EntityRef, changes: Partial<PendingChange> = {}): PendingChange {
  return { source: SOURCE, entity: ref, reason: 'excluded', at: NOW, by: 'user', ...changes }
}

export function checkpoint(version: number, changes: Partial<Checkpoint> = {}): Checkpoint {
  return {
    partition: PARTITION,
    version,
    status: 'open',
    strategy: 'batch',
    passStartedAt: NOW,
    window: null,
    cursor: `settled:${version}`,
    counts: NO_COUNTS,
    updatedAt: NOW,
    finishedAt: null,
    durationMs: null,
    runId: 'run-1',
    ledgerWatermark: NOW,
    ...changes,
  }
}

export async function lease(
  store: Store,
  partition = PARTITION,
  holder = `holder-${randomBytes(4).toString('hex')}`,
): Promise<Lease> {
  const granted = await store.acquireLease(partition, holder, 60_000, at(0))
  if (granted === null) throw new Error(`${partition} is leased already`)
  return granted
}

export function batch(held: Lease, version: number, changes: Partial<CommitBatch> = {}): CommitBatch {
  return {
    lease: held,
    runId: 'run-1',
    checkpoint: checkpoint(version, { partition: held.partition }),
    ledger: [],
    records: [],
    events: [],
    identities: [],
    pending: [],
    ...changes,
  }
}

/** Commits ledger rows under a lease of its own, whatever the checkpoint's version is. */
export async function commitRows(
  store: Store,
  rows: readonly LedgerEntry[],
  changes: Partial<CommitBatch> = {},
  partition = PARTITION,
): Promise<void> {
  const held = await lease(store, partition)
  const version = ((await store.checkpoint(partition))?.version ?? 0) + 1
  await store.commit(batch(held, version, { ledger: rows, ...changes }))
  await store.releaseLease(held)
}

export async function rowOf(store: Store, ref: EntityRef, source = SOURCE): Promise<LedgerEntry> {
  const [item] = await store.items(source, [ref])
  if (item === undefined) throw new Error(`no row of ${ref.key} at ${source}`)
  return item.entry
}

export async function list<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

export async function keysOf(items: AsyncIterable<WorkItem> | AsyncIterable<Entity>): Promise<string[]> {
  return (await list<WorkItem | Entity>(items)).map((item) => ('entity' in item ? item.entity.key : item.key))
}

/** Code of the EngineError that a promise rejects with; fails when it does anything else. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error && error.name === 'EngineError' && 'code' in error) return String(error.code)
    throw error
  }
  throw new Error('did not reject')
}
