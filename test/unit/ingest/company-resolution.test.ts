import { describe, expect, it } from 'vitest'
import { CompanyRegister, type Unit } from '../../../ts/ingest/company-register.ts'
import { type Resolution, resolveCompanies, type StoredCompany } from '../../../ts/ingest/company-resolution.ts'
import type { CompanyFacts } from '../../../ts/ingest/facts.ts'
import { FewStrings } from '../../../ts/ingest/few-strings.ts'

type Row = { readonly uei?: string; readonly duns?: string; readonly name?: string; readonly dated?: number }

function facts({ uei, duns, name = 'ACME|OH', dated = 0 }: Row): CompanyFacts {
  const fields = {
    name,
    address1: null,
    address2: null,
    city: null,
    state: null,
    zip: null,
    country: null,
    website: null,
    number_employees: null,
    number_awards: null,
    hubzone_owned: null,
    woman_owned: null,
    disadvantaged: null,
  }
  return { uei: uei ?? null, duns: duns ?? null, nameKey: name, fields, rawWebsite: null, dated }
}

function unitsOf(rows: readonly Row[]): readonly Unit[] {
  const register = new CompanyRegister({ countRows: false })
  for (const row of rows) register.add(facts(row))
  return register.units
}

type Known = {
  readonly key: string
  readonly uei?: string
  readonly duns?: readonly string[]
  readonly names?: readonly string[]
}

function storedOf(companies: readonly Known[]): ReadonlyMap<string, readonly StoredCompany[]> {
  const map = new Map<string, StoredCompany[]>()
  for (const { key, uei, duns = [], names = [] } of companies) {
    const company: StoredCompany = {
      key,
      uei: uei ?? null,
      mainDuns: duns[0] ?? null,
      duns: new FewStrings(duns),
      name: null,
      domain: null,
      dated: 0,
      nameKeys: new FewStrings(names),
    }
    const identifiers = new Set([
      key,
      ...(uei === undefined ? [] : [`uei:${uei}`]),
      ...duns.map((number) => `duns:${number}`),
      ...names.map((name) => `name:${name}`),
    ])
    for (const identifier of identifiers) map.set(identifier, [...(map.get(identifier) ?? []), company])
  }
  return map
}

/** Company key of each row. */
function keys(rows: readonly Row[], stored: readonly Known[] = []): readonly string[] {
  const register = new CompanyRegister({ countRows: false })
  const units = rows.map((row) => register.add(facts(row)))
  const resolution = resolveCompanies(register.units, storedOf(stored))
  return units.map((unit) => resolution.companyOf[unit.id]!.key)
}
const resolve = (rows: readonly Row[], stored: readonly Known[] = []): Resolution =>
  resolveCompanies(unitsOf(rows), storedOf(stored))

describe('within a file', () => {
  it('takes UEI, then DUNS, then name and state', () => {
    expect(keys([{ uei: 'U1', duns: '1' }, { duns: '2', name: 'B|OH' }, { name: 'C|OH' }])).toEqual([
      'uei:U1',
      'duns:2',
      'name:C|OH',
    ])
  })

  it('joins a row without a UEI by a DUNS number that has one UEI', () => {
    const rows = [{ uei: 'U1', duns: '1' }, { duns: '1', name: 'OLD NAME|OH' }, { name: 'OLD NAME|OH' }]
    expect(keys(rows)).toEqual(['uei:U1', 'uei:U1', 'uei:U1'])
    expect(resolve(rows)).toMatchObject({ joinedByDuns: 1, joinedByName: 1, ambiguous: 0 })
  })

  it('joins by name and state when one company has them', () => {
    expect(keys([{ uei: 'U1' }, {}])).toEqual(['uei:U1', 'uei:U1'])
    expect(keys([{ uei: 'U1' }, { duns: '1' }])).toEqual(['uei:U1', 'uei:U1'])
    expect(keys([{ duns: '1' }, {}])).toEqual(['duns:1', 'duns:1'])
    expect(keys([{ uei: 'U1' }, { name: 'ACME|TX' }])).toEqual(['uei:U1', 'name:ACME|TX'])
  })

  it('keeps UEIs apart that share a name or a DUNS number', () => {
    expect(keys([{ uei: 'U1', duns: '1' }, { uei: 'U2', duns: '1' }, {}, { duns: '1' }])).toEqual([
      'uei:U1',
      'uei:U2',
      'name:ACME|OH',
      'duns:1',
    ])
    expect(resolve([{ uei: 'U1', duns: '1' }, { uei: 'U2', duns: '1' }, {}, { duns: '1' }]).ambiguous).toBe(2)
  })

  it('does not join another DUNS number by name alone', () => {
    expect(keys([{ uei: 'U1', duns: '1' }, { duns: '2' }])).toEqual(['uei:U1', 'duns:2'])
    expect(keys([{ uei: 'U1' }, { duns: '1' }, { duns: '2' }])).toEqual(['uei:U1', 'duns:1', 'duns:2'])
  })

  it('says the same for every order of the rows', () => {
    const rows: readonly Row[] = [
      { uei: 'U1', duns: '1' },
      { duns: '1', name: 'OLD|OH' },
      { name: 'OLD|OH' },
      { uei: 'U2', name: 'X|OH' },
      { uei: 'U3', name: 'X|OH' },
      { name: 'X|OH' },
      { duns: '9', name: 'X|OH' },
    ]
    const expected = new Map(rows.map((row, index) => [row, keys(rows)[index]]))
    for (let turn = 0; turn < rows.length; turn++) {
      const turned = [...rows.slice(turn), ...rows.slice(0, turn)].reverse()
      expect(keys(turned)).toEqual(turned.map((row) => expected.get(row)))
    }
  })
})

