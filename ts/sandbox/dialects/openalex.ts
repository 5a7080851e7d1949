import { createHash } from 'node:crypto'
import { http, type RequestHandler } from 'msw'
import type { JsonObject } from '../../model/json.ts'
import { DAY_MS, type EpochMs, SECOND_MS, toIso } from '../../model/time.ts'
import { dayText } from '../world/awards.ts'
import { type PeopleWorld, type Profile, peopleWorld } from '../world/people-world.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, type MeterView, textResponse, unplanned } from './dialect.ts'
import { authorNumber, authorOf, selected, workOf } from './openalex-shapes.ts'

/** The one key that is let in; none at all is fine too. */
export const OPENALEX_KEY = 'SANDBOX-KEY'
const USD_PER_CREDIT = 0.0001
const PARAMETERS = [
  'apc_sum',
  'api-key',
  'api_key',
  'cited_by_count_sum',
  'cursor',
  'data_version',
  'data-version',
  'filter',
  'format',
  'include_xpac',
  'include-xpac',
  'group_by',
  'group-by',
  'group_bys',
  'group-bys',
  'mailto',
  'page',
  'per_page',
  'per-page',
  'q',
  'sample',
  'seed',
  'search',
  'select',
  'sort',
  'warm',
]
const NOT_FOUND =
  '<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.</p>\n'

function keyOf(request: Request): string | null {
  const { searchParams } = new URL(request.url)
  return (
    request.headers.get('api-key') ??
    request.headers.get('api_key') ??
    searchParams.get('api_key') ??
    searchParams.get('api-key') ??
    /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ??
    null
  )
}

function badQuery(message: string, error = 'Invalid query parameters error.'): Response {
  return jsonResponse({ error, message }, 400)
}

function unknownParameter(query: URLSearchParams): Response | null {
  const wrong = [...query.keys()].find((name) => !PARAMETERS.includes(name))
  return wrong === undefined
    ? null
    : badQuery(`${wrong} is not a valid parameter. Valid parameters are: ${PARAMETERS.join(', ')}.`)
}

/** What only paying customers may ask; refused under 429, which it is not. */
function protectedFilter(query: URLSearchParams): Response | null {
  const wrong = /(?:from_|to_)?(?:updated|created)_date/.exec(`${query.get('filter') ?? ''} ${query.get('sort') ?? ''}`)?.[0]
  if (wrong === undefined) return null
  const message = `The "${wrong}" filter requires a Premium, Institutional, or Partner plan. See https://openalex.org/pricing for details.`
  return jsonResponse({ error: 'Plan upgrade required', message }, 429)
}

/** The id of a path the way the edge reads it: an address inside the path is no single record for it. */
function singleton(path: string): boolean {
  return /^\/(?:authors|works)\/(?:[AW]\d+|orcid:[\dX-]+|doi:[^/]+\/.+)$/i.test(decodeURIComponent(path))
}

function creditsOf(path: string, query: URLSearchParams): number {
  if (path === '/rate-limit' || singleton(path)) return 0
  return query.has('search') || /\.search:/.test(query.get('filter') ?? '') ? 10 : 1
}

/** Handlers of api.openalex.org: authors by id, works of an author, the rate limit. */
export function openalexHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  const people = (): PeopleWorld => world.part(peopleWorld)

  function author(id: string, query: URLSearchParams): Response {
    const now = deps.now()
    const profile = profileOf(people(), id, now)
    if (profile === null) return textResponse(NOT_FOUND, 404, 'text/html; charset=utf-8')
    return jsonResponse(selected(authorOf(people(), profile, now), query.get('select')))
  }

  function works(query: URLSearchParams): Response {
    const now = deps.now()
    const perPage = Number(query.get('per_page') ?? query.get('per-page') ?? 25)
    const page = Number(query.get('page') ?? 1)
    if (!Number.isInteger(perPage) || perPage < 1 || perPage > 200)
      return badQuery('per-page parameter must be between 1 and 200', 'Pagination error.')
    if (!Number.isInteger(page) || page < 1 || page * perPage > 10_000)
      return badQuery(
        'Maximum results size of 10,000 records is exceeded. Cursor pagination is required for records beyond 10,000.',
        'Pagination error.',
      )
    const wanted = /^(?:author|authorships\.author)\.(id|orcid):([^,]+)(?:,from_publication_date:(\d{4}-\d{2}-\d{2}))?$/.exec(
      query.get('filter') ?? '',
    )
    if (wanted === null) return badQuery('The sandbox knows the filters author.id, author.orcid and then from_publication_date.')
    const since = wanted[3] ?? ''
    const authors = wanted[2]!.split('|')
    if (authors.length > 100)
      return badQuery('Maximum number of values exceeded for the filter. Decrease values to 100 or below.')
    const profiles = new Set(
      authors.map((id) => profileOf(people(), id.replace(/^https:\/\/(?:openalex|orcid)\.org\//, ''), now)),
    )
    const all = [...profiles]
      .flatMap((profile) =>
        profile === null
          ? []
          : people()
              .worksOf(profile, people().at(profile, now))
              .filter(({ day }) => dayText(day) >= since)
              .map((work) => ({ profile, work })),
      )
      .sort((a, b) => (query.get('sort') === 'publication_date:desc' ? b.work.day - a.work.day : a.work.day - b.work.day))
    const shown = all.slice((page - 1) * perPage, page * perPage)
    const meta = {
      count: all.length,
      db_response_time_ms: 20 + (now % 50),
      page,
      per_page: perPage,
      groups_count: null,
      cost_usd: USD_PER_CREDIT,
    }
    const results = shown.map(({ profile, work }) => selected(workOf(profile, work, now), query.get('select')))
    return jsonResponse({ meta, results, group_by: [] })
  }

  function checked(request: Request, answer: (query: URLSearchParams) => Response): Response {
    const key = keyOf(request)
    if (key !== null && key !== OPENALEX_KEY)
      return jsonResponse({ error: 'Invalid or missing API key', message: 'API key not found' }, 401)
    const { searchParams } = new URL(request.url)
    return protectedFilter(searchParams) ?? unknownParameter(searchParams) ?? answer(searchParams)
  }

  return [
    http.get(`${baseUrl}/authors/:id`, ({ request, params }) => checked(request, (query) => author(String(params['id']), query))),
    http.get(`${baseUrl}/works`, ({ request }) => checked(request, works)),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this OpenAlex endpoint')),
  ]
}

function profileOf(people: PeopleWorld, id: string, now: EpochMs): Profile | null {
  const orcid = /^(?:orcid:)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])$/i.exec(id)?.[1]
  const number = authorNumber(id)
  const profile =
    orcid === undefined ? (number === null ? null : people.byAuthor(number, now)) : people.byOrcid(orcid.toUpperCase(), now)
  // A former iD is not carried by any author.
  return profile === null || profile.author === null || (orcid !== undefined && profile.orcid !== orcid.toUpperCase())
    ? null
    : profile
}

