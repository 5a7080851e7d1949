import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeableTail, planExport, policyMark } from '../../../ts/warehouse/export-plan.ts'
import type { PartitionEntry } from '../../../ts/warehouse/manifest.ts'

const policy = { cadenceMs: 86_400_000, slaMs: 604_800_000, coverageThreshold: 0.9 }
const policies = { sam_gov: policy }
const exported = (cohort: string, counter: number, change: Partial<PartitionEntry> = {}): PartitionEntry => ({
  source: 'sam_gov',
  cohort,
  counter,
  policy: policyMark(policy),
  exported_at: '2026-11-21T00:00:00.000Z',
  ledger: null,
  records: null,
  ...change,
})
const names = (entries: readonly { cohort: string }[]) => entries.map((entry) => entry.cohort)

describe('planExport', () => {
  it('writes what is new or moved, keeps the rest, forgets what the store no longer has', () => {
    const counters = new Map([
      ['sam_gov:new', 1],
      ['sam_gov:moved', 6],
      ['sam_gov:same', 3],
      ['sam_gov:went_back', 2],
    ])
    const plan = planExport(
      [exported('moved', 5), exported('same', 3), exported('went_back', 9), exported('gone', 1)],
      counters,
      policies,
      new Set(),
    )
    expect(names(plan.write)).toEqual(['moved', 'new', 'went_back'])
    expect(names(plan.keep)).toEqual(['same'])
  })

  it('writes again when the policy changed or a file is damaged', () => {
    const counters = new Map([['sam_gov:same', 3]])
    const faster = { sam_gov: { ...policy, slaMs: 1 } }
    expect(names(planExport([exported('same', 3)], counters, faster, new Set()).write)).toEqual(['same'])
    expect(names(planExport([exported('same', 3)], counters, {}, new Set()).write)).toEqual(['same'])
    expect(names(planExport([exported('same', 3)], counters, policies, new Set(['sam_gov:same'])).write)).toEqual(['same'])
    const threshold = { sam_gov: { ...policy, coverageThreshold: 0.5 } }
    expect(planExport([exported('same', 3)], counters, threshold, new Set()).write).toEqual([])
  })

  it('does not take inherited properties for policies, and splits keys at the first colon', () => {
    const plan = planExport([], new Map([['constructor:a:b', 1]]), policies, new Set())
    expect(plan.write).toEqual([{ source: 'constructor', cohort: 'a:b', counter: 1, policy: null }])
  })
})

describe('mergeableTail', () => {
  it('leaves full and much larger chunks alone', () => {
    expect(mergeableTail([], 5, 100)).toBe(0)
    expect(mergeableTail([{ rows: 100 }], 5, 100)).toBe(0)
    expect(mergeableTail([{ rows: 100 }, { rows: 5 }], 5, 100)).toBe(1)
    expect(mergeableTail([{ rows: 50 }], 5, 100)).toBe(0)
    expect(mergeableTail([{ rows: 60 }, { rows: 20 }, { rows: 10 }], 10, 100)).toBe(3)
    expect(mergeableTail([{ rows: 70 }, { rows: 20 }, { rows: 10 }], 10, 100)).toBe(2)
  })

  it('keeps files few and rewriting little, however the rows arrive', () => {
    const chunkRows = 1_000
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: chunkRows }), { minLength: 1, maxLength: 400 }), (batches) => {
        let chunks: { rows: number }[] = []
        let written = 0
        let total = 0
        for (const rows of batches) {
          const tail = chunks.length - mergeableTail(chunks, rows, chunkRows)
          const merged = chunks.slice(tail).reduce((sum, chunk) => sum + chunk.rows, rows)
          chunks = [...chunks.slice(0, tail), { rows: merged }]
          written += merged
          total += rows
        }
        expect(chunks.reduce((sum, chunk) => sum + chunk.rows, 0)).toBe(total)
        for (const chunk of chunks) expect(chunk.rows).toBeLessThanOrEqual(chunkRows)
        expect(chunks.length).toBeLessThanOrEqual((3 * total) / chunkRows + 2 * Math.log2(chunkRows))
        expect(written).toBeLessThanOrEqual(total * 2 * Math.log2(chunkRows))
      }),
    )
  })
})
