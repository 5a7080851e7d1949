/**
 * Every source that config/sandbox.yaml switches on, against the sandbox under the published quotas (the world runs faster, and
 * quota windows with it): one command asks them all, keeps every quota, and leaves nothing that could be asked unasked.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sandboxEnvironment } from '../../scripts/sandbox-env.ts'
import { loadConfig } from '../../ts/config/load.ts'
import type { LedgerEntry } from '../../ts/model/ledger.ts'
import type { RunReport } from '../../ts/model/run-report.ts'
import type { SandboxClock } from '../../ts/runtime/sandbox-clock.ts'
import { type RunningSandbox, startSandbox } from '../../ts/sandbox/server.ts'
import { writeBulkFiles } from '../../ts/sandbox/write-files.ts'
import type { Engine } from '../../ts/wiring.ts'
import { CATALOG, loadFiles, openTestEngine, REPOSITORY, refreshAll } from '../chaos/support/home.ts'

/** A minute of quota lasts a quarter of a second. */
const SPEED = 240

let dir = ''
let sandbox: RunningSandbox
let engine: Engine
let first: RunReport

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'enrichment-all-'))
  sandbox = await startSandbox({ seed: 7, companies: 150, awards: 450, port: 0, speed: SPEED })
  const csv = join(dir, 'csv')
  await writeBulkFiles(sandbox.sandbox.world, sandbox.sandbox.clock.now(), csv)
  const { config } = await loadConfig({
    dir: join(REPOSITORY, 'config'),
    environment: 'sandbox',
    variables: { ...sandboxEnvironment(REPOSITORY, sandbox.port), ENRICHMENT__CLOCK__SCALE_QUOTAS: 'true' },
    settings: [`warehouse.path=${join(dir, 'warehouse')}`],
    statePath: join(dir, 'state.sqlite'),
    adapters: CATALOG,
  })
  engine = await openTestEngine(config)
  await loadFiles(engine, {
    awards: join(csv, 'award_data_no_abstract.csv'),
    companies: join(csv, 'company_data.csv'),
  })
  first = await refreshAll(engine)
}, 180_000)
afterAll(async () => {
  await engine.close()
  await sandbox.close()
  await rm(dir, { recursive: true, force: true })
})

async function rowsOf(source: string): Promise<readonly LedgerEntry[]> {
  const rows: LedgerEntry[] = []
  for await (const row of engine.store.ledger(source)) rows.push(row)
  return rows
}
const enabled = () => engine.sources.filter(({ policy }) => policy.enabled)

describe('all sources', () => {
  it('are many, and most of them have an identity pass or a population of their own', () => {
    const ids = enabled().map(({ adapter }) => adapter.id)
    for (const id of [
      'usaspending',
      'sam_gov',
      'sbir_gov',
      'sam_exclusions',
      'uspto_odp',
      'dla_cage',
      'orcid',
      'openalex',
      'dns',
      'asn',
    ])
      expect(ids).toContain(id)
    expect(ids.filter((id) => id.endsWith('_identity')).length).toBeGreaterThan(2)
  })

  it('are all done in one run', () => {
    expect(
      first.partitions.filter(({ status }) => status !== 'done').map(({ partition, reason }) => `${partition}: ${reason}`),
    ).toEqual([])
    expect(first.heldBack).toEqual([])
  })

  it('kept every quota, of whatever kind', async () => {
    for (const [source, meter] of sandbox.sandbox.quotas) expect(meter.violations, source).toEqual([])
    const kinds = [...sandbox.sandbox.quotas.values()].flatMap((meter) => meter.report())
    expect(kinds.some(({ resets }) => resets === 'utc_day')).toBe(true)
    expect(kinds.some(({ unit }) => unit === 'credit')).toBe(true)
  })

  it('left nothing unasked that can be asked, and say of the rest why not', async () => {
    const freshness = await engine.freshness([])
    for (const { adapter } of enabled()) {
      const rows = await rowsOf(adapter.id)
      const unresolved = rows.filter(({ outcome }) => outcome === 'skipped')
      for (const row of unresolved) expect(row.error, `${adapter.id} ${row.entity.key}`).toMatch(/\w/)
      const failed = rows.filter(({ outcome }) => outcome === 'failed')
      // A share of the world's domains cannot be resolved for a while; that is what DNS is like.
      if (adapter.id !== 'dns') expect(failed.map(({ entity, error }) => `${adapter.id} ${entity.key}: ${error}`)).toEqual([])
      const row = freshness.find(({ source }) => source === adapter.id)!
      expect(row.coverage, adapter.id).toBeGreaterThanOrEqual(adapter.id === 'dns' ? 0.9 : 1)
      expect(row.population, adapter.id).toBe(rows.length)
      expect(row.unresolved, adapter.id).toBe(unresolved.length)
    }
  })

  it('have something to say: records of every source', async () => {
    for (const { adapter } of enabled()) {
      let count = 0
      for await (const record of engine.store.currentRecords(adapter.id)) if (record.present) count += 1
      // Of 150 companies perhaps none is excluded.
      if (adapter.id !== 'sam_exclusions') expect(count, adapter.id).toBeGreaterThan(0)
    }
  })

  it('are not asked again at once', async () => {
    const arrivals = (): number => sandbox.sandbox.log.total
    const before = arrivals()
    const again = await refreshAll(engine)
    expect(again.partitions.filter(({ source }) => source !== 'dns')).toEqual([])
    expect(arrivals() - before).toBeLessThanOrEqual(20)
  })

  it('are asked again a month later, and events say with which confidence', async () => {
    sandbox.sandbox.clock.advance(40 * 86_400_000)
    await (engine.clock as SandboxClock).refresh()
    const later = await refreshAll(engine)
    const unfinished = later.partitions.filter(({ status }) => status !== 'done' && status !== 'parked')
    expect(unfinished.map(({ partition, reason }) => `${partition}: ${reason}`)).toEqual([])
    for (const [source, meter] of sandbox.sandbox.quotas) expect(meter.violations, source).toEqual([])
    const below: number[] = []
    for await (const event of engine.store.events({ limit: 1_000_000 })) {
      // That nobody fits is an event of the identity pass, and as sure as nothing.
      if (!event.source.endsWith('_identity')) expect(event.confidence, event.source).toBeGreaterThan(0)
      expect(event.confidence).toBeLessThanOrEqual(1)
      if (event.source === 'orcid') below.push(event.confidence)
    }
    // A name is never enough to be sure.
    expect(Math.max(...below)).toBeLessThan(1)
  }, 120_000)
})
