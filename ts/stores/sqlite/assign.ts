/** Gives entities their ledger rows. Each batch moves a mark per (source, kind) with it, so a later call goes on there. */
import type { Entity } from '../../model/entity.ts'
import type { EntityKind, SourceId } from '../../model/keys.ts'
import { UNRESOLVED_COHORT } from '../../refresh/cohort.ts'
import { NEVER_ATTEMPTED, PENDING, UNRESOLVED } from '../row-state.ts'
import type { Placement } from '../store.ts'
import type { Connection } from './connection.ts'
import { TransactionIds } from './ids.ts'
import { ENTITY_COLUMNS, type EntityTuple, entityOf } from './rows.ts'

const BATCH = 1000

type Candidate = readonly [
  ...EntityTuple,
  id: number,
  revision: number,
  partitionId: number | null,
  state: number | null,
  cohort: string | null,
  error: string | null,
]

export async function assign(
  db: Connection,
  source: SourceId,
  kinds: readonly EntityKind[],
  place: (entity: Entity) => Placement,
): Promise<number> {
  let placed = 0
  for (const kind of kinds) {
    for (;;) {
      // Looked at without the writer's lock first: mostly there is nothing to do.
      const isDone = await db.read(() => markOf(db, source, kind) >= lastRevision(db, kind))
      if (isDone) break
      placed += await db.write('assign', () => assignBatch(db, source, kind, place))
    }
  }
  return placed
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

/** Entities added or changed since the mark that have no row, or one that says the source cannot be asked. */
function assignBatch(db: Connection, source: SourceId, kind: EntityKind, place: (entity: Entity) => Placement): number {
  const ids = new TransactionIds(db)
  const sourceId = ids.source(source)
  const candidates = db.tuples<Candidate>(
    `SELECT ${ENTITY_COLUMNS}, e.id, e.revision, l.partition_id, l.state, p.cohort, l.error FROM entity e
     LEFT JOIN ledger l ON l.entity_id = e.id AND l.source_id = ? LEFT JOIN partition p ON p.id = l.partition_id
     WHERE e.kind = ? AND e.revision > ? AND (l.state IS NULL OR l.state % ${PENDING} = ${UNRESOLVED}) ORDER BY e.revision LIMIT ${BATCH}`,
    sourceId,
    kind,
    markOf(db, source, kind),
  )
  const touched = new Set<number>()
  let placed = 0
  for (const row of candidates) {
    const [, , , , id, , partitionId, state, cohort, error] = row
    const placement = place(entityOf(db, [row[0], row[1], row[2], row[3]]))
    // Only rows that wait in the cohort of the unresolved may move; one skipped elsewhere becomes askable where it is.
    const target = partitionId !== null && cohort !== UNRESOLVED_COHORT ? partitionId : ids.partition(source, placement.cohort)
    const isResolved = placement.unresolvable === null
    if (partitionId === null) {
      db.run(
        'INSERT INTO ledger (partition_id, entity_id, source_id, state, outcome, attempts, consecutive_failures, error) VALUES (?, ?, ?, ?, ?, 0, 0, ?)',
        target,
        id,
        sourceId,
        isResolved ? NEVER_ATTEMPTED : UNRESOLVED,
        isResolved ? null : 'skipped',
        placement.unresolvable,
      )
    } else {
      if (target === partitionId && placement.unresolvable === error) continue
      db.run(
        'UPDATE ledger SET partition_id = ?, state = ?, outcome = ?, error = ? WHERE partition_id = ? AND entity_id = ?',
        target,
        (isResolved ? NEVER_ATTEMPTED : UNRESOLVED) + (state! >= PENDING ? PENDING : 0),
        isResolved ? null : 'skipped',
        placement.unresolvable,
        partitionId,
        id,
      )
      touched.add(partitionId)
    }
    touched.add(target)
    if (partitionId === null || isResolved || target !== partitionId) placed += 1
  }
  const mark = candidates.length < BATCH ? lastRevision(db, kind) : candidates.at(-1)![5]
  db.run(
    'INSERT INTO assigned (source_id, kind, revision) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET revision = excluded.revision',
    sourceId,
    kind,
    mark,
  )
  for (const partitionId of touched) db.run('UPDATE partition SET changes = changes + 1 WHERE id = ?', partitionId)
  return placed
}
