/**
 * One circuit breaker per source for all processes and runs. Failures in a row are counted (by cockatiel's
 * `ConsecutiveBreaker`) in the store, because a run may send no more than a few requests; with enough of them the breaker
 * opens for everyone through a compare-and-swap.
 * After the cool-down exactly one process gets the probe, by the same means, and all others keep waiting.
 *
 * cockatiel's own policy is not around the call: its state is per process, its callers queue up behind a probe and then
 * all run at once, and it reads the wall clock unclamped (see docs/decisions). While the breaker is closed nothing is
 * read from the store more often than every `SHARED_READ_EVERY_MS`, so that a healthy source pays nothing.
 */
import { ConsecutiveBreaker } from 'cockatiel'
import type { SourceId } from '../model/keys.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import { MINUTE_MS, toIso } from '../model/time.ts'
import type { Clock, Logger } from '../runtime/ports.ts'
import type { Store } from '../stores/store.ts'
import {
  type BreakerState,
  CLOSED,
  failuresOf,
  fromJson,
  type OpenCause,
  opened,
  permission,
  probing,
  toJson,
} from './breaker-state.ts'

const SHARED_READ_EVERY_MS = 250
const PROBE_LOOK_EVERY_MS = 25
const CAS_TRIES = 10
/** A refused credential needs a person; asking again sooner only risks the account. A new value is tried at once. */
export const AUTH_COOLDOWN_MS: DurationMs = 15 * MINUTE_MS

export type Refused = { readonly kind: 'refused'; readonly cause: OpenCause; readonly until: EpochMs; readonly reason: string }
export type Entry = { readonly kind: 'admitted'; readonly probe: boolean } | Refused

/**
 * `success`: the provider answered properly, whatever it said. `undecided`: the call tells nothing about the provider.
 * A failure with `until` opens at once: the provider said that it is out of service.
 */
export type Verdict =
  | { readonly kind: 'success' }
  | { readonly kind: 'undecided'; readonly sent: boolean }
  | { readonly kind: 'failure'; readonly reason: string; readonly until?: EpochMs }
  | { readonly kind: 'auth'; readonly reason: string }

export type Breaker = {
  /** Refused, or null when it makes sense to queue. A look, no reservation. */
  look(): Promise<Refused | null>
  /**
   * While somebody's probe is under way: waits for its verdict, at most for the probe's lease. False when there is none, at
   * once, and when `maxMs` passed. Without it a source that recovered would be given up again by all who came beside its probe.
   */
  waitForProbe(signal: AbortSignal, maxMs: DurationMs): Promise<boolean>
  /** To be called right before sending. An admitted probe is this caller's alone and must be settled. */
  enter(): Promise<Entry>
  settle(entry: { readonly probe: boolean }, verdict: Verdict): Promise<void>
}

/** For requests that no provider answers. */
export const NO_BREAKER: Breaker = {
  look: () => Promise.resolve(null),
  waitForProbe: () => Promise.resolve(false),
  enter: () => Promise.resolve({ kind: 'admitted', probe: false }),
  settle: () => Promise.resolve(),
}

export type BreakerOptions = {
  readonly source: SourceId
  readonly holder: string
  readonly failures: number
  readonly cooldownMs: DurationMs
  /** After which a probe whose holder died may be taken by another. */
  readonly probeLeaseMs: DurationMs
  /** A mark of the credential in use that does not tell it. */
  readonly credential: string
  readonly store: Pick<Store, 'getState' | 'putState'>
  readonly clock: Clock
  readonly logger: Logger
}

export function breakerName(source: SourceId): string {
  return `breaker/${source}`
}

/**
 * Until when a source is not asked, for plans; null when it may be asked (a due probe counts as may). A breaker that a
 * refused credential opened says nothing here: whether the credential was changed since only shows when it is tried, and a
 * run that holds the same one is told so before anything is sent.
 */
export async function breakerDownUntil(source: SourceId, store: Pick<Store, 'getState'>, clock: Clock): Promise<EpochMs | null> {
  const state = fromJson((await store.getState(breakerName(source)))?.value)
  if (state.kind !== 'closed' && state.cause === 'auth') return null
  const credential = state.kind === 'closed' ? '' : (state.credential ?? '')
  const allowed = permission(state, credential, clock.now(), clock.monotonic())
  return allowed.kind === 'wait' ? allowed.until : null
}

const ADMITTED: Entry = { kind: 'admitted', probe: false }
const PROBE: Entry = { kind: 'admitted', probe: true }

