/** Runs one planned partition with the strategy of its plan and reports what came of it. Never rejects. */
import type { SourceAdapter } from '../adapters/adapter.ts'
import type { SourceClient } from '../http/source-client.ts'
import { messageOf } from '../model/errors.ts'
import type { JsonObject } from '../model/json.ts'
import { type EntityKind, FEED_COHORT, FILE_COHORT, partitionKey, type SourceId } from '../model/keys.ts'
import type { PlannedPartition } from '../model/plan.ts'
import type { PartitionReport } from '../model/run-report.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import type { Ids } from '../runtime/ports.ts'
import type { Judge, PartitionStats, Store } from '../stores/store.ts'
import type { FollowUpRule } from './commit-batch.ts'
import { DEFAULT_RULE, type IdentityRule } from './identity.ts'
import { PartitionSession, type SessionDeps } from './partition-session.ts'
import type { Ending } from './partition-state.ts'
import { notePass } from './pass-backoff.ts'
import type { PlanPolicy } from './plan.ts'
import { feedFactName, runFeed } from './run-feed.ts'
import { type FileFact, fileFactName, type LoadedFile, runFile } from './run-file.ts'
import { runItems } from './run-items.ts'
import type { ReadTable } from './run-keyed-file.ts'
import type { Scope } from './scope.ts'
import type { FeedFact } from './strategy-cost.ts'

/** A source as the run knows it: adapter, client and policy, resolved from the config by the composition root. */
export type RunSource = {
  readonly adapter: SourceAdapter
  readonly client: SourceClient
  readonly options: JsonObject
  readonly policy: PlanPolicy & {
    readonly maxParallelRequests: number
    readonly cohortSize: number
    readonly coverageThreshold: number
  }
  readonly followUps: readonly FollowUpRule[]
  /** By which identities count, for sources that are tied to our entities by some. */
  readonly identity?: IdentityRule
  /** The breaker lets nothing through before this moment; null when it is closed. */
  readonly downUntil: () => Promise<EpochMs | null>
}

/** By which the source's identities count; null where there are none to judge. */
function ruleOf({ adapter, identity }: RunSource): IdentityRule | null {
  return identity ?? (adapter.identityRequired === true ? DEFAULT_RULE : null)
}

export type FileAccess = {
  readonly load: (loader: string, path: string, now: EpochMs) => Promise<LoadedFile>
  /** Reads a table of an archive, see `run-keyed-file.ts`. */
  readonly readTable: ReadTable
  /** A file with less than this share of the last one's rows is taken for truncated. */
  readonly minRowShare: number
  readonly exists: (path: string, bytes: number) => Promise<boolean>
  readonly remove: (path: string) => Promise<void>
  /** Removes all downloads of a source. */
  readonly sweep: (source: SourceId) => Promise<void>
}

export type PartitionRunDeps = Omit<SessionDeps, 'adapter' | 'followUps' | 'cadenceMs'> & {
  readonly ids: Ids
  readonly files: FileAccess
  readonly force: boolean
  /** The part of the source that a pass over all of it is for; null: all. */
  readonly scope: Scope | null
  readonly takeEntity: () => boolean
  /** Gives entities that came in with a file their cohorts. */
  readonly assign: () => Promise<void>
  /** Told the kinds of the entities that answers brought to light, after they have their cohorts. */
  readonly onDiscovered?: (kinds: ReadonlySet<EntityKind>) => void
}

type Snapshot = { readonly stale: number; readonly fresh: number; readonly newestAttemptAt: EpochMs | null }

function snapshot(stats: readonly PartitionStats[]): Snapshot {
  let newestAttemptAt: EpochMs | null = null
  for (const row of stats) {
    if (row.newestAttemptAt !== null) newestAttemptAt = Math.max(newestAttemptAt ?? 0, row.newestAttemptAt)
  }
  return {
    stale: stats.reduce((sum, row) => sum + row.stale, 0),
    fresh: stats.reduce((sum, row) => sum + row.fresh, 0),
    newestAttemptAt,
  }
}

async function fact<T>(store: Store, name: string): Promise<T | null> {
  const stored = await store.getState(name)
  return stored === null ? null : (stored.value as unknown as T)
}

/** Newest attempt that passes over the whole source account for: their checkpoints say when they last wrote. */
async function explainedByWholePasses(store: Store, source: string): Promise<EpochMs | null> {
  let newest: EpochMs | null = null
  for (const cohort of [FEED_COHORT, FILE_COHORT]) {
    const point = await store.checkpoint(partitionKey(source, cohort))
    if (point !== null) newest = Math.max(newest ?? 0, point.updatedAt)
  }
  return newest
}

