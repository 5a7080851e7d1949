/**
 * What the modes report to: Dagster when it launched the process, else the terminal: one JSON object a line on stdout, logs on
 * stderr. So the same entry serves a sensor that has no step to report to, and a person.
 */

import { EngineError, messageOf } from '../model/errors.ts'
import { resolveAssetKey } from './asset-key.ts'
import type { PipesContext } from './context.ts'
import { encodeJson } from './encode.ts'
import { normalizeMetadata, type PipesMetadata } from './metadata.ts'
import type { PipesCheckSeverity, PipesLogLevel } from './protocol.ts'

export type Reporter = {
  /** Null outside Dagster. */
  readonly assetKeys: readonly string[] | null
  /** Refuses, before any work, a request whose asset (null: the only one) could not be reported at the end. */
  assertReportable(assetKey: string | null): void
  log(level: PipesLogLevel, message: string): void
  tell(message: { readonly kind: string } & Readonly<Record<string, unknown>>): void
  materialize(metadata: PipesMetadata, assetKey: string | null): void
  check(check: {
    readonly name: string
    readonly passed: boolean
    readonly severity: PipesCheckSeverity
    readonly metadata: PipesMetadata
    readonly assetKey: string | null
  }): void
}

export function dagsterReporter(context: PipesContext): Reporter {
  const assetKeys = context.isAssetStep ? context.assetKeys : null
  return {
    assetKeys,
    assertReportable(assetKey) {
      try {
        resolveAssetKey(assetKeys, assetKey, 'the run')
      } catch (error) {
        throw new EngineError('configuration', 'pipes_request', messageOf(error), {
          hint: 'pass the extra "asset_key"',
          cause: error,
        })
      }
    },
    log: (level, message) => context.log(message, level),
    tell: (message) => context.reportCustomMessage(message),
    materialize: (metadata, assetKey) => context.reportAssetMaterialization(metadata, null, assetKey),
    check: ({ name, passed, severity, metadata, assetKey }) =>
      context.reportAssetCheck(name, passed, severity, metadata, assetKey),
  }
}

/** `write` gets whole lines. Log messages go nowhere here: the engine's own go to stderr already. */
export function terminalReporter(write: (line: string) => void, scrub: (text: string) => string): Reporter {
  const line = (value: unknown): void => write(`${encodeJson(value, scrub)}\n`)
  return {
    assetKeys: null,
    assertReportable() {},
    log() {},
    tell: line,
    materialize: (metadata, assetKey) =>
      line({ kind: 'materialization', asset_key: assetKey, metadata: normalizeMetadata(metadata) }),
    check: ({ name, passed, severity, metadata, assetKey }) =>
      line({ kind: 'check', asset_key: assetKey, name, passed, severity, metadata: normalizeMetadata(metadata) }),
  }
}
