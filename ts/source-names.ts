/**
 * The names under which work is known: the sources of the configuration, and those that find their identities. What the configuration
 * says of the latter, where it says something.
 */

import type { SourceAdapter } from './adapters/adapter.ts'
import { ADAPTERS } from './adapters/registry.ts'
import { type Config, type IdentityPolicyConfig, identitySchema, type RefreshPolicyConfig } from './config/schema.ts'
import type { SourceId } from './model/keys.ts'
import { parseDuration } from './model/time.ts'
import { identitySourceOf } from './refresh/identity.ts'
import type { IdentitySettings } from './refresh/identity-source.ts'

type Settings = Pick<Config, 'enrichment' | 'enrichment_refresh'>
type Policy = Pick<RefreshPolicyConfig, 'identity'>

/** As configured, or the defaults. Where answers say who they are about, the adapter knows from which confidence on they are right. */
function identityPolicy(policy: Policy, adapter: Pick<SourceAdapter, 'identifies'> = {}): IdentityPolicyConfig {
  if (policy.identity !== undefined) return policy.identity
  const { identifies } = adapter
  if (identifies === undefined) return identitySchema.parse({})
  const everyOne = identifies.minConfidence === 0
  return identitySchema.parse({ min_confidence: identifies.minConfidence, ...(everyOne ? { min_margin: 0 } : {}) })
}

/** The same with durations in milliseconds. They were checked when the config was loaded. */
export function identitySettings(policy: Policy, adapter: Pick<SourceAdapter, 'identifies'> = {}): IdentitySettings {
  const { enabled, cadence, sla, min_confidence, min_margin, cohort, max_parallel_requests, coverage_threshold } = identityPolicy(
    policy,
    adapter,
  )
  return {
    enabled,
    cadenceMs: parseDuration(cadence)!,
    slaMs: parseDuration(sla)!,
    rule: { minConfidence: min_confidence, minMargin: min_margin },
    cohortSize: cohort.size,
    maxParallelRequests: max_parallel_requests ?? null,
    coverageThreshold: coverage_threshold,
  }
}

/** `<source>_identity` when the adapter finds identities and the configuration lets it; else null. */
export function identitySourceId(source: SourceId, adapter: Pick<SourceAdapter, 'resolve'>, policy: Policy): SourceId | null {
  return adapter.resolve !== undefined && identityPolicy(policy).enabled ? identitySourceOf(source) : null
}

/** The source that finds the identities of this one; null when none does. */
export function identitySourceNamed(config: Settings, source: SourceId): SourceId | null {
  const adapter = ADAPTERS.find(({ id }) => id === config.enrichment[source]?.adapter)
  const policy = config.enrichment_refresh[source]
  return adapter === undefined || policy === undefined ? null : identitySourceId(source, adapter, policy)
}

/** All of them; each source is followed by the one that finds its identities. */
export function sourceNames(config: Settings): readonly SourceId[] {
  return Object.keys(config.enrichment).flatMap((source) => {
    const identities = identitySourceNamed(config, source)
    return identities === null ? [source] : [source, identities]
  })
}

/** The configured source behind a name: itself, or the one whose identities it finds. */
export function configuredSource(config: Settings, name: SourceId): SourceId {
  if (config.enrichment[name] !== undefined) return name
  return Object.keys(config.enrichment).find((source) => identitySourceNamed(config, source) === name) ?? name
}

/** Cadence and SLA of any of them, as written. */
export function timesOf(config: Settings, name: SourceId): { readonly cadence: string; readonly sla: string } {
  const policy = config.enrichment_refresh[configuredSource(config, name)]!
  return config.enrichment[name] !== undefined ? policy : identityPolicy(policy)
}
