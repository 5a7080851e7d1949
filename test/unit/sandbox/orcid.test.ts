import { describe, expect, it } from 'vitest'
import { readOrcid } from '../../../ts/adapters/orcid/ids.ts'
import { orcid } from '../../../ts/adapters/orcid.ts'
import type { JsonObject, JsonValue } from '../../../ts/model/json.ts'
import { DAY_MS, SECOND_MS, startOfUtcDay } from '../../../ts/model/time.ts'
import { CHANGES_BY_SOURCE } from '../../../ts/sandbox/changes.ts'
import { orcidDialect } from '../../../ts/sandbox/dialects/orcid.ts'
import { parseSolr, SolrError } from '../../../ts/sandbox/dialects/solr-query.ts'
import { orcidOfNumber } from '../../../ts/sandbox/world/orcid-number.ts'
import { peopleWorld, truePairs } from '../../../ts/sandbox/world/people-world.ts'
import { hasRecordings, recording } from '../../contract/recorded.ts'
import { askerOf, personEntity, shapeDifferences, targetOf } from './ask.ts'
import { bodyOf, get, virtualSandbox } from './helpers.ts'

const JSON_PLEASE = { accept: 'application/json' }
const { sandbox } = virtualSandbox({ quotas: { orcid: [] }, companies: 150, awards: 500 })
const { world } = sandbox
const now = sandbox.clock.now()
const people = world.part(peopleWorld)
const all = [...people.profiles(now)]
const asker = askerOf(sandbox, orcid)
const search = async (path: string, query: string) => bodyOf(await get(sandbox, `/orcid/v3.0/${path}?${query}`, JSON_PLEASE))
const q = (text: string) => `q=${encodeURIComponent(text)}`
const record = (id: string) => get(sandbox, `/orcid/v3.0/${id}/record`, JSON_PLEASE)

describe('people', () => {
  it('are the same for a seed, have valid iDs, and a share has none', () => {
    const again = virtualSandbox({ quotas: { orcid: [] }, companies: 150, awards: 500 }).sandbox.world.part(peopleWorld)
    expect([...again.profiles(now)].slice(0, 50)).toEqual(all.slice(0, 50))
    expect(all.length).toBeGreaterThan(200)
    expect(new Set(all.map((profile) => profile.orcid)).size).toBe(all.length)
    for (const profile of all) expect(readOrcid(profile.orcid)).toBe(profile.orcid)
    const pairs = [...truePairs(world, now)]
    const share = pairs.filter(({ providerKey }) => providerKey !== null).length / pairs.length
    expect(share).toBeGreaterThan(0.45)
    expect(share).toBeLessThan(0.65)
    expect(all.filter((profile) => profile.investigator === null).length).toBeGreaterThan(10)
    expect(orcidOfNumber(0)).toBe('0000-0001-5000-0007')
  })

  it('change as time goes by, not with the order of questions', () => {
    const later = now + 200 * DAY_MS
    const changed = all.filter((profile) => people.evolution.steps(profile.index, now, later).length > 0)
    expect(changed.length).toBeGreaterThan(all.length / 3)
    const [one] = changed
    const state = people.at(one!, later)
    expect(people.at(one!, now)).not.toEqual(state)
    expect(people.at(one!, later)).toEqual(state)
    const truth = CHANGES_BY_SOURCE['orcid']!(world, now, later).filter(({ kind }) => kind === 'changed')
    expect(truth.length).toBeGreaterThan(10)
    // Some were only touched.
    expect(truth.length).toBeLessThan(changed.length)
    expect(CHANGES_BY_SOURCE['openalex']!(world, now, later).length).toBeLessThan(
      CHANGES_BY_SOURCE['orcid']!(world, now, later).length,
    )
  })
})

