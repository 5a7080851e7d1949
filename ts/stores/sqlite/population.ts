/** Entities, aliases, links, and which ingest saw what. */
import type { Entity, EntityLink, LinkKind } from '../../model/entity.ts'
import type { JsonValue } from '../../model/json.ts'
import { type EntityKind, type EntityRef, entityId } from '../../model/keys.ts'
import type { EpochMs } from '../../model/time.ts'
import { sameJson } from '../json-equal.ts'
import { SIGHTINGS_KEPT } from '../limits.ts'
import type { EntityUpsert, LedgerStore, PopulationStore, UpsertSummary } from '../store.ts'
import { compareRefs } from '../text-order.ts'
import type { Connection } from './connection.ts'
import { writeFact } from './facts.ts'
import { findEntity } from './ids.ts'
import { pages } from './paging.ts'
import { ENTITY_COLUMNS, type EntityTuple, entityOf } from './rows.ts'

type Stored = { readonly id: number; readonly attributes: string; readonly aliases: string }

const LAST_INGEST = 'ingest.last'

/** `alone`: what it wrote was not written over, nor went on, after another one had begun. */
type LastIngest = { readonly id: string; readonly alone: boolean }

function lastIngest(db: Connection): LastIngest | null {
  const row = db.get<{ value: string }>('SELECT value FROM fact WHERE name = ?', LAST_INGEST)
  return row === undefined ? null : db.json<LastIngest>(row.value)
}

/** Before the ingest's sightings are opened: one that has written before goes on after another. */
function noteIngest(db: Connection, ingestId: string): void {
  if (lastIngest(db)?.id === ingestId) return
  const goesOn = db.get('SELECT 1 FROM sighting_ingest WHERE ingest_id = ?', ingestId) !== undefined
  writeFact(db, LAST_INGEST, { id: ingestId, alone: !goesOn })
}

/** Writes one batch inside a transaction. */
class Upsert {
  private readonly db: Connection
  private readonly ingest: number | null
  private readonly revisions = new Map<EntityKind, number>()

  constructor(db: Connection, ingestId: string | null) {
    this.db = db
    this.ingest = ingestId === null ? null : this.openIngest(ingestId)
  }

  /** Older sightings than those of the newest ingests are forgotten when a new one begins. */
  private openIngest(ingestId: string): number {
    const known = this.db.get<{ id: number }>('SELECT id FROM sighting_ingest WHERE ingest_id = ?', ingestId)
    if (known !== undefined) return known.id
    const { id } = this.db.get<{ id: number }>(
      'INSERT INTO sighting_ingest (id, ingest_id) SELECT coalesce(max(id), 0) + 1, ? FROM sighting_ingest RETURNING id',
      ingestId,
    )!
    this.db.run('DELETE FROM sighting WHERE ingest <= ?', id - SIGHTINGS_KEPT)
    this.db.run('DELETE FROM sighting_ingest WHERE id <= ?', id - SIGHTINGS_KEPT)
    return id
  }

  private nextRevision(kind: EntityKind): number {
    const last =
      this.revisions.get(kind) ??
      this.db.get<{ last: number }>('SELECT coalesce(max(revision), 0) AS last FROM entity WHERE kind = ?', kind)!.last
    this.revisions.set(kind, last + 1)
    return last + 1
  }

  entity(entity: EntityUpsert): 'added' | 'changed' | 'unchanged' {
    const attributes = JSON.stringify(entity.attributes)
    const stored = this.db.get<Stored>(
      'SELECT id, attributes, aliases FROM entity WHERE kind = ? AND key = ?',
      entity.kind,
      entity.key,
    )
    if (stored === undefined) {
      const aliases = [...new Set(entity.aliases)]
      const { id } = this.db.get<{ id: number }>(
        'INSERT INTO entity (kind, key, attributes, aliases, revision) VALUES (?, ?, ?, ?, ?) RETURNING id',
        entity.kind,
        entity.key,
        attributes,
        JSON.stringify(aliases),
        this.nextRevision(entity.kind),
      )!
      for (const alias of aliases) this.alias(entity.kind, alias, id)
      this.resolveMention(entity, id)
      this.see(id)
      return 'added'
    }
    this.see(stored.id)
    const known: string[] = stored.aliases === '[]' ? [] : this.db.json<string[]>(stored.aliases)
    const added = [...new Set(entity.aliases)].filter((alias) => !known.includes(alias))
    if (
      added.length === 0 &&
      (attributes === stored.attributes || sameJson(entity.attributes, this.db.json<JsonValue>(stored.attributes)))
    )
      return 'unchanged'
    for (const alias of added) this.alias(entity.kind, alias, stored.id)
    this.db.run(
      'UPDATE entity SET attributes = ?, aliases = ?, revision = ? WHERE id = ?',
      attributes,
      JSON.stringify([...known, ...added]),
      this.nextRevision(entity.kind),
      stored.id,
    )
    return 'changed'
  }

