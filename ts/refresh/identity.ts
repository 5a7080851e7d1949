/**
 * Identities: which of a provider's keys is ours, and whether what is stored of it counts. Pure. Adapters say how candidates are
 * found (`resolve`); here is what becomes of them, and how the finding runs as a source of its own, `<source>_identity`.
 */
import type { AdapterContext, Answer, Candidate, FoundIdentity, Resolution, SourceAdapter, Target } from '../adapters/adapter.ts'
import { refOf } from '../adapters/shared/entity.ts'
import type { Entity, Identity } from '../model/entity.ts'
import type { JsonObject } from '../model/json.ts'
import { isSourceId, type SourceId } from '../model/keys.ts'
import type { ResponseView } from '../model/response.ts'
import type { WorkItem } from '../stores/store.ts'

/** Thresholds of a source, 0-1. */
export type IdentityRule = {
  readonly minConfidence: number
  /** How far the best match must be ahead of the next one. */
  readonly minMargin: number
}

/** Where the configuration says nothing else. */
export const DEFAULT_RULE: IdentityRule = { minConfidence: 0.85, minMargin: 0.05 }

const SUFFIX = '_identity'
/** Matches that were not taken and are kept, so that a person can decide. */
const MAX_ALTERNATIVES = 5
/** Differences smaller than this are how the sum was rounded: 0.95 - 0.9 must count as 0.05. */
const EPSILON = 1e-9

/** `edgar` -> `edgar_identity`. */
export function identitySourceOf(source: SourceId): SourceId {
  return `${source}${SUFFIX}`
}

/** The text by which the store notices that rows must be judged anew. */
export function ruleText({ minConfidence, minMargin }: IdentityRule): string {
  return `confidence ${minConfidence}, margin ${minMargin}`
}

function confidenceIn(alternative: JsonObject | undefined): number {
  const value = alternative?.['confidence']
  return typeof value === 'number' ? value : 0
}

/** The most alike of the matches that were not taken. */
function nextBest(identity: Pick<Identity, 'alternatives'>): JsonObject | undefined {
  return identity.alternatives.reduce<JsonObject | undefined>(
    (best, other) => (best === undefined || confidenceIn(other) > confidenceIn(best) ? other : best),
    undefined,
  )
}

/** Whether the source may be asked by this identity. What a user decided always counts. */
export function countsAs(
  identity: Pick<Identity, 'providerKey' | 'confidence' | 'alternatives' | 'decidedBy'>,
  rule: IdentityRule,
): boolean {
  if (identity.providerKey === '') return false
  if (identity.decidedBy === 'user') return true
  const margin = identity.confidence - confidenceIn(nextBest(identity))
  return identity.confidence + EPSILON >= rule.minConfidence && margin + EPSILON >= rule.minMargin
}

/** The item as the source may use it: without an identity that does not count. */
export function withCountingIdentity<Item extends Pick<WorkItem, 'identity'>>(item: Item, rule: IdentityRule | null): Item {
  return rule === null || item.identity === null || countsAs(item.identity, rule) ? item : { ...item, identity: null }
}

const share = (value: number): string => String(Math.round(value * 1000) / 1000)

/** Why the source cannot be asked about the entity by what is stored of its identity; null when it can. For people. */
export function identityReason(
  adapter: Pick<SourceAdapter, 'id' | 'title' | 'resolve'>,
  entity: Entity,
  identity: Identity | null,
  rule: IdentityRule,
): string | null {
  const decide = (key: string): string =>
    `decide with: identities set --source ${adapter.id} --entity ${entity.kind}:${entity.key} --provider-key ${key} --reason TEXT`
  if (identity === null) {
    if (adapter.resolve === undefined)
      return `no identity yet: ${adapter.title} can only be asked by its own key; ${decide('KEY')}`
    const why = adapter.resolve.unresolvable(entity)
    return why === null ? 'no identity yet: the identity pass has not asked' : `no identity: ${why}; ${decide('KEY')}`
  }
  if (countsAs(identity, rule)) return null
  if (identity.providerKey === '') {
    const why = identity.evidence['reason']
    return `${adapter.title} knows no such ${entity.kind}${typeof why === 'string' && why !== '' ? `: ${why}` : ''}`
  }
  const { providerKey, confidence } = identity
  if (confidence + EPSILON < rule.minConfidence)
    return `the best match ${providerKey} has confidence ${share(confidence)}, below ${share(rule.minConfidence)}; ${decide(providerKey)}`
  const next = nextBest(identity)!
  return `the best match ${providerKey} (confidence ${share(confidence)}) is less than ${share(rule.minMargin)} ahead of ${String(next['provider_key'])} (${share(confidenceIn(next))}); ${decide(providerKey)}`
}

function inUnit(value: number): number {
  return Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : 0
}

