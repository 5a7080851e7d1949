import { expect, test } from 'vitest'
import { backoffMs } from '../../../ts/http/backoff.ts'

const base = { attempt: 1, baseMs: 500, maxMs: 20_000, floorMs: 0, draw: 0.5 }

test.each([
  [1, 250],
  [2, 500],
  [3, 1_000],
  [7, 10_000],
  [60, 10_000],
])('attempt %i draws from a doubled ceiling: %i ms', (attempt, expected) => {
  expect(backoffMs({ ...base, attempt })).toBe(expected)
})

test("the provider's floor wins over the own ceiling, and the own delay over a shorter floor", () => {
  expect(backoffMs({ ...base, floorMs: 3_600_000 })).toBe(3_600_000)
  expect(backoffMs({ ...base, floorMs: 100 })).toBe(250)
  expect(backoffMs({ ...base, floorMs: -5, draw: 0 })).toBe(0)
})
