/** What the portal's answers mean: nothing found is a 404, and "too many" is also "two at once". */
import type { Classified, ResponseView } from '../../model/response.ts'
import { SECOND_MS } from '../../model/time.ts'
import { classified, classifyByStatus, explanation, retryAfter } from '../shared/classify.ts'
import { countOf, memberAt } from '../shared/json.ts'

/** The Office asks for at least this long after a 429. */
const PAUSE_MS = 5 * SECOND_MS

/** Never throws. */
export function classifyUspto(view: ResponseView): Classified {
  const { status } = view
  if (status === 404) {
    return /no matching records/i.test(view.text)
      ? classified('empty', 'no application matches')
      : classified('invalid_request', explanation(view))
  }
  // The limit is on the answer: half of what was asked for will fit.
  if (status === 413) return classified('invalid_request', explanation(view))
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
