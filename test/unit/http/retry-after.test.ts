import { expect, test } from 'vitest'
import { LONGEST_WAIT_MS, parseRetryAfter } from '../../../ts/http/retry-after.ts'

const NOW = Date.UTC(2026, 10, 21, 3, 0, 0)

test.each([
  ['0', 0],
  ['120', 120_000],
  [' 7 ', 7_000],
  ['+3', 3_000],
  ['1.5', 1_500],
  ['-30', 0],
  ['1000000000', LONGEST_WAIT_MS],
  ['9'.repeat(400), LONGEST_WAIT_MS],
  ['Sat, 21 Nov 2026 03:10:00 GMT', 600_000],
  ['Saturday, 21-Nov-26 03:10:00 GMT', 600_000],
  ['Sat Nov 21 03:10:00 2026', 600_000],
  ['Sun, 06 Nov 1994 08:49:37 GMT', 0],
  ['Sat, 21 Nov 2099 03:10:00 GMT', LONGEST_WAIT_MS],
])('%s is %i ms from now', (value, expected) => {
  expect(parseRetryAfter(value, NOW)).toBe(NOW + expected)
})

test.each([undefined, '', '  ', '1e9', '0x10', 'soon', '12 seconds', '2026-11-21', 'NaN', 'Sat, banana', '1,000', '١٢'])(
  '%s says nothing',
  (value) => {
    expect(parseRetryAfter(value, NOW)).toBeNull()
  },
)

test("a date is read by the provider's own clock when the answer tells it", () => {
  expect(parseRetryAfter('Sat, 21 Nov 2026 05:00:30 GMT', NOW, 'Sat, 21 Nov 2026 05:00:00 GMT')).toBe(NOW + 30_000)
  expect(parseRetryAfter('Sat, 21 Nov 2026 05:00:30 GMT', NOW, 'nonsense')).toBe(NOW + 2 * 3_600_000 + 30_000)
})
