import { describe, expect, it } from 'vitest'
import { agencyCode, paddedCode } from '../../../../ts/adapters/usaspending/agencies.ts'
import { groupsOf } from '../../../../ts/adapters/usaspending/award-groups.ts'
import {
  aliasesOf,
  awardIdForms,
  awardNumberProblem,
  instrumentLetter,
  matchKeys,
  nihCore,
} from '../../../../ts/adapters/usaspending/award-ids.ts'

describe('award numbers', () => {
  it.each([
    ['FA8651-14-C-0132', ['FA865114C0132', 'FA8651-14-C-0132']],
    ['FA865114C0132', ['FA865114C0132']],
    ['de-sc0022800', ['DESC0022800', 'DE-SC0022800']],
    ['1R43EY036753-01A1', ['R43EY036753', '1R43EY03675301A1']],
    ['R43EY036753', ['R43EY036753']],
    ['2317077', ['2317077']],
    ['AB "12345"', ['AB12345', 'AB 12345']],
  ])('%s is searched as %j', (contract, forms) => {
    expect(awardIdForms(contract)).toEqual(forms)
  })

  it('compares without separators', () => {
    expect(matchKeys('FA8651-14-C-0132')).toEqual(['FA865114C0132'])
    expect(matchKeys('1R43EY036753-01')).toEqual(['R43EY036753', '1R43EY03675301'])
  })

  it.each([
    [null, /no contract number/],
    ['0009', /too short/],
    ['--', /too short/],
    ['UNKNOWN', /no digit/],
    ['1'.repeat(51), /longer/],
  ])('cannot use %s', (contract, problem) => {
    expect(awardNumberProblem(contract)).toMatch(problem)
  })

  it.each(['W0001', '2317077', 'FA8651-14-C-0132'])('can use %s', (contract) => {
    expect(awardNumberProblem(contract)).toBeNull()
  })

  it('knows NIH numbers and instrument letters', () => {
    expect([nihCore('5R44GM123456-02'), nihCore('SB1CA123456'), nihCore('FA865114C0132')]).toEqual([
      'R44GM123456',
      'SB1CA123456',
      null,
    ])
    expect([instrumentLetter('W9132T-09-2-0019'), instrumentLetter('FA8651-14-C-0132'), instrumentLetter('2317077')]).toEqual([
      '2',
      'C',
      null,
    ])
  })

  it('spells out the applications an NIH award can have, and no others', () => {
    expect(aliasesOf('FA865114C0132')).toEqual(['award_id:FA865114C0132'])
    expect(aliasesOf('R01GM123456')).toEqual(['award_id:R01GM123456'])
    expect(aliasesOf('')).toEqual([])
    const aliases = aliasesOf('R43EY036753')
    for (const number of ['R43EY036753', '1R43EY03675301', '2R43EY03675302A1']) expect(aliases).toContain(`award_id:${number}`)
    expect(new Set(aliases).size).toBe(aliases.length)
  })
})

describe('groups', () => {
  const groups = (attributes: Record<string, string | null>, providerKey: string | null = null): readonly string[] =>
    groupsOf({
      entity: { kind: 'award', key: 'k', attributes, aliases: [] },
      providerKey,
      validators: { etag: null, lastModified: null },
    })

  it.each([
    [{ contract: 'FA8651-14-C-0132', agency: 'Department of Defense' }, ['contracts', 'grants']],
    [{ contract: 'W9132T-09-2-0019', agency: 'Department of Defense' }, ['grants', 'contracts']],
    [{ contract: 'FA8651-14-D-0132', agency: 'Department of Defense' }, ['idvs', 'contracts', 'grants']],
    [{ contract: '2317077', agency: 'National Science Foundation' }, ['grants', 'contracts']],
    [{ contract: '1R43EY036753-01', agency: 'HHS' }, ['grants', 'contracts']],
    [{ contract: '75N91020C00022', agency: 'Department of Health and Human Services' }, ['contracts', 'grants']],
    [{ contract: 'DE-SC0022800', agency: 'Department of Energy' }, ['grants', 'contracts']],
    [{ contract: '80NSSC21C0001', agency: 'NASA' }, ['contracts', 'grants']],
    [{ contract: 'ABC-12345', agency: null }, ['contracts', 'grants']],
  ])('%j is looked for in %j', (attributes, expected) => {
    expect(groups(attributes)).toEqual(expected)
  })

  it('narrows to the group of a known id', () => {
    expect(groups({ contract: '2317077' }, 'CONT_AWD_2317077_4900_-NONE-_-NONE-')).toEqual(['contracts'])
    expect(groups({ contract: '2317077' }, 'CONT_IDV_2317077_4900')).toEqual(['idvs'])
    expect(groups({ contract: '2317077' }, 'ASST_NON_2317077_4900')[0]).toBe('grants')
  })
})

describe('agencies', () => {
  it('knows names, abbreviations and both names of Defense', () => {
    expect(
      ['DOD', 'DOW', 'Department of War', 'DEPARTMENT OF DEFENSE', 'U.S. Department of Agriculture', 'Smithsonian'].map(
        agencyCode,
      ),
    ).toEqual(['097', '097', '097', '097', '012', null])
    expect([paddedCode('80'), paddedCode('080'), paddedCode('97JC'), paddedCode(null)]).toEqual(['080', '080', '97JC', null])
  })
})
