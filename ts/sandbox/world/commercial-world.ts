/** What commercial providers know: most companies and many persons, under ids of their own, in editions that come once a month. */
import { createHash } from 'node:crypto'
import { DAY_MS, type EpochMs } from '../../model/time.ts'
import { type Company, plainName } from './companies.ts'
import { PLACES } from './places.ts'
import { Rng, streamId } from './prng.ts'
import { companyName } from './words.ts'
import type { World } from './world.ts'

export type Worker = {
  readonly id: string
  readonly givenName: string
  readonly familyName: string
  readonly company: Company
  /** When this person objected; from then on PDL has nothing but the id. Null: never. */
  readonly optedOutAt: EpochMs | null
}

export function hasOptedOut({ optedOutAt }: Worker, moment: EpochMs): boolean {
  return optedOutAt !== null && optedOutAt <= moment
}

export type CommercialWorld = {
  /** Months since January 2020: data change with each of them, and not in between. */
  edition(moment: EpochMs): number
  /** Null when the provider does not know it. */
  company(
    by: { readonly id?: string; readonly domain?: string; readonly name?: string; readonly region?: string },
    provider: Provider,
  ): Company | null
  idOf(company: Company): string
  uuidOf(company: Company): string
  worker(by: {
    readonly id?: string
    readonly given?: string
    readonly family?: string
    readonly company?: string
  }): Worker | null
  readonly workers: readonly Worker[]
  /** Where its website is: mostly where it was, for some under another domain, to which the old one leads. */
  websiteOf(company: Company): string
  /** Who has the domain of a company that the provider does not have: one of a similar name, under a domain of its own. */
  buyer(by: { readonly id?: string; readonly domain?: string }): Guess | null
  /** PDL's best guess where it does not have the company that is asked for: another one. Null where it says that it has none. */
  guess(by: { readonly id?: string; readonly domain?: string; readonly name?: string }): Guess | null
  /** How PDL writes the company's name: mostly as it is, some in another form, some as it was before. */
  spelling(company: Company): string
  /** The same of persons: somebody of that name, elsewhere or even there. */
  namesake(by: {
    readonly id?: string
    readonly given?: string
    readonly family?: string
    readonly company?: string
  }): Worker | null
  /** Facts of a company in an edition. */
  facts(company: Company, edition: number): CompanyFacts
}
export type Provider = 'pdl' | 'clearbit'
/** `company`: in whose stead it is answered with; it is where that is. */
export type Guess = {
  readonly id: string
  readonly name: string
  readonly company: Company
  readonly website: string | null
  /** Where it is; null: in the very town of the other. */
  readonly place: Company['place'] | null
}

export type CompanyFacts = {
  readonly employees: number
  readonly followers: number
  readonly industry: string
  readonly street: string
  readonly latitude: string
  readonly raised: number | null
}

const STREAM = streamId('commercial')
const FACTS = streamId('commercial_facts')
const PEOPLE = streamId('commercial_people')
const GUESSES = streamId('commercial_guesses')
const SPELLINGS = streamId('commercial_spellings')
const MOVES = streamId('commercial_moves')
const BUYERS = streamId('commercial_buyers')
const OBJECTIONS = streamId('commercial_objections')
const INDUSTRIES = [
  'biotechnology',
  'defense and space',
  'computer software',
  'research',
  'medical devices',
  'semiconductors',
  'renewables and environment',
]
const SHARE: Readonly<Record<Provider, number>> = { pdl: 0.75, clearbit: 0.55 }

/** Of the domains that PDL knows for nobody, those that somebody else has by now. */
const TAKEN_OVER = 0.03
/** Of the websites, those that are under another domain by now. */
const MOVED = 0.06
/** Of the domains, those that lead to somebody of a similar name; heard of where the provider does not have the company itself. */
const BOUGHT = 0.06
/** Of the persons, those who objected before the world began, and those who do so within the half year after. */
const OBJECTED = 0.02
const WILL_OBJECT = 0.03
const LAST_OBJECTION_DAY = 180
/** Of the names that PDL knows for nobody in that state, those that sound like one it has there. */
const SOUNDS_ALIKE = 0.1
/** Of those, how many are in the same town. */
const SAME_TOWN = 0.2
/** Of persons that PDL does not have: a namesake elsewhere, a namesake in the same company. */
const ELSEWHERE = 0.05
const SAME_COMPANY = 0.01
const FORM = /,? (?:INC|LLC|CORP|CORPORATION|L\.L\.C|LTD|CO)\.?$/i

