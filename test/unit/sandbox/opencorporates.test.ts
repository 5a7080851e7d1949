import { describe, expect, it } from 'vitest'
import { opencorporates } from '../../../ts/adapters/opencorporates.ts'
import type { Entity } from '../../../ts/model/entity.ts'
import type { JsonObject, JsonValue } from '../../../ts/model/json.ts'
import { DAY_MS, startOfUtcDay } from '../../../ts/model/time.ts'
import { payloadHash } from '../../../ts/refresh/canonical.ts'
import { CHANGES_BY_SOURCE } from '../../../ts/sandbox/changes.ts'
import { opencorporatesDialect } from '../../../ts/sandbox/dialects/opencorporates.ts'
import type { Company } from '../../../ts/sandbox/world/companies.ts'
import { registryWorld, truePairs } from '../../../ts/sandbox/world/registry-world.ts'
import { hasRecordings, recording } from '../../contract/recorded.ts'
import { askerOf, shapeDifferences, targetOf } from './ask.ts'
import { bodyOf, get, virtualSandbox } from './helpers.ts'

const TOKEN = { 'x-api-token': 'SANDBOX-TOKEN' }
const settings = { quotas: { opencorporates: [] }, companies: 800, awards: 50 }
const { sandbox } = virtualSandbox(settings)
const { world } = sandbox
const now = sandbox.clock.now()
const registry = world.part(registryWorld)
const pairs = [...truePairs(world)]
const asker = askerOf(sandbox, opencorporates, TOKEN)
const keyOf = ({ jurisdiction, number }: { jurisdiction: string; number: string }) => `${jurisdiction}/${number}`
const path = (key: string, rest = '') => {
  const slash = key.indexOf('/')
  return `/opencorporates/v0.4/companies/${key.slice(0, slash)}/${encodeURIComponent(key.slice(slash + 1))}${rest}`
}

function entityOf({ name, place, zip5, duns, index }: Company): Entity {
  const attributes = { name, uei: null, duns, city: place.city, state: place.state, zip: zip5, country: 'US' }
  return { kind: 'company', key: `name:${name}|${index}`, attributes, aliases: [] }
}

describe('registers', () => {
  it('are the same for a seed, number their entries once, and miss a share of the companies', () => {
    const again = virtualSandbox(settings).sandbox.world.part(registryWorld)
    expect(again.registrations).toEqual(registry.registrations)
    expect(new Set(registry.registrations.map(keyOf)).size).toBe(registry.registrations.length)
    const share = pairs.filter(({ providerKey }) => providerKey !== null).length / pairs.length
    expect(share).toBeGreaterThan(0.85)
    expect(share).toBeLessThan(0.95)
    const states = registry.registrations.map((one) => ({ one, state: registry.at(one, now) }))
    expect(states.some(({ state }) => state.inactive && state.dissolvedOn === null)).toBe(true)
    expect(states.some(({ one, state }) => one.company !== null && state.previousNames.length > 0)).toBe(true)
    expect(states.filter(({ one }) => one.company === null).length).toBeGreaterThan(50)
    expect(states.some(({ one }) => / \[S\]$/.test(one.number))).toBe(true)
  })

  it('change as time goes by, not with the order of questions, and mostly in nothing that matters', () => {
    const later = now + 180 * DAY_MS
    const truth = CHANGES_BY_SOURCE['opencorporates']!(world, now, later)
    const touched = registry.registrations.filter(({ index }) => registry.evolution.steps(index, now, later).length > 0)
    expect(truth.length).toBeGreaterThan(50)
    expect(truth.length).toBeLessThan(touched.length / 2)
    const [one] = touched
    const state = registry.at(one!, later)
    expect(registry.at(one!, now)).not.toEqual(state)
    expect(registry.at(one!, later)).toEqual(state)
  })

  it('are read by the adapter so that exactly what changed has another hash', async () => {
    const { sandbox: moving } = virtualSandbox(settings)
    const at = moving.clock.now()
    const until = at + 120 * DAY_MS
    const some = moving.world.part(registryWorld).registrations.slice(0, 150)
    const hashes = async () => {
      const asking = askerOf(moving, opencorporates, TOKEN)
      const found = new Map<string, string>()
      for (const one of some) {
        const answer = await asking.lookup(targetOf(entityOf(world.companies[0]!), keyOf(one)))
        if (answer.kind === 'record') found.set(keyOf(one), payloadHash(answer.record, opencorporates))
      }
      return found
    }
    const before = await hashes()
    moving.clock.advance(120 * DAY_MS)
    const after = await hashes()
    expect(before.size).toBe(some.length)
    const changed = [...after].filter(([key, hash]) => before.get(key) !== hash).map(([key]) => key)
    const truth = CHANGES_BY_SOURCE['opencorporates']!(moving.world, at, until).map(({ key }) => key)
    expect(changed.sort()).toEqual(
      some
        .map(keyOf)
        .filter((key) => truth.includes(key))
        .sort(),
    )
    expect(changed.length).toBeGreaterThan(10)
  })
})

