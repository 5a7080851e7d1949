/** What is stored is what the providers say: record by record, event by event, and nobody is asked who is not due. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stripId } from '../../ts/adapters/shared/text.ts'
import type { Identity } from '../../ts/model/entity.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import { entityId } from '../../ts/model/keys.ts'
import type { CurrentRecord, DeltaEvent } from '../../ts/model/record.ts'
import type { RunReport } from '../../ts/model/run-report.ts'
import type { SandboxClock } from '../../ts/runtime/sandbox-clock.ts'
import type { Store } from '../../ts/stores/store.ts'
import type { Engine } from '../../ts/wiring.ts'
import { eventsOf } from '../chaos/support/final-state.ts'
import {
  admin,
  advance,
  arrived,
  type Home,
  loadFiles,
  openHome,
  openTestEngine,
  refreshAll,
  requestsSince,
} from '../chaos/support/home.ts'
import { expectSam, expectUsaspending, SbirTruth, servedAwards } from '../chaos/support/raw-truth.ts'
import { changesAt, samTruth, shownChanges, truthOf, usaspendingTruth, type WorldChange } from '../chaos/support/truth.ts'

let home: Home
let engine: Engine

beforeAll(async () => {
  home = await openHome({ seed: 7, companies: 220, awards: 700, sbirPublishEvery: 5 * 86_400_000 })
  engine = await openTestEngine(await home.config({ 'enrichment_refresh.sam_gov.cohort.size': 50 }))
  await loadFiles(engine, home.files)
})
afterAll(async () => {
  await engine.close()
  await home.close()
})

/** Moves the world and the engine's clock with it. */
async function later(by: string): Promise<void> {
  await advance(home, by)
  await (engine.clock as SandboxClock).refresh()
}

async function recordsOf(store: Store, source: string): Promise<readonly CurrentRecord[]> {
  const records: CurrentRecord[] = []
  for await (const record of store.currentRecords(source)) records.push(record)
  return records
}

async function identitiesOf(source: string): Promise<ReadonlyMap<string, Identity>> {
  const found = await engine.store.identities({ source, limit: 1_000_000 })
  return new Map(found.map((identity) => [entityId(identity.entity), identity]))
}

function expectAllDone(report: RunReport): void {
  expect(report.partitions.filter((part) => part.status !== 'done')).toEqual([])
  expect(report.partitions.reduce((sum, part) => sum + part.counts.failed, 0)).toBe(0)
}

async function expectAwardsTrue(): Promise<number> {
  const identities = await identitiesOf('usaspending')
  const records = await recordsOf(engine.store, 'usaspending')
  for (const stored of records) {
    const { providerKey } = identities.get(entityId(stored.entity))!
    const truth = (await usaspendingTruth(home, providerKey))!
    expect(stored.record, providerKey).toEqual(truth.record)
    expectUsaspending(stored.record, (await truthOf(home, 'usaspending', providerKey))!)
    expect(stored.payloadHash).toBe(truth.hash)
  }
  return records.length
}

/** Every stored record against the provider's own body; how many were compared. */
async function expectTruth(): Promise<Record<string, number>> {
  const compared = { usaspending: await expectAwardsTrue(), sam_gov: 0, sbir_awards: 0, sbir_companies: 0, absent: 0 }
  for await (const row of engine.store.ledger('sam_gov')) {
    if (row.cohort === 'unresolved') continue
    const truth = await samTruth(home, row.entity.key.slice('uei:'.length))
    expect(row.payloadHash, row.entity.key).toBe(truth?.hash ?? null)
    expect(row.outcome === 'absent').toBe(truth === null)
    if (truth === null) compared.absent += 1
    else compared.sam_gov += 1
  }
  for (const { entity, record } of await recordsOf(engine.store, 'sam_gov')) {
    const uei = entity.key.slice('uei:'.length)
    const body = await truthOf<{ entityData: JsonObject[] }>(home, 'sam_gov', uei)
    if (body !== null && body.entityData.length > 0) expectSam(record, uei, body.entityData)
  }
  const served = new SbirTruth(await servedAwards(home))
  for (const { entity, record } of await recordsOf(engine.store, 'sbir_gov')) {
    served.expectStored(entity.kind, entity.key, record)
    compared[entity.kind === 'award' ? 'sbir_awards' : 'sbir_companies'] += 1
  }
  return compared
}

const shownEvent = (event: DeltaEvent): readonly string[] =>
  event.changes
    .map(
      ({ path, old, new: now }) =>
        `${path.replace('$.registrations[entityEFTIndicator=].', '')}: ${JSON.stringify(old)} -> ${JSON.stringify(now)}`,
    )
    .sort()

