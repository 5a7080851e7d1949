import { describe, expect, it } from 'vitest'
import type { KeyedFile } from '../../../ts/adapters/adapter.ts'
import { dlaCage } from '../../../ts/adapters/dla-cage.ts'
import type { JsonObject } from '../../../ts/model/json.ts'
import { DAY_MS } from '../../../ts/model/time.ts'
import { dlaCageDialect } from '../../../ts/sandbox/dialects/dla-cage.ts'
import { cageWorld, truePairs } from '../../../ts/sandbox/world/cage-world.ts'
import { viewOf } from '../../contract/recorded.ts'
import { get, virtualSandbox } from './helpers.ts'

const PAGE = '/dla_cage/Information-Operations/FLIS-Data-Electronic-Reading-Room/'
const file = dlaCage.file as KeyedFile
const NONE = { etag: null, lastModified: null }

async function link(sandbox: Parameters<typeof get>[0]): Promise<string> {
  const context = { now: 0, options: dlaCage.options.parse({}) as JsonObject }
  expect(`/dla_cage${file.locate!(context).path}`).toBe(PAGE)
  const { path, query } = file.request(NONE, context, viewOf({ text: await (await get(sandbox, PAGE)).text() }))
  return `/dla_cage${path}?${new URLSearchParams(query?.map(([name, value]): [string, string] => [name, value])).toString()}`
}

describe('the sandbox as www.dla.mil', () => {
  it('links to an archive that is served conditionally, and only under its version', async () => {
    const { sandbox } = virtualSandbox()
    const address = await link(sandbox)
    const response = await get(sandbox, address)
    expect(response.status).toBe(200)
    const bytes = Buffer.from(await response.arrayBuffer())
    expect(bytes.subarray(0, 2).toString()).toBe('PK')
    expect(Number(response.headers.get('content-length'))).toBe(bytes.length)
    const lastModified = response.headers.get('last-modified')!
    expect(lastModified).toBe('Mon, 02 Nov 2026 06:00:00 GMT')
    expect((await get(sandbox, address, { 'if-modified-since': lastModified })).status).toBe(304)
    expect((await get(sandbox, address.split('?')[0]!)).status).toBe(404)
  })

  it('publishes on the first business day of a month', async () => {
    const { sandbox, time } = virtualSandbox()
    const before = await link(sandbox)
    time.ms += 9 * DAY_MS
    expect(await link(sandbox)).toBe(before)
    time.ms += 3 * DAY_MS
    const after = await link(sandbox)
    expect(after).not.toBe(before)
    expect((await get(sandbox, after)).headers.get('last-modified')).toBe('Tue, 01 Dec 2026 06:00:00 GMT')
  })

  it('lists the codes that SAM.gov registrations carried when it was published, and many others', () => {
    const { sandbox } = virtualSandbox()
    const { world } = sandbox
    const at = world.part(cageWorld).publishedAt(sandbox.clock.now())
    const pairs = [...truePairs(world, at)]
    expect(pairs.length).toBeGreaterThan(50)
    for (const { providerKey, uei } of pairs) {
      const row = dlaCageDialect.truth(world, providerKey, sandbox.clock.now(), null)
      const company = world.sam.company(uei)!
      // Two companies may have been given one code; the list has it once.
      expect(row).toMatchObject({ cage: providerKey, country: 'UNITED STATES' })
      expect(file.table.keyOf({ cage: providerKey })).toBe(providerKey)
      if (pairs.filter((pair) => pair.providerKey === providerKey).length === 1)
        expect(row).toMatchObject({ company: world.sam.at(company, at).legalName })
    }
    expect([...dlaCageDialect.keys(world, sandbox.clock.now())].length).toBeGreaterThan(pairs.length + 100)
  })
})
