/**
 * The fault matrix: what a provider or the network can do wrong (rows of the table) at four moments: at the first attempt,
 * before a retry that succeeds, at a half-open breaker's probe, and while the process is stopping. Each cell says what
 * class it must come out as and how many requests may have left.
 */
import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { breakerName } from '../../ts/http/breaker.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { systemClock } from '../../ts/runtime/system.ts'
import {
  type Behaviour,
  bomb,
  cutBody,
  cutChunks,
  endlessBody,
  type FaultServer,
  hugeHeaders,
  json,
  notHttp,
  reply,
  resetAfterHeaders,
  resetBeforeHeaders,
  slowDrip,
  stall,
  stallAfterHeaders,
  startFaultServer,
} from '../support/fault-server.ts'
import { type Harness, openHarness } from '../support/http-client.ts'

type Fault = {
  readonly name: string
  readonly behaviour: Behaviour
  readonly class: ResponseClass
  /** True when asking again within the call makes sense: it then succeeds at the second send. */
  readonly retried: boolean
  /** What the answer says of the provider's health: opens a half-open breaker again, closes it, or opens it for the credential. */
  readonly health: 'fails' | 'works' | 'auth'
  /** Slow faults: the deadline ends them. */
  readonly slow?: true
}

const HTML = reply(200, '<html><h1>Scheduled maintenance</h1></html>', { 'content-type': 'text/html' })
const nested = (depth: number) => reply(200, '['.repeat(depth) + ']'.repeat(depth), { 'content-type': 'application/json' })
const status = (code: number, headers: Record<string, string> = {}) => json({ message: 'no' }, code, headers)

const fails = { class: 'transient', retried: true, health: 'fails' } as const
const damaged = { class: 'malformed', retried: false, health: 'fails' } as const
const result = { retried: false, health: 'works' } as const

const FAULTS: readonly Fault[] = [
  { name: 'reset before headers', behaviour: resetBeforeHeaders, ...fails },
  { name: 'reset after headers', behaviour: resetAfterHeaders, ...fails },
  { name: 'body cut before its length', behaviour: cutBody, ...fails },
  { name: 'body cut between chunks', behaviour: cutChunks, ...fails },
  { name: 'slow drip', behaviour: slowDrip, ...fails, slow: true },
  { name: 'stall', behaviour: stall, ...fails, slow: true },
  { name: 'stall after headers', behaviour: stallAfterHeaders, ...fails, slow: true },
  { name: 'no HTTP', behaviour: notHttp, ...damaged },
  { name: '100 kB of headers', behaviour: hugeHeaders, ...damaged },
  { name: '200 with HTML', behaviour: HTML, ...damaged },
  { name: '200 with truncated JSON', behaviour: reply(200, '{"a": [1, 2', { 'content-type': 'application/json' }), ...damaged },
  { name: '200 with nothing', behaviour: reply(200), ...damaged },
  { name: 'endless body', behaviour: endlessBody, ...damaged },
  { name: 'announced 1 GB', behaviour: reply(200, 'x', { 'content-length': '1000000000' }), ...damaged },
  { name: 'gzip bomb', behaviour: bomb('gzip', 100), ...damaged },
  { name: 'brotli bomb', behaviour: bomb('br', 100), ...damaged },
  { name: 'zstd bomb', behaviour: bomb('zstd', 100), ...damaged },
  { name: 'JSON nested 33 deep', behaviour: nested(33), ...damaged },
  { name: 'JSON bomb of 400,000 levels', behaviour: nested(400_000), ...damaged },
  { name: 'damaged gzip', behaviour: reply(200, 'no gzip', { 'content-encoding': 'gzip' }), ...damaged },
  { name: 'two content codings', behaviour: reply(200, 'x', { 'content-encoding': 'gzip, gzip' }), ...damaged },
  {
    name: 'redirect to another origin',
    behaviour: reply(302, '', { location: 'http://127.0.0.1:9/stolen' }),
    class: 'invalid_request',
    ...result,
  },
  { name: '304', behaviour: reply(304), class: 'not_modified', ...result },
  { name: '400', behaviour: status(400), class: 'invalid_request', ...result },
  { name: '401', behaviour: status(401), class: 'auth', retried: false, health: 'auth' },
  { name: '403', behaviour: status(403), class: 'auth', retried: false, health: 'auth' },
  { name: '404', behaviour: status(404), class: 'not_found', ...result },
  { name: '408', behaviour: status(408), ...fails },
  { name: '409', behaviour: status(409), class: 'invalid_request', ...result },
  { name: '410', behaviour: status(410), class: 'not_found', ...result },
  { name: '422', behaviour: status(422), class: 'invalid_request', ...result },
  { name: '429', behaviour: status(429), class: 'rate_limited', retried: true, health: 'works' },
  {
    name: '429 with Retry-After',
    behaviour: status(429, { 'retry-after': '7' }),
    class: 'rate_limited',
    retried: true,
    health: 'works',
  },
  {
    name: '429 with a moment in the body',
    behaviour: json({ until: Date.now() + 86_400_000 }, 429),
    class: 'quota_exhausted',
    ...result,
  },
  { name: '500', behaviour: status(500), ...fails },
  { name: '502', behaviour: status(502), ...fails },
  { name: '503', behaviour: status(503), ...fails },
  { name: '503 with Retry-After', behaviour: status(503, { 'retry-after': '7' }), ...fails },
  { name: '504', behaviour: status(504), ...fails },
  { name: '520', behaviour: status(520), ...fails },
]

let server: FaultServer
let harness: Harness

