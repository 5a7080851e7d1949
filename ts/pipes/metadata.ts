/**
 * Metadata of materializations and checks: helpers for Dagster's types, and the check that a value is what its type says. A
 * wrong one would end Dagster's reader and lose all that follows, so it is refused here, where the caller sees it.
 */
import { FloatNumber } from './encode.ts'
import { DagsterPipesError } from './protocol.ts'

export const METADATA_TYPES = [
  '__infer__',
  'text',
  'url',
  'path',
  'notebook',
  'json',
  'md',
  'float',
  'int',
  'bool',
  'dagster_run',
  'asset',
  'timestamp',
  'null',
  'table',
  'table_schema',
  'table_column_lineage',
] as const
export type PipesMetadataType = (typeof METADATA_TYPES)[number]

/** As it goes over the wire. */
export type PipesMetadataValue = { readonly raw_value: unknown; readonly type: PipesMetadataType }
/** What a caller may give: a value made by a helper, or a plain one whose type Dagster infers. */
export type PipesMetadataInput = PipesMetadataValue | string | number | bigint | boolean | null | undefined | object
export type PipesMetadata = Readonly<Record<string, PipesMetadataInput>>

export type TableColumn = {
  readonly name: string
  readonly type: string
  readonly description?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly constraints?: { readonly nullable?: boolean; readonly unique?: boolean; readonly other?: readonly string[] }
}
export type TableCell = string | number | bigint | boolean | null | undefined
export type TableRecord = Readonly<Record<string, TableCell>>
export type ColumnLineage = Readonly<Record<string, readonly { readonly asset: readonly string[]; readonly column: string }[]>>

const make = (type: PipesMetadataType, raw_value: unknown): PipesMetadataValue => ({ raw_value, type })

/** Helpers: one per type of Dagster's. */
export const metadata = {
  text: (value: string) => make('text', value),
  url: (value: string) => make('url', value),
  path: (value: string) => make('path', value),
  notebook: (value: string) => make('notebook', value),
  json: (value: object) => make('json', value),
  md: (value: string) => make('md', value),
  /** Written with a fraction always, so that a series keeps one type. Not finite: null. */
  float: (value: number) => make('float', value),
  int: (value: number | bigint) => make('int', value),
  bool: (value: boolean) => make('bool', value),
  dagsterRun: (runId: string) => make('dagster_run', runId),
  /** Parts of the key; Dagster cannot express a slash inside a part here. */
  asset: (parts: readonly string[]) => make('asset', parts),
  /** Milliseconds since 1970, as everywhere in the engine; Dagster gets seconds. */
  timestamp: (epochMs: number | Date) => make('timestamp', Number(epochMs) / 1000),
  nothing: () => make('null', null),
  /** Cells that a row leaves out are null. */
  table: (schema: readonly TableColumn[], records: readonly TableRecord[]) => make('table', { records, schema }),
  tableSchema: (columns: readonly TableColumn[]) => make('table_schema', { columns }),
  columnLineage: (lineage: ColumnLineage) => make('table_column_lineage', lineage),
} as const

type Path = string

