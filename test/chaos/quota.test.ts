/**
 * One source, one quota, one to four processes: what arrives at the provider. Undisturbed, at least 98 % of the quota is used
 * while work waits; killed, stopped and started at random, never more than the quota arrives in any window, and what was
 * answered is recorded once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import type { Config } from '../../ts/config/schema.ts'
import type { SandboxOptions } from '../../ts/sandbox/server.ts'
import { arrivalsAt } from './support/arrivals.ts'
import { type Child, createGate, reapAll, start, WORKER } from './support/child.ts'
import { eventsOf } from './support/final-state.ts'
import { admin, type Home, loadFiles, openHome, openTestEngine, type Settings } from './support/home.ts'
import { chaosSeed, type Rng, ROUNDS, rngOf } from './support/seed.ts'
import type { WorkerScript } from './worker.ts'

afterAll(reapAll)

/** Requests in flight at once in one process. */
const PARALLEL = 2
/** Shorter than real ones, because a slot of a killed process stays taken for twice as long, and the test waits for it. */
const TIMEOUT_MS = 1_500
const LEASE_MS = 2_000

type Quota = { readonly limit: number; readonly perMs: number }
type Cell = {
  readonly source: 'sam_gov' | 'usaspending'
  readonly processes: number
  readonly quota: Quota
  readonly world: Pick<SandboxOptions, 'companies' | 'awards'>
}

async function openCell(cell: Cell): Promise<{ home: Home; config: Config }> {
  const { source, quota } = cell
  const home = await openHome({
    seed: 5,
    ...cell.world,
    quotas: { usaspending: [], sam_gov: [], sbir_gov: [], [source]: [{ limit: quota.limit, per: quota.perMs }] },
  })
  const settings: Settings = {
    [`enrichment_refresh.${source}.quotas`]: [{ limit: quota.limit, per: `${quota.perMs}ms` }],
    // One key, one quota: what is said of one has to be said of the other.
    ...(source === 'sam_gov'
      ? { 'enrichment_refresh.sam_exclusions.quotas': [{ limit: quota.limit, per: `${quota.perMs}ms` }] }
      : {}),
    [`enrichment_refresh.${source}.batch_size`]: 1,
    [`enrichment_refresh.${source}.max_parallel_requests`]: PARALLEL,
    [`enrichment_refresh.${source}.timeout`]: `${TIMEOUT_MS}ms`,
    'enrichment_refresh.sam_gov.cohort.size': 15,
    'run.lease': `${LEASE_MS}ms`,
    'warehouse.export_after_run': false,
  }
  const config = await home.config(settings)
  const engine = await openTestEngine(config)
  await loadFiles(engine, home.files)
  await engine.close()
  return { home, config }
}

function startWorker(config: Config, source: string): Child {
  const script: WorkerScript = {
    config,
    steps: [{ do: 'refresh_until_done', request: { sources: [source] }, giveUpAfterMs: 240_000 }],
  }
  return start([WORKER], { input: JSON.stringify(script) })
}

/** Never more than the quota, by the sandbox's meter and by the log. */
async function expectWithinQuota(home: Home, { source, quota }: Cell): Promise<void> {
  const { violations } = await admin<{ violations: unknown[] }>(home, 'violations')
  expect(violations).toEqual([])
  const { sources } = await admin<{ sources: { windows: { max_arrivals: number; limit: number }[] }[] }>(
    home,
    `arrivals?source=${source}`,
  )
  for (const { max_arrivals: most, limit } of sources[0]!.windows) expect(most).toBeLessThanOrEqual(limit)
  const seen = arrivalsAt(home, source, quota)
  expect(seen.refused).toBe(0)
  expect(seen.maxInWindow).toBeLessThanOrEqual(quota.limit)
}