describe('against the store', () => {
  it('keeps the key of a company that now has a UEI', () => {
    expect(keys([{ uei: 'U1', duns: '1' }], [{ key: 'duns:1', duns: ['1'], names: ['ACME|OH'] }])).toEqual(['duns:1'])
    expect(keys([{ uei: 'U1' }], [{ key: 'name:ACME|OH', names: ['ACME|OH'] }])).toEqual(['name:ACME|OH'])
    expect(
      keys(
        [
          { uei: 'U1', duns: '1', name: 'NEW|OH' },
          { uei: 'U1', name: 'ACME|OH' },
        ],
        [{ key: 'name:ACME|OH', names: ['ACME|OH'] }],
      ),
    ).toEqual(['name:ACME|OH', 'name:ACME|OH'])
    expect(keys([{ duns: '1' }], [{ key: 'name:ACME|OH', names: ['ACME|OH'] }])).toEqual(['name:ACME|OH'])
  })

  it('finds it again by its UEI', () => {
    expect(keys([{ uei: 'U1', name: 'RENAMED|CA' }], [{ key: 'duns:1', uei: 'U1', duns: ['1'], names: ['ACME|OH'] }])).toEqual([
      'duns:1',
    ])
  })

  it('joins rows without a UEI to a stored one by DUNS, and by name when no DUNS speaks against it', () => {
    const stored = [{ key: 'uei:U1', uei: 'U1', duns: ['1'], names: ['ACME|OH'] }]
    expect(keys([{ duns: '1', name: 'X|TX' }, {}], stored)).toEqual(['uei:U1', 'uei:U1'])
    expect(keys([{ duns: '2' }, {}], stored)).toEqual(['duns:2', 'name:ACME|OH'])
    expect(keys([{ duns: '2' }], [{ key: 'uei:U1', uei: 'U1', names: ['ACME|OH'] }])).toEqual(['uei:U1'])
  })

  it('gives a stored company to nobody when two UEIs could be it', () => {
    const stored = [{ key: 'duns:1', duns: ['1'], names: ['ACME|OH'] }]
    expect(keys([{ uei: 'U1', duns: '1' }, { uei: 'U2', duns: '1' }, { duns: '1' }], stored)).toEqual([
      'uei:U1',
      'uei:U2',
      'duns:1',
    ])
    expect(keys([{ uei: 'U1' }, { uei: 'U2' }, {}], [{ key: 'name:ACME|OH', names: ['ACME|OH'] }])).toEqual([
      'uei:U1',
      'uei:U2',
      'name:ACME|OH',
    ])
  })

  it('does not give a stored company to a UEI when another UEI of the store has its name or DUNS', () => {
    const stored = [
      { key: 'uei:U9', uei: 'U9', duns: ['1'], names: ['ACME|OH'] },
      { key: 'duns:1', duns: ['1'], names: ['ACME|OH'] },
    ]
    expect(keys([{ uei: 'U1', duns: '1' }], stored)).toEqual(['uei:U1'])
  })

  it('does not join a UEI to a stored company of another DUNS number by name', () => {
    expect(keys([{ uei: 'U1', duns: '2' }], [{ key: 'duns:1', duns: ['1'], names: ['ACME|OH'] }])).toEqual(['uei:U1'])
  })

  it('does not merge two DUNS numbers by way of a UEI that has taken one of them', () => {
    const stored = [{ key: 'duns:1', duns: ['1'], names: ['ACME|OH'] }]
    expect(keys([{ uei: 'U1' }, { duns: '2' }], stored)).toEqual(['duns:1', 'duns:2'])
  })

  it('leaves a name alone that several stored companies have', () => {
    const stored = [
      { key: 'uei:U1', uei: 'U1', names: ['ACME|OH'] },
      { key: 'duns:1', duns: ['1'], names: ['ACME|OH'] },
    ]
    expect(keys([{}], stored)).toEqual(['name:ACME|OH'])
    expect(resolve([{}], stored).ambiguous).toBe(1)
  })

  it('tells which companies were known', () => {
    const { companies } = resolve([{ uei: 'U1', duns: '1' }, { name: 'NEW|TX' }], [{ key: 'duns:1', duns: ['1'] }])
    expect(companies.map(({ key, stored }) => [key, stored?.key ?? null])).toEqual([
      ['duns:1', 'duns:1'],
      ['name:NEW|TX', null],
    ])
  })
})

describe('CompanyRegister', () => {
  it('keeps the newest row, of one day the fullest, in any order', () => {
    const old = facts({ uei: 'U1', dated: 20200101 })
    const newer = { ...facts({ uei: 'U1', dated: 20240101 }), duns: '5' }
    const fuller = { ...newer, duns: null, fields: { ...newer.fields, city: 'Dayton' } }
    const noDuns = facts({ uei: 'U1', dated: 20230101, duns: '4' })
    for (const order of [
      [old, newer, fuller, noDuns],
      [fuller, noDuns, newer, old],
      [noDuns, newer, old, fuller],
    ]) {
      const register = new CompanyRegister({ countRows: false })
      for (const row of order) register.add(row)
      expect(register.units).toHaveLength(1)
      expect(register.units[0]).toMatchObject({
        newest: { fields: { city: 'Dayton' } },
        newestDuns: { duns: '5', dated: 20240101 },
      })
      expect([...register.units[0]!.duns].sort()).toEqual(['4', '5'])
    }
  })
})
