/** Every command, in process, on a real engine against the sandbox: what `--json` prints is what json-shapes.ts says. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { ADAPTERS } from '../../ts/adapters/registry.ts'
import { runCli } from '../../ts/cli/app.ts'
import { errorShape, SHAPES } from '../../ts/cli/json-shapes.ts'
import { type RunningSandbox, startSandbox } from '../../ts/sandbox/server.ts'
import { openEngine } from '../../ts/wiring.ts'
import { testWorld } from '../unit/cli/world.ts'

const REPOSITORY = join(import.meta.dirname, '../..')
const SPEED = 600

let home: string
let sandbox: RunningSandbox
let variables: Record<string, string> = {}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'cli-commands-'))
  sandbox = await startSandbox({ seed: 11, companies: 40, awards: 120, port: 0, speed: SPEED })
  await cp(join(REPOSITORY, 'config'), join(home, 'config'), { recursive: true })
  for (const name of ['base.yaml', 'sandbox.yaml']) {
    const file = join(home, 'config', name)
    await writeFile(file, withThreeSources((await readFile(file, 'utf8')).replaceAll(':8585', `:${sandbox.port}`)))
  }
})

/** The sources that between them have every way of asking. */
function withThreeSources(text: string): string {
  const layer = parse(text) as Record<string, Record<string, unknown>>
  for (const section of ['enrichment', 'enrichment_refresh']) {
    const all = Object.entries(layer[section] ?? {})
    layer[section] = Object.fromEntries(all.filter(([source]) => ['usaspending', 'sam_gov', 'sbir_gov'].includes(source)))
  }
  return stringify(layer)
}
afterAll(async () => {
  await sandbox.close()
  await rm(home, { recursive: true, force: true })
})

/** `--env sandbox` unless the test names another one. */
async function cli(...argv: string[]) {
  const world = testWorld({
    variables,
    cwd: home,
    home,
    adapters: async () => ({
      byId: (id) => ADAPTERS.find((adapter) => adapter.id === id) ?? null,
      ids: ADAPTERS.map((adapter) => adapter.id),
    }),
    openEngine,
  })
  const code = await runCli(argv.includes('--env') ? argv : [...argv, '--env', 'sandbox'], world)
  return { code, out: world.stdout.text, err: world.stderr.text }
}

/** Runs with --json and parses strictly: one document, nothing else, of the command's shape. */
async function json<T = Record<string, unknown>>(name: string, ...argv: string[]): Promise<{ code: number; document: T }> {
  const { code, out } = await cli(...name.split(' '), ...argv, '--json')
  return { code, document: SHAPES[name]!.parse(JSON.parse(out)) as T }
}

