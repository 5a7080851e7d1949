/** Persons who object after People Data Labs was asked about them: of what it said before nothing is kept. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { EntityRef } from '../../ts/model/keys.ts'
import type { CurrentRecord, DeltaEvent } from '../../ts/model/record.ts'
import type { SandboxClock } from '../../ts/runtime/sandbox-clock.ts'
import { commercialWorld, hasOptedOut, type Worker } from '../../ts/sandbox/world/commercial-world.ts'
import type { Engine } from '../../ts/wiring.ts'
import {
  admin,
  advance,
  arrived,
  configFor,
  type Home,
  loadFiles,
  openHome,
  openTestEngine,
  refreshAll,
  requestsSince,
} from '../chaos/support/home.ts'

const SOURCE = 'people_data_labs'
let home: Home
let engine: Engine
/** Ours, and who that is at PDL, as of the first refresh. */
let matched: readonly { readonly entity: EntityRef; readonly worker: Worker }[] = []

beforeAll(async () => {
  home = await openHome({ companies: 300, awards: 900, quotas: { [SOURCE]: [] } })
  const { url } = home.sandbox
  const config = await configFor(
    home.dir,
    url,
    {
      [`enrichment.${SOURCE}.base_url`]: `${url}/${SOURCE}`,
      [`enrichment_refresh.${SOURCE}.enabled`]: true,
      [`enrichment_refresh.${SOURCE}.quotas`]: [{ limit: 1_000_000, per: '1s' }],
      'warehouse.export_after_run': false,
    },
    undefined,
    [SOURCE],
  )
  engine = await openTestEngine(config)
  await loadFiles(engine, home.files)
}, 60_000)
afterAll(async () => {
  await engine.close()
  await home.close()
})

async function recordOf(entity: EntityRef): Promise<CurrentRecord['record'] | undefined> {
  return (await engine.store.records(SOURCE, [entity]))[0]?.record
}

async function eventsOf(entity: EntityRef): Promise<readonly DeltaEvent[]> {
  const events: DeltaEvent[] = []
  for await (const event of engine.store.events({ source: SOURCE, entity, limit: 1_000 })) events.push(event)
  return events
}

/** When each person was last answered about. */
async function successes(): Promise<ReadonlyMap<string, number | null>> {
  const rows = new Map<string, number | null>()
  for await (const { entity, lastSuccessAt } of engine.store.ledger(SOURCE)) rows.set(entity.key, lastSuccessAt)
  return rows
}

async function later(by: string): Promise<void> {
  await advance(home, by)
  await (engine.clock as SandboxClock).refresh()
}

const now = (): number => home.sandbox.sandbox.clock.now()

it('are enriched first, as everybody', async () => {
  await refreshAll(engine, { sources: [SOURCE] })
  const workers = new Map(home.sandbox.sandbox.world.part(commercialWorld).workers.map((worker) => [worker.id, worker]))
  const identities = await engine.store.identities({ source: SOURCE, limit: 1_000_000 })
  matched = identities.flatMap(({ entity, providerKey }) => {
    const worker = workers.get(providerKey)
    return worker === undefined ? [] : [{ entity, worker }]
  })
  const willObject = matched.filter(({ worker }) => worker.optedOutAt !== null)
  expect(willObject.length).toBeGreaterThan(2)
  expect(matched.length).toBeGreaterThan(50)
  for (const { entity, worker } of matched) {
    expect(hasOptedOut(worker, now())).toBe(false)
    expect(await recordOf(entity)).toMatchObject({ pdl_id: worker.id, job_title: 'principal investigator', opted_out: false })
  }
})

it('are not asked about as long as nobody can tell who objected', async () => {
  const before = await successes()
  await later('61d')
  await admin(home, 'faults', { source: SOURCE, kind: 'html-200', match: 'subjectrequest' })
  const asked = arrived(home)
  await refreshAll(engine, { sources: [SOURCE] })
  await admin(home, 'faults', undefined, 'DELETE')
  expect(requestsSince(home, asked).some(({ path }) => path.includes('subjectrequest'))).toBe(true)
  const after = await successes()
  for (const { entity } of matched) expect(after.get(entity.key)).toBe(before.get(entity.key))
  expect(matched.some(({ worker }) => hasOptedOut(worker, now()))).toBe(true)
})

it('end as objections and nothing else, in records and in events', async () => {
  for (const by of ['61d', '61d', '61d']) {
    await later(by)
    await refreshAll(engine, { sources: [SOURCE], force: true })
  }
  const gone = matched.filter(({ worker }) => hasOptedOut(worker, now()))
  const stayed = matched.filter(({ worker }) => !hasOptedOut(worker, now()))
  expect(gone.length).toBe(matched.filter(({ worker }) => worker.optedOutAt !== null).length)
  for (const { entity, worker } of gone) {
    expect(await recordOf(entity)).toEqual({ opted_out: true })
    const events = await eventsOf(entity)
    expect(events.map(({ kind }) => kind).slice(0, 1)).toEqual(['created'])
    expect(events.at(-1)).toMatchObject({ kind: 'changed', changes: [{ path: '$.opted_out', old: null, new: true }] })
    expect(events.slice(0, -1).flatMap(({ changes }) => changes)).toEqual([])
    const told = JSON.stringify(events.map(({ changes }) => changes))
    expect(told).not.toMatch(/investigator|united states|experience|education/)
    expect(told).not.toContain(worker.familyName.toLowerCase())
    expect(told).not.toContain(worker.id)
  }
  for (const { entity, worker } of stayed) expect(await recordOf(entity)).toMatchObject({ pdl_id: worker.id, opted_out: false })
}, 60_000)

it('stay that: asked again, nothing is new', async () => {
  await later('61d')
  const [one] = matched.filter(({ worker }) => hasOptedOut(worker, now()))
  const before = await eventsOf(one!.entity)
  await refreshAll(engine, { sources: [SOURCE] })
  expect(await recordOf(one!.entity)).toEqual({ opted_out: true })
  expect(await eventsOf(one!.entity)).toEqual(before)
})
