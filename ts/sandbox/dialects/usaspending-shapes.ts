/** USAspending rows and details, shaped like the recordings. */
import { createHash } from 'node:crypto'
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { DAY_MS, type EpochMs } from '../../model/time.ts'
import { AGENCIES } from '../world/agencies.ts'
import { dayText } from '../world/awards.ts'
import { CONTRACT_TYPES, type FederalAward, type FederalState, GRANT_TYPES } from '../world/usaspending-world.ts'

export type Shown = { readonly award: FederalAward; readonly state: FederalState }

const dollars = (cents: number) => cents / 100
const NAICS = {
  code: '541715',
  description:
    'RESEARCH AND DEVELOPMENT IN THE PHYSICAL, ENGINEERING, AND LIFE SCIENCES (EXCEPT NANOTECHNOLOGY AND BIOTECHNOLOGY)',
}
const PSC = { code: 'AC12', description: 'NATIONAL DEFENSE R&D SERVICES; DEPARTMENT OF DEFENSE - MILITARY; APPLIED RESEARCH' }

/** Computable from the UEI, as at the provider; recipients without one have none. */
export function recipientId(uei: string | null): string | null {
  if (uei === null) return null
  const hex = createHash('md5').update(`UEI-${uei.toUpperCase()}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}-R`
}

/** Paid out so far. It moves once a month (file C), not with the award's own last_modified_date. */
export function outlayCents({ award, state }: Shown, load: EpochMs): number {
  const date = new Date(load)
  const month = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / DAY_MS
  const share = Math.min(1, Math.max(0, (month - award.signed) / Math.max(1, state.ends - award.signed)))
  return Math.round(state.amountCents * share)
}

function location(award: FederalAward, upper: boolean): JsonObject {
  const { place, zip5, zip4, address1 } = award.recipient
  return {
    location_country_code: 'USA',
    country_name: 'UNITED STATES',
    state_code: place.state,
    state_name: upper ? place.stateName.toUpperCase() : place.stateName,
    city_name: place.city.toUpperCase(),
    county_code: place.countyCode,
    county_name: place.county,
    address_line1: address1,
    address_line2: null,
    address_line3: null,
    congressional_code: place.district,
    zip4,
    zip5,
    foreign_postal_code: null,
    foreign_province: null,
  }
}

function performance(award: FederalAward): JsonObject {
  const { place, zip5, zip4 } = award.recipient
  return {
    location_country_code: 'USA',
    country_name: 'UNITED STATES',
    state_code: place.state,
    state_name: place.stateName,
    city_name: place.city.toUpperCase(),
    county_code: place.countyCode,
    county_name: place.county,
    congressional_code: place.district,
    zip4: award.group === 'contracts' ? zip5 + zip4 : `${zip5}-${zip4}`,
    zip5,
  }
}

const isContract = (award: FederalAward) => award.group === 'contracts'
const listing = (award: FederalAward): JsonObject => ({
  cfda_number: award.assistanceListing,
  cfda_program_title: 'SMALL BUSINESS RESEARCH',
})

type Field = (shown: Shown, load: EpochMs) => JsonValue

/**
 * Every field the sandbox can fill. Fields that the provider has and this list lacks come back as null, like the provider's
 * unknown ones.
 */
const FIELDS: Readonly<Record<string, Field>> = {
  'Award ID': ({ award }) => award.awardId,
  'Recipient Name': ({ award }) => award.recipient.name,
  'Recipient UEI': ({ award }) => award.recipient.uei,
  'Recipient DUNS Number': () => null,
  recipient_id: ({ award }) => recipientId(award.recipient.uei),
  prime_award_recipient_id: () => null,
  'Recipient Location': ({ award }) => location(award, false),
  'Primary Place of Performance': ({ award }) => performance(award),
  'Award Amount': ({ state }) => dollars(state.amountCents),
  'Total Outlays': (shown, load) => dollars(outlayCents(shown, load)),
  Description: ({ state }) => state.description,
  'Contract Award Type': ({ award }) => (isContract(award) ? CONTRACT_TYPES[award.typeCode]! : null),
  'Award Type': ({ award }) => (isContract(award) ? null : GRANT_TYPES[award.typeCode]!),
  'Start Date': ({ award }) => dayText(award.signed),
  'End Date': ({ state }) => dayText(state.ends),
  'Base Obligation Date': ({ award }) => dayText(award.signed),
  'Last Modified Date': ({ state }) => dayText(state.lastModified),
  'Awarding Agency': ({ award }) => AGENCIES[award.agency]!.toptier.name,
  'Awarding Agency Code': ({ award }) => AGENCIES[award.agency]!.toptier.code,
  'Awarding Sub Agency': ({ award }) => award.sub.name,
  'Awarding Sub Agency Code': ({ award }) => award.sub.code,
  'Funding Agency': ({ award }) => AGENCIES[award.agency]!.toptier.name,
  'Funding Agency Code': ({ award }) => AGENCIES[award.agency]!.toptier.code,
  'Funding Sub Agency': ({ award }) => award.sub.name,
  'Funding Sub Agency Code': ({ award }) => award.sub.code,
  def_codes: () => ['Q'],
  'COVID-19 Obligations': () => 0,
  'COVID-19 Outlays': () => 0,
  'Infrastructure Obligations': () => 0,
  'Infrastructure Outlays': () => 0,
  NAICS: ({ award }) => (isContract(award) ? NAICS : null),
  PSC: ({ award }) => (isContract(award) ? PSC : null),
  'SAI Number': ({ award }) => (isContract(award) ? null : 'SAI EXEMPT'),
  'CFDA Number': ({ award }) => (isContract(award) ? null : award.assistanceListing),
  'Assistance Listings': ({ award }) => (isContract(award) ? null : [listing(award)]),
  primary_assistance_listing: ({ award }) =>
    isContract(award) ? { cfda_number: null, cfda_program_title: null } : listing(award),
}

export const FIELD_NAMES: readonly string[] = Object.keys(FIELDS)

/** What rows are ordered by: dates as milliseconds, as the search index gives them back in its cursor. */
export function sortValue(field: string, shown: Shown, load: EpochMs): string | number | null {
  if (field === 'Last Modified Date') return shown.state.lastModified * DAY_MS
  if (field === 'End Date') return shown.state.ends * DAY_MS
  if (field === 'Start Date' || field === 'Base Obligation Date') return shown.award.signed * DAY_MS
  const value = FIELDS[field]?.(shown, load) ?? null
  return typeof value === 'string' || typeof value === 'number' || value === null ? value : JSON.stringify(value)
}

/** A row of spending_by_award with the requested fields, in their order. */
export function searchRow(shown: Shown, fields: readonly string[], load: EpochMs): JsonObject {
  const { award } = shown
  const row: Record<string, JsonValue> = { internal_id: award.surrogate }
  for (const field of fields) row[field] = FIELDS[field]?.(shown, load) ?? null
  if (fields.includes('Awarding Agency')) {
    row['awarding_agency_id'] = AGENCIES[award.agency]!.toptier.id
    row['agency_slug'] = AGENCIES[award.agency]!.toptier.slug
  }
  row['generated_internal_id'] = award.id
  return row
}

function agencyBlock(award: FederalAward): JsonObject {
  const { name, code, id, slug, abbreviation } = AGENCIES[award.agency]!.toptier
  return {
    id,
    has_agency_page: true,
    toptier_agency: { name, code, abbreviation, slug },
    subtier_agency: { name: award.sub.name, code: award.sub.code, abbreviation: award.sub.abbreviation },
    office_agency_name: `${award.sub.abbreviation} ${award.awardId.slice(0, 6)}`,
  }
}

const CONTRACT_DATA_NULLS =
  `idv_type_description type_of_idc_description referenced_idv_agency_iden referenced_idv_agency_desc solicitation_identifier sea_transportation major_program program_acronym
national_interest_action multiple_or_single_award_description other_than_full_and_open other_than_full_and_open_description fair_opportunity_limited fair_opportunity_limited_description
dod_claimant_program dod_claimant_program_description dod_acquisition_program dod_acquisition_program_description information_technology_commercial_item_category
information_technology_commercial_item_category_description sea_transportation_description national_interest_action_description`.split(
    /\s+/,
  )

const CONTRACT_DATA: JsonObject = {
  ...Object.fromEntries(CONTRACT_DATA_NULLS.map((key) => [key, null])),
  solicitation_procedures: 'RA',
  solicitation_procedures_description: 'BASIC RESEARCH',
  number_of_offers_received: '99',
  extent_competed: 'A',
  extent_competed_description: 'FULL AND OPEN COMPETITION',
  type_set_aside: 'SBA',
  type_set_aside_description: 'SMALL BUSINESS SET ASIDE - TOTAL',
  evaluated_preference: 'NONE',
  evaluated_preference_description: 'NO PREFERENCE USED',
  fed_biz_opps: 'Y',
  fed_biz_opps_description: 'YES',
  small_business_competitive: false,
  product_or_service_code: PSC.code,
  product_or_service_description: PSC.description,
  naics: NAICS.code,
  naics_description: NAICS.description,
  clinger_cohen_act_planning: 'N',
  clinger_cohen_act_planning_description: 'NO',
  labor_standards: 'N',
  labor_standards_description: 'NO',
  cost_or_pricing_data: 'N',
  cost_or_pricing_data_description: 'NO',
  domestic_or_foreign_entity: 'A',
  domestic_or_foreign_entity_description: 'U.S. OWNED BUSINESS',
  foreign_funding: 'X',
  foreign_funding_description: 'NOT APPLICABLE',
  subcontracting_plan: 'B',
  subcontracting_plan_description: 'PLAN NOT REQUIRED',
  multi_year_contract: 'N',
  multi_year_contract_description: 'NO',
  consolidated_contract: 'D',
  consolidated_contract_description: 'NOT CONSOLIDATED',
  type_of_contract_pricing: 'J',
  type_of_contract_pricing_description: 'FIRM FIXED PRICE',
  commercial_item_acquisition: 'D',
  commercial_item_acquisition_description: 'COMMERCIAL PRODUCTS/SERVICES PROCEDURES NOT USED',
  commercial_item_test_program: 'N',
  commercial_item_test_program_description: 'NO',
  construction_wage_rate: 'N',
  construction_wage_rate_description: 'NO',
  materials_supplies: 'N',
  materials_supplies_description: 'NO',
  interagency_contracting_authority: 'X',
  interagency_contracting_authority_description: 'NOT APPLICABLE',
  price_evaluation_adjustment: '0.00',
  purchase_card_as_payment_method: 'N',
  purchase_card_as_payment_method_description: 'NO',
}

function parentAward({ parentId, agency, sub }: FederalAward): JsonValue {
  if (parentId === null) return null
  const { toptier } = AGENCIES[agency]!
  const code = AGENCIES[agency]!.idCode(sub)
  return {
    agency_id: toptier.id,
    agency_name: toptier.name,
    agency_slug: toptier.slug,
    sub_agency_id: sub.code,
    sub_agency_name: sub.name,
    award_id: 200_000_000 + (Number.parseInt(parentId.slice(-4), 10) || 0),
    generated_unique_award_id: `CONT_IDV_${parentId}_${code}`,
    idv_type_description: 'IDC',
    multiple_or_single_aw_desc: 'SINGLE AWARD',
    piid: parentId,
    type_of_idc_description: 'INDEFINITE DELIVERY / INDEFINITE QUANTITY',
  }
}

/** The body of GET /api/v2/awards/{id}/. */
export function awardDetail(shown: Shown, load: EpochMs): JsonObject {
  const { award, state } = shown
  const contract = isContract(award)
  const total = dollars(state.amountCents)
  const outlay = dollars(outlayCents(shown, load))
  const agency = agencyBlock(award)
  const period = {
    start_date: dayText(award.signed),
    end_date: dayText(state.ends),
    last_modified_date: dayText(state.lastModified),
  }
  const common = {
    category: contract ? 'contract' : 'grant',
    type: award.typeCode,
    type_description: (contract ? CONTRACT_TYPES : GRANT_TYPES)[award.typeCode]!,
    description: state.description,
    subaward_count: 0,
    total_subaward_amount: null,
    total_obligation: total,
    date_signed: dayText(award.signed),
    total_account_outlay: outlay,
    total_account_obligation: total,
    account_outlays_by_defc: [{ code: 'Q', amount: outlay }],
    account_obligations_by_defc: [{ code: 'Q', amount: total }],
    funding_agency: agency,
    awarding_agency: agency,
    recipient: {
      recipient_hash: recipientId(award.recipient.uei),
      recipient_name: award.recipient.name,
      recipient_uei: award.recipient.uei,
      recipient_unique_id: null,
      parent_recipient_hash: null,
      parent_recipient_name: null,
      parent_recipient_uei: null,
      parent_recipient_unique_id: null,
      business_categories: ['Category Business', 'Small Business', 'Special Designations', 'U.S.-Owned Business'],
      location: location(award, true),
    },
    executive_details: { officers: Array.from({ length: 5 }, () => ({ name: null, amount: null })) },
    place_of_performance: {
      ...performance(award),
      zip4: award.recipient.zip4,
      state_name: award.recipient.place.stateName.toUpperCase(),
      address_line1: null,
      address_line2: null,
      address_line3: null,
      foreign_province: null,
      foreign_postal_code: null,
    },
    total_outlay: outlay,
  }
  const head = { id: award.surrogate, generated_unique_award_id: award.id }
  if (contract) {
    return {
      ...head,
      piid: award.awardId,
      ...common,
      base_exercised_options: total,
      base_and_all_options: total,
      parent_award: parentAward(award),
      latest_transaction_contract_data: CONTRACT_DATA,
      period_of_performance: { ...period, potential_end_date: `${dayText(state.ends)} 00:00:00` },
      psc_hierarchy: {
        toptier_code: { code: 'A', description: 'RESEARCH AND DEVELOPMENT' },
        midtier_code: { code: 'AC', description: 'National Defense R&D Services' },
        subtier_code: {},
        base_code: PSC,
      },
      naics_hierarchy: {
        toptier_code: { code: '54', description: 'Professional, Scientific, and Technical Services' },
        midtier_code: { code: '5417', description: 'Scientific Research and Development Services' },
        base_code: {
          code: NAICS.code,
          description:
            'Research and Development in the Physical, Engineering, and Life Sciences (except Nanotechnology and Biotechnology)',
        },
      },
    }
  }
  return {
    ...head,
    fain: award.awardId,
    uri: null,
    ...common,
    total_subsidy_cost: 0,
    base_and_all_options: null,
    base_exercised_options: null,
    non_federal_funding: 0,
    total_funding: total,
    record_type: 2,
    cfda_info: [
      {
        applicant_eligibility: 'Not Applicable',
        beneficiary_eligibility: 'Not Applicable',
        cfda_federal_agency: award.sub.name.toUpperCase(),
        cfda_number: award.assistanceListing,
        cfda_objectives: 'To support research by small businesses.',
        cfda_obligations: '',
        cfda_popular_name: 'SBIR',
        cfda_title: 'Small Business Research',
        cfda_website: 'https://listing.example',
        federal_action_obligation_amount: total,
        non_federal_funding_amount: 0,
        sam_website: 'https://listing.example/view',
        total_funding_amount: total,
      },
    ],
    transaction_obligated_amount: total,
    period_of_performance: period,
    funding_opportunity: { number: null, goals: null },
  }
}
