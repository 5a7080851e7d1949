/** The command line without the process: argv and a world in, an exit code out. Tests call this. */
import { EngineError } from '../model/errors.ts'
import { commands } from './commands/index.ts'
import { type CliWorld, openContext } from './context.ts'
import { errorDocument, errorText, exitCodeOf } from './errors.ts'
import { createOutput } from './output.ts'
import { parseArguments } from './parse.ts'
import { ReportedError } from './stream-document.ts'

/** Never rejects: whatever happens becomes an exit code and, for people or for programs, an explanation. */
export async function runCli(argv: readonly string[], world: CliWorld): Promise<number> {
  // An error must answer in the form that was asked for, also when it is the arguments that are wrong.
  const wantsJson = argv.includes('--json')
  try {
    return await dispatch(argv, world)
  } catch (error) {
    if (error instanceof ReportedError) {
      if (!(error.cause instanceof EngineError)) await report(error.cause, world, false)
      return error.exitCode
    }
    const shown = world.signal.aborted && isAbort(error) ? interrupted(error) : error
    await report(shown, world, wantsJson)
    return exitCodeOf(shown)
  }
}

async function dispatch(argv: readonly string[], world: CliWorld): Promise<number> {
  const parsed = parseArguments(argv, commands, world.version, createColumns(world))
  if (parsed.kind === 'print') {
    const out = createOutput(world.stdout)
    await out.write(parsed.text)
    await out.flush()
    return 0
  }
  const { context, close } = openContext(world, parsed.globals, argv)
  let code: number
  try {
    code = (await parsed.command.handler(context, parsed.args)) ?? 0
  } catch (error) {
    // The first error is the one that explains; a failure to close after it would only hide it.
    await close().catch(() => {})
    throw error
  }
  await close()
  return code
}

function createColumns(world: CliWorld): number {
  const told = Number(world.variables['COLUMNS'])
  return Math.min(world.stdout.columns ?? (Number.isInteger(told) && told > 0 ? told : 100), 120)
}

async function report(error: unknown, world: CliWorld, json: boolean): Promise<void> {
  const err = createOutput(world.stderr)
  const isBug = !(error instanceof EngineError)
  if (json) {
    const out = createOutput(world.stdout)
    await out.write(world.scrubber.scrub(`${JSON.stringify(errorDocument(error), null, 2)}\n`))
    await out.flush().catch(() => {})
  }
  if (!json || isBug) await err.write(world.scrubber.scrub(errorText(error)))
  await err.flush().catch(() => {})
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || (error as NodeJS.ErrnoException).code === 'ABORT_ERR')
}

function interrupted(cause: unknown): EngineError {
  return new EngineError('interrupted', 'interrupted', 'stopped by a signal; what was done so far is saved', {
    hint: 'run the same command again to go on',
    cause,
  })
}
