import { describe, expect, test } from 'vitest'
import { sourceFreshness } from '../../../ts/refresh/coverage.ts'
import { partitionStats, SOURCE } from '../../support/builders.ts'

describe('sourceFreshness', () => {
  test('sums partitions, and leaves out of coverage what the source cannot be asked about', () => {
    const result = sourceFreshness(
      SOURCE,
      [
        partitionStats({ cohort: 'a', population: 10, fresh: 8, due: 2, stale: 1, neverAttempted: 1, oldestSuccessAt: 50 }),
        partitionStats({
          cohort: 'b',
          population: 10,
          fresh: 9,
          due: 1,
          backingOff: 1,
          pending: 1,
          oldestSuccessAt: 40,
          unresolved: 1,
        }),
        partitionStats({ cohort: 'unresolved', population: 5, unresolved: 5 }),
      ],
      0.9,
    )
    expect(result).toMatchObject({
      population: 25,
      unresolved: 6,
      resolvable: 19,
      fresh: 17,
      due: 3,
      stale: 1,
      neverAttempted: 1,
      backingOff: 1,
      pending: 1,
      oldestSuccessAt: 40,
    })
    expect(result.coverage).toBeCloseTo(17 / 19)
    expect(result.belowThreshold).toBe(true)
    expect(result.cohorts.map(({ cohort, coverage }) => [cohort, coverage])).toEqual([
      ['a', 0.8],
      ['b', 1],
    ])
  })

  test('nothing resolvable is full coverage: there is nothing to be late with', () => {
    expect(sourceFreshness(SOURCE, [], 0.9)).toMatchObject({
      coverage: 1,
      belowThreshold: false,
      oldestSuccessAt: null,
      cohorts: [],
    })
    expect(sourceFreshness(SOURCE, [partitionStats({ population: 3, unresolved: 3 })], 1)).toMatchObject({
      coverage: 1,
      resolvable: 0,
      cohorts: [],
    })
  })

  test('coverage exactly at the threshold is enough', () => {
    expect(sourceFreshness(SOURCE, [partitionStats({ population: 10, fresh: 9 })], 0.9).belowThreshold).toBe(false)
    expect(sourceFreshness(SOURCE, [partitionStats({ population: 10, fresh: 8 })], 0.9).belowThreshold).toBe(true)
  })
})
