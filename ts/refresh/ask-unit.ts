/**
 * Asks a source about one unit and turns what comes back into answers. No state, no store: a function of the call results,
 * so that every response class has one place where its consequence is decided.
 */
import type { AdapterContext, Answer, SourceAdapter } from '../adapters/adapter.ts'
import { MalformedAnswer } from '../adapters/shared/malformed.ts'
import type { CallResult, SourceClient } from '../http/source-client.ts'
import { messageOf } from '../model/errors.ts'
import { entityId } from '../model/keys.ts'
import type { Classified, RequestSpec, ResponseView } from '../model/response.ts'
import type { DurationMs } from '../model/time.ts'
import type { WorkItem } from '../stores/store.ts'
import { type Judged, judge, type RecordedAnswer } from './commit-batch.ts'
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
    else judged.push(judge(deps.adapter, entry.item, answer, status))
  }
  return { judged, unlisted }
}

function parsePage(
  unit: Unit,
  deps: AskDeps,
  view: ResponseView,
  cursor: string | null,
): { answers: readonly Answer[]; next: string | null } {
  const { adapter, context } = deps
  if (unit.kind === 'lookup') return { answers: [adapter.lookup!.parse(view, unit.targets[0]!.target, context)], next: null }
  return adapter.batch!.parse(
    view,
    unit.targets.map((entry) => entry.target),
    unit.group,
    cursor,
    context,
  )
}

function requestFor(unit: Unit, deps: AskDeps, cursor: string | null): RequestSpec {
  const { adapter, context } = deps
  if (unit.kind === 'lookup') return adapter.lookup!.request(unit.targets[0]!.target, context)
  return adapter.batch!.request(
    unit.targets.map((entry) => entry.target),
    unit.group,
    cursor,
    context,
  )
}

export async function askUnit(unit: Unit, deps: AskDeps): Promise<UnitResult> {
  let calls = 0
  let quotaWaitMs = 0
  let cursor: string | null = null
  const cursors = new Set<string>()
  const answers: RecordedAnswer[] = []
  let status: number | null = null
  const reject = (view: ResponseView | null, classified: Classified): UnitResult => ({
    kind: 'rejected',
    judged: failAll(unit, deps, { view, classified }),
    view,
    reason: classified.reason,
    calls,
    quotaWaitMs,
  })
  for (let page = 0; page < MAX_PAGES; page++) {
    const result = await deps.client.call(requestFor(unit, deps, cursor), { signal: deps.signal })
    calls += result.stats.calls
    quotaWaitMs += result.stats.quotaWaitMs
    const ending = endingOf(result)
    if (ending !== null || result.kind === 'refused') return { kind: 'stopped', ending: ending!, calls, quotaWaitMs }
    const { view, classified } = result
    status = view?.status ?? null
    switch (classified.class) {
      case 'not_modified':
        if (cursor !== null) return reject(view, { class: 'malformed', reason: `page "${cursor}" answered 304 (not modified)` })
        return {
          kind: 'answered',
          judged: unit.targets.map(({ item }) => judge(deps.adapter, item, notModified(item), status)),
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
        return reject(view, classified)
      default:
        return { kind: 'answered', judged: failAll(unit, deps, { view, classified }), unlisted: [], calls, quotaWaitMs }
    }
    if (view === null) throw new Error(`the ${classified.class} answer of ${deps.adapter.id} has no body`)
    let parsed: { answers: readonly Answer[]; next: string | null }
    try {
      parsed = parsePage(unit, deps, view, cursor)
    } catch (error) {
      if (!(error instanceof MalformedAnswer)) throw error
      return reject(view, { class: 'malformed', reason: messageOf(error) })
    }
    answers.push(...parsed.answers)
    if (parsed.next === null) return { kind: 'answered', ...judgeAnswers(unit, deps, answers, status), calls, quotaWaitMs }
    if (cursors.has(parsed.next))
      return reject(view, { class: 'malformed', reason: `the page cursor "${parsed.next}" repeats itself` })
    cursors.add(parsed.next)
    cursor = parsed.next
  }
  return reject(null, { class: 'malformed', reason: `more than ${MAX_PAGES} pages for one request` })
}
