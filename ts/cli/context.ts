/** What a command's handler is given: output, configuration, the engine when it asks for it, and the signal to stop. */
import { join, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import type { AdapterCatalog } from '../config/check.ts'
import { type ConfigRequest, type LoadedConfig, loadConfig } from '../config/load.ts'
import { createLogger } from '../runtime/logger.ts'
import type { Clock, Logger, LogLevel } from '../runtime/ports.ts'
import type { Scrubber } from '../runtime/scrub.ts'
import { Secret } from '../runtime/secrets.ts'
import type { EngineHandle, OpenEngine } from './engine.ts'
import { plainText } from './format.ts'
import type { GlobalArgs } from './globals.ts'
import { createOutput, type Output } from './output.ts'
import { createProgress, NO_PROGRESS, type Progress } from './progress.ts'

type Stream = Writable & { isTTY?: boolean; columns?: number }

/** Everything the program has of the world outside; tests bring their own. */
export type CliWorld = {
  readonly stdout: Stream
  readonly stderr: Stream
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Directory of package.json. */
  readonly home: string
  readonly version: string
  readonly signal: AbortSignal
  /** For log lines before there is an engine. */
  readonly clock: Pick<Clock, 'now'>
  readonly adapters: () => Promise<AdapterCatalog>
  readonly openEngine: OpenEngine
  /** Takes the values of secrets out of everything that is shown: the last gate. */
  readonly scrubber: Scrubber
}

export type CliContext = {
  readonly world: CliWorld
  /** What was called, as it is kept with the run: `refresh --source sam_gov`. */
  readonly commandLine: string
  readonly json: boolean
  readonly out: Output
  readonly signal: AbortSignal
  /** Loaded on first use; rejects with `ConfigError`. */
  config(): Promise<LoadedConfig>
  configRequest(): Promise<ConfigRequest>
  /** Opened on first use and closed when the command ends. */
  engine(options?: { readonly readOnly: boolean }): Promise<EngineHandle>
  /** The result, either way: one JSON document, or text for people. */
  show(document: unknown, text: () => string): Promise<void>
  /** A remark beside the result, on stderr; left out with --json and --quiet. */
  note(text: string): void
  progress(label: string): Progress
  /** Titles of tables on a terminal. */
  bold(text: string): string
  /** Width that tables have to keep; null when stdout is no terminal. */
  readonly tableWidth: number | null
}

export type OpenContext = { readonly context: CliContext; close(): Promise<void> }

/**
 * What was called, as it is logged and kept with the run. A credential given with `--set` (by its own path, or within a map)
 * is known to no scrubber when the configuration is not loaded yet; it ends in no state or log.
 */
export function commandLineOf(argv: readonly string[]): string {
  return argv
    .map((word) => (/loopback_value/i.test(word) ? word.replace(/^((?:--set=)?[^=]*=).*$/s, '$1[redacted]') : word))
    .join(' ')
}

export function openContext(world: CliWorld, globals: GlobalArgs, argv: readonly string[]): OpenContext {
  const out = createOutput(world.stdout)
  const err = createOutput(world.stderr)
  let loaded: Promise<LoadedConfig> | null = null
  let opened: Promise<EngineHandle> | null = null
  const bars = new Set<Progress>()

  const configRequest = async (): Promise<ConfigRequest> => ({
    dir: globals.configDir === undefined ? join(world.home, 'config') : resolve(world.cwd, globals.configDir),
    environment: globals.environment ?? (world.variables['ENRICHMENT_ENV'] || 'dev'),
    variables: world.variables,
    settings: globals.settings,
    statePath: globals.state === undefined ? undefined : resolve(world.cwd, globals.state),
    warehousePath: globals.warehouse === undefined ? undefined : resolve(world.cwd, globals.warehouse),
    adapters: await world.adapters(),
  })
  const config = (): Promise<LoadedConfig> => {
    loaded ??= configRequest()
      .then(loadConfig)
      .then((result) => {
        registerSecrets(result, world)
        return result
      })
    return loaded
  }
  const tell = (text: string): void => {
    // A bar that is being drawn stands on the line; it is drawn again below.
    void err.write(`${bars.size > 0 ? '\r\u001b[K' : ''}${world.scrubber.scrub(text)}`)
    // stderr that cannot be written is no reason to stop the work.
    err.flush().catch(() => {})
  }
  const logger = ({ level, format }: { readonly level: LogLevel; readonly format: 'text' | 'json' }): Logger =>
    createLogger({
      level: globals.verbose ? 'debug' : globals.quiet ? 'error' : level,
      format,
      write: tell,
      scrubber: world.scrubber,
      clock: world.clock,
    })

  const context: CliContext = {
    world,
    get commandLine() {
      return world.scrubber.scrub(plainText(commandLineOf(argv)))
    },
    json: globals.json,
    out,
    signal: world.signal,
    config,
    configRequest,
    engine(options = { readOnly: false }) {
      opened ??= config().then(({ config: checked }) =>
        world.openEngine({
          config: checked,
          logger: logger(checked.log),
          readOnly: options.readOnly,
          scrubber: world.scrubber,
          env: (name) => world.variables[name]?.trim() || undefined,
        }),
      )
      return opened
    },
    async show(document, text) {
      await out.write(world.scrubber.scrub(globals.json ? `${JSON.stringify(document, null, 2)}\n` : text()))
      await out.flush()
    },
    note(text) {
      if (!globals.json && !globals.quiet) tell(`${text}\n`)
    },
    progress(label) {
      if (world.stderr.isTTY !== true || globals.json || globals.quiet) return NO_PROGRESS
      const bar = createProgress(world.stderr, label)
      bars.add(bar)
      return {
        update: bar.update,
        stop() {
          bars.delete(bar)
          bar.stop()
        },
      }
    },
    bold: (text) => (out.isTerminal && !world.variables['NO_COLOR'] ? `\u001b[1m${text}\u001b[22m` : text),
    tableWidth: out.isTerminal ? out.columns : null,
  }
  return {
    context,
    async close() {
      for (const bar of bars) bar.stop()
      try {
        await (await opened?.catch(() => null))?.close()
      } finally {
        await out.flush()
        await err.flush().catch(() => {})
      }
    },
  }
}

/** Values of credentials, so that nothing this program prints can hold one, whatever a provider echoes. */
function registerSecrets({ config }: LoadedConfig, { variables, scrubber }: CliWorld): void {
  for (const source of Object.values(config.enrichment)) {
    for (const { env } of Object.values(source.credentials)) {
      const value = variables[env]?.trim()
      if (value !== undefined && value !== '') scrubber.add(new Secret(env, value))
    }
  }
}
