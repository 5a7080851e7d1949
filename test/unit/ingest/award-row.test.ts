import { describe, expect, it } from 'vitest'
import { AwardRegister } from '../../../ts/ingest/award-register.ts'
import { type AwardFacts, awardAliases, readAwardRow } from '../../../ts/ingest/award-row.ts'
import { COLUMNS, FIELDS, type RawRow } from '../../../ts/ingest/columns.ts'
import type { WarningKind } from '../../../ts/ingest/facts.ts'
import { PersonRegister } from '../../../ts/ingest/person-register.ts'
import { award, type Cells } from './csv-text.ts'

function raw(cells: Cells): RawRow {
  const byField = new Map(COLUMNS.sbir_awards.map((column) => [column.field, cells[column.name]]))
  return Object.fromEntries(FIELDS.map((field) => [field, byField.get(field) ?? ''])) as RawRow
}
function facts(cells: Cells): AwardFacts {
  const read = readAwardRow(raw(cells), () => {}, 2028)
  if ('problem' in read) throw new Error(read.problem)
  return read
}
function problem(cells: Cells): string {
  const read = readAwardRow(raw(award(cells)), () => {}, 2028)
  return 'problem' in read ? read.problem : 'none'
}

describe('readAwardRow', () => {
  it('reads every column into its attribute', () => {
    const read = facts({
      Company: 'Acme Photonics, Inc.',
      'Award Title': 'Laser_x000D_\n thing',
      Agency: 'Department of Defense',
      Branch: 'Air Force',
      Phase: 'Phase II',
      Program: 'STTR',
      'Agency Tracking Number': 'F-1',
      Contract: 'FA8650-23-C-0001',
      'Proposal Award Date': '03/15/2023',
      'Contract End Date': '2024-03-14',
      'Solicitation Number': '23.1',
      'Solicitation Year': '2023',
      'Solicitation Close Date': '2023-01-15',
      'Proposal Receipt Date': '2023-02-01',
      'Date of Notification': '2023-03-01',
      'Topic Code': 'AF231-001',
      'Award Year': '2023',
      'Award Amount': '$1,234.50',
      UEI: 'abcdefghijk1',
      Duns: '123456789',
      'HUBZone Owned': 'N',
      'Socially and Economically Disadvantaged': 'Y',
      'Woman Owned': '',
      'Number Employees': '1,200',
      'Company Website': 'https://www.acme.com',
      Address1: '1 Main St',
      Address2: 'Suite 2',
      City: 'Dayton',
      State: 'Ohio',
      Zip: '45402',
      Abstract: 'long',
      'Contact Name': 'A B',
      'Contact Phone': '(555) 010-0100',
      'Contact Email': 'a@b.example',
      'PI Name': 'Dr. Jane Doe',
      'PI Email': 'j@b.example',
      'RI Name': 'MIT',
      'RI POC Name': 'C D',
    })
    expect(read.fields).toEqual({
      title: 'Laser thing',
      agency: 'Department of Defense',
      branch: 'Air Force',
      phase: 'Phase II',
      program: 'STTR',
      agency_tracking_number: 'F-1',
      contract: 'FA8650-23-C-0001',
      proposal_award_date: '2023-03-15',
      contract_end_date: '2024-03-14',
      solicitation_number: '23.1',
      solicitation_year: 2023,
      solicitation_close_date: '2023-01-15',
      proposal_receipt_date: '2023-02-01',
      date_of_notification: '2023-03-01',
      topic_code: 'AF231-001',
      award_year: 2023,
      award_amount: '1234.5',
      company_name: 'Acme Photonics, Inc.',
      uei: 'ABCDEFGHIJK1',
      duns: '123456789',
      ri_name: 'MIT',
      pi_name: 'Dr. Jane Doe',
    })
    expect(read.company).toMatchObject({
      uei: 'ABCDEFGHIJK1',
      duns: '123456789',
      nameKey: 'ACME PHOTONICS|OH',
      dated: 20230315,
      rawWebsite: 'https://www.acme.com',
      fields: {
        name: 'Acme Photonics, Inc.',
        address1: '1 Main St',
        address2: 'Suite 2',
        city: 'Dayton',
        state: 'OH',
        zip: '45402',
        website: 'https://www.acme.com',
        number_employees: 1200,
        hubzone_owned: 'N',
        woman_owned: null,
        disadvantaged: 'Y',
      },
    })
    expect(read.key).toMatch(/^v1:[0-9a-f]{64}$/)
    expect(awardAliases(read.fields)).toEqual(['award_id:FA865023C0001'])
  })

  it.each([
    [{ Company: '' }, 'no company'],
    [{ Company: '...' }, 'the company "..." is no name'],
    [{ Company: 'x'.repeat(501) }, 'the company name is longer than 500 characters'],
    [{ 'Proposal Award Date': '2023-02-30' }, 'Proposal Award Date "2023-02-30" is no date (YYYY-MM-DD or MM/DD/YYYY)'],
    [{ 'Date of Notification': 'soon' }, 'Date of Notification "soon" is no date (YYYY-MM-DD or MM/DD/YYYY)'],
    [{ 'Award Year': 'FY24' }, 'Award Year "FY24" is no year'],
    [{ 'Award Year': '0' }, 'Award Year "0" is no year'],
    [{ 'Award Year': '1981' }, 'Award Year "1981" is not within 1982 and 2028'],
    [{ 'Solicitation Year': '2029' }, 'Solicitation Year "2029" is not within 1982 and 2028'],
    [{ 'Award Amount': 'a lot' }, 'Award Amount "a lot" is no number'],
    [{ 'Award Amount': '-5' }, 'Award Amount "-5" is below zero'],
    [{ 'Award Amount': '($5.00)' }, 'Award Amount "($5.00)" is below zero'],
    [{ 'Award Year': '1982', 'Solicitation Year': '2028', 'Award Amount': '0' }, 'none'],
  ])('refuses %j', (cells, expected) => expect(problem(cells)).toBe(expected))

  it('refuses a row that nothing tells from others, and says what would', () => {
    const nothing = { 'Agency Tracking Number': 'N/A', Contract: '', 'Solicitation Number': '', 'Proposal Award Date': '' }
    expect(problem(nothing)).toContain('no agency tracking number, contract, solicitation number or proposal award date')
    expect(problem({ ...nothing, Contract: 'X1' })).toBe('none')
  })

  it('keeps contact data out of reasons', () => {
    expect(problem({ 'Award Amount': 'pat@acme.example.com (555) 010-0100' })).toBe(
      'Award Amount "[e-mail] [number]" is no number',
    )
  })

  it('takes telephone numbers and e-mail addresses out of addresses, names and titles, and takes them for no value', () => {
    const read = facts(
      award({
        'Award Title': 'Call me 555-010-0103 or jane@acme.com about sensors',
        Address1: '1 Main St, tel. (555) 010-0100',
        Address2: '555-010-0101',
        'PI Name': 'Jane Doe 555.010.0102 jane@acme.com',
        Zip: '45402-1234',
      }),
    )
    expect(read.company!.fields).toMatchObject({ address1: '1 Main St, tel.', address2: null, zip: '45402-1234' })
    expect(read.fields.pi_name).toBe('Jane Doe')
    expect(read.fields.title).toBe('Call me or about sensors')
    for (const column of ['Award Amount', 'Award Year', 'Proposal Award Date'])
      expect(problem({ [column]: 'pat@acme.com' })).toContain('is no')
  })

  it('counts identifiers it can not read instead of losing the row', () => {
    const warnings: WarningKind[] = []
    const read = readAwardRow(
      raw(award({ UEI: 'NOT_A_VALID_UEI', Duns: 'NOT_A_NUMBER', 'Number Employees': 'few' })),
      (kind) => warnings.push(kind),
      2028,
    )
    expect(read).toMatchObject({ fields: { uei: null, duns: null }, company: { fields: { number_employees: null } } })
    expect(warnings).toEqual(['invalid_uei', 'invalid_duns', 'invalid_number_employees'])
  })

  it('dates a row by its award, its year, or its notification', () => {
    const none = { 'Proposal Award Date': '', 'Award Year': '', 'Date of Notification': '' }
    expect(facts(award({ ...none, 'Award Year': '2024' })).company!.dated).toBe(20240000)
    expect(facts(award({ ...none, 'Date of Notification': '2024-05-06' })).company!.dated).toBe(20240506)
    expect(facts(award({ ...none, 'Award Year': '2024', 'Date of Notification': '2025-05-06' })).company!.dated).toBe(20240000)
    expect(facts(award(none)).company!.dated).toBe(0)
  })
})

