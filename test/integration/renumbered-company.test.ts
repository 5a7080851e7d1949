/** A company whose register has renumbered it: followed once, then asked about under the new number. */
import { afterEach, expect, test } from 'vitest'
import { opencorporates } from '../../ts/adapters/opencorporates.ts'
import type { Identity } from '../../ts/model/entity.ts'
import { DAY_MS } from '../../ts/model/time.ts'
import { entity } from '../support/builders.ts'
import { answered, ok } from '../support/fake-client.ts'
import { type OpenedStore, openStore, RefreshWorld, STORES } from '../support/refresh-world.ts'

const scenes: OpenedStore[] = []
afterEach(async () => {
  for (const opened of scenes.splice(0)) await opened.cleanup()
})

const COMPANY = { kind: 'company', key: 'uei:ACME' } as const

async function refreshedTwice(kind: (typeof STORES)[number], decidedBy: Identity['decidedBy']) {
  const opened = await openStore(kind)
  scenes.push(opened)
  const world = new RefreshWorld(opened.store)
  const { client } = world.addSource({
    adapter: { ...opencorporates, cohort: { numbered: false, name: () => 'all', date: () => null } },
    policy: { cadenceMs: 27 * DAY_MS, slaMs: 30 * DAY_MS },
    respond({ path }) {
      world.clock.skip(1)
      if (path === '/v0.4/companies/us_ca/OLD1')
        return answered('not_found', { status: 301, headers: { location: '/v0.4/companies/us_ca/NEW1' } })
      return ok({ results: { company: { name: 'ACME', jurisdiction_code: 'us_ca', company_number: 'NEW1' } } })
    },
  })
  const old: Identity = {
    source: 'opencorporates',
    entity: COMPANY,
    providerKey: 'us_ca/OLD1',
    method: 'exact_name+state',
    confidence: 0.9,
    evidence: {},
    alternatives: [],
    resolvedAt: world.clock.now(),
    decidedBy,
  }
  await world.store.upsertEntities(
    [{ ...entity(COMPANY.key, { name: 'Acme', state: 'CA' }), links: [] }],
    'ingest-1',
    world.clock.now(),
  )
  await world.store.putIdentities([old])
  const asked: (readonly string[])[] = []
  for (const _ of [1, 2]) {
    client.forget()
    await world.run({ request: { sources: ['opencorporates'] } })
    asked.push(client.requests.map(({ path }) => path.split('/').at(-1)!))
    world.clock.skip(28 * DAY_MS)
  }
  const [identity] = await world.store.identities({ source: 'opencorporates', entity: COMPANY, limit: 1 })
  return { asked, identity }
}

test.each(STORES)('is asked about at once the next time, %s store', async (kind) => {
  const { asked, identity } = await refreshedTwice(kind, 'computed')
  expect(asked).toEqual([['OLD1', 'NEW1'], ['NEW1']])
  expect(identity).toMatchObject({ providerKey: 'us_ca/NEW1', method: 'renumbered', evidence: { renumbered_from: 'us_ca/OLD1' } })
})

test.each(STORES)('stays what a person decided, %s store', async (kind) => {
  const { asked, identity } = await refreshedTwice(kind, 'user')
  expect(asked).toEqual([
    ['OLD1', 'NEW1'],
    ['OLD1', 'NEW1'],
  ])
  expect(identity).toMatchObject({ providerKey: 'us_ca/OLD1', decidedBy: 'user' })
})
