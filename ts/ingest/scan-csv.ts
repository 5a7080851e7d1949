/**
 * Splits the bytes of a CSV (RFC 4180, UTF-8) into rows, exactly: every row and every broken row has the number of the
 * physical line it begins on, and one broken row costs itself only.
 *
 * Why not a ready-made reader: with multi-line fields, DuckDB's numbers count records instead of lines, and behind a quote
 * that is never closed it (and csv-parse) drops the rest of the file, in one mode without a word. See docs/ingest.md.
 *
 * Rules: fields end at commas, rows at LF or CRLF; a field that begins with a quote ends at the next single one, and quotes
 * in it are doubled; elsewhere there are no quotes. Empty lines are no rows. After a row with broken quotes reading goes on
 * at the next physical line.
 */
import { isUtf8 } from 'node:buffer'

const LF = 0x0a
const CR = 0x0d
const QUOTE = 0x22
const COMMA = 0x2c

/** Longer rows are taken for an unclosed quote. */
const MAX_ROW_BYTES = 4 * 1024 * 1024
/** So much of a broken row is kept for whoever repairs it. */
const QUOTED_BYTES = 16 * 1024
const MAX_COLUMNS = 4096

/** The row just read. Valid only during the call: the next row overwrites it. */
export type RowView = {
  /** Physical line it begins on; the first line of the file is 1. */
  readonly line: number
  readonly columnCount: number
  readonly byteLength: number
  /** The text of a column (from 0), quotes undone. */
  text(column: number): string
}

export type BadRow = {
  readonly line: number
  readonly reason: string
  /** The beginning of it, as in the file. */
  readonly quote: string
  /** Columns found, when they could be counted. */
  readonly columnCount: number | null
}

export type RowSink = { row(row: RowView): void; bad(row: BadRow): void }

type Scan = 'row' | 'incomplete' | 'text_after_quote' | 'stray_quote' | 'unclosed' | 'too_long' | 'too_wide'

export class CsvScanner {
  readonly #sink: RowSink
  readonly #maxRowBytes: number
  readonly #starts = new Int32Array(MAX_COLUMNS)
  readonly #ends = new Int32Array(MAX_COLUMNS)
  readonly #view: RowView
  /** The bytes not yet given out; one piece of memory for the whole file, grown for long rows only. */
  #memory = Buffer.alloc(0)
  #buffer: Buffer = this.#memory
  #started = false
  #line = 1
  /** What the last scan found: columns, where the next row begins, line breaks passed. */
  #columns = 0
  #next = 0
  #breaks = 0
  #expected: number | null = null
  #checkBytes = true
  #lastGoodLine = 0
  #openQuote: number | null = null
  #isSkipping = false

