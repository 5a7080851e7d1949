import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DAY_MS } from '../../../ts/model/time.ts'
import { awardCsv, csvChunks, measure } from '../../../ts/sandbox/bulk-csv.ts'
import { CHANGES_BY_SOURCE } from '../../../ts/sandbox/changes.ts'
import { samGovDialect } from '../../../ts/sandbox/dialects/sam-gov.ts'
import { usaspendingDialect } from '../../../ts/sandbox/dialects/usaspending.ts'
import { AGENCIES } from '../../../ts/sandbox/world/agencies.ts'
import { plainName } from '../../../ts/sandbox/world/companies.ts'
import { evolve } from '../../../ts/sandbox/world/evolution.ts'
import { Rng } from '../../../ts/sandbox/world/prng.ts'
import { createWorld, DEFAULT_START_AT as START } from '../../../ts/sandbox/world/world.ts'

const WEEK = 7 * DAY_MS
const world = createWorld({ seed: 11, companies: 2000, awards: 6000, startAt: START, sbirPublishEvery: WEEK })
const awards = world.sbir.awardsUntil(START).slice(0, 6000)
const share = <T>(list: readonly T[], test: (entry: T) => boolean) => list.filter(test).length / list.length

describe('random numbers', () => {
  it('are uniform, repeatable, and independent between streams', () => {
    const one = new Rng(1, 2, 3)
    const values = Array.from({ length: 50_000 }, () => one.next())
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.01)
    expect(Math.max(...values)).toBeLessThan(1)
    const again = new Rng(1, 2, 3)
    expect(Array.from({ length: 10 }, () => again.next())).toEqual(values.slice(0, 10))
    const others = [new Rng(1, 2, 4), new Rng(1, 3, 3), new Rng(2, 2, 3)].map((rng) => rng.next())
    expect(new Set([...others, values[0]]).size).toBe(4)
  })
})

describe('evolution', () => {
  const evolution = () =>
    evolve<number>({
      rng: (index) => new Rng(5, 1, index),
      begin: () => ({ at: 0, state: 0 }),
      next: (_index, rng, _state, at) => at + rng.exponential(10),
      apply: (_index, _rng, state) => state + 1,
    })

  it('is a function of index and moment, in whatever order it is asked', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ index: fc.nat(5), moment: fc.nat(2000) }), { minLength: 1, maxLength: 30 }),
        (questions) => {
          const shared = evolution()
          for (const { index, moment } of questions) expect(shared.at(index, moment)).toBe(evolution().at(index, moment))
        },
      ),
    )
  })

  it('lists exactly the steps between two moments', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), (after, length) => {
        const steps = evolution().steps(0, after, after + length)
        expect(steps.length).toBe(evolution().at(0, after + length) - evolution().at(0, after))
        for (const { at } of steps) expect(at > after && at <= after + length).toBe(true)
      }),
    )
  })
})

