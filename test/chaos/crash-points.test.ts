/**
 * Every named crash point of the engine: a real process kills itself (SIGKILL) at its first pass, a second one at a later
 * pass, a third goes undisturbed. The final state must be that of a history in which nothing happened.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contentOf, query } from '../unit/warehouse/world.ts'
import { createGate, type Ended, reapAll, start, WORKER } from './support/child.ts'
import { pointsInCode } from './support/crash-points.ts'
import {
  armFaults,
  expectQuietWorld,
  makeTemplate,
  openScenario,
  SCENARIO,
  SCENARIOS,
  type ScenarioName,
  scenarioConfig,
  stateOfHome,
  type Template,
} from './support/crash-scenarios.ts'
import type { FinalState } from './support/final-state.ts'
import type { Home } from './support/home.ts'
import { chaosSeed, ROUNDS, rngOf } from './support/seed.ts'
import type { Pass, WorkerResult, WorkerScript } from './worker.ts'

const POINTS = pointsInCode()

/** Histories in which a point is killed: where it means something else in another history, there too. */
function scenariosOf(point: string): readonly ScenarioName[] {
  if (/^export\.|^store\.renew_lease\./.test(point)) return ['export']
  if (
    /^store\.(put_checkpoint|add_pending|put_identities|clear_identity|reset_checkpoint|set_quarantine_state)\.|^session\.after_reconcile$/.test(
      point,
    )
  )
    return ['commands']
  if (/^store\.(put_state|block_quota|refund_quota)\./.test(point)) return ['trouble']
  if (/^session\.|^store\.commit\./.test(point)) return ['load', 'feed', 'later']
  if (/^file\.|^download\./.test(point)) return ['load', 'later']
  if (/^http\.|^quota\./.test(point)) return ['load', 'feed', 'trouble']
  return ['load']
}

const CASES = POINTS.flatMap((point) => scenariosOf(point).map((scenario) => ({ point, scenario })))

// ---------------------------------------------------------------- undisturbed histories

type Undisturbed = {
  readonly state: FinalState
  readonly points: Readonly<Record<string, number>>
  readonly warehouse: unknown
}

const seed = chaosSeed('crash points')
const gate = createGate(Math.max(2, availableParallelism()))
const undisturbed = new Map<ScenarioName, Undisturbed>()
let root: string
let template: Template

function runWorker(script: WorkerScript): Promise<Ended> {
  return start([WORKER], { input: JSON.stringify(script) }).ended
}

function resultOf(ended: Ended): WorkerResult {
  expect(ended.code, ended.stderr + ended.stdout).toBe(0)
  return JSON.parse(ended.stdout.trim().split('\n').at(-1)!) as WorkerResult
}

/** One process of a history. Each is later than the one before by more than any lease or quota window. */
async function runProcess(
  name: ScenarioName,
  home: Home,
  index: number,
  crash: Pass | null,
  steps: WorkerScript['steps'],
): Promise<Ended> {
  await armFaults(name, home)
  const config = await scenarioConfig(name, home)
  return runWorker({ config, steps, crash, monotonicAheadMs: index * 300_000, progressFile: join(home.dir, 'steps-done') })
}

/** What people would read of the export: views of the catalog, without moments and run ids. */
async function warehouseOf(home: Home): Promise<unknown> {
  const directory = join(home.dir, 'warehouse')
  await contentOf(directory)
  return {
    ledger: await query(
      directory,
      'SELECT source, entity_kind, entity_key, outcome, payload_hash, attempts FROM ledger ORDER BY ALL',
    ),
    records: await query(directory, 'SELECT source, entity_kind, entity_key, payload_hash FROM records ORDER BY ALL'),
    events: await query(directory, 'SELECT source, entity_kind, entity_key, kind, old_hash, new_hash FROM events ORDER BY ALL'),
    changes: await query(directory, 'SELECT source, entity_key, path, old, new FROM event_changes ORDER BY ALL'),
  }
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'enrichment-crash-'))
  template = await makeTemplate()
  for (const name of SCENARIOS) {
    const home = await openScenario(name, template, join(root, `undisturbed-${name}`))
    if (name === 'load') await expectQuietWorld(home)
    const steps = await SCENARIO[name].steps(home)
    const { points } = resultOf(await runProcess(name, home, 0, null, steps))
    const warehouse = name === 'export' ? await warehouseOf(home) : null
    undisturbed.set(name, { state: await stateOfHome(name, home), points, warehouse })
    await home.close()
  }
}, 120_000)

