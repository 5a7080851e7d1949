/** The sandbox on loopback: everything here that touches sockets, real time and timers. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { answerAdmin, clockReport } from './admin.ts'
import type { Delivery } from './faults.ts'
import { createSandbox, type Sandbox, type SandboxSettings } from './sandbox.ts'

export type SandboxOptions = SandboxSettings & {
  /** 0 takes any free port. Default 8585. */
  readonly port?: number
  /** Real time in ms for the world's clock. Default: this machine's monotonic clock. Quotas always use the latter. */
  readonly now?: () => number
}

export type RunningSandbox = {
  readonly port: number
  /** `http://127.0.0.1:<port>`; a provider's base URL is this plus `/usaspending`, `/sam_gov`, `/sbir_gov` or `/sbir_files`. */
  readonly url: string
  /** One line for people: where it listens, what world it serves, how fast time runs. */
  readonly banner: string
  /** World, clock, faults, log and quotas, for tests in the same process. */
  readonly sandbox: Sandbox
  /** Stops listening and cuts every connection, stalled ones too. */
  close(): Promise<void>
}

export const DEFAULT_PORT = 8585
const MAX_REQUEST_BYTES = 4_000_000
const BOMB_MEMBER_BYTES = 16 * 1024 * 1024

/** The whole body, or null when it is longer than any request to these providers. */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_REQUEST_BYTES) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers()
  for (let at = 0; at < rawHeaders.length; at += 2) headers.append(rawHeaders[at]!, rawHeaders[at + 1]!)
  return headers
}

function gone(response: ServerResponse): boolean {
  return response.destroyed || response.writableEnded || response.socket === null || response.socket.destroyed
}

/** Writes and waits while the reader is slow; false when the reader has left. */
async function write(response: ServerResponse, chunk: Uint8Array): Promise<boolean> {
  if (gone(response)) return false
  if (!response.write(chunk)) await drained(response)
  return !gone(response)
}

/** Until there is room again or the reader has left. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    function done() {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

function sleep(ms: number, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms)
    function done() {
      clearTimeout(timer)
      response.off('close', done)
      resolve()
    }
    response.once('close', done)
  })
}

async function* piecesOf(answer: Response): AsyncGenerator<Uint8Array> {
  if (answer.body === null) return
  for await (const piece of answer.body) yield piece as Uint8Array
}

/** Sends half of the body (or `bytes` of it) under the full length, then cuts the connection. */
async function truncate(response: ServerResponse, answer: Response, bytes: number | null): Promise<void> {
  const declared = Number(answer.headers.get('content-length') ?? Number.NaN)
  const whole = Number.isNaN(declared) ? Buffer.from(await answer.arrayBuffer()) : null
  const length = whole?.length ?? declared
  const limit = Math.min(bytes ?? Math.floor(length / 2), Math.max(0, length - 1))
  response.setHeader('content-length', Math.max(1, length))
  response.flushHeaders()
  let sent = 0
  for await (const piece of whole === null ? piecesOf(answer) : [whole]) {
    const part = piece.subarray(0, limit - sent)
    sent += part.length
    if (part.length > 0 && !(await write(response, part))) return
    if (sent >= limit) break
  }
  await sleep(20, response)
  response.destroy()
}

async function drip(response: ServerResponse, answer: Response, bytesPerSecond: number): Promise<void> {
  const size = Math.max(1, Math.ceil(bytesPerSecond / 10))
  const pause = (1000 * size) / bytesPerSecond
  for await (const piece of piecesOf(answer)) {
    for (let at = 0; at < piece.length; at += size) {
      if (!(await write(response, piece.subarray(at, at + size)))) return
      await sleep(pause, response)
    }
  }
  response.end()
}

/** A small download that decodes to `megabytes` of JSON white space. */
async function bomb(response: ServerResponse, megabytes: number): Promise<void> {
  response.removeHeader('content-length')
  response.setHeader('content-encoding', 'gzip')
  response.setHeader('content-type', 'application/json')
  const member = gzipSync(Buffer.alloc(BOMB_MEMBER_BYTES, ' '))
  for (let left = megabytes * 1024 * 1024; left > 0; left -= BOMB_MEMBER_BYTES) if (!(await write(response, member))) return
  response.end(gzipSync('{}'))
}