async function work(
  session: PartitionSession,
  source: RunSource,
  deps: PartitionRunDeps,
  judgeOf: () => Judge,
): Promise<{ quotaWaitMs: DurationMs }> {
  const { adapter, client, options, policy } = source
  const { planned } = session
  switch (planned.strategy) {
    case 'file':
      return runFile(session, {
        adapter,
        client,
        options,
        judge: judgeOf(),
        fact: await fact<FileFact>(deps.store, fileFactName(adapter.id)),
        force: deps.force,
        scope: deps.scope,
        takeEntity: deps.takeEntity,
        load: async (path, now) => {
          const file = adapter.file!
          if (!('loader' in file)) throw new Error(`${adapter.id} has no loader`)
          const loaded = await deps.files.load(file.loader, path, now)
          await deps.assign()
          return loaded
        },
        readTable: deps.files.readTable,
        minRowShare: deps.files.minRowShare,
        fileExists: deps.files.exists,
        removeFile: deps.files.remove,
        sweepFiles: () => deps.files.sweep(adapter.id),
      })
    case 'feed': {
      const window = session.checkpoint.window ?? planned.window
      if (window === null) throw new Error(`the feed pass of ${adapter.id} was planned without a window`)
      return runFeed(session, {
        adapter,
        client,
        options,
        window,
        knownSince: planned.provesSince,
        fact: await fact<FeedFact>(deps.store, feedFactName(adapter.id)),
        rule: ruleOf(source),
        scope: deps.scope,
        takeEntity: deps.takeEntity,
        maxInFlight: policy.maxParallelRequests,
      })
    }
    default:
      return runItems(session, {
        adapter,
        client,
        options,
        batchSize: policy.batchSize,
        maxInFlight: policy.maxParallelRequests,
        judge: judgeOf(),
        force: deps.force,
        window: planned.window,
        rule: ruleOf(source),
        takeEntity: deps.takeEntity,
      })
  }
}

/** Fewer failing entities than this are their own trouble, not the pass's: they must not turn every run of a partition red. */
const ALL_FAILED_FROM = 10

/** The pass is over, but nothing came of it: whoever watches runs shall see that. Each entity backs off by itself. */
function allFailed(ending: Ending, { counts }: PartitionSession): Ending {
  if (ending.status !== 'done' || counts.failed < ALL_FAILED_FROM || counts.failed < counts.items) return ending
  return {
    status: 'failed',
    code: 'all_failed',
    reason: `all ${counts.items} entities asked about failed; their rows say why, and they are asked again by themselves`,
    until: null,
  }
}

export async function runPartition(
  planned: PlannedPartition,
  source: RunSource,
  deps: PartitionRunDeps,
): Promise<PartitionReport> {
  const { adapter, policy } = source
  const { store, clock } = deps
  const startedAt = clock.now()
  const judgeOf = (): Judge => ({ now: clock.now(), cadenceMs: policy.cadenceMs, slaMs: policy.slaMs })
  const whole = planned.strategy === 'feed' || planned.strategy === 'file'
  const measure = async (): Promise<Snapshot> =>
    snapshot(await store.partitionStats(adapter.id, judgeOf(), whole ? undefined : planned.cohort))
  const session = new PartitionSession(planned, { ...deps, adapter, followUps: source.followUps, cadenceMs: policy.cadenceMs })
  let before: Snapshot = { stale: 0, fresh: 0, newestAttemptAt: null }
  let after = before
  let quotaWaitMs = 0
  try {
    const explained = await explainedByWholePasses(store, adapter.id)
    const opened = await session.open(whole ? Number.MAX_SAFE_INTEGER : explained, async () => {
      before = await measure()
      return before.newestAttemptAt
    })
    if (opened) quotaWaitMs = (await work(session, source, deps, judgeOf)).quotaWaitMs
    if (session.discoveredKinds.size > 0) {
      await deps.assign()
      deps.onDiscovered?.(session.discoveredKinds)
    }
    after = await measure()
  } catch (error) {
    session.fail(error)
  } finally {
    await session
      .close()
      .catch((error: unknown) => deps.logger.log('warn', `could not release ${planned.partition}: ${messageOf(error)}`))
  }
  const ending = allFailed(
    session.ending ?? { status: 'failed', reason: 'ended without a reason; this is a bug', until: null },
    session,
  )
  const report: PartitionReport = {
    partition: planned.partition,
    source: adapter.id,
    strategy: planned.strategy,
    window: planned.window,
    status: ending.status,
    code: ending.code ?? null,
    reason: ending.reason,
    until: ending.until,
    resumed: session.resumed,
    reconciled: session.reconciled,
    counts: session.counts,
    slaGapsClosed: ending.status === 'lease_held' ? 0 : Math.max(0, before.stale - after.stale),
    quotaWaitMs,
    durationMs: clock.now() - startedAt,
  }
  // A refused credential waits for nothing but another one, and a mistake of the configuration for its correction.
  if (whole && report.code !== 'credentials' && report.code !== 'configuration')
    await notePass(store, planned.partition, report, clock.now())
  deps.emit({ kind: 'partition_finished', report })
  return report
}
