/** What can go wrong between sending a request and having its whole answer, and what class that is. */
import type { Classified } from '../model/response.ts'

export const FAILURES = [
  'dns',
  'connect',
  'tls',
  'reset',
  'timeout',
  'aborted',
  'incomplete',
  'too_large',
  'bad_encoding',
  'bad_response',
  'bad_request',
  'disk',
] as const
export type Failure = (typeof FAILURES)[number]

const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
])
const TLS = /^(?:ERR_TLS|ERR_SSL|EPROTO|CERT_|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/

/** The code of an error of undici, Node or OpenSSL; messages are not used, they may quote what was sent. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown'
}

/** `sent`: a connection was there and the request was written to it. */
export function failureOf(code: string, sent: boolean): Failure {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'EAI_FAIL') return 'dns'
  if (code === 'UND_ERR_INVALID_ARG') return 'bad_request'
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') return 'aborted'
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return 'incomplete'
  if (code === 'UND_ERR_HEADERS_OVERFLOW' || code === 'HTTPParserError' || code.startsWith('HPE_')) return 'bad_response'
  if (TLS.test(code)) return 'tls'
  if (!sent && (NOT_CONNECTED.has(code) || code === 'ECONNRESET' || code === 'UND_ERR_SOCKET')) return 'connect'
  return 'reset'
}

const WORDS: Readonly<Record<Failure, string>> = {
  dns: 'the host name could not be resolved',
  connect: 'no connection',
  tls: 'no TLS connection',
  reset: 'the connection broke before the answer was complete',
  timeout: 'no complete answer before the deadline',
  aborted: 'stopped',
  incomplete: 'the answer ended before its announced length',
  too_large: 'the answer is larger than allowed',
  bad_encoding: 'the answer cannot be decoded',
  bad_response: 'the answer is not valid HTTP',
  bad_request: 'the request cannot be sent as it is',
  disk: 'the answer could not be written to disk',
}

/**
 * Damaged and oversized answers will be the same next time; all else may pass. `detail` is a code or a size, never content.
 * `hostGone`: the provider is known to be gone for good, so a host name that does not exist is no passing trouble.
 */
export function classifyFailure(failure: Failure, detail: string, hostGone?: string): Classified {
  if (hostGone !== undefined && failure === 'dns' && detail === 'ENOTFOUND') return { class: 'source_down', reason: hostGone }
  const reason = detail === '' ? WORDS[failure] : `${WORDS[failure]} (${detail})`
  if (failure === 'bad_request') return { class: 'invalid_request', reason }
  if (failure === 'too_large' || failure === 'bad_encoding' || failure === 'bad_response') return { class: 'malformed', reason }
  return { class: 'transient', reason }
}
