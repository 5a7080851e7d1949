import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { parsePartitionKey, partitionKey } from '../../ts/model/keys.ts'
import { DAY_MS, formatDuration, parseDuration, parseUtcDate, startOfUtcDay, toUtcDate } from '../../ts/model/time.ts'
import { formatWindow, isInWindow, parseWindow } from '../../ts/model/window.ts'

// Many runs each, and no statement about speed.
vi.setConfig({ testTimeout: 120_000 })

/** Years 1 to 9999, as far as four digits go. */
const instant = fc.integer({ min: Date.UTC(1000, 0, 1), max: Date.UTC(9999, 11, 31, 23) })

test('windows of whole days survive being written and read', () => {
  fc.assert(
    fc.property(instant, fc.integer({ min: 1, max: 5_000 }), (at, days) => {
      const from = startOfUtcDay(at)
      const window = { from, to: Math.min(from + days * DAY_MS, Date.UTC(9999, 11, 31) + DAY_MS) }
      expect(parseWindow(formatWindow(window))).toEqual(window)
    }),
  )
})

test('windows side by side hold every instant exactly once', () => {
  fc.assert(
    fc.property(
      instant,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 0, max: 400 * DAY_MS }),
      (start, lengths, offset) => {
        let from = startOfUtcDay(start)
        const first = from
        const windows = lengths.map((days) => {
          const window = { from, to: from + days * DAY_MS }
          from = window.to
          return window
        })
        const at = first + offset
        expect(windows.filter((window) => isInWindow(window, at)).length).toBe(at < from ? 1 : 0)
      },
    ),
  )
})

test('whatever is typed, a window is a window or a sentence', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{4}-\d{2}-\d{2}(:\d{4}-\d{2}-\d{2})?$/)), (text) => {
      const parsed = parseWindow(text)
      if ('problem' in parsed) expect(parsed.problem).toContain(text)
      else expect(parsed.to - parsed.from).toBeGreaterThanOrEqual(DAY_MS)
    }),
  )
})

test('durations survive being written and read', () => {
  fc.assert(
    fc.property(fc.nat(400 * DAY_MS), (duration) => {
      expect(parseDuration(formatDuration(duration))).toBe(duration)
    }),
  )
})

test('dates survive being written and read, and a day holds its instants', () => {
  fc.assert(
    fc.property(instant, (at) => {
      const day = parseUtcDate(toUtcDate(at))!
      expect(day).toBe(startOfUtcDay(at))
      expect(at - day).toBeGreaterThanOrEqual(0)
      expect(at - day).toBeLessThan(DAY_MS)
    }),
  )
})

test('partition keys survive being joined and split', () => {
  const source = fc.stringMatching(/^[a-z][a-z0-9_]{0,39}$/)
  const cohort = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,119}$/).filter((text) => !text.includes('..'))
  fc.assert(
    fc.property(source, cohort, (one, other) => {
      expect(parsePartitionKey(partitionKey(one, other))).toEqual({ source: one, cohort: other })
    }),
  )
})

test('what parses as a partition key is written the same, and holds nothing that Dagster or a path would misread', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const parsed = parsePartitionKey(text)
      if (parsed === null) return
      expect(partitionKey(parsed.source, parsed.cohort)).toBe(text)
      expect(text).not.toMatch(/[,[\]*"|\s/\\]/)
    }),
  )
})
