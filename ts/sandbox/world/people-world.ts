/**
 * Principal investigators as the registers of researchers know them: a share has an iD, names are spelled in other ways, employers are
 * left out, and other people have the same names. Profiles come in pairs: an even number is the investigator's own, the odd one after it
 * a namesake's elsewhere.
 */
import { DAY_MS, type EpochMs } from '../../model/time.ts'
import { type Day, dayOf } from './awards.ts'
import type { Company } from './companies.ts'
import { type Evolution, evolve } from './evolution.ts'
import { orcidOfNumber } from './orcid-number.ts'
import { Rng, streamId } from './prng.ts'
import { awardTitle } from './words.ts'
import type { World } from './world.ts'

/** One name at one company, as the SBIR file spells it first. */
export type Investigator = {
  readonly index: number
  readonly name: string
  readonly company: Company
  readonly listedAt: EpochMs
}

export type Profile = {
  readonly index: number
  readonly orcid: string
  /** An older iD of the same person that leads to this one; null for nearly all. */
  readonly formerOrcid: string | null
  /** Null for a namesake. */
  readonly investigator: Investigator | null
  readonly given: string
  readonly family: string
  readonly credit: string | null
  readonly otherNames: readonly string[]
  /** The company as this person spells it; null when it is not among the employers. */
  readonly employer: string | null
  readonly university: string
  readonly region: string
  readonly city: string
  /** Whether the index of works has an author with this iD, and under which number. */
  readonly author: number | null
  readonly visibleFrom: EpochMs
}

export type Employment = {
  readonly putCode: number
  readonly role: string
  readonly organization: string
  readonly start: Day
  readonly end: Day | null
}

export type ProfileState = {
  readonly employments: readonly Employment[]
  /** Days on which works were published, oldest first; what they are follows from their number. */
  readonly works: readonly Day[]
  readonly keywords: readonly string[]
  readonly fundings: number
  readonly deactivated: boolean
  readonly lastModified: EpochMs
}

export type Work = {
  readonly number: number
  readonly title: string
  readonly journal: string | null
  readonly doi: string | null
  readonly type: string
  readonly day: Day
}

export type PeopleWorld = {
  investigators(moment: EpochMs): readonly Investigator[]
  /** Profiles that are there at the moment, by number; deactivated ones among them. */
  profiles(moment: EpochMs): Iterable<Profile>
  /** Those of a family name, in lower case; nothing else can be looked for quickly. */
  ofFamily(family: string, moment: EpochMs): readonly Profile[]
  /** By iD, former ones too. */
  byOrcid(orcid: string, moment: EpochMs): Profile | null
  byAuthor(author: number, moment: EpochMs): Profile | null
  at(profile: Profile, moment: EpochMs): ProfileState
  worksOf(profile: Profile, state: ProfileState): readonly Work[]
  readonly evolution: Evolution<ProfileState>
}

const PROFILE = streamId('people_profile')
const PROCESS = streamId('people_process')
const WORK = streamId('people_work')
const YEAR_MS = 365 * DAY_MS
const HISTORY_MS = 3 * YEAR_MS
const WITH_ORCID = 0.55
const WITH_NAMESAKE = 0.08
const UNIVERSITIES = [
  'State University of the Lakes',
  'Northfield Institute of Technology',
  'Carver Medical College',
  'Rio Verde University',
  'Hollins Polytechnic',
  'University of Upper Plains',
] as const
const JOURNALS = [
  'Journal of Applied Sensing',
  'Letters in Photonics',
  'Materials Today and Tomorrow',
  'Proceedings of the Northfield Symposium',
  null,
] as const
const KEYWORDS = [
  'sensors',
  'photonics',
  'machine learning',
  'composites',
  'drug delivery',
  'autonomy',
  'energy storage',
  'imaging',
] as const
const ROLES = ['Principal Scientist', 'Chief Technology Officer', 'Senior Engineer', 'Research Director', 'Founder'] as const
const SHORT: Readonly<Record<string, string>> = {
  Thomas: 'Tom',
  Samuel: 'Sam',
  Victor: 'Vic',
  Rachel: 'Rach',
  Daniel: 'Dan',
  James: 'Jim',
  Paul: 'Paulie',
}

/** The words of a name without titles and degrees, in title case. */
function wordsOf(name: string): string[] {
  return name
    .replace(/^Dr\.? /i, '')
    .replace(/, Ph\.?D\.?$/i, '')
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => (word === word.toUpperCase() && word.length > 2 ? word[0]! + word.slice(1).toLowerCase() : word))
}