  constructor(sink: RowSink, options: { readonly maxRowBytes?: number } = {}) {
    this.#sink = sink
    this.#maxRowBytes = options.maxRowBytes ?? MAX_ROW_BYTES
    const columnCount = (): number => this.#columns
    const line = (): number => this.#line
    const byteLength = (): number => this.#next - this.#starts[0]!
    this.#view = {
      get line() {
        return line()
      },
      get columnCount() {
        return columnCount()
      },
      get byteLength() {
        return byteLength()
      },
      text: (column) => this.#text(column),
    }
  }

  /** Rows with another number of columns are broken from here on. */
  expectColumns(count: number): void {
    this.#expected = count
  }

  /** Takes the next bytes of the file; they are copied, the chunk may be used again. */
  push(chunk: Buffer): void {
    this.#append(chunk)
    if (!this.#started) {
      if (this.#buffer.length < 3) return
      this.#start()
    }
    this.#drain(false)
  }

  /**
   * Ends the file. `cutOff` is the line of a row that the file breaks off in, or null: a quoted field that is open at the end
   * with nothing but broken rows after its beginning, or a last line without line end and with too few columns.
   */
  end(): { readonly cutOff: number | null } {
    if (!this.#started) this.#start()
    const hasLineEnd = this.#buffer.length === 0 || this.#buffer[this.#buffer.length - 1] === LF
    let lastBad = 0
    const { bad } = this.#sink
    const fewer = (row: BadRow): boolean =>
      row.columnCount !== null && this.#expected !== null && row.columnCount < this.#expected
    this.#drain(true, (row) => {
      if (fewer(row)) lastBad = row.line
      bad.call(this.#sink, row)
    })
    if (this.#openQuote !== null && this.#lastGoodLine < this.#openQuote) return { cutOff: this.#openQuote }
    return { cutOff: !hasLineEnd && lastBad > this.#lastGoodLine ? lastBad : null }
  }

  #append(chunk: Buffer): void {
    const rest = this.#buffer
    const length = rest.length + chunk.length
    if (length > this.#memory.length) this.#memory = Buffer.allocUnsafeSlow(length * 2)
    rest.copy(this.#memory)
    chunk.copy(this.#memory, rest.length)
    this.#buffer = this.#memory.subarray(0, length)
  }

  #start(): void {
    this.#started = true
    if (this.#buffer[0] === 0xef && this.#buffer[1] === 0xbb && this.#buffer[2] === 0xbf) this.#buffer = this.#buffer.subarray(3)
  }

  #drain(atEnd: boolean, bad: (row: BadRow) => void = (row) => this.#sink.bad(row)): void {
    // One look at the whole stretch spares a look at each row: nearly all files are clean.
    this.#checkBytes = this.#buffer.includes(0) || !isUtf8(this.#buffer)
    let at = this.#isSkipping ? this.#skipLine() : 0
    while (at < this.#buffer.length) {
      const scan = this.#scan(at, atEnd)
      if (scan === 'incomplete' || (scan !== 'row' && !atEnd && this.#isLineOpen(at))) break
      if (scan === 'row') this.#endRow(at, bad, atEnd)
      else this.#endBroken(at, scan, bad)
      at = this.#next
      this.#line += this.#breaks
    }
    this.#buffer = this.#buffer.subarray(at)
  }

  /** True while the end of a broken row's line may still come. */
  #isLineOpen(at: number): boolean {
    return this.#buffer.length - at < this.#maxRowBytes && this.#buffer.indexOf(LF, at) < 0
  }

  /** Where the line ends that is being given up; it is longer than what is held of it. */
  #skipLine(): number {
    const lineEnd = this.#buffer.indexOf(LF)
    if (lineEnd < 0) return this.#buffer.length
    this.#isSkipping = false
    this.#line++
    return lineEnd + 1
  }

  /** Reads one row from `at`; sets where its columns lie, where the next one begins and how many lines it spans. */
  #scan(at: number, atEnd: boolean): Scan {
    const buffer = this.#buffer
    const limit = Math.min(buffer.length, at + this.#maxRowBytes)
    const ran: Scan =
      limit < buffer.length ? 'too_long' : atEnd ? 'row' : buffer.length - at >= this.#maxRowBytes ? 'too_long' : 'incomplete'
    let position = at
    let column = 0
    let breaks = 0
    for (;;) {
      if (column >= MAX_COLUMNS) return 'too_wide'
      this.#starts[column] = position
      if (position < limit && buffer[position] === QUOTE) {
        position++
        for (;;) {
          while (position < limit && buffer[position] !== QUOTE) {
            if (buffer[position] === LF) breaks++
            position++
          }
          if (position >= limit) return ran === 'row' ? 'unclosed' : ran
          position++
          if (position >= limit && ran !== 'row') return ran
          if (position < limit && buffer[position] === QUOTE) position++
          else break
        }
        this.#ends[column] = position
        if (position < limit && buffer[position] === CR) {
          if (position + 1 >= limit && ran !== 'row') return ran
          if (position + 1 >= limit || buffer[position + 1] === LF) position++
        }
        if (position < limit && buffer[position] !== COMMA && buffer[position] !== LF) return 'text_after_quote'
      } else {
        while (position < limit && buffer[position] !== COMMA && buffer[position] !== LF && buffer[position] !== QUOTE) position++
        if (position >= limit && ran !== 'row') return ran
        if (position < limit && buffer[position] === QUOTE) return 'stray_quote'
        this.#ends[column] =
          buffer[position - 1] === CR && position > this.#starts[column]! && buffer[position] !== COMMA ? position - 1 : position
      }
      column++
      if (position >= limit) break
      if (buffer[position++] === LF) {
        breaks++
        break
      }
    }
    this.#columns = column
    this.#next = position
    this.#breaks = breaks
    return 'row'
  }

  #endRow(at: number, bad: (row: BadRow) => void, atEnd: boolean): void {
    if (this.#columns === 1 && this.#ends[0]! <= this.#starts[0]!) return
    const expected = this.#expected
    const reason =
      expected !== null && this.#columns !== expected
        ? `has ${this.#columns} columns, the header has ${expected}`
        : this.#checkBytes
          ? this.#byteProblem(at)
          : null
    if (reason === null) {
      this.#lastGoodLine = this.#line
      this.#sink.row(this.#view)
      return
    }
    const row = { line: this.#line, reason, quote: this.#quote(at, this.#next), columnCount: this.#columns }
    if (this.#breaks > 1 && expected !== null && row.columnCount !== expected) this.#keepSwallowedRows(at, expected, atEnd)
    bad(row)
  }

  /**
   * A broken row over several lines is either one row or a stray quote that swallowed good ones: when its second line reads
   * as a row by itself, only the first line is given up.
   */
  #keepSwallowedRows(at: number, expected: number, atEnd: boolean): void {
    const whole = { next: this.#next, breaks: this.#breaks }
    const secondLine = this.#buffer.indexOf(LF, at) + 1
    if (this.#scan(secondLine, atEnd) === 'row' && this.#columns === expected && this.#next <= whole.next) {
      this.#next = secondLine
      this.#breaks = 1
      return
    }
    this.#next = whole.next
    this.#breaks = whole.breaks
  }

  #endBroken(at: number, scan: Exclude<Scan, 'row' | 'incomplete'>, bad: (row: BadRow) => void): void {
    const reasons = {
      text_after_quote: 'has text after a closing quote',
      stray_quote: 'has a quote inside a field that does not begin with one',
      unclosed: 'has a quote that is never closed',
      too_long: `is longer than ${this.#maxRowBytes} bytes; probably a quote is never closed`,
      too_wide: `has more than ${MAX_COLUMNS} columns`,
    }
    if (scan === 'unclosed') this.#openQuote = this.#line
    const lineEnd = this.#buffer.indexOf(LF, at)
    this.#isSkipping = lineEnd < 0
    this.#next = lineEnd < 0 ? this.#buffer.length : lineEnd + 1
    this.#breaks = lineEnd < 0 ? 0 : 1
    bad({ line: this.#line, reason: reasons[scan], quote: this.#quote(at, this.#next), columnCount: null })
  }

  #byteProblem(at: number): string | null {
    const row = this.#buffer.subarray(at, this.#next)
    if (row.includes(0)) return 'holds a NUL byte'
    return isUtf8(row) ? null : 'is not UTF-8 (if the file is Windows-1252: iconv -f WINDOWS-1252 -t UTF-8 FILE)'
  }

  #quote(from: number, to: number): string {
    return this.#buffer
      .subarray(from, Math.min(to, from + Math.min(QUOTED_BYTES, this.#maxRowBytes)))
      .toString('utf8')
      .replace(/\r?\n$/, '')
  }

  #text(column: number): string {
    if (column >= this.#columns) return ''
    const start = this.#starts[column]!
    const end = this.#ends[column]!
    if (start >= end) return ''
    if (this.#buffer[start] !== QUOTE) return this.#buffer.toString('utf8', start, end)
    const inner = this.#buffer.toString('utf8', start + 1, end - 1)
    return inner.includes('"') ? inner.replaceAll('""', '"') : inner
  }
}