/** Every entity answered and recorded once: one row, one attempt, one event where there is a record. */
async function expectRecordedOnce(config: Config, source: string): Promise<number> {
  const engine = await openTestEngine(config)
  try {
    const present = new Set<string>()
    let rows = 0
    const entities = new Set<string>()
    for await (const row of engine.store.ledger(source)) {
      entities.add(row.entity.key)
      if (row.cohort === 'unresolved') continue
      rows += 1
      expect(row, row.entity.key).toMatchObject({ attempts: 1, consecutiveFailures: 0 })
      expect(['changed', 'absent', 'skipped'], row.entity.key).toContain(row.outcome)
      if (row.outcome === 'changed') present.add(row.entity.key)
    }
    const population = await engine.store.countEntities()
    expect(entities.size).toBe(source === 'sam_gov' ? population.company : population.award)
    const records = new Set<string>()
    for await (const record of engine.store.currentRecords(source)) records.add(record.entity.key)
    expect(records).toEqual(present)
    const events = (await eventsOf(engine.store)).filter((event) => event.source === source)
    expect(new Set(events.map((event) => event.eventId)).size).toBe(events.length)
    expect(events.map((event) => event.entity.key).sort()).toEqual([...present].sort())
    expect(new Set(events.map((event) => event.kind))).toEqual(new Set(['created']))
    for (const point of await engine.store.checkpoints(source)) expect(point).toMatchObject({ status: 'complete', cursor: null })
    expect(await engine.store.leases(engine.clock.monotonic())).toEqual([])
    return rows
  } finally {
    await engine.close()
  }
}

function report(line: string): void {
  process.stderr.write(`${line}\n`)
}

describe('undisturbed, while work waits', () => {
  const LATENCY_MS = 20
  const sam = { source: 'sam_gov', quota: { limit: 60, perMs: 10_000 }, world: { companies: 360, awards: 400 } } as const
  const cells: Cell[] = [
    { ...sam, processes: 1 },
    { ...sam, processes: 2 },
    { ...sam, processes: 4 },
    { source: 'usaspending', processes: 2, quota: { limit: 60, perMs: 10_000 }, world: { companies: 80, awards: 240 } },
    // The published quota at its true length takes minutes: in soaks only.
    ...(ROUNDS > 1 ? [{ ...sam, processes: 2, quota: { limit: 60, perMs: 60_000 } }] : []),
  ]

  it.concurrent.each(cells)(
    '$processes processes use at least 98 % of the quota of $source, and no more than it',
    async (cell) => {
      const { home, config } = await openCell(cell)
      try {
        await admin(home, 'faults', { source: cell.source, kind: 'latency', ms: LATENCY_MS })
        const workers = Array.from({ length: cell.processes }, () => startWorker(config, cell.source))
        for (const worker of workers) {
          const ended = await worker.ended
          expect(ended.code, ended.stderr.slice(-2000) + ended.stdout.slice(-2000)).toBe(0)
        }
        await expectWithinQuota(home, cell)
        const seen = arrivalsAt(home, cell.source, cell.quota)
        const entities = await expectRecordedOnce(config, cell.source)
        report(
          `${cell.source}, ${cell.processes} processes, ${cell.quota.limit} per ${cell.quota.perMs} ms, latency ${LATENCY_MS} ms: ` +
            `${seen.count} calls for ${entities} entities, at most ${seen.maxInWindow} in a window, utilisation ${(seen.utilisation * 100).toFixed(2)} %`,
        )
        expect(seen.count).toBeGreaterThanOrEqual(3 * cell.quota.limit)
        expect(seen.utilisation).toBeGreaterThanOrEqual(0.98)
      } finally {
        await home.close()
      }
    },
  )
})

// ---------------------------------------------------------------- disturbed

/** Calls that the same work takes when nothing happens, and the most that one key takes (one for each group it is looked for in). */
async function callsUndisturbed(cell: Cell): Promise<{ count: number; mostPerKey: number }> {
  const { home, config } = await openCell({ ...cell, quota: { limit: 1_000_000, perMs: 1_000 } })
  try {
    expect((await startWorker(config, cell.source).ended).code).toBe(0)
    const times = new Map<string, number>()
    for (const { keys } of home.sandbox.sandbox.log.after(0, 1_000_000))
      for (const key of keys) times.set(key, (times.get(key) ?? 0) + 1)
    return { count: home.sandbox.sandbox.log.total, mostPerKey: Math.max(...times.values()) }
  } finally {
    await home.close()
  }
}

type Disturbances = { kills: number; stalls: number; starts: number }

