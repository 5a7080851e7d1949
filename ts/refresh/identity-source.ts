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
  if (adapter.resolve === undefined && adapter.identityRequired !== true) return [main]
  const judged: RunSource = { ...main, identity: settings.rule }
  const derived = settings.enabled ? identityAdapter(adapter, settings.rule) : null
  if (derived === null) return [judged]
  const { cadenceMs, slaMs, cohortSize, coverageThreshold } = settings
  const maxParallelRequests = settings.maxParallelRequests ?? main.policy.maxParallelRequests
  const policy = { ...main.policy, cadenceMs, slaMs, cohortSize, coverageThreshold, maxParallelRequests, batchSize: 1 }
  return [judged, { ...judged, adapter: derived, followUps: [], policy }]
}

/** A first record at a source that is read to find identities is a reason to look for them now, not when the cadence says so. */
export function withIdentityFollowUps(sources: readonly RunSource[]): readonly RunSource[] {
  return sources.map((source) => {
    const rules = sources
      .filter(({ adapter }) => adapter.resolvesFor !== undefined && adapter.reads?.includes(source.adapter.id) === true)
      .map(
        ({ adapter }): FollowUpRule => ({
          kinds: ['created', 'returned'],
          paths: [],
          source: adapter.id,
          reason: `${source.adapter.id} knows it now`,
        }),
      )
    return rules.length === 0 ? source : { ...source, followUps: [...source.followUps, ...rules] }
  })
}
