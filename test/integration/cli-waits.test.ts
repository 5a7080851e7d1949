/** A run that waits for quota says so where somebody looks, and how long: on the progress bar of a terminal. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ADAPTERS } from '../../ts/adapters/registry.ts'
import { runCli } from '../../ts/cli/app.ts'
import type { RunEvent } from '../../ts/refresh/run-events.ts'
import { type RunningSandbox, startSandbox } from '../../ts/sandbox/server.ts'
import { openEngine } from '../../ts/wiring.ts'
import { testWorld } from '../unit/cli/world.ts'

const REPOSITORY = join(import.meta.dirname, '../..')

let home: string
let sandbox: RunningSandbox
const events: RunEvent[] = []

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'cli-waits-'))
  sandbox = await startSandbox({ seed: 4, companies: 8, awards: 20, port: 0, speed: 1 })
  await cp(join(REPOSITORY, 'config'), join(home, 'config'), { recursive: true })
  const file = join(home, 'config', 'sandbox.yaml')
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll(':8585', `:${sandbox.port}`))
})
afterAll(async () => {
  await sandbox.close()
  await rm(home, { recursive: true, force: true })
})

async function cli(...argv: string[]) {
  const world = testWorld({
    cwd: home,
    home,
    adapters: async () => ({ byId: (id) => ADAPTERS.find((adapter) => adapter.id === id) ?? null, ids: [] }),
    openEngine: async (options) => {
      const engine = await openEngine(options)
      return {
        ...engine,
        refresh: (request, given) =>
          engine.refresh(request, {
            ...given,
            onEvent(event) {
              events.push(event)
              given.onEvent?.(event)
            },
          }),
      }
    },
  })
  world.stderr.isTTY = true
  world.stderr.columns = 160
  const code = await runCli([...argv, '--env', 'sandbox'], world)
  return { code, out: world.stdout.text, err: world.stderr.text }
}

it('a refresh that waits for a slot of its quota tells until when', async () => {
  await cli('sandbox', '--seed', '4', '--companies', '8', '--awards', '20', '--write-csv', 'csv', '--no-serve')
  await cli('ingest', '--awards', 'csv/award_data.csv', '--companies', 'csv/company_data.csv')
  const quota = 'enrichment_refresh.usaspending.quotas=[{limit: 1, per: 4s}]'
  const { code, err, out } = await cli('refresh', '--source', 'usaspending', '--max-calls', '6', '--set', quota)
  expect([0, 75], `${out}${err}`).toContain(code)
  const waits = events.filter((event) => event.kind === 'waiting')
  expect(waits.length).toBeGreaterThan(0)
  expect(waits[0]).toMatchObject({ source: 'usaspending', why: 'its quota of 1 per 4s' })
  expect(err).toMatch(/usaspending waits until (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\dZ \(\d+(ms|s)[^)]*\) for its quota of 1 per 4s/)
}, 60_000)