describe('the search index', () => {
  it('finds by name, prefix and institution, expanded or not', async () => {
    const one = all.find(
      (profile) => profile.employer !== null && profile.given.length > 3 && !people.at(profile, now).deactivated,
    )!
    const words = `family-name:"${one.family}" AND given-names:"${one.given}"`
    const found = await search('expanded-search/', `${q(words)}&rows=100`)
    const row = found['expanded-result'].find((item: JsonObject) => item['orcid-id'] === one.orcid)
    expect(row).toMatchObject({ 'family-names': one.family, email: [] })
    const plain = await search('search', q(words))
    expect(plain['num-found']).toBe(found['num-found'])
    expect(plain.result.map((item: { 'orcid-identifier': { path: string } }) => item['orcid-identifier'].path)).toContain(
      one.orcid,
    )
    const there = await search(
      'expanded-search',
      q(
        `family-name:${one.family.replace(/[^A-Za-z']/g, '*')} AND affiliation-org-name:"${one.employer!.replace(/[^A-Za-z0-9 ]/g, ' ')}"`,
      ),
    )
    expect(there['expanded-result'].map((item: JsonObject) => item['orcid-id'])).toContain(one.orcid)
    const initial = await search('search', q(`family-name:"${one.family}" AND given-names:(Q* OR ${one.given[0]}*)`))
    expect(initial['num-found']).toBeGreaterThan(0)
  })

  it('says null when there is nobody, and pages by start and rows', async () => {
    expect(await search('search', q('family-name:Nobodyatall'))).toEqual({ result: null, 'num-found': 0 })
    expect(await search('expanded-search', q('family-name:Nobodyatall'))).toEqual({ 'expanded-result': null, 'num-found': 0 })
    const range = q('profile-last-modified-date:[2000-01-01T00:00:00Z TO NOW]')
    const first = await search('search', `${range}&rows=40`)
    const second = await search('search', `${range}&rows=40&start=40`)
    const ids = [...first.result, ...second.result].map((item) => item['orcid-identifier'].path)
    expect(new Set(ids).size).toBe(80)
    expect(first['num-found']).toBe(all.filter((profile) => !people.at(profile, now).deactivated).length)
  })

  it('refuses as ORCID does, and crashes where ORCID crashes', async () => {
    const status = async (query: string) => (await get(sandbox, `/orcid/v3.0/search?${query}`, JSON_PLEASE)).status
    expect(await status(`${q('family-name:A')}&rows=1001`)).toBe(400)
    expect(await status(`${q('family-name:A')}&rows=er`)).toBe(400)
    expect(await status(`${q('family-name:A')}&start=10001`)).toBe(400)
    for (const wrong of ['family-name:O:B', '"open', 'no-such-field:x', 'family-name:(A', ''])
      expect(await status(q(wrong))).toBe(500)
    expect(() => parseSolr('a:[b TO c]', now)).toThrow(SolrError)
  })
})

describe('records', () => {
  it('are there, elsewhere, deactivated or not at all', async () => {
    const former = all.find((profile) => profile.formerOrcid !== null)!
    const moved = await record(former.formerOrcid!)
    expect([moved.status, moved.headers.get('location')]).toEqual([301, `http://sandbox.test/orcid/v3.0/${former.orcid}/record`])
    const gone = all.find((profile) => people.at(profile, now).deactivated)!
    expect([(await record(gone.orcid)).status, orcidDialect.truth(world, gone.orcid, now, null)]).toEqual([409, null])
    expect((await bodyOf(await record('0000-0002-1825-0097')))['error-code']).toBe(9016)
    expect((await get(sandbox, '/orcid/v3.0/x/works', JSON_PLEASE)).status).toBe(501)
    expect((await get(sandbox, `/orcid/v3.0/${former.orcid}/record`)).headers.get('content-type')).toBe('application/xml')
  })

  it('take the right token or none', async () => {
    const status = async (token: string) =>
      (await get(sandbox, `/orcid/v3.0/${all[0]!.orcid}/record`, { ...JSON_PLEASE, authorization: `Bearer ${token}` })).status
    expect([await status('SANDBOX-TOKEN'), await status('other')]).toEqual([200, 401])
  })

  it('have addresses that a few let everybody see', async () => {
    const open = all.find((profile) => profile.index % 16 === 0 && !people.at(profile, now).deactivated)!
    expect(JSON.stringify(await bodyOf(await record(open.orcid)))).toContain('@sandbox.example')
    const answer = await asker.lookup(targetOf(personEntity(`${open.given} ${open.family}`, 'X'), open.orcid))
    expect(JSON.stringify(answer)).not.toContain('@')
  })
})

describe('quota', () => {
  it('answers 503 within a second and plain text after a day, as the adapter understands', async () => {
    const { sandbox: limited, time } = virtualSandbox({
      quotas: {
        orcid: [
          { limit: 1, per: SECOND_MS },
          { limit: 2, per: DAY_MS, resets: 'utc_day' },
        ],
      },
    })
    const asking = askerOf(limited, orcid)
    const probe = () => asking.ask(orcid.probe(asking.context))
    expect((await probe()).classified.class).toBe('empty')
    expect((await probe()).classified).toMatchObject({ class: 'transient' })
    time.ms = 1000
    await probe()
    time.ms = 2000
    const spent = (await probe()).classified
    expect(spent).toMatchObject({ class: 'quota_exhausted', until: startOfUtcDay(limited.clock.now()) + DAY_MS })
  })
})

