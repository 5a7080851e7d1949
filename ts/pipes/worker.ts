/** One run request from beginning to end: request, configuration, engine, mode, and what is said at the end. */
import { join, resolve } from 'node:path'
import { errorDocument, errorText } from '../cli/errors.ts'
import { plainLines } from '../cli/format.ts'
import { type LoadedConfig, loadConfig } from '../config/load.ts'
import { EngineError, EXIT_CODES, messageOf } from '../model/errors.ts'
import { parsePartitionKey } from '../model/keys.ts'
import { createLogger } from '../runtime/logger.ts'
import type { Clock, Logger } from '../runtime/ports.ts'
import type { Scrubber } from '../runtime/scrub.ts'
import { Secret } from '../runtime/secrets.ts'
import type { Engine } from '../wiring.ts'
import { toPipesException } from './exception.ts'
import type { ModeResult, ModeWorld } from './mode.ts'
import { DagsterPipesError, type PipesException } from './protocol.ts'
import type { Reporter } from './reporter.ts'
import { type Mode, type RunRequest, readRunRequest } from './run-request.ts'

export type WorkerWorld = {
  readonly reporter: Reporter
  readonly extras: unknown
  readonly partitionKey: string | null
  readonly signal: AbortSignal
  readonly scrubber: Scrubber
  readonly clock: Clock
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Directory of package.json. */
  readonly home: string
  /** Whole lines for stderr. */
  readonly say: (line: string) => void
}

export type WorkerEnd = { readonly exitCode: number; readonly exception: PipesException | null }

/** What a program that retries must tell apart; the stack of an end that was foreseen says nothing. */
const EXCEPTION_NAMES: Readonly<Record<number, string>> = {
  [EXIT_CODES.try_later]: 'TryLater',
  [EXIT_CODES.configuration]: 'ConfigurationError',
  [EXIT_CODES.interrupted]: 'Interrupted',
  [EXIT_CODES.failed]: 'RefreshFailed',
}

/** Exit codes of DESIGN §5. There is no command line here, so what a person at one would have to correct is configuration. */
export function workerExitCode(error: unknown): number {
  if (!(error instanceof EngineError)) return EXIT_CODES.failed
  return error.recovery === 'usage' ? EXIT_CODES.configuration : EXIT_CODES[error.recovery]
}

/** Loaded on use: to list partitions need not wait for what an ingest needs. */
async function runMode(world: ModeWorld): Promise<ModeResult> {
  switch (world.request.mode) {
    case 'refresh':
      return (await import('./mode-refresh.ts')).refreshMode(world)
    case 'partitions':
      return (await import('./mode-read.ts')).partitionsMode(world)
    case 'coverage':
      return (await import('./mode-read.ts')).coverageMode(world)
    case 'plan':
      return (await import('./mode-read.ts')).planMode(world)
    case 'ingest':
      return (await import('./mode-ingest.ts')).ingestMode(world)
  }
}

async function configOf(request: RunRequest, world: WorkerWorld): Promise<LoadedConfig> {
  const { ADAPTERS } = await import('../adapters/registry.ts')
  const loaded = await loadConfig({
    dir: request.configDir === null ? join(world.home, 'config') : resolve(world.cwd, request.configDir),
    environment: request.environment ?? (world.variables['ENRICHMENT_ENV']?.trim() || 'dev'),
    variables: world.variables,
    settings: request.settings,
    adapters: { byId: (id) => ADAPTERS.find((adapter) => adapter.id === id) ?? null, ids: ADAPTERS.map((adapter) => adapter.id) },
  })
  // Before anything is asked or logged: whatever a provider echoes, no message and no log can hold a key.
  for (const source of Object.values(loaded.config.enrichment)) {
    for (const { env } of Object.values(source.credentials)) {
      const value = world.variables[env]?.trim()
      if (value !== undefined && value !== '') world.scrubber.add(new Secret(env, value))
    }
  }
  return loaded
}

