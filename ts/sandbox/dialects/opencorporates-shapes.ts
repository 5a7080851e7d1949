/** Companies, officers and statements as OpenCorporates writes them; every element of a list is wrapped in an object of its own. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import type { EpochMs } from '../../model/time.ts'
import { type Day, dayText } from '../world/awards.ts'
import type { Officer, Owner, Registration, RegistrationState } from '../world/registry-world.ts'

const SITE = 'https://opencorporates.com'

export const keyOf = ({ jurisdiction, number }: Registration): string => `${jurisdiction}/${number}`

const dayOrNull = (day: Day | null): JsonValue => (day === null ? null : dayText(day))
/** Without milliseconds and with an offset. */
const instant = (at: EpochMs): string => new Date(at).toISOString().replace(/\.\d{3}Z$/, '+00:00')

function sourceOf({ stateName }: Registration, { retrievedAt }: RegistrationState): JsonObject {
  return {
    publisher: `${stateName} Secretary of State`,
    url: `https://sos.${stateName.toLowerCase().replace(/[^a-z]/g, '')}.example/`,
    retrieved_at: instant(retrievedAt),
  }
}

/** As searches list it. Half of the registers' addresses are one text, and the parts are null. */
export function companyRow(registration: Registration, state: RegistrationState): JsonObject {
  const { jurisdiction, number, index, place, branchOf } = registration
  const lines = `${state.street}, ${place.city.toUpperCase()}, ${place.state} ${place.zip3}01`
  const inParts = index % 2 === 0
  return {
    name: state.name,
    company_number: number,
    jurisdiction_code: jurisdiction,
    incorporation_date: dayText(registration.incorporated),
    dissolution_date: dayOrNull(state.dissolvedOn),
    company_type: registration.type,
    registry_url: `https://sos.example/${jurisdiction}?number=${encodeURIComponent(number)}`,
    branch: branchOf === null ? null : 'F',
    branch_status: branchOf === null ? null : 'branch of an out-of-jurisdiction company',
    inactive: state.inactive,
    current_status: state.status,
    created_at: '2011-09-21T22:27:02+00:00',
    updated_at: instant(state.updatedAt),
    retrieved_at: instant(state.retrievedAt),
    opencorporates_url: `${SITE}/companies/${jurisdiction}/${encodeURIComponent(number)}`,
    // Seen both ways for none.
    previous_names:
      state.previousNames.length === 0
        ? Math.floor(state.updatedAt / 1000) % 2 === 0
          ? null
          : []
        : state.previousNames.map(({ name, changed }) => ({ company_name: name, con_date: dayText(changed) })),
    source: sourceOf(registration, state),
    registered_address: {
      street_address: inParts ? state.street : lines,
      locality: inParts ? place.city.toUpperCase() : null,
      region: inParts ? place.state : null,
      postal_code: inParts ? `${place.zip3}01` : null,
      country: 'United States',
    },
    registered_address_in_full: lines,
    restricted_for_marketing: null,
    native_company_number: null,
  }
}

/** The company by itself. `sparse`: without the long lists. `home`: the one that it is a branch of. */
export function companyOf(
  registration: Registration,
  state: RegistrationState,
  home: Registration | null,
  sparse: boolean,
): JsonObject {
  const { jurisdiction, number } = registration
  const reference =
    home === null
      ? null
      : {
          name: state.name,
          jurisdiction_code: home.jurisdiction,
          company_number: home.number,
          opencorporates_url: `${SITE}/companies/${keyOf(home)}`,
        }
  return {
    ...companyRow(registration, state),
    agent_name: 'REGISTERED AGENTS OF THE SANDBOX, INC.',
    agent_address: '1 AGENT PLAZA',
    corporate_groupings: [],
    industry_codes: [
      {
        industry_code: {
          code: '541715',
          description: 'Research and Development in the Physical, Engineering, and Life Sciences',
          code_scheme_id: 'us_naics_2012',
          code_scheme_name: 'US NAICS 2012',
        },
      },
    ],
    financial_summary: null,
    home_company: reference,
    controlling_entity: reference,
    data: { most_recent: [], total_count: 0, url: `${SITE}/companies/${jurisdiction}/${encodeURIComponent(number)}/data` },
    ...(sparse ? {} : { filings: [], officers: state.officers.map(officerOf) }),
  }
}

/** With the parts that only users with a key see, and that nobody should keep. */
export function officerOf({ id, name, position, start, end }: Officer): JsonObject {
  return {
    officer: {
      id,
      name,
      position,
      uid: null,
      start_date: dayText(start),
      end_date: dayOrNull(end),
      opencorporates_url: `${SITE}/officers/${id}`,
      occupation: 'ENGINEER',
      inactive: end !== null,
      current_status: end === null ? 'CURRENT' : 'RESIGNED',
      address: `${id % 9000} PRIVATE LANE`,
      nationality: 'American',
      date_of_birth: '1970-01-01',
    },
  }
}

export function statementOf(registration: Registration, state: RegistrationState, owner: Owner): JsonObject {
  const entity = owner.isCompany
    ? { company: { name: owner.name, company_number: '7654321', jurisdiction_code: 'us_de' } }
    : {
        person: {
          name: owner.name,
          nationality: 'American',
          country_of_residence: 'United States',
          date_of_birth: { year: 1970, month: 1 },
          registered_address: {
            street_address: '1 PRIVATE LANE',
            locality: registration.place.city,
            region: null,
            postal_code: `${registration.place.zip3}99`,
          },
          other_attributes: {
            name_parts: { title: null, given_name: owner.name.split(' ')[0]!, middle_name: null, family_name: owner.name },
          },
        },
      }
  return {
    statement: {
      controlled_entity: {
        company: {
          name: state.name,
          company_number: registration.number,
          jurisdiction_code: registration.jurisdiction,
        },
      },
      controlling_entities: [entity],
      control_mechanisms: [{ source_description: owner.mechanism }],
      other_attributes: { notified_on: dayText(owner.notified), ceased_on: dayOrNull(owner.ceased) },
    },
  }
}
