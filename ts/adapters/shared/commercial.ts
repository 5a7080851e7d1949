/**
 * The shape that commercial company data share, so that a further provider is a field map and a few functions:
 * `createCommercialAdapter({ … })`. Companies are asked about by the provider's own id once it is known, else by domain, else by name;
 * what comes back is checked against what was asked. Worked example and checklist: `docs/adapters/commercial.md`.
 */
import type { ZodType } from 'zod'
import type { Entity } from '../../model/entity.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts'
import type { Classified, RequestSpec, ResponseClass, ResponseView } from '../../model/response.ts'
import type { EpochMs } from '../../model/time.ts'
import type { AdapterContext, Answer, CredentialSpec, FoundIdentity, SourceAdapter, Target } from '../adapter.ts'
import { classified, classifyByStatus, explanation, retryAfter } from './classify.ts'
import { foldName } from './company-names.ts'
import { calendarDate, parseInstant } from './dates.ts'
import { canonicalDecimal } from './decimal.ts'
import { attributeText, refOf } from './entity.ts'
import { countOf, memberAt, textAt } from './json.ts'
import { companyNameSimilarity } from './names.ts'
import { clipText } from './text.ts'
import { usStateCode } from './us-states.ts'

/** Whom a question is about. `providerKey` when an earlier answer established it; it outranks the rest. */
export type CompanyQuery = {
  readonly providerKey: string | null
  readonly domain: string | null
  readonly name: string | null
  readonly city: string | null
  /** Two letters. */
  readonly state: string | null
  readonly zip: string | null
}

/** What the provider said of one query. `pending`: it works on it, ask again later. `denied`, `broken`: of this item alone. */
export type Outcome =
  | { readonly kind: 'hit'; readonly item: JsonObject }
  | { readonly kind: 'miss'; readonly reason: string }
  | { readonly kind: 'pending'; readonly reason: string }
  | { readonly kind: 'denied' | 'broken'; readonly reason: string; readonly errorClass: ResponseClass }

/** A member of the record: a path into the provider's item, and what it is. What is not of that kind is null. */
export type Field = readonly [
  path: string,
  as: 'text' | 'lower' | 'count' | 'amount' | 'date' | 'flag' | 'texts' | ((value: JsonValue | undefined) => JsonValue),
]

export type CommercialProvider = {
  readonly id: string
  readonly title: string
  readonly docs: string
  readonly credential: CredentialSpec
  readonly normalizerVersion: number
  readonly options: ZodType<JsonObject>
  /** What a company can be asked by besides the provider's id, best first. */
  readonly askBy: readonly ('domain' | 'name')[]
  readonly single?: {
    request(query: CompanyQuery, context: AdapterContext): RequestSpec
    /** Called for `ok`, `empty` and `not_found` answers. */
    read(view: ResponseView, query: CompanyQuery): Outcome
    /** Where the result of a look-up that was only accepted is to be fetched; asked once, at once. */
    poll?(accepted: ResponseView): RequestSpec | null
  }
  readonly batch?: {
    readonly maxSize: number
    request(queries: readonly CompanyQuery[], context: AdapterContext): RequestSpec
    /** One outcome per query, in the order of the queries whatever the provider's order was; undefined: it did not answer that one. */
    read(view: ResponseView, queries: readonly CompanyQuery[]): readonly (Outcome | undefined)[]
  }
  /** Credits that a look-up may cost; 1 unless said. They are counted before the call, by quotas of `unit: credit`. */
  readonly creditsPerItem?: number
  /** Below it an answer is too likely about another company; 0.85 unless said. `identity.min_confidence` overrules it. */
  readonly minConfidence?: number
  /** What is wrong with an id of the provider's, as far as its form says; null when it may be one. */
  readonly keyProblem?: (key: string) => string | null
  /** The provider's own peculiarities; null: as usual (`classifyCommercial`). */
  classify?(view: ResponseView, request: RequestSpec): Classified | null
  readonly fields: Readonly<Record<string, Field>>
  /** The provider's id of the item, its domain and its name: what an answer is recognised by. */
  readonly idPath: string
  readonly domainPath: string
  readonly namePath: string
  /** Where it is: without it, another domain counts only with the same name. */
  readonly placePath?: { readonly city: string; readonly state?: string }
  /** A question that costs nothing, and what it is answered when all is well. */
  readonly probe: (context: AdapterContext) => RequestSpec
  readonly probeAnswer?: ResponseClass
  readonly volatile: readonly string[]
  readonly arrayKeys?: SourceAdapter['arrayKeys']
  readonly unordered?: readonly string[]
}

