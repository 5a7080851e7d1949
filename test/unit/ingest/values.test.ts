import { describe, expect, it } from 'vitest'
import { scrubContacts } from '../../../ts/ingest/contacts.ts'
import { stateCode } from '../../../ts/ingest/states.ts'
import {
  cleanIdentifier,
  cleanText,
  INVALID,
  readAmount,
  readCount,
  readDate,
  readDuns,
  readFlag,
  readUei,
  readYear,
} from '../../../ts/ingest/values.ts'

describe('cleanText', () => {
  it.each([
    [undefined, null],
    ['', null],
    ['   ', null],
    ['plain', 'plain'],
    ['  two   words ', 'two words'],
    ['line_x000D_\nbreak', 'line break'],
    ['_X000d_', null],
    ['tab\tand\u0000control', 'tab and control'],
    ['no\u00a0break\u200b', 'no break'],
    ['Attn: pat.doe+x@acme.example.com, Suite 4', 'Attn: , Suite 4'],
    ['R@D Inc', 'R@D Inc'],
    ['Électro', 'Électro'],
  ])('%j -> %j', (raw, expected) => expect(cleanText(raw)).toBe(expected))
})

describe('cleanIdentifier', () => {
  it.each(['N/A', 'n/a', 'None', 'TBD', ' unknown ', '-', '0', 'NULL'])('%j is nothing', (raw) =>
    expect(cleanIdentifier(raw)).toBeNull(),
  )
  it('keeps what is one', () => expect(cleanIdentifier(' FA8650-23-C-0001 ')).toBe('FA8650-23-C-0001'))
})

describe('readDate', () => {
  it.each([
    ['2024-03-01', '2024-03-01'],
    ['03/01/2024', '2024-03-01'],
    ['3/1/2024', '2024-03-01'],
    [' 2024-02-29 ', '2024-02-29'],
    ['2024-03-01T00:00:00Z', '2024-03-01'],
    ['2024-03-01 00:00:00.000', '2024-03-01'],
    ['12/31/1999 0:00', '1999-12-31'],
    ['', null],
    [undefined, null],
    ['0000-00-00', null],
    ['N/A', null],
  ])('%j -> %j', (raw, expected) => expect(readDate(raw)).toBe(expected))
  it.each([
    '2023-02-29',
    '2024-13-01',
    '13/40/2024',
    '2024-00-10',
    '2024-01-00',
    '1900-02-29',
    '0202-01-01',
    'March 2024',
    '20240301',
    '45352',
    '01/02/03',
    '3024-01-01',
  ])('%j is none', (raw) => expect(readDate(raw)).toBe(INVALID))
})

describe('readYear', () => {
  it.each([
    ['2024', 2024],
    ['2024.0', 2024],
    ['', null],
    ['N/A', null],
  ])('%j -> %j', (raw, expected) => expect(readYear(raw)).toBe(expected))
  it.each(['24', '20245', 'FY24', '1066', '0', '0000'])('%j is none', (raw) => expect(readYear(raw)).toBe(INVALID))
})

describe('readAmount', () => {
  it.each([
    ['150000.0000', '150000'],
    ['$1,234.50', '1234.5'],
    ['$ 1,234,567', '1234567'],
    ['0', '0'],
    ['0.00', '0'],
    ['-0.00', '0'],
    ['.5', '0.5'],
    ['007.10', '7.1'],
    ['-25', '-25'],
    ['-$1,000.00', '-1000'],
    ['($1,000.00)', '-1000'],
    ['274993.00', '274993'],
    ['1249999.5', '1249999.5'],
    ['123456789012345678.01', '123456789012345678.01'],
    ['', null],
    ['N/A', null],
    [undefined, null],
  ])('%j -> %j', (raw, expected) => expect(readAmount(raw)).toBe(expected))
  it.each(['abc', '1e6', '1,23', '1.2.3', '$', '$.', '--5', '12 000', 'USD 5', '1,2345', '()'])('%j is none', (raw) =>
    expect(readAmount(raw)).toBe(INVALID),
  )
})

describe('identifiers', () => {
  it.each([
    ['abcdefghijk1', 'ABCDEFGHIJK1'],
    [' C4Y5CNN55L37 ', 'C4Y5CNN55L37'],
    ['', null],
    ['N/A', null],
  ])('UEI %j -> %j', (raw, expected) => expect(readUei(raw)).toBe(expected))
  it.each(['NOT_A_VALID_UEI', 'ABC', '000000000000', 'ABCDEFGHIJKLM'])('UEI %j is none', (raw) =>
    expect(readUei(raw)).toBe(INVALID),
  )
  it.each([
    ['123456789', '123456789'],
    ['12-345-6789', '123456789'],
    ['1234567890000', '123456789'],
    ['12345678', '012345678'],
    ['123456789.0', '123456789'],
    ['000000000', null],
    ['', null],
  ])('DUNS %j -> %j', (raw, expected) => expect(readDuns(raw)).toBe(expected))
  it.each(['NOT_A_NUMBER', '12345', '999999999'])('DUNS %j is none', (raw) => expect(readDuns(raw)).toBe(INVALID))
})

describe('counts and flags', () => {
  it.each([
    ['12', 12],
    ['1,200', 1200],
    ['35.0', 35],
    ['0', 0],
    ['', null],
    ['n/a', null],
  ])('count %j -> %j', (raw, expected) => expect(readCount(raw)).toBe(expected))
  it.each(['-1', 'about 5', '1.5', '1,2'])('count %j is none', (raw) => expect(readCount(raw)).toBe(INVALID))
  it.each([
    ['Y', 'Y'],
    ['yes', 'Y'],
    ['n', 'N'],
    ['FALSE', 'N'],
    ['U', null],
    ['', null],
  ])('flag %j -> %j', (raw, expected) => expect(readFlag(raw)).toBe(expected))
})

describe('stateCode', () => {
  it.each([
    ['MA', 'MA'],
    ['Massachusetts', 'MA'],
    ['NEW  YORK', 'NY'],
    ['D.C.', 'DC'],
    ['Washington, D.C.', 'DC'],
    ['puerto rico', 'PR'],
    ['Ontario', 'ONTARIO'],
    ['constructor', 'CONSTRUCTOR'],
    [null, null],
  ])('%j -> %j', (text, expected) => expect(stateCode(text)).toBe(expected))
})

describe('scrubContacts', () => {
  it('takes addresses and numbers out and leaves the rest', () => {
    expect(
      scrubContacts('call (703) 555-0101 or 301.555.0201, 5550000001, +1 408-555-0401; j.doe@acme.example.com DUNS 123456789'),
    ).toBe('call [number] or [number], [number], [number]; [e-mail] DUNS 123456789')
  })
  it('is quick on text made to be slow', () => {
    const text = `${'a'.repeat(200_000)}@${'b.'.repeat(100_000)}`
    expect(scrubContacts(text).length).toBeGreaterThan(0)
  })
})
