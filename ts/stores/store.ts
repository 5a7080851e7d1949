/**
 * The one transactional truth, behind promises so that a store on another host can serve the same engine unchanged.
 * Implementations: `sqlite/` and `memory/`. `test/contract/store-suite.ts` is the suite that both pass; what it checks is
 * written here at each method. Methods reject with `EngineError` only:
 * `lease_lost`, `checkpoint_conflict`, `store_busy` (recovery `try_later`); `store_unreadable`, `store_foreign`,
 * `store_newer`, `store_locked`, `store_network_fs`, `no_upgrade_path` (recovery `configuration`, when opening).
 */
import type { Checkpoint } from '../model/checkpoint.ts'
import type { Entity, EntityLink, Identity } from '../model/entity.ts'
import type { JsonObject, JsonValue } from '../model/json.ts'
import type { EntityKind, EntityRef, PartitionKey, SourceId } from '../model/keys.ts'
import type { LedgerEntry } from '../model/ledger.ts'
import type { CurrentRecord, DeltaEvent, EventKind } from '../model/record.ts'
import type { RunReport } from '../model/run-report.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import type { Monotonic } from '../runtime/ports.ts'

// ---------------------------------------------------------------- population

export type EntityUpsert = Entity & { readonly links: readonly EntityLink[] }
export type UpsertSummary = { readonly added: number; readonly changed: number; readonly unchanged: number }

export type PopulationStore = {
  /**
   * Adds or updates entities in one transaction and marks each as seen by the ingest (null: none saw them). Attributes are replaced as a whole,
   * aliases and links are added to. Idempotent: the same batch again counts as unchanged. Never deletes. A link may name
   * an entity that comes in later; a new link alone makes its entity a changed one.
   */
  upsertEntities(batch: readonly EntityUpsert[], ingestId: string | null, at: EpochMs): Promise<UpsertSummary>
  entity(ref: EntityRef): Promise<Entity | null>
  /** Entities known by an alias (or by their key itself), in key order; several when the alias is shared. */
  entitiesByAlias(kind: EntityKind, aliases: readonly string[]): Promise<ReadonlyMap<string, readonly Entity[]>>
  /** The same without what is known of them. */
  entityRefsByAlias(kind: EntityKind, aliases: readonly string[]): Promise<ReadonlyMap<string, readonly EntityRef[]>>
  /** Streams a kind in insertion order, which never changes. */
  entities(kind: EntityKind): AsyncIterable<Entity>
  countEntities(): Promise<Readonly<Partial<Record<EntityKind, number>>>>
  links(from: EntityRef): Promise<readonly EntityLink[]>
  linksTo(to: EntityRef): Promise<readonly EntityLink[]>
}

// ---------------------------------------------------------------- ledger, records, events

/** Everything the engine needs to work on one entity of a partition. */
export type WorkItem = { readonly entity: Entity; readonly entry: LedgerEntry; readonly identity: Identity | null }

/** Counts of one partition at a moment, computed by the store because a million rows do not travel. */
export type PartitionStats = {
  readonly source: SourceId
  readonly cohort: string
  readonly population: number
  /** `nextAttemptAt` is past, and never attempted, or success older than cadence, or pending. Excludes unresolved. */
  readonly due: number
  /** Of these, never attempted at all. Rows `skipped` without an attempt are never due; those skipped by an answer (ambiguous) are, once `nextAttemptAt` is past. */
  readonly neverAttempted: number
  /** Success older than SLA, or attempted and never succeeded, or pending. */
  readonly stale: number
  /** Due but for `nextAttemptAt`. */
  readonly backingOff: number
  /** Rows whose outcome is `skipped`: the source cannot be asked about them. */
  readonly unresolved: number
  readonly fresh: number
  readonly pending: number
  readonly oldestSuccessAt: EpochMs | null
  readonly newestAttemptAt: EpochMs | null
}

