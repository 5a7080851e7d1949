/** Mode `refresh`: one partition (or whole sources), one run of the engine, one materialization. */

import { runReportDocument } from '../cli/documents.ts'
import { judgeOf } from '../cli/judge.ts'
import { runExitCode } from '../cli/run-exit-code.ts'
import { EngineError, EXIT_CODES } from '../model/errors.ts'
import { FEED_COHORT, FILE_COHORT, type PartitionKey, parsePartitionKey, type SourceId } from '../model/keys.ts'
import type { RefreshRequest } from '../model/plan.ts'
import type { RunReport } from '../model/run-report.ts'
import { parseDuration } from '../model/time.ts'
import { configuredSource } from '../source-names.ts'
import type { PartitionStats } from '../stores/store.ts'
import type { Engine } from '../wiring.ts'
import { knownSources, type ModeResult, type ModeWorld } from './mode.ts'
import { createNarrator, type Told } from './narrator.ts'
import { refreshMetadata } from './refresh-metadata.ts'
import type { Reporter } from './reporter.ts'
import type { RunRequest } from './run-request.ts'

const BEAT_MS = 1_000

export function refreshRequestOf(request: RunRequest): RefreshRequest {
  return {
    sources: request.sources,
    cohorts: [],
    partitions: request.partition === null ? [] : [request.partition],
    window: request.window,
    force: request.force,
    limit: request.limit,
    maxCalls: request.maxCalls,
  }
}

function forward(told: readonly Told[], reporter: Reporter): void {
  for (const one of told) {
    if ('log' in one) reporter.log(one.level, one.log)
    else reporter.tell(one.message)
  }
}

function isWhole(cohort: string): boolean {
  return cohort === FEED_COHORT || cohort === FILE_COHORT
}

/** Partitions that the request is about. A pass over a whole source is about all of them. */
async function statsOf(engine: Engine, request: RunRequest): Promise<readonly PartitionStats[]> {
  if (request.partition === null) {
    const rows: PartitionStats[] = []
    for (const source of request.sources) rows.push(...(await engine.store.partitionStats(source, judgeOf(engine, source))))
    return rows
  }
  const { source, cohort } = parsePartitionKey(request.partition)!
  return engine.store.partitionStats(source, judgeOf(engine, source), isWhole(cohort) ? undefined : cohort)
}

/** A cohort that is gone (or was never there) must not look like one with nothing due. */
async function assertExists(engine: Engine, partition: PartitionKey, found: readonly PartitionStats[]): Promise<void> {
  const { source, cohort } = parsePartitionKey(partition)!
  const { adapter } = engine.sources.find((one) => one.adapter.id === source)!
  if (
    cohort === FEED_COHORT ? adapter.feed !== undefined : cohort === FILE_COHORT ? adapter.file !== undefined : found.length > 0
  )
    return
  throw new EngineError('configuration', 'unknown_partition', `there is no partition ${partition}`, {
    hint: isWhole(cohort)
      ? `${source} has no such pass; see: node ts/cli.js partitions --source ${source}`
      : `its cohort is not in the state file; ingest first, or take the partition away in Dagster (see: node ts/cli.js partitions --source ${source})`,
  })
}

/** Seconds after which another try makes sense; null when nothing says. */
async function retryAfterS(engine: Engine, report: RunReport): Promise<number | null> {
  const now = engine.clock.now()
  const moments: number[] = []
  for (const part of report.partitions) {
    if (part.until !== null) moments.push(part.until)
    if (part.status === 'lease_held') moments.push(now + parseDuration(engine.config.run.lease)!)
  }
  for (const { source } of report.heldBack) {
    const held = engine.sources.find((one) => one.adapter.id === source)!
    const downUntil = await held.downUntil()
    if (downUntil !== null) moments.push(downUntil)
    for (const use of await engine.store.quotaUse(held.policy.rules, engine.clock.monotonic(), now)) {
      if (use.blockedUntil !== null) moments.push(use.blockedUntil)
      if (use.rule.kind === 'counter' && use.remaining <= 0 && use.freesAt !== null) moments.push(use.freesAt)
    }
  }
  const later = moments.filter((at) => at > now)
  return later.length === 0 ? null : Math.ceil((later.reduce((a, b) => Math.min(a, b)) - now) / 1000)
}

