/** What USAspending's answers mean. It publishes no limits and takes no key; its trouble shows as empty bodies. */
import { isJsonObject } from '../../model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../../model/response.ts'
import { classified, classifyByStatus, describeBody, explanation } from '../shared/classify.ts'
import { listOf, memberAt, textAt } from '../shared/json.ts'
import { clipText } from '../shared/text.ts'

const SEARCHES: ReadonlySet<string> = new Set(['awards.search', 'awards.feed'])

/** An unknown filter is dropped and the search runs without it: the rows then answer another question. */
function ignoredFilters(view: ResponseView): string | null {
  for (const message of listOf(memberAt(view.json, 'messages'))) {
    if (typeof message === 'string' && /were not used/i.test(message)) return message
  }
  return null
}

function classifySuccess(view: ResponseView, label: string): Classified {
  // Seen under load: 200 with nothing in it.
  if (view.text.trim() === '' && view.json === undefined) return classified('transient', `HTTP ${view.status} with an empty body`)
  if (view.json === undefined) return classifyByStatus(view)
  if (!isJsonObject(view.json)) return classified('malformed', `HTTP ${view.status}, JSON but no object (${describeBody(view)})`)
  const ignored = ignoredFilters(view)
  if (ignored !== null) return classified('invalid_request', clipText(ignored, 300))
  if (SEARCHES.has(label)) {
    const { results } = view.json
    if (!Array.isArray(results)) return classified('malformed', 'the search answer has no list of results')
    return results.length === 0 ? classified('empty', 'no award matches') : classified('ok', `${results.length} awards`)
  }
  if (label === 'awards.detail' && textAt(view.json, 'generated_unique_award_id') === null)
    return classified('malformed', 'the award has no generated_unique_award_id')
  if (label === 'awards.last_updated' && textAt(view.json, 'last_updated') === null)
    return classified('malformed', 'the answer has no last_updated')
  return classified('ok', `HTTP ${view.status}`)
}

/** Never throws. */
export function classifyUsaspending(view: ResponseView, request: RequestSpec): Classified {
  const { status } = view
  if (status >= 200 && status < 300) return classifySuccess(view, request.label)
  // A search never lacks its subject: a 404 there is a wrong path.
  if (status === 404 && request.label !== 'awards.detail') return classified('invalid_request', explanation(view))
  // There is no key that could be wrong: its edge is refusing us.
  if (status === 401 || status === 403) return classified('source_down', `${explanation(view)}, refused at the edge`)
  return classifyByStatus(view)
}
