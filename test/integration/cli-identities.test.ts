/** Identities on the command line, against the sandbox: found from SAM.gov, listed, decided, taken back, and what waits and why. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { ADAPTERS } from '../../ts/adapters/registry.ts'
import { runCli } from '../../ts/cli/app.ts'
import { SHAPES } from '../../ts/cli/json-shapes.ts'
import { type RunningSandbox, startSandbox } from '../../ts/sandbox/server.ts'
import { openEngine } from '../../ts/wiring.ts'
import { testWorld } from '../unit/cli/world.ts'

const SOURCES = ['sam_gov', 'sbir_gov', 'dla_cage']

type IdentityRow = {
  entity_key: string
  provider_key: string
  method: string
  confidence: number
  decided_by: string
  alternatives: { provider_key: string }[]
}
type Listing = {
  identities: IdentityRow[]
  unresolved: { source: string; entity_key: string; reason: string; identity: IdentityRow | null }[]
  more: boolean
}

let home: string
let sandbox: RunningSandbox

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'cli-identities-'))
  sandbox = await startSandbox({ seed: 11, companies: 30, awards: 60, port: 0, speed: 600 })
  await cp(join(import.meta.dirname, '../../config'), join(home, 'config'), { recursive: true })
  for (const name of ['base.yaml', 'sandbox.yaml']) {
    const file = join(home, 'config', name)
    const layer = parse((await readFile(file, 'utf8')).replaceAll(':8585', `:${sandbox.port}`)) as Record<string, object>
    for (const section of ['enrichment', 'enrichment_refresh'])
      layer[section] = Object.fromEntries(Object.entries(layer[section] ?? {}).filter(([source]) => SOURCES.includes(source)))
    await writeFile(file, stringify(layer))
  }
})
afterAll(async () => {
  await sandbox.close()
  await rm(home, { recursive: true, force: true })
})

async function cli(...argv: string[]) {
  const world = testWorld({
    cwd: home,
    home,
    adapters: async () => ({
      byId: (id) => ADAPTERS.find((adapter) => adapter.id === id) ?? null,
      ids: ADAPTERS.map((adapter) => adapter.id),
    }),
    openEngine,
  })
  const code = await runCli([...argv, '--env', 'sandbox'], world)
  return { code, out: world.stdout.text, err: world.stderr.text }
}

async function json<T = Listing>(name: string, ...argv: string[]): Promise<T> {
  const { code, out, err } = await cli(...name.split(' '), ...argv, '--json')
  expect(code, err).toBe(0)
  return SHAPES[name]!.parse(JSON.parse(out)) as T
}

const calls = (): number => sandbox.sandbox.log.total

/** Tests below build on each other, in the order in which a user would go. */
describe('identities of DLA CAGE', () => {
  it('one refresh after the bulk load finds them and asks by them', async () => {
    await json('refresh', '--source', 'sbir_gov')
    const waiting = await json('identities list', '--unresolved', '--source', 'dla_cage')
    expect(waiting.unresolved.map((row) => row.reason)).toContain('no identity yet: the identity pass has not asked')
    type Report = { partitions: { partition: string; status: string; counts: { items: number; calls: number } }[] }
    const { partitions } = await json<Report>('refresh')
    const of = (prefix: string) => partitions.filter((part) => part.partition.startsWith(prefix))
    expect(of('dla_cage_identity:')).toMatchObject([{ status: 'done', counts: { calls: 0 } }])
    expect(of('dla_cage:')).toMatchObject([{ partition: 'dla_cage:bulk_file', status: 'done', counts: { calls: 2 } }])
    expect(of('dla_cage:')[0]!.counts.items).toBeGreaterThan(10)
    expect((await cli('refresh')).out).toContain('Nothing to do')
  })

  it('they are a source like any other for everything that names one', async () => {
    const { sources } = await json<{ sources: { source: string; identities: string | null }[] }>('sources list')
    expect(sources.map((row) => [row.source, row.identities])).toEqual([
      ['sam_gov', null],
      ['sbir_gov', null],
      ['dla_cage', 'dla_cage_identity'],
    ])
    for (const argv of [
      ['freshness', '--source', 'dla_cage_identity'],
      ['partitions', '--source', 'dla_cage_identity'],
      ['events', '--source', 'dla_cage_identity', '--limit', '1'],
      ['checkpoints', 'list', '--source', 'dla_cage_identity'],
      ['plan', '--source', 'dla_cage_identity'],
      ['pending', 'list', '--source', 'dla_cage_identity'],
    ]) {
      const { code, err } = await cli(...argv)
      expect([argv.join(' '), code, err]).toEqual([argv.join(' '), 0, expect.not.stringContaining('error')])
    }
    const { quotas } = await json<{ quotas: { sources: string[]; unit: string }[] }>('quota', '--source', 'dla_cage_identity')
    expect(quotas).toMatchObject([{ sources: ['dla_cage'], unit: 'request' }])
    const { checks } = await json<{ checks: { source: string }[] }>('sources check', '--source', 'dla_cage_identity')
    expect(checks.map((check) => check.source)).toEqual(['dla_cage'])
    expect((await cli('plan', '--source', 'dla_cage_identities')).err).toContain('did you mean "dla_cage_identity"')
    type Plan = { sources: { source: string }[] }
    expect((await json<Plan>('plan', '--source', 'dla_cage')).sources.map((row) => row.source)).toEqual([
      'dla_cage',
      'dla_cage_identity',
    ])
  })

  it('what waits says why, and is listed apart from what is known', async () => {
    const known = await json('identities list', '--source', 'dla_cage', '--limit', '1000')
    const { unresolved } = await json('identities list', '--unresolved', '--source', 'dla_cage', '--limit', '1000')
    const none = known.identities.filter((row) => row.provider_key === '')
    expect(none.length).toBeGreaterThan(0)
    for (const row of unresolved) {
      if (row.identity === null)
        expect(row.reason).toMatch(/^no identity: no UEI.*; decide with: identities set --source dla_cage /)
      else expect(row).toMatchObject({ reason: expect.stringMatching(/knows no such company/), identity: { confidence: 0 } })
    }
    expect(unresolved.filter((row) => row.identity !== null)).toHaveLength(none.length)
    expect((await json('identities list', '--source', 'dla_cage', '--below', '0.5')).identities).toHaveLength(none.length)
    expect(await json('identities list', '--source', 'dla_cage', '--limit', '1')).toMatchObject({ more: true })
    expect((await cli('identities', 'list', '--unresolved', '--user')).code).toBe(2)
    expect((await cli('identities', 'list', '--unresolved', '--source', 'sam_gov_identity')).code).toBe(2)
  })

  it('a person decides; the next refresh asks by it, and events carry who decided', async () => {
    const { identities } = await json('identities list', '--source', 'dla_cage', '--limit', '1000')
    const [first, second] = identities.filter((row) => row.provider_key !== '')
    const entity = `company:${first!.entity_key}`
    const decide = (provider: string, what = entity, source = 'dla_cage') =>
      ['--source', source, '--entity', what, '--provider-key', provider, '--reason', 'merged'] as const
    const refused = await cli('identities', 'set', ...decide('no code'))
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('is no key of dla_cage') })
    type Loaded = { events: { entity_kind: string; entity_key: string }[] }
    const { events: loaded } = await json<Loaded>('events', '--source', 'sbir_gov', '--limit', '1000')
    const award = loaded.find(({ entity_kind: kind }) => kind === 'award')!
    const foreign = await cli('identities', 'set', ...decide(second!.provider_key, `award:${award.entity_key}`))
    expect(foreign).toMatchObject({ code: 2, err: expect.stringContaining('dla_cage is not asked about any award') })
    // As people write it.
    const set = await json<{ identity: IdentityRow }>('identities set', ...decide(` ${second!.provider_key.toLowerCase()} `))
    expect(set.identity.provider_key).toBe(second!.provider_key)
    expect(set.identity).toMatchObject({ decided_by: 'user', alternatives: [{ provider_key: first!.provider_key }] })
    await json('refresh', '--source', 'dla_cage')
    type Events = { events: { entity_key: string; kind: string; confidence: number; confidence_method: string }[] }
    const { events } = await json<Events>('events', '--source', 'dla_cage', '--entity', entity)
    expect(events.at(-1)).toMatchObject({ kind: 'changed', confidence: 1, confidence_method: 'user' })
    const shown = await cli('identities', 'show', '--entity', entity)
    expect(shown.out).toMatch(/is .+\n +by user, confidence 100\.0 %, decided by user/)
    expect(shown.out).toContain('not taken')

    // Another bulk load leaves the decision alone.
    await fetch(`${sandbox.url}/_admin/clock`, { method: 'POST', body: '{"advance":"31d"}' })
    await json('refresh', '--source', 'sbir_gov')
    await json('refresh', '--source', 'dla_cage')
    expect((await json('identities list', '--user')).identities).toMatchObject([{ provider_key: second!.provider_key }])

    // Taken back: looked for again by itself, and asked by what was found.
    const before = calls()
    await json('identities clear', '--source', 'dla_cage', '--entity', entity)
    expect(calls()).toBe(before)
    await json('refresh', '--source', 'dla_cage')
    const again = await json('identities show', '--entity', entity, '--source', 'dla_cage')
    expect(again.identities).toMatchObject([{ provider_key: first!.provider_key, decided_by: 'computed' }])
    expect(again.unresolved).toEqual([])
  })
})