export function createBreaker(options: BreakerOptions): Breaker {
  const { source, store, clock, logger, credential, cooldownMs } = options
  const name = breakerName(source)
  let seen: BreakerState = CLOSED
  let readAgainAtMs = 0

  /** The shared state, at most `SHARED_READ_EVERY_MS` old while it permits sending. */
  async function shared(): Promise<BreakerState> {
    const now = clock.monotonic().ms
    if (seen.kind === 'closed' && now < readAgainAtMs) return seen
    seen = fromJson((await store.getState(name))?.value)
    readAgainAtMs = now + SHARED_READ_EVERY_MS
    return seen
  }

  /** Applies `change` to the stored state until it sticks; null from `change` means there is nothing to do. */
  async function update(change: (state: BreakerState) => BreakerState | null): Promise<boolean> {
    for (let attempt = 0; attempt < CAS_TRIES; attempt++) {
      const stored = await store.getState(name)
      seen = fromJson(stored?.value)
      const next = change(seen)
      if (next === null) return false
      if (await store.putState(name, stored?.version ?? 0, toJson(next))) {
        seen = next
        return true
      }
    }
    return false
  }

  function judge(state: BreakerState): Refused | 'send' | 'probe' {
    const allowed = permission(state, credential, clock.now(), clock.monotonic())
    if (allowed.kind !== 'wait') return allowed.kind
    return { kind: 'refused', cause: allowed.opened.cause, until: allowed.until, reason: allowed.opened.reason }
  }

  function isMine(state: BreakerState): state is BreakerState & { kind: 'half_open' } {
    return state.kind === 'half_open' && state.probe.holder === options.holder
  }

  async function takeProbe(): Promise<Entry> {
    const { ms, boot } = clock.monotonic()
    const taken = await update((state) =>
      judge(state) === 'probe' ? probing(state, { holder: options.holder, boot, untilMs: ms + options.probeLeaseMs }) : null,
    )
    if (taken) return PROBE
    const other = judge(seen)
    if (other === 'send') return ADMITTED
    const now = clock.now()
    return other === 'probe'
      ? { kind: 'refused', cause: 'failures', until: now + cooldownMs, reason: 'another process is probing' }
      : other
  }

  async function open(cause: OpenCause, reason: string, until: EpochMs, isProbe: boolean): Promise<void> {
    const now = clock.now()
    const did = await update((state) => {
      const isOpen = state.kind !== 'closed' && !(state.cause === 'auth' && state.credential !== credential)
      // Late failures of requests sent before it opened change nothing; a refused credential outranks a failing provider.
      if (isOpen && !isProbe && !(cause === 'auth' && state.cause !== 'auth')) return null
      return opened(cause, reason, credential, now, until)
    })
    if (did) tellOpened(cause, reason, until)
  }

  function tellOpened(cause: OpenCause, reason: string, until: EpochMs): void {
    logger.log('warn', 'source is not asked for a while', { source, cause, reason, until: toIso(until) })
  }

  /** One more failure in a row, whichever process and run saw the others; with the last one allowed it opens. */
  async function count(reason: string, until: EpochMs): Promise<void> {
    let isLast = false
    const did = await update((state) => {
      // Late failures of requests sent before it opened change nothing.
      if (state.kind !== 'closed' && !(state.cause === 'auth' && state.credential !== credential)) return null
      const consecutive = new ConsecutiveBreaker(options.failures)
      consecutive.state = failuresOf(state)
      isLast = consecutive.failure()
      return isLast
        ? opened('failures', reason, credential, clock.now(), until)
        : { kind: 'closed', failures: failuresOf(state) + 1 }
    })
    if (did && isLast) tellOpened('failures', reason, until)
  }

  return {
    async look() {
      const verdict = judge(await shared())
      return typeof verdict === 'object' ? verdict : null
    },

    async waitForProbe(signal, maxMs) {
      const giveUpAtMs = clock.monotonic().ms + maxMs
      for (let waited = false; ; waited = true) {
        const state = await shared()
        const isUnderWay = state.kind === 'half_open' && typeof judge(state) === 'object'
        if (!isUnderWay || signal.aborted) return waited
        if (clock.monotonic().ms >= giveUpAtMs) return false
        await clock.sleep(PROBE_LOOK_EVERY_MS, signal)
      }
    },

    async enter() {
      const verdict = judge(await shared())
      if (verdict === 'send') return ADMITTED
      return verdict === 'probe' ? takeProbe() : verdict
    },

    async settle({ probe }, verdict) {
      if (verdict.kind === 'success') {
        // What others counted since is at most `SHARED_READ_EVERY_MS` old; the next success ends it.
        if (failuresOf(seen) > 0) await update((state) => (failuresOf(state) > 0 ? CLOSED : null))
        if (probe && (await update((state) => (isMine(state) ? CLOSED : null)))) {
          logger.log('info', 'source answers again', { source })
        }
        return
      }
      const now = clock.now()
      if (verdict.kind === 'auth') return open('auth', verdict.reason, now + AUTH_COOLDOWN_MS, probe)
      if (verdict.kind === 'undecided') {
        const until = now + (verdict.sent ? cooldownMs : 0)
        if (probe) await update((state) => (isMine(state) ? opened(state.cause, state.reason, credential, now, until) : null))
        return
      }
      const until = Math.max(now + cooldownMs, verdict.until ?? 0)
      if (probe || verdict.until !== undefined) await open('failures', verdict.reason, until, probe)
      else await count(verdict.reason, until)
    },
  }
}
