import { DAY_MS, type EpochMs } from '../../model/time.ts'
import { type Day, dayOf } from './awards.ts'
import { type Company, streetOf } from './companies.ts'
import { type Evolution, evolve } from './evolution.ts'
import { Rng, streamId } from './prng.ts'
import { companyName } from './words.ts'

/** A SAM registration. Status turns by date alone; everything else that changes moves `lastUpdate`. */
export type Registration = {
  readonly legalName: string
  readonly dbaName: string | null
  readonly address1: string
  readonly address2: string | null
  readonly zip5: string
  readonly zip4: string
  readonly cage: string | null
  readonly excluded: boolean
  /** The day on which it was excluded; null while it is not. */
  readonly excludedOn: Day | null
  readonly active: boolean
  readonly registered: Day
  readonly submitted: Day
  readonly activated: Day
  readonly expires: Day
  readonly lastUpdate: Day
  /** When the entity renews; Infinity when it never will. Not served. */
  readonly renewsAt: EpochMs
}

export type SamWorld = {
  /** Companies that SAM shows to the public, by UEI. */
  company(uei: string): Company | null
  readonly companies: readonly Company[]
  at(company: Company, moment: EpochMs): Registration
  readonly evolution: Evolution<Registration>
}

const STREAM = streamId('sam_process')
const RATE_STREAM = streamId('sam_rate')
const HISTORY_MS = 1095 * DAY_MS
const YEAR_MS = 365 * DAY_MS

/** Most renew some weeks before the registration runs out, some late, a few never. */
function renewal(rng: Rng, expires: Day): EpochMs {
  const due = expires * DAY_MS
  const kind = rng.next()
  if (kind < 0.85) return due - rng.below(60 * DAY_MS)
  if (kind < 0.965) return due + DAY_MS + rng.below(120 * DAY_MS)
  return Number.POSITIVE_INFINITY
}

export function createSamWorld(seed: number, startAt: EpochMs, companies: readonly Company[]): SamWorld {
  const shown = companies.filter(({ sam }) => sam === 'public')
  const byUei = new Map(shown.map((company) => [company.uei!, company]))
  const gaps = companies.map(({ index }) => YEAR_MS / Math.min(60, new Rng(seed, RATE_STREAM, index).logNormal(1.6, 0.9)))

  const evolution = evolve<Registration>({
    rng: (index) => new Rng(seed, STREAM, index),
    begin(index, rng) {
      const company = companies[index]!
      const at = startAt - HISTORY_MS
      const expires = dayOf(at) + rng.between(1, 364)
      const activated = expires - rng.between(355, 364)
      const excluded = (chance: Rng): Pick<Registration, 'excluded' | 'excludedOn'> =>
        chance.chance(0.004) ? { excluded: true, excludedOn: dayOf(at) } : { excluded: false, excludedOn: null }
      const registered = Math.min(activated, dayOf(Date.UTC(Math.max(2000, company.foundedYear), 0, 1)) + rng.below(2400))
      return {
        at,
        state: {
          legalName: company.name.toUpperCase().replace(/ {2,}/g, ' '),
          dbaName: rng.chance(0.12) ? companyName(rng).toUpperCase() : null,
          address1: company.address1.toUpperCase(),
          address2: company.address2 === '' ? null : company.address2.toUpperCase(),
          zip5: company.zip5,
          zip4: company.zip4,
          cage: company.cage,
          ...excluded(rng),
          active: true,
          registered,
          submitted: activated - rng.between(0, 6),
          activated,
          expires,
          lastUpdate: activated + rng.below(Math.max(1, dayOf(at) - activated)),
          renewsAt: renewal(rng, expires),
        },
      }
    },
    next(index, rng, state, at) {
      const runsOutAt = state.active ? (state.expires + 1) * DAY_MS : Number.POSITIVE_INFINITY
      // The exponential has no memory, so drawing it again after every event keeps the rate.
      return Math.ceil(Math.min(at + rng.exponential(gaps[index]!), Math.max(state.renewsAt, at + 1), runsOutAt))
    },
    apply(_index, rng, state, at) {
      const today = dayOf(at)
      if (at >= state.renewsAt) {
        const expires = today + 365
        return {
          ...state,
          active: true,
          submitted: today - 1,
          activated: today,
          expires,
          lastUpdate: today,
          renewsAt: renewal(rng, expires),
        }
      }
      if (state.active && today > state.expires) return { ...state, active: false }
      const next = { ...state, lastUpdate: today }
      const kind = rng.next()
      if (kind < 0.33) return { ...next, address1: streetOf(rng).toUpperCase(), zip4: rng.digits(4) }
      if (kind < 0.42) return { ...next, legalName: renamed(rng, state.legalName) }
      if (kind < 0.5)
        return {
          ...next,
          cage:
            state.cage === null || rng.chance(0.2)
              ? `${rng.digits(1)}${'ABCDEFGHJK'[rng.below(10)]}${rng.digits(3)}`
              : state.cage,
        }
      if (kind < 0.53) {
        const excluded = state.excluded ? !rng.chance(0.7) : rng.chance(0.08)
        return { ...next, excluded, excludedOn: excluded ? (state.excludedOn ?? today) : null }
      }
      if (kind < 0.65) return { ...next, dbaName: state.dbaName === null ? companyName(rng).toUpperCase() : null }
      return next
    },
  })

  return {
    company: (uei) => byUei.get(uei) ?? null,
    companies: shown,
    at: ({ index }, moment) => evolution.at(index, moment),
    evolution,
  }
}

/** Legal names change mostly in their legal form. */
function renamed(rng: Rng, name: string): string {
  const stem = name.replace(/,? (INC|LLC|CORP|CORPORATION|L\.L\.C|LTD|CO)\.?,?$/, '')
  const suffix = rng.pick([' INC', ', INC.', ', LLC', ' CORPORATION', ' HOLDINGS, INC.'])
  return stem + suffix === name ? `${stem} GROUP` : stem + suffix
}
