import { get as httpGet } from 'node:http'
import { createGunzip } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type RunningSandbox, startSandbox } from '../../ts/sandbox/server.ts'

const DETAIL = '/usaspending/api/v2/awards/last_updated/'
const FILE = '/sbir_files/mod_awarddatapublic_no_abstract/award_data_no_abstract.csv'
let server: RunningSandbox

beforeAll(async () => {
  server = await startSandbox({ seed: 7, companies: 50, awards: 150, port: 0, quotas: { usaspending: [], sam_gov: [] } })
})
afterAll(() => server.close())
afterEach(async () => {
  await fetch(`${server.url}/_admin/faults`, { method: 'DELETE' })
})

async function fault(spec: object) {
  const response = await fetch(`${server.url}/_admin/faults`, {
    method: 'POST',
    body: JSON.stringify({ source: 'usaspending', ...spec }),
  })
  expect(response.status).toBe(201)
  return JSON.parse(await response.text())
}
const ask = (path = DETAIL, init?: RequestInit) => fetch(server.url + path, init)

/** A bare reading of one answer: what came, and how it ended. */
function raw(
  path: string,
  { stopAfterMs = 5000, unzip = false } = {},
): Promise<{ status: number | null; bytes: number; end: string; headers: NodeJS.Dict<string | string[]> }> {
  return new Promise((resolve) => {
    let bytes = 0
    const request = httpGet(server.url + path, { agent: false }, (response) => {
      const stream = unzip ? response.pipe(createGunzip()) : response
      const done = (end: string) => {
        clearTimeout(timer)
        request.destroy()
        resolve({ status: response.statusCode ?? null, bytes, end, headers: response.headers })
      }
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      stream.on('end', () => done('end'))
      response.on('error', () => done('broken'))
      clearTimeout(timer)
      timer = setTimeout(() => done('still open'), stopAfterMs)
    })
    let timer = setTimeout(() => {
      request.destroy()
      resolve({ status: null, bytes, end: 'still open', headers: {} })
    }, stopAfterMs)
    request.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      resolve({ status: null, bytes, end: error.code ?? 'error', headers: {} })
    })
  })
}

