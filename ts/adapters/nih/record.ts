/** Rows of the projects search (one a fiscal year) -> what a project's record says. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { calendarDate } from '../shared/dates.ts'
import { canonicalDecimal } from '../shared/decimal.ts'
import { listOf, memberAt, textAt } from '../shared/json.ts'
import { coreNumber } from './project-number.ts'

/** As the request names them, in Pascal case; an entry in another case is silently ignored and everything comes back. */
export const FIELDS = [
  'ApplId',
  'SubprojectId',
  'FiscalYear',
  'ProjectNum',
  'CoreProjectNum',
  'Organization',
  'ActivityCode',
  'AwardType',
  'AwardAmount',
  'PrincipalInvestigators',
  'AgencyIcAdmin',
  'ProjectStartDate',
  'ProjectEndDate',
  'OpportunityNumber',
  'FullStudySection',
  'AwardNoticeDate',
  'BudgetStart',
  'BudgetEnd',
  'CfdaCode',
  'FundingMechanism',
  'ProjectTitle',
  'DateAdded',
] as const

/** The project that the row belongs to; null when its number cannot be read. */
export function coreOfRow(row: JsonObject): string | null {
  return coreNumber(textAt(row, 'core_project_num')) ?? coreNumber(textAt(row, 'project_num'))
}

export function applIdOf(row: JsonObject): string {
  return textAt(row, 'appl_id') ?? ''
}

/** Zones and times of day come and go over the years; the day is all that can be compared. */
function day(row: JsonObject, name: string): string | null {
  return calendarDate(memberAt(row, name))
}

/** An object with a name, or (in some years) the text alone. */
function nameOf(value: JsonValue | undefined, member: string): string | null {
  return textAt(value, member) ?? (typeof value === 'string' ? value.trim() || null : null)
}

function investigators(row: JsonObject): string[] {
  const names = listOf(row['principal_investigators']).map((person) => textAt(person, 'full_name'))
  return [...new Set(names.filter((name) => name !== null))].sort()
}

function yearOf(row: JsonObject): JsonObject {
  return {
    appl_id: applIdOf(row),
    subproject_id: textAt(row, 'subproject_id'),
    fiscal_year: textAt(row, 'fiscal_year'),
    project_num: textAt(row, 'project_num'),
    award_type: textAt(row, 'award_type'),
    award_amount: canonicalDecimal(memberAt(row, 'award_amount')),
    award_notice_date: day(row, 'award_notice_date'),
    budget_start: day(row, 'budget_start'),
    budget_end: day(row, 'budget_end'),
    date_added: day(row, 'date_added'),
  }
}

const newest = (a: JsonObject, b: JsonObject): number =>
  Number(textAt(b, 'fiscal_year') ?? 0) - Number(textAt(a, 'fiscal_year') ?? 0) || Number(applIdOf(b)) - Number(applIdOf(a))

/**
 * What the newest year says, and the money of each. Left out: whether it is active or new (time alone changes that), spending
 * categories (null for a year, then filled in), mined terms, abstracts, addresses of pages, people but the investigators' names.
 */
export function recordOfRows(core: string, rows: readonly JsonObject[]): JsonObject {
  const years = [...new Map(rows.map((row) => [applIdOf(row), row])).values()].sort(newest)
  const latest = years[0]!
  const organization = memberAt(latest, 'organization')
  return {
    core_project_num: core,
    title: textAt(latest, 'project_title'),
    activity_code: textAt(latest, 'activity_code') ?? core.slice(0, 3),
    institute: nameOf(memberAt(latest, 'agency_ic_admin'), 'abbreviation'),
    funding_mechanism: textAt(latest, 'funding_mechanism'),
    opportunity_number: textAt(latest, 'opportunity_number') ?? textAt(latest, 'full_foa'),
    study_section: textAt(latest, 'full_study_section', 'name'),
    cfda_code: textAt(latest, 'cfda_code'),
    project_start_date: day(latest, 'project_start_date'),
    project_end_date: day(latest, 'project_end_date'),
    organization: {
      name: textAt(organization, 'org_name'),
      city: textAt(organization, 'org_city'),
      state: textAt(organization, 'org_state'),
      uei: textAt(organization, 'primary_uei'),
      duns: textAt(organization, 'primary_duns'),
    },
    principal_investigators: investigators(latest),
    years: years.map(yearOf),
  }
}
