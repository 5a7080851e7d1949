/**
 * One award, from a search row and from the award look-up, as the same record: only what both say, in the same words. So a
 * change of strategy is never a change of data. Left out, because the two surfaces differ or drift by themselves: internal
 * ids, recipient ids (their level changes with parentage), outlays (monthly, from another file), state names and
 * descriptions of codes (they differ in case), ZIP+4 and congressional districts (differ in form and vintage), DUNS.
 */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { calendarDate } from '../shared/dates.ts'
import { canonicalDecimal } from '../shared/decimal.ts'
import { listOf, memberAt, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { paddedCode } from './agencies.ts'

/** `contract`, `idv` or `assistance`, from the generated id, which both surfaces carry. */
function categoryOf(generatedId: string): string {
  if (generatedId.startsWith('CONT_IDV_')) return 'idv'
  return generatedId.startsWith('CONT_') ? 'contract' : 'assistance'
}

function place(value: JsonValue | undefined): JsonObject {
  return {
    country_code: textAt(value, 'location_country_code'),
    state_code: textAt(value, 'state_code'),
    county_code: textAt(value, 'county_code'),
    city_name: textAt(value, 'city_name')?.toUpperCase() ?? null,
    zip5: textAt(value, 'zip5'),
  }
}

function address(value: JsonValue | undefined): JsonObject {
  return {
    address_line1: textAt(value, 'address_line1'),
    address_line2: textAt(value, 'address_line2'),
    address_line3: textAt(value, 'address_line3'),
    ...place(value),
  }
}

/** Numbers of the assistance listings, sorted, each once. */
function listings(numbers: readonly (string | null)[]): readonly string[] {
  return [...new Set(numbers.filter((number) => number !== null))].sort()
}

/** Id under which the award can be looked up. Throws when a row has none. */
export function generatedIdOf(row: JsonObject): string {
  const id = textAt(row, 'generated_internal_id')
  if (id === null) throw new MalformedAnswer('a search row has no generated_internal_id')
  return id
}

/** A row of `search/spending_by_award`. Throws `MalformedAnswer` when it has no generated id. */
export function recordOfRow(row: JsonObject): JsonObject {
  const id = generatedIdOf(row)
  const category = categoryOf(id)
  const agency = (role: string): JsonObject => ({
    name: textAt(row, `${role} Agency`),
    code: paddedCode(textAt(row, `${role} Agency Code`)),
    sub_agency_name: textAt(row, `${role} Sub Agency`),
    sub_agency_code: textAt(row, `${role} Sub Agency Code`),
  })
  const cfdas = listOf(row['Assistance Listings']).map((listing) => textAt(listing, 'cfda_number'))
  return {
    generated_unique_award_id: id,
    award_id: textAt(row, 'Award ID'),
    category,
    type_description: textAt(row, category === 'assistance' ? 'Award Type' : 'Contract Award Type'),
    description: textAt(row, 'Description'),
    total_obligation: canonicalDecimal(row['Award Amount']),
    date_signed: calendarDate(row['Base Obligation Date']),
    start_date: calendarDate(row['Start Date']),
    end_date: calendarDate(row[category === 'idv' ? 'Last Date to Order' : 'End Date']),
    last_modified_date: calendarDate(row['Last Modified Date']),
    awarding_agency: agency('Awarding'),
    funding_agency: agency('Funding'),
    recipient: {
      name: textAt(row, 'Recipient Name'),
      uei: textAt(row, 'Recipient UEI'),
      location: address(row['Recipient Location']),
    },
    place_of_performance: place(row['Primary Place of Performance']),
    naics: textAt(row, 'NAICS', 'code'),
    psc: textAt(row, 'PSC', 'code'),
    assistance_listings: listings(cfdas.length > 0 ? cfdas : [textAt(row, 'CFDA Number')]),
  }
}

/** The body of `awards/{id}/`. Throws `MalformedAnswer` when it has no generated id. */
export function recordOfDetail(body: JsonObject): JsonObject {
  const id = textAt(body, 'generated_unique_award_id')
  if (id === null) throw new MalformedAnswer('the award has no generated_unique_award_id')
  const category = categoryOf(id)
  const agency = (role: string): JsonObject => ({
    name: textAt(body, role, 'toptier_agency', 'name'),
    code: paddedCode(textAt(body, role, 'toptier_agency', 'code')),
    sub_agency_name: textAt(body, role, 'subtier_agency', 'name'),
    sub_agency_code: textAt(body, role, 'subtier_agency', 'code'),
  })
  const period = memberAt(body, 'period_of_performance')
  const transaction = memberAt(body, 'latest_transaction_contract_data')
  return {
    generated_unique_award_id: id,
    award_id: textAt(body, 'piid') ?? textAt(body, 'fain') ?? textAt(body, 'uri'),
    category,
    type_description: textAt(body, 'type_description'),
    description: textAt(body, 'description'),
    total_obligation: canonicalDecimal(memberAt(body, 'total_obligation')),
    date_signed: calendarDate(memberAt(body, 'date_signed')),
    start_date: calendarDate(memberAt(period, 'start_date')),
    end_date: calendarDate(memberAt(period, 'end_date')),
    last_modified_date: calendarDate(memberAt(period, 'last_modified_date')),
    awarding_agency: agency('awarding_agency'),
    funding_agency: agency('funding_agency'),
    recipient: {
      name: textAt(body, 'recipient', 'recipient_name'),
      uei: textAt(body, 'recipient', 'recipient_uei'),
      location: address(memberAt(body, 'recipient', 'location')),
    },
    place_of_performance: place(memberAt(body, 'place_of_performance')),
    naics: textAt(transaction, 'naics') ?? textAt(body, 'naics_hierarchy', 'base_code', 'code'),
    psc: textAt(transaction, 'product_or_service_code') ?? textAt(body, 'psc_hierarchy', 'base_code', 'code'),
    assistance_listings: listings(listOf(memberAt(body, 'cfda_info')).map((info) => textAt(info, 'cfda_number'))),
  }
}
