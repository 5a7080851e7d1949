/**
 * Gives entities their ledger rows. Each batch moves a mark per (source, kind) with it, so a later call goes on there. Where
 * placement depends on identities, `placement_due` lists the pairs whose identity changed since.
 */
import type { EntityKind, SourceId } from '../../model/keys.ts'
import { UNRESOLVED_ERROR } from '../../model/ledger.ts'
import { UNRESOLVED_COHORT } from '../../refresh/cohort.ts'
import { NEVER_ATTEMPTED, NEVER_SUCCEEDED, PENDING, UNRESOLVED } from '../row-state.ts'
import type { Placement, Placer } from '../store.ts'
import type { Connection } from './connection.ts'
import { findSource, TransactionIds } from './ids.ts'
import { ENTITY_COLUMNS, type EntityTuple, entityOf, IDENTITY_COLUMNS, type IdentityTuple, identityOf } from './rows.ts'

const BATCH = 1000

const ROW_COLUMNS = `${ENTITY_COLUMNS}, e.id, e.revision, l.partition_id, l.state, p.cohort, l.error, l.last_attempt_at`
const ROW_WIDTH = 11
type Candidate = readonly [
  ...EntityTuple,
  id: number,
  revision: number,
  partitionId: number | null,
  state: number | null,
  cohort: string | null,
  error: string | null,
  lastAttemptAt: number | null,
  ...(IdentityTuple | []),
]

export async function assign(
  db: Connection,
  source: SourceId,
  kinds: readonly EntityKind[],
  place: Placer,
  byIdentity?: string,
): Promise<number> {
  let placed = 0
  for (const kind of kinds) {
    for (;;) {
      // Looked at without the writer's lock first: mostly there is nothing to do.
      const isDone = await db.read(() => markOf(db, source, kind) >= lastRevision(db, kind))
      if (isDone) break
      placed += await db.write('assign', () => assignBatch(db, source, kind, place, byIdentity !== undefined))
    }
  }
  if (byIdentity === undefined) return placed
  if (await db.read(() => ruleOf(db, source) !== byIdentity)) await db.write('assign', () => setRule(db, source, byIdentity))
  for (;;) {
    const isDone = await db.read(() => {
      const sourceId = findSource(db, source)
      return sourceId === null || db.get('SELECT 1 FROM placement_due WHERE source_id = ? LIMIT 1', sourceId) === undefined
    })
    if (isDone) return placed
    placed += await db.write('assign', () => assignDue(db, source, kinds, place))
  }
}

function lastRevision(db: Connection, kind: EntityKind): number {
  return db.get<{ last: number }>('SELECT coalesce(max(revision), 0) AS last FROM entity WHERE kind = ?', kind)!.last
}

function markOf(db: Connection, source: SourceId, kind: EntityKind): number {
  const row = db.get<{ revision: number }>(
    'SELECT a.revision FROM assigned a JOIN source s ON s.id = a.source_id WHERE s.name = ? AND a.kind = ?',
    source,
    kind,
  )
  return row?.revision ?? 0
}

function ruleOf(db: Connection, source: SourceId): string | null {
  const row = db.get<{ rule: string }>(
    'SELECT rule FROM identity_placement WHERE source_id = (SELECT id FROM source WHERE name = ?)',
    source,
  )
  return row?.rule ?? null
}

/** Another rule (or the first one): every row of the source is offered again. */
function setRule(db: Connection, source: SourceId, rule: string): void {
  const sourceId = new TransactionIds(db).source(source)
  db.run(
    'INSERT INTO identity_placement (source_id, rule) VALUES (?, ?) ON CONFLICT DO UPDATE SET rule = excluded.rule',
    sourceId,
    rule,
  )
  db.run(
    `INSERT INTO placement_due (source_id, entity_id)
     SELECT l.source_id, l.entity_id FROM partition p CROSS JOIN ledger l ON l.partition_id = p.id WHERE p.source_id = ? ON CONFLICT DO NOTHING`,
    sourceId,
  )
}

/** Entities added or changed since the mark that have no row, or one that says the source cannot be asked. */
function assignBatch(db: Connection, source: SourceId, kind: EntityKind, place: Placer, byIdentity: boolean): number {
  const ids = new TransactionIds(db)
  const sourceId = ids.source(source)
  const candidates = db.tuples<Candidate>(
    `SELECT ${ROW_COLUMNS}${byIdentity ? `, ${IDENTITY_COLUMNS}` : ''} FROM entity e
     LEFT JOIN ledger l ON l.entity_id = e.id AND l.source_id = ?1 LEFT JOIN partition p ON p.id = l.partition_id
     ${byIdentity ? 'LEFT JOIN identity i ON i.entity_id = e.id AND i.source_id = ?1' : ''}
     WHERE e.kind = ?2 AND e.revision > ?3 AND (l.state IS NULL OR l.state % ${PENDING} = ${UNRESOLVED}) ORDER BY e.revision LIMIT ${BATCH}`,
    sourceId,
    kind,
    markOf(db, source, kind),
  )
  const placed = new Placing(db, ids, source, place).all(candidates)
  const mark = candidates.length < BATCH ? lastRevision(db, kind) : candidates.at(-1)![5]
  db.run(
    'INSERT INTO assigned (source_id, kind, revision) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET revision = excluded.revision',
    sourceId,
    kind,
    mark,
  )
  return placed
}

