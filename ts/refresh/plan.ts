/**
 * The plan: ledger counts, checkpoints, quotas, request, now -> ordered partitions with reasons, and per source what the
 * work costs, how long it takes and whether its SLA can be met at all. Pure; `plan` and `--dry-run` stop here.
 *
 * Strategy: the cheapest that settles what is due. A bulk file costs one call. A complete feed settles what was known at
 * its beginning; what it cannot settle (never attempted, too old, pending) is asked in batches, or one by one.
 */
import type { SourceAdapter } from '../adapters/adapter.ts'
import type { Checkpoint } from '../model/checkpoint.ts'
import { FEED_COHORT, FILE_COHORT, partitionKey, type SourceId } from '../model/keys.ts'
import type { Plan, PlannedPartition, RefreshRequest, SourcePlan, Strategy } from '../model/plan.ts'
import { type DurationMs, type EpochMs, formatDuration, toUtcDate } from '../model/time.ts'
import { formatWindow } from '../model/window.ts'
import type { PartitionStats, QuotaRule, QuotaUse } from '../stores/store.ts'
import { UNRESOLVED_COHORT } from './cohort.ts'
import { callRules, callsPerDay, steadyLoad, timeForCalls, waitForSpent } from './feasibility.ts'
import { feasibility } from './feasibility-repairs.ts'
import { backoffText, type PassBackoff } from './pass-backoff.ts'
import { heldBack } from './plan-held-back.ts'
import { resumesFeed, resumesFile, resumesItems } from './resume.ts'
import { fileScopeText, scopeOf, scopeText } from './scope.ts'
import {
  coveredByFeed,
  effectiveBatchSize,
  type FeedFact,
  type FeedWindow,
  feedCalls,
  feedWindow,
  itemCallsOf,
  itemStrategy,
  learnedCallsPerEntity,
} from './strategy-cost.ts'

export type PlanPolicy = {
  readonly enabled: boolean
  readonly cadenceMs: DurationMs
  readonly slaMs: DurationMs
  readonly windowMs: DurationMs
  readonly batchSize: number
  readonly rules: readonly QuotaRule[]
}

export type PlanSource = {
  readonly adapter: SourceAdapter
  readonly policy: PlanPolicy
  readonly options: Readonly<Record<string, unknown>>
  readonly stats: readonly PartitionStats[]
  readonly checkpoints: readonly Checkpoint[]
  readonly quota: readonly QuotaUse[]
  /** The breaker lets nothing through before this moment. */
  readonly downUntil: EpochMs | null
  readonly feedFact: FeedFact | null
  /** The feed was walked (or failed) already in this run: what is still due is asked for by itself. */
  readonly feedWalked?: boolean
  /** Passes over the whole source that failed and wait, by cohort. */
  readonly passBackoffs?: ReadonlyMap<string, PassBackoff>
}

export type PlanInput = { readonly now: EpochMs; readonly request: RefreshRequest; readonly sources: readonly PlanSource[] }

type Selection = {
  readonly cohorts: ReadonlySet<string> | null
  readonly feed: boolean
  readonly file: boolean
  /** The pass over the whole source is asked for by name: it is judged by all cohorts, and planned when it settles anything. */
  readonly namesWhole: boolean
}

/** Which cohorts of the source the request names; null: all. */
function select(source: SourceId, request: RefreshRequest): Selection | null {
  const named = request.partitions.filter((key) => key.startsWith(`${source}:`)).map((key) => key.slice(source.length + 1))
  if (request.partitions.length > 0 && named.length === 0) return null
  const cohorts = [...named, ...request.cohorts]
  if (cohorts.length === 0) return { cohorts: null, feed: true, file: true, namesWhole: false }
  // In a window a cohort chooses among what changed there; a partition that is named is asked about as such.
  const feed = cohorts.includes(FEED_COHORT) || (request.window !== null && named.length === 0)
  const file = cohorts.includes(FILE_COHORT)
  return { cohorts: new Set(cohorts), feed, file, namesWhole: cohorts.includes(FEED_COHORT) || file }
}

/** The finding of identities is named by itself, or comes along with the source that it is for. */
function isNamed({ id }: SourceAdapter, request: RefreshRequest): boolean {
  return request.sources.includes(id) || request.partitions.some((key) => key.startsWith(`${id}:`))
}

/** A pass that comes along does what is due: `--force` and `--limit` are about the source that was named. */
export function requestFor(adapter: SourceAdapter, request: RefreshRequest): RefreshRequest {
  return adapter.resolvesFor === undefined || isNamed(adapter, request) ? request : { ...request, force: false }
}