/** Kills, stops and starts workers at random until the budget is spent; then those that are left finish. */
async function disturb(config: Config, cell: Cell, rng: Rng, budget: { kills: number; stalls: number }): Promise<Disturbances> {
  const done: Disturbances = { kills: 0, stalls: 0, starts: 0 }
  const slots: (Child | null)[] = Array.from({ length: cell.processes }, () => null)
  const failures: string[] = []
  const begin = (slot: number): void => {
    const child = startWorker(config, cell.source)
    done.starts += 1
    slots[slot] = child
    void child.ended.then((ended) => {
      if (ended.signal !== 'SIGKILL' && ended.code !== 0) failures.push(ended.stderr.slice(-2000) + ended.stdout.slice(-2000))
    })
  }
  for (let slot = 0; slot < slots.length; slot += 1) begin(slot)
  await sleep(800)
  while (done.kills < budget.kills || done.stalls < budget.stalls) {
    await sleep(150 + rng.next() * 500)
    const slot = rng.int(slots.length)
    const child = slots[slot]!
    if (!child.isAlive()) {
      // Whoever found nothing left to do stays away; whoever was killed comes back.
      if ((await child.ended).signal !== 'SIGKILL') break
      begin(slot)
      continue
    }
    const stall = rng.next() < 0.35
    if (stall && done.stalls < budget.stalls) {
      done.stalls += 1
      child.kill('SIGSTOP')
      // Sometimes beyond the lease: another process takes over, and the sleeper wakes up overtaken.
      await sleep(rng.next() < 0.5 ? 200 + rng.next() * 800 : LEASE_MS + rng.next() * 1_500)
      child.kill('SIGCONT')
    } else if (done.kills < budget.kills) {
      done.kills += 1
      child.kill('SIGKILL')
      if (rng.next() < 0.5) {
        await child.ended
        begin(slot)
      }
    }
  }
  await Promise.all(slots.map((child) => child!.ended))
  expect(failures).toEqual([])
  const last = await startWorker(config, cell.source).ended
  expect(last.code, last.stderr.slice(-2000)).toBe(0)
  return done
}

describe('killed, stopped and started at random', () => {
  const seed = chaosSeed('quota under chaos')
  // Two at once: more processes than processors would only test the scheduler.
  const gate = createGate(2)
  const sam = { source: 'sam_gov', quota: { limit: 25, perMs: 2_500 }, world: { companies: 330, awards: 360 } } as const
  const usaspending = {
    source: 'usaspending',
    quota: { limit: 25, perMs: 2_500 },
    world: { companies: 60, awards: 160 },
  } as const
  type ChaosCell = Cell & { readonly kills: number; readonly stalls: number }
  const cells: ChaosCell[] = [
    { ...sam, processes: 1, kills: 6, stalls: 0 },
    { ...sam, processes: 2, kills: 10, stalls: 0 },
    { ...sam, processes: 4, kills: 10, stalls: 5 },
    { ...usaspending, processes: 4, kills: 10, stalls: 5 },
  ]
  const rounds = Array.from({ length: ROUNDS }, (_, round) => cells.map((cell, index) => ({ ...cell, round, index }))).flat()

  it.concurrent.each(rounds)('$processes processes on $source, $kills kills, $stalls stalls (round $round)', (cell) =>
    gate(async () => {
      const rng = rngOf(seed + cell.round * 1009 + cell.index)
      const { home, config } = await openCell(cell)
      try {
        // Long enough that kills meet requests under way, short enough that none times out by itself.
        await admin(home, 'faults', { source: cell.source, kind: 'latency', ms: 60 })
        await admin(home, 'faults', { source: cell.source, kind: 'latency', ms: 300, rate: 0.15 })
        const done = await disturb(config, cell, rng, cell)
        await expectWithinQuota(home, cell)
        const entities = await expectRecordedOnce(config, cell.source)
        const seen = arrivalsAt(home, cell.source, cell.quota)
        const calm = await callsUndisturbed(cell)
        report(
          `${cell.source}, ${cell.processes} processes: ${done.kills} kills, ${done.stalls} stalls, ${done.starts} starts; ` +
            `${seen.count} calls for ${entities} entities, at most ${seen.maxInWindow} of ${cell.quota.limit} in a window, ${seen.count - calm.count} calls more than undisturbed`,
        )
        // A stalled process may find its requests timed out and ask again, besides the one that took over.
        const inFlight = PARALLEL * done.kills + 2 * PARALLEL * done.stalls
        // An award whose first group of award types did not list it begins again with that group.
        expect(seen.count - calm.count).toBeLessThanOrEqual(inFlight * calm.mostPerKey)
        if (calm.mostPerKey === 1) expect(seen.repeats).toBeLessThanOrEqual(inFlight)
      } finally {
        await home.close()
      }
    }),
  )
})