/** An employer as people write it into a form. */
function employerText(rng: Rng, name: string): string {
  const plain = name.replace(/,? (Inc|LLC|Corp|Corporation|INC|Co|Ltd|L\.L\.C)\.?$/i, '').replace(/ {2,}/g, ' ')
  const kind = rng.next()
  if (kind < 0.4) return name
  if (kind < 0.7) return plain
  if (kind < 0.8) return plain.toUpperCase()
  if (kind < 0.88) return `${plain}, Incorporated`
  const at = rng.between(1, Math.max(1, plain.length - 2))
  return plain.slice(0, at) + plain.slice(at + 1)
}

function spelled(rng: Rng, words: readonly string[]): { given: string; family: string } {
  const family = words.at(-1) ?? 'Unknown'
  const [first = 'Unknown', ...middle] = words.slice(0, -1)
  const kind = rng.next()
  if (kind < 0.72) return { given: first, family }
  if (kind < 0.84) return { given: [first, ...middle].join(' '), family }
  if (kind < 0.92) return { given: `${first[0]}.`, family }
  if (kind < 0.96) return { given: SHORT[first] ?? first, family }
  return { given: first.toUpperCase(), family: family.toUpperCase() }
}

/** `world.part(peopleWorld)`. Makes profiles as awards bring investigators to light. */
export function peopleWorld(world: World): PeopleWorld {
  const { seed, startAt } = world.options
  const investigators: Investigator[] = []
  const profiles: (Profile | undefined)[] = []
  const byKey = new Set<string>()
  const byFamily = new Map<string, Profile[]>()
  const byOrcid = new Map<string, Profile>()
  const byAuthor = new Map<number, Profile>()
  let seen = 0

  function profileOf(index: number, words: readonly string[], owner: Investigator, own: boolean): Profile {
    const rng = new Rng(seed, PROFILE, index)
    const { given, family } = own ? spelled(rng, words) : { given: words[0] ?? 'Unknown', family: words.at(-1) ?? 'Unknown' }
    const { place } = owner.company
    return {
      index,
      orcid: orcidOfNumber(index * 2),
      formerOrcid: rng.chance(0.02) ? orcidOfNumber(index * 2 + 1) : null,
      investigator: own ? owner : null,
      given,
      family,
      credit: rng.chance(0.1) ? words.join(' ') : null,
      otherNames: rng.chance(0.08) ? [`${words[0]?.[0] ?? 'X'}. ${family}`] : [],
      employer: own && rng.chance(0.72) ? employerText(rng, owner.company.name) : null,
      university: rng.pick(UNIVERSITIES),
      region: place.state,
      city: place.city,
      author: rng.chance(0.92) ? index : null,
      visibleFrom: owner.listedAt,
    }
  }

  function add(profile: Profile): void {
    profiles[profile.index] = profile
    const family = profile.family.toLowerCase()
    const same = byFamily.get(family)
    if (same === undefined) byFamily.set(family, [profile])
    else same.push(profile)
    byOrcid.set(profile.orcid, profile)
    if (profile.formerOrcid !== null) byOrcid.set(profile.formerOrcid, profile)
    if (profile.author !== null) byAuthor.set(profile.author, profile)
  }

  function extendTo(moment: EpochMs): void {
    const awards = world.sbir.awardsUntil(moment)
    for (; seen < awards.length; seen += 1) {
      const { pi, company: at, listedAt } = awards[seen]!
      const words = wordsOf(pi)
      const key = `${words
        .join(' ')
        .toUpperCase()
        .replace(/[^A-Z ]/g, '')}|${at}`
      if (words.length < 2 || byKey.has(key)) continue
      byKey.add(key)
      const owner = { index: investigators.length, name: pi, company: world.companies[at]!, listedAt }
      investigators.push(owner)
      const rng = new Rng(seed, PROFILE, -1 - owner.index)
      if (rng.chance(WITH_ORCID)) add(profileOf(owner.index * 2, words, owner, true))
      if (rng.chance(WITH_NAMESAKE)) add(profileOf(owner.index * 2 + 1, words, owner, false))
    }
  }

  const evolution = evolve<ProfileState>({
    rng: (index) => new Rng(seed, PROCESS, index),
    begin(index, rng) {
      const profile = profiles[index]!
      const at = startAt - HISTORY_MS
      const count = rng.chance(0.3) ? 0 : Math.min(60, Math.round(rng.logNormal(5, 1)))
      const works = Array.from({ length: count }, () => dayOf(at) - rng.below(3000)).sort((a, b) => a - b)
      const began = dayOf(at) - rng.between(100, 4000)
      const first = {
        putCode: index * 100 + 1,
        role: rng.pick(ROLES),
        organization: profile.university,
        start: began - 2000,
        end: profile.employer === null ? null : began,
      }
      const employments =
        profile.employer === null
          ? [first]
          : [first, { putCode: index * 100 + 2, role: rng.pick(ROLES), organization: profile.employer, start: began, end: null }]
      return {
        at,
        state: {
          employments: rng.chance(0.1) && profile.employer === null ? [] : employments,
          works,
          keywords: rng.chance(0.4) ? [rng.pick(KEYWORDS)] : [],
          fundings: rng.chance(0.3) ? rng.between(1, 3) : 0,
          deactivated: false,
          lastModified: at,
        },
      }
    },
    next: (_index, rng, state, at) =>
      state.deactivated ? Number.POSITIVE_INFINITY : Math.ceil(at + rng.exponential(YEAR_MS / 1.5)),
    apply(index, rng, state, at) {
      const next = { ...state, lastModified: at }
      const kind = rng.next()
      if (kind < 0.6) return { ...next, works: [...state.works, dayOf(at) - rng.below(20)] }
      if (kind < 0.75) {
        const last = state.employments.at(-1)
        if (last === undefined) return next
        const kept = state.employments.slice(0, -1)
        return {
          ...next,
          employments: [
            ...kept,
            { ...last, end: dayOf(at) },
            {
              putCode: index * 100 + state.employments.length + 1,
              role: rng.pick(ROLES),
              organization: rng.pick(UNIVERSITIES),
              start: dayOf(at),
              end: null,
            },
          ],
        }
      }
      if (kind < 0.85) return { ...next, keywords: [...new Set([...state.keywords, rng.pick(KEYWORDS)])] }
      if (kind < 0.9) return { ...next, fundings: state.fundings + 1 }
      // Touched, with nothing to see of it.
      return kind < 0.99 ? next : { ...next, deactivated: true }
    },
  })

  const seenBy = (profile: Profile | undefined, moment: EpochMs): Profile | null =>
    profile !== undefined && profile.visibleFrom <= moment ? profile : null

  return {
    investigators(moment) {
      extendTo(moment)
      return investigators.filter(({ listedAt }) => listedAt <= moment)
    },
    *profiles(moment) {
      extendTo(moment)
      for (const profile of profiles) if (profile !== undefined && profile.visibleFrom <= moment) yield profile
    },
    ofFamily(family, moment) {
      extendTo(moment)
      return (byFamily.get(family) ?? []).filter(({ visibleFrom }) => visibleFrom <= moment)
    },
    byOrcid(orcid, moment) {
      extendTo(moment)
      return seenBy(byOrcid.get(orcid), moment)
    },
    byAuthor(author, moment) {
      extendTo(moment)
      return seenBy(byAuthor.get(author), moment)
    },
    at: ({ index }, moment) => evolution.at(index, moment),
    worksOf(profile, state) {
      return state.works.map((day, number) => {
        const rng = new Rng(seed, WORK, profile.index * 128 + number)
        const journal = rng.pick(JOURNALS)
        return {
          number,
          title: awardTitle(rng),
          journal,
          doi: rng.chance(0.85) ? `10.5555/sbx.${profile.index}.${number}` : null,
          type: journal === null ? 'preprint' : 'journal-article',
          day,
        }
      })
    },
    evolution,
  }
}

/**
 * What identities at ORCID are in truth, for all investigators known at the moment: the name and company as the SBIR file has them,
 * and the iD or null when there is none (or it is deactivated).
 */
export function* truePairs(
  world: World,
  moment: EpochMs,
): Generator<{ readonly name: string; readonly company: Company; readonly providerKey: string | null }> {
  const people = world.part(peopleWorld)
  const own = new Map<number, Profile>()
  for (const profile of people.profiles(moment)) if (profile.investigator !== null) own.set(profile.investigator.index, profile)
  for (const { index, name, company } of people.investigators(moment)) {
    const profile = own.get(index)
    yield { name, company, providerKey: profile === undefined || people.at(profile, moment).deactivated ? null : profile.orcid }
  }
}
