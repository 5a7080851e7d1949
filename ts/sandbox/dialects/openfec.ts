import { createHash } from 'node:crypto'
import { http, type RequestHandler } from 'msw'
import type { JsonValue } from '../../model/json.ts'
import { type EpochMs, HOUR_MS, parseUtcDate, SECOND_MS } from '../../model/time.ts'
import { dayOf, dayText } from '../world/awards.ts'
import { type Contribution, fecWorld, searchWords } from '../world/fec-world.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, textResponse, unplanned } from './dialect.ts'
import { rowOf, textOf } from './openfec-shapes.ts'

export const OPENFEC_KEY = 'SANDBOX-KEY'
const MAX_VALUES = 10
const SECONDARY = [
  'committee_id',
  'contributor_id',
  'contributor_name',
  'contributor_city',
  'contributor_zip',
  'contributor_employer',
  'contributor_occupation',
  'image_number',
]
const SORTS = ['contribution_receipt_date', 'contribution_receipt_amount']

function keyOf(request: Request): string | null {
  return request.headers.get('x-api-key') ?? new URL(request.url).searchParams.get('api_key')
}

const failure = (status: number, message: string): Response => jsonResponse({ message, status }, status)
const gateway = (status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}): Response =>
  jsonResponse({ error: { code, message } }, status, headers)

/** The words must all be there, the last one may go on. */
function employs(row: Contribution, wanted: readonly string[]): boolean {
  const words = searchWords(row.employer)
  return (
    wanted.length > 0 &&
    wanted.every((word, at) => words.some((has) => (at === wanted.length - 1 ? has.startsWith(word) : has === word)))
  )
}