/** As a field's path: the whole item. */
export const WHOLE_ITEM = ''

const pathOf = (path: string): readonly string[] => (path === WHOLE_ITEM ? [] : path.split('.'))

/** `https://www.Acme.com/about` -> `acme.com`; null when it is no host name. */
export function hostOf(text: string | null): string | null {
  const host = text
    ?.trim()
    .toLowerCase()
    .replace(/^[a-z]+:\/\//, '')
    .replace(/[/?#:].*$/, '')
    .replace(/^www\d?\./, '')
    .replace(/\.$/, '')
  return host !== undefined && /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(host) && host.length <= 253 ? host : null
}

export function queryOf({ entity, providerKey }: Pick<Target, 'entity' | 'providerKey'>): CompanyQuery {
  return {
    providerKey,
    domain: hostOf(attributeText(entity, 'domain') ?? attributeText(entity, 'website')),
    name: attributeText(entity, 'name'),
    city: attributeText(entity, 'city'),
    state: attributeText(entity, 'state'),
    zip: attributeText(entity, 'zip'),
  }
}

/** Start of the next month, UTC: when monthly credits come back, unless the provider says otherwise. */
export function nextUtcMonth(at: EpochMs): EpochMs {
  const date = new Date(at)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
}

/** `x-ratelimit-reset` in the forms seen: seconds since 1970, seconds from now, ISO, and `2026-09-25 14:18:55` (UTC). */
export function rateLimitReset(view: ResponseView): EpochMs | null {
  const text = view.headers['x-ratelimit-reset']?.trim() ?? ''
  if (/^\d{1,10}$/.test(text)) {
    const seconds = Number(text)
    return seconds > 1_000_000_000 ? seconds * 1000 : view.receivedAt + seconds * 1000
  }
  return parseInstant(text)
}

const MINUTE = 60_000

/** The usual: 402 is "no credits", 202 "not ready yet", 404 and 454 a miss. Errors may be an object, a list or plain text. Never throws. */
export function classifyCommercial(view: ResponseView): Classified {
  const { status } = view
  const [first] = Array.isArray(view.json) ? (view.json as readonly JsonValue[]) : []
  const said = first === undefined ? explanation(view) : (textAt(first, 'message') ?? textAt(first, 'code') ?? '')
  const plain = view.json === undefined && view.text.trim() !== '' ? clipText(view.text, 120) : ''
  const reason = first === undefined && plain === '' ? said : `HTTP ${status}: ${first === undefined ? plain : said}`
  if (status === 202) return classified('ok', 'accepted, not ready yet')
  if (status === 402) return classified('quota_exhausted', `${reason} (no credits left)`, nextUtcMonth(view.receivedAt))
  if (status === 403 && view.json !== undefined && /quota|credit/i.test(view.text.slice(0, 2_000)))
    return classified('quota_exhausted', reason, nextUtcMonth(view.receivedAt))
  if (status === 401 || status === 403) return classified('auth', reason)
  if (status === 404 || status === 454) return classified('not_found', reason)
  if (status === 409) return classified('transient', reason)
  if (status === 429) {
    const reset = rateLimitReset(view)
    const soon = reset !== null && reset > view.receivedAt && reset <= view.receivedAt + 60 * MINUTE ? reset : null
    return classified('rate_limited', reason, retryAfter(view) ?? soon ?? view.receivedAt + MINUTE)
  }
  const verdict = classifyByStatus(view)
  return verdict.class === 'ok' || verdict.class === 'malformed' ? verdict : { ...verdict, reason }
}

/** `true` stands for a value that the plan does not show: it is no value. */
function fieldOf(item: JsonObject, [path, as]: Field): JsonValue {
  const value = memberAt(item, ...pathOf(path))
  if (typeof as === 'function') return as(value)
  switch (as) {
    case 'text':
      return textAt(value)
    case 'lower':
      return textAt(value)?.toLowerCase() ?? null
    case 'count':
      return countOf(value)
    case 'amount':
      return canonicalDecimal(value)
    case 'date':
      return calendarDate(value)
    case 'flag':
      return typeof value === 'boolean' ? value : null
    case 'texts':
      return Array.isArray(value) ? (value as readonly JsonValue[]).flatMap((one) => textAt(one) ?? []) : []
  }
}

export function recordByFields(item: JsonObject, fields: CommercialProvider['fields']): JsonObject {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, fieldOf(item, field)]))
}

