/**
 * A process dies at each named point, at each of its passes, and the next one finishes the work: the state is the same as
 * that of a run that was never disturbed, nothing is recorded twice, and only what was in flight is asked again.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { DAY_MS, HOUR_MS } from '../../ts/model/time.ts'
import { SOURCE } from '../support/builders.ts'
import { fakeAdapter } from '../support/fake-adapter.ts'
import { FakeProvider } from '../support/fake-provider.ts'
import { dump, Killed, type OpenedStore, openStore, RefreshWorld, STORES, type StoreKind } from '../support/refresh-world.ts'

const IDS = Array.from({ length: 23 }, (_, i) => `A${String(i).padStart(2, '0')}`)
const BATCH = 4
const IN_FLIGHT = 3

type Scene = { readonly world: RefreshWorld; readonly provider: FakeProvider; readonly opened: OpenedStore }
type Crash = { readonly point: string; readonly pass: number }

const scenes: OpenedStore[] = []
afterEach(async () => {
  for (const opened of scenes.splice(0)) await opened.cleanup()
})

/** A day after a first refresh: everything is due again; some changed, one is gone, one is ambiguous, one poisons its batch. */
async function items(kind: StoreKind): Promise<Scene> {
  const opened = await openStore(kind)
  scenes.push(opened)
  const world = new RefreshWorld(opened.store)
  const { provider } = world.addSource({ policy: { batchSize: BATCH, maxParallelRequests: IN_FLIGHT, cohortSize: 15 } })
  for (const id of IDS) provider.put(id, { status: 'active' }, 0)
  await world.populate(IDS)
  await world.run()
  world.clock.skip(DAY_MS)
  for (const id of ['A01', 'A09', 'A20']) provider.put(id, { status: 'inactive' }, 0)
  provider.things.delete('A05')
  provider.put('A06', { ambiguous: true }, 0)
  provider.poison.add('A11')
  world.sources[0]!.client.forget()
  return { world, provider, opened }
}

/** Two days of changes in a feed with small pages, and two entities that no feed can settle. */
async function feed(kind: StoreKind): Promise<Scene> {
  const opened = await openStore(kind)
  scenes.push(opened)
  const world = new RefreshWorld(opened.store)
  const { provider } = world.addSource({
    adapter: fakeAdapter(['batch', 'feed']),
    policy: { batchSize: 1, maxParallelRequests: IN_FLIGHT },
  })
  for (const id of IDS) provider.put(id, { status: 'active' }, world.clock.now() - 90 * DAY_MS)
  await world.populate(IDS)
  await world.run()
  world.clock.skip(DAY_MS)
  provider.pageSize = 2
  for (const id of IDS.slice(0, 5)) provider.put(id, { status: 'inactive' }, world.clock.now() - HOUR_MS)
  for (const id of IDS.slice(5, 8)) provider.put(id, { status: 'excluded' }, world.clock.now() - 23 * HOUR_MS)
  await world.populate(['N01', 'N02'])
  for (const id of ['N01', 'N02']) provider.put(id, { status: 'new' }, world.clock.now() - 80 * DAY_MS)
  world.sources[0]!.client.forget()
  return { world, provider, opened }
}

const SCENES = { items, feed }
const POINTS = ['session.after_lease', 'session.before_commit', 'session.after_commit', 'session.before_release']

/** Runs until a run comes through; null when the crash point was never reached. */
async function survive(scene: Scene, crash: Crash): Promise<boolean> {
  try {
    await scene.world.run({ crash, maxParallelPartitions: 1 })
    return false
  } catch (error) {
    if (!(error instanceof Killed)) throw error
  }
  scene.world.reboot()
  const report = await scene.world.run({ maxParallelPartitions: 1 })
  expect(report.partitions.every((part) => part.status === 'done' && part.reconciled === null)).toBe(true)
  return true
}

describe.each(STORES)('over the %s store', (kind) => {
  describe.each(Object.entries(SCENES))('a pass over %s', (_name, make) => {
    test.each(POINTS)('killed at %s, at each of its passes', async (point) => {
      const undisturbed = await make('memory')
      await undisturbed.world.run({ maxParallelPartitions: 1 })
      const expected = await dump(undisturbed.opened.store, [SOURCE])
      const calls = undisturbed.world.sources[0]!.client.requests.length

      let kills = 0
      for (let pass = 1; pass < 100; pass++) {
        const scene = await make(kind)
        if (!(await survive(scene, { point, pass }))) break
        kills += 1
        expect(await dump(scene.opened.store, [SOURCE])).toEqual(expected)
        const { requests } = scene.world.sources[0]!.client
        // A unit in flight may be asked again, and a batch that was being halved is halved again.
        expect(requests.length).toBeLessThanOrEqual(calls + IN_FLIGHT * 4)
      }
      expect(kills).toBeGreaterThan(0)
    })
  })

  test('killed again and again, at the first commit of every run, it still comes to the same end', async () => {
    const undisturbed = await items('memory')
    await undisturbed.world.run({ maxParallelPartitions: 1 })
    const expected = await dump(undisturbed.opened.store, [SOURCE])
    const scene = await items(kind)
    let lives = 0
    while (true) {
      lives += 1
      try {
        await scene.world.run({ crash: { point: 'session.after_commit', pass: 1 }, maxParallelPartitions: 1 })
        break
      } catch (error) {
        if (!(error instanceof Killed)) throw error
        scene.world.reboot()
      }
      expect(lives).toBeLessThan(100)
    }
    expect(lives).toBeGreaterThan(4)
    expect(await dump(scene.opened.store, [SOURCE])).toEqual(expected)
  })

  test('a commit that reached the store but not the process is not repeated: what it recorded is not asked again', async () => {
    const scene = await items(kind)
    const { client } = scene.world.sources[0]!
    await expect(
      scene.world.run({ crash: { point: 'session.after_commit', pass: 1 }, maxParallelPartitions: 1 }),
    ).rejects.toThrow(Killed)
    const recorded = new Set<string>()
    for await (const row of scene.opened.store.ledger(SOURCE))
      if (row.lastAttemptAt === scene.world.clock.now()) recorded.add(row.entity.key.slice(4))
    expect(recorded.size).toBeGreaterThan(0)
    client.forget()
    scene.world.reboot()
    await scene.world.run()
    for (const id of FakeProvider.asked(client.requests).keys()) expect(recorded.has(id)).toBe(false)
  })
})
