/** One `/record` per iD; a deprecated iD leads on to the one that took its place. */
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { AdapterContext, Answer, LookupCapability, Target } from '../adapter.ts'
import { refOf } from '../shared/entity.ts'
import { requireObject, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { errorCode, HIDDEN, movedTo, RECORD_LABEL } from './classify.ts'
import { readOrcid } from './ids.ts'
import { recordOfPerson } from './record.ts'

/** Deprecations may follow each other; more than that is a circle. */
const MAX_MOVES = 3

function recordRequest(orcid: string): RequestSpec {
  return {
    method: 'GET',
    path: `/v3.0/${encodeURIComponent(orcid)}/record`,
    headers: { accept: 'application/json' },
    label: RECORD_LABEL,
  }
}

/** The iD to ask by. What a person set as identity may be anything: letters and digits of it, so that ORCID can say no. */
function askedId(target: Target): string {
  const key = target.providerKey ?? ''
  return readOrcid(key) ?? (key.replace(/[^0-9A-Za-z-]/g, '').slice(0, 40) || 'none')
}

function more(views: readonly ResponseView[], target: Target): RequestSpec | null {
  const last = views.at(-1)
  const next = last === undefined ? null : movedTo(last)
  if (next === null || views.length > MAX_MOVES || next === askedId(target)) return null
  return recordRequest(next)
}

function parse(view: ResponseView, target: Target, { options }: AdapterContext, earlier: readonly ResponseView[] = []): Answer {
  const entity = refOf(target.entity)
  const asked = askedId(target)
  if (readOrcid(asked) === null)
    return { kind: 'skipped', entity, reason: `"${asked}" is no ORCID iD (its checksum is wrong); set or clear the identity` }
  if (movedTo(view) !== null)
    return { kind: 'skipped', entity, reason: `${asked} is deprecated, and the iD it leads to leads on` }
  if (view.status >= 400) {
    const why = HIDDEN.get(errorCode(view) ?? '')
    return { kind: 'absent', entity, reason: why === undefined ? `ORCID has no record ${asked}` : `${asked}: ${why}` }
  }
  const body = requireObject(view, 'the record')
  const orcid = readOrcid(textAt(body, 'orcid-identifier', 'path'))
  if (orcid === null) throw new MalformedAnswer('the record has no orcid-identifier')
  const expected = earlier.length === 0 ? asked : movedTo(earlier.at(-1)!)
  if (orcid !== expected) throw new MalformedAnswer(`asked for ${expected}, ORCID answered with ${orcid}`)
  const maxWorks = options['max_works']
  const record = recordOfPerson(orcid, body, typeof maxWorks === 'number' ? maxWorks : DEFAULT_MAX_WORKS)
  // A new iD is in the record. The identity stays as it is: how sure we are of the person says the answer that led here.
  return { kind: 'record', entity, record }
}

export const DEFAULT_MAX_WORKS = 1_000

export const lookup: LookupCapability = {
  request: (target) => recordRequest(askedId(target)),
  more,
  parse,
}
