/** Domains to addresses to networks and places; CAGE codes out of SAM.gov; commercial providers: the whole engine against the sandbox's truth. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../ts/model/json.ts'
import type { RunReport } from '../../ts/model/run-report.ts'
import type { SandboxClock } from '../../ts/runtime/sandbox-clock.ts'
import { cageWorld, truePairs as trueCages } from '../../ts/sandbox/world/cage-world.ts'
import { truePairs as trueCommercial } from '../../ts/sandbox/world/commercial-world.ts'
import { truePairs as trueAddresses } from '../../ts/sandbox/world/ip-world.ts'
import type { Engine } from '../../ts/wiring.ts'
import { advance, configFor, type Home, loadFiles, openHome, openTestEngine, refreshAll } from '../chaos/support/home.ts'

const AMPLE = [{ limit: 1_000_000, per: '1s' }]
const SOURCES = ['dla_cage', 'dns', 'asn', 'geoip', 'people_data_labs', 'clearbit']

let home: Home
let engine: Engine
beforeAll(async () => {
  home = await openHome({
    companies: 220,
    awards: 700,
    quotas: Object.fromEntries(['usaspending', 'sam_gov', 'sbir_gov', ...SOURCES].map((source) => [source, []])),
  })
  const settings = Object.fromEntries(
    SOURCES.flatMap((source) => [
      [`enrichment.${source}.base_url`, `${home.sandbox.url}/${source}`],
      [`enrichment_refresh.${source}.quotas`, AMPLE],
    ]),
  )
  const config = await configFor(
    home.dir,
    home.sandbox.url,
    {
      ...settings,
      'warehouse.export_after_run': false,
      'enrichment.asn.options': { providers: ['ripestat'] },
      'enrichment.geoip.options': { providers: ['maxmind'] },
    },
    undefined,
    SOURCES,
  )
  engine = await openTestEngine(config)
  await loadFiles(engine, home.files)
}, 120_000)
afterAll(async () => {
  await engine.close()
  await home.close()
})

const world = () => home.sandbox.sandbox.world
const now = (): number => home.sandbox.sandbox.clock.now()

async function run(...sources: readonly string[]): Promise<RunReport> {
  const report = await refreshAll(engine, { sources })
  expect(report.partitions.filter(({ status }) => status !== 'done')).toEqual([])
  return report
}

async function records(source: string): Promise<ReadonlyMap<string, JsonObject>> {
  const all = new Map<string, JsonObject>()
  for await (const { entity, record, present } of engine.store.currentRecords(source)) if (present) all.set(entity.key, record)
  return all
}

describe('addresses', { timeout: 60_000 }, () => {
  it('are discovered from domains, and looked up in the same run order', async () => {
    await run('dns')
    const loaded = new Set((await records('dns')).keys())
    const truth = [...trueAddresses(world(), now())].filter(({ domain }) => loaded.has(domain))
    expect(truth.length).toBeGreaterThan(50)
    expect((await engine.store.countEntities()).ip).toBe(new Set(truth.map(({ providerKey }) => providerKey)).size)
    await run('asn', 'geoip')
    const networks = await records('asn')
    const places = await records('geoip')
    for (const { providerKey, asn } of truth) {
      expect(networks.get(providerKey)).toMatchObject({
        ip: providerKey,
        asns: [{ asn: `AS${asn}` }],
        provenance: { provider: 'ripestat' },
      })
      expect(places.get(providerKey)).toMatchObject({
        country: expect.stringMatching(/^[A-Z]{2}$/),
        provenance: { provider: 'maxmind' },
      })
    }
    expect(networks.size).toBe(places.size)
  })

  it('follow the domains when these move', async () => {
    await advance(home, '30d')
    await (engine.clock as SandboxClock).refresh()
    const before = (await engine.store.countEntities()).ip!
    const [dns] = (await run('dns')).sources
    expect(dns!.counts.changed).toBeGreaterThan(0)
    expect((await engine.store.countEntities()).ip).toBeGreaterThan(before)
    await run('asn', 'geoip')
    const networks = await records('asn')
    for (const { providerKey, domain } of trueAddresses(world(), now()))
      if ((await records('dns')).has(domain)) expect(networks.has(providerKey), domain).toBe(true)
  })
})

describe('CAGE codes', { timeout: 60_000 }, () => {
  it('come from SAM.gov registrations, and the monthly file says the rest', async () => {
    await run('sam_gov')
    const report = await run('dla_cage_identity', 'dla_cage')
    expect(report.sources.map(({ source, counts }) => [source, counts.failed, counts.calls]).sort()).toEqual([
      ['dla_cage', 0, 2],
      ['dla_cage_identity', 0, 0],
    ])
    const loaded = await records('sam_gov')
    const edition = world().part(cageWorld).rows(world().part(cageWorld).publishedAt(now()))
    const found = await records('dla_cage')
    let compared = 0
    for (const { uei, providerKey } of trueCages(world(), now())) {
      if (!loaded.has(`uei:${uei}`)) continue
      const row = edition.get(providerKey)
      // A code that was given after the file was published is not in it.
      if (row === undefined) expect(found.has(`uei:${uei}`)).toBe(false)
      else expect(found.get(`uei:${uei}`)).toMatchObject({ cage: providerKey, company: row.company, status: row.status })
      compared += 1
    }
    expect(compared).toBeGreaterThan(50)
  })
})

describe('commercial providers', { timeout: 60_000 }, () => {
  it('are matched to our companies and persons with few mistakes', async () => {
    await run('people_data_labs')
    const byKey = new Map<string, string>()
    for (const identity of await engine.store.identities({ source: 'people_data_labs', limit: 100_000 }))
      byKey.set(identity.entity.key, identity.providerKey)
    const truth = [...trueCommercial(world())]
    const companies = new Map(
      truth.filter(({ kind }) => kind === 'company').map(({ providerKey, name }) => [providerKey, name.toUpperCase()]),
    )
    const persons = new Map(
      truth.filter(({ kind }) => kind === 'person').map(({ providerKey, name }) => [providerKey, name.toUpperCase()]),
    )
    let right = 0
    for (const [key, providerKey] of byKey) {
      const entity = key.startsWith('pi:') ? persons.get(providerKey) : companies.get(providerKey)
      const family = entity?.split(' ').at(-1) ?? '?'
      if (key.startsWith('pi:') ? key.includes(family.replace(/[^A-Z]/g, '')) : entity !== undefined) right += 1
    }
    expect(byKey.size).toBeGreaterThan(200)
    expect(right / byKey.size).toBeGreaterThan(0.98)
    for (const record of (await records('people_data_labs')).values()) expect(JSON.stringify(record)).not.toMatch(/email|phone/)
  })

  it('that queue a look-up are asked again until it is there', async () => {
    const [first] = (await run('clearbit')).sources
    expect(first!.counts.failed).toBeGreaterThan(0)
    await advance(home, '10m')
    await (engine.clock as SandboxClock).refresh()
    const [second] = (await run('clearbit')).sources
    expect(second!.counts).toMatchObject({ items: first!.counts.failed, failed: 0, absent: 0 })
    // Who bought another's domain is a candidate and no more.
    expect(second!.counts.changed + second!.counts.skipped).toBe(first!.counts.failed)
    expect(second!.counts.changed).toBeGreaterThan(first!.counts.failed / 2)
  })
})

describe('a chain of providers', { timeout: 120_000 }, () => {
  it.each([
    // Switched off by its own word, or by ours after it failed again and again.
    ['says that we ask too much', '429-with-body', {}, 1],
    ['is down', '503-empty', {}, 40],
  ])('goes on with the next one when the first one %s, and leaves that one alone', async (_what, kind, parts, most) => {
    const other = await openHome({ companies: 220, awards: 700, quotas: { asn: [], dns: [] } })
    const config = await configFor(
      other.dir,
      other.sandbox.url,
      {
        'enrichment.asn.base_url': `${other.sandbox.url}/asn`,
        'enrichment.dns.base_url': `${other.sandbox.url}/dns`,
        'enrichment_refresh.dns.quotas': AMPLE,
        'enrichment_refresh.asn.quotas': AMPLE,
        'enrichment_refresh.asn.breaker': { failures: 3, cooldown: '1h' },
        'enrichment_refresh.asn.retry': { max_attempts: 2, base_delay: '1s', max_delay: '1s' },
        'enrichment.asn.options': { providers: ['ripestat', 'embedded'] },
        'warehouse.export_after_run': false,
      },
      undefined,
      ['dns', 'asn'],
    )
    const chained = await openTestEngine(config)
    try {
      await loadFiles(chained, other.files)
      await refreshAll(chained, { sources: ['dns'] })
      const asked = (): number =>
        other.sandbox.sandbox.log.after(0, 100_000).filter(({ path }) => path.includes('prefix-overview')).length
      await fetch(`${other.sandbox.url}/_admin/faults`, {
        method: 'POST',
        body: JSON.stringify({ source: 'asn', kind, ...parts }),
      })
      const report = await refreshAll(chained, { sources: ['asn'] })
      expect(report.partitions.map(({ status }) => status)).toEqual(['done'])
      const { items, changed, failed } = report.sources[0]!.counts
      expect(changed + failed).toBe(items)
      expect(changed).toBeGreaterThan(items / 2)
      const before = asked()
      expect(before).toBeGreaterThan(0)
      expect(before).toBeLessThanOrEqual(most + 8)
      const provenances: JsonObject[] = []
      for await (const { record } of chained.store.currentRecords('asn')) provenances.push(record['provenance'] as JsonObject)
      expect(provenances).toHaveLength(changed)
      for (const provenance of provenances) expect(provenance).toMatchObject({ provider: 'embedded', instead_of: ['ripestat'] })
      // What nobody could say is not said to be absent: it is asked again.
      const open: (string | null)[] = []
      for await (const { outcome, error } of chained.store.ledger('asn')) if (outcome === 'failed') open.push(error)
      expect(open).toHaveLength(failed)
      expect(open.some((reason) => reason?.includes('ripestat cannot be asked now'))).toBe(true)
    } finally {
      await chained.close()
      await other.close()
    }
  })
})
