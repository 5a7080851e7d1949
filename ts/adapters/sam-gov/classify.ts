/** What SAM.gov's answers mean: a gateway in front, an umbrella gateway before it, and an API that says "later" with a 400. */
import { isJsonObject } from '../../model/json.ts'
import type { Classified, ResponseView } from '../../model/response.ts'
import { DAY_MS, type EpochMs } from '../../model/time.ts'
import { classified, classifyByStatus, explanation, retryAfter } from '../shared/classify.ts'
import { nextUtcMidnight, parseInstant } from '../shared/dates.ts'
import { countOf, memberAt, textAt } from '../shared/json.ts'

/**
 * When the daily quota begins again: what the gateway says, else the next midnight UTC. A moment that is past or more than
 * two days away is not believed, because it would let us knock in vain or shut the source for good.
 */
function quotaReset(view: ResponseView): EpochMs {
  const said = parseInstant(memberAt(view.json, 'nextAccessTime')) ?? parseInstant(memberAt(view.json, 'fault', 'nextAccessTime'))
  const believable = said !== null && said > view.receivedAt && said <= view.receivedAt + 2 * DAY_MS
  return believable ? said : nextUtcMidnight(view.receivedAt)
}

function classifyTooMany(view: ResponseView): Classified {
  const fault = memberAt(view.json, 'fault') ?? view.json
  const code = textAt(fault, 'code')
  const said = `${textAt(fault, 'message') ?? ''} ${textAt(fault, 'description') ?? ''}`
  if (code === '900804' || textAt(fault, 'nextAccessTime') !== null || /exceeded your quota/i.test(said)) {
    return classified('quota_exhausted', `HTTP 429: daily quota of the key is spent`, quotaReset(view))
  }
  return classified(
    'rate_limited',
    /OVER_RATE_LIMIT/.test(view.text) ? 'HTTP 429: OVER_RATE_LIMIT' : explanation(view),
    retryAfter(view),
  )
}

/** Never throws. */
export function classifySam(view: ResponseView): Classified {
  const { status } = view
  if (status >= 200 && status < 300) {
    if (view.json === undefined) return classifyByStatus(view)
    const total = countOf(memberAt(view.json, 'totalRecords'))
    if (!isJsonObject(view.json) || total === null) return classified('malformed', 'the answer has no totalRecords')
    return total === 0 ? classified('empty', 'no entity matches') : classified('ok', `${total} entities`)
  }
  if (status === 429) return classifyTooMany(view)
  // Nothing found is a 200; a 404 is a wrong path.
  if (status === 404) return classified('invalid_request', explanation(view))
  if (status === 400 && /try again later/i.test(textAt(view.json, 'message') ?? ''))
    return classified('transient', explanation(view), retryAfter(view))
  if (status === 403 || status === 401)
    return classified('auth', /API_KEY_INVALID/.test(view.text) ? `HTTP ${status}: API_KEY_INVALID` : explanation(view))
  return classifyByStatus(view)
}
