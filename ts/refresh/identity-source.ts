/** The sources that find identities, beside those they find them for: one client, so one quota, one breaker and one budget. */
import type { DurationMs } from '../model/time.ts'
import type { FollowUpRule } from './commit-batch.ts'
import { type IdentityRule, identityAdapter } from './identity.ts'
import type { RunSource } from './run-partition.ts'

export type IdentitySettings = {
  /** Whether identities are looked for; those that are stored count all the same. */
  readonly enabled: boolean
  readonly cadenceMs: DurationMs
  readonly slaMs: DurationMs
  readonly rule: IdentityRule
  readonly cohortSize: number
  /** Null: as many as the source itself. */
  readonly maxParallelRequests: number | null
  readonly coverageThreshold: number
}

/** The source with the rule by which its identities count, and the one that finds them. */
export function withIdentitySource(main: RunSource, settings: IdentitySettings): readonly RunSource[] {
  const { adapter } = main
  const judgesAnswers =
    (adapter.identifies?.minConfidence ?? 0) > 0 || (adapter.identifies !== undefined && settings.rule.minConfidence > 0)
  if (adapter.resolve === undefined && adapter.identityRequired !== true && !judgesAnswers) return [main]
  const judged: RunSource = { ...main, identity: settings.rule }
  const derived = settings.enabled ? identityAdapter(adapter, settings.rule) : null
  if (derived === null) return [judged]
  const { cadenceMs, slaMs, cohortSize, coverageThreshold } = settings
  const maxParallelRequests = settings.maxParallelRequests ?? main.policy.maxParallelRequests
  const policy = { ...main.policy, cadenceMs, slaMs, cohortSize, coverageThreshold, maxParallelRequests, batchSize: 1 }
  return [judged, { ...judged, adapter: derived, followUps: [], policy }]
}

/**
 * What is news at a source that is read to find identities is a reason to look for them now, not when the cadence says so: a first
 * record, and a change of what the candidates depend on.
 */
export function withIdentityFollowUps(sources: readonly RunSource[]): readonly RunSource[] {
  return sources.map((source) => {
    const read = source.adapter.id
    const rules = sources
      .filter(({ adapter }) => adapter.resolvesFor !== undefined)
      .flatMap(({ adapter: { id, reads, resolve } }): FollowUpRule[] => {
        const first = { kinds: ['created', 'returned'], paths: [], source: id, reason: `${read} knows it now` }
        const paths = resolve?.dependsOn?.[read] ?? []
        const changed = { kinds: ['changed'], paths, source: id, reason: `what ${read} says of it changed` }
        return [...(reads?.includes(read) === true ? [first] : []), ...(paths.length === 0 ? [] : [changed])]
      })
    return rules.length === 0 ? source : { ...source, followUps: [...source.followUps, ...rules] }
  })
}
