import { describe, expect, test } from 'vitest'
import { type BaseUrl, buildTarget, parseBaseUrl, requireBaseUrl } from '../../../ts/http/url.ts'
import { isEngineError } from '../../../ts/model/errors.ts'

const REFUSED_BASES: readonly string[] = [
  // not a URL, or not HTTP
  '',
  'api.sam.gov',
  '//api.sam.gov',
  'ftp://api.sam.gov',
  'file:///etc/passwd',
  'javascript:alert(1)',
  'data:text/plain,x',
  'gopher://x',
  'ws://api.sam.gov',
  'http://',
  'https://',
  // user info
  'https://user@api.sam.gov',
  'https://user:pass@api.sam.gov',
  'https://api.sam.gov@evil.example',
  'https://api.sam.gov%40evil.example',
  'https://:@api.sam.gov',
  'https://@api.sam.gov',
  // http beyond loopback
  'http://api.sam.gov',
  'http://8.8.8.8',
  'http://localhost.evil.example',
  'http://127.0.0.1.nip.io',
  // private and reserved addresses
  'https://10.0.0.1',
  'https://172.16.0.1',
  'https://172.31.255.255',
  'https://192.168.1.1',
  'https://169.254.169.254',
  'https://100.64.0.1',
  'https://0.0.0.0',
  'https://192.0.0.1',
  'https://192.0.2.1',
  'https://198.18.0.1',
  'https://198.51.100.7',
  'https://203.0.113.7',
  'https://224.0.0.1',
  'https://240.0.0.1',
  'https://255.255.255.255',
  'http://169.254.169.254/latest/meta-data',
  // addresses in disguise
  'https://2130706433',
  'http://2130706433',
  'https://0x7f000001',
  'https://0x7f.1',
  'https://0177.0.0.1',
  'https://127.1',
  'https://1.1',
  'https://10.1',
  'https://３.3.3.3',
  'https://①②⑦.0.0.1',
  'https://127。0。0。1',
  'https://169.254.43518',
  'https://0xa9fea9fe',
  'https://[::ffff:169.254.169.254]',
  'https://[::ffff:7f00:1]',
  'https://[0:0:0:0:0:ffff:127.0.0.1]',
  'https://[::]',
  'https://[fc00::1]',
  'https://[fd12:3456::1]',
  'https://[fe80::1]',
  'https://[64:ff9b::7f00:1]',
  'https://[2002:7f00:1::]',
  'https://[2001:db8::1]',
  'https://[ff02::1]',
  'https://[::127.0.0.1]',
  'https://[0000::0001]',
  // names that are not public
  'https://localhost.',
  'https://a.localhost',
  'https://127.0.0.1.',
  'https://api.sam.gov.',
  // hidden in the spelling
  'https://api.sam.gov\\@evil.example',
  'https://api.s\tam.gov',
  'https://api.sam.gov#@evil.example',
  'https://api.sam.gov?x=1',
  'https:api.sam.gov',
  'https:///api.sam.gov',
  'https://аpi.sam.gov',
  'https://api%2esam.gov',
  'https://api.sam.gov:0443',
  // paths that are not what they look like
  'https://api.sam.gov/a/../b',
  'https://api.sam.gov/./a',
  'https://api.sam.gov/%2e%2e/a',
  'https://api.sam.gov//a',
  'https://api.sam.gov/a//b',
  'https://api.sam.gov/a b',
  'https://api.sam.gov/a\\b',
]

