/**
 * The shell around one partition's run: lease, heartbeat, checkpoint check, commits against the expected version, and the
 * state machine that decides how it ends. The three strategies (`run-items`, `run-feed`, `run-file`) drive it.
 */
import type { SourceAdapter } from '../adapters/adapter.ts'
import { type Checkpoint, type Counts, NO_COUNTS } from '../model/checkpoint.ts'
import { EngineError, isEngineError, messageOf } from '../model/errors.ts'
import type { JsonValue } from '../model/json.ts'
import { type EntityKind, entityId, type PartitionKey } from '../model/keys.ts'
import type { PlannedPartition } from '../model/plan.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import type { Clock, CrashPoints, Logger } from '../runtime/ports.ts'
import type { CommitSummary, Lease, ProvenUnchanged, Store } from '../stores/store.ts'
import { checkCheckpoint } from './checkpoint-check.ts'
import { addCounts, buildCommit, type FollowUpRule, type Judged, needsOldRecord } from './commit-batch.ts'
import { addDiscovered } from './discovered.ts'
import { type Ending, INITIAL_STATE, maySend, type PartitionEvent, type PartitionState, transition } from './partition-state.ts'
import type { RunEvent } from './run-events.ts'

export type SessionDeps = {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  readonly crashPoints: CrashPoints
  readonly emit: (event: RunEvent) => void
  readonly signal: AbortSignal
  readonly holder: string
  readonly runId: string
  readonly leaseMs: DurationMs
  readonly adapter: SourceAdapter
  readonly followUps: readonly FollowUpRule[]
  readonly cadenceMs: DurationMs
}

export type CommitRequest = {
  readonly judged: readonly Judged[]
  readonly cursor: string | null
  readonly calls: number
  readonly facts?: Readonly<Record<string, JsonValue>>
  readonly provenUnchanged?: ProvenUnchanged
  /** The pass is over with this commit. */
  readonly complete?: boolean
}

export class PartitionSession {
  readonly planned: PlannedPartition
  readonly deps: SessionDeps
  private state: PartitionState = INITIAL_STATE
  private lease: Lease | null = null
  private heartbeat: AbortController | null = null
  private point: Checkpoint | null = null
  private readonly runStartedAt: EpochMs
  private countsOfRun: Counts = NO_COUNTS
  private uncommittedCalls = 0
  /** Set when an interrupted pass goes on. */
  resumed = false
  reconciled: string | null = null
  /** Kinds of the entities that answers of this run brought to light. */
  readonly discoveredKinds = new Set<EntityKind>()

  constructor(planned: PlannedPartition, deps: SessionDeps) {
    this.planned = planned
    this.deps = deps
    this.runStartedAt = deps.clock.now()
  }

  get partition(): PartitionKey {
    return this.planned.partition
  }

  /** The pass's checkpoint; only valid after `open` returned true. */
  get checkpoint(): Checkpoint {
    if (this.point === null) throw new Error(`partition ${this.partition} has no checkpoint yet`)
    return this.point
  }

  /** Counts of this run alone (the checkpoint's cover the whole pass). */
  get counts(): Counts {
    return addCounts(this.countsOfRun, { ...NO_COUNTS, calls: this.uncommittedCalls })
  }

  get ending(): Ending | null {
    return this.state.kind === 'ended' ? this.state.ending : null
  }

  /** True while the pass may go on at all. */
  get isWorking(): boolean {
    return this.state.kind === 'working'
  }

  maySend(maxInFlight: number): boolean {
    return maySend(this.state, maxInFlight)
  }

  feed(event: PartitionEvent): void {
    this.state = transition(this.state, event)
  }

  stop(status: Ending['status'], reason: string, until: EpochMs | null = null): void {
    this.feed({ kind: 'stop', ending: { status, reason, until } })
  }

