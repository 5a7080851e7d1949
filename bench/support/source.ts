/**
 * A source over the loopback server, as a user would add one: an adapter (look-up, batch or feed) and a config block, run by
 * the real engine over a real state file. Only the quota is missing: `quotas: []`, which no config file may say, is what the
 * pipeline treats as free.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { FeedAnswer, SourceAdapter } from '../../ts/adapters/adapter.ts'
import { MalformedAnswer } from '../../ts/adapters/shared/malformed.ts'
import { type Config, configSchema, refreshSchema, sourceSchema } from '../../ts/config/schema.ts'
import type { Entity } from '../../ts/model/entity.ts'
import { isJsonObject, type JsonObject } from '../../ts/model/json.ts'
import type { RefreshRequest } from '../../ts/model/plan.ts'
import { objectBody, type ResponseView } from '../../ts/model/response.ts'
import type { RunReport } from '../../ts/model/run-report.ts'
import { DAY_MS } from '../../ts/model/time.ts'
import { NO_LOGGER } from '../../ts/runtime/logger.ts'
import type { EntityUpsert } from '../../ts/stores/store.ts'
import { type Engine, openEngine } from '../../ts/wiring.ts'
import { itemId } from './payload.ts'

export const SOURCE = 'bench'

export type Offer =
  | { readonly kind: 'lookup'; readonly path?: string }
  | { readonly kind: 'batch'; readonly size: number }
  | { readonly kind: 'feed'; readonly size: number; readonly total: number }

const idOf = (entity: { readonly key: string }): string => entity.key.slice('uei:'.length)

function rowsOf(view: ResponseView): readonly JsonObject[] {
  const rows = objectBody(view)?.['rows']
  if (!Array.isArray(rows) || !rows.every(isJsonObject)) throw new MalformedAnswer('the body has no rows')
  return rows
}

/** The body as it is, so that hash, record and diff are those of everything the provider says. */
function record(entity: Entity, body: JsonObject): FeedAnswer {
  return { kind: 'record', entity: { kind: entity.kind, key: entity.key }, record: body }
}

export function benchAdapter(offer: Offer): SourceAdapter {
  return {
    id: SOURCE,
    title: 'loopback',
    docs: 'bench/README.md',
    entityKinds: ['company'],
    normalizerVersion: 1,
    credentials: [],
    options: z.strictObject({}),
    cohort: { numbered: true, name: () => 'item_batch', date: () => null },
    unresolvable: () => null,
    probe: () => ({ method: 'GET', path: '/v1/items/ITM00000000', label: 'probe' }),
    classify: (view) => {
      if (view.status === 429) return { class: 'rate_limited', reason: 'over the quota' }
      if (view.status !== 200) return { class: 'transient', reason: `HTTP ${view.status}` }
      return objectBody(view) === null ? { class: 'malformed', reason: 'no JSON object' } : { class: 'ok', reason: 'HTTP 200' }
    },
    volatile: ['$.links'],
    arrayKeys: {},
    unordered: [],
    ...(offer.kind === 'lookup'
      ? {
          lookup: {
            request: ({ entity }) => ({ method: 'GET', path: `${offer.path ?? '/v1/items'}/${idOf(entity)}`, label: 'item' }),
            parse: (view, { entity }) => record(entity, objectBody(view)!),
          },
        }
      : {}),
    ...(offer.kind === 'batch'
      ? {
          batch: {
            maxSize: offer.size,
            groups: () => ['all'],
            request: (targets) => ({
              method: 'POST',
              path: '/v1/batch',
              json: { ids: targets.map(({ entity }) => idOf(entity)) },
              label: 'batch',
            }),
            parse: (view, targets) => {
              const rows = new Map(rowsOf(view).map((row) => [row['id'], row]))
              const answers = targets.flatMap(({ entity }) => {
                const row = rows.get(idOf(entity))
                return row === undefined ? [] : [record(entity, row)]
              })
              return { answers, next: null }
            },
          },
        }
      : {}),
    ...(offer.kind === 'feed'
      ? {
          feed: {
            overlapMs: DAY_MS,
            estimate: { rowsPerDay: offer.total, rowsPerPage: offer.size },
            complete: true,
            slices: () => ['all'],
            request: (_window, _slice, cursor) => ({
              method: 'GET',
              path: '/v1/list',
              query: [
                ['size', String(offer.size)],
                ['total', String(offer.total)],
                ['page', cursor ?? '0'],
              ],
              label: 'list',
            }),
            parse: (view) => {
              const next = objectBody(view)?.['next']
              const items = rowsOf(view).map((row) => ({
                providerKey: String(row['id']),
                aliases: [`item:${String(row['id'])}`],
                row,
              }))
              return { items, next: typeof next === 'number' ? String(next) : null }
            },
            answer: (item, { entity }) => record(entity, item.row),
          },
        }
      : {}),
  }
}

