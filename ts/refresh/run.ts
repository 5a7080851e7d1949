/**
 * One invocation: membership, plan, partitions under bounded concurrency, report. A partition's failure never stops
 * another; a source that says "later" holds back only its own partitions.
 */
import { NO_COUNTS } from '../model/checkpoint.ts'
import type { SourceId } from '../model/keys.ts'
import type { Plan, PlannedPartition, RefreshRequest } from '../model/plan.ts'
import type { HeldBack, PartitionReport, RunReport, SourceReport } from '../model/run-report.ts'
import type { QuotaUse, Store } from '../stores/store.ts'
import { createPlacer } from './cohort.ts'
import { addCounts } from './commit-batch.ts'
import { sourceFreshness } from './coverage.ts'
import { type PlanSource, planRefresh } from './plan.ts'
import { feedFactName } from './run-feed.ts'
import { type PartitionRunDeps, type RunSource, runPartition } from './run-partition.ts'
import type { FeedFact } from './strategy-cost.ts'

export type RunDeps = Omit<PartitionRunDeps, 'force' | 'takeEntity' | 'assign' | 'runId'> & {
  readonly sources: readonly RunSource[]
  readonly maxParallelPartitions: number
}

/** Partitions of one source worked on at once: two, so that the tail of one overlaps with the head of the next. */
const PARTITIONS_PER_SOURCE = 2

/** Gives every entity its ledger row at every source. Cheap when nothing is new; callable again after a crash. */
export async function assignCohorts(deps: Pick<RunDeps, 'store' | 'clock'>, sources: readonly RunSource[]): Promise<void> {
  for (const { adapter, policy } of sources) {
    const placer = createPlacer(adapter, policy.cohortSize, await deps.store.cohortSizes(adapter.id))
    await deps.store.assign(adapter.id, adapter.entityKinds, placer, deps.clock.now())
  }
}

async function gather(deps: Pick<RunDeps, 'store' | 'clock'>, source: RunSource): Promise<PlanSource> {
  const { store, clock } = deps
  const now = clock.now()
  const { adapter, policy } = source
  const stats = await store.partitionStats(adapter.id, { now, cadenceMs: policy.cadenceMs, slaMs: policy.slaMs })
  const quota: readonly QuotaUse[] = await store.quotaUse(policy.rules, clock.monotonic(), now)
  const stored = await store.getState(feedFactName(adapter.id))
  return {
    adapter,
    policy,
    options: source.options,
    stats,
    checkpoints: await store.checkpoints(adapter.id),
    quota,
    downUntil: await source.downUntil(),
    feedFact: stored === null ? null : (stored.value as unknown as FeedFact),
  }
}

/** Plans without changing anything but the ledger's membership (which a dry run leaves alone too: `assign: false`). */
export async function makePlan(
  deps: Pick<RunDeps, 'store' | 'clock' | 'sources'>,
  request: RefreshRequest,
  assign: boolean,
): Promise<Plan> {
  if (assign) await assignCohorts(deps, deps.sources)
  const sources: PlanSource[] = []
  for (const source of deps.sources) sources.push(await gather(deps, source))
  return planRefresh({ now: deps.clock.now(), request, sources })
}

async function coverages(
  store: Store,
  deps: Pick<RunDeps, 'clock'>,
  sources: readonly RunSource[],
): Promise<Map<SourceId, number>> {
  const result = new Map<SourceId, number>()
  for (const { adapter, policy } of sources) {
    const stats = await store.partitionStats(adapter.id, {
      now: deps.clock.now(),
      cadenceMs: policy.cadenceMs,
      slaMs: policy.slaMs,
    })
    result.set(adapter.id, sourceFreshness(adapter.id, stats, policy.coverageThreshold).coverage)
  }
  return result
}

function notStarted(planned: PlannedPartition, reason: string, until: number | null): PartitionReport {
  const { partition, source, strategy, window } = planned
  return {
    partition,
    source,
    strategy,
    window,
    status: 'not_started',
    code: null,
    reason,
    until,
    resumed: false,
    reconciled: null,
    counts: NO_COUNTS,
    slaGapsClosed: 0,
    quotaWaitMs: 0,
    durationMs: 0,
  }
}

/** The provider refused our credentials: no other partition of the source will fare better. */
const refused = (report: PartitionReport): boolean => report.code === 'credentials'

const isWhole = (planned: PlannedPartition): boolean => planned.strategy === 'file' || planned.strategy === 'feed'

