/** Clearbit company enrichment: legacy, for keys from before 2024. `docs/adapters/clearbit.md`. */
import { z } from 'zod'
import type { JsonValue } from '../model/json.ts'
import type { Classified, ResponseView } from '../model/response.ts'
import { classified, classifyByStatus, explanation } from './shared/classify.ts'
import { classifyCommercial, createCommercialAdapter, type Field, itemOf, WHOLE_ITEM } from './shared/commercial.ts'
import { countOf, memberAt, textAt } from './shared/json.ts'
import { MalformedAnswer } from './shared/malformed.ts'
import { clipText } from './shared/text.ts'

/** The early flat layout and today's nested one name some things differently; whichever is there counts. */
const firstOf =
  (...paths: readonly string[]): Field[1] =>
  (item: JsonValue | undefined) =>
    paths.reduce<JsonValue>((found, path) => found ?? textAt(item, ...path.split('.')), null)

const either = (...paths: readonly string[]): Field => [WHOLE_ITEM, firstOf(...paths)]

export const clearbit = createCommercialAdapter({
  id: 'clearbit',
  title: 'Clearbit company enrichment (legacy)',
  docs: 'https://help.clearbit.com/hc/en-us/articles/360019850073',
  credential: { name: 'api_key', placement: { in: 'header', name: 'Authorization', prefix: 'Bearer ' }, required: true },
  normalizerVersion: 1,
  options: z.strictObject({
    api_version: z
      .string()
      .regex(/^(?:\d{4}-\d{2}-\d{2})?$/, { error: 'is no date; write it as 2019-12-19' })
      .default('')
      .describe('Pins the layout of answers; without it an account has the one of its first use'),
  }),
  askBy: ['domain'],
  single: {
    request: ({ domain }, { options }) => {
      const version = options['api_version']
      return {
        method: 'GET',
        path: '/v2/companies/find',
        query: [['domain', domain ?? '']],
        ...(typeof version === 'string' && version !== '' ? { headers: { 'api-version': version } } : {}),
        label: 'companies.find',
      }
    },
    read: (view) => {
      if (view.status === 202) return { kind: 'pending', reason: 'Clearbit is looking the company up; it is asked again' }
      if (view.status === 404) return { kind: 'miss', reason: 'Clearbit has no company of this domain' }
      const item = itemOf(view.json)
      if (item === null || textAt(item, 'id') === null) throw new MalformedAnswer('the answer is no company')
      return { kind: 'hit', item }
    },
  },
  classify(view) {
    const verdict = classifyClearbit(view)
    const warning = view.headers['x-api-warn']?.trim() ?? ''
    if (warning === '') return verdict
    // The layout that the account is pinned to is going away: `api_version` sets another.
    const base = verdict ?? classifyCommercial(view)
    return { ...base, reason: `${base.reason}; Clearbit warns: ${clipText(warning, 200)}` }
  },
  idPath: 'id',
  domainPath: 'domain',
  namePath: 'name',
  placePath: { city: 'geo.city', state: 'geo.stateCode' },
  fields: {
    id: ['id', 'text'],
    name: ['name', 'text'],
    legal_name: ['legalName', 'text'],
    domain: ['domain', 'lower'],
    domain_aliases: ['domainAliases', 'texts'],
    description: ['description', 'text'],
    founded_year: ['foundedYear', 'count'],
    type: ['type', 'text'],
    ticker: ['ticker', 'text'],
    sector: ['category.sector', 'text'],
    industry_group: ['category.industryGroup', 'text'],
    industry: ['category.industry', 'text'],
    sub_industry: ['category.subIndustry', 'text'],
    naics_code: ['category.naicsCode', 'text'],
    sic_code: ['category.sicCode', 'text'],
    categories: ['categories', 'texts'],
    tags: ['tags', 'texts'],
    location: ['location', 'text'],
    city: ['geo.city', 'text'],
    state: ['geo.stateCode', 'text'],
    postal_code: ['geo.postalCode', 'text'],
    country: ['geo.countryCode', 'text'],
    parent_domain: ['parent.domain', 'lower'],
    ultimate_parent_domain: ['ultimateParent.domain', 'lower'],
    linkedin_handle: ['linkedin.handle', 'text'],
    twitter_handle: ['twitter.handle', 'text'],
    raised_usd: [WHOLE_ITEM, (item) => firstAmount(item)],
    employees: [WHOLE_ITEM, (item) => countOf(memberAt(item, 'metrics', 'employees')) ?? countOf(memberAt(item, 'employees'))],
    employees_range: either('metrics.employeesRange'),
    estimated_annual_revenue: either('metrics.estimatedAnnualRevenue'),
    tech: ['tech', 'texts'],
  },
  // Without a domain it is refused, which costs nothing and shows that the key is known.
  probe: () => ({ method: 'GET', path: '/v2/companies/find', label: 'companies.probe' }),
  probeAnswer: 'invalid_request',
  // Estimates that move with every crawl.
  volatile: ['$.employees', '$.employees_range', '$.estimated_annual_revenue', '$.raised_usd'],
  unordered: ['$.tags', '$.categories', '$.tech', '$.domain_aliases'],
})

function firstAmount(item: JsonValue | undefined): JsonValue {
  const value = memberAt(item, 'metrics', 'raised') ?? memberAt(item, 'raised')
  return typeof value === 'number' && Number.isFinite(value) ? String(Math.trunc(value)) : null
}

/** Clearbit's own peculiarities; null: as usual. */
function classifyClearbit(view: ResponseView): Classified | null {
  const type = textAt(view.json, 'error', 'type')
  // An error body on a success status: the look-up is queued.
  if (view.status === 202 || type === 'queued') return classified('ok', 'the look-up is queued')
  if (view.status === 404) {
    return type === 'unknown_record' || type === null
      ? classified(type === null ? 'invalid_request' : 'not_found', explanation(view))
      : classified('not_found', explanation(view))
  }
  if (view.status >= 200 && view.status < 300) {
    const verdict = classifyByStatus(view)
    return verdict.class === 'ok' && memberAt(view.json, 'id') === undefined
      ? classified('malformed', 'the answer is no company')
      : verdict
  }
  if (view.status === 401) {
    return classified('auth', `${explanation(view)}: only keys from before 2024 work; Clearbit is closed to new users`)
  }
  return null
}
