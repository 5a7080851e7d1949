/** Entities -> cohorts. Cohorts are stable: an entity never moves, new ones fill the last numbered cohort, then a new one. */
import type { SourceAdapter } from '../adapters/adapter.ts'
import type { Entity, Identity } from '../model/entity.ts'
import { EngineError } from '../model/errors.ts'
import { FEED_COHORT, FILE_COHORT, isCohortName } from '../model/keys.ts'
import type { EpochMs } from '../model/time.ts'
import type { Placer } from '../stores/store.ts'
import { candidateReason, type IdentityRule, identityReason, storedKeyReason } from './identity.ts'

/** Where entities wait that the source cannot be asked about; their rows say why. */
export const UNRESOLVED_COHORT = 'unresolved'

const RESERVED: ReadonlySet<string> = new Set([UNRESOLVED_COHORT, FEED_COHORT, FILE_COHORT])

function numbered(name: string, number: number): string {
  return `${name}_${String(number).padStart(4, '0')}`
}

/**
 * A placer that continues where `sizes` (rows per cohort so far) ends. It is stateful within one assignment pass, because
 * a numbered cohort fills up as it places; the store calls it once per new entity, in insertion order. `rule`: the source can only be
 * asked by an identity that counts, or (`identifies`) is not asked again before `askAgainBefore` about whom it may have mistaken: an
 * identity that was found later waits.
 */
export function createPlacer(
  adapter: SourceAdapter,
  cohortSize: number,
  sizes: ReadonlyMap<string, number>,
  rule: IdentityRule | null = null,
  askAgainBefore: EpochMs = Number.NEGATIVE_INFINITY,
): Placer {
  const filled = new Map(sizes)
  /** Per name, the number of its last cohort. */
  const last = new Map<string, number>()
  for (const cohort of sizes.keys()) {
    const match = /^(.+)_(\d{4,})$/.exec(cohort)
    if (match !== null) last.set(match[1]!, Math.max(last.get(match[1]!) ?? 0, Number(match[2])))
  }
  const identityProblem = (entity: Entity, identity: Identity | null): string | null => {
    if (rule !== null && adapter.identityRequired === true) return identityReason(adapter, entity, identity, rule)
    const isOld = identity !== null && identity.resolvedAt <= askAgainBefore
    return storedKeyReason(adapter, entity, identity) ?? (isOld ? null : candidateReason(adapter, entity, identity, rule))
  }
  return (entity, identity = null, current = null) => {
    const reason = adapter.unresolvable(entity) ?? identityProblem(entity, identity)
    if (reason !== null) return { cohort: UNRESOLVED_COHORT, unresolvable: reason }
    // It has its place already, and takes no second one.
    if (current !== null) return { cohort: current, unresolvable: null }
    const name = adapter.cohort.name(entity)
    let cohort = name
    if (adapter.cohort.numbered) {
      let number = last.get(name) ?? 1
      if ((filled.get(numbered(name, number)) ?? 0) >= cohortSize) number += 1
      last.set(name, number)
      cohort = numbered(name, number)
    }
    if (!isCohortName(cohort) || RESERVED.has(cohort)) {
      throw new EngineError(
        'failed',
        'bad_cohort',
        `adapter ${adapter.id} named the cohort "${cohort}" for ${entity.kind}/${entity.key}; that is no valid cohort name`,
      )
    }
    filled.set(cohort, (filled.get(cohort) ?? 0) + 1)
    return { cohort, unresolvable: null }
  }
}