/** Runs partitions in plan order; a source's whole-source passes go alone and first, because they settle what its cohorts would ask. */
async function schedule(
  plan: Plan,
  deps: RunDeps,
  runOne: (planned: PlannedPartition) => Promise<PartitionReport>,
  afterFeed: (source: SourceId) => Promise<readonly PlannedPartition[]>,
): Promise<PartitionReport[]> {
  let waiting = [...plan.partitions]
  const active = new Map<SourceId, { count: number; whole: boolean }>()
  const stopped = new Map<SourceId, PartitionReport>()
  const reports: PartitionReport[] = []
  const running = new Set<Promise<void>>()
  const mayStart = (planned: PlannedPartition): boolean => {
    const now = active.get(planned.source)
    if (now === undefined || now.count === 0) return true
    return !now.whole && !isWhole(planned) && now.count < PARTITIONS_PER_SOURCE
  }
  const start = (planned: PlannedPartition): void => {
    const now = active.get(planned.source) ?? { count: 0, whole: false }
    active.set(planned.source, { count: now.count + 1, whole: isWhole(planned) })
    const task = runOne(planned).then(async (report) => {
      reports.push(report)
      const { status } = report
      // What the walk left due (failing, pending, never asked; everything when it failed) is asked for by itself.
      if (
        planned.strategy === 'feed' &&
        planned.provesSince !== null &&
        (status === 'done' || status === 'failed') &&
        !refused(report)
      ) {
        const rest = await afterFeed(planned.source)
        waiting = [...waiting.filter((other) => other.source !== planned.source), ...rest]
      }
      active.set(planned.source, { count: active.get(planned.source)!.count - 1, whole: false })
      const later = status === 'parked' || refused(report)
      if (later && !stopped.has(planned.source)) stopped.set(planned.source, report)
      running.delete(task)
    })
    running.add(task)
  }
  while (waiting.length > 0 || running.size > 0) {
    for (let i = 0; i < waiting.length && running.size < deps.maxParallelPartitions; ) {
      const planned = waiting[i]!
      const stop = stopped.get(planned.source)
      if (deps.signal.aborted || stop !== undefined) {
        waiting.splice(i, 1)
        reports.push(
          notStarted(
            planned,
            deps.signal.aborted ? 'stopped by a signal' : `${stop!.partition} stopped: ${stop!.reason}`,
            stop?.until ?? null,
          ),
        )
      } else if (mayStart(planned)) {
        waiting.splice(i, 1)
        start(planned)
      } else i += 1
    }
    if (running.size > 0) await Promise.race(running)
  }
  return reports
}

function summarize(source: RunSource, reports: readonly PartitionReport[], before: number, after: number): SourceReport {
  const counts = reports.reduce((sum, report) => addCounts(sum, report.counts), NO_COUNTS)
  return {
    source: source.adapter.id,
    counts,
    coverageBefore: before,
    coverageAfter: after,
    slaGapsClosed: reports.reduce((sum, report) => sum + report.slaGapsClosed, 0),
    quotaWaitMs: reports.reduce((sum, report) => sum + report.quotaWaitMs, 0),
    callsSaved: Math.max(0, counts.items - counts.calls),
  }
}

function heldBackIn(plan: Plan): readonly HeldBack[] {
  return plan.sources.flatMap(({ source, due, heldBack }) =>
    heldBack === null || due === 0 ? [] : [{ source, due, why: heldBack }],
  )
}

/** `dryRun`: plans on the ledger as it is, makes no call, writes nothing. */
export async function runRefresh(
  request: RefreshRequest,
  deps: RunDeps,
  options: { readonly dryRun: boolean; readonly command: string },
): Promise<RunReport> {
  const { store, clock } = deps
  const startedAt = clock.now()
  const runId = deps.ids.runId(startedAt)
  const plan = await makePlan(deps, request, !options.dryRun)
  const planned = new Set(plan.sources.map((source) => source.source))
  const sources = deps.sources.filter((source) => planned.has(source.adapter.id))
  deps.emit({ kind: 'run_started', runId, plan })
  if (options.dryRun) {
    const reports = plan.partitions.map((part) => notStarted(part, `dry run: ${part.reason}`, null))
    const coverage = await coverages(store, deps, sources)
    return {
      runId,
      startedAt,
      finishedAt: clock.now(),
      dryRun: true,
      partitions: reports,
      sources: sources.map((source) => summarize(source, [], coverage.get(source.adapter.id)!, coverage.get(source.adapter.id)!)),
      heldBack: heldBackIn(plan),
      interrupted: false,
    }
  }
  await store.startRun({ runId, startedAt, command: options.command })
  const before = await coverages(store, deps, sources)
  let entitiesLeft = request.limit ?? Number.POSITIVE_INFINITY
  const byId = new Map(sources.map((source) => [source.adapter.id, source]))
  const reports = await schedule(
    plan,
    deps,
    (part) =>
      runPartition(part, byId.get(part.source)!, {
        ...deps,
        runId,
        force: request.force,
        takeEntity: () => entitiesLeft-- > 0,
        assign: () => assignCohorts(deps, deps.sources),
      }),
    async (source) => {
      const rest = { ...(await gather(deps, byId.get(source)!)), feedWalked: true }
      return planRefresh({ now: clock.now(), request, sources: [rest] }).partitions
    },
  )
  const after = await coverages(store, deps, sources)
  const report: RunReport = {
    runId,
    startedAt,
    finishedAt: clock.now(),
    dryRun: false,
    partitions: reports,
    sources: sources.map((source) =>
      summarize(
        source,
        reports.filter((part) => part.source === source.adapter.id),
        before.get(source.adapter.id)!,
        after.get(source.adapter.id)!,
      ),
    ),
    heldBack: heldBackIn(plan),
    interrupted: deps.signal.aborted,
  }
  await store.finishRun(runId, report)
  deps.emit({ kind: 'run_finished', report })
  return report
}
