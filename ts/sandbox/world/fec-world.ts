/**
 * Political contributions of people who name a company as their employer, in the words they choose. A few companies have a namesake of a
 * longer name, whose people the full-text search finds as well.
 */
import { DAY_MS, type EpochMs } from '../../model/time.ts'
import { type Day, dayOf, dayText } from './awards.ts'
import type { Company } from './companies.ts'
import { type Evolution, evolve } from './evolution.ts'
import { PLACES } from './places.ts'
import { Rng, streamId } from './prng.ts'
import { personName } from './words.ts'
import type { World } from './world.ts'

export type Contribution = {
  readonly subId: string
  /** Beyond what a double holds; the provider writes it as a number all the same. */
  readonly linkId: string
  readonly contributor: string
  readonly employer: string
  /** False for somebody at the namesake. */
  readonly atCompany: boolean
  readonly occupation: string
  readonly city: string
  readonly state: string
  readonly zip: string
  readonly cents: number
  /** Null for a few, which come after all others. */
  readonly received: Day | null
  readonly period: number
  readonly committee: Committee
  readonly memo: boolean
  readonly individual: boolean
  readonly loadedAt: EpochMs
}

export type Committee = { readonly id: string; readonly name: string; readonly party: string | null; readonly type: string }

export type FecWorld = {
  /** Loaded by the moment, of companies whose name begins with the word (lower case), in no order. */
  ofFirstWord(word: string, moment: EpochMs): readonly Contribution[]
  /** Those of a company and of its namesake. */
  of(company: Company, moment: EpochMs): readonly Contribution[]
  readonly evolution: Evolution<readonly Contribution[]>
}

const STREAM = streamId('fec_process')
const SHARE = streamId('fec_share')
const HISTORY_MS = 5 * 365 * DAY_MS
const YEAR_MS = 365 * DAY_MS
const WITH_DONORS = 0.35
const WITH_NAMESAKE = 0.06
const COMMITTEES: readonly Committee[] = [
  { id: 'C00401224', name: 'ACTBLUE', party: null, type: 'W' },
  { id: 'C00694323', name: 'WINRED', party: null, type: 'W' },
  { id: 'C00000935', name: 'DCCC', party: 'DEM', type: 'Y' },
  { id: 'C00075820', name: 'NRCC', party: 'REP', type: 'Y' },
  { id: 'C00990011', name: 'FRIENDS OF THE LAKES', party: 'DEM', type: 'H' },
  { id: 'C00990022', name: 'PRAIRIE PEOPLE FOR SENATE', party: 'REP', type: 'S' },
]
const OCCUPATIONS = [
  'ENGINEER',
  'SCIENTIST',
  'CEO',
  'PRESIDENT',
  'SOFTWARE DEVELOPER',
  'VICE PRESIDENT',
  'RESEARCHER',
  'FOUNDER & CTO',
  'ACCOUNTANT',
  'MANAGER',
] as const