describe('world', () => {
  it('is the same for the same seed, byte for byte, and another for another seed', () => {
    const bytes = (seed: number) =>
      measure(csvChunks(awardCsv(createWorld({ seed, companies: 60, awards: 150, startAt: START }), START + 40 * DAY_MS)))
    expect(bytes(3)).toEqual(bytes(3))
    expect(bytes(3).md5).not.toBe(bytes(4).md5)
  })

  it('does not depend on what was asked of it before', () => {
    const fresh = () => createWorld({ seed: 9, companies: 80, awards: 200, startAt: START })
    const used = fresh()
    const later = START + 90 * DAY_MS
    used.usaspending.visible(used.usaspending.loadedAt(START + 400 * DAY_MS))
    used.sbir.awardsUntil(START + 300 * DAY_MS)
    for (const company of used.sam.companies) used.sam.at(company, START + 500 * DAY_MS)
    const other = fresh()
    const ids = [...usaspendingDialect.keys(other, later)].sort()
    expect([...usaspendingDialect.keys(used, later)].sort()).toEqual(ids)
    for (const id of ids)
      expect(usaspendingDialect.truth(used, id, later, null)).toEqual(usaspendingDialect.truth(other, id, later, null))
    for (const { uei } of other.sam.companies)
      expect(samGovDialect.truth(used, uei!, later, null)).toEqual(samGovDialect.truth(other, uei!, later, null))
    expect(measure(csvChunks(awardCsv(used, later)))).toEqual(measure(csvChunks(awardCsv(other, later))))
  })

  it('fills columns as the real file does', () => {
    const within = (value: number, expected: number) =>
      expect(Math.abs(value - expected), `${value} against ${expected}`).toBeLessThan(0.05)
    within(
      share(world.companies, ({ ueiListed }) => ueiListed),
      0.7,
    )
    within(
      share(world.companies, ({ duns }) => duns !== null),
      0.81,
    )
    within(
      share(world.companies, ({ hasWebsite }) => hasWebsite),
      0.56,
    )
    within(
      share(awards, ({ contract }) => contract !== ''),
      0.76,
    )
    within(
      share(awards, ({ dated }) => dated),
      0.51,
    )
    expect(new Set(awards.map(({ agency }) => AGENCIES[agency]!.name)).size).toBe(11)
    expect(new Set(awards.map(({ year }) => year))).toEqual(new Set(Array.from({ length: 19 }, (_, at) => 2008 + at)))
  })

  it('has the awkward cases', () => {
    expect(world.sam.companies.filter(({ eftIndicator }) => eftIndicator !== null).length).toBeGreaterThan(5)
    expect(world.companies.filter(({ sam, uei }) => uei !== null && sam === 'hidden').length).toBeGreaterThan(5)
    expect(world.companies.filter(({ sam, uei }) => uei !== null && sam === 'none').length).toBeGreaterThan(5)
    expect(world.companies.filter(({ uei, ueiListed }) => uei !== null && !ueiListed).length).toBeGreaterThan(50)
    const expired = share(world.sam.companies, (company) => !world.sam.at(company, START).active)
    expect(expired > 0.03 && expired < 0.3).toBe(true)
    const load = world.usaspending.loadedAt(START)
    const ambiguous = awards.filter(({ awardId }) => world.usaspending.byAwardId(awardId, load).length > 1)
    const absent = awards.filter(
      ({ awardId, signed }) => signed * DAY_MS < START - 120 * DAY_MS && world.usaspending.byAwardId(awardId, load).length === 0,
    )
    expect(ambiguous.length).toBeGreaterThan(10)
    expect(absent.length / awards.length > 0.03 && absent.length / awards.length < 0.1).toBe(true)
    expect(world.usaspending.visible(load).length).toBeGreaterThan(awards.length)
  })

  it('makes keys that look real and are not shared by accident', () => {
    for (const { uei } of world.companies) if (uei !== null) expect(uei).toMatch(/^[A-HJ-NP-Z][0-9A-HJ-NP-Z]{11}$/)
    const ueis = world.companies.map(({ uei }) => uei).filter((uei) => uei !== null)
    expect(new Set(ueis).size).toBe(ueis.length)
    const names = world.companies.map(({ name }) => plainName(name))
    expect(names.length - new Set(names).size).toBeLessThan(20)
    const ids = world.usaspending.all(START).map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(new Set(world.usaspending.all(START).map(({ surrogate }) => surrogate)).size).toBe(ids.length)
    const dod = awards.filter(({ agency, contract }) => AGENCIES[agency]!.abbreviation === 'DOD' && contract.includes('-'))
    for (const { contract, awardId } of dod)
      expect([contract, awardId]).toEqual([
        expect.stringMatching(/^[A-Z0-9]{6}-\d\d-[CP]-[A-Z0-9]{4}$/),
        contract.replaceAll('-', ''),
      ])
    // Twins carry the number of another agency's award.
    const own = new Set(awards.filter(({ agency }) => AGENCIES[agency]!.abbreviation === 'NSF').map(({ awardId }) => awardId))
    const nsf = world.usaspending
      .all(START)
      .filter(({ agency, awardId }) => AGENCIES[agency]!.abbreviation === 'NSF' && own.has(awardId))
    expect(nsf.length).toBeGreaterThan(100)
    for (const { id } of nsf) expect(id).toMatch(/^ASST_NON_\d{7}_4900$/)
  })

  it('changes by some tens a day per source, at rates that differ widely between entities', () => {
    const perDay = (source: string, days: number) => CHANGES_BY_SOURCE[source]!(world, START, START + days * DAY_MS).length / days
    for (const [source, low, high] of [
      ['usaspending', 15, 200],
      ['sam_gov', 3, 60],
      ['sbir_gov', 3, 100],
    ] as const) {
      const rate = perDay(source, 28)
      expect(rate > low && rate < high, `${source}: ${rate} a day`).toBe(true)
    }
    const gaps = world.usaspending
      .all(START)
      .map(({ meanGapMs }) => meanGapMs)
      .sort((a, b) => a - b)
    expect(gaps[Math.floor(gaps.length * 0.95)]! / gaps[Math.floor(gaps.length * 0.05)]!).toBeGreaterThan(20)
  })

  it('shows nothing at USAspending that is newer than the last nightly load', () => {
    const noon = START + 6 * 3_600_000
    expect(world.usaspending.loadedAt(noon)).toBe(Date.UTC(2026, 10, 21, 5))
    expect(world.usaspending.loadedAt(Date.UTC(2026, 10, 22, 4, 59, 59, 999))).toBe(Date.UTC(2026, 10, 21, 5))
    expect(CHANGES_BY_SOURCE['usaspending']!(world, START, Date.UTC(2026, 10, 22, 4, 59))).toEqual([])
    expect(CHANGES_BY_SOURCE['usaspending']!(world, START, Date.UTC(2026, 10, 22, 5)).length).toBeGreaterThan(0)
  })

  it('turns a registration inactive on the day after it runs out without touching its update date', () => {
    const company = world.sam.companies.find((entry) => {
      const { active, expires, renewsAt } = world.sam.at(entry, START)
      return active && renewsAt > (expires + 2) * DAY_MS
    })!
    const until = (world.sam.at(company, START).expires + 1) * DAY_MS
    const [before, after] = [world.sam.at(company, until - 1), world.sam.at(company, until)]
    expect([before.active, after.active]).toEqual([true, false])
    expect(after.lastUpdate).toBe(before.lastUpdate)
  })

  it('refuses sizes and seeds that make no sense, saying what to give', () => {
    expect(() => createWorld({ seed: 1, companies: 0, awards: 1, startAt: START })).toThrow('companies is 0; give a whole number')
    expect(() => createWorld({ seed: 1, companies: 1, awards: 1.5, startAt: START })).toThrow('awards is 1.5')
    expect(() => createWorld({ seed: Number.NaN, companies: 1, awards: 1, startAt: START })).toThrow('seed')
    expect(() => createWorld({ seed: 1, companies: 1, awards: 1, startAt: START, sbirPublishEvery: 0 })).toThrow(
      'sbirPublishEvery',
    )
    expect(createWorld({ seed: 1, companies: 1, awards: 1, startAt: START }).sbir.awardsUntil(START)).toHaveLength(1)
  })
})