describe('base URLs', () => {
  test('the table is long enough to mean something', () => expect(REFUSED_BASES.length).toBeGreaterThanOrEqual(60))

  test.each(REFUSED_BASES)('%s is refused', (text) => {
    expect(parseBaseUrl(text)).toHaveProperty('refused')
  })

  test.each<[string, BaseUrl]>([
    ['https://api.sam.gov', { origin: 'https://api.sam.gov', prefix: '', isLoopback: false }],
    ['https://api.sam.gov/', { origin: 'https://api.sam.gov', prefix: '', isLoopback: false }],
    ['HTTPS://API.SAM.GOV/v1/', { origin: 'https://api.sam.gov', prefix: '/v1', isLoopback: false }],
    ['https://api.sam.gov:443/v1', { origin: 'https://api.sam.gov', prefix: '/v1', isLoopback: false }],
    ['https://api.example.org:8443/a/b', { origin: 'https://api.example.org:8443', prefix: '/a/b', isLoopback: false }],
    ['https://8.8.8.8', { origin: 'https://8.8.8.8', prefix: '', isLoopback: false }],
    ['https://[2606:4700::1111]', { origin: 'https://[2606:4700::1111]', prefix: '', isLoopback: false }],
    ['http://127.0.0.1:8585/sam_gov', { origin: 'http://127.0.0.1:8585', prefix: '/sam_gov', isLoopback: true }],
    ['http://127.8.9.1', { origin: 'http://127.8.9.1', prefix: '', isLoopback: true }],
    ['http://localhost:8585/x', { origin: 'http://localhost:8585', prefix: '/x', isLoopback: true }],
    ['http://[::1]:80', { origin: 'http://[::1]', prefix: '', isLoopback: true }],
  ])('%s is accepted', (text, expected) => {
    expect(parseBaseUrl(text)).toEqual(expected)
  })

  test('the error names the key and not the value', () => {
    const attempt = () => requireBaseUrl('https://user:hunter2secret@api.sam.gov', 'enrichment.sam_gov.base_url')
    expect(attempt).toThrow(/enrichment\.sam_gov\.base_url/)
    expect(attempt).not.toThrow(/hunter2secret/)
    try {
      attempt()
    } catch (error) {
      expect(isEngineError(error, 'bad_base_url')).toBe(true)
    }
  })
})

const BASE: BaseUrl = { origin: 'https://api.example.org', prefix: '/v1', isLoopback: false }

describe('paths', () => {
  test.each([
    '',
    'awards',
    '//evil.example/x',
    '/\\evil.example',
    '\\\\evil.example',
    'https://evil.example/',
    'https:/evil.example',
    '/a?b=c',
    '/a#b',
    '/a b',
    '/a\tb',
    '/a\r\nHost: evil.example',
    '/ä',
    '/a\u0000',
    '/a"b',
    '/a<b>',
    '/a|b',
    '/a{b}',
    '/a^b',
    '/a`b`',
    '/a[b]',
    '/..',
    '/../',
    '/../../etc',
    '/a/..',
    '/a/../b',
    '/./a',
    '/a/.',
    '/%2e%2e/a',
    '/%2E./a',
    '/.%2e',
    '/a/%2e',
    '/a%2fb',
    '/a%2Fb',
    '/a%5cb',
    '/a%00',
    '/%',
    '/%4',
    '/%zz',
    '@evil.example/',
    '.evil.example/',
    ':8080/x',
    '?x=1',
  ])('%j is refused', (path) => {
    expect(buildTarget(BASE, path)).toHaveProperty('refused')
  })

  test.each([
    '/',
    '/a',
    '/a/b/',
    '/a/b.json',
    '/...',
    '/.well-known/x',
    '/a..b',
    '/CONT_AWD_1-2_3',
    '/a%20b',
    "/a~b!$&'()*+,;=:@",
    '/a/@evil.example',
    '/a//b',
  ])('%s is sent as it is', (path) => {
    expect(buildTarget(BASE, path)).toEqual({ target: `/v1${path}` })
  })
})

describe('queries', () => {
  test('values are escaped to unreserved characters, in their order', () => {
    const query = [
      ['q', "a b+c&d=e/f?g#h%20'()*!~"],
      ['uei', '[A~B]'],
      ['q', 'é€😀'],
      ['', ''],
    ] as const
    expect(buildTarget(BASE, '/x', query)).toEqual({
      target: '/v1/x?q=a%20b%2Bc%26d%3De%2Ff%3Fg%23h%2520%27%28%29%2A%21~&uei=%5BA~B%5D&q=%C3%A9%E2%82%AC%F0%9F%98%80&=',
    })
  })

  test('a value cannot begin another parameter, a fragment or a header', () => {
    const built = buildTarget(BASE, '/x', [['a', '1&api_key=x#y\r\nHost: z']])
    expect(built).toEqual({ target: '/v1/x?a=1%26api_key%3Dx%23y%0D%0AHost%3A%20z' })
  })

  test('half a surrogate pair is refused', () => {
    expect(buildTarget(BASE, '/x', [['a', '\ud800']])).toHaveProperty('refused')
  })
})
