/**
 * The lean provider of the benchmarks: a plain TCP server in a process of its own that reads just enough HTTP/1.1 to answer,
 * so that what limits a measurement is the client. Over 40,000 answers of 1.6 kB a second on one core, several times what an
 * ordinary HTTP server gives. It counts what it answers; its counters, not the client's, are the judge.
 *
 *     GET  /v1/items/ITM00000012                 one item
 *     GET  /v1/list?size=100&total=200000&page=3 a page of rows, with the next page's number
 *     POST /v1/batch   {"ids":["ITM00000012",…]} those rows
 *     GET  /v1/limited/ITM00000012               one item, or 429 above the sliding quota that was set
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { itemText, rowText } from './payload.ts'

type Command =
  | { readonly kind: 'revision'; readonly revision: number }
  | { readonly kind: 'quota'; readonly limit: number; readonly perMs: number }
  | { readonly kind: 'latency'; readonly ms: number }
  | { readonly kind: 'counters' }

export type Counters = {
  readonly requests: number
  /** Answers 429 of the limited path. */
  readonly refused: number
  /** Arrival times at the limited path, in milliseconds of the server's own clock. */
  readonly arrivals: readonly number[]
  /** CPU seconds of the server process. */
  readonly cpuSeconds: number
}

export type Loopback = {
  readonly origin: string
  /** What the provider says from now on differs in every item. */
  setRevision(revision: number): Promise<void>
  setQuota(limit: number, perMs: number): Promise<void>
  /** Time each answer takes. */
  setLatency(ms: number): Promise<void>
  counters(): Promise<Counters>
  close(): Promise<void>
}

const HEADER_END = Buffer.from('\r\n\r\n')

function serve(): void {
  let revision = 1
  let latencyMs = 0
  let requests = 0
  let refused = 0
  let quota = { limit: Number.POSITIVE_INFINITY, perMs: 1000 }
  let arrivals: number[] = []

  const answer = (target: string, body: string): { status: number; text: string } => {
    requests += 1
    if (target.startsWith('/v1/items/')) return { status: 200, text: itemText(Number(target.slice(13, 21)), revision) }
    if (target.startsWith('/v1/list')) return { status: 200, text: page(target) }
    if (target.startsWith('/v1/batch')) {
      const { ids } = JSON.parse(body) as { ids: readonly string[] }
      return { status: 200, text: `{"rows":[${ids.map((id) => rowText(Number(id.slice(3)), revision)).join(',')}]}` }
    }
    if (target.startsWith('/v1/limited/')) {
      const now = performance.now()
      const inWindow = arrivals.length - firstAfter(arrivals, now - quota.perMs)
      arrivals.push(now)
      if (inWindow >= quota.limit) {
        refused += 1
        return { status: 429, text: '{"error":"over the quota"}' }
      }
      return { status: 200, text: itemText(Number(target.slice(15, 23)), revision) }
    }
    return { status: 404, text: '{"error":"no such path"}' }
  }

  const page = (target: string): string => {
    const query = new URLSearchParams(target.slice(target.indexOf('?')))
    const [size, total, number] = ['size', 'total', 'page'].map((name) => Number(query.get(name))) as [number, number, number]
    const rows: string[] = []
    for (let index = number * size; index < Math.min(total, (number + 1) * size); index++) rows.push(rowText(index, revision))
    return `{"rows":[${rows.join(',')}],"next":${(number + 1) * size < total ? number + 1 : null}}`
  }

  const send = (socket: Socket, { status, text }: { status: number; text: string }): void => {
    const reason = status === 200 ? 'OK' : status === 429 ? 'Too Many Requests' : 'Not Found'
    const head = `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n`
    // All bodies are ASCII: characters are bytes.
    socket.write(head + text, 'latin1')
  }

  const server = createServer({ noDelay: true }, (socket) => {
    let pending: Buffer = Buffer.alloc(0)
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      for (;;) {
        const end = pending.indexOf(HEADER_END)
        if (end < 0) return
        const head = pending.toString('latin1', 0, end)
        const target = head.slice(head.indexOf(' ') + 1, head.indexOf(' ', head.indexOf(' ') + 1))
        const length = head.startsWith('GET') ? 0 : Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0)
        if (pending.length < end + 4 + length) return
        const body = length === 0 ? '' : pending.toString('latin1', end + 4, end + 4 + length)
        pending = pending.subarray(end + 4 + length)
        const result = answer(target, body)
        if (latencyMs === 0) send(socket, result)
        else setTimeout(() => send(socket, result), latencyMs)
        if (pending.length === 0) return
      }
    })
  })
  server.listen(0, '127.0.0.1', 1024, () => process.send!({ port: (server.address() as { port: number }).port }))
  process.on('disconnect', () => process.exit(0))
  process.on('message', (command: Command) => {
    if (command.kind === 'revision') revision = command.revision
    if (command.kind === 'latency') latencyMs = command.ms
    if (command.kind === 'quota') {
      quota = { limit: command.limit, perMs: command.perMs }
      arrivals = []
    }
    const { user, system } = process.cpuUsage()
    process.send!({ requests, refused, arrivals, cpuSeconds: (user + system) / 1e6 } satisfies Counters)
  })
}

/** Index of the first time later than `at`. */
function firstAfter(times: readonly number[], at: number): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle]! > at) high = middle
    else low = middle + 1
  }
  return low
}

async function ask(child: ChildProcess, command: Command): Promise<Counters> {
  child.send(command)
  const [counters] = (await once(child, 'message')) as [Counters]
  return counters
}

/** Starts the server; one command at a time. */
export async function startLoopback(): Promise<Loopback> {
  const child = fork(fileURLToPath(import.meta.url), ['serve'], { execArgv: [] })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  return {
    origin: `http://127.0.0.1:${port}`,
    setRevision: async (revision) => void (await ask(child, { kind: 'revision', revision })),
    setQuota: async (limit, perMs) => void (await ask(child, { kind: 'quota', limit, perMs })),
    setLatency: async (ms) => void (await ask(child, { kind: 'latency', ms })),
    counters: () => ask(child, { kind: 'counters' }),
    async close() {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2] === 'serve') serve()
