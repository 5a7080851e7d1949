/** One JSON document whose list is printed as it comes, one element a line, so that a long list is never held in memory. */
import { EngineError } from '../model/errors.ts'
import type { CliContext } from './context.ts'
import { errorDocument, exitCodeOf } from './errors.ts'

/** Thrown after the error became part of a document that had already begun; nothing more may be printed on stdout. */
export class ReportedError extends Error {
  readonly exitCode: number
  constructor(cause: unknown) {
    super('already reported', { cause })
    this.name = 'ReportedError'
    this.exitCode = exitCodeOf(cause)
  }
}

/**
 * Prints `{"<name>": [...], ...rest()}`. Stops quietly when the reader is gone. An error midway closes the document with
 * an `error` member, so that what was printed stays valid JSON.
 */
export async function showStream<T>(
  { out, world }: Pick<CliContext, 'out' | 'world'>,
  name: string,
  items: AsyncIterable<T>,
  toDocument: (item: T) => unknown,
  rest: () => Readonly<Record<string, unknown>>,
  { live }: { readonly live: boolean } = { live: false },
): Promise<void> {
  let first = true
  await out.write(`{\n${JSON.stringify(name)}: [`)
  try {
    for await (const item of items) {
      if (out.closed) return
      await out.write(world.scrubber.scrub(`${first ? '\n' : ',\n'}${JSON.stringify(toDocument(item))}`))
      first = false
      // Whoever follows wants each element when it happens.
      if (live) await out.flush()
    }
  } catch (error) {
    const isOutput = error instanceof EngineError && error.code === 'output_failed'
    if (!isOutput) await close({ ...rest(), ...errorDocument(error) })
    throw new ReportedError(error)
  }
  await close(rest())

  async function close(members: Readonly<Record<string, unknown>>): Promise<void> {
    const lines = Object.entries(members).map(([key, value]) => `,\n${JSON.stringify(key)}: ${JSON.stringify(value)}`)
    await out.write(world.scrubber.scrub(`\n]${lines.join('')}\n}\n`))
    await out.flush()
  }
}
