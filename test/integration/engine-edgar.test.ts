/** EDGAR's daily indexes and the exclusions on SAM's quota: the whole engine against the sandbox's truth. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Config } from '../../ts/config/schema.ts'
import { quotaRules } from '../../ts/http/quota.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import type { RunReport } from '../../ts/model/run-report.ts'
import type { SandboxClock } from '../../ts/runtime/sandbox-clock.ts'
import { edgarWorld, type Filer, truePairs as trueFilers } from '../../ts/sandbox/world/edgar-world.ts'
import type { Engine } from '../../ts/wiring.ts'
import {
  advance,
  configFor,
  type Home,
  loadFiles,
  openHome,
  openTestEngine,
  refreshAll,
  requestsSince,
} from '../chaos/support/home.ts'

const AMPLE = [{ limit: 1_000_000, per: '1s' }]
const A_DAY = [{ limit: 100_000, per: '1d', resets: 'utc_day' }]

let home: Home
let config: Config
let engine: Engine
beforeAll(async () => {
  home = await openHome({ companies: 400, awards: 1_200, quotas: { usaspending: [], sam_gov: [], sbir_gov: [], edgar: [] } })
  const { url } = home.sandbox
  config = await configFor(
    home.dir,
    url,
    {
      'enrichment.edgar.base_url': `${url}/edgar`,
      'enrichment.edgar.other_urls.www': `${url}/edgar_www`,
      'enrichment.edgar.other_urls.efts': `${url}/edgar_efts`,
      'enrichment.sam_exclusions.base_url': `${url}/sam_exclusions`,
      'enrichment_refresh.edgar.quotas': AMPLE,
      'enrichment_refresh.sam_gov.quotas': A_DAY,
      'enrichment_refresh.sam_exclusions.quotas': A_DAY,
      'warehouse.export_after_run': false,
    },
    undefined,
    ['edgar', 'sam_exclusions'],
  )
  engine = await openTestEngine(config)
  await loadFiles(engine, home.files)
}, 120_000)
afterAll(async () => {
  await engine.close()
  await home.close()
})

const now = (): number => home.sandbox.sandbox.clock.now()
const filersNow = (): readonly Filer[] => home.sandbox.sandbox.world.part(edgarWorld).all

async function run(...sources: readonly string[]): Promise<RunReport> {
  const report = await refreshAll(engine, { sources })
  expect(
    report.partitions.filter(({ status }) => status !== 'done').map(({ partition, reason }) => `${partition} ${reason}`),
  ).toEqual([])
  return report
}

async function records(source: string): Promise<ReadonlyMap<string, JsonObject>> {
  const all = new Map<string, JsonObject>()
  for await (const { entity, record, present } of engine.store.currentRecords(source)) if (present) all.set(entity.key, record)
  return all
}

describe('edgar', () => {
  it('finds filers, and records what they filed', async () => {
    await run('edgar')
    const byCik = new Map(filersNow().map((filer) => [filer.cik, filer]))
    const found = await records('edgar')
    const truth = new Map([...trueFilers(home.sandbox.sandbox.world, now())].map(({ name, providerKey }) => [providerKey, name]))
    expect(found.size).toBeGreaterThan(0.7 * truth.size)
    for (const record of found.values()) {
      const filer = byCik.get(record['cik'] as string)!
      expect((record['filings'] as unknown[]).length).toBe(filer.filings.filter(({ at }) => at <= now()).length)
    }
  }, 60_000)

  it('reads the indexes of the days since, and asks again about those who are listed alone', async () => {
    const before = await records('edgar')
    const asked = home.sandbox.sandbox.log.total
    await advance(home, '4d')
    await (engine.clock as SandboxClock).refresh()
    await run('edgar')
    const requests = requestsSince(home, asked)
    expect(requests.some(({ source, path }) => source === 'edgar_www' && path.includes('/daily-index/'))).toBe(true)
    const lookedUp = new Set(requests.filter(({ source }) => source === 'edgar').flatMap(({ keys }) => keys))
    expect(lookedUp.size).toBeLessThan(before.size / 2)
    const after = await records('edgar')
    // What the indexes list is complete up to 10 p.m. in Washington of yesterday.
    const published = Math.floor(now() / 86_400_000) * 86_400_000
    let filed = 0
    for (const [key, record] of after) {
      const filer = filersNow().find(({ cik }) => cik === record['cik'])!
      const listed = filer.filings.filter(({ at }) => at <= published)
      const known = ((before.get(key)?.['filings'] ?? []) as unknown[]).length
      if (listed.length > known) filed += 1
      expect((record['filings'] as unknown[]).length, filer.cik).toBeGreaterThanOrEqual(listed.length)
    }
    expect(filed).toBeGreaterThan(0)
    expect(lookedUp.size).toBeGreaterThanOrEqual(filed)
    const [row] = (await engine.freshness([])).filter(({ source }) => source === 'edgar')
    expect(row!.coverage).toBe(1)
  }, 60_000)

  it('tells of each new filing by its number', async () => {
    const paths: string[] = []
    for await (const event of engine.store.events({ limit: 100_000 }))
      if (event.source === 'edgar' && event.kind === 'changed') paths.push(...event.changes.map(({ path }) => path))
    expect(paths.length).toBeGreaterThan(0)
    expect(paths.some((path) => /^\$\.filings\[accession_number=\d{10}-\d{2}-\d{6}\]$/.test(path))).toBe(true)
    expect(paths.filter((path) => !/^\$\.(?:filings\[|facts|name|former_names)/.test(path))).toEqual([])
  })
})

describe('sam_exclusions', () => {
  it('draws on the same quota as the registrations', async () => {
    const used = async (source: string): Promise<number> => {
      const rules = quotaRules(source, config.enrichment_refresh[source]!)
      expect(rules.map(({ quotaPartition }) => quotaPartition)).toEqual(['sam_gov'])
      const [use] = await engine.store.quotaUse(rules, engine.clock.monotonic(), engine.clock.now())
      return use!.used
    }
    await run('sam_gov')
    const registrations = await used('sam_gov')
    expect(registrations).toBeGreaterThan(0)
    const before = home.sandbox.sandbox.log.total
    await run('sam_exclusions')
    const exclusions = requestsSince(home, before).filter(({ source }) => source === 'sam_exclusions').length
    expect(exclusions).toBeGreaterThan(0)
    // One count, whichever of the two is asked for it, as at the provider.
    expect(await used('sam_gov')).toBe(registrations + exclusions)
    expect(await used('sam_exclusions')).toBe(registrations + exclusions)
  }, 60_000)
})
