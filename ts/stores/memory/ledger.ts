import { type EntityKind, type EntityRef, entityId, partitionKey, type SourceId } from '../../model/keys.ts'
import type { DeltaEvent } from '../../model/record.ts'
import { UNRESOLVED_COHORT } from '../../refresh/cohort.ts'
import {
  isSelected,
  judgeRow,
  madeAskable,
  madeUnaskable,
  NEVER_ATTEMPTED,
  PENDING,
  rowState,
  UNRESOLVED,
  unattempted,
  workRank,
} from '../row-state.ts'
import type { EventQuery, Judge, LedgerQuery, LedgerStore, PartitionStats, Placer, SmallStore, WorkItem } from '../store.ts'
import { compareRefs, compareText } from '../text-order.ts'
import { copy, type Data, getOrAdd, pairKey, type StoredEntity, type StoredRow } from './data.ts'

type Sums = { -readonly [Key in keyof PartitionStats]: PartitionStats[Key] }

function count(stats: Sums, { entry }: StoredRow, judge: Judge): void {
  const state = rowState(entry)
  const verdict = judgeRow({ state, lastSuccessAt: entry.lastSuccessAt, nextAttemptAt: entry.nextAttemptAt }, judge)
  const isSkipped = entry.outcome === 'skipped'
  stats.population += 1
  if (verdict.due) stats.due += 1
  if (verdict.due && state % PENDING === NEVER_ATTEMPTED) stats.neverAttempted += 1
  if (verdict.stale) stats.stale += 1
  if (verdict.backingOff) stats.backingOff += 1
  if (verdict.fresh) stats.fresh += 1
  if (isSkipped) stats.unresolved += 1
  if (entry.pendingSince !== null) stats.pending += 1
  if (!isSkipped && entry.lastSuccessAt !== null)
    stats.oldestSuccessAt = Math.min(stats.oldestSuccessAt ?? entry.lastSuccessAt, entry.lastSuccessAt)
  if (entry.lastAttemptAt !== null)
    stats.newestAttemptAt = Math.max(stats.newestAttemptAt ?? entry.lastAttemptAt, entry.lastAttemptAt)
}

function partitionsOf(data: Data, source: SourceId, cohort?: string): [cohort: string, rows: ReadonlyMap<string, StoredRow>][] {
  const prefix = `${source}:`
  return [...data.partitions]
    .filter(
      ([key, rows]) => rows.size > 0 && (cohort === undefined ? key.startsWith(prefix) : key === partitionKey(source, cohort)),
    )
    .map(([key, rows]): [string, ReadonlyMap<string, StoredRow>] => [key.slice(prefix.length), rows])
    .sort(([a], [b]) => compareText(a, b))
}

function workItem(data: Data, row: StoredRow): WorkItem {
  const identity = data.identities.get(pairKey(row.entry.source, row.entry.entity))
  return { entity: row.entity.entity, entry: row.entry, identity: identity === undefined ? null : copy(identity) }
}

function selectWork(data: Data, query: LedgerQuery, judge: Judge): readonly StoredRow[] {
  const rows = [...(data.partitions.get(partitionKey(query.source, query.cohort))?.values() ?? [])].filter(({ entry }) =>
    isSelected(entry, query, judge),
  )
  const ranked = rows.map((row) => {
    const state = rowState(row.entry)
    const { stale } = judgeRow({ state, lastSuccessAt: row.entry.lastSuccessAt, nextAttemptAt: row.entry.nextAttemptAt }, judge)
    return { row, rank: workRank(state, stale), success: row.entry.lastSuccessAt ?? Number.NEGATIVE_INFINITY }
  })
  ranked.sort((a, b) => a.rank - b.rank || (a.success === b.success ? a.row.entity.id - b.row.entity.id : a.success - b.success))
  return ranked.slice(0, query.limit ?? ranked.length).map(({ row }) => row)
}

function keyOrder(data: Data, source: SourceId, cohort: string | undefined): readonly StoredRow[] {
  const rows = cohort === undefined ? data.rows.get(source) : data.partitions.get(partitionKey(source, cohort))
  return [...(rows?.values() ?? [])].sort((a, b) => compareRefs(a.entry.entity, b.entry.entity))
}

/** True when a row was added, moved, or made askable. `anyState`: rows that can be asked about are looked at, too. */
function placeOne(
  data: Data,
  source: SourceId,
  stored: StoredEntity,
  place: Placer,
  byIdentity: boolean,
  anyState = false,
): boolean {
  const ref: EntityRef = { kind: stored.entity.kind, key: stored.entity.key }
  const known = data.row(source, ref)?.entry
  const wasUnresolved = known !== undefined && rowState(known) % PENDING === UNRESOLVED
  if (known !== undefined && !wasUnresolved && !anyState) return false
  const current = known === undefined || known.cohort === UNRESOLVED_COHORT ? null : known.cohort
  const identity = byIdentity ? (data.identities.get(pairKey(source, ref)) ?? null) : null
  const { cohort, unresolvable } = place(stored.entity, identity, current)
  const target = current ?? cohort
  if (known === undefined) {
    data.putRow(stored, unattempted({ source, entity: ref, cohort: target }, unresolvable))
    data.touch(partitionKey(source, target))
    return true
  }
  if (unresolvable === null ? !wasUnresolved : wasUnresolved && known.cohort === target && known.error === unresolvable)
    return false
  data.putRow(stored, unresolvable === null ? madeAskable(known, target) : madeUnaskable(known, target, unresolvable))
  data.touch(partitionKey(source, target))
  if (known.cohort !== target) data.touch(partitionKey(source, known.cohort))
  return unresolvable === null || target !== known.cohort
}

