/** What the modes have in common. */

import type { Config } from '../config/schema.ts'
import { didYouMean } from '../config/suggest.ts'
import { EngineError } from '../model/errors.ts'
import type { SourceId } from '../model/keys.ts'
import { sourceNames } from '../source-names.ts'
import type { Engine } from '../wiring.ts'
import type { Reporter } from './reporter.ts'
import type { RunRequest } from './run-request.ts'

export type ModeWorld = {
  readonly request: RunRequest
  readonly config: Config
  readonly reporter: Reporter
  readonly signal: AbortSignal
  /** Milliseconds that never step back. */
  readonly monotonicMs: () => number
  /** Opened at the first call; closed by the caller when the mode has ended. */
  engine(options: { readonly readOnly: boolean }): Promise<Engine>
}

/** Why a mode that ended did not succeed, for the exception that closes the connection. */
export type ModeResult = {
  readonly exitCode: number
  readonly why: string | null
  /** When trying again makes sense, for exit code 75. */
  readonly retryAfterS: number | null
  /** Goes into the last message. */
  readonly facts: Readonly<Record<string, unknown>>
}

export function succeeded(facts: Readonly<Record<string, unknown>> = {}): ModeResult {
  return { exitCode: 0, why: null, retryAfterS: null, facts }
}

/** The sources named, or all; unknown ones are refused. A refusal is `configuration`: the same request never works. */
export function knownSources(named: readonly SourceId[], config: Config): readonly SourceId[] {
  const known = sourceNames(config)
  const unknown = named.find((source) => !known.includes(source))
  if (unknown !== undefined) {
    throw new EngineError('configuration', 'unknown_source', `there is no source "${unknown}"${didYouMean(unknown, known)}`, {
      hint: known.length === 0 ? 'register one under enrichment in config/base.yaml' : `use one of: ${known.join(', ')}`,
    })
  }
  return named.length === 0 ? known : named
}
