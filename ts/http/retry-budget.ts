/**
 * Retries are paid from a bucket that all processes of a source share, and only successes fill it: when a provider is
 * down, retries stop by themselves instead of tripling the load on it. Constants are those of the AWS SDKs (2026).
 *
 * A success costs nothing here: it is counted in memory and added to the shared bucket when the next retry is paid.
 */
import type { JsonValue } from '../model/json.ts'
import { isJsonObject } from '../model/json.ts'
import type { Store } from '../stores/store.ts'

export const RETRY_BUDGET_TOKENS = 500
export const TRANSIENT_RETRY_COST = 14
export const THROTTLE_RETRY_COST = 5

/** Tokens in a stored bucket; a missing or damaged one is full. */
export function readTokens(value: JsonValue | undefined): number {
  const tokens = isJsonObject(value) ? value['tokens'] : undefined
  return typeof tokens === 'number' && tokens >= 0 && tokens <= RETRY_BUDGET_TOKENS ? tokens : RETRY_BUDGET_TOKENS
}

/** What is left after adding what was earned and paying `cost`; null when it is not enough. */
export function payRetry(tokens: number, earned: number, cost: number): number | null {
  const filled = Math.min(RETRY_BUDGET_TOKENS, tokens + earned)
  return filled < cost ? null : filled - cost
}

export type RetryBudget = {
  /** A request succeeded; after a retry its cost comes back. */
  succeeded(paid: number): void
  /** False when the retry cannot be afforded. */
  tryPay(cost: number): Promise<boolean>
}

const CAS_TRIES = 10

export function createRetryBudget(name: string, store: Pick<Store, 'getState' | 'putState'>): RetryBudget {
  let earned = 0
  return {
    succeeded(paid) {
      earned = Math.min(RETRY_BUDGET_TOKENS, earned + Math.max(1, paid))
    },
    async tryPay(cost) {
      const pending = earned
      earned = 0
      for (let attempt = 0; attempt < CAS_TRIES; attempt++) {
        const stored = await store.getState(name)
        const left = payRetry(readTokens(stored?.value), pending, cost)
        if (left === null) break
        if (await store.putState(name, stored?.version ?? 0, { tokens: left })) return true
      }
      earned = Math.min(RETRY_BUDGET_TOKENS, earned + pending)
      return false
    },
  }
}
