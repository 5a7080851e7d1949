import type { JsonObject, JsonValue } from './json.ts'
import type { EpochMs } from './time.ts'

/**
 * What an answer means, decided per adapter over status, headers, content type and body, because providers lie by
 * status (a 200 that is an error page, a 404 that is an empty list, a 429 that means "switched off").
 */
export const RESPONSE_CLASSES = [
  'ok',
  'not_modified',
  'empty',
  'not_found',
  'rate_limited',
  'quota_exhausted',
  'auth',
  'source_down',
  'invalid_request',
  'transient',
  'malformed',
] as const
export type ResponseClass = (typeof RESPONSE_CLASSES)[number]

/** `until`: earliest moment at which asking again makes sense, as the provider told it (header or body). */
export type Classified = { readonly class: ResponseClass; readonly reason: string; readonly until?: EpochMs }

/** Validators of an earlier answer, kept in the ledger and sent as If-None-Match / If-Modified-Since. */
export type Validators = { readonly etag: string | null; readonly lastModified: string | null }

/** A request as an adapter describes it. It names no host and no secret: the pipeline adds both. */
export type RequestSpec = {
  readonly method: 'GET' | 'POST'
  /** Which of the source's base URLs; `base_url` unless the adapter names another option of its config. */
  readonly base?: string
  /** Relative to the base URL, already percent-encoded. */
  readonly path: string
  /** In the order they are to be sent; values are encoded by the pipeline (RFC 3986, spaces as %20). */
  readonly query?: readonly (readonly [string, string])[]
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: JsonValue
  readonly validators?: Validators | null
  /** What the call costs of quotas that count credits instead of requests (`unit: credit`); 1 unless said. May be 0. */
  readonly credits?: number
  /** `file`: the body is streamed to disk (no decoded-byte cap but the file cap), `bodyFile` is set in the view. */
  readonly expect?: 'body' | 'file'
  /** Short stable name of the endpoint for logs, metrics and the sandbox's log, e.g. `entities.batch`. */
  readonly label: string
}

/** An answer as adapters see it: complete, decoded, capped, and with our own credentials scrubbed out of text and headers. */
export type ResponseView = {
  readonly status: number
  /** Lower-case names; repeated headers joined by ", ". */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** Parsed body; `undefined` when it is no JSON (or deeper than the cap). Integers beyond 2^53 are kept as strings. */
  readonly json: JsonValue | undefined
  readonly receivedAt: EpochMs
  /** Path and facts of the downloaded file when the request asked for one and the answer was 2xx. */
  readonly file?: { readonly path: string; readonly bytes: number; readonly sha256: string; readonly complete: boolean }
}

export function objectBody(view: ResponseView): JsonObject | null {
  const body = view.json
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as JsonObject) : null
}
