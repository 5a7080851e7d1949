/**
 * A cell: one source, one quota, so many processes. Opens it, disturbs its workers, and judges what arrived at the provider and
 * what was recorded.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Config } from '../../../ts/config/schema.ts'
import type { LogEntry } from '../../../ts/sandbox/request-log.ts'
import type { SandboxOptions } from '../../../ts/sandbox/server.ts'
import type { WallStep, WorkerScript } from '../worker.ts'
import { arrivalsAt } from './arrivals.ts'
import { type Child, start, WORKER } from './child.ts'
import { eventsOf } from './final-state.ts'
import { admin, type Home, loadFiles, openHome, openTestEngine, type Settings } from './home.ts'
import type { Rng } from './seed.ts'

/** Requests in flight at once in one process. */
export const PARALLEL = 2
/** Shorter than real ones, because a slot of a killed process stays taken for twice as long, and the test waits for it. */
const TIMEOUT_MS = 1_500
const LEASE_MS = 2_000

export type Quota = { readonly limit: number; readonly perMs: number }
export type Cell = {
  readonly source: 'sam_gov' | 'usaspending'
  readonly processes: number
  readonly quota: Quota
  readonly world: Pick<SandboxOptions, 'companies' | 'awards'>
  /** Entities in one call; 1 unless said. */
  readonly batchSize?: number
}

export async function openCell(cell: Cell): Promise<{ home: Home; config: Config }> {
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
    [`enrichment_refresh.${source}.batch_size`]: cell.batchSize ?? 1,
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

export function startWorker(config: Config, source: string, wallSteps: readonly WallStep[] = []): Child {
  const script: WorkerScript = {
    config,
    wallSteps,
    steps: [{ do: 'refresh_until_done', request: { sources: [source] }, giveUpAfterMs: 240_000 }],
  }
  return start([WORKER], { input: JSON.stringify(script) })
}

/** Never more than the quota, by the sandbox's meter and by the log. */
export async function expectWithinQuota(home: Home, { source, quota }: Cell): Promise<void> {
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
export async function expectRecordedOnce(config: Config, source: string): Promise<number> {
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

export function report(line: string): void {
  process.stderr.write(`${line}\n`)
}

// ---------------------------------------------------------------- disturbed

export type Disturbances = { kills: number; stalls: number; starts: number }

/** Kills, stops and starts workers at random until the budget is spent; then those that are left finish. */
export async function disturb(
  config: Config,
  cell: Cell,
  rng: Rng,
  budget: { readonly kills: number; readonly stalls: number },
  wallSteps: readonly WallStep[] = [],
): Promise<Disturbances> {
  const done: Disturbances = { kills: 0, stalls: 0, starts: 0 }
  const slots: (Child | null)[] = Array.from({ length: cell.processes }, () => null)
  const failures: string[] = []
  const begin = (slot: number): void => {
    const child = startWorker(config, cell.source, wallSteps)
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
  const last = await startWorker(config, cell.source, wallSteps).ended
  expect(last.code, last.stderr.slice(-2000)).toBe(0)
  return done
}

// ---------------------------------------------------------------- repeats

/** What one key, and one question (the keys of a request), were asked how often. */
export type Asked = {
  readonly count: number
  readonly byKey: ReadonlyMap<string, number>
  readonly byQuestion: ReadonlyMap<string, number>
  readonly mostKeys: number
}

export function askedAt(home: Pick<Home, 'sandbox'>, source: string): Asked {
  const entries: readonly LogEntry[] = home.sandbox.sandbox.log.after(0, Number.MAX_SAFE_INTEGER)
  const byKey = new Map<string, number>()
  const byQuestion = new Map<string, number>()
  let count = 0
  let mostKeys = 0
  const add = (map: Map<string, number>, name: string): void => void map.set(name, (map.get(name) ?? 0) + 1)
  for (const entry of entries) {
    if (entry.source !== source) continue
    count += 1
    mostKeys = Math.max(mostKeys, entry.keys.length)
    for (const key of entry.keys) add(byKey, key)
    add(byQuestion, [...entry.keys].sort().join(' '))
  }
  return { count, byKey, byQuestion, mostKeys }
}

/** The same work when nothing happens. */
export async function askedUndisturbed(cell: Cell): Promise<Asked> {
  const { home, config } = await openCell({ ...cell, quota: { limit: 1_000_000, perMs: 1_000 } })
  try {
    const ended = await startWorker(config, cell.source).ended
    expect(ended.code, ended.stderr.slice(-2000)).toBe(0)
    return askedAt(home, cell.source)
  } finally {
    await home.close()
  }
}

export function askedAgain(seen: ReadonlyMap<string, number>, calm: ReadonlyMap<string, number>): number {
  return [...seen].reduce((sum, [name, times]) => sum + Math.max(0, times - (calm.get(name) ?? 0)), 0)
}

/**
 * Repeats are at most the requests that were in flight when a process was killed or stopped, whatever groups and pages its
 * entities take. Returns them as a line.
 */
export function expectFewRepeats(seen: Asked, calm: Asked, cell: Cell, done: Disturbances): string {
  // A stopped process may find its requests timed out and ask again, besides the one that took over.
  const inFlight = PARALLEL * done.kills + 2 * PARALLEL * done.stalls
  // Gap G2: a batch that was on its last page is asked from its first again. Award groups are no pages: each is committed by itself.
  const pages = cell.source === 'usaspending' ? 1 : Math.max(...calm.byQuestion.values())
  for (const key of seen.byKey.keys()) expect(calm.byKey.has(key), `${key} was asked for out of turn`).toBe(true)
  const ofKeys = askedAgain(seen.byKey, calm.byKey)
  expect(ofKeys).toBeLessThanOrEqual(inFlight * pages * seen.mostKeys)
  if ((cell.batchSize ?? 1) === 1) {
    expect(askedAgain(seen.byQuestion, calm.byQuestion)).toBeLessThanOrEqual(inFlight * pages)
    expect(seen.count - calm.count).toBeLessThanOrEqual(inFlight * pages)
  }
  return `${ofKeys} keys and ${seen.count - calm.count} calls more than undisturbed (at most ${inFlight} requests were in flight)`
}
