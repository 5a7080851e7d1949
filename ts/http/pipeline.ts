/**
 * The order of an outgoing request, in one place:
 *
 *     call -> breaker (a look) -> retry loop {
 *       run's call budget -> lane -> quota slot -> breaker (entry) -> one request -> slot back -> adapter.classify
 *     }
 *
 * Each attempt costs a slot and a unit of the budget, and one that never left costs neither. A lane is taken before the
 * slot, not after it, because the slot's lease runs from its grant and a lane may be long in coming. The breaker is
 * asked again right before sending, because what was closed when the call queued up may have opened since.
 */
import { createHash } from 'node:crypto'
import type { SourceAdapter } from '../adapters/adapter.ts'
import type { Config, RefreshPolicyConfig, SourceConfig } from '../config/schema.ts'
import { EngineError } from '../model/errors.ts'
import type { JsonObject } from '../model/json.ts'
import type { SourceId } from '../model/keys.ts'
import type { Classified, RequestSpec } from '../model/response.ts'
import type { DurationMs } from '../model/time.ts'
import { parseDuration } from '../model/time.ts'
import { type EmbeddedProviders, embeddedName } from '../runtime/embedded.ts'
import type { Clock, CrashPoints, Logger, Random } from '../runtime/ports.ts'
import type { Scrubber } from '../runtime/scrub.ts'
import type { Store } from '../stores/store.ts'
import { createBreaker, NO_BREAKER } from './breaker.ts'
import type { CallBudget } from './call-budget.ts'
import { type Credentials, resolveCredentials } from './credentials.ts'
import { createLanes, DEFAULT_PRIORITY } from './lanes.ts'
import { createQuota, NO_QUOTA, quotaRules } from './quota.ts'
import { createRequestBuilder, MAIN_BASE } from './request.ts'
import { createRetryBudget } from './retry-budget.ts'
import { callWithRetries, type RetryLoopDeps } from './retry-loop.ts'
import type { CallResult, CallStats, SourceClient } from './source-client.ts'
import { createStopGroups } from './stop-group.ts'
import { createTransport } from './transport.ts'
import { type BaseUrl, requireBaseUrl } from './url.ts'

export type { CallBudget } from './call-budget.ts'

export type SourceClientDeps = {
  readonly adapter: SourceAdapter
  readonly source: SourceId
  readonly config: SourceConfig
  readonly policy: RefreshPolicyConfig
  readonly http: Config['http']
  readonly run: Config['run']
  readonly store: Pick<Store, 'acquireQuota' | 'releaseQuota' | 'refundQuota' | 'blockQuota' | 'getState' | 'putState'>
  readonly clock: Clock
  readonly random: Random
  readonly holder: string
  readonly env: (name: string) => string | undefined
  /** Every credential is registered here, so that every sink can take it out. */
  readonly secrets: Scrubber
  readonly logger: Logger
  readonly crashPoints: CrashPoints
  readonly budget: CallBudget
  readonly downloadDir: string
  /** Who answers requests to `embedded:<name>`; nobody unless given. */
  readonly embedded?: EmbeddedProviders
}

export type ClosableSourceClient = SourceClient & { close(): Promise<void> }

const NO_CALLS: CallStats = { calls: 0, quotaWaitMs: 0 }

function durationOf(text: string, key: string): DurationMs {
  const duration = parseDuration(text)
  if (duration === null)
    throw new EngineError('configuration', 'bad_duration', `${key} "${text}" is not a duration; write it as 90s, 15m or 24h.`)
  return duration
}

function basesOf(source: SourceId, config: SourceConfig): ReadonlyMap<string, BaseUrl> {
  const main: [string, BaseUrl] = [MAIN_BASE, requireBaseUrl(config.base_url, `enrichment.${source}.base_url`)]
  const others = Object.entries(config.other_urls).map(([name, url]): [string, BaseUrl] => [
    name,
    requireBaseUrl(url, `enrichment.${source}.other_urls.${name}`),
  ])
  return new Map([main, ...others])
}

function optionsOf(source: SourceId, adapter: SourceAdapter, config: SourceConfig): JsonObject {
  const parsed = adapter.options.safeParse(config.options)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => `enrichment.${source}.options.${issue.path.join('.')}: ${issue.message}`)
  throw new EngineError('configuration', 'bad_options', problems.join('; '))
}

