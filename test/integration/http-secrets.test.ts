/** Canary keys: they reach the provider's own origin and no other place, whatever goes wrong. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createLogger } from '../../ts/runtime/logger.ts'
import { createScrubber } from '../../ts/runtime/scrub.ts'
import {
  cutBody,
  type FaultServer,
  hugeHeaders,
  json,
  notHttp,
  reply,
  resetBeforeHeaders,
  startFaultServer,
} from '../support/fault-server.ts'
import { CANARY, type Harness, type HarnessOptions, openHarness, plainAdapter } from '../support/http-client.ts'

const FORMS = [CANARY, encodeURIComponent(CANARY), Buffer.from(CANARY).toString('base64').slice(3, -6), CANARY.slice(0, 12)]

let server: FaultServer
let elsewhere: FaultServer
let harness: Harness
let written: string[]

beforeEach(async () => {
  server = await startFaultServer()
  elsewhere = await startFaultServer()
  written = []
})
afterEach(async () => {
  await harness.close()
  await server.close()
  await elsewhere.close()
})

async function open(options: HarnessOptions = {}): Promise<void> {
  const secrets = createScrubber()
  const logger = createLogger({
    level: 'debug',
    format: 'text',
    write: (line) => void written.push(line),
    scrubber: secrets,
    clock: { now: () => 0 },
  })
  harness = await openHarness(server.origin, {
    policy: { breaker: { failures: 100, cooldown: '1s' } },
    ...options,
    deps: { secrets, logger, ...options.deps },
  })
}

function expectClean(...things: unknown[]): void {
  const shown =
    things
      .map((thing) => `${inspect(thing, { depth: 20, showHidden: true, maxStringLength: null })}${JSON.stringify(thing) ?? ''}`)
      .join('\n') + written.join('')
  for (const form of FORMS) expect(shown).not.toContain(form)
}

const inQuery = plainAdapter({ credentials: [{ name: 'key', placement: { in: 'query', name: 'api_key' }, required: true }] })
const inHeader = plainAdapter({
  credentials: [{ name: 'key', placement: { in: 'header', name: 'authorization', prefix: 'Bearer ' }, required: true }],
})

describe('placement', () => {
  test('in a header, with its prefix', async () => {
    await open({ adapter: inHeader })
    await harness.call()
    expect(server.arrivals[0]?.headers['authorization']).toBe(`Bearer ${CANARY}`)
  })

  test('in the query, escaped, after what is there', async () => {
    await open({ adapter: inQuery })
    await harness.call({ query: [['a', '1']] })
    await harness.call()
    expect(server.arrivals.map((arrival) => arrival.target)).toEqual([
      `/things/1?a=1&api_key=${encodeURIComponent(CANARY)}`,
      `/things/1?api_key=${encodeURIComponent(CANARY)}`,
    ])
  })

  test('never to another of the source’s hosts', async () => {
    await open({ source: { other_urls: { files: elsewhere.origin } } })
    await harness.call({ base: 'files', path: '/bulk.csv' })
    expect(elsewhere.arrivals).toHaveLength(1)
    expect(inspect(elsewhere.arrivals)).not.toContain(CANARY)
  })

  test('a missing one is refused with the variable to set, and nothing is sent', async () => {
    await open({ deps: { env: () => undefined } })
    expect(await harness.call()).toEqual({
      kind: 'refused',
      why: 'credential',
      message: expect.stringContaining('PLAIN_KEY'),
      until: null,
      stats: { calls: 0, quotaWaitMs: 0 },
    })
    expect(server.arrivals).toHaveLength(0)
  })

  test('on loopback the value from the configuration will do', async () => {
    await open({ source: { credentials: { key: { env: 'PLAIN_KEY', loopback_value: 'demo' } } }, deps: { env: () => undefined } })
    await harness.call()
    expect(server.arrivals[0]?.headers['x-api-key']).toBe('demo')
  })
})

describe.each([301, 302, 303, 307, 308])('a redirect (%i) is not followed', (status) => {
  test.each(['header', 'query'])('with the key in the %s', async (place) => {
    await open(place === 'query' ? { adapter: inQuery } : {})
    for (const location of [
      `${elsewhere.origin}/stolen`,
      '/same-origin',
      `//127.0.0.1:${elsewhere.port}/x`,
      'http://169.254.169.254/latest',
    ]) {
      server.plan(reply(status, '', { location }))
      expect(await harness.call()).toMatchObject({
        kind: 'answer',
        view: { status },
        classified: { class: 'invalid_request' },
        stats: { calls: 1 },
      })
    }
    expect(elsewhere.arrivals).toHaveLength(0)
    expect(server.arrivals).toHaveLength(4)
  })
})

describe.each([
  ['header', plainAdapter()],
  ['query', inQuery],
])('key in the %s', (_place, adapter) => {
  test.each([
    ['a reset', resetBeforeHeaders],
    ['a cut body', cutBody],
    ['no HTTP', notHttp],
    ['headers too large', hugeHeaders],
    ['an error', json({ error: 'invalid key' }, 401)],
    [
      'a 503 that repeats the request',
      (socket: Parameters<typeof cutBody>[0], request: Parameters<typeof cutBody>[1]) =>
        json({ echo: request.target, key: request.headers['x-api-key'] ?? '' }, 503)(socket, request),
    ],
    [
      'an answer that repeats the request',
      (socket: Parameters<typeof cutBody>[0], request: Parameters<typeof cutBody>[1]) =>
        json({ links: { self: `https://x.example${request.target}` }, echo: request.headers }, 200, {
          location: request.target,
          'x-echo': request.headers['x-api-key'] ?? 'none',
        })(socket, request),
    ],
  ])('%s tells nothing of it', async (_name, behaviour) => {
    await open({ adapter })
    server.plan(behaviour)
    const result = await harness.call()
    expect(server.arrivals.length).toBeGreaterThan(0)
    expectClean(result, harness.client, [...harness.store.states])
  })

  test.each(['http://127.0.0.1:1', 'https://no-such-host.invalid', 'https://127.0.0.1:1'])(
    'an unreachable %s tells nothing of it',
    async (baseUrl) => {
      await open({ adapter, source: { base_url: baseUrl } })
      expectClean(await harness.call(), harness.client)
    },
  )

  test('a request that cannot be built tells nothing of it', async () => {
    await open({ adapter })
    expectClean(
      await harness.call({ path: '/../x' }),
      await harness.call({ headers: { a: 'b\r\nc' } }),
      await harness.call({ query: [['a', '\ud800']] }),
    )
  })

  test('what an adapter quotes of an answer is logged without it', async () => {
    await open({
      adapter: {
        ...adapter,
        classify: (view) => ({ class: 'transient', reason: `the provider said ${view.text} ${inspect(view.headers)}` }),
      },
    })
    server.plan((socket, request) => json({ said: `${request.target} ${inspect(request.headers)}` }, 500)(socket, request))
    const result = await harness.call()
    expect(written.length).toBeGreaterThan(0)
    expectClean(result)
  })
})

test('a key in a log field is taken out, in whatever form', async () => {
  await open()
  await harness.call()
  for (const form of [
    CANARY,
    encodeURIComponent(CANARY),
    JSON.stringify({ k: CANARY }),
    Buffer.from(`u:${CANARY}`).toString('base64'),
  ]) {
    harness.deps.logger.log('error', `it said ${form}`, { form, error: new Error(form) })
  }
  expect(written.join('')).toContain('[redacted]')
  expectClean()
})

test('no file holds it', async () => {
  await open({ adapter: { ...inQuery, classify: () => ({ class: 'ok', reason: 'fine' }) } })
  server.plan(reply(200, 'a,b\n1,2\n'))
  await harness.call({ expect: 'file', label: 'bulk' })
  const names = await readdir(harness.deps.downloadDir)
  expect(names).toHaveLength(1)
  for (const name of names) {
    const content = await readFile(join(harness.deps.downloadDir, name), 'utf8')
    for (const form of FORMS) expect(name + content).not.toContain(form)
  }
})