beforeAll(async () => {
  server = await startFaultServer()
})
afterAll(() => server.close())
afterEach(async () => {
  // Whatever happened, nothing taken from the quota is left behind.
  expect(harness.store.held()).toBe(0)
  expect(harness.store.counts.released + harness.store.counts.refunded).toBe(harness.store.counts.acquired)
  server.onArrival = () => {}
  await harness.close()
})

async function open(options: Parameters<typeof openHarness>[1] = {}): Promise<void> {
  harness = await openHarness(server.origin, options)
  server.arrivals.length = 0
}

describe.each(FAULTS)('$name', (fault) => {
  const timeout = fault.slow ? '120ms' : '5s'

  test('at the first attempt', async () => {
    await open({ policy: { retry: { max_attempts: 1, base_delay: '10ms', max_delay: '40ms' }, timeout } })
    server.plan(fault.behaviour)
    const outcome = await harness.call()
    expect(outcome).toMatchObject({ kind: 'answer', classified: { class: fault.class }, stats: { calls: 1 } })
    expect(server.arrivals).toHaveLength(1)
  })

  test('before an attempt that would succeed', async () => {
    await open({ policy: { timeout } })
    server.plan(fault.behaviour, json({ fine: true }))
    const outcome = await harness.call()
    const expected = fault.retried ? { class: 'ok', calls: 2 } : { class: fault.class, calls: 1 }
    expect(outcome).toMatchObject({ kind: 'answer', classified: { class: expected.class }, stats: { calls: expected.calls } })
    expect(server.arrivals).toHaveLength(expected.calls)
  })

  test('at the probe of a half-open breaker', async () => {
    await open({ policy: { timeout } })
    const now = harness.clock.now()
    harness.store.states.set(breakerName('plain'), {
      version: 1,
      value: { kind: 'open', cause: 'failures', openedAt: now - 60_000, until: now - 1, reason: 'earlier', credential: null },
    })
    server.plan(fault.behaviour)
    const outcome = await harness.call()
    expect(outcome).toMatchObject({ kind: 'answer', classified: { class: fault.class }, stats: { calls: 1 } })
    expect(server.arrivals).toHaveLength(1)
    const state = harness.store.states.get(breakerName('plain'))?.value
    expect(state).toMatchObject(
      { fails: { kind: 'open', cause: 'failures' }, works: { kind: 'closed' }, auth: { kind: 'open', cause: 'auth' } }[
        fault.health
      ],
    )
    if (fault.health !== 'works') {
      expect(await harness.call()).toMatchObject({
        kind: 'refused',
        why: fault.health === 'auth' ? 'credential' : 'breaker_open',
        stats: { calls: 0 },
      })
      expect(server.arrivals).toHaveLength(1)
    }
  })

  test('while stopping', async () => {
    await open({ policy: { timeout: '5s' }, run: { stop_within: '300ms' }, deps: { clock: systemClock() } })
    const controller = new AbortController()
    server.onArrival = () => controller.abort()
    server.plan(fault.behaviour)
    const startedAt = performance.now()
    const outcome = await harness.call({}, controller.signal)
    // A result that still arrives counts; what would be asked again, or never ends, is left for the next run.
    const stopped = fault.retried || fault.slow === true
    expect(outcome).toMatchObject(
      stopped ? { kind: 'refused', why: 'aborted' } : { kind: 'answer', classified: { class: fault.class } },
    )
    expect(outcome.stats.calls).toBe(1)
    expect(server.arrivals).toHaveLength(1)
    expect(performance.now() - startedAt).toBeLessThan(4_000)
    expect(await harness.call({}, controller.signal)).toMatchObject({ kind: 'refused', why: 'aborted', stats: { calls: 0 } })
  })
})

describe('what never reaches the provider', () => {
  test.each([
    ['a name that does not resolve', 'https://no-such-host.invalid'],
    ['a closed port', 'http://127.0.0.1:1'],
  ])('%s is transient, costs neither quota nor budget, and is tried again', async (_name, origin) => {
    harness = await openHarness(origin, { policy: { timeout: '5s' } })
    expect(await harness.call()).toMatchObject({
      kind: 'answer',
      view: null,
      classified: { class: 'transient' },
      stats: { calls: 0 },
    })
    expect(harness.store.counts).toMatchObject({ acquired: 3, refunded: 3, released: 0 })
    expect(harness.deps.budget).toMatchObject({ used: 0 })
  })

  test('a plain server behind https', async () => {
    const plain = createServer((socket) => void socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void plain.close())
    harness = await openHarness(`https://127.0.0.1:${(plain.address() as { port: number }).port}`, {
      policy: { retry: { max_attempts: 1, base_delay: '1ms', max_delay: '1ms' }, timeout: '5s' },
    })
    const outcome = await harness.call()
    expect(outcome).toMatchObject({
      kind: 'answer',
      view: null,
      classified: { class: 'transient', reason: expect.stringContaining('TLS') },
      stats: { calls: 0 },
    })
  })

  test.each([
    ['a path that leaves the base', { path: '/../admin' }],
    ['a header with a line break', { headers: { 'x-name': 'a\r\nx-api-key: stolen' } }],
    ['a base that is not configured', { base: 'files' }],
    ['a reserved header', { headers: { Host: 'evil.example' } }],
  ])('%s', async (_name, spec) => {
    await open()
    expect(await harness.call(spec)).toMatchObject({
      kind: 'answer',
      view: null,
      classified: { class: 'invalid_request' },
      stats: { calls: 0 },
    })
    expect(server.arrivals).toHaveLength(0)
    // Our own mistakes say nothing about the provider.
    for (let i = 0; i < 10; i++) await harness.call(spec)
    server.plan(json({ fine: true }))
    const outcome = await harness.call()
    expect(outcome).toMatchObject({ kind: 'answer', classified: { class: 'ok' } })
  })
})