/** Rows whose identity changed, whatever their state. */
function assignDue(db: Connection, source: SourceId, kinds: readonly EntityKind[], place: Placer): number {
  const ids = new TransactionIds(db)
  const sourceId = ids.source(source)
  const candidates = db.tuples<Candidate>(
    `SELECT ${ROW_COLUMNS}, ${IDENTITY_COLUMNS} FROM placement_due d CROSS JOIN entity e ON e.id = d.entity_id
     LEFT JOIN ledger l ON l.entity_id = e.id AND l.source_id = ?1 LEFT JOIN partition p ON p.id = l.partition_id
     LEFT JOIN identity i ON i.entity_id = e.id AND i.source_id = ?1
     WHERE d.source_id = ?1 ORDER BY d.entity_id LIMIT ${BATCH}`,
    sourceId,
  )
  const wanted = candidates.filter(([kind]) => (kinds as readonly string[]).includes(kind))
  const placed = new Placing(db, ids, source, place).all(wanted)
  db.run('DELETE FROM placement_due WHERE source_id = ? AND entity_id <= ?', sourceId, candidates.at(-1)?.[4] ?? 0)
  return placed
}

/** Writes the placements of one batch. */
class Placing {
  private readonly db: Connection
  private readonly ids: TransactionIds
  private readonly source: SourceId
  private readonly place: Placer
  private readonly touched = new Set<number>()

  constructor(db: Connection, ids: TransactionIds, source: SourceId, place: Placer) {
    this.db = db
    this.ids = ids
    this.source = source
    this.place = place
  }

  /** How many rows were added, moved, or made askable. */
  all(candidates: readonly Candidate[]): number {
    const placed = candidates.filter((row) => this.one(row)).length
    for (const id of this.touched) this.db.run('UPDATE partition SET changes = changes + 1 WHERE id = ?', id)
    return placed
  }

  private one(row: Candidate): boolean {
    const [kind, key, attributes, aliases, , , partitionId, , cohort] = row
    const entity = entityOf(this.db, [kind, key, attributes, aliases])
    const tuple = row.length > ROW_WIDTH ? (row.slice(ROW_WIDTH) as unknown as IdentityTuple) : null
    const identity = tuple === null ? null : identityOf(this.db, this.source, { kind: entity.kind, key }, tuple)
    // Only rows that wait in the cohort of the unresolved may move; one skipped elsewhere becomes askable where it is.
    const current = partitionId === null || cohort === UNRESOLVED_COHORT ? null : cohort
    const placement = this.place(entity, identity, current)
    const target = current !== null ? partitionId! : this.ids.partition(this.source, placement.cohort)
    return partitionId === null ? this.insert(row, placement, target) : this.update(row, placement, target)
  }

  private insert(row: Candidate, { unresolvable }: Placement, target: number): boolean {
    this.db.run(
      'INSERT INTO ledger (partition_id, entity_id, source_id, state, outcome, attempts, consecutive_failures, error) VALUES (?, ?, ?, ?, ?, 0, 0, ?)',
      target,
      row[4],
      this.ids.source(this.source),
      unresolvable === null ? NEVER_ATTEMPTED : UNRESOLVED,
      unresolvable === null ? null : 'skipped',
      unresolvable,
    )
    this.touched.add(target)
    return true
  }

  /** As `madeAskable` and `madeUnaskable` say. */
  private update(row: Candidate, { unresolvable }: Placement, target: number): boolean {
    const [, , , , entityId, , partitionId, state, , error, lastAttemptAt] = row
    const wasUnresolved = state! % PENDING === UNRESOLVED
    const isSame = unresolvable === null ? !wasUnresolved : wasUnresolved && target === partitionId && unresolvable === error
    if (isSame) return false
    const pending = state! >= PENDING ? PENDING : 0
    if (unresolvable === null) {
      this.db.run(
        `UPDATE ledger SET partition_id = ?, state = ?, last_success_at = NULL, outcome = NULL, consecutive_failures = 0, next_attempt_at = NULL,
           error_class = NULL, error = NULL WHERE partition_id = ? AND entity_id = ?`,
        target,
        (lastAttemptAt === null ? NEVER_ATTEMPTED : NEVER_SUCCEEDED) + pending,
        partitionId,
        entityId,
      )
    } else {
      this.db.run(
        `UPDATE ledger SET partition_id = ?, state = ?, outcome = 'skipped', next_attempt_at = NULL, error_class = ?, error = ?
         WHERE partition_id = ? AND entity_id = ?`,
        target,
        UNRESOLVED + pending,
        lastAttemptAt === null ? null : UNRESOLVED_ERROR,
        unresolvable,
        partitionId,
        entityId,
      )
    }
    this.touched.add(partitionId!)
    this.touched.add(target)
    return unresolvable === null || target !== partitionId
  }
}
