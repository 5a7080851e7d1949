import { describe, expect, test, vi } from 'vitest'
import { createCallBudget } from '../../../ts/http/call-budget.ts'
import { POLICIES, verdictOf } from '../../../ts/http/retry-policy.ts'
import { createStopGroups } from '../../../ts/http/stop-group.ts'
import { RESPONSE_CLASSES } from '../../../ts/model/response.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'

test('a call budget is spent to the last unit, and what was not used comes back', () => {
  const budget = createCallBudget(2)
  expect([budget.tryTake(), budget.tryTake(), budget.tryTake()]).toEqual([true, true, false])
  budget.giveBack()
  expect(budget.used).toBe(1)
  expect([budget.tryTake(), budget.tryTake()]).toEqual([true, false])
  for (let i = 0; i < 5; i++) budget.giveBack()
  expect(budget.used).toBe(0)
})

describe('what classes mean', () => {
  test('only what may pass is asked again', () => {
    const retried = RESPONSE_CLASSES.filter((name) => POLICIES[name].retryCost !== null)
    expect(retried).toEqual(['rate_limited', 'transient'])
  })
  test('only failures of the provider count against it', () => {
    const kinds = Object.fromEntries(RESPONSE_CLASSES.map((name) => [name, verdictOf({ class: name, reason: 'r' }).kind]))
    expect(kinds).toEqual({
      ok: 'success',
      not_modified: 'success',
      empty: 'success',
      not_found: 'success',
      invalid_request: 'success',
      rate_limited: 'success',
      quota_exhausted: 'success',
      auth: 'auth',
      source_down: 'failure',
      transient: 'failure',
      malformed: 'failure',
    })
  })
  test('"out of service" opens at once, other failures when there are enough', () => {
    expect(verdictOf({ class: 'source_down', reason: 'off', until: 7 })).toEqual({ kind: 'failure', reason: 'off', until: 7 })
    expect(verdictOf({ class: 'source_down', reason: 'off' })).toEqual({ kind: 'failure', reason: 'off', until: 0 })
    expect(verdictOf({ class: 'transient', reason: 'HTTP 503', until: 7 })).toEqual({ kind: 'failure', reason: 'HTTP 503' })
  })
})

describe('stopping what is under way', () => {
  test('members get their grace, then are cut, once', async () => {
    const clock = new FakeClock()
    const groups = createStopGroups(8_000, clock)
    const controller = new AbortController()
    const [slow, quick] = [{ abort: vi.fn() }, { abort: vi.fn() }]
    groups.add(controller.signal, slow)
    const leave = groups.add(controller.signal, quick)
    controller.abort()
    leave()
    await clock.advance(7_999)
    expect(slow.abort).not.toHaveBeenCalled()
    await clock.advance(1)
    expect(slow.abort).toHaveBeenCalledTimes(1)
    expect(quick.abort).not.toHaveBeenCalled()
  })

  test('when all have ended nothing is waited for', async () => {
    const clock = new FakeClock()
    const groups = createStopGroups(8_000, clock)
    const controller = new AbortController()
    const leave = groups.add(controller.signal, { abort: vi.fn() })
    controller.abort()
    await settle()
    expect(clock.sleeping).toBe(1)
    leave()
    await settle()
    expect(clock.sleeping).toBe(0)
  })

  test('thousands of requests put one listener on the signal', () => {
    const controller = new AbortController()
    const listen = vi.spyOn(controller.signal, 'addEventListener')
    const groups = createStopGroups(1, new FakeClock())
    for (let i = 0; i < 1_000; i++) groups.add(controller.signal, { abort() {} })()
    expect(listen).toHaveBeenCalledTimes(1)
  })
})
