/** NIH projects behind the world's HHS awards: one row a fiscal year, amended now and then, some missing. */
import { DAY_MS, type EpochMs } from '../../model/time.ts'
import { AGENCIES } from './agencies.ts'
import { type Award, type Day, dayOf } from './awards.ts'
import type { Company } from './companies.ts'
import { Rng, streamId } from './prng.ts'
import type { World } from './world.ts'

export type ProjectYear = {
  readonly applId: number
  /** `1R43AI123456-01A1` */
  readonly projectNum: string
  readonly core: string
  readonly activity: string
  readonly institute: string
  readonly fiscalYear: number
  readonly title: string
  readonly company: Company
  readonly pi: string
  readonly amount: number
  readonly notice: Day
  readonly budgetStart: Day
  readonly budgetEnd: Day
  readonly projectStart: Day
  readonly projectEnd: Day
  readonly added: Day
}

export type NihWorld = {
  /** Rows of a project that are listed at the moment, oldest year first. */
  project(core: string, moment: EpochMs): readonly ProjectYear[]
  /** All rows listed at the moment. */
  all(moment: EpochMs): Iterable<ProjectYear>
  byApplId(applId: number, moment: EpochMs): ProjectYear | null
}

const STREAM = streamId('nih_project')
const MISSING = 0.04

function fiscalYearOf(day: Day): number {
  const date = new Date(day * DAY_MS)
  return date.getUTCFullYear() + (date.getUTCMonth() >= 9 ? 1 : 0)
}

/** Days on which the grant was amended: some before the world begins, some after. */
function amendments(rng: Rng, startDay: Day): readonly Day[] {
  return Array.from({ length: rng.below(4) }, () => startDay - 300 + rng.below(900))
}

function yearsOf(world: World, award: Award): readonly ((moment: EpochMs) => ProjectYear | null)[] {
  const rng = new Rng(world.options.seed, STREAM, award.index)
  if (rng.chance(MISSING)) return []
  const company = world.companies[award.company]!
  const core = award.awardId
  const count = award.phase === 'Phase I' ? 1 : rng.between(2, 3)
  const startDay = dayOf(world.options.startAt)
  const changes = amendments(rng, startDay)
  const dollars = Math.round(award.amountCents / 100 / count)
  const rates = changes.map(() => 0.94 + rng.next() * 0.16)
  const suffix = rng.chance(0.3) ? 'A1' : ''
  return Array.from({ length: count }, (_, index) => {
    const budgetStart = award.signed + index * 365
    const added = budgetStart + 12 + (award.index % 20)
    return (moment: EpochMs): ProjectYear | null => {
      const today = dayOf(moment)
      if (added > today) return null
      const done = changes.filter((day) => day <= today).length
      // What is amended is the year that runs last.
      const rate = index === count - 1 ? rates.slice(0, done).reduce((product, one) => product * one, 1) : 1
      return {
        applId: 8_000_000 + award.index * 4 + index,
        projectNum: `${index === 0 ? 1 : 5}${core}-${String(index + 1).padStart(2, '0')}${index === 0 ? suffix : ''}`,
        core,
        activity: core.slice(0, 3),
        institute: core.slice(3, 5),
        fiscalYear: fiscalYearOf(budgetStart),
        title: award.title.replace(/\s+/g, ' '),
        company,
        pi: award.pi,
        amount: Math.round(dollars * rate),
        notice: budgetStart - 6,
        budgetStart,
        budgetEnd: budgetStart + 364,
        projectStart: award.signed,
        // No-cost extensions.
        projectEnd: award.ends + done * 90,
        added,
      }
    }
  })
}

export function nihWorld(world: World): NihWorld {
  const hhs = AGENCIES.findIndex(({ abbreviation }) => abbreviation === 'HHS')
  const byCore = new Map<string, ((moment: EpochMs) => ProjectYear | null)[]>()
  const byIndex = new Map<number, readonly ((moment: EpochMs) => ProjectYear | null)[]>()
  let seen = 0

  /** Awards come in over time, and are never taken away. */
  function takeIn(moment: EpochMs): void {
    const awards = world.sbir.awardsUntil(moment)
    for (; seen < awards.length; seen += 1) {
      const award = awards[seen]!
      if (award.agency !== hhs || byCore.has(award.awardId)) continue
      const years = [...yearsOf(world, award)]
      byCore.set(award.awardId, years)
      byIndex.set(award.index, years)
    }
  }
  const listed = (years: readonly ((moment: EpochMs) => ProjectYear | null)[], moment: EpochMs): ProjectYear[] =>
    years.map((year) => year(moment)).filter((year) => year !== null)

  return {
    project(core, moment) {
      takeIn(moment)
      return listed(byCore.get(core) ?? [], moment)
    },
    *all(moment) {
      takeIn(moment)
      for (const years of byCore.values()) yield* listed(years, moment)
    },
    byApplId(applId, moment) {
      takeIn(moment)
      const at = applId - 8_000_000
      const year = byIndex.get(Math.floor(at / 4))?.[at % 4]
      return year?.(moment) ?? null
    },
  }
}

/** Project numbers and the awards that they are truly of. */
export function* truePairs(
  world: World,
  moment: EpochMs,
): Generator<{ readonly contract: string; readonly providerKey: string }> {
  for (const year of world.part(nihWorld).all(moment)) yield { contract: year.core, providerKey: year.core }
}
