/** What OpenFEC's answers mean: an application that calls its crashes 404, and the gateway of api.data.gov with errors of its own form. */
import { isJsonObject } from '../../model/json.ts'
import type { Classified, ResponseView } from '../../model/response.ts'
import { MINUTE_MS } from '../../model/time.ts'
import { classified, classifyByStatus, describeBody, explanation, retryAfter } from '../shared/classify.ts'
import { countOf, memberAt, textAt } from '../shared/json.ts'
import { clipText } from '../shared/text.ts'

/** A place of the last hour becomes free every few seconds; it is not worth waiting for all of them. */
const QUOTA_PAUSE_MS = 5 * MINUTE_MS

function gatewayCode(view: ResponseView): string | null {
  return textAt(view.json, 'error', 'code')
}

/** `message` is a text, or an object of fields with their errors. */
function reasonOf(view: ResponseView): string {
  const code = gatewayCode(view)
  if (code !== null) return `HTTP ${view.status}: ${clipText(code, 60)}`
  const message = memberAt(view.json, 'message')
  return isJsonObject(message) ? `HTTP ${view.status}: ${clipText(JSON.stringify(message))}` : explanation(view)
}

function classifySuccess(view: ResponseView): Classified {
  if (view.json === undefined) return classifyByStatus(view)
  const results = memberAt(view.json, 'results')
  if (!Array.isArray(results)) return classified('malformed', `the answer has no list of results (${describeBody(view)})`)
  return results.length === 0 ? classified('empty', 'no rows') : classified('ok', `${results.length} rows`)
}

/** Never throws. */
export function classifyOpenfec(view: ResponseView): Classified {
  const { status } = view
  if (status >= 200 && status < 300) return classifySuccess(view)
  const reason = reasonOf(view)
  // Any exception of the application; nothing that is not there is told this way.
  if (status === 404) return classified('transient', reason, retryAfter(view))
  if (status === 429) {
    const told = retryAfter(view)
    if (told === null && countOf(view.headers['x-ratelimit-remaining']) === 0)
      return classified('quota_exhausted', reason, view.receivedAt + QUOTA_PAUSE_MS)
    return classified('rate_limited', reason, told)
  }
  // Without the gateway's form it is a block of our address, not a word about the key.
  if (status === 403 && gatewayCode(view) === null) return classified('source_down', `${reason}, refused at the edge`)
  const byStatus = classifyByStatus(view)
  return classified(byStatus.class, reason, byStatus.until ?? null)
}