function whyNot(report: RunReport, exitCode: number): string {
  if (exitCode === EXIT_CODES.interrupted) return 'stopped by a signal; state is saved, the same partition goes on from here'
  const open = report.partitions.filter((part) => part.status !== 'done')
  const reasons = [
    ...open.map((part) => `${part.partition} ${part.status.replaceAll('_', ' ')}: ${part.reason ?? 'no reason given'}`),
    ...report.heldBack.map(({ source, due, why }) => `${source} was not asked, ${due} due there: ${why}`),
  ]
  return reasons.slice(0, 5).join('\n') + (reasons.length > 5 ? `\n… and ${reasons.length - 5} more` : '')
}

export async function refreshMode(world: ModeWorld): Promise<ModeResult> {
  const { request, config, reporter, signal, monotonicMs } = world
  const partition = request.partition === null ? null : parsePartitionKey(request.partition)!
  knownSources(partition === null ? request.sources : [partition.source], config)
  reporter.assertReportable(request.assetKey)
  const engine = await world.engine({ readOnly: false })
  const asked = refreshRequestOf(request)
  let before = await statsOf(engine, request)
  if (request.partition !== null) {
    if (before.length === 0) {
      // Planning gives entities their cohorts; after a restored backup that may not have happened yet.
      await engine.plan(asked)
      before = await statsOf(engine, request)
    }
    await assertExists(engine, request.partition, before)
  }

  const narrator = createNarrator(monotonicMs())
  const beat = setInterval(() => forward(narrator.onBeat(monotonicMs()), reporter), BEAT_MS)
  let report: RunReport
  try {
    report = await engine.refresh(asked, {
      dryRun: false,
      signal,
      command: `dagster ${request.partition ?? request.sources.join(' ')}`,
      onEvent: (event) => forward(narrator.onEvent(event, monotonicMs()), reporter),
    })
  } finally {
    clearInterval(beat)
  }

  const exitCode = runExitCode(report)
  await letInResolved(engine, partition?.source ?? null)
  const after = await statsOf(engine, request)
  const checkpoints = await checkpointsOf(engine, report, request)
  const metadata = refreshMetadata({
    report,
    source: partition?.source ?? request.sources.join(', '),
    cohort: partition?.cohort ?? null,
    window: request.window,
    before,
    after,
    checkpoints,
    links: linksOf(engine, partition?.source ?? null),
  })
  // A step that does not succeed drops what was reported: then nothing claims to be materialized.
  if (exitCode === 0) reporter.materialize(metadata, request.assetKey)
  return {
    exitCode,
    why: exitCode === 0 ? null : whyNot(report, exitCode),
    retryAfterS: exitCode === EXIT_CODES.try_later ? await retryAfterS(engine, report) : null,
    facts: {
      run_id: report.runId,
      partition: request.partition,
      sla_gaps_closed: report.sources.reduce((sum, source) => sum + source.slaGapsClosed, 0),
      report: runReportDocument(report, exitCode),
    },
  }
}

/**
 * What an identity pass has found can be asked about from now on: planning moves it from the unresolved into its cohorts. Schedulers
 * look at the state without writing to it, and would see those only after the next run of anything.
 */
async function letInResolved(engine: Engine, source: SourceId | null): Promise<void> {
  const resolvesFor = engine.sources.find(({ adapter }) => adapter.id === source)?.adapter.resolvesFor
  if (resolvesFor === undefined) return
  await engine.plan({
    sources: [resolvesFor],
    cohorts: [],
    partitions: [],
    window: null,
    force: false,
    limit: null,
    maxCalls: null,
  })
}

async function checkpointsOf(engine: Engine, report: RunReport, request: RunRequest) {
  const worked = report.partitions.map((part) => part.partition)
  const wanted = worked.length > 0 ? worked : request.partition === null ? [] : [request.partition]
  const found = await Promise.all(wanted.slice(0, 100).map((key) => engine.store.checkpoint(key)))
  return found.filter((checkpoint) => checkpoint !== null)
}

function linksOf(engine: Engine, source: SourceId | null) {
  const adapter = engine.sources.find((one) => one.adapter.id === source)?.adapter
  return {
    providerDocs: adapter?.docs ?? null,
    providerUrl: source === null ? null : (engine.config.enrichment[configuredSource(engine.config, source)]?.base_url ?? null),
    warehouse: engine.config.warehouse.path,
  }
}