function assign(data: Data, source: SourceId, kind: EntityKind, place: Placer, byIdentity: boolean): number {
  const markKey = `${source}/${kind}`
  const mark = data.marks.get(markKey) ?? 0
  if (mark >= (data.revisions.get(kind) ?? 0)) return 0
  const candidates = [...data.entities.values()]
    .filter(({ entity, revision }) => entity.kind === kind && revision > mark)
    .sort((a, b) => a.revision - b.revision)
  let placed = 0
  for (const stored of candidates) {
    if (placeOne(data, source, stored, place, byIdentity)) placed += 1
    data.marks.set(markKey, stored.revision)
  }
  return placed
}

function assignByIdentity(data: Data, source: SourceId, kinds: readonly EntityKind[], place: Placer, rule: string): number {
  const placement = getOrAdd(data.placement, source, () => ({ rule: '', due: new Set<string>() }))
  if (placement.rule !== rule) {
    placement.rule = rule
    for (const id of data.rows.get(source)?.keys() ?? []) placement.due.add(id)
  }
  const offered = [...placement.due].map((id) => data.entities.get(id)!).sort((a, b) => a.id - b.id)
  let placed = 0
  for (const stored of offered) {
    if (kinds.includes(stored.entity.kind) && placeOne(data, source, stored, place, true, true)) placed += 1
    placement.due.delete(entityId(stored.entity))
  }
  return placed
}

function matches(event: DeltaEvent & { readonly position: number }, query: EventQuery): boolean {
  return (
    event.position > (query.after ?? 0) &&
    (query.source === undefined || event.source === query.source) &&
    (query.entity === undefined || entityId(event.entity) === entityId(query.entity)) &&
    (query.kinds === undefined || query.kinds.includes(event.kind)) &&
    (query.since === undefined || event.at >= query.since) &&
    (query.runId === undefined || event.runId === query.runId)
  )
}

export function createLedger(data: Data): Omit<LedgerStore, 'commit' | 'seenBy' | 'lastIngest'> & Pick<SmallStore, 'unresolved'> {
  return {
    assign: (source, kinds, place, _at, byIdentity) =>
      data.step(() => {
        const placed = kinds.reduce((sum, kind) => sum + assign(data, source, kind, place, byIdentity !== undefined), 0)
        return byIdentity === undefined ? placed : placed + assignByIdentity(data, source, kinds, place, byIdentity)
      }),
    unresolved: (source, limit) =>
      data.step(() =>
        [...(data.rows.get(source)?.values() ?? [])]
          .filter((row) => rowState(row.entry) % PENDING === UNRESOLVED)
          .sort((a, b) => a.entity.id - b.entity.id)
          .slice(0, limit)
          .map((row) => workItem(data, row)),
      ),
    cohortSizes: (source) => data.step(() => new Map(partitionsOf(data, source).map(([cohort, rows]) => [cohort, rows.size]))),
    partitionStats: (source, judge, cohort) =>
      data.step(() =>
        partitionsOf(data, source, cohort).map(([name, rows]) => {
          const zero = { population: 0, due: 0, neverAttempted: 0, stale: 0, backingOff: 0, unresolved: 0, fresh: 0, pending: 0 }
          const stats: Sums = { source, cohort: name, ...zero, oldestSuccessAt: null, newestAttemptAt: null }
          for (const row of rows.values()) count(stats, row, judge)
          return stats
        }),
      ),
    workItems: async function* (query, judge) {
      for (const row of await data.step(() => selectWork(data, query, judge))) {
        // Others may have worked on the row since it was selected.
        const item = await data.step(() =>
          row.entry.cohort === query.cohort && isSelected(row.entry, query, judge) ? workItem(data, row) : null,
        )
        if (item !== null) yield item
      }
    },
    items: (source, entities) =>
      data.step(() =>
        entities.flatMap((ref) => {
          const row = data.row(source, ref)
          return row === undefined ? [] : [workItem(data, row)]
        }),
      ),
    entitiesByProviderKey: (source, providerKeys) =>
      data.step(() => {
        const found = new Map<string, readonly EntityRef[]>()
        for (const providerKey of providerKeys) {
          const pairs = [...(data.providerKeys.get(`${source}/${providerKey}`) ?? [])]
          if (pairs.length > 0)
            found.set(providerKey, pairs.map((pair) => ({ ...data.identities.get(pair)!.entity })).sort(compareRefs))
        }
        return found
      }),
    records: (source, entities) =>
      data.step(() =>
        entities.flatMap((ref) => {
          const record = data.records.get(pairKey(source, ref))
          return record === undefined ? [] : [copy(record)]
        }),
      ),
    ledger: async function* (source, cohort) {
      for (const row of await data.step(() => keyOrder(data, source, cohort))) yield row.entry
    },
    currentRecords: async function* (source, cohort) {
      const records = await data.step(() => [...data.records.values()].filter((record) => record.source === source))
      records.sort((a, b) => compareRefs(a.entity, b.entity))
      for (const record of records) {
        if (cohort === undefined || data.row(source, record.entity)?.entry.cohort === cohort) yield copy(record)
      }
    },
    events: async function* (query) {
      const found = await data.step(() => data.events.filter((event) => matches(event, query)).slice(0, query.limit))
      for (const event of found) yield copy(event)
    },
    changeCounters: () => data.step(() => new Map([...data.changes].sort(([a], [b]) => compareText(a, b)))),
  }
}
