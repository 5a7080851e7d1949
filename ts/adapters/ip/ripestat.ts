/** RIPEstat's `prefix-overview`: number and holder in one call. Eight at a time are allowed; beyond 1,000 a day one registers. */
import { isJsonObject, type JsonObject } from '../../model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../../model/response.ts'
import { HOUR_MS } from '../../model/time.ts'
import { classified, classifyByStatus, describeBody, explanation } from '../shared/classify.ts'
import { listOf, memberAt, requireObjects, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { clipText } from '../shared/text.ts'
import { asName } from './local.ts'
import { textOption } from './providers.ts'

/** After being told that we ask too much. */
const PAUSE_MS = HOUR_MS

export function ripestatRequest(ip: string, options: JsonObject): RequestSpec {
  return {
    method: 'GET',
    path: '/data/prefix-overview/data.json',
    query: [
      ['resource', ip],
      ['sourceapp', textOption(options, 'ripestat_sourceapp') ?? 'enrichment-refresh'],
    ],
    label: 'asn.ripestat',
  }
}

/** Errors are told in `messages`, as pairs of level and text, whatever the status. */
function errorText(view: ResponseView): string | null {
  for (const message of listOf(memberAt(view.json, 'messages'))) {
    if (Array.isArray(message) && message[0] === 'error') return clipText(String(message[1] ?? 'error'))
  }
  return textAt(view.json, 'status') === 'error' ? explanation(view) : null
}

/** Never throws. */
export function classifyRipestat(view: ResponseView): Classified {
  const error = errorText(view)
  if (view.status >= 200 && view.status < 300) {
    if (error !== null) return classified('transient', `HTTP ${view.status} with an error: ${error}`)
    if (/^maintenance/i.test(textAt(view.json, 'data_call_status') ?? ''))
      return classified('source_down', 'the data call is under maintenance')
    if (!isJsonObject(memberAt(view.json, 'data'))) return classified('malformed', `no data member (${describeBody(view)})`)
    return classified('ok', `HTTP ${view.status}`)
  }
  const verdict = classifyByStatus(view)
  // There is no key: a refusal is about how much we ask. It names no moment, and another provider may be asked meanwhile.
  if (verdict.class === 'auth' || verdict.class === 'rate_limited')
    return classified('rate_limited', verdict.reason, verdict.until ?? view.receivedAt + PAUSE_MS)
  return error === null ? verdict : { ...verdict, reason: `HTTP ${view.status}: ${error}` }
}

export function readRipestat(view: ResponseView): { readonly facts: JsonObject; readonly provenance: JsonObject } | null {
  const data = memberAt(view.json, 'data')
  if (!isJsonObject(data)) throw new MalformedAnswer('RIPEstat answered without data')
  const asns = requireObjects(listOf(data['asns']), 'data.asns').map((item) => ({
    asn: asName(item['asn']),
    holder: textAt(item, 'holder'),
  }))
  if (asns.length === 0) return null
  asns.sort((a, b) => (a.asn < b.asn ? -1 : 1))
  return {
    facts: { asns },
    provenance: {
      network: textAt(data, 'resource'),
      data_date: textAt(data, 'query_time')?.slice(0, 10) ?? null,
      sources: ['RIPEstat (RIPE NCC)'],
    },
  }
}
