/** Reading the ledger: counts per partition, work, rows and records. Nothing here writes. */
import { type EntityKind, type EntityRef, partitionKey, type SourceId } from '../../model/keys.ts'
import { AMBIGUOUS, isSelected, KNOWN, NEVER_ATTEMPTED, NEVER_SUCCEEDED, PENDING, thresholds, UNRESOLVED } from '../row-state.ts'
import type { Judge, LedgerQuery, LedgerStore, PartitionStats, SmallStore, WorkItem } from '../store.ts'
import type { Connection } from './connection.ts'
import { findEntity, findPartition, findSource, type KnownEntities } from './ids.ts'
import { type IdQuery, pages } from './paging.ts'
import {
  entityOf,
  IDENTITY_COLUMNS,
  type IdentityTuple,
  identityOf,
  LEDGER_COLUMNS,
  LEDGER_WIDTH,
  type LedgerTuple,
  ledgerOf,
  RECORD_COLUMNS,
  type RecordTuple,
  recordOf,
} from './rows.ts'

type Reads = Omit<LedgerStore, 'assign' | 'commit' | 'events' | 'seenBy' | 'lastIngest'> & Pick<SmallStore, 'unresolved'>

type WorkTuple = readonly [...LedgerTuple, attributes: string, aliases: string, entityId: number, ...(IdentityTuple | [])]
const ITEM_COLUMNS = `${LEDGER_COLUMNS}, e.attributes, e.aliases, e.id`
/** Columns of a work item before those of its identity. */
const ITEM_WIDTH = LEDGER_WIDTH + 3
const WORK_COLUMNS = `${ITEM_COLUMNS}, ${IDENTITY_COLUMNS}`
const ITEM_JOINS = 'CROSS JOIN entity e ON e.id = l.entity_id CROSS JOIN partition p ON p.id = l.partition_id'
const WORK_JOINS = `${ITEM_JOINS} LEFT JOIN identity i ON i.entity_id = l.entity_id AND i.source_id = l.source_id`

function workItem(db: Connection, source: SourceId, row: WorkTuple, known: KnownEntities): WorkItem {
  const entry = ledgerOf(source, row as unknown as LedgerTuple)
  const entity = entityOf(db, [row[0], row[1], row[LEDGER_WIDTH] as string, row[LEDGER_WIDTH + 1] as string])
  const identity = row.length > ITEM_WIDTH ? (row.slice(ITEM_WIDTH) as unknown as IdentityTuple) : null
  known.set(entry.entity, row[LEDGER_WIDTH + 2] as number)
  return { entity, entry, identity: identity === null ? null : identityOf(db, source, entry.entity, identity) }
}

type StatsRow = {
  readonly cohort: string
  readonly state: number
  readonly n: number
  readonly wanted: number
  readonly overdue: number
  readonly oldest: number | null
  readonly newest: number | null
}
type BackoffRow = { readonly cohort: string; readonly state: number; readonly wanted: number }

type Sums = { -readonly [Key in keyof PartitionStats]: PartitionStats[Key] }

/** One group of rows of equal state: `wanted` of them are due or backing off, `overdue` have a success older than the SLA. */
function addGroup(stats: Sums, row: StatsRow): void {
  const kind = row.state % PENDING
  const isPending = row.state >= PENDING
  const isSkipped = kind === UNRESOLVED || kind === AMBIGUOUS
  const stale = isSkipped ? 0 : isPending || kind === NEVER_SUCCEEDED ? row.n : row.overdue
  stats.population += row.n
  stats.stale += stale
  if (isPending) stats.pending += row.n
  if (isSkipped) stats.unresolved += row.n
  if (kind === KNOWN) stats.fresh += row.n - stale
  const wanted = wantedOf(row)
  stats.due += wanted
  if (kind === NEVER_ATTEMPTED) stats.neverAttempted += wanted
  if (!isSkipped && row.oldest !== null) stats.oldestSuccessAt = Math.min(stats.oldestSuccessAt ?? row.oldest, row.oldest)
  if (row.newest !== null) stats.newestAttemptAt = Math.max(stats.newestAttemptAt ?? row.newest, row.newest)
}

function wantedOf(row: { readonly state: number; readonly n?: number; readonly wanted: number }): number {
  if (row.state % PENDING === UNRESOLVED) return 0
  return row.state >= PENDING ? (row.n ?? row.wanted) : row.wanted
}

