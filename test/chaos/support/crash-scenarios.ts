/**
 * Histories that between them reach every crash point: what is on disk before, what the world does, what the process does.
 * Each must come to the same final state whether it was killed on the way or not.
 */
import { appendFile, cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'vitest'
import type { JsonObject } from '../../../ts/model/json.ts'
import type { EntityRef } from '../../../ts/model/keys.ts'
import type { FaultSpec } from '../../../ts/sandbox/faults.ts'
import type { Step } from '../worker.ts'
import { type FinalState, finalState } from './final-state.ts'
import { admin, advance, type Home, loadFiles, openHome, openTestEngine, refreshAll, type Settings } from './home.ts'

export const SOURCES = ['usaspending', 'sam_gov', 'sbir_gov']
export const SCENARIOS = ['load', 'feed', 'later', 'commands', 'trouble', 'export'] as const
export type ScenarioName = (typeof SCENARIOS)[number]

type Scenario = {
  readonly startsEmpty: boolean
  readonly advance: string | null
  readonly settings: Settings
  readonly faults: readonly FaultSpec[]
  steps(home: Home): Promise<readonly Step[]>
}

/** Seed and start are fixed, so that what the world does in the minutes of a test is known: nothing (see `expectQuietWorld`). */
const WORLD = { seed: 11, companies: 40, awards: 120, sbirPublishEvery: 5 * 86_400_000 }

const COMMON: Settings = {
  'enrichment.usaspending.options': { feed_rows_per_day: 100 },
  'enrichment_refresh.sam_gov.cohort.size': 10,
  'enrichment_refresh.usaspending.batch_size': 3,
  'enrichment_refresh.usaspending.retry': { base_delay: '10ms', max_delay: '50ms' },
  'enrichment_refresh.sam_gov.retry': { base_delay: '10ms', max_delay: '50ms' },
  'warehouse.export_after_run': false,
}

const ingestSteps = (home: Home): readonly Step[] => [
  { do: 'ingest', loader: 'sbir_companies', path: home.files.companies },
  { do: 'ingest', loader: 'sbir_awards', path: home.files.awards },
]

const DAMAGED = 'award_year_2016'

export const SCENARIO: Readonly<Record<ScenarioName, Scenario>> = {
  load: {
    startsEmpty: true,
    advance: null,
    settings: {},
    faults: [],
    steps: async (home) => [...ingestSteps(home), { do: 'refresh' }],
  },
  feed: { startsEmpty: false, advance: '1d', settings: {}, faults: [], steps: async () => [{ do: 'refresh' }] },
  later: { startsEmpty: false, advance: '7d', settings: {}, faults: [], steps: async () => [{ do: 'refresh' }] },
  commands: {
    startsEmpty: false,
    // Later than the first refresh, as commands are.
    advance: '1m',
    settings: {},
    faults: [],
    async steps(home) {
      const engine = await openTestEngine(await home.config())
      try {
        const identities = await engine.store.identities({ source: 'usaspending', limit: 1000 })
        const rows: EntityRef[] = []
        for await (const row of engine.store.ledger('usaspending', DAMAGED)) rows.push(row.entity)
        const damaged = identities.filter((found) => rows.some((row) => row.key === found.entity.key))
        const others = identities.filter((found) => !damaged.includes(found))
        const change = (entity: EntityRef): Extract<Step, { do: 'add_pending' }>['changes'][number] => ({
          source: 'usaspending',
          entity,
          reason: 'said so',
          at: engine.clock.now(),
          by: 'user',
        })
        return [
          { do: 'put_identities', identities: [{ ...others[0]!, decidedBy: 'user', method: 'user', confidence: 1 }] },
          { do: 'clear_identity', source: 'usaspending', entity: others[1]!.entity },
          { do: 'drop_quarantined' },
          { do: 'reset_checkpoint', partition: 'sam_gov:uei_batch_0001' },
          { do: 'add_pending', changes: [others[0]!, others[1]!, ...damaged].map(({ entity }) => change(entity)) },
          { do: 'refresh' },
        ]
      } finally {
        await engine.close()
      }
    },
  },
  trouble: {
    startsEmpty: true,
    advance: null,
    settings: {},
    faults: [
      // Two in all: three would be all the attempts of a request that is alone in a process.
      { source: 'usaspending', kind: '500', count: 1 },
      { source: 'usaspending', kind: '429-with-body', retry_after: 0, count: 1 },
      { source: 'sam_gov', kind: 'reset', count: 1 },
    ],
    steps: async (home) => [
      ...ingestSteps(home),
      { do: 'refresh', request: { sources: ['usaspending'] }, stopAt: { point: 'http.before_dispatch', pass: 6 } },
      { do: 'refresh', request: { sources: ['sam_gov'] }, stopAt: { point: 'http.before_dispatch', pass: 3 } },
      { do: 'refresh', request: { sources: ['usaspending', 'sam_gov'] } },
    ],
  },
  export: {
    startsEmpty: false,
    advance: '7d',
    settings: { 'warehouse.export_after_run': true },
    faults: [],
    steps: async () => [{ do: 'refresh' }],
  },
}

/** A state after the first load and refresh, made once and copied into each test that begins there. */
export type Template = { readonly dir: string; remove(): Promise<void> }

export async function makeTemplate(): Promise<Template> {
  const dir = await mkdtemp(join(tmpdir(), 'enrichment-template-'))
  const home = await openScenarioHome(dir)
  const config = await home.config({ ...COMMON })
  const engine = await openTestEngine(config)
  await loadFiles(engine, home.files)
  await refreshAll(engine)
  await engine.close()
  // As a restored backup would: the checkpoint knows less than the ledger.
  const database = new DatabaseSync(join(dir, 'state.sqlite'))
  const changed = database
    .prepare(
      'UPDATE checkpoint SET ledger_watermark = ledger_watermark - 60000 WHERE partition_id = (SELECT id FROM partition WHERE cohort = ? AND source_id = (SELECT id FROM source WHERE name = ?))',
    )
    .run(DAMAGED, 'usaspending').changes
  database.close()
  expect(changed).toBe(1)
  await home.close()
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) }
}

