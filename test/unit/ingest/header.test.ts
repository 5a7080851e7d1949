import { describe, expect, it } from 'vitest'
import type { LoaderId } from '../../../ts/ingest/columns.ts'
import { type Layout, readHeader } from '../../../ts/ingest/header.ts'
import { mappingFrom, parseInlineMapping } from '../../../ts/ingest/mapping.ts'
import { rawRow } from '../../../ts/ingest/raw-row.ts'
import type { RowView } from '../../../ts/ingest/scan-csv.ts'
import { EngineError } from '../../../ts/model/errors.ts'
import { NAMES } from './csv-text.ts'

function problemOf(act: () => unknown): EngineError {
  try {
    act()
  } catch (error) {
    if (error instanceof EngineError) return error
    throw error
  }
  throw new Error('it was accepted')
}
const layout = (header: readonly string[], loader: LoaderId = 'sbir_awards'): Layout => readHeader(header, loader, null)
const awards = NAMES.sbir_awards

describe('the header of a published file', () => {
  it('has 42 columns, or 41 without the abstract', () => {
    expect(awards).toHaveLength(42)
    expect(layout(awards).columnOf).toMatchObject({ company: 0, award_amount: 17, pi_name: 35, number_awards: -1 })
    const without = awards.filter((name) => name !== 'Abstract')
    expect(layout(without).columnOf).toMatchObject({ company: 0, zip: 29, pi_name: 34 })
    expect(layout(without).columnCount).toBe(41)
  })

  it('has 14 columns for companies', () => {
    expect(NAMES.sbir_companies).toHaveLength(14)
    expect(layout(NAMES.sbir_companies, 'sbir_companies').columnOf).toMatchObject({ company: 0, number_awards: 3, website: 13 })
  })

  it('may come in any order, case and spacing', () => {
    const shuffled = [...awards].reverse().map((name) => ` ${name.toUpperCase().replaceAll(' ', '  ')} `)
    expect(layout(shuffled).columnOf).toMatchObject({ company: 41, ri_name: 2 })
    expect(layout(awards.map((name) => name.toLowerCase().replaceAll(' ', '_'))).columnOf.title).toBe(1)
  })

  it('never maps a column of contact data', () => {
    const { columnOf } = layout(awards)
    const mapped = Object.values(columnOf)
      .filter((index) => index >= 0)
      .map((index) => awards[index])
    expect(mapped.filter((name) => /contact|phone|email|abstract|title$|poc/i.test(name!) && name !== 'Award Title')).toEqual([])
    expect(layout(awards).quotable).toBe(awards.indexOf('Abstract'))
  })

  it('is refused with the names that are missing, unknown or there twice', () => {
    const error = problemOf(() => layout([...awards.filter((name) => name !== 'UEI' && name !== 'Contract'), 'Colour', 'City']))
    expect(error.code).toBe('ingest_header')
    expect(error.message).toContain('missing: "Contract", "UEI"')
    expect(error.message).toContain('unknown: "Colour"')
    expect(error.message).toContain('twice: "City"')
    expect(error.hint).toContain('Expected columns')
    expect(error.hint).toContain('Abstract (may be left out)')
    expect(error.hint).toContain('--map')
  })

  it('of the other file says so', () => {
    const error = problemOf(() => layout(NAMES.sbir_companies))
    expect(error.message).toContain('sbir_companies')
    expect(error.hint).toContain('--companies')
    expect(problemOf(() => layout(awards, 'sbir_companies')).hint).toContain('--awards')
  })

  it.each([
    [';', '";"'],
    ['\t', 'tabs'],
    ['|', '"|"'],
  ])('with another delimiter %j says so', (delimiter, name) => {
    expect(problemOf(() => layout([awards.join(delimiter)])).message).toContain(name)
  })

  it('with lone carriage returns says so', () => {
    expect(problemOf(() => layout(['Company\rAcme'])).message).toContain('carriage return')
  })
})