function computeStats(db: Connection, source: SourceId, judge: Judge, cohort: string | null): readonly PartitionStats[] {
  const { dueUpTo, staleBefore } = thresholds(judge)
  const sourceId = findSource(db, source)
  if (sourceId === null) return []
  const partitions = new Map<string, Sums>()
  const groups = db.iterate<StatsRow>(
    `SELECT p.cohort, l.state, count(*) AS n, count(*) FILTER (WHERE l.last_success_at IS NULL OR l.last_success_at <= ?1) AS wanted,
       count(*) FILTER (WHERE l.last_success_at < ?2) AS overdue, min(l.last_success_at) AS oldest, max(l.last_attempt_at) AS newest
     FROM partition p CROSS JOIN ledger l INDEXED BY ledger_by_state ON l.partition_id = p.id
     WHERE p.source_id = ?3 AND (?4 IS NULL OR p.cohort = ?4) GROUP BY p.cohort, l.state ORDER BY p.cohort, l.state`,
    dueUpTo,
    staleBefore,
    sourceId,
    cohort,
  )
  for (const row of groups) {
    let stats = partitions.get(row.cohort)
    if (stats === undefined) {
      const zero = { population: 0, due: 0, neverAttempted: 0, stale: 0, backingOff: 0, unresolved: 0, fresh: 0, pending: 0 }
      stats = { source, cohort: row.cohort, ...zero, oldestSuccessAt: null, newestAttemptAt: null }
      partitions.set(row.cohort, stats)
    }
    addGroup(stats, row)
  }
  // Few rows back off, so they are counted apart, from an index that holds only them.
  const waiting = db.iterate<BackoffRow>(
    `SELECT p.cohort, l.state, count(*) FILTER (WHERE l.state >= ${PENDING} OR l.last_success_at IS NULL OR l.last_success_at <= ?1) AS wanted
     FROM partition p CROSS JOIN ledger l INDEXED BY ledger_by_backoff ON l.partition_id = p.id
     WHERE p.source_id = ?2 AND (?3 IS NULL OR p.cohort = ?3) AND l.next_attempt_at > ?4 GROUP BY p.cohort, l.state`,
    dueUpTo,
    sourceId,
    cohort,
    judge.now,
  )
  for (const row of waiting) {
    const stats = partitions.get(row.cohort)!
    const wanted = wantedOf(row)
    stats.backingOff += wanted
    stats.due -= wanted
    if (row.state % PENDING === NEVER_ATTEMPTED) stats.neverAttempted -= wanted
  }
  return [...partitions.values()]
}

/** The selected rows in the order of work: `isSelected`, `judgeRow` and `workRank` in SQL. */
function selectWork(db: Connection, query: LedgerQuery, judge: Judge): IdQuery {
  const sourceId = findSource(db, query.source)
  const partition = sourceId === null ? null : findPartition(db, sourceId, query.cohort)
  if (partition === null) return null
  const { dueUpTo, staleBefore } = thresholds(judge)
  const stale = `(state % ${PENDING} <> ${AMBIGUOUS} AND (state >= ${PENDING} OR state = ${NEVER_SUCCEEDED} OR last_success_at < :staleBefore))`
  const due = `(state >= ${PENDING} OR last_success_at IS NULL OR last_success_at <= :dueUpTo) AND (next_attempt_at IS NULL OR next_attempt_at <= :now)`
  const values = { partition, since: query.notAttemptedSince, staleBefore, limit: query.limit ?? -1 }
  return {
    sql: `SELECT entity_id AS id FROM ledger
      WHERE partition_id = :partition AND state % ${PENDING} <> ${UNRESOLVED}
        AND (:since IS NULL OR last_attempt_at IS NULL OR last_attempt_at < :since)
        ${query.select === 'due' ? `AND ${due}` : ''}
      ORDER BY CASE WHEN ${stale} THEN 0 WHEN state = ${NEVER_ATTEMPTED} THEN 1 ELSE 2 END, last_success_at, entity_id
      LIMIT :limit`,
    values: query.select === 'due' ? { ...values, dueUpTo, now: judge.now } : values,
  }
}

