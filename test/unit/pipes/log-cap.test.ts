import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLogCap, DEFAULT_LOG_RATES, type LogRates, UNLIMITED_LOGS } from '../../../ts/pipes/log-cap.ts'
import type { PipesLogLevel } from '../../../ts/pipes/protocol.ts'

const RATES: LogRates = { chatter: { burst: 3, perSecond: 1 }, trouble: { burst: 2, perSecond: 1 } }

test('a burst passes, the rest is counted by level and said when there is room again', () => {
  const cap = createLogCap(RATES)
  const levels: PipesLogLevel[] = ['INFO', 'INFO', 'DEBUG', 'INFO', 'DEBUG', 'INFO']
  expect(levels.map((level) => cap.admit(level, 0).admitted)).toEqual([true, true, true, false, false, false])
  expect(cap.admit('INFO', 1_000)).toEqual({
    admitted: true,
    remark: "3 log messages were left out to spare Dagster's event log (2 INFO, 1 DEBUG)",
  })
  expect(cap.flush()).toBeNull()
})

test('chatter cannot crowd out trouble', () => {
  const cap = createLogCap(RATES)
  for (let n = 0; n < 100; n += 1) cap.admit('INFO', 0)
  expect([cap.admit('ERROR', 0).admitted, cap.admit('WARNING', 0).admitted, cap.admit('CRITICAL', 0).admitted]).toEqual([
    true,
    true,
    false,
  ])
})

test('remarks are rare themselves', () => {
  const cap = createLogCap(RATES)
  let remarks = 0
  for (let at = 0; at <= 60_000; at += 100) if (cap.admit('INFO', at).remark !== null) remarks += 1
  expect(remarks).toBeLessThanOrEqual(12)
  expect(remarks).toBeGreaterThanOrEqual(10)
})

test('the last remark comes with the end', () => {
  const cap = createLogCap(RATES)
  for (let n = 0; n < 4; n += 1) cap.admit('INFO', 0)
  expect(cap.flush()).toMatch(/^1 log message was left out/)
})

test('no cap at all', () => {
  const cap = createLogCap(UNLIMITED_LOGS)
  expect(Array.from({ length: 10_000 }, () => cap.admit('DEBUG', 0).admitted).every(Boolean)).toBe(true)
})

test('never more than burst + rate x time, whatever the pattern, and a clock that steps back changes nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -500, max: 2_000 }), { maxLength: 400 }), (steps) => {
      const cap = createLogCap(DEFAULT_LOG_RATES)
      let at = 0
      let highest = 0
      let back = 0
      let admitted = 0
      for (const step of steps) {
        at += step
        if (step < 0) back -= step
        highest = Math.max(highest, at)
        if (cap.admit('INFO', at).admitted) admitted += 1
      }
      const { burst, perSecond } = DEFAULT_LOG_RATES.chatter
      expect(admitted).toBeLessThanOrEqual(burst + ((highest + back) / 1000) * perSecond + 1)
    }),
  )
})
