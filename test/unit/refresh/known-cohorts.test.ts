import { describe, expect, test } from 'vitest'
import type { RefreshRequest } from '../../../ts/model/plan.ts'
import { refuseUnknownCohorts } from '../../../ts/refresh/known-cohorts.ts'
import type { PlanSource } from '../../../ts/refresh/plan.ts'
import { EVERYTHING, partitionStats, SOURCE } from '../../support/builders.ts'
import { fakeAdapter } from '../../support/fake-adapter.ts'

function source(cohorts: readonly string[]): PlanSource {
  const stats = cohorts.map((cohort) => partitionStats({ source: SOURCE, cohort, population: 1 }))
  return { adapter: fakeAdapter(['batch', 'feed']), stats, checkpoints: [] } as unknown as PlanSource
}
const refuse =
  (request: Partial<RefreshRequest>, cohorts = ['award_year_2023', 'award_year_2024']) =>
  () =>
    refuseUnknownCohorts([source(cohorts)], { ...EVERYTHING, ...request })

describe('a name that is none', () => {
  test.each<[string, Partial<RefreshRequest>, string, RegExp]>([
    ['a cohort', { cohorts: ['nope'] }, 'unknown_cohort', /no cohort "nope"/],
    ['a slip', { cohorts: ['award_year_2042'] }, 'unknown_cohort', /award_year_2042/],
    ['a partition', { partitions: [`${SOURCE}:award_year_1066`] }, 'unknown_partition', /no partition/],
    ['a pass it has not', { cohorts: ['bulk_file'] }, 'unknown_cohort', /bulk_file/],
  ])('%s is refused, with what was likely meant', (_name, request, code, message) => {
    expect(refuse(request)).toThrow(expect.objectContaining({ code, recovery: 'usage', message: expect.stringMatching(message) }))
    expect(refuse(request)).toThrow(expect.objectContaining({ hint: expect.stringContaining('award_year_202') }))
  })
})

test('what exists is taken: cohorts, passes over the whole source, and anything while nothing is placed', () => {
  expect(refuse({ cohorts: ['award_year_2024', 'change_feed'] })).not.toThrow()
  expect(refuse({ partitions: [`${SOURCE}:change_feed`] })).not.toThrow()
  expect(refuse({ cohorts: ['batch_0001'] }, [])).not.toThrow()
  expect(refuse({ partitions: [`${SOURCE}:batch_0001`] }, [])).not.toThrow()
})

test.each(['nope', 'award_year_1066', 'batch_', 'batch_x'])(
  'while nothing is placed: %s can never become a numbered cohort',
  (name) => {
    expect(refuse({ cohorts: [name] }, [])).toThrow(expect.objectContaining({ code: 'unknown_cohort' }))
    expect(refuse({ partitions: [`${SOURCE}:${name}`] }, ['unresolved'])).toThrow(
      expect.objectContaining({ code: 'unknown_partition' }),
    )
  },
)

test('one source that is not placed does not switch the check off for those that are', () => {
  const request = { ...EVERYTHING, cohorts: ['batch_0007'] }
  const placed = source(['batch_0001'])
  expect(() => refuseUnknownCohorts([source([]), placed], request)).toThrow(expect.objectContaining({ code: 'unknown_cohort' }))
})
