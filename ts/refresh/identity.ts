/**
 * Identities: which of a provider's keys is ours, and whether what is stored of it counts. Pure. Adapters say how candidates are
 * found (`resolve`); here is what becomes of them, and how the finding runs as a source of its own, `<source>_identity`.
 */
import type { AdapterContext, Answer, Candidate, FoundIdentity, Resolution, SourceAdapter, Target } from '../adapters/adapter.ts'
import { refOf } from '../adapters/shared/entity.ts'
import type { Entity, Identity } from '../model/entity.ts'
import type { JsonObject } from '../model/json.ts'
import { type EntityRef, isSourceId, type SourceId } from '../model/keys.ts'
import type { ResponseView } from '../model/response.ts'
import type { WorkItem } from '../stores/store.ts'
import type { RecordedAnswer } from './commit-batch.ts'

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
/** Of a key that is none. */
const MAX_SHOWN_CHARS = 40
/** Differences smaller than this are how the sum was rounded: 0.95 - 0.9 must count as 0.05. */
const EPSILON = 1e-9

/** `edgar` -> `edgar_identity`. */
export function identitySourceOf(source: SourceId): SourceId {
  return `${source}${SUFFIX}`
}

/** The text by which the store notices that rows must be judged anew. Raised by a number when keys are checked otherwise. */
export function ruleText({ minConfidence, minMargin }: IdentityRule): string {
  return `confidence ${minConfidence}, margin ${minMargin}, keys 1`
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

function howToDecide(source: SourceId, entity: EntityRef, key: string): string {
  return `decide with: identities set --source ${source} --entity ${entity.kind}:${entity.key} --provider-key ${key} --reason TEXT`
}

/** As much of a key as can be shown: it may be anything. */
function shownKey(key: string): string {
  const text = [...key].slice(0, MAX_SHOWN_CHARS).join('')
  return `${JSON.stringify(text)}${text.length < key.length ? '...' : ''}`
}

/**
 * Why a stored key may not become part of a request, whoever decided it (it was set by another version, or by hand): the entity is not
 * asked about until there is another one. Null when it may, or there is none. For people.
 */
export function storedKeyReason(
  adapter: Pick<SourceAdapter, 'id' | 'providerKeyProblem'>,
  entity: EntityRef,
  identity: Pick<Identity, 'providerKey'> | null,
): string | null {
  if (identity === null || identity.providerKey === '') return null
  const problem = adapter.providerKeyProblem?.(identity.providerKey) ?? null
  if (problem === null) return null
  return `its identity ${shownKey(identity.providerKey)} cannot be asked by: ${problem}; ${howToDecide(adapter.id, entity, 'KEY')}, or forget it with: identities clear`
}

/** Why an identity does not count although there is a key; null when it counts. For people. */
function doubtOf(
  source: SourceId,
  entity: EntityRef,
  identity: Pick<Identity, 'providerKey' | 'confidence' | 'alternatives' | 'decidedBy'>,
  rule: IdentityRule,
): string | null {
  if (countsAs(identity, rule)) return null
  const { providerKey, confidence } = identity
  const decide = howToDecide(source, entity, providerKey)
  if (confidence + EPSILON < rule.minConfidence)
    return `the best match ${providerKey} has confidence ${share(confidence)}, below ${share(rule.minConfidence)}; ${decide}`
  const next = nextBest(identity)!
  return `the best match ${providerKey} (confidence ${share(confidence)}) is less than ${share(rule.minMargin)} ahead of ${String(next['provider_key'])} (${share(confidenceIn(next))}); ${decide}`
}

/**
 * Why what a look-up was answered with is not taken for our entity's: by its identity it may well be somebody else's. Null when it is
 * taken, or there is nothing to judge by. For people.
 */
export function candidateReason(
  adapter: Pick<SourceAdapter, 'id' | 'identifies'>,
  entity: EntityRef,
  identity: Identity | FoundIdentity | null,
  rule: IdentityRule | null,
): string | null {
  if (adapter.identifies === undefined || rule === null || identity === null || identity.providerKey === '') return null
  const { providerKey, confidence, alternatives = [] } = identity
  const decidedBy = 'decidedBy' in identity ? identity.decidedBy : 'computed'
  return doubtOf(adapter.id, entity, { providerKey, confidence, alternatives, decidedBy }, rule)
}

/** The answer as it counts: one that is too likely about somebody else is a candidate, unless a person decided who it is about. */
export function weighed<Given extends RecordedAnswer>(
  adapter: Pick<SourceAdapter, 'id' | 'identifies'>,
  item: Pick<WorkItem, 'identity'>,
  answer: Given,
  rule: IdentityRule | null,
): Given | RecordedAnswer {
  if (answer.kind !== 'record' || answer.identity === undefined || item.identity?.decidedBy === 'user') return answer
  const { entity, identity } = answer
  const reason = candidateReason(adapter, entity, identity, rule)
  return reason === null ? answer : { kind: 'candidate', entity, reason, identity }
}

/** Why the source cannot be asked about the entity by what is stored of its identity; null when it can. For people. */
export function identityReason(
  adapter: Pick<SourceAdapter, 'id' | 'title' | 'resolve' | 'providerKeyProblem'>,
  entity: Entity,
  identity: Identity | null,
  rule: IdentityRule,
): string | null {
  const bad = storedKeyReason(adapter, entity, identity)
  if (bad !== null) return bad
  const decide = (key: string): string => howToDecide(adapter.id, entity, key)
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
  return doubtOf(adapter.id, entity, identity, rule)
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

/** A candidate whose key could not be asked by is none, whatever the provider calls it. */
function usable(
  resolution: Resolution,
  { providerKeyProblem: problemOf }: Pick<SourceAdapter, 'providerKeyProblem'>,
): Resolution {
  if (problemOf === undefined) return resolution
  return { ...resolution, candidates: resolution.candidates.filter(({ providerKey }) => problemOf(providerKey) === null) }
}

function answerOf(
  adapter: Pick<SourceAdapter, 'providerKeyProblem'>,
  target: Target,
  found: Resolution,
  rule: IdentityRule,
): Answer {
  const resolution = usable(found, adapter)
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

/**
 * A decision of a person is not looked for again, and the record says who decided. A key that is none (set by hand) is said to be so.
 * `adapter`: the source that finds identities.
 */
export function decidedAnswer(
  item: WorkItem,
  adapter: Pick<SourceAdapter, 'id' | 'resolvesFor' | 'providerKeyProblem'>,
): Answer | null {
  const { identity, entity } = item
  if (identity?.decidedBy !== 'user') return null
  const { providerKey, confidence } = identity
  const reason = storedKeyReason({ ...adapter, id: adapter.resolvesFor ?? adapter.id }, entity, identity)
  if (reason !== null) return { kind: 'skipped', entity: refOf(entity), reason }
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
      parse: (view, target, context, earlier) =>
        answerOf(adapter, target, resolve.parse(views(view, earlier), target, context), rule),
    },
    probe: adapter.probe,
    classify: adapter.classify,
    volatile: [],
    arrayKeys: {},
    unordered: [],
    ...(adapter.providerKeyProblem === undefined ? {} : { providerKeyProblem: adapter.providerKeyProblem }),
    ...(adapter.reads === undefined ? {} : { reads: adapter.reads }),
    ...(adapter.probeAnswer === undefined ? {} : { probeAnswer: adapter.probeAnswer }),
    ...(adapter.creditsPerCall === undefined ? {} : { creditsPerCall: adapter.creditsPerCall }),
    ...(adapter.creditsPerEntity === undefined ? {} : { creditsPerEntity: adapter.creditsPerEntity }),
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
  return answerOf(adapter, target, adapter.resolve!.parse(views, target, context), rule)
}
