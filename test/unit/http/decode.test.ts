import zlib from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { codingOf, createDecoder, decodeAtOnce, decodedLimit, decodeText } from '../../../ts/http/decode.ts'

test.each([
  [undefined, 'identity'],
  ['', 'identity'],
  ['identity', 'identity'],
  ['GZIP', 'gzip'],
  [' x-gzip ', 'gzip'],
  ['br', 'br'],
  ['zstd', 'zstd'],
  ['deflate', 'deflate'],
  ['gzip, gzip', null],
  ['gzip,br', null],
  ['compress', null],
  ['aws-chunked', null],
])('content-encoding %j is %j', (header, expected) => expect(codingOf(header)).toBe(expected))

const BODY = Buffer.from(JSON.stringify({ text: 'äöü €'.repeat(50) }))
const CODED = [
  ['gzip', zlib.gzipSync(BODY)],
  ['deflate', zlib.deflateSync(BODY)],
  ['deflate', zlib.deflateRawSync(BODY)],
  ['br', zlib.brotliCompressSync(BODY)],
  ['zstd', zlib.zstdCompressSync(BODY)],
] as const

describe.each(CODED)('%s', (coding, bytes) => {
  test('is decoded, at once and streamed', async () => {
    expect(decodeAtOnce(coding, bytes, 10_000).equals(BODY)).toBe(true)
    const decoder = createDecoder(coding, bytes[0])
    decoder.end(bytes)
    const parts: Buffer[] = []
    for await (const part of decoder) parts.push(part as Buffer)
    expect(Buffer.concat(parts).equals(BODY)).toBe(true)
  })
  test('too much is an error', () =>
    expect(() => decodeAtOnce(coding, bytes, 100)).toThrow(expect.objectContaining({ code: 'ERR_BUFFER_TOO_LARGE' })))
  test('a cut one is an error', () => expect(() => decodeAtOnce(coding, bytes.subarray(0, bytes.length - 8), 10_000)).toThrow())
})

test('the limit of what may come out grows with what came in, up to the cap', () => {
  expect(decodedLimit(10, 20_000_000)).toBe(1_000_000)
  expect(decodedLimit(50_000, 20_000_000)).toBe(5_000_000)
  expect(decodedLimit(1_000_000, 20_000_000)).toBe(20_000_000)
  expect(decodedLimit(10, 500)).toBe(500)
})

test('text is UTF-8 without its mark, or Latin-1 when the header says so', () => {
  expect(decodeText(Buffer.from('\ufeff{"a":"é"}'), 'application/json')).toBe('{"a":"é"}')
  expect(decodeText(Buffer.from([0x63, 0x61, 0x66, 0xe9]), 'text/html; charset="ISO-8859-1"')).toBe('café')
  expect(decodeText(Buffer.from([0x63, 0xff]), undefined)).toBe('c\ufffd')
})
