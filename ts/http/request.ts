/** From an adapter's description of a request to what goes over the wire: base, path, headers, credentials. */
import { EngineError } from '../model/errors.ts'
import type { RequestSpec, Validators } from '../model/response.ts'
import type { PlacedCredential } from './credentials.ts'
import { ACCEPT_ENCODING } from './decode.ts'
import type { WireRequest } from './transport.ts'
import { type BaseUrl, buildTarget } from './url.ts'

/** These are ours to decide: where it goes, how it is framed, and as whom. */
const RESERVED = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'authorization',
  'cookie',
  'user-agent',
  'accept-encoding',
])
const DEFAULT_ACCEPT = 'application/json, */*;q=0.8'

export type RequestBuilder = (spec: RequestSpec) => WireRequest | { readonly refused: string }

export type RequestBuilderOptions = {
  readonly source: string
  readonly bases: ReadonlyMap<string, BaseUrl>
  readonly userAgent: string
  readonly credentials: readonly PlacedCredential[]
}

/** The `base` of specs that name none. */
export const MAIN_BASE = 'base_url'

/**
 * What RFC 9110 allows in a header. undici checks it too, but a pool that refused one counts its connection as busy for
 * ever (8.12), so nothing that it would refuse may reach it.
 */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Validators came from a provider; one that cannot be a header is left out, which costs a full answer. */
function pushValidators(headers: string[], validators: Validators | null | undefined): void {
  if (validators === null || validators === undefined) return
  const { etag, lastModified } = validators
  if (etag !== null && HEADER_VALUE.test(etag)) headers.push('if-none-match', etag)
  if (lastModified !== null && HEADER_VALUE.test(lastModified)) headers.push('if-modified-since', lastModified)
}

/** Credentials go to the origin of `base_url` only: a host of files has no business with the key of an API. */
export function createRequestBuilder({ source, bases, userAgent, credentials }: RequestBuilderOptions): RequestBuilder {
  if (!HEADER_VALUE.test(userAgent)) {
    throw new EngineError(
      'configuration',
      'bad_user_agent',
      `The user agent of ${source} holds characters that no header may hold.`,
    )
  }
  const common: readonly string[] = ['user-agent', userAgent, 'accept-encoding', ACCEPT_ENCODING]
  const keyOrigin = bases.get(MAIN_BASE)?.origin
  return (spec) => {
    const base = bases.get(spec.base ?? MAIN_BASE)
    if (base === undefined) return { refused: `no base URL "${spec.base}" is configured under enrichment.${source}.other_urls` }
    const built = buildTarget(base, spec.path, spec.query)
    if ('refused' in built) return built
    const headers = common.slice()
    let accepts = false
    for (const name in spec.headers) {
      const lower = name.toLowerCase()
      if (RESERVED.has(lower)) return { refused: `the header "${lower}" is not an adapter's to set` }
      const value = spec.headers[name]!
      if (!HEADER_NAME.test(lower) || !HEADER_VALUE.test(value))
        return { refused: 'a header holds characters that no header may hold' }
      accepts ||= lower === 'accept'
      headers.push(lower, value)
    }
    if (!accepts) headers.push('accept', DEFAULT_ACCEPT)
    if (spec.json !== undefined) headers.push('content-type', 'application/json')
    pushValidators(headers, spec.validators)
    return {
      origin: base.origin,
      target: built.target,
      method: spec.method,
      headers,
      body: spec.json === undefined ? null : JSON.stringify(spec.json),
      credentials: base.origin === keyOrigin ? credentials : [],
      download: spec.expect === 'file' ? `${source}-${spec.label.replace(/[^A-Za-z0-9_-]+/g, '_')}` : null,
    }
  }
}