describe('the provider', () => {
  const search = async (query: string) => bodyOf(await get(sandbox, `/opencorporates/v0.4/companies/search?${query}`, TOKEN))

  it('wants a token, in the header or the query', async () => {
    const status = async (headers: Record<string, string>, query = '') =>
      (await get(sandbox, `/opencorporates/v0.4/account_status${query}`, headers)).status
    expect([await status({}), await status({ 'x-api-token': 'other' })]).toEqual([401, 401])
    expect([await status(TOKEN), await status({}, '?api_token=SANDBOX-TOKEN')]).toEqual([200, 200])
    expect((await asker.ask(opencorporates.probe(asker.context))).classified.class).toBe('ok')
  })

  it('searches words, pages inside results, and minor versions', async () => {
    const word = 'systems'
    const all = await search(`q=${word}&per_page=100`)
    expect(all.results).toMatchObject({ page: 1, per_page: 100 })
    expect(all.total_pages).toBeUndefined()
    expect(all.results.total_count).toBeGreaterThan(30)
    const second = await search(`q=${word}&per_page=10&page=2`)
    expect(second.results.companies).toEqual(all.results.companies.slice(10, 20))
    const jurisdictions = await search(`q=${word}&jurisdiction_code=us_ca%7Cus_de`)
    for (const { company } of jurisdictions.results.companies) expect(company.jurisdiction_code).toMatch(/^us_(?:ca|de)$/)
    expect((await search('q=nosuchword')).results).toMatchObject({ companies: [], total_pages: 0, total_count: 0 })
    expect((await get(sandbox, '/opencorporates/v0.4.8/companies/search?q=systems', TOKEN)).status).toBe(200)
    for (const strange of ['', 'q=', 'q=a&updated_at=2026-09-01:', 'q=a&order=updated_at'])
      expect((await get(sandbox, `/opencorporates/v0.4/companies/search?${strange}`, TOKEN)).status, strange).toBe(501)
  })

  it('has companies under numbers of every kind, without officers when sparse', async () => {
    const odd = registry.registrations.find(({ number }) => number.endsWith('[S]'))!
    const body = await bodyOf(await get(sandbox, path(keyOf(odd)), TOKEN))
    expect(body.results.company).toMatchObject({ company_number: odd.number, officers: expect.any(Array) })
    const sparse = await bodyOf(await get(sandbox, path(keyOf(odd), '?sparse=true'), TOKEN))
    expect(sparse.results.company.officers).toBeUndefined()
    expect((await get(sandbox, path('us_ca/none'), TOKEN)).status).toBe(404)
    expect((await get(sandbox, path(keyOf(odd), '/filings'), TOKEN)).status).toBe(501)
    expect(sandbox.log.total).toBeGreaterThan(0)
    expect(opencorporatesDialect.keysAsked(path(keyOf(odd)), new URLSearchParams(), '')).toEqual([keyOf(odd)])
  })

  it('says that the quota of a day or month is spent in both ways that are known', async () => {
    const { sandbox: limited } = virtualSandbox({
      companies: 20,
      awards: 20,
      quotas: {
        opencorporates: [
          { limit: 2, per: DAY_MS, resets: 'utc_day' },
          { limit: 3, per: 30 * DAY_MS, resets: 'utc_month' },
        ],
      },
    })
    const asking = askerOf(limited, opencorporates, TOKEN)
    const probe = async () => (await asking.ask(opencorporates.probe(asking.context))).classified
    expect([(await probe()).class, (await probe()).class]).toEqual(['ok', 'ok'])
    const midnight = startOfUtcDay(limited.clock.now()) + DAY_MS
    expect(await probe()).toMatchObject({ class: 'quota_exhausted', reason: expect.stringMatching(/429/), until: midnight })
    expect(await probe()).toMatchObject({ class: 'quota_exhausted', reason: expect.stringMatching(/403/), until: midnight })
    limited.clock.advance(DAY_MS)
    expect((await probe()).class).toBe('ok')
    const date = new Date(limited.clock.now())
    const december = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
    expect(await probe()).toMatchObject({ class: 'quota_exhausted', until: december })
  })
})

