import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ConfigRequest, loadConfig, readConfig } from '../../../ts/config/load.ts'
import { ConfigError, type ConfigProblem } from '../../../ts/config/problems.ts'
import { CATALOG, GOOD, POLICY } from './fake-adapters.ts'

let home: string

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'config-load-'))
  await mkdir(join(home, 'config'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

async function request(files: Record<string, string>, more: Partial<ConfigRequest> = {}): Promise<ConfigRequest> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, 'config', `${name}.yaml`), text)
  return { dir: join(home, 'config'), environment: 'dev', variables: {}, settings: [], adapters: CATALOG, ...more }
}

async function problemsOf(base: string, more: Partial<ConfigRequest> = {}, dev = ''): Promise<readonly ConfigProblem[]> {
  return (await readConfig(await request({ base, dev }, more))).problems
}

const at = (problems: readonly ConfigProblem[], path: string) => problems.find((problem) => problem.path === path)

describe('layers', () => {
  it('lays environment over base, variables over files, flags over variables', async () => {
    const base = `${GOOD}\nrun: { max_calls: 1, lease: 10s }\nhttp: { max_json_depth: 5 }`
    const { config, origins } = await loadConfig(
      await request(
        { base, dev: 'run: { max_calls: 2 }\nhttp: { max_json_depth: 6 }' },
        { variables: { ENRICHMENT__RUN__MAX_CALLS: '3', ENRICHMENT__HTTP__MAX_JSON_DEPTH: '7' }, settings: ['run.max_calls=4'] },
      ),
    )
    expect(config.run).toMatchObject({ max_calls: 4, lease: '10s', max_parallel_partitions: 8 })
    expect(config.http.max_json_depth).toBe(7)
    expect(origins.get('run.max_calls')).toBe('--set run.max_calls')
    expect(origins.get('http.max_json_depth')).toBe('environment variable ENRICHMENT__HTTP__MAX_JSON_DEPTH')
    expect(origins.get('run.lease')).toMatch(/^config\/base\.yaml:\d+$/)
  })

  it('replaces lists and merges maps', async () => {
    const dev = 'enrichment_refresh: { a: { quotas: [{ limit: 5, per: 1s }] } }'
    const { config } = await loadConfig(await request({ base: GOOD, dev }))
    expect(config.enrichment_refresh['a']).toMatchObject({ sla: '7d', quotas: [{ limit: 5, per: '1s', resets: 'sliding' }] })
    expect(config.enrichment_refresh['b']?.quotas).toHaveLength(1)
  })

  it('makes paths absolute from the directory that holds the config directory, and lets --state outrank them', async () => {
    const plain = await loadConfig(await request({ base: GOOD, dev: '' }))
    expect(plain.config.state.path).toBe(join(home, 'data/state/enrichment_refresh_state.sqlite'))
    expect(plain.config.warehouse.path).toBe(join(home, 'data/warehouse'))
    const other = await loadConfig(
      await request({ base: GOOD, dev: 'state: { path: /elsewhere/x.sqlite }' }, { statePath: '/tmp/y.sqlite' }),
    )
    expect(other.config.state.path).toBe('/tmp/y.sqlite')
    expect(other.origins.get('state.path')).toBe('--state')
  })

  it('keeps the warehouse of another state beside it, unless a flag or variable names one', async () => {
    const base = `${GOOD}\nstate: { path: data/state/x.sqlite }\nwarehouse: { path: data/warehouse }\n`
    const load = async (more: Parameters<typeof request>[1]) => loadConfig(await request({ base, dev: '' }, more))
    const moved = await load({ statePath: '/tmp/y.sqlite' })
    expect(moved.config.warehouse.path).toBe('/tmp/y-warehouse')
    expect(moved.origins.get('warehouse.path')).toBe('--state')
    // The configured state by another name is the same state.
    const same = await load({ statePath: join(home, 'data/state/x.sqlite') })
    expect(same.config.warehouse.path).toBe(join(home, 'data/warehouse'))
    const named = await load({ statePath: '/tmp/y.sqlite', warehousePath: '/tmp/w' })
    expect(named.config.warehouse.path).toBe('/tmp/w')
    expect(named.origins.get('warehouse.path')).toBe('--warehouse')
    const set = await load({ statePath: '/tmp/y.sqlite', settings: ['warehouse.path=/tmp/s'] })
    expect(set.config.warehouse.path).toBe('/tmp/s')
    const variable = await load({ statePath: '/tmp/y.db', variables: { ENRICHMENT__WAREHOUSE__PATH: 'own' } })
    expect(variable.config.warehouse.path).toBe(join(home, 'own'))
    expect((await load({ warehousePath: '/tmp/w' })).config).toMatchObject({
      state: { path: join(home, 'data/state/x.sqlite') },
      warehouse: { path: '/tmp/w' },
    })
  })

  it('fills in the defaults of adapter options', async () => {
    const { config } = await loadConfig(await request({ base: GOOD, dev: '' }))
    expect(config.enrichment['b']?.options).toEqual({ version: 'v4' })
  })

  it('keeps the defaults of keys beside one that is written', async () => {
    const { config } = await loadConfig(
      await request({ base: GOOD, dev: 'enrichment_refresh: { a: { retry: { max_attempts: 1 } } }' }),
    )
    expect(config.enrichment_refresh['a']?.retry).toEqual({ max_attempts: 1, base_delay: '500ms', max_delay: '20s' })
  })
})

