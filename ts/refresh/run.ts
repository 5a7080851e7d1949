/**
 * One invocation: membership, plan, partitions under bounded concurrency, report. A partition's failure never stops
 * another; a source that says "later" holds back only its own partitions.
 */
import type { SourceAdapter } from '../adapters/adapter.ts'
import { NO_COUNTS } from '../model/checkpoint.ts'
import type { SourceId } from '../model/keys.ts'
import type { Plan, RefreshRequest } from '../model/plan.ts'
import type { HeldBack, PartitionReport, RunReport, SourceReport } from '../model/run-report.ts'
import type { QuotaUse, Store } from '../stores/store.ts'
import { createPlacer } from './cohort.ts'
import { addCounts } from './commit-batch.ts'
import { sourceFreshness } from './coverage.ts'
import { DEFAULT_RULE, type IdentityRule, ruleText } from './identity.ts'
import { keyRuleText, noteRefusedKey } from './identity-keys.ts'
import { refuseUnknownCohorts } from './known-cohorts.ts'
import { passBackoffs } from './pass-backoff.ts'
import { type PlanSource, planRefresh, requestFor } from './plan.ts'
import { feedFactName } from './run-feed.ts'
import { type PartitionRunDeps, type RunSource, runPartition } from './run-partition.ts'
import { emptyReport, schedule } from './schedule.ts'
import { scopeOf } from './scope.ts'
import type { FeedFact } from './strategy-cost.ts'
import { withoutHolds, worksAlone } from './works-alone.ts'

export type RunDeps = Omit<PartitionRunDeps, 'force' | 'scope' | 'takeEntity' | 'assign' | 'runId' | 'onDiscovered'> & {
  readonly sources: readonly RunSource[]
  readonly maxParallelPartitions: number
}

/** By which the source's entities are placed; null where identities say nothing about that. */
function placementRule(adapter: SourceAdapter, identity: IdentityRule | undefined): IdentityRule | null {
  if (adapter.identityRequired === true) return identity ?? DEFAULT_RULE
  return adapter.identifies === undefined ? null : (identity ?? null)
}

/** Gives every entity its ledger row at every source. Cheap when nothing is new; callable again after a crash. */
export async function assignCohorts(deps: Pick<RunDeps, 'store' | 'clock'>, sources: readonly RunSource[]): Promise<void> {
  for (const { adapter, policy, identity } of sources) {
    const { store, clock } = deps
    const now = clock.now()
    const rule = placementRule(adapter, identity)
    const sizes = await store.cohortSizes(adapter.id)
    if (rule === null || adapter.identityRequired === true) {
      const byIdentity = rule === null ? await keyRuleText(store, adapter) : ruleText(rule)
      await store.assign(adapter.id, adapter.entityKinds, createPlacer(adapter, policy.cohortSize, sizes, rule), now, byIdentity)
      continue
    }
    // So that those that wait are offered again when nothing is judged any more.
    if ((await keyRuleText(store, adapter)) === undefined) await noteRefusedKey(store, adapter.id)
    // Whom an answer may have mistaken is asked about again after a cadence: all of them are offered anew as often. By another rule all
    // are judged first, however old their identities are.
    const factName = `judged_by:${adapter.id}`
    const judgedBy = await store.getState(factName)
    const isSameRule = judgedBy?.value === ruleText(rule)
    const askAgainBefore = isSameRule ? now - policy.cadenceMs : Number.NEGATIVE_INFINITY
    const round = Math.floor(now / policy.cadenceMs)
    const placer = createPlacer(adapter, policy.cohortSize, sizes, rule, askAgainBefore)
    await store.assign(adapter.id, adapter.entityKinds, placer, now, `${ruleText(rule)}, round ${round}`)
    if (!isSameRule) await store.putState(factName, judgedBy?.version ?? 0, ruleText(rule))
  }
}

async function gather(deps: Pick<RunDeps, 'store' | 'clock'>, source: RunSource): Promise<PlanSource> {
  const { store, clock } = deps
  const now = clock.now()
  const { adapter, policy } = source
  const stats = await store.partitionStats(adapter.id, { now, cadenceMs: policy.cadenceMs, slaMs: policy.slaMs })
  const uses: readonly QuotaUse[] = await store.quotaUse(policy.rules, clock.monotonic(), now)
  const quota = worksAlone(adapter, source.options) ? withoutHolds(uses) : uses
  const stored = await store.getState(feedFactName(adapter.id))
  return {
    adapter,
    policy,
    options: source.options,
    stats,
    checkpoints: await store.checkpoints(adapter.id),
    quota,
    downUntil: await source.downUntil(),
    passBackoffs: await passBackoffs(store, adapter.id, now),
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
  refuseUnknownCohorts(sources, request)
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

/** Work that waits, also where no entity is due by itself (a file that was never loaded, a pass that was forced). */
function heldBackIn(plan: Plan): readonly HeldBack[] {
  return plan.sources.flatMap(({ source, due, calls, strategy, heldBack }) =>
    heldBack === null || (due === 0 && calls === 0 && strategy === null) ? [] : [{ source, due, why: heldBack }],
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
    const reports = plan.partitions.map((part) => emptyReport(part, `dry run: ${part.reason}`, null))
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
  // Identities and what they are for are counted apart: entities whose identity was found are the ones to be asked about next.
  const limit = request.limit ?? Number.POSITIVE_INFINITY
  const entitiesLeft = { identities: limit, records: limit }
  const byId = new Map(sources.map((source) => [source.adapter.id, source]))
  const assign = (): Promise<void> => assignCohorts(deps, deps.sources)
  const reports = await schedule(plan.partitions, {
    adapters: sources.map((source) => source.adapter),
    signal: deps.signal,
    maxParallelPartitions: deps.maxParallelPartitions,
    notStarted: emptyReport,
    runOne: (part, onDiscovered) => {
      const source = byId.get(part.source)!
      const counted = source.adapter.resolvesFor === undefined ? 'records' : 'identities'
      return runPartition(part, source, {
        ...deps,
        runId,
        force: requestFor(source.adapter, request).force,
        scope: scopeOf(part.source, request),
        takeEntity: () => entitiesLeft[counted]-- > 0,
        assign,
        onDiscovered,
      })
    },
    replan: async (id) => {
      const source = byId.get(id)!
      await assignCohorts(deps, [source])
      const rest = { ...(await gather(deps, source)), feedWalked: true }
      return planRefresh({ now: clock.now(), request, sources: [rest] }).partitions
    },
  })
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
