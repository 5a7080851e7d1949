import { describe, expect, it } from 'vitest'
import type { PartitionStats } from '../../../ts/stores/store.ts'
import { coverageRows } from '../../../ts/warehouse/coverage-rows.ts'

const stats = (cohort: string, change: Partial<PartitionStats>): PartitionStats => ({
  source: 'sam_gov',
  cohort,
  population: 10,
  due: 0,
  neverAttempted: 0,
  stale: 0,
  backingOff: 0,
  unresolved: 0,
  fresh: 10,
  pending: 0,
  oldestSuccessAt: null,
  newestAttemptAt: null,
  ...change,
})

describe('coverageRows', () => {
  it('gives one row for the source and one per partition, unresolved ones included', () => {
    const rows = coverageRows(
      'sam_gov',
      [
        stats('uei_batch_0001', { fresh: 4, stale: 6, due: 7, oldestSuccessAt: 50, newestAttemptAt: 90 }),
        stats('uei_batch_0002', { oldestSuccessAt: 40, newestAttemptAt: 80 }),
        stats('unresolved', { fresh: 0, unresolved: 10 }),
      ],
      0.9,
      { generation: 7, asOf: 1000 },
    )
    expect(rows.map((row) => row.cohort)).toEqual([null, 'uei_batch_0001', 'uei_batch_0002', 'unresolved'])
    expect(rows[0]).toMatchObject({
      generation: 7,
      asOf: 1000,
      ...{ population: 30, resolvable: 20, unresolved: 10, fresh: 14, stale: 6, due: 7 },
      ...{ coverage: 0.7, threshold: 0.9, belowThreshold: true, oldestSuccessAt: 40, newestAttemptAt: 90 },
    })
    expect(rows[1]).toMatchObject({ coverage: 0.4, belowThreshold: true, newestAttemptAt: 90 })
    expect(rows[2]).toMatchObject({ coverage: 1, belowThreshold: false })
    expect(rows[3]).toMatchObject({ resolvable: 0, coverage: 1, belowThreshold: false })
  })

  it('speaks of a source without entities too', () => {
    expect(coverageRows('sam_gov', [], 0.9, { generation: 1, asOf: 1 })).toMatchObject([
      { cohort: null, population: 0, coverage: 1, newestAttemptAt: null },
    ])
  })
})
