/** Reads one row of an award file. */
import type { RawRow } from './columns.ts'
import { type CompanyFacts, companyFacts, type Problem, quoteCell, UNDATED, type Warn } from './facts.ts'
import { grainKey } from './grain.ts'
import { cleanAddress, cleanIdentifier, cleanText, INVALID, readAmount, readDate, readYear } from './values.ts'

/** An award's own attributes; those of its company are added when the company is known. */
export type AwardFields = {
  readonly title: string | null
  readonly agency: string | null
  readonly branch: string | null
  readonly phase: string | null
  readonly program: string | null
  readonly agency_tracking_number: string | null
  readonly contract: string | null
  readonly proposal_award_date: string | null
  readonly contract_end_date: string | null
  readonly solicitation_number: string | null
  readonly solicitation_year: number | null
  readonly solicitation_close_date: string | null
  readonly proposal_receipt_date: string | null
  readonly date_of_notification: string | null
  readonly topic_code: string | null
  readonly award_year: number | null
  readonly award_amount: string | null
  readonly company_name: string | null
  readonly uei: string | null
  readonly duns: string | null
  readonly ri_name: string | null
  readonly pi_name: string | null
}

/** `company`: null in files that name none. */
export type AwardFacts = { readonly key: string; readonly fields: AwardFields; readonly company: CompanyFacts | null }

const DATES = {
  proposal_award_date: 'Proposal Award Date',
  contract_end_date: 'Contract End Date',
  solicitation_close_date: 'Solicitation Close Date',
  proposal_receipt_date: 'Proposal Receipt Date',
  date_of_notification: 'Date of Notification',
} as const
/** The year of the program's law: no award and no solicitation of it is older. */
const FIRST_YEAR = 1982
const YEARS = { solicitation_year: 'Solicitation Year', award_year: 'Award Year' } as const

type ReadCells = { readonly [name in keyof typeof DATES]: string | null } & {
  readonly [name in keyof typeof YEARS]: number | null
} & { readonly award_amount: string | null }

/** The cells that can be wrong, or what is wrong with the first that is. */
function readCells(raw: RawRow, latestYear: number): ReadCells | Problem {
  const cells: Record<string, string | number | null> = {}
  for (const field of Object.keys(DATES) as (keyof typeof DATES)[]) {
    const value = readDate(raw[field])
    if (value === INVALID) return { problem: `${DATES[field]} ${quoteCell(raw[field])} is no date (YYYY-MM-DD or MM/DD/YYYY)` }
    cells[field] = value
  }
  for (const field of Object.keys(YEARS) as (keyof typeof YEARS)[]) {
    const value = readYear(raw[field])
    if (value === INVALID) return { problem: `${YEARS[field]} ${quoteCell(raw[field])} is no year` }
    if (value !== null && (value < FIRST_YEAR || value > latestYear))
      return { problem: `${YEARS[field]} ${quoteCell(raw[field])} is not within ${FIRST_YEAR} and ${latestYear}` }
    cells[field] = value
  }
  const amount = readAmount(raw.award_amount)
  if (amount === INVALID) return { problem: `Award Amount ${quoteCell(raw.award_amount)} is no number` }
  if (amount?.startsWith('-')) return { problem: `Award Amount ${quoteCell(raw.award_amount)} is below zero` }
  cells['award_amount'] = amount
  return cells as ReadCells
}

/** When the award was made, as exactly as the row says: `CompanyFacts.dated`. */
function datedBy(cells: ReadCells): number {
  const date = cells.proposal_award_date ?? (cells.award_year === null ? cells.date_of_notification : null)
  return date === null ? (cells.award_year ?? UNDATED) * 10_000 : Number(date.replaceAll('-', ''))
}

/**
 * The award a row speaks of, or why the row is quarantined. `withoutCompany`: the file names none. `latestYear`: the last one that an
 * award or a solicitation may be of.
 */
export function readAwardRow(raw: RawRow, warn: Warn, latestYear: number, withoutCompany = false): AwardFacts | Problem {
  const cells = readCells(raw, latestYear)
  if ('problem' in cells) return cells
  const company = withoutCompany ? null : companyFacts(raw, datedBy(cells), warn)
  if (company !== null && 'problem' in company) return company
  const agencyTrackingNumber = cleanIdentifier(raw.agency_tracking_number)
  const contract = cleanIdentifier(raw.contract)
  const solicitationNumber = cleanIdentifier(raw.solicitation_number)
  if (agencyTrackingNumber === null && contract === null && solicitationNumber === null && cells.proposal_award_date === null) {
    return {
      problem:
        'nothing tells the award from others of the company: no agency tracking number, contract, solicitation number or proposal award date',
    }
  }
  const fields: AwardFields = {
    title: cleanAddress(raw.title),
    agency: cleanText(raw.agency),
    branch: cleanText(raw.branch),
    phase: cleanText(raw.phase),
    program: cleanText(raw.program),
    agency_tracking_number: agencyTrackingNumber,
    contract,
    proposal_award_date: cells.proposal_award_date,
    contract_end_date: cells.contract_end_date,
    solicitation_number: solicitationNumber,
    solicitation_year: cells.solicitation_year,
    solicitation_close_date: cells.solicitation_close_date,
    proposal_receipt_date: cells.proposal_receipt_date,
    date_of_notification: cells.date_of_notification,
    topic_code: cleanText(raw.topic_code),
    award_year: cells.award_year,
    award_amount: cells.award_amount,
    company_name: company?.fields.name ?? null,
    uei: company?.uei ?? null,
    duns: company?.duns ?? null,
    ri_name: cleanIdentifier(cleanAddress(raw.ri_name) ?? undefined),
    pi_name: cleanIdentifier(cleanAddress(raw.pi_name) ?? undefined),
  }
  return { key: awardKey(fields), fields, company }
}

function awardKey(fields: AwardFields): string {
  return grainKey({
    recipient: fields.company_name ?? '',
    agencyTrackingNumber: fields.agency_tracking_number,
    contract: fields.contract,
    agency: fields.agency,
    branch: fields.branch,
    phase: fields.phase,
    program: fields.program,
    proposalAwardDate: fields.proposal_award_date,
    solicitationNumber: fields.solicitation_number,
  })
}

/** `award_id:` and the contract number's letters and digits: agencies, registries and people put the hyphens differently. */
export function awardAliases(fields: AwardFields): readonly string[] {
  const id = (fields.contract ?? '').toUpperCase().replace(/[^A-Z0-9]+/g, '')
  return id === '' ? [] : [`award_id:${id}`]
}
