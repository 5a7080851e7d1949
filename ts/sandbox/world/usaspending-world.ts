import { DAY_MS, type EpochMs, HOUR_MS } from '../../model/time.ts'
import { AGENCIES, type SubAgency } from './agencies.ts'
import { type Award, type Day, dayOf } from './awards.ts'
import type { Company } from './companies.ts'
import { type Evolution, evolve } from './evolution.ts'
import { PLACES, type Place } from './places.ts'
import { Rng, streamId } from './prng.ts'
import { awardTitle, companyName } from './words.ts'

/** What never changes about an award at USAspending. */
export type FederalAward = {
  readonly index: number
  /** `generated_unique_award_id`. */
  readonly id: string
  readonly surrogate: number
  /** PIID or FAIN. */
  readonly awardId: string
  readonly group: 'contracts' | 'grants'
  readonly typeCode: string
  readonly agency: number
  readonly sub: SubAgency
  readonly recipient: {
    readonly name: string
    readonly uei: string | null
    readonly address1: string
    readonly place: Place
    readonly zip5: string
    readonly zip4: string
  }
  readonly signed: Day
  readonly ends: Day
  readonly amountCents: number
  readonly title: string
  readonly parentId: string | null
  readonly assistanceListing: string
  readonly meanGapMs: number
  /** Loads before this moment do not show it: DoD releases contract actions 90 days after signing. */
  readonly visibleFrom: EpochMs
}

/** What changes. */
export type FederalState = {
  readonly amountCents: number
  readonly ends: Day
  readonly description: string
  readonly lastModified: Day
  readonly modifications: number
}

export type UsaspendingWorld = {
  /** The nightly load whose data is served at the moment: the API shows nothing newer than the last 05:00 UTC. */
  loadedAt(moment: EpochMs): EpochMs
  /** All awards that the load shows, with their states, in no particular order. */
  visible(load: EpochMs): readonly { readonly award: FederalAward; readonly state: FederalState }[]
  byId(id: string, load: EpochMs): { readonly award: FederalAward; readonly state: FederalState } | null
  byAwardId(awardId: string, load: EpochMs): readonly { readonly award: FederalAward; readonly state: FederalState }[]
  readonly evolution: Evolution<FederalState>
  all(moment: EpochMs): readonly FederalAward[]
}

const LOAD_OFFSET_MS = 5 * HOUR_MS
/** One modification in so many is published so long after its `last_modified_date`; a feed must look that far back. */
const LATE_ONE_IN = 3
const LATE_DAYS: Day = 2
const HISTORY_MS = 1095 * DAY_MS
const STREAM = streamId('federal_award')
const PROCESS_STREAM = streamId('federal_process')
const TWIN_STREAM = streamId('federal_twin')
const BACKGROUND_STREAM = streamId('federal_background')

export const CONTRACT_TYPES: Readonly<Record<string, string>> = {
  A: 'BPA CALL',
  B: 'PURCHASE ORDER',
  C: 'DELIVERY ORDER',
  D: 'DEFINITIVE CONTRACT',
}
export const GRANT_TYPES: Readonly<Record<string, string>> = {
  '02': 'BLOCK GRANT (A)',
  '03': 'FORMULA GRANT (A)',
  '04': 'PROJECT GRANT (B)',
  '05': 'COOPERATIVE AGREEMENT (B)',
  F001: 'GRANT',
  F002: 'COOPERATIVE AGREEMENT',
}
/** Grants signed from here on carry the codes of the new assistance format. */
const NEW_FORMAT_FROM = dayOf(Date.UTC(2026, 1, 1))
const LISTINGS: Readonly<Record<string, string>> = { HHS: '93.855', NSF: '47.041', DOE: '81.049', USDA: '10.212', DOC: '11.609' }

/** Two 32-bit halves of the seed's own order: surrogate ids that look arbitrary but never repeat. */
function surrogateOf(index: number): number {
  return 38_000_000 + ((index * 7_368_787) % 125_000_003)
}

function isDefense(award: Pick<FederalAward, 'agency'>): boolean {
  return AGENCIES[award.agency]!.abbreviation === 'DOD'
}

/**
 * Awards of the SBIR file as USAspending knows them (a few are missing), some that share a number with another agency's award,
 * and others that have nothing to do with SBIR: what a change feed is full of.
 */