/** What is left of the day's credits, and how long the day lasts. */
function budget({ quotas, now }: MeterView): { readonly limit: number; readonly left: number; readonly seconds: number } {
  const status = quotas.find(({ rule }) => rule.unit === 'credit')
  const seconds = status === undefined ? 0 : Math.ceil((status.resetsAt - now) / SECOND_MS)
  return { limit: status?.rule.limit ?? 0, left: status?.remaining ?? 0, seconds }
}

const usd = (credits: number): number => Math.round(credits * USD_PER_CREDIT * 10_000) / 10_000

export const openalexDialect: Dialect = {
  prefix: 'openalex',
  source: 'openalex',
  // Those of a free key.
  quotas: [
    { limit: 30, per: SECOND_MS },
    { limit: 10_000, per: DAY_MS, resets: 'utc_day', unit: 'credit' },
  ],
  credential(request) {
    const key = keyOf(request)
    return key === null ? 'anonymous' : `key-${createHash('sha256').update(key).digest('hex').slice(0, 8)}`
  },
  credits: creditsOf,
  keysAsked(path) {
    const id = /^\/authors\/(?:orcid:)?([^/]+)$/.exec(decodeURIComponent(path))?.[1]
    return id === undefined ? [] : [id]
  },
  quotaHeaders(meter) {
    const { limit, left, seconds } = budget(meter)
    return {
      'x-ratelimit-limit': String(limit),
      'x-ratelimit-remaining': String(left),
      'x-ratelimit-reset': String(seconds),
      'x-ratelimit-limit-usd': String(usd(limit)),
      'x-ratelimit-remaining-usd': String(usd(left)),
      'x-ratelimit-credits-used': String(meter.credits),
      'x-ratelimit-cost-usd': String(usd(meter.credits)),
      'x-ratelimit-onetime-remaining': '0',
    }
  },
  overQuota({ kind }, _refused, meter) {
    const { left, seconds } = budget(meter)
    const perSecond = kind === 'window'
    const cost = usd(meter.credits)
    const wait = perSecond ? 1 : seconds
    const rule = meter.quotas.find((status) => status.rule.unit !== 'credit')?.rule
    const message = perSecond
      ? `Rate limit exceeded: ${rule?.limit ?? 10} requests per second. Please slow down.`
      : `Insufficient budget. This request costs $${cost} but you only have $${usd(left)} remaining. Resets at midnight UTC. Need more? Add funds at https://openalex.org/pricing`
    const body = {
      error: 'Rate limit exceeded',
      message,
      retryAfter: wait,
      costUsd: cost,
      dailyRemainingUsd: usd(left),
      prepaidRemainingUsd: 0,
      creditsRequired: meter.credits,
      creditsRemaining: left,
      onetimeCreditsRemaining: 0,
    }
    return jsonResponse(body, 429, { 'retry-after': String(wait) })
  },
  throttled: (now, seconds) =>
    jsonResponse(
      { error: 'Rate limit exceeded', message: `Rate limit exceeded at ${toIso(now)}. Please slow down.`, retryAfter: seconds },
      429,
      { 'retry-after': String(seconds) },
    ),
  handlers: openalexHandlers,
  truth(world, key, moment): JsonObject | null {
    const people = world.part(peopleWorld)
    const profile = profileOf(people, key, moment)
    return profile === null ? null : authorOf(people, profile, moment)
  },
  *keys(world, moment) {
    for (const { author, orcid } of world.part(peopleWorld).profiles(moment)) if (author !== null) yield orcid
  },
}
