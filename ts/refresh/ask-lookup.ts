/**
 * A look-up as a sequence of questions: most take one, some several (officers after the company), and finding an identity may take
 * none, when the entity's attributes say it already.
 */
import type { AdapterContext, Answer, ResolveCapability, SourceAdapter, Target } from '../adapters/adapter.ts'
import type { RequestSpec, ResponseView } from '../model/response.ts'
import { decidedAnswer, type IdentityRule, resolutionAnswer } from './identity.ts'
import type { UnitTarget } from './unit-queue.ts'

/** Answers of one look-up at most; an adapter that asks on and on is stopped. */
export const MAX_STEPS = 20

export type Steps = {
  /** The next question, given all answers so far in order; null when they suffice. */
  next(views: readonly ResponseView[]): RequestSpec | null
  parse(views: readonly ResponseView[]): Answer
  /** Whether the next question may stay without an answer. */
  dispensable(views: readonly ResponseView[]): boolean
}

const never = (): boolean => false

/** Nothing is looked for; what comes to light by the key that was decided is, where there is such a thing. */
function stepsOfDecided(
  decided: Answer,
  ofDecided: ResolveCapability['ofDecided'],
  target: Target,
  context: AdapterContext,
): Steps {
  if (ofDecided === undefined || decided.kind !== 'record') return { next: () => null, parse: () => decided, dispensable: never }
  return {
    next: (views) => ofDecided.request(views, target, context),
    parse: (views) => ({ ...decided, discovered: ofDecided.discovered(views, target, context) }),
    dispensable: never,
  }
}

export function stepsOf(
  { item, target }: UnitTarget,
  adapter: SourceAdapter,
  context: AdapterContext,
  rule: IdentityRule | null,
): Steps {
  if (adapter.resolvesFor !== undefined && adapter.resolve !== undefined && rule !== null) {
    const { resolve } = adapter
    const decided = decidedAnswer(item, adapter)
    if (decided !== null)
      return stepsOfDecided(decided, resolve.ofDecided, { ...target, providerKey: item.identity!.providerKey }, context)
    return {
      next: (views) => resolve.request(views, target, context),
      parse: (views) => resolutionAnswer(adapter, rule, views, target, context),
      dispensable: never,
    }
  }
  const lookup = adapter.lookup!
  return {
    next: (views) => (views.length === 0 ? lookup.request(target, context) : (lookup.more?.(views, target, context) ?? null)),
    parse: (views) => lookup.parse(views.at(-1)!, target, context, views.slice(0, -1)),
    dispensable: (views) => lookup.dispensable?.(views, target, context) ?? false,
  }
}
