/** Answers of this process: the embedded tables and the user's own MMDB file. */
import { isJsonObject, type JsonObject } from '../../model/json.ts'
import type { Classified, ResponseView } from '../../model/response.ts'
import { classified, explanation } from '../shared/classify.ts'
import { requireObject, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'

/** 200, 404 (nothing there), 400 (no address), 503 (the data or file cannot be read). */
export function classifyLocal(view: ResponseView): Classified {
  if (view.status === 200) return isJsonObject(view.json) ? classified('ok', 'found') : classified('malformed', 'no JSON object')
  if (view.status === 404) return classified('not_found', explanation(view))
  if (view.status === 503) return classified('source_down', explanation(view))
  return classified('invalid_request', explanation(view))
}

/** The range and what the data are, which says nothing about the address itself. */
export function provenanceOf(body: JsonObject): JsonObject {
  const sources = body['sources']
  return {
    network: textAt(body, 'network'),
    data_date: textAt(body, 'data_date'),
    sources: Array.isArray(sources) ? sources.filter((source) => typeof source === 'string') : [],
  }
}

/** The body of an answer that found something; null for a 404. */
export function foundBody(view: ResponseView): JsonObject | null {
  if (view.status === 404) return null
  return requireObject(view, 'the answer about the address')
}

/** `AS15169` for what providers write as `15169`, 15169 or `AS15169`. Throws `MalformedAnswer`. */
export function asName(value: unknown): string {
  const digits = /^(?:AS)?([1-9]\d{0,9})$/i.exec(String(value))?.[1]
  if (digits === undefined || Number(digits) > 0xffffffff)
    throw new MalformedAnswer(`"${String(value).slice(0, 40)}" is no AS number`)
  return `AS${digits}`
}
