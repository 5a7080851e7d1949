import { createHash } from 'node:crypto'
import { http, type RequestHandler } from 'msw'
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { DAY_MS, type EpochMs } from '../../model/time.ts'
import { type Registration, type RegistrationState, registryWords, registryWorld } from '../world/registry-world.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, unplanned } from './dialect.ts'
import { companyOf, companyRow, keyOf, officerOf, statementOf } from './opencorporates-shapes.ts'

export const OPENCORPORATES_TOKEN = 'SANDBOX-TOKEN'
const VERSION = '0.4.8'
const MAX_PER_PAGE = 100
const MAX_PAGE = 100
const SEARCH_PARAMS = ['q', 'jurisdiction_code', 'inactive', 'page', 'per_page', 'order', 'api_token']

function tokenOf(request: Request): string | null {
  return request.headers.get('x-api-token') ?? new URL(request.url).searchParams.get('api_token')
}

const failure = (status: number, message: string): Response => jsonResponse({ error: { message } }, status)
const results = (members: JsonObject): Response => jsonResponse({ api_version: VERSION, results: members })

/** The page that the query asks for, with the counters beside it, inside `results`. */
function paged(name: string, items: readonly JsonValue[], query: URLSearchParams): Response {
  const number = (param: string, fallback: number, max: number): number =>
    Math.min(max, Math.max(1, Number(/^\d{1,6}$/.exec(query.get(param) ?? '')?.[0] ?? fallback)))
  const [page, perPage] = [number('page', 1, MAX_PAGE), number('per_page', 30, MAX_PER_PAGE)]
  return results({
    [name]: items.slice((page - 1) * perPage, page * perPage),
    page,
    per_page: perPage,
    total_pages: Math.ceil(items.length / perPage),
    total_count: items.length,
  })
}

type Found = { readonly registration: Registration; readonly state: RegistrationState; readonly exact: boolean }

/** Entries of which some name, present or previous, has all of the words; those with no further word first. */
function matching(world: World, query: URLSearchParams, moment: EpochMs): readonly Found[] {
  const registry = world.part(registryWorld)
  const words = registryWords(query.get('q') ?? '')
  const jurisdictions = query.get('jurisdiction_code')?.split('|') ?? null
  const inactive = query.get('inactive')
  const [rarest] = words.map((word) => registry.withWord(word)).sort((a, b) => a.length - b.length)
  const found: Found[] = []
  for (const registration of rarest ?? []) {
    if (jurisdictions !== null && !jurisdictions.includes(registration.jurisdiction)) continue
    const state = registry.at(registration, moment)
    if (inactive !== null && inactive !== String(state.inactive)) continue
    const names = [state.name, ...state.previousNames.map(({ name }) => name)].map(registryWords)
    const hits = names.filter((name) => words.every((word) => name.includes(word)))
    // One more than asked for is the legal form.
    if (hits.length > 0) found.push({ registration, state, exact: hits.some((name) => name.length <= words.length + 1) })
  }
  return found.sort((a, b) => Number(b.exact) - Number(a.exact) || a.registration.index - b.registration.index)
}

