/**
 * Where requests go. Base URLs come from the operator's configuration and are checked when the client is made; paths and
 * queries come from adapters, which build them out of providers' and users' data, and can never lead to another origin:
 * the connection is opened to the base's origin and a path is only ever a path.
 */
import { BlockList, isIP, isIPv4 } from 'node:net'
import { EngineError } from '../model/errors.ts'
import { embeddedName } from '../runtime/embedded.ts'

export type BaseUrl = {
  /** `https://api.sam.gov`, no trailing slash. */
  readonly origin: string
  /** `` or `/prefix`, no trailing slash. */
  readonly prefix: string
  readonly isLoopback: boolean
}

/** Addresses that no public provider has: IANA's special-purpose registries. */
const NOT_PUBLIC = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits)
}

/** Of IPv6 only global unicast is public, and of that not what wraps an IPv4 address or serves documentation. */
const GLOBAL_UNICAST = new BlockList()
GLOBAL_UNICAST.addSubnet('2000::', 3, 'ipv6')
for (const [network, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, 'ipv6')
}

function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !NOT_PUBLIC.check(address)
  return GLOBAL_UNICAST.check(address, 'ipv6') && !NOT_PUBLIC.check(address, 'ipv6')
}

function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

/** Why a base URL is refused, or what it is. Never repeats the input: it may hold a password. */
export function parseBaseUrl(text: string): BaseUrl | { readonly refused: string } {
  // Never leaves this process, so it is as trusted as loopback.
  if (embeddedName(text) !== null) return { origin: text, prefix: '', isLoopback: true }
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return { refused: 'is no URL' }
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return { refused: 'is neither https nor http' }
  if (url.username !== '' || url.password !== '' || /^[a-z]+:\/*[^/?#\\]*@/i.test(text)) {
    return { refused: 'holds a user name or password; credentials belong in environment variables' }
  }
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(text)) return { refused: 'has a query or fragment' }
  // The parser understands 2130706433, 0x7f.1 and full-width digits as addresses, and drops tabs; a person reads otherwise.
  const written = /^https?:\/\/([^/\\]+)/i.exec(text)?.[1]?.toLowerCase() ?? ''
  if (written !== url.host && written !== `${url.hostname}:${url.protocol === 'https:' ? 443 : 80}`) {
    return { refused: 'spells its host in an unusual way; write it plainly, in lower case and without encoding' }
  }
  const prefix = url.pathname.replace(/\/+$/, '')
  const writtenPath = text.slice(text.indexOf('//') + 2 + written.length).replace(/\/+$/, '')
  if (prefix !== writtenPath || /%|\/\//.test(prefix))
    return { refused: 'has a path with dot segments, empty segments or encoding' }
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const loopback = isLoopbackHost(host)
  if (!loopback) {
    if (isIP(host) !== 0 && !isPublicAddress(host)) return { refused: 'is a private or reserved address' }
    if (host.endsWith('.') || host === '' || /(?:^|\.)localhost$/.test(host))
      return { refused: 'has a host that is not a public name' }
    if (url.protocol !== 'https:') return { refused: 'must be https (http is for loopback only)' }
  }
  return { origin: url.origin, prefix, isLoopback: loopback }
}

/** As `parseBaseUrl`, for configuration: throws an `EngineError` that names the key. */
export function requireBaseUrl(text: string, configKey: string): BaseUrl {
  const base = parseBaseUrl(text)
  if (!('refused' in base)) return base
  throw new EngineError('configuration', 'bad_base_url', `${configKey} ${base.refused}.`, {
    hint: `Set ${configKey} to the provider's https address, e.g. https://api.example.gov.`,
  })
}

/** Segments of unreserved characters, sub-delimiters, `:`, `@` and proper escapes: RFC 3986 `path-absolute`. */
const PATH = /^\/(?!\/)(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/
/** `.` and `..`, in plain or encoded, and encoded separators and NUL: servers and proxies resolve them as they like. */
const TRICKS = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)|%2f|%5c|%00/i

/** RFC 3986: everything but unreserved characters is escaped. Throws URIError for half a surrogate pair. */
function encodeQuery(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/**
 * The request target on the base's origin: prefix, path and query. Refused when the path is not a plain, fully escaped
 * absolute path, which only an adapter's mistake or hostile data inside a path can bring about.
 */
export function buildTarget(
  base: BaseUrl,
  path: string,
  query: readonly (readonly [string, string])[] = [],
): { readonly target: string } | { readonly refused: string } {
  if (!PATH.test(path)) return { refused: 'the path is not an escaped absolute path' }
  if ((path.includes('.') || path.includes('%')) && TRICKS.test(path))
    return { refused: 'the path holds dot segments or encoded separators' }
  let target = base.prefix + path
  try {
    for (let index = 0; index < query.length; index++) {
      const [name, value] = query[index]!
      target += `${index === 0 ? '?' : '&'}${encodeQuery(name)}=${encodeQuery(value)}`
    }
  } catch {
    return { refused: 'a query value is not well-formed text' }
  }
  return { target }
}