/** Rows proven unchanged by a complete feed or file that did not list them. */
export type ProvenUnchanged = {
  /** New `lastSuccessAt` and `lastAttemptAt`. */
  readonly asOf: EpochMs
  /** Only rows whose `lastSuccessAt` lies in [knownSince, asOf) and that are neither pending nor failing nor skipped. */
  readonly knownSince: EpochMs
  readonly responseStatus: number
  /** `unchanged` for a walked feed; `not_modified` for a 304 or an unchanged gate. `absent` rows stay `absent`. */
  readonly outcome: 'unchanged' | 'not_modified'
}

/** Name of the state value (`getState`) whose version says how often events were erased; it holds no value. */
export const ERASURES = 'events.erasures'

/** All that one response brings; written in one transaction, or not at all. */
export type CommitBatch = {
  readonly lease: Lease
  readonly runId: string
  /** Replaces the stored one if that still has `checkpoint.version - 1`; otherwise `checkpoint_conflict`. */
  readonly checkpoint: Checkpoint
  readonly ledger: readonly LedgerEntry[]
  readonly records: readonly CurrentRecord[]
  /** Inserted by id; an id that exists is left alone. */
  readonly events: readonly DeltaEvent[]
  readonly identities: readonly Identity[]
  /** Opens pending entries at (other) sources, so that the entity becomes due there. */
  readonly pending: readonly PendingChange[]
  /** Of these entities the source's events that are stored already lose their field changes; that they happened stays. */
  readonly erased?: readonly EntityRef[]
  readonly provenUnchanged?: ProvenUnchanged
  /** Small facts kept under a name with the same commit, e.g. a feed's marker. */
  readonly facts?: Readonly<Record<string, JsonValue>>
}
export type CommitSummary = {
  readonly ledgerRows: number
  readonly recordsWritten: number
  readonly eventsInserted: number
  readonly provenUnchanged: number
}

export type LedgerQuery = {
  readonly source: SourceId
  readonly cohort: string
  /** `due`: as in PartitionStats; `all`: every row but unresolved ones. */
  readonly select: 'due' | 'all'
  /** Leave out rows attempted at or after this moment: they belong to the pass already. */
  readonly notAttemptedSince: EpochMs | null
  readonly limit: number | null
}

/** Thresholds by which the store judges rows, so that no query needs the config. */
export type Judge = { readonly now: EpochMs; readonly cadenceMs: DurationMs; readonly slaMs: DurationMs }

export type EventQuery = {
  readonly source?: SourceId
  readonly entity?: EntityRef
  readonly kinds?: readonly EventKind[]
  readonly since?: EpochMs
  readonly runId?: string
  /** Events after this position. Events come in commit order, oldest first. */
  readonly after?: number
  readonly limit: number
}

