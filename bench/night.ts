/**
 * A month of refreshes in virtual time: 70,000 companies and 200,000 awards, the three sources with the policies and published
 * quotas of `config/base.yaml`, the real planner and engine over the in-memory store. Adapters keep their cohorts, identities,
 * batch sizes, groups and feed shape; only request and parse are replaced by doubles that answer from a formula. Time moves
 * when a call takes its time or waits for quota, and from one start to the next.
 *
 *     node scripts/with-node.mjs bench/run.ts night [--scale 0.1]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Answer, FeedItem, SourceAdapter, Target } from '../ts/adapters/adapter.ts'
import { ADAPTERS, adapterById } from '../ts/adapters/registry.ts'
import { loadConfig } from '../ts/config/load.ts'
import type { CallResult, SourceClient } from '../ts/http/source-client.ts'
import { NO_COUNTS } from '../ts/model/checkpoint.ts'
import type { Entity } from '../ts/model/entity.ts'
import type { JsonValue } from '../ts/model/json.ts'
import { partitionKey } from '../ts/model/keys.ts'
import { DAY_MS, type EpochMs, HOUR_MS, SECOND_MS, toUtcDate } from '../ts/model/time.ts'
import { NO_LOGGER } from '../ts/runtime/logger.ts'
import type { Clock } from '../ts/runtime/ports.ts'
import { openMemoryStore } from '../ts/stores/memory/open.ts'
import type { EntityUpsert, QuotaRule, Store } from '../ts/stores/store.ts'
import { type Engine, openEngine } from '../ts/wiring.ts'
import { atMost, median, type ResultRow } from './support/row.ts'
import { EVERYTHING } from './support/source.ts'

const START = Date.UTC(2026, 10, 1, 3)
const DAYS = 30
/** What a call takes. */
const CALL_MS = 1_500
/** Share of our awards and companies that a provider changes in a day. */
const CHANGED_A_DAY = 0.005
/** Of the published file: 76 % of awards have a contract number, 70 % of companies a UEI. */
const WITH_CONTRACT = 76
const WITH_UEI = 70

class VirtualClock implements Clock {
  at: EpochMs = START
  now(): EpochMs {
    return this.at
  }
  monotonic(): { ms: number; boot: string } {
    return { ms: this.at - START, boot: 'virtual' }
  }
  /** Only heartbeats and shutdown sleep; nothing else runs while a call is under way, so they may wait until they are ended. */
  sleep(_duration: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
  }
}

function mix(seed: number): number {
  let x = Math.imul(seed + 1, 2_654_435_761) >>> 0
  x = Math.imul(x ^ (x >>> 15), 2_246_822_519) >>> 0
  return (x ^ (x >>> 13)) >>> 0
}

function company(index: number): EntityUpsert {
  const uei = mix(index) % 100 < WITH_UEI ? `K${String(index).padStart(10, '0')}A` : null
  return {
    kind: 'company',
    key: uei === null ? `name:COMPANY ${index}|OH` : `uei:${uei}`,
    attributes: { name: `Company ${index}`, uei, duns: null, state: 'OH' },
    aliases: [],
    links: [],
  }
}

function award(index: number): EntityUpsert {
  const number = mix(index + 7) % 100 < WITH_CONTRACT ? `FA865020C${String(index).padStart(6, '0')}` : null
  return {
    kind: 'award',
    key: `v1:${String(index).padStart(64, '0')}`,
    attributes: { contract: number, award_year: 1990 + (mix(index) % 36), agency: 'Department of Defense' },
    aliases: number === null ? [] : [`award_id:${number}`],
    links: [],
  }
}

/** The number that entity was made from. */
function indexOf({ kind, key }: Pick<Entity, 'kind' | 'key'>): number {
  return kind === 'award' ? Number(key.slice(3)) : Number(/\d+/.exec(key)![0])
}

/** How often the provider has changed it since the start; each entity has its own day in the cycle. */
function revisionOf(entity: Pick<Entity, 'kind' | 'key'>, at: EpochMs): number {
  const cycle = Math.round(1 / CHANGED_A_DAY)
  return Math.floor((Math.floor(at / DAY_MS) + (mix(indexOf(entity)) % cycle)) / cycle)
}

function recordOf(target: Target, at: EpochMs, identity: string): Answer {
  const { kind, key } = target.entity
  return {
    kind: 'record',
    entity: { kind, key },
    record: { key, revision: revisionOf(target.entity, at), status: 'Active' },
    identity: { providerKey: identity, method: 'award_id', confidence: 0.9, evidence: {} },
  }
}

