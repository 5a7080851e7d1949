/** The source client against a real server: what it sends, what it waits for, what it takes and gives back. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createCallBudget } from '../../ts/http/call-budget.ts'
import type { CallResult } from '../../ts/http/source-client.ts'
import { systemClock } from '../../ts/runtime/system.ts'
import { openMemoryStore } from '../../ts/stores/memory/open.ts'
import { afterMs, encoded, type FaultServer, json, reply, stall, startFaultServer } from '../support/fault-server.ts'
import { CANARY, classifySimply, type Harness, type HarnessOptions, openHarness, plainAdapter } from '../support/http-client.ts'

let server: FaultServer
let harness: Harness

beforeEach(async () => {
  server = await startFaultServer()
})
afterEach(async () => {
  await harness.close()
  await server.close()
})

async function open(options: HarnessOptions = {}, path = ''): Promise<void> {
  harness = await openHarness(server.origin + path, options)
}

const unavailable = json({}, 503)
const classOf = (result: CallResult) => (result.kind === 'answer' ? result.classified.class : result.why)
const { signal: never } = new AbortController()
const spec = { method: 'GET', path: '/things/1', label: 'thing' } as const

describe('the request', () => {
  test('goes to base, prefix, path and query, with agent, key and conditions', async () => {
    await open({ http: { user_agent: 'me/1 (me@example.org)' } }, '/prefix')
    server.plan(json({ a: 1 }))
    const result = await harness.call({
      path: '/v4/entities',
      query: [
        ['ueiSAM', '[A~B]'],
        ['q', 'a b'],
      ],
      validators: { etag: '"e1"', lastModified: null },
    })
    expect(result).toMatchObject({
      kind: 'answer',
      view: { status: 200, json: { a: 1 }, text: '{"a":1}' },
      classified: { class: 'ok' },
      stats: { calls: 1 },
    })
    expect(server.arrivals).toMatchObject([
      {
        method: 'GET',
        target: '/prefix/v4/entities?ueiSAM=%5BA~B%5D&q=a%20b',
        headers: {
          'user-agent': 'me/1 (me@example.org)',
          'x-api-key': CANARY,
          'if-none-match': '"e1"',
          host: new URL(server.origin).host,
        },
      },
    ])
    expect(server.arrivals[0]?.headers).not.toHaveProperty('if-modified-since')
  })

  test('carries JSON', async () => {
    await open()
    await harness.call({ method: 'POST', json: { ids: ['ä', 1, null] } })
    expect(server.arrivals).toMatchObject([
      { method: 'POST', body: '{"ids":["ä",1,null]}', headers: { 'content-type': 'application/json' } },
    ])
  })

  test("a source's own user agent wins", async () => {
    await open({ source: { user_agent: 'special/2.0' } })
    await harness.call()
    expect(server.arrivals[0]?.headers['user-agent']).toBe('special/2.0')
  })

  test('connections are kept and used again', async () => {
    await open()
    for (let i = 0; i < 5; i++) await harness.call()
    expect(server.arrivals).toHaveLength(5)
    expect(harness.store.counts).toMatchObject({ acquired: 5, released: 5, refunded: 0 })
  })
})

describe('the answer', () => {
  const body = JSON.stringify({ text: 'äöü€'.repeat(100), big: '@' }).replace('"@"', '12345678901234567890')
  test.each(['gzip', 'deflate', 'deflate-raw', 'br', 'zstd'] as const)('%s is decoded', async (coding) => {
    await open()
    server.plan(encoded(coding, body))
    expect(await harness.call()).toMatchObject({ view: { text: body, json: { big: '12345678901234567890' } } })
  })

  test.each(['gzip', 'br', 'zstd'] as const)('a large %s body is decoded as it comes', async (coding) => {
    await open()
    const large = JSON.stringify({ noise: randomBytes(300_000).toString('base64') })
    server.plan(encoded(coding, large))
    const result = await harness.call()
    expect(result.kind === 'answer' && result.view?.text === large).toBe(true)
  })

  test('headers are plain text by lower-case name, repeated ones joined', async () => {
    await open()
    server.plan(
      (socket) =>
        void socket.write(
          'HTTP/1.1 200 OK\r\nX-One: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n__proto__: x\r\nContent-Length: 2\r\n\r\n{}',
        ),
    )
    const result = await harness.call()
    expect(result).toMatchObject({ view: { headers: { 'x-one': '1', 'set-cookie': 'a=1, b=2' } } })
  })

  test('interim answers are not the answer', async () => {
    await open()
    server.plan(
      (socket) =>
        void socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{"a":1}'),
    )
    expect(await harness.call()).toMatchObject({ view: { status: 200, json: { a: 1 } } })
  })

  test('an adapter that throws on what it is sent stops nothing', async () => {
    await open({
      adapter: plainAdapter({ classify: () => ({}) as never }),
      policy: { breaker: { failures: 100, cooldown: '1s' } },
    })
    harness = await openHarness(server.origin, {
      adapter: plainAdapter({
        classify: () => {
          throw new TypeError('cannot read properties of undefined')
        },
      }),
    })
    expect(await harness.call()).toMatchObject({
      kind: 'answer',
      classified: { class: 'malformed', reason: expect.stringContaining('could not be classified') },
    })
  })
})

describe('asking again', () => {
  test('at most max_attempts sends, with growing jittered delays', async () => {
    await open()
    server.plan(unavailable)
    expect(await harness.call()).toMatchObject({ kind: 'answer', classified: { class: 'transient' }, stats: { calls: 3 } })
    expect(server.arrivals).toHaveLength(3)
    expect(harness.clock.sleeps).toEqual([5, 10])
  })

  test('Retry-After in seconds is obeyed in full, also above the own longest delay', async () => {
    await open()
    server.plan(json({}, 503, { 'retry-after': '120' }), json({ fine: true }))
    expect(classOf(await harness.call())).toBe('ok')
    const waitedMs = harness.clock.sleeps.reduce((sum, ms) => sum + ms, 0)
    expect(waitedMs).toBeGreaterThan(119_000)
    expect(waitedMs).toBeLessThanOrEqual(120_000)
  })

  test('in a world that runs faster than our timers a moment is not overslept', async () => {
    const real = systemClock()
    const startedAt = Date.now()
    const clock = { ...real, now: () => startedAt + (Date.now() - startedAt) * 60 }
    await open({ deps: { clock } })
    server.plan(json({}, 503, { 'retry-after': '90' }), json({ fine: true }))
    const begun = performance.now()
    expect(classOf(await harness.call())).toBe('ok')
    expect(performance.now() - begun).toBeGreaterThan(1_400)
    expect(performance.now() - begun).toBeLessThan(30_000)
  })

  test('a Retry-After longer than the run may wait is not waited for; the answer carries the moment', async () => {
    await open()
    server.plan(json({}, 429, { 'retry-after': '7200' }))
    const result = await harness.call()
    const expected = harness.clock.now() + 7_200_000
    expect(result).toMatchObject({ kind: 'answer', classified: { class: 'rate_limited' }, stats: { calls: 1 } })
    if (result.kind !== 'answer') throw new Error('answer')
    expect(Math.abs(result.classified.until! - expected)).toBeLessThan(5_000)
    expect(await harness.call()).toMatchObject({ kind: 'refused', why: 'quota', until: expect.any(Number), stats: { calls: 0 } })
    expect(server.arrivals).toHaveLength(1)
  })

  test('a 429 without a time is tried again no sooner than a draw from a second', async () => {
    await open()
    server.plan(json({}, 429), json({ fine: true }))
    expect(classOf(await harness.call())).toBe('ok')
    expect(harness.clock.sleeps[0]).toBe(500)
    expect(harness.store.blocks.size).toBe(0)
  })

  test('each attempt costs a slot and a unit of the budget', async () => {
    const budget = createCallBudget(10)
    await open({ deps: { budget } })
    server.plan(unavailable)
    await harness.call()
    expect(budget.used).toBe(3)
    expect(harness.store.counts).toMatchObject({ acquired: 3, released: 3 })
  })

  test('when the retry budget is empty the answer stands', async () => {
    await open({ policy: { breaker: { failures: 1_000, cooldown: '30s' } } })
    server.plan(unavailable)
    let calls = 0
    for (let i = 0; i < 60; i++) calls += (await harness.call()).stats.calls
    // 60 first attempts and the 35 retries that 500 tokens pay for.
    expect(calls).toBe(95)
    server.plan(json({ fine: true }))
    for (let i = 0; i < 14; i++) await harness.call()
    server.plan(unavailable, json({ fine: true }))
    expect(await harness.call()).toMatchObject({ classified: { class: 'ok' }, stats: { calls: 2 } })
  })

  test('after a stop during the back-off the item is left for the next run', async () => {
    await open({ deps: { clock: systemClock() }, policy: { retry: { max_attempts: 3, base_delay: '60s', max_delay: '60s' } } })
    server.plan(unavailable)
    const controller = new AbortController()
    const calling = harness.call({}, controller.signal)
    setTimeout(() => controller.abort(), 50)
    expect(await calling).toMatchObject({ kind: 'refused', why: 'aborted', stats: { calls: 1 } })
  })
})

describe('limits of others', () => {
  test('quota_exhausted with a moment stops all processes until then', async () => {
    await open()
    const until = Date.now() + 6 * 3_600_000
    server.plan(json({ until }, 429))
    expect(await harness.call()).toMatchObject({ classified: { class: 'quota_exhausted', until }, stats: { calls: 1 } })
    const sibling = harness.sibling()
    expect(await sibling.call(spec, { signal: never })).toMatchObject({
      kind: 'refused',
      why: 'quota',
      until: expect.any(Number),
    })
    await sibling.close()
    expect(server.arrivals).toHaveLength(1)
  })

  test("quota_exhausted without one lasts until the counter's reset", async () => {
    await open({
      adapter: plainAdapter({
        classify: (view) => (view.status === 429 ? { class: 'quota_exhausted', reason: 'no more today' } : classifySimply(view)),
      }),
      policy: { quotas: [{ limit: 10, per: '1d', resets: 'utc_day' }] },
    })
    server.plan(json({}, 429))
    const result = await harness.call()
    if (result.kind !== 'answer') throw new Error('answer')
    expect(new Date(result.classified.until!).toISOString()).toMatch(/T00:00:00\.000Z$/)
    expect(result.classified.until!).toBeGreaterThan(harness.clock.now())
  })

  test('calls wait for a slot and say how long', async () => {
    await open({ policy: { quotas: [{ limit: 1, per: '30s' }] } })
    await harness.call()
    const second = await harness.call()
    expect(second).toMatchObject({ kind: 'answer', stats: { calls: 1 } })
    expect(second.stats.quotaWaitMs).toBeGreaterThan(29_000)
  })

  test('a paused process does not send on a slot that is no longer its own', async () => {
    let paused = false
    await open({
      deps: {
        crashPoints: {
          reach(name) {
            if (name !== 'http.before_dispatch' || paused) return
            paused = true
            harness.clock.skip(3_600_000)
          },
        },
      },
    })
    expect(classOf(await harness.call())).toBe('ok')
    expect(harness.store.counts).toMatchObject({ acquired: 2, refunded: 1, released: 1 })
    expect(server.arrivals).toHaveLength(1)
  })

  test('the call budget of the run', async () => {
    await open({ deps: { budget: createCallBudget(2) } })
    await harness.call()
    await harness.call()
    expect(await harness.call()).toMatchObject({
      kind: 'refused',
      why: 'budget',
      stats: { calls: 0 },
      message: expect.stringContaining('max_calls'),
    })
  })

  test('a retry that the budget does not allow leaves the answer', async () => {
    await open({ deps: { budget: createCallBudget(1) } })
    server.plan(unavailable)
    expect(await harness.call()).toMatchObject({ kind: 'answer', classified: { class: 'transient' }, stats: { calls: 1 } })
  })

  test('no more than max_parallel_requests are under way', async () => {
    await open({ policy: { max_parallel_requests: 3 } })
    let running = 0
    let most = 0
    server.plan(async (socket, request) => {
      most = Math.max(most, ++running)
      await afterMs(20, () => {
        running--
      })(socket, request)
      await json({})(socket, request)
    })
    await Promise.all(Array.from({ length: 20 }, () => harness.call()))
    expect(most).toBe(3)
  })

  test('urgent calls overtake', async () => {
    await open({ policy: { max_parallel_requests: 1 } })
    server.plan(afterMs(60, json({})), json({}))
    const order: string[] = []
    const call = (path: string, priority: number) =>
      harness.client.call({ ...spec, path }, { signal: never, priority }).then(() => void order.push(path))
    const first = call('/first', 5)
    await new Promise((resolve) => setTimeout(resolve, 20))
    await Promise.all([first, call('/late', 9), call('/normal', 5), call('/urgent', 0)])
    expect(order).toEqual(['/first', '/urgent', '/normal', '/late'])
  })
})

describe('the breaker', () => {
  test('opens for every process after the configured failures, and nothing is sent', async () => {
    await open({
      policy: { retry: { max_attempts: 1, base_delay: '1ms', max_delay: '1ms' }, breaker: { failures: 3, cooldown: '30s' } },
    })
    server.plan(unavailable)
    for (let i = 0; i < 3; i++) await harness.call()
    expect(await harness.call()).toMatchObject({
      kind: 'refused',
      why: 'breaker_open',
      until: expect.any(Number),
      message: expect.stringContaining('HTTP 503'),
    })
    const sibling = harness.sibling()
    expect(await sibling.call(spec, { signal: never })).toMatchObject({ kind: 'refused', why: 'breaker_open' })
    expect(server.arrivals).toHaveLength(3)
    harness.clock.skip(30_000)
    server.plan(json({ fine: true }))
    expect(classOf(await sibling.call(spec, { signal: never }))).toBe('ok')
    expect(classOf(await harness.call())).toBe('ok')
    await sibling.close()
  })

  test('retries of one call stop when it opens', async () => {
    await open({ policy: { breaker: { failures: 2, cooldown: '30s' } } })
    server.plan(unavailable)
    expect(await harness.call()).toMatchObject({ kind: 'answer', classified: { class: 'transient' }, stats: { calls: 2 } })
  })

  test('calls that were queued when it opened are not sent', async () => {
    await open({
      policy: {
        max_parallel_requests: 1,
        retry: { max_attempts: 1, base_delay: '1ms', max_delay: '1ms' },
        breaker: { failures: 2, cooldown: '30s' },
      },
    })
    server.plan(unavailable)
    const results = await Promise.all(Array.from({ length: 10 }, () => harness.call()))
    expect(server.arrivals).toHaveLength(2)
    expect(results.filter((result) => result.kind === 'refused')).toHaveLength(8)
    expect(harness.store.held()).toBe(0)
    expect(harness.deps.budget).toMatchObject({ used: 2 })
  })

  test('a refused key opens it at once, another key is tried at once', async () => {
    await open()
    server.plan(json({ message: 'no' }, 403))
    expect(await harness.call()).toMatchObject({ classified: { class: 'auth' }, stats: { calls: 1 } })
    expect(await harness.call()).toMatchObject({ kind: 'refused', why: 'credential' })
    const renewed = harness.sibling({ deps: { env: () => 'another-key-42' } })
    server.plan(json({ fine: true }))
    expect(classOf(await renewed.call(spec, { signal: never }))).toBe('ok')
    expect(server.arrivals).toHaveLength(2)
    expect(JSON.stringify([...harness.store.states])).not.toMatch(/canary|another-key/)
    await renewed.close()
  })

  test('"switched off" closes the door until the moment it names', async () => {
    const until = Date.now() + 86_400_000
    await open({
      adapter: plainAdapter({ classify: () => ({ class: 'source_down', reason: 'not available at this time', until }) }),
    })
    server.plan(json({}, 429))
    expect(await harness.call()).toMatchObject({ classified: { class: 'source_down' }, stats: { calls: 1 } })
    expect(await harness.call()).toMatchObject({ kind: 'refused', why: 'breaker_open', until })
  })

  test('results are no failures, however many', async () => {
    await open()
    for (const status of [400, 404, 409, 410, 422]) {
      server.plan(json({}, status))
      for (let i = 0; i < 6; i++) expect((await harness.call()).kind).toBe('answer')
    }
    expect(harness.store.states.has('breaker/plain')).toBe(false)
  })
})

describe('stopping', () => {
  test('calls that wait for a lane or for quota end at once; what is under way may finish', async () => {
    await open({
      deps: { clock: systemClock() },
      policy: { max_parallel_requests: 2, quotas: [{ limit: 1, per: '1h' }], timeout: '5s' },
      run: { stop_within: '2s', max_quota_wait: '2h' },
    })
    server.plan(afterMs(150, json({ fine: true })))
    const controller = new AbortController()
    const calls = Array.from({ length: 6 }, () => harness.call({}, controller.signal))
    await new Promise((resolve) => setTimeout(resolve, 60))
    controller.abort()
    const results = (await Promise.all(calls)).map(classOf)
    expect(results.filter((name) => name === 'ok')).toHaveLength(1)
    expect(results.filter((name) => name === 'aborted')).toHaveLength(5)
    expect(server.arrivals).toHaveLength(1)
  })

  test('what does not finish in time is cut, its slot given back', async () => {
    await open({ deps: { clock: systemClock() }, policy: { timeout: '30s' }, run: { stop_within: '100ms' } })
    server.plan(stall)
    const controller = new AbortController()
    server.onArrival = () => controller.abort()
    const startedAt = performance.now()
    expect(await harness.call({}, controller.signal)).toMatchObject({ kind: 'refused', why: 'aborted', stats: { calls: 1 } })
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    expect(harness.store.counts).toMatchObject({ acquired: 1, released: 1 })
  })

  test('a client can be closed while the server is silent', async () => {
    await open({ policy: { timeout: '30s' } })
    server.plan(stall)
    const calling = harness.call()
    await new Promise((resolve) => setTimeout(resolve, 50))
    await harness.client.close()
    expect(classOf(await calling)).toBe('aborted')
    expect(classOf(await harness.call())).toBe('aborted')
    expect(server.arrivals).toHaveLength(1)
  })
})

describe('configuration that cannot work', () => {
  test.each<[string, HarnessOptions, string]>([
    ['http beyond loopback', { source: { base_url: 'http://api.example.org' } }, 'enrichment.plain.base_url'],
    ['a private address', { source: { base_url: 'https://169.254.169.254' } }, 'enrichment.plain.base_url'],
    ['another URL', { source: { other_urls: { files: 'https://u:p@files.example.org' } } }, 'enrichment.plain.other_urls.files'],
    ['an unknown option', { source: { options: { colour: 'red' } } }, 'enrichment.plain.options'],
  ])('%s is refused when the client is made', async (_name, options, key) => {
    await open()
    await expect(openHarness(server.origin, options)).rejects.toMatchObject({
      recovery: 'configuration',
      message: expect.stringContaining(key),
    })
  })
})

test('answers are scanned for quota at no cost when there are no rules', async () => {
  await open()
  const sibling = harness.sibling({ deps: { policy: { ...harness.deps.policy, quotas: [] } } })
  for (let i = 0; i < 20; i++) expect(classOf(await sibling.call(spec, { signal: never }))).toBe('ok')
  expect(harness.store.counts.acquired).toBe(0)
  await sibling.close()
})

test('on a real store: a counter per day and slots per window, both kept', async () => {
  const memory = openMemoryStore()
  await open({
    deps: { store: memory },
    policy: {
      quotas: [
        { limit: 4, per: '1d', resets: 'utc_day' },
        { limit: 2, per: '10s' },
      ],
    },
  })
  const results: CallResult[] = []
  for (let i = 0; i < 5; i++) results.push(await harness.call())
  expect(results.map(classOf)).toEqual(['ok', 'ok', 'ok', 'ok', 'quota'])
  expect(results[2]!.stats.quotaWaitMs).toBeGreaterThan(9_000)
  const last = results[4]!
  if (last.kind !== 'refused') throw new Error('refused')
  expect(new Date(last.until! + 1_000).getUTCHours()).toBe(0)
  server.plan(json({}, 429, { 'retry-after': '3600' }))
  harness.clock.skip(86_400_000)
  expect(classOf(await harness.call())).toBe('rate_limited')
  expect(await harness.call()).toMatchObject({ kind: 'refused', why: 'quota', stats: { calls: 0 } })
  harness.clock.skip(3_600_000)
  server.plan(json({ fine: true }))
  expect(classOf(await harness.call())).toBe('ok')
  await memory.close()
})

test('an empty body with a content coding is empty', async () => {
  await open()
  server.plan(reply(304, '', { 'content-encoding': 'gzip' }))
  expect(await harness.call()).toMatchObject({ classified: { class: 'not_modified' } })
})
