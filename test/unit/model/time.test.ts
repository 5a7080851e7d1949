import { describe, expect, test } from 'vitest'
import {
  DAY_MS,
  formatDuration,
  HOUR_MS,
  parseDuration,
  parseUtcDate,
  startOfUtcDay,
  toIso,
  toIsoOrNull,
  toUtcDate,
} from '../../../ts/model/time.ts'

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['90s', 90_000],
    ['15m', 900_000],
    ['24h', DAY_MS],
    ['7d', 7 * DAY_MS],
    ['2w', 14 * DAY_MS],
    ['1.5h', 1.5 * HOUR_MS],
    [' 1d ', DAY_MS],
    ['0s', 0],
  ])('reads %s', (text, expected) => {
    expect(parseDuration(text)).toBe(expected)
  })

  test.each(['', '5', 'd', '5 d', '-5d', '1e3s', '5D', '1d2h', '.5h', '5.h', 'Infinityd'])('refuses "%s"', (text) => {
    expect(parseDuration(text)).toBeNull()
  })

  test.each([
    [DAY_MS, '1d'],
    [36 * HOUR_MS, '36h'],
    [90_000, '90s'],
    [60_000, '1m'],
    [1_500, '1500ms'],
    [0, '0ms'],
    [7 * DAY_MS, '7d'],
  ])('writes %i as %s', (duration, expected) => {
    expect(formatDuration(duration)).toBe(expected)
  })
})

describe('days', () => {
  test('a date is the start of its UTC day', () => {
    expect(parseUtcDate('2026-11-21')).toBe(Date.UTC(2026, 10, 21))
    expect(toUtcDate(Date.UTC(2026, 10, 21, 23, 59, 59, 999))).toBe('2026-11-21')
    expect(startOfUtcDay(Date.UTC(2026, 10, 21, 23))).toBe(Date.UTC(2026, 10, 21))
    expect(parseUtcDate('1969-12-31')).toBe(-DAY_MS)
    expect(startOfUtcDay(-1)).toBe(-DAY_MS)
  })

  test.each(['2026-02-29', '2026-13-01', '2026-00-10', '2026-1-1', '20261121', '2026-11-21T00:00:00Z', ''])(
    '"%s" is no date',
    (text) => {
      expect(parseUtcDate(text)).toBeNull()
    },
  )

  test('leap days are dates', () => {
    expect(parseUtcDate('2024-02-29')).toBe(Date.UTC(2024, 1, 29))
  })

  test('instants are written in UTC', () => {
    expect(toIso(0)).toBe('1970-01-01T00:00:00.000Z')
    expect(toIsoOrNull(null)).toBeNull()
    expect(toIsoOrNull(0)).toBe('1970-01-01T00:00:00.000Z')
  })
})
