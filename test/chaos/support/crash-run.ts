/** One process after another on one history (`crash-scenarios.ts`), each killed somewhere or left alone. */
import { join } from 'node:path'
import { expect } from 'vitest'
import { contentOf, query } from '../../unit/warehouse/world.ts'
import type { Pass, WorkerResult, WorkerScript } from '../worker.ts'
import { type Child, type Ended, start, WORKER } from './child.ts'
import {
  armFaults,
  openScenario,
  SCENARIO,
  type ScenarioName,
  scenarioConfig,
  stateOfHome,
  type Template,
} from './crash-scenarios.ts'
import type { FinalState } from './final-state.ts'
import type { Home } from './home.ts'

export type Undisturbed = {
  readonly state: FinalState
  readonly points: Readonly<Record<string, number>>
  readonly warehouse: unknown
  /** How long its process took, from start to end. */
  readonly ms: number
}

export function resultOf(ended: Ended): WorkerResult {
  expect(ended.code, ended.stderr + ended.stdout).toBe(0)
  return JSON.parse(ended.stdout.trim().split('\n').at(-1)!) as WorkerResult
}

/** One process of a history. Each is later than the one before by more than any lease or quota window. */
export async function startProcess(
  name: ScenarioName,
  home: Home,
  index: number,
  crash: Pass | null,
  steps: WorkerScript['steps'],
): Promise<Child> {
  await armFaults(name, home)
  const config = await scenarioConfig(name, home)
  const script: WorkerScript = {
    config,
    steps,
    crash,
    monotonicAheadMs: index * 300_000,
    progressFile: join(home.dir, 'steps-done'),
  }
  return start([WORKER], { input: JSON.stringify(script) })
}

/** What people would read of the export: views of the catalog, without moments and run ids. */
export async function warehouseOf(home: Home): Promise<unknown> {
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

/** A history in which nothing happens. `check` sees its directory before the process starts. */
export async function runUndisturbed(
  name: ScenarioName,
  template: Template,
  dir: string,
  check: (home: Home) => Promise<void> = async () => {},
): Promise<Undisturbed> {
  const home = await openScenario(name, template, dir)
  try {
    await check(home)
    const steps = await SCENARIO[name].steps(home)
    const ended = await (await startProcess(name, home, 0, null, steps)).ended
    const { points } = resultOf(ended)
    const warehouse = name === 'export' ? await warehouseOf(home) : null
    return { state: await stateOfHome(name, home), points, warehouse, ms: ended.ms }
  } finally {
    await home.close()
  }
}

/** The last process was left alone: everything is as if the others had not been killed. */
export async function expectAsUndisturbed(name: ScenarioName, home: Home, expected: Undisturbed): Promise<void> {
  expect(await stateOfHome(name, home)).toEqual(expected.state)
  if (name === 'export') expect(await warehouseOf(home)).toEqual(expected.warehouse)
}
