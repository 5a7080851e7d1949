/** The cheap ways to know what a source says now lead where asking about everything leads. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { entityId } from '../../ts/model/keys.ts'
import type { LedgerEntry } from '../../ts/model/ledger.ts'
import type { RunReport } from '../../ts/model/run-report.ts'
import { DAY_MS, HOUR_MS } from '../../ts/model/time.ts'
import type { SandboxClock } from '../../ts/runtime/sandbox-clock.ts'
import type { Engine } from '../../ts/wiring.ts'
import { eventsOf } from '../chaos/support/final-state.ts'
import {
  advance,
  arrived,
  type Home,
  loadFiles,
  openHome,
  openTestEngine,
  refreshAll,
  requestsSince,
  type Settings,
} from '../chaos/support/home.ts'
import { changesAt, shownChanges } from '../chaos/support/truth.ts'

const WORLD = { seed: 7, companies: 220, awards: 700 }

class Life {
  readonly home: Home
  readonly engine: Engine
  constructor(home: Home, engine: Engine) {
    this.home = home
    this.engine = engine
  }

  static async begin(settings: Settings, world: object = {}): Promise<Life> {
    const home = await openHome({ ...WORLD, ...world })
    const engine = await openTestEngine(await home.config({ 'warehouse.export_after_run': false, ...settings }))
    await loadFiles(engine, home.files)
    const life = new Life(home, engine)
    expectDone(await refreshAll(engine))
    return life
  }

  get now(): number {
    return this.engine.clock.now()
  }

  async later(by: string): Promise<void> {
    await advance(this.home, by)
    await (this.engine.clock as SandboxClock).refresh()
  }

  async rows(source: string): Promise<ReadonlyMap<string, LedgerEntry>> {
    const rows = new Map<string, LedgerEntry>()
    for await (const row of this.engine.store.ledger(source)) if (row.cohort !== 'unresolved') rows.set(entityId(row.entity), row)
    return rows
  }

  async hashes(source: string): Promise<ReadonlyMap<string, string | null>> {
    return new Map([...(await this.rows(source))].map(([id, row]) => [id, row.payloadHash]))
  }

  async end(): Promise<void> {
    await this.engine.close()
    await this.home.close()
  }
}

function expectDone(report: RunReport): void {
  expect(report.partitions.filter((part) => part.status !== 'done')).toEqual([])
}

const strategies = (report: RunReport): ReadonlySet<string> =>
  new Set(report.partitions.map((part) => `${part.source} ${part.strategy}`))

describe('the change feed of USAspending', { timeout: 120_000 }, () => {
  let byFeed: Life
  let byBatch: Life
  beforeAll(async () => {
    byFeed = await Life.begin({ 'enrichment.usaspending.options': { feed_rows_per_day: 60 } })
    byBatch = await Life.begin({})
  }, 120_000)
  afterAll(async () => {
    await byFeed.end()
    await byBatch.end()
  })

  it('a day later gives the same records as batches, in fewer calls, and proves the rest unchanged', async () => {
    const since = byFeed.now
    const counts = []
    for (const life of [byFeed, byBatch]) {
      await life.later('1d')
      const before = arrived(life.home)
      const report = await refreshAll(life.engine)
      expectDone(report)
      expect(strategies(report)).toEqual(new Set(life === byFeed ? ['usaspending feed'] : ['usaspending batch']))
      counts.push(arrived(life.home) - before)
    }
    expect(counts[0]).toBeLessThan(counts[1]! / 3)
    expect(await byFeed.hashes('usaspending')).toEqual(await byBatch.hashes('usaspending'))

    const changed = (await eventsOf(byFeed.engine.store)).filter((event) => event.source === 'usaspending' && event.at > since)
    const shown = (life: Life): Promise<string[]> =>
      eventsOf(life.engine.store).then((events) =>
        events
          .filter((event) => event.source === 'usaspending' && event.at > since)
          .map((event) => JSON.stringify([entityId(event.entity), event.kind, event.oldHash, event.newHash, event.changes]))
          .sort(),
      )
    expect(changed.length).toBeGreaterThan(0)
    expect(await shown(byFeed)).toEqual(await shown(byBatch))

    // Whatever was not listed is unchanged, and every row was looked at.
    const changedIds = new Set(changed.map((event) => entityId(event.entity)))
    for (const [id, row] of await byFeed.rows('usaspending')) {
      expect(row.lastSuccessAt, id).toBeGreaterThan(since)
      if (row.outcome === 'absent') continue
      expect(row.outcome, id).toBe(changedIds.has(id) ? 'changed' : 'unchanged')
    }
    expect((await byFeed.engine.freshness(['usaspending']))[0]).toMatchObject({ coverage: 1 })
  })

  it('asks one question when nothing was published since', async () => {
    // The last load was at 05:00 UTC; 21 hours after 06:00 the next one is still to come.
    await byFeed.later('21h')
    const before = arrived(byFeed.home)
    const report = await refreshAll(byFeed.engine)
    expectDone(report)
    const log = requestsSince(byFeed.home, before)
    expect(log.map((entry) => entry.path)).toEqual(['/api/v2/awards/last_updated/'])
    const rows = [...(await byFeed.rows('usaspending')).values()]
    expect(rows.filter((row) => row.outcome !== 'not_modified' && row.outcome !== 'absent')).toEqual([])
    expect(
      (
        await byFeed.engine.plan({
          sources: [],
          cohorts: [],
          partitions: [],
          window: null,
          force: false,
          limit: null,
          maxCalls: null,
        })
      ).partitions,
    ).toEqual([])
  })

  it('is not believed when what is due was never asked, failed or is pending: those are asked', async () => {
    await byFeed.later('1d')
    const [row] = [...(await byFeed.rows('usaspending')).values()].filter((one) => one.outcome !== 'absent')
    await byFeed.engine.store.addPending([
      { source: 'usaspending', entity: row!.entity, reason: 'a test says so', at: byFeed.now, by: 'user' },
    ])
    const before = arrived(byFeed.home)
    const report = await refreshAll(byFeed.engine)
    expectDone(report)
    expect(strategies(report)).toEqual(new Set(['usaspending feed', 'usaspending batch']))
    expect(requestsSince(byFeed.home, before).flatMap((entry) => entry.keys).length).toBeGreaterThan(0)
    expect(await byFeed.engine.store.pending()).toEqual([])
  })

  it('day after day finds what is published days after the day that it bears', async () => {
    const { evolution, all } = byFeed.home.sandbox.sandbox.world.usaspending
    // The same moment for both.
    await byBatch.later(`${Math.round((byFeed.now - byBatch.now) / 1000)}s`)
    const from = byFeed.now
    for (let day = 0; day < 10; day += 1) {
      for (const life of [byFeed, byBatch]) {
        await life.later('1d')
        const report = await refreshAll(life.engine, { sources: ['usaspending'] })
        expectDone(report)
        expect(strategies(report)).toContain(life === byFeed ? 'usaspending feed' : 'usaspending batch')
      }
      expect(await byFeed.hashes('usaspending')).toEqual(await byBatch.hashes('usaspending'))
    }
    const published = all(byFeed.now).flatMap((_, index) => evolution.steps(index, from, byFeed.now))
    expect(published.filter(({ at, after }) => after.lastModified * DAY_MS < at - 2 * DAY_MS).length).toBeGreaterThan(2)
  })
})

describe('a window of the operator', { timeout: 120_000 }, () => {
  let life: Life
  let since: number
  beforeAll(async () => {
    life = await Life.begin({})
    since = life.now
    await life.later('3d')
  }, 120_000)
  afterAll(() => life.end())

  it.each(['sam_gov', 'usaspending'])('on %s takes up what its feed lists, and proves nothing about the rest', async (source) => {
    const before = arrived(life.home)
    const rowsBefore = await life.rows(source)
    const day = Math.floor(since / DAY_MS) * DAY_MS
    const report = await refreshAll(life.engine, { sources: [source], window: { from: day, to: day + 4 * DAY_MS } })
    expectDone(report)
    expect(strategies(report)).toEqual(new Set([`${source} feed`]))
    expect(requestsSince(life.home, before).flatMap((entry) => entry.keys)).toEqual([])

    const identities = new Map(
      (await life.engine.store.identities({ source, limit: 100_000 })).map((one) => [entityId(one.entity), one.providerKey]),
    )
    const changes = new Map((await changesAt(life.home, source, since)).map((change) => [change.key, change]))
    const events = (await eventsOf(life.engine.store)).filter((event) => event.source === source && event.at > since)
    expect(events.length).toBeGreaterThan(0)
    for (const event of events) {
      const key = identities.get(entityId(event.entity))!
      const fields = event.changes.map(
        ({ path, old, new: now }) =>
          `${path.replace('$.registrations[entityEFTIndicator=].', '')}: ${JSON.stringify(old)} -> ${JSON.stringify(now)}`,
      )
      expect(fields.sort(), key).toEqual(shownChanges(source, changes.get(key)!))
    }
    let untouched = 0
    for (const [id, row] of await life.rows(source)) {
      const was = rowsBefore.get(id)!
      if (row.lastAttemptAt === was.lastAttemptAt) {
        expect(row).toEqual(was)
        untouched += 1
      } else
        expect(
          changes.has(identities.get(id)!.split('+')[0]!) || row.outcome === 'unchanged' || row.outcome === 'skipped',
          id,
        ).toBe(true)
    }
    expect(untouched).toBeGreaterThan(rowsBefore.size / 2)
  })
})

describe('the bulk file of SBIR.gov', { timeout: 120_000 }, () => {
  let life: Life
  beforeAll(async () => {
    life = await Life.begin({}, { sbirPublishEvery: 10 * DAY_MS })
  }, 120_000)
  afterAll(() => life.end())

  it('is not downloaded again while it is the same: one call, answered 304', async () => {
    await life.later('7d')
    const before = arrived(life.home)
    const eventsBefore = (await eventsOf(life.engine.store)).length
    const hashes = await life.hashes('sbir_gov')
    const report = await refreshAll(life.engine, { sources: ['sbir_gov'] })
    expectDone(report)
    expect(requestsSince(life.home, before).map((entry) => [entry.source, entry.status])).toEqual([['sbir_files', 304]])
    expect(await life.hashes('sbir_gov')).toEqual(hashes)
    for (const row of (await life.rows('sbir_gov')).values())
      expect(row).toMatchObject({ outcome: 'not_modified', responseStatus: 304 })
    expect((await eventsOf(life.engine.store)).length).toBe(eventsBefore)
    expect((await life.engine.freshness(['sbir_gov']))[0]).toMatchObject({ coverage: 1 })
  })

  it('brings new awards with its next publication, which are then due at the other sources', async () => {
    await life.later('7d')
    const since = life.now
    const before = await life.rows('sbir_gov')
    const awardsBefore = (await life.engine.store.countEntities()).award!
    expectDone(await refreshAll(life.engine, { sources: ['sbir_gov'] }))
    const appeared = (await changesAt(life.home, 'sbir_gov', since - 14 * DAY_MS - HOUR_MS)).filter(
      (change) => change.kind === 'appeared',
    )
    expect(appeared.length).toBeGreaterThan(0)
    expect((await life.engine.store.countEntities()).award).toBe(awardsBefore + appeared.length)
    const created = (await eventsOf(life.engine.store)).filter(
      (event) => event.source === 'sbir_gov' && event.kind === 'created' && event.at >= since,
    )
    expect(created.filter((event) => event.entity.kind === 'award').length).toBe(appeared.length)
    for (const event of created) expect(before.has(entityId(event.entity))).toBe(false)
    const after = await life.rows('sbir_gov')
    for (const [id, row] of before) expect(after.get(id)!.cohort).toBe(row.cohort)
    const placed = await life.engine.store.items(
      'usaspending',
      created.filter((event) => event.entity.kind === 'award').map((event) => event.entity),
    )
    expect(placed.length).toBe(appeared.length)
    for (const { entry } of placed) expect(entry.attempts).toBe(0)
  })
})
