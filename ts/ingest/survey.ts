/** First pass over a file: reads and checks every row and gathers what has to be decided over all of them. Writes nothing. */
import { EngineError } from '../model/errors.ts'
import { AwardRegister } from './award-register.ts'
import { type AwardFacts, readAwardRow } from './award-row.ts'
import { COLUMNS, type LoaderId, type RawRow } from './columns.ts'
import { CompanyRegister } from './company-register.ts'
import { scrubContacts } from './contacts.ts'
import { type FileSink, type OpenFile, readCsv } from './csv-file.ts'
import { type CompanyFacts, companyFacts, UNDATED, type Warn, type WarningKind } from './facts.ts'
import type { Layout } from './header.ts'
import type { Mapping } from './mapping.ts'
import { PersonRegister } from './person-register.ts'
import type { BadRow } from './scan-csv.ts'

/** A row that is quarantined. `payload`: what is kept of it, without contact data. */
export type RefusedRow = { readonly line: number; readonly reason: string; readonly payload: string }

export type Survey = {
  readonly layout: Layout
  readonly sha256: string
  readonly rows: number
  readonly cutOff: number | null
  readonly refused: readonly RefusedRow[]
  readonly warnings: Readonly<Partial<Record<WarningKind, number>>>
  readonly companies: CompanyRegister
  readonly persons: PersonRegister
  readonly awards: AwardRegister
}

/** What a row is in a loader's terms, or why it is refused. */
export type ReadRow = (
  raw: RawRow,
  warn: Warn,
  layout: Pick<Layout, 'withoutCompany'>,
  latestYear: number,
) => { readonly award: AwardFacts | null; readonly company: CompanyFacts | null } | { readonly problem: string }

export const READ_ROW: Readonly<Record<LoaderId, ReadRow>> = {
  sbir_awards: (raw, warn, { withoutCompany }, latestYear) => {
    const facts = readAwardRow(raw, warn, latestYear, withoutCompany)
    return 'problem' in facts ? facts : { award: facts, company: facts.company }
  },
  sbir_companies: (raw, warn) => {
    const facts = companyFacts(raw, UNDATED, warn)
    return 'problem' in facts ? facts : { award: null, company: facts }
  },
}

/** The beginning of a broken row, no further than the columns that may hold contact data. */
function quotable(row: BadRow, layout: Layout): string {
  const lost = row.columnCount === null ? 0 : Math.max(0, layout.columnCount - row.columnCount)
  return scrubContacts(
    row.quote
      .split(',')
      .slice(0, Math.max(1, layout.quotable - lost))
      .join(','),
  )
}

function namedCells(raw: RawRow, loader: LoaderId): string {
  const cells = COLUMNS[loader].flatMap(({ name, field }) =>
    field === null || raw[field] === undefined ? [] : [[name, raw[field].slice(0, 1000)] as const],
  )
  return scrubContacts(JSON.stringify(Object.fromEntries(cells)))
}

export type SurveyRequest = {
  readonly loader: LoaderId
  readonly mapping: Mapping | null
  /** With more refused rows the file is refused, and not read further. */
  readonly maxBadRows: number
  /** Of awards and solicitations. */
  readonly latestYear: number
  readonly onProgress: (rows: number) => void
}

function refuseFile(file: OpenFile, refused: readonly RefusedRow[], maxBadRows: number): EngineError {
  const first = refused
    .slice(0, 5)
    .map(({ line, reason }) => `line ${line}: ${reason}`)
    .join('; ')
  return new EngineError(
    'failed',
    'ingest_too_many_bad_rows',
    `${file.path} has more than ${maxBadRows} broken rows, nothing was written. The first: ${first}`,
    {
      hint: 'Fetch the file again or repair it; if so many broken rows are expected, raise ingest.max_bad_rows',
    },
  )
}

class SurveySink implements FileSink {
  layout: Layout | null = null
  rows = 0
  readonly refused: RefusedRow[] = []
  readonly warnings: Partial<Record<WarningKind, number>> = {}
  readonly companies: CompanyRegister
  readonly persons = new PersonRegister()
  readonly awards = new AwardRegister()
  readonly #loader: LoaderId
  readonly #latestYear: number
  readonly #warn: Warn = (kind) => {
    this.warnings[kind] = (this.warnings[kind] ?? 0) + 1
  }

  constructor({ loader, latestYear }: SurveyRequest) {
    this.#loader = loader
    this.#latestYear = latestYear
    this.companies = new CompanyRegister({ countRows: loader === 'sbir_companies' })
  }

  header(layout: Layout): void {
    this.layout = layout
  }

  row(raw: RawRow, line: number): void {
    this.rows++
    const read = READ_ROW[this.#loader](raw, this.#warn, this.layout!, this.#latestYear)
    if ('problem' in read) {
      this.refused.push({ line, reason: read.problem, payload: namedCells(raw, this.#loader) })
      return
    }
    const unit = read.company === null ? null : this.companies.add(read.company)
    if (read.award === null) return
    this.awards.add(read.award, line)
    if (unit !== null) this.persons.add(unit.id, read.award.fields.pi_name)
  }

  bad(row: BadRow): void {
    this.rows++
    this.refused.push({ line: row.line, reason: row.reason, payload: quotable(row, this.layout!) })
  }
}

/** Reads the whole file; rejects with the errors of `readCsv` and `ingest_too_many_bad_rows`. */
export async function surveyFile(file: OpenFile, request: SurveyRequest): Promise<Survey> {
  const sink = new SurveySink(request)
  const reader = readCsv(file, request.loader, request.mapping, sink)
  for (;;) {
    const step = await reader.next()
    if (sink.refused.length > request.maxBadRows) {
      await reader.return({ sha256: '', cutOff: null })
      throw refuseFile(file, sink.refused, request.maxBadRows)
    }
    request.onProgress(sink.rows)
    if (step.done !== true) continue
    const { rows, refused, warnings, companies, persons, awards } = sink
    return { layout: sink.layout!, ...step.value, rows, refused, warnings, companies, persons, awards }
  }
}
