import { existsSync } from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { environment, realSleep, systemClock, systemIds, systemRandom } from '../../../ts/runtime/system.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

describe('monotonic time', () => {
  test('never goes back and names its boot', () => {
    const clock = systemClock()
    const readings = Array.from({ length: 1_000 }, () => clock.monotonic())
    for (let i = 1; i < readings.length; i++) expect(readings[i]!.ms).toBeGreaterThanOrEqual(readings[i - 1]!.ms)
    expect(new Set(readings.map((reading) => reading.boot)).size).toBe(1)
    if (existsSync('/proc/sys/kernel/random/boot_id')) expect(readings[0]!.boot).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('with a boot id a step of the wall clock does not touch it', () => {
    const clock = systemClock('boot-1')
    const before = clock.monotonic()
    vi.spyOn(Date, 'now').mockReturnValue(0)
    const after = clock.monotonic()
    expect(after.boot).toBe('boot-1')
    expect(after.ms - before.ms).toBeGreaterThanOrEqual(0)
    expect(after.ms - before.ms).toBeLessThan(60_000)
  })

  test('without one it is wall time that never goes back', () => {
    const clock = systemClock(null)
    const now = vi.spyOn(Date, 'now')
    now.mockReturnValue(5_000)
    expect(clock.monotonic()).toEqual({ ms: 5_000, boot: 'wall' })
    now.mockReturnValue(1_000)
    expect(clock.monotonic().ms).toBe(5_000)
    now.mockReturnValue(6_000)
    expect(clock.monotonic().ms).toBe(6_000)
  })
})

describe('sleep', () => {
  test('takes its time, longer than one timer can be, too', async () => {
    vi.useFakeTimers()
    let awake = false
    void realSleep(3_000_000_000).then(() => (awake = true))
    await vi.advanceTimersByTimeAsync(2_999_999_999)
    expect(awake).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(awake).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('ends with the signal and leaves no timer', async () => {
    vi.useFakeTimers()
    const controller = new AbortController()
    const sleeping = realSleep(60_000, controller.signal)
    controller.abort()
    await sleeping
    expect(vi.getTimerCount()).toBe(0)
    await realSleep(60_000, controller.signal)
    expect(vi.getTimerCount()).toBe(0)
  })

  test.each([0, -5, Number.NaN])('%d is no time at all', async (duration) => {
    vi.useFakeTimers()
    await realSleep(duration)
    expect(vi.getTimerCount()).toBe(0)
  })
})

test('ids are sortable, unique, and the holder stays the same', () => {
  const ids = systemIds()
  const at = Date.UTC(2026, 10, 21, 3, 4, 5)
  expect(ids.runId(at)).toMatch(/^run_20261121T030405_[0-9a-f]{6}$/)
  expect(ids.unique('quarantine', at)).toMatch(/^quarantine_20261121T030405_[0-9a-f]{6}$/)
  expect(new Set(Array.from({ length: 200 }, () => ids.runId(at))).size).toBe(200)
  expect(ids.holder()).toBe(ids.holder())
  expect(ids.holder()).not.toBe(systemIds().holder())
  expect(ids.holder()).toContain(`:${process.pid}:`)
})

test('random numbers are uniform in [0, 1)', () => {
  const draws = Array.from({ length: 10_000 }, () => systemRandom.next())
  expect(Math.min(...draws)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...draws)).toBeLessThan(1)
  expect(Math.abs(draws.reduce((sum, draw) => sum + draw, 0) / draws.length - 0.5)).toBeLessThan(0.05)
})

test('a blank environment variable is none', () => {
  vi.stubEnv('SYSTEM_TEST_VARIABLE', '  ')
  expect(environment('SYSTEM_TEST_VARIABLE')).toBeUndefined()
  vi.stubEnv('SYSTEM_TEST_VARIABLE', 'x')
  expect(environment('SYSTEM_TEST_VARIABLE')).toBe('x')
  expect(environment('SYSTEM_TEST_NOT_THERE')).toBeUndefined()
})