afterAll(async () => {
  await reapAll()
  await template?.remove()
  await rm(root, { recursive: true, force: true })
})

// ---------------------------------------------------------------- killed ones

/** Kills at each of the passes in turn, one process each, then lets a last one finish. How many kills there were. */
async function disturbed(name: ScenarioName, point: string, passes: readonly number[], dir: string): Promise<number> {
  const expected = undisturbed.get(name)!
  const home = await openScenario(name, template, dir)
  try {
    const steps = await SCENARIO[name].steps(home)
    let index = 0
    let kills = 0
    for (const pass of passes) {
      const ended = await runProcess(name, home, index++, { point, pass }, steps)
      if (ended.signal === 'SIGKILL') kills += 1
      else {
        // The rest was done before the pass came: a history that was killed once less.
        expect(ended.code, ended.stderr).toBe(0)
        break
      }
    }
    const last = await runProcess(name, home, index, null, steps)
    resultOf(last)
    expect(await stateOfHome(name, home)).toEqual(expected.state)
    if (name === 'export') expect(await warehouseOf(home)).toEqual(expected.warehouse)
    return kills
  } finally {
    await home.close()
    await rm(dir, { recursive: true, force: true })
  }
}

describe('histories', () => {
  it('reach every crash point of the code', () => {
    expect(POINTS.length).toBeGreaterThanOrEqual(25)
    const missed = CASES.filter(({ point, scenario }) => (undisturbed.get(scenario)!.points[point] ?? 0) === 0)
    expect(missed, 'a crash point that no history of test/chaos/support/crash-scenarios.ts reaches').toEqual([])
  })

  it('meet no crash point that the list does not know', () => {
    const known = new Set(POINTS)
    const unknown = [...undisturbed.values()].flatMap(({ points }) => Object.keys(points).filter((point) => !known.has(point)))
    expect(unknown).toEqual([])
  })

  it('bring what they are for', () => {
    const feed = undisturbed.get('feed')!.state
    expect(feed.checkpoints['usaspending:change_feed']).toMatchObject({ status: 'complete', strategy: 'feed' })
    const later = undisturbed.get('later')!.state
    expect(later.facts['file of sbir_gov']).not.toEqual(undisturbed.get('load')!.state.facts['file of sbir_gov'])
    expect(later.events.length).toBeGreaterThan(undisturbed.get('load')!.state.events.length)
    expect(undisturbed.get('load')!.state.quarantine.length).toBe(1)
    expect(undisturbed.get('commands')!.state.pending).toEqual([])
  })
})

describe('a process killed at a crash point, twice, then left alone', () => {
  it.concurrent.each(CASES)('$scenario: $point', async ({ point, scenario }) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      await gate(async () => {
        const rng = rngOf(seed + round * 7919 + CASES.findIndex((one) => one.point === point && one.scenario === scenario))
        const count = undisturbed.get(scenario)!.points[point] ?? 0
        const dir = (suffix: string): string => join(root, `${scenario}-${point}-${round}${suffix}`)
        const first = round === 0 ? 1 : 1 + rng.int(count)
        const kills = await disturbed(scenario, point, [first, 1 + rng.int(Math.max(1, Math.min(12, count - 1)))], dir(''))
        expect(kills, 'the point was not reached').toBeGreaterThanOrEqual(1)
        // What was left for the second process did not pass there that often: then from the start to a later pass.
        if (kills === 1 && count > 1) expect(await disturbed(scenario, point, [2 + rng.int(count - 1)], dir('-later'))).toBe(1)
      })
    }
  })
})
