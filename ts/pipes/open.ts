/** Opens the connection to Dagster, or none when the process was not launched by it. */
import { environment, systemClock, writeStderr } from '../runtime/system.ts'
import { ConnectedContext, type PipesContext } from './context.ts'
import { type PipesContextLoader, PipesDefaultContextLoader } from './context-loader.ts'
import { encodeJson } from './encode.ts'
import { type GuardOptions, guardProcess } from './guard.ts'
import { InactiveContext } from './inactive-context.ts'
import { DEFAULT_LOG_RATES, type LogRates } from './log-cap.ts'
import { PipesDefaultMessageWriter, type PipesMessageWriter } from './message-writer.ts'
import { defaultParamsLoader, type PipesParamsLoader } from './params.ts'
import { makeMessage } from './protocol.ts'

export type PipesOptions = {
  readonly paramsLoader?: PipesParamsLoader | null
  readonly contextLoader?: PipesContextLoader | null
  readonly messageWriter?: PipesMessageWriter | null
  /** Takes secrets out of every text that is written. */
  readonly scrub?: (text: string) => string
  readonly logRates?: LogRates
  readonly monotonicMs?: () => number
  /** False leaves errors, signals and the end of the process to the caller. */
  readonly guard?: boolean | Partial<GuardOptions>
}

/** A new connection; several may exist in one process (tests). Throws `DagsterPipesError` when the launcher's parameters are wrong. */
export function openPipesContext(options: PipesOptions = {}): PipesContext {
  const scrub = options.scrub ?? ((text: string) => text)
  const params = options.paramsLoader ?? defaultParamsLoader(environment, process.argv.slice(2))
  if (!params.isDagsterPipesProcess()) return new InactiveContext()

  const writer = options.messageWriter ?? new PipesDefaultMessageWriter((message) => encodeJson(message, scrub))
  writer.open(params.loadMessagesParams())
  writer.writeMessage(makeMessage('opened', { extras: writer.openedExtras() }))
  const clock = systemClock()
  const connect = (data: ConstructorParameters<typeof ConnectedContext>[0]['data']): ConnectedContext =>
    new ConnectedContext({
      data,
      writer,
      logRates: options.logRates ?? DEFAULT_LOG_RATES,
      monotonicMs: options.monotonicMs ?? (() => clock.monotonic().ms),
    })
  let context: ConnectedContext
  try {
    context = connect((options.contextLoader ?? new PipesDefaultContextLoader()).loadContext(params.loadContextParams()))
  } catch (error) {
    // The channel works already: whoever waits there learns why nothing else will come.
    connect(NO_CONTEXT).close(error)
    throw error
  }
  const { guard = true } = options
  if (guard !== false) {
    guardProcess(context, { say: (text) => writeStderr(scrub(text)), ...(guard === true ? {} : guard) })
  }
  return context
}

const NO_CONTEXT = {
  asset_keys: null,
  code_version_by_asset_key: null,
  provenance_by_asset_key: null,
  partition_key: null,
  partition_key_range: null,
  partition_time_window: null,
  run_id: '',
  job_name: null,
  retry_number: 0,
  extras: {},
}

let current: PipesContext | null = null

/** The one connection of the process, opened at the first call. Outside Dagster it does nothing, and says so once. */
export function openDagsterPipes(
  paramsLoader: PipesParamsLoader | null = null,
  contextLoader: PipesContextLoader | null = null,
  messageWriter: PipesMessageWriter | null = null,
  options: Omit<PipesOptions, 'paramsLoader' | 'contextLoader' | 'messageWriter'> = {},
): PipesContext {
  if (current === null) {
    current = openPipesContext({ paramsLoader, contextLoader, messageWriter, ...options })
    if (!current.isActive) writeStderr('This process was not launched by Dagster: reports to it do nothing.\n')
  }
  return current
}
