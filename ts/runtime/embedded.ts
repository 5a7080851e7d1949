/**
 * Providers that answer inside this process: data that ships with the program, the resolver of the system. A base URL
 * `embedded:<name>` names one; requests to it pass through the same deadline, classification and ledger as any other, and through the
 * source's quota and breaker where it is the source's `base_url` (beside a provider it is neither counted nor blamed for that one).
 * Handlers are given at wiring (`EngineOptions.embedded`).
 */
import type { JsonValue } from '../model/json.ts'

export type EmbeddedRequest = {
  readonly method: 'GET' | 'POST'
  /** As the adapter wrote it, percent-encoded. */
  readonly path: string
  readonly query: URLSearchParams
  /** Body of a POST; null when there is none. */
  readonly json: JsonValue | null
  /** Aborted at the deadline and when the run stops. */
  readonly signal: AbortSignal
}
export type EmbeddedAnswer = {
  readonly status: number
  readonly json: JsonValue
  readonly headers?: Readonly<Record<string, string>>
}

/** A rejection counts as a broken connection: transient, tried again. Say what is wrong by status instead where it is known. */
export type EmbeddedHandler = (request: EmbeddedRequest) => Promise<EmbeddedAnswer>
export type EmbeddedProviders = Readonly<Record<string, EmbeddedHandler>>

const EMBEDDED = /^embedded:([a-z][a-z0-9-]{0,39})$/

/** `embedded:ip-data` -> `ip-data`; null for every other base URL. */
export function embeddedName(baseUrl: string): string | null {
  return EMBEDDED.exec(baseUrl)?.[1] ?? null
}
