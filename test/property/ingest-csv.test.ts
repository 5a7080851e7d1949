import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BadRow, CsvScanner } from '../../ts/ingest/scan-csv.ts'

const COLUMNS = 4

type Scanned = { readonly rows: { readonly line: number; readonly cells: readonly string[] }[]; readonly bad: BadRow[] }

function scan(bytes: Buffer, chunk: number, maxRowBytes = 1 << 20): Scanned {
  const scanned: Scanned = { rows: [], bad: [] }
  const scanner = new CsvScanner(
    {
      row: (view) =>
        scanned.rows.push({ line: view.line, cells: Array.from({ length: view.columnCount }, (_, column) => view.text(column)) }),
      bad: (row) => scanned.bad.push(row),
    },
    { maxRowBytes },
  )
  scanner.expectColumns(COLUMNS)
  for (let at = 0; at < bytes.length; at += chunk) scanner.push(bytes.subarray(at, at + chunk))
  scanner.end()
  return scanned
}

const cell = fc
  .oneof(
    { weight: 3, arbitrary: fc.string({ maxLength: 8 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
    { weight: 2, arbitrary: fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r\n', 'a', ' ', 'é'), maxLength: 8 }) },
  )
  .map((text) => text.replaceAll('\0', ''))
const row = fc.array(cell, { minLength: COLUMNS, maxLength: COLUMNS })
const always = fc.boolean()

function write(rows: readonly (readonly string[])[], quoteAll: boolean, lineEnd: string): string {
  const quote = (text: string): string => (quoteAll || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  return rows.map((cells) => cells.map(quote).join(',') + lineEnd).join('')
}
const breaks = (text: string): number => text.split('\n').length - 1

let connection: DuckDBConnection
let instance: DuckDBInstance
let directory: string
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'enrichment-csv-'))
  instance = await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '128MB' })
  connection = await instance.connect()
})
afterAll(() => {
  connection.closeSync()
  instance.closeSync()
  rmSync(directory, { recursive: true, force: true })
})

describe('CsvScanner', { timeout: 120_000 }, () => {
  it('reads back what a writer wrote, with the lines it wrote it to, whatever the chunks', () => {
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 12 }),
        always,
        fc.constantFrom('\n', '\r\n'),
        fc.integer({ min: 1, max: 40 }),
        (rows, quoteAll, lineEnd, chunk) => {
          const scanned = scan(Buffer.from(write(rows, quoteAll, lineEnd)), chunk)
          expect(scanned.bad).toEqual([])
          let line = 1
          const expected = rows.map((cells) => {
            const at = line
            line += breaks(write([cells], quoteAll, lineEnd))
            return { line: at, cells: cells.map((text) => Buffer.from(text).toString()) }
          })
          expect(scanned.rows).toEqual(expected)
        },
      ),
    )
  })

  it('loses exactly the broken rows and knows their lines', () => {
    const broken = fc.constantFrom('a,b\n', 'a,b,c,d,e\n', 'a,"b"x,c,d\n', 'a,b"b,c,d\n', 'just text\n')
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 3, arbitrary: row }, { weight: 1, arbitrary: broken }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 40 }),
        (parts, chunk) => {
          const texts = parts.map((part) => (typeof part === 'string' ? part : write([part], true, '\n')))
          const scanned = scan(Buffer.from(texts.join('')), chunk)
          const lineOf = (index: number): number => 1 + texts.slice(0, index).reduce((sum, text) => sum + breaks(text), 0)
          const linesWhere = (isBad: boolean): readonly number[] =>
            parts.flatMap((part, index) => ((typeof part === 'string') === isBad ? [lineOf(index)] : []))
          expect(scanned.bad.map((bad) => bad.line)).toEqual(linesWhere(true))
          expect(scanned.rows.map((good) => good.line)).toEqual(linesWhere(false))
        },
      ),
    )
  })

  it('says the same for every cut of arbitrary bytes, and every line is in one row at most', () => {
    const bytes = fc
      .array(fc.constantFrom('"', '"', ',', ',', '\n', '\n', '\r', 'a', 'é', '\0', '""', '\uFEFF'), { maxLength: 60 })
      .map((parts) => Buffer.from(parts.join('')))
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 20 }), fc.constantFrom(6, 16, 1 << 20), (buffer, chunk, maxRowBytes) => {
        const whole = scan(buffer, buffer.length + 1, maxRowBytes)
        expect(scan(buffer, chunk, maxRowBytes)).toEqual(whole)
        const lines = [...whole.rows, ...whole.bad].map((entry) => entry.line)
        expect(new Set(lines).size).toBe(lines.length)
      }),
      { numRuns: 1000 },
    )
  })

  it('agrees with DuckDB on what is well formed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 8 }), async (rows) => {
        const path = join(directory, 'rows.csv')
        writeFileSync(path, write(rows, true, '\n'))
        const reader = await connection.runAndReadAll(
          `SELECT * FROM read_csv('${path}', header=false, auto_detect=false, delim=',', quote='"', escape='"', new_line='\\n', columns={a:'VARCHAR',b:'VARCHAR',c:'VARCHAR',d:'VARCHAR'}, parallel=false, strict_mode=true, allow_quoted_nulls=false)`,
        )
        const scanned = scan(Buffer.from(write(rows, true, '\n')), 64)
        expect(scanned.rows.map((scannedRow) => scannedRow.cells)).toEqual(reader.getRowsJS())
      }),
      { numRuns: 50 },
    )
  })
})
