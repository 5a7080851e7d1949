/**
 * A population of the real one's size and shape, by formula: what each entity is, what providers know of it, and how often that
 * changes. Shares are those of the published award file where it has them, and stated guesses where it does not.
 */
import type { Entity } from '../../ts/model/entity.ts'
import { DAY_MS, type EpochMs } from '../../ts/model/time.ts'
import type { EntityUpsert } from '../../ts/stores/store.ts'

/** Share of entities that a provider changes in a day. */
const CHANGED_A_DAY = 0.005
/** Of the published file: 76 % of awards have a contract number, 70 % of companies a UEI; 15 % of awards are the NIH's. */
const WITH_CONTRACT = 76
const WITH_UEI = 70
const OF_NIH = 15
/** Guesses: companies with a website of their own, addresses that hosts share. */
const WITH_DOMAIN = 40
const DOMAINS_AN_ADDRESS = 3

export const SIZES = { companies: 70_000, awards: 200_000, people: 75_000 } as const

export function mix(seed: number): number {
  let x = Math.imul(seed + 1, 2_654_435_761) >>> 0
  x = Math.imul(x ^ (x >>> 15), 2_246_822_519) >>> 0
  return (x ^ (x >>> 13)) >>> 0
}

/** True for so many in a hundred, drawn anew for each `salt`. */
export function isAmong(index: number, percent: number, salt: number): boolean {
  return mix(mix(index) + salt) % 10_000 < percent * 100
}

function companyRef(index: number): { readonly key: string; readonly uei: string | null } {
  const uei = mix(index) % 100 < WITH_UEI ? `K${String(index).padStart(10, '0')}A` : null
  return { key: uei === null ? `name:COMPANY ${index}|OH` : `uei:${uei}`, uei }
}

function company(index: number): EntityUpsert {
  const { key, uei } = companyRef(index)
  return {
    kind: 'company',
    key,
    attributes: { name: `Company ${index}`, uei, duns: null, city: 'Dayton', state: 'OH', zip: '45402', country: 'US' },
    aliases: [],
    links: [],
  }
}

function award(index: number): EntityUpsert {
  const ofNih = isAmong(index, OF_NIH, 3)
  const digits = String(index).padStart(6, '0')
  const number = ofNih ? `1R43AI${digits}-01` : isAmong(index, WITH_CONTRACT, 7) ? `FA865020C${digits}` : null
  const agency = ofNih ? 'Department of Health and Human Services' : 'Department of Defense'
  return {
    kind: 'award',
    key: `v1:${String(index).padStart(64, '0')}`,
    attributes: { contract: number, award_year: 1990 + (mix(index) % 36), agency },
    aliases: number === null ? [] : [`award_id:${number.replace(/[^A-Z0-9]/g, '')}`],
    links: [],
  }
}

function person(index: number, companies: number): EntityUpsert {
  const { key } = companyRef(mix(index) % companies)
  const attributes = { name: `Person ${index}`, company_key: key, company_name: 'Company', role: 'principal_investigator' }
  return { kind: 'person', key: `pi:PERSON ${index}|${key}`, attributes, aliases: [], links: [] }
}

function domain(index: number): EntityUpsert {
  const name = `company-${index}.com`
  return { kind: 'domain', key: name, attributes: { domain: name, company_key: companyRef(index).key }, aliases: [], links: [] }
}

export type World = {
  readonly companies: number
  readonly awards: readonly EntityUpsert[]
  readonly all: readonly EntityUpsert[]
}

export function makeWorld(scale: number): World {
  const count = (size: number): number => Math.round(size * scale)
  const list = (size: number, make: (index: number) => EntityUpsert): EntityUpsert[] =>
    Array.from({ length: count(size) }, (_, index) => make(index))
  const companies = count(SIZES.companies)
  const awards = list(SIZES.awards, award)
  const domains = list(SIZES.companies, domain).filter((_, index) => isAmong(index, WITH_DOMAIN, 5))
  const all = [
    ...list(SIZES.companies, company),
    ...awards,
    ...list(SIZES.people, (index) => person(index, companies)),
    ...domains,
  ]
  return { companies, awards, all }
}

/** The number that the entity was made from: the first in its key; of an address all of it. */
export function indexOf({ kind, key }: Pick<Entity, 'kind' | 'key'>): number {
  if (kind === 'award') return Number(key.slice(3))
  if (kind === 'ip') return Number(key.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)) % 2 ** 31
  return Number(/\d+/.exec(key)![0])
}

/** How often the provider has changed it since the start; each entity has its own day in the cycle. */
export function revisionOf(entity: Pick<Entity, 'kind' | 'key'>, at: EpochMs): number {
  const cycle = Math.round(1 / CHANGED_A_DAY)
  return Math.floor((Math.floor(at / DAY_MS) + (mix(indexOf(entity)) % cycle)) / cycle)
}

/** Of a domain: an address that others have, too. */
export function addressOf(index: number): string {
  const number = mix(Math.floor(index / DOMAINS_AN_ADDRESS)) % 2 ** 24
  return `8.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`
}

const CAGE_LETTERS = '0123456789ABCDEFGHJKLMNPQRSTUVWXYZ'

export function cageOf(index: number): string {
  let code = ''
  for (let rest = index, place = 0; place < 5; place++, rest = Math.floor(rest / CAGE_LETTERS.length))
    code = CAGE_LETTERS[rest % CAGE_LETTERS.length]! + code
  return code
}

/** P_CAGE.CSV of everybody who has a code: those with a UEI. */
export function cageTable(companies: number): string {
  const rows = ['CAGE_CODE,CAGE_STATUS,TYPE,CAO,COMPANY_NAME,CITY,STATE,ZIP,COUNTRY']
  for (let index = 0; index < companies; index++)
    if (companyRef(index).uei !== null) rows.push(`${cageOf(index)},A,A,S0701A,COMPANY ${index},DAYTON,OH,45402,UNITED STATES`)
  return `${rows.join('\r\n')}\r\n`
}