async function openScenarioHome(dir: string): Promise<Home> {
  await mkdir(dir, { recursive: true })
  const home = await openHome({ dir, ...WORLD })
  await appendFile(home.files.awards, 'A row that breaks off,"and has a few cells only",x\r\n')
  return home
}

/** Directory, sandbox at the scenario's moment, and the state from which it begins. */
export async function openScenario(name: ScenarioName, template: Template, dir: string): Promise<Home> {
  const scenario = SCENARIO[name]
  const home = await openScenarioHome(dir)
  if (!scenario.startsEmpty) await cp(join(template.dir, 'state.sqlite'), join(dir, 'state.sqlite'))
  if (scenario.advance !== null) await advance(home, scenario.advance)
  return home
}

export async function scenarioConfig(name: ScenarioName, home: Home): Promise<Awaited<ReturnType<Home['config']>>> {
  return home.config({ ...COMMON, ...SCENARIO[name].settings })
}

/** Faults are counted, so each process meets them anew. */
export async function armFaults(name: ScenarioName, home: Home): Promise<void> {
  await admin(home, 'faults', undefined, 'DELETE')
  for (const fault of SCENARIO[name].faults) await admin(home, 'faults', fault as unknown as JsonObject)
}

export async function stateOfHome(name: ScenarioName, home: Home): Promise<FinalState> {
  const engine = await openTestEngine(await scenarioConfig(name, home))
  try {
    return await finalState(engine.store, SOURCES)
  } finally {
    await engine.close()
  }
}

/** The world stands still while a test runs: no change at any provider within half an hour of the scenarios' moments. */
export async function expectQuietWorld(home: Pick<Home, 'sandbox'>): Promise<void> {
  const { epoch_ms: start } = await admin<{ epoch_ms: number }>(home, 'clock')
  for (const days of [0, 1, 7]) {
    for (const source of SOURCES) {
      const since = start + days * 86_400_000
      const { changes } = await admin<{ changes: unknown[] }>(
        home,
        `changes?source=${source}&since=${since}&until=${since + 1_800_000}`,
      )
      expect(changes, `${source} ${days} days later`).toEqual([])
    }
  }
}
