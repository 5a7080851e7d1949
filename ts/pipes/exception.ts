/** Anything thrown, in the five keys of a Pipes exception. */
import type { PipesException } from './protocol.ts'

/** Causes of causes, and errors beside errors. */
const MAX_CHAIN = 16

function framesOf(error: Error): readonly string[] {
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  // Dagster joins them without anything between.
  return frames.map((frame) => `${frame}\n`)
}

function contextOf(error: Error): unknown {
  if (error instanceof AggregateError) return error.errors[0]
  return (error as { suppressed?: unknown }).suppressed
}

/** What is not an error is told as text, without a name. Chains that return to themselves end there. */
export function toPipesException(thrown: unknown, seen: readonly unknown[] = []): PipesException {
  if (!(thrown instanceof Error)) {
    return { message: typeof thrown === 'string' ? thrown : describe(thrown), stack: [], name: null, cause: null, context: null }
  }
  const chain = [...seen, thrown]
  const next = (other: unknown): PipesException | null =>
    other === undefined || other === null || chain.includes(other) || chain.length >= MAX_CHAIN
      ? null
      : toPipesException(other, chain)
  return {
    message: thrown.message,
    stack: framesOf(thrown),
    name: thrown.name || 'Error',
    cause: next(thrown.cause),
    context: next(contextOf(thrown)),
  }
}

function describe(thrown: unknown): string {
  try {
    return JSON.stringify(thrown) ?? String(thrown)
  } catch {
    return Object.prototype.toString.call(thrown)
  }
}
