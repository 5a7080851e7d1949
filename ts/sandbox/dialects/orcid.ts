import { createHash } from 'node:crypto'
import { http, type RequestHandler } from 'msw'
import type { JsonObject } from '../../model/json.ts'
import { DAY_MS, type EpochMs, SECOND_MS } from '../../model/time.ts'
import { type PeopleWorld, type Profile, peopleWorld } from '../world/people-world.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, textResponse, unplanned } from './dialect.ts'
import { expandedRow, personOf, recordOf } from './orcid-shapes.ts'
import { familiesOf, type Indexed, matches, parseSolr, SolrError, wordsOf } from './solr-query.ts'

/** The one token that is let in; none at all is fine too. */
export const ORCID_TOKEN = 'SANDBOX-TOKEN'
const MAX_ROWS = 1_000
const MAX_START = 10_000
const MORE = 'https://members.orcid.org/api/resources/troubleshooting'
const NO_STORE = { 'cache-control': 'no-cache, no-store, max-age=0, must-revalidate' }
const TOO_MANY_TODAY =
  'Too Many Requests. You have exceeded the daily quota for anonymous usage of this API. \n' +
  'You can increase your daily quota by registering for and using Public API client credentials (https://info.orcid.org/documentation/integration-guide/registering-a-public-api-client/)'

const USER_MESSAGES: Readonly<Record<number, string>> = {
  400: 'The client application made a bad request to the ORCID API.',
  404: 'The resource was not found.',
  500: 'Something went wrong in ORCID.',
}

function failure(status: number, code: number, developer: string, headers: Readonly<Record<string, string>> = {}): Response {
  const user = USER_MESSAGES[status] ?? 'The ORCID iD is not available.'
  return jsonResponse(
    { 'response-code': status, 'developer-message': developer, 'user-message': user, 'error-code': code, 'more-info': MORE },
    status,
    { ...NO_STORE, ...headers },
  )
}

const notFound = (id: string): Response =>
  failure(404, 9016, `404 Not Found: The resource was not found. Full validation error: ORCID iD ${id} not found`)
const badRequest = (error: string): Response =>
  failure(400, 9012, `The client application made a bad request to the ORCID API. Full validation error: ${error}`)

function indexedOf(profile: Profile, row: JsonObject, lastModified: EpochMs): Indexed {
  const institutions = row['institution-name'] as readonly string[]
  return {
    texts: {
      'family-name': [wordsOf(profile.family)],
      'given-names': [wordsOf(profile.given)],
      'other-names': profile.otherNames.map(wordsOf),
      'credit-name': profile.credit === null ? [] : [wordsOf(profile.credit)],
      'affiliation-org-name': institutions.map(wordsOf),
      orcid: [wordsOf(profile.orcid)],
    },
    moments: { 'profile-last-modified-date': lastModified },
  }
}

function tokenOf(request: Request): string | null {
  return /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? null
}

/** A whole number of the query, or null when it is none. */
function numberOf(query: URLSearchParams, name: string, otherwise: number): number | null {
  const text = query.get(name)
  if (text === null) return otherwise
  return /^\d{1,9}$/.test(text) ? Number(text) : null
}

