/** One by one, and by the hundred. Persons with a known id are first looked for among those who opted out. */
import type { JsonObject } from '../../model/json.ts'
import { isJsonObject } from '../../model/json.ts'
import type { ResponseView } from '../../model/response.ts'
import type { Answer, BatchCapability, LookupCapability, Target } from '../adapter.ts'
import { refOf } from '../shared/entity.ts'
import { countOf, memberAt, requireObject, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { errorText, itemClass, objections } from './classify.ts'
import { answerOf, optedOut } from './records.ts'
import { bulkRequest, enrichRequest, type Group, groupOf, OPT_OUT, optOutRequest } from './requests.ts'

const NO_MATCH = 'PDL has no match that is likely enough'

/** Throws `MalformedAnswer` when it is no list: then nothing is known, and nobody may be asked about. */
function optedOutIds(view: ResponseView): ReadonlySet<string> {
  const ids = objections(view)
  if (ids === null) throw new MalformedAnswer('the answer is no list of opted-out ids')
  return ids
}

const mayHaveOptedOut = (target: Target): boolean => groupOf(target) === 'person' && target.providerKey !== null

function single(view: ResponseView, target: Target): Answer {
  const entity = refOf(target.entity)
  if (view.status === 404) return { kind: 'absent', entity, reason: NO_MATCH }
  const body = requireObject(view, 'the answer')
  const group = groupOf(target)
  const item = group === 'person' ? memberAt(body, 'data') : body
  if (!isJsonObject(item) || textAt(item, 'id') === null) throw new MalformedAnswer(`the answer is no ${group}`)
  return answerOf(target, group, item, body)
}

export const lookup: LookupCapability = {
  request: (target, { options }) => (mayHaveOptedOut(target) ? optOutRequest() : enrichRequest(target, options)),
  more: (views, target, { options }) => {
    if (views.length !== 1 || !mayHaveOptedOut(target) || optedOutIds(views[0]!).has(target.providerKey!)) return null
    return enrichRequest(target, options)
  },
  parse: (view, target, _context, earlier = []) =>
    mayHaveOptedOut(target) && earlier.length === 0 ? optOutAnswer(view, target) : single(view, target),
}

function optOutAnswer(view: ResponseView, target: Target): Answer {
  if (optedOutIds(view).has(target.providerKey!)) return optedOut(refOf(target.entity))
  throw new MalformedAnswer('the list of opted-out ids is no answer about this person')
}

function bulkItem(item: JsonObject, target: Target, group: Group): Answer {
  const entity = refOf(target.entity)
  const status = countOf(item['status'])
  if (status === 404) return { kind: 'absent', entity, reason: NO_MATCH }
  if (status !== 200) {
    return {
      kind: 'failed',
      entity,
      errorClass: itemClass(status),
      reason: `item status ${status ?? 'missing'}: ${errorText(item)}`,
    }
  }
  const data = group === 'person' ? item['data'] : (item['data'] ?? item)
  if (!isJsonObject(data) || textAt(data, 'id') === null)
    return { kind: 'failed', entity, errorClass: 'malformed', reason: `the item is no ${group}` }
  return answerOf(target, group, data, item)
}

function bulkAnswers(view: ResponseView, targets: readonly Target[], group: Group): readonly Answer[] {
  if (!Array.isArray(view.json)) throw new MalformedAnswer('the bulk answer is no list')
  const byRow = new Map<string, JsonObject>()
  for (const item of view.json as readonly JsonObject[]) {
    const row = isJsonObject(item) ? textAt(item, 'metadata', 'row') : null
    if (row === null || !(Number(row) < targets.length))
      throw new MalformedAnswer('an item does not say which request it answers')
    if (byRow.has(row)) throw new MalformedAnswer(`request ${row} was answered twice`)
    byRow.set(row, item)
  }
  return targets.map((target, row) => {
    const item = byRow.get(String(row))
    if (item !== undefined) return bulkItem(item, target, group)
    return {
      kind: 'failed',
      entity: refOf(target.entity),
      errorClass: 'malformed',
      reason: 'PDL left this one out of its answer',
    }
  })
}

export const batch: BatchCapability = {
  maxSize: 100,
  groups: (target) => (mayHaveOptedOut(target) ? [OPT_OUT, 'person'] : [groupOf(target)]),
  request: (targets, group, _cursor, { options }) =>
    group === OPT_OUT ? optOutRequest() : bulkRequest(targets, group === 'person' ? 'person' : 'company', options),
  parse: (view, targets, group) => {
    if (group !== OPT_OUT) return { answers: bulkAnswers(view, targets, group === 'person' ? 'person' : 'company'), next: null }
    // Those who are not listed are asked about in their next group.
    const ids = optedOutIds(view)
    const listed = targets.filter(({ providerKey }) => providerKey !== null && ids.has(providerKey))
    return { answers: listed.map(({ entity }) => optedOut(refOf(entity))), next: null }
  },
}