/** The real adapter, answered by formula. */
function double(real: SourceAdapter, clock: Clock, awards: readonly EntityUpsert[]): SourceAdapter {
  const batch = real.batch
  const feed = real.feed
  return {
    ...real,
    classify: (view) => (view.status === 304 ? { class: 'not_modified', reason: '304' } : { class: 'ok', reason: '200' }),
    ...(batch === undefined
      ? {}
      : {
          batch: {
            ...batch,
            request: () => ({ method: 'GET', path: '/', label: 'batch' }),
            parse: (_view, targets, group, _cursor, context) => ({
              // Four in five are found in the group that is asked first.
              answers: targets
                .filter(
                  (target) =>
                    target.providerKey !== null ||
                    mix(indexOf(target.entity)) % 5 > 0 ||
                    batch.groups(target, context)[0] !== group,
                )
                .map((target) => recordOf(target, clock.now(), target.providerKey ?? `CONT_AWD_${target.entity.key}`)),
              next: null,
            }),
          },
        }),
    ...(feed === undefined
      ? {}
      : {
          feed: {
            ...feed,
            gate: {
              request: () => ({ method: 'GET', path: '/', label: 'gate' }),
              marker: () => toUtcDate(clock.now()),
            },
            request: (window, slice, cursor) => ({
              method: 'GET',
              path: '/',
              label: 'feed',
              query: [
                ['from', String(window.from)],
                ['slice', slice],
                ['page', cursor ?? '0'],
              ],
            }),
            parse: (view, slice, cursor) => {
              const from = Number(view.headers['from'])
              const pages = Math.ceil((((clock.now() - from) / DAY_MS) * feed.estimate.rowsPerDay) / feed.estimate.rowsPerPage)
              const page = Number(cursor ?? '0')
              // All pages are one slice's; ours are few among them and listed on its first.
              if (slice !== 'contracts') return { items: [], next: null }
              const items = page === 0 ? changedSince(awards, from, clock.now()) : []
              return { items, next: page + 1 < pages ? String(page + 1) : null }
            },
            answer: (item, target) => recordOf(target, clock.now(), item.providerKey),
          },
        }),
  }
}

function changedSince(awards: readonly EntityUpsert[], from: EpochMs, to: EpochMs): FeedItem[] {
  return awards
    .filter((entity) => entity.aliases.length > 0 && revisionOf(entity, from) !== revisionOf(entity, to))
    .map((entity) => ({ providerKey: `CONT_AWD_${entity.key}`, aliases: entity.aliases, row: {} }))
}

type Meter = { calls: number; readonly bySource: Map<string, number>; look: () => Promise<void> }
/** Stale entities are counted whenever a run begins and ends, and after so many calls in between. */
const LOOK_EVERY_CALLS = 250

/** Takes its quota from the store as the pipeline does, moves the clock, answers 200 (304 to a conditional download). */
function virtualClient(
  source: string,
  rules: readonly QuotaRule[],
  store: Store,
  clock: VirtualClock,
  meter: Meter,
): SourceClient {
  return {
    async call(request, { signal }): Promise<CallResult> {
      let waited = 0
      for (;;) {
        if (signal.aborted)
          return { kind: 'refused', why: 'aborted', message: 'stopping', until: null, stats: { calls: 0, quotaWaitMs: waited } }
        const answer = await store.acquireQuota(rules, 'night', 60_000, clock.monotonic(), clock.now())
        if (answer.granted) {
          // Two calls are under way at a time, so that one's time is half its length.
          clock.at += CALL_MS / 2
          await store.releaseQuota(answer.grant, clock.monotonic())
          break
        }
        if (answer.waitMs > 15 * 60 * SECOND_MS) {
          return {
            kind: 'refused',
            why: 'quota',
            message: 'spent',
            until: clock.now() + answer.waitMs,
            stats: { calls: 0, quotaWaitMs: waited },
          }
        }
        clock.at += Math.max(1, Math.ceil(answer.waitMs))
        waited += answer.waitMs
      }
      meter.calls += 1
      meter.bySource.set(source, (meter.bySource.get(source) ?? 0) + 1)
      if (meter.calls % LOOK_EVERY_CALLS === 0) await meter.look()
      const conditional = request.expect === 'file'
      return {
        kind: 'answer',
        view: {
          status: conditional ? 304 : 200,
          headers: Object.fromEntries(request.query ?? []),
          text: '{}',
          json: {},
          receivedAt: clock.now(),
        },
        classified: conditional ? { class: 'not_modified', reason: '304' } : { class: 'ok', reason: '200' },
        stats: { calls: 1, quotaWaitMs: waited },
      }
    },
  }
}

