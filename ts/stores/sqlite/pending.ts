/** Open status-change entries. `ledger.pending_since` says the same per row, so that due rows are found without a join. */

import type { EntityKind, SourceId } from '../../model/keys.ts'
import { unknownEntity } from '../errors.ts'
import { AMBIGUOUS, PENDING } from '../row-state.ts'
import type { PendingChange } from '../store.ts'
import { compareRefs, compareText } from '../text-order.ts'
import type { Connection } from './connection.ts'
import { TransactionIds } from './ids.ts'

/**
 * Opens entries inside a transaction. A pair that the ledger does not have is refused, or left out: a commit must not
 * fail because another source was not assigned the entity yet (it is due there anyway, once it is).
 */
export function openPending(
  db: Connection,
  ids: TransactionIds,
  changes: readonly PendingChange[],
  unknownPairs: 'refuse' | 'leave_out',
): { readonly opened: number; readonly partitions: ReadonlySet<number> } {
  const partitions = new Set<number>()
  let opened = 0
  for (const change of changes) {
    const entityId = ids.entity(change.entity)
    const row = db.get<{ partition_id: number; source_id: number; pending_since: number | null }>(
      'SELECT partition_id, source_id, pending_since FROM ledger WHERE entity_id = ? AND source_id = (SELECT id FROM source WHERE name = ?)',
      entityId,
      change.source,
    )
    if (row === undefined && unknownPairs === 'refuse') throw unknownEntity(change.entity, change.source)
    if (row === undefined || row.pending_since !== null) continue
    db.run(
      'INSERT INTO pending (entity_id, source_id, reason, at, opened_by) VALUES (?, ?, ?, ?, ?)',
      entityId,
      row.source_id,
      change.reason,
      change.at,
      change.by,
    )
    db.run(
      `UPDATE ledger SET pending_since = ?, state = state + ${PENDING}, next_attempt_at = CASE state WHEN ${AMBIGUOUS} THEN NULL ELSE next_attempt_at END WHERE partition_id = ? AND entity_id = ?`,
      change.at,
      row.partition_id,
      entityId,
    )
    partitions.add(row.partition_id)
    opened += 1
  }
  return { opened, partitions }
}

export function addPending(db: Connection, changes: readonly PendingChange[]): Promise<number> {
  return db.write('add_pending', () => {
    const { opened, partitions } = openPending(db, new TransactionIds(db), changes, 'refuse')
    for (const partitionId of partitions) db.run('UPDATE partition SET changes = changes + 1 WHERE id = ?', partitionId)
    return opened
  })
}

export function listPending(db: Connection, source: SourceId | undefined): Promise<readonly PendingChange[]> {
  return db.read(() => {
    const rows = db.all<{ source: SourceId; kind: EntityKind; key: string; reason: string; at: number; by: string }>(
      `SELECT s.name AS source, e.kind, e.key, p.reason, p.at, p.opened_by AS by FROM pending p
       JOIN source s ON s.id = p.source_id JOIN entity e ON e.id = p.entity_id WHERE ?1 IS NULL OR s.name = ?1`,
      source ?? null,
    )
    const changes = rows.map(({ kind, key, ...rest }) => ({ ...rest, entity: { kind, key } }))
    return changes.sort((a, b) => a.at - b.at || compareText(a.source, b.source) || compareRefs(a.entity, b.entity))
  })
}
