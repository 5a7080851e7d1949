/** What a hostile provider can make us hold: the peak of resident memory, as the kernel counted it. */

import { once } from 'node:events'
import { createServer } from 'node:net'
import { type BrotliOptions, constants, createBrotliCompress, createGzip, createZstdCompress } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { type Harness, openHarness } from '../support/http-client.ts'

let close: () => Promise<void>
let harness: Harness
afterEach(async () => {
  await harness.close()
  await close()
})

const QUICK: BrotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }
const CODERS = { gzip: () => createGzip({ level: 1 }), br: () => createBrotliCompress(QUICK), zstd: () => createZstdCompress() }

/** `megabytes` of zeros, compressed a piece at a time, so that the test itself holds none of them. */
async function compressedZeros(coding: keyof typeof CODERS, megabytes: number): Promise<Buffer> {
  const coder = CODERS[coding]()
  const parts: Buffer[] = []
  coder.on('data', (part: Buffer) => parts.push(part))
  const zeros = Buffer.alloc(1_000_000)
  for (let i = 0; i < megabytes; i++) if (!coder.write(zeros)) await once(coder, 'drain')
  coder.end()
  await once(coder, 'end')
  return Buffer.concat(parts)
}

async function serve(head: string, body: Buffer | null): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', async () => {
      socket.write(head)
      if (body !== null) {
        socket.end(body)
        return
      }
      const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536, 'x'), Buffer.from('\r\n')])
      while (socket.writable) {
        if (!socket.write(chunk)) await new Promise<void>((resolve) => socket.once('drain', resolve).once('close', resolve))
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  close = async () => {
    server.close()
  }
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

const peakMegabytes = () => process.resourceUsage().maxRSS / 1_000

async function grownBy(origin: string): Promise<{ megabytes: number; class: string }> {
  harness = await openHarness(origin, {
    http: { max_body_bytes: 20_000_000 },
    policy: { timeout: '20s', retry: { max_attempts: 1, base_delay: '1ms', max_delay: '1ms' } },
  })
  const before = peakMegabytes()
  const result = await harness.call()
  return { megabytes: peakMegabytes() - before, class: result.kind === 'answer' ? result.classified.class : result.why }
}

test.each(['gzip', 'br', 'zstd'] as const)('300 MB behind a little %s', async (coding) => {
  const body = await compressedZeros(coding, 300)
  expect(body.length).toBeLessThan(3_000_000)
  const origin = await serve(`HTTP/1.1 200 OK\r\ncontent-encoding: ${coding}\r\ncontent-length: ${body.length}\r\n\r\n`, body)
  const { megabytes, class: responseClass } = await grownBy(origin)
  expect(responseClass).toBe('malformed')
  expect(megabytes).toBeLessThan(120)
})

test('a body without end', async () => {
  const origin = await serve('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', null)
  const { megabytes, class: responseClass } = await grownBy(origin)
  expect(responseClass).toBe('malformed')
  expect(megabytes).toBeLessThan(120)
})

test('20 MB of brackets', async () => {
  const body = Buffer.concat([Buffer.alloc(9_900_000, '['), Buffer.alloc(9_900_000, ']')])
  const origin = await serve(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`, body)
  const { megabytes, class: responseClass } = await grownBy(origin)
  expect(responseClass).toBe('malformed')
  expect(megabytes).toBeLessThan(150)
})
