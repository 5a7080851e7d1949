/** What the sandbox's banner and page say about addresses: all of them. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ADAPTERS } from '../../../ts/adapters/registry.ts'
import { howToUse, sandboxAddresses } from '../../../ts/cli/commands/sandbox.ts'
import type { CliContext } from '../../../ts/cli/context.ts'
import { loadConfig } from '../../../ts/config/load.ts'
import { DIALECTS } from '../../../ts/sandbox/dialects/index.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const REQUEST = {
  dir: `${ROOT}config`,
  environment: 'dev',
  variables: {},
  settings: [] as readonly string[],
  adapters: { byId: (id: string) => ADAPTERS.find((adapter) => adapter.id === id) ?? null, ids: ADAPTERS.map(({ id }) => id) },
}
const context = { configRequest: async () => REQUEST } as unknown as CliContext

describe('the sandbox at another port', () => {
  it('says how to point every source there, so that none is left at the usual one', async () => {
    const text = howToUse({ port: 9001, url: 'http://127.0.0.1:9001' }, await sandboxAddresses(context))
    const settings = [...text.matchAll(/--set (\S+)/g)].map(([, setting]) => setting!)
    for (const { prefix } of DIALECTS)
      expect(
        settings.some((setting) => setting.endsWith(`=http://127.0.0.1:9001/${prefix}`)),
        prefix,
      ).toBe(true)
    const { config } = await loadConfig({ ...REQUEST, environment: 'sandbox', settings })
    expect(JSON.stringify([config.enrichment, config.clock])).not.toContain('8585')
    expect(config.clock.sandbox_url).toBe('http://127.0.0.1:9001')
  })

  it('says no more than the environment at the usual port', () => {
    expect(howToUse({ port: 8585, url: 'http://127.0.0.1:8585' }, [])).not.toContain('--set')
  })

  it('is described with every prefix on its page', () => {
    const page = readFileSync(`${ROOT}docs/sandbox.md`, 'utf8')
    for (const { prefix } of DIALECTS) expect(page, prefix).toContain(`| \`${prefix}\` |`)
  })
})
