import { createHash } from 'node:crypto'
import { http, type RequestHandler } from 'msw'
import type { JsonObject } from '../../model/json.ts'
import { type EpochMs, MINUTE_MS } from '../../model/time.ts'
import { commercialWorld, type Guess } from '../world/commercial-world.ts'
import type { Company } from '../world/companies.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, unplanned } from './dialect.ts'

export const SANDBOX_CLEARBIT_KEY = 'sk_sandbox_clearbit'
/** A company that was never looked up before takes this long. */
const QUEUE_MS = 30_000

/** `instead`: who has the domain of a company that Clearbit does not have. */
function companyBody(world: World, company: Company, moment: EpochMs, instead: Guess | null = null): JsonObject {
  const commercial = world.part(commercialWorld)
  const facts = commercial.facts(company, commercial.edition(moment))
  const place = instead?.place ?? company.place
  const name = instead?.name ?? company.name
  return {
    id: instead?.id ?? commercial.uuidOf(company),
    name,
    legalName: name.toUpperCase(),
    domain: instead?.website ?? commercial.websiteOf(company),
    domainAliases: [],
    site: { phoneNumbers: [], emailAddresses: [] },
    category: {
      sector: 'Industrials',
      industryGroup: 'Capital Goods',
      industry: facts.industry,
      subIndustry: facts.industry,
      naicsCode: '54',
      sicCode: '87',
    },
    tags: ['SBIR', 'B2B'],
    description: `${name} of ${place.city}.`,
    foundedYear: company.foundedYear,
    location: `${facts.street}, ${place.city}, ${place.state}, USA`,
    geo: {
      city: place.city,
      state: place.stateName,
      stateCode: place.state,
      postalCode: company.zip5,
      countryCode: 'US',
    },
    type: 'private',
    ticker: null,
    twitter: { handle: null, followers: facts.followers },
    metrics: { employees: facts.employees, employeesRange: '1-10', raised: facts.raised, alexaGlobalRank: facts.followers },
    indexedAt: new Date(moment).toISOString(),
    tech: ['google_analytics', 'wordpress'].slice(0, 1 + (company.index % 2)),
    parent: { domain: null },
  }
}

const failure = (status: number, type: string, message?: string): Response =>
  jsonResponse({ error: { type, ...(message === undefined ? {} : { message }) } }, status)

/** Handlers of company.clearbit.com. */
export function clearbitHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  const firstAsked = new Map<string, EpochMs>()
  return [
    http.get(`${baseUrl}/v2/companies/find`, ({ request }) => {
      if (request.headers.get('authorization') !== `Bearer ${SANDBOX_CLEARBIT_KEY}`)
        return failure(401, 'auth_invalid', 'Invalid API key')
      const domain = new URL(request.url).searchParams.get('domain')
      if (domain === null || !/^[^.\s]+\.[^\s]+$/.test(domain)) return failure(422, 'params_invalid', 'Invalid domain')
      const commercial = world.part(commercialWorld)
      const known = commercial.company({ domain }, 'clearbit')
      const buyer = known === null ? commercial.buyer({ domain }) : null
      const company = known ?? buyer?.company
      if (company === undefined) return failure(404, 'unknown_record')
      const now = deps.now()
      // One in eight has to be looked up first.
      if (company.index % 8 === 0) {
        const asked = firstAsked.get(domain) ?? now
        firstAsked.set(domain, asked)
        if (now < asked + QUEUE_MS) return failure(202, 'queued')
      }
      return jsonResponse(companyBody(world, company, now, buyer))
    }),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this Clearbit endpoint')),
  ]
}

const tooMany = (now: EpochMs): Response => {
  const reset = String(Math.ceil((now + MINUTE_MS) / 1000))
  return jsonResponse({ error: { type: 'rate_limit', message: 'Too many requests' } }, 429, {
    'x-ratelimit-limit': '600',
    'x-ratelimit-remaining': '0',
    'x-ratelimit-reset': reset,
  })
}

export const clearbitDialect: Dialect = {
  prefix: 'clearbit',
  source: 'clearbit',
  quotas: [{ limit: 600, per: MINUTE_MS }],
  credential(request) {
    const key = request.headers.get('authorization')
    return key === null ? 'no-key' : `key-${createHash('sha256').update(key).digest('hex').slice(0, 8)}`
  },
  keysAsked: (_path, query) => query.getAll('domain'),
  overQuota: ({ until }) => tooMany(until - MINUTE_MS),
  throttled: (now) => tooMany(now),
  handlers: clearbitHandlers,
  /** By domain. */
  truth(world, key, moment) {
    const company = world.part(commercialWorld).company({ domain: key }, 'clearbit')
    return company === null ? null : companyBody(world, company, moment)
  },
  *keys(world) {
    const { company } = world.part(commercialWorld)
    for (const { domain } of world.companies) if (company({ domain }, 'clearbit') !== null) yield domain
  },
}
