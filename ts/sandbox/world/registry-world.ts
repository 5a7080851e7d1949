/**
 * Registers of companies, a state each: nearly every company is in the one of the state where it works, many in Delaware's as well, some
 * in none. Names are spelled as registers do, some are those of before or after a change, and others bear the same name: dissolved
 * ones, ones of another legal form, ones elsewhere.
 */
import { DAY_MS, type EpochMs } from '../../model/time.ts'
import { type Day, dayOf } from './awards.ts'
import { type Company, streetOf } from './companies.ts'
import { type Evolution, evolve } from './evolution.ts'
import { PLACES, type Place } from './places.ts'
import { Rng, streamId } from './prng.ts'
import { companyName, personName } from './words.ts'
import type { World } from './world.ts'

/** An entry of one register as it is for its whole life; what changes is in `RegistrationState`. */
export type Registration = {
  readonly index: number
  readonly jurisdiction: string
  readonly stateName: string
  readonly number: string
  /** Whose it is; null for others of the same name. */
  readonly company: Company | null
  /** In the state where the company works. */
  readonly home: boolean
  readonly place: Place
  readonly firstName: string
  /** It takes this name when it changes it. */
  readonly laterName: string
  /** A name from before all that is observed. */
  readonly formerName: string | null
  readonly type: string
  readonly incorporated: Day
  /** Entry of the company in Delaware, of which this one is a branch. */
  readonly branchOf: number | null
}

export type Officer = {
  readonly id: number
  readonly name: string
  readonly position: string
  readonly start: Day
  readonly end: Day | null
}

export type Owner = {
  readonly name: string
  readonly isCompany: boolean
  readonly mechanism: string
  readonly notified: Day
  readonly ceased: Day | null
}

export type RegistrationState = {
  readonly name: string
  readonly previousNames: readonly { readonly name: string; readonly changed: Day }[]
  readonly inactive: boolean
  readonly status: string
  /** Null for many that were dissolved, too. */
  readonly dissolvedOn: Day | null
  readonly street: string
  readonly officers: readonly Officer[]
  readonly owners: readonly Owner[]
  readonly updatedAt: EpochMs
  readonly retrievedAt: EpochMs
}

export type RegistryWorld = {
  readonly registrations: readonly Registration[]
  /** By jurisdiction and number. */
  find(jurisdiction: string, number: string): Registration | null
  /** Those that have, had or will have a name with the word (lower case). */
  withWord(word: string): readonly Registration[]
  at(registration: Registration, moment: EpochMs): RegistrationState
  readonly evolution: Evolution<RegistrationState>
}

const ENTRY = streamId('registry_entry')
const PROCESS = streamId('registry_process')
const HISTORY_MS = 3 * 365 * DAY_MS
const GAP_MS = 60 * DAY_MS
const IN_HOME_STATE = 0.9
const IN_DELAWARE = 0.4
const MECHANISMS = [
  'ownership-of-shares-25-to-50-percent',
  'ownership-of-shares-50-to-75-percent',
  'ownership-of-shares-75-to-100-percent',
  'right-to-appoint-and-remove-directors',
] as const
const POSITIONS = ['president', 'secretary', 'director', 'chief executive officer', 'treasurer', 'manager', 'agent'] as const
const GONE = ['Dissolved', 'Forfeited', 'Revoked', 'Merged Out', 'Inactive'] as const
const ENDINGS = /,?\s+(?:Inc|LLC|Corp|Corporation|Co|Ltd|L\.L\.C)\.?$/i
const DELAWARE = { state: 'DE', stateName: 'Delaware' }

/** Words of a text as the search has them: without accents, split at everything that is neither letter nor digit. */
export function registryWords(text: string): readonly string[] {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replaceAll('.', '')
  return plain.match(/[a-z0-9]+/g) ?? []
}

const stem = (name: string): string => name.replace(ENDINGS, '').replace(/ {2,}/g, ' ')
const isLlc = (name: string): boolean => /\b(?:LLC|L\.L\.C)\.?$/i.test(name)

