/**
 * One attempt, inside its lane: quota slot -> breaker -> dispatch -> slot back -> classification. Everything taken is given
 * back on every way out; what was not sent costs nothing.
 */
import type { SourceAdapter } from '../adapters/adapter.ts'
import { messageOf } from '../model/errors.ts'
import type { JsonObject } from '../model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../model/response.ts'
import type { DurationMs } from '../model/time.ts'
import type { Clock, CrashPoints } from '../runtime/ports.ts'
import type { QuotaGrant } from '../stores/store.ts'
import type { Breaker, Refused } from './breaker.ts'
import { classifyFailure, type Failure } from './failure.ts'
import { parseJson } from './json.ts'
import type { Quota } from './quota.ts'
import { clampUntil, parseRetryAfter } from './retry-after.ts'
import { POLICIES, verdictOf } from './retry-policy.ts'
import type { Refusal } from './source-client.ts'
import type { StopGroups } from './stop-group.ts'
import type { Transport, WireRequest, WireResult } from './transport.ts'

export type AttemptRefusal = {
  readonly kind: 'refused'
  readonly why: Refusal
  readonly message: string
  readonly until: number | null
}
export type AttemptAnswer = {
  readonly kind: 'answer'
  readonly view: ResponseView | null
  readonly classified: Classified
  readonly probe: boolean
}
export type AttemptOutcome = AttemptRefusal | AttemptAnswer

export type AttemptDeps = {
  readonly adapter: SourceAdapter
  readonly options: JsonObject
  readonly quota: Quota
  readonly breaker: Breaker
  readonly transport: Transport
  readonly stopGroups: StopGroups
  readonly clock: Clock
  readonly crashPoints: CrashPoints
  readonly timeoutMs: DurationMs
  readonly maxJsonDepth: number
}

export const STOPPED: AttemptRefusal = { kind: 'refused', why: 'aborted', message: 'stopping', until: null }

export function breakerRefusal(source: string, { cause, until, reason }: Refused): AttemptRefusal {
  return cause === 'auth'
    ? {
        kind: 'refused',
        why: 'credential',
        message: `${source} refused the credential (${reason}); set a valid one, a new value is tried at once`,
        until,
      }
    : { kind: 'refused', why: 'breaker_open', message: `${source} is not asked for now: ${reason}`, until }
}

/** Looks only where JSON can begin: a page of HTML is not worth an exception. */
function mayBeJson(text: string): boolean {
  return /^\s*[[{"\-\dtfn]/.test(text)
}

function viewOf(result: WireResult & { kind: 'response' }, maxJsonDepth: number, receivedAt: number): ResponseView {
  const { status, headers, text, file } = result
  const parsed = mayBeJson(text) ? parseJson(text, maxJsonDepth) : null
  const json = parsed?.ok ? parsed.value : undefined
  return file === null ? { status, headers, text, json, receivedAt } : { status, headers, text, json, receivedAt, file }
}

/** The adapter's class, with the later of what it and the Retry-After header say about when to come back. */
function classify(deps: AttemptDeps, request: RequestSpec, view: ResponseView): Classified {
  const { adapter, options } = deps
  const now = view.receivedAt
  let classified: Classified
  try {
    classified = adapter.classify(view, request, { now, options })
  } catch (error) {
    // Whatever a provider sends, it must not be able to stop the run.
    return { class: 'malformed', reason: `the answer could not be classified: ${messageOf(error)}` }
  }
  if (!POLICIES[classified.class].heedsMoments) return classified
  const retryAfter = parseRetryAfter(view.headers['retry-after'], now, view.headers['date'])
  if (retryAfter === null && classified.until === undefined) return classified
  const named = Number.isFinite(classified.until) ? clampUntil(classified.until!, now) : now
  return { ...classified, until: Math.max(named, retryAfter ?? now) }
}

/**
 * A process that was paused after its grant (SIGSTOP, a closed lid) may no longer send on it: the lease must cover the
 * whole request.
 */
function isStale(grantedAtMs: number, deps: AttemptDeps): boolean {
  return deps.clock.monotonic().ms - grantedAtMs > deps.quota.leaseMs - deps.timeoutMs
}

export type CallCounters = { calls: number; quotaWaitMs: DurationMs }

export async function attempt(
  deps: AttemptDeps,
  request: RequestSpec,
  wire: WireRequest,
  signal: AbortSignal,
  stats: CallCounters,
): Promise<AttemptOutcome> {
  for (;;) {
    const slot = await deps.quota.acquire(signal, request.credits)
    stats.quotaWaitMs += slot.waitedMs
    if (slot.kind === 'aborted') return STOPPED
    if (slot.kind === 'refused') return { kind: 'refused', why: 'quota', message: slot.message, until: slot.until }
    const outcome = await attemptWithSlot(deps, request, wire, signal, stats, slot)
    if (outcome !== 'stale') return outcome
  }
}

async function attemptWithSlot(
  deps: AttemptDeps,
  request: RequestSpec,
  wire: WireRequest,
  signal: AbortSignal,
  stats: CallCounters,
  slot: { readonly grant: QuotaGrant | null; readonly grantedAtMs: number },
): Promise<AttemptOutcome | 'stale'> {
  const { quota, breaker, clock, crashPoints } = deps
  const entry = await breaker.enter()
  if (entry.kind === 'refused') {
    await quota.refund(slot.grant)
    return breakerRefusal(deps.adapter.id, entry)
  }
  crashPoints.reach('http.before_dispatch')
  const stale = isStale(slot.grantedAtMs, deps)
  if (signal.aborted || stale) {
    await quota.refund(slot.grant)
    await breaker.settle(entry, { kind: 'undecided', sent: false })
    return stale && !signal.aborted ? 'stale' : STOPPED
  }
  const result = await exchange(deps, wire, signal)
  crashPoints.reach('http.after_response')
  if (result.sent) {
    stats.calls++
    await quota.release(slot.grant)
  } else {
    await quota.refund(slot.grant)
  }
  if (result.kind === 'failure') {
    if (result.failure === 'aborted') {
      await breaker.settle(entry, { kind: 'undecided', sent: result.sent })
      return STOPPED
    }
    const classified = classifyFailure(result.failure, result.detail, deps.adapter.hostGone)
    await breaker.settle(entry, isOurs(result.failure) ? { kind: 'undecided', sent: result.sent } : verdictOf(classified))
    return { kind: 'answer', view: null, classified, probe: entry.probe }
  }
  const view = viewOf(result, deps.maxJsonDepth, clock.now())
  const classified = classify(deps, request, view)
  await breaker.settle(entry, verdictOf(classified))
  return { kind: 'answer', view, classified, probe: entry.probe }
}

/** A stop, a request that cannot be sent as it is, or our own disk say nothing about the provider. */
function isOurs(failure: Failure): boolean {
  return failure === 'aborted' || failure === 'bad_request' || failure === 'disk'
}

async function exchange({ transport, stopGroups }: AttemptDeps, wire: WireRequest, signal: AbortSignal): Promise<WireResult> {
  const underWay = transport.send(wire)
  const leave = stopGroups.add(signal, underWay)
  try {
    return await underWay.result
  } finally {
    leave()
  }
}
