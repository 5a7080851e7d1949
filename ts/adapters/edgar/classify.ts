/**
 * What the SEC's answers mean. Errors are never JSON; what is missing under /Archives is a 403; and both pages of its firewall also
 * come under 200.
 */
import type { Classified, RequestSpec, ResponseView } from '../../model/response.ts'
import { MINUTE_MS } from '../../model/time.ts'
import { classified, classifyByStatus, retryAfter } from '../shared/classify.ts'
import { countOf, memberAt } from '../shared/json.ts'
import { INDEX_LABEL, isIndex } from './daily-index.ts'
import { SEARCH_LABELS } from './filers.ts'

/** Who is too fast is shut out until the rate was below the limit for ten minutes; asking on makes it longer. */
const PENALTY_MS = 10 * MINUTE_MS

/** Their pages are a few kB, with the words in title or heading; a declaration or a comment may come before. */
const SEARCHED_CHARS = 4_096

/** JSON (whole or cut off) and indexes hold the words of filers, which may be any: they are never searched. */
function firewall(view: ResponseView): Classified | null {
  if (view.json !== undefined || /^\s*[{[]/.test(view.text) || isIndex(view.text)) return null
  const page = view.text.slice(0, SEARCHED_CHARS)
  if (/undeclared automated tool/i.test(page))
    return classified(
      'auth',
      'the SEC does not let in who does not say who he is: set enrichment.edgar.user_agent to "Your Company contact@your.domain"',
    )
  if (/request rate threshold exceeded/i.test(page))
    return classified(
      'rate_limited',
      'request rate threshold exceeded',
      Math.max(retryAfter(view) ?? 0, view.receivedAt + PENALTY_MS),
    )
  return null
}

function classifyIndex(view: ResponseView): Classified {
  const { status, text } = view
  if (status === 404 || (status === 403 && text.includes('<Code>AccessDenied</Code>')))
    return classified('empty', 'there is no index of that day')
  if (status < 200 || status > 299) return classifyByStatus(view)
  return isIndex(text) ? classified('ok', 'a daily index') : classified('malformed', 'the answer is no index of filings')
}

function classifySearch(view: ResponseView): Classified {
  const usual = classifyByStatus(view)
  if (usual.class !== 'ok') return usual
  if (memberAt(view.json, 'timed_out') === true || (countOf(memberAt(view.json, '_shards', 'failed')) ?? 0) > 0)
    return classified('transient', 'the search did not finish')
  if (!Array.isArray(memberAt(view.json, 'hits', 'hits'))) return classified('malformed', 'the answer of the search has no hits')
  return usual
}

/** Never throws. */
export function classifyEdgar(view: ResponseView, request: RequestSpec): Classified {
  const blocked = firewall(view)
  if (blocked !== null) return blocked
  if (request.label === INDEX_LABEL) return classifyIndex(view)
  return SEARCH_LABELS.includes(request.label) ? classifySearch(view) : classifyByStatus(view)
}