/** The name as a clerk enters it. */
function enteredName(rng: Rng, name: string): string {
  const plain = stem(name)
  const ending = isLlc(name) ? ['LLC', 'L.L.C.', 'LIMITED LIABILITY COMPANY'] : ['INC.', 'CORPORATION', 'INCORPORATED']
  const kind = rng.next()
  if (kind < 0.2) return name
  if (kind < 0.68) return `${plain}, ${ending[0]}`.toUpperCase()
  if (kind < 0.88) return `${plain} ${rng.pick(ending)}`.toUpperCase()
  if (kind < 0.93) return `${plain.replaceAll(' & ', ' AND ')} ${ending[0]}`.toUpperCase()
  if (kind < 0.97) return `THE ${plain} ${isLlc(name) ? 'LLC' : 'COMPANY'}`.toUpperCase()
  // Mistyped, by us or by them.
  const at = rng.between(1, Math.max(1, plain.length - 2))
  return `${plain.slice(0, at)}${plain.slice(at + 1)}, ${ending[0]}`.toUpperCase()
}

/** Every register numbers in its own way; some with letters, leading zeros, spaces and brackets. */
function numberOf(state: string, index: number): string {
  const number = String(1_000_000 + index * 7)
  switch (state) {
    case 'CA':
      return `C${number}`
    case 'NH':
      return `${number} [S]`
    case 'MT':
      return `D${number}`
    case 'TX':
      return `0${number}`
    case 'PA':
      return `${number.slice(0, 4)}-${number.slice(4)}`
    default:
      return state === 'DE' ? number : number.padStart(9, '0')
  }
}

type Draft = {
  readonly company: Company | null
  readonly of: Company
  readonly name: string
  readonly where: Pick<Place, 'state' | 'stateName'>
  readonly branchOf: number | null
  readonly other?: 'gone' | 'other_form' | 'elsewhere'
}

function otherForm(name: string): string {
  return `${stem(name)}${isLlc(name) ? ', Inc.' : ' LLC'}`
}

