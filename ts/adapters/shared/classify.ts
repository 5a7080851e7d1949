/** What an answer means where a provider says nothing special. Adapters look at their own peculiarities first, then here. */
import { isJsonObject } from '../../model/json.ts'
import type { Classified, ResponseClass, ResponseView } from '../../model/response.ts'
import { type EpochMs, SECOND_MS } from '../../model/time.ts'
import { parseInstant } from './dates.ts'
import { memberAt } from './json.ts'
import { clipText } from './text.ts'

/** `Retry-After` as a moment: seconds after the answer arrived, or an HTTP date. Null when absent or unreadable. */
export function retryAfter(view: ResponseView): EpochMs | null {
  const text = view.headers['retry-after']?.trim()
  if (text === undefined) return null
  if (/^\d{1,9}$/.test(text)) return view.receivedAt + Number(text) * SECOND_MS
  const at = parseInstant(text)
  return at === null ? null : Math.max(at, view.receivedAt)
}

const NAMES_OF_REASONS = [
  'message',
  'Message',
  'detailedMessage',
  'detail',
  'details',
  'title',
  'error',
  'errorDetails',
  'errorCode',
  'code',
] as const

/** The provider's own explanation out of an error body, clipped; the status alone when there is none. */
export function explanation(view: ResponseView): string {
  const said: string[] = []
  const body = isJsonObject(view.json) && isJsonObject(view.json['error']) ? view.json['error'] : view.json
  for (const name of NAMES_OF_REASONS) {
    const value = memberAt(body, name)
    if (typeof value === 'string' && value.trim() !== '' && !said.includes(clipText(value))) said.push(clipText(value))
  }
  return said.length === 0 ? `HTTP ${view.status}` : `HTTP ${view.status}: ${clipText(said.slice(0, 2).join('; '))}`
}

export function classified(responseClass: ResponseClass, reason: string, until: EpochMs | null = null): Classified {
  return until === null ? { class: responseClass, reason } : { class: responseClass, reason, until }
}

/**
 * 2xx: `ok` when the body is JSON, else `malformed`. 304 `not_modified`. Other 3xx `invalid_request` (redirects are not
 * followed: the path is wrong). 401, 403 `auth`. 404 `not_found`. 429 `rate_limited` and 408, 425, 5xx `transient`, both
 * until Retry-After when it is given. Every other status `invalid_request`.
 */
export function classifyByStatus(view: ResponseView): Classified {
  const { status } = view
  if (status >= 200 && status < 300) {
    return view.json === undefined
      ? classified('malformed', `HTTP ${status} without a JSON body (${describeBody(view)})`)
      : classified('ok', `HTTP ${status}`)
  }
  const reason = explanation(view)
  if (status === 304) return classified('not_modified', reason)
  if (status >= 300 && status < 400)
    return classified('invalid_request', `${reason}, a redirect to ${clipText(view.headers['location'] ?? 'nowhere', 120)}`)
  if (status === 401 || status === 403) return classified('auth', reason)
  if (status === 404) return classified('not_found', reason)
  if (status === 429) return classified('rate_limited', reason, retryAfter(view))
  if (status === 408 || status === 425 || status >= 500) return classified('transient', reason, retryAfter(view))
  return classified('invalid_request', reason)
}

/** What an unreadable body looks like, for a reason. */
export function describeBody(view: ResponseView): string {
  const type = clipText(view.headers['content-type'] ?? 'no content type', 60)
  return view.text.trim() === '' ? `${type}, empty` : `${type}, begins "${clipText(view.text, 60)}"`
}
