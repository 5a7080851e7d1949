/** Patent applications of the world's companies, as applicants spell their names, and of others who have the same name. */
import { DAY_MS, type EpochMs } from '../../model/time.ts'
import { type Day, dayOf } from './awards.ts'
import type { Company } from './companies.ts'
import { PLACES } from './places.ts'
import { Rng, streamId } from './prng.ts'
import { awardTitle, companyName, personName } from './words.ts'
import type { World } from './world.ts'

export type Application = {
  /** Eight digits. */
  readonly number: string
  /** The company whose it is; null for a namesake's. */
  readonly company: Company | null
  readonly applicant: string
  /** Its inventors applied, and assigned it to `applicant`: until September 2012 nobody else could apply, and some still do so. */
  readonly byInventors: boolean
  readonly city: string
  readonly state: string
  readonly stateName: string
  readonly title: string
  readonly inventors: readonly string[]
  readonly cpc: readonly string[]
  readonly filed: Day
  readonly examined: Day
  /** Day of the grant, or of giving up. */
  readonly decided: Day
  readonly granted: boolean
  readonly patentNumber: string
  readonly confirmation: number
}

export type PatentWorld = {
  /** By number; those not filed yet are not there. */
  byNumber(number: string, moment: EpochMs): Application | null
  all(moment: EpochMs): Iterable<Application>
  /** Applications that name somebody with a word in the name, upper case, as applicant or assignee. */
  withWord(word: string): readonly Application[]
}

const STREAM = streamId('patents')
const ASSIGNED = streamId('patents_assigned')
const WITH_PATENTS = 0.4
/** From then on a company can apply. */
const COMPANIES_APPLY = Date.UTC(2012, 8, 16) / DAY_MS
/** Companies whose inventors still apply themselves, as a habit of their attorneys. */
const BY_HABIT = 0.12
const FIRST_DAY = Date.UTC(2012, 0, 2) / DAY_MS
const FORMS = /,? (INC|LLC|CORP|CORPORATION|L\.L\.C|LTD|CO)\.?$/i
const CLASSES = [
  'H01M  10/052',
  'G01N  21/64',
  'A61B   5/00',
  'G06N   3/08',
  'B64C  39/02',
  'H04B  10/11',
  'C12N  15/11',
  'F02K   9/00',
]

/** As an attorney writes it into the form: mostly right, often in another case or form, sometimes mistyped. */
function spelled(name: string, rng: Rng): string {
  const kind = rng.next()
  if (kind < 0.4) return name
  if (kind < 0.6) return name.toUpperCase()
  if (kind < 0.8) return name.replace(FORMS, '') + rng.pick([', Inc.', ' LLC', ' Corporation', ''])
  if (kind < 0.9) return name.replace(FORMS, '')
  const at = 1 + rng.below(Math.max(1, name.length - 3))
  return name.slice(0, at) + name[at + 1] + name[at] + name.slice(at + 2)
}

export function wordsOf(name: string): readonly string[] {
  return name
    .toUpperCase()
    .replace(/['.]/g, '')
    .split(/[^A-Z0-9]+/)
    .filter((word) => word !== '')
}

/** Who applied, by name. */
export function applicantsOf({ byInventors, inventors, applicant }: Application): readonly string[] {
  return byInventors ? inventors : [applicant]
}

/** The assignment is recorded a month after the filing; that of a company which applied itself, with the grant. */
export function assigneeAt(application: Application, moment: EpochMs): string | null {
  const recorded = application.byInventors ? dayOf(moment) >= application.filed + 30 : statusAt(application, moment).isGranted
  return recorded ? application.applicant.toUpperCase() : null
}

export function patentWorld(world: World): PatentWorld {
  const { seed, startAt } = world.options
  const lastDay = dayOf(startAt) + 730
  const applications: Application[] = []
  let serial = 14_000_000
  let grant = 10_000_000

  const habit = ({ index }: Company): boolean => new Rng(seed, ASSIGNED, index).chance(BY_HABIT)

  function add(company: Company | null, name: string, place: (typeof PLACES)[number], rng: Rng): void {
    serial += 1 + rng.below(400)
    grant += 1 + rng.below(600)
    const filed = FIRST_DAY + rng.below(lastDay - FIRST_DAY)
    const examined = filed + rng.between(300, 700)
    applications.push({
      number: String(serial),
      company,
      byInventors: filed < COMPANIES_APPLY || (company !== null && habit(company)),
      applicant: spelled(name, rng),
      city: place.city,
      state: place.state,
      stateName: place.stateName.toUpperCase(),
      title: awardTitle(rng).replace(/\s+/g, ' '),
      inventors: Array.from({ length: rng.between(1, 4) }, () => personName(rng)),
      cpc: [rng.pick(CLASSES), rng.pick(CLASSES)],
      filed,
      examined,
      decided: examined + rng.between(120, 800),
      granted: rng.chance(0.72),
      patentNumber: String(grant),
      confirmation: rng.between(1000, 9999),
    })
  }

  for (const company of world.companies) {
    const rng = new Rng(seed, STREAM, company.index)
    if (!rng.chance(WITH_PATENTS)) continue
    const formerly = rng.chance(0.05) ? companyName(rng) : company.name
    const count = Math.min(40, Math.ceil(rng.logNormal(2.2, 0.9)))
    for (let index = 0; index < count; index += 1) add(company, index === 0 ? formerly : company.name, company.place, rng)
    // Another firm of that name, elsewhere.
    if (rng.chance(0.06)) {
      const elsewhere = rng.pick(PLACES.filter(({ state }) => state !== company.place.state))
      add(null, company.name, elsewhere, rng)
    }
  }
  const byNumber = new Map(applications.map((application) => [application.number, application]))
  const byWord = Map.groupBy(
    applications.flatMap((application) =>
      [...new Set([application.applicant, ...applicantsOf(application)].flatMap(wordsOf))].map((word) => ({ word, application })),
    ),
    ({ word }) => word,
  )
  const isFiled = ({ filed }: Application, moment: EpochMs): boolean => filed <= dayOf(moment)
  return {
    byNumber(number, moment) {
      const found = byNumber.get(number)
      return found !== undefined && isFiled(found, moment) ? found : null
    },
    *all(moment) {
      for (const application of applications) if (isFiled(application, moment)) yield application
    },
    withWord: (word) => (byWord.get(word) ?? []).map(({ application }) => application),
  }
}

export type ApplicationStatus = { readonly code: number; readonly text: string; readonly date: Day; readonly isGranted: boolean }

export function statusAt(application: Application, moment: EpochMs): ApplicationStatus {
  const today = dayOf(moment)
  const { filed, examined, decided, granted } = application
  if (today >= decided)
    return granted
      ? { code: 150, text: 'Patented Case', date: decided, isGranted: true }
      : { code: 161, text: 'Abandoned  --  Failure to Respond to an Office Action', date: decided, isGranted: false }
  if (today >= examined) return { code: 41, text: 'Non Final Action Mailed', date: examined, isGranted: false }
  return { code: 30, text: 'Docketed New Case - Ready for Examination', date: filed, isGranted: false }
}

/** Companies and the numbers that are truly theirs. */
export function* truePairs(
  world: World,
  moment: EpochMs,
): Generator<{ readonly name: string; readonly uei: string | null; readonly providerKey: string }> {
  for (const { company, number } of world.part(patentWorld).all(moment))
    if (company !== null) yield { name: company.name, uei: company.uei, providerKey: number }
}
