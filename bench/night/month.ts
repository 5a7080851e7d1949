/** So many days of starts over the whole population, in virtual time. A process of its own: its result is the last line. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ADAPTERS, adapterById } from '../../ts/adapters/registry.ts'
import { loadConfig } from '../../ts/config/load.ts'
import type { Config } from '../../ts/config/schema.ts'
import { NO_COUNTS } from '../../ts/model/checkpoint.ts'
import type { JsonValue } from '../../ts/model/json.ts'
import { partitionKey } from '../../ts/model/keys.ts'
import { DAY_MS, type DurationMs, HOUR_MS } from '../../ts/model/time.ts'
import { NO_LOGGER } from '../../ts/runtime/logger.ts'
import { openMemoryStore } from '../../ts/stores/memory/open.ts'
import { type Engine, openEngine } from '../../ts/wiring.ts'
import { EVERYTHING } from '../support/source.ts'
import { virtualClient } from './client.ts'
import { VirtualClock } from './clock.ts'
import { doubleOf } from './doubles.ts'
import { type Lateness, LatenessMeter } from './lateness.ts'
import { rememberStats } from './stats.ts'
import { makeWorld, mix } from './world.ts'

const START = Date.UTC(2026, 10, 1, 3)
/** Schedulers are not punctual: each start comes up to so much later than it ought to. */
const LATEST_START_MS = 5 * 60_000
/** The first load takes days at published quotas; what follows is measured. */
export const FILL_DAYS = 7
export const DAYS = 30

export type MonthOptions = {
  readonly scale: number
  readonly everyMs: DurationMs
  /** As `--set` on the command line. */
  readonly settings: readonly string[]
  /** Empty: all that are on. */
  readonly sources: readonly string[]
}

export type Month = {
  readonly fillPerDay: readonly number[]
  readonly callsPerDay: readonly number[]
  /** Calls a day of the measured days, by provider. */
  readonly bySource: Readonly<Record<string, number>>
  readonly lateness: Readonly<Record<string, Lateness & { readonly filledAfterMs: DurationMs }>>
  /** What the plan says of quotas that do not suffice. */
  readonly infeasible: Readonly<Record<string, string>>
  readonly entities: number
  readonly ledgerRows: number
  readonly planMs: number
  readonly seconds: number
  readonly peakMb: number
}

/** The bulk load has just compared everything with the file of the day before. */
async function seedFileSource({ store, clock }: Engine): Promise<void> {
  const at = clock.now() - HOUR_MS
  const loaded = { ingestId: 'night', whole: true, rows: 1 }
  const fact = { asOf: at - 1, validators: { etag: '"1"', lastModified: null }, sha256: '0'.repeat(64), loaded }
  await store.putState('file:sbir_gov', 0, fact as unknown as JsonValue)
  const judge = { now: clock.now(), cadenceMs: DAY_MS, slaMs: DAY_MS }
  for (const { cohort } of await store.partitionStats('sbir_gov', judge)) {
    const partition = partitionKey('sbir_gov', cohort)
    const lease = (await store.acquireLease(partition, 'night', 60_000, clock.monotonic()))!
    const ledger = []
    const query = { source: 'sbir_gov', cohort, select: 'all', notAttemptedSince: null, limit: null } as const
    for await (const { entry } of store.workItems(query, judge)) {
      const done = { lastAttemptAt: at, lastSuccessAt: at, outcome: 'changed', attempts: 1, runId: 'run_0' } as const
      ledger.push({ ...entry, ...done, payloadHash: 'a'.repeat(64), normalizerVersion: 1 })
    }
    const pass = {
      partition,
      version: 1,
      status: 'complete',
      strategy: 'file',
      window: null,
      cursor: null,
      counts: NO_COUNTS,
    } as const
    const checkpoint = {
      ...pass,
      passStartedAt: at,
      updatedAt: at,
      finishedAt: at,
      durationMs: 0,
      runId: 'run_0',
      ledgerWatermark: at,
    }
    await store.commit({ lease, runId: 'run_0', checkpoint, ledger, records: [], events: [], identities: [], pending: [] })
    await store.releaseLease(lease)
  }
}

/** A tenth of the population has a tenth of what a key may do in a day, so that a small run says what a full one would. */
function scaledQuotas(config: Config, scale: number): string[] {
  if (scale === 1) return []
  return Object.entries(config.enrichment_refresh).map(([source, { quotas }]) => {
    const scaled = quotas.map((rule) =>
      rule.resets === 'sliding' ? rule : { ...rule, limit: Math.max(1, Math.round(rule.limit * scale)) },
    )
    return `enrichment_refresh.${source}.quotas=${JSON.stringify(scaled)}`
  })
}

