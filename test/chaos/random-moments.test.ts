/**
 * Kill -9 at random moments: of a load, a refresh by feed, batches and files, a person's commands, and an export. A history is killed
 * several times, then left alone; it must end as one in which nothing happened. `CHAOS_MOMENTS=1000` for so many kills (a few
 * otherwise), `CHAOS_SEED` to repeat them as far as the machine's own timing lets itself be repeated.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createGate, reapAll } from './support/child.ts'
import { expectAsUndisturbed, resultOf, runUndisturbed, startProcess, type Undisturbed } from './support/crash-run.ts'
import { makeTemplate, openScenario, SCENARIO, SCENARIOS, type ScenarioName, type Template } from './support/crash-scenarios.ts'
import { chaosSeed, type Rng, ROUNDS, rngOf } from './support/seed.ts'

const MOMENTS = Math.max(1, Number(process.env['CHAOS_MOMENTS'] ?? 24 * ROUNDS))
const KILLS_A_HISTORY = 4

const seed = chaosSeed('random moments')
const gate = createGate(Math.max(2, availableParallelism()))
const undisturbed = new Map<ScenarioName, Undisturbed>()
let root: string
let template: Template
let kills = 0
let histories = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'enrichment-moments-'))
  template = await makeTemplate()
  for (const name of SCENARIOS) undisturbed.set(name, await runUndisturbed(name, template, join(root, `undisturbed-${name}`)))
}, 300_000)

afterAll(async () => {
  await reapAll()
  await template?.remove()
  await rm(root, { recursive: true, force: true })
  process.stderr.write(`random moments: ${kills} kills in ${histories} histories\n`)
})

/**
 * How long a process lives: the first half of its usual time is mostly starting up, so that the moments after it are drawn three
 * times as often; a process goes on where the one before was killed, so later ones have less to do.
 */
function moment(rng: Rng, usualMs: number): number {
  const half = usualMs / 2
  return rng.next() < 0.25 ? rng.next() * half : half + rng.next() * half * 1.1
}

/** Kills so many processes of a history, one after another, then lets a last one finish. */
async function killedAtRandom(name: ScenarioName, index: number): Promise<number> {
  const rng = rngOf(seed + index * 7919)
  const expected = undisturbed.get(name)!
  const dir = join(root, `${name}-${index}`)
  const home = await openScenario(name, template, dir)
  let killed = 0
  try {
    const steps = await SCENARIO[name].steps(home)
    let processes = 0
    while (killed < KILLS_A_HISTORY) {
      const child = await startProcess(name, home, processes++, null, steps)
      await Promise.race([sleep(moment(rng, expected.ms)), child.ended])
      child.kill('SIGKILL')
      const ended = await child.ended
      if (ended.signal !== 'SIGKILL') {
        // It was faster than its moment: there is nothing left to kill.
        resultOf(ended)
        break
      }
      killed += 1
    }
    resultOf(await (await startProcess(name, home, processes, null, steps)).ended)
    await expectAsUndisturbed(name, home, expected)
    return killed
  } finally {
    await home.close()
    await rm(dir, { recursive: true, force: true })
  }
}

describe('killed at random moments, then left alone', () => {
  const width = Math.max(2, availableParallelism())

  it.concurrent.each(Array.from({ length: width }, (_, lane) => ({ lane })))(
    'ends as if nothing had happened (lane $lane)',
    { timeout: 600_000 + MOMENTS * 5_000 },
    async ({ lane }) => {
      for (let index = lane; kills < MOMENTS; index += width) {
        const name = SCENARIOS[index % SCENARIOS.length]!
        await gate(async () => {
          const killed = await killedAtRandom(name, index)
          kills += killed
          histories += 1
        }).catch((error: unknown) => {
          throw new Error(`history ${index}, ${name}, CHAOS_SEED=${seed}`, { cause: error })
        })
      }
      expect(kills).toBeGreaterThanOrEqual(MOMENTS)
    },
  )
})