function isSelected(source: PlanSource, request: RefreshRequest): boolean {
  const { id, resolvesFor } = source.adapter
  if (resolvesFor !== undefined && !isNamed(source.adapter, request)) {
    // Identities have no place in time, and cohorts of their own.
    if (request.window !== null || request.partitions.length > 0) return false
    return request.sources.length > 0 ? request.sources.includes(resolvesFor) : source.policy.enabled
  }
  if (request.partitions.some((key) => key.startsWith(`${id}:`))) return true
  if (request.sources.length > 0) return request.sources.includes(id)
  return request.partitions.length === 0 && source.policy.enabled
}

function sum(rows: readonly PartitionStats[], pick: (row: PartitionStats) => number): number {
  return rows.reduce((total, row) => total + pick(row), 0)
}

/** Stale first, then pending, then the oldest knowledge, then by name so that equal inputs give equal plans. */
function byUrgency(a: PartitionStats, b: PartitionStats): number {
  if (a.stale > 0 !== b.stale > 0) return a.stale > 0 ? -1 : 1
  const ageA = a.oldestSuccessAt ?? Number.NEGATIVE_INFINITY
  const ageB = b.oldestSuccessAt ?? Number.NEGATIVE_INFINITY
  if (ageA !== ageB) return ageA < ageB ? -1 : 1
  return a.cohort < b.cohort ? -1 : a.cohort > b.cohort ? 1 : 0
}

function reasonFor(row: PartitionStats, policy: PlanPolicy, work: number, request: RefreshRequest, resume: boolean): string {
  const parts: string[] = []
  if (resume) parts.push('resumes an interrupted pass')
  if (request.window !== null) parts.push(`cohort dates in ${formatWindow(request.window)}`)
  else if (request.force) parts.push(`forced, ${work} entities`)
  if (row.stale > 0) parts.push(`${row.stale} stale past ${formatDuration(policy.slaMs)}`)
  if (row.pending > 0) parts.push(`${row.pending} with a pending status change`)
  if (row.neverAttempted > 0) parts.push(`${row.neverAttempted} never attempted`)
  const aged = row.due - row.neverAttempted - row.pending
  if (aged > 0 && row.stale < aged) parts.push(`${aged} older than ${formatDuration(policy.cadenceMs)}`)
  return parts.join(', ') || 'due'
}

type WaitingPass = { readonly why: string; readonly strategy: Strategy; readonly calls: number }

type SourceWork = { readonly plan: SourcePlan; readonly partitions: readonly PlannedPartition[] }

/** Calls a day per source, of those that draw on the same quotas. */
type Loads = ReadonlyMap<SourceId, { readonly quotaPartition: string | null; readonly perDay: number }>

function loadsOf(sources: readonly PlanSource[]): Loads {
  return new Map(
    sources.map((source) => [
      source.adapter.id,
      {
        quotaPartition: source.policy.rules[0]?.quotaPartition ?? null,
        perDay: source.policy.enabled ? callsPerDay(steadyLoad(source)) : 0,
      },
    ]),
  )
}

function othersOf({ adapter }: PlanSource, loads: Loads): number {
  const own = loads.get(adapter.id)?.quotaPartition ?? null
  if (own === null) return 0
  return [...loads].reduce(
    (total, [id, { quotaPartition, perDay }]) => (id !== adapter.id && quotaPartition === own ? total + perDay : total),
    0,
  )
}

