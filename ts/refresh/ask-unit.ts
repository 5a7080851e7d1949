/**
 * Asks a source about one unit and turns what comes back into answers. No state, no store: a function of the call results,
 * so that every response class has one place where its consequence is decided.
 */
import type { AdapterContext, Answer, SourceAdapter } from '../adapters/adapter.ts'
import { MalformedAnswer } from '../adapters/shared/malformed.ts'
import { NO_ANSWER } from '../adapters/shared/no-answer.ts'
import type { CallResult, SourceClient } from '../http/source-client.ts'
import { messageOf } from '../model/errors.ts'
import { entityId } from '../model/keys.ts'
import type { Classified, RequestSpec, ResponseView } from '../model/response.ts'
import type { DurationMs } from '../model/time.ts'
import type { WorkItem } from '../stores/store.ts'
import { MAX_STEPS, stepsOf } from './ask-lookup.ts'
import { type Judged, judge, type RecordedAnswer } from './commit-batch.ts'
import { type IdentityRule, weighed } from './identity.ts'
import type { Ending } from './partition-state.ts'
import type { Unit, UnitTarget } from './unit-queue.ts'

/** What became of a unit. `calls` were made whatever the kind. */
export type UnitResult = { readonly calls: number; readonly quotaWaitMs: DurationMs } & (
  | { readonly kind: 'answered'; readonly judged: readonly Judged[]; readonly unlisted: readonly UnitTarget[] }
  /** The provider refused the whole unit for something in it; it may be asked in halves. */
  | { readonly kind: 'rejected'; readonly judged: readonly Judged[]; readonly view: ResponseView | null; readonly reason: string }
  /** Nothing can be said about the entities, and the partition shall stop. */
  | { readonly kind: 'stopped'; readonly ending: Ending }
)

export type AskDeps = {
  readonly adapter: SourceAdapter
  readonly client: SourceClient
  readonly context: AdapterContext
  readonly signal: AbortSignal
  /** By which the identities that are looked for count; null where none are. */
  readonly rule?: IdentityRule | null
}

/** Guards against a provider whose pages never end, and against one entity that matches half the provider: its batch is halved. */
const MAX_PAGES = 100

type Settled = { readonly view: ResponseView | null; readonly classified: Classified }

/** A refusal, or a class that says "not now", ends the partition: the entities are not at fault and keep their rows. */
export function endingOf(result: CallResult): Ending | null {
  if (result.kind === 'refused') {
    const { why, message: reason, until } = result
    if (why === 'aborted') return { status: 'interrupted', reason, until }
    // A credential that is missing or refused needs a person; everything else only needs time.
    if (why === 'credential') return { status: 'failed', reason, until, code: 'credentials' }
    return { status: 'parked', reason, until, code: why }
  }
  const { class: responseClass, reason, until = null } = result.classified
  switch (responseClass) {
    case 'auth':
      return { status: 'failed', reason: `the provider refused the credentials: ${reason}`, until, code: 'credentials' }
    case 'rate_limited':
      return { status: 'parked', reason: `the provider says later: ${reason}`, until, code: 'rate_limited' }
    case 'quota_exhausted':
      return { status: 'parked', reason: `the provider says later: ${reason}`, until, code: 'quota' }
    case 'source_down':
      return { status: 'parked', reason: `the source is down: ${reason}`, until, code: 'source_down' }
    default:
      return null
  }
}

/** The provider failed, is down, or takes no more questions for now: another one may be asked. Not so the run's own budget. */
function hasFailed(result: CallResult, ending: Ending | null): boolean {
  if (ending !== null) return ending.status === 'parked' && ending.code !== 'budget'
  return result.kind === 'answer' && (result.classified.class === 'transient' || result.classified.class === 'malformed')
}

function isOwnFault(result: CallResult, request: RequestSpec, { ownFault }: SourceAdapter): boolean {
  if (result.kind === 'refused' || result.view === null || result.classified.class !== 'source_down') return false
  return ownFault?.(result.view, request) ?? false
}

function reasonOf(result: CallResult): string {
  return result.kind === 'refused' ? result.message : result.classified.reason
}

function failAll(unit: Unit, deps: AskDeps, settled: Settled): Judged[] {
  const { class: errorClass, reason } = settled.classified
  return unit.targets.map(({ item }) =>
    judge(deps.adapter, item, { kind: 'failed', entity: item.entry.entity, errorClass, reason }, settled.view?.status ?? null),
  )
}

/** A 304 says that what we have still holds; where we have nothing it says nothing (a provider or a cache in between is off). */
function notModified(item: WorkItem): RecordedAnswer {
  const { entity, payloadHash } = item.entry
  if (payloadHash !== null) return { kind: 'not_modified', entity }
  return {
    kind: 'failed',
    entity,
    errorClass: 'malformed',
    reason: 'answered 304 (not modified) although nothing was received from it before',
  }
}

/** Answers by entity -> judged rows; answers about entities that were not asked for are dropped (hostile or confused input). */
function judgeAnswers(
  unit: Unit,
  deps: AskDeps,
  answers: readonly RecordedAnswer[],
  status: number | null,
): { judged: Judged[]; unlisted: UnitTarget[] } {
  const byEntity = new Map<string, RecordedAnswer>()
  for (const answer of answers) byEntity.set(entityId(answer.entity), answer)
  const judged: Judged[] = []
  const unlisted: UnitTarget[] = []
  for (const entry of unit.targets) {
    const answer = byEntity.get(entityId(entry.item.entry.entity))
    if (answer === undefined) unlisted.push(entry)
    else judged.push(judge(deps.adapter, entry.item, weighed(deps.adapter, entry.item, answer, deps.rule ?? null), status))
  }
  return { judged, unlisted }
}

