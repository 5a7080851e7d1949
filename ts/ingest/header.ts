/** Decides from a file's first row which column holds what. Matched by name: order, case and spacing are free. */
import { EngineError } from '../model/errors.ts'
import { COLUMNS, type Column, FIELDS, type Field, findColumn, foldColumnName, LOADERS, type LoaderId } from './columns.ts'
import type { Mapping } from './mapping.ts'

/** The text of a cell in front of or behind the first `separator`. */
export type CellPart = { readonly field: Field; readonly side: 'before' | 'after'; readonly separator: string }

export type Layout = {
  readonly columnCount: number
  /** Which column of the file holds a field (from 0); -1 when none does. */
  readonly columnOf: Readonly<Record<Field, number>>
  /** Fields that are the same for every row (from a mapping). */
  readonly constants: Readonly<Partial<Record<Field, string>>> | null
  /** Fields that are only a part of their column (from a mapping). */
  readonly parts: readonly CellPart[]
  /** The mapping says that the file names no company: its awards are loaded without one. */
  readonly withoutCompany: boolean
  /** Fields the file speaks of; it says nothing about the others. */
  readonly fields: ReadonlySet<Field>
  /** How many columns come before the first one that is never stored; a broken row is quoted no further than that. */
  readonly quotable: number
}

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ')

function refuse(message: string, hint: string): EngineError {
  return new EngineError('failed', 'ingest_header', message, { hint })
}

function requiredNames(loader: LoaderId): string {
  return COLUMNS[loader].map((column) => (column.optional ? `${column.name} (may be left out)` : column.name)).join(', ')
}

/** Which other loader the header would fit, when it fits this one not at all. */
function otherLoader(header: readonly string[], loader: LoaderId): LoaderId | undefined {
  const fits = (candidate: LoaderId): boolean =>
    COLUMNS[candidate].every(
      (column) => column.optional === true || header.some((name) => findColumn(candidate, name) === column),
    )
  return LOADERS.find((candidate) => candidate !== loader && fits(candidate))
}

function layoutOf(
  header: readonly string[],
  sources: ReadonlyMap<Column, number>,
  mapped: Pick<Layout, 'constants' | 'parts' | 'withoutCompany'> = { constants: null, parts: [], withoutCompany: false },
): Layout {
  const columnOf = Object.fromEntries(FIELDS.map((field) => [field, -1])) as Record<Field, number>
  for (const [column, index] of sources) if (column.field !== null) columnOf[column.field] = index
  const picked = new Set(Object.values(columnOf))
  const firstUnpicked = header.findIndex((_, index) => !picked.has(index))
  return {
    columnCount: header.length,
    columnOf,
    ...mapped,
    fields: new Set(FIELDS.filter((field) => columnOf[field] >= 0 || mapped.constants?.[field] !== undefined)),
    quotable: firstUnpicked < 0 ? header.length : firstUnpicked,
  }
}

function checkDelimiter(header: readonly string[]): void {
  const [only = ''] = header
  if (header.length > 1) return
  const other = [';', '\t', '|'].find((delimiter) => only.split(delimiter).length > 3)
  if (other !== undefined) {
    const name = other === '\t' ? 'tabs' : `"${other}"`
    throw refuse(
      `the columns are separated by ${name}, not by commas`,
      'Save the file as CSV with commas and double quotes (RFC 4180)',
    )
  }
  if (only.includes('\r'))
    throw refuse('the lines end with a lone carriage return', 'Save the file with line feeds (LF or CRLF) as line ends')
}

function namedLayout(header: readonly string[], loader: LoaderId): Layout {
  const sources = new Map<Column, number>()
  const unknown: string[] = []
  const twice: string[] = []
  for (const [index, name] of header.entries()) {
    const column = findColumn(loader, name)
    if (column === undefined) unknown.push(name)
    else if (sources.has(column)) twice.push(name)
    else sources.set(column, index)
  }
  const missing = COLUMNS[loader]
    .filter((column) => column.optional !== true && !sources.has(column))
    .map((column) => column.name)
  if (unknown.length + twice.length + missing.length === 0) return layoutOf(header, sources)
  const other = otherLoader(header, loader)
  if (other !== undefined) {
    const flag = other === 'sbir_companies' ? '--companies' : '--awards'
    throw refuse(`this is a file for ${other}, not for ${loader}`, `Give it with ${flag}`)
  }
  const company = COLUMNS[loader].find((column) => column.field === 'company')!
  const nameless =
    loader === 'sbir_awards' && missing.includes(company.name)
      ? `. A file that names no company takes a JSON mapping with "${company.name}": null (config/mappings/dod_with_abstracts.json): then awards alone are loaded`
      : ''
  const problems = [
    missing.length > 0 ? `missing: ${quoted(missing)}` : null,
    unknown.length > 0 ? `unknown: ${quoted(unknown.slice(0, 60).map((name) => name.slice(0, 80)))}` : null,
    twice.length > 0 ? `twice: ${quoted(twice)}` : null,
  ].filter((problem) => problem !== null)
  throw refuse(
    `the header does not fit ${loader}; ${problems.join('; ')}`,
    `Expected columns, in any order: ${requiredNames(loader)}. For another file say with --map which of its columns is which${nameless}`,
  )
}

function mappedLayout(header: readonly string[], loader: LoaderId, mapping: Mapping): Layout {
  const sources = new Map<Column, number>()
  const constants: Partial<Record<Field, string>> = {}
  const parts: CellPart[] = []
  const missing: string[] = []
  for (const [name, source] of Object.entries(mapping)) {
    const column = findColumn(loader, name)!
    if (source === null) continue
    if ('value' in source) {
      constants[column.field!] = source.value
      continue
    }
    const exact = header.indexOf(source.column)
    const index = exact >= 0 ? exact : header.findIndex((theirs) => foldColumnName(theirs) === foldColumnName(source.column))
    if (index < 0) missing.push(source.column)
    else sources.set(column, index)
    for (const side of ['before', 'after'] as const)
      if (source[side] !== undefined) parts.push({ field: column.field!, side, separator: source[side] })
  }
  if (missing.length > 0) {
    throw refuse(
      `the mapping names columns that the file does not have: ${quoted(missing)}`,
      `The file has: ${quoted(header.map((name) => name.slice(0, 80)))}`,
    )
  }
  const withoutCompany = Object.values(mapping).includes(null)
  return layoutOf(header, sources, { constants: Object.keys(constants).length === 0 ? null : constants, parts, withoutCompany })
}

/** The layout of a file with this header; rejects with `ingest_header`, naming what is missing, unknown or there twice. */
export function readHeader(header: readonly string[], loader: LoaderId, mapping: Mapping | null): Layout {
  checkDelimiter(header)
  return mapping === null ? namedLayout(header, loader) : mappedLayout(header, loader, mapping)
}
