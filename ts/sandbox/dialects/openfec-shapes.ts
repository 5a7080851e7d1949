/** A row of schedule A, with the many members around the few that say something. */
import type { JsonObject } from '../../model/json.ts'
import { toIso } from '../../model/time.ts'
import { dayText } from '../world/awards.ts'
import type { Contribution } from '../world/fec-world.ts'

const NULLS = Object.fromEntries(
  [
    'candidate_last_name donor_committee_name contributor_suffix candidate_middle_name conduit_committee_street1 election_type_full original_sub_id',
    'candidate_first_name conduit_committee_street2 conduit_committee_city back_reference_schedule_name election_type conduit_committee_zip',
    'contributor_prefix conduit_committee_name back_reference_transaction_id national_committee_nonfederal_account contributor_middle_name',
    'contributor_id fec_election_type_desc candidate_id receipt_type_desc contributor_street_1 candidate_office conduit_committee_id increased_limit',
    'candidate_name conduit_committee_state candidate_suffix memo_code_full candidate_office_state_full unused_contbr_id candidate_office_district',
    'candidate_prefix candidate_office_full contributor candidate_office_state receipt_type receipt_type_full contributor_street_2 fec_election_year memo_text',
  ]
    .join(' ')
    .split(' ')
    .map((name) => [name, null]),
)

/** What `link_id` is until the text is written: JSON has no integers of that size that a double could carry. */
const LINK = 'link_id:'

export function rowOf(row: Contribution): JsonObject {
  const [family = '', given = ''] = row.contributor.split(', ')
  const { committee } = row
  return {
    ...NULLS,
    filing_form: 'F3X',
    contributor_state: row.state,
    amendment_indicator_desc: 'NO CHANGE',
    report_type: 'M2',
    contributor_last_name: family,
    report_year: row.period - 1,
    contributor_occupation: row.occupation,
    contribution_receipt_date: row.received === null ? null : `${dayText(row.received)}T00:00:00`,
    pdf_url: `http://docquery.fec.gov/cgi-bin/fecimg/?${row.subId}`,
    is_individual: row.individual,
    line_number_label: 'Contributions From Individuals/Persons Other Than Political Committees',
    contributor_first_name: given,
    file_number: 1_189_990,
    committee_id: committee.id,
    contributor_zip: row.zip,
    link_id: LINK + row.linkId,
    sub_id: row.subId,
    memo_code: row.memo ? 'X' : null,
    contributor_employer: row.employer,
    line_number: '11AI',
    committee_name: null,
    image_number: row.subId,
    two_year_transaction_period: row.period,
    amendment_indicator: 'N',
    load_date: toIso(row.loadedAt).replace('Z', '000+00:00'),
    schedule_type_full: 'ITEMIZED RECEIPTS',
    committee: {
      street_1: 'P.O. BOX 1',
      street_2: null,
      city: 'SOMERVILLE',
      state: 'MA',
      state_full: 'Massachusetts',
      zip: '02144',
      committee_type: committee.type,
      committee_type_full: 'PAC with Non-Contribution Account - Qualified',
      cycles: [2022, 2024, 2026],
      cycle: row.period,
      party: committee.party,
      party_full: null,
      candidate_ids: [],
      designation: 'U',
      designation_full: 'Unauthorized',
      filing_frequency: 'M',
      treasurer_name: 'TREASURER, SANDBOX',
      committee_id: committee.id,
      name: committee.name,
      organization_type: null,
      organization_type_full: null,
    },
    contributor_aggregate_ytd: row.cents / 100,
    memoed_subtotal: row.memo,
    contributor_name: row.contributor,
    contributor_city: row.city,
    schedule_type: 'SA',
    entity_type_desc: 'INDIVIDUAL',
    entity_type: 'IND',
    recipient_committee_type: committee.type,
    contribution_receipt_amount: row.cents / 100,
    transaction_id: `SA11AI_${row.subId.slice(-8)}`,
  }
}

/** The body's text, `link_id` as the number that it is on the wire. */
export function textOf(body: JsonObject): string {
  return JSON.stringify(body).replace(/"link_id:(\d+)"/g, '$1')
}
