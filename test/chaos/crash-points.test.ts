/**
 * Every named crash point of the engine: a real process kills itself (SIGKILL) at its first pass, a second one at a later
 * pass, a third goes undisturbed. The final state must be that of a history in which nothing happened.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createGate, reapAll } from './support/child.ts'
import { pointsInCode } from './support/crash-points.ts'
import { expectAsUndisturbed, resultOf, runUndisturbed, startProcess, type Undisturbed } from './support/crash-run.ts'
import {
  expectQuietWorld,
  makeTemplate,
  openScenario,
  SCENARIO,
  SCENARIOS,
  type ScenarioName,
  type Template,
} from './support/crash-scenarios.ts'
import { chaosSeed, ROUNDS, rngOf } from './support/seed.ts'

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

const seed = chaosSeed('crash points')
const gate = createGate(Math.max(2, availableParallelism()))
const undisturbed = new Map<ScenarioName, Undisturbed>()
let root: string
let template: Template

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'enrichment-crash-'))
  template = await makeTemplate()
  for (const name of SCENARIOS) {
    const check = name === 'load' ? expectQuietWorld : undefined
    undisturbed.set(name, await runUndisturbed(name, template, join(root, `undisturbed-${name}`), check))
  }
}, 300_000)

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
      const ended = await (await startProcess(name, home, index++, { point, pass }, steps)).ended
      if (ended.signal === 'SIGKILL') kills += 1
      else {
        // The rest was done before the pass came: a history that was killed once less.
        expect(ended.code, ended.stderr).toBe(0)
        break
      }
    }
    resultOf(await (await startProcess(name, home, index, null, steps)).ended)
    await expectAsUndisturbed(name, home, expected)
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
