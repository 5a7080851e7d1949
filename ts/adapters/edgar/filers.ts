/**
 * Companies -> CIK. The SEC knows filers by name alone, and companies rename themselves: names are suggested by the search box of its
 * site, then compared with the filer's own page, which says all names it had and where it is.
 */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { AdapterContext, Candidate, ResolveCapability, Target } from '../adapter.ts'
import { attributeText } from '../shared/entity.ts'
import { listOf, memberAt, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { companyNameKey, companyNameSimilarity, companySearchName } from '../shared/names.ts'
import { usStateCode } from '../shared/us-states.ts'
import { paddedCik } from './cik.ts'
import { submissionsRequest } from './submissions.ts'

const HINTS = 'filers.hints'
const SEARCH = 'filers.search'
export const SEARCH_LABELS: readonly string[] = [HINTS, SEARCH]
/** Below it a name has nothing to do with ours. */
const ALIKE = 0.8
/** Filers whose pages are read. */
const READ = 3
const MAX_NAME = 80

/** Without what EDGAR adds to names: `/DE/`, `/NEW`, `\WA\`. */
function bareName(name: string): string {
  return name.replace(/\s*[/\\][A-Z]{2,4}[/\\]?\s*$/i, '')
}

function searchRequest(label: string, parameter: string, target: Target): RequestSpec {
  const name = companySearchName(attributeText(target.entity, 'name') ?? '').slice(0, MAX_NAME)
  return { method: 'GET', base: 'efts', path: '/LATEST/search-index', query: [[parameter, name.trim()]], label }
}

type Filer = { readonly cik: string; readonly name: string }

/** `Apple Inc. (AAPL)`: the tickers are no part of the name. */
const withoutTickers = (name: string): string => name.replace(/\s+\([A-Z0-9 ,.-]+\)$/, '')

/** Suggestions have the filer's number as `_id`; filings list the names and numbers of all who filed them. */
function filersIn(view: ResponseView | undefined): readonly Filer[] {
  const hits = memberAt(view?.json, 'hits', 'hits')
  if (!Array.isArray(hits)) throw new MalformedAnswer('the answer of the search has no hits')
  return (hits as readonly JsonValue[]).flatMap((hit): readonly Filer[] => {
    const entity = textAt(hit, '_source', 'entity')
    const cik = paddedCik(memberAt(hit, '_id'))
    if (entity !== null) return cik === null ? [] : [{ cik, name: withoutTickers(entity) }]
    return listOf(memberAt(hit, '_source', 'display_names')).flatMap((display) => {
      const match = typeof display === 'string' ? /^(.{1,300}?)\s*\(CIK (\d{10})\)\s*$/.exec(display) : null
      return match === null ? [] : [{ cik: match[2]!, name: withoutTickers(match[1]!) }]
    })
  })
}

/** Each once, the most alike first. */
function alike(filers: readonly Filer[], target: Target): readonly (Filer & { readonly likeness: number })[] {
  const ours = attributeText(target.entity, 'name') ?? ''
  const best = new Map<string, Filer & { readonly likeness: number }>()
  for (const filer of filers) {
    const likeness = companyNameSimilarity(bareName(filer.name), ours)
    if (likeness >= ALIKE && likeness > (best.get(filer.cik)?.likeness ?? 0)) best.set(filer.cik, { ...filer, likeness })
  }
  return [...best.values()].sort((a, b) => b.likeness - a.likeness || (a.cik < b.cik ? -1 : 1))
}

/** What the searches gave, how many there are to be, and the pages that were read after them. */
function progress(views: readonly ResponseView[], target: Target, { options }: AdapterContext) {
  const hinted = alike(filersIn(views[0]), target)
  const searches = hinted.length === 0 && options['search_former_names'] === true ? 2 : 1
  const found = searches === 1 || views.length < 2 ? hinted : alike(filersIn(views[1]), target)
  return { searches, found, pages: views.slice(searches) }
}

type Place = { readonly city: string | null; readonly state: string | null; readonly zip: string | null }

function placeAt(page: JsonValue | undefined, kind: string): Place {
  const at = (name: string): string | null => textAt(page, 'addresses', kind, name)
  return {
    city: at('city')?.toUpperCase() ?? null,
    state: usStateCode(at('stateOrCountry') ?? ''),
    zip: at('zipCode')?.slice(0, 5) ?? null,
  }
}

/** How well one of the filer's addresses fits ours. */
function placeOf(page: JsonValue | undefined, target: Target): { readonly name: string; readonly factor: number } {
  const { entity } = target
  const ours: Place = {
    city: attributeText(entity, 'city')?.toUpperCase() ?? null,
    state: usStateCode(attributeText(entity, 'state') ?? ''),
    zip: attributeText(entity, 'zip')?.slice(0, 5) ?? null,
  }
  const theirs = ['business', 'mailing'].map((kind) => placeAt(page, kind))
  const same = (part: keyof Place): boolean => ours[part] !== null && theirs.some((place) => place[part] === ours[part])
  if (same('state') && same('zip')) return { name: 'zip', factor: 0.98 }
  if (same('state') && same('city')) return { name: 'city', factor: 0.96 }
  if (same('state')) return { name: 'state', factor: 0.92 }
  const isKnown = ours.state !== null && theirs.some(({ state }) => state !== null)
  return isKnown ? { name: 'other_state', factor: 0.55 } : { name: 'unknown_place', factor: 0.75 }
}

/** 1 for its name, a little less for one it had, less for one that is only alike. */
function nameOf(names: readonly (string | null)[], target: Target): { readonly method: string; readonly likeness: number } {
  const ours = attributeText(target.entity, 'name') ?? ''
  const key = companyNameKey(ours)
  const likenesses = names.map((name, at) => {
    const bare = bareName(name ?? '')
    if (companyNameKey(bare) === key)
      return at === 0 ? { method: 'exact_name', likeness: 1 } : { method: 'former_name', likeness: 0.96 }
    return { method: 'similar_name', likeness: companyNameSimilarity(bare, ours) * 0.95 }
  })
  return likenesses.reduce((best, next) => (next.likeness > best.likeness ? next : best), { method: 'similar_name', likeness: 0 })
}

function candidateOf(filer: Filer & { readonly likeness: number }, page: ResponseView | undefined, target: Target): Candidate {
  const known = page !== undefined && page.status !== 404 && paddedCik(memberAt(page.json, 'cik')) === filer.cik
  if (!known) {
    const confidence = Math.round(filer.likeness * 0.6 * 1000) / 1000
    return { providerKey: filer.cik, method: 'suggested_name', confidence, evidence: { name: filer.name } }
  }
  const former = listOf(memberAt(page.json, 'formerNames')).map((item) => textAt(item, 'name'))
  const names = [textAt(page.json, 'name'), ...former]
  const { method, likeness } = nameOf(names, target)
  const place = placeOf(page.json, target)
  const business = placeAt(page.json, 'business')
  const isNear = ['zip', 'city', 'state'].includes(place.name)
  const evidence: JsonObject = {
    name: names[0] ?? null,
    former_names: former.filter((name) => name !== null).slice(0, 5),
    place: place.name,
    city: business.city,
    state: business.state,
  }
  return {
    providerKey: filer.cik,
    method: isNear ? `${method}+${place.name}` : method,
    confidence: Math.round(likeness * place.factor * 1000) / 1000,
    evidence,
  }
}

export const resolve: ResolveCapability = {
  entityKinds: ['company'],
  version: 2,
  cohort: 'name_batch',
  dependsOn: { sbir_gov: ['$.name', '$.city', '$.state', '$.zip'] },
  unresolvable: (entity) =>
    companyNameKey(attributeText(entity, 'name') ?? '').length < 3 ? 'no name that can be searched for' : null,
  request(views, target, context) {
    if (views.length === 0) return searchRequest(HINTS, 'keysTyped', target)
    const { searches, found, pages } = progress(views, target, context)
    if (views.length < searches) return searchRequest(SEARCH, 'entityName', target)
    const next = found.slice(0, READ)[pages.length]
    return next === undefined ? null : submissionsRequest(next.cik)
  },
  parse(views, target, context) {
    const { found, pages } = progress(views, target, context)
    if (found.length === 0) return { candidates: [], reason: 'no filer has a name like it' }
    return { candidates: found.map((filer, at) => candidateOf(filer, at < READ ? pages[at] : undefined, target)) }
  },
}