  /** Lease, then checkpoint, then its check against the ledger. False when the run of this partition ends here. */
  async open(explainedUpTo: EpochMs | null, newestAttemptAt: () => Promise<EpochMs | null>): Promise<boolean> {
    const { store, clock, deps } = { ...this.deps, deps: this.deps }
    this.lease = await store.acquireLease(this.partition, deps.holder, deps.leaseMs, clock.monotonic())
    if (this.lease === null) {
      this.feed({ kind: 'lease_denied', reason: 'another process works on this partition' })
      return false
    }
    this.feed({ kind: 'lease_granted' })
    deps.crashPoints.reach('session.after_lease')
    this.startHeartbeat()
    deps.signal.addEventListener('abort', this.onAbort)
    if (deps.signal.aborted) this.onAbort()

    const stored = await store.checkpoint(this.partition)
    const verdict = checkCheckpoint(stored, await newestAttemptAt(), explainedUpTo, clock.now())
    let known = stored
    if (!verdict.ok) {
      this.reconciled = verdict.message
      deps.logger.log('warn', `checkpoint of ${this.partition} does not match the ledger: ${verdict.message}`)
      deps.emit({ kind: 'checkpoint_mismatch', partition: this.partition, message: verdict.message })
      await store.putCheckpoint(this.lease, verdict.repaired)
      known = verdict.repaired
      deps.crashPoints.reach('session.after_reconcile')
    }
    this.point = this.beginPass(known)
    if (this.state.kind !== 'validating') return false
    this.feed({ kind: 'checkpoint_ok' })
    deps.emit({ kind: 'partition_started', partition: this.partition, planned: this.planned, resumed: this.resumed })
    return true
  }

  /** The open pass that the plan means to resume goes on where it stands; anything else begins a new pass. */
  private beginPass(known: Checkpoint | null): Checkpoint {
    const { planned, runStartedAt } = this
    // A walk or a download without a cursor has nothing to go on from (its place was taken away by a reconciliation).
    const hasPlace = known !== null && (known.cursor !== null || planned.strategy === 'batch' || planned.strategy === 'lookup')
    if (planned.resume && hasPlace && known.status === 'open' && known.strategy === planned.strategy) {
      this.resumed = true
      return { ...known, runId: this.deps.runId }
    }
    return {
      partition: planned.partition,
      version: known?.version ?? 0,
      status: 'open',
      strategy: planned.strategy,
      passStartedAt: runStartedAt,
      window: planned.window,
      cursor: null,
      counts: NO_COUNTS,
      updatedAt: runStartedAt,
      finishedAt: null,
      durationMs: null,
      runId: this.deps.runId,
      ledgerWatermark: known?.ledgerWatermark ?? null,
    }
  }

