/** Everything thrown, as an exit code and as what a person or a program is told. Pure. */
import { ConfigError } from '../config/problems.ts'
import { EngineError, EXIT_CODES, messageOf } from '../model/errors.ts'
import { plainLines } from './format.ts'
import type { ErrorDocument } from './json-shapes.ts'

export function exitCodeOf(error: unknown): number {
  return error instanceof EngineError ? EXIT_CODES[error.recovery] : 1
}

/** `error: … / next: …`; a bug shows where it happened and says that it is one. */
export function errorText(error: unknown): string {
  if (error instanceof EngineError) {
    const next = error.hint === undefined ? '' : `next: ${plainLines(error.hint)}\n`
    return `error: ${plainLines(error.message)}\n${next}`
  }
  const stack = error instanceof Error ? stackWithCauses(error) : String(error)
  return `error: ${plainLines(stack)}\nnext: this is a bug in the program, not in what you did. State is safe: every step is one transaction. Please report it with the lines above and the command.\n`
}

export function errorDocument(error: unknown): ErrorDocument {
  const isExpected = error instanceof EngineError
  return {
    error: {
      code: isExpected ? error.code : 'bug',
      recovery: isExpected ? error.recovery : 'failed',
      exit_code: exitCodeOf(error),
      message: messageOf(error),
      next: isExpected ? (error.hint ?? null) : 'report this bug with the stack on stderr and the command',
      problems: error instanceof ConfigError ? [...error.problems] : [],
    },
  }
}

function stackWithCauses(error: Error): string {
  const own = error.stack ?? error.message
  return error.cause instanceof Error ? `${own}\ncaused by: ${stackWithCauses(error.cause)}` : own
}
