/**
 * One award: by its generated id where that is known. Where it is not, a search for its number in the group where it most
 * likely is; when that group does not list it nothing is known yet, so the answer is `skipped` with what to do, never
 * `absent`. (The engine asks unknown awards in batches, which go through all their groups.)
 */

import type { JsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { Answer, LookupCapability, Target } from '../adapter.ts'
import { refOf } from '../shared/entity.ts'
import { requireObject, textAt } from '../shared/json.ts'
import { groupsOf } from './award-groups.ts'
import { batchParse, batchRequest } from './batch.ts'
import { recordOfDetail } from './record.ts'

/** The generated id, when the award's provider key is one: anything else would be another path. */
function lookupKey(target: Target): string | null {
  const { providerKey } = target
  return providerKey !== null && /^(?:CONT|ASST)_[A-Z]+_/.test(providerKey) && providerKey.isWellFormed() ? providerKey : null
}

function likeliestGroup(target: Target): string {
  return groupsOf(target)[0]!
}

function lookupRequest(target: Target, options: JsonObject): RequestSpec {
  const key = lookupKey(target)
  if (key === null) return batchRequest([target], likeliestGroup(target), null, options)
  return { method: 'GET', path: `/api/v2/awards/${encodeURIComponent(key)}/`, label: 'awards.detail' }
}

function searched(view: ResponseView, target: Target): Answer {
  const group = likeliestGroup(target)
  const { answers, next } = batchParse(view, [target], group, null)
  const [answer] = answers
  if (answer !== undefined && next === null) return answer
  const why = next === null ? `not among ${group}` : 'more than a page of awards carry its number'
  return { kind: 'skipped', entity: refOf(target.entity), reason: `${why}; a batch refresh asks all award types` }
}

function lookupParse(view: ResponseView, target: Target): Answer {
  const providerKey = lookupKey(target)
  if (providerKey === null) return searched(view, target)
  const entity = refOf(target.entity)
  if (view.status === 404) return { kind: 'absent', entity, reason: `USAspending has no award ${providerKey}` }
  const body = requireObject(view, 'the award')
  const record = recordOfDetail(body)
  const id = textAt(body, 'generated_unique_award_id')!
  if (id === providerKey) return { kind: 'record', entity, record }
  // Asked by an older id, the server answers with the award's present one.
  return {
    kind: 'record',
    entity,
    record,
    identity: { providerKey: id, method: 'renamed_by_provider', confidence: 1, evidence: { asked_as: providerKey } },
  }
}

export const lookup: LookupCapability = {
  request: (target, context) => lookupRequest(target, context.options),
  parse: (view, target) => lookupParse(view, target),
}
