/** What OpenAlex's answers mean: an origin, and an edge in front of it that counts credits. Both put errors where they do not belong. */
import { isJsonObject } from '../../model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../../model/response.ts'
import { DAY_MS, type EpochMs, MINUTE_MS, SECOND_MS } from '../../model/time.ts'
import { classified, classifyByStatus, describeBody, explanation, retryAfter } from '../shared/classify.ts'
import { nextUtcMidnight } from '../shared/dates.ts'
import { countOf, memberAt, textAt } from '../shared/json.ts'
import { readAuthorId } from './ids.ts'

export const AUTHOR_LABEL = 'authors.lookup'
export const WORKS_LABEL = 'works.recent'

/** Where an author went, out of a redirect. */
export function movedTo(view: ResponseView): string | null {
  return view.status >= 300 && view.status < 400 ? readAuthorId(view.headers['location']) : null
}

/** The moment the edge names: Retry-After, `retryAfter` in the body, or the header's seconds to midnight UTC. */
function toldMoment(view: ResponseView): EpochMs | null {
  const header = retryAfter(view)
  if (header !== null) return header
  const seconds = countOf(memberAt(view.json, 'retryAfter')) ?? countOf(view.headers['x-ratelimit-reset'])
  return seconds === null ? null : view.receivedAt + seconds * SECOND_MS
}

/** When the day's credits begin again. A moment that is past or more than a day away is not believed. */
function budgetReset(view: ResponseView): EpochMs {
  const told = toldMoment(view)
  return told !== null && told > view.receivedAt && told <= view.receivedAt + DAY_MS ? told : nextUtcMidnight(view.receivedAt)
}

function classifyTooMany(view: ResponseView): Classified {
  const [required, remaining] = ['creditsRequired', 'creditsRemaining'].map((name) => countOf(memberAt(view.json, name)))
  const told = toldMoment(view)
  const spent =
    /insufficient budget/i.test(textAt(view.json, 'message') ?? '') ||
    (required !== null && required !== undefined && remaining !== null && remaining !== undefined && remaining < required) ||
    (told !== null && told > view.receivedAt + MINUTE_MS)
  if (spent) return classified('quota_exhausted', 'HTTP 429: the credits of the day are spent', budgetReset(view))
  return classified('rate_limited', explanation(view), told ?? view.receivedAt + SECOND_MS)
}

/** The plan does not allow the question. Said under 429 and under 200; waiting changes nothing. */
function needsPlan(view: ResponseView): boolean {
  return /plan upgrade required/i.test(textAt(view.json, 'error') ?? '')
}

function classifySuccess(view: ResponseView, label: string): Classified {
  if (view.json === undefined) return classifyByStatus(view)
  if (!isJsonObject(view.json)) return classified('malformed', `the answer is no JSON object (${describeBody(view)})`)
  if (textAt(view.json, 'error') !== null) return classified('invalid_request', explanation(view))
  // A part of the answer, after five seconds of searching.
  if (memberAt(view.json, 'meta', 'timed_out') === true)
    return classified('transient', 'the search ran out of time, the list is incomplete')
  if (label === AUTHOR_LABEL) {
    return readAuthorId(textAt(view.json, 'id')) === null
      ? classified('malformed', 'the author has no id')
      : classified('ok', 'an author')
  }
  const { results } = view.json
  if (!Array.isArray(results)) return classified('malformed', 'the answer has no list of results')
  return results.length === 0 ? classified('empty', 'nothing matches') : classified('ok', `${results.length} results`)
}

/** Never throws. */
export function classifyOpenalex(view: ResponseView, request: RequestSpec): Classified {
  const { status } = view
  if (needsPlan(view)) return classified('invalid_request', explanation(view))
  if (status >= 200 && status < 300) return classifySuccess(view, request.label)
  const moved = request.label === AUTHOR_LABEL ? movedTo(view) : null
  if (moved !== null) return classified('not_found', `HTTP ${status}, moved to ${moved}`)
  if (status === 404) {
    // An author that is not there is a page of the framework; JSON under 404 is a search that failed.
    if (view.json !== undefined) return classified('transient', explanation(view))
    return classified(request.label === AUTHOR_LABEL ? 'not_found' : 'invalid_request', 'HTTP 404')
  }
  if (status === 429) return classifyTooMany(view)
  return classifyByStatus(view)
}
