/**
 * That each key of the configuration is read: real commands run on a configuration that notes, by its full path, what is
 * taken out of it. A key that stays in the schema after the last code that needs it is gone would be a switch that does nothing.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { parse, stringify } from 'yaml'
import { ADAPTERS } from '../../ts/adapters/registry.ts'
import { runCli } from '../../ts/cli/app.ts'
import { configJsonSchema, type SchemaNode, schemaLeaves } from '../../ts/config/json-schema.ts'
import { type RunningSandbox, startSandbox } from '../../ts/sandbox/server.ts'
import { openEngine } from '../../ts/wiring.ts'
import { recordReads } from '../support/recorded-config.ts'
import { testWorld } from '../unit/cli/world.ts'

const REPOSITORY = join(import.meta.dirname, '../..')

/** Keys that nothing reads, to show that they are found out although code elsewhere reads members of the same names. */
const DEAD = { window: '3d', limit: 5, retry: 2, format: 'text' } as const

/** The schema with dead keys under `http`. */
function schemaWithDeadKeys(): SchemaNode {
  const schema = configJsonSchema()
  const http = schema.properties!['http']!
  const dead = Object.fromEntries(Object.keys(DEAD).map((key) => [key, { type: 'string' }]))
  return {
    ...schema,
    properties: { ...schema.properties, http: { ...http, properties: { ...http.properties, ...dead } } },
  }
}

const schema = schemaWithDeadKeys()
const reads = new Set<string>()

vi.mock('../../ts/config/load.ts', async (original) => {
  const real = await original<typeof import('../../ts/config/load.ts')>()
  return {
    ...real,
    async loadConfig(request: Parameters<typeof real.loadConfig>[0]) {
      const loaded = await real.loadConfig(request)
      const config = { ...loaded.config, http: { ...loaded.config.http, ...DEAD } }
      return { ...loaded, config: recordReads(config, schema, reads) }
    },
  }
})

let home: string
let sandbox: RunningSandbox

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'cli-config-keys-'))
  // At the speed of the clock: shortened quota windows would be a copy of the configuration.
  sandbox = await startSandbox({ seed: 3, companies: 6, awards: 8, port: 0, speed: 1 })
  await cp(join(REPOSITORY, 'config'), join(home, 'config'), { recursive: true })
  for (const name of ['base.yaml', 'sandbox.yaml']) {
    const file = join(home, 'config', name)
    await writeFile(file, fewSources((await readFile(file, 'utf8')).replaceAll(':8585', `:${sandbox.port}`)))
  }
})
afterAll(async () => {
  await sandbox.close()
  await rm(home, { recursive: true, force: true })
})

/** Between them they have every kind of setting: a key, further hosts, identities. */
function fewSources(text: string): string {
  const layer = parse(text) as Record<string, Record<string, unknown>>
  for (const section of ['enrichment', 'enrichment_refresh']) {
    const all = Object.entries(layer[section] ?? {})
    layer[section] = Object.fromEntries(all.filter(([source]) => ['sam_gov', 'sbir_gov', 'edgar'].includes(source)))
  }
  return stringify(layer)
}

async function cli(...argv: string[]): Promise<{ code: number; said: string }> {
  const world = testWorld({
    cwd: home,
    home,
    adapters: async () => ({
      byId: (id) => ADAPTERS.find((adapter) => adapter.id === id) ?? null,
      ids: ADAPTERS.map((adapter) => adapter.id),
    }),
    openEngine,
  })
  const rule = '[{on_source: sam_gov, event_kinds: [changed], paths: [$.name], make_due: edgar}]'
  const code = await runCli([...argv, '--env', 'sandbox', '--set', `status_changes=${rule}`], world)
  return { code, said: `${argv.join(' ')}: ${world.stdout.text}${world.stderr.text}` }
}

it('each key of the configuration is read by a command that works with it, and a dead one is found out by its path', async () => {
  // None of these prints the configuration: what is only shown is not used.
  for (const argv of [
    ['sandbox', '--seed', '3', '--companies', '6', '--awards', '8', '--write-csv', 'csv', '--no-serve'],
    ['ingest', '--awards', 'csv/award_data.csv', '--companies', 'csv/company_data.csv'],
    ['plan'],
    ['sources', 'check'],
    ['refresh', '--max-calls', '60'],
    ['freshness'],
    ['quota'],
    ['export'],
  ]) {
    const { code, said } = await cli(...argv)
    expect([0, 75], said).toContain(code)
  }
  const leaves = schemaLeaves(schema).map(({ path }) => path)
  expect(leaves.length).toBeGreaterThan(60)
  const unread = leaves.filter((path) => !reads.has(path))
  expect(unread, 'remove these keys from ts/config/schema.ts, or let something read them').toEqual(
    Object.keys(DEAD).map((key) => `http.${key}`),
  )
  // What was noted are places of the schema and nothing else.
  expect([...reads].filter((path) => !leaves.includes(path))).toEqual([])
}, 120_000)
