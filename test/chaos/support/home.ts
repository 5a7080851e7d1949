/**
 * Everything an end-to-end test needs: a sandbox on loopback, its bulk files, a directory for state and warehouse, and the
 * repository's own configuration pointed at them. Nothing of the engine is replaced.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ADAPTERS } from '../../../ts/adapters/registry.ts'
import type { AdapterCatalog } from '../../../ts/config/check.ts'
import { loadConfig } from '../../../ts/config/load.ts'
import type { Config } from '../../../ts/config/schema.ts'
import type { JsonObject, JsonValue } from '../../../ts/model/json.ts'
import type { RefreshRequest } from '../../../ts/model/plan.ts'
import type { RunReport } from '../../../ts/model/run-report.ts'
import type { Logger } from '../../../ts/runtime/ports.ts'
import { createScrubber } from '../../../ts/runtime/scrub.ts'
import type { LogEntry } from '../../../ts/sandbox/request-log.ts'
import { type RunningSandbox, type SandboxOptions, startSandbox } from '../../../ts/sandbox/server.ts'
import { writeBulkFiles } from '../../../ts/sandbox/write-files.ts'
import { type Engine, type EngineOptions, openEngine } from '../../../ts/wiring.ts'

export const REPOSITORY = join(import.meta.dirname, '../../..')

export const SILENT: Logger = { log() {} }

export const CATALOG: AdapterCatalog = {
  byId: (id) => ADAPTERS.find((adapter) => adapter.id === id) ?? null,
  ids: ADAPTERS.map((adapter) => adapter.id),
}

/** Quotas that no test world reaches: what is not about quotas shall not wait for them. */
const AMPLE = JSON.stringify([{ limit: 1_000_000, per: '1s' }])

/** Config keys with their values, as `--set` takes them; objects and lists as JSON. */
export type Settings = Readonly<Record<string, JsonValue>>

export type Home = {
  readonly dir: string
  readonly sandbox: RunningSandbox
  readonly files: { readonly awards: string; readonly companies: string }
  /** The repository's `sandbox` environment against this sandbox and this directory. */
  config(settings?: Settings): Promise<Config>
  close(): Promise<void>
}

export type HomeOptions = Partial<SandboxOptions> & { readonly dir?: string }

/** Quotas lifted at the sandbox too, unless the test sets them. */
export async function openHome(options: HomeOptions = {}): Promise<Home> {
  const { dir: given, ...sandboxOptions } = options
  const dir = given ?? (await mkdtemp(join(tmpdir(), 'enrichment-e2e-')))
  const sandbox = await startSandbox({
    seed: 7,
    companies: 40,
    awards: 120,
    port: 0,
    quotas: { usaspending: [], sam_gov: [], sbir_gov: [] },
    ...sandboxOptions,
  })
  const csv = join(dir, 'csv')
  await writeBulkFiles(sandbox.sandbox.world, sandbox.sandbox.clock.now(), csv)
  return {
    dir,
    sandbox,
    files: { awards: join(csv, 'award_data_no_abstract.csv'), companies: join(csv, 'company_data.csv') },
    config: (settings) => configFor(dir, sandbox.url, settings),
    async close() {
      await sandbox.close()
      if (given === undefined) await rm(dir, { recursive: true, force: true })
    },
  }
}

export async function configFor(
  dir: string,
  url: string,
  settings: Settings = {},
  from = { dir: join(REPOSITORY, 'config'), adapters: CATALOG },
  added: readonly string[] = [],
): Promise<Config> {
  const all: Settings = {
    'clock.sandbox_url': url,
    'enrichment.usaspending.base_url': `${url}/usaspending`,
    'enrichment.sam_gov.base_url': `${url}/sam_gov`,
    'enrichment.sbir_gov.base_url': `${url}/sbir_gov`,
    'enrichment.sbir_gov.other_urls.files': `${url}/sbir_files`,
    'enrichment_refresh.usaspending.quotas': AMPLE,
    'enrichment_refresh.sam_gov.quotas': AMPLE,
    // On the same key, so under the same quotas.
    'enrichment_refresh.sam_exclusions.quotas': AMPLE,
    'enrichment_refresh.sbir_gov.quotas': AMPLE,
    // Batches, unless the test wants the feed.
    'enrichment.usaspending.options': { feed_rows_per_day: 50_000 },
    'warehouse.path': join(dir, 'warehouse'),
    ...settings,
  }
  const { config } = await loadConfig({
    dir: from.dir,
    environment: 'sandbox',
    variables: {},
    settings: Object.entries(all).map(([path, value]) => `${path}=${typeof value === 'string' ? value : JSON.stringify(value)}`),
    statePath: join(dir, 'state.sqlite'),
    adapters: from.adapters,
  })
  return onlySources(config, [...SOURCES, ...added])
}

/** The sources of most end-to-end tests: between them they have every way of asking. `all-sources.test.ts` has the others. */
export const SOURCES: readonly string[] = ['usaspending', 'sam_gov', 'sbir_gov']

function onlySources(config: Config, wanted: readonly string[]): Config {
  const keep = <T>(map: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(map).filter(([source]) => wanted.includes(source)))
  return { ...config, enrichment: keep(config.enrichment), enrichment_refresh: keep(config.enrichment_refresh) }
}

export function openTestEngine(config: Config, options: Partial<EngineOptions> = {}): Promise<Engine> {
  return openEngine({ config, logger: SILENT, env: () => undefined, scrubber: createScrubber(), ...options })
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

export function refreshAll(
  engine: Engine,
  request: Partial<RefreshRequest> = {},
  signal = new AbortController().signal,
): Promise<RunReport> {
  return engine.refresh({ ...EVERYTHING, ...request }, { dryRun: false, signal })
}

export async function loadFiles(engine: Engine, files: Home['files']): Promise<void> {
  await engine.ingest({ loader: 'sbir_companies', path: files.companies })
  await engine.ingest({ loader: 'sbir_awards', path: files.awards })
}

// ---------------------------------------------------------------- the sandbox's admin interface, by HTTP as a user would

export async function admin<T = JsonObject>(
  home: Pick<Home, 'sandbox'>,
  path: string,
  body?: JsonObject,
  method = body === undefined ? 'GET' : 'POST',
): Promise<T> {
  const response = await fetch(`${home.sandbox.url}/_admin/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (!response.ok) throw new Error(`/_admin/${path} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}

export async function advance(home: Pick<Home, 'sandbox'>, by: string): Promise<void> {
  await admin(home, 'clock', { advance: by })
}

/** Requests that arrived after number `after`, oldest first. */
export function requestsSince(home: Pick<Home, 'sandbox'>, after: number): readonly LogEntry[] {
  return home.sandbox.sandbox.log.after(after, Number.MAX_SAFE_INTEGER)
}

export function arrived(home: Pick<Home, 'sandbox'>): number {
  return home.sandbox.sandbox.log.total
}