describe('the adapter against the dialect', () => {
  it('finds nearly all companies that are there, hardly any wrong one, and is honest about how sure it is', async () => {
    let [accepted, right, wrong, there] = [0, 0, 0, 0]
    const unsure = { all: 0, right: 0 }
    for (const { company, providerKey, all } of pairs) {
      if (providerKey !== null) there += 1
      const { candidates } = await asker.resolve(targetOf(entityOf(company)))
      const [first, second] = candidates
      if (first === undefined) continue
      if (first.confidence < 0.85 || (second !== undefined && first.confidence - second.confidence < 0.05)) {
        unsure.all += 1
        if (all.includes(first.providerKey)) unsure.right += 1
        continue
      }
      accepted += 1
      if (first.providerKey === providerKey) right += 1
      else if (!all.includes(first.providerKey)) wrong += 1
    }
    expect(there).toBeGreaterThan(600)
    expect(1 - wrong / accepted).toBeGreaterThan(0.98)
    expect(right / there).toBeGreaterThan(0.85)
    // Those that wait for a person are less often right than those that count.
    expect(unsure.right / unsure.all).toBeLessThan(right / accepted)
  })

  it('reads companies with officers and owners, and nothing private of them', async () => {
    const rich = registry.registrations.find(
      (one) => registry.at(one, now).owners.length > 0 && registry.at(one, now).officers.length > 1 && one.branchOf !== null,
    )!
    const answer = await asker.lookup(targetOf(entityOf(rich.company!), keyOf(rich)))
    const state = registry.at(rich, now)
    expect(answer).toMatchObject({
      kind: 'record',
      record: {
        name: state.name,
        company_number: rich.number,
        inactive: state.inactive,
        home_company: { jurisdiction_code: 'us_de', company_number: registry.registrations[rich.branchOf!]!.number },
        officers_complete: true,
        owners_complete: true,
      },
    })
    const { record } = answer as { record: JsonObject }
    expect((record['officers'] as readonly JsonValue[]).length).toBe(state.officers.length)
    expect((record['owners'] as readonly JsonObject[]).map(({ name }) => name)).toEqual(state.owners.map(({ name }) => name))
    expect(JSON.stringify(answer)).not.toMatch(/PRIVATE LANE|1970|American|ENGINEER/)
    expect(await asker.lookup(targetOf(entityOf(rich.company!), 'us_ca/C0'))).toMatchObject({ kind: 'absent' })
  })
})

describe.skipIf(!hasRecordings('opencorporates'))('shapes against the recordings', () => {
  const branch = registry.registrations.find((one) => one.branchOf !== null && registry.at(one, now).owners.length > 0)!

  it('of a company', () => {
    const ours = { company: opencorporatesDialect.truth(world, keyOf(branch), now, null)! }
    const theirs = (recording('opencorporates', 'company-get-200') as { results: JsonObject }).results
    // Members that came after that recording was made.
    const newer = /only ours: \$\.company\.(?:branch|restricted_for_marketing|native_company_number)$/
    expect(shapeDifferences(ours, theirs).filter((line) => !newer.test(line))).toEqual([])
  })

  it('of a search, of statements, of a wrong token', async () => {
    const found = await bodyOf(await get(sandbox, '/opencorporates/v0.4/companies/search?q=systems', TOKEN))
    const newer = /only ours: .*\.company\.(?:branch|registered_address|restricted_for_marketing|native_company_number)$/
    expect(
      shapeDifferences(found, recording('opencorporates', 'companies-search-200')).filter((line) => !newer.test(line)),
    ).toEqual([])
    const statements = await bodyOf(await get(sandbox, path(keyOf(branch), '/statements'), TOKEN))
    const shape = shapeDifferences(statements, recording('opencorporates', 'control-statements-search-200.shape'))
    expect(shape.filter((line) => !/controlling_entities\[\]\.(?:person|company)$/.test(line))).toEqual([])
    expect(await bodyOf(await get(sandbox, path(keyOf(branch))))).toEqual(recording('opencorporates', 'error-401-invalid-token'))
  })
})
