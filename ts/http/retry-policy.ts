/** What a class of answer means for the breaker, for the quota, and for asking again. A table, so that it can be read. */
import type { Classified, ResponseClass } from '../model/response.ts'
import type { Verdict } from './breaker.ts'
import { THROTTLE_RETRY_COST, TRANSIENT_RETRY_COST } from './retry-budget.ts'

type Policy = {
  /** `failure`: the provider failed; `down`: it says it is out of service; `auth`: it refuses us; `fine`: it works, whatever it said. */
  readonly breaker: 'fine' | 'failure' | 'down' | 'auth'
  /** Tokens of the retry budget that asking again costs; null: never asked again within the call. */
  readonly retryCost: number | null
  /** Own back-off begins at a second. */
  readonly throttled: boolean
  /** Fills the retry budget. */
  readonly earns: boolean
  /** All processes stop asking until the moment it names. */
  readonly blocks: boolean
  /** A Retry-After beside it means something. */
  readonly heedsMoments: boolean
}

const FINE: Policy = { breaker: 'fine', retryCost: null, throttled: false, earns: true, blocks: false, heedsMoments: false }

export const POLICIES: Readonly<Record<ResponseClass, Policy>> = {
  ok: FINE,
  not_modified: FINE,
  empty: FINE,
  not_found: FINE,
  invalid_request: FINE,
  rate_limited: {
    breaker: 'fine',
    retryCost: THROTTLE_RETRY_COST,
    throttled: true,
    earns: false,
    blocks: true,
    heedsMoments: true,
  },
  quota_exhausted: { breaker: 'fine', retryCost: null, throttled: false, earns: false, blocks: true, heedsMoments: true },
  auth: { breaker: 'auth', retryCost: null, throttled: false, earns: false, blocks: false, heedsMoments: false },
  source_down: { breaker: 'down', retryCost: null, throttled: false, earns: false, blocks: false, heedsMoments: true },
  transient: {
    breaker: 'failure',
    retryCost: TRANSIENT_RETRY_COST,
    throttled: false,
    earns: false,
    blocks: false,
    heedsMoments: true,
  },
  malformed: { breaker: 'failure', retryCost: null, throttled: false, earns: false, blocks: false, heedsMoments: false },
}

export function verdictOf({ class: responseClass, reason, until }: Classified): Verdict {
  switch (POLICIES[responseClass].breaker) {
    case 'fine':
      return { kind: 'success' }
    case 'auth':
      return { kind: 'auth', reason }
    case 'down':
      return { kind: 'failure', reason, until: until ?? 0 }
    case 'failure':
      return { kind: 'failure', reason }
  }
}
