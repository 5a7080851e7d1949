/**
 * Requests per second of the source client on loopback: tiny JSON bodies, no quota, so that what is measured is the
 * pipeline itself. Beside it, in the same run and against the same server, a bare undici request + JSON.parse loop.
 *
 *     node scripts/with-node.mjs bench/http.ts [--seconds 5] [--parallel 32] [--json]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Pool } from 'undici'
import { z } from 'zod'
import type { SourceAdapter } from '../ts/adapters/adapter.ts'
import { configSchema, refreshSchema, sourceSchema } from '../ts/config/schema.ts'
import { createCallBudget } from '../ts/http/call-budget.ts'
import { createSourceClient } from '../ts/http/pipeline.ts'
import { NO_LOGGER } from '../ts/runtime/logger.ts'
import { NO_CRASH_POINTS } from '../ts/runtime/ports.ts'
import { createScrubber } from '../ts/runtime/scrub.ts'
import { systemClock, systemRandom } from '../ts/runtime/system.ts'

const BODY = JSON.stringify({
  uei: 'ABCDEFGHIJK1',
  name: 'ACME Robotics LLC',
  status: 'Active',
  amount: 274993.5,
  naics: ['541715', '334511'],
  updated: '2026-11-01',
})

if (process.argv[2] === 'serve') {
  const body = Buffer.from(BODY)
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    response.end(body)
  })
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as { port: number }).port))
} else {
  await main()
}

function benchAdapter(): SourceAdapter {
  return {
    id: 'bench',
    title: 'bench',
    docs: 'none',
    entityKinds: ['company'],
    normalizerVersion: 1,
    credentials: [{ name: 'key', placement: { in: 'header', name: 'x-api-key' }, required: true }],
    options: z.strictObject({}),
    cohort: { numbered: false, name: () => 'all', date: () => null },
    unresolvable: () => null,
    probe: () => ({ method: 'GET', path: '/', label: 'probe' }),
    classify: (view) =>
      view.status === 200 && view.json !== undefined
        ? { class: 'ok', reason: 'HTTP 200' }
        : { class: 'transient', reason: `HTTP ${view.status}` },
    volatile: [],
    arrayKeys: {},
    unordered: [],
  }
}

/** Calls `one` from `parallel` loops, first to warm up, then for `seconds`; requests per second. */
async function rate(parallel: number, seconds: number, one: () => Promise<void>): Promise<number> {
  for (const duration of [1_000, seconds * 1_000]) {
    let done = 0
    const startedAt = performance.now()
    const endAt = startedAt + duration
    const loop = async () => {
      while (performance.now() < endAt) {
        await one()
        done++
      }
    }
    await Promise.all(Array.from({ length: parallel }, loop))
    if (duration !== 1_000) return done / ((performance.now() - startedAt) / 1_000)
  }
  throw new Error('unreachable')
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '4' },
      parallel: { type: 'string', default: '32' },
      json: { type: 'boolean', default: false },
    },
  })
  const seconds = Number(values.seconds)
  const parallel = Number(values.parallel)
  const server = fork(fileURLToPath(import.meta.url), ['serve'])
  const [port] = (await once(server, 'message')) as [number]
  const origin = `http://127.0.0.1:${port}`

  const pool = new Pool(origin, { connections: parallel, pipelining: 1, allowH2: false })
  const bareRate = await rate(parallel, seconds, async () => {
    const { body } = await pool.request({
      method: 'GET',
      path: '/v4/entities?uei=ABCDEFGHIJK1',
      headers: { 'x-api-key': 'bench-key-1234' },
    })
    JSON.parse(await body.text())
  })
  await pool.close()

  const policy = refreshSchema.parse({
    enabled: true,
    cadence: '1d',
    sla: '1d',
    max_parallel_requests: parallel,
    quotas: [{ limit: 1, per: '1s' }],
  })
  const config = configSchema.parse({ enrichment: {}, enrichment_refresh: {} })
  const unused = () => Promise.reject(new Error('a source without quotas does not ask the store'))
  const client = createSourceClient({
    adapter: benchAdapter(),
    source: 'bench',
    config: sourceSchema.parse({ adapter: 'bench', base_url: origin, credentials: { key: { env: 'BENCH_KEY' } } }),
    policy: { ...policy, quotas: [] },
    http: config.http,
    run: config.run,
    store: {
      acquireQuota: unused,
      releaseQuota: unused,
      refundQuota: unused,
      blockQuota: unused,
      getState: async () => null,
      putState: async () => true,
    },
    clock: systemClock(),
    random: systemRandom,
    holder: 'bench',
    env: () => 'bench-key-1234',
    secrets: createScrubber(),
    logger: NO_LOGGER,
    crashPoints: NO_CRASH_POINTS,
    budget: createCallBudget(Number.MAX_SAFE_INTEGER),
    downloadDir: tmpdir(),
  })
  const { signal } = new AbortController()
  const clientRate = await rate(parallel, seconds, async () => {
    const result = await client.call(
      { method: 'GET', path: '/v4/entities', query: [['uei', 'ABCDEFGHIJK1']], label: 'bench' },
      { signal },
    )
    if (result.kind !== 'answer' || result.classified.class !== 'ok')
      throw new Error(`unexpected result ${JSON.stringify(result)}`)
  })
  await client.close()
  server.kill()

  const result = {
    bench: 'http',
    parallel,
    seconds,
    body_bytes: BODY.length,
    bare_undici_per_second: Math.round(bareRate),
    source_client_per_second: Math.round(clientRate),
    share_of_bare: Number((clientRate / bareRate).toFixed(3)),
  }
  if (values.json) console.log(JSON.stringify(result))
  else console.table(result)
}
