import { describe, expect, it } from 'vitest'
import { openalex } from '../../../ts/adapters/openalex.ts'
import { orcid } from '../../../ts/adapters/orcid.ts'
import type { JsonObject } from '../../../ts/model/json.ts'
import { DAY_MS, SECOND_MS, startOfUtcDay } from '../../../ts/model/time.ts'
import { payloadHash } from '../../../ts/refresh/canonical.ts'
import { diffRecords } from '../../../ts/refresh/diff.ts'
import { openalexDialect } from '../../../ts/sandbox/dialects/openalex.ts'
import { authorIdOf, authorOf, workOf } from '../../../ts/sandbox/dialects/openalex-shapes.ts'
import { type Profile, peopleWorld } from '../../../ts/sandbox/world/people-world.ts'
import { hasRecordings, recording } from '../../contract/recorded.ts'
import { askerOf, personEntity, shapeDifferences, targetOf } from './ask.ts'
import { bodyOf, get, virtualSandbox } from './helpers.ts'

const KEY = { authorization: 'Bearer SANDBOX-KEY' }
const { sandbox } = virtualSandbox({ quotas: { orcid: [], openalex: [] } })
const { world } = sandbox
const now = sandbox.clock.now()
const people = world.part(peopleWorld)
const profiles = [...people.profiles(now)]
const known = profiles.filter(({ author }) => author !== null)
const writer = known.find((profile) => people.at(profile, now).works.length > 6)!
const asker = askerOf(sandbox, openalex, KEY)
const target = (profile: Profile, key: string = profile.orcid) =>
  targetOf(personEntity(`${profile.given} ${profile.family}`, 'X'), key)
const path = (rest: string) => `/openalex${rest}`
const isListed = (day: number): boolean => day * DAY_MS >= Date.UTC(2024, 0, 1)

