import { createHash } from 'node:crypto'
import { http, type RequestHandler } from 'msw'
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts'
import { DAY_MS, type EpochMs, MINUTE_MS, toIso } from '../../model/time.ts'
import { commercialWorld, type Guess, hasOptedOut, truePairs, type Worker } from '../world/commercial-world.ts'
import type { Company } from '../world/companies.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, textResponse, unplanned } from './dialect.ts'

export const SANDBOX_PDL_KEY = 'SANDBOX-KEY'
const MAX_BULK = 100
const SIZES: readonly (readonly [number, string])[] = [
  [10, '1-10'],
  [50, '11-50'],
  [200, '51-200'],
  [500, '201-500'],
  [Number.POSITIVE_INFINITY, '501-1000'],
]

function companyData(world: World, company: Company, moment: EpochMs): JsonObject {
  const commercial = world.part(commercialWorld)
  const edition = commercial.edition(moment)
  const facts = commercial.facts(company, edition)
  const place = {
    name: `${company.place.city}, ${company.place.stateName}, united states`.toLowerCase(),
    locality: company.place.city.toLowerCase(),
    region: company.place.stateName.toLowerCase(),
    metro: null,
    country: 'united states',
    continent: 'north america',
    street_address: facts.street,
    address_line_2: company.address2 === '' ? null : company.address2.toLowerCase(),
    postal_code: company.zip5,
    geo: `${facts.latitude},-97.40`,
  }
  return {
    id: commercial.idOf(company),
    name: commercial.spelling(company).toLowerCase(),
    display_name: commercial.spelling(company),
    size: SIZES.find(([limit]) => facts.employees <= limit)![1],
    employee_count: facts.employees,
    linkedin_follower_count: facts.followers,
    founded: company.foundedYear,
    // What a restricted plan does not show is `true`.
    inferred_revenue: true,
    industry: facts.industry,
    industry_v2: facts.industry,
    naics: [{ naics_code: '541715', sector: 'professional, scientific, and technical services' }],
    sic: null,
    website: company.hasWebsite ? commercial.websiteOf(company) : null,
    type: 'private',
    tags: ['sbir', company.place.state.toLowerCase()],
    location: place,
    locations: [{ ...place, is_primary: true, is_active: true, first_seen: '2021-07-21', last_seen: toIso(moment).slice(0, 10) }],
    dataset_version: `v${Math.floor(edition / 12) + 29}.${edition % 12}`,
  }
}

function personData(world: World, { id, givenName, familyName, company }: Worker, moment: EpochMs): JsonObject {
  const commercial = world.part(commercialWorld)
  const { industry } = commercial.facts(company, commercial.edition(moment))
  const employer = { id: commercial.idOf(company), name: company.name.toLowerCase(), website: company.domain }
  return {
    id,
    full_name: `${givenName} ${familyName}`.toLowerCase(),
    first_name: givenName.toLowerCase(),
    last_name: familyName.toLowerCase(),
    job_title: 'principal investigator',
    job_title_role: 'research',
    job_title_levels: ['senior'],
    job_company_id: employer.id,
    job_company_name: employer.name,
    job_company_website: employer.website,
    job_last_verified: toIso(moment).slice(0, 10),
    industry,
    location_region: company.place.stateName.toLowerCase(),
    location_country: 'united states',
    emails: [{ address: true, type: 'professional' }],
    phone_numbers: true,
    education: [],
    experience: [
      { company: employer, title: { name: 'principal investigator' }, start_date: null, end_date: null, is_primary: true },
    ],
  }
}

type Params = Readonly<Record<string, string>>

/** Members asked for with `data_include`; all without it. */
function included(data: JsonObject, params: Params): JsonObject {
  const names = params['data_include']?.split(',')
  return names === undefined ? data : Object.fromEntries(Object.entries(data).filter(([name]) => names.includes(name)))
}

const problem = (status: number, type: string, message: string): JsonObject => ({
  status,
  // A text in the 404, a list in the 400: both have been recorded.
  error: { type: status === 400 ? [type] : type, message },
})
const NO_MATCH = problem(404, 'not_found', 'No records were found matching your request')

function namesOf({ id, name }: Guess): JsonObject {
  return { id, name: name.toLowerCase(), display_name: name }
}

function enrichCompany(world: World, params: Params, moment: EpochMs): JsonObject {
  const { pdl_id: id, website, name, region } = params
  if (id === undefined && website === undefined && name === undefined)
    return problem(400, 'invalid_request_error', 'Request must include at least one of: pdl_id, name, ticker, website, profile')
  const by = {
    ...(id === undefined ? {} : { id }),
    ...(website === undefined ? {} : { domain: website }),
    ...(name === undefined ? {} : { name }),
  }
  const commercial = world.part(commercialWorld)
  const found = commercial.company({ ...by, ...(region === undefined ? {} : { region }) }, 'pdl')
  const guess = found === null ? (commercial.guess(by) ?? commercial.buyer(by)) : null
  const likelihood = id === undefined && website === undefined ? 7 : 9
  const company = found ?? guess?.company
  if (company === undefined || likelihood < Number(params['min_likelihood'] ?? 2)) return NO_MATCH
  const data = companyData(world, company, moment)
  const place = guess?.place ?? null
  const location = { ...(data['location'] as JsonObject), locality: place?.city.toLowerCase() ?? null, postal_code: null }
  const elsewhere = place === null ? {} : { location, locations: [location] }
  const other = guess === null ? {} : { ...namesOf(guess), website: guess.website, ...elsewhere }
  return {
    status: 200,
    ...included({ ...data, ...other }, params),
    likelihood,
    matched: [website === undefined ? 'name' : 'website'],
  }
}

