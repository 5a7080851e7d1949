/**
 * Filers of the SEC: some of the world's companies under the names they have there, firms elsewhere of the same name, and people. What
 * they file over time is known from the beginning; at a moment it is there when it was filed before.
 */
import { DAY_MS, type EpochMs, HOUR_MS, MINUTE_MS, toUtcDate } from '../../model/time.ts'
import type { Company } from './companies.ts'
import { streetOf } from './companies.ts'
import { PLACES, type Place } from './places.ts'
import { Rng, streamId } from './prng.ts'
import { companyName, personName } from './words.ts'
import type { World } from './world.ts'

export type Filing = {
  readonly accession: string
  readonly form: string
  readonly at: EpochMs
  readonly items: string
  readonly isXbrl: boolean
}

export type Filer = {
  /** Ten digits. */
  readonly cik: string
  /** Whose it is; null for a namesake or a person. */
  readonly company: Company | null
  readonly kind: 'public' | 'private' | 'person'
  readonly name: string
  /** The name it takes at a moment, possibly one still to come. */
  readonly renamed: { readonly at: EpochMs; readonly name: string } | null
  readonly place: Place
  readonly street: string
  readonly zip5: string
  readonly ticker: string | null
  readonly sic: string
  readonly ein: string
  /** Oldest first. */
  readonly filings: readonly Filing[]
}

export type EdgarWorld = {
  byCik(cik: string): Filer | null
  readonly all: readonly Filer[]
  /** Filers one of whose names, now or later, has a word that begins with these three letters or fewer. */
  withPrefix(prefix: string): readonly Filer[]
  /** `2026-11-20` -> who filed what that day, at whatever moment. */
  onDay(day: string): readonly { readonly filer: Filer; readonly filing: Filing }[]
}

const STREAM = streamId('edgar')
const SHARE = 0.14
const PUBLIC = 0.15
const FIRST = Date.UTC(2012, 0, 3)
const YEAR_MS = 365 * DAY_MS
const CLOSED = new Set(['01-01', '06-19', '07-04', '11-11', '12-25'])

/** EDGAR is closed on weekends and holidays; nobody files on Mondays and Fridays, on which holidays are observed. */
export function isOpenDay(day: string): boolean {
  const weekday = new Date(`${day}T00:00:00Z`).getUTCDay()
  return weekday !== 0 && weekday !== 6 && !CLOSED.has(day.slice(5))
}

function filingMoment(rng: Rng, about: EpochMs): EpochMs {
  let day = Math.floor(about / DAY_MS)
  const quiet = (at: number): boolean => {
    const text = toUtcDate(at * DAY_MS)
    const weekday = new Date(at * DAY_MS).getUTCDay()
    const thanksgiving = text.slice(5, 8) === '11-' && weekday === 4 && Number(text.slice(8)) >= 22 && Number(text.slice(8)) <= 28
    return weekday < 2 || weekday > 4 || CLOSED.has(text.slice(5)) || thanksgiving
  }
  while (quiet(day)) day += 1
  return day * DAY_MS + 14 * HOUR_MS + rng.below(7 * 60) * MINUTE_MS
}

/** As EDGAR conforms names: capitals without punctuation, often with the state of incorporation; sometimes as they were typed. */
function conformed(rng: Rng, name: string): string {
  const kind = rng.next()
  const plain = name.replace(/[.,]/g, '').replace(/\s+/g, ' ').trim()
  if (kind < 0.45) return plain.toUpperCase()
  if (kind < 0.62) return `${plain.toUpperCase()} /${rng.pick(['DE', 'NV', 'CA', 'NEW'])}/`
  if (kind < 0.92) return name.replace(/\s+/g, ' ').trim()
  if (kind < 0.97) return plain.replace(/ (INC|LLC|CORP|CORPORATION|CO|LTD)$/i, '')
  const at = 1 + rng.below(Math.max(1, plain.length - 3))
  return plain.slice(0, at) + plain[at + 1] + plain[at] + plain.slice(at + 2)
}

type Rate = { readonly form: string; readonly perYear: number; readonly items?: readonly string[]; readonly isXbrl?: boolean }
const PUBLIC_RATES: readonly Rate[] = [
  { form: '10-K', perYear: 1, isXbrl: true },
  { form: '10-Q', perYear: 3, isXbrl: true },
  { form: '8-K', perYear: 7, items: ['2.02,9.01', '5.02', '1.01,9.01', '8.01', '7.01,9.01'] },
  { form: '4', perYear: 9 },
  { form: 'S-8', perYear: 0.3 },
]
const PRIVATE_RATES: readonly Rate[] = [
  { form: 'D', perYear: 0.5 },
  { form: 'D/A', perYear: 0.3 },
]
const PERSON_RATES: readonly Rate[] = [{ form: '4', perYear: 2 }]

