/** `POST search/spending_by_award/`: the request, and the place inside its pages. Shared by batch, single search and feed. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { isJsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import { badCursor } from '../shared/cursor.ts'
import { memberAt, requireObject, requireObjects } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { type AwardGroup, awardTypeCodes } from './award-groups.ts'

export const PAGE_ROWS = 100

/** Where the next page begins. Both values go together: the server answers one without the other with a 500. */
export type After = { readonly sortValue: string; readonly uniqueId: number | string }

const COMMON_FIELDS = [
  'Award ID',
  'Recipient Name',
  'Recipient UEI',
  'Recipient Location',
  'Primary Place of Performance',
  'Award Amount',
  'Description',
  'Start Date',
  'Base Obligation Date',
  'Last Modified Date',
  'Awarding Agency',
  'Awarding Agency Code',
  'Awarding Sub Agency',
  'Awarding Sub Agency Code',
  'Funding Agency',
  'Funding Agency Code',
  'Funding Sub Agency',
  'Funding Sub Agency Code',
]
const ASSISTANCE_FIELDS = ['End Date', 'Award Type', 'CFDA Number', 'Assistance Listings']
const FIELDS: Readonly<Record<AwardGroup, readonly string[]>> = {
  contracts: [...COMMON_FIELDS, 'End Date', 'Contract Award Type', 'NAICS', 'PSC'],
  idvs: [...COMMON_FIELDS, 'Last Date to Order', 'Contract Award Type', 'NAICS', 'PSC'],
  grants: [...COMMON_FIELDS, ...ASSISTANCE_FIELDS],
  direct_payments: [...COMMON_FIELDS, ...ASSISTANCE_FIELDS],
  other_financial_assistance: [...COMMON_FIELDS, ...ASSISTANCE_FIELDS],
}

/** Sorted by award id, because its sort value survives the way through a string; ties are broken by the server's own id. */
export function searchRequest(
  label: string,
  group: AwardGroup,
  filters: JsonObject,
  page: number,
  after: After | null,
  options: JsonObject,
): RequestSpec {
  return {
    method: 'POST',
    path: '/api/v2/search/spending_by_award/',
    label,
    json: {
      filters: { award_type_codes: awardTypeCodes(group, options), ...filters },
      fields: FIELDS[group],
      sort: 'Award ID',
      order: 'asc',
      limit: PAGE_ROWS,
      page,
      subawards: false,
      ...(after === null ? {} : { last_record_sort_value: after.sortValue, last_record_unique_id: after.uniqueId }),
    },
  }
}

/**
 * Rows of a page and where the next one begins; null on the last. `came`: where this page began. Throws `MalformedAnswer`,
 * also when the page leads back to where it began.
 */
export function searchPage(
  view: ResponseView,
  came: After | null,
): { readonly rows: readonly JsonObject[]; readonly next: After | null } {
  const body = requireObject(view, 'the search answer')
  const results = body['results']
  if (!Array.isArray(results)) throw new MalformedAnswer('the search answer has no list of results')
  const rows = requireObjects(results as readonly JsonValue[], 'results')
  const page = body['page_metadata']
  if (memberAt(page, 'hasNext') !== true) return { rows, next: null }
  const sortValue = memberAt(page, 'last_record_sort_value')
  const uniqueId = memberAt(page, 'last_record_unique_id')
  // On its last page the server writes null and the text "None"; with more to come that would lead nowhere.
  if (typeof sortValue !== 'string' || sortValue === 'None' || !isUniqueId(uniqueId)) {
    throw new MalformedAnswer('the search says that there is more but not where it goes on')
  }
  if (came !== null && came.sortValue === sortValue && came.uniqueId === uniqueId)
    throw new MalformedAnswer(`the search goes on where it came from, at ${sortValue}`)
  return { rows, next: { sortValue, uniqueId } }
}

function isUniqueId(value: JsonValue | undefined): value is number | string {
  return typeof value === 'number' ? Number.isSafeInteger(value) : typeof value === 'string' && /^\d+$/.test(value)
}

/** The `page` and `after` members of one of our cursors. Throws `bad_cursor`. */
export function readPlace(place: JsonObject, cursor: string): { readonly page: number; readonly after: After | null } {
  const { page, after } = place
  if (typeof page !== 'number' || !Number.isSafeInteger(page) || page < 1) throw badCursor(cursor)
  if (after === null) return { page, after }
  const sortValue = memberAt(after, 'sortValue')
  const uniqueId = memberAt(after, 'uniqueId')
  if (!isJsonObject(after) || typeof sortValue !== 'string' || !isUniqueId(uniqueId)) throw badCursor(cursor)
  return { page, after: { sortValue, uniqueId } }
}
