/** Companies and persons as records. On restricted plans a value that is not shown is `true`; it counts as none. */
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts'
import type { EntityRef } from '../../model/keys.ts'
import type { Answer, FoundIdentity, Target } from '../adapter.ts'
import { type Field, identify, type Place, queryOf, recordByFields } from '../shared/commercial.ts'
import { attributeText, refOf } from '../shared/entity.ts'
import { listOf, memberAt, textAt } from '../shared/json.ts'
import { companyNameSimilarity, personNameSimilarity } from '../shared/names.ts'
import type { Group } from './requests.ts'

const PLACE: Readonly<Record<string, Field>> = {
  name: ['name', 'text'],
  street_address: ['street_address', 'text'],
  address_line_2: ['address_line_2', 'text'],
  locality: ['locality', 'text'],
  region: ['region', 'text'],
  postal_code: ['postal_code', 'text'],
  country: ['country', 'text'],
}
const placeOf = (value: JsonValue | undefined): JsonValue => (isJsonObject(value) ? recordByFields(value, PLACE) : null)

/** Dates seen and coordinates move with every edition; where the offices are does not. */
const officesOf = (value: JsonValue | undefined): JsonValue =>
  listOf(value)
    .filter(isJsonObject)
    .map((item) => recordByFields(item, { ...PLACE, is_primary: ['is_primary', 'flag'], is_active: ['is_active', 'flag'] }))

const codesOf = (value: JsonValue | undefined): JsonValue =>
  listOf(value)
    .filter(isJsonObject)
    .flatMap((item) => textAt(item, 'naics_code') ?? textAt(item, 'sic_code') ?? [])

const COMPANY: Readonly<Record<string, Field>> = {
  pdl_id: ['id', 'text'],
  name: ['name', 'text'],
  display_name: ['display_name', 'text'],
  alternative_names: ['alternative_names', 'texts'],
  type: ['type', 'text'],
  ticker: ['ticker', 'text'],
  exchange: ['mic_exchange', 'text'],
  website: ['website', 'text'],
  linkedin_url: ['linkedin_url', 'text'],
  founded: ['founded', 'count'],
  size: ['size', 'text'],
  employee_count: ['employee_count', 'count'],
  linkedin_follower_count: ['linkedin_follower_count', 'count'],
  inferred_revenue: ['inferred_revenue', 'text'],
  industry: ['industry', 'text'],
  industry_v2: ['industry_v2', 'text'],
  naics_codes: ['naics', codesOf],
  sic_codes: ['sic', codesOf],
  tags: ['tags', 'texts'],
  summary: ['summary', 'text'],
  total_funding_raised_usd: ['total_funding_raised', 'amount'],
  latest_funding_stage: ['latest_funding_stage', 'text'],
  last_funding_date: ['last_funding_date', 'date'],
  number_funding_rounds: ['number_funding_rounds', 'count'],
  location: ['location', placeOf],
  locations: ['locations', officesOf],
}

const educationOf = (value: JsonValue | undefined): JsonValue =>
  listOf(value)
    .filter(isJsonObject)
    .map((item) =>
      recordByFields(item, {
        school: ['school.name', 'text'],
        degrees: ['degrees', 'texts'],
        majors: ['majors', 'texts'],
        end_date: ['end_date', 'text'],
      }),
    )
const experienceOf = (value: JsonValue | undefined): JsonValue =>
  listOf(value)
    .filter(isJsonObject)
    .map((item) =>
      recordByFields(item, {
        company: ['company.name', 'text'],
        company_pdl_id: ['company.id', 'text'],
        title: ['title.name', 'text'],
        start_date: ['start_date', 'text'],
        end_date: ['end_date', 'text'],
        is_primary: ['is_primary', 'flag'],
      }),
    )

