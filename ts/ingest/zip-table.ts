/**
 * One CSV table out of a zip archive, streamed from disk. Strict: one member of the name, sizes as announced, its checksum,
 * a size cap before and while it is unpacked. Rows are handed out as they come, so that a caller must not act on them before
 * the whole was read without an error.
 */
import { basename } from 'node:path/posix'
import { crc32 } from 'node:zlib'
import { type Entry, openPromise, type ZipFile } from 'yauzl'
import type { FileRow, FileTable } from '../adapters/adapter.ts'
import { EngineError, messageOf } from '../model/errors.ts'
import { type BadRow, CsvScanner, type RowView } from './scan-csv.ts'

/** Archives of a publication hold a handful of members; one with thousands is something else. */
const MAX_MEMBERS = 1_000
/** Text of this kind shrinks to a tenth; what shrinks a thousandfold was made to fill disks. */
const MAX_RATIO = 1_000

export type ZipTableOptions = {
  readonly table: FileTable
  /** More broken rows than this refuse the file. */
  readonly maxBadRows: number
  /** Keys whose rows are wanted; null: none, the file is only checked. */
  readonly wanted: ReadonlySet<string> | null
  /** Called for each row with a wanted key. */
  readonly onRow?: (key: string, row: FileRow) => void
  readonly signal?: AbortSignal
}

/** `badRows` were left out: what the table does not name may then be in it all the same. */
export type ZipTable = { readonly rows: number; readonly badRows: number; readonly bytes: number }

function refused(code: string, message: string, cause?: unknown): EngineError {
  return new EngineError('failed', code, message, {
    hint: 'the next run downloads the file again; if it is refused again, look at what the provider publishes now',
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Rejects with `file_archive` (no zip, damaged, member missing, checksum), `file_too_large` or `file_header`. */
export async function readZipTable(path: string, options: ZipTableOptions): Promise<ZipTable> {
  let zip: ZipFile
  try {
    zip = await openPromise(path, { lazyEntries: true, autoClose: false, strictFileNames: false })
  } catch (error) {
    throw refused('file_archive', `the file is no readable zip archive: ${messageOf(error)}`, error)
  }
  try {
    const entry = await findMember(zip, options.table)
    return await readMember(zip, entry, options)
  } catch (error) {
    if (error instanceof EngineError || options.signal?.aborted === true) throw error
    throw refused('file_archive', `the archive is damaged: ${messageOf(error)}`, error)
  } finally {
    zip.close()
  }
}

async function findMember(zip: ZipFile, { member, maxBytes }: FileTable): Promise<Entry> {
  if (zip.entryCount > MAX_MEMBERS) throw refused('file_archive', `the archive holds ${zip.entryCount} members`)
  const names: string[] = []
  let found: Entry | null = null
  for await (const entry of zip.eachEntry()) {
    if (names.length < 10) names.push(entry.fileName.slice(0, 60))
    if (basename(entry.fileName).toUpperCase() !== member.toUpperCase()) continue
    if (found !== null) throw refused('file_archive', `the archive holds ${member} twice`)
    found = entry
  }
  if (found === null) throw refused('file_archive', `the archive holds no ${member}, but ${names.join(', ') || 'nothing'}`)
  const { uncompressedSize, compressedSize } = found
  if (uncompressedSize > maxBytes)
    throw refused('file_too_large', `${member} would be ${uncompressedSize} bytes, more than ${maxBytes}`)
  if (uncompressedSize > MAX_RATIO * Math.max(1, compressedSize))
    throw refused('file_too_large', `${member} would unpack to ${uncompressedSize} bytes from ${compressedSize}`)
  if (!found.canDecodeFileData()) throw refused('file_archive', `${member} is encrypted or packed in an unknown way`)
  return found
}

async function readMember(zip: ZipFile, entry: Entry, options: ZipTableOptions): Promise<ZipTable> {
  const { table, wanted, onRow, maxBadRows, signal } = options
  const counts = { rows: 0, badRows: 0, bytes: 0 }
  let columns: readonly (readonly [string, number])[] | null = null
  const bad = (row: BadRow): void => {
    if (columns === null) throw refused('file_header', `the header of ${table.member} ${row.reason}`)
    counts.badRows += 1
    if (counts.badRows > maxBadRows)
      throw refused('file_bad_rows', `more than ${maxBadRows} rows of ${table.member} are broken; line ${row.line} ${row.reason}`)
  }
  const scanner = new CsvScanner({
    row(view) {
      if (columns === null) {
        columns = headerOf(view, table)
        scanner.expectColumns(view.columnCount)
        return
      }
      counts.rows += 1
      if (wanted === null) return
      const row: Record<string, string> = {}
      for (const [name, column] of columns) row[name] = view.text(column)
      const key = table.keyOf(row)
      if (key !== null && wanted.has(key)) onRow?.(key, row)
    },
    bad,
  })
  let sum = 0
  // The announced size is held against what comes by the library; the cap once more here, because it is what protects us.
  const stream = await zip.openReadStreamPromise(entry)
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    signal?.throwIfAborted()
    counts.bytes += chunk.length
    if (counts.bytes > table.maxBytes) throw refused('file_too_large', `${table.member} is larger than ${table.maxBytes} bytes`)
    sum = crc32(chunk, sum)
    scanner.push(chunk)
  }
  if (sum !== entry.crc32) throw refused('file_archive', `the checksum of ${table.member} is wrong: the file is damaged`)
  const { cutOff } = scanner.end()
  if (cutOff !== null) throw refused('file_archive', `${table.member} breaks off in line ${cutOff}`)
  if (columns === null || counts.rows === 0) throw refused('file_header', `${table.member} holds no row`)
  return counts
}

function headerOf(view: RowView, table: FileTable): readonly (readonly [string, number])[] {
  const header = Array.from({ length: view.columnCount }, (_, column) => view.text(column).trim())
  try {
    return table.columns(header).flatMap((name, column) => (name === null ? [] : [[name, column] as const]))
  } catch (error) {
    throw refused('file_header', `the header of ${table.member} is not the known one: ${messageOf(error)}`, error)
  }
}