export type BenchEngine = {
  readonly engine: Engine
  readonly directory: string
  /** One pass over everything, or over what is due. Throws unless every partition is done and nothing failed. */
  pass(request?: Partial<RefreshRequest>): Promise<RunReport>
  close(): Promise<void>
}

export type BenchEngineOptions = {
  readonly origin: string
  readonly offer: Offer
  readonly entities: number
  readonly parallel: number
  readonly cohortSize?: number
  readonly quotas?: readonly { readonly limit: number; readonly per: string }[]
  readonly exportAfterRun?: boolean
  /** Used as it is, and kept, instead of a new directory that is filled and removed. */
  readonly directory?: string
  /** This directory is filled, and kept. */
  readonly populate?: string
}

function benchConfig(options: BenchEngineOptions, directory: string): Config {
  const policy = refreshSchema.parse({
    enabled: true,
    cadence: '6d',
    sla: '7d',
    batch_size: options.offer.kind === 'batch' ? options.offer.size : 1,
    max_parallel_requests: options.parallel,
    cohort: { size: options.cohortSize ?? 5000 },
    quotas: [{ limit: 1, per: '1s' }],
  })
  const config = configSchema.parse({
    enrichment: { [SOURCE]: sourceSchema.parse({ adapter: SOURCE, base_url: options.origin }) },
    enrichment_refresh: { [SOURCE]: policy },
    state: { path: join(directory, 'state.sqlite') },
    warehouse: { path: join(directory, 'warehouse'), export_after_run: options.exportAfterRun ?? false },
    run: { max_calls: 10_000_000 },
  })
  const quotas = (options.quotas ?? []).map((quota) => ({ ...quota, resets: 'sliding' as const }))
  return { ...config, enrichment_refresh: { [SOURCE]: { ...policy, quotas } } }
}

export function benchEntity(index: number): EntityUpsert {
  const id = itemId(index)
  return {
    kind: 'company',
    key: `uei:${id}`,
    attributes: {
      name: `Coastal Photonics ${index} Inc`,
      uei: id,
      duns: null,
      address1: `${index} Main Street, Suite 4`,
      address2: null,
      city: 'Dayton',
      state: 'OH',
      zip: '45402',
      country: 'US',
      website: `https://www.company-${index}.example`,
      domain: `company-${index}.example`,
      number_employees: index % 300,
      hubzone_owned: 'N',
      woman_owned: 'N',
      disadvantaged: null,
      number_awards: null,
    },
    aliases: [`item:${id}`],
    links: [],
  }
}

export const EVERYTHING: RefreshRequest = {
  sources: [],
  cohorts: [],
  partitions: [],
  window: null,
  force: false,
  limit: null,
  maxCalls: null,
}

export async function openBenchEngine(options: BenchEngineOptions): Promise<BenchEngine> {
  const directory = options.directory ?? options.populate ?? (await mkdtemp(join(tmpdir(), 'enrichment-bench-')))
  const engine = await openEngine({
    config: benchConfig(options, directory),
    logger: NO_LOGGER,
    env: () => undefined,
    adapters: () => benchAdapter(options.offer),
  })
  if (options.directory === undefined) {
    const now = engine.clock.now()
    for (let from = 0; from < options.entities; from += 2000) {
      const size = Math.min(2000, options.entities - from)
      await engine.store.upsertEntities(
        Array.from({ length: size }, (_, offset) => benchEntity(from + offset)),
        'bench',
        now,
      )
    }
    await engine.plan(EVERYTHING)
  }
  return {
    engine,
    directory,
    async pass(request = {}) {
      const report = await engine.refresh({ ...EVERYTHING, ...request }, { dryRun: false, signal: new AbortController().signal })
      const bad = report.partitions.find((part) => part.status !== 'done' || part.counts.failed > 0)
      if (bad !== undefined) throw new Error(`${bad.partition} ended ${bad.status}, ${bad.counts.failed} failed: ${bad.reason}`)
      return report
    },
    async close() {
      await engine.close()
      if (options.directory === undefined && options.populate === undefined) await rm(directory, { recursive: true, force: true })
    },
  }
}