async function send(response: ServerResponse, answer: Response, delivery: Delivery, method: string): Promise<void> {
  if (delivery.kind === 'reset') {
    response.socket?.resetAndDestroy()
    return
  }
  if (delivery.kind === 'stall' && delivery.after === 'request') return
  response.statusCode = answer.status
  for (const [name, value] of answer.headers) response.setHeader(name, value)
  if (delivery.kind === 'stall') return response.flushHeaders()
  if (delivery.kind === 'truncate') return truncate(response, answer, delivery.bytes)
  if (delivery.kind === 'gzip-bomb') return bomb(response, delivery.megabytes)
  if (delivery.kind === 'slow-drip') return drip(response, answer, delivery.bytesPerSecond)
  if (method === 'HEAD' || answer.body === null) {
    if (method !== 'HEAD' && answer.status !== 304 && answer.status !== 204) response.setHeader('content-length', 0)
    response.end()
    return
  }
  if (!answer.headers.has('content-length')) {
    response.end(Buffer.from(await answer.arrayBuffer()))
    return
  }
  for await (const piece of piecesOf(answer)) if (!(await write(response, piece))) return
  response.end()
}

async function handle(sandbox: Sandbox, origin: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = request.method ?? 'GET'
  const target = request.url ?? '/'
  response.sendDate = false
  response.setHeader('date', new Date(sandbox.clock.now()).toUTCString())
  const body = method === 'GET' || method === 'HEAD' ? null : await readBody(request)
  if (body === null && method !== 'GET' && method !== 'HEAD') {
    response.writeHead(413, { connection: 'close' }).end()
    return
  }
  if (/^\/_admin(\/|\?|$)/.test(target))
    return send(response, answerAdmin(sandbox, method, target, body?.toString() ?? ''), { kind: 'normal' }, method)
  const asked = new Request(origin + (target.startsWith('/') ? target : '/'), {
    method,
    headers: headersOf(request),
    ...(body === null || body.length === 0 ? {} : { body: new Uint8Array(body) }),
  })
  // A request has arrived when it is complete. Nothing is awaited between here and its count, so counts are in order of arrival.
  const { response: answer, delivery, delayMs, departed } = await sandbox.answer(asked, performance.now())
  try {
    if (delayMs > 0) await sleep(delayMs, response)
    if (!gone(response)) await send(response, answer, delivery, method)
  } finally {
    departed()
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

function bannerOf(sandbox: Sandbox, origin: string): string {
  const { seed, companies, awards } = sandbox.settings
  const { now, note } = clockReport(sandbox)
  return `Provider sandbox at ${origin} (seed ${seed}, ${companies} companies, ${awards} awards, world time ${now}). ${note}`
}

/** Starts the sandbox on 127.0.0.1 only. Rejects when the port is taken or a setting makes no sense. */
export async function startSandbox(options: SandboxOptions): Promise<RunningSandbox> {
  const monotonic = () => performance.now()
  let sandbox: Sandbox | null = null
  let origin = ''
  const server = createServer((request, response) => {
    if (sandbox === null) {
      response.writeHead(503).end()
      return
    }
    handle(sandbox, origin, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else
        response
          .writeHead(500, { 'content-type': 'application/json' })
          .end(
            JSON.stringify({ sandbox: 'bug', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
          )
    })
  })
  // Clients keep connections for long; closing idle ones early would look like a provider's fault.
  server.keepAliveTimeout = 75_000
  server.requestTimeout = 0
  const port = await listen(server, options.port ?? DEFAULT_PORT)
  origin = `http://127.0.0.1:${port}`
  try {
    sandbox = createSandbox(options, { now: options.now ?? monotonic, monotonic }, origin)
  } catch (error) {
    server.close()
    throw error
  }
  return {
    port,
    url: origin,
    sandbox,
    banner: bannerOf(sandbox, origin),
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
