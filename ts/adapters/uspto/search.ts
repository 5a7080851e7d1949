/**
 * `POST /api/v1/patent/applications/search`, the one endpoint that everything is asked by: it takes many applications at once, and only
 * it can leave out what is large or personal (a whole record is 50-360 kB, and answers beyond 6 MB are refused with 413).
 */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import { countOf, listOf, memberAt, requireObject, requireObjects } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'

/** offset + limit may not exceed it. */
export const RESULT_WINDOW = 10_000
const FIELDS = ['applicationNumberText', 'applicationMetaData', 'parentContinuityBag', 'assignmentBag'] as const
const APPLICATION = /^(?:\d{8}|PCT[A-Z0-9]{9,13})$/

/** Searches that are read page by page. */
export const APPLICANTS_LABEL = 'applicants.search'
export const FEED_LABEL = 'applications.feed'
export const PAGED_LABELS: readonly string[] = [APPLICANTS_LABEL, FEED_LABEL]

export type SearchQuery = {
  readonly label: string
  readonly q?: string
  readonly ranges?: readonly { readonly field: string; readonly from: string; readonly to: string }[]
  readonly fields?: readonly string[]
  /** By default by number, the one order without ties. */
  readonly sort?: { readonly field: string; readonly order: 'asc' | 'desc' }
  readonly offset: number
  readonly limit: number
}

const BY_NUMBER = { field: 'applicationNumberText', order: 'asc' } as const

export function searchRequest({ label, q, ranges, fields = FIELDS, sort = BY_NUMBER, offset, limit }: SearchQuery): RequestSpec {
  const json: JsonObject = {
    ...(q === undefined ? {} : { q }),
    ...(ranges === undefined
      ? {}
      : { rangeFilters: ranges.map(({ field, from, to }) => ({ field, valueFrom: from, valueTo: to })) }),
    fields: [...fields],
    sort: [{ field: sort.field, order: sort.order }],
    pagination: { offset, limit },
  }
  return { method: 'POST', path: '/api/v1/patent/applications/search', json, label }
}

/** Digits as the portal writes them: `17/248,024` -> `17248024`. Null when it is no application number. */
export function applicationNumber(text: string | null): string | null {
  const number = (text ?? '').toUpperCase().replace(/[^A-Z0-9]/g, '')
  return APPLICATION.test(number) ? number : null
}

/** The page is too much for one answer; fewer rows may fit. */
export function isTooLarge(view: ResponseView): boolean {
  return view.status === 413
}

/** Rows and their announced number; none for a 404, which is how the portal says that nothing matches. Throws `MalformedAnswer`. */
export function searchPage(view: ResponseView): { readonly rows: readonly JsonObject[]; readonly total: number } {
  if (view.status === 404) return { rows: [], total: 0 }
  const body = requireObject(view, 'the search answer')
  const total = countOf(body['count'])
  if (total === null) throw new MalformedAnswer('the search answer has no count')
  const bag = body['patentFileWrapperDataBag']
  if (bag === undefined && total > 0)
    throw new MalformedAnswer('the search answer has no patentFileWrapperDataBag (the beta of 2024 called it otherwise)')
  return { rows: requireObjects(listOf(bag as JsonValue | undefined), 'patentFileWrapperDataBag'), total }
}

export function numberOfRow(row: JsonObject): string {
  const number = memberAt(row, 'applicationNumberText')
  return applicationNumber(typeof number === 'string' || typeof number === 'number' ? String(number) : null) ?? ''
}