describe('AwardRegister', () => {
  const same = award()
  const rows = [
    same,
    { ...same, 'Award Title': 'Other' },
    { ...same, 'Award Title': '' },
    same,
    same,
    { ...same, 'Topic Code': 'T' },
  ].map(facts)
  const kept = (
    order: readonly number[],
  ): { readonly title: string | null; readonly duplicates: object; readonly size: number } => {
    const register = new AwardRegister()
    for (const [line, index] of order.entries()) register.add(rows[index]!, line)
    const keeping = order.filter((index, line) => register.keeps(rows[index]!, line))
    expect(keeping).toHaveLength(1)
    return { title: rows[keeping[0]!]!.fields.topic_code, duplicates: register.duplicates, size: register.size }
  }

  it('keeps the fullest row and counts the others, in any order', () => {
    expect(kept([0, 1, 2, 3, 4, 5])).toEqual({ title: 'T', duplicates: { exact: 2, differing: 3 }, size: 1 })
    expect(kept([5, 4, 3, 2, 1, 0])).toEqual({ title: 'T', duplicates: { exact: 2, differing: 3 }, size: 1 })
    expect(kept([3, 5, 0, 2, 4, 1])).toEqual({ title: 'T', duplicates: { exact: 2, differing: 3 }, size: 1 })
  })

  it('keeps the same of two that are as full, in any order', () => {
    const a = facts({ ...same, 'Award Title': 'A' })
    const b = facts({ ...same, 'Award Title': 'B' })
    const first = new AwardRegister()
    first.add(a, 1)
    first.add(b, 2)
    const second = new AwardRegister()
    second.add(b, 1)
    second.add(a, 2)
    expect(first.keeps(a, 1)).toBe(second.keeps(a, 2))
    expect(first.keeps(b, 2)).toBe(second.keeps(b, 1))
  })
})

describe('PersonRegister', () => {
  it('gives one person per normalized name and company, spelled alike in any order', () => {
    const names = ['Jane Doe', 'Dr. Jane Doe', 'JANE DOE', 'N.N.', '12345', 'Bob Lee']
    const persons = (order: readonly string[]): unknown => {
      const register = new PersonRegister()
      for (const name of order) register.add(1, name)
      for (const name of order) register.add(2, name)
      register.add(1, null)
      const company = { units: [1, 2] }
      return [...register.ofCompanies(() => company)].map(({ keyName, name }) => [keyName, name]).sort()
    }
    expect(persons(names)).toEqual([
      ['BOB LEE', 'Bob Lee'],
      ['JANE DOE', 'Dr. Jane Doe'],
      ['NN', 'N.N.'],
    ])
    expect(persons([...names].reverse())).toEqual(persons(names))
  })
})
