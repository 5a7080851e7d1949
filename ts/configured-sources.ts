/**
 * From the configuration to the sources of a run: which adapter, under which name, by which policy, with which follow-ups, and
 * the sources that find identities for others.
 */
import type { SourceAdapter } from './adapters/adapter.ts'
import type { Config } from './config/schema.ts'
import { quotaRules } from './http/quota.ts'
import type { SourceClient } from './http/source-client.ts'
import type { SourceId } from './model/keys.ts'
import { type DurationMs, type EpochMs, parseDuration } from './model/time.ts'
import type { FollowUpRule } from './refresh/commit-batch.ts'
import { withIdentityFollowUps, withIdentitySource } from './refresh/identity-source.ts'
import { normalizerVersionOf } from './refresh/normalizer-version.ts'
import type { RunSource } from './refresh/run-partition.ts'
import { worksAlone } from './refresh/works-alone.ts'
import { identitySettings, identitySourceId } from './source-names.ts'

export type SourceParts = {
  /** Throws for an id that no adapter has. */
  readonly adapterOf: (id: string) => SourceAdapter
  /** Called once for each source of the configuration. */
  readonly clientOf: (source: SourceId, adapter: SourceAdapter) => SourceClient
  readonly downUntil: (source: SourceId) => Promise<EpochMs | null>
}

/** Durations were checked when the config was loaded. */
const ms = (text: string): DurationMs => parseDuration(text)!

function followUpsOf(config: Config, adapter: SourceAdapter, source: SourceId, known: ReadonlySet<SourceId>): FollowUpRule[] {
  const own = (adapter.followUps ?? []).map((rule) => ({
    kinds: rule.on,
    paths: rule.paths,
    source: rule.source,
    reason: rule.reason,
  }))
  const configured = config.status_changes
    .filter((rule) => rule.on_source === source)
    .map((rule) => ({ kinds: rule.event_kinds, paths: rule.paths, source: rule.make_due, reason: `an event at ${source}` }))
  return [...own, ...configured].filter((rule) => known.has(rule.source))
}

export function configuredSources(config: Config, parts: SourceParts): readonly RunSource[] {
  const known: ReadonlySet<SourceId> = new Set(
    Object.entries(config.enrichment).flatMap(([source, registered]) => {
      const derived = identitySourceId(source, parts.adapterOf(registered.adapter), config.enrichment_refresh[source]!)
      return derived === null ? [source] : [source, derived]
    }),
  )
  const configured = Object.entries(config.enrichment).flatMap(([source, registered]) => {
    const policy = config.enrichment_refresh[source]!
    const own = parts.adapterOf(registered.adapter)
    const options = registered.options as RunSource['options']
    const adapter = { ...own, id: source, normalizerVersion: normalizerVersionOf(own, options) }
    const main: RunSource = {
      adapter,
      client: parts.clientOf(source, adapter),
      options,
      policy: {
        enabled: policy.enabled,
        cadenceMs: ms(policy.cadence),
        slaMs: ms(policy.sla),
        windowMs: ms(policy.window),
        batchSize: policy.batch_size,
        rules: quotaRules(source, policy),
        maxParallelRequests: policy.max_parallel_requests,
        cohortSize: policy.cohort.size,
        coverageThreshold: policy.coverage_threshold,
      },
      followUps: followUpsOf(config, adapter, source, known),
      downUntil: async () => (worksAlone(adapter, options) ? null : await parts.downUntil(source)),
    }
    return withIdentitySource(main, identitySettings(policy, adapter)).map((one) =>
      one.adapter.id === source ? one : { ...one, followUps: followUpsOf(config, one.adapter, one.adapter.id, known) },
    )
  })
  return withIdentityFollowUps(configured)
}
