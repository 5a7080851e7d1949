/**
 * What the loopback server says about item `index`: nested JSON of about 1.5 kB, the size and shape of an award look-up,
 * and the same thing as a list row of about 620 bytes. Only ids, amounts and the revision differ, so bodies cost the server
 * next to nothing and are still all different.
 */
import type { JsonObject } from '../../ts/model/json.ts'

export function itemId(index: number): string {
  return `ITM${String(index).padStart(8, '0')}`
}

/** The whole body of a look-up. `revision` stands for what the provider changed since. */
export function itemBody(index: number, revision: number): JsonObject {
  const id = itemId(index)
  return {
    id,
    category: 'contract',
    type: 'D',
    type_description: 'DEFINITIVE CONTRACT',
    description: `DESIGN, BUILD AND TEST OF A PROTOTYPE SENSOR, FOLLOWING THE RESULTS OF AN EARLIER PHASE; ITEM ${id}, REVISION ${revision}`,
    piid: `FA8650-${id}`,
    total_obligation: 100_000.5 + index,
    base_and_all_options: 274_993.25,
    subaward_count: 0,
    total_subaward_amount: null,
    date_signed: '2023-09-26',
    period_of_performance: {
      start_date: '2023-09-26',
      end_date: '2026-09-25',
      last_modified_date: '2026-11-02',
      potential_end_date: null,
    },
    recipient: {
      recipient_name: `COASTAL PHOTONICS ${index} INC`,
      recipient_uei: `U${String(index).padStart(11, '0')}`,
      parent_recipient_name: `COASTAL PHOTONICS ${index} INC`,
      business_categories: ['small_business', 'women_owned_small_business', 'special_designations', 'us_owned_business'],
      location: {
        address_line1: `${index} MAIN STREET SUITE 4`,
        city_name: 'DAYTON',
        state_code: 'OH',
        zip5: '45402',
        county_code: '113',
        location_country_code: 'USA',
        congressional_code: '10',
      },
    },
    place_of_performance: { city_name: 'DAYTON', state_code: 'OH', zip5: '45402', location_country_code: 'USA' },
    awarding_agency: {
      toptier_agency: { name: 'Department of Defense', code: '097', abbreviation: 'DOD' },
      subtier_agency: { name: 'Department of the Air Force', code: '5700', abbreviation: 'USAF' },
      office_agency_name: 'FA8650  USAF AFMC AFRL/RQK',
    },
    naics_hierarchy: { code: '541715', description: 'RESEARCH AND DEVELOPMENT IN THE PHYSICAL, ENGINEERING, AND LIFE SCIENCES' },
    psc_hierarchy: { code: 'AC12', description: 'NATIONAL DEFENSE R&D SERVICES; MILITARY; APPLIED RESEARCH' },
    links: [{ rel: 'self', href: `/v1/items/${id}` }],
  }
}

/** A row of a list page: flat, as search APIs give it. */
export function rowBody(index: number, revision: number): JsonObject {
  const id = itemId(index)
  return {
    id,
    award_id: `FA8650-${id}`,
    recipient_name: `COASTAL PHOTONICS ${index} INC`,
    recipient_uei: `U${String(index).padStart(11, '0')}`,
    award_amount: 100_000.5 + index,
    description: `DESIGN, BUILD AND TEST OF A PROTOTYPE SENSOR, ITEM ${id}, REVISION ${revision}`,
    start_date: '2023-09-26',
    end_date: '2026-09-25',
    last_modified_date: '2026-11-02',
    award_type: 'DEFINITIVE CONTRACT',
    awarding_agency: 'Department of Defense',
    awarding_sub_agency: 'Department of the Air Force',
    naics_code: '541715',
    psc_code: 'AC12',
    city: 'DAYTON',
    state: 'OH',
    zip5: '45402',
    outlays: null,
  }
}

/** Where index and revision stand in the text of item 0, revision 0: the padded id, and the plain numbers after known words. */
const PLACES = /00000000(?!\d)|(?<=PHOTONICS )0|(?<="address_line1":")0|100000(?=\.5)|(?<=REVISION )0/g

/** Splits a sample at what differs, so that a body is a concatenation and not a JSON.stringify. */
function template(body: (index: number, revision: number) => JsonObject): (index: number, revision: number) => string {
  const sample = JSON.stringify(body(0, 0))
  const parts = sample.split(PLACES)
  const marks = sample.match(PLACES)!
  return (index, revision) => {
    const padded = String(index).padStart(8, '0')
    let text = parts[0]!
    for (let at = 0; at < marks.length; at++) {
      const mark = marks[at]!
      if (mark === '00000000') text += padded
      else if (mark === '100000') text += 100_000 + index
      else text += parts[at]!.endsWith('REVISION ') ? revision : index
      text += parts[at + 1]!
    }
    return text
  }
}

export const itemText = template(itemBody)
export const rowText = template(rowBody)
