/**
 * A company as its register has it -> its record. Left out is when anybody looked at it (`retrieved_at`, `updated_at`, `created_at`), links, data
 * that OpenCorporates attaches, and of people everything but names, positions and dates.
 */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { calendarDate } from '../shared/dates.ts'
import { listOf, memberAt, requireObjects, textAt } from '../shared/json.ts'

const byJson = (a: JsonObject, b: JsonObject): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

/** Each row once, in an order of their own: which of them came first or last says nothing. */
function distinct(list: readonly JsonObject[]): JsonObject[] {
  return [...new Map(list.map((item) => [JSON.stringify(item), item])).values()].sort(byJson)
}

function flag(value: JsonValue | undefined): boolean | null {
  return typeof value === 'boolean' ? value : null
}

/** Elements of lists are wrapped: `officers[].officer`. Throws `MalformedAnswer` when one is not. */
export function unwrapped(list: JsonValue | undefined, member: string): readonly JsonObject[] {
  return requireObjects(
    listOf(list).map((item) => memberAt(item, member) ?? null),
    `the list of ${member}s`,
  )
}

/** Names that the company had, as they are written. */
export function previousNames(company: JsonObject): readonly string[] {
  return listOf(company['previous_names'])
    .map((item) => textAt(item, 'company_name'))
    .filter((name) => name !== null)
}

function companyRef(value: JsonValue | undefined): JsonObject | null {
  const name = textAt(value, 'name')
  const number = textAt(value, 'company_number')
  if (name === null && number === null) return null
  return { name, jurisdiction_code: textAt(value, 'jurisdiction_code'), company_number: number }
}

/** In parts; the same address in one text (`registered_address_in_full`) comes and goes with the version of the API. */
function addressOf(company: JsonObject): JsonObject | null {
  const given = company['registered_address']
  const parts = {
    street: textAt(given, 'street_address'),
    locality: textAt(given, 'locality'),
    region: textAt(given, 'region'),
    postal_code: textAt(given, 'postal_code'),
    country: textAt(given, 'country'),
  }
  return Object.values(parts).every((part) => part === null) ? null : parts
}

/** Of a company or a row of the search, which has less. */
export function recordOfCompany(company: JsonObject): JsonObject {
  return {
    jurisdiction_code: textAt(company, 'jurisdiction_code'),
    company_number: textAt(company, 'company_number'),
    name: textAt(company, 'name'),
    previous_names: [...new Set(previousNames(company))].sort(),
    company_type: textAt(company, 'company_type'),
    incorporation_date: calendarDate(company['incorporation_date']),
    dissolution_date: calendarDate(company['dissolution_date']),
    // The only status that means the same in every register.
    inactive: flag(company['inactive']),
    current_status: textAt(company, 'current_status'),
    branch_status: textAt(company, 'branch_status'),
    home_company: companyRef(company['home_company']),
    controlling_entity: companyRef(company['controlling_entity']),
    registered_address: addressOf(company),
    agent_name: textAt(company, 'agent_name'),
    industry_codes: distinct(
      listOf(company['industry_codes']).map((item) => ({
        scheme: textAt(item, 'industry_code', 'code_scheme_id'),
        code: textAt(item, 'industry_code', 'code'),
        description: textAt(item, 'industry_code', 'description'),
      })),
    ),
  }
}

/** Without an id it is told apart by name, position and begin. Registers have rows that are alike in all of that: each is kept. */
export function recordOfOfficers(rows: readonly JsonObject[]): JsonObject[] {
  const officers = rows.map((row) => {
    const officer = { name: textAt(row, 'name'), position: textAt(row, 'position'), start_date: calendarDate(row['start_date']) }
    const id = textAt(row, 'id') ?? [officer.name, officer.position, officer.start_date].join(' ')
    return { id, ...officer, end_date: calendarDate(row['end_date']) }
  })
  return distinct(officers)
}

/** One row for each of those who control the company by a statement; who did so twice has two. */
export function recordOfOwners(rows: readonly JsonObject[]): JsonObject[] {
  const owners = rows.flatMap((row) => {
    const mechanisms = listOf(row['control_mechanisms']).map((item) => textAt(item, 'source_description'))
    return listOf(row['controlling_entities']).map((entity) => {
      const person = textAt(entity, 'person', 'name')
      return {
        kind: person === null ? 'company' : 'person',
        name: person ?? textAt(entity, 'company', 'name'),
        notified_on: calendarDate(memberAt(row, 'other_attributes', 'notified_on')),
        ceased_on: calendarDate(memberAt(row, 'other_attributes', 'ceased_on')),
        mechanisms: [...new Set(mechanisms.filter((text) => text !== null))].sort(),
      }
    })
  })
  return distinct(owners)
}
