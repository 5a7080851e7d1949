import { describe, expect, test } from 'vitest'
import {
  createRetryBudget,
  payRetry,
  RETRY_BUDGET_TOKENS,
  readTokens,
  THROTTLE_RETRY_COST,
  TRANSIENT_RETRY_COST,
} from '../../../ts/http/retry-budget.ts'
import { fakeControlStore } from '../../support/http-client.ts'

test('a full budget pays 35 transient retries and then no more', async () => {
  const store = fakeControlStore()
  const budget = createRetryBudget('retry_budget/x', store)
  let paid = 0
  while (await budget.tryPay(TRANSIENT_RETRY_COST)) paid++
  expect(paid).toBe(Math.floor(RETRY_BUDGET_TOKENS / TRANSIENT_RETRY_COST))
  expect(await budget.tryPay(THROTTLE_RETRY_COST)).toBe(true)
})

test('processes share it, and successes of one fill it for the other', async () => {
  const store = fakeControlStore()
  const [one, other] = [createRetryBudget('b', store), createRetryBudget('b', store)]
  while (await one.tryPay(TRANSIENT_RETRY_COST));
  expect(await other.tryPay(TRANSIENT_RETRY_COST)).toBe(false)
  for (let i = 0; i < TRANSIENT_RETRY_COST; i++) other.succeeded(0)
  expect(await other.tryPay(TRANSIENT_RETRY_COST)).toBe(true)
  expect(await one.tryPay(TRANSIENT_RETRY_COST)).toBe(false)
})

test('a retry that succeeds gives back what it cost', async () => {
  const store = fakeControlStore()
  const budget = createRetryBudget('b', store)
  for (let i = 0; i < 200; i++) {
    expect(await budget.tryPay(TRANSIENT_RETRY_COST)).toBe(true)
    budget.succeeded(TRANSIENT_RETRY_COST)
  }
})

test('what was earned is not lost when another process always wins the swap', async () => {
  const store = fakeControlStore()
  const budget = createRetryBudget('b', { getState: store.getState, putState: async () => false })
  for (let i = 0; i < 14; i++) budget.succeeded(0)
  expect(await budget.tryPay(14)).toBe(false)
  store.states.set('b', { version: 1, value: { tokens: 0 } })
  const healthy = createRetryBudget('b', store)
  for (let i = 0; i < 14; i++) healthy.succeeded(0)
  expect(await healthy.tryPay(14)).toBe(true)
})

describe('stored values', () => {
  test.each([[undefined], [null], ['x'], [{ tokens: -1 }], [{ tokens: 501 }], [{ tokens: 'many' }], [{}]])(
    '%j counts as full',
    (value) => {
      expect(readTokens(value)).toBe(RETRY_BUDGET_TOKENS)
    },
  )
  test('a proper one counts as it is', () => expect(readTokens({ tokens: 13 })).toBe(13))
  test('exactly enough is enough', () => {
    expect(payRetry(14, 0, 14)).toBe(0)
    expect(payRetry(13, 0, 14)).toBeNull()
  })
})
