/** A new source is one adapter and one config block. This file adds one, with its provider on loopback, and nothing else. */
import { once } from 'node:events'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { SourceAdapter } from '../../ts/adapters/adapter.ts'
import { adapterById } from '../../ts/adapters/registry.ts'
import type { Config } from '../../ts/config/schema.ts'
import type { RunReport } from '../../ts/model/run-report.ts'
import type { SandboxClock } from '../../ts/runtime/sandbox-clock.ts'
import type { Engine } from '../../ts/wiring.ts'
import { eventsOf } from '../chaos/support/final-state.ts'
import {
  advance,
  CATALOG,
  configFor,
  EVERYTHING,
  type Home,
  loadFiles,
  openHome,
  openTestEngine,
  REPOSITORY,
  refreshAll,
} from '../chaos/support/home.ts'
import { query } from '../unit/warehouse/world.ts'

// ---------------------------------------------------------------- the adapter

const uei = (attributes: { readonly [name: string]: unknown }): string => String(attributes['uei'] ?? '')

const creditRatings: SourceAdapter = {
  id: 'credit_ratings',
  title: 'Credit ratings of a bureau that nobody knows',
  docs: 'https://ratings.example/docs',
  entityKinds: ['company'],
  normalizerVersion: 1,
  credentials: [{ name: 'token', placement: { in: 'header', name: 'Authorization', prefix: 'Bearer ' }, required: true }],
  options: z.strictObject({ scale: z.enum(['letters', 'numbers']).default('letters') }),
  cohort: { numbered: true, name: () => 'rated', date: () => null },
  unresolvable: (entity) => (uei(entity.attributes) === '' ? 'no UEI' : null),
  lookup: {
    request: ({ entity }, { options }) => ({
      method: 'GET',
      path: `/ratings/${encodeURIComponent(uei(entity.attributes))}`,
      query: [['scale', String(options['scale'])]],
      label: 'ratings.one',
    }),
    parse({ status, json }, { entity }) {
      const ref = { kind: entity.kind, key: entity.key }
      if (status === 404) return { kind: 'absent', entity: ref, reason: 'not rated' }
      const { id, rating, outlook, asked_at } = json as Record<string, string>
      return {
        kind: 'record',
        entity: ref,
        record: { rating: rating!, outlook: outlook!, asked_at: asked_at! },
        identity: { providerKey: id!, method: 'uei', confidence: 1, evidence: {} },
      }
    },
  },
  probe: () => ({ method: 'GET', path: '/ratings/none', label: 'ratings.probe' }),
  classify({ status }) {
    if (status === 200) return { class: 'ok', reason: 'rated' }
    if (status === 404) return { class: 'not_found', reason: 'not rated' }
    return status === 401 ? { class: 'auth', reason: 'HTTP 401' } : { class: 'transient', reason: `HTTP ${status}` }
  },
  volatile: ['$.asked_at'],
  arrayKeys: {},
  unordered: [],
}

// ---------------------------------------------------------------- the config block

const CONFIG_BLOCK = (url: string): string => `
enrichment:
  credit_ratings:
    adapter: credit_ratings
    base_url: ${url}
    credentials:
      token: { env: RATINGS_TOKEN }
    options: { scale: numbers }
enrichment_refresh:
  credit_ratings:
    enabled: true
    cadence: 12h
    sla: 1d
    cohort: { size: 30 }
    max_parallel_requests: 4
    quotas:
      - { limit: 20, per: 500ms }
`

// ---------------------------------------------------------------- its provider

const arrivals: number[] = []
const outlooks = new Map<string, string>()
let asked = 0

const provider: Server = createServer((request, response) => {
  arrivals.push(performance.now())
  const { pathname, searchParams } = new URL(request.url!, 'http://provider')
  const id = pathname.split('/')[2]!
  if (request.headers.authorization !== 'Bearer a-token-of-ours') return void response.writeHead(401).end()
  if (id === 'none' || /[05]$/.test(id)) return void response.writeHead(404).end('{"error":"not rated"}')
  asked += 1
  const rating = searchParams.get('scale') === 'numbers' ? id.length * 10 : 'A'
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify({ id: `R-${id}`, rating: String(rating), outlook: outlooks.get(id) ?? 'stable', asked_at: String(asked) }),
  )
})

let home: Home
let config: Config
let engine: Engine

