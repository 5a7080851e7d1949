/** Delta events in commit order. */
import type { EntityKind, SourceId } from '../../model/keys.ts'
import type { DeltaEvent, EventKind, FieldChange } from '../../model/record.ts'
import type { EventQuery } from '../store.ts'
import type { Connection, Value } from './connection.ts'
import { PAGE_ROWS } from './paging.ts'

type Row = {
  readonly position: number
  readonly event_id: string
  readonly source: SourceId
  readonly entity_kind: EntityKind
  readonly entity_key: string
  readonly kind: EventKind
  readonly at: number
  readonly run_id: string
  readonly old_hash: string | null
  readonly new_hash: string | null
  readonly changes: string
  readonly confidence: number
  readonly confidence_method: string
}

function eventOf(db: Connection, row: Row): DeltaEvent & { readonly position: number } {
  return {
    position: row.position,
    eventId: row.event_id,
    source: row.source,
    entity: { kind: row.entity_kind, key: row.entity_key },
    kind: row.kind,
    at: row.at,
    runId: row.run_id,
    oldHash: row.old_hash,
    newHash: row.new_hash,
    changes: db.json<FieldChange[]>(row.changes),
    confidence: row.confidence,
    confidenceMethod: row.confidence_method,
  }
}

/** Conditions that are asked for; the text is the same for the same shape of query, so its statement is prepared once. */
function conditions(query: EventQuery): { readonly where: string; readonly values: readonly Value[] } {
  const where: string[] = ['v.position > ?']
  const values: Value[] = []
  const add = (condition: string, ...bound: Value[]): void => {
    where.push(condition)
    values.push(...bound)
  }
  if (query.entity !== undefined)
    add('v.entity_id = (SELECT id FROM entity WHERE kind = ? AND key = ?)', query.entity.kind, query.entity.key)
  if (query.runId !== undefined) add('v.run_id = ?', query.runId)
  if (query.source !== undefined) add('v.source_id = (SELECT id FROM source WHERE name = ?)', query.source)
  if (query.since !== undefined) add('v.at >= ?', query.since)
  if (query.kinds !== undefined) add('v.kind IN (SELECT value FROM json_each(?))', JSON.stringify(query.kinds))
  return { where: where.join(' AND '), values }
}

export async function* events(db: Connection, query: EventQuery): AsyncGenerator<DeltaEvent & { readonly position: number }> {
  const { where, values } = conditions(query)
  let after = query.after ?? 0
  for (let left = query.limit; left > 0; ) {
    const wanted = Math.min(left, PAGE_ROWS)
    const page = await db.read(() =>
      db.all<Row>(
        `SELECT v.*, s.name AS source, e.kind AS entity_kind, e.key AS entity_key FROM event v
         JOIN source s ON s.id = v.source_id JOIN entity e ON e.id = v.entity_id WHERE ${where} ORDER BY v.position LIMIT ?`,
        after,
        ...values,
        wanted,
      ),
    )
    await db.settled()
    for (const row of page) yield eventOf(db, row)
    if (page.length < wanted) return
    after = page.at(-1)!.position
    left -= wanted
  }
}