/** Best first, each key once with its best match; the order in which the provider listed them says nothing. */
export function rankCandidates(candidates: readonly Candidate[]): readonly Candidate[] {
  const sorted = candidates
    .filter((candidate) => candidate.providerKey !== '')
    .map((candidate) => ({ ...candidate, confidence: inUnit(candidate.confidence) }))
    .sort((a, b) => b.confidence - a.confidence || compare(a.providerKey, b.providerKey) || compare(a.method, b.method))
  const seen = new Set<string>()
  return sorted.filter(({ providerKey }) => !seen.has(providerKey) && seen.add(providerKey))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** What the provider's answer makes of the identity. Without a candidate the identity says so, with an empty key. */
export function chooseIdentity(resolution: Resolution): FoundIdentity {
  const [best, ...others] = rankCandidates(resolution.candidates)
  if (best === undefined)
    return { providerKey: '', method: 'none', confidence: 0, evidence: { reason: resolution.reason ?? '' }, alternatives: [] }
  const { providerKey, method, confidence, evidence } = best
  return {
    providerKey,
    method,
    confidence,
    evidence,
    alternatives: others.slice(0, MAX_ALTERNATIVES).map((other) => ({
      provider_key: other.providerKey,
      method: other.method,
      confidence: other.confidence,
      evidence: other.evidence,
    })),
  }
}

function recordOf(found: FoundIdentity, rule: IdentityRule, candidates: number): JsonObject {
  const { providerKey, method, confidence, alternatives = [] } = found
  const counts = countsAs({ providerKey, confidence, alternatives, decidedBy: 'computed' }, rule)
  return {
    status: providerKey === '' ? 'none' : counts ? 'resolved' : 'ambiguous',
    provider_key: providerKey === '' ? null : providerKey,
    method,
    confidence,
    candidates,
  }
}

function answerOf(target: Target, resolution: Resolution, rule: IdentityRule): Answer {
  const identity = chooseIdentity(resolution)
  const candidates = rankCandidates(resolution.candidates).length
  return {
    kind: 'record',
    entity: refOf(target.entity),
    record: recordOf(identity, rule, candidates),
    identity,
    ...(resolution.discovered === undefined ? {} : { discovered: resolution.discovered }),
  }
}

/** A decision of a person is not looked for again: no call is made, and the record says who decided. */
export function decidedAnswer(item: WorkItem): Answer | null {
  const { identity, entity } = item
  if (identity?.decidedBy !== 'user') return null
  const { providerKey, confidence } = identity
  return {
    kind: 'record',
    entity: refOf(entity),
    record: { status: 'resolved', provider_key: providerKey, method: 'user', confidence, candidates: 0 },
  }
}

/**
 * The source that finds the identities of `adapter`: looks up each entity by the adapter's own questions, none where its attributes
 * say it already. Null when the adapter finds none.
 */
export function identityAdapter(adapter: SourceAdapter, rule: IdentityRule): SourceAdapter | null {
  const { resolve } = adapter
  if (resolve === undefined || adapter.resolvesFor !== undefined) return null
  const id = identitySourceOf(adapter.id)
  if (!isSourceId(id)) throw new Error(`the source id "${adapter.id}" is too long to derive ${id} from it`)
  const views = (view: ResponseView, earlier: readonly ResponseView[] = []): readonly ResponseView[] => [...earlier, view]
  const derived: SourceAdapter = {
    id,
    title: `${adapter.title}, identities`,
    docs: adapter.docs,
    entityKinds: resolve.entityKinds,
    normalizerVersion: resolve.version,
    credentials: adapter.credentials,
    options: adapter.options,
    cohort: { numbered: true, name: () => resolve.cohort, date: () => null },
    unresolvable: (entity) => resolve.unresolvable(entity),
    resolvesFor: adapter.id,
    resolve,
    lookup: {
      ...(resolve.callsPerEntity === undefined ? {} : { callsPerEntity: resolve.callsPerEntity }),
      request(target: Target, context: AdapterContext) {
        const request = resolve.request([], target, context)
        if (request === null) throw new Error(`${id} was asked for a request where none is needed`)
        return request
      },
      more: (all, target, context) => resolve.request(all, target, context),
      parse: (view, target, context, earlier) => answerOf(target, resolve.parse(views(view, earlier), target, context), rule),
    },
    probe: adapter.probe,
    classify: adapter.classify,
    volatile: [],
    arrayKeys: {},
    unordered: [],
    ...(adapter.reads === undefined ? {} : { reads: adapter.reads }),
    ...(adapter.probeAnswer === undefined ? {} : { probeAnswer: adapter.probeAnswer }),
    ...(adapter.creditsPerCall === undefined ? {} : { creditsPerCall: adapter.creditsPerCall }),
    ...(adapter.hostGone === undefined ? {} : { hostGone: adapter.hostGone }),
  }
  return derived
}

/** The answer of a resolution, from all views there are, possibly none. */
export function resolutionAnswer(
  adapter: SourceAdapter,
  rule: IdentityRule,
  views: readonly ResponseView[],
  target: Target,
  context: AdapterContext,
): Answer {
  return answerOf(target, adapter.resolve!.parse(views, target, context), rule)
}
