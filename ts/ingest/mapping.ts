/** How the columns of some other CSV correspond to ours: `--map nsf.json` or `--map Company=firm_name,Contract=award_id`. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { EngineError, messageOf } from '../model/errors.ts'
import { COLUMNS, findColumn, type LoaderId } from './columns.ts'

/**
 * Where a column of ours comes from: a column of theirs, the part of it in front of or behind the first `before`/`after` (none in front,
 * all of it behind, where a cell does not hold that), or the same text for every row. Null for `Company` alone: the file names none.
 */
export type ColumnSource =
  | { readonly column: string; readonly before?: string | undefined; readonly after?: string | undefined }
  | { readonly value: string }
  | null
/** Our column name -> its source. Columns of ours that are not named are null; columns of theirs that are not named are ignored. */
export type Mapping = Readonly<Record<string, ColumnSource>>

const sourceSchema = z.union([
  z.string().min(1),
  z.null(),
  z.strictObject({ column: z.string().min(1) }),
  z.strictObject({ column: z.string().min(1), before: z.string().min(1) }),
  z.strictObject({ column: z.string().min(1), after: z.string().min(1) }),
  z.strictObject({ value: z.string().min(1) }),
])
const mappingSchema = z.record(z.string(), sourceSchema)

function refuse(message: string, hint: string): EngineError {
  return new EngineError('usage', 'ingest_mapping', message, { hint })
}

function ourNames(loader: LoaderId): string {
  return COLUMNS[loader]
    .filter((column) => column.field !== null)
    .map((column) => column.name)
    .join(', ')
}

function checked(entries: readonly (readonly [string, ColumnSource])[], loader: LoaderId): Mapping {
  const mapping: Record<string, ColumnSource> = {}
  for (const [name, source] of entries) {
    const column = findColumn(loader, name)
    if (column === undefined)
      throw refuse(`the mapping names the column "${name}", which ${loader} does not have`, `Use these: ${ourNames(loader)}`)
    if (column.field === null)
      throw refuse(`the mapping names the column "${column.name}", which is never stored`, 'Leave it out')
    if (Object.hasOwn(mapping, column.name))
      throw refuse(`the mapping names the column "${column.name}" twice`, 'Keep one of the two')
    if (source === null && (column.field !== 'company' || loader !== 'sbir_awards'))
      throw refuse(
        `the mapping has no source for "${column.name}"`,
        'Leave the column out; only the Company of awards may be null',
      )
    mapping[column.name] = source
  }
  const company = COLUMNS[loader].find((column) => column.field === 'company')!.name
  if (!Object.hasOwn(mapping, company)) {
    throw refuse(
      `the mapping has no source for "${company}"; every row needs a company`,
      `Add ${company}=<their column>${loader === 'sbir_awards' ? `, or in a JSON file "${company}": null where the file names none: then awards alone are loaded` : ''}`,
    )
  }
  return mapping
}

/** A mapping from an object as in `config/mappings/*.json`. Rejects with `ingest_mapping` and the name that is wrong. */
export function mappingFrom(value: unknown, loader: LoaderId): Mapping {
  const parsed = mappingSchema.safeParse(value)
  if (!parsed.success) {
    throw refuse(
      `the mapping is not an object of column names: ${parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ')}`,
      'Write {"Company": "their_column", "Agency": {"value": "NSF"}, "Contract": {"column": "id", "after": "_"}}',
    )
  }
  const entries = Object.entries(parsed.data).map(
    ([name, source]) => [name, typeof source === 'string' ? { column: source } : source] as const,
  )
  return checked(entries, loader)
}

/** A mapping from `Company=firm_name,Contract=award_id`; a name with a comma or an equals sign needs the JSON form. */
export function parseInlineMapping(text: string, loader: LoaderId): Mapping {
  const entries = text.split(',').map((pair) => {
    const [ours = '', theirs = '', ...rest] = pair.split('=').map((part) => part.trim())
    if (ours === '' || theirs === '' || rest.length > 0) {
      throw refuse(
        `"${pair}" is not of the form OurColumn=their_column`,
        'Write --map Company=firm_name,Contract=award_id or give a JSON file',
      )
    }
    return [ours, { column: theirs }] as const
  })
  return checked(entries, loader)
}

/** Reads `--map`: a path to a JSON file, or the inline form. */
export async function readMapping(text: string, loader: LoaderId): Promise<Mapping> {
  if (text.includes('=') && !text.endsWith('.json')) return parseInlineMapping(text, loader)
  let content: string
  try {
    content = await readFile(text, 'utf8')
  } catch (cause) {
    throw new EngineError('usage', 'ingest_mapping', `the mapping file ${text} cannot be read: ${messageOf(cause)}`, {
      hint: 'Give a JSON file, e.g. config/mappings/nsf.json, or Company=firm_name,Contract=award_id',
      cause,
    })
  }
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch (cause) {
    throw new EngineError('usage', 'ingest_mapping', `the mapping file ${text} is not JSON: ${messageOf(cause)}`, {
      hint: 'Write {"Company": "their_column"}',
      cause,
    })
  }
  return mappingFrom(value, loader)
}
