/**
 * The only composition root: config -> clock, store, HTTP clients, adapters, engine. Whoever runs the engine (CLI, Dagster
 * entry, REST API, tests) goes through `openEngine` and closes what it opened with `close`.
 */
import { readdir, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { SourceAdapter } from './adapters/adapter.ts'
import { adapterById } from './adapters/registry.ts'
import { scaleQuotas } from './config/sandbox-speed.ts'
import type { Config } from './config/schema.ts'
import { configuredSources } from './configured-sources.ts'
import { dataFileProblems } from './data-files.ts'
import { ipDataProvider } from './embedded/ip-data.ts'
import { breakerDownUntil } from './http/breaker.ts'
import { type CallBudget, createCallBudget } from './http/call-budget.ts'
import { contactRefusal } from './http/contact-refusal.ts'
import { createSourceClient } from './http/pipeline.ts'
import type { SourceClient } from './http/source-client.ts'
import { virtualTimeRefusal } from './http/virtual-time.ts'
import { type IngestMapping, type IngestReport, ingestFile, type LoaderId } from './ingest/ingest.ts'
import { readZipTable } from './ingest/zip-table.ts'
import { EngineError, messageOf } from './model/errors.ts'
import type { SourceId } from './model/keys.ts'
import type { Plan, RefreshRequest } from './model/plan.ts'
import type { RunReport } from './model/run-report.ts'
import { type DurationMs, parseDuration } from './model/time.ts'
import { type SourceFreshness, sourceFreshness } from './refresh/coverage.ts'
import { assignCohorts, makePlan, type RunDeps, runRefresh } from './refresh/run.ts'
import { type RunEvent, safeEmitter } from './refresh/run-events.ts'
import type { RunSource } from './refresh/run-partition.ts'
import { createWaitTeller } from './refresh/run-waits.ts'
import type { EmbeddedProviders } from './runtime/embedded.ts'
import { dnsProvider } from './runtime/embedded-dns.ts'
import { makeRoomFor } from './runtime/heap.js'
import { type Clock, type CrashPoints, type Ids, type Logger, NO_CRASH_POINTS, type Random } from './runtime/ports.ts'
import { openSandboxClock } from './runtime/sandbox-clock.ts'
import { createScrubber, type Scrubber } from './runtime/scrub.ts'
import { environment, systemClock, systemIds, systemRandom } from './runtime/system.ts'
import { checkSource, type SourceCheck } from './source-check.ts'
import { openSqliteStore } from './stores/sqlite/open.ts'
import type { Store } from './stores/store.ts'
import { checkpointArtifact } from './warehouse/checkpoint-artifact.ts'
import type { ExportReport } from './warehouse/export.ts'

export type { SourceCheck } from './source-check.ts'

/** Whatever is left out is the real thing. Tests inject clock, store, adapters and crash points here, and nowhere else. */
export type EngineOptions = {
  readonly config: Config
  readonly logger: Logger
  /** Opens the state for reading only: a running refresh is never disturbed. */
  readonly readOnly?: boolean
  readonly scrubber?: Scrubber
  readonly env?: (name: string) => string | undefined
  readonly clock?: Clock
  readonly random?: Random
  readonly ids?: Ids
  readonly crashPoints?: CrashPoints
  readonly store?: Store
  readonly adapters?: (id: string) => SourceAdapter
  /** Who answers requests to base URLs `embedded:<name>`: the address data that ship with the program, the machine's resolver. */
  readonly embedded?: EmbeddedProviders
  /** Replaces the HTTP client of a source. */
  readonly client?: (source: SourceId) => SourceClient | null
}

export type IngestCommand = {
  readonly loader: LoaderId
  readonly path: string
  readonly mapping?: IngestMapping
  readonly allowShrink?: boolean
  /** It is what the provider serves now. */
  readonly isCurrent?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number | null) => void
}

