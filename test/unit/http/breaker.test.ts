import { beforeEach, describe, expect, test } from 'vitest'
import {
  AUTH_COOLDOWN_MS,
  type Breaker,
  breakerDownUntil,
  breakerName,
  createBreaker,
  type Entry,
} from '../../../ts/http/breaker.ts'
import { NO_LOGGER } from '../../../ts/runtime/logger.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type FakeControlStore, fakeControlStore } from '../../support/http-client.ts'

let clock: FakeClock
let store: FakeControlStore
beforeEach(() => {
  clock = new FakeClock()
  store = fakeControlStore()
})

function breaker(holder = 'a', credential = 'k1'): Breaker {
  return createBreaker({
    source: 's',
    holder,
    failures: 3,
    cooldownMs: 30_000,
    probeLeaseMs: 10_000,
    credential,
    store,
    clock,
    logger: NO_LOGGER,
  })
}
const down = { kind: 'failure', reason: 'HTTP 503' } as const
const fine = { kind: 'success' } as const

async function admitted(one: Breaker): Promise<Entry & { kind: 'admitted' }> {
  const entry = await one.enter()
  if (entry.kind !== 'admitted') throw new Error(entry.reason)
  return entry
}
async function fail(one: Breaker, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await one.settle({ probe: false }, down)
}

test('it opens after consecutive failures only', async () => {
  const one = breaker()
  await fail(one, 2)
  await one.settle({ probe: false }, fine)
  await fail(one, 2)
  expect(await one.look()).toBeNull()
  await fail(one, 1)
  expect(await one.look()).toMatchObject({ kind: 'refused', cause: 'failures', until: clock.now() + 30_000, reason: 'HTTP 503' })
})

test('failures in a row count over runs and processes, however few each of them sees', async () => {
  for (const holder of ['run 1', 'run 2']) {
    const one = breaker(holder)
    await admitted(one)
    await fail(one, 1)
    expect(await one.look(), holder).toBeNull()
  }
  const last = breaker('run 3')
  await admitted(last)
  await fail(last, 1)
  expect(await last.look()).toMatchObject({ kind: 'refused', cause: 'failures' })
})

test('a success of any run ends the row', async () => {
  await fail(breaker('run 1'), 2)
  const two = breaker('run 2')
  await two.settle(await admitted(two), fine)
  const three = breaker('run 3')
  await fail(three, 2)
  expect(await three.look()).toBeNull()
})

test('what is undecided neither counts nor resets', async () => {
  const one = breaker()
  await fail(one, 2)
  await one.settle({ probe: false }, { kind: 'undecided', sent: true })
  await fail(one, 1)
  expect(await one.look()).not.toBeNull()
})

test('opened by one process it is open for all, at the latest a quarter of a second later', async () => {
  const [one, other] = [breaker('a'), breaker('b')]
  expect(await other.look()).toBeNull()
  await fail(one, 3)
  clock.skip(250)
  expect(await other.look()).toMatchObject({ kind: 'refused' })
})

test('a closed breaker costs one read of the store per quarter second', async () => {
  const one = breaker()
  for (let i = 0; i < 1_000; i++) await admitted(one)
  expect(store.counts.reads).toBe(1)
})

