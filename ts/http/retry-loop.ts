/**
 * One call: attempts until an answer stands. What loops back to another request is `transient` and `rate_limited`, at most
 * `maxAttempts` sends in all, each repeat paid from the shared retry budget, never from a half-open probe, never when the
 * wait would exceed what the run may wait, never after the signal.
 */
import type { RequestSpec } from '../model/response.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import type { Clock, Logger, Random } from '../runtime/ports.ts'
import {
  type AttemptAnswer,
  type AttemptDeps,
  type AttemptOutcome,
  attempt,
  breakerRefusal,
  type CallCounters,
  STOPPED,
} from './attempt.ts'
import { backoffMs, THROTTLE_BASE_MS } from './backoff.ts'
import type { CallBudget } from './call-budget.ts'
import { ABORTED, type Lanes } from './lanes.ts'
import type { RetryBudget } from './retry-budget.ts'
import { POLICIES } from './retry-policy.ts'
import type { CallResult } from './source-client.ts'
import type { WireRequest } from './transport.ts'

export type RetryLoopDeps = {
  readonly source: string
  readonly attempt: AttemptDeps
  readonly lanes: Lanes
  readonly budget: CallBudget
  readonly retryBudget: RetryBudget
  readonly maxAttempts: number
  readonly baseDelayMs: DurationMs
  readonly maxDelayMs: DurationMs
  readonly maxWaitMs: DurationMs
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** What one call is about, on all its attempts. */
export type Call = {
  readonly request: RequestSpec
  readonly wire: WireRequest
  readonly signal: AbortSignal
  readonly priority: number
}

/** `until` is set when the provider's moment, not our own back-off, is what is waited for. */
type Wait = { readonly delayMs: DurationMs; readonly until: EpochMs | null }

/** How often a named moment is looked at again. */
const MOMENT_NAP_MS: DurationMs = 1_000

const BUDGET_SPENT: AttemptOutcome = {
  kind: 'refused',
  why: 'budget',
  message: "the run's call budget is spent (run.max_calls, --max-calls)",
  until: null,
}

export async function callWithRetries(deps: RetryLoopDeps, call: Call): Promise<CallResult> {
  const { clock, logger, source } = deps
  const { request, signal } = call
  const stats: CallCounters = { calls: 0, quotaWaitMs: 0 }
  let paid = 0
  let last: AttemptAnswer | null = null
  for (let attempts = 1; ; attempts++) {
    const outcome = await attemptInLane(deps, call, stats)
    if (outcome.kind === 'refused') {
      // What the provider said before counts more than why it could not be asked again; but a stop leaves the item untouched.
      return last === null || outcome.why === 'aborted' ? { ...outcome, stats } : answered(last, stats)
    }
    const answer = await blockIfAsked(deps, outcome)
    const { class: responseClass, reason } = answer.classified
    if (POLICIES[responseClass].earns) deps.retryBudget.succeeded(paid)
    const wait = await nextWait(deps, answer, attempts)
    if (wait === null) return answered(answer, stats)
    paid = POLICIES[responseClass].retryCost ?? 0
    last = answer
    const { label } = request
    logger.log('debug', 'asking again', { source, label, class: responseClass, reason, attempts, delay_ms: wait.delayMs })
    await waitOut(clock, wait, signal)
    if (signal.aborted) return { ...STOPPED, stats }
  }
}

function answered({ view, classified }: AttemptAnswer, stats: CallCounters): CallResult {
  return { kind: 'answer', view, classified, stats }
}

/**
 * One attempt in its lane, within the run's call budget; what did not leave is given back to the budget. Refused beside
 * somebody's probe, it waits (outside the lane, without a slot) for what the probe finds.
 */
async function attemptInLane(deps: RetryLoopDeps, call: Call, stats: CallCounters): Promise<AttemptOutcome> {
  for (;;) {
    const outcome = await attemptOnce(deps, call, stats)
    if (outcome.kind !== 'refused' || (outcome.why !== 'breaker_open' && outcome.why !== 'credential')) return outcome
    if (!(await deps.attempt.breaker.waitForProbe(call.signal, deps.maxWaitMs))) return outcome
  }
}

async function attemptOnce(deps: RetryLoopDeps, call: Call, stats: CallCounters): Promise<AttemptOutcome> {
  const { request, wire, signal, priority } = call
  if (signal.aborted) return STOPPED
  const refused = await deps.attempt.breaker.look()
  if (refused !== null) return breakerRefusal(deps.source, refused)
  if (!deps.budget.tryTake()) return BUDGET_SPENT
  const before = stats.calls
  try {
    const outcome = await deps.lanes.run(priority, signal, () => attempt(deps.attempt, request, wire, signal, stats))
    return outcome === ABORTED ? STOPPED : outcome
  } finally {
    if (stats.calls === before) deps.budget.giveBack()
  }
}

/** Tells the other processes when the provider named a moment; the answer then carries the moment that is in force. */
async function blockIfAsked(deps: RetryLoopDeps, answer: AttemptAnswer): Promise<AttemptAnswer> {
  const { class: responseClass, reason, until } = answer.classified
  if (!POLICIES[responseClass].blocks || (until === undefined && responseClass === 'rate_limited')) return answer
  const inForce = await deps.attempt.quota.block(until, reason)
  return { ...answer, classified: { ...answer.classified, until: inForce } }
}

/** How long to wait before the next attempt, or null when the answer stands. */
async function nextWait(deps: RetryLoopDeps, answer: AttemptAnswer, attempts: number): Promise<Wait | null> {
  const { retryCost, throttled } = POLICIES[answer.classified.class]
  if (retryCost === null || answer.probe || attempts >= deps.maxAttempts) return null
  const { until = null } = answer.classified
  const floorMs = until === null ? 0 : until - deps.clock.now()
  const leastMs = throttled ? THROTTLE_BASE_MS : 0
  const delayMs = backoffMs({
    attempt: attempts,
    baseMs: Math.max(leastMs, deps.baseDelayMs),
    maxMs: Math.max(leastMs, deps.maxDelayMs),
    floorMs,
    draw: deps.random.next(),
  })
  if (delayMs > deps.maxWaitMs || !(await deps.retryBudget.tryPay(retryCost))) return null
  return { delayMs, until: floorMs > 0 && delayMs === floorMs ? until : null }
}

/**
 * Where the provider's moment is what is waited for, the clock is looked at again and again: the world of a sandbox may
 * move faster than our timers. Never longer than the delay.
 */
async function waitOut(clock: Clock, { delayMs, until }: Wait, signal: AbortSignal): Promise<void> {
  if (until === null) return clock.sleep(delayMs, signal)
  const endAtMs = clock.monotonic().ms + delayMs
  while (!signal.aborted) {
    const leftMs = Math.min(until - clock.now(), endAtMs - clock.monotonic().ms)
    if (leftMs <= 0) return
    await clock.sleep(Math.min(leftMs, MOMENT_NAP_MS), signal)
  }
}
