/** What ORCID's answers mean: an API that explains itself in JSON, and a filter in front that speaks plain text. */
import { isJsonObject } from '../../model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../../model/response.ts'
import { SECOND_MS } from '../../model/time.ts'
import { classified, classifyByStatus, retryAfter } from '../shared/classify.ts'
import { nextUtcMidnight } from '../shared/dates.ts'
import { countOf, memberAt, textAt } from '../shared/json.ts'
import { clipText } from '../shared/text.ts'
import { readOrcid } from './ids.ts'

export const RECORD_LABEL = 'record.lookup'

/** Of an iD that exists and is not to be seen. */
export const HIDDEN: ReadonlyMap<string, string> = new Map([
  ['9018', 'the record is locked'],
  ['9036', 'the record was not claimed by its owner'],
  ['9044', 'the record was deactivated'],
])

/** ORCID's own number for what is wrong; null when the body has none. */
export function errorCode(view: ResponseView): string | null {
  return textAt(view.json, 'error-code')
}

/** The iD that took the place of a deprecated one, out of a redirect. */
export function movedTo(view: ResponseView): string | null {
  return view.status >= 300 && view.status < 400 ? readOrcid(view.headers['location']) : null
}

function reasonOf(view: ResponseView): string {
  const said =
    textAt(view.json, 'developer-message') ??
    textAt(view.json, 'user-message') ??
    textAt(view.json, 'error_description') ??
    textAt(view.json, 'error')
  const code = errorCode(view)
  return `HTTP ${view.status}${code === null ? '' : `, ${code}`}${said === null ? '' : `: ${clipText(said)}`}`
}

function classifySuccess(view: ResponseView, label: string): Classified {
  if (view.json === undefined) return classifyByStatus(view)
  if (!isJsonObject(view.json)) return classified('malformed', 'the answer is no JSON object')
  if (label === RECORD_LABEL) {
    const id = readOrcid(textAt(view.json, 'orcid-identifier', 'path'))
    return id === null ? classified('malformed', 'the record has no orcid-identifier') : classified('ok', 'a record')
  }
  const found = countOf(memberAt(view.json, 'num-found'))
  if (found === null) return classified('malformed', 'the search has no num-found')
  return found === 0 ? classified('empty', 'nobody matches') : classified('ok', `${found} researchers`)
}

/** Never throws. */
export function classifyOrcid(view: ResponseView, request: RequestSpec): Classified {
  const { status } = view
  if (status >= 200 && status < 300) return classifySuccess(view, request.label)
  const reason = reasonOf(view)
  if (request.label === RECORD_LABEL) {
    const moved = movedTo(view)
    if (moved !== null) return classified('not_found', `${reason}, deprecated in favour of ${moved}`)
    if (status === 409) return classified('not_found', reason)
  }
  // 9016 is said of unknown iDs and of malformed ones; any other 404 is a wrong path.
  if (status === 404 && (request.label !== RECORD_LABEL || errorCode(view) !== '9016'))
    return classified('invalid_request', reason)
  if (status === 429) {
    // Its only 429 is that of the daily quota, in plain text and without a moment.
    if (/daily quota/i.test(view.text))
      return classified('quota_exhausted', 'HTTP 429: daily quota of anonymous use is spent', nextUtcMidnight(view.receivedAt))
    return classified('rate_limited', reason, retryAfter(view))
  }
  // Too many at once looks like trouble of the server.
  if (status === 503) return classified('transient', reason, retryAfter(view) ?? view.receivedAt + SECOND_MS)
  // The index refused our query, e.g. for a character that was not escaped; asking again would not help.
  if (status === 500 && errorCode(view) === '9008' && /RemoteSolrException/.test(textAt(view.json, 'developer-message') ?? ''))
    return classified('invalid_request', reason)
  const byStatus = classifyByStatus(view)
  return byStatus.until === undefined ? classified(byStatus.class, reason) : classified(byStatus.class, reason, byStatus.until)
}