/** Tests below build on each other, in the order in which a user would go. */
describe('from bulk files to events', () => {
  it('sandbox writes the files', async () => {
    const { code, document } = await json(
      'sandbox',
      '--seed',
      '11',
      '--companies',
      '40',
      '--awards',
      '120',
      '--write-csv',
      'csv',
      '--no-serve',
    )
    expect(code).toBe(0)
    expect(document).toMatchObject({ serving: false, url: null })
    expect(await readdir(join(home, 'csv'))).toEqual(['award_data.csv', 'award_data_no_abstract.csv', 'company_data.csv'])
  })

  it('commands that only read say that there is nothing yet, and make nothing', async () => {
    for (const command of ['freshness', 'partitions', 'events', 'quota', 'report']) {
      const { code, err } = await cli(command)
      expect(code, command).toBe(78)
      expect(err).toMatch(/next: .+/)
    }
    expect(await readdir(home)).not.toContain('data')
    expect(errorShape.parse(JSON.parse((await cli('freshness', '--json')).out)).error.recovery).toBe('configuration')
  })

  it('ingest loads them, once', async () => {
    type Files = { files: { outcome: string; rows: number; entities: Record<string, { added: number }> }[] }
    const first = await json<Files>('ingest', '--awards', 'csv/award_data.csv', '--companies', 'csv/company_data.csv')
    expect(first.code).toBe(0)
    expect(first.document.files.map((file) => file.outcome)).toEqual(['ingested', 'ingested'])
    expect(first.document.files[1]?.entities['award']?.added).toBe(120)
    const again = await json<Files>('ingest', '--awards', 'csv/award_data.csv')
    expect(again.document.files[0]?.outcome).toBe('same_file')
    expect((await cli('ingest', '--awards', 'csv/award_data.csv')).out).toContain('nothing to do')
  })

  it('ingest refuses what is no file, and what it was not told', async () => {
    expect((await cli('ingest', '--awards', 'csv/none.csv')).code).toBe(2)
    expect((await cli('ingest')).err).toContain('no file was named')
    expect((await cli('ingest', '--awards', 'a', '--companies', 'b', '--map', 'c')).err).toContain('--map is about one file')
    expect((await cli('ingest', '--awards', 'csv/award_data.csv', '--map', 'Nonsense=x')).code).toBe(2)
  })

  it('plan says what is due', async () => {
    const { code, document } = await json<{ sources: { source: string; due: number }[]; partitions: unknown[] }>('plan')
    expect(code).toBe(0)
    expect(document.sources.map((source) => source.source)).toEqual(['usaspending', 'sam_gov', 'sbir_gov'])
    expect(document.sources.every((source) => source.due > 0)).toBe(true)
    const people = await cli('plan', '--rows', '2')
    expect(people.out).toContain('sbir_gov:bulk_file')
    expect(people.out).toMatch(/… and [\d,]+ partitions more/)
  })

  it('says so when the state file holds nobody to ask about', async () => {
    const { code, err } = await cli('refresh', '--source', 'sam_gov', '--state', 'mistyped.sqlite')
    expect(code).toBe(0)
    expect(err).toMatch(/mistyped\.sqlite holds no entities\. Load some first: .*ingest --awards FILE/)
  })

  it('a dry run asks nobody and writes nothing', async () => {
    const arrived = sandbox.sandbox.log.total
    type DryRun = {
      dry_run: boolean
      partitions: { status: string }[]
      plan: { sources: { source: string; calls: number }[]; partitions: { partition: string; entities: number; calls: number }[] }
    }
    const { code, document } = await json<DryRun>('refresh', '--dry-run')
    // It shows what would be asked, as the plan does.
    const planned = (await json<DryRun['plan']>('plan')).document
    expect(document.plan.partitions).toEqual(planned.partitions)
    expect(document.plan.partitions.every((part) => part.entities > 0 && part.calls > 0)).toBe(true)
    const entities = document.plan.partitions.reduce((sum, part) => sum + part.entities, 0)
    expect((await cli('refresh', '--dry-run')).out).toContain(`: ${entities} entities, about `)
    expect(code).toBe(0)
    expect(document.dry_run).toBe(true)
    expect(new Set(document.partitions.map((part) => part.status))).toEqual(new Set(['not_started']))
    expect(sandbox.sandbox.log.total).toBe(arrived)
    expect((await json<{ runs: unknown[] }>('report')).document.runs).toEqual([])
  })

  it('refresh asks, within the limit of calls, and comes back for the rest', async () => {
    const part = await json<{ exit_code: number; partitions: { status: string }[] }>(
      'refresh',
      '--source',
      'usaspending',
      '--max-calls',
      '1',
    )
    expect(part.code).toBe(75)
    expect(part.document.exit_code).toBe(75)
    expect(part.document.partitions.some((partition) => partition.status !== 'done')).toBe(true)
    const rest = await json<{ sources: { source: string; coverage_after: number }[] }>('refresh')
    expect(rest.code).toBe(0)
    expect(rest.document.sources.every((source) => source.coverage_after === 1)).toBe(true)
    const nothing = await cli('refresh')
    expect(nothing.code).toBe(0)
    expect(nothing.out).toContain('Nothing to do')
  })

  it('reports can be read back', async () => {
    const { document } = await json<{ runs: { run_id: string; command: string }[] }>('report', '--last', '2')
    expect(document.runs).toHaveLength(2)
    const { run_id: id } = document.runs[1]!
    expect((await json<{ runs: { run_id: string }[] }>('report', '--run', id)).document.runs[0]?.run_id).toBe(id)
    expect((await cli('report', '--run', id)).out).toContain(id)
    expect((await cli('report', '--run', 'run_1999')).code).toBe(2)
    expect((await cli('report', '--last', '5')).out).toMatch(/run +started +took/)
  })

  it('freshness is shown, and fails below a bar', async () => {
    const { code, document } = await json<{ sources: { coverage: number; cohorts: unknown[] }[]; alerts: unknown[] }>(
      'freshness',
      '--by',
      'cohort',
    )
    expect(code).toBe(0)
    expect(document.sources.every((source) => source.coverage === 1 && source.cohorts.length > 0)).toBe(true)
    await fetch(`${sandbox.url}/_admin/clock`, { method: 'POST', body: '{"advance":"8d"}' })
    const stale = await json<{ alerts: unknown[] }>('freshness', '--fail-under')
    expect(stale.code).toBe(1)
    expect(stale.document.alerts).toHaveLength(3)
    const people = await cli('freshness', '--by', 'cohort')
    expect(people.code).toBe(0)
    expect(people.out).toContain('BELOW 90.0 %')
    expect(people.err).toContain('alert: usaspending')
    expect((await cli('freshness', '--source', 'sam_gov', '--fail-under', '0')).code).toBe(0)
  })

  it('freshness, plan and refresh show what waits', async () => {
    const engine = await openStore()
    const until = engine.clock.now() + 7_200_000
    await engine.store.blockQuota('sam_gov', until, 'HTTP 429')
    await engine.store.putState('pass_backoff/sbir_gov:bulk_file', 0, {
      failures: 2,
      failedAt: engine.clock.now() - 1_000,
      nextAttemptAt: until,
      reason: 'HTTP 503',
    })
    await engine.close()
    type Waiting = { waiting: { source: string; partition: string | null; reason: string; until: string }[] }
    const { waiting } = (await json<Waiting>('freshness')).document
    const at = new Date(until).toISOString()
    expect(waiting).toEqual([
      { source: 'sam_gov', partition: null, reason: `the provider refuses calls until ${at}`, until: at },
      { source: 'sbir_gov', partition: 'sbir_gov:bulk_file', reason: 'failed 2 times in a row (HTTP 503)', until: at },
    ])
    const people = await cli('freshness', '--quiet')
    expect(people.out).toContain(`sam_gov waits: the provider refuses calls until ${at}\n`)
    expect(people.out).toContain(`sbir_gov:bulk_file waits: failed 2 times in a row (HTTP 503), until ${at}`)
    const dry = await cli('refresh', '--dry-run', '--source', 'sbir_gov')
    expect(dry.out).toContain('1 source would not be asked although there is work')
    const cleared = await openStore()
    const stored = await cleared.store.getState('pass_backoff/sbir_gov:bulk_file')
    await cleared.store.putState('pass_backoff/sbir_gov:bulk_file', stored!.version, null)
    await cleared.close()
    await fetch(`${sandbox.url}/_admin/clock`, { method: 'POST', body: '{"advance":"3h"}' })
  })

  it('a later refresh finds what changed', async () => {
    expect((await cli('refresh', '--quiet')).err).toBe('')
    const { document } = await json<{ events: { kind: string; changes: unknown[]; position: number }[] }>(
      'events',
      '--kind',
      'changed',
      '--limit',
      '1000',
    )
    expect(document.events.length).toBeGreaterThan(0)
    expect(document.events.every((event) => event.kind === 'changed' && event.changes.length > 0)).toBe(true)
    const people = await cli('events', '--since', '1d', '--limit', '3')
    expect(people.out).toMatch(/Z (usaspending|sam_gov|sbir_gov) (changed|absent|returned|created) (award|company):/)
  })

  it('partitions, checkpoints and quotas are shown', async () => {
    const { document } = await json<{ partitions: { partition: string; checkpoint: string | null }[] }>(
      'partitions',
      '--source',
      'sam_gov',
    )
    expect(document.partitions.map((row) => row.partition)).toContain('sam_gov:uei_batch_0001')
    expect((await cli('partitions', '--stale')).out).toBe('No partition fits.\n')
    const checkpoints = await json<{ checkpoints: { partition: string }[] }>('checkpoints list', '--source', 'sam_gov')
    const { partition } = checkpoints.document.checkpoints[0]!
    await json('checkpoints show', partition)
    expect((await cli('checkpoints', 'show', partition)).out).toMatch(/worked on by +nobody/)
    expect((await cli('checkpoints', 'show', 'sam_gov:uei_batch_0002')).err).toContain('did you mean')
    expect((await json<{ reset: string[]; absent: string[] }>('checkpoints reset', partition, 'sam_gov:zzz')).document).toEqual({
      reset: [partition],
      absent: ['sam_gov:zzz'],
    })
    expect((await cli('checkpoints', 'list', '--open')).out).toBe('No checkpoint fits.\n')
    const quotas = await json<{ quotas: { quota_partition: string; used: number; resets: string }[] }>(
      'quota',
      '--source',
      'sam_gov',
    )
    expect(quotas.document.quotas.map((row) => row.resets)).toEqual(['sliding', 'utc_day'])
    expect((await cli('quota')).out).toContain('1,000 per 1d')
  })

  it('sources are listed and checked', async () => {
    const { document } = await json<{ sources: { source: string; credentials: { available: boolean }[] }[] }>('sources list')
    expect(document.sources.find((row) => row.source === 'sam_gov')?.credentials).toMatchObject([
      { name: 'api_key', env: 'SAM_GOV_API_KEY', available: true },
    ])
    expect((await cli('sources')).out).toContain('USAspending')
    const check = await json<{ checks: { source: string; ok: boolean; result: string }[] }>('sources check')
    expect(check.code).toBe(0)
    // The JSON API of sbir_gov is switched off; that is how it is known to be, and no problem of ours.
    expect(check.document.checks.map((row) => [row.source, row.ok])).toEqual([
      ['usaspending', true],
      ['sam_gov', true],
      ['sbir_gov', true],
    ])
    expect(check.document.checks[2]?.result).toBe('source_down')
    expect((await cli('sources', 'check', '--source', 'usaspending')).code).toBe(0)
  })

  it('identities are shown, set by a person, and cleared', async () => {
    type Identities = {
      identities: { source: string; entity_kind: string; entity_key: string; provider_key: string; decided_by: string }[]
      more: boolean
    }
    const { document } = await json<Identities>('identities list', '--source', 'usaspending', '--limit', '1')
    const [found] = document.identities
    expect(document.more).toBe(true)
    const entity = `${found!.entity_kind}:${found!.entity_key}`
    const set = await json<{ identity: Identities['identities'][0] & { alternatives: unknown[] } }>(
      'identities set',
      ...['--source', 'usaspending', '--entity', entity, '--provider-key', 'CONT_AWD_X', '--reason', 'seen in a letter'],
    )
    expect(set.document.identity).toMatchObject({
      provider_key: 'CONT_AWD_X',
      decided_by: 'user',
      alternatives: [{ provider_key: found!.provider_key }],
    })
    expect((await json<Identities>('identities list', '--user')).document.identities).toHaveLength(1)
    expect(
      (await json<Identities>('identities show', '--entity', entity)).document.identities.some(
        (row) => row.decided_by === 'user',
      ),
    ).toBe(true)
    expect((await cli('identities', 'show', '--entity', entity)).out).toContain('not taken')
    expect((await cli('identities', 'list')).out).toContain('decided by')
    const pending = await json<{ pending: { source: string; entity_key: string }[] }>('pending list', '--source', 'usaspending')
    expect(pending.document.pending.map((row) => row.entity_key)).toContain(found!.entity_key)
    expect(
      (await json<{ cleared: boolean }>('identities clear', '--source', 'usaspending', '--entity', entity)).document.cleared,
    ).toBe(true)
    expect((await cli('identities', 'clear', '--source', 'usaspending', '--entity', entity)).out).toBe('There was none.\n')
  })

  it('pending entries make an entity due', async () => {
    const { document } = await json<{ identities: { entity_key: string }[] }>(
      'identities list',
      '--source',
      'sam_gov',
      '--limit',
      '1',
    )
    const entity = `company:${document.identities[0]!.entity_key}`
    const added = await json<{ added: number; already_open: number }>(
      'pending add',
      '--source',
      'sam_gov',
      '--entity',
      entity,
      '--reason',
      'a letter',
    )
    expect(added.document).toMatchObject({ added: 1, already_open: 0 })
    expect(
      (
        await json<{ added: number; already_open: number }>(
          'pending add',
          '--source',
          'sam_gov',
          '--entity',
          entity,
          '--reason',
          'again',
        )
      ).document,
    ).toMatchObject({ added: 0, already_open: 1 })
    expect((await cli('pending', 'list')).out).toContain('a letter')
    expect((await json<{ sources: { due: number }[] }>('plan', '--source', 'sam_gov')).document.sources[0]?.due).toBe(1)
    expect((await cli('refresh', '--source', 'sam_gov')).code).toBe(0)
    expect((await cli('pending', 'list', '--source', 'sam_gov')).out).toBe('Nothing is pending.\n')
    const unknown = await cli('pending', 'add', '--source', 'sam_gov', '--entity', 'company:uei:NOBODY', '--reason', 'x')
    expect(unknown.code).toBe(2)
    expect(unknown.err).toContain('there is no company with the key or alias "uei:NOBODY"')
  })

  it('quarantined rows and answers are listed, shown, replayed and dropped', async () => {
    const rows = (await readFile(join(home, 'csv', 'award_data.csv'), 'utf8')).split('\n')
    await writeFile(join(home, 'csv', 'broken.csv'), [...rows.slice(0, -1), 'only,three,columns', ''].join('\n'))
    const ingested = await cli('ingest', '--awards', 'csv/broken.csv')
    expect(ingested.out).toContain('1 row quarantined')
    expect(ingested.err).toContain('quarantine list --origin ingest')
    const listed = await json<{ items: { id: string; origin: string; where: string }[] }>('quarantine list')
    const { id, where } = listed.document.items[0]!
    expect(where).toContain('broken.csv line')
    expect((await json<{ item: { payload: string } }>('quarantine show', id)).document.item.payload).toContain('only')
    const replay = await json<{ refused: { id: string; why: string }[] }>('quarantine replay', id)
    expect(replay.code).toBe(1)
    expect(replay.document.refused[0]?.why).toContain('correct the file')
    expect((await json<{ dropped: string[] }>('quarantine drop', id)).document.dropped).toEqual([id])
    expect((await cli('quarantine', 'list')).out).toBe('Nothing is quarantined.\n')
    expect((await cli('quarantine', 'list', '--status', 'dropped')).out).toContain(id)
    expect((await cli('quarantine', 'show', 'nothing')).code).toBe(2)
  })

  it('an answer that could not be used is replayed by asking again', async () => {
    const engine = await openStore()
    const [row] = await engine.store.identities({ source: 'sam_gov', limit: 1 })
    const payload = JSON.stringify({
      entities: [`${row!.entity.kind}/${row!.entity.key}`, 'company/uei:GONE'],
      status: 200,
      body: '<html>',
    })
    await engine.store.addQuarantine([
      { id: 'q1', origin: 'sam_gov', where: 'x', reason: 'malformed', payload, at: engine.clock.now() },
    ])
    await engine.close()
    const replay = await json<{ replayed: string[]; made_due: number }>('quarantine replay', 'q1')
    expect(replay).toMatchObject({ code: 0, document: { replayed: ['q1'], made_due: 1 } })
    expect((await json<{ refused: { why: string }[] }>('quarantine replay', 'q1')).document.refused[0]?.why).toContain(
      'replayed already',
    )
  })

  it('a missing key needs a person, and so does a refused one', async () => {
    const text = await readFile(join(home, 'config', 'sandbox.yaml'), 'utf8')
    await writeFile(join(home, 'config', 'nokey.yaml'), text.replace('loopback_value: SANDBOX-KEY', 'env: NO_SUCH_VARIABLE'))
    const force = ['refresh', '--source', 'sam_gov', '--force', '--limit', '1']
    const unset = await cli(...force, '--env', 'nokey')
    expect(unset.out).toContain('set the environment variable NO_SUCH_VARIABLE')
    expect(unset.code).toBe(78)
    variables = { SAM_GOV_API_KEY: 'not-the-right-key' }
    try {
      const refused = await cli(...force)
      expect(refused.out).toContain('refused the credential')
      expect(refused.code).toBe(78)
      expect((await json('sources check', '--source', 'sam_gov')).code).toBe(78)
      const check = await cli('sources', 'check', '--source', 'sam_gov')
      expect(check.out).toContain('sam_gov: the key was refused; set a valid one in SAM_GOV_API_KEY and check again')
      // Nothing is remembered of it, so nothing may say so.
      expect(check.err).toBe('')
      const again = await json<{ held_back: { source: string; why: string }[]; exit_code: number }>(
        'refresh',
        '--source',
        'sam_gov',
        '--force',
      )
      if (again.document.held_back.length > 0) expect(again.code).toBe(75)
    } finally {
      variables = {}
    }
  })

  it('the warehouse is exported and rebuilt', async () => {
    const first = await json<{ status: string; rows: { ledger: number } }>('export')
    expect(first.document).toMatchObject({ status: 'done' })
    expect(first.document.rows.ledger).toBeGreaterThan(200)
    const rebuilt = await json<{ rebuild_reason: string | null }>('export', '--rebuild')
    expect(rebuilt.document.rebuild_reason).not.toBeNull()
    expect((await cli('export')).out).toContain('duckdb -readonly')
  })

  it('the configuration is checked and shown', async () => {
    expect((await json('config check')).code).toBe(0)
    const shown = await json<{ config: { enrichment: { sam_gov: { credentials: unknown } } } }>('config show')
    expect(shown.document.config.enrichment.sam_gov.credentials).toEqual({
      api_key: { env: 'SAM_GOV_API_KEY', loopback_value: '[redacted]' },
    })
    expect((await cli('config', 'show')).out).not.toContain('SANDBOX-KEY')
    await json('config schema')
  })

  it('another state file is another world', async () => {
    const { code, document } = await json<{ sources: { population: number }[] }>('plan', '--state', 'other.sqlite')
    expect(code).toBe(0)
    expect(document.sources.every((source) => source.population === 0)).toBe(true)
    expect(await readdir(home)).toContain('other.sqlite')
    const configured = (await json<{ generation: number }>('export')).document.generation
    const exported = await json<{ path: string }>('export', '--state', 'other.sqlite')
    expect(exported.document.path).toBe(join(home, 'other-warehouse'))
    // The configured state's warehouse is not touched by it.
    expect((await json<{ generation: number }>('export')).document.generation).toBeLessThanOrEqual(configured + 1)
    const elsewhere = await json<{ path: string }>('export', '--state', 'other.sqlite', '--warehouse', 'elsewhere')
    expect(elsewhere.document.path).toBe(join(home, 'elsewhere'))
  })

  async function openStore() {
    const world = testWorld({})
    const { loadConfig } = await import('../../ts/config/load.ts')
    const { config } = await loadConfig({
      dir: join(home, 'config'),
      environment: 'sandbox',
      variables: {},
      settings: [],
      adapters: { byId: (id) => ADAPTERS.find((adapter) => adapter.id === id) ?? null, ids: [] },
    })
    return openEngine({ config, logger: { log() {} }, readOnly: false, scrubber: world.scrubber, env: () => undefined })
  }

  it('a pending entry of somebody who cannot be asked about is not called due', async () => {
    type Unresolved = { unresolved: { entity_kind: string; entity_key: string }[] }
    const { document } = await json<Unresolved>('identities list', '--unresolved', '--source', 'sam_gov')
    expect(document.unresolved.length).toBeGreaterThan(0)
    const { entity_kind: kind, entity_key: key } = document.unresolved[0]!
    const { err } = await cli('pending', 'add', '--source', 'sam_gov', '--entity', `${kind}:${key}`, '--reason', 'a letter')
    expect(err).toContain(`sam_gov cannot be asked about ${kind}:${key} (`)
    expect(err).not.toContain('Due now')
  })
})
