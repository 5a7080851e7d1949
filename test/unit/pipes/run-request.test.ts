import { describe, expect, test } from 'vitest'
import { isEngineError } from '../../../ts/model/errors.ts'
import { readRunRequest } from '../../../ts/pipes/run-request.ts'

const problem = (extras: unknown, partitionKey: string | null = null): string => {
  try {
    readRunRequest(extras, partitionKey)
  } catch (error) {
    if (isEngineError(error, 'pipes_request') && error.recovery === 'configuration') return error.message
    throw error
  }
  throw new Error('it was accepted')
}

describe('what is asked for', () => {
  test('a step of one partition needs no extras', () => {
    expect(readRunRequest({}, 'sam_gov:uei_batch_0001')).toMatchObject({
      mode: 'refresh',
      partition: 'sam_gov:uei_batch_0001',
      sources: [],
      window: null,
      force: false,
      checks: ['coverage_at_threshold'],
    })
  })

  test('null is the same as left out', () => {
    const nothing = Object.fromEntries(
      [
        'mode',
        'partition',
        'window',
        'force',
        'config_dir',
        'env',
        'sources',
        'limit',
        'max_calls',
        'settings',
        'checks',
        'launcher_pid',
      ].map((key) => [key, null]),
    )
    expect(readRunRequest(nothing, 'a:b')).toEqual(readRunRequest({}, 'a:b'))
  })

  test('extras outrank the partition of the step', () => {
    const request = readRunRequest(
      { partition: 'usaspending:award_year_2024', window: '2023-10-01:2023-10-07', force: true, env: 'prod' },
      'a:b',
    )
    expect(request).toMatchObject({ partition: 'usaspending:award_year_2024', force: true, environment: 'prod' })
    expect(request.window).toEqual({ from: Date.parse('2023-10-01'), to: Date.parse('2023-10-08') })
  })

  test('modes that read are not about the partition of the step', () => {
    expect(readRunRequest({ mode: 'coverage', sources: ['a', 'a'] }, 'a:b')).toMatchObject({ partition: null, sources: ['a'] })
    expect(readRunRequest({ mode: 'partitions' }, null)).toMatchObject({ mode: 'partitions', sources: [] })
  })
})

describe('what is refused, with what to do', () => {
  test.each<[string, unknown, string | null, string]>([
    ['an unknown extra', { parttion: 'x' }, 'a:b', '"parttion" is no extra; known are mode, partition'],
    ['a value of another type', { force: 'yes' }, 'a:b', 'extra "force"'],
    ['an unknown mode', { mode: 'refrseh' }, 'a:b', 'extra "mode"'],
    ['extras that are no object', [], 'a:b', 'expected object'],
    ['no partition', {}, null, 'use one run per partition'],
    ['a partition that is none', { partition: 'sam_gov' }, null, 'source:cohort'],
    ['a comma, which Dagster cannot backfill', { partition: 'sam_gov:a,b' }, null, '"sam_gov:a,b" is no partition'],
    ['both', { partition: 'a:b', sources: ['a'] }, null, 'exclude each other'],
    ['a window that ends before it begins', { window: '2023-10-07:2023-10-01' }, 'a:b', 'ends before it begins'],
    ['an ingest of nothing', { mode: 'ingest' }, null, 'needs "awards", "companies" or both'],
    ['one map for two files', { mode: 'ingest', awards: 'a', companies: 'b', map: 'm' }, null, 'about one file'],
    ['a limit of nothing', { limit: 0 }, 'a:b', 'extra "limit"'],
  ])('%s', (_what, extras, partitionKey, expected) => {
    expect(problem(extras, partitionKey)).toContain(expected)
  })

  test('all problems at once', () => {
    const text = problem({ x: 1, y: 2, force: 'yes' })
    expect(['"x"', '"y"', '"force"'].every((part) => text.includes(part))).toBe(true)
  })
})
