import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { usaspending } from '../../../ts/adapters/usaspending.ts'
import { timeForCalls } from '../../../ts/refresh/feasibility.ts'
import { itemCallsOf } from '../../../ts/refresh/strategy-cost.ts'
import { fakeAdapter } from '../../support/fake-adapter.ts'

const partitions = fc.array(fc.record({ due: fc.integer({ min: 0, max: 5_000 }) }), { maxLength: 40 })
const size = fc.integer({ min: 1, max: 100 })

describe('calls of a first load where a batch is asked group by group', () => {
  it('a partition takes both usual groups of every batch, and then what is left', () => {
    const load = (due: readonly number[], of: number): number =>
      itemCallsOf(
        usaspending,
        'batch',
        due.map((one) => ({ due: one })),
        of,
        0,
      )
    expect(load([100], 100)).toBe(4)
    expect(load([1], 100)).toBe(2)
    expect(load([250, 0, 30], 100)).toBe(3 * 2 + 2 + (2 + 2))
    // Partitions of a state of 1,200 awards: planned 19 and made 70 before.
    expect(
      load(
        Array.from({ length: 19 }, () => 60),
        100,
      ),
    ).toBe(76)
  })

  it('property: never below a call per batch and group, nothing for nothing, and what passes took wins', () => {
    fc.assert(
      fc.property(partitions, size, fc.double({ min: 0.001, max: 4, noNaN: true }), (rows, of, learned) => {
        const first = itemCallsOf(usaspending, 'batch', rows, of, 0)
        const batches = rows.reduce((sum, { due }) => sum + Math.ceil(due / of), 0)
        expect(first).toBeGreaterThanOrEqual(batches * 2)
        expect(first === 0).toBe(batches === 0)
        expect(itemCallsOf(fakeAdapter(['batch']), 'batch', rows, of, 0)).toBe(batches)
        expect(itemCallsOf(usaspending, 'batch', rows, of, learned)).toBe(
          itemCallsOf(fakeAdapter(['batch']), 'batch', rows, of, learned),
        )
        // Who has less quota than that waits.
        if (batches > 1) {
          const rule = { id: 'day', limit: batches, perMs: 1_000, quotaPartition: 'q', kind: 'window', unit: 'request' } as never
          expect(timeForCalls(first, [rule])).toBeGreaterThan(0)
        }
      }),
    )
  })
})
