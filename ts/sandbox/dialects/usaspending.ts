import { createHash } from 'node:crypto'
import { HttpResponse, http, type RequestHandler } from 'msw'
import type { JsonObject } from '../../model/json.ts'
import { isJsonObject } from '../../model/json.ts'
import { type EpochMs, toUtcDate } from '../../model/time.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, unplanned } from './dialect.ts'
import { parseSearch, type Ranked, Refused, rank, searchPage } from './usaspending-search.ts'
import { awardDetail, FIELD_NAMES, type Shown, searchRow } from './usaspending-shapes.ts'

const SEARCH = '/api/v2/search/spending_by_award/'
const COMMON_HEADERS = {
  vary: 'Accept, Cookie, Origin',
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
}
const CACHED_RANKINGS = 16
const CACHED_KEYS = 20_000

function usDate(at: EpochMs): string {
  const [year, month, day] = toUtcDate(at).split('-')
  return `${month}/${day}/${year}`
}

/** Handlers of api.usaspending.gov. `baseUrl` has no trailing slash. What they say depends on `deps.now()` alone. */
export function usaspendingHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  const rankings = new Map<string, readonly Ranked[]>()
  const seen = new Set<string>()
  let rankedLoad: EpochMs | null = null

  /** Only the newest load's rankings and cache marks are kept. */
  function forget(load: EpochMs): void {
    if (load === rankedLoad) return
    rankings.clear()
    seen.clear()
    rankedLoad = load
  }

  function cacheHeaders(load: EpochMs, path: string, body: string): Record<string, string> {
    forget(load)
    const key = createHash('md5').update(`${path}\n${body}`).digest('hex')
    const hit = seen.has(key)
    if (seen.size < CACHED_KEYS) seen.add(key)
    return { ...COMMON_HEADERS, 'cache-trace': hit ? 'hit-cache' : 'set-cache', key }
  }

  function ranked(request: ReturnType<typeof parseSearch>, load: EpochMs): readonly Ranked[] {
    forget(load)
    const name = JSON.stringify([request.filters, request.sort, request.descending])
    let found = rankings.get(name)
    if (found === undefined) {
      found = rank(world, request, load)
      if (rankings.size >= CACHED_RANKINGS) rankings.delete(rankings.keys().next().value!)
      rankings.set(name, found)
    }
    return found
  }

  function search(text: string, load: EpochMs): Response {
    let body: unknown
    try {
      body = JSON.parse(text)
    } catch (error) {
      return jsonResponse({ detail: `JSON parse error - ${(error as Error).message}` }, 400)
    }
    if (!isJsonObject(body)) return jsonResponse({ detail: "Missing value: 'filters' is a required field" }, 422)
    try {
      const request = parseSearch(body)
      return jsonResponse(searchPage(ranked(request, load), request, load), 200, {
        ...cacheHeaders(load, SEARCH, text),
        allow: 'POST, OPTIONS',
      })
    } catch (error) {
      if (error instanceof Refused) return jsonResponse(error.body, error.status, COMMON_HEADERS)
      throw error
    }
  }

  function find(id: string, load: EpochMs): Shown | null {
    if (!/^\d+$/.test(id)) return world.usaspending.byId(id, load)
    return world.usaspending.visible(load).find(({ award }) => award.surrogate === Number(id)) ?? null
  }

  /** Django's APPEND_SLASH: the redirect loses a POST's body, which is why clients must send the slash. */
  function redirectToSlash(request: Request): Response {
    const { pathname, search: query } = new URL(request.url)
    return new HttpResponse(null, { status: 301, headers: { location: `${pathname}/${query}` } })
  }

  /** A served endpoint but for its slash. */
  const lacksSlash = (request: Request) =>
    /\/api\/v2\/(search\/spending_by_award|awards\/[^/]+)$/.test(new URL(request.url).pathname)
  const notAllowed = (request: Request, allow: string) =>
    jsonResponse({ detail: `Method "${request.method}" not allowed.` }, 405, { allow })

  return [
    http.all(`${baseUrl}/api/v2/search/spending_by_award/`, async ({ request }) => {
      if (request.method !== 'POST') return notAllowed(request, 'POST, OPTIONS')
      return search(await request.text(), world.usaspending.loadedAt(deps.now()))
    }),
    http.all(`${baseUrl}/api/v2/awards/last_updated/`, ({ request }) => {
      if (request.method !== 'GET') return notAllowed(request, 'GET, HEAD, OPTIONS')
      const load = world.usaspending.loadedAt(deps.now())
      return jsonResponse({ last_updated: usDate(load) }, 200, {
        ...COMMON_HEADERS,
        'cache-trace': 'no-cache',
        allow: 'GET, HEAD, OPTIONS',
      })
    }),
    http.all(`${baseUrl}/api/v2/awards/:id/`, ({ request, params }) => {
      if (request.method !== 'GET') return notAllowed(request, 'GET, HEAD, OPTIONS')
      const id = String(params['id'])
      const load = world.usaspending.loadedAt(deps.now())
      const shown = find(id, load)
      if (shown === null) {
        const key = /^\d+$/.test(id) ? `{'id': ${id}}` : `{'generated_unique_award_id_legacy': '${id.toUpperCase()}'}`
        return jsonResponse({ detail: `No Award found with: ${key}` }, 404, COMMON_HEADERS)
      }
      return jsonResponse(awardDetail(shown, load), 200, { ...cacheHeaders(load, id, ''), allow: 'GET, HEAD, OPTIONS' })
    }),
    http.all(`${baseUrl}/*`, ({ request }) =>
      lacksSlash(request) ? redirectToSlash(request) : unplanned(request, 'this USAspending endpoint'),
    ),
  ]
}

function idsOf(body: string): readonly string[] {
  try {
    const parsed = JSON.parse(body) as JsonObject
    const filters = parsed['filters']
    const ids = isJsonObject(filters) ? filters['award_ids'] : undefined
    return Array.isArray(ids) ? ids.map((id) => String(id).replaceAll('"', '')) : []
  } catch {
    return []
  }
}

export const usaspendingDialect: Dialect = {
  prefix: 'usaspending',
  source: 'usaspending',
  // No key exists; the provider counts by address, and every client of the sandbox is on loopback.
  credential: () => 'anonymous',
  keysAsked(path, _query, body) {
    if (path.startsWith('/api/v2/search/')) return idsOf(body)
    const id = /^\/api\/v2\/awards\/([^/]+)\/?$/.exec(path)?.[1]
    return id === undefined || id === 'last_updated' ? [] : [decodeURIComponent(id)]
  },
  // Nothing is published; clients report empty answers when they go too fast.
  overQuota: () => new Response(null, { status: 429 }),
  throttled: (_now, seconds) => jsonResponse({ detail: 'Request was throttled.' }, 429, { 'retry-after': String(seconds) }),
  handlers: usaspendingHandlers,
  truth(world, key, moment, view) {
    const load = world.usaspending.loadedAt(moment)
    const shown = world.usaspending.byId(key, load)
    if (shown === null) return null
    return view === 'search' ? searchRow(shown, FIELD_NAMES, load) : awardDetail(shown, load)
  },
  *keys(world, moment) {
    for (const { award } of world.usaspending.visible(world.usaspending.loadedAt(moment))) yield award.id
  },
}