/** Words of a text as the full-text search has them. */
export function searchWords(text: string): readonly string[] {
  return (
    text
      .toLowerCase()
      .replace(/['’.]/g, '')
      .match(/[a-z0-9]+/g) ?? []
  ).filter((word) => word !== 'and' && word !== 'the')
}

function plain(name: string): string {
  return name
    .toUpperCase()
    .replace(/,? (INC|LLC|CORP|CORPORATION|CO|LTD|L\.L\.C)\.?$/, '')
    .replace(/ {2,}/g, ' ')
}

function employerText(rng: Rng, name: string): string {
  const stem = plain(name)
  const kind = rng.next()
  if (kind < 0.55) return stem
  if (kind < 0.75) return name.toUpperCase()
  if (kind < 0.85) return `${stem} INC`
  if (kind < 0.93) return `${stem}, LLC`
  return stem.replace(' & ', ' AND ')
}

function contributionOf(rng: Rng, company: Company, number: number, at: EpochMs, namesake: boolean): Contribution {
  const atCompany = !namesake || rng.chance(0.6)
  const place = atCompany && rng.chance(0.88) ? company.place : rng.pick(PLACES)
  const day = dayOf(at) - rng.between(20, 90)
  const year = Number(dayText(day).slice(0, 4))
  const [first = 'ALEX', ...rest] = personName(rng)
    .replace(/^Dr\. |, Ph\.D\.$/g, '')
    .toUpperCase()
    .split(' ')
  return {
    subId: `4${dayText(dayOf(at)).replaceAll('-', '')}${String(company.index).padStart(6, '0')}${String(number).padStart(4, '0')}`,
    linkId: `4${dayText(dayOf(at)).replaceAll('-', '')}${rng.digits(10)}`,
    contributor: `${rest.at(-1) ?? 'DONOR'}, ${first}`,
    employer: atCompany
      ? employerText(rng, company.name)
      : `${plain(company.name)} CLEANING SERVICES OF ${rng.pick(['OHIO', 'TEXAS', 'IOWA'])}`,
    atCompany,
    occupation: rng.pick(OCCUPATIONS),
    city: place.city.toUpperCase(),
    state: place.state,
    zip: place.zip3 + rng.digits(2),
    cents: rng.chance(0.03)
      ? -5000
      : rng.chance(0.3)
        ? rng.between(100, 9_999)
        : rng.pick([1000, 2500, 5000, 10_000, 25_000, 100_000, 330_000]),
    received: rng.chance(0.02) ? null : day,
    period: year + (year % 2),
    committee: rng.pick(COMMITTEES),
    memo: rng.chance(0.05),
    individual: !rng.chance(0.04),
    loadedAt: at,
  }
}

/** `world.part(fecWorld)`. */
export function fecWorld(world: World): FecWorld {
  const { seed, startAt } = world.options
  const { companies } = world
  const giving = companies.map(({ index }) => {
    const rng = new Rng(seed, SHARE, index)
    return rng.chance(WITH_DONORS)
      ? { gap: YEAR_MS / Math.min(60, rng.logNormal(1.6, 1.2)), namesake: rng.chance(WITH_NAMESAKE / WITH_DONORS) }
      : null
  })
  const byFirstWord = new Map<string, Company[]>()
  for (const company of companies) {
    if (giving[company.index] === null) continue
    const [first = ''] = searchWords(company.name)
    const same = byFirstWord.get(first)
    if (same === undefined) byFirstWord.set(first, [company])
    else same.push(company)
  }

  const evolution = evolve<readonly Contribution[]>({
    rng: (index) => new Rng(seed, STREAM, index),
    begin: () => ({ at: startAt - HISTORY_MS, state: [] }),
    next: (index, rng, _state, at) =>
      giving[index] == null ? Number.POSITIVE_INFINITY : Math.ceil(at + rng.exponential(giving[index]!.gap)),
    apply(index, rng, state, at) {
      const earlier = state.length > 0 && rng.chance(0.08) ? rng.below(state.length) : null
      // Loaded again, with nothing different but the moment.
      if (earlier !== null) return state.map((row, place) => (place === earlier ? { ...row, loadedAt: at } : row))
      return [...state, contributionOf(rng, companies[index]!, state.length, at, giving[index]!.namesake)]
    },
  })

  return {
    of: ({ index }, moment) => evolution.at(index, moment),
    ofFirstWord: (word, moment) => (byFirstWord.get(word) ?? []).flatMap(({ index }) => evolution.at(index, moment)),
    evolution,
  }
}

/** What a company's people gave in truth, as the FEC counts it: without memo entries. In periods from `since` on. */
export function trueGiving(
  world: World,
  company: Company,
  moment: EpochMs,
  since: number,
): { readonly contributions: number; readonly cents: number } {
  const rows = world
    .part(fecWorld)
    .of(company, moment)
    .filter(({ atCompany, memo, individual, period }) => atCompany && !memo && individual && period >= since)
  return { contributions: rows.length, cents: rows.reduce((sum, { cents }) => sum + cents, 0) }
}

/**
 * Who gives in truth under which names, for measuring identities: the companies with people who gave, and of the texts these wrote as
 * employer those that mostly mean this company and not another of the same name. In periods from `since` on.
 */
export function* trueEmployers(
  world: World,
  moment: EpochMs,
  since: number,
): Generator<{ readonly company: Company; readonly employers: readonly string[] }> {
  const fec = world.part(fecWorld)
  /** Per text: contributions in all, and of each company's own people. */
  const total = new Map<string, number>()
  const own = world.companies.map((company) => {
    const texts = new Map<string, number>()
    for (const { employer, atCompany, period } of fec.of(company, moment)) {
      if (period < since) continue
      const text = plain(employer)
      total.set(text, (total.get(text) ?? 0) + 1)
      if (atCompany) texts.set(text, (texts.get(text) ?? 0) + 1)
    }
    return { company, texts }
  })
  for (const { company, texts } of own) {
    if (texts.size === 0) continue
    yield { company, employers: [...texts].flatMap(([text, count]) => (2 * count > total.get(text)! ? [text] : [])) }
  }
}