/** Where a company is, as far as a provider says. `state`: two letters, or the name. */
export type Place = { readonly city: string; readonly state: string | null }

type Town = 'same' | 'other' | 'unknown'

/** `St. Louis` and `saint louis` are one town. */
function townKey(city: string): string {
  const words = foldName(city)
    .replace(/[^A-Z0-9]+/g, ' ')
    .replace(/\bSAINT\b/g, 'ST')
    .replace(/\bFORT\b/g, 'FT')
    .replace(/\bMOUNT\b/g, 'MT')
  return words.replaceAll(' ', '')
}

/** `same`: one of the places is in our town. Towns of one name in two states are two. */
function townOf({ city, state }: CompanyQuery, places: readonly Place[]): Town {
  if (city === null || places.length === 0) return 'unknown'
  const [ours, ourState] = [townKey(city), usStateCode(state ?? '')]
  const isOurs = (place: Place): boolean =>
    townKey(place.city) === ours && (ourState === null || place.state === null || usStateCode(place.state) === ourState)
  return places.some(isOurs) ? 'same' : 'other'
}

/** From here on two names are one: the same but for legal form and spaces. */
const SAME_NAME = 0.98
/** Below it a provider's best guess is no match at all. */
const MIN_SIMILARITY = 0.75
/** Below it a company of our domain bears another name. */
const OTHER_NAME = 0.6
/** What is left of the confidence when the town speaks against it: below every threshold that a configuration comes with. */
const ELSEWHERE = 0.8
const MAX_SHOWN_PLACES = 5

/** Of the same domain: sure, unless name and town are both others; then somebody else may have the domain by now. */
function sureByDomain(similarity: number | null, town: Town): number {
  if (similarity === null || similarity >= OTHER_NAME) return 0.97
  return town === 'other' ? 0.85 * ELSEWHERE : 0.85
}

/** Of another domain, or of none: as alike as the names are, where the town does not speak against it. */
function sureByName(similarity: number, town: Town): number {
  const isThere = town === 'same' || (town === 'unknown' && similarity >= SAME_NAME)
  return (0.5 + 0.4 * similarity) * (isThere ? 1 : ELSEWHERE)
}

/**
 * How sure it is that the item is the company asked about: asked by its id, the same domain, else as alike as the names are, in our
 * town. Providers answer with their best guess, and follow redirects to whoever has the domain now: names that are not alike are a
 * doubt, and a match that the town speaks against comes to 0.72 at most, so that it waits for a person.
 */
export function identify(
  query: CompanyQuery,
  found: {
    readonly id: string | null
    readonly domain: string | null
    readonly name: string | null
    /** Where it has offices, as far as the provider says. */
    readonly places?: readonly Place[]
  },
): FoundIdentity | { readonly doubt: string } | null {
  const { id, domain, name, places = [] } = found
  if (id === null || query.providerKey === id) return null
  const similarity = query.name === null || name === null ? null : companyNameSimilarity(query.name, name)
  const town = townOf(query, places)
  const towns = [...new Set(places.map(({ city, state }) => (state === null ? city : `${city}, ${state}`)))]
  const shown = towns.slice(0, MAX_SHOWN_PLACES)
  const match = (method: string, confidence: number): FoundIdentity => ({
    providerKey: id,
    method,
    confidence: Number(confidence.toFixed(3)),
    evidence: {
      asked: { ...query },
      found: { id, domain, name, places: shown },
      name_similarity: similarity === null ? null : Number(similarity.toFixed(3)),
      town,
    },
  })
  if (query.domain !== null && hostOf(domain) === query.domain) return match('domain', sureByDomain(similarity, town))
  if (similarity === null || similarity < MIN_SIMILARITY)
    return { doubt: `the provider answered with ${clipText(name ?? id, 80)} (${domain ?? 'no domain'})` }
  // A name alone says little: one that is not quite the same, in another town, is somebody else's.
  if (query.domain === null && town === 'other' && similarity < SAME_NAME)
    return { doubt: `the provider answered with ${clipText(name ?? id, 80)} of ${clipText(shown.join('; '), 80)}` }
  return match(query.domain === null ? 'name' : 'domain_redirect', sureByName(similarity, town))
}

