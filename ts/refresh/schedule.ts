/**
 * The order in which a run's partitions are worked on, beside the plan's own: a source's whole-source passes alone and first;
 * a source after those whose records it reads; identities after what is known already was refreshed, and after them what became
 * askable by them. A source that says "later" holds back only its own partitions.
 */
import type { SourceAdapter } from '../adapters/adapter.ts'
import { NO_COUNTS } from '../model/checkpoint.ts'
import type { EntityKind, PartitionKey, SourceId } from '../model/keys.ts'
import type { PlannedPartition } from '../model/plan.ts'
import type { PartitionReport } from '../model/run-report.ts'
import { addCounts } from './commit-batch.ts'
import { identitySourceOf } from './identity.ts'

/** Partitions of one source worked on at once: two, so that the tail of one overlaps with the head of the next. */
const PARTITIONS_PER_SOURCE = 2
/** A source whose answers bring ever more of its own entities to light is planned anew at most this often; the next run goes on. */
const MAX_REPLANS = 3

type Adapter = Pick<SourceAdapter, 'id' | 'entityKinds' | 'reads' | 'resolvesFor'>

export type ScheduleDeps = {
  readonly adapters: readonly Adapter[]
  readonly signal: AbortSignal
  readonly maxParallelPartitions: number
  /** Never rejects. `onDiscovered`: kinds of entities that came to light and have their cohorts now. */
  readonly runOne: (planned: PlannedPartition, onDiscovered: (kinds: ReadonlySet<EntityKind>) => void) => Promise<PartitionReport>
  /** What is due at a source now, without its feed. */
  readonly replan: (source: SourceId) => Promise<readonly PlannedPartition[]>
  readonly notStarted: (planned: PlannedPartition, reason: string, until: number | null) => PartitionReport
}

/** The provider refused our credentials, or what the configuration names cannot be used: no other partition of the source will fare better. */
const refused = (report: PartitionReport): boolean => report.code === 'credentials' || report.code === 'configuration'

const isWhole = (planned: PlannedPartition): boolean => planned.strategy === 'file' || planned.strategy === 'feed'

/** Per source, those whose records it reads, with their identities. Sources that read each other in a circle are taken as they come. */
export function readOrder(adapters: readonly Adapter[]): ReadonlyMap<SourceId, ReadonlySet<SourceId>> {
  const known = new Map(adapters.map((adapter) => [adapter.id, adapter]))
  const edges = new Map<SourceId, Set<SourceId>>()
  const reaches = (from: SourceId, to: SourceId): boolean =>
    from === to || [...(edges.get(from) ?? [])].some((next) => reaches(next, to))
  for (const { id, reads = [], resolvesFor } of adapters) {
    const own = new Set<SourceId>()
    edges.set(id, own)
    for (const source of reads) {
      for (const other of [source, identitySourceOf(source)]) {
        const isOwn = other === id || other === resolvesFor || other === identitySourceOf(id)
        if (known.has(other) && !isOwn && !reaches(other, id)) own.add(other)
      }
    }
  }
  return edges
}

/** Work done twice in one run (before and after identities were found) is one partition's report. */
export function mergeReports(reports: readonly PartitionReport[]): PartitionReport[] {
  const merged = new Map<PartitionKey, PartitionReport>()
  for (const report of reports) {
    const before = merged.get(report.partition)
    merged.set(
      report.partition,
      before === undefined
        ? report
        : {
            ...report,
            resumed: before.resumed,
            reconciled: before.reconciled ?? report.reconciled,
            counts: addCounts(before.counts, report.counts),
            slaGapsClosed: before.slaGapsClosed + report.slaGapsClosed,
            quotaWaitMs: before.quotaWaitMs + report.quotaWaitMs,
            durationMs: before.durationMs + report.durationMs,
          },
    )
  }
  return [...merged.values()]
}