  /** True when the link is new. */
  link({ from, kind, to }: EntityLink): boolean {
    return (
      this.db.run(
        'INSERT INTO link (from_id, kind, to_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
        this.end(from),
        kind,
        this.end(to),
      ) > 0
    )
  }

  private alias(kind: EntityKind, alias: string, id: number): void {
    this.db.run('INSERT INTO alias (kind, alias, entity_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING', kind, alias, id)
  }

  private see(id: number): void {
    if (this.ingest === null) return
    this.db.run('INSERT INTO sighting (ingest, entity_id) VALUES (?, ?) ON CONFLICT DO NOTHING', this.ingest, id)
  }

  /** Id of a link's end; an entity that is not there yet is mentioned under a negative one. */
  private end(ref: EntityRef): number {
    const known =
      findEntity(this.db, ref) ??
      this.db.get<{ id: number }>('SELECT id FROM mention WHERE kind = ? AND key = ?', ref.kind, ref.key)?.id
    if (known !== undefined) return known
    return this.db.get<{ id: number }>(
      'INSERT INTO mention (id, kind, key) SELECT coalesce(min(id), 0) - 1, ?, ? FROM mention RETURNING id',
      ref.kind,
      ref.key,
    )!.id
  }

  private resolveMention(ref: EntityRef, id: number): void {
    const mention = this.db.get<{ id: number }>('DELETE FROM mention WHERE kind = ? AND key = ? RETURNING id', ref.kind, ref.key)
    if (mention === undefined) return
    this.db.run('UPDATE link SET from_id = ? WHERE from_id = ?', id, mention.id)
    this.db.run('UPDATE link SET to_id = ? WHERE to_id = ?', id, mention.id)
  }
}

const ENDS = `
  coalesce(f.kind, fm.kind) AS from_kind, coalesce(f.key, fm.key) AS from_key, l.kind AS kind, coalesce(t.kind, tm.kind) AS to_kind, coalesce(t.key, tm.key) AS to_key
  FROM link l
  LEFT JOIN entity f ON f.id = l.from_id LEFT JOIN mention fm ON fm.id = l.from_id
  LEFT JOIN entity t ON t.id = l.to_id LEFT JOIN mention tm ON tm.id = l.to_id`
const IDS_OF = 'SELECT id FROM entity WHERE kind = ?1 AND key = ?2 UNION ALL SELECT id FROM mention WHERE kind = ?1 AND key = ?2'
const LINK_ORDER = 'ORDER BY l.kind, from_kind, from_key, to_kind, to_key'

type LinkRow = {
  readonly from_kind: string
  readonly from_key: string
  readonly kind: string
  readonly to_kind: string
  readonly to_key: string
}

function linkOf(row: LinkRow): EntityLink {
  return {
    from: { kind: row.from_kind as EntityKind, key: row.from_key },
    kind: row.kind as LinkKind,
    to: { kind: row.to_kind as EntityKind, key: row.to_key },
  }
}

