/** Where the launcher tells how to talk to Dagster: two environment variables, or two command-line arguments. */
import { deflateSync, inflateSync } from 'node:zlib'
import {
  CONTEXT_ARGUMENT,
  CONTEXT_VARIABLE,
  DagsterPipesError,
  MESSAGES_ARGUMENT,
  MESSAGES_VARIABLE,
  type PipesParams,
} from './protocol.ts'

/** An inline context holds the extras too; more than this is no context. */
const MAX_PARAM_BYTES = 64 * 1024 * 1024

/** base64( zlib( JSON ) ), for a launcher and for tests. */
export function encodeParams(params: PipesParams): string {
  return deflateSync(JSON.stringify(params)).toString('base64')
}

export function decodeParams(text: string, name: string): PipesParams {
  let value: unknown
  try {
    value = JSON.parse(inflateSync(Buffer.from(text.trim(), 'base64'), { maxOutputLength: MAX_PARAM_BYTES }).toString('utf8'))
  } catch (cause) {
    throw new DagsterPipesError(`${name} is not what Dagster writes there (base64 of zlib of JSON)`, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DagsterPipesError(`${name} does not hold an object`)
  return value as PipesParams
}

export abstract class PipesParamsLoader {
  /** False: the process was not launched by Dagster. */
  abstract isDagsterPipesProcess(): boolean
  abstract loadContextParams(): PipesParams
  abstract loadMessagesParams(): PipesParams
}

/** From values under the names of the environment variables. */
export class PipesMappingParamsLoader extends PipesParamsLoader {
  readonly #read: (name: string) => string | undefined

  constructor(read: (name: string) => string | undefined) {
    super()
    this.#read = read
  }

  isDagsterPipesProcess(): boolean {
    return this.#read(CONTEXT_VARIABLE) !== undefined
  }

  loadContextParams(): PipesParams {
    return this.#load(CONTEXT_VARIABLE)
  }

  loadMessagesParams(): PipesParams {
    return this.#load(MESSAGES_VARIABLE)
  }

  #load(name: string): PipesParams {
    const value = this.#read(name)
    if (value === undefined)
      throw new DagsterPipesError(`${name} is not set; the launcher must pass both ${CONTEXT_VARIABLE} and ${MESSAGES_VARIABLE}`)
    return decodeParams(value, name)
  }
}

/** `--name value` and `--name=value`; the last one counts, as in Python's argparse. */
export function argumentValue(argv: readonly string[], name: string): string | undefined {
  let found: string | undefined
  for (const [index, word] of argv.entries()) {
    if (word === name) found = argv[index + 1]
    else if (word.startsWith(`${name}=`)) found = word.slice(name.length + 1)
  }
  return found
}

/** What is left of the arguments without the two of Pipes. */
export function withoutPipesArguments(argv: readonly string[]): readonly string[] {
  const ours = [CONTEXT_ARGUMENT, MESSAGES_ARGUMENT]
  return argv.filter(
    (word, index) => !ours.some((name) => word === name || word.startsWith(`${name}=`)) && !ours.includes(argv[index - 1] ?? ''),
  )
}

export class PipesCliArgsParamsLoader extends PipesMappingParamsLoader {
  constructor(argv: readonly string[]) {
    super((name) => argumentValue(argv, name === CONTEXT_VARIABLE ? CONTEXT_ARGUMENT : MESSAGES_ARGUMENT))
  }
}

/** Both ways; the environment outranks the arguments. */
export function defaultParamsLoader(
  environment: (name: string) => string | undefined,
  argv: readonly string[],
): PipesParamsLoader {
  const fromEnvironment = new PipesMappingParamsLoader(environment)
  return fromEnvironment.isDagsterPipesProcess() ? fromEnvironment : new PipesCliArgsParamsLoader(argv)
}
