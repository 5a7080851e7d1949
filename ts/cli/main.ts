/** The process around the command line: real streams, signals, environment, exit code. Loaded by the launcher `ts/cli.js`. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { AdapterCatalog } from '../config/check.ts'
import { createScrubber } from '../runtime/scrub.ts'
import { createShutdown } from '../runtime/shutdown.ts'
import { systemClock, writeStderr } from '../runtime/system.ts'
import { environmentVariables } from '../runtime/variables.ts'
import { runCli } from './app.ts'
import type { OpenEngine } from './engine.ts'
import { errorText, exitCodeOf } from './errors.ts'
import { debouncedSignals } from './signals.ts'

const HOME = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
/** From the first signal to the forced end; run.stop_within (8 s) and saving fit into it. */
const LAST_RESORT_MS = 10_000
/** Something that keeps the process alive after all is done is a leak: it must not keep a scheduler waiting. */
const LINGER_MS = 5_000

/** Sets `process.exitCode`; the process ends by itself when everything is written and closed. */
export async function main(argv: readonly string[]): Promise<void> {
  const scrubber = createScrubber()
  const shutdown = createShutdown({
    lastResortMs: LAST_RESORT_MS,
    say: (message) => writeStderr(`${scrubber.scrub(message)}\n`),
    signals: debouncedSignals(),
  })
  // What nobody awaited is a bug too: it ends the process, but not without saying so, and not with a secret in its stack.
  process.on('uncaughtException', (error) => {
    writeStderr(scrubber.scrub(errorText(error)))
    process.exit(exitCodeOf(error))
  })
  process.exitCode = await runCli(argv, {
    stdout: process.stdout,
    stderr: process.stderr,
    variables: environmentVariables(),
    cwd: process.cwd(),
    home: HOME,
    version: packageVersion(),
    signal: shutdown.signal,
    clock: systemClock(),
    adapters: loadAdapters,
    openEngine: lazyEngine,
    scrubber,
  })
  await shutdown.release()
  setTimeout(() => process.exit(), LINGER_MS).unref()
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(HOME, 'package.json'), 'utf8')) as { version: string }
  return version
}

async function loadAdapters(): Promise<AdapterCatalog> {
  const { ADAPTERS } = await import('../adapters/registry.ts')
  return { byId: (id) => ADAPTERS.find((adapter) => adapter.id === id) ?? null, ids: ADAPTERS.map((adapter) => adapter.id) }
}

/** Loaded on use, because DuckDB and the rest take longer to load than `--help` takes to print. */
const lazyEngine: OpenEngine = async (options) => (await import('../wiring.ts')).openEngine(options)
