import { PLACES, type Place, STREETS } from './places.ts'
import { Rng, streamId } from './prng.ts'
import { companyName, personName } from './words.ts'

/** A company as it was when the world began; what changes of it later is in `company-process.ts` and `sam-process.ts`. */
export type Company = {
  readonly index: number
  readonly name: string
  /** Its true UEI; null when it never had one (gone before 2022). */
  readonly uei: string | null
  /** True when the SBIR file carries the UEI. */
  readonly ueiListed: boolean
  readonly duns: string | null
  readonly domain: string
  readonly hasWebsite: boolean
  readonly place: Place
  readonly zip4: string
  readonly zip5: string
  readonly address1: string
  readonly address2: string
  readonly employees: number | null
  readonly hubzone: boolean
  readonly womanOwned: boolean
  readonly disadvantaged: boolean
  readonly contact: string
  readonly cage: string | null
  /** `public`: in SAM and shown; `hidden`: opted out of public display; `none`: never registered. */
  readonly sam: 'public' | 'hidden' | 'none'
  /** Indicator of the second SAM row of the same UEI; null for nearly all. */
  readonly eftIndicator: string | null
  readonly foundedYear: number
  /** Which agency most of its awards come from (index into AGENCIES). */
  readonly homeAgency: number
  /** Relative number of awards. */
  readonly weight: number
}

const UEI_ALPHABET = '0123456789ABCDEFGHJKLMNPQRSTUVWXYZ'
const CAGE_ALPHABET = '0123456789ABCDEFGHJKLMNPQRSTUVWXYZ'
const STREAM = streamId('company')

function ueiOf(rng: Rng): string {
  let uei = UEI_ALPHABET[10 + rng.below(24)]!
  while (uei.length < 12) uei += UEI_ALPHABET[rng.below(34)]
  return uei
}

function cageOf(rng: Rng): string {
  const middle = () => CAGE_ALPHABET[rng.below(34)]
  return `${rng.between(0, 9)}${middle()}${middle()}${middle()}${rng.between(0, 9)}`
}

export function streetOf(rng: Rng): string {
  return `${rng.between(1, 9990)} ${rng.pick(STREETS)}`
}

/** The name without case, punctuation, white space and legal form: what tells two companies apart. */
export function plainName(name: string): string {
  return name
    .toUpperCase()
    .replace(/\b(INC|LLC|CORP|CORPORATION|CO|LTD|L\.L\.C)\b\.?/g, '')
    .replace(/[^A-Z0-9]/g, '')
}

/** `count` companies; names and UEIs are unique but for a few namesakes, as in the real file. */
export function generateCompanies(seed: number, count: number, agencyWeights: readonly number[]): readonly Company[] {
  const names = new Set<string>()
  const ueis = new Set<string>()
  const weights = agencyWeights.map((weight, index) => [index, weight] as const)
  const companies: Company[] = []
  for (let index = 0; index < count; index += 1) {
    const rng = new Rng(seed, STREAM, index)
    const namesake = rng.chance(0.0015) && companies.length > 0 ? rng.pick(companies).name : null
    let name = namesake ?? companyName(rng)
    for (let tries = 0; namesake === null && names.has(plainName(name)); tries += 1) {
      name = tries < 8 ? companyName(rng) : `${companyName(rng)} ${index}`
    }
    names.add(plainName(name))
    let uei = ueiOf(rng)
    while (ueis.has(uei)) uei = ueiOf(rng)
    ueis.add(uei)
    const ueiListed = rng.chance(0.7)
    const hasUei = ueiListed || rng.chance(0.45)
    const place = rng.pick(PLACES)
    const sam = hasUei
      ? rng.weighted([
          ['public', 93],
          ['hidden', 3],
          ['none', 4],
        ] as const)
      : 'none'
    const slug = plainName(name).toLowerCase().slice(0, 18) || `company${index}`
    companies.push({
      index,
      name,
      uei: hasUei ? uei : null,
      ueiListed,
      duns: rng.chance(0.81) ? `${rng.between(0, 1)}${rng.digits(8)}` : null,
      domain: `${slug}${index % 97 === 0 ? '' : index.toString(36)}.example`,
      hasWebsite: rng.chance(0.56),
      place,
      zip5: place.zip3 + rng.digits(2),
      zip4: rng.digits(4),
      address1: streetOf(rng),
      address2: rng.chance(0.28) ? `${rng.pick(['Suite', 'STE', 'Unit', 'Bldg.'])} ${rng.between(1, 400)}` : '',
      employees: rng.chance(0.86) ? Math.min(499, Math.max(1, Math.round(rng.logNormal(9, 1.1)))) : null,
      hubzone: rng.chance(0.04),
      womanOwned: rng.chance(0.14),
      disadvantaged: rng.chance(0.09),
      contact: personName(rng),
      cage: rng.chance(0.9) ? cageOf(rng) : null,
      sam,
      eftIndicator: sam === 'public' && rng.chance(0.02) ? rng.digits(4) : null,
      foundedYear: rng.between(1978, 2019),
      homeAgency: rng.weighted(weights),
      weight: rng.logNormal(1, 1.3),
    })
  }
  return companies
}