export type Engine = {
  readonly config: Config
  readonly store: Store
  readonly clock: Clock
  readonly sources: readonly RunSource[]
  plan(request: RefreshRequest): Promise<Plan>
  refresh(
    request: RefreshRequest,
    options: {
      readonly dryRun: boolean
      readonly signal: AbortSignal
      readonly command?: string
      readonly onEvent?: (event: RunEvent) => void
    },
  ): Promise<RunReport>
  ingest(command: IngestCommand): Promise<IngestReport>
  exportWarehouse(options: { readonly rebuild: boolean; readonly signal?: AbortSignal }): Promise<ExportReport>
  /** Asks each source (all registered ones when none is named) one harmless question. Neither breaker nor ledger notice. */
  checkSources(sources: readonly SourceId[], signal: AbortSignal): Promise<readonly SourceCheck[]>
  freshness(sources: readonly SourceId[]): Promise<readonly SourceFreshness[]>
  close(): Promise<void>
}

/** Durations were checked when the config was loaded. */
const ms = (text: string): DurationMs => parseDuration(text)!

/** `data/state/x.sqlite` -> `data/state/x.json`. */
function artifactPath(statePath: string): string {
  return `${statePath.replace(/\.(sqlite3?|db)$/, '')}.json`
}

/** A budget whose limit each run sets anew; clients live longer than a run. */
function renewableBudget(limit: number): CallBudget & { renew(limit: number): void } {
  let current = createCallBudget(limit)
  return {
    tryTake: () => current.tryTake(),
    giveBack: () => current.giveBack(),
    renew(next) {
      current = createCallBudget(next)
    },
  }
}

/** Made at the first call, so that commands that make none need no credentials. */
function lazyClient(make: () => SourceClient & { close(): Promise<void> }): SourceClient & { close(): Promise<void> } {
  let client: (SourceClient & { close(): Promise<void> }) | null = null
  return {
    call(request, options) {
      client ??= make()
      return client.call(request, options)
    },
    async close() {
      await client?.close()
      client = null
    },
  }
}