export function edgarWorld(world: World): EdgarWorld {
  const { seed, startAt } = world.options
  const until = startAt + 2 * YEAR_MS
  const filers: Filer[] = []
  let serial = 1_010_000
  let agents = 1_200_000
  let hasGiant = false

  function filingsOf(rng: Rng, rates: readonly Rate[], from: EpochMs, renamedAt: EpochMs | null): Filing[] {
    agents += 1 + rng.below(50)
    const moments: { at: EpochMs; rate: Rate; items: string }[] = []
    for (const rate of rates) {
      const gap = YEAR_MS / rate.perYear
      // The first of a form comes soon: a filer without filings is not seen by anybody.
      for (let at = from + rng.next() * Math.min(gap, 90 * DAY_MS); at < until; at += gap * (0.6 + 0.8 * rng.next()))
        moments.push({ at: filingMoment(rng, at), rate, items: rate.items === undefined ? '' : rng.pick(rate.items) })
    }
    if (renamedAt !== null) moments.push({ at: renamedAt, rate: { form: '8-K', perYear: 1 }, items: '5.03,9.01' })
    moments.sort((a, b) => a.at - b.at)
    return moments.map(({ at, rate, items }, number) => ({
      accession: `${String(agents).padStart(10, '0')}-${toUtcDate(at).slice(2, 4)}-${String(number + 1).padStart(6, '0')}`,
      form: rate.form,
      at,
      items,
      isXbrl: rate.isXbrl === true,
    }))
  }

  function add(rng: Rng, kind: Filer['kind'], name: string, place: Place, company: Company | null): void {
    serial += 1 + rng.below(90)
    const from = FIRST + rng.next() * (startAt - FIRST - 200 * DAY_MS)
    const renamedAt = company !== null && rng.chance(0.08) ? filingMoment(rng, from + rng.next() * (until - from)) : null
    const isGiant = kind === 'public' && !hasGiant
    if (isGiant) hasGiant = true
    const rates = kind === 'public' ? PUBLIC_RATES : kind === 'private' ? PRIVATE_RATES : PERSON_RATES
    const busy = isGiant ? [...rates, { form: '144', perYear: 110 }] : rates
    const newName = companyName(rng)
    filers.push({
      cik: String(serial).padStart(10, '0'),
      company,
      kind,
      name: kind === 'person' ? name : conformed(rng, name),
      renamed: renamedAt === null ? null : { at: renamedAt, name: newName.replace(/\s+/g, ' ').trim() },
      place,
      street: company?.address1 ?? streetOf(rng),
      // One in eight has an address elsewhere in town.
      zip5: company !== null && !rng.chance(0.12) ? company.zip5 : place.zip3 + rng.digits(2),
      ticker:
        kind === 'public'
          ? `${name
              .replace(/[^A-Za-z]/g, '')
              .slice(0, 3)
              .toUpperCase()}${rng.pick(['X', 'Q', 'N', 'R'])}`
          : null,
      sic: rng.pick(['2834', '3674', '3812', '7372', '8731', '3841']),
      ein: rng.digits(9),
      filings: filingsOf(rng, busy, isGiant ? FIRST : from, renamedAt),
    })
  }

  for (const company of world.companies) {
    const rng = new Rng(seed, STREAM, company.index)
    if (rng.chance(SHARE)) {
      // A few have moved since they told the SEC, to another state.
      const place = rng.chance(0.06) ? rng.pick(PLACES) : company.place
      add(rng, rng.chance(PUBLIC) ? 'public' : 'private', company.name, place, company)
      if (rng.chance(0.3)) {
        const [first = 'ALEX', ...rest] = personName(rng)
          .replace(/^Dr\. |, Ph\.D\.$/g, '')
          .split(' ')
        add(rng, 'person', `${rest.at(-1) ?? 'Doe'} ${first}`, company.place, null)
      }
    }
    // A firm of that name elsewhere.
    if (rng.chance(0.02))
      add(rng, 'private', company.name, rng.pick(PLACES.filter(({ state }) => state !== company.place.state)), null)
  }

  const byCik = new Map(filers.map((filer) => [filer.cik, filer]))
  const byPrefix = new Map<string, Set<Filer>>()
  for (const filer of filers)
    for (const word of [...wordsIn(filer.name), ...wordsIn(filer.renamed?.name ?? '')])
      for (let length = 1; length <= Math.min(3, word.length); length += 1) {
        const prefix = word.slice(0, length)
        byPrefix.set(prefix, (byPrefix.get(prefix) ?? new Set()).add(filer))
      }
  const byDay = Map.groupBy(
    filers.flatMap((filer) => filer.filings.map((filing) => ({ filer, filing }))),
    ({ filing }) => toUtcDate(filing.at),
  )
  return {
    byCik: (cik) => byCik.get(cik) ?? null,
    all: filers,
    withPrefix: (prefix) => [...(byPrefix.get(prefix.slice(0, 3)) ?? [])],
    onDay: (day) => byDay.get(day) ?? [],
  }
}

/** Words of a name as the search has them. */
export function wordsIn(name: string): readonly string[] {
  return (
    name
      .toUpperCase()
      .replace(/['’.]/g, '')
      .replaceAll('&', ' AND ')
      .match(/[A-Z0-9]+/g) ?? []
  )
}

export function nameAt(filer: Filer, moment: EpochMs): string {
  return filer.renamed !== null && filer.renamed.at <= moment ? filer.renamed.name : filer.name
}

/** Companies and the numbers that are truly theirs, of those who have filed. */
export function* truePairs(
  world: World,
  moment: EpochMs,
): Generator<{ readonly name: string; readonly uei: string | null; readonly providerKey: string }> {
  for (const { company, cik, filings } of world.part(edgarWorld).all)
    if (company !== null && (filings[0]?.at ?? Number.POSITIVE_INFINITY) <= moment)
      yield { name: company.name, uei: company.uei, providerKey: cik }
}