export async function schedule(partitions: readonly PlannedPartition[], deps: ScheduleDeps): Promise<PartitionReport[]> {
  const reads = readOrder(deps.adapters)
  const byId = new Map(deps.adapters.map((adapter) => [adapter.id, adapter]))
  let waiting = [...partitions]
  const active = new Map<SourceId, { count: number; whole: boolean }>()
  const stopped = new Map<SourceId, PartitionReport>()
  /** Sources with something new to ask about since they were planned. */
  const outdated = new Set<SourceId>()
  const replans = new Map<SourceId, number>()
  const reports: PartitionReport[] = []
  const running = new Set<Promise<void>>()

  const hasRoom = (planned: PlannedPartition): boolean => {
    const now = active.get(planned.source)
    if (now === undefined || now.count === 0) return true
    return !now.whole && !isWhole(planned) && now.count < PARTITIONS_PER_SOURCE
  }
  /** Sources with partitions waiting, as of the beginning of a turn; counted once a turn, because there may be thousands. */
  let queued: ReadonlySet<SourceId> = new Set()
  const hasWork = (source: SourceId): boolean => (active.get(source)?.count ?? 0) > 0 || queued.has(source)
  /** Others go first: what it reads is still being refreshed; for identities, what is known already. */
  const isHeld = (source: SourceId): boolean => {
    const main = byId.get(source)?.resolvesFor
    if (main !== undefined && hasWork(main)) return true
    return [...(reads.get(source) ?? [])].some((other) => hasWork(other) || outdated.has(other))
  }
  const markOutdated = (source: SourceId): void => {
    if (byId.has(source) && (replans.get(source) ?? 0) < MAX_REPLANS) outdated.add(source)
  }
  const onDiscovered = (kinds: ReadonlySet<EntityKind>): void => {
    for (const { id, entityKinds } of deps.adapters) if (entityKinds.some((kind) => kinds.has(kind))) markOutdated(id)
  }

  const start = (planned: PlannedPartition): void => {
    const { source } = planned
    const now = active.get(source) ?? { count: 0, whole: false }
    active.set(source, { count: now.count + 1, whole: isWhole(planned) })
    const task = deps.runOne(planned, onDiscovered).then(async (report) => {
      reports.push(report)
      const { status } = report
      // What the walk left due (failing, pending, never asked; everything when it failed) is asked for by itself.
      if (
        planned.strategy === 'feed' &&
        planned.provesSince !== null &&
        (status === 'done' || status === 'failed') &&
        !refused(report)
      ) {
        const rest = await deps.replan(source)
        waiting = [...waiting.filter((other) => other.source !== source), ...rest]
      }
      active.set(source, { count: active.get(source)!.count - 1, whole: false })
      const later = status === 'parked' || refused(report)
      if (later && !stopped.has(source)) stopped.set(source, report)
      const main = byId.get(source)?.resolvesFor
      if (main !== undefined && report.counts.items > 0) markOutdated(main)
      running.delete(task)
    })
    running.add(task)
  }

  /** Plans anew a source whose own partitions, identities and sources to read are through. True when one was. */
  const replanOne = async (): Promise<boolean> => {
    for (const source of outdated) {
      const identities = identitySourceOf(source)
      if (hasWork(source) || hasWork(identities) || outdated.has(identities) || isHeld(source)) continue
      outdated.delete(source)
      if (deps.signal.aborted || stopped.has(source)) continue
      replans.set(source, (replans.get(source) ?? 0) + 1)
      waiting.push(...(await deps.replan(source)))
      return true
    }
    return false
  }

  /** True when nothing could be started although nothing runs: whoever waits for whom, the run goes on. */
  let isStuck = false
  while (waiting.length > 0 || running.size > 0 || outdated.size > 0) {
    do queued = new Set(waiting.map((planned) => planned.source))
    while (await replanOne())
    let hasMoved = false
    const held = new Map<SourceId, boolean>()
    for (let i = 0; i < waiting.length && running.size < deps.maxParallelPartitions; ) {
      const planned = waiting[i]!
      const { source } = planned
      const stop = stopped.get(source)
      if (!held.has(source)) held.set(source, !isStuck && isHeld(source))
      if (deps.signal.aborted || stop !== undefined) {
        waiting.splice(i, 1)
        hasMoved = true
        reports.push(
          deps.notStarted(
            planned,
            deps.signal.aborted ? 'stopped by a signal' : `${stop!.partition} stopped: ${stop!.reason}`,
            stop?.until ?? null,
          ),
        )
      } else if (!held.get(source)! && hasRoom(planned)) {
        waiting.splice(i, 1)
        hasMoved = true
        start(planned)
      } else i += 1
    }
    isStuck = running.size === 0 && !hasMoved
    if (running.size > 0) await Promise.race(running)
    else if (waiting.length === 0 && !hasMoved) outdated.clear()
  }
  return mergeReports(reports)
}

/** What a partition that was never begun reports. */
export function emptyReport(planned: PlannedPartition, reason: string, until: number | null): PartitionReport {
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
