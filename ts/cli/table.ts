/** Tables for people. Pure. */
import { plainText } from './format.ts'

export type Column<Row> = {
  readonly title: string
  readonly value: (row: Row) => string
  readonly align?: 'left' | 'right'
  /** May be shortened when the terminal is too narrow. */
  readonly flexible?: boolean
}

const GAP = '  '
const SHORTEST = 12
/** On terminals narrower than this, a table that does not fit is listed value by value instead of being broken anywhere. */
const NARROW = 70

/**
 * @param columns Width of the terminal; null for files and pipes, where nothing is shortened so that it can be searched.
 * @param bold Wraps titles when they go to a terminal.
 */
export function formatTable<Row>(
  rows: readonly Row[],
  shape: readonly Column<Row>[],
  columns: number | null,
  bold = (text: string) => text,
): string {
  const cells = rows.map((row) => shape.map((column) => plainText(column.value(row))))
  const widths = shape.map((column, index) =>
    Math.max(column.title.length, ...cells.map((line) => displayWidth(line[index]!)), 0),
  )
  if (columns !== null && !narrow(widths, shape, columns) && columns < NARROW) return stacked(cells, shape, bold)
  const line = (texts: readonly string[], style: (text: string) => string): string =>
    texts
      .map((text, index) => {
        const isLast = index === texts.length - 1
        return style(
          pad(
            shorten(text, widths[index]!),
            isLast && shape[index]!.align !== 'right' ? 0 : widths[index]!,
            shape[index]!.align ?? 'left',
          ),
        )
      })
      .join(GAP)
      .trimEnd()
  return [
    line(
      shape.map((column) => column.title),
      bold,
    ),
    ...cells.map((texts) => line(texts, (text) => text)),
  ]
    .map((text) => `${text}\n`)
    .join('')
}

/** Each row as its first value and, below it, a line per further one; what is empty is left out. */
function stacked<Row>(
  cells: readonly (readonly string[])[],
  shape: readonly Column<Row>[],
  bold: (text: string) => string,
): string {
  return cells
    .map(([first = '', ...rest]) => {
      const lines = rest.flatMap((text, index) => {
        const { title } = shape[index + 1]!
        return text === '' ? [] : [`  ${title === '' ? '' : `${title}: `}${text}\n`]
      })
      return `${bold(first)}\n${lines.join('')}`
    })
    .join('')
}

/** Takes from the widest flexible column until the line fits (true) or nothing is left to take (false). */
function narrow(widths: number[], shape: readonly Column<never>[], columns: number): boolean {
  const total = (): number => widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1)
  while (total() > columns) {
    let widest = -1
    for (const [index, column] of shape.entries()) {
      if (column.flexible === true && widths[index]! > SHORTEST && (widest < 0 || widths[index]! > widths[widest]!))
        widest = index
    }
    if (widest < 0) return false
    widths[widest] = Math.max(SHORTEST, widths[widest]! - (total() - columns))
  }
  return true
}

function shorten(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  for (const character of text) {
    if (displayWidth(kept) + displayWidth(character) > width - 1) break
    kept += character
  }
  return `${kept}…`
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const spaces = ' '.repeat(Math.max(0, width - displayWidth(text)))
  return align === 'right' ? spaces + text : text + spaces
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
const NO_WIDTH = /\p{Mn}|\p{Me}|[\u200b-\u200d]/u

/** Columns a text takes on a terminal. */
export function displayWidth(text: string): number {
  // Nearly all text is ASCII, where every character takes one column.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const character of text) width += NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1
  return width
}