/** A source's rows in `table` in key order; the whole source by walking the keys, one cohort by sorting it. */
function selectKeys(db: Connection, table: 'ledger' | 'record', source: SourceId, cohort: string | undefined): IdQuery {
  const sourceId = findSource(db, source)
  if (sourceId === null) return null
  if (cohort === undefined) {
    return {
      sql: `SELECT e.id FROM entity e CROSS JOIN ${table} x ON x.entity_id = e.id AND x.source_id = :sourceId ORDER BY e.kind, e.key`,
      values: { sourceId },
    }
  }
  const partition = findPartition(db, sourceId, cohort)
  if (partition === null) return null
  const join = table === 'ledger' ? '' : 'CROSS JOIN record x ON x.entity_id = l.entity_id AND x.source_id = l.source_id'
  return {
    sql: `SELECT e.id FROM ledger l CROSS JOIN entity e ON e.id = l.entity_id ${join} WHERE l.partition_id = :partition ORDER BY e.kind, e.key`,
    values: { partition },
  }
}

/** One page of work. Identities are joined only where the source has any: seven columns less for those that have none. */
function fetchWork(db: Connection, source: SourceId, cohort: string, ids: string, known: KnownEntities): readonly WorkItem[] {
  const sourceId = findSource(db, source)!
  const withIdentities = hasIdentities(db, sourceId)
  const rows = db.tuples<WorkTuple>(
    `SELECT ${withIdentities ? WORK_COLUMNS : ITEM_COLUMNS} FROM json_each(?) j
     CROSS JOIN ledger l ON l.partition_id = ? AND l.entity_id = j.value ${withIdentities ? WORK_JOINS : ITEM_JOINS}`,
    ids,
    findPartition(db, sourceId, cohort),
  )
  return rows.map((row) => workItem(db, source, row, known))
}

/** Rows of entities of one kind, in the order they were named, by one statement. */
function itemsOfKind(
  db: Connection,
  source: SourceId,
  kind: EntityKind,
  entities: readonly EntityRef[],
  known: KnownEntities,
): readonly WorkItem[] {
  const sourceId = findSource(db, source)
  if (sourceId === null) return []
  const columns = hasIdentities(db, sourceId) ? WORK_COLUMNS : ITEM_COLUMNS
  const identity =
    columns === WORK_COLUMNS ? 'LEFT JOIN identity i ON i.entity_id = l.entity_id AND i.source_id = l.source_id' : ''
  const rows = db.tuples<WorkTuple>(
    `SELECT ${columns} FROM json_each(?1) j CROSS JOIN entity e ON e.kind = ?2 AND e.key = j.value
     CROSS JOIN ledger l ON l.entity_id = e.id AND l.source_id = ?3 CROSS JOIN partition p ON p.id = l.partition_id ${identity}`,
    JSON.stringify(entities.map(({ key }) => key)),
    kind,
    sourceId,
  )
  return rows.map((row) => workItem(db, source, row, known))
}

function hasIdentities(db: Connection, sourceId: number): boolean {
  return db.get('SELECT 1 FROM identity WHERE source_id = ? LIMIT 1', sourceId) !== undefined
}