export type LedgerStore = {
  /**
   * Gives each entity of the kinds that has no ledger row at the source yet its cohort. Cohorts never change afterwards,
   * except that a row of cohort `unresolved` is offered again after its entity changed. `place` returns the cohort and,
   * when the source cannot be asked, the reason (the row is then `skipped`, with no attempt and the reason in `error`). It is
   * called once per such entity, in the order the entities were added or last changed, so that a second process or a
   * later call goes on where this one stood. Runs in transactions of bounded size; callable again after a crash. What
   * `place` throws ends it; the batch it was thrown in is not kept (the memory store keeps its beginning). Returns how many
   * rows were added, moved, or made askable.
   *
   * `byIdentity`: placement depends on the identity too, and this text names the rule by which. `place` is then given the stored
   * identity, and every row, whatever its state, is offered again after its identity was written or cleared, and all of them when
   * the rule is another than last time. One that was asked about and cannot be any more keeps its cohort and what is known, and
   * is never due (`errorClass` `unresolved`); one that can be again is due at once.
   */
  assign(source: SourceId, kinds: readonly EntityKind[], place: Placer, at: EpochMs, byIdentity?: string): Promise<number>
  /** Number of rows per cohort, to continue numbered cohorts. */
  cohortSizes(source: SourceId): Promise<ReadonlyMap<string, number>>
  /** One row per partition of the source (or for one cohort), unresolved ones included, ordered by cohort. */
  partitionStats(source: SourceId, judge: Judge, cohort?: string): Promise<readonly PartitionStats[]>
  /**
   * Rows to work on: stale first, then never attempted, then oldest success; equal ones in insertion order of their
   * entities. Streams in pages; memory stays flat (4 bytes a row). The selection is made once: each row comes at most
   * once, whatever is committed meanwhile, and a row that no longer qualifies when its page is read is left out.
   */
  workItems(query: LedgerQuery, judge: Judge): AsyncIterable<WorkItem>
  /** Rows of given entities at a source, in the order given; entities without a row are left out. */
  items(source: SourceId, entities: readonly EntityRef[]): Promise<readonly WorkItem[]>
  /** Entities whose identity at the source is one of these. */
  entitiesByProviderKey(source: SourceId, providerKeys: readonly string[]): Promise<ReadonlyMap<string, readonly EntityRef[]>>
  records(source: SourceId, entities: readonly EntityRef[]): Promise<readonly CurrentRecord[]>
  /** Streams a source's ledger rows (one cohort or all) in key order, for export and reports. */
  ledger(source: SourceId, cohort?: string): AsyncIterable<LedgerEntry>
  /** Streams a source's current records in key order (one cohort or all). */
  currentRecords(source: SourceId, cohort?: string): AsyncIterable<CurrentRecord>
  /**
   * Ids (`entityId`) of those that an ingest with this id saw. Remembered for the 16 newest ingests; null when this one is not
   * among them, which says nothing about what it saw.
   */
  seenBy(entities: readonly EntityRef[], ingestId: string): Promise<ReadonlySet<string> | null>
  /**
   * The ingest whose word entities are: it wrote last, ended or not, and no other one in between its batches. Null before the first, and
   * when two overlapped, so that nobody knows which of them an entity follows.
   */
  lastIngest(): Promise<string | null>
  /**
   * `lease_lost` unless the lease is the partition's newest grant and was not released; one that merely ran out may still
   * commit. Then, all or nothing:
   * - The stored cohort of a row stands, whatever the entry says. A row that is not there yet is added. Unknown entities are
   *   refused (`unknown_entity`).
   * - An entry with `pendingSince` null closes the pair's open status change, unless its outcome is `failed` or its attempt
   *   is older than the change. An entry never opens one.
   * - A record is written when hash, normalizer version or presence differ from the stored one.
   * - An event is stored once: one with the same id at the same entity is left out.
   * - `erased` comes before the batch's own events, and counts up the state value `ERASURES`, so that exports write all events anew.
   * - `provenUnchanged` concerns all rows of the source when the lease is on its change feed or bulk file, else those of the
   *   leased partition; never rows that the same batch lists. It counts as an attempt.
   * - `pending` is opened last; pairs without a ledger row are left out: they are due there once assigned.
   * - Facts are `getState` values; their version counts up.
   */
  commit(batch: CommitBatch): Promise<CommitSummary>
  events(query: EventQuery): AsyncIterable<DeltaEvent & { readonly position: number }>
  /** Grows with each transaction that changed rows of the partition or committed under its lease, to export only what changed. */
  changeCounters(): Promise<ReadonlyMap<PartitionKey, number>>
}
export type Placement = { readonly cohort: string; readonly unresolvable: string | null }
/** `current`: the cohort that the row has already and keeps, whatever is returned; null when it has none, or `unresolved`. */
export type Placer = (entity: Entity, identity?: Identity | null, current?: string | null) => Placement

// ---------------------------------------------------------------- checkpoints, leases

/** `token` grows with every grant of the partition: a holder that was overtaken can never commit again. */
export type Lease = {
  readonly partition: PartitionKey
  readonly holder: string
  readonly token: number
  readonly expiresAtMonotonicMs: number
}