/** Tells one credential from another without telling either. */
function markOf(source: SourceId, credentials: Credentials): string {
  if (!credentials.ok || credentials.placed.length === 0) return 'none'
  const hash = createHash('sha256').update(source)
  for (const { secret } of credentials.placed) hash.update('\0').update(secret.reveal())
  return hash.digest('hex').slice(0, 12)
}

/**
 * The client of one source. Throws an `EngineError` (`configuration`) when its configuration cannot work; a missing
 * credential is no such case: every call is then refused with what to set.
 */
export function createSourceClient(deps: SourceClientDeps): ClosableSourceClient {
  const { adapter, source, config, policy, run, store, clock, random, holder, logger, crashPoints } = deps
  const bases = basesOf(source, config)
  const credentials = resolveCredentials({
    source,
    specs: adapter.credentials,
    config: config.credentials,
    env: deps.env,
    isLoopback: bases.get(MAIN_BASE)!.isLoopback,
  })
  const placed = credentials.ok ? credentials.placed : []
  for (const { secret, isPublic } of placed) if (!isPublic) deps.secrets.add(secret)

  const timeoutMs = durationOf(policy.timeout, `enrichment_refresh.${source}.timeout`)
  const maxWaitMs = durationOf(run.max_quota_wait, 'run.max_quota_wait')
  const rules = quotaRules(source, policy)
  const quotaPartition = policy.quota_partition ?? source
  const quota = createQuota({ source, quotaPartition, rules, holder, timeoutMs, maxWaitMs, store, clock, random, crashPoints })
  const breaker = createBreaker({
    source,
    holder,
    failures: policy.breaker.failures,
    cooldownMs: durationOf(policy.breaker.cooldown, `enrichment_refresh.${source}.breaker.cooldown`),
    probeLeaseMs: quota.leaseMs,
    credential: markOf(source, credentials),
    store,
    clock,
    logger,
  })
  const transport = createTransport({
    deadlineMs: timeoutMs,
    connections: policy.max_parallel_requests,
    maxBodyBytes: deps.http.max_body_bytes,
    maxFileBytes: deps.http.max_file_bytes,
    downloadDir: deps.downloadDir,
    scrubber: deps.secrets,
    crashPoints,
    logger,
    embedded: deps.embedded ?? {},
  })
  const buildRequest = createRequestBuilder({
    source,
    bases,
    userAgent: config.user_agent ?? deps.http.user_agent,
    credentials: placed,
  })
  const stopGroups = createStopGroups(durationOf(run.stop_within, 'run.stop_within'), clock)
  const loop: RetryLoopDeps = {
    source,
    attempt: {
      adapter,
      options: optionsOf(source, adapter, config),
      quota,
      breaker,
      transport,
      stopGroups,
      clock,
      crashPoints,
      timeoutMs,
      maxJsonDepth: deps.http.max_json_depth,
    },
    lanes: createLanes(policy.max_parallel_requests, rules),
    budget: deps.budget,
    retryBudget: createRetryBudget(`retry_budget/${source}`, store),
    maxAttempts: policy.retry.max_attempts,
    baseDelayMs: durationOf(policy.retry.base_delay, `enrichment_refresh.${source}.retry.base_delay`),
    maxDelayMs: durationOf(policy.retry.max_delay, `enrichment_refresh.${source}.retry.max_delay`),
    maxWaitMs,
    clock,
    random,
    logger,
  }

  // What is answered in this process beside a provider asks for nobody's quota, and says nothing about whether that one is up.
  const local: RetryLoopDeps = { ...loop, attempt: { ...loop.attempt, quota: NO_QUOTA, breaker: NO_BREAKER } }
  const isLocal = ({ base = MAIN_BASE }: RequestSpec, { origin }: { readonly origin: string }): boolean =>
    base !== MAIN_BASE && embeddedName(origin) !== null

  return {
    async call(request, { signal, priority = DEFAULT_PRIORITY }): Promise<CallResult> {
      if (!credentials.ok)
        return { kind: 'refused', why: 'credential', message: credentials.message, until: null, stats: NO_CALLS }
      const wire = buildRequest(request)
      if ('refused' in wire) {
        const classified: Classified = { class: 'invalid_request', reason: `not sent: ${wire.refused}` }
        return { kind: 'answer', view: null, classified, stats: NO_CALLS }
      }
      return callWithRetries(isLocal(request, wire) ? local : loop, { request, wire, signal, priority })
    },
    close: () => transport.close(),
  }
}