function enrichPerson(world: World, params: Params, moment: EpochMs): JsonObject {
  const { pdl_id: id, first_name: given, last_name: family, company } = params
  if (id === undefined && (given === undefined || family === undefined || company === undefined))
    return problem(400, 'invalid_request_error', 'Does not meet minimum combination of required data points.')
  const commercial = world.part(commercialWorld)
  const by = id === undefined ? { given: given!, family: family!, company: company! } : { id }
  const found = commercial.worker(by) ?? commercial.namesake(by)
  if (found === null || hasOptedOut(found, moment)) return NO_MATCH
  return { status: 200, likelihood: id === undefined ? 8 : 10, data: included(personData(world, found, moment), params) }
}

const keyOf = (request: Request): string | null =>
  request.headers.get('x-api-key') ?? new URL(request.url).searchParams.get('api_key')

/** Handlers of api.peopledatalabs.com/v5. */
export function pdlHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  const guarded =
    (answer: (request: Request) => Response | Promise<Response>) =>
    ({ request }: { readonly request: Request }): Response | Promise<Response> =>
      keyOf(request) === SANDBOX_PDL_KEY
        ? answer(request)
        : jsonResponse(problem(401, 'authentication_error', 'Request contained a missing or invalid key'), 401)
  const one = (enrich: typeof enrichCompany) =>
    guarded((request) => {
      const body = enrich(world, Object.fromEntries(new URL(request.url).searchParams), deps.now())
      return jsonResponse(body, Number(body['status']))
    })
  const bulk = (enrich: typeof enrichCompany) =>
    guarded(async (request) => {
      const body = (await request.json().catch(() => null)) as JsonValue
      const list = isJsonObject(body) ? body['requests'] : null
      if (!Array.isArray(list) || list.length < 1 || list.length > MAX_BULK)
        return jsonResponse(problem(400, 'invalid_request_error', `requests must hold 1 to ${MAX_BULK} items`), 400)
      const answers = (list as readonly JsonObject[]).map((item) => ({
        ...enrich(world, (item['params'] ?? {}) as Params, deps.now()),
        metadata: item['metadata'] ?? null,
      }))
      // The order is not that of the requests.
      return jsonResponse(answers.reverse())
    })
  return [
    http.get(`${baseUrl}/company/enrich`, one(enrichCompany)),
    http.post(`${baseUrl}/company/enrich/bulk`, bulk(enrichCompany)),
    http.get(`${baseUrl}/person/enrich`, one(enrichPerson)),
    http.post(`${baseUrl}/person/bulk`, bulk(enrichPerson)),
    http.get(
      `${baseUrl}/person/subjectrequest`,
      guarded(() => {
        const now = deps.now()
        const ids = world
          .part(commercialWorld)
          .workers.filter((worker) => hasOptedOut(worker, now))
          .map(({ id }) => id)
        return textResponse(`pdl_id,request_type\n${ids.map((id) => `${id},opt_out\n`).join('')}`, 200, 'text/csv')
      }),
    ),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this People Data Labs endpoint')),
  ]
}

/** Every match is billed; each answer of a bulk call has a status of its own. */
function matches(answer: JsonValue): number {
  const items = Array.isArray(answer) ? (answer as readonly JsonValue[]) : [answer]
  return items.filter((item) => isJsonObject(item) && item['status'] === 200).length
}

const noCredits = (): Response =>
  jsonResponse(problem(402, 'payment_required', 'You have reached your account maximum (all matches used)'), 402)

const isPaid = (path: string): boolean => /^\/(?:company|person)\//.test(path) && path !== '/person/subjectrequest'

const tooMany = (): Response =>
  jsonResponse(problem(429, 'rate_limit_error', 'An error occurred due to requests hitting the API too quick'), 429, {
    'x-ratelimit-limit': '{"minute": 100}',
    'x-ratelimit-remaining': "{'minute': 0}",
  })

export const pdlDialect: Dialect = {
  prefix: 'people_data_labs',
  source: 'people_data_labs',
  quotas: [
    { limit: 100, per: MINUTE_MS },
    { limit: 1_000, per: 30 * DAY_MS, resets: 'utc_month', unit: 'credit' },
  ],
  // Let in while a credit is left, then billed by what matched.
  credits: (path) => (isPaid(path) ? 1 : 0),
  spent: matches,
  quotaHeaders({ credits, quotas }) {
    const left = quotas.find(({ rule }) => rule.unit === 'credit')
    return left === undefined
      ? {}
      : {
          'x-call-credits-spent': String(credits),
          'x-call-credits-type': 'enrich',
          'x-totallimit-remaining': String(left.remaining),
        }
  },
  credential(request) {
    const key = keyOf(request)
    return key === null ? 'no-key' : `key-${createHash('sha256').update(key).digest('hex').slice(0, 8)}`
  },
  keysAsked: (_path, query) => [...query.getAll('pdl_id'), ...query.getAll('website')],
  // No Retry-After, as in reality; the window is a minute.
  overQuota: ({ kind }) => (kind === 'month' ? noCredits() : tooMany()),
  throttled: tooMany,
  handlers: pdlHandlers,
  truth(world, key, moment) {
    const commercial = world.part(commercialWorld)
    const company = commercial.company({ id: key }, 'pdl')
    if (company !== null) return companyData(world, company, moment)
    const worker = commercial.worker({ id: key })
    return worker === null || hasOptedOut(worker, moment) ? null : personData(world, worker, moment)
  },
  *keys(world) {
    for (const { providerKey } of truePairs(world)) yield providerKey
  },
}
