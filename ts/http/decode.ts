/**
 * Content codings, one at most. The size that matters is the decoded one: 292 kB of gzip make 300 MB, so decoded bytes
 * are counted as they come and compared with a cap and with what came over the wire.
 */
import type { Transform } from 'node:stream'
import zlib from 'node:zlib'

export const ACCEPT_ENCODING = 'gzip, deflate, br, zstd'
/** Real texts compress to a twentieth at best; small answers may be all repetition, so the ratio counts from here on. */
export const MAX_RATIO = 100
const RATIO_FROM_BYTES = 1_000_000
/** Up to this many bytes on the wire decoding at once is faster than a stream and bounded by the ratio. */
export const DECODE_AT_ONCE_BYTES = 65_536

export type Coding = 'identity' | 'gzip' | 'deflate' | 'br' | 'zstd'

/** Null when it is unknown or when there are several: chained codings are an attack, no provider uses them. */
export function codingOf(header: string | undefined): Coding | null {
  switch (header?.trim().toLowerCase() ?? '') {
    case '':
    case 'identity':
      return 'identity'
    case 'gzip':
    case 'x-gzip':
      return 'gzip'
    case 'deflate':
      return 'deflate'
    case 'br':
      return 'br'
    case 'zstd':
      return 'zstd'
    default:
      return null
  }
}

/** How many decoded bytes are too many for what has come over the wire. */
export function decodedLimit(wireBytes: number, maxBytes: number): number {
  return Math.min(maxBytes, Math.max(RATIO_FROM_BYTES, wireBytes * MAX_RATIO))
}

/** "deflate" means zlib's format, but some servers send the bare one; they differ in the first byte. */
function isZlibFormat(firstByte: number | undefined): boolean {
  return firstByte !== undefined && (firstByte & 0x0f) === 8
}

/** Decodes a whole small answer. Throws: `ERR_BUFFER_TOO_LARGE` above `maxBytes`, a zlib error when it is damaged or cut. */
export function decodeAtOnce(coding: Exclude<Coding, 'identity'>, body: Buffer, maxBytes: number): Buffer {
  const options = { maxOutputLength: maxBytes }
  switch (coding) {
    case 'gzip':
      return zlib.gunzipSync(body, options)
    case 'deflate':
      return isZlibFormat(body[0]) ? zlib.inflateSync(body, options) : zlib.inflateRawSync(body, options)
    case 'br':
      return zlib.brotliDecompressSync(body, options)
    case 'zstd':
      return zlib.zstdDecompressSync(body, options)
  }
}

export function createDecoder(coding: Exclude<Coding, 'identity'>, firstByte: number | undefined): Transform {
  switch (coding) {
    case 'gzip':
      return zlib.createGunzip()
    case 'deflate':
      return isZlibFormat(firstByte) ? zlib.createInflate() : zlib.createInflateRaw()
    case 'br':
      return zlib.createBrotliDecompress()
    case 'zstd':
      return zlib.createZstdDecompress()
  }
}

const LATIN_1 = /charset="?(?:iso-8859-1|latin1|windows-1252)/i

/** UTF-8 (without its byte order mark) unless the header names Latin-1; bytes that are neither become U+FFFD. */
export function decodeText(body: Buffer, contentType: string | undefined): string {
  if (contentType !== undefined && LATIN_1.test(contentType)) return new TextDecoder('windows-1252').decode(body)
  const skip = body.length >= 3 && body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0
  return body.toString('utf8', skip)
}