describe('authors', () => {
  it('are found by iD and by id, with the members that were asked for', async () => {
    const whole = await bodyOf(await get(sandbox, path(`/authors/orcid:${writer.orcid}`)))
    expect(whole).toMatchObject({
      id: `https://openalex.org/${authorIdOf(writer.author!)}`,
      orcid: `https://orcid.org/${writer.orcid}`,
    })
    expect(await bodyOf(await get(sandbox, path(`/authors/${authorIdOf(writer.author!)}`)))).toEqual(whole)
    expect(openalexDialect.truth(world, writer.orcid, now, null)).toEqual(whole)
    expect(Object.keys(await bodyOf(await get(sandbox, path(`/authors/orcid:${writer.orcid}?select=id,orcid`))))).toEqual([
      'id',
      'orcid',
    ])
  })

  it('are missing with a page, also under a former iD', async () => {
    const missing = await get(sandbox, path('/authors/orcid:0000-0002-1825-0097'))
    expect([missing.status, missing.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8'])
    const former = known.find(({ formerOrcid }) => formerOrcid !== null)!
    expect((await get(sandbox, path(`/authors/orcid:${former.formerOrcid}`))).status).toBe(404)
  })

  it('refuse wrong keys, unknown parameters and what only customers may ask', async () => {
    const ask = async (rest: string, headers = {}) => {
      const response = await get(sandbox, path(rest), headers)
      return [response.status, (await bodyOf(response)).error]
    }
    expect(await ask(`/authors/orcid:${writer.orcid}`, { authorization: 'Bearer other' })).toEqual([
      401,
      'Invalid or missing API key',
    ])
    expect(await ask('/works?limit=3')).toEqual([400, 'Invalid query parameters error.'])
    expect(await ask('/works?filter=from_updated_date:2026-01-01')).toEqual([429, 'Plan upgrade required'])
    expect(await ask('/works?filter=author.id:A1&page=101&per_page=100')).toEqual([400, 'Pagination error.'])
    expect((await get(sandbox, path('/institutions'))).status).toBe(501)
  })
})

describe('credits', () => {
  it('are counted per call, told in headers, and refused with the moment at which the day ends', async () => {
    const { sandbox: limited, time } = virtualSandbox({
      quotas: {
        openalex: [
          { limit: 3, per: SECOND_MS },
          { limit: 2, per: DAY_MS, resets: 'utc_day', unit: 'credit' },
        ],
      },
    })
    const asking = askerOf(limited, openalex, KEY)
    const ask = async (rest: string) => {
      time.ms += 1000
      return get(limited, path(rest), KEY)
    }
    const free = await ask(`/authors/orcid:${writer.orcid}`)
    const seconds = (startOfUtcDay(now) + DAY_MS - now) / SECOND_MS - 1
    expect(Object.fromEntries(free.headers)).toMatchObject({
      'x-ratelimit-limit': '2',
      'x-ratelimit-remaining': '2',
      'x-ratelimit-credits-used': '0',
      'x-ratelimit-reset': String(seconds),
    })
    // An address in the path is no single record for those who count.
    expect(
      (await ask(`/authors/${encodeURIComponent(`https://orcid.org/${writer.orcid}`)}`)).headers.get('x-ratelimit-remaining'),
    ).toBe('1')
    expect((await ask('/works?filter=author.id:A5000000000&search=x')).status).toBe(429)
    expect((await ask('/works?filter=author.id:A5000000000')).headers.get('x-ratelimit-remaining')).toBe('0')
    const spent = await ask('/works?filter=author.id:A5000000000')
    expect(await bodyOf(spent)).toMatchObject({
      creditsRequired: 1,
      creditsRemaining: 0,
      message: expect.stringContaining('Insufficient budget'),
    })
    expect((await ask(`/authors/orcid:${writer.orcid}`)).status).toBe(200)
    time.ms += 1000
    const works = openalex.lookup!.more!(
      [(await asking.ask(openalex.lookup!.request(target(writer), asking.context))).view],
      target(writer),
      asking.context,
    )!
    expect((await asking.ask(works)).classified).toMatchObject({ class: 'quota_exhausted', until: startOfUtcDay(now) + DAY_MS })
    // Two fit into the second that is left.
    const perSecond = [0, 1, 2].map(() => asking.ask(openalex.probe(asking.context)))
    const classes = (await Promise.all(perSecond)).map(({ classified }) => classified.class)
    expect(classes).toEqual(['not_found', 'not_found', 'rate_limited'])
    expect(
      limited.quotas
        .get('openalex')!
        .report()
        .find(({ unit }) => unit === 'credit'),
    ).toMatchObject({ admitted: 2 })
  })
})

describe('the adapter against the dialect', () => {
  it('goes from the ORCID record to the author and the newest works', async () => {
    const record = await askerOf(sandbox, orcid).lookup(target(writer))
    if (record.kind !== 'record') throw new Error(record.reason)
    const seeking = targetOf(personEntity(`${writer.given} ${writer.family}`, 'X'), null, { orcid: record.record })
    const { candidates } = await asker.resolve(seeking)
    expect(candidates.map(({ providerKey }) => providerKey)).toEqual([writer.orcid])
    const answer = await asker.lookup(target(writer, candidates[0]!.providerKey))
    const { works } = people.at(writer, now)
    const since = works.filter(isListed)
    expect(answer).toMatchObject({
      kind: 'record',
      record: { orcid: writer.orcid, openalex_id: authorIdOf(writer.author!), counts: { works: works.length } },
    })
    if (answer.kind === 'record') expect(answer.record['works']).toHaveLength(since.length)
    expect([since.length, works.length - since.length].every((count) => count > 0)).toBe(true)
  })

  it('says absent for those who published nothing there', async () => {
    const without = profiles.find(({ author }) => author === null)!
    expect(await asker.lookup(target(without))).toMatchObject({ kind: 'absent' })
  })

  it('sees a change exactly when there is one, however the counts move', async () => {
    const { sandbox: moving } = virtualSandbox({ quotas: { openalex: [] } })
    const hashes = async () => {
      const asking = askerOf(moving, openalex, KEY)
      const found = new Map<string, string>()
      for (const profile of known.slice(0, 60)) {
        const answer = await asking.lookup(target(profile))
        if (answer.kind === 'record') found.set(profile.orcid, payloadHash(answer.record, openalex))
      }
      return found
    }
    const before = await hashes()
    moving.clock.advance(45 * DAY_MS)
    const after = await hashes()
    const part = moving.world.part(peopleWorld)
    const later = moving.clock.now()
    let [changed, alike] = [0, 0]
    for (const profile of known.slice(0, 60)) {
      const visible = (at: number) => {
        const { works, employments } = part.at(profile, at)
        return JSON.stringify([works.filter(isListed), employments])
      }
      const moved = visible(now) !== visible(later)
      if (moved) {
        changed += 1
        expect(after.get(profile.orcid)).not.toBe(before.get(profile.orcid))
      } else if (part.at(profile, now).employments.every(({ end }) => end !== null)) {
        alike += 1
        expect(after.get(profile.orcid)).toBe(before.get(profile.orcid))
      }
    }
    expect([changed, alike].every((count) => count > 0)).toBe(true)
  })
})

describe('what moves in a season', () => {
  it.each([{}, { recent_works: 5 }, { recent_works: 2 }])(
    'is told as works and years that came, never as works gone: %j',
    async (options) => {
      const { sandbox: moving } = virtualSandbox({ quotas: { openalex: [] } })
      const part = moving.world.part(peopleWorld)
      const context = { now, options: openalex.options.parse(options) }
      const most = Number(context.options['recent_works'])
      const records = async () => {
        const asking = askerOf(moving, openalex, KEY)
        const found = new Map<Profile, JsonObject>()
        for (const profile of known.slice(0, 120)) {
          const one = target(profile)
          const { view: author } = await asking.ask(openalex.lookup!.request(one, context))
          const request = openalex.lookup!.more!([author], one, context)
          if (request === null) continue
          const answer = openalex.lookup!.parse((await asking.ask(request)).view, one, context, [author])
          if (answer.kind === 'record') found.set(profile, answer.record)
        }
        return found
      }
      const before = await records()
      const counts = { came: 0, expected: 0, many: 0, years: 0 }
      for (let month = 0; month < 3; month += 1) {
        const from = moving.clock.now()
        const old = month === 0 ? before : await records()
        moving.clock.advance(30 * DAY_MS)
        for (const [profile, record] of await records()) {
          const worksAt = (at: number) => part.at(profile, at).works.filter(isListed).length
          const [were, are] = [worksAt(from), worksAt(moving.clock.now())]
          if (are > most) counts.many += 1
          else counts.expected += are - were
          for (const { path: changed, old: was, new: is } of diffRecords(old.get(profile)!, record, openalex)) {
            if (/^\$\.works\[/.test(changed)) {
              expect([was, is === null], changed).toEqual([null, false])
              counts.came += 1
            }
            if (/\.years/.test(changed)) {
              // The list as a whole, with a year that is new.
              expect(changed).toMatch(/\.years$/)
              expect(Math.max(...(is as readonly number[]))).toBeGreaterThan(Math.max(...(was as readonly number[])))
              counts.years += 1
            }
            // Once a list is too long it is none any more, which is told once.
            if (changed === '$.works') expect([were <= most, are > most, is]).toEqual([true, true, null])
          }
        }
      }
      if (most === 100) expect(counts).toMatchObject({ came: counts.expected, many: 0 })
      else expect(counts.many).toBeGreaterThan(0)
      expect(counts.came).toBeGreaterThan(0)
      expect(counts.years).toBeGreaterThan(0)
    },
  )
})

describe.skipIf(!hasRecordings('openalex'))('shapes against the recordings', () => {
  const ignored = /x_concepts|topic_share|\.ids\.|counts_by_year/

  it('of an author', () => {
    const theirs = recording('openalex', 'authors-search-results-2026') as readonly JsonObject[]
    const lines = shapeDifferences(authorOf(people, writer, now), theirs[2]!).filter((line) => !ignored.test(line))
    expect(lines).toEqual(['only theirs: $.relevance_score'])
  })

  it('of a work: a part of its members, none of ours alone', () => {
    const theirs = recording('openalex', 'works-search-results-2026') as readonly JsonObject[]
    const work = people.worksOf(writer, people.at(writer, now)).find(({ journal, doi }) => journal !== null && doi !== null)!
    const lines = shapeDifferences(workOf(writer, work, now), theirs[0]!).filter((line) => !/^only theirs/.test(line))
    expect(lines).toEqual([])
  })

  it('of refusals and headers', async () => {
    const { sandbox: limited } = virtualSandbox({ quotas: { openalex: [{ limit: 1, per: SECOND_MS }] } })
    const first = await get(limited, path('/works?filter=author.id:A1'))
    const recorded = Object.keys(recording('openalex', 'headers-anonymous') as JsonObject)
    expect(recorded.filter((name) => !first.headers.has(name))).toEqual([])
    const refused = await bodyOf(await get(limited, path('/works?filter=author.id:A1')))
    expect(shapeDifferences(refused, recording('openalex', 'error-429-per-second'))).toEqual([])
  })
})
