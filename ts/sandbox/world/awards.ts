import { DAY_MS, type EpochMs } from '../../model/time.ts'
import { AGENCIES, type SubAgency } from './agencies.ts'
import { type Company, plainName } from './companies.ts'
import { Rng, streamId } from './prng.ts'
import { awardTitle, personName } from './words.ts'

/** Days since 1970-01-01 UTC. */
export type Day = number

/** One SBIR/STTR award. Company columns of its row are those of the company at the time of publication. */
export type Award = {
  readonly index: number
  readonly company: number
  /** The name as this row spells it. */
  readonly companyName: string
  readonly agency: number
  readonly sub: SubAgency
  readonly phase: 'Phase I' | 'Phase II'
  readonly program: 'SBIR' | 'STTR'
  readonly tracking: string
  /** As the file shows it; empty for about a quarter. */
  readonly contract: string
  /** As USAspending knows it. */
  readonly awardId: string
  readonly title: string
  readonly year: number
  readonly signed: Day
  readonly ends: Day
  readonly dated: boolean
  readonly endDated: boolean
  readonly solicitation: string
  readonly topic: string
  readonly amountCents: number
  readonly pi: string
  readonly ri: string
  /** From when on the SBIR file lists it; -Infinity for those of the beginning. */
  readonly listedAt: EpochMs
}

const STREAM = streamId('award')
const AGENCY_WEIGHTS = AGENCIES.map(({ weight }, at) => [at, weight] as const)
const YEAR_WEIGHTS: readonly (readonly [number, number])[] = Array.from(
  { length: 19 },
  (_, at) => [2008 + at, at === 18 ? 1.2 : 8 + (at % 5)] as const,
)
const INSTITUTIONS = [
  'State University of the Lakes',
  'Northfield Institute of Technology',
  'Carver Medical College',
  'Rio Verde University',
  'Hollins Polytechnic',
] as const

export function dayOf(at: EpochMs): Day {
  return Math.floor(at / DAY_MS)
}

const dayTexts = new Map<Day, string>()

/** `YYYY-MM-DD`. Remembered, because every answer is full of the same few thousand days. */
export function dayText(day: Day): string {
  let text = dayTexts.get(day)
  if (text === undefined) {
    text = new Date(day * DAY_MS).toISOString().slice(0, 10)
    if (dayTexts.size < 100_000) dayTexts.set(day, text)
  }
  return text
}

const phaseAmount = (rng: Rng, abbreviation: string, phase: string): number => {
  if (phase === 'Phase I') {
    if (abbreviation === 'NSF') return rng.pick([225_000_00, 256_000_00, 275_000_00, rng.between(240_000_00, 274_999_00)])
    return rng.chance(0.3) ? rng.pick([100_000_00, 150_000_00, 200_000_00, 250_000_00]) : rng.between(49_000, 399_999) * 100
  }
  return rng.chance(0.2)
    ? rng.pick([750_000_00, 1_000_000_00, 1_250_000_00])
    : rng.between(480_000, 1_950_000) * 100 + (rng.chance(0.1) ? rng.below(100) : 0)
}

const longer = (number: { contract: string; awardId: string }, tail: string) => ({
  contract: number.contract + tail,
  awardId: number.awardId + tail,
})

/** Rows of one company agree on its name but for spelling. */
function spelling(rng: Rng, name: string): string {
  if (!rng.chance(0.04)) return name
  const other = rng.pick([name.toUpperCase(), name.replace(/,? (Inc|LLC|INC)\.?$/, ' $1'), name.replace(' ', '  ')])
  return plainName(other) === plainName(name) ? other : name
}

/**
 * Makes awards one after the other, each from its own stream. The same number is never given to two awards, but for the one in a
 * hundred that deliberately continues an earlier contract of its company.
 */
export function createAwardMaker(seed: number, companies: readonly Company[]) {
  const cumulative: number[] = []
  let total = 0
  for (const company of companies) {
    total += company.weight
    cumulative.push(total)
  }
  const used = new Set<string>()
  const byCompany = new Map<number, Award>()

  function someCompany(rng: Rng): number {
    const wanted = rng.next() * total
    let low = 0
    let high = cumulative.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (cumulative[middle]! <= wanted) low = middle + 1
      else high = middle
    }
    return low
  }

  /**
   * `latest`: the last day on which it can have been signed; one that is new (`listedAt` is finite) was signed shortly before.
   */
  return function make(index: number, latest: Day, listedAt: EpochMs): Award {
    const rng = new Rng(seed, STREAM, index)
    const company = companies[index < companies.length && listedAt === Number.NEGATIVE_INFINITY ? index : someCompany(rng)]!
    const agencyIndex = rng.chance(0.7) ? company.homeAgency : rng.weighted(AGENCY_WEIGHTS)
    const agency = AGENCIES[agencyIndex]!
    const part = rng.weighted(agency.subs.map((entry) => [entry, entry.weight] as const))
    const latestYear = new Date(latest * DAY_MS).getUTCFullYear()
    const isNew = listedAt !== Number.NEGATIVE_INFINITY
    const year = isNew ? latestYear : rng.weighted(YEAR_WEIGHTS.filter(([entry]) => entry <= latestYear))
    const firstDay = dayOf(Date.UTC(year, 0, 1))
    const lastDay = Math.min(firstDay + 364, latest)
    const signed = isNew ? latest - rng.between(10, 100) : rng.between(Math.min(firstDay, lastDay), lastDay)
    const phase = rng.chance(0.64) ? ('Phase I' as const) : ('Phase II' as const)
    const program = rng.chance(0.12) ? ('STTR' as const) : ('SBIR' as const)
    const earlier = byCompany.get(company.index)
    const continues = earlier !== undefined && rng.chance(0.01) ? earlier : null
    let number: { readonly contract: string; readonly awardId: string } =
      continues ?? agency.number(rng, part, year, phase, program)
    for (let tries = 0; continues === null && used.has(number.awardId); tries += 1) {
      number = agency.number(rng, part, year, phase, program)
      // A world far larger than an agency's real output runs out of numbers: it gets longer ones.
      if (tries > 20) number = longer(number, rng.digits(4))
    }
    used.add(number.awardId)
    const { contract } = number
    const dated = rng.chance(0.51)
    const award: Award = {
      index,
      company: company.index,
      companyName: spelling(rng, company.name),
      agency: continues?.agency ?? agencyIndex,
      sub: continues?.sub ?? part,
      phase: continues === null ? phase : 'Phase II',
      program,
      tracking: rng.chance(0.999) ? agency.tracking(rng, part, year, contract) : '',
      contract: rng.chance(0.76) ? contract : '',
      awardId: number.awardId,
      title: awardTitle(rng),
      year,
      signed,
      ends: signed + (phase === 'Phase I' ? rng.between(150, 380) : rng.between(540, 1100)),
      dated,
      endDated: dated && rng.chance(0.96),
      solicitation: rng.chance(0.85) ? `${agency.abbreviation} ${String(year % 100).padStart(2, '0')}.${rng.between(1, 4)}` : '',
      topic: rng.chance(0.9) ? agency.topic(rng, part, year) : '',
      amountCents: phaseAmount(rng, agency.abbreviation, phase),
      pi: rng.chance(0.97) ? personName(rng) : '',
      ri: program === 'STTR' ? rng.pick(INSTITUTIONS) : '',
      listedAt,
    }
    byCompany.set(company.index, award)
    return award
  }
}