describe('half-open', () => {
  async function halfOpen(...holders: string[]): Promise<Breaker[]> {
    const all = holders.map((holder) => breaker(holder))
    await fail(all[0]!, 3)
    clock.skip(30_000)
    return all
  }

  test('of all processes and callers exactly one gets the probe', async () => {
    const all = await halfOpen('a', 'b', 'c', 'd')
    const entries = await Promise.all(all.flatMap((one) => Array.from({ length: 20 }, () => one.enter())))
    expect(entries.filter((entry) => entry.kind === 'admitted' && entry.probe)).toHaveLength(1)
    expect(entries.filter((entry) => entry.kind === 'admitted' && !entry.probe)).toHaveLength(0)
  })

  test('a good probe closes it for all', async () => {
    const [one, other] = await halfOpen('a', 'b')
    await one!.settle(await admitted(one!), fine)
    expect(await admitted(other!)).toEqual({ kind: 'admitted', probe: false })
  })

  test('a bad one opens it again for a whole cool-down', async () => {
    const [one, other] = await halfOpen('a', 'b')
    await one!.settle(await admitted(one!), down)
    expect(await other!.look()).toMatchObject({ until: clock.now() + 30_000 })
    clock.skip(30_000)
    expect(await admitted(other!)).toMatchObject({ probe: true })
  })

  test('a probe that was never sent leaves it to the next at once; one that was cut uses up the interval', async () => {
    const [one, other] = await halfOpen('a', 'b')
    await one!.settle(await admitted(one!), { kind: 'undecided', sent: false })
    const entry = await admitted(other!)
    expect(entry.probe).toBe(true)
    await other!.settle(entry, { kind: 'undecided', sent: true })
    expect(await one!.look()).toMatchObject({ until: clock.now() + 30_000 })
  })

  test('who comes beside a probe waits for its verdict, however it turns out', async () => {
    for (const verdict of [fine, down]) {
      const [one, other] = await halfOpen('a', 'b')
      const probe = await admitted(one!)
      const waiting = [one!, other!].map((each) => each.waitForProbe(new AbortController().signal, 60_000))
      await clock.advance(2_000)
      expect(clock.sleeping).toBe(2)
      await one!.settle(probe, verdict)
      await clock.advance(100)
      expect(await Promise.all(waiting)).toEqual([true, true])
      expect((await other!.look()) === null).toBe(verdict === fine)
      expect(await other!.waitForProbe(new AbortController().signal, 60_000)).toBe(false)
    }
  })

  test('the wait for a probe ends with its lease, with what the run may wait, and with a stop', async () => {
    const [one, other] = await halfOpen('a', 'b')
    await admitted(one!)
    const stop = new AbortController()
    const stopped = other!.waitForProbe(stop.signal, 60_000)
    const short = other!.waitForProbe(new AbortController().signal, 1_000)
    const long = other!.waitForProbe(new AbortController().signal, 60_000)
    await clock.advance(500)
    stop.abort()
    expect(await stopped).toBe(true)
    await clock.advance(1_000)
    expect(await short).toBe(false)
    expect(clock.sleeping).toBe(1)
    await clock.advance(9_000)
    expect(await long).toBe(true)
    expect(await admitted(other!)).toMatchObject({ probe: true })
  })

  test('a prober that died gives way after its lease', async () => {
    const [one, other] = await halfOpen('a', 'b')
    await admitted(one!)
    clock.skip(9_999)
    expect(await other!.enter()).toMatchObject({ kind: 'refused' })
    clock.skip(1)
    const entry = await admitted(other!)
    expect(entry.probe).toBe(true)
    // The first one comes back from the dead: its verdict is about a probe that is no longer its own.
    await one!.settle({ probe: true }, fine)
    expect(await one!.look()).toMatchObject({ kind: 'refused' })
    await other!.settle(entry, fine)
    expect(await one!.look()).toBeNull()
  })
})

test('late failures of requests that were under way do not lengthen the cool-down', async () => {
  const one = breaker()
  await fail(one, 3)
  const until = (await one.look())?.until
  clock.skip(10_000)
  await fail(one, 10)
  expect((await one.look())?.until).toBe(until)
})

describe('a refused credential', () => {
  test('opens at once, for a quarter of an hour, with the reason', async () => {
    const one = breaker()
    await one.settle({ probe: false }, { kind: 'auth', reason: 'HTTP 403' })
    expect(await one.look()).toEqual({
      kind: 'refused',
      cause: 'auth',
      reason: 'HTTP 403',
      until: clock.now() + AUTH_COOLDOWN_MS,
    })
  })

  test('another key is tried at once, and when it is refused too it takes the place', async () => {
    await breaker('a', 'k1').settle({ probe: false }, { kind: 'auth', reason: 'HTTP 403' })
    const renewed = breaker('b', 'k2')
    expect(await renewed.look()).toBeNull()
    await renewed.settle({ probe: false }, { kind: 'auth', reason: 'HTTP 401' })
    expect(await renewed.look()).toMatchObject({ cause: 'auth', reason: 'HTTP 401' })
  })

  test('outranks a failing provider', async () => {
    const one = breaker()
    await fail(one, 3)
    await one.settle({ probe: false }, { kind: 'auth', reason: 'HTTP 403' })
    expect(await one.look()).toMatchObject({ cause: 'auth' })
  })
})

test('a provider that says it is out of service is believed at once and until its moment', async () => {
  const one = breaker()
  const until = clock.now() + 86_400_000
  await one.settle({ probe: false }, { kind: 'failure', reason: 'switched off', until })
  expect(await one.look()).toMatchObject({ until })
  expect(await breakerDownUntil('s', store, clock)).toBe(until)
})

test('a clock set back by an hour costs one cool-down, not an hour', async () => {
  const one = breaker()
  await fail(one, 3)
  clock.stepWall(-3_600_000)
  expect(await one.look()).toMatchObject({ until: clock.now() + 30_000 })
  expect(await breakerDownUntil('s', store, clock)).toBe(clock.now() + 30_000)
})

test('a source that was never asked is not down', async () => {
  expect(await breakerDownUntil('s', store, clock)).toBeNull()
  store.states.set(breakerName('s'), { version: 3, value: 'garbage' })
  expect(await breakerDownUntil('s', store, clock)).toBeNull()
})