/** What comes next after a page: the cursor of the next request, or nothing. */
type Paging = {
  /** The first or next request; null when what was received suffices. */
  next(): RequestSpec | null
  /** Takes an answer in; returns what is wrong with its place in the sequence, or null. */
  take(view: ResponseView): string | null
  /** Goes on without an answer to the last request; false when it cannot. */
  goOn(): boolean
  answers(): readonly Answer[]
  /** What a 304 would be about: only the first answer can vouch for what is known. */
  readonly isFirst: boolean
  readonly maxRequests: number
}

function batchPaging(unit: Unit, { adapter, context }: AskDeps): Paging {
  const targets = unit.targets.map((entry) => entry.target)
  const answers: Answer[] = []
  const cursors = new Set<string>()
  let cursor: string | null = null
  let isOver = false
  return {
    maxRequests: MAX_PAGES,
    get isFirst() {
      return cursor === null
    },
    next: () => (isOver ? null : adapter.batch!.request(targets, unit.group, cursor, context)),
    take(view) {
      const page = adapter.batch!.parse(view, targets, unit.group, cursor, context)
      answers.push(...page.answers)
      isOver = page.next === null
      if (page.next === null) return null
      if (cursors.has(page.next)) return `the page cursor "${page.next}" repeats itself`
      cursors.add(page.next)
      cursor = page.next
      return null
    },
    goOn: () => false,
    answers: () => answers,
  }
}

function lookupPaging(unit: Unit, { adapter, context, rule = null }: AskDeps): Paging {
  const steps = stepsOf(unit.targets[0]!, adapter, context, rule)
  const views: ResponseView[] = []
  return {
    maxRequests: MAX_STEPS,
    get isFirst() {
      return views.length === 0
    },
    next: () => steps.next(views),
    take(view) {
      views.push(view)
      return null
    },
    goOn() {
      if (!steps.dispensable(views)) return false
      views.push(NO_ANSWER)
      return true
    },
    answers: () => [steps.parse(views)],
  }
}

export async function askUnit(unit: Unit, deps: AskDeps): Promise<UnitResult> {
  let calls = 0
  let quotaWaitMs = 0
  let view: ResponseView | null = null
  const paging = unit.kind === 'lookup' ? lookupPaging(unit, deps) : batchPaging(unit, deps)
  const reject = (classified: Classified): UnitResult => ({
    kind: 'rejected',
    judged: failAll(unit, deps, { view, classified }),
    view,
    reason: classified.reason,
    calls,
    quotaWaitMs,
  })
  try {
    for (let sent = 0; sent < paging.maxRequests; sent++) {
      const request = paging.next()
      if (request === null) {
        const status = view?.status ?? null
        return { kind: 'answered', ...judgeAnswers(unit, deps, paging.answers(), status), calls, quotaWaitMs }
      }
      const result = await deps.client.call(request, { signal: deps.signal })
      calls += result.stats.calls
      quotaWaitMs += result.stats.quotaWaitMs
      const ending = endingOf(result)
      const isOurs = isOwnFault(result, request, deps.adapter)
      if ((isOurs || hasFailed(result, ending)) && paging.goOn()) continue
      if (isOurs && ending !== null)
        return {
          kind: 'stopped',
          ending: { ...ending, status: 'failed', code: 'configuration', until: null, reason: reasonOf(result) },
          calls,
          quotaWaitMs,
        }
      if (ending !== null || result.kind === 'refused') return { kind: 'stopped', ending: ending!, calls, quotaWaitMs }
      const { classified } = result
      view = result.view
      switch (classified.class) {
        case 'not_modified':
          if (!paging.isFirst)
            return reject({ class: 'malformed', reason: `answer ${sent + 1} of one request is 304 (not modified)` })
          return {
            kind: 'answered',
            judged: unit.targets.map(({ item }) => judge(deps.adapter, item, notModified(item), view?.status ?? null)),
            unlisted: [],
            calls,
            quotaWaitMs,
          }
        case 'ok':
        case 'empty':
        case 'not_found':
          break
        case 'invalid_request':
        case 'malformed':
          return reject(classified)
        default:
          return { kind: 'answered', judged: failAll(unit, deps, { view, classified }), unlisted: [], calls, quotaWaitMs }
      }
      if (view === null) throw new Error(`the ${classified.class} answer of ${deps.adapter.id} has no body`)
      const problem = paging.take(view)
      if (problem !== null) return reject({ class: 'malformed', reason: problem })
    }
    if (paging.next() === null) {
      const status = view?.status ?? null
      return { kind: 'answered', ...judgeAnswers(unit, deps, paging.answers(), status), calls, quotaWaitMs }
    }
  } catch (error) {
    if (!(error instanceof MalformedAnswer)) throw error
    return reject({ class: 'malformed', reason: messageOf(error) })
  }
  view = null
  const what = unit.kind === 'lookup' ? 'answers' : 'pages'
  return reject({ class: 'malformed', reason: `more than ${paging.maxRequests} ${what} for one request` })
}