function refuse(path: Path, type: string, expected: string): never {
  throw new DagsterPipesError(`metadata ${path} of type ${type} must be ${expected}`)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function columnsOf(value: unknown, path: Path, type: string): readonly object[] {
  if (!Array.isArray(value) || value.length === 0) refuse(path, type, 'given with at least one column')
  const names = new Set<string>()
  return value.map((column: unknown) => {
    if (!isRecord(column) || typeof column['name'] !== 'string' || typeof column['type'] !== 'string')
      return refuse(path, type, 'given with columns that have a name and a type')
    if (names.has(column['name'])) refuse(path, type, `given with distinct columns, "${column['name']}" is there twice`)
    names.add(column['name'])
    const constraints = isRecord(column['constraints']) ? column['constraints'] : null
    return {
      name: column['name'],
      type: column['type'],
      description: column['description'] ?? null,
      tags: column['tags'] ?? null,
      constraints:
        constraints === null
          ? null
          : {
              nullable: constraints['nullable'] ?? true,
              unique: constraints['unique'] ?? false,
              other: constraints['other'] ?? [],
            },
    }
  })
}

function cell(value: unknown, path: Path): unknown {
  if (value === undefined || value === null) return null
  if (typeof value === 'object' || typeof value === 'function' || typeof value === 'symbol')
    refuse(path, 'table', 'made of text, numbers, booleans and nulls')
  return value
}

function tableOf(value: unknown, path: Path): object {
  if (!isRecord(value) || !Array.isArray(value['records'])) refuse(path, 'table', '{records, schema}')
  const schema = columnsOf(value['schema'], path, 'table')
  const names = schema.map((column) => (column as { name: string }).name)
  const records = (value['records'] as readonly unknown[]).map((record) => {
    if (!isRecord(record)) return refuse(path, 'table', 'made of records')
    const stray = Object.keys(record).find((name) => !names.includes(name))
    if (stray !== undefined) refuse(path, 'table', `made of the columns of its schema, "${stray}" is none`)
    return Object.fromEntries(names.map((name) => [name, cell(record[name], `${path}.${name}`)]))
  })
  return { records, schema }
}

function lineageOf(value: unknown, path: Path): object {
  const refused = (): never => refuse(path, 'table_column_lineage', '{column: [{asset, column}]}')
  if (!isRecord(value)) return refused()
  const deps = Object.entries(value).map(([column, sources]) => {
    if (!Array.isArray(sources)) return refused()
    return [
      column,
      sources.map((source: unknown) => {
        if (!isRecord(source) || !Array.isArray(source['asset']) || typeof source['column'] !== 'string') return refused()
        return { asset_key: source['asset'], column_name: source['column'] }
      }),
    ] as const
  })
  return { deps_by_column: Object.fromEntries(deps) }
}

const isWire = (value: unknown, key: string): boolean => isRecord(value) && Object.hasOwn(value, key)

function typed(type: PipesMetadataType, raw: unknown, path: Path): PipesMetadataValue {
  const text = (): PipesMetadataValue => (typeof raw === 'string' ? make(type, raw) : refuse(path, type, 'text'))
  switch (type) {
    case 'text':
    case 'url':
    case 'path':
    case 'notebook':
    case 'md':
    case 'dagster_run':
      return text()
    case 'bool':
      return typeof raw === 'boolean' ? make(type, raw) : refuse(path, type, 'true or false')
    case 'int':
      if (typeof raw === 'bigint' || Number.isSafeInteger(raw)) return make(type, raw)
      return refuse(path, type, 'a whole number (a bigint beyond 2^53)')
    case 'float':
      if (typeof raw !== 'number') return refuse(path, type, 'a number')
      return Number.isFinite(raw) ? make(type, new FloatNumber(raw)) : make('null', null)
    case 'timestamp':
      return typeof raw === 'number' && Number.isFinite(raw) ? make(type, raw) : refuse(path, type, 'a moment')
    case 'json':
      return typeof raw === 'object' && raw !== null ? make(type, raw) : refuse(path, type, 'an object or a list')
    case 'asset': {
      const parts = typeof raw === 'string' ? raw.split('/') : raw
      const isKey = Array.isArray(parts) && parts.length > 0 && parts.every((part) => typeof part === 'string' && part !== '')
      if (!isKey || (parts as string[]).some((part) => part.includes('/')))
        return refuse(path, type, 'parts of a key without slashes')
      return make(type, (parts as string[]).join('/'))
    }
    case 'null':
      return make(type, null)
    case 'table':
      return make(type, tableOf(raw, path))
    case 'table_schema':
      return make(type, { columns: columnsOf((raw as { columns?: unknown } | null)?.columns, path, type) })
    case 'table_column_lineage':
      return make(type, isWire(raw, 'deps_by_column') ? raw : lineageOf(raw, path))
    case '__infer__':
      return inferred(raw)
  }
}

/** Dagster infers the type of text, numbers (1 is an int, 1.5 a float), booleans, null, objects and lists. Dates are ours. */
function inferred(raw: unknown): PipesMetadataValue {
  if (raw instanceof Date) return metadata.timestamp(raw)
  if (typeof raw === 'object' && raw !== null) return make('json', raw)
  if (raw === undefined || typeof raw === 'function' || typeof raw === 'symbol') return make('__infer__', null)
  return make('__infer__', raw)
}

/** An object of exactly `raw_value` and a `type` that Dagster knows is a typed value; any other object is JSON. */
function isTyped(value: PipesMetadataInput): value is PipesMetadataValue {
  if (!isRecord(value) || Object.keys(value).length !== 2 || !Object.hasOwn(value, 'raw_value')) return false
  return (METADATA_TYPES as readonly unknown[]).includes(value['type'])
}

/** Null when there is none, as the wire wants it. Throws `DagsterPipesError` for a value that is not what its type says. */
export function normalizeMetadata(given: PipesMetadata | null | undefined): Readonly<Record<string, PipesMetadataValue>> | null {
  if (given === null || given === undefined) return null
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => [
      key,
      isTyped(value) ? typed(value.type, value.raw_value, key) : inferred(value),
    ]),
  )
}
