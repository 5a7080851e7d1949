/** A cohort or partition that is named must exist: a slip would otherwise be a run that did nothing and called it done. */
import { EngineError } from '../model/errors.ts'
import { FEED_COHORT, FILE_COHORT, parsePartitionKey } from '../model/keys.ts'
import type { RefreshRequest } from '../model/plan.ts'
import { UNRESOLVED_COHORT } from './cohort.ts'
import type { PlanSource } from './plan.ts'

function cohortsOf({ adapter, stats, checkpoints }: PlanSource): readonly string[] {
  const passes = [...(adapter.feed === undefined ? [] : [FEED_COHORT]), ...(adapter.file === undefined ? [] : [FILE_COHORT])]
  const begun = checkpoints.flatMap(({ partition }) => parsePartitionKey(partition)?.cohort ?? [])
  return [...new Set([...passes, ...stats.map((row) => row.cohort), ...begun])]
}

/** Numbered cohorts come into being as entities become askable; before, nobody can say which there will be. */
const isUnplaced = ({ stats }: PlanSource): boolean => stats.every((row) => row.cohort === UNRESOLVED_COHORT)

/** Whether entities that are placed later may make it: numbered cohorts of a source all have its own name in front. */
function mayBecome({ adapter }: PlanSource, cohort: string): boolean {
  if (cohort === UNRESOLVED_COHORT || !adapter.cohort.numbered) return true
  return adapter.entityKinds.some((kind) => {
    const name = adapter.cohort.name({ kind, key: '', attributes: {}, aliases: [] })
    return cohort.startsWith(`${name}_`) && /^\d{4,}$/.test(cohort.slice(name.length + 1))
  })
}

/** Those that begin most like it, at most three. */
function closest(name: string, known: readonly string[]): readonly string[] {
  const shared = (other: string): number => {
    let length = 0
    while (length < name.length && name[length] === other[length]) length += 1
    return length
  }
  return [...known].sort((a, b) => shared(b) - shared(a)).slice(0, 3)
}

function unknown(what: string, name: string, known: readonly string[]): EngineError {
  return new EngineError('usage', `unknown_${what}`, `there is no ${what} "${name}"`, {
    hint: `list them with: partitions${known.length === 0 ? '' : `; close to it: ${closest(name, known).join(', ')}`}`,
  })
}

/**
 * Throws `unknown_cohort` or `unknown_partition` (recovery `usage`). Of sources without placed entities only names are refused that
 * cannot come into being: which cohorts they will have is not known before.
 */
export function refuseUnknownCohorts(sources: readonly PlanSource[], request: RefreshRequest): void {
  const bySource = new Map(sources.map((source) => [source.adapter.id, source]))
  for (const key of request.partitions) {
    const parsed = parsePartitionKey(key)
    const source = parsed === null ? undefined : bySource.get(parsed.source)
    if (source === undefined) continue
    const known = cohortsOf(source)
    if (known.includes(parsed!.cohort) || (isUnplaced(source) && mayBecome(source, parsed!.cohort))) continue
    throw unknown(
      'partition',
      key,
      known.map((cohort) => `${parsed!.source}:${cohort}`),
    )
  }
  if (request.cohorts.length === 0) return
  const selected = sources.filter(({ adapter }) => request.sources.length === 0 || request.sources.includes(adapter.id))
  // One source whose cohorts are not known yet does not make a slip right that fits none of the others.
  const known = [...new Set(selected.flatMap(cohortsOf))]
  const nonePlaced = selected.every(isUnplaced)
  for (const cohort of request.cohorts) {
    const isPossible = nonePlaced && selected.some((source) => mayBecome(source, cohort))
    if (!known.includes(cohort) && !isPossible) throw unknown('cohort', cohort, known)
  }
}