function planSource(source: PlanSource, input: PlanInput, loads: Loads): SourceWork {
  const { adapter, policy, stats } = source
  const { now } = input
  const request = requestFor(adapter, input.request)
  const selection = select(adapter.id, request)
  const population = sum(stats, (row) => row.population)
  const unresolved = sum(stats, (row) => row.unresolved)
  const rows = stats.filter((row) => row.cohort !== UNRESOLVED_COHORT)
  const points = new Map(source.checkpoints.map((point) => [point.partition, point]))
  const size = effectiveBatchSize(adapter, policy.batchSize)
  const items = itemStrategy(adapter)

  const all = request.force || request.window !== null
  const wanted = (row: PartitionStats): number => (all ? row.population - row.unresolved : row.due)
  const resumesRow = (row: PartitionStats): boolean =>
    items !== null &&
    resumesItems(points.get(partitionKey(adapter.id, row.cohort)), {
      strategy: items,
      window: request.window,
      all,
      pending: row.pending,
    })
  const picked = rows.filter((row) => (selection?.cohorts ?? null) === null || selection!.cohorts!.has(row.cohort))
  const work = picked.filter((row) => wanted(row) > 0 || resumesRow(row))
  const judged = selection?.namesWhole ? rows : picked
  const due = sum(judged, (row) => row.due)

  const partitions: PlannedPartition[] = []
  const base = { source: adapter.id, window: request.window, provesSince: null }
  const totals = { due, stale: sum(judged, (row) => row.stale) }
  const whole = (
    cohort: string,
    strategy: Strategy,
    calls: number,
    resume: boolean,
    reason: string,
    window = request.window,
    provesSince: EpochMs | null = null,
    entities = sum(judged, request.window === null ? wanted : (row) => row.due),
  ): PlannedPartition => ({
    ...base,
    ...totals,
    entities,
    partition: partitionKey(adapter.id, cohort),
    cohort,
    strategy,
    window,
    provesSince,
    calls,
    resume,
    reason: resume ? `resumes an interrupted pass, ${reason}` : reason,
  })
  const callsByStrategy: Partial<Record<Strategy, number>> = {}
  const perEntity = items === null ? 0 : learnedCallsPerEntity(source.checkpoints, items)
  const itemCalls = (list: readonly { due: number }[]): number => itemCallsOf(adapter, items ?? 'lookup', list, size, perEntity)
  if (items !== null) {
    const asDue = work.map((row) => ({ due: wanted(row) }))
    if (adapter.batch !== undefined) callsByStrategy.batch = itemCalls(asDue)
    if (adapter.lookup !== undefined)
      callsByStrategy.lookup = itemCallsOf(adapter, 'lookup', asDue, 1, items === 'lookup' ? perEntity : 0)
  }
  if (adapter.file !== undefined) callsByStrategy.file = 1
  const someWork = judged.some((row) => wanted(row) > 0)
  const addItems = (list: readonly PartitionStats[], amount: (row: PartitionStats) => number): void => {
    for (const row of [...list].sort(byUrgency)) {
      const count = Math.max(0, amount(row))
      const partition = partitionKey(adapter.id, row.cohort)
      const resume = resumesRow(row)
      if (count === 0 && !resume) continue
      partitions.push({
        ...base,
        partition,
        cohort: row.cohort,
        strategy: items!,
        due: row.due,
        stale: row.stale,
        entities: count,
        calls: itemCalls([{ due: count }]),
        resume,
        reason: reasonFor(row, policy, count, request, resume),
      })
    }
  }

  let waiting: WaitingPass | null = null
  const waits = (cohort: string, strategy: Strategy, calls: number): boolean => {
    const backoff = request.force ? undefined : source.passBackoffs?.get(cohort)
    if (backoff !== undefined) waiting = { why: backoffText(cohort, backoff), strategy, calls: Math.max(1, calls) }
    return backoff !== undefined
  }

  if (selection !== null) {
    const filePass = resumesFile(
      points.get(partitionKey(adapter.id, FILE_COHORT)),
      now,
      policy.cadenceMs,
      fileScopeText(scopeOf(adapter.id, request)),
    )
    const feedPass = resumesFeed(
      points.get(partitionKey(adapter.id, FEED_COHORT)),
      request.window,
      scopeText(scopeOf(adapter.id, request)),
    )
    if (adapter.file !== undefined) {
      // One download, whatever part of it is asked for; only that part is then judged.
      const neverLoaded = population === 0 && request.window === null && 'loader' in adapter.file
      if ((someWork || filePass || neverLoaded) && !waits(FILE_COHORT, 'file', 1)) {
        partitions.push(whole(FILE_COHORT, 'file', 1, filePass, neverLoaded ? 'never loaded' : `${due} due of ${population}`))
      }
    } else if (request.window !== null && adapter.feed !== undefined && selection.feed) {
      // Cohorts and limit choose among what changed in the window; they do not change what a window is.
      const calls = feedCalls(adapter, source.options, source.feedFact, request.window, request.window.to)
      callsByStrategy.feed = calls
      if (!waits(FEED_COHORT, 'feed', calls))
        partitions.push(whole(FEED_COHORT, 'feed', calls, feedPass, `what changed in ${formatWindow(request.window)}`))
    } else {
      // A walk cannot be cut to so many entities, and a pass over all is not what --force means.
      const isForSome = request.force || request.limit !== null
      const mayWalk = selection.feed && source.feedWalked !== true && (!isForSome || selection.namesWhole)
      const walk = mayWalk && request.window === null ? feedWindow(adapter, rows, now, policy.windowMs) : null
      const chosen = walk === null ? null : chooseFeed(source, judged, walk, now, itemCalls, selection.namesWhole)
      if (walk !== null) callsByStrategy.feed = feedCalls(adapter, source.options, source.feedFact, walk, now)
      if (walk !== null && (chosen !== null || feedPass) && !waits(FEED_COHORT, 'feed', chosen ?? 1)) {
        partitions.push(
          whole(
            FEED_COHORT,
            'feed',
            chosen ?? 1,
            feedPass,
            `proves the rest unchanged since ${toUtcDate(walk.knownSince)}`,
            { from: walk.from, to: now },
            walk.knownSince,
            sum(judged, (row) => coveredByFeed(row, walk)),
          ),
        )
        if (items !== null) addItems(work, (row) => wanted(row) - (request.force ? 0 : coveredByFeed(row, walk)))
      } else if (items !== null) {
        addItems(work, wanted)
      }
    }
  }

  // What can be asked about one by one meanwhile, is.
  const wait = partitions.length === 0 ? (waiting as WaitingPass | null) : null
  const held = heldBack(source, now)?.why ?? wait?.why ?? null
  // What is held back is counted like what is planned: it is work that waits.
  const calls = wait?.calls ?? partitions.reduce((total, part) => total + part.calls, 0)
  return {
    partitions: held === null ? partitions : [],
    plan: {
      source: adapter.id,
      population,
      due: sum(rows, (row) => row.due),
      stale: sum(rows, (row) => row.stale),
      neverAttempted: sum(rows, (row) => row.neverAttempted),
      backingOff: sum(rows, (row) => row.backingOff),
      unresolved,
      strategy: partitions[0]?.strategy ?? wait?.strategy ?? null,
      callsByStrategy,
      calls,
      etaMs: etaOf(source, calls, items, partitions, now),
      feasibility: feasibility(source, othersOf(source, loads)),
      heldBack: held,
    },
  }
}

