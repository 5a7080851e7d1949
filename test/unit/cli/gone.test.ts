/** What is said about a provider that is gone for good, before anybody looks for a key. */
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { ADAPTERS, adapterById } from '../../../ts/adapters/registry.ts'
import { goneReason, goneRemarks } from '../../../ts/cli/selection.ts'
import { type LoadedConfig, loadConfig } from '../../../ts/config/load.ts'
import { virtualTimeRefusal } from '../../../ts/http/virtual-time.ts'
import type { RunSource } from '../../../ts/refresh/run-partition.ts'
import { checkSource } from '../../../ts/source-check.ts'

const DIR = fileURLToPath(new URL('../../../config', import.meta.url))
const CATALOG = { byId: (id: string) => ADAPTERS.find((adapter) => adapter.id === id) ?? null, ids: ADAPTERS.map(({ id }) => id) }
const load = (environment: string, settings: readonly string[] = []): Promise<LoadedConfig> =>
  loadConfig({ dir: DIR, environment, variables: {}, settings, adapters: CATALOG })
let dev: LoadedConfig
beforeAll(async () => {
  dev = await load('dev')
})

describe('a provider that is gone for good', () => {
  it('is spoken of with the date and where to go, wherever it is named', () => {
    expect(goneRemarks({ sources: ['patentsview', 'nih'] }, dev)).toEqual([
      expect.stringMatching(/^patentsview cannot answer: .*2026-03-20.*uspto_odp/),
    ])
    expect(goneReason('nih', dev)).toBeNull()
  })

  it('is spoken of unasked only when it is switched on', async () => {
    expect(goneRemarks({ sources: [] }, dev)).toEqual([])
    const on = await load('dev', ['enrichment_refresh.patentsview.enabled=true'])
    expect(goneRemarks({ sources: [] }, on)).toHaveLength(1)
  })

  it('is not gone in the sandbox, which stands in for it', async () => {
    expect(goneRemarks({ sources: ['patentsview'] }, await load('sandbox'))).toEqual([])
  })

  it('is not asked for a key by `sources check`', async () => {
    const client = {
      call: async () =>
        ({ kind: 'refused', why: 'credential', message: 'set X', until: null, stats: { calls: 0, quotaWaitMs: 0 } }) as const,
    }
    const clock = { now: () => 0, monotonic: () => ({ ms: 0 }) }
    const check = (id: string) =>
      checkSource(
        { adapter: adapterById(id), options: {}, policy: { enabled: false } } as unknown as RunSource,
        client,
        clock as unknown as Parameters<typeof checkSource>[2],
        new AbortController().signal,
      )
    expect(await check('patentsview')).toMatchObject({
      ok: false,
      result: 'source_down',
      reason: expect.stringMatching(/2026-03-20/),
    })
    expect(await check('sam_gov')).toMatchObject({ ok: false, result: 'refused', reason: 'set X' })
  })
})

describe('real providers in the time of the sandbox', () => {
  const REAL = 'enrichment.nih.base_url=https://api.reporter.nih.gov'

  it('are refused by the configuration when they are enabled, and only then', async () => {
    await expect(load('sandbox', [REAL])).rejects.toMatchObject({
      problems: [
        expect.objectContaining({
          path: 'enrichment.nih.base_url',
          fix: expect.stringContaining('enrichment_refresh.nih.enabled: false'),
        }),
      ],
    })
    const { config } = await load('sandbox', [REAL, 'enrichment_refresh.nih.enabled=false'])
    expect(config.enrichment['nih']!.base_url).toBe('https://api.reporter.nih.gov')
  })

  it('are not asked either when somebody names them', async () => {
    const { config } = await load('sandbox', [REAL, 'enrichment_refresh.nih.enabled=false'])
    const refusal = virtualTimeRefusal(config, 'nih')
    const answer = await refusal!.call({ method: 'GET', path: '/', label: 'x' }, { signal: new AbortController().signal })
    expect(answer).toMatchObject({ kind: 'refused', message: expect.stringContaining('config/sandbox.yaml') })
    expect(virtualTimeRefusal(config, 'sam_gov')).toBeNull()
    expect(virtualTimeRefusal(dev.config, 'nih')).toBeNull()
  })
})
