import { expect, test } from 'vitest'
import { createRequestBuilder, MAIN_BASE } from '../../../ts/http/request.ts'
import type { BaseUrl } from '../../../ts/http/url.ts'
import type { RequestSpec } from '../../../ts/model/response.ts'
import { Secret } from '../../../ts/runtime/secrets.ts'

const credential = {
  spec: { name: 'k', placement: { in: 'header', name: 'x-api-key' }, required: true },
  secret: new Secret('K', 'abcdef'),
  isPublic: false,
} as const
const bases = new Map<string, BaseUrl>([
  [MAIN_BASE, { origin: 'https://api.example.org', prefix: '/v1', isLoopback: false }],
  ['files', { origin: 'https://files.example.org', prefix: '', isLoopback: false }],
  ['same', { origin: 'https://api.example.org', prefix: '/bulk', isLoopback: false }],
])
const build = createRequestBuilder({ source: 's', bases, userAgent: 'agent/1 (me@example.org)', credentials: [credential] })
const spec: RequestSpec = { method: 'GET', path: '/x', label: 'x' }

function built(changes: Partial<RequestSpec> = {}) {
  const wire = build({ ...spec, ...changes })
  if ('refused' in wire) throw new Error(wire.refused)
  const headers: Record<string, string> = {}
  for (let i = 0; i < wire.headers.length; i += 2) headers[wire.headers[i]!] = wire.headers[i + 1]!
  return { ...wire, headers }
}

test('what every request carries', () => {
  expect(built()).toMatchObject({
    origin: 'https://api.example.org',
    target: '/v1/x',
    body: null,
    download: null,
    headers: {
      'user-agent': 'agent/1 (me@example.org)',
      accept: 'application/json, */*;q=0.8',
      'accept-encoding': 'gzip, deflate, br, zstd',
    },
  })
})

test('an adapter may say what it accepts', () => {
  expect(built({ headers: { Accept: '*/*' } }).headers).toMatchObject({ accept: '*/*' })
})

test('JSON bodies and conditional headers', () => {
  expect(built({ method: 'POST', json: { a: 1 } })).toMatchObject({
    body: '{"a":1}',
    headers: { 'content-type': 'application/json' },
  })
  expect(built({ validators: { etag: 'W/"1"', lastModified: 'Sat, 01 Aug 2026 00:00:00 GMT' } }).headers).toMatchObject({
    'if-none-match': 'W/"1"',
    'if-modified-since': 'Sat, 01 Aug 2026 00:00:00 GMT',
  })
  expect(built({ validators: { etag: null, lastModified: null } }).headers).not.toHaveProperty('if-none-match')
  expect(built({ validators: { etag: 'a\r\nx: y', lastModified: null } }).headers).not.toHaveProperty('if-none-match')
})

test('the credential goes to the origin of the API only', () => {
  expect(built().credentials).toEqual([credential])
  expect(built({ base: 'same' }).credentials).toEqual([credential])
  expect(built({ base: 'files' })).toMatchObject({ origin: 'https://files.example.org', credentials: [] })
})

test('downloads are named after source and label', () => {
  expect(built({ expect: 'file', label: 'bulk/../file name' }).download).toBe('s-bulk_file_name')
})

test.each<[Partial<RequestSpec>, RegExp]>([
  [{ base: 'nowhere' }, /no base URL "nowhere" .* enrichment\.s\.other_urls/],
  [{ headers: { Host: 'evil.example' } }, /"host"/],
  [{ headers: { Authorization: 'Bearer x' } }, /"authorization"/],
  [{ headers: { 'Content-Length': '1' } }, /"content-length"/],
  [{ headers: { 'x y': '1' } }, /no header may hold/],
  [{ headers: { x: 'a\r\nb: c' } }, /no header may hold/],
  [{ headers: { x: 'ünïcödé ✓' } }, /no header may hold/],
  [{ path: '/../x' }, /dot segments/],
])('%j is refused', (changes, why) => {
  const wire = build({ ...spec, ...changes })
  expect('refused' in wire && wire.refused).toMatch(why)
})

test('a user agent that is no header value is a configuration error', () => {
  expect(() => createRequestBuilder({ source: 's', bases, userAgent: 'a\nb', credentials: [] })).toThrow(/user agent of s/)
})
