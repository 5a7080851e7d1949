/** PatentsView's PatentSearch as it was until March 2026: for tests of the adapter, which is switched off everywhere. */
import { createHash } from 'node:crypto'
import { http, type RequestHandler } from 'msw'
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts'
import { DAY_MS, type EpochMs, MINUTE_MS, toUtcDate } from '../../model/time.ts'
import { type Application, patentWorld, statusAt } from '../world/patent-world.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, unplanned } from './dialect.ts'

export const SANDBOX_PATENTSVIEW_KEY = 'sandbox.patentsview'
const MAX_SIZE = 1_000

function granted(world: World, moment: EpochMs): ReadonlyMap<string, Application> {
  const all = [...world.part(patentWorld).all(moment)].filter((application) => statusAt(application, moment).isGranted)
  return new Map(all.map((application) => [application.patentNumber, application]))
}

function patentRow(application: Application): JsonObject {
  return {
    patent_id: application.patentNumber,
    patent_title: application.title,
    patent_date: toUtcDate(application.decided * DAY_MS),
    patent_type: 'utility',
    withdrawn: false,
    application: [{ application_id: application.number, filing_date: toUtcDate(application.filed * DAY_MS) }],
    assignees: [
      {
        assignee_id: createHash('md5').update(application.applicant).digest('hex'),
        assignee_organization: application.applicant,
        assignee_city: application.city,
        assignee_state: application.state,
        assignee_country: 'US',
      },
    ],
    inventors: application.inventors.map((name) => ({
      inventor_name_first: name.split(' ').slice(0, -1).join(' '),
      inventor_name_last: name.split(' ').at(-1)!,
    })),
    cpc_current: application.cpc.map((symbol, cpc_sequence) => ({ cpc_sequence, cpc_group_id: symbol.replace(/\s+/g, '') })),
    gov_interest_contract_award_numbers: [],
  }
}

const refused = (reason: string): Response =>
  jsonResponse({ error: true }, 400, { 'x-status-reason': reason, 'x-status-reason-code': 'ERR_Q' })

/** Handlers of search.patentsview.org. `baseUrl` has no trailing slash. */
export function patentsviewHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  return [
    http.post(`${baseUrl}/api/v1/patent/`, async ({ request }) => {
      if (request.headers.get('x-api-key') !== SANDBOX_PATENTSVIEW_KEY)
        return jsonResponse({ detail: 'You do not have permission to perform this action.' }, 403)
      const body = (await request.json().catch(() => null)) as JsonValue
      if (!isJsonObject(body) || !isJsonObject(body['q'])) return refused('Invalid API Query Syntax (JSON rules not violated)')
      const wanted = body['q']['patent_id']
      if (!Array.isArray(wanted)) return refused('Invalid field: only patent_id is served here')
      const options = isJsonObject(body['o']) ? body['o'] : {}
      const size = Math.min(MAX_SIZE, typeof options['size'] === 'number' ? options['size'] : 100)
      const after = typeof options['after'] === 'string' ? options['after'] : ''
      const known = granted(world, deps.now())
      const found = [...new Set((wanted as readonly JsonValue[]).map(String))]
        .map((number) => known.get(number))
        .filter((application) => application !== undefined)
        .sort((a, b) => (a.patentNumber < b.patentNumber ? -1 : 1))
      const rows = found.filter(({ patentNumber }) => patentNumber > after).slice(0, size)
      return jsonResponse({ error: false, count: rows.length, total_hits: found.length, patents: rows.map(patentRow) })
    }),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this PatentsView endpoint')),
  ]
}

const tooMany = (seconds: number): Response =>
  jsonResponse({ detail: `Request was throttled. Expected available in ${seconds} seconds.` }, 429, {
    'retry-after': String(seconds),
  })

export const patentsviewDialect: Dialect = {
  prefix: 'patentsview',
  source: 'patentsview',
  quotas: [{ limit: 45, per: MINUTE_MS }],
  credential(request) {
    const key = request.headers.get('x-api-key')
    return key === null ? 'no-key' : `key-${createHash('sha256').update(key).digest('hex').slice(0, 8)}`
  },
  keysAsked: (_path, _query, body) => [...body.matchAll(/"(\d{7,8})"/g)].map((match) => match[1]!),
  overQuota: ({ until }, _refused, { now }) => tooMany(Math.max(1, Math.ceil((until - now) / 1000))),
  throttled: (_now, seconds) => tooMany(seconds),
  handlers: patentsviewHandlers,
  /** By patent number. */
  truth(world, key, moment) {
    const application = granted(world, moment).get(key)
    return application === undefined ? null : patentRow(application)
  },
  *keys(world, moment) {
    yield* granted(world, moment).keys()
  },
}
