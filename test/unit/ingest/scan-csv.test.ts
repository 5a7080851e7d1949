import { describe, expect, it } from 'vitest'
import { type BadRow, CsvScanner } from '../../../ts/ingest/scan-csv.ts'

type Scanned = {
  readonly rows: (readonly [number, ...string[]])[]
  readonly bad: (readonly [number, string])[]
  readonly cutOff: number | null
  readonly quotes: readonly string[]
}

function scan(input: string | Buffer, options: { columns?: number; chunk?: number; maxRowBytes?: number } = {}): Scanned {
  const rows: (readonly [number, ...string[]])[] = []
  const bad: BadRow[] = []
  const scanner = new CsvScanner(
    {
      row: (view) => rows.push([view.line, ...Array.from({ length: view.columnCount }, (_, column) => view.text(column))]),
      bad: (row) => bad.push(row),
    },
    options.maxRowBytes === undefined ? {} : { maxRowBytes: options.maxRowBytes },
  )
  if (options.columns !== undefined) scanner.expectColumns(options.columns)
  const bytes = Buffer.from(input)
  const size = options.chunk ?? bytes.length + 1
  for (let at = 0; at < bytes.length; at += size) scanner.push(bytes.subarray(at, at + size))
  const { cutOff } = scanner.end()
  return { rows, bad: bad.map((row) => [row.line, row.reason]), cutOff, quotes: bad.map((row) => row.quote) }
}

describe('rows', () => {
  it('reads plain and quoted fields, doubled quotes, commas and empty fields', () => {
    expect(scan('a,"b, c","say ""hi""",\n,,,\n').rows).toEqual([
      [1, 'a', 'b, c', 'say "hi"', ''],
      [2, '', '', '', ''],
    ])
  })

  it('numbers rows by the physical line they begin on, whatever fields hold', () => {
    expect(scan('h,i\n1,"x\ny\n\nz"\n2,b\n"c\r\nd",3\n4,e\n').rows).toEqual([
      [1, 'h', 'i'],
      [2, '1', 'x\ny\n\nz'],
      [6, '2', 'b'],
      [7, 'c\r\nd', '3'],
      [9, '4', 'e'],
    ])
  })

  it('takes LF and CRLF, also mixed, and leaves the line end out of the last field', () => {
    expect(scan('a,b\r\nc,"d"\r\ne,f\ng,h').rows).toEqual([
      [1, 'a', 'b'],
      [2, 'c', 'd'],
      [3, 'e', 'f'],
      [4, 'g', 'h'],
    ])
  })

  it('leaves a byte order mark out, however it is cut', () => {
    for (const chunk of [1, 2, 3, 100]) expect(scan('\uFEFFa,b\n', { chunk }).rows).toEqual([[1, 'a', 'b']])
  })

  it('passes empty lines over but counts them', () => {
    expect(scan('a,b\n\n\r\nc,d\n\n', { columns: 2 })).toMatchObject({
      rows: [
        [1, 'a', 'b'],
        [4, 'c', 'd'],
      ],
      bad: [],
    })
  })

  it('keeps text beyond ASCII, cut anywhere', () => {
    const text = 'Ünïcode,"日本\n語",🚀\n'
    for (let chunk = 1; chunk < 24; chunk++) expect(scan(text, { chunk }).rows).toEqual([[1, 'Ünïcode', '日本\n語', '🚀']])
  })

  it('reads nothing from nothing', () => {
    expect(scan('')).toMatchObject({ rows: [], bad: [], cutOff: null })
  })
})

