import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ADAPTERS } from '../../../ts/adapters/registry.ts'
import { normalizerVersionOf } from '../../../ts/refresh/normalizer-version.ts'

const adapter = {
  normalizerVersion: 3,
  recordOptions: ['officers', 'parts'],
  options: z.strictObject({
    officers: z.boolean().default(true),
    parts: z.array(z.string()).default([]),
    page_size: z.number().default(10),
  }),
}

describe('the version of a normalizer with options', () => {
  it('is the adapter`s own as long as the options that shape records are as they come', () => {
    expect(normalizerVersionOf(adapter, {})).toBe(3)
    expect(normalizerVersionOf(adapter, { officers: true, parts: [], page_size: 99 })).toBe(3)
    expect(normalizerVersionOf({ normalizerVersion: 2, options: adapter.options }, { officers: false })).toBe(2)
  })

  it('is another for every other choice, the same for the same, and exact as a number', () => {
    const versions = [
      { officers: false },
      { officers: false, parts: ['a'] },
      { parts: ['a'] },
      { parts: ['b'] },
      { officers: false, parts: ['b'] },
    ].map((options) => normalizerVersionOf(adapter, options))
    expect(new Set(versions).size).toBe(versions.length)
    for (const version of versions) expect(version > 3_000_000 && version < 4_000_000 && Number.isSafeInteger(version)).toBe(true)
    expect(normalizerVersionOf(adapter, { page_size: 1, officers: false })).toBe(versions[0])
    expect(normalizerVersionOf({ ...adapter, normalizerVersion: 4 }, { officers: false })).toBe(versions[0]! + 1_000_000)
  })

  it.each(ADAPTERS.filter(({ recordOptions }) => recordOptions !== undefined).map((one) => [one.id, one] as const))(
    '%s names options that it has',
    (_id, one) => {
      const known = Object.keys(one.options.parse({}))
      expect(known).toEqual(expect.arrayContaining([...one.recordOptions!]))
      expect(normalizerVersionOf(one, one.options.parse({}))).toBe(one.normalizerVersion)
    },
  )
})