/** `world.part(registryWorld)`. */
export function registryWorld(world: World): RegistryWorld {
  const { seed, startAt } = world.options
  const registrations: Registration[] = []
  const gone = new Set<number>()
  const byKey = new Map<string, Registration>()
  const byWord = new Map<string, Registration[]>()

  function add({ company, of, name, where, branchOf, other }: Draft): number {
    const index = registrations.length
    const rng = new Rng(seed, ENTRY, index)
    const entered = enteredName(rng, name)
    // What our file calls it was its name before, or another one was.
    const kind = company === null ? 1 : rng.next()
    const renamed = kind < 0.04
    const place = other === undefined ? of.place : rng.pick(PLACES)
    const registration: Registration = {
      index,
      jurisdiction: `us_${where.state.toLowerCase()}`,
      stateName: where.stateName,
      number: numberOf(where.state, index),
      company,
      home: company !== null && where.state === of.place.state,
      place,
      firstName: renamed ? companyName(rng).toUpperCase() : entered,
      laterName: companyName(rng).toUpperCase(),
      formerName: renamed ? entered : kind < 0.08 ? companyName(rng).toUpperCase() : null,
      type: `${branchOf === null ? 'Domestic' : 'Foreign'} ${isLlc(name) ? 'Limited Liability Company' : 'Stock'}`,
      incorporated: dayOf(Date.UTC(of.foundedYear, 0, 1)) + rng.below(365),
      branchOf,
    }
    registrations.push(registration)
    if (other === 'gone') gone.add(index)
    byKey.set(`${registration.jurisdiction}/${registration.number}`, registration)
    const names = [registration.firstName, registration.laterName, registration.formerName ?? '']
    for (const word of new Set(names.flatMap(registryWords))) {
      const same = byWord.get(word)
      if (same === undefined) byWord.set(word, [registration])
      else same.push(registration)
    }
    return index
  }

  for (const company of world.companies) {
    const rng = new Rng(seed, ENTRY, -1 - company.index)
    const { name, place } = company
    const [home, delaware] = [rng.chance(IN_HOME_STATE), rng.chance(IN_DELAWARE)]
    const common = { of: company, name }
    const branchOf = delaware ? add({ ...common, company, where: DELAWARE, branchOf: null }) : null
    if (home) add({ ...common, company, where: place, branchOf })
    const others = { ...common, company: null, branchOf: null }
    if (rng.chance(0.03)) add({ ...others, where: place, other: 'gone' })
    if (rng.chance(0.015)) add({ ...others, name: otherForm(name), where: place, other: 'other_form' })
    if (rng.chance(0.05)) add({ ...others, where: DELAWARE, other: 'elsewhere' })
    if (rng.chance(0.08)) add({ ...others, where: rng.pick(PLACES), other: 'elsewhere' })
  }

  const officerOf = (rng: Rng, index: number, number: number, start: Day): Officer => ({
    id: 100_000_000 + index * 256 + number,
    name: personName(rng)
      .replace(/^Dr\. |, Ph\.D\.$/g, '')
      .toUpperCase(),
    position: rng.pick(POSITIONS),
    start,
    end: null,
  })
  const ownerOf = (rng: Rng, notified: Day): Owner => {
    const isCompany = rng.chance(0.3)
    return {
      name: isCompany ? companyName(rng).toUpperCase() : personName(rng),
      isCompany,
      mechanism: rng.pick(MECHANISMS),
      notified,
      ceased: null,
    }
  }

  const evolution = evolve<RegistrationState>({
    rng: (index) => new Rng(seed, PROCESS, index),
    begin(index, rng) {
      const { company, firstName, formerName, incorporated } = registrations[index]!
      const at = startAt - HISTORY_MS
      const inactive = gone.has(index) || rng.chance(0.12)
      const count = rng.between(0, 4)
      return {
        at,
        state: {
          name: firstName,
          previousNames: formerName === null ? [] : [{ name: formerName, changed: dayOf(at) - rng.below(2000) }],
          inactive,
          status: inactive ? rng.pick(GONE) : rng.pick(['Active', 'Good Standing', 'In Existence']),
          dissolvedOn: inactive && rng.chance(0.5) ? dayOf(at) - rng.below(3000) : null,
          street: (company?.address1 ?? streetOf(rng)).toUpperCase(),
          officers: Array.from({ length: count }, (_, number) => officerOf(rng, index, number, incorporated + number * 30)),
          owners: rng.chance(0.12) ? [ownerOf(rng, incorporated)] : [],
          updatedAt: at,
          retrievedAt: at,
        },
      }
    },
    next: (_index, rng, _state, at) => Math.ceil(at + rng.exponential(GAP_MS)),
    apply(index, rng, state, at) {
      const today = dayOf(at)
      const next = { ...state, updatedAt: at, retrievedAt: at }
      const kind = rng.next()
      if (kind < 0.1) {
        const leaving = state.officers.findIndex(({ end }) => end === null)
        const kept = state.officers.map((officer, place) => (place === leaving ? { ...officer, end: today } : officer))
        return { ...next, officers: [...kept, officerOf(rng, index, state.officers.length, today)] }
      }
      if (kind < 0.14) return { ...next, street: streetOf(rng).toUpperCase() }
      if (kind < 0.16) {
        if (!state.inactive) {
          const dissolvedOn = rng.chance(0.5) ? today : null
          return { ...next, inactive: true, status: rng.pick(GONE), dissolvedOn }
        }
        return rng.chance(0.4) && !gone.has(index) ? { ...next, inactive: false, status: 'Active', dissolvedOn: null } : next
      }
      if (kind < 0.17) {
        const { laterName } = registrations[index]!
        if (state.name === laterName) return next
        return { ...next, name: laterName, previousNames: [...state.previousNames, { name: state.name, changed: today }] }
      }
      if (kind < 0.19) {
        const owners = state.owners.map((owner) => (owner.ceased === null ? { ...owner, ceased: today } : owner))
        return { ...next, owners: [...owners, ownerOf(rng, today)] }
      }
      // Looked at again, or some datum of others was attached: nothing to see of it but the moments.
      return kind < 0.3 ? { ...state, updatedAt: at } : next
    },
  })

  return {
    registrations,
    find: (jurisdiction, number) => byKey.get(`${jurisdiction}/${number}`) ?? null,
    withWord: (word) => byWord.get(word) ?? [],
    at: ({ index }, moment) => evolution.at(index, moment),
    evolution,
  }
}

/**
 * What identities at OpenCorporates are in truth: the entry of each company in its state's register, or null when there is none, and all
 * entries that are the company's.
 */
export function* truePairs(
  world: World,
): Generator<{ readonly company: Company; readonly providerKey: string | null; readonly all: readonly string[] }> {
  const own = new Map<number, Registration[]>()
  for (const registration of world.part(registryWorld).registrations)
    if (registration.company !== null) {
      const { index } = registration.company
      own.set(index, [...(own.get(index) ?? []), registration])
    }
  for (const company of world.companies) {
    const entries = own.get(company.index) ?? []
    const key = ({ jurisdiction, number }: Registration): string => `${jurisdiction}/${number}`
    const home = entries.find((entry) => entry.home)
    yield { company, providerKey: home === undefined ? null : key(home), all: entries.map(key) }
  }
}