describe('broken rows', () => {
  it('names line and count of a row with too few or too many columns, and goes on', () => {
    expect(scan('1,"x\ny",3\n4,5\n6,7,8\n9,10,11,12\n13,14,15\n', { columns: 3 })).toMatchObject({
      rows: [
        [1, '1', 'x\ny', '3'],
        [4, '6', '7', '8'],
        [6, '13', '14', '15'],
      ],
      bad: [
        [3, 'has 2 columns, the header has 3'],
        [5, 'has 4 columns, the header has 3'],
      ],
      quotes: ['4,5', '9,10,11,12'],
      cutOff: null,
    })
  })

  it('gives up one line for text behind a closing quote', () => {
    expect(scan('1,2\n3,"4"x\n5,6\n', { columns: 2 })).toMatchObject({
      rows: [
        [1, '1', '2'],
        [3, '5', '6'],
      ],
      bad: [[2, 'has text after a closing quote']],
    })
  })

  it('gives up one line for a quote inside an unquoted field', () => {
    expect(scan('1,2\n5" pipe,b\n5,6\n', { columns: 2 })).toMatchObject({
      rows: [
        [1, '1', '2'],
        [3, '5', '6'],
      ],
      bad: [[2, 'has a quote inside a field that does not begin with one']],
    })
  })

  it('never takes the rest of a broken row for a row', () => {
    expect(scan('1,"abc\ndef "x" ghi",3\n4,5\n', { columns: 2 }).rows).toEqual([[3, '4', '5']])
  })

  it('gives up a line that is longer than what is held of a file', () => {
    const long = 'x'.repeat(300)
    for (const chunk of [7, 50, 1000]) {
      expect(scan(`1,2\n3,${long},${long}\n5,6\n`, { columns: 2, maxRowBytes: 100, chunk })).toMatchObject({
        rows: [
          [1, '1', '2'],
          [3, '5', '6'],
        ],
        bad: [[2, 'is longer than 100 bytes; probably a quote is never closed']],
      })
    }
  })

  it('loses nothing behind a quote that is never closed', () => {
    const tail = Array.from({ length: 500 }, (_, index) => `${index},x\n`).join('')
    const scanned = scan(`1,2\n3,"4\n${tail}`, { columns: 2, chunk: 97 })
    expect(scanned.rows).toHaveLength(501)
    expect(scanned.bad).toEqual([[2, 'has a quote that is never closed']])
    expect(scanned.cutOff).toBeNull()
  })

  it('loses nothing behind a stray quote that a later one seems to close', () => {
    expect(scan('1,"2\n3,4\n5,6\n7,8"\n9,0\n', { columns: 2 }).rows).toEqual([
      [1, '1', '2\n3,4\n5,6\n7,8'],
      [5, '9', '0'],
    ])
    const scanned = scan('1,"2\n3,4\n5,6\n7,"8"\n9,0\n', { columns: 2 })
    expect(scanned.rows.map(([line]) => line)).toEqual([2, 3, 4, 5])
    expect(scanned.bad).toEqual([[1, 'has text after a closing quote']])
  })

  it('gives rows back that a broken row of another width swallowed', () => {
    const scanned = scan('1,"2\n3,4\n5,6"\n7,8\n", 9,10\n11,12\n', { columns: 3 })
    expect(scanned.rows).toEqual([])
    const swallowed = scan('a,"b\nc,d,e\nf,g,h\ni,",j,k\nl,m,n\n', { columns: 3 })
    expect(swallowed.rows.map(([line]) => line)).toEqual([2, 3, 5])
    expect(swallowed.bad.map(([line]) => line)).toEqual([1, 4])
  })

  it('keeps a row of several lines with a wrong number of columns together', () => {
    expect(scan('1,"two\nlines",3,4\n5,6,7\n', { columns: 3 })).toMatchObject({
      rows: [[3, '5', '6', '7']],
      bad: [[1, 'has 4 columns, the header has 3']],
      quotes: ['1,"two\nlines",3,4'],
    })
  })

  it('takes a row longer than the limit for an unclosed quote', () => {
    const scanned = scan(`1,2\n3,"4\n${'x,y\n'.repeat(100)}`, { columns: 2, maxRowBytes: 64, chunk: 10 })
    expect(scanned.rows).toHaveLength(101)
    expect(scanned.bad[0]).toEqual([2, 'is longer than 64 bytes; probably a quote is never closed'])
  })

  it('does the same for every cut into chunks', () => {
    const text = 'a,b,c\n1,"2\n3",4\n5,"6"x,7\n8,"9\n10,11,12\n13,",14\n15,16,17\n\n"18","1""9","20"\r\n21,"22,23\n24,25,26\n'
    const whole = scan(text, { columns: 3 })
    for (let chunk = 1; chunk < text.length; chunk++) expect(scan(text, { columns: 3, chunk })).toEqual(whole)
    expect(whole.bad.length).toBeGreaterThan(1)
  })

  it('refuses bytes that are not UTF-8 and NUL bytes, row by row', () => {
    const latin1 = Buffer.from('a,b\ncaf\xe9,1\nd,e\n', 'latin1')
    expect(scan(latin1, { columns: 2 })).toMatchObject({
      rows: [
        [1, 'a', 'b'],
        [3, 'd', 'e'],
      ],
      bad: [[2, expect.stringMatching(/^is not UTF-8/)]],
    })
    expect(scan('a,b\nx\0,1\n', { columns: 2 })).toMatchObject({ rows: [[1, 'a', 'b']], bad: [[2, 'holds a NUL byte']] })
  })

  it('stands thousands of broken rows in linear time', () => {
    const scanned = scan(`${'a,"b"c\n'.repeat(50_000)}${'a,"b\n'.repeat(50_001)}`, { columns: 2 })
    expect(scanned.bad.length + scanned.rows.length).toBeGreaterThan(70_000)
  })
})

describe('the end of the file', () => {
  it('names the row in whose quoted field the file breaks off', () => {
    expect(scan('1,2\n3,"4\nand then', { columns: 2 }).cutOff).toBe(2)
    expect(scan('1,2\n3,"4\n', { columns: 2 }).cutOff).toBe(2)
  })

  it('names the last line when it has no line end and too few columns', () => {
    expect(scan('1,2,3\n4,5', { columns: 3 }).cutOff).toBe(2)
  })

  it('is whole without a last line end, and with one', () => {
    expect(scan('1,2\n3,4', { columns: 2 })).toMatchObject({
      cutOff: null,
      rows: [
        [1, '1', '2'],
        [2, '3', '4'],
      ],
    })
    expect(scan('1,2\n3,"4"', { columns: 2 })).toMatchObject({
      cutOff: null,
      rows: [
        [1, '1', '2'],
        [2, '3', '4'],
      ],
    })
    expect(scan('1,2\n3\n', { columns: 2 })).toMatchObject({ cutOff: null, bad: [[2, 'has 1 columns, the header has 2']] })
  })

  it('does not take an early stray quote for the end', () => {
    expect(scan('1,"2\n3,4\n5,6\n', { columns: 2 })).toMatchObject({
      cutOff: null,
      bad: [[1, 'has a quote that is never closed']],
    })
  })
})
