/** What RePORTER's answers mean: errors are lists of texts, and the reset time has a header of its own spelling. */
import type { Classified, ResponseView } from '../../model/response.ts'
import { classified, classifyByStatus, retryAfter } from '../shared/classify.ts'
import { parseInstant } from '../shared/dates.ts'
import { countOf, memberAt } from '../shared/json.ts'
import { clipText } from '../shared/text.ts'

/** `["System doesn't support limit value greater than 500. …"]` */
function said(view: ResponseView): string {
  const list = Array.isArray(view.json) ? (view.json as readonly unknown[]).filter((item) => typeof item === 'string') : []
  return list.length === 0 ? `HTTP ${view.status}` : `HTTP ${view.status}: ${clipText(list.slice(0, 2).join('; '))}`
}

/** Never throws. */
export function classifyNih(view: ResponseView): Classified {
  const { status } = view
  if (status === 429) {
    const reset = parseInstant(view.headers['x-rate-limit-reset']?.replace(/(\.\d{3})\d+/, '$1'))
    const until = retryAfter(view) ?? (reset !== null && reset > view.receivedAt ? reset : null)
    return classified('rate_limited', said(view), until)
  }
  // No key is asked for, so nothing is wrong with ours: addresses that ask too much are shut out.
  if (status === 401 || status === 403) return classified('source_down', `${said(view)}: this address may be blocked`)
  if (status === 404 || status === 405) return classified('invalid_request', said(view))
  if (Array.isArray(view.json) && status >= 400 && status < 500) return classified('invalid_request', said(view))
  const usual = classifyByStatus(view)
  if (usual.class !== 'ok') return usual
  const total = countOf(memberAt(view.json, 'meta', 'total'))
  if (total === null) return classified('malformed', 'the answer has no meta.total')
  return total === 0 ? classified('empty', 'no project matches') : classified('ok', `${total} rows`)
}