export function createPopulation(db: Connection): PopulationStore & Pick<LedgerStore, 'seenBy' | 'lastIngest'> {
  return {
    upsertEntities: (batch: readonly EntityUpsert[], ingestId: string | null, _at: EpochMs): Promise<UpsertSummary> =>
      db.write('upsert_entities', () => {
        const summary = { added: 0, changed: 0, unchanged: 0 }
        if (ingestId !== null) noteIngest(db, ingestId)
        const upsert = new Upsert(db, ingestId)
        const verdicts = batch.map((entity) => upsert.entity(entity))
        // Links come after all entities of the batch, so that hardly any end is unknown.
        batch.forEach((entity, index) => {
          const linked = entity.links.filter((link) => upsert.link(link)).length
          const verdict = verdicts[index]!
          summary[verdict === 'unchanged' && linked > 0 ? 'changed' : verdict] += 1
        })
        return summary
      }),

    entity: (ref) =>
      db.read(() => {
        const [row] = db.tuples<EntityTuple>(
          `SELECT ${ENTITY_COLUMNS} FROM entity e WHERE kind = ? AND key = ?`,
          ref.kind,
          ref.key,
        )
        return row === undefined ? null : entityOf(db, row)
      }),

    entitiesByAlias: (kind, aliases) =>
      db.read(() => {
        const found = new Map<string, readonly Entity[]>()
        for (const alias of new Set(aliases)) {
          const rows = db.tuples<EntityTuple>(
            `SELECT ${ENTITY_COLUMNS} FROM entity e WHERE id IN (SELECT entity_id FROM alias WHERE kind = ?1 AND alias = ?2 UNION SELECT id FROM entity WHERE kind = ?1 AND key = ?2) ORDER BY e.key`,
            kind,
            alias,
          )
          if (rows.length > 0)
            found.set(
              alias,
              rows.map((row) => entityOf(db, row)),
            )
        }
        return found
      }),

    entityRefsByAlias: (kind, aliases) =>
      db.read(() => {
        const wanted = JSON.stringify([...new Set(aliases)])
        const found = new Map<string, EntityRef[]>()
        const take = (sql: string): void => {
          for (const [alias, key] of db.tuples<readonly [alias: string, key: string]>(sql, wanted, kind)) {
            const refs = found.get(alias)
            if (refs === undefined) found.set(alias, [{ kind, key }])
            else if (!refs.some((ref) => ref.key === key)) refs.push({ kind, key })
          }
        }
        take(
          'SELECT j.value, e.key FROM json_each(?1) j CROSS JOIN alias a ON a.kind = ?2 AND a.alias = j.value CROSS JOIN entity e ON e.id = a.entity_id',
        )
        take('SELECT j.value, e.key FROM json_each(?1) j CROSS JOIN entity e ON e.kind = ?2 AND e.key = j.value')
        for (const refs of found.values()) if (refs.length > 1) refs.sort(compareRefs)
        return found
      }),

    entities: (kind) =>
      pages(
        db,
        () => ({ sql: 'SELECT id FROM entity WHERE kind = :kind ORDER BY id', values: { kind } }),
        (ids) =>
          db
            .tuples<EntityTuple>(`SELECT ${ENTITY_COLUMNS} FROM json_each(?) j CROSS JOIN entity e ON e.id = j.value`, ids)
            .map((row) => entityOf(db, row)),
      ),

    countEntities: () =>
      db.read(() => {
        const counts: Partial<Record<EntityKind, number>> = {}
        for (const { kind, n } of db.all<{ kind: EntityKind; n: number }>('SELECT kind, count(*) AS n FROM entity GROUP BY kind'))
          counts[kind] = n
        return counts
      }),

    links: (from) =>
      db.read(() =>
        db.all<LinkRow>(`SELECT ${ENDS} WHERE l.from_id IN (${IDS_OF}) ${LINK_ORDER}`, from.kind, from.key).map(linkOf),
      ),

    linksTo: (to) =>
      db.read(() => db.all<LinkRow>(`SELECT ${ENDS} WHERE l.to_id IN (${IDS_OF}) ${LINK_ORDER}`, to.kind, to.key).map(linkOf)),

    lastIngest: () =>
      db.read(() => {
        const last = lastIngest(db)
        return last?.alone === true ? last.id : null
      }),

    seenBy: (entities, ingestId) =>
      db.read(() => {
        const ingest = db.get<{ id: number }>('SELECT id FROM sighting_ingest WHERE ingest_id = ?', ingestId)
        if (ingest === undefined) return null
        const seen = new Set<string>()
        for (const ref of entities) {
          const row = db.get(
            'SELECT 1 FROM entity e JOIN sighting s ON s.ingest = ? AND s.entity_id = e.id WHERE e.kind = ? AND e.key = ?',
            ingest.id,
            ref.kind,
            ref.key,
          )
          if (row !== undefined) seen.add(entityId(ref))
        }
        return seen
      }),
  }
}
