/** Inner ids of sources, partitions and entities. Looked up per call: an id cached over a rollback could name another row. */
import { type EntityRef, type PartitionKey, parsePartitionKey, type SourceId } from '../../model/keys.ts'
import { badPartition, unknownEntity } from '../errors.ts'
import type { Connection } from './connection.ts'

/** Null when the source was never seen. */
export function findSource(db: Connection, source: SourceId): number | null {
  return db.get<{ id: number }>('SELECT id FROM source WHERE name = ?', source)?.id ?? null
}

export function makeSource(db: Connection, source: SourceId): number {
  const known = findSource(db, source)
  if (known !== null) return known
  return db.get<{ id: number }>('INSERT INTO source (name) VALUES (?) RETURNING id', source)!.id
}

export function findPartition(db: Connection, sourceId: number, cohort: string): number | null {
  return db.get<{ id: number }>('SELECT id FROM partition WHERE source_id = ? AND cohort = ?', sourceId, cohort)?.id ?? null
}

export function makePartition(db: Connection, sourceId: number, cohort: string): number {
  const known = findPartition(db, sourceId, cohort)
  if (known !== null) return known
  return db.get<{ id: number }>('INSERT INTO partition (source_id, cohort) VALUES (?, ?) RETURNING id', sourceId, cohort)!.id
}

/** Null when nothing was ever written about the partition. */
export function findByKey(db: Connection, key: PartitionKey): { readonly partitionId: number; readonly sourceId: number } | null {
  const parts = parsePartitionKey(key)
  if (parts === null) throw badPartition(key)
  const sourceId = findSource(db, parts.source)
  const partitionId = sourceId === null ? null : findPartition(db, sourceId, parts.cohort)
  return sourceId === null || partitionId === null ? null : { sourceId, partitionId }
}

export function makeByKey(db: Connection, key: PartitionKey): { readonly partitionId: number; readonly sourceId: number } {
  const parts = parsePartitionKey(key)
  if (parts === null) throw badPartition(key)
  const sourceId = makeSource(db, parts.source)
  return { sourceId, partitionId: makePartition(db, sourceId, parts.cohort) }
}

export function findEntity(db: Connection, ref: EntityRef): number | null {
  return db.get<{ id: number }>('SELECT id FROM entity WHERE kind = ? AND key = ?', ref.kind, ref.key)?.id ?? null
}

/**
 * Ids of entities by the very objects that name them: a row that was read is mostly written again by the same name. An id never
 * changes and no entity is ever deleted, so what was read stays true; a name that nobody holds any more is forgotten with it.
 */
export type KnownEntities = WeakMap<EntityRef, number>

/** Ids as they are needed within one transaction, each looked up once. */
export class TransactionIds {
  private readonly db: Connection
  private readonly known: Pick<KnownEntities, 'get'> | null
  private readonly sources = new Map<SourceId, number>()
  private readonly partitions = new Map<string, number>()
  private readonly entities = new Map<string, number>()

  /** `known`: of entities that were read before; never added to here, because what this transaction adds may be rolled back. */
  constructor(db: Connection, known: Pick<KnownEntities, 'get'> | null = null) {
    this.db = db
    this.known = known
  }

  source(source: SourceId): number {
    let id = this.sources.get(source)
    if (id === undefined) {
      id = makeSource(this.db, source)
      this.sources.set(source, id)
    }
    return id
  }

  partition(source: SourceId, cohort: string): number {
    const name = `${source}:${cohort}`
    let id = this.partitions.get(name)
    if (id === undefined) {
      id = makePartition(this.db, this.source(source), cohort)
      this.partitions.set(name, id)
    }
    return id
  }

  /** Throws `unknown_entity`. */
  entity(ref: EntityRef): number {
    const read = this.known?.get(ref)
    if (read !== undefined) return read
    const name = `${ref.kind}/${ref.key}`
    let id = this.entities.get(name)
    if (id === undefined) {
      const found = findEntity(this.db, ref)
      if (found === null) throw unknownEntity(ref)
      id = found
      this.entities.set(name, id)
    }
    return id
  }
}
