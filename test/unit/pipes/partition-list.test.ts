import { describe, expect, test } from 'vitest'
import type { Plan } from '../../../ts/model/plan.ts'
import { DAY_MS } from '../../../ts/model/time.ts'
import { type ListedSource, listPartitions, overdueRatio, type PartitionRow } from '../../../ts/pipes/partition-list.ts'
import { checkpoint, partitionStats, plannedPartition, SOURCE } from '../../support/builders.ts'
import { TEST_EPOCH } from '../../support/fake-clock.ts'

const NOW = TEST_EPOCH
const daysAgo = (days: number): number => NOW - days * DAY_MS

function source(parts: Partial<ListedSource> = {}): ListedSource {
  return {
    source: SOURCE,
    enabled: true,
    slaMs: 2 * DAY_MS,
    coverageThreshold: 0.9,
    hasFeed: false,
    hasFile: false,
    stats: [],
    checkpoints: [],
    ...parts,
  }
}

function list(sources: readonly ListedSource[], partitions: Plan['partitions'] = [], leased: readonly string[] = []) {
  return listPartitions({ now: NOW, sources, plan: { at: NOW, sources: [], partitions }, leased: new Set(leased) })
}

const keys = (rows: readonly PartitionRow[]): readonly string[] => rows.map((row) => row.partition.replace(`${SOURCE}:`, ''))

describe('how far behind', () => {
  test.each([
    ['knowledge as old as the SLA', { oldestSuccessAt: daysAgo(2), stale: 0 }, 1],
    ['three SLAs old', { oldestSuccessAt: daysAgo(6), stale: 5 }, 3],
    ['fresh, but a change is pending', { oldestSuccessAt: daysAgo(0.5), stale: 1 }, 1],
    ['attempted and never succeeded', { oldestSuccessAt: null, stale: 3 }, 1],
    ['never asked', { oldestSuccessAt: null, stale: 0 }, 0],
    ['a clock that stepped back', { oldestSuccessAt: NOW + DAY_MS, stale: 0 }, 0],
  ])('%s', (_what, counts, expected) => {
    expect(overdueRatio(counts, NOW, 2 * DAY_MS)).toBe(expected)
  })
})

describe('the list', () => {
  const stats = [
    partitionStats({ cohort: 'fresh', population: 10, fresh: 10, oldestSuccessAt: daysAgo(0.5) }),
    partitionStats({ cohort: 'behind', population: 10, due: 10, stale: 10, oldestSuccessAt: daysAgo(5) }),
    partitionStats({ cohort: 'further_behind', population: 10, due: 2, stale: 2, oldestSuccessAt: daysAgo(9) }),
    partitionStats({ cohort: 'new', population: 10, due: 10, neverAttempted: 10 }),
    partitionStats({ cohort: 'unresolved', population: 5, unresolved: 5 }),
    partitionStats({ cohort: 'nobody_to_ask', population: 5, unresolved: 5 }),
  ]
  const plans = ['behind', 'further_behind', 'new'].map((cohort) =>
    plannedPartition({ cohort, partition: `${SOURCE}:${cohort}`, calls: 3, reason: `why ${cohort}` }),
  )

  test('planned first, most overdue first; what nobody can be asked about is no partition', () => {
    const { partitions } = list([source({ stats })], plans)
    expect(keys(partitions)).toEqual(['further_behind', 'behind', 'new', 'fresh'])
    expect(partitions.map((row) => row.planned)).toEqual([true, true, true, false])
    expect(partitions[0]).toMatchObject({
      calls: 3,
      reason: 'why further_behind',
      overdue_ratio: 4.5,
      sla_left_s: -604_800,
      kind: 'cohort',
      after: null,
      served_by: null,
    })
    expect(partitions[3]).toMatchObject({ calls: 0, reason: null, strategy: null })
  })

  test('a walk of the feed comes before the cohorts that it settles', () => {
    const feed = plannedPartition({ cohort: 'change_feed', partition: `${SOURCE}:change_feed`, strategy: 'feed', calls: 7 })
    const { partitions } = list([source({ stats, hasFeed: true })], [feed, ...plans])
    expect(keys(partitions)[0]).toBe('change_feed')
    expect(partitions[0]).toMatchObject({ kind: 'feed', planned: true, population: 50, due: 22, stale: 12, after: null })
    expect(partitions.slice(1, 4).every((row) => row.after === `${SOURCE}:change_feed`)).toBe(true)
    expect(partitions[4]).toMatchObject({ cohort: 'fresh', after: null })
    // Not planned, it is still there to be asked for with a window.
    expect(keys(list([source({ stats, hasFeed: true })]).partitions)).toContain('change_feed')
  })

  test('cohorts of a file are served by the file, which is there before anything is loaded', () => {
    const { partitions } = list([source({ stats, hasFile: true })])
    expect(partitions[0]).toMatchObject({ cohort: 'bulk_file', kind: 'file', served_by: null })
    expect(partitions.slice(1).every((row) => row.served_by === `${SOURCE}:bulk_file`)).toBe(true)
    expect(keys(list([source({ hasFile: true })]).partitions)).toEqual(['bulk_file'])
  })

  test('what runs already, and where a pass stands', () => {
    const point = checkpoint({ partition: `${SOURCE}:behind`, status: 'open' })
    const { partitions } = list([source({ stats, checkpoints: [point] })], plans, [`${SOURCE}:behind`])
    expect(partitions.find((row) => row.cohort === 'behind')).toMatchObject({ leased: true, checkpoint: 'open' })
    expect(partitions.find((row) => row.cohort === 'new')).toMatchObject({ leased: false, checkpoint: null })
  })

  test('sources: coverage, and what the plan says of them; a disabled one is not in the plan', () => {
    const plan: Plan = {
      at: NOW,
      partitions: [],
      sources: [
        {
          source: SOURCE,
          population: 45,
          due: 22,
          stale: 12,
          neverAttempted: 10,
          backingOff: 0,
          unresolved: 10,
          strategy: 'batch',
          callsByStrategy: {},
          calls: 9,
          etaMs: 4_500,
          feasibility: { feasible: false, utilisation: 2, repairs: [], repair: 'larger batches' },
          heldBack: 'quota spent',
        },
      ],
    }
    const { sources } = listPartitions({
      now: NOW,
      plan,
      leased: new Set(),
      sources: [source({ stats }), source({ source: 'off', enabled: false })],
    })
    expect(sources).toEqual([
      {
        source: SOURCE,
        enabled: true,
        population: 50,
        due: 22,
        stale: 12,
        coverage: 0.25,
        threshold: 0.9,
        below_threshold: true,
        calls: 9,
        eta_s: 4.5,
        feasible: false,
        repair: 'larger batches',
        held_back: 'quota spent',
      },
      expect.objectContaining({ source: 'off', enabled: false, calls: 0, eta_s: null, coverage: 1, held_back: null }),
    ])
  })
})