/** Handlers of pub.orcid.org, v3.0. */
export function orcidHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  const people = (): PeopleWorld => world.part(peopleWorld)

  function found(q: string, now: EpochMs): { profile: Profile; row: JsonObject }[] {
    const query = parseSolr(q, now)
    const families = familiesOf(query)
    const profiles =
      families === null ? [...people().profiles(now)] : [...new Set(families)].flatMap((family) => people().ofFamily(family, now))
    return profiles.flatMap((profile) => {
      const state = people().at(profile, now)
      if (state.deactivated) return []
      const row = expandedRow(profile, state)
      return matches(query, indexedOf(profile, row, state.lastModified)) ? [{ profile, row }] : []
    })
  }

  function search(request: Request, expanded: boolean): Response {
    const { searchParams } = new URL(request.url)
    const rows = numberOf(searchParams, 'rows', MAX_ROWS)
    const start = numberOf(searchParams, 'start', 0)
    if (rows === null || rows > MAX_ROWS) return badRequest(`The rows parameter must be an integer between 0 and ${MAX_ROWS}`)
    if (start === null || (start > MAX_START && tokenOf(request) === null))
      return failure(400, 9043, `The start parameter must be an integer between 0 and ${MAX_START}`)
    try {
      const all = found(searchParams.get('q') ?? '', deps.now())
      const page = all.slice(start, start + rows)
      const list = expanded
        ? page.map(({ row }) => row)
        : page.map(({ profile: { orcid } }) => ({
            'orcid-identifier': { uri: `https://orcid.org/${orcid}`, path: orcid, host: 'orcid.org' },
          }))
      return jsonResponse(
        { [expanded ? 'expanded-result' : 'result']: list.length === 0 ? null : list, 'num-found': all.length },
        200,
        NO_STORE,
      )
    } catch (error) {
      if (!(error instanceof SolrError)) throw error
      return failure(
        500,
        9008,
        `org.apache.solr.client.solrj.impl.HttpSolrClient.RemoteSolrException Full validation error: Error from server at http://solr.sandbox.invalid:8983/solr/profile: ${error.message}`,
      )
    }
  }

  function record(id: string, section: string): Response {
    const now = deps.now()
    const profile = people().byOrcid(id.toUpperCase(), now)
    if (profile === null) return notFound(id)
    if (profile.formerOrcid === id.toUpperCase()) {
      const location = `${baseUrl}/v3.0/${profile.orcid}/${section}`
      return failure(
        301,
        9007,
        `301 Moved Permanently: This account is deprecated. Please refer to account: https://orcid.org/${profile.orcid}.`,
        { location },
      )
    }
    const state = people().at(profile, now)
    if (state.deactivated)
      return failure(
        409,
        9044,
        `409 Conflict: The ORCID record is deactivated and cannot be edited. ORCID https://orcid.org/${profile.orcid}`,
      )
    return jsonResponse(section === 'person' ? personOf(profile, state) : recordOf(people(), profile, state), 200, NO_STORE)
  }

  function checked(request: Request, answer: () => Response): Response {
    const token = tokenOf(request)
    if (token !== null && token !== ORCID_TOKEN)
      return jsonResponse({ error: 'invalid_token', error_description: `Invalid access token: ${token.slice(0, 4)}...` }, 401)
    if (/json/.test(request.headers.get('accept') ?? '')) return answer()
    // Without a word about it one gets XML.
    return textResponse('<?xml version="1.0" encoding="UTF-8" standalone="yes"?><record:record/>', 200, 'application/xml')
  }

  return [
    http.get(`${baseUrl}/v3.0/search`, ({ request }) => checked(request, () => search(request, false))),
    http.get(`${baseUrl}/v3.0/expanded-search`, ({ request }) => checked(request, () => search(request, true))),
    http.get(`${baseUrl}/v3.0/:id/record`, ({ request, params }) =>
      checked(request, () => record(String(params['id']), 'record')),
    ),
    http.get(`${baseUrl}/v3.0/:id/person`, ({ request, params }) =>
      checked(request, () => record(String(params['id']), 'person')),
    ),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this ORCID endpoint')),
  ]
}

export const orcidDialect: Dialect = {
  prefix: 'orcid',
  source: 'orcid',
  quotas: [
    { limit: 12, per: SECOND_MS },
    { limit: 25_000, per: DAY_MS, resets: 'utc_day' },
  ],
  credential(request) {
    const token = tokenOf(request)
    return token === null ? 'anonymous' : `token-${createHash('sha256').update(token).digest('hex').slice(0, 8)}`
  },
  keysAsked(path) {
    const id = /\/(\d{4}-\d{4}-\d{4}-\d{3}[\dX])\//.exec(path)?.[1]
    return id === undefined ? [] : [id]
  },
  overQuota: ({ kind }) =>
    kind === 'window'
      ? textResponse('<html><head><title>503 Service Temporarily Unavailable</title></head></html>', 503, 'text/html')
      : textResponse(TOO_MANY_TODAY, 429, 'text/plain'),
  throttled: (_now, seconds) =>
    textResponse('Service Temporarily Unavailable', 503, 'text/plain', { 'retry-after': String(seconds) }),
  handlers: orcidHandlers,
  truth(world, key, moment) {
    const people = world.part(peopleWorld)
    const profile = people.byOrcid(key.toUpperCase(), moment)
    if (profile === null) return null
    const state = people.at(profile, moment)
    return state.deactivated ? null : recordOf(people, profile, state)
  },
  *keys(world, moment) {
    const people = world.part(peopleWorld)
    for (const profile of people.profiles(moment)) if (!people.at(profile, moment).deactivated) yield profile.orcid
  },
}
