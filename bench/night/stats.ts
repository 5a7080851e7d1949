/**
 * The memory store counts a partition by looking at each of its rows, which hourly starts over two million rows ask for too often.
 * What was counted is kept until something is written there, or until the first of its rows becomes due or stale by itself.
 */
import { type PartitionKey, partitionKey, type SourceId } from '../../ts/model/keys.ts'
import type { EpochMs } from '../../ts/model/time.ts'
import type { CommitBatch, Judge, PartitionStats, Store } from '../../ts/stores/store.ts'

type Counted = { readonly stats: PartitionStats; readonly from: EpochMs; readonly until: EpochMs }

export function rememberStats(store: Store): Store {
  const known = new Map<PartitionKey, Counted>()

  /** What is counted while somebody writes is not kept. */
  let writes = 0

  function forget(source: SourceId): void {
    writes += 1
    for (const key of known.keys()) if (key.startsWith(`${source}:`)) known.delete(key)
  }

  function forgetBatch({ lease, ledger, pending, identities, provenUnchanged }: CommitBatch): void {
    writes += 1
    const source = lease.partition.slice(0, lease.partition.indexOf(':'))
    if (provenUnchanged === undefined) known.delete(lease.partition)
    else forget(source)
    for (const row of ledger) known.delete(partitionKey(row.source, row.cohort))
    for (const other of new Set([...pending, ...identities].map((one) => one.source))) forget(other)
  }

  /** From `now` on, when the first row is judged otherwise although nobody touched it. */
  async function nextTurn(source: SourceId, cohort: string, { now, cadenceMs, slaMs }: Judge): Promise<EpochMs> {
    let next = Number.POSITIVE_INFINITY
    const note = (at: EpochMs): void => {
      if (at >= now && at < next) next = at
    }
    for await (const { lastSuccessAt, nextAttemptAt } of store.ledger(source, cohort)) {
      if (nextAttemptAt !== null) note(nextAttemptAt)
      if (lastSuccessAt === null) continue
      note(lastSuccessAt + cadenceMs)
      note(lastSuccessAt + slaMs)
    }
    return next
  }

  async function count(source: SourceId, cohort: string, judge: Judge): Promise<PartitionStats | null> {
    const key = partitionKey(source, cohort)
    const found = known.get(key)
    if (found !== undefined && judge.now >= found.from && judge.now < found.until) return found.stats
    const before = writes
    const [stats] = await store.partitionStats(source, judge, cohort)
    if (stats === undefined) return null
    const until = await nextTurn(source, cohort, judge)
    if (writes === before) known.set(key, { stats, from: judge.now, until })
    return stats
  }

  return {
    ...store,
    async commit(batch) {
      forgetBatch(batch)
      const summary = await store.commit(batch)
      forgetBatch(batch)
      return summary
    },
    async assign(source, ...rest) {
      const placed = await store.assign(source, ...rest)
      if (placed > 0) forget(source)
      return placed
    },
    addPending(changes) {
      for (const source of new Set(changes.map((change) => change.source))) forget(source)
      return store.addPending(changes)
    },
    async partitionStats(source, judge, cohort) {
      const cohorts = cohort === undefined ? [...(await store.cohortSizes(source)).keys()] : [cohort]
      const all: PartitionStats[] = []
      for (const one of cohorts) {
        const stats = await count(source, one, judge)
        if (stats !== null) all.push(stats)
      }
      return all
    },
  }
}
