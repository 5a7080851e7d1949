import { DAY_MS, type DurationMs, type EpochMs } from '../../model/time.ts'
import { type Award, createAwardMaker, dayOf } from './awards.ts'
import { type Company, streetOf } from './companies.ts'
import { type Evolution, evolve } from './evolution.ts'
import { Rng, streamId } from './prng.ts'
import { personName } from './words.ts'

/** Company columns of the bulk file: the company's state of now, written back onto all its award rows. */
export type CompanyColumns = {
  readonly address1: string
  readonly address2: string
  readonly zip: string
  readonly website: string
  readonly employees: number | null
  readonly hubzone: boolean
  readonly womanOwned: boolean
  readonly disadvantaged: boolean
  readonly contact: string
}

/** A correction of an award row itself; most rows never see one. */
export type AwardColumns = { readonly amountCents: number; readonly ends: number }

export type SbirWorld = {
  /** The moment of the publication that is on the host at the given moment. */
  publishedAt(moment: EpochMs): EpochMs
  /** Awards made so far, in file order; those of the beginning first. */
  awardsUntil(moment: EpochMs): readonly Award[]
  /** Awards listed in the publication whose agency tracking number, contract or award number this is, in any case. */
  find(number: string, publishedAt: EpochMs): readonly Award[]
  company(index: number, publishedAt: EpochMs): CompanyColumns
  award(index: number, publishedAt: EpochMs): AwardColumns
  readonly companyEvolution: Evolution<CompanyColumns>
  readonly awardEvolution: Evolution<AwardColumns>
}

const STREAM = streamId('sbir_company_process')
const AWARD_STREAM = streamId('sbir_award_process')
const ARRIVAL_STREAM = streamId('sbir_arrivals')
const RATE_STREAM = streamId('sbir_rate')
const YEAR_MS = 365 * DAY_MS
const HISTORY_MS = 365 * DAY_MS
/** Share of the population that is new per day. */
const NEW_AWARDS_PER_DAY = 0.0002

export function createSbirWorld(
  seed: number,
  startAt: EpochMs,
  companies: readonly Company[],
  initialAwards: number,
  publishEvery: DurationMs,
): SbirWorld {
  const make = createAwardMaker(seed, companies)
  const latest = dayOf(startAt) - 20
  const awards: Award[] = []
  if (companies.length > 0)
    for (let index = 0; index < initialAwards; index += 1) awards.push(make(index, latest, Number.NEGATIVE_INFINITY))
  const arrivals = new Rng(seed, ARRIVAL_STREAM, 0)
  const meanGap = DAY_MS / Math.max(0.05, initialAwards * NEW_AWARDS_PER_DAY)
  const firstArrivalAt = () => Math.ceil(startAt + arrivals.exponential(meanGap))
  let nextAt = companies.length > 0 ? firstArrivalAt() : Number.POSITIVE_INFINITY

  function extendTo(moment: EpochMs): void {
    while (nextAt <= moment) {
      awards.push(make(awards.length, dayOf(nextAt), nextAt))
      nextAt = Math.ceil(nextAt + arrivals.exponential(meanGap))
    }
  }

  const gaps = companies.map(({ index }) => YEAR_MS / Math.min(40, new Rng(seed, RATE_STREAM, index).logNormal(0.7, 1)))
  const companyEvolution = evolve<CompanyColumns>({
    rng: (index) => new Rng(seed, STREAM, index),
    begin(index) {
      const company = companies[index]!
      const website = company.hasWebsite
        ? `${index % 3 === 0 ? 'http://www.' : 'https://www.'}${company.domain}${index % 7 === 0 ? '/' : ''}`
        : ''
      return {
        at: startAt - HISTORY_MS,
        state: {
          address1: index % 211 === 5 ? `${company.address1}\nRear building` : company.address1,
          address2: company.address2,
          zip: index % 3 === 1 ? `${company.zip5}-${company.zip4}` : company.zip5,
          website,
          employees: company.employees,
          hubzone: company.hubzone,
          womanOwned: company.womanOwned,
          disadvantaged: company.disadvantaged,
          contact: company.contact,
        },
      }
    },
    next: (index, rng, _state, at) => Math.ceil(at + rng.exponential(gaps[index]!)),
    apply(index, rng, state) {
      const { domain } = companies[index]!
      const kind = rng.next()
      if (kind < 0.3)
        return { ...state, address1: streetOf(rng), address2: rng.chance(0.3) ? `Suite ${rng.between(1, 400)}` : '' }
      if (kind < 0.5)
        return {
          ...state,
          website:
            state.website === ''
              ? rng.chance(0.4)
                ? `https://${domain}`
                : ''
              : rng.chance(0.25)
                ? ''
                : `https://www.${domain.replace('.example', `-${rng.pick(['hq', 'tech', 'group'])}.example`)}`,
        }
      if (kind < 0.8) return { ...state, employees: Math.max(1, (state.employees ?? 4) + rng.between(-3, 9)) }
      if (kind < 0.9) return { ...state, contact: personName(rng) }
      if (kind < 0.95) return { ...state, hubzone: !state.hubzone }
      return { ...state, womanOwned: !state.womanOwned }
    },
  })

  const awardEvolution = evolve<AwardColumns>({
    rng: (index) => new Rng(seed, AWARD_STREAM, index),
    begin(index) {
      const { amountCents, ends, listedAt } = awards[index]!
      return { at: Math.max(startAt - HISTORY_MS, listedAt), state: { amountCents, ends } }
    },
    next: (_index, rng, _state, at) => Math.ceil(at + rng.exponential(20 * YEAR_MS)),
    apply(_index, rng, state) {
      return rng.chance(0.5)
        ? { ...state, amountCents: state.amountCents + rng.between(1, 90_000) * 100 }
        : { ...state, ends: state.ends + rng.between(30, 365) }
    },
  })

  const byNumber = new Map<string, number[]>()
  let indexed = 0

  function indexTo(): void {
    for (; indexed < awards.length; indexed += 1) {
      const { tracking, contract, awardId } = awards[indexed]!
      for (const number of new Set([tracking, contract, awardId].map((text) => text.toUpperCase()))) {
        if (number === '') continue
        const same = byNumber.get(number)
        if (same === undefined) byNumber.set(number, [indexed])
        else same.push(indexed)
      }
    }
  }

  return {
    publishedAt: (moment) => startAt + Math.floor((moment - startAt) / publishEvery) * publishEvery,
    awardsUntil(moment) {
      extendTo(moment)
      return awards
    },
    find(number, publishedAt) {
      extendTo(publishedAt)
      indexTo()
      return (byNumber.get(number.toUpperCase()) ?? [])
        .map((index) => awards[index]!)
        .filter(({ listedAt }) => listedAt <= publishedAt)
    },
    company: (index, publishedAt) => companyEvolution.at(index, publishedAt),
    award: (index, publishedAt) => awardEvolution.at(index, publishedAt),
    companyEvolution,
    awardEvolution,
  }
}
