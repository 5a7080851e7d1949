/**
 * What the memory store holds. Values are copied on their way in, as JSON: a caller may change its own, and the store
 * forgets what JSON cannot say, exactly as a file would.
 */
import type { Checkpoint } from '../../model/checkpoint.ts'
import type { Entity, EntityLink, Identity } from '../../model/entity.ts'
import type { JsonValue } from '../../model/json.ts'
import { type EntityRef, entityId, type PartitionKey, partitionKey, type SourceId } from '../../model/keys.ts'
import type { LedgerEntry } from '../../model/ledger.ts'
import type { CurrentRecord, DeltaEvent } from '../../model/record.ts'
import { storeClosed, unknownEntity } from '../errors.ts'
import type { IngestFact, PendingChange, QuarantineItem, StoredRun } from '../store.ts'

export type StoredEntity = { readonly id: number; readonly entity: Entity; readonly revision: number }
export type StoredRow = { readonly entity: StoredEntity; entry: LedgerEntry }
export type StoredLease = {
  readonly holder: string | null
  readonly token: number
  readonly expiresMs: number
  readonly boot: string
}

export class Data {
  readonly entities = new Map<string, StoredEntity>()
  /** Alias or key -> entity ids, per kind. */
  readonly aliases = new Map<string, Set<string>>()
  readonly links = new Map<string, EntityLink>()
  readonly linksFrom = new Map<string, EntityLink[]>()
  readonly linksTo = new Map<string, EntityLink[]>()
  readonly sightings = new Map<string, Set<string>>()
  /** The ingest that wrote last; `alone`: it did not go on after another one had begun. */
  lastIngest: { readonly id: string; readonly alone: boolean } | null = null
  readonly revisions = new Map<string, number>()
  readonly marks = new Map<string, number>()
  /** Per source whose placement depends on identities, the rule and the entities to be offered again. */
  readonly placement = new Map<SourceId, { rule: string; readonly due: Set<string> }>()

  /** Per source, by entity id. */
  readonly rows = new Map<SourceId, Map<string, StoredRow>>()
  readonly partitions = new Map<PartitionKey, Map<string, StoredRow>>()
  readonly changes = new Map<PartitionKey, number>()
  readonly records = new Map<string, CurrentRecord>()
  readonly events: (DeltaEvent & { readonly position: number })[] = []
  /** `<entity id> <event id>` */
  readonly eventIds = new Set<string>()
  readonly pending = new Map<string, PendingChange>()
  readonly identities = new Map<string, Identity>()
  /** Source and provider key -> pairs that have it. */
  readonly providerKeys = new Map<string, Set<string>>()

  readonly checkpoints = new Map<PartitionKey, Checkpoint>()
  readonly leases = new Map<PartitionKey, StoredLease>()
  readonly facts = new Map<string, { readonly version: number; readonly value: JsonValue }>()
  readonly quarantine = new Map<string, QuarantineItem>()
  readonly runs = new Map<string, StoredRun>()
  readonly ingests = new Map<string, IngestFact>()
  private isOpen = true

  close(): void {
    this.isOpen = false
  }

  /** One step, as a transaction would be: nothing else runs inside, and an error leaves everything as it was if `work` checks first. */
  async step<T>(work: () => T): Promise<T> {
    if (!this.isOpen) throw storeClosed()
    return work()
  }

  /** Throws `unknown_entity`. */
  known(ref: EntityRef): StoredEntity {
    const stored = this.entities.get(entityId(ref))
    if (stored === undefined) throw unknownEntity(ref)
    return stored
  }

  row(source: SourceId, ref: EntityRef): StoredRow | undefined {
    return this.rows.get(source)?.get(entityId(ref))
  }

  /** Adds or replaces a row; its cohort may have changed. */
  putRow(entity: StoredEntity, entry: LedgerEntry): void {
    const id = entityId(entry.entity)
    const rows = getOrAdd(this.rows, entry.source, () => new Map<string, StoredRow>())
    const known = rows.get(id)
    if (known !== undefined && known.entry.cohort !== entry.cohort)
      this.partitions.get(partitionKey(entry.source, known.entry.cohort))?.delete(id)
    const row = known ?? { entity, entry }
    row.entry = entry
    rows.set(id, row)
    getOrAdd(this.partitions, partitionKey(entry.source, entry.cohort), () => new Map<string, StoredRow>()).set(id, row)
  }

  putIdentity(identity: Identity): void {
    this.removeIdentity(identity.source, identity.entity)
    const pair = pairKey(identity.source, identity.entity)
    this.identities.set(pair, copy(identity))
    this.placement.get(identity.source)?.due.add(entityId(identity.entity))
    getOrAdd(this.providerKeys, `${identity.source}/${identity.providerKey}`, () => new Set<string>()).add(pair)
  }

  /** False when there was none. */
  removeIdentity(source: SourceId, ref: EntityRef): boolean {
    const pair = pairKey(source, ref)
    const known = this.identities.get(pair)
    if (known !== undefined) this.providerKeys.get(`${source}/${known.providerKey}`)?.delete(pair)
    if (known !== undefined) this.placement.get(source)?.due.add(entityId(ref))
    return this.identities.delete(pair)
  }

  touch(partition: PartitionKey): void {
    this.changes.set(partition, (this.changes.get(partition) ?? 0) + 1)
  }
}

export function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

export function pairKey(source: SourceId, ref: EntityRef): string {
  return `${source}/${entityId(ref)}`
}

export function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}