beforeAll(async () => {
  provider.listen(0, '127.0.0.1')
  await once(provider, 'listening')
  home = await openHome({ seed: 3, companies: 150, awards: 200 })
  const dir = join(home.dir, 'config')
  await cp(join(REPOSITORY, 'config'), dir, { recursive: true })
  const block = CONFIG_BLOCK(`http://127.0.0.1:${(provider.address() as AddressInfo).port}`)
  // The block goes below the keys that are there; a person would write it into base.yaml.
  const [sources, policies] = block.split('enrichment_refresh:\n')
  const yaml = await readFile(join(dir, 'base.yaml'), 'utf8')
  await writeFile(
    join(dir, 'base.yaml'),
    yaml
      .replace(/^enrichment:\n/m, `${sources!.trimStart()}`)
      .replace(/^enrichment_refresh:\n/m, `enrichment_refresh:\n${policies!}`),
  )
  const adapters = {
    byId: (id: string) => (id === creditRatings.id ? creditRatings : CATALOG.byId(id)),
    ids: [...CATALOG.ids, creditRatings.id],
  }
  config = await configFor(home.dir, home.sandbox.url, {}, { dir, adapters }, ['credit_ratings'])
  engine = await openTestEngine(config, {
    adapters: (id) => (id === creditRatings.id ? creditRatings : adapterById(id)),
    env: (name) => (name === 'RATINGS_TOKEN' ? 'a-token-of-ours' : undefined),
  })
  await loadFiles(engine, home.files)
})
afterAll(async () => {
  await engine.close()
  await home.close()
  provider.close()
  provider.closeAllConnections()
})

const ours = (report: RunReport) => report.partitions.filter((part) => part.source === creditRatings.id)

describe('a source of one adapter and one config block', () => {
  it('is checked like any other', async () => {
    const [check] = await engine.checkSources([creditRatings.id], new AbortController().signal)
    expect(check).toMatchObject({ source: 'credit_ratings', ok: true, result: 'not_found', enabled: true })
  })

  it('is planned: cohorts, calls, time, feasibility', async () => {
    const plan = await engine.plan(EVERYTHING)
    const source = plan.sources.find((one) => one.source === creditRatings.id)!
    expect(source).toMatchObject({ population: 150, strategy: 'lookup', heldBack: null, feasibility: { feasible: true } })
    expect(source.unresolved).toBeGreaterThan(0)
    expect(source.calls).toBe(150 - source.unresolved)
    expect(plan.partitions.filter((part) => part.source === creditRatings.id).map((part) => part.partition)).toContain(
      'credit_ratings:rated_0001',
    )
  })

  it('is refreshed beside the others, under its quota', async () => {
    arrivals.length = 0
    const report = await refreshAll(engine)
    expect(report.partitions.filter((part) => part.status !== 'done')).toEqual([])
    expect(ours(report).length).toBeGreaterThan(1)
    const source = report.sources.find((one) => one.source === creditRatings.id)!
    expect(source.counts).toMatchObject({ calls: arrivals.length, items: arrivals.length, failed: 0 })
    expect(source.counts.changed).toBeGreaterThan(40)
    expect(source.counts.absent).toBeGreaterThan(0)
    for (const [index, at] of arrivals.entries()) if (index >= 20) expect(at - arrivals[index - 20]!).toBeGreaterThanOrEqual(500)
  })

  it('stores its records, with the volatile member left out of what counts', async () => {
    for await (const record of engine.store.currentRecords(creditRatings.id))
      expect(record.record).toMatchObject({ rating: '120', outlook: 'stable' })
    const again = ours(await refreshAll(engine, { sources: [creditRatings.id], force: true }))
    expect(again.reduce((sum, part) => sum + part.counts.changed, 0)).toBe(0)
    expect(again.reduce((sum, part) => sum + part.counts.unchanged, 0)).toBeGreaterThan(40)
  })

  it('emits field deltas when its provider changes its mind, once it is due', async () => {
    const records = []
    for await (const record of engine.store.currentRecords(creditRatings.id)) records.push(record.entity)
    const [entity] = records
    outlooks.set(entity!.key.slice('uei:'.length), 'negative')
    expect(ours(await refreshAll(engine))).toEqual([])
    await advance(home, '13h')
    await (engine.clock as SandboxClock).refresh()
    await refreshAll(engine, { sources: [creditRatings.id] })
    const changed = (await eventsOf(engine.store)).filter(
      (event) => event.source === creditRatings.id && event.kind === 'changed',
    )
    expect(changed).toMatchObject([
      { entity, changes: [{ path: '$.outlook', old: 'stable', new: 'negative' }], confidence: 1, confidenceMethod: 'uei' },
    ])
  })

  it('shows in freshness, quota and export', async () => {
    expect((await engine.freshness([creditRatings.id]))[0]).toMatchObject({ source: 'credit_ratings', coverage: 1 })
    const { rules } = engine.sources.find((source) => source.adapter.id === creditRatings.id)!.policy
    expect((await engine.store.quotaUse(rules, engine.clock.monotonic(), engine.clock.now()))[0]!.rule).toMatchObject({
      limit: 20,
      quotaPartition: 'credit_ratings',
    })
    await engine.exportWarehouse({ rebuild: false })
    const rows = await query(
      config.warehouse.path,
      "SELECT outcome, count(*) AS rows FROM ledger WHERE source = 'credit_ratings' GROUP BY outcome ORDER BY ALL",
    )
    expect(rows.map((row) => row['outcome'])).toEqual(expect.arrayContaining(['absent', 'changed', 'unchanged']))
    expect(
      await query(config.warehouse.path, "SELECT path, old, new FROM event_changes WHERE source = 'credit_ratings'"),
    ).toHaveLength(1)
  })
})
