/** Who refuses strangers is asked only by somebody who says how to be reached. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ADAPTERS } from '../../../ts/adapters/registry.ts'
import { runCli } from '../../../ts/cli/app.ts'
import { contactProblem, namesContact } from '../../../ts/config/contact.ts'
import { type LoadedConfig, loadConfig } from '../../../ts/config/load.ts'
import { contactRefusal } from '../../../ts/http/contact-refusal.ts'
import { openEngine } from '../../../ts/wiring.ts'
import { testWorld } from '../cli/world.ts'

const DIR = fileURLToPath(new URL('../../../config', import.meta.url))
const CATALOG = { byId: (id: string) => ADAPTERS.find((adapter) => adapter.id === id) ?? null, ids: ADAPTERS.map(({ id }) => id) }
const load = (environment: string, ...settings: string[]): Promise<LoadedConfig> =>
  loadConfig({ dir: DIR, environment, variables: {}, settings, adapters: CATALOG })
const warned = async (...given: Parameters<typeof load>): Promise<readonly string[]> =>
  (await load(...given)).warnings.filter(({ path }) => path.endsWith('user_agent')).map(({ path }) => path)

const CONTACT = 'http.user_agent=Acme enrichment data@acme.com'

describe('namesContact', () => {
  it.each(['Acme enrichment data@acme.com', 'acme/1.0 (+https://acme.com/bot)', 'acme/1.0 (mailto:data@acme.co.uk)'])(
    'takes %s',
    (text) => {
      expect(namesContact(text)).toBe(true)
    },
  )

  it.each([
    'enrichment-refresh/0.1 (+set http.user_agent to your contact)',
    'Acme enrichment',
    'acme@home',
    'https:// acme.com',
    '@acme.com',
  ])('does not take %s', (text) => {
    expect(namesContact(text)).toBe(false)
  })
})

describe('the contact that EDGAR needs', () => {
  it.each(['dev', 'prod'])('is missed in %s until it is set', async (environment) => {
    expect(await warned(environment)).toEqual(['http.user_agent'])
    expect(await warned(environment, CONTACT)).toEqual([])
    expect(await warned(environment, 'enrichment.edgar.user_agent=Acme enrichment data@acme.com')).toEqual([])
    expect(await warned(environment, 'enrichment_refresh.edgar.enabled=false')).toEqual([])
  })

  it('is asked for with place and fix, where it was written', async () => {
    const { config, origins } = await load('prod')
    expect(contactProblem(config, 'edgar', origins)).toMatchObject({
      path: 'http.user_agent',
      origin: expect.stringMatching(/base\.yaml:\d+$/),
      fix: expect.stringContaining('http.user_agent: "Acme enrichment data@acme.com"'),
    })
    const own = await load('prod', CONTACT, 'enrichment.edgar.user_agent=somebody')
    expect(own.warnings.find(({ path }) => path.endsWith('user_agent'))).toMatchObject({
      path: 'enrichment.edgar.user_agent',
      origin: expect.stringContaining('--set'),
      fix: expect.stringContaining('enrichment.edgar.user_agent: "Acme enrichment data@acme.com"'),
    })
  })

  it('is nothing to other sources, nor to a stand-in on this machine', async () => {
    const { config } = await load('prod')
    expect(Object.keys(config.enrichment).filter((source) => contactProblem(config, source) !== null)).toEqual(['edgar'])
    expect(await warned('sandbox', 'enrichment.edgar.user_agent=somebody')).toEqual([])
    // One host of three that is the SEC's is enough.
    const mixed = await load('prod', 'enrichment.edgar.base_url=http://127.0.0.1:1')
    expect(contactRefusal(mixed.config, 'edgar')).not.toBeNull()
  })

  it('is what a client refuses calls for, before anything is sent', async () => {
    const { config } = await load('prod')
    const answer = await contactRefusal(config, 'edgar')!.call(
      { method: 'GET', path: '/', label: 'x' },
      { signal: new AbortController().signal },
    )
    expect(answer).toMatchObject({
      kind: 'refused',
      why: 'credential',
      until: null,
      message: expect.stringContaining('data@acme.com'),
      stats: { calls: 0 },
    })
    expect(contactRefusal((await load('prod', CONTACT)).config, 'edgar')).toBeNull()
  })

  it('ends `sources check` with 78 and what to set', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'contact-'))
    try {
      const world = testWorld({ openEngine, adapters: async () => CATALOG })
      const flags = ['--config-dir', DIR, '--env', 'prod', '--state', join(dir, 'state.sqlite'), '--json']
      expect(await runCli(['sources', 'check', '--source', 'edgar', ...flags], world)).toBe(78)
      expect(JSON.parse(world.stdout.text)).toMatchObject({
        checks: [{ source: 'edgar', result: 'refused', next: expect.stringContaining('http.user_agent') }],
      })
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  })
})