/** The bulk load has just compared everything with the file of the day before. */
async function seedFileSource(engine: Engine, clock: Clock): Promise<void> {
  const { store } = engine
  const at = clock.now() - HOUR_MS
  const fact = { asOf: at - 1, validators: { etag: '"1"', lastModified: null }, sha256: '0'.repeat(64), rows: 1 }
  await store.putState('file:sbir_gov', 0, fact as unknown as JsonValue)
  const judge = { now: clock.now(), cadenceMs: DAY_MS, slaMs: DAY_MS }
  for (const { cohort } of await store.partitionStats('sbir_gov', judge)) {
    const partition = partitionKey('sbir_gov', cohort)
    const lease = (await store.acquireLease(partition, 'night', 60_000, clock.monotonic()))!
    const ledger = []
    for await (const { entry } of store.workItems(
      { source: 'sbir_gov', cohort, select: 'all', notAttemptedSince: null, limit: null },
      judge,
    ))
      ledger.push({
        ...entry,
        lastAttemptAt: at,
        lastSuccessAt: at,
        outcome: 'changed' as const,
        attempts: 1,
        payloadHash: 'a'.repeat(64),
        normalizerVersion: 1,
        runId: 'run_0',
      })
    const checkpoint = {
      partition,
      version: 1,
      status: 'complete',
      strategy: 'file',
      passStartedAt: at,
      window: null,
      cursor: null,
      counts: NO_COUNTS,
    } as const
    await store.commit({
      lease,
      runId: 'run_0',
      checkpoint: { ...checkpoint, updatedAt: at, finishedAt: at, durationMs: 0, runId: 'run_0', ledgerWatermark: at },
      ...{ ledger, records: [], events: [], identities: [], pending: [] },
    })
    await store.releaseLease(lease)
  }
}

type Month = {
  readonly callsPerDay: readonly number[]
  readonly bySource: Map<string, number>
  readonly stale: ReadonlyMap<string, number>
}

/** Runs at each start, `everyMs` apart, or as soon as the last run is over. */
async function month(scale: number, everyMs: number): Promise<Month> {
  const directory = await mkdtemp(join(tmpdir(), 'enrichment-bench-night-'))
  const clock = new VirtualClock()
  const store = openMemoryStore()
  const meter: Meter = { calls: 0, bySource: new Map(), look: async () => {} }
  const companies = Array.from({ length: Math.round(70_000 * scale) }, (_, index) => company(index))
  const awards = Array.from({ length: Math.round(200_000 * scale) }, (_, index) => award(index))
  const { config } = await loadConfig({
    dir: join(import.meta.dirname, '..', 'config'),
    environment: 'prod',
    variables: { SAM_GOV_API_KEY: 'not-sent-anywhere' },
    settings: ['warehouse.export_after_run=false', 'log.format=text'],
    statePath: join(directory, 'state.sqlite'),
    adapters: { byId: adapterById, ids: ADAPTERS.map(({ id }) => id) },
  })
  const engine = await openEngine({
    config,
    logger: NO_LOGGER,
    clock,
    store,
    adapters: (id) => double(adapterById(id), clock, awards),
    client: (source) => ({ call: (...args) => clients.get(source)!.call(...args) }),
  })
  const clients = new Map(
    engine.sources.map(({ adapter, policy }) => [adapter.id, virtualClient(adapter.id, policy.rules, store, clock, meter)]),
  )
  try {
    for (const all of [companies, awards])
      for (let from = 0; from < all.length; from += 5000)
        await store.upsertEntities(all.slice(from, from + 5000), 'night', clock.now())
    await engine.plan(EVERYTHING)
    await seedFileSource(engine, clock)
    const stale = new Map<string, number>()
    meter.look = async () => {
      for (const { source, stale: now } of await engine.freshness([])) stale.set(source, Math.max(stale.get(source) ?? 0, now))
    }
    const callsPerDay: number[] = []
    for (let day = 0; day < DAYS; day++) {
      const before = meter.calls
      const end = START + (day + 1) * DAY_MS
      for (let start = START + day * DAY_MS; start < end; start += everyMs) {
        if (clock.at < start) clock.at = start
        await meter.look()
        await engine.refresh(EVERYTHING, { dryRun: false, signal: new AbortController().signal })
        await meter.look()
      }
      callsPerDay.push(meter.calls - before)
    }
    return { callsPerDay, bySource: meter.bySource, stale }
  } finally {
    await engine.close()
    await rm(directory, { recursive: true, force: true })
  }
}

export async function benchNight(scale = 1): Promise<readonly ResultRow[]> {
  const rows: ResultRow[] = []
  for (const [name, everyMs] of [
    ['one start a night', DAY_MS],
    ['a start every 4 h', 4 * HOUR_MS],
    ['a start every hour', HOUR_MS],
  ] as const) {
    const { callsPerDay, bySource, stale } = await month(scale, everyMs)
    rows.push({
      what: `${name}: calls a day, all sources (best and worst of ${DAYS})`,
      value: median(callsPerDay),
      best: Math.min(...callsPerDay),
      worst: Math.max(...callsPerDay),
      unit: 'calls',
      bar: atMost(25_000),
      note: [...bySource].map(([source, calls]) => `${source} ${Math.round(calls / DAYS)}/d`).join(', '),
    })
    for (const [source, most] of stale)
      rows.push({
        what: `${name}: most entities of ${source} past their SLA at once`,
        value: most,
        unit: 'entities',
        bar: atMost(0),
      })
  }
  return rows
}
