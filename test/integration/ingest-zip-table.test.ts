import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { FileRow, FileTable } from '../../ts/adapters/adapter.ts'
import { MalformedAnswer } from '../../ts/adapters/shared/malformed.ts'
import { readZipTable } from '../../ts/ingest/zip-table.ts'
import { zipFile } from '../../ts/sandbox/zip-file.ts'

const directory = mkdtempSync(join(tmpdir(), 'zip-table-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const TABLE: FileTable = {
  member: 'T.CSV',
  maxBytes: 1_000_000,
  columns: (header) => {
    if (header[0] !== 'ID') throw new MalformedAnswer(`columns ${header.join(', ')}`)
    return ['id', null, 'name']
  },
  keyOf: (row) => (row['id'] === '' ? null : row['id']!),
}
const HEADER = '"ID","X","NAME"\r\n'
const AT = Date.UTC(2026, 10, 2)
let files = 0

function stored(bytes: Buffer): string {
  files += 1
  const path = join(directory, `${files}.zip`)
  writeFileSync(path, bytes)
  return path
}

function zipped(text: string, name = 'dir/t.csv'): Buffer {
  return zipFile([{ name, content: Buffer.from(text) }], AT)
}

async function read(bytes: Buffer, wanted: readonly string[] | null, options: { table?: FileTable; maxBadRows?: number } = {}) {
  const found: [string, FileRow][] = []
  const result = await readZipTable(stored(bytes), {
    table: options.table ?? TABLE,
    maxBadRows: options.maxBadRows ?? 0,
    wanted: wanted === null ? null : new Set(wanted),
    onRow: (key, row) => found.push([key, row]),
  })
  return { result, found }
}

describe('a table in an archive', () => {
  it('hands out the rows of wanted keys with named columns only', async () => {
    const text = `${HEADER}"1","a","One, ""first"""\r\n"2","b","Two"\r\n"1","c","Uno"\r\n"","d","Nobody"\r\n`
    expect(await read(zipped(text), ['1', '9'])).toEqual({
      result: { rows: 4, badRows: 0, bytes: text.length },
      found: [
        ['1', { id: '1', name: 'One, "first"' }],
        ['1', { id: '1', name: 'Uno' }],
      ],
    })
    expect((await read(zipped(text), null)).found).toEqual([])
  })

  it('reads a table of many chunks', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => `"${i}","x","Name of ${i}"\r\n`).join('')
    const { result, found } = await read(zipped(HEADER + rows), ['19999'])
    expect(result.rows).toBe(20_000)
    expect(found).toEqual([['19999', { id: '19999', name: 'Name of 19999' }]])
  })

  it('counts broken rows, up to what is allowed', async () => {
    const text = `${HEADER}"1","a","One"\r\n"2","b"\r\n"3","c","Three"\r\n`
    expect((await read(zipped(text), ['3'], { maxBadRows: 1 })).result).toMatchObject({ rows: 2, badRows: 1 })
    await expect(read(zipped(text), ['3'])).rejects.toMatchObject({
      code: 'file_bad_rows',
      message: expect.stringContaining('line 3'),
    })
  })

  it('stops when it is told to', async () => {
    const stop = new AbortController()
    stop.abort()
    const options = { table: TABLE, maxBadRows: 0, wanted: null, signal: stop.signal }
    await expect(readZipTable(stored(zipped(`${HEADER}"1","a","b"\r\n`)), options)).rejects.toThrow(/abort/i)
  })
})

describe('an archive that is not what it should be', () => {
  const good = `${HEADER}${Array.from({ length: 500 }, (_, i) => `"${i}","x","Name ${i * 7919}"\r\n`).join('')}`

  it.each([
    ['no zip', Buffer.from('<html>Access Denied</html>'), 'file_archive', /no readable zip/],
    ['an empty file', Buffer.alloc(0), 'file_archive', /no readable zip/],
    ['cut off', zipped(good).subarray(0, 2_000), 'file_archive', /no readable zip/],
    ['another member', zipped(good, 'OTHER.CSV'), 'file_archive', /holds no T\.CSV, but OTHER\.CSV/],
    ['another header', zipped('"A","B"\r\n"1","2"\r\n'), 'file_header', /header of T\.CSV is not the known one/],
    ['a header alone', zipped(HEADER), 'file_header', /holds no row/],
    ['an empty table', zipped(''), 'file_header', /holds no row/],
    ['a table that breaks off', zipped(`${HEADER}"1","a","b"\r\n"2","c","d`), 'file_archive', /breaks off in line 3|damaged/],
    [
      'the member twice',
      zipFile(
        ['a/T.CSV', 'b/T.CSV'].map((name) => ({ name, content: Buffer.from(good) })),
        AT,
      ),
      'file_archive',
      /T\.CSV twice/,
    ],
  ])('%s', async (_name, bytes, code, message) => {
    await expect(read(bytes, ['1'], { maxBadRows: 1 })).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it('a changed byte anywhere in the packed data never passes', async () => {
    const bytes = zipped(good)
    for (let at = 40; at < 1_000; at += 37) {
      const damaged = Buffer.from(bytes)
      damaged[at] = damaged[at]! ^ 0x10
      await expect(read(damaged, ['1'], { maxBadRows: 1_000_000 }), `byte ${at}`).rejects.toMatchObject({
        code: expect.stringMatching(/^file_/),
      })
    }
  })

  it('a bomb: by its announced size, by its ratio, and by lying about both', async () => {
    const bomb = zipped(HEADER + 'x'.repeat(5_000_000))
    await expect(read(bomb, [])).rejects.toMatchObject({ code: 'file_too_large' })
    await expect(read(bomb, [], { table: { ...TABLE, maxBytes: 1e9 } })).rejects.toMatchObject({
      code: 'file_too_large',
      message: expect.stringContaining('unpack to'),
    })
    const lying = Buffer.from(bomb)
    const directory = lying.lastIndexOf(Buffer.from('PK\x01\x02', 'latin1'))
    lying.writeUInt32LE(1_000, directory + 24)
    lying.writeUInt32LE(1_000, 22)
    await expect(read(lying, [])).rejects.toMatchObject({ code: expect.stringMatching(/^file_/) })
  })
})