export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { logger } = options
  const env = options.env ?? environment
  const system = systemClock()
  const clock =
    options.clock ??
    (options.config.clock.source === 'sandbox' ? await openSandboxClock(options.config.clock.sandbox_url!, system) : system)
  const config =
    options.config.clock.scale_quotas && 'speed' in clock && typeof clock.speed === 'number'
      ? scaleQuotas(options.config, clock.speed)
      : options.config
  const random = options.random ?? systemRandom
  const ids = options.ids ?? systemIds()
  const crashPoints = options.crashPoints ?? NO_CRASH_POINTS
  const scrubber = options.scrubber ?? createScrubber()
  const statePath = resolve(config.state.path)
  const downloadDir = join(dirname(statePath), 'downloads')
  const store =
    options.store ??
    (await openSqliteStore({
      path: statePath,
      busyTimeoutMs: ms(config.state.busy_timeout),
      readOnly: options.readOnly ?? false,
      crashPoints,
    }))
  const budget = renewableBudget(config.run.max_calls)
  const closers: (() => Promise<void>)[] = []

  const embedded = options.embedded ?? { 'ip-data': ipDataProvider(), dns: dnsProvider() }
  const waits = createWaitTeller(ms(config.run.max_quota_wait), clock)
  const makeClient = (
    source: SourceId,
    adapter: SourceAdapter,
    callBudget: CallBudget,
    state: Pick<Store, 'getState' | 'putState'>,
    clientLogger: Logger = logger,
  ): SourceClient & { close(): Promise<void> } =>
    lazyClient(
      () =>
        virtualTimeRefusal(config, source) ??
        contactRefusal(config, source) ??
        createSourceClient({
          adapter,
          source,
          config: config.enrichment[source]!,
          policy: config.enrichment_refresh[source]!,
          http: config.http,
          run: config.run,
          store: {
            acquireQuota: async (...args) => waits.onAnswer(source, await store.acquireQuota(...args)),
            releaseQuota: (...args) => store.releaseQuota(...args),
            refundQuota: (...args) => store.refundQuota(...args),
            blockQuota: async (partition, until, reason) => {
              await store.blockQuota(partition, until, reason)
              waits.onBlock(source, until, reason)
            },
            getState: (name) => state.getState(name),
            putState: (...args) => state.putState(...args),
          },
          clock,
          random,
          holder: ids.holder(),
          env,
          secrets: scrubber,
          logger: clientLogger,
          crashPoints,
          budget: callBudget,
          downloadDir,
          embedded,
        }),
    )

  const sources = configuredSources(config, {
    adapterOf: options.adapters ?? adapterById,
    clientOf(source, adapter) {
      const own = options.client?.(source) ?? null
      if (own !== null) return own
      const made = makeClient(source, adapter, budget, store)
      closers.push(() => made.close())
      return made
    },
    downUntil: (source) => breakerDownUntil(source, store, clock),
  })

  const assign = (): Promise<void> => assignCohorts({ store, clock }, sources)

  const ingest = async (command: IngestCommand): Promise<IngestReport> => {
    const now = clock.now()
    const report = await ingestFile(
      {
        store,
        logger,
        crashPoints,
        ...(command.onProgress === undefined ? {} : { progress: command.onProgress }),
        ...(command.signal === undefined ? {} : { signal: command.signal }),
      },
      {
        loader: command.loader,
        path: resolve(command.path),
        now,
        ingestId: ids.unique('ingest', now),
        minRowShare: config.ingest.min_row_share,
        maxBadRows: config.ingest.max_bad_rows,
        ...(command.mapping === undefined ? {} : { mapping: command.mapping }),
        ...(command.allowShrink === undefined ? {} : { allowShrink: command.allowShrink }),
        ...(command.isCurrent === undefined ? {} : { isCurrent: command.isCurrent }),
      },
    )
    await assign()
    return report
  }

  const runDeps = (signal: AbortSignal, emit: (event: RunEvent) => void): RunDeps => ({
    store,
    clock,
    logger,
    crashPoints,
    emit,
    signal,
    holder: ids.holder(),
    leaseMs: ms(config.run.lease),
    ids,
    sources,
    maxParallelPartitions: config.run.max_parallel_partitions,
    files: {
      async load(loader, path) {
        const report = await ingest({ loader: loader as LoaderId, path, signal, isCurrent: true })
        return { ingestId: report.seenAs, whole: report.whole, rows: report.rows }
      },
      async readTable(path, table, wanted, onRow) {
        return await readZipTable(path, { table, maxBadRows: config.ingest.max_bad_rows, wanted, onRow, signal })
      },
      minRowShare: config.ingest.min_row_share,
      async exists(path, bytes) {
        const found = await stat(path).catch(() => null)
        return found?.isFile() === true && found.size === bytes
      },
      remove: (path) => rm(path, { force: true }),
      async sweep(source) {
        // Downloads are named after their source; ids hold no hyphen, so no source's name begins another's.
        const names = await readdir(downloadDir).catch(() => [])
        for (const name of names) if (name.startsWith(`${source}-`)) await rm(join(downloadDir, name), { force: true })
      },
    },
  })

  const exportNow = async (rebuild: boolean, signal?: AbortSignal): Promise<ExportReport> => {
    // DuckDB's library takes 30 MB, which nobody needs before there is something to export.
    const { exportWarehouse } = await import('./warehouse/export.ts')
    return exportWarehouse(
      {
        store,
        policies: Object.fromEntries(
          sources.map(({ adapter, policy }) => [
            adapter.id,
            { cadenceMs: policy.cadenceMs, slaMs: policy.slaMs, coverageThreshold: policy.coverageThreshold },
          ]),
        ),
        now: () => clock.now(),
        monotonic: () => clock.monotonic(),
        holder: ids.holder(),
        path: resolve(config.warehouse.path),
        logger,
        crashPoints,
        ...(signal === undefined ? {} : { signal }),
      },
      { rebuild },
    )
  }

  const named = (wanted: readonly SourceId[]): readonly RunSource[] => {
    const unknown = wanted.filter((id) => !sources.some((source) => source.adapter.id === id))
    if (unknown.length > 0) {
      throw new EngineError('usage', 'unknown_source', `no source is named ${unknown.join(', ')}`, {
        hint: `registered are: ${sources.map((source) => source.adapter.id).join(', ')}`,
      })
    }
    return wanted.length === 0 ? sources : sources.filter((source) => wanted.includes(source.adapter.id))
  }

  return {
    config,
    store,
    clock,
    sources,
    plan: (request) => makePlan({ store, clock, sources }, request, options.readOnly !== true),

    async refresh(request, { dryRun, signal, command, onEvent }) {
      budget.renew(Math.min(request.maxCalls ?? Number.POSITIVE_INFINITY, config.run.max_calls))
      const emit = safeEmitter(onEvent, (error) => logger.log('error', `a listener of the run failed: ${messageOf(error)}`))
      for (const { adapter, policy } of sources) {
        const { maxParallelRequests: requests, batchSize, enabled } = policy
        if (enabled) makeRoomFor(requests, requests * (adapter.batch === undefined ? 1 : batchSize))
      }
      const readers = sources.flatMap(({ adapter, options: given, policy }) =>
        policy.enabled || request.sources.includes(adapter.id) ? [{ source: adapter.id, adapter, options: given }] : [],
      )
      // One that another provider stands in for would go unnoticed; the others fail by themselves, with the reason.
      for (const { source, path, message, needed } of dryRun ? [] : await dataFileProblems(readers))
        if (!needed) logger.log('warn', `${path}: ${message}; other providers are asked instead`, { source })
      const stopTelling = waits.tellTo(emit)
      const report = await runRefresh(request, runDeps(signal, emit), { dryRun, command: command ?? 'refresh' }).finally(
        stopTelling,
      )
      if (dryRun) return report
      // Projections follow the truth; that one of them fails is said, and does not undo the run.
      await checkpointArtifact(store, artifactPath(statePath)).catch((error: unknown) =>
        logger.log('warn', `the checkpoint artifact was not written: ${messageOf(error)}`),
      )
      if (config.warehouse.export_after_run && !signal.aborted) {
        await exportNow(false, signal).catch((error: unknown) =>
          logger.log('warn', `the warehouse was not exported: ${messageOf(error)}; run "export" to bring it up to date`),
        )
      }
      return report
    },

    ingest,
    exportWarehouse: ({ rebuild, signal }) => exportNow(rebuild, signal),

    async checkSources(wanted, signal) {
      // A probe's failure is the operator's answer, not evidence for the breaker that guards the real work.
      const detached: Pick<Store, 'getState' | 'putState'> = { getState: async () => null, putState: async () => true }
      // For the same reason nothing is logged but details: that the source "is not asked for a while" would not be true.
      const detailsOnly: Logger = { log: (level, ...rest) => (level === 'debug' ? logger.log(level, ...rest) : undefined) }
      const check = async (source: RunSource): Promise<SourceCheck> => {
        const { id } = source.adapter
        const own = options.client?.(id) ?? null
        if (own !== null) return checkSource(source, own, clock, signal)
        const client = makeClient(id, source.adapter, createCallBudget(3), detached, detailsOnly)
        return checkSource(source, client, clock, signal).finally(() => client.close())
      }
      // Whoever finds a source's identities speaks to the same provider through the same client.
      const asked = new Set(named(wanted).map(({ adapter }) => adapter.resolvesFor ?? adapter.id))
      return Promise.all(sources.filter(({ adapter }) => asked.has(adapter.id)).map(check))
    },

    async freshness(wanted) {
      const result: SourceFreshness[] = []
      for (const { adapter, policy } of named(wanted)) {
        const stats = await store.partitionStats(adapter.id, {
          now: clock.now(),
          cadenceMs: policy.cadenceMs,
          slaMs: policy.slaMs,
        })
        result.push(sourceFreshness(adapter.id, stats, policy.coverageThreshold))
      }
      return result
    },

    async close() {
      for (const close of closers.reverse()) await close()
      await store.close()
    },
  }
}