  /** Writes answers, cursor and facts in one transaction. Rejects only when nothing of it was written. */
  async commit(request: CommitRequest): Promise<CommitSummary> {
    const { store, clock, adapter, runId, followUps, cadenceMs } = this.deps
    if (this.lease === null || this.point === null) throw new Error('commit without a lease')
    const now = clock.now()
    const discovered = await addDiscovered(store, request.judged, now)
    for (const kind of discovered) this.discoveredKinds.add(kind)
    const changing = request.judged.filter(needsOldRecord).map((judged) => judged.item.entry.entity)
    const oldRecords = changing.length === 0 ? [] : await store.records(adapter.id, changing)
    const parts = buildCommit({
      adapter,
      judged: request.judged,
      oldRecords: new Map(oldRecords.map((record) => [entityId(record.entity), record])),
      followUps,
      runId,
      now,
      askAmbiguousAgainMs: cadenceMs,
    })
    const calls = request.calls + this.uncommittedCalls
    const counts = { ...parts.counts, calls }
    const next: Checkpoint = {
      ...this.point,
      version: this.point.version + 1,
      status: request.complete ? 'complete' : 'open',
      cursor: request.complete ? null : request.cursor,
      counts: addCounts(this.point.counts, counts),
      updatedAt: now,
      finishedAt: request.complete ? now : null,
      durationMs: request.complete ? now - this.point.passStartedAt : null,
      // What is proven unchanged moves rows of all cohorts, or none; the check allows for that, and the watermark stays true.
      ledgerWatermark:
        parts.ledger.length > 0
          ? parts.ledger.reduce((newest, row) => Math.max(newest, row.lastAttemptAt ?? 0), this.point.ledgerWatermark ?? 0)
          : this.point.ledgerWatermark,
    }
    this.deps.crashPoints.reach('session.before_commit')
    const summary = await store.commit({
      lease: this.lease,
      runId,
      checkpoint: next,
      ledger: parts.ledger,
      records: parts.records,
      events: parts.events,
      identities: parts.identities,
      pending: parts.pending,
      ...(parts.erased.length === 0 ? {} : { erased: parts.erased }),
      ...(request.provenUnchanged === undefined ? {} : { provenUnchanged: request.provenUnchanged }),
      ...(request.facts === undefined ? {} : { facts: request.facts }),
    })
    this.deps.crashPoints.reach('session.after_commit')
    this.point = next
    this.uncommittedCalls -= calls - request.calls
    const proven = request.provenUnchanged
    const provenCounts: Counts = {
      ...NO_COUNTS,
      items: summary.provenUnchanged,
      unchanged: proven?.outcome === 'unchanged' ? summary.provenUnchanged : 0,
      notModified: proven?.outcome === 'not_modified' ? summary.provenUnchanged : 0,
    }
    this.countsOfRun = addCounts(this.countsOfRun, addCounts(counts, provenCounts))
    this.deps.emit({ kind: 'progress', partition: this.partition, counts: this.countsOfRun, planned: this.planned })
    return summary
  }

  /** Counts calls that brought nothing to commit yet; the next commit carries them. */
  noteUncommittedCalls(calls: number): void {
    this.uncommittedCalls += calls
  }

  /** Ends the pass: the checkpoint becomes `complete`, the partition `done`. */
  async complete(extra: Pick<CommitRequest, 'facts' | 'provenUnchanged' | 'calls'> = { calls: 0 }): Promise<void> {
    await this.commit({ judged: [], cursor: null, complete: true, ...extra })
    if (this.state.kind !== 'ended') this.feed({ kind: 'exhausted' })
  }

  /** Handles an error of a commit or a unit: lost leases and conflicts end the partition, others are the run's failure. */
  fail(error: unknown): void {
    if (isEngineError(error, 'lease_lost') || isEngineError(error, 'checkpoint_conflict')) {
      this.feed({ kind: 'lease_lost', reason: messageOf(error) })
      return
    }
    this.deps.logger.log('error', `partition ${this.partition}: ${messageOf(error)}`, { error })
    const status = error instanceof EngineError && error.recovery === 'try_later' ? 'parked' : 'failed'
    if (this.state.kind !== 'ended') this.stop(status, messageOf(error))
  }

  async close(): Promise<void> {
    this.deps.signal.removeEventListener('abort', this.onAbort)
    this.heartbeat?.abort()
    if (this.lease !== null) {
      this.deps.crashPoints.reach('session.before_release')
      await this.deps.store.releaseLease(this.lease)
      this.lease = null
    }
  }

  private readonly onAbort = (): void => {
    if (this.state.kind !== 'ended') this.feed({ kind: 'interrupted' })
  }

  /** Renews the lease at a third of its length, so that two renewals may fail before another process may take over. */
  private startHeartbeat(): void {
    const controller = new AbortController()
    this.heartbeat = controller
    const { clock, store, leaseMs } = this.deps
    const beat = async (): Promise<void> => {
      while (!controller.signal.aborted) {
        await clock.sleep(leaseMs / 3, controller.signal)
        if (controller.signal.aborted || this.lease === null) return
        try {
          this.lease = await store.renewLease(this.lease, leaseMs, clock.monotonic())
        } catch (error) {
          if (isEngineError(error, 'lease_lost')) {
            this.fail(error)
            return
          }
          this.deps.logger.log('warn', `could not renew the lease of ${this.partition}: ${messageOf(error)}`)
        }
      }
    }
    void beat()
  }
}