describe('files', () => {
  it('names the environments there are when one is missing', async () => {
    const problems = (await readConfig(await request({ base: GOOD, prod: '', staging: '' }, { environment: 'prd' }))).problems
    expect(problems).toHaveLength(1)
    expect(problems[0]?.message).toContain('did you mean "prod"?')
    expect(problems[0]?.fix).toBe('use --env with one of: prod, staging')
  })

  it('refuses names that leave the directory', async () => {
    for (const environment of ['../secrets', 'a/b', '', 'base', '.hidden']) {
      const { problems } = await readConfig(await request({ base: GOOD }, { environment }))
      expect(problems[0]?.message).toContain('is no name of an environment')
    }
  })

  it('says where base.yaml should be', async () => {
    const problems = (await readConfig({ ...(await request({})), dir: join(home, 'nowhere') })).problems
    expect(at(problems, '(root)')?.message).toContain(join(home, 'nowhere', 'base.yaml'))
  })

  it.each([
    ['a duplicate key', 'run: { max_calls: 1 }\nrun: { max_calls: 2 }', /config\/dev\.yaml:2/, /unique/],
    ['a tab', 'run:\n\tmax_calls: 1', /config\/dev\.yaml:2/, /YAML/],
    ['a list', '- a\n- b', /config\/dev\.yaml:1/, /no map/],
    ['a prototype key', 'run: { __proto__: { max_calls: 1 } }', /config\/dev\.yaml:1/, /__proto__/],
    ['an unknown alias', 'run: *nobody', /config\/dev\.yaml:1/, /YAML/],
    ['an alias of itself', 'run: &x { a: *x }', /config\/dev\.yaml/, /too deep/],
  ])('refuses %s with its line', async (_name, dev, origin, message) => {
    const [problem] = await problemsOf(GOOD, {}, dev)
    expect(problem?.origin).toMatch(origin)
    expect(problem?.message).toMatch(message)
  })

  it('refuses an alias bomb without expanding it', async () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let level = 1; level <= 12; level += 1)
      lines.push(
        `a${level}: &a${level} [${Array(10)
          .fill(`*a${level - 1}`)
          .join(', ')}]`,
      )
    const [problem] = await problemsOf(GOOD, {}, lines.join('\n'))
    expect(problem?.message).toContain('too large')
  })

  it('refuses text that is not UTF-8', async () => {
    const asked = await request({ base: GOOD })
    await writeFile(join(home, 'config', 'dev.yaml'), Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe]))
    expect((await readConfig(asked)).problems[0]).toMatchObject({ origin: 'config/dev.yaml', fix: 'save it as UTF-8' })
  })

  it('does not pollute prototypes', async () => {
    await problemsOf(
      GOOD,
      { settings: ['__proto__.polluted=1', 'run.constructor=1'] },
      'constructor: { prototype: { polluted: true } }',
    )
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('problems', () => {
  it('lists all at once, each with place, file and fix', async () => {
    const base = `
enrichment:
  a: { adapter: open_dta, base_url: http://a.example.gov }
  b: { adapter: keyed, base_url: https://b.example.gov, credential: {} }
enrichment_refresh:
  a:
    enabled: yes please
    cadance: 6d
    sla: 7
    max_parallel_requests: 0
  c:${POLICY}
clock: { source: sandbox }
`
    const problems = await problemsOf(base)
    const paths = problems.map((problem) => problem.path)
    expect(paths).toEqual([
      'clock.sandbox_url',
      'enrichment.a.adapter',
      'enrichment.a.base_url',
      'enrichment.b',
      'enrichment.b.base_url',
      'enrichment.b.credential',
      'enrichment.b.credentials',
      'enrichment_refresh.a.cadance',
      'enrichment_refresh.a.cadence',
      'enrichment_refresh.a.enabled',
      'enrichment_refresh.a.max_parallel_requests',
      'enrichment_refresh.a.quotas',
      'enrichment_refresh.a.sla',
      'enrichment_refresh.c',
    ])
    for (const problem of problems) {
      expect(problem.fix.length).toBeGreaterThan(3)
      expect(problem.message).not.toMatch(/Invalid input|Unrecognized|undefined/)
    }
    expect(at(problems, 'enrichment.a.adapter')?.message).toContain('did you mean "open_data"?')
    expect(at(problems, 'enrichment_refresh.a.cadance')).toMatchObject({
      origin: 'config/base.yaml:8',
      message: 'is unknown (did you mean "cadence"?)',
    })
    expect(at(problems, 'enrichment_refresh.a.sla')?.fix).toBe('add the unit, e.g. sla: 7s')
    expect(at(problems, 'enrichment_refresh.a.quotas')?.fix).toContain('limit: 60, per: 60s')
  })

  it('throws them as one error of recovery `configuration`', async () => {
    const error = await loadConfig(await request({ base: 'enrichment: {}', dev: '' })).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ConfigError)
    expect(error).toMatchObject({ recovery: 'configuration', code: 'config_invalid' })
    expect((error as ConfigError).message).toContain('enrichment_refresh is missing')
  })

  it('refuses a source without policy: "add cadence and quotas"', async () => {
    const problems = await problemsOf(GOOD, {
      settings: ['enrichment.c={adapter: open_data, base_url: "https://c.example.gov"}'],
    })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({ path: 'enrichment.c', origin: '--set enrichment.c' })
    expect(problems[0]?.fix).toContain('add cadence and quotas')
  })

  it('never repeats what may be a secret', async () => {
    const secret = 'sk-live-0123456789abcdef'
    const base = `
enrichment:
  b:
    adapter: keyed
    base_url: https://user:${secret}@b.example.gov/?api_key=${secret}
    credentials: { api_key: { env: ${secret} } }
    options: { version: ${secret} }
enrichment_refresh:
  b:${POLICY}`
    const problems = await problemsOf(base, {
      settings: [`credentials ${secret}`, `enrichment.b.credentials.api_key.env=${secret}`],
    })
    expect(problems.map((problem) => problem.path)).toEqual([
      '(root)',
      'enrichment.b.base_url',
      'enrichment.b.credentials.api_key.env',
      'enrichment.b.options.version',
    ])
    expect(JSON.stringify(problems)).not.toContain(secret)
    expect(at(problems, 'enrichment.b.credentials.api_key.env')?.fix).toContain('NAME of the variable')
  })
})

describe('cross-field checks', () => {
  it('takes thresholds where answers say who they are about', async () => {
    const settings = ['enrichment.a.adapter=identifying', 'enrichment_refresh.a.identity={min_confidence: 0.7, min_margin: 0}']
    expect(await problemsOf(GOOD, { settings })).toEqual([])
  })

  it('know the sources that find identities, and embedded providers', async () => {
    const settings = [
      'enrichment.a.adapter=resolving',
      'enrichment.a.base_url=embedded:ip-data',
      'enrichment_refresh.a.identity={min_confidence: 0.9}',
      'enrichment_refresh.a.quotas=[{limit: 5, per: 1d, resets: utc_day, unit: credit}]',
      'status_changes=[{on_source: b, event_kinds: [changed], make_due: a_identity}]',
      'clock.source=sandbox',
      'clock.sandbox_url=http://127.0.0.1:1',
      'enrichment.b.base_url=http://127.0.0.1:1/b',
    ]
    expect(await problemsOf(GOOD, { settings })).toEqual([])
    const { config } = await loadConfig(await request({ base: GOOD, dev: '' }, { settings }))
    expect(config.enrichment_refresh['a']?.identity).toEqual({
      enabled: true,
      cadence: '90d',
      sla: '180d',
      min_confidence: 0.9,
      min_margin: 0.05,
      cohort: { size: 500 },
      coverage_threshold: 0.9,
    })
  })

  it.each([
    ['sla below cadence', ['enrichment_refresh.a.sla=5d'], 'enrichment_refresh.a.sla', /shorter than cadence/],
    ['batch above the provider', ['enrichment_refresh.b.batch_size=11'], 'enrichment_refresh.b.batch_size', /is 11, more than/],
    [
      'unknown credential',
      ['enrichment.b.credentials.apikey={env: X}'],
      'enrichment.b.credentials.apikey',
      /did you mean "api_key"/,
    ],
    [
      'credential of an open source',
      ['enrichment.a.credentials.api_key={env: X}'],
      'enrichment.a.credentials.api_key',
      /no credential/,
    ],
    ['unknown option', ['enrichment.b.options.versoin=v3'], 'enrichment.b.options.versoin', /is unknown/],
    ['bad option', ['enrichment.b.options.version=v9'], 'enrichment.b.options.version', /not one of/],
    ['plain http', ['enrichment.a.base_url=http://a.example.gov'], 'enrichment.a.base_url', /not encrypted/],
    [
      'plain http of a file host',
      ['enrichment.a.other_urls.files=http://f.example.gov'],
      'enrichment.a.other_urls.files',
      /not encrypted/,
    ],
    ['loopback look-alike', ['enrichment.a.base_url=http://127.0.0.1.example.gov'], 'enrichment.a.base_url', /not encrypted/],
    ['another protocol', ['enrichment.a.base_url=file:///etc/passwd'], 'enrichment.a.base_url', /no http/],
    ['a key in the address', ['enrichment.a.base_url=https://a.example.gov/?key=1'], 'enrichment.a.base_url', /query/],
    [
      'a day quota of another length',
      ['enrichment_refresh.a.quotas=[{limit: 5, per: 2d, resets: utc_day}]'],
      'enrichment_refresh.a.quotas[0].per',
      /UTC day/,
    ],
    [
      'a month quota of a week',
      ['enrichment_refresh.a.quotas=[{limit: 5, per: 7d, resets: utc_month}]'],
      'enrichment_refresh.a.quotas[0].per',
      /UTC month/,
    ],
    ['a sliding month', ['enrichment_refresh.a.quotas=[{limit: 5, per: 30d}]'], 'enrichment_refresh.a.quotas[0].per', /sliding/],
    [
      'a window of nothing',
      ['enrichment_refresh.a.quotas=[{limit: 5, per: 0s}]'],
      'enrichment_refresh.a.quotas[0].per',
      /longer than zero/,
    ],
    [
      'retry delays the wrong way',
      ['enrichment_refresh.a.retry.base_delay=30s'],
      'enrichment_refresh.a.retry.base_delay',
      /longer than/,
    ],
    [
      'identities of an adapter that finds none',
      ['enrichment_refresh.a.identity={}'],
      'enrichment_refresh.a.identity',
      /no identities/,
    ],
    [
      'a search where answers say who they are about',
      ['enrichment.a.adapter=identifying', 'enrichment_refresh.a.identity={min_confidence: 0.7, cadence: 5d}'],
      'enrichment_refresh.a.identity.cadence',
      /nothing is looked for/,
    ],
    [
      'an identity SLA below its cadence',
      ['enrichment.a.adapter=resolving', 'enrichment_refresh.a.identity={cadence: 90d, sla: 30d}'],
      'enrichment_refresh.a.identity.sla',
      /shorter than cadence/,
    ],
    [
      'a confidence beyond all',
      ['enrichment.a.adapter=resolving', 'enrichment_refresh.a.identity={min_confidence: 85}'],
      'enrichment_refresh.a.identity.min_confidence',
      /85|at most|1/,
    ],
    [
      'credits in a sliding window',
      ['enrichment_refresh.a.quotas=[{limit: 5, per: 1s, unit: credit}]'],
      'enrichment_refresh.a.quotas[0].unit',
      /sliding/,
    ],
    ['an embedded provider of no name', ['enrichment.a.base_url=embedded:'], 'enrichment.a.base_url', /no http/],
    [
      'real providers on sandbox time',
      ['clock.source=sandbox', 'clock.sandbox_url=http://127.0.0.1:1'],
      'enrichment.a.base_url',
      /real provider/,
    ],
    [
      'a sandbox elsewhere',
      ['clock.source=sandbox', 'clock.sandbox_url=https://sandbox.example'],
      'clock.sandbox_url',
      /loopback/,
    ],
    [
      'a rule about nobody',
      ['status_changes=[{on_source: x, event_kinds: [changed], make_due: a}]'],
      'status_changes[0].on_source',
      /no registered source/,
    ],
    [
      'a rule in a circle',
      ['status_changes=[{on_source: a, event_kinds: [changed], make_due: a}]'],
      'status_changes[0].make_due',
      /source of the event/,
    ],
    [
      'a path that is none',
      ['status_changes=[{on_source: a, event_kinds: [changed], make_due: b, paths: [status]}]'],
      'status_changes[0].paths[0]',
      /no path/,
    ],
  ])('refuses %s', async (_name, settings, path, message) => {
    const problems = await problemsOf(GOOD, { settings })
    expect(at(problems, path)?.message).toMatch(message)
  })

  it('says when the batch size that does not fit is the default', async () => {
    const problems = await problemsOf(GOOD.replaceAll('    batch_size: 10\n', ''))
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({ path: 'enrichment_refresh.b.batch_size', fix: 'write batch_size: 10 or less' })
    expect(problems[0]?.message).toContain('is 100 (the default)')
  })

  it('demands credentials that the adapter requires', async () => {
    const problems = await problemsOf(GOOD.replace('credentials: { api_key: { env: B_KEY } }', ''))
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({
      path: 'enrichment.b.credentials',
      fix: 'add credentials: { api_key: { env: B_API_KEY } }',
    })
  })

  it('demands equal quotas of those who share them, in whatever order they are written', async () => {
    const share = ['enrichment_refresh.a.quota_partition=b']
    expect(await problemsOf(GOOD, { settings: share })).toEqual([])
    const minute = 'enrichment_refresh.a.quotas=[{limit: 9, per: 1d}, {limit: 60, per: 1m}]'
    const same = 'enrichment_refresh.b.quotas=[{limit: 60, per: 60s}, {limit: 9, per: 24h}]'
    expect(await problemsOf(GOOD, { settings: [...share, minute, same] })).toEqual([])
    const [problem] = await problemsOf(GOOD, { settings: [...share, minute] })
    expect(problem?.path).toBe('enrichment_refresh.b.quotas')
    expect(problem?.message).toContain('shares the quota partition "b"')
  })

  it('takes http on loopback in its usual spellings', async () => {
    for (const url of ['http://127.0.0.1:8585/a', 'http://localhost:1', 'http://[::1]:8585', 'http://127.9.9.9']) {
      expect(await problemsOf(GOOD, { settings: [`enrichment.a.base_url=${url}`] })).toEqual([])
    }
  })

  it('warns of credentials that are not set, unless the source is on loopback with a spare value', async () => {
    const warnings = async (more: Partial<ConfigRequest>) =>
      (await loadConfig(await request({ base: GOOD, dev: '' }, more))).warnings
    expect((await warnings({})).map((warning) => warning.message)).toEqual([
      'the environment variable B_KEY is not set, so b cannot be asked',
    ])
    expect(await warnings({ variables: { B_KEY: 'x' } })).toEqual([])
    expect(await warnings({ settings: ['enrichment_refresh.b.enabled=false'] })).toEqual([])
    const spare = ['enrichment.b.base_url=http://127.0.0.1:1', 'enrichment.b.credentials.api_key.loopback_value=K']
    expect(await warnings({ settings: spare })).toEqual([])
  })
})
