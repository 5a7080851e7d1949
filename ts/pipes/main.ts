/**
 * The process around a worker: Dagster's step (or the terminal), signals, exit code. `main.js` starts it.
 * Outside Dagster the request is the first argument, as JSON, and the answer is one JSON object a line on stdout.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorText } from '../cli/errors.ts'
import { debouncedSignals } from '../cli/signals.ts'
import { EngineError, messageOf } from '../model/errors.ts'
import { createScrubber } from '../runtime/scrub.ts'
import { createShutdown } from '../runtime/shutdown.ts'
import { systemClock, writeStderr } from '../runtime/system.ts'
import { environmentVariables } from '../runtime/variables.ts'
import type { PipesContext } from './context.ts'
import { createLineChannel } from './line-channel.ts'
import { openPipesContext } from './open.ts'
import { withoutPipesArguments } from './params.ts'
import { watchParent } from './parent.ts'
import { DagsterPipesError } from './protocol.ts'
import { dagsterReporter, type Reporter, terminalReporter } from './reporter.ts'
import { runWorker, type WorkerEnd, workerExitCode } from './worker.ts'

const HOME = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
/** From the first signal to the forced end; a launcher that escalates must wait longer. */
const LAST_RESORT_MS = 10_000
/** Something that keeps the process alive after all is done is a leak: it must not keep a scheduler waiting. */
const LINGER_MS = 5_000
const EXIT_CONFIGURATION = 78

/** Null without a partition, and in a run over a range of them, for which Dagster names none. */
function partitionKeyOf(context: PipesContext): string | null {
  try {
    return context.partitionKey
  } catch {
    return null
  }
}

/** The extras, wherever they come from, and the step's partition. */
function requestOf(
  context: PipesContext,
  argv: readonly string[],
): { readonly extras: unknown; readonly partitionKey: string | null } {
  if (context.isActive) {
    return { extras: context.extras, partitionKey: partitionKeyOf(context) }
  }
  const [text, ...rest] = argv
  const hint = `run it as: node ts/pipes/main.js '{"mode":"partitions"}'; the keys are in docs/dagster-pipes.md`
  if (text === undefined || rest.length > 0) {
    throw new EngineError('configuration', 'pipes_request', 'outside Dagster this takes one argument, the run request as JSON', {
      hint,
    })
  }
  try {
    return { extras: JSON.parse(text), partitionKey: null }
  } catch (cause) {
    throw new EngineError('configuration', 'pipes_request', `the run request is not JSON: ${messageOf(cause)}`, { hint, cause })
  }
}

/** Sets `process.exitCode`; every message is written when this resolves, and the process ends by itself. */
export async function main(argv: readonly string[]): Promise<void> {
  const scrubber = createScrubber()
  const scrub = (text: string): string => scrubber.scrub(text)
  const say = (line: string): void => writeStderr(scrub(line))
  const clock = systemClock()
  let context: PipesContext
  try {
    context = openPipesContext({ scrub, guard: { exitCodeOf: workerExitCode } })
  } catch (error) {
    if (!(error instanceof DagsterPipesError)) throw error
    say(`error: ${error.message}\nnext: the launcher must pass what Dagster's open_pipes_session gives it, unchanged\n`)
    process.exitCode = EXIT_CONFIGURATION
    return
  }
  const shutdown = createShutdown({
    lastResortMs: LAST_RESORT_MS,
    say: (message) => say(`${message}\n`),
    signals: debouncedSignals(),
  })
  const stopWatching = context.isActive ? watch(context, (reason) => shutdown.request(reason)) : () => {}

  const end = await runSafely(async () => {
    const { extras, partitionKey } = requestOf(context, withoutPipesArguments(argv))
    return runWorker({
      reporter: context.isActive ? dagsterReporter(context) : toTerminal(scrub),
      extras,
      partitionKey,
      signal: shutdown.signal,
      scrubber,
      clock,
      variables: environmentVariables(),
      cwd: process.cwd(),
      home: HOME,
      say,
    })
  }, say)
  stopWatching()
  process.exitCode = end.exitCode
  closeOrFail(context, end, say)
  await shutdown.release()
  setTimeout(() => process.exit(), LINGER_MS).unref()
}

/** An end that Dagster was not told must not look like a success. */
function closeOrFail(context: PipesContext, end: WorkerEnd, say: (line: string) => void): void {
  try {
    context.close(end.exception)
  } catch (error) {
    say(`error: ${messageOf(error)}\n`)
    process.exitCode ||= 1
  }
}

function watch(context: PipesContext, stop: (reason: string) => void): () => void {
  const pid = context.extras['launcher_pid']
  return watchParent({
    launcherPid: typeof pid === 'number' && Number.isInteger(pid) && pid > 0 ? pid : null,
    onOrphaned: () => stop('The process that started this one is gone'),
  })
}

function toTerminal(scrub: (text: string) => string): Reporter {
  const stdout = createLineChannel(1)
  return terminalReporter((line) => stdout.write(line.slice(0, -1)), scrub)
}

/** What cannot be told to Dagster is told on stderr: a channel that broke, a request that is none. */
async function runSafely(run: () => Promise<WorkerEnd>, say: (line: string) => void): Promise<WorkerEnd> {
  try {
    return await run()
  } catch (error) {
    say(error instanceof DagsterPipesError ? `error: ${error.message}\n` : errorText(error))
    const exitCode = workerExitCode(error)
    return { exitCode, exception: { message: messageOf(error), stack: [], name: nameOf(error), cause: null, context: null } }
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'Error'
}