/** Handlers of api.opencorporates.com. `baseUrl` has no trailing slash; any minor version of 0.4 is served as the newest one. */
export function opencorporatesHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  const registry = (): ReturnType<typeof registryWorld> => world.part(registryWorld)

  function checked(request: Request, answer: (query: URLSearchParams) => Response): Response {
    const { pathname, searchParams } = new URL(request.url)
    if (!/\/v0\.4(?:\.\d)?\//.test(pathname)) return unplanned(request, 'other versions of the API than 0.4')
    if (tokenOf(request) !== OPENCORPORATES_TOKEN)
      return failure(401, 'Invalid Api Token. Please check your OpenCorporates account.')
    return answer(searchParams)
  }

  function search(request: Request, query: URLSearchParams): Response {
    const strange = [...query.keys()].find((name) => !SEARCH_PARAMS.includes(name))
    if (strange !== undefined || (query.get('q') ?? '').trim() === '')
      return unplanned(request, `a search ${strange === undefined ? 'without q' : `by ${strange}`}`)
    if ((query.get('order') ?? 'score') !== 'score') return unplanned(request, 'a search in another order than by score')
    const rows = matching(world, query, deps.now())
    return paged(
      'companies',
      rows.map(({ registration, state }) => ({ company: companyRow(registration, state) })),
      query,
    )
  }

  type Params = Readonly<Record<string, string | readonly string[] | undefined>>
  const found = (params: Params, answer: (registration: Registration, state: RegistrationState) => Response): Response => {
    const registration = registry().find(String(params['jurisdiction']), String(params['number']))
    return registration === null ? failure(404, 'Not found') : answer(registration, registry().at(registration, deps.now()))
  }

  return [
    http.get(`${baseUrl}/:version/account_status`, ({ request }) =>
      checked(request, () =>
        results({
          account_status: {
            plan: 'sandbox',
            status: 'approved',
            expiry_date: null,
            // The counters are the sandbox's, not the world's; `/_admin/arrivals` has them.
            usage: { today: null, this_month: null },
            calls_remaining: { today: null, this_month: null },
          },
        }),
      ),
    ),
    http.get(`${baseUrl}/:version/companies/search`, ({ request }) => checked(request, (query) => search(request, query))),
    http.get(`${baseUrl}/:version/companies/:jurisdiction/:number`, ({ request, params }) =>
      checked(request, (query) =>
        found(params, (registration, state) => {
          const home = registration.branchOf === null ? null : registry().registrations[registration.branchOf]!
          return results({ company: companyOf(registration, state, home, query.get('sparse') === 'true') })
        }),
      ),
    ),
    http.get(`${baseUrl}/:version/companies/:jurisdiction/:number/officers`, ({ request, params }) =>
      checked(request, (query) => found(params, (_, state) => paged('officers', state.officers.map(officerOf), query))),
    ),
    http.get(`${baseUrl}/:version/companies/:jurisdiction/:number/statements`, ({ request, params }) =>
      checked(request, (query) =>
        found(params, (registration, state) =>
          paged(
            'statements',
            state.owners.map((owner) => statementOf(registration, state, owner)),
            query,
          ),
        ),
      ),
    ),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this OpenCorporates endpoint')),
  ]
}

export const opencorporatesDialect: Dialect = {
  prefix: 'opencorporates',
  source: 'opencorporates',
  // Not what is published: open-data keys have 50 calls a day and 200 a month, with which a world of 2,000 companies would take
  // three years. This is a paid plan as large companies negotiate it; config/sandbox.yaml says the same.
  quotas: [
    { limit: 50_000, per: DAY_MS, resets: 'utc_day' },
    { limit: 500_000, per: 30 * DAY_MS, resets: 'utc_month' },
  ],
  credential(request) {
    const token = tokenOf(request)
    return token === null ? 'no-token' : `token-${createHash('sha256').update(token).digest('hex').slice(0, 8)}`
  },
  keysAsked(path) {
    const match = /\/companies\/([a-z]{2}(?:_[a-z]+)?)\/([^/]+)/.exec(path)
    try {
      return match === null ? [] : [`${match[1]}/${decodeURIComponent(match[2]!)}`]
    } catch {
      return []
    }
  },
  // Users report both.
  overQuota({ kind }, refused) {
    const period = kind === 'month' ? 'month' : 'day'
    return failure(refused % 2 === 1 ? 429 : 403, `You have exceeded the API limit of this ${period} for your account.`)
  },
  throttled: () => failure(429, 'You have exceeded the API limit of this day for your account.'),
  handlers: opencorporatesHandlers,
  truth(world, key, moment) {
    const registry = world.part(registryWorld)
    const slash = key.indexOf('/')
    const registration = registry.find(key.slice(0, slash), key.slice(slash + 1))
    if (registration === null) return null
    const home = registration.branchOf === null ? null : registry.registrations[registration.branchOf]!
    return companyOf(registration, registry.at(registration, moment), home, false)
  },
  *keys(world) {
    for (const registration of world.part(registryWorld).registrations) yield keyOf(registration)
  },
}