/** `known` is filled with the entities of the work items that are read. */
export function createLedgerReads(db: Connection, known: KnownEntities): Reads {
  return {
    cohortSizes: (source) =>
      db.read(() => {
        const rows = db.all<{ cohort: string; n: number }>(
          'SELECT p.cohort, count(*) AS n FROM source s JOIN partition p ON p.source_id = s.id CROSS JOIN ledger l ON l.partition_id = p.id WHERE s.name = ? GROUP BY p.cohort ORDER BY p.cohort',
          source,
        )
        return new Map(rows.map(({ cohort, n }) => [cohort, n]))
      }),

    partitionStats: (source, judge, cohort) => db.read(() => computeStats(db, source, judge, cohort ?? null)),

    workItems: (query, judge) =>
      pages(
        db,
        () => selectWork(db, query, judge),
        // Others may have worked on rows since they were selected.
        (ids) => fetchWork(db, query.source, query.cohort, ids, known).filter(({ entry }) => isSelected(entry, query, judge)),
      ),

    items: (source, entities) =>
      db.read(() => {
        const [first] = entities
        if (first !== undefined && entities.every(({ kind }) => kind === first.kind))
          return itemsOfKind(db, source, first.kind, entities, known)
        return entities.flatMap((ref) => {
          const rows = db.tuples<WorkTuple>(
            `SELECT ${WORK_COLUMNS} FROM ledger l ${WORK_JOINS}
             WHERE l.entity_id = (SELECT id FROM entity WHERE kind = ? AND key = ?) AND l.source_id = (SELECT id FROM source WHERE name = ?)`,
            ref.kind,
            ref.key,
            source,
          )
          return rows.map((row) => workItem(db, source, row, known))
        })
      }),

    unresolved: (source, limit) =>
      db.read(() =>
        db
          .tuples<WorkTuple>(
            `SELECT ${WORK_COLUMNS} FROM partition q CROSS JOIN ledger l INDEXED BY ledger_by_state ON l.partition_id = q.id
               AND l.state IN (${UNRESOLVED}, ${UNRESOLVED + PENDING}) ${WORK_JOINS}
             WHERE q.source_id = (SELECT id FROM source WHERE name = ?) ORDER BY l.entity_id LIMIT ?`,
            source,
            limit,
          )
          .map((row) => workItem(db, source, row, known)),
      ),

    entitiesByProviderKey: (source, providerKeys) =>
      db.read(() => {
        const found = new Map<string, EntityRef[]>()
        const rows = db.tuples<readonly [providerKey: string, kind: EntityKind, key: string]>(
          `SELECT j.value, e.kind, e.key FROM source s CROSS JOIN json_each(?) j
           CROSS JOIN identity i ON i.source_id = s.id AND i.provider_key = j.value CROSS JOIN entity e ON e.id = i.entity_id
           WHERE s.name = ? ORDER BY e.kind, e.key`,
          JSON.stringify([...new Set(providerKeys)]),
          source,
        )
        for (const [providerKey, kind, key] of rows) {
          const refs = found.get(providerKey)
          if (refs === undefined) found.set(providerKey, [{ kind, key }])
          else refs.push({ kind, key })
        }
        return found
      }),

    records: (source, entities) =>
      db.read(() => {
        // Unknown entities have no id, and -1 has no record.
        const ids = entities.map((ref) => known.get(ref) ?? findEntity(db, ref) ?? -1)
        return db
          .tuples<RecordTuple>(
            `SELECT ${RECORD_COLUMNS} FROM source s CROSS JOIN json_each(?) j CROSS JOIN record r ON r.entity_id = j.value AND r.source_id = s.id
             CROSS JOIN entity e ON e.id = r.entity_id WHERE s.name = ?`,
            JSON.stringify(ids),
            source,
          )
          .map((row) => recordOf(db, source, row))
      }),

    ledger: (source, cohort) =>
      pages(
        db,
        () => selectKeys(db, 'ledger', source, cohort),
        (ids) => {
          const rest =
            'CROSS JOIN entity e ON e.id = l.entity_id CROSS JOIN partition p ON p.id = l.partition_id WHERE s.name = ?'
          const rows =
            cohort === undefined
              ? db.tuples<LedgerTuple>(
                  `SELECT ${LEDGER_COLUMNS} FROM source s CROSS JOIN json_each(?) j CROSS JOIN ledger l ON l.entity_id = j.value AND l.source_id = s.id ${rest}`,
                  ids,
                  source,
                )
              : db.tuples<LedgerTuple>(
                  `SELECT ${LEDGER_COLUMNS} FROM source s CROSS JOIN partition q ON q.source_id = s.id AND q.cohort = ?
                   CROSS JOIN json_each(?) j CROSS JOIN ledger l ON l.partition_id = q.id AND l.entity_id = j.value ${rest}`,
                  cohort,
                  ids,
                  source,
                )
          return rows.map((row) => ledgerOf(source, row))
        },
        { settled: true },
      ),

    currentRecords: (source, cohort) =>
      pages(
        db,
        () => selectKeys(db, 'record', source, cohort),
        (ids) =>
          db
            .tuples<RecordTuple>(
              `SELECT ${RECORD_COLUMNS} FROM source s CROSS JOIN json_each(?) j CROSS JOIN record r ON r.entity_id = j.value AND r.source_id = s.id
               CROSS JOIN entity e ON e.id = r.entity_id WHERE s.name = ?`,
              ids,
              source,
            )
            .map((row) => recordOf(db, source, row)),
        { settled: true },
      ),

    changeCounters: async () => {
      const counters = await db.read(() => {
        const rows = db.all<{ name: string; cohort: string; changes: number }>(
          'SELECT s.name, p.cohort, p.changes FROM partition p JOIN source s ON s.id = p.source_id WHERE p.changes > 0 ORDER BY s.name, p.cohort',
        )
        return new Map(rows.map(({ name, cohort, changes }) => [partitionKey(name, cohort), changes]))
      })
      await db.settled()
      return counters
    },
  }
}