/** Everything goes to stderr (the run's compute logs); what needs attention to Dagster's event log too. */
function loggerOf({ config }: LoadedConfig, { reporter, scrubber, clock, say }: WorkerWorld): Logger {
  const all = createLogger({ ...config.log, write: say, scrubber, clock })
  const important = createLogger({
    level: 'warn',
    format: 'json',
    scrubber,
    clock,
    write(line) {
      const {
        at: _at,
        level,
        message,
        ...fields
      } = JSON.parse(line) as { readonly at: string; readonly level: string; readonly message: string }
      const more = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`
      reporter.log(level === 'error' ? 'ERROR' : 'WARNING', `${message}${more}`)
    },
  })
  return {
    log(...args) {
      all.log(...args)
      important.log(...args)
    },
  }
}

async function work(world: WorkerWorld, request: RunRequest): Promise<ModeResult> {
  const loaded = await configOf(request, world)
  const logger = loggerOf(loaded, world)
  if (request.mode === 'refresh') {
    // What another source lacks is no matter of this run.
    const source = request.partition === null ? null : parsePartitionKey(request.partition)!.source
    for (const { path, message } of loaded.warnings) {
      if (source === null || path.startsWith(`enrichment.${source}.`)) logger.log('warn', `configuration, ${path}: ${message}`)
    }
  }
  let opened: Promise<Engine> | null = null
  const mode: ModeWorld = {
    request,
    config: loaded.config,
    reporter: world.reporter,
    signal: world.signal,
    monotonicMs: () => world.clock.monotonic().ms,
    engine({ readOnly }) {
      opened ??= import('../wiring.ts').then(({ openEngine }) =>
        openEngine({
          config: loaded.config,
          logger,
          readOnly,
          scrubber: world.scrubber,
          env: (name) => world.variables[name]?.trim() || undefined,
        }),
      )
      return opened
    },
  }
  try {
    return await runMode(mode)
  } finally {
    await (await (opened as Promise<Engine> | null)?.catch(() => null))?.close()
  }
}

/** Never rejects for anything that the work does; only when Dagster cannot be told. */
export async function runWorker(world: WorkerWorld): Promise<WorkerEnd> {
  const { reporter } = world
  let mode: Mode | null = null
  try {
    const request = readRunRequest(world.extras, world.partitionKey)
    mode = request.mode
    const { exitCode, why: said, retryAfterS, facts } = await work(world, request)
    // Reasons may be a provider's words.
    const why = said === null ? null : plainLines(said)
    reporter.tell({ kind: 'result', mode, exit_code: exitCode, why, retry_after_s: retryAfterS, error: null, ...facts })
    if (exitCode === 0) return { exitCode, exception: null }
    return { exitCode, exception: endedWith(exitCode, why ?? '') }
  } catch (error) {
    return failed(world, mode, error)
  }
}

function failed({ reporter, scrubber, say }: WorkerWorld, mode: Mode | null, error: unknown): WorkerEnd {
  const exitCode = workerExitCode(error)
  const document = { ...errorDocument(error).error, exit_code: exitCode }
  const isExpected = error instanceof EngineError
  const isPipes = error instanceof DagsterPipesError
  say(scrubber.scrub(isPipes ? `error: ${error.message}\n` : errorText(error)))
  const next = document.next === null ? '' : `\nnext: ${document.next}`
  reporter.log(exitCode === EXIT_CODES.interrupted ? 'WARNING' : 'ERROR', plainLines(`${document.message}${next}`))
  reporter.tell({
    kind: 'result',
    mode,
    exit_code: exitCode,
    why: plainLines(document.message),
    retry_after_s: null,
    error: document,
  })
  return { exitCode, exception: isExpected ? endedWith(exitCode, messageOf(error) + next) : toPipesException(error) }
}

function endedWith(exitCode: number, message: string): PipesException {
  return {
    message: plainLines(message),
    stack: [],
    name: EXCEPTION_NAMES[exitCode] ?? 'RefreshFailed',
    cause: null,
    context: null,
  }
}