function answerOf(provider: CommercialProvider, query: CompanyQuery, entity: Entity, outcome: Outcome | undefined): Answer {
  const ref = refOf(entity)
  if (outcome === undefined)
    return { kind: 'failed', entity: ref, errorClass: 'malformed', reason: 'the provider left this one out of its answer' }
  if (outcome.kind === 'miss') return { kind: 'absent', entity: ref, reason: outcome.reason }
  if (outcome.kind === 'pending') return { kind: 'failed', entity: ref, errorClass: 'transient', reason: outcome.reason }
  if (outcome.kind !== 'hit') return { kind: 'failed', entity: ref, errorClass: outcome.errorClass, reason: outcome.reason }
  const { item } = outcome
  const found = {
    id: textAt(item, ...pathOf(provider.idPath)),
    domain: textAt(item, ...pathOf(provider.domainPath)),
    name: textAt(item, ...pathOf(provider.namePath)),
  }
  const { placePath } = provider
  const city = placePath === undefined ? null : textAt(item, ...pathOf(placePath.city))
  const state = placePath?.state === undefined ? null : textAt(item, ...pathOf(placePath.state))
  const identity = identify(query, { ...found, places: city === null ? [] : [{ city, state }] })
  if (identity !== null && 'doubt' in identity)
    return { kind: 'skipped', entity: ref, reason: identity.doubt, alternatives: [found] }
  const record = recordByFields(item, provider.fields)
  return identity === null ? { kind: 'record', entity: ref, record } : { kind: 'record', entity: ref, record, identity }
}

/** A company can be asked about when it has what the provider takes. */
export function companyProblem(entity: Entity, askBy: CommercialProvider['askBy']): string | null {
  const query = queryOf({ entity, providerKey: null })
  if (askBy.some((name) => query[name] !== null)) return null
  return `no ${askBy.join(' and no ')}`
}

/** Ids of which nothing is known but that they are short and hold nothing that a path or a query would take for its own. */
export function opaqueIdProblem(key: string): string | null {
  return /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/.test(key) ? null : 'an id is letters, digits, and _ . : - between them'
}

const GROUP = 'companies'

export function createCommercialAdapter(provider: CommercialProvider): SourceAdapter {
  const { single, batch, creditsPerItem = 1 } = provider
  const paid = (request: RequestSpec, items: number): RequestSpec => ({ ...request, credits: creditsPerItem * items })
  return {
    id: provider.id,
    title: provider.title,
    docs: provider.docs,
    entityKinds: ['company'],
    normalizerVersion: provider.normalizerVersion,
    credentials: [provider.credential],
    options: provider.options,
    cohort: { numbered: true, name: () => 'domain_batch', date: () => null },
    providerKeyProblem: provider.keyProblem ?? opaqueIdProblem,
    unresolvable: (entity) => companyProblem(entity, provider.askBy),
    identifies: { minConfidence: provider.minConfidence ?? 0.85 },
    ...(single === undefined
      ? {}
      : {
          lookup: {
            request: (target, context) => paid(single.request(queryOf(target), context), 1),
            more: (views) => {
              const [accepted] = views
              const request = views.length === 1 && accepted !== undefined ? (single.poll?.(accepted) ?? null) : null
              return request === null ? null : { ...request, credits: 0 }
            },
            parse: (view, target) => answerOf(provider, queryOf(target), target.entity, single.read(view, queryOf(target))),
          },
        }),
    ...(batch === undefined
      ? {}
      : {
          batch: {
            maxSize: batch.maxSize,
            groups: () => [GROUP],
            request: (targets, _group, _cursor, context) => paid(batch.request(targets.map(queryOf), context), targets.length),
            parse: (view, targets) => {
              const queries = targets.map(queryOf)
              const outcomes = batch.read(view, queries)
              const answers = targets.map(({ entity }, at) => answerOf(provider, queries[at]!, entity, outcomes[at]))
              return { answers, next: null }
            },
          },
        }),
    creditsPerEntity: () => creditsPerItem,
    probe: (context) => ({ ...provider.probe(context), credits: 0 }),
    ...(provider.probeAnswer === undefined ? {} : { probeAnswer: provider.probeAnswer }),
    classify: (view, request) => provider.classify?.(view, request) ?? classifyCommercial(view),
    volatile: provider.volatile,
    arrayKeys: provider.arrayKeys ?? {},
    unordered: provider.unordered ?? [],
  }
}

/** For `read`: the body as an item, or nothing of use. */
export function itemOf(value: JsonValue | undefined): JsonObject | null {
  return isJsonObject(value) && Object.keys(value).length > 0 ? value : null
}