export async function month({ scale, everyMs, settings, sources }: MonthOptions): Promise<Month> {
  const since = performance.now()
  const directory = await mkdtemp(join(tmpdir(), 'enrichment-bench-night-'))
  const clock = new VirtualClock(START)
  const world = makeWorld(scale)
  const keys = ['SAM_GOV_API_KEY', 'USPTO_ODP_API_KEY', 'OPENALEX_API_KEY', 'ORCID_ACCESS_TOKEN']
  const load = (more: readonly string[]): ReturnType<typeof loadConfig> =>
    loadConfig({
      dir: join(import.meta.dirname, '..', '..', 'config'),
      environment: 'prod',
      variables: Object.fromEntries(keys.map((name) => [name, 'not-sent-anywhere'])),
      settings: ['warehouse.export_after_run=false', 'log.format=text', ...settings, ...more],
      statePath: join(directory, 'state.sqlite'),
      adapters: { byId: adapterById, ids: ADAPTERS.map(({ id }) => id) },
    })
  const { config } = await load(scaledQuotas((await load([])).config, scale))
  const memory = rememberStats(openMemoryStore())
  const isOn = (source: string): boolean =>
    config.enrichment_refresh[source]?.enabled === true && (sources.length === 0 || sources.includes(source))
  const request = { ...EVERYTHING, sources: Object.keys(config.enrichment_refresh).filter(isOn) }
  const calls = new Map<string, number>()
  let total = 0
  let meter: LatenessMeter | null = null
  const store = {
    ...memory,
    commit: (batch: Parameters<typeof memory.commit>[0]) =>
      meter === null ? memory.commit(batch) : meter.watch(memory).commit(batch),
  }
  const clients = new Map<string, ReturnType<typeof virtualClient>>()
  const engine = await openEngine({
    config,
    logger: NO_LOGGER,
    clock,
    store,
    adapters: (id) => (isOn(id) ? doubleOf(adapterById(id), clock, world) : adapterById(id)),
    client: (source) => ({ call: (...args) => clients.get(source)!.call(...args) }),
  })
  for (const { adapter, policy } of engine.sources) {
    const onCall = (source: string): void => {
      total += 1
      if (clock.now() >= START + FILL_DAYS * DAY_MS) calls.set(source, (calls.get(source) ?? 0) + 1)
    }
    const { rules, maxParallelRequests: parallel } = policy
    clients.set(
      adapter.id,
      virtualClient({ source: adapter.id, rules, parallel, store: memory, clock, world, directory, onCall }),
    )
  }
  meter = new LatenessMeter(
    new Map(engine.sources.map(({ adapter, policy }) => [adapter.id, policy.slaMs])),
    START + FILL_DAYS * DAY_MS,
  )
  try {
    for (let from = 0; from < world.all.length; from += 5000)
      await memory.upsertEntities(world.all.slice(from, from + 5000), 'night', clock.now())
    await engine.plan(EVERYTHING)
    await seedFileSource(engine)
    const perDay: number[] = []
    for (let day = 0; day < FILL_DAYS + DAYS; day++) {
      const before = total
      const end = START + (day + 1) * DAY_MS
      for (let start = START + day * DAY_MS; start < end; start += everyMs) {
        // As a scheduler does it: no start while the last run is still at work.
        if (clock.at >= start + everyMs) continue
        clock.at = Math.max(clock.at, start + (mix(start / HOUR_MS) % LATEST_START_MS))
        await engine.refresh(request, { dryRun: false, signal: new AbortController().signal })
      }
      perDay.push(total - before)
      if (process.env['NIGHT_PROGRESS'] !== undefined)
        console.error(`day ${day}: ${total - before} calls, ${((performance.now() - since) / 1000).toFixed(0)} s`)
    }
    const planned = performance.now()
    const plan = await engine.plan(request)
    const planMs = performance.now() - planned
    const asked = new Set(request.sources.flatMap((source) => [source, `${source}_identity`]))
    const lateness = [...meter.end(clock.now())].filter(([source, { entities }]) => entities > 0 && asked.has(source))
    let ledgerRows = 0
    for (const { adapter } of engine.sources)
      for (const size of (await memory.cohortSizes(adapter.id)).values()) ledgerRows += size
    return {
      fillPerDay: perDay.slice(0, FILL_DAYS),
      callsPerDay: perDay.slice(FILL_DAYS),
      bySource: Object.fromEntries([...calls].map(([source, count]) => [source, Math.round(count / DAYS)])),
      lateness: Object.fromEntries(lateness.map(([source, one]) => [source, { ...one, filledAfterMs: one.filledAt - START }])),
      infeasible: Object.fromEntries(
        plan.sources
          .filter(({ feasibility }) => !feasibility.feasible)
          .map(({ source, feasibility }) => [source, feasibility.repair!]),
      ),
      entities: Object.values(await memory.countEntities()).reduce((sum, count) => sum + count, 0),
      ledgerRows,
      planMs,
      seconds: (performance.now() - since) / 1000,
      peakMb: process.resourceUsage().maxRSS / 1024,
    }
  } finally {
    await engine.close()
    await rm(directory, { recursive: true, force: true })
  }
}

if (import.meta.main) console.log(JSON.stringify(await month(JSON.parse(process.argv[2]!) as MonthOptions)))
