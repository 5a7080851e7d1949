/**
 * A filer's page -> its record. Left out is what moves without anything having happened: the time of acceptance (Eastern time and UTC by
 * turns, both with a Z), from when to when a name was used (hours move), `category`, telephone, and columns that come and go.
 */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { calendarDate } from '../shared/dates.ts'
import { listOf, memberAt, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'

const COLUMNS = ['accessionNumber', 'form', 'filingDate', 'reportDate', 'items', 'primaryDocument'] as const

/** Filings come as columns. Throws `MalformedAnswer` when these are not equally long. */
export function columnRows(table: JsonObject): readonly JsonObject[] {
  const columns = COLUMNS.map((name) => [name, table[name]] as const)
  const length = Array.isArray(table['accessionNumber']) ? table['accessionNumber'].length : -1
  const broken = columns.find(([, values]) => !Array.isArray(values) || values.length !== length)
  if (broken !== undefined) throw new MalformedAnswer(`the column ${broken[0]} of the filings is missing or of another length`)
  return Array.from({ length }, (_, at) =>
    Object.fromEntries(columns.map(([name, values]) => [name, (values as readonly JsonValue[])[at] ?? null])),
  )
}

function filingOf(row: JsonObject): JsonObject {
  return {
    accession_number: textAt(row, 'accessionNumber'),
    form: textAt(row, 'form'),
    filing_date: calendarDate(row['filingDate']),
    report_date: calendarDate(row['reportDate']),
    items: textAt(row, 'items'),
    // `xslF345X05/doc4.xml`: the folder is the style sheet in which the site shows it, which has versions.
    primary_document: textAt(row, 'primaryDocument')?.replace(/^xsl[^/]*\//, '') ?? null,
  }
}

function addressOf(body: JsonObject, kind: string): JsonObject {
  const at = (name: string): string | null => textAt(body, 'addresses', kind, name)
  return { street1: at('street1'), street2: at('street2'), city: at('city'), state: at('stateOrCountry'), zip: at('zipCode') }
}

function distinctTexts(list: JsonValue | undefined, member?: string): string[] {
  const texts = listOf(list).map((item) => (member === undefined ? textAt({ item }, 'item') : textAt(item, member)))
  return [...new Set(texts.filter((text) => text !== null))].sort()
}

/** Filings by accession number, the newest first; a number that comes twice counts once. */
export function recordOfPage(
  body: JsonObject,
  cik: string,
  rows: readonly JsonObject[],
  facts: readonly JsonObject[],
): JsonObject {
  const filings = new Map<string, JsonObject>()
  for (const row of rows) {
    const filing = filingOf(row)
    const number = filing['accession_number']
    if (typeof number === 'string' && !filings.has(number)) filings.set(number, filing)
  }
  const ein = textAt(body, 'ein')
  return {
    cik,
    name: textAt(body, 'name'),
    entity_type: textAt(body, 'entityType'),
    sic: textAt(body, 'sic'),
    sic_description: textAt(body, 'sicDescription'),
    // Nine zeros are what those write who have none.
    ein: ein === null || /^0*$/.test(ein) ? null : ein,
    state_of_incorporation: textAt(body, 'stateOfIncorporation'),
    fiscal_year_end: textAt(body, 'fiscalYearEnd'),
    tickers: distinctTexts(memberAt(body, 'tickers')),
    exchanges: distinctTexts(memberAt(body, 'exchanges')),
    former_names: distinctTexts(memberAt(body, 'formerNames'), 'name'),
    business_address: addressOf(body, 'business'),
    mailing_address: addressOf(body, 'mailing'),
    filings: [...filings.values()],
    facts: [...facts],
  }
}