export type CoordinationStore = {
  checkpoint(partition: PartitionKey): Promise<Checkpoint | null>
  checkpoints(source?: SourceId): Promise<readonly Checkpoint[]>
  /** Forgets where the pass stood; the next run starts a new pass. Refused (`lease_held`) while the partition is leased. False when there was none. */
  resetCheckpoint(partition: PartitionKey, monotonic: Monotonic): Promise<boolean>
  /** Rewrites a checkpoint outside a commit (reconciliation), under the lease and the expected version. */
  putCheckpoint(lease: Lease, checkpoint: Checkpoint): Promise<void>

  /** Null while another holder has it. A lease of another boot counts as expired. The same holder asking again gets null too. */
  acquireLease(partition: PartitionKey, holder: string, duration: DurationMs, monotonic: Monotonic): Promise<Lease | null>
  /** Extends it; `lease_lost` when it expired and was granted to another, or was released. */
  renewLease(lease: Lease, duration: DurationMs, monotonic: Monotonic): Promise<Lease>
  /** Idempotent; a lease that was overtaken is left alone. */
  releaseLease(lease: Lease): Promise<void>
  /** Those held now, by partition. */
  leases(monotonic: Monotonic): Promise<readonly Lease[]>
}

// ---------------------------------------------------------------- quotas

/**
 * `slots`: at most `limit` requests in any window of `perMs` (a ring of slots timed by the monotonic clock).
 * `counter`: at most `limit` between two resets (`perMs` is a day or more), kept by UTC wall time; persists over restarts.
 */
export type QuotaRule = {
  /** Who shares it: the credential's name, so that two sources on one key share one quota. */
  readonly quotaPartition: string
  readonly kind: 'slots' | 'counter'
  readonly limit: number
  readonly perMs: DurationMs
  /** For counters: offset of the reset from UTC midnight (of the first day of the month for months). */
  readonly resets?: 'utc_day' | 'utc_month'
  /** Counters only. What is counted: requests (unless said), or what each request costs. */
  readonly unit?: 'request' | 'credit'
}
export type QuotaGrant = { readonly id: string; readonly rules: readonly QuotaRule[]; readonly slots: readonly number[] }
export type QuotaAnswer =
  | { readonly granted: true; readonly grant: QuotaGrant }
  /** `waitMs`: earliest moment from now at which it may be granted; `rule` is the one that says no. */
  | { readonly granted: false; readonly waitMs: DurationMs; readonly rule: QuotaRule }

export type QuotaUse = {
  readonly rule: QuotaRule
  readonly used: number
  readonly remaining: number
  /** When the next slot frees or the counter resets. */
  readonly freesAt: EpochMs | null
  /** The provider said "not before". */
  readonly blockedUntil: EpochMs | null
}

export type QuotaStore = {
  /**
   * Takes one unit of every rule, or of none. A slot taken is free again `perMs` after `release`, or `leaseMs + perMs`
   * after the grant when the holder dies. Slots of another boot count as busy for a whole window from first sight.
   * Rules with equal partition, kind and window (days and months by their reset) draw from one bucket, under the strictest
   * limit of them; the holder's request must end before its `leaseMs` does. `credits` (1 unless said): what is taken of rules
   * with unit `credit`; 0 takes none of them and does not wait for them, more than their limit takes a whole window's.
   */
  acquireQuota(
    rules: readonly QuotaRule[],
    holder: string,
    leaseMs: DurationMs,
    monotonic: Monotonic,
    now: EpochMs,
    credits?: number,
  ): Promise<QuotaAnswer>
  /** The request completed (answered, failed or timed out). Idempotent. Counters are not given back: the call was made. */
  releaseQuota(grant: QuotaGrant, monotonic: Monotonic): Promise<void>
  /** The request was never sent: the unit is given back in full, once; after a release there is nothing to give back. */
  refundQuota(grant: QuotaGrant, monotonic: Monotonic): Promise<void>
  /** The provider named a moment before which it will refuse. It can only be moved later. */
  blockQuota(quotaPartition: string, until: EpochMs, reason: string): Promise<void>
  quotaUse(rules: readonly QuotaRule[], monotonic: Monotonic, now: EpochMs): Promise<readonly QuotaUse[]>
}

