import { describe, expect, test } from 'vitest'
import type { SourceAdapter } from '../../../ts/adapters/adapter.ts'
import { isCohortName } from '../../../ts/model/keys.ts'
import { createPlacer } from '../../../ts/refresh/cohort.ts'
import { entity } from '../../support/builders.ts'
import { fakeAdapter } from '../../support/fake-adapter.ts'

const numbered = fakeAdapter()
const named = (name: string): SourceAdapter =>
  fakeAdapter(undefined, { cohort: { numbered: false, name: () => name, date: () => null } })

function place(adapter: SourceAdapter, size: number, sizes: Record<string, number>, count: number): string[] {
  const placer = createPlacer(adapter, size, new Map(Object.entries(sizes)))
  return Array.from({ length: count }, (_, i) => placer(entity(`uei:${i}`)).cohort)
}

describe('createPlacer', () => {
  test('fills numbered cohorts one after the other', () => {
    expect(place(numbered, 2, {}, 5)).toEqual(['batch_0001', 'batch_0001', 'batch_0002', 'batch_0002', 'batch_0003'])
  })

  test('continues where the store stands: the last cohort is filled first, earlier ones are left alone', () => {
    expect(place(numbered, 3, { batch_0001: 3, batch_0002: 2 }, 3)).toEqual(['batch_0002', 'batch_0003', 'batch_0003'])
    expect(place(numbered, 3, { batch_0001: 1, batch_0002: 3 }, 1)).toEqual(['batch_0003'])
  })

  test('one pass or many: the same entities come out the same', () => {
    const whole = place(numbered, 4, {}, 23)
    const sizes: Record<string, number> = {}
    const pieces: string[] = []
    for (const count of [1, 7, 2, 13]) {
      for (const cohort of place(numbered, 4, sizes, count)) {
        pieces.push(cohort)
        sizes[cohort] = (sizes[cohort] ?? 0) + 1
      }
    }
    expect(pieces).toEqual(whole)
  })

  test('a smaller cohort size later begins a new cohort and moves nobody', () => {
    expect(place(numbered, 2, { batch_0001: 5 }, 3)).toEqual(['batch_0002', 'batch_0002', 'batch_0003'])
  })

  test('numbers of five digits follow those of four', () => {
    expect(place(numbered, 1, { batch_9999: 1 }, 2)).toEqual(['batch_10000', 'batch_10001'])
    expect(place(numbered, 2, { batch_9999: 2, batch_10000: 1 }, 2)).toEqual(['batch_10000', 'batch_10001'])
  })

  test('names are numbered apart', () => {
    const adapter = fakeAdapter(undefined, {
      cohort: { numbered: true, name: (one) => String(one.attributes['state']), date: () => null },
    })
    const placer = createPlacer(adapter, 1, new Map())
    expect(['CA', 'NY', 'CA', 'NY'].map((state, i) => placer(entity(`uei:${i}`, { state })).cohort)).toEqual([
      'CA_0001',
      'NY_0001',
      'CA_0002',
      'NY_0002',
    ])
  })

  test('unnumbered cohorts grow without bound, and a year in a name is no number', () => {
    expect(place(named('award_year_2024'), 1, { award_year_2024: 9 }, 2)).toEqual(['award_year_2024', 'award_year_2024'])
  })

  test('what the source cannot be asked about waits with its reason, and takes no place in a cohort', () => {
    const placer = createPlacer(numbered, 1, new Map())
    expect(placer(entity('name:ACME|CA'))).toEqual({ cohort: 'unresolved', unresolvable: 'no UEI' })
    expect(placer(entity('uei:1'))).toEqual({ cohort: 'batch_0001', unresolvable: null })
  })

  test.each(['change_feed', 'bulk_file', 'unresolved', 'a,b', 'a b', 'a:b', '', '../x', 'x'.repeat(121)])(
    'refuses the cohort name "%s", naming adapter and entity',
    (name) => {
      expect(() => createPlacer(named(name), 10, new Map())(entity('uei:1'))).toThrow(
        /adapter fake_source named the cohort .* for company\/uei:1/,
      )
    },
  )

  test('every name it makes is a valid cohort', () => {
    for (const cohort of place(numbered, 1, { batch_99998: 1 }, 5)) expect(isCohortName(cohort)).toBe(true)
  })
})
