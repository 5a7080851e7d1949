/** What the portal's answers mean: nothing found is a 404, and "too many" is also "two at once". */
import type { Classified, RequestSpec, ResponseView } from '../../model/response.ts'
import { SECOND_MS } from '../../model/time.ts'
import { classified, classifyByStatus, explanation, retryAfter } from '../shared/classify.ts'
import { countOf, memberAt } from '../shared/json.ts'
import { isTooLarge, PAGED_LABELS } from './search.ts'

/** The Office asks for at least this long after a 429. */
const PAUSE_MS = 5 * SECOND_MS

/** Never throws. */
export function classifyUspto(view: ResponseView, request: RequestSpec): Classified {
  const { status } = view
  if (status === 404) {
    return /no matching records/i.test(view.text)
      ? classified('empty', 'no application matches')
      : classified('invalid_request', explanation(view))
  }
  // The limit is on the answer: half of what was asked for will fit. The engine halves batches, whoever reads pages asks for smaller ones.
  if (isTooLarge(view)) {
    const rows = countOf(memberAt(request.json, 'pagination', 'limit')) ?? 1
    return PAGED_LABELS.includes(request.label) && rows > 1
      ? classified('ok', `a page of ${rows} is too large an answer; a smaller one is asked for`)
      : classified('invalid_request', explanation(view))
  }
  if (status === 429) {
    const until = Math.max(retryAfter(view) ?? 0, view.receivedAt + PAUSE_MS)
    return classified('rate_limited', explanation(view), until)
  }
  const usual = classifyByStatus(view)
  // Without a key the portal's page comes back under 200; that is no JSON, and "malformed" by itself.
  if (usual.class !== 'ok') return usual
  const count = countOf(memberAt(view.json, 'count'))
  if (count === null) return classified('malformed', 'the answer has no count')
  return count === 0 ? classified('empty', 'no application matches') : classified('ok', `${count} found`)
}
