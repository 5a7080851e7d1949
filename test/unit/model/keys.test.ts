import { describe, expect, test } from 'vitest'
import { entityId, isCohortName, isEntityKind, isSourceId, parsePartitionKey, partitionKey } from '../../../ts/model/keys.ts'

describe('source ids', () => {
  test.each(['sam_gov', 'a', 'x9', `a${'b'.repeat(39)}`])('"%s" is one', (id) => expect(isSourceId(id)).toBe(true))
  test.each(['', 'Sam', '9x', 'sam-gov', 'sam gov', '_x', 'sam:gov', `a${'b'.repeat(40)}`, 'é', 'sam_gov\n'])(
    '"%s" is none',
    (id) => expect(isSourceId(id)).toBe(false),
  )
})

describe('cohort names', () => {
  test.each(['uei_batch_0001', 'award_year_2024', 'award_year_unknown', 'project_week_2026-W47', 'v1.2', '2024'])(
    '"%s" is one',
    (name) => expect(isCohortName(name)).toBe(true),
  )
  test.each(['', 'a,b', 'a:b', 'a b', 'a*', 'a"b', 'a|b', '[a]', '.hidden', '-x', 'a..b', 'a/b', 'a\nb', 'a\n', 'x'.repeat(121)])(
    '"%s" is none: it would break a partition key or a path',
    (name) => expect(isCohortName(name)).toBe(false),
  )
})

describe('partition keys', () => {
  test('are split at their colon', () => {
    expect(parsePartitionKey('sam_gov:uei_batch_0001')).toEqual({ source: 'sam_gov', cohort: 'uei_batch_0001' })
    expect(partitionKey('sam_gov', 'uei_batch_0001')).toBe('sam_gov:uei_batch_0001')
  })

  test.each(['', 'sam_gov', ':x', 'sam_gov:', 'Sam:x', 'sam_gov:a:b', 'sam_gov:a,b', ' sam_gov:a'])('"%s" is none', (text) =>
    expect(parsePartitionKey(text)).toBeNull(),
  )
})

test('entity ids are unambiguous even when keys hold slashes and pipes', () => {
  expect(entityId({ kind: 'person', key: 'pi:A/B|uei:X' })).toBe('person/pi:A/B|uei:X')
  expect(isEntityKind('award')).toBe(true)
  expect(isEntityKind('Award')).toBe(false)
  expect(isEntityKind('__proto__')).toBe(false)
})