export function createUsaspendingWorld(
  seed: number,
  startAt: EpochMs,
  companies: readonly Company[],
  awardsUntil: (moment: EpochMs) => readonly Award[],
  initialAwards: number,
): UsaspendingWorld {
  const list: FederalAward[] = []
  const byGeneratedId = new Map<string, number>()
  const byNumber = new Map<string, number[]>()
  let seen = 0

  function add(award: Omit<FederalAward, 'index' | 'id' | 'surrogate' | 'visibleFrom'>, idCode: string): void {
    const parent = award.parentId === null ? '-NONE-_-NONE-' : `${award.parentId}_${idCode}`
    const id =
      award.group === 'contracts' ? `CONT_AWD_${award.awardId}_${idCode}_${parent}` : `ASST_NON_${award.awardId}_${idCode}`
    if (byGeneratedId.has(id)) return
    const index = list.length
    const delayDays = isDefense(award) && award.group === 'contracts' ? 90 : 3
    list.push({ ...award, index, id, surrogate: surrogateOf(index), visibleFrom: (award.signed + delayDays) * DAY_MS })
    byGeneratedId.set(id, index)
    const same = byNumber.get(award.awardId)
    if (same === undefined) byNumber.set(award.awardId, [index])
    else same.push(index)
  }

  function gapOf(rng: Rng, ends: Day): number {
    const finished = ends < dayOf(startAt) - 730
    return (DAY_MS / Math.min(0.3, rng.logNormal(0.006, 1.2))) * (finished ? 4 : 1)
  }

  function grantType(rng: Rng, signed: Day): string {
    const cooperative = rng.chance(0.1)
    if (signed >= NEW_FORMAT_FROM) return cooperative ? 'F002' : 'F001'
    return cooperative ? '05' : '04'
  }

  function fromSbir(award: Award): void {
    const rng = new Rng(seed, STREAM, award.index)
    if (rng.chance(0.06)) return
    const agency = AGENCIES[award.agency]!
    const company = companies[award.company]!
    const group = agency.kind === 'contract' ? ('contracts' as const) : ('grants' as const)
    const order = group === 'contracts' && rng.chance(0.05)
    add(
      {
        awardId: award.awardId,
        group,
        typeCode: group === 'grants' ? grantType(rng, award.signed) : order ? 'C' : award.phase === 'Phase I' ? 'B' : 'D',
        agency: award.agency,
        sub: award.sub,
        recipient: {
          name: company.name.toUpperCase().replace(/ {2,}/g, ' '),
          uei: company.uei,
          address1: company.address1.toUpperCase(),
          place: company.place,
          zip5: company.zip5,
          zip4: company.zip4,
        },
        signed: award.signed,
        ends: award.ends,
        amountCents: rng.chance(0.85) ? award.amountCents : Math.round(award.amountCents * (0.4 + rng.next())),
        title: `${award.program} ${award.phase.toUpperCase()} ${award.title.replaceAll('\n', ' ').toUpperCase()}`,
        parentId: order ? `${award.awardId.slice(0, 8)}D${rng.digits(4)}` : null,
        assistanceListing: LISTINGS[agency.abbreviation] ?? '12.910',
        meanGapMs: gapOf(rng, award.ends),
      },
      agency.idCode(award.sub),
    )
    if (award.index % 100 === 17) addTwin(award, group)
  }

  /** Another agency's award of the same number, to another recipient: only agency and recipient tell them apart. */
  function addTwin(award: Award, group: 'contracts' | 'grants'): void {
    const rng = new Rng(seed, TWIN_STREAM, award.index)
    const others = AGENCIES.map((agency, index) => ({ agency, index })).filter(
      ({ agency, index }) => index !== award.agency && (agency.kind === 'contract') === (group === 'contracts'),
    )
    const { agency, index } = rng.pick(others)
    const part = agency.subs[0]!
    const place = rng.pick(PLACES)
    add(
      {
        awardId: award.awardId,
        group,
        typeCode: group === 'contracts' ? 'B' : grantType(rng, award.signed),
        agency: index,
        sub: part,
        recipient: {
          name: companyName(rng).toUpperCase(),
          uei: null,
          address1: '1 MAIN ST',
          place,
          zip5: `${place.zip3}01`,
          zip4: rng.digits(4),
        },
        signed: award.signed + rng.between(-200, 20),
        ends: award.ends,
        amountCents: rng.between(3_000, 90_000) * 100,
        title: awardTitle(rng).toUpperCase(),
        parentId: null,
        assistanceListing: LISTINGS[agency.abbreviation] ?? '12.910',
        meanGapMs: gapOf(rng, award.ends),
      },
      agency.idCode(part),
    )
  }

  function addBackground(at: number): void {
    const rng = new Rng(seed, BACKGROUND_STREAM, at)
    const index = rng.weighted(AGENCIES.map(({ weight }, position) => [position, weight] as const))
    const agency = AGENCIES[index]!
    const part = rng.pick(agency.subs)
    const signed = dayOf(startAt) - rng.between(30, 4000)
    const year = new Date(signed * DAY_MS).getUTCFullYear()
    const number = agency.number(rng, part, year, 'Phase II', 'SBIR')
    const company = companies.length > 0 && rng.chance(0.3) ? rng.pick(companies) : null
    const place = company?.place ?? rng.pick(PLACES)
    if (byNumber.has(number.awardId)) return
    const ends = signed + rng.between(200, 1800)
    const group = agency.kind === 'contract' ? ('contracts' as const) : ('grants' as const)
    add(
      {
        awardId: number.awardId,
        group,
        typeCode: group === 'contracts' ? rng.pick(['A', 'B', 'D']) : '05',
        agency: index,
        sub: part,
        recipient: {
          name: (company?.name ?? companyName(rng)).toUpperCase(),
          uei: company?.uei ?? null,
          address1: company?.address1.toUpperCase() ?? '200 STATE ST',
          place,
          zip5: `${place.zip3}02`,
          zip4: rng.digits(4),
        },
        signed,
        ends,
        amountCents: rng.between(10_000, 9_000_000) * 100,
        title: awardTitle(rng).toUpperCase(),
        parentId: null,
        assistanceListing: LISTINGS[agency.abbreviation] ?? '12.910',
        meanGapMs: gapOf(rng, ends),
      },
      agency.idCode(part),
    )
  }

  const initial = awardsUntil(startAt - 1)
  for (; seen < initialAwards; seen += 1) fromSbir(initial[seen]!)
  const background = Math.ceil(initialAwards / 4)
  for (let at = 0; at < background; at += 1) addBackground(at)

  /** SBIR lists an award up to 100 days after it was signed, USAspending may show it before. */
  function extendTo(moment: EpochMs): void {
    const awards = awardsUntil(moment + 101 * DAY_MS)
    for (; seen < awards.length; seen += 1) fromSbir(awards[seen]!)
  }

  const evolution = evolve<FederalState>({
    rng: (index) => new Rng(seed, PROCESS_STREAM, index),
    begin(index, rng) {
      const { signed, amountCents, ends, title } = list[index]!
      const at = Math.max(signed * DAY_MS, startAt - HISTORY_MS)
      const lastModified = signed + rng.below(Math.max(1, Math.min(500, dayOf(at) - signed)))
      return { at, state: { amountCents, ends, description: title, lastModified, modifications: 0 } }
    },
    next: (index, rng, _state, at) => Math.ceil(at + rng.exponential(list[index]!.meanGapMs)),
    apply(index, rng, state, at) {
      const modifications = state.modifications + 1
      // Some are loaded days after the day that they bear, as agencies submit late; never before what was shown already.
      const lateDays = (index + modifications) % LATE_ONE_IN === 0 ? LATE_DAYS : 0
      const next = { ...state, lastModified: Math.max(state.lastModified, dayOf(at) - lateDays), modifications }
      const kind = rng.next()
      if (kind < 0.45) {
        const change = rng.chance(0.75) ? rng.between(5_000, 350_000) * 100 : -rng.between(100, 20_000) * 100 + rng.below(100)
        return { ...next, amountCents: Math.max(0, state.amountCents + change) }
      }
      if (kind < 0.72) return { ...next, ends: state.ends + rng.between(30, 400) }
      if (kind < 0.82)
        return { ...next, description: `${list[index]!.title} (MOD P${String(next.modifications).padStart(5, '0')})` }
      return next
    },
  })

  const shown = (index: number, load: EpochMs) => ({ award: list[index]!, state: evolution.at(index, load) })

  return {
    evolution,
    loadedAt: (moment) => Math.floor((moment - LOAD_OFFSET_MS) / DAY_MS) * DAY_MS + LOAD_OFFSET_MS,
    visible(load) {
      extendTo(load)
      const rows = []
      for (const award of list) if (award.visibleFrom <= load) rows.push({ award, state: evolution.at(award.index, load) })
      return rows
    },
    byId(id, load) {
      extendTo(load)
      const index = byGeneratedId.get(id)
      return index === undefined || list[index]!.visibleFrom > load ? null : shown(index, load)
    },
    byAwardId(awardId, load) {
      extendTo(load)
      return (byNumber.get(awardId) ?? []).filter((index) => list[index]!.visibleFrom <= load).map((index) => shown(index, load))
    },
    all(moment) {
      extendTo(moment)
      return list
    },
  }
}