/** Rows of an employer search in the order in which they are paged: by date, those without one last. */
function employerRows(world: World, values: readonly string[], periods: readonly number[], now: EpochMs): Contribution[] {
  const fec = world.part(fecWorld)
  const found = new Map<string, Contribution>()
  for (const value of values) {
    const wanted = searchWords(value)
    for (const row of fec.ofFirstWord(wanted[0] ?? '', now))
      if ((periods.length === 0 || periods.includes(row.period)) && employs(row, wanted)) found.set(row.subId, row)
  }
  const key = ({ received, subId }: Contribution): string => `${received === null ? 'null' : dayText(received)} ${subId}`
  return [...found.values()].sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** Rows behind the place that the query names; a response when it names half of one. */
function after(rows: readonly Contribution[], query: URLSearchParams): readonly Contribution[] | Response {
  const index = query.get('last_index')
  const date = query.get('last_contribution_receipt_date')
  const nullsOnly = query.get('sort_null_only') === 'true'
  if (index === null)
    return date === null
      ? rows
      : failure(
          422,
          'When paginating through results, both values from the previous page’s `last_indexes` object are needed. Please add `last_index` to your query.',
        )
  if (nullsOnly) return rows.filter(({ received, subId }) => received === null && subId > index)
  const day = parseUtcDate((date ?? '').slice(0, 10))
  if (day === null)
    return failure(
      422,
      'When paginating through results, both values from the previous page’s `last_indexes` object are needed. Please add `last_contribution_receipt_date` to your query.',
    )
  const last = dayOf(day)
  return rows.filter(({ received, subId }) => received === null || received > last || (received === last && subId > index))
}

function placeOf(row: Contribution | undefined): JsonValue {
  if (row === undefined) return null
  if (row.received === null) return { last_index: row.subId, sort_null_only: true }
  return { last_index: row.subId, last_contribution_receipt_date: `${dayText(row.received)}T00:00:00` }
}

/** Handlers of api.open.fec.gov: itemized receipts, and the one committee that shows whether the key works. */
export function openfecHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  function scheduleA(request: Request): Response {
    const query = new URL(request.url).searchParams
    const perPage = query.get('per_page') ?? '20'
    if (!/^-?\d+$/.test(perPage))
      return jsonResponse({ message: { query: { per_page: ['Not a valid integer.'] } }, status: 422 }, 422)
    if (Number(perPage) < 1 || Number(perPage) > 100) return failure(422, "Parameter 'per_page' must be between 1 and 100")
    for (const name of SECONDARY)
      if (query.getAll(name).length > MAX_VALUES) return failure(422, `Can only specify up to 10 values for \`${name}\``)
    const periods = query.getAll('two_year_transaction_period').map(Number)
    if (periods.length !== 1 && !SECONDARY.some((name) => query.has(name)))
      return failure(
        400,
        `Please choose a single \`two_year_transaction_period\` or add one of the following filters to your query: ${SECONDARY.map((name) => `\`${name}\``).join(', ')}`,
      )
    const sort = query.get('sort') ?? '-contribution_receipt_date'
    if (!SORTS.includes(sort.replace(/^-/, '')))
      return failure(422, `Cannot sort on value "${sort}". Instead choose one of: "${SORTS.join('", "')}"`)
    if (sort !== 'contribution_receipt_date' || !query.has('contributor_employer'))
      return unplanned(request, 'contributions in another order than by date, or without an employer')
    const all = employerRows(world, query.getAll('contributor_employer'), periods, deps.now())
    const rest = after(all, query)
    if (rest instanceof Response) return rest
    const rows = rest.slice(0, Number(perPage))
    const count = all.length
    // An empty page keeps the count of all.
    const pagination = {
      pages: Math.ceil(count / Number(perPage)),
      per_page: Number(perPage),
      count,
      is_count_exact: true,
      last_indexes: placeOf(rows.at(-1)),
    }
    return textResponse(textOf({ api_version: '1.0', results: rows.map(rowOf), pagination }), 200, 'application/json', {
      'cache-control': 'public, max-age=3600',
    })
  }

  function checked(request: Request, answer: () => Response): Response {
    const key = keyOf(request)
    if (key === null) return gateway(403, 'API_KEY_MISSING', 'No api_key was supplied. Get one at https://api.data.gov')
    if (key !== OPENFEC_KEY)
      return gateway(403, 'API_KEY_INVALID', 'An invalid api_key was supplied. Get one at https://api.data.gov')
    return answer()
  }

  const committee = (id: string): Response =>
    id === 'C00401224'
      ? jsonResponse({
          api_version: '1.0',
          results: [{ committee_id: id, name: 'ACTBLUE' }],
          pagination: { count: 1, page: 1, pages: 1, per_page: 1 },
        })
      : failure(404, 'Could not process the request')

  return [
    http.get(`${baseUrl}/v1/schedules/schedule_a/`, ({ request }) => checked(request, () => scheduleA(request))),
    http.get(`${baseUrl}/v1/committee/:id/`, ({ request, params }) => checked(request, () => committee(String(params['id'])))),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this OpenFEC endpoint')),
  ]
}

export const openfecDialect: Dialect = {
  prefix: 'openfec',
  source: 'openfec',
  quotas: [{ limit: 1000, per: HOUR_MS }],
  credential(request) {
    const key = keyOf(request)
    return key === null ? 'no-key' : `key-${createHash('sha256').update(key).digest('hex').slice(0, 8)}`
  },
  keysAsked: (_path, query) => query.getAll('contributor_employer'),
  quotaHeaders({ quotas: [status] }) {
    return status === undefined
      ? {}
      : { 'x-ratelimit-limit': String(status.rule.limit), 'x-ratelimit-remaining': String(status.remaining) }
  },
  overQuota({ until }, _refused, { now }) {
    const message =
      'You have exceeded your rate limit. Try again later or contact us at https://api.data.gov/contact/ for assistance'
    return gateway(429, 'OVER_RATE_LIMIT', message, { 'retry-after': String(Math.max(1, Math.ceil((until - now) / SECOND_MS))) })
  },
  throttled: (_now, seconds) =>
    gateway(429, 'OVER_RATE_LIMIT', 'You have exceeded your rate limit.', { 'retry-after': String(seconds) }),
  handlers: openfecHandlers,
  truth(world, key, moment) {
    const rows = employerRows(world, [key], [], moment)
    return rows.length === 0
      ? null
      : (JSON.parse(JSON.stringify(rows.map(rowOf)).replace(/"link_id:(\d+)"/g, '"$1"')) as JsonValue)
  },
  *keys(world, moment) {
    const fec = world.part(fecWorld)
    for (const company of world.companies) if (fec.of(company, moment).length > 0) yield searchWords(company.name).join(' ')
  },
}
