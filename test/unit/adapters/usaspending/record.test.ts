import { describe, expect, it } from 'vitest'
import { MalformedAnswer } from '../../../../ts/adapters/shared/malformed.ts'
import { recordOfDetail, recordOfRow } from '../../../../ts/adapters/usaspending/record.ts'
import { usaspending } from '../../../../ts/adapters/usaspending.ts'
import { payloadHash } from '../../../../ts/refresh/canonical.ts'

const PLACE = {
  location_country_code: 'USA',
  country_name: 'UNITED STATES',
  state_code: 'IA',
  county_code: '103',
  city_name: 'IOWA CITY',
  zip5: '52242',
}
const STREET = { address_line1: '105 JESSUP HALL', address_line2: null, address_line3: null }

/** One grant as the two surfaces tell it: other names, other case, other order, other numbers of the same thing. */
const ROW = {
  internal_id: 89948049,
  'Award ID': 'NNM11AA01A',
  'Recipient Name': 'THE  UNIVERSITY OF IOWA',
  'Recipient UEI': 'Z1H9VJS8NG16',
  'Recipient Location': { ...PLACE, ...STREET, state_name: 'Iowa', zip4: '1316', congressional_code: '01' },
  'Primary Place of Performance': { ...PLACE, city_name: 'Iowa City', state_name: 'Iowa', zip4: '52242-1316' },
  'Award Amount': 156725919.62,
  'Total Outlays': 1,
  Description: 'A CENTER ON\nTHE CAMPUS',
  'Award Type': 'COOPERATIVE AGREEMENT (B)',
  'Start Date': '2011-04-01',
  'End Date': null,
  'Base Obligation Date': '2011-04-08',
  'Last Modified Date': '2024-02-20',
  'Awarding Agency': 'National Aeronautics and Space Administration',
  'Awarding Agency Code': '80',
  'Awarding Sub Agency': 'National Aeronautics and Space Administration',
  'Awarding Sub Agency Code': '8000',
  'Funding Agency': null,
  'CFDA Number': '43.008',
  'Assistance Listings': [{ cfda_number: '43.001' }, { cfda_number: '43.008' }, { cfda_number: '43.008' }],
  generated_internal_id: 'ASST_NON_NNM11AA01A_080',
}
const DETAIL = {
  id: 1,
  generated_unique_award_id: 'ASST_NON_NNM11AA01A_080',
  fain: 'NNM11AA01A',
  uri: null,
  category: 'grant',
  type: '05',
  type_description: 'COOPERATIVE AGREEMENT (B)',
  description: 'A CENTER ON THE CAMPUS',
  total_obligation: '156725919.620',
  total_account_outlay: 52414684.72,
  date_signed: '2011-04-08',
  cfda_info: [{ cfda_number: '43.008', cfda_objectives: 'long' }, { cfda_number: '43.001' }],
  funding_agency: null,
  awarding_agency: {
    toptier_agency: { name: 'National Aeronautics and Space Administration', code: '080' },
    subtier_agency: { name: 'National Aeronautics and Space Administration', code: '8000' },
  },
  period_of_performance: { start_date: '2011-04-01', end_date: null, last_modified_date: '2024-02-20 11:12:13' },
  recipient: {
    recipient_hash: 'x-R',
    recipient_name: 'THE UNIVERSITY OF IOWA',
    recipient_uei: 'Z1H9VJS8NG16',
    location: { ...PLACE, ...STREET, state_name: 'IOWA', congressional_code: '02' },
  },
  place_of_performance: { ...PLACE, state_name: 'IOWA', zip4: '1316', address_line1: null },
}

describe('an award by search and by look-up', () => {
  it('is one record', () => {
    const record = recordOfRow(ROW)
    expect(recordOfDetail(DETAIL)).toEqual(record)
    expect(payloadHash(recordOfDetail(DETAIL), usaspending)).toBe(payloadHash(record, usaspending))
    expect(record).toMatchObject({
      category: 'assistance',
      total_obligation: '156725919.62',
      last_modified_date: '2024-02-20',
      awarding_agency: { code: '080' },
      assistance_listings: ['43.001', '43.008'],
      place_of_performance: { city_name: 'IOWA CITY' },
    })
  })

  it('takes the ordering period of an indefinite delivery vehicle as its end', () => {
    const key = 'CONT_IDV_80JSC019C0012_8000'
    const members = {
      'Award Type': 'no',
      'Contract Award Type': 'BPA',
      'End Date': '1999-01-01',
      'Last Date to Order': '2030-09-30',
      NAICS: { code: '541715' },
      PSC: { code: '1555' },
    }
    const detail = {
      generated_unique_award_id: key,
      piid: '80JSC019C0012',
      type_description: 'BPA',
      period_of_performance: { end_date: '2030-09-30' },
      naics_hierarchy: { base_code: { code: '541715' } },
      latest_transaction_contract_data: { product_or_service_code: '1555' },
    }
    for (const record of [
      recordOfRow({ ...members, 'Award ID': '80JSC019C0012', generated_internal_id: key }),
      recordOfDetail(detail),
    ]) {
      expect(record).toMatchObject({
        category: 'idv',
        award_id: '80JSC019C0012',
        type_description: 'BPA',
        end_date: '2030-09-30',
        naics: '541715',
        psc: '1555',
      })
    }
  })

  it('needs its id', () => {
    expect(() => recordOfRow({ 'Award ID': 'x' })).toThrow(MalformedAnswer)
    expect(() => recordOfDetail({ piid: 'x' })).toThrow(MalformedAnswer)
  })
})