describe('faults', () => {
  it('latency delays and changes nothing else', async () => {
    await fault({ kind: 'latency', ms: 300 })
    const before = performance.now()
    expect((await ask()).status).toBe(200)
    expect(performance.now() - before).toBeGreaterThanOrEqual(299)
  })

  it('reset cuts the connection before any answer', async () => {
    await fault({ kind: 'reset' })
    expect(await raw(DETAIL)).toMatchObject({ status: null, bytes: 0, end: 'ECONNRESET' })
  })

  it('truncate sends the full length and half of the body', async () => {
    const whole = await raw(FILE)
    await fault({ source: 'sbir_files', kind: 'truncate' })
    const half = await raw(FILE)
    expect(half).toMatchObject({ status: 200, end: 'broken', bytes: Math.floor(whole.bytes / 2) })
    expect(half.headers['content-length']).toBe(String(whole.bytes))
    await fetch(`${server.url}/_admin/faults`, { method: 'DELETE' })
    await fault({ kind: 'truncate', bytes: 5 })
    expect(await raw(DETAIL)).toMatchObject({ status: 200, end: 'broken', bytes: 5 })
  })

  it.each([
    ['500', 500, 'text/html', /Internal Server Error/],
    ['503-empty', 503, null, /^$/],
    ['html-200', 200, 'text/html; charset=utf-8', /maintenance/],
  ])('%s answers in place of the provider', async (kind, status, type, body) => {
    await fault({ kind })
    const response = await ask()
    expect([response.status, response.headers.get('content-type')]).toEqual([status, type])
    expect(await response.text()).toMatch(body)
  })

  it('429-with-body speaks each provider’s dialect', async () => {
    await fault({ source: '*', kind: '429-with-body', retry_after: 3600 })
    const [sam, usaspending] = await Promise.all([ask('/sam_gov/entity-information/v4/entities'), ask()])
    expect([sam.status, sam.headers.get('retry-after'), await sam.text()]).toEqual([429, '3600', '<h1>OVER_RATE_LIMIT</h1>'])
    expect([usaspending.status, usaspending.headers.get('retry-after')]).toEqual([429, '3600'])
  })

  it('slow-drip sends a little at a time', async () => {
    await fault({ kind: 'slow-drip', bytes: 20 })
    const early = await raw(DETAIL, { stopAfterMs: 500 })
    expect(early).toMatchObject({ status: 200, end: 'still open' })
    expect(early.bytes).toBeGreaterThan(0)
    expect(early.bytes).toBeLessThan(29)
    expect(await raw(DETAIL)).toMatchObject({ end: 'end', bytes: 29 })
  })

  it('gzip-bomb is small on the wire and large when decoded', async () => {
    await fault({ kind: 'gzip-bomb', megabytes: 64 })
    const wire = await raw(DETAIL)
    const decoded = await raw(DETAIL, { unzip: true, stopAfterMs: 30_000 })
    expect(wire.headers['content-encoding']).toBe('gzip')
    expect(wire.bytes).toBeLessThan(1_000_000)
    expect(decoded.bytes).toBe(64 * 1024 * 1024 + 2)
  })

  it('stall says nothing, or headers and then nothing', async () => {
    const { id } = await fault({ kind: 'stall' })
    expect(await raw(DETAIL, { stopAfterMs: 300 })).toMatchObject({ status: null, end: 'still open' })
    await fetch(`${server.url}/_admin/faults/${id}`, { method: 'DELETE' })
    await fault({ kind: 'stall', after: 'headers' })
    expect(await raw(DETAIL, { stopAfterMs: 300 })).toMatchObject({ status: 200, bytes: 0, end: 'still open' })
  })

  it('closes with stalled connections open', async () => {
    const other = await startSandbox({ seed: 1, companies: 5, awards: 5, port: 0 })
    await fetch(`${other.url}/_admin/faults`, { method: 'POST', body: '{"source":"*","kind":"stall"}' })
    const pending = fetch(other.url + DETAIL).catch((error: Error) => error.message)
    await expect.poll(() => other.sandbox.log.total).toBe(1)
    await other.close()
    expect(await pending).toBe('fetch failed')
  })

  it('strikes as often and where it is told, and is in the log', async () => {
    const after = server.sandbox.log.total
    await fault({ kind: '500', count: 2, match: 'last_updated' })
    const statuses = []
    for (let at = 0; at < 4; at += 1) statuses.push((await ask()).status)
    expect(statuses).toEqual([500, 500, 200, 200])
    expect(server.sandbox.log.after(after, 10).map(({ status, faults }) => [status, faults])).toEqual([
      [500, ['500']],
      [500, ['500']],
      [200, []],
      [200, []],
    ])
    await fault({ kind: '503-empty', match: '/awards/CONT_.*/' })
    expect((await ask()).status).toBe(200)
    expect((await ask('/usaspending/api/v2/awards/CONT_X/')).status).toBe(404)
    await fault({ kind: '503-empty', match: 're:awards.CONT_' })
    expect((await ask('/usaspending/api/v2/awards/CONT_X/')).status).toBe(503)
    const { faults } = JSON.parse(await (await ask('/_admin/faults')).text())
    expect(faults.map(({ kind, applied }: { kind: string; applied: number }) => [kind, applied])).toEqual([
      ['500', 2],
      ['503-empty', 0],
      ['503-empty', 1],
    ])
  })

  it('strikes at a rate, adds delays up, and lets the oldest other fault win', async () => {
    const after = server.sandbox.log.total
    await fault({ kind: '500', rate: 0.3 })
    await fault({ kind: '503-empty', rate: 0.5 })
    await fault({ kind: 'latency', ms: 1 })
    const statuses = await Promise.all(Array.from({ length: 400 }, async () => (await ask()).status))
    const count = (wanted: number) => statuses.filter((status) => status === wanted).length
    expect(count(500)).toBeGreaterThan(80)
    expect(count(500)).toBeLessThan(160)
    expect(count(503)).toBeGreaterThan(90)
    expect(count(500) + count(503) + count(200)).toBe(400)
    for (const { faults } of server.sandbox.log.after(after, 1000)) expect(faults).toContain('latency')
  })
})