const idFrom = (seed: number, what: string, length: number): string =>
  createHash('sha256')
    .update(`${seed}/${what}`)
    .digest('base64')
    .replace(/[^A-Za-z0-9]/g, '')
    .slice(0, length)
/** As ids and names are compared: letters alone, upper case. */
const folded = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/[^A-Za-z]/g, '')
    .toUpperCase()

export function commercialWorld(world: World): CommercialWorld {
  const { seed, startAt } = world.options
  const byDomain = new Map<string, Company>()
  const byName = new Map<string, Company[]>()
  const byId = new Map<string, Company>()
  const idOf = ({ index }: Company): string => idFrom(seed, `company/${index}`, 28)
  const known = (company: Company, provider: Provider): boolean => {
    const rng = new Rng(seed, STREAM, company.index)
    const [pdl, clearbit] = [rng.next(), rng.next()]
    return (provider === 'pdl' ? pdl : clearbit) < SHARE[provider]
  }
  for (const company of world.companies) {
    if (company.hasWebsite) byDomain.set(company.domain, company)
    const name = plainName(company.name)
    byName.set(name, [...(byName.get(name) ?? []), company])
    byId.set(idOf(company), company)
  }
  const guesses = new Map<number, Guess>()
  for (const company of world.companies) {
    if (known(company, 'pdl')) continue
    const rng = new Rng(seed, GUESSES, company.index)
    if (!rng.chance(company.hasWebsite ? TAKEN_OVER : SOUNDS_ALIKE)) continue
    const id = idFrom(seed, `guess/${company.index}`, 28)
    const name = company.hasWebsite ? companyName(rng) : `${company.name.replace(FORM, '')} ${rng.pick(['Group', 'Labs', 'LLC'])}`
    const elsewhere = PLACES.filter(({ state, city }) => state === company.place.state && city !== company.place.city)
    const place = elsewhere.length === 0 || rng.chance(SAME_TOWN) ? null : rng.pick(elsewhere)
    guesses.set(company.index, { id, name, company, website: company.hasWebsite ? company.domain : null, place })
  }
  const buyers = new Map<number, Guess>()
  for (const company of world.companies) {
    const rng = new Rng(seed, BUYERS, company.index)
    if (!company.hasWebsite || guesses.has(company.index) || !rng.chance(BOUGHT)) continue
    const id = idFrom(seed, `buyer/${company.index}`, 28)
    const name = `${company.name.replace(FORM, '')} ${rng.pick(['Group', 'Imaging', 'Labs', 'LLC'])}`
    const elsewhere = PLACES.filter(({ city }) => city !== company.place.city)
    const place = rng.chance(SAME_TOWN) ? null : rng.pick(elsewhere)
    buyers.set(company.index, { id, name, company, website: `the-${company.domain}`, place })
  }
  const buyersById = new Map([...buyers.values()].map((buyer) => [buyer.id, buyer]))
  const guessesById = new Map([...guesses.values()].map((guess) => [guess.id, guess]))
  const namesakes = new Map<string, Worker>()
  const workers = new Map<string, Worker>()
  const seen = new Set<string>()
  for (const award of world.sbir.awardsUntil(startAt)) {
    const company = world.companies[award.company]!
    const words = award.pi.split(/\s+/).filter((word) => word !== '')
    if (words.length < 2 || !known(company, 'pdl')) continue
    const [givenName, familyName] = [words[0]!, words.at(-1)!]
    const key = `${folded(givenName)}|${folded(familyName)}|${company.index}`
    if (seen.has(key)) continue
    seen.add(key)
    const rng = new Rng(seed, PEOPLE, seen.size)
    const id = `${idFrom(seed, `person/${key}`, 22)}_0000`
    if (rng.chance(0.65)) {
      const later = new Rng(seed, OBJECTIONS, seen.size)
      const day = later.chance(WILL_OBJECT) ? later.between(1, LAST_OBJECTION_DAY) : null
      const optedOutAt = rng.chance(OBJECTED) ? startAt : day === null ? null : startAt + day * DAY_MS
      workers.set(key, { id, givenName, familyName, company, optedOutAt })
    } else {
      const kind = rng.next()
      if (kind >= ELSEWHERE + SAME_COMPANY) continue
      const employer = kind < ELSEWHERE ? world.companies[rng.below(world.companies.length)]! : company
      const other = `${idFrom(seed, `namesake/${key}`, 22)}_0000`
      namesakes.set(key, { id: other, givenName, familyName, company: employer, optedOutAt: null })
    }
  }
  const list = [...workers.values()]
  const workersById = new Map(list.map((worker) => [worker.id, worker]))

  const namesakesById = new Map([...namesakes.values()].map((worker) => [worker.id, worker]))
  const personIn = (
    people: ReadonlyMap<string, Worker>,
    by: { readonly given?: string; readonly family?: string; readonly company?: string },
  ): Worker | null => {
    for (const { index } of byName.get(plainName(by.company ?? '')) ?? []) {
      const worker = people.get(`${folded(by.given ?? '')}|${folded(by.family ?? '')}|${index}`)
      if (worker !== undefined) return worker
    }
    return null
  }

  const self: CommercialWorld = {
    edition(moment) {
      const date = new Date(moment)
      return (date.getUTCFullYear() - 2020) * 12 + date.getUTCMonth()
    },
    company({ id, domain, name, region }, provider) {
      const candidates =
        id !== undefined
          ? [byId.get(id)]
          : domain !== undefined
            ? [byDomain.get(domain)]
            : (byName.get(plainName(name ?? '')) ?? []).filter(({ place }) => region === undefined || place.state === region)
      const [found] = candidates
      return found !== undefined && candidates.length === 1 && known(found, provider) ? found : null
    },
    idOf,
    uuidOf({ index }) {
      const hex = createHash('sha256').update(`${seed}/clearbit/${index}`).digest('hex')
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
    },
    guess({ id, domain, name }) {
      if (id !== undefined) return guessesById.get(id) ?? null
      const asked = domain === undefined ? (byName.get(plainName(name ?? '')) ?? []) : [byDomain.get(domain)]
      const [company] = asked
      return company === undefined || asked.length > 1 ? null : (guesses.get(company.index) ?? null)
    },
    websiteOf: ({ index, domain }) => (new Rng(seed, MOVES, index).chance(MOVED) ? `get-${domain}` : domain),
    buyer({ id, domain }) {
      if (id !== undefined) return buyersById.get(id) ?? null
      const company = domain === undefined ? undefined : byDomain.get(domain)
      return company === undefined ? null : (buyers.get(company.index) ?? null)
    },
    spelling(company) {
      const rng = new Rng(seed, SPELLINGS, company.index)
      const kind = rng.next()
      if (kind < 0.75) return company.name
      return kind < 0.97 ? company.name.replace(FORM, '') + rng.pick(['', ', Inc.', ' LLC']) : companyName(rng)
    },
    namesake: ({ id, ...by }) => (id === undefined ? personIn(namesakes, by) : (namesakesById.get(id) ?? null)),
    worker: ({ id, ...by }) => (id === undefined ? personIn(workers, by) : (workersById.get(id) ?? null)),
    workers: list,
    facts(company, edition) {
      const rng = new Rng(seed, FACTS, company.index)
      const base = company.employees ?? rng.between(2, 60)
      const growth = (rng.next() - 0.4) / 24
      const switches = rng.between(20, 200)
      const [first, second] = [rng.pick(INDUSTRIES), rng.pick(INDUSTRIES)]
      const [moved, latitude] = [rng.between(30, 150), 30 + rng.next() * 15]
      const jitter = new Rng(seed, FACTS, company.index * 1000 + edition)
      return {
        employees: Math.max(1, Math.round(base * (1 + growth * (edition - 82))) + jitter.between(-1, 1)),
        followers: base * 40 + edition * 3 + jitter.below(20),
        industry: edition < switches ? first : second,
        street: edition < moved ? company.address1.toLowerCase() : `${rng.between(1, 900)} innovation way`,
        latitude: (latitude + jitter.next() / 50).toFixed(2),
        raised: rng.chance(0.3) ? Math.round(rng.logNormal(2e6, 1)) : null,
      }
    },
  }
  return self
}

/** Companies, and persons with their companies, with PDL's true ids; without those who had objected when the world began. */
export function* truePairs(world: World): Generator<{
  readonly kind: 'company' | 'person'
  readonly name: string
  readonly domain: string
  readonly company: Company
  readonly providerKey: string
}> {
  const { company, idOf, workers } = world.part(commercialWorld)
  const { startAt } = world.options
  for (const one of world.companies) {
    const providerKey = idOf(one)
    if (company({ id: providerKey }, 'pdl') !== null)
      yield { kind: 'company', name: one.name, domain: one.domain, company: one, providerKey }
  }
  for (const worker of workers) {
    const { id, givenName, familyName, company: at } = worker
    if (hasOptedOut(worker, startAt)) continue
    yield { kind: 'person', name: `${givenName} ${familyName}`, domain: at.domain, company: at, providerKey: id }
  }
}
