/** What each strategy a source offers would cost for what is due, in calls. */
import type { SourceAdapter } from '../adapters/adapter.ts'
import type { Checkpoint } from '../model/checkpoint.ts'
import type { Strategy } from '../model/plan.ts'
import { DAY_MS, type DurationMs, type EpochMs } from '../model/time.ts'
import type { PartitionStats } from '../stores/store.ts'

/** What is remembered of the last complete walk of a source's feed (kept as a fact with its commit). */
export type FeedFact = {
  /** The feed was complete up to this moment of ours. */
  readonly asOf: EpochMs
  readonly marker: string | null
  /** Pages a day it took, for planning the next walk; null when only the gate was asked. */
  readonly pagesPerDay: number | null
}

export type StrategyCosts = Readonly<Partial<Record<Strategy, number>>>

export type FeedWindow = { readonly from: EpochMs; readonly knownSince: EpochMs }

/**
 * From when a feed must be walked so that everything known since `knownSince` can be proven unchanged, or null when
 * nothing that is due would be covered. The walk begins `overlap` earlier, on a whole day, because providers publish late.
 */
export function feedWindow(
  adapter: SourceAdapter,
  stats: readonly PartitionStats[],
  now: EpochMs,
  maxWindowMs: DurationMs,
): FeedWindow | null {
  if (adapter.feed === undefined || !adapter.feed.complete) return null
  const reach = now - maxWindowMs
  let knownSince = Number.POSITIVE_INFINITY
  for (const row of stats) {
    if (row.oldestSuccessAt !== null) knownSince = Math.min(knownSince, Math.max(row.oldestSuccessAt, reach))
  }
  if (knownSince === Number.POSITIVE_INFINITY) return null
  return { from: Math.floor((knownSince - adapter.feed.overlapMs) / DAY_MS) * DAY_MS, knownSince }
}

/**
 * Due rows of a partition that a feed walk back to `knownSince` would settle without asking about each. The counts do not
 * tell those that are failing, which it does not settle; what it leaves due is planned again after it.
 */
export function coveredByFeed(row: PartitionStats, window: FeedWindow): number {
  if (row.oldestSuccessAt === null || row.oldestSuccessAt < window.knownSince) return 0
  return Math.max(0, row.due - row.neverAttempted - row.pending)
}

export function feedCalls(
  adapter: SourceAdapter,
  options: Readonly<Record<string, unknown>>,
  fact: FeedFact | null,
  window: { from: EpochMs },
  now: EpochMs,
): number {
  const feed = adapter.feed!
  const days = Math.max(1, Math.ceil((now - window.from) / DAY_MS))
  const configured = options['feed_rows_per_day']
  const rowsPerDay = typeof configured === 'number' ? configured : feed.estimate.rowsPerDay
  const pagesPerDay = fact?.pagesPerDay ?? rowsPerDay / feed.estimate.rowsPerPage
  return Math.ceil(pagesPerDay * days) + (feed.gate === undefined ? 0 : 1)
}

/**
 * `perEntity`: what earlier passes took per entity. It is more than `1 / batchSize` where a batch is asked group by group, or
 * page by page; a plan that knew only the batch size would promise too little.
 */
export function batchCalls(rows: readonly { due: number }[], batchSize: number, perEntity = 0): number {
  return rows.reduce((sum, row) => sum + Math.max(Math.ceil(row.due / batchSize), Math.ceil(row.due * perEntity)), 0)
}

/** Calls to ask about what is due, with the strategy that asks about entities: as the adapter says, or as earlier passes took. */
export function itemCallsOf(
  adapter: SourceAdapter,
  strategy: 'batch' | 'lookup',
  rows: readonly { due: number }[],
  batchSize: number,
  learned: number,
): number {
  if (strategy === 'batch') {
    const first = adapter.batch?.firstCalls
    // What passes took wins over what was supposed before there were any.
    if (learned > 0 || first === undefined) return batchCalls(rows, batchSize, learned)
    // Few entities are in few groups.
    return rows.reduce(
      (sum, row) =>
        sum + Math.min(row.due * first.perBatch, Math.ceil(row.due / batchSize) * first.perBatch + first.perPartition),
      0,
    )
  }
  const perEntity = Math.max(adapter.lookup?.callsPerEntity ?? 1, learned)
  return rows.reduce((sum, row) => sum + Math.ceil(row.due * perEntity), 0)
}

/** Calls per entity of the source's latest passes with this strategy; 0 when there was none worth learning from. */
export function learnedCallsPerEntity(checkpoints: readonly Checkpoint[], strategy: Strategy): number {
  let calls = 0
  let items = 0
  for (const point of checkpoints) {
    if (point.strategy !== strategy || point.status !== 'complete') continue
    calls += point.counts.calls
    items += point.counts.items
  }
  return items === 0 ? 0 : calls / items
}

/** Strategy by which single entities of a source are asked about. */
export function itemStrategy(adapter: SourceAdapter): 'batch' | 'lookup' | null {
  return adapter.batch !== undefined ? 'batch' : adapter.lookup !== undefined ? 'lookup' : null
}

/** Entities in a batch call: the smaller of the config's and the provider's limit. */
export function effectiveBatchSize(adapter: SourceAdapter, configured: number): number {
  return Math.max(1, Math.min(configured, adapter.batch?.maxSize ?? 1))
}