describe('the adapter against the dialect', () => {
  it('finds most people who are there, hardly anybody who is not, and is honest about how sure it is', async () => {
    const bins = new Map<number, { right: number; all: number }>()
    let [listed, recalled, accepted, wrong] = [0, 0, 0, 0]
    for (const { name, company, providerKey } of truePairs(world, now)) {
      const { candidates } = await asker.resolve(targetOf(personEntity(name, company.name)))
      const [first, second] = candidates
      const profile = providerKey === null ? null : people.byOrcid(providerKey, now)
      // Nobody can tell who does not say where they work.
      if (profile?.employer) listed += 1
      if (first === undefined) continue
      const bin = bins.get(Math.floor(first.confidence * 5)) ?? { right: 0, all: 0 }
      bins.set(Math.floor(first.confidence * 5), {
        right: bin.right + (first.providerKey === providerKey ? 1 : 0),
        all: bin.all + 1,
      })
      if (first.confidence < 0.75 || (second !== undefined && first.confidence - second.confidence < 0.1)) continue
      accepted += 1
      if (first.providerKey !== providerKey) wrong += 1
      else if (profile?.employer) recalled += 1
    }
    expect(listed).toBeGreaterThan(100)
    expect(1 - wrong / accepted).toBeGreaterThan(0.98)
    expect(recalled / listed).toBeGreaterThan(0.85)
    // What is called unlikely is unlikely.
    const low = [0, 1].reduce(
      (sum, bin) => ({ right: sum.right + (bins.get(bin)?.right ?? 0), all: sum.all + (bins.get(bin)?.all ?? 0) }),
      { right: 0, all: 0 },
    )
    if (low.all > 30) expect(low.right / low.all).toBeLessThan(0.8)
  })

  it('reads records, and follows former iDs', async () => {
    const former = all.find((profile) => profile.formerOrcid !== null && !people.at(profile, now).deactivated)!
    const target = (key: string) => targetOf(personEntity(`${former.given} ${former.family}`, 'X'), key)
    const answer = await asker.lookup(target(former.formerOrcid!))
    expect(answer).toMatchObject({
      kind: 'record',
      record: { orcid: former.orcid, works_count: people.at(former, now).works.length },
    })
    expect(await asker.lookup(target(former.orcid))).toEqual(answer)
    const gone = all.find((profile) => people.at(profile, now).deactivated)!
    expect(await asker.lookup(target(gone.orcid))).toMatchObject({ kind: 'absent' })
  })

  it('walks the feed and finds exactly those who changed', async () => {
    const from = startOfUtcDay(now) - 20 * DAY_MS
    const window = { from, to: startOfUtcDay(now) }
    const ids = new Set<string>()
    for (const slice of orcid.feed!.slices(window, asker.context)) {
      const { view } = await asker.ask(orcid.feed!.request(window, slice, null, asker.context))
      for (const { providerKey } of orcid.feed!.parse(view, slice, null, asker.context).items) ids.add(providerKey)
    }
    const expected = all.filter((profile) => {
      const { deactivated, lastModified } = people.at(profile, now)
      return !deactivated && lastModified >= window.from && lastModified < window.to
    })
    expect(ids).toEqual(new Set(expected.map((profile) => profile.orcid)))
    expect(ids.size).toBeGreaterThan(0)
  })
})

describe.skipIf(!hasRecordings('orcid'))('shapes against the recordings', () => {
  it('of a record, section by section', () => {
    const rich = all.find(
      (profile) =>
        people.at(profile, now).fundings > 0 &&
        people.at(profile, now).works.length > 3 &&
        people.at(profile, now).keywords.length > 0 &&
        profile.employer !== null,
    )!
    const ours = orcidDialect.truth(world, rich.orcid, now, null) as JsonObject
    const theirs = recording('orcid', 'record-full') as JsonObject
    const ignored =
      /external-id-normalized|credit-name|\.source\.|email|display-index$|disambiguated|completion-date|deactivation/
    expect(shapeDifferences(ours, theirs).filter((line) => !ignored.test(line))).toEqual([])
  })

  it('of searches', async () => {
    const ours: JsonValue = await search('expanded-search', `${q('family-name:[x')}&rows=1`)
    expect(Object.keys(ours as JsonObject).sort()).toEqual(
      Object.keys(recording('orcid', 'error-500-solr-start') as JsonObject).sort(),
    )
    const one = await search('expanded-search', `${q(`family-name:"${all[0]!.family}"`)}&rows=1`)
    expect(shapeDifferences(one, recording('orcid', 'expanded-search'))).toEqual([])
    const plain = await search('search', `${q(`family-name:"${all[0]!.family}"`)}&rows=1`)
    expect(shapeDifferences(plain, recording('orcid', 'search-page-1'))).toEqual([])
  })
})
