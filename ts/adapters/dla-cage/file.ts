/** The table P_CAGE of CAGE.zip, and where the archive is: its address carries a version that changes with each edition. */
import type { JsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { Answer, FileRow, KeyedFile, Target } from '../adapter.ts'
import { refOf } from '../shared/entity.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { foldText } from '../shared/text.ts'
import { cageCode } from './cage-code.ts'

const READING_ROOM = '/Information-Operations/FLIS-Data-Electronic-Reading-Room/'
const ARCHIVE = 'CAGE.zip'
const LINK = /\bhref\s*=\s*(?:"([^"]{1,2000})"|'([^']{1,2000})')/gi
/** Stands for the provider's own host while links are read; only its path is used. */
const HERE = 'https://www.dla.mil/'

export function pageRequest(label: string, options: JsonObject): RequestSpec {
  const path = options['reading_room']
  return { method: 'GET', path: typeof path === 'string' ? path : READING_ROOM, label }
}

/** Path and query of the archive that the page links to; null when it links to none, or to another host. */
export function archiveLink(
  html: string,
): { readonly path: string; readonly query: readonly (readonly [string, string])[] } | null {
  for (const [, double, single] of html.matchAll(LINK)) {
    const text = (double ?? single ?? '').replaceAll('&amp;', '&').trim()
    if (!URL.canParse(text, HERE)) continue
    const url = new URL(text, HERE)
    const name = url.pathname.slice(url.pathname.lastIndexOf('/') + 1)
    if (name.toUpperCase() !== ARCHIVE.toUpperCase() || !/(?:^|\.)dla\.mil$/.test(url.hostname)) continue
    if (!/^\/(?!\/)[!-~]*$/.test(url.pathname)) continue
    return { path: url.pathname, query: [...url.searchParams] }
  }
  return null
}

type Field = 'cage' | 'status' | 'type' | 'cao' | 'company' | 'city' | 'state' | 'zip' | 'country'
const FIELDS: readonly Field[] = ['cage', 'status', 'type', 'cao', 'company', 'city', 'state', 'zip', 'country']
const SPELLINGS: Readonly<Record<Field, readonly string[]>> = {
  cage: ['CAGE_CODE', 'CAGE', 'CAGE_CD'],
  status: ['CAGE_STATUS', 'STATUS', 'STATUS_CD'],
  type: ['TYPE', 'CAGE_TYPE', 'TYPE_CD'],
  cao: ['CAO', 'CAO_CD'],
  company: ['COMPANY_NAME', 'COMPANY', 'NAME'],
  city: ['CITY'],
  state: ['STATE', 'STATE_PROVINCE', 'ST'],
  zip: ['ZIP', 'ZIP_CODE', 'POSTAL_CODE'],
  country: ['COUNTRY'],
}

/**
 * Columns by name; where some are spelled in an unknown way, by the order that the table has had, provided that code, company
 * and country are where they belong. Anything else is not this table.
 */
function columnsOf(header: readonly string[]): readonly (Field | null)[] {
  const names = header.map((name) => name.toUpperCase().replace(/[^A-Z0-9]+/g, '_'))
  const byName = names.map((name) => FIELDS.find((field) => SPELLINGS[field].includes(name)) ?? null)
  if (FIELDS.every((field) => byName.filter((found) => found === field).length === 1)) return byName
  const anchored = (['cage', 'company', 'country'] as const).every((field) => byName[FIELDS.indexOf(field)] === field)
  if (header.length === FIELDS.length && anchored) return FIELDS
  throw new MalformedAnswer(`columns ${header.slice(0, 12).join(', ').slice(0, 200)}; expected ${FIELDS.join(', ')}`)
}

function recordOf(row: FileRow): JsonObject {
  const text = (name: Field): string | null => foldText(row[name] ?? '') || null
  return {
    cage: cageCode(row['cage'] ?? null),
    status: text('status'),
    type: text('type'),
    cao: text('cao'),
    company: text('company'),
    city: text('city'),
    state: text('state'),
    zip: text('zip'),
    country: text('country'),
  }
}

/** Of several rows the active one counts, then the first by text, so that their order in the file says nothing. */
function answerOf(rows: readonly FileRow[], target: Target): Answer {
  const records = rows.map(recordOf).map((record) => ({ record, text: JSON.stringify(record) }))
  const rank = ({ record }: { readonly record: JsonObject }): number => (record['status'] === 'A' ? 0 : 1)
  const [first] = records.sort((a, b) => rank(a) - rank(b) || (a.text < b.text ? -1 : 1))
  return { kind: 'record', entity: refOf(target.entity), record: first!.record }
}

export const cageFile: KeyedFile = {
  locate: ({ options }) => pageRequest('cage.page', options),
  request: (validators, _context, located?: ResponseView) => {
    // Without the page (a plan, a test) the address is the one without a version.
    const link = located === undefined ? { path: `/files/${ARCHIVE}`, query: [] } : archiveLink(located.text)
    if (link === null) throw new MalformedAnswer(`the reading room links to no ${ARCHIVE}`)
    return { method: 'GET', ...link, validators, expect: 'file', label: 'cage.file' }
  },
  table: {
    member: 'P_CAGE.CSV',
    // 422 MB in 2026.
    maxBytes: 2_000_000_000,
    columns: columnsOf,
    keyOf: (row) => cageCode(row['cage'] ?? null),
  },
  answer: (rows, target) => answerOf(rows, target),
}