/** No e-mail, no telephone, no birth date, no profiles in networks: only what a person does. */
const PERSON: Readonly<Record<string, Field>> = {
  pdl_id: ['id', 'text'],
  full_name: ['full_name', 'text'],
  job_title: ['job_title', 'text'],
  job_title_role: ['job_title_role', 'text'],
  job_title_levels: ['job_title_levels', 'texts'],
  job_company_pdl_id: ['job_company_id', 'text'],
  job_company_name: ['job_company_name', 'text'],
  job_company_website: ['job_company_website', 'text'],
  job_start_date: ['job_start_date', 'text'],
  industry: ['industry', 'text'],
  location_region: ['location_region', 'text'],
  location_country: ['location_country', 'text'],
  education: ['education', educationOf],
  experience: ['experience', experienceOf],
}

/** All that may be kept of somebody who objected; what was kept before is erased with it. */
export function optedOut(entity: EntityRef): Answer {
  return { kind: 'record', entity, record: { opted_out: true }, erasesHistory: true }
}

/** PDL's own certainty is 0 to 10. */
function likelihoodOf(item: JsonObject): number {
  const value = item['likelihood']
  return typeof value === 'number' && value >= 0 && value <= 10 ? value / 10 : 0
}

const MIN_SIMILARITY = 0.7

type Doubt = { readonly doubt: string; readonly alternative: JsonObject }

function personIdentity(target: Target, item: JsonObject, likelihood: number): FoundIdentity | Doubt | null {
  const id = textAt(item, 'id')
  if (id === null || id === target.providerKey) return null
  const asked = { name: attributeText(target.entity, 'name') ?? '', company: attributeText(target.entity, 'company_name') ?? '' }
  const companies = [textAt(item, 'job_company_name'), ...listOf(item['experience']).map((job) => textAt(job, 'company', 'name'))]
  const name = personNameSimilarity(asked.name, textAt(item, 'full_name') ?? '')
  const company = Math.max(0, ...companies.map((one) => (one === null ? 0 : companyNameSimilarity(asked.company, one))))
  if (name < MIN_SIMILARITY || company < MIN_SIMILARITY)
    // Somebody else's name is none of our business, and could not be erased when that person objects: the id has to do.
    return {
      doubt: 'PDL answered with somebody who is not seen to have worked there under that name',
      alternative: {
        id,
        company: textAt(item, 'job_company_name'),
        name_similarity: round(name),
        company_similarity: round(company),
      },
    }
  const confidence = Number((likelihood * 0.3 + name * 0.35 + company * 0.3).toFixed(3))
  return {
    providerKey: id,
    method: 'name+company',
    confidence,
    evidence: { asked, likelihood: likelihood * 10, name_similarity: round(name), company_similarity: round(company) },
  }
}

const round = (value: number): number => Number(value.toFixed(3))

function companyIdentity(target: Target, item: JsonObject): FoundIdentity | Doubt | null {
  const [id, name, domain] = [textAt(item, 'id'), nameOf(item), textAt(item, 'website')]
  const found = identify(queryOf(target), { id, domain, name, places: placesOf(item) })
  return found !== null && 'doubt' in found ? { ...found, alternative: { id, name, website: domain } } : found
}

/** What an item says about the target. `wrapper` holds the likelihood; for companies it is the item itself. */
export function answerOf(target: Target, group: Group, item: JsonObject, wrapper: JsonObject): Answer {
  const entity = refOf(target.entity)
  const likelihood = likelihoodOf(wrapper)
  const identity = group === 'person' ? personIdentity(target, item, likelihood) : companyIdentity(target, item)
  if (identity !== null && 'doubt' in identity)
    return { kind: 'skipped', entity, reason: identity.doubt, alternatives: [identity.alternative] }
  const record = {
    ...recordByFields(item, group === 'company' ? COMPANY : PERSON),
    opted_out: false,
    likelihood: likelihood * 10,
  }
  return identity === null ? { kind: 'record', entity, record } : { kind: 'record', entity, record, identity }
}

function placesOf(item: JsonObject): readonly Place[] {
  return [memberAt(item, 'location'), ...listOf(item['locations'])].flatMap((place) => {
    const city = textAt(place, 'locality')
    return city === null ? [] : [{ city, state: textAt(place, 'region') }]
  })
}

function nameOf(item: JsonObject): string | null {
  return textAt(memberAt(item, 'display_name')) ?? textAt(memberAt(item, 'name'))
}
