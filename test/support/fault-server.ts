/**
 * A provider that misbehaves to order, on loopback and down to the byte. Each request takes the next behaviour of the
 * plan; the last one stays. Written on `node:net`, because an HTTP server would not let most of these faults happen.
 */
import { createServer, type Socket } from 'node:net'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'

export type Arrival = {
  readonly method: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly atMs: number
}
export type Behaviour = (socket: Socket, request: Arrival) => void | Promise<void>

export type FaultServer = {
  readonly origin: string
  readonly port: number
  readonly arrivals: Arrival[]
  /** Behaviours for the next requests; the last one answers all that follow. */
  plan(...behaviours: Behaviour[]): void
  /** Runs when a request has been read, before its behaviour. */
  onArrival: (request: Arrival) => void
  close(): Promise<void>
}

function parseHead(head: string): { method: string; target: string; headers: Record<string, string> } {
  const [requestLine = '', ...lines] = head.split('\r\n')
  const [method = '', target = ''] = requestLine.split(' ')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { method, target, headers }
}

export async function startFaultServer(host = '127.0.0.1'): Promise<FaultServer> {
  let behaviours: Behaviour[] = [json({ ok: true })]
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    let pending = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk])
      const end = pending.indexOf('\r\n\r\n')
      if (end < 0) return
      const head = parseHead(pending.subarray(0, end).toString('latin1'))
      const length = Number(head.headers['content-length'] ?? 0)
      if (pending.length < end + 4 + length) return
      const body = pending.subarray(end + 4, end + 4 + length).toString('utf8')
      pending = pending.subarray(end + 4 + length)
      const arrival: Arrival = { ...head, body, atMs: performance.now() }
      running.arrivals.push(arrival)
      running.onArrival(arrival)
      const behaviour = behaviours.length > 1 ? behaviours.shift()! : behaviours[0]!
      void behaviour(socket, arrival)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as { port: number }
  const running: FaultServer = {
    origin: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    arrivals: [],
    onArrival: () => {},
    plan: (...next) => {
      behaviours = next
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
  return running
}

type Headers = Readonly<Record<string, string>>

function head(status: number, headers: Headers): string {
  return `HTTP/1.1 ${status} Status\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`
}

/** A proper answer on a connection that stays open. */
export function reply(status: number, body: string | Buffer = '', headers: Headers = {}): Behaviour {
  const bytes = Buffer.from(body)
  return (socket) => {
    const length: Headers = status === 304 || status === 204 ? {} : { 'content-length': String(bytes.length) }
    socket.write(Buffer.concat([Buffer.from(head(status, { ...length, ...headers })), bytes]))
  }
}

export function json(value: unknown, status = 200, headers: Headers = {}): Behaviour {
  return reply(status, JSON.stringify(value), { 'content-type': 'application/json', ...headers })
}

const CODERS = {
  gzip: gzipSync,
  deflate: deflateSync,
  'deflate-raw': deflateRawSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
} as const

export function encoded(coding: keyof typeof CODERS, body: string | Buffer, status = 200, headers: Headers = {}): Behaviour {
  return reply(status, CODERS[coding](body), {
    'content-type': 'application/json',
    'content-encoding': coding.replace('-raw', ''),
    ...headers,
  })
}

/** The connection is reset when the request has been read. */
export const resetBeforeHeaders: Behaviour = (socket) => {
  socket.resetAndDestroy()
}

export const resetAfterHeaders: Behaviour = async (socket) => {
  socket.write(head(200, { 'content-type': 'application/json', 'content-length': '100' }))
  await pause(20)
  socket.resetAndDestroy()
}

/** A clean close in the middle of a body of announced length. */
export const cutBody: Behaviour = async (socket) => {
  socket.write(`${head(200, { 'content-type': 'application/json', 'content-length': '100' })}{"a":`)
  await pause(20)
  socket.end()
}

/** The same in the middle of chunks. */
export const cutChunks: Behaviour = async (socket) => {
  socket.write(`${head(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' })}5\r\n{"a":\r\n`)
  await pause(20)
  socket.end()
}

/** One byte at a time, for ever: never silent, never done. */
export const slowDrip: Behaviour = async (socket) => {
  socket.write(head(200, { 'content-type': 'application/json', 'content-length': '1000000' }))
  while (!socket.destroyed && socket.writable) {
    socket.write(' ')
    await pause(10)
  }
}

/** Nothing at all. */
export const stall: Behaviour = () => {}

/** Headers, then nothing. */
export const stallAfterHeaders: Behaviour = (socket) => {
  socket.write(head(200, { 'content-type': 'application/json', 'content-length': '100' }))
}

export const notHttp: Behaviour = (socket) => {
  socket.end('220 smtp.example.org ESMTP\r\n')
}

export const hugeHeaders: Behaviour = (socket) => {
  socket.end(head(200, { 'content-length': '2', 'x-filler': 'x'.repeat(100_000) }))
}

/** A body without announced length that goes on until the other side has enough. */
export const endlessBody: Behaviour = async (socket) => {
  socket.write(head(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }))
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
  while (!socket.destroyed && socket.writable) {
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve))
  }
}

/** `megabytes` of zeros behind a few kilobytes on the wire. */
export function bomb(coding: 'gzip' | 'br' | 'zstd' | 'deflate', megabytes: number): Behaviour {
  const body = CODERS[coding](Buffer.alloc(megabytes * 1_000_000))
  return reply(200, body, { 'content-type': 'application/json', 'content-encoding': coding })
}

/** The body ends with the connection: no length, no chunks. */
export function untilClose(body: string): Behaviour {
  return (socket) => {
    socket.end(`${head(200, { 'content-type': 'text/csv', connection: 'close' })}${body}`)
  }
}

export function afterMs(delayMs: number, behaviour: Behaviour): Behaviour {
  return async (socket, request) => {
    await pause(delayMs)
    await behaviour(socket, request)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
