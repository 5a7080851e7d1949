import { COLUMNS, type LoaderId } from '../../../ts/ingest/columns.ts'

export type Cells = Readonly<Record<string, string>>

export const NAMES: Readonly<Record<LoaderId, readonly string[]>> = {
  sbir_awards: COLUMNS.sbir_awards.map((column) => column.name),
  sbir_companies: COLUMNS.sbir_companies.map((column) => column.name),
}

const quote = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)

export function csvRow(cells: Cells, names: readonly string[]): string {
  return names.map((name) => quote(cells[name] ?? '')).join(',')
}

/** A file of a loader's columns; cells that are not named are empty. */
export function csvText(rows: readonly Cells[], names: readonly string[] = NAMES.sbir_awards, lineEnd = '\n'): string {
  return [names.map(quote).join(','), ...rows.map((cells) => csvRow(cells, names))].map((line) => line + lineEnd).join('')
}

let counter = 0

/** An award of its own, good in every cell; what is given stands instead. */
export function award(cells: Cells = {}): Cells {
  counter += 1
  return {
    Company: 'Acme Photonics, Inc.',
    'Award Title': `Award ${counter}`,
    Agency: 'Department of Defense',
    Branch: 'Air Force',
    Phase: 'Phase I',
    Program: 'SBIR',
    'Agency Tracking Number': `F-${counter}`,
    Contract: `FA8650-24-C-${String(counter).padStart(4, '0')}`,
    'Proposal Award Date': '2024-03-01',
    'Award Year': '2024',
    'Award Amount': '150000.0000',
    State: 'Ohio',
    ...cells,
  }
}
