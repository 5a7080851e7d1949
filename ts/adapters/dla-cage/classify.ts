/** What the site's answers mean. It is made for people: terms to agree to and a bot filter come as pages with any status. */
import type { Classified, RequestSpec, ResponseView } from '../../model/response.ts'
import { classified, classifyByStatus, describeBody, explanation } from '../shared/classify.ts'
import { archiveLink } from './file.ts'

const BY_HAND = 'fetch CAGE.zip by hand and serve it from a host of your own (base_url)'

function isBarrier(view: ResponseView): boolean {
  if (/verifying your identity|access denied|request rejected/i.test(view.text.slice(0, 20_000))) return true
  return view.status >= 300 && view.status < 400 && view.status !== 304 && /\/agree\b/i.test(view.headers['location'] ?? '')
}

/** Never throws. */
export function classifyCage(view: ResponseView, request: RequestSpec): Classified {
  const { status } = view
  // Nobody needs a key here: whoever is refused was taken for a robot.
  if (isBarrier(view) || status === 401 || status === 403)
    return classified('source_down', `HTTP ${status}: the site's bot filter refuses us; if it stays so, ${BY_HAND}`)
  if (status < 200 || status >= 300) {
    if (status === 404)
      return classified('invalid_request', `${explanation(view)}: ${request.path} is not there; has the reading room moved?`)
    return classifyByStatus(view)
  }
  if (request.label !== 'cage.file') {
    return archiveLink(view.text) === null
      ? classified('malformed', `the reading room links to no CAGE.zip (${describeBody(view)})`)
      : classified('ok', 'the reading room links to CAGE.zip')
  }
  if (/html|json|xml/i.test(view.headers['content-type'] ?? '') || view.file === undefined)
    return classified('malformed', `the archive came as ${describeBody(view)}`)
  return view.file.complete
    ? classified('ok', `${view.file.bytes} bytes`)
    : classified('transient', `the archive broke off after ${view.file.bytes} bytes`)
}
