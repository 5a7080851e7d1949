import { expect, test } from 'vitest'
import { classifyFailure, codeOf, FAILURES, failureOf } from '../../../ts/http/failure.ts'

test.each([
  ['ENOTFOUND', false, 'dns'],
  ['EAI_AGAIN', false, 'dns'],
  ['ECONNREFUSED', false, 'connect'],
  ['UND_ERR_CONNECT_TIMEOUT', false, 'connect'],
  ['ECONNRESET', false, 'connect'],
  ['ECONNRESET', true, 'reset'],
  ['UND_ERR_SOCKET', true, 'reset'],
  ['EPIPE', true, 'reset'],
  ['CERT_HAS_EXPIRED', false, 'tls'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', false, 'tls'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', false, 'tls'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', false, 'tls'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', true, 'incomplete'],
  ['UND_ERR_HEADERS_OVERFLOW', true, 'bad_response'],
  ['HPE_INVALID_CONSTANT', true, 'bad_response'],
  ['UND_ERR_INVALID_ARG', false, 'bad_request'],
  ['UND_ERR_DESTROYED', true, 'aborted'],
  ['SOMETHING_NEW', true, 'reset'],
])('%s (sent: %s) is %s', (code, sent, expected) => expect(failureOf(code, sent)).toBe(expected))

test('only codes are taken from errors, never messages', () => {
  expect(codeOf(Object.assign(new Error('getaddrinfo with-secret'), { code: 'ENOTFOUND' }))).toBe('ENOTFOUND')
  expect(codeOf(new TypeError('Invalid URL: https://user:pw@host'))).toBe('TypeError')
  expect(codeOf('https://user:pw@host')).toBe('unknown')
})

test('a host that is known to be gone is down for good, as long as that is what is wrong', () => {
  const gone = 'switched off on 2026-03-20; use uspto_odp'
  expect(classifyFailure('dns', 'ENOTFOUND', gone)).toEqual({ class: 'source_down', reason: gone })
  expect(classifyFailure('dns', 'EAI_AGAIN', gone).class).toBe('transient')
  expect(classifyFailure('connect', 'ECONNREFUSED', gone).class).toBe('transient')
  expect(classifyFailure('dns', 'ENOTFOUND').class).toBe('transient')
})

test('every failure has a class and words', () => {
  const classes = Object.fromEntries(FAILURES.map((failure) => [failure, classifyFailure(failure, 'X').class]))
  expect(classes).toEqual({
    dns: 'transient',
    connect: 'transient',
    tls: 'transient',
    reset: 'transient',
    timeout: 'transient',
    aborted: 'transient',
    incomplete: 'transient',
    too_large: 'malformed',
    bad_encoding: 'malformed',
    bad_response: 'malformed',
    bad_request: 'invalid_request',
    disk: 'transient',
  })
  for (const failure of FAILURES) expect(classifyFailure(failure, 'CODE').reason).toMatch(/\w+ .*\(CODE\)$|^stopped \(CODE\)$/)
})
