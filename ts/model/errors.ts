/**
 * Errors grouped by what to do next. Everything the engine throws on purpose is one of these; anything else is a bug
 * and is reported as one.
 *
 * - `usage`: the command line is off; exit 2.
 * - `configuration`: config, credentials or a state file must be put right by a person; exit 78.
 * - `try_later`: nothing is wrong here; the same command works later (budget spent, lease held); exit 75.
 * - `interrupted`: a signal arrived; state is saved; exit 130.
 * - `failed`: the work failed and a retry by hand or schedule may help; exit 1.
 */
export const RECOVERIES = ['usage', 'configuration', 'try_later', 'interrupted', 'failed'] as const
export type Recovery = (typeof RECOVERIES)[number]

export const EXIT_CODES: Readonly<Record<Recovery, number>> = {
  usage: 2,
  configuration: 78,
  try_later: 75,
  interrupted: 130,
  failed: 1,
}

export class EngineError extends Error {
  readonly recovery: Recovery
  /** Stable name for programs, e.g. `lease_held`. */
  readonly code: string
  /** What to do next, in one sentence. */
  readonly hint: string | undefined

  constructor(recovery: Recovery, code: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'EngineError'
    this.recovery = recovery
    this.code = code
    this.hint = options.hint
  }
}

export function isEngineError(error: unknown, code?: string): error is EngineError {
  return error instanceof EngineError && (code === undefined || error.code === code)
}

/** The message of anything thrown, once. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