// ---------------------------------------------------------------- small things

/** An open entry that says an entity's status may have changed at a source. Closed by the next success there. */
export type PendingChange = {
  readonly source: SourceId
  readonly entity: EntityRef
  readonly reason: string
  readonly at: EpochMs
  readonly by: string
}

export type QuarantineItem = {
  readonly id: string
  /** `ingest` or a source. */
  readonly origin: string
  /** File and line, or request label and entity. */
  readonly where: string
  readonly reason: string
  /** What was refused, capped at 64 KiB. */
  readonly payload: string
  readonly at: EpochMs
  readonly state: 'open' | 'replayed' | 'dropped'
}

export type StoredRun = {
  readonly runId: string
  readonly startedAt: EpochMs
  readonly finishedAt: EpochMs | null
  readonly command: string
  readonly report: RunReport | null
}

export type SmallStore = {
  /** Versioned values under a name: breaker states, retry budgets, feed markers. Null when absent. */
  getState(name: string): Promise<{ readonly version: number; readonly value: JsonValue } | null>
  /** Writes when the stored version is still `expected` (0: absent); false when it is not. */
  putState(name: string, expected: number, value: JsonValue): Promise<boolean>

  /**
   * Opens an entry per (source, entity); one that is open stays as it is. The wait of a row that could not be told apart ends with it,
   * that of a failing one does not. Unknown pairs are refused with `unknown_entity`, and
   * then none is opened. Returns how many were opened.
   */
  addPending(changes: readonly PendingChange[]): Promise<number>
  /** Open entries, oldest first. */
  pending(source?: SourceId): Promise<readonly PendingChange[]>

  /** By source and entity. `below`: with a confidence below this. */
  identities(query: {
    readonly source?: SourceId
    readonly entity?: EntityRef
    readonly decidedBy?: Identity['decidedBy']
    readonly below?: number
    readonly limit: number
  }): Promise<readonly Identity[]>
  /** Of these entities at one source; those without one are left out. */
  identitiesOf(source: SourceId, entities: readonly EntityRef[]): Promise<readonly Identity[]>
  /** Rows of a source that cannot be asked about, with the reason in `entry.error`; in insertion order of their entities. */
  unresolved(source: SourceId, limit: number): Promise<readonly WorkItem[]>
  /** Writes identities; one that a user decided is not replaced by a computed one. Returns how many were written. */
  putIdentities(identities: readonly Identity[]): Promise<number>
  clearIdentity(source: SourceId, entity: EntityRef): Promise<boolean>

  /** An id that is there already is left alone. Payloads are cut at 64 KiB. */
  addQuarantine(items: readonly Omit<QuarantineItem, 'state'>[]): Promise<void>
  /** Newest first. */
  quarantine(query: {
    readonly origin?: string
    readonly state?: QuarantineItem['state']
    readonly limit: number
  }): Promise<readonly QuarantineItem[]>
  setQuarantineState(id: string, state: QuarantineItem['state']): Promise<boolean>

  /** A run id that is there already is left alone. */
  startRun(run: { readonly runId: string; readonly startedAt: EpochMs; readonly command: string }): Promise<void>
  /** `unknown_run` when it was never started. */
  finishRun(runId: string, report: RunReport): Promise<void>
  /** Newest first. */
  runs(limit: number): Promise<readonly StoredRun[]>

  /** Facts of ingests, newest first: `{ingestId, file, sha256, rows, …}`. */
  addIngest(ingest: IngestFact): Promise<void>
  ingests(limit: number): Promise<readonly IngestFact[]>
}
export type IngestFact = {
  readonly ingestId: string
  readonly loader: string
  readonly file: string
  readonly sha256: string
  readonly rows: number
  readonly at: EpochMs
  readonly detail: JsonObject
}

export type Store = PopulationStore & LedgerStore & CoordinationStore & QuotaStore & SmallStore & { close(): Promise<void> }
