import { createHash } from 'node:crypto'
import { http, type RequestHandler } from 'msw'
import { type EpochMs, toIso } from '../../model/time.ts'
import type { Company } from '../world/companies.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, textResponse, unplanned } from './dialect.ts'
import { BadQuery, type EntityQuery, parseQuery } from './sam-query.ts'
import { entityRow, type SamRow, SECTIONS } from './sam-shapes.ts'

export const DEFAULT_SAM_KEY = 'SANDBOX-KEY'
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export type SamDeps = DialectDeps & {
  /** Keys that are let in. Default: `SANDBOX-KEY` alone. */
  readonly keys?: readonly string[]
}

/** `2026-Sep-09 00:00:00+0000 UTC`, rounded up to the second. */
export function throttleTime(at: EpochMs): string {
  const iso = toIso(Math.ceil(at / 1000) * 1000)
  return `${iso.slice(0, 4)}-${MONTHS[Number(iso.slice(5, 7)) - 1]}-${iso.slice(8, 10)} ${iso.slice(11, 19)}+0000 UTC`
}

function keyOf(request: Request): string | null {
  return request.headers.get('x-api-key') ?? new URL(request.url).searchParams.get('api_key')
}

function rowsOf(world: World, company: Company, now: EpochMs): readonly SamRow[] {
  const registration = world.sam.at(company, now)
  const main = { company, registration, eft: null }
  return company.eftIndicator === null ? [main] : [{ ...main, eft: company.eftIndicator }, main]
}

function* matching(world: World, query: EntityQuery, now: EpochMs): Generator<SamRow> {
  if (query.nothing) return
  const companies =
    query.ueis === null
      ? world.sam.companies
      : [...new Set(query.ueis)].map((uei) => world.sam.company(uei)).filter((company) => company !== null)
  for (const company of companies)
    for (const row of rowsOf(world, company, now)) if (query.tests.every((test) => test(row))) yield row
}

function pageLink(request: Request, baseUrl: string, page: number, size: number): string {
  const { pathname, searchParams } = new URL(request.url)
  const kept = [...searchParams].filter(([name]) => !['api_key', 'page', 'size'].includes(name))
  const path = pathname.slice(pathname.indexOf('/entity-information'))
  const query = kept.map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  return `${baseUrl}${path}?${['api_key=REPLACE_WITH_API_KEY', ...query, `page=${page}`, `size=${size}`].join('&')}`
}

function badQuery({ status, message, detail, errorCode }: BadQuery, request: Request, now: EpochMs): Response {
  if (status === 501) return unplanned(request, detail)
  const hex = createHash('md5').update(`${request.url} ${now}`).digest('hex')
  const transaction = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  return jsonResponse({ status, timestamp: toIso(now), message, detail, errorCode, transaction_id: transaction }, status)
}

const KEY_INVALID =
  '<html><body><h1>API_KEY_INVALID</h1><p>An invalid api_key was supplied. Get one at https://api.data.gov:443</p></body></html>'

/** Handlers of api.sam.gov's entity API, v3 and v4. `baseUrl` has no trailing slash. */
export function samGovHandlers(world: World, baseUrl: string, deps: SamDeps): RequestHandler[] {
  const keys = new Set(deps.keys ?? [DEFAULT_SAM_KEY])

  function entities(request: Request): Response {
    const key = keyOf(request)
    if (key === null || !keys.has(key)) return textResponse(KEY_INVALID, 401, 'text/html')
    const now = deps.now()
    const { searchParams } = new URL(request.url)
    let query: EntityQuery
    try {
      query = parseQuery(searchParams)
    } catch (error) {
      if (error instanceof BadQuery) return badQuery(error, request, now)
      throw error
    }
    const rows = [...matching(world, query, now)]
    const { page, size } = query
    const shown = rows.slice(page * size, (page + 1) * size)
    const links: Record<string, string> = { selfLink: pageLink(request, baseUrl, page, size) }
    if ((page + 1) * size < rows.length) links['nextLink'] = pageLink(request, baseUrl, page + 1, size)
    return jsonResponse({ totalRecords: rows.length, entityData: shown.map((row) => entityRow(row, query.sections)), links })
  }

  return [
    http.get(`${baseUrl}/entity-information/v4/entities`, ({ request }) => entities(request)),
    http.get(`${baseUrl}/entity-information/v3/entities`, ({ request }) => entities(request)),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this SAM.gov endpoint')),
  ]
}

export const samGovDialect: Dialect = {
  prefix: 'sam_gov',
  source: 'sam_gov',
  credential(request) {
    const key = keyOf(request)
    return key === null ? 'no-key' : `key-${createHash('sha256').update(key).digest('hex').slice(0, 8)}`
  },
  keysAsked(_path, query) {
    const asked = query.get('ueiSAM')
    return asked === null
      ? []
      : asked
          .replace(/^\[(.*)\]$/, '$1')
          .split('~')
          .filter((uei) => uei !== '')
  },
  overQuota({ until }, refused) {
    const at = throttleTime(until)
    // Both forms have been seen from the same gateway; the wrapped one has an ISO time.
    if (refused % 4 === 0) {
      const iso = `${toIso(Math.ceil(until / 1000) * 1000).slice(0, 19)}Z`
      return jsonResponse(
        {
          fault: {
            code: 900804,
            message: 'Message throttled out',
            description: 'You have exceeded your quota',
            nextAccessTime: iso,
          },
        },
        429,
      )
    }
    return jsonResponse(
      {
        code: '900804',
        message: 'Message throttled out',
        description: `You have exceeded your quota .You can access API after ${at}`,
        nextAccessTime: at,
      },
      429,
    )
  },
  throttled: (_now, seconds) => textResponse('<h1>OVER_RATE_LIMIT</h1>', 429, 'text/html', { 'retry-after': String(seconds) }),
  handlers: samGovHandlers,
  truth(world, key, moment) {
    const company = world.sam.company(key.toUpperCase())
    if (company === null) return null
    const rows = rowsOf(world, company, moment)
    return { totalRecords: rows.length, entityData: rows.map((row) => entityRow(row, SECTIONS)) }
  },
  *keys(world) {
    for (const { uei } of world.sam.companies) yield uei!
  },
}
