/** What is asked: one or up to a hundred companies or persons, and who has opted out. */
import type { JsonObject } from '../../model/json.ts'
import type { RequestSpec } from '../../model/response.ts'
import type { Target } from '../adapter.ts'
import { queryOf } from '../shared/commercial.ts'
import { attributeText } from '../shared/entity.ts'
import { personNameParts } from '../shared/names.ts'

export type Group = 'company' | 'person'
export const OPT_OUT = 'opt_out'
export const OPT_OUT_LABEL = 'person.opt_out'

/** Members that are read, and no others: contact data of persons are not even sent to us, and a hundred answers fit into 1 MB. */
const COMPANY_FIELDS =
  'id,name,display_name,size,employee_count,linkedin_follower_count,founded,inferred_revenue,industry,industry_v2,naics,sic,location,locations,type,ticker,mic_exchange,website,linkedin_url,tags,alternative_names,summary,total_funding_raised,latest_funding_stage,last_funding_date,number_funding_rounds,dataset_version'
const PERSON_FIELDS =
  'id,full_name,job_title,job_title_role,job_title_levels,job_company_id,job_company_name,job_company_website,job_start_date,industry,location_region,location_country,education,experience,dataset_version'

export function groupOf({ entity }: Pick<Target, 'entity'>): Group {
  return entity.kind === 'person' ? 'person' : 'company'
}

function minLikelihood(options: JsonObject): number {
  return typeof options['min_likelihood'] === 'number' ? options['min_likelihood'] : 6
}

type Params = Record<string, string>

/** The provider's id outranks all else; then the website; then the name with where it is. */
function companyParams(target: Target): Params {
  const { providerKey, domain, name, city, state, zip } = queryOf(target)
  if (providerKey !== null) return { pdl_id: providerKey }
  const place = { ...(city === null ? {} : { locality: city }), ...(state === null ? {} : { region: state }) }
  if (domain !== null) return { website: domain, ...(name === null ? {} : { name }) }
  return { name: name ?? '', ...place, ...(zip === null ? {} : { postal_code: zip.slice(0, 5) }), country: 'united states' }
}

function personParams({ entity, providerKey }: Target): Params {
  if (providerKey !== null) return { pdl_id: providerKey }
  const { given, family } = personNameParts(attributeText(entity, 'name') ?? '')
  return { first_name: given, last_name: family, company: attributeText(entity, 'company_name') ?? '' }
}

function paramsOf(target: Target, group: Group, options: JsonObject): Params {
  const params = group === 'company' ? companyParams(target) : personParams(target)
  return {
    ...params,
    min_likelihood: String(minLikelihood(options)),
    data_include: group === 'company' ? COMPANY_FIELDS : PERSON_FIELDS,
  }
}

export function enrichRequest(target: Target, options: JsonObject): RequestSpec {
  const group = groupOf(target)
  return {
    method: 'GET',
    path: `/${group}/enrich`,
    query: Object.entries(paramsOf(target, group, options)),
    label: `${group}.enrich`,
  }
}

/** The order of answers is not promised: `metadata.row` says which is whose. Every match costs a credit. */
export function bulkRequest(targets: readonly Target[], group: Group, options: JsonObject): RequestSpec {
  const requests = targets.map((target, row) => ({ params: paramsOf(target, group, options), metadata: { row: String(row) } }))
  return {
    method: 'POST',
    path: group === 'company' ? '/company/enrich/bulk' : '/person/bulk',
    json: { requests },
    credits: targets.length,
    label: `${group}.bulk`,
  }
}

/** Ids of persons who have objected, as CSV; free. */
export function optOutRequest(): RequestSpec {
  return {
    method: 'GET',
    path: '/person/subjectrequest',
    headers: { accept: 'text/csv, */*;q=0.5' },
    credits: 0,
    label: OPT_OUT_LABEL,
  }
}
