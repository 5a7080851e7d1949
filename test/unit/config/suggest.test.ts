import { describe, expect, it } from 'vitest'
import { formatPath, splitPath } from '../../../ts/config/path.ts'
import { editDistance, suggest } from '../../../ts/config/suggest.ts'

describe('suggest', () => {
  it.each([
    ['cadance', 'cadence'],
    ['quota', 'quotas'],
    ['base-url', 'base_url'],
    ['CADENCE', 'cadence'],
    ['time', 'timeout'],
    ['als', 'sla'],
  ])('takes %s for %s', (word, expected) => {
    expect(suggest(word, ['cadence', 'quotas', 'base_url', 'timeout', 'sla'])).toBe(expected)
  })

  it('stays silent when nothing is near', () => {
    expect(suggest('zebra', ['cadence', 'quotas'])).toBeNull()
    expect(suggest('x', ['y'])).toBeNull()
    expect(suggest('', ['a'])).toBeNull()
  })

  it('counts swapped neighbours once', () => {
    expect(editDistance('cadenec', 'cadence')).toBe(1)
    expect(editDistance('', 'abc')).toBe(3)
  })
})

describe('paths', () => {
  it('are written with brackets for positions and odd keys, and split back', () => {
    expect(formatPath(['a', 'quotas', 0, 'limit'])).toBe('a.quotas[0].limit')
    expect(formatPath(['a', 'b c'])).toBe('a["b c"]')
    expect(formatPath([])).toBe('(root)')
    expect(splitPath('a.quotas[0].limit')).toEqual(['a', 'quotas', '0', 'limit'])
    expect(splitPath('a..b')).toBeNull()
  })
})
