/** How sources know our entities. A person's decision is never replaced by a computed one. */
import type { Identity } from '../../model/entity.ts'
import type { EntityKind, EntityRef, SourceId } from '../../model/keys.ts'
import type { SmallStore } from '../store.ts'
import type { Connection } from './connection.ts'
import { TransactionIds } from './ids.ts'
import { IDENTITY_COLUMNS, type IdentityTuple, identityOf } from './rows.ts'

/** Inside a transaction; returns how many were written. */
export function writeIdentities(db: Connection, ids: TransactionIds, identities: readonly Identity[]): number {
  let written = 0
  for (const identity of identities) {
    const changed = db.run(
      `INSERT INTO identity (entity_id, source_id, provider_key, method, confidence, evidence, alternatives, resolved_at, decided_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (entity_id, source_id) DO UPDATE SET provider_key = excluded.provider_key, method = excluded.method, confidence = excluded.confidence,
         evidence = excluded.evidence, alternatives = excluded.alternatives, resolved_at = excluded.resolved_at, decided_by = excluded.decided_by
       WHERE decided_by <> 'user' OR excluded.decided_by = 'user'`,
      ids.entity(identity.entity),
      ids.source(identity.source),
      identity.providerKey,
      identity.method,
      identity.confidence,
      JSON.stringify(identity.evidence),
      JSON.stringify(identity.alternatives),
      identity.resolvedAt,
      identity.decidedBy,
    )
    written += changed
    if (changed > 0) offerAgain(db, ids, identity)
  }
  return written
}

/** Where placement depends on identities, the row is offered again. */
function offerAgain(db: Connection, ids: TransactionIds, { source, entity }: Pick<Identity, 'source' | 'entity'>): void {
  db.run(
    'INSERT INTO placement_due (source_id, entity_id) SELECT source_id, ? FROM identity_placement WHERE source_id = ? ON CONFLICT DO NOTHING',
    ids.entity(entity),
    ids.source(source),
  )
}

export function putIdentities(db: Connection, identities: readonly Identity[]): Promise<number> {
  return db.write('put_identities', () => writeIdentities(db, new TransactionIds(db), identities))
}

export function clearIdentity(db: Connection, source: SourceId, entity: EntityRef): Promise<boolean> {
  return db.write('clear_identity', () => {
    const cleared = db.run(
      'DELETE FROM identity WHERE entity_id = (SELECT id FROM entity WHERE kind = ? AND key = ?) AND source_id = (SELECT id FROM source WHERE name = ?)',
      entity.kind,
      entity.key,
      source,
    )
    if (cleared > 0) offerAgain(db, new TransactionIds(db), { source, entity })
    return cleared > 0
  })
}

export function listIdentities(db: Connection, query: Parameters<SmallStore['identities']>[0]): Promise<readonly Identity[]> {
  return db.read(() => {
    const rows = db.tuples<readonly [source: SourceId, kind: EntityKind, key: string, ...IdentityTuple]>(
      `SELECT s.name, e.kind, e.key, ${IDENTITY_COLUMNS} FROM identity i JOIN source s ON s.id = i.source_id JOIN entity e ON e.id = i.entity_id
       WHERE (?1 IS NULL OR s.name = ?1) AND (?2 IS NULL OR i.entity_id = (SELECT id FROM entity WHERE kind = ?2 AND key = ?3))
         AND (?5 IS NULL OR i.decided_by = ?5) AND (?6 IS NULL OR i.confidence < ?6)
       ORDER BY s.name, e.kind, e.key LIMIT ?4`,
      query.source ?? null,
      query.entity?.kind ?? null,
      query.entity?.key ?? null,
      query.limit,
      query.decidedBy ?? null,
      query.below ?? null,
    )
    return rows.map(([source, kind, key, ...identity]) => identityOf(db, source, { kind, key }, identity)!)
  })
}

export function identitiesOf(db: Connection, source: SourceId, entities: readonly EntityRef[]): Promise<readonly Identity[]> {
  return db.read(() =>
    entities.flatMap((entity) => {
      const [row] = db.tuples<IdentityTuple>(
        `SELECT ${IDENTITY_COLUMNS} FROM identity i WHERE i.entity_id = (SELECT id FROM entity WHERE kind = ? AND key = ?)
           AND i.source_id = (SELECT id FROM source WHERE name = ?)`,
        entity.kind,
        entity.key,
        source,
      )
      const found = row === undefined ? null : identityOf(db, source, { kind: entity.kind, key: entity.key }, row)
      return found === null ? [] : [found]
    }),
  )
}
