import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffMs } from '../../ts/http/backoff.ts'
import { clampUntil, LONGEST_WAIT_MS, parseRetryAfter } from '../../ts/http/retry-after.ts'
import { payRetry, RETRY_BUDGET_TOKENS } from '../../ts/http/retry-budget.ts'

const NOW = Date.UTC(2026, 10, 21, 3)
const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

test('a back-off obeys the floor in full and its own ceiling', () => {
  fc.assert(
    fc.property(
      fc.record({
        attempt: fc.integer({ min: 1, max: 100 }),
        baseMs: fc.nat(60_000),
        maxMs: fc.nat(600_000),
        floorMs: fc.integer({ min: -1e9, max: 1e12 }),
        draw,
      }),
      (input) => {
        const delay = backoffMs(input)
        expect(delay).toBeGreaterThanOrEqual(Math.max(0, input.floorMs))
        expect(delay).toBeLessThanOrEqual(Math.max(0, input.floorMs, input.maxMs))
        expect(Number.isFinite(delay)).toBe(true)
      },
    ),
  )
})

test('without a floor the delay is spread over the doubled base', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 }), draw, (attempt, drawn) => {
      const delay = backoffMs({ attempt, baseMs: 100, maxMs: 1e9, floorMs: 0, draw: drawn })
      expect(delay).toBe(Math.floor(drawn * 100 * 2 ** (attempt - 1)))
    }),
  )
})

test('whatever Retry-After says, the moment lies between now and the longest wait', () => {
  const wild = fc.oneof(
    fc.string(),
    fc.integer().map(String),
    fc.double().map(String),
    fc.constantFrom('1e9', '-5', '0', '+3', ' 7 ', '9'.repeat(400), 'NaN', 'Infinity', '0x10', '1,5', 'tomorrow', ''),
    fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toUTCString()),
  )
  fc.assert(
    fc.property(wild, fc.option(wild, { nil: undefined }), (value, date) => {
      const until = parseRetryAfter(value, NOW, date)
      if (until === null) return
      expect(until).toBeGreaterThanOrEqual(NOW)
      expect(until).toBeLessThanOrEqual(NOW + LONGEST_WAIT_MS)
    }),
  )
})

test('seconds are obeyed to the millisecond', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: LONGEST_WAIT_MS / 1000 }), (seconds) => {
      expect(parseRetryAfter(String(seconds), NOW)).toBe(NOW + seconds * 1000)
    }),
  )
})

test("a date means the same span whatever the provider's clock shows", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: -1e8, max: 1e8 }), (seconds, skewSeconds) => {
      const theirs = NOW + skewSeconds * 1000
      const value = new Date(theirs + seconds * 1000).toUTCString()
      expect(parseRetryAfter(value, NOW, new Date(theirs).toUTCString())).toBe(NOW + seconds * 1000)
    }),
  )
})

test('clamping is idempotent', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (until) => {
      const once = clampUntil(until, NOW)
      expect(clampUntil(once, NOW)).toBe(once)
    }),
  )
})

test('a retry budget never goes below nothing nor above full', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(30), fc.constantFrom(5, 14)), { maxLength: 200 }), (steps) => {
      let tokens = RETRY_BUDGET_TOKENS
      for (const [earned, cost] of steps) {
        const left = payRetry(tokens, earned, cost)
        if (left === null) {
          expect(tokens + earned).toBeLessThan(cost)
          continue
        }
        expect(left).toBeGreaterThanOrEqual(0)
        expect(left).toBeLessThanOrEqual(RETRY_BUDGET_TOKENS - cost)
        tokens = left
      }
    }),
  )
})
