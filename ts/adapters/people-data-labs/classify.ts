/** What PDL's answers mean. `error.type` is a text in one status and a list in another; the window of the rate limit is a minute. */
import { isJsonObject } from '../../model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../../model/response.ts'
import { classified } from '../shared/classify.ts'
import { classifyCommercial } from '../shared/commercial.ts'
import { listOf, memberAt, textAt } from '../shared/json.ts'
import { clipText } from '../shared/text.ts'
import { OPT_OUT_LABEL } from './requests.ts'

/** `payment_required: You have reached …`. */
export function errorText(body: ResponseView['json']): string {
  const type = listOf(memberAt(body, 'error', 'type'))
    .map(String)
    .join(', ')
  return clipText([type, textAt(body, 'error', 'message') ?? ''].filter((part) => part !== '').join(': '))
}

/**
 * Every word of the list of objections, ids among them; null when it is none. It is one only when PDL says 200 and the first line is the
 * header of its CSV: whatever else comes says nothing about who objected, and an empty list is the header alone.
 */
export function objections(view: ResponseView): ReadonlySet<string> | null {
  const text = view.text.replace(/^\uFEFF/, '')
  const [header = ''] = text.split(/\r?\n/, 1)
  const columns = header.split(',').map((name) =>
    name
      .trim()
      .replace(/^"(.*)"$/, '$1')
      .toLowerCase(),
  )
  return view.status === 200 && columns.includes('pdl_id') ? new Set(text.split(/[\s,;"']+/)) : null
}

/** As long as nobody knows who objected, nobody is asked about by id: what is no list is no success, and is asked for again. */
function classifyObjections(view: ResponseView): Classified {
  const { status } = view
  if (objections(view) !== null) return classified('ok', 'the list of opted-out ids')
  const said = errorText(view.json)
  const answer = `HTTP ${status}${said === '' ? '' : `: ${said}`}`
  const verdict = status >= 200 && status < 300 ? null : classifyCommercial(view)
  return verdict?.class === 'auth' || verdict?.class === 'rate_limited' || verdict?.class === 'quota_exhausted'
    ? { ...verdict, reason: answer }
    : classified('transient', `${answer} instead of the list of opted-out ids; without it nobody is asked about by id`)
}

/** Never throws. */
export function classifyPdl(view: ResponseView, request: RequestSpec): Classified {
  const { status } = view
  if (request.label === OPT_OUT_LABEL) return classifyObjections(view)
  if (status >= 200 && status < 300) {
    const expected = request.label.endsWith('.bulk') ? Array.isArray(view.json) : isJsonObject(view.json)
    return expected ? classified('ok', `HTTP ${status}`) : classified('malformed', `HTTP ${status} without the answer expected`)
  }
  const said = errorText(view.json)
  const verdict = /quota_exceeded/.test(said) ? classifyCommercial({ ...view, status: 402 }) : classifyCommercial(view)
  if (said === '') return verdict
  // A bulk call has no "not found" as a whole: then it is the path that is not there.
  if (status === 404 && request.label.endsWith('.bulk')) return classified('invalid_request', `HTTP 404: ${said}`)
  return { ...verdict, reason: `HTTP ${status}: ${said}` }
}

/** The class of one item of a bulk answer. */
export function itemClass(status: number | null): Classified['class'] {
  if (status === 400 || status === 422) return 'invalid_request'
  if (status === 401 || status === 403) return 'auth'
  if (status === 402) return 'quota_exhausted'
  if (status === 429) return 'rate_limited'
  return status !== null && status >= 500 ? 'transient' : 'malformed'
}
