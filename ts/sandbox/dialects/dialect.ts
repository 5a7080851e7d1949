/**
 * What the sandbox needs to know of a provider. The answers themselves are msw handlers, so that they also run without any
 * server.
 */
import type { RequestHandler } from 'msw'
import type { JsonValue } from '../../model/json.ts'
import type { EpochMs } from '../../model/time.ts'
import type { QuotaRule, QuotaStatus, Refusal } from '../quota.ts'
import type { World } from '../world/world.ts'

export type DialectDeps = {
  /** The world's time. */
  now(): EpochMs
}

/** What quotas say after an arrival. `credits`: what it cost or would have cost. */
export type MeterView = { readonly now: EpochMs; readonly credits: number; readonly quotas: readonly QuotaStatus[] }

export type Dialect = {
  /** First path segment on the sandbox: `http://127.0.0.1:<port>/<prefix>`. */
  readonly prefix: string
  /** Whose quota its requests count against: dialects with the same value share one meter. */
  readonly source: string
  /** The provider's published quotas, on one of the dialects that share a meter. */
  readonly quotas?: readonly QuotaRule[]
  /** Who is asking, as a name that gives no secret away. */
  credential(request: Request): string
  /** Provider keys that the request asks for; empty for lists and files. `path` is what follows the prefix, `body` its text. */
  keysAsked(path: string, query: URLSearchParams, body: string): readonly string[]
  /** What the request costs of quotas that count credits; 1 unless said. */
  credits?(path: string, query: URLSearchParams): number
  /** Where only the answer shows what the request cost: credits in all, instead of those it was counted with. */
  spent?(answer: JsonValue): number
  /** Headers in which the provider tells what is left, on every answer but those of faults. */
  quotaHeaders?(meter: MeterView): Readonly<Record<string, string>>
  /** The provider's own way to say "too many". `refused` counts refusals, from 1. */
  overQuota(refusal: Refusal, refused: number, meter: MeterView): Response
  /** The answer behind the fault `429-with-body`. */
  throttled(now: EpochMs, retryAfterSeconds: number): Response
  handlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[]
  /** What the provider says of a key at a moment, in its own shape; null when it does not have it. `view` picks among shapes. */
  truth(world: World, key: string, moment: EpochMs, view: string | null): JsonValue | null
  /** Every key that `truth` knows at the moment. */
  keys(world: World, moment: EpochMs): Iterable<string>
}

export function jsonResponse(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } })
}

export function textResponse(
  body: string,
  status: number,
  contentType: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(body, { status, headers: { 'content-type': contentType, ...headers } })
}

/** The provider has this, the sandbox has not: never a silent empty answer. */
export function unplanned(request: Request, what: string): Response {
  const { pathname } = new URL(request.url)
  return jsonResponse(
    {
      sandbox: 'not_implemented',
      method: request.method,
      path: pathname,
      message: `The sandbox does not serve ${what}. See docs/sandbox.md for what it does.`,
    },
    501,
  )
}
