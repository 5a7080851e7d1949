/**
 * The circuit breaker's shared state as data, and its transitions.
 *
 *     closed --opened--> open --(until is past) probe taken--> half_open --answered--> closed
 *                         ^                                        |
 *                         +------- failed, or undecided -----------+
 *
 * `until` is wall time, because people read it and it must outlast a boot. The lease of a probe is monotonic, because two
 * probes at once is what it must prevent. A half-open breaker whose prober died may be probed again after the lease.
 */
import type { JsonObject, JsonValue } from '../model/json.ts'
import { isJsonObject } from '../model/json.ts'
import type { EpochMs } from '../model/time.ts'
import type { Monotonic } from '../runtime/ports.ts'

/** `failures`: the provider does not answer properly; `auth`: it refuses the credential that `credential` is a mark of. */
export type OpenCause = 'failures' | 'auth'

type Opened = {
  readonly cause: OpenCause
  readonly openedAt: EpochMs
  readonly until: EpochMs
  readonly reason: string
  readonly credential: string | null
}
export type Probe = { readonly holder: string; readonly boot: string; readonly untilMs: number }
export type BreakerState =
  /** `failures`: in a row, over all processes and runs. */
  | { readonly kind: 'closed'; readonly failures?: number }
  | ({ readonly kind: 'open' } & Opened)
  | ({ readonly kind: 'half_open'; readonly probe: Probe } & Opened)

export const CLOSED: BreakerState = { kind: 'closed' }

/** What a caller may do now. `wait`: nothing before `until`. */
export type Permission =
  | { readonly kind: 'send' }
  | { readonly kind: 'probe' }
  | { readonly kind: 'wait'; readonly until: EpochMs; readonly opened: Opened }

const SEND: Permission = { kind: 'send' }

/** A clock that was set back must not keep the breaker open for as long: the moment of opening is never in the future. */
export function clampToNow<State extends Opened>(state: State, now: EpochMs): State {
  if (state.openedAt <= now) return state
  return { ...state, openedAt: now, until: now + (state.until - state.openedAt) }
}

/** What `state` permits. An `auth` opening holds only for the credential it was seen with: a new key is tried at once. */
export function permission(state: BreakerState, credential: string, now: EpochMs, monotonic: Monotonic): Permission {
  if (state.kind === 'closed' || (state.cause === 'auth' && state.credential !== credential)) return SEND
  const clamped = clampToNow(state, now)
  if (clamped.kind === 'open')
    return clamped.until <= now ? { kind: 'probe' } : { kind: 'wait', until: clamped.until, opened: clamped }
  const leftMs = clamped.probe.boot === monotonic.boot ? clamped.probe.untilMs - monotonic.ms : 0
  return leftMs <= 0 ? { kind: 'probe' } : { kind: 'wait', until: now + Math.ceil(leftMs), opened: clamped }
}

export function opened(cause: OpenCause, reason: string, credential: string, now: EpochMs, until: EpochMs): BreakerState {
  return { kind: 'open', cause, openedAt: now, until, reason, credential: cause === 'auth' ? credential : null }
}

export function probing(state: BreakerState, probe: Probe): BreakerState {
  return state.kind === 'closed' ? state : { ...state, kind: 'half_open', probe }
}

export function toJson(state: BreakerState): JsonObject {
  return state as unknown as JsonObject
}

/** The failures in a row that a state stands for; an open one begins anew when it closes. */
export function failuresOf(state: BreakerState): number {
  return state.kind === 'closed' ? (state.failures ?? 0) : 0
}

/** A stored state; what is missing or cannot be read is closed, because failing closed would be silence for ever. */
export function fromJson(value: JsonValue | undefined): BreakerState {
  if (!isJsonObject(value)) return CLOSED
  const { failures } = value
  if (value['kind'] === 'closed' && Number.isSafeInteger(failures) && Number(failures) > 0)
    return { kind: 'closed', failures: Number(failures) }
  if (value['kind'] !== 'open' && value['kind'] !== 'half_open') return CLOSED
  const { cause, openedAt, until, reason, credential, probe } = value
  if (typeof openedAt !== 'number' || typeof until !== 'number' || typeof reason !== 'string') return CLOSED
  if (cause !== 'failures' && cause !== 'auth') return CLOSED
  const base = { cause, openedAt, until, reason, credential: typeof credential === 'string' ? credential : null } as const
  if (value['kind'] === 'open') return { kind: 'open', ...base }
  if (!isJsonObject(probe)) return { kind: 'open', ...base }
  const { holder, boot, untilMs } = probe
  if (typeof holder !== 'string' || typeof boot !== 'string' || typeof untilMs !== 'number') return { kind: 'open', ...base }
  return { kind: 'half_open', ...base, probe: { holder, boot, untilMs } }
}