/** A call costs by how many entities it is about where credits are counted so; what is spent comes back with the next period. */
function etaOf(
  source: PlanSource,
  calls: number,
  items: Strategy | null,
  partitions: readonly PlannedPartition[],
  now: EpochMs,
): DurationMs {
  if (calls === 0) return 0
  const entities = partitions.reduce((total, part) => total + (part.strategy === items ? part.entities : part.calls), 0)
  return Math.max(timeForCalls(calls, callRules(source, entities / calls)), waitForSpent(source, calls, entities, now))
}

/** Calls of a feed walk when it settles something, and is named or cheaper than asking about all it would settle; else null. */
function chooseFeed(
  source: PlanSource,
  rows: readonly PartitionStats[],
  walk: FeedWindow,
  now: EpochMs,
  itemCalls: (rows: readonly { due: number }[]) => number,
  isNamed: boolean,
): number | null {
  const calls = feedCalls(source.adapter, source.options, source.feedFact, walk, now)
  if (itemStrategy(source.adapter) === null) return rows.some((row) => row.due > 0) ? calls : null
  const covered = sum(rows, (row) => coveredByFeed(row, walk))
  if (covered === 0) return null
  if (isNamed) return calls
  const without = itemCalls(rows)
  const rest = itemCalls(rows.map((row) => ({ due: row.due - coveredByFeed(row, walk) })))
  return calls + rest < without ? calls : null
}

/** Sources whose stale share is largest go first; within a source the order of `planSource` stands. */
function orderPartitions(bySource: readonly SourceWork[]): PlannedPartition[] {
  const ordered = bySource.flatMap((work) => work.partitions)
  const rank = (part: PlannedPartition): number =>
    part.strategy === 'file' || part.strategy === 'feed' ? 0 : part.stale > 0 ? 1 : 2
  return ordered
    .map((part, index) => ({ part, index }))
    .sort((a, b) => rank(a.part) - rank(b.part) || a.index - b.index)
    .map(({ part }) => part)
}

/** Partitions that fit a call budget; a partition that alone exceeds what is left is kept, its run stops at the budget. */
function withinBudget(partitions: readonly PlannedPartition[], maxCalls: number | null): readonly PlannedPartition[] {
  if (maxCalls === null) return partitions
  const kept: PlannedPartition[] = []
  let left = maxCalls
  for (const part of partitions) {
    if (left <= 0) break
    kept.push(part)
    left -= part.calls
  }
  return kept
}

export function planRefresh(input: PlanInput): Plan {
  const selected = input.sources.filter((source) => isSelected(source, input.request))
  const loads = loadsOf(input.sources)
  const works = selected.map((source) => planSource(source, input, loads))
  return {
    at: input.now,
    sources: works.map((work) => work.plan),
    partitions: withinBudget(orderPartitions(works), input.request.maxCalls),
  }
}
