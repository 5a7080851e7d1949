/** A store in arrays with just the methods an export uses, for values that a real store would refuse and for exact control. */

import { EngineError } from '../../../ts/model/errors.ts'
import type { JsonValue } from '../../../ts/model/json.ts'
import type { LedgerEntry } from '../../../ts/model/ledger.ts'
import type { CurrentRecord, DeltaEvent } from '../../../ts/model/record.ts'
import { dueAt, isFresh, isStale } from '../../../ts/refresh/freshness.ts'
import type { Judge, Lease, PartitionStats } from '../../../ts/stores/store.ts'
import type { WarehouseStore } from '../../../ts/warehouse/export.ts'

export type FakeStore = WarehouseStore & {
  readonly entries: LedgerEntry[]
  readonly recordsOf: { cohort: string; record: CurrentRecord }[]
  readonly eventList: (DeltaEvent & { position: number })[]
  readonly counters: Map<string, number>
  readonly states: Map<string, { version: number; value: JsonValue }>
  touch(source: string, cohort: string): void
}

const T0 = Date.UTC(2026, 10, 21)

export function ledgerEntry(change: Partial<LedgerEntry> & { key?: string } = {}): LedgerEntry {
  const { key = 'uei:AAAAAAAAAAA1', ...rest } = change
  return {
    source: 'sam_gov',
    entity: { kind: 'company', key },
    cohort: 'uei_batch_0001',
    lastAttemptAt: T0,
    lastSuccessAt: T0,
    outcome: 'unchanged',
    responseStatus: 200,
    payloadHash: 'a'.repeat(64),
    normalizerVersion: 1,
    validators: { etag: null, lastModified: null },
    attempts: 1,
    consecutiveFailures: 0,
    nextAttemptAt: null,
    errorClass: null,
    error: null,
    runId: 'run_1',
    pendingSince: null,
    ...rest,
  }
}

export function currentRecord(change: Partial<CurrentRecord> & { key?: string } = {}): CurrentRecord {
  const { key = 'uei:AAAAAAAAAAA1', ...rest } = change
  return {
    source: 'sam_gov',
    entity: { kind: 'company', key },
    record: { status: 'Active' },
    payloadHash: 'a'.repeat(64),
    normalizerVersion: 1,
    changedAt: T0,
    present: true,
    runId: 'run_1',
    ...rest,
  }
}

export function deltaEvent(
  position: number,
  change: Partial<DeltaEvent> & { key?: string } = {},
): DeltaEvent & { position: number } {
  const { key = 'uei:AAAAAAAAAAA1', ...rest } = change
  return {
    position,
    eventId: `event-${position}`,
    source: 'sam_gov',
    entity: { kind: 'company', key },
    kind: 'changed',
    at: T0 + position,
    runId: 'run_1',
    oldHash: 'a'.repeat(64),
    newHash: 'b'.repeat(64),
    changes: [{ path: '$.status', old: 'Active', new: 'Inactive' }],
    confidence: 0.9,
    confidenceMethod: 'uei',
    ...rest,
  }
}

export function fakeStore(): FakeStore {
  const entries: LedgerEntry[] = []
  const recordsOf: { cohort: string; record: CurrentRecord }[] = []
  const eventList: (DeltaEvent & { position: number })[] = []
  const counters = new Map<string, number>()
  const states = new Map<string, { version: number; value: JsonValue }>()
  let lease: Lease | null = null
  let token = 0
  return {
    entries,
    recordsOf,
    eventList,
    counters,
    states,
    touch(source, cohort) {
      const key = `${source}:${cohort}`
      counters.set(key, (counters.get(key) ?? 0) + 1)
    },
    async *ledger(source, cohort) {
      for (const entry of entries) if (entry.source === source && (cohort === undefined || entry.cohort === cohort)) yield entry
    },
    async *currentRecords(source, cohort) {
      for (const row of recordsOf)
        if (row.record.source === source && (cohort === undefined || row.cohort === cohort)) yield row.record
    },
    async *events({ after = Number.NEGATIVE_INFINITY, limit }) {
      let left = limit
      for (const event of eventList) {
        if (event.position <= after) continue
        if (left-- <= 0) return
        yield event
      }
    },
    async changeCounters() {
      return new Map(counters)
    },
    async partitionStats(source, judge) {
      const cohorts = [...new Set(entries.filter((entry) => entry.source === source).map((entry) => entry.cohort))].sort()
      return cohorts.map((cohort) => statsOf(source, cohort, entries, judge))
    },
    async acquireLease(partition, holder, duration, monotonic) {
      if (lease !== null && lease.expiresAtMonotonicMs > monotonic.ms) return null
      token += 1
      lease = { partition, holder, token, expiresAtMonotonicMs: monotonic.ms + duration }
      return lease
    },
    async renewLease(held, duration, monotonic) {
      if (lease === null || lease.token !== held.token) throw new EngineError('try_later', 'lease_lost', 'the lease was lost')
      lease = { ...lease, expiresAtMonotonicMs: monotonic.ms + duration }
      return lease
    },
    async releaseLease(held) {
      if (lease?.token === held.token) lease = null
    },
    async getState(name) {
      return states.get(name) ?? null
    },
    async putState(name, expected, value) {
      if ((states.get(name)?.version ?? 0) !== expected) return false
      states.set(name, { version: expected + 1, value })
      return true
    },
  }
}

function statsOf(source: string, cohort: string, entries: readonly LedgerEntry[], judge: Judge): PartitionStats {
  const rows = entries.filter((entry) => entry.source === source && entry.cohort === cohort)
  const count = (test: (entry: LedgerEntry) => boolean) => rows.filter(test).length
  const times = (pick: (entry: LedgerEntry) => number | null) => rows.map(pick).filter((at) => at !== null)
  const isDueNow = (entry: LedgerEntry) =>
    entry.outcome !== 'skipped' && (dueAt(entry, judge) ?? Number.POSITIVE_INFINITY) <= judge.now
  return {
    source,
    cohort,
    population: rows.length,
    due: count(isDueNow),
    neverAttempted: count((entry) => entry.outcome !== 'skipped' && entry.lastAttemptAt === null),
    stale: count((entry) => isStale(entry, judge, judge.now)),
    backingOff: count((entry) => (entry.nextAttemptAt ?? 0) > judge.now),
    unresolved: count((entry) => entry.outcome === 'skipped'),
    fresh: count((entry) => isFresh(entry, judge, judge.now)),
    pending: count((entry) => entry.pendingSince !== null),
    oldestSuccessAt: times((entry) => entry.lastSuccessAt).reduce<number | null>(
      (low, at) => (low === null || at < low ? at : low),
      null,
    ),
    newestAttemptAt: times((entry) => entry.lastAttemptAt).reduce<number | null>(
      (high, at) => (high === null || at > high ? at : high),
      null,
    ),
  }
}
