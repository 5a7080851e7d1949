/** The words of Dagster's Pipes protocol 0.1, as the two sides write them. Names on the wire are Dagster's. */

export const PROTOCOL_VERSION = '0.1'
export const VERSION_KEY = '__dagster_pipes_version'

export const CONTEXT_VARIABLE = 'DAGSTER_PIPES_CONTEXT'
export const MESSAGES_VARIABLE = 'DAGSTER_PIPES_MESSAGES'
export const CONTEXT_ARGUMENT = '--dagster-pipes-context'
export const MESSAGES_ARGUMENT = '--dagster-pipes-messages'

export type PipesMethod =
  | 'opened'
  | 'closed'
  | 'log'
  | 'report_asset_materialization'
  | 'report_asset_check'
  | 'report_custom_message'
  | 'log_external_stream'

/** `params` holds every key that Dagster's handler names, and no other: it passes them on by name. */
export type PipesMessage = {
  readonly [VERSION_KEY]: string
  readonly method: PipesMethod
  readonly params: Readonly<Record<string, unknown>>
}

export function makeMessage(method: PipesMethod, params: Readonly<Record<string, unknown>>): PipesMessage {
  return { [VERSION_KEY]: PROTOCOL_VERSION, method, params }
}

/** All five keys, always: one that is missing ends Dagster's reader. */
export type PipesException = {
  readonly message: string
  readonly stack: readonly string[]
  readonly name: string | null
  /** What led to this error. */
  readonly cause: PipesException | null
  /** Another error that it came up beside. */
  readonly context: PipesException | null
}

export const PIPES_LOG_LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'] as const
/** The levels that Python knows. Any other would end Dagster's reader. */
export type PipesLogLevel = (typeof PIPES_LOG_LEVELS)[number]

export const CHECK_SEVERITIES = ['WARN', 'ERROR'] as const
export type PipesCheckSeverity = (typeof CHECK_SEVERITIES)[number]

export type PipesPartitionKeyRange = { readonly start: string; readonly end: string }
/** ISO 8601 instants. */
export type PipesTimeWindow = { readonly start: string; readonly end: string }
export type PipesDataProvenance = {
  readonly code_version: string
  readonly input_data_versions: Readonly<Record<string, string>>
  readonly is_user_provided: boolean
}

/** What Dagster tells the process about the step it runs for. Null: not applicable. */
export type PipesContextData = {
  readonly asset_keys: readonly string[] | null
  readonly code_version_by_asset_key: Readonly<Record<string, string | null>> | null
  readonly provenance_by_asset_key: Readonly<Record<string, PipesDataProvenance | null>> | null
  readonly partition_key: string | null
  readonly partition_key_range: PipesPartitionKeyRange | null
  readonly partition_time_window: PipesTimeWindow | null
  readonly run_id: string
  readonly job_name: string | null
  readonly retry_number: number
  readonly extras: Readonly<Record<string, unknown>>
}

/** Parameters of a context loader or message writer: where to read or write. */
export type PipesParams = Readonly<Record<string, unknown>>

/** A call that would break the protocol, or a channel that does not work. */
export class DagsterPipesError extends Error {
  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'DagsterPipesError'
  }
}
