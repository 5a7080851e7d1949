/** CAGE codes as the monthly PUB LOG file lists them: our companies by their SAM registration, and many others. */
import { DAY_MS, type EpochMs, HOUR_MS } from '../../model/time.ts'
import type { Company } from './companies.ts'
import { PLACES } from './places.ts'
import { Rng, streamId } from './prng.ts'
import { companyName } from './words.ts'
import type { World } from './world.ts'

export type CageRow = {
  readonly cage: string
  readonly status: 'A' | 'C'
  readonly type: string
  readonly cao: string
  readonly company: string
  readonly city: string
  readonly state: string
  readonly zip: string
  readonly country: string
}

export type CageWorld = {
  /** When the edition that is current at a moment was published: 06:00 UTC of a month's first business day. */
  publishedAt(moment: EpochMs): EpochMs
  /** All rows of an edition, by code. */
  rows(publishedAt: EpochMs): ReadonlyMap<string, CageRow>
}

const OTHERS = streamId('cage_others')
const LETTERS = '0123456789ABCDEFGHJKLMNPQRSTUVWXYZ'

function firstBusinessDay(year: number, month: number): EpochMs {
  let day = Date.UTC(year, month, 1)
  while (new Date(day).getUTCDay() % 6 === 0) day += DAY_MS
  return day + 6 * HOUR_MS
}

function publishedAt(moment: EpochMs): EpochMs {
  const now = new Date(moment)
  const thisMonth = firstBusinessDay(now.getUTCFullYear(), now.getUTCMonth())
  return thisMonth <= moment ? thisMonth : firstBusinessDay(now.getUTCFullYear(), now.getUTCMonth() - 1)
}

function otherRow(seed: number, index: number): CageRow {
  const rng = new Rng(seed, OTHERS, index)
  const place = rng.pick(PLACES)
  const cage = `${rng.below(10)}${LETTERS[rng.below(34)]}${LETTERS[rng.below(34)]}${LETTERS[rng.below(34)]}${rng.below(10)}`
  const status = rng.chance(0.8) ? 'A' : 'C'
  const company = companyName(rng).toUpperCase()
  return {
    cage,
    status,
    type: 'A',
    cao: rng.chance(0.5) ? `S${rng.digits(4)}A` : '',
    company,
    city: place.city.toUpperCase(),
    state: place.state,
    zip: place.zip3 + rng.digits(2),
    country: 'UNITED STATES',
  }
}

function ourRow(world: World, company: Company, at: EpochMs): CageRow | null {
  const registration = company.sam === 'none' ? null : world.sam.at(company, at)
  const cage = registration?.cage ?? null
  if (registration === null || cage === null) return null
  const isLapsed = !registration.active && registration.expires * DAY_MS < at - 365 * DAY_MS
  return {
    cage,
    status: isLapsed ? 'C' : 'A',
    type: 'A',
    cao: company.index % 3 === 0 ? '' : `S${String(1000 + (company.index % 9000)).padStart(4, '0')}A`,
    company: registration.legalName,
    city: company.place.city.toUpperCase(),
    state: company.place.state,
    zip: registration.zip5,
    country: 'UNITED STATES',
  }
}

export function cageWorld(world: World): CageWorld {
  let edition: { readonly at: EpochMs; readonly rows: ReadonlyMap<string, CageRow> } | null = null
  return {
    publishedAt,
    rows(at) {
      if (edition?.at !== at) {
        const rows = new Map<string, CageRow>()
        for (let index = 0; index < world.companies.length; index += 1) {
          const row = otherRow(world.options.seed, index)
          rows.set(row.cage, row)
        }
        for (const company of world.companies) {
          const row = ourRow(world, company, at)
          if (row !== null) rows.set(row.cage, row)
        }
        edition = { at, rows: new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1))) }
      }
      return edition.rows
    },
  }
}

/** Companies and their true codes at a moment. */
export function* truePairs(
  world: World,
  moment: EpochMs,
): Generator<{ readonly uei: string; readonly name: string; readonly providerKey: string }> {
  for (const company of world.sam.companies) {
    const { cage } = world.sam.at(company, moment)
    if (cage !== null) yield { uei: company.uei!, name: company.name, providerKey: cage }
  }
}
