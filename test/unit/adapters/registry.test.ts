import { describe, expect, it } from 'vitest'
import { ADAPTERS, adapterById } from '../../../ts/adapters/registry.ts'

describe('registry', () => {
  it('finds each adapter by its id', () => {
    expect(ADAPTERS.map(({ id }) => id).slice(0, 3)).toEqual(['sbir_gov', 'usaspending', 'sam_gov'])
    expect(new Set(ADAPTERS.map(({ id }) => id)).size).toBe(ADAPTERS.length)
    for (const adapter of ADAPTERS) expect(adapterById(adapter.id)).toBe(adapter)
  })

  it('says which there are when one is not', () => {
    expect(() => adapterById('constructor')).toThrow(
      expect.objectContaining({
        code: 'unknown_adapter',
        recovery: 'configuration',
        hint: expect.stringMatching(/^use one of sbir_gov, usaspending, sam_gov/),
      }),
    )
  })
})
