/** Streams a CSV file through the scanner: the only place of ingest that reads files of data. */
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { EngineError, messageOf } from '../model/errors.ts'
import type { LoaderId, RawRow } from './columns.ts'
import { type Layout, readHeader } from './header.ts'
import type { Mapping } from './mapping.ts'
import { whyNotCsv } from './not-csv.ts'
import { MAX_CELL, oversized, rawRow } from './raw-row.ts'
import { type BadRow, CsvScanner, type RowView } from './scan-csv.ts'

const CHUNK_BYTES = 128 * 1024

export type OpenFile = {
  readonly path: string
  readonly handle: FileHandle
  readonly bytes: number
  readonly changedAtMs: number
}

export type FileSink = { header(layout: Layout): void; row(raw: RawRow, line: number): void; bad(row: BadRow): void }
export type FileEnd = { readonly sha256: string; readonly cutOff: number | null }

/** Opens a file for reading; rejects with `ingest_file` when there is none, or it is not a file with content. */
export async function openCsv(path: string): Promise<OpenFile> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (cause) {
    throw new EngineError('usage', 'ingest_file', `${path} cannot be opened: ${messageOf(cause)}`, {
      hint: 'Give the path of a CSV file that you may read',
      cause,
    })
  }
  try {
    const stat = await handle.stat()
    if (!stat.isFile())
      throw new EngineError('usage', 'ingest_file', `${path} is not a regular file`, { hint: 'Give the path of a CSV file' })
    if (stat.size === 0)
      throw new EngineError('failed', 'ingest_empty', `${path} is empty`, { hint: 'Fetch the file again; nothing was changed' })
    return { path, handle, bytes: stat.size, changedAtMs: stat.mtimeMs }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Rejects with `ingest_file_changed` when somebody wrote to the file since it was opened. */
export async function assertUnchanged(file: OpenFile): Promise<void> {
  const stat = await file.handle.stat()
  if (stat.size !== file.bytes || stat.mtimeMs !== file.changedAtMs) throw fileChanged(file.path)
}

export function fileChanged(path: string): EngineError {
  return new EngineError('failed', 'ingest_file_changed', `${path} changed while it was read`, {
    hint: 'Run the command again when the file is complete',
  })
}

/** The bytes from the beginning. Each chunk is overwritten by the next. */
async function* chunksOf(file: OpenFile): AsyncGenerator<Buffer> {
  const memory = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  for (let position = 0; ; ) {
    const { bytesRead } = await file.handle.read(memory, 0, CHUNK_BYTES, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield memory.subarray(0, bytesRead)
  }
}

/** SHA-256 of the file's bytes. */
export async function sha256Of(file: OpenFile): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of chunksOf(file)) hash.update(chunk)
  return hash.digest('hex')
}

function assertCsv(path: string, head: Buffer): void {
  const other = whyNotCsv(head)
  if (other !== null)
    throw new EngineError('failed', 'ingest_not_csv', `${path} is ${other.what}, not a CSV`, { hint: other.hint })
}

/**
 * Reads the file once, row by row into the sink. Yields after each chunk, so that the caller can work off what has gathered;
 * returns what the whole was. Columns that have no field are never decoded.
 */
export async function* readCsv(
  file: OpenFile,
  loader: LoaderId,
  mapping: Mapping | null,
  sink: FileSink,
): AsyncGenerator<void, FileEnd> {
  let layout: Layout | null = null
  const readRow = (view: RowView): void => {
    if (layout !== null) {
      const raw = rawRow(view, layout)
      const field = view.byteLength > MAX_CELL ? oversized(raw) : null
      if (field === null) sink.row(raw, view.line)
      else
        sink.bad({
          line: view.line,
          reason: `${field} is longer than ${MAX_CELL} characters`,
          quote: '',
          columnCount: view.columnCount,
        })
      return
    }
    layout = readHeader(
      Array.from({ length: view.columnCount }, (_, column) => view.text(column).trim()),
      loader,
      mapping,
    )
    scanner.expectColumns(layout.columnCount)
    sink.header(layout)
  }
  const badRow = (row: BadRow): void => {
    if (layout === null) {
      throw new EngineError('failed', 'ingest_header', `the header (line ${row.line}) ${row.reason}`, {
        hint: 'The first line must hold the column names',
      })
    }
    sink.bad(row)
  }
  const scanner = new CsvScanner({ row: readRow, bad: badRow })
  const hash = createHash('sha256')
  let isFirst = true
  for await (const chunk of chunksOf(file)) {
    if (isFirst) assertCsv(file.path, chunk.subarray(0, 4096))
    isFirst = false
    hash.update(chunk)
    scanner.push(chunk)
    yield
  }
  const { cutOff } = scanner.end()
  if (layout === null)
    throw new EngineError('failed', 'ingest_empty', `${file.path} holds no row`, {
      hint: 'Fetch the file again; nothing was changed',
    })
  yield
  return { sha256: hash.digest('hex'), cutOff }
}