/** Tests below build on each other, in the order of days. */
describe('days in the life of a state', () => {
  let firstAt: number

  it('the first refresh stores what the providers say', { timeout: 120_000 }, async () => {
    expectAllDone(await refreshAll(engine))
    firstAt = (await admin<{ epoch_ms: number }>(home, 'clock')).epoch_ms
    const compared = await expectTruth()
    expect(compared['usaspending']).toBeGreaterThan(300)
    expect(compared['sam_gov']).toBeGreaterThan(80)
    expect(compared['sbir_awards']).toBeGreaterThan(500)
    expect(compared['sbir_companies']).toBeGreaterThan(150)
    expect(compared['absent']).toBeGreaterThan(0)
  })

  it('an award is absent only when USAspending has none of its number', async () => {
    const { keys } = await admin<{ keys: string[] }>(home, 'truth/usaspending')
    const numbers = new Set(keys.map((key) => stripId(/^(?:CONT_AWD|CONT_IDV|ASST_NON)_(.+?)_\d+/.exec(key)![1]!)))
    let absent = 0
    for await (const row of engine.store.ledger('usaspending')) {
      if (row.outcome !== 'absent') continue
      absent += 1
      const entity = (await engine.store.entity(row.entity))!
      expect(numbers.has(stripId(String(entity.attributes['contract'])))).toBe(false)
    }
    expect(absent).toBeGreaterThan(0)
  })

  it('a second refresh at once makes no call', async () => {
    const before = arrived(home)
    const report = await refreshAll(engine)
    expect(report.partitions).toEqual([])
    expect(arrived(home)).toBe(before)
  })

  it('a day later only what is due is asked: the awards, and of them those that were refreshed a day ago', async () => {
    // Half of the cohorts are refreshed again in between, so that they are not due when the others are.
    await later('12h')
    const early = ['award_year_2008', 'award_year_2012', 'award_year_2020', 'award_year_2024']
    expectAllDone(await refreshAll(engine, { sources: ['usaspending'], cohorts: early, force: true }))
    await later('12h')
    const due = new Set<string>()
    const fresh = new Set<string>()
    for await (const row of engine.store.ledger('usaspending')) {
      const contract = (await engine.store.entity(row.entity))!.attributes['contract']
      if (row.cohort !== 'unresolved') (early.includes(row.cohort) ? fresh : due).add(stripId(String(contract)))
    }
    const before = arrived(home)
    expectAllDone(await refreshAll(engine))
    const log = requestsSince(home, before)
    expect(new Set(log.map((entry) => entry.source))).toEqual(new Set(['usaspending']))
    const asked = new Set(log.flatMap((entry) => entry.keys).map(stripId))
    expect(asked.size).toBeGreaterThan(100)
    // Provider keys are asked by number, too: a generated id holds it.
    for (const key of asked) if (fresh.has(key)) expect(due.has(key), `${key} was not due`).toBe(true)
    for (const contract of due)
      expect(
        [...asked].some((key) => key.includes(contract) || contract.includes(key)),
        `${contract} was due`,
      ).toBe(true)
  })

  it('a week later events are the changes of the world, field by field', { timeout: 120_000 }, async () => {
    await later('6d')
    expectAllDone(await refreshAll(engine))
    await expectTruth()
    const events = (await eventsOf(engine.store)).filter((event) => event.at > firstAt)
    expect(new Set(events.map((event) => event.eventId)).size).toBe(events.length)

    // USAspending and SAM.gov: by provider key. An entity may have been asked more than once; its events follow one another.
    for (const source of ['usaspending', 'sam_gov'] as const) {
      const identities = await identitiesOf(source)
      const changes = new Map((await changesAt(home, source, firstAt)).map((change) => [change.key, change]))
      const changed = events.filter((event) => event.source === source && event.kind === 'changed')
      expect(changed.length, source).toBeGreaterThan(2)
      const expected = [...identities].flatMap(([id, { providerKey }]): [string, readonly string[]][] => {
        const change = changes.get(providerKey.split('+')[0]!)
        const fields = change === undefined || change.kind === 'appeared' ? [] : shownChanges(source, change)
        return fields.length === 0 ? [] : [[id, fields]]
      })
      const found = new Map<string, readonly string[]>()
      for (const event of changed) found.set(entityId(event.entity), netOf(found.get(entityId(event.entity)), event))
      if (source === 'usaspending') expect(found).toEqual(new Map(expected))
      // A company with two registrations shows a change in each of them.
      else expect(new Set(found.keys())).toEqual(new Set(expected.map(([id]) => id)))
      for (const [id, fields] of expected)
        if (source === 'sam_gov') for (const field of fields) expect(found.get(id), id).toContain(field)
    }
  })

  it('a new bulk file makes events of the companies and awards that it changed', async () => {
    const events = (await eventsOf(engine.store)).filter((event) => event.source === 'sbir_gov' && event.at > firstAt)
    const changes = await changesAt(home, 'sbir_gov', firstAt)
    const appeared = changes.filter((change) => change.kind === 'appeared')
    expect(events.filter((event) => event.kind === 'created' && event.entity.kind === 'award').length).toBe(appeared.length)
    const byCompany = new Map(changes.filter((change) => change.kind === 'changed').map((change) => [change.key, change]))
    const changed = events.filter((event) => event.kind === 'changed' && event.entity.kind === 'company')
    expect(changed.length).toBeGreaterThan(0)
    for (const event of changed) {
      const record = (await engine.store.records('sbir_gov', [event.entity]))[0]!.record
      const change = byCompany.get(String(record['uei'])) ?? byCompany.get(String(record['name']))
      expect(shownEvent(event), event.entity.key).toEqual(shownChanges('sbir_gov', change as WorldChange))
    }
  })
})

/** Of two events of one entity, what changed from before the first to after the second. */
function netOf(before: readonly string[] | undefined, event: DeltaEvent): readonly string[] {
  if (before === undefined) return shownEvent(event)
  const net = new Map(before.map((text) => [text.split(': ')[0]!, text]))
  for (const text of shownEvent(event)) {
    const [path] = text.split(': ')
    const earlier = net.get(path!)
    net.set(path!, earlier === undefined ? text : `${earlier.split(' -> ')[0]} -> ${text.split(' -> ')[1]}`)
  }
  return [...net.values()].sort()
}
