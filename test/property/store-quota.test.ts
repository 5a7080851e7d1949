import * as fc from 'fast-check'
import { describe, it } from 'vitest'
import { openMemoryStore } from '../../ts/stores/memory/open.ts'
import { checkQuota, rule, steps } from './store-quota-model.ts'

describe('quota slots in memory', () => {
  it('never let more requests into a window than the limit, and never refuse without need', async () => {
    await fc.assert(
      fc.asyncProperty(rule, steps, async (limits, script) => {
        await checkQuota(openMemoryStore(), 'key', limits, script)
      }),
      { numRuns: 500 },
    )
  })
})