describe('a mapping', () => {
  it('takes columns by name, constants, and leaves the rest null', () => {
    const mapping = mappingFrom(
      { company: 'Firm Name', Contract: { column: 'award_id' }, Agency: { value: 'NSF' } },
      'sbir_awards',
    )
    const { columnOf, constants, fields, columnCount } = readHeader(['award_id', 'x', 'firm_name'], 'sbir_awards', mapping)
    expect(columnOf).toMatchObject({ company: 2, contract: 0, agency: -1, title: -1 })
    expect(constants).toEqual({ agency: 'NSF' })
    expect([...fields].sort()).toEqual(['agency', 'company', 'contract'])
    expect(columnCount).toBe(3)
  })

  it('takes a part of a column, and a file without companies', () => {
    const mapping = mappingFrom(
      {
        Company: null,
        'Agency Tracking Number': { column: 'award_id', before: '_' },
        Contract: { column: 'award_id', after: '_' },
        Phase: 'phase',
      },
      'sbir_awards',
    )
    const read = readHeader(['award_id', 'phase'], 'sbir_awards', mapping)
    expect(read).toMatchObject({ withoutCompany: true, constants: null })
    expect([...read.fields].sort()).toEqual(['agency_tracking_number', 'contract', 'phase'])
    const view = (...cells: string[]) => ({ text: (column: number) => cells[column] }) as unknown as RowView
    const parts = (...cells: string[]) => {
      const { agency_tracking_number: number, contract, phase, company } = rawRow(view(...cells), read)
      return [number, contract, phase, company]
    }
    expect(parts('D2S-0008_W31P4Q-20-C-0046', 'I_II')).toEqual(['D2S-0008', 'W31P4Q-20-C-0046', 'I_II', undefined])
    expect(parts('a_b_c', '')).toEqual(['a', 'b_c', '', undefined])
    expect(parts('W31P4Q-20-C-0046', '')).toEqual(['', 'W31P4Q-20-C-0046', '', undefined])
    for (const [value, loader] of [
      [{ Company: 'x', Contract: null }, 'sbir_awards'],
      [{ 'Company Name': null }, 'sbir_companies'],
      [{ Company: 'x', Contract: { column: 'a', before: '_', after: '_' } }, 'sbir_awards'],
      [{ Company: 'x', Contract: { column: 'a', before: '' } }, 'sbir_awards'],
    ] as const)
      expect(problemOf(() => mappingFrom(value, loader)).code).toBe('ingest_mapping')
    expect(problemOf(() => mappingFrom({ Contract: 'x' }, 'sbir_awards')).hint).toContain('"Company": null')
    expect(problemOf(() => readHeader(['award_id', 'phase'], 'sbir_awards', null)).hint).toContain('"Company": null')
  })

  it('in line', () => {
    expect(parseInlineMapping('Company=firm, Award Title=title', 'sbir_awards')).toEqual({
      Company: { column: 'firm' },
      'Award Title': { column: 'title' },
    })
  })

  it('prefers the exact spelling of two that are alike', () => {
    const mapping = parseInlineMapping('Company=Firm Name,Contract=id', 'sbir_awards')
    expect(readHeader(['firm_name', 'Firm Name', 'id'], 'sbir_awards', mapping).columnOf.company).toBe(1)
  })

  it.each([
    ['Colour=c,Company=x', '"Colour"'],
    ['Contract=x', 'needs a company'],
    ['Company=x,company=y', 'twice'],
    ['Company=x,PI Email=y', 'never stored'],
    ['Company', 'OurColumn=their_column'],
    ['Company=a=b', 'OurColumn=their_column'],
  ])('%j is refused', (text, expected) => {
    const error = problemOf(() => parseInlineMapping(text, 'sbir_awards'))
    expect(error).toMatchObject({ code: 'ingest_mapping', recovery: 'usage' })
    expect(error.message).toContain(expected)
  })

  it.each([[[]], ['text'], [{ Company: 3 }], [{ Company: '' }], [{ Company: { column: 'a', value: 'b' } }]])(
    '%j is refused',
    (value) => {
      expect(problemOf(() => mappingFrom(value, 'sbir_awards')).code).toBe('ingest_mapping')
    },
  )

  it('that names a column the file does not have is refused with those it has', () => {
    const error = problemOf(() =>
      readHeader(['a', 'b'], 'sbir_awards', parseInlineMapping('Company=firm,Contract=b', 'sbir_awards')),
    )
    expect(error.message).toContain('"firm"')
    expect(error.hint).toContain('"a", "b"')
  })
})
