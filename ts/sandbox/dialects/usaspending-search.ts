/** POST /api/v2/search/spending_by_award/: validation, filters, order, paging. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { isJsonObject } from '../../model/json.ts'
import { DAY_MS, type EpochMs, parseUtcDate } from '../../model/time.ts'
import { AGENCIES } from '../world/agencies.ts'
import type { World } from '../world/world.ts'
import { FIELD_NAMES, type Shown, searchRow, sortValue } from './usaspending-shapes.ts'

/** An answer other than rows; thrown inside the search and turned into a response by the handler. */
export class Refused {
  readonly status: number
  readonly body: JsonObject
  constructor(status: number, body: JsonObject) {
    this.status = status
    this.body = body
  }
}

const refuse = (status: number, detail: string): never => {
  throw new Refused(status, { detail })
}

const GROUPS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  contracts: { A: 'BPA Call', B: 'Purchase Order', C: 'Delivery Order', D: 'Definitive Contract' },
  loans: { '07': 'Direct Loan', '08': 'Guaranteed/Insured Loan', F003: 'Direct Loan', F004: 'Loan Guarantee' },
  idvs: {
    IDV_A: 'GWAC Government Wide Acquisition Contract',
    IDV_B: 'IDC Multi-Agency Contract, Other Indefinite Delivery Contract',
    IDV_B_A: 'IDC Indefinite Delivery Contract / Requirements',
    IDV_B_B: 'IDC Indefinite Delivery Contract / Indefinite Quantity',
    IDV_B_C: 'IDC Indefinite Delivery Contract / Definite Quantity',
    IDV_C: 'FSS Federal Supply Schedule',
    IDV_D: 'BOA Basic Ordering Agreement',
    IDV_E: 'BPA Blanket Purchase Agreement',
  },
  // The F codes are the new assistance format's, in use since early 2026.
  grants: {
    '02': 'Block Grant',
    '03': 'Formula Grant',
    '04': 'Project Grant',
    '05': 'Cooperative Agreement',
    F001: 'Grant',
    F002: 'Cooperative Agreement',
  },
  other_financial_assistance: {
    '09': 'Insurance',
    '11': 'Other Financial Assistance',
    F005: 'Indemnity / Insurance',
    F008: 'Asset Forfeiture / Equitable Sharing',
    F009: 'Sale, Exchange, or Donation of Property and Goods',
    F010: 'Other Financial Assistance',
  },
  direct_payments: {
    '06': 'Direct Payment for Specified Use',
    '10': 'Direct Payment with Unrestricted Use',
    F006: 'Direct Payment for Specified Use',
    F007: 'Direct Payment with Unrestricted Use',
  },
}
const VALID_CODES = Object.values(GROUPS).flatMap((group) => Object.keys(group))
const SERVED_FILTERS = new Set(['award_type_codes', 'award_ids', 'recipient_search_text', 'time_period', 'agencies', 'keywords'])
/** Filters the provider has and the sandbox does not model; using one is answered as unplanned, never as "not filtered". */
const UNSERVED_FILTERS = new Set([
  'place_of_performance_scope',
  'place_of_performance_locations',
  'recipient_id',
  'recipient_scope',
  'recipient_locations',
  'recipient_type_names',
  'award_amounts',
  'program_numbers',
  'naics_codes',
  'psc_codes',
  'contract_pricing_type_codes',
  'set_aside_type_codes',
  'extent_competed_type_codes',
  'tas_codes',
  'treasury_account_components',
  'object_class',
  'program_activity',
  'program_activities',
  'def_codes',
  'description',
  'award_unique_id',
  'federal_account_ids',
  'elasticsearch_award_ids',
  'object_class_ids',
  'legal_entities',
])
const DATE_NOTE =
  'For searches, time period start and end dates are currently limited to an earliest date of 2007-10-01.  For data going back to 2000-10-01, use either the Custom Award Download feature on the website or one of our download or bulk_download API endpoints as listed on https://api.usaspending.gov/docs/endpoints. '
const MAX_LIMIT = 100
const RESULT_WINDOW = 50_000
const EARLIEST = Date.UTC(2007, 9, 1)

export type SearchRequest = {
  readonly filters: JsonObject
  readonly fields: readonly string[]
  readonly limit: number
  readonly page: number
  readonly sort: string
  readonly descending: boolean
  readonly after: { readonly value: string; readonly id: number } | null
}

function wholeNumber(body: JsonObject, key: string, fallback: number, max: number): number {
  const value = body[key] ?? fallback
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number))
    return refuse(422, `Invalid value in '${key}'. '${JSON.stringify(value)}' is not a valid type (integer)`)
  if (number < 1) return refuse(422, `Field '${key}' value '${number}' is below min '1'`)
  if (number > max) return refuse(422, `Field '${key}' value '${number}' is above max '${max}'`)
  return number
}

/** Checks a body in the provider's order and with its words; throws `Refused`. */
export function parseSearch(body: JsonObject): SearchRequest {
  const { filters, fields } = body
  if (!Array.isArray(fields)) return refuse(422, "Missing value: 'fields' is a required field")
  if (!isJsonObject(filters)) return refuse(422, "Missing value: 'filters' is a required field")
  if (fields.length === 0) return refuse(422, "Field 'fields' value '[]' is below min '1' items")
  const codes = filters['award_type_codes']
  if (!Array.isArray(codes)) return refuse(422, "Missing value: 'filters|award_type_codes' is a required field")
  for (const code of codes)
    if (!VALID_CODES.includes(String(code)))
      return refuse(
        422,
        `Field 'filters|award_type_codes' is outside valid values [${VALID_CODES.map((entry) => `'${entry}'`).join(', ')}]`,
      )
  const limit = wholeNumber(body, 'limit', 10, MAX_LIMIT)
  const page = wholeNumber(body, 'page', 1, Number.MAX_SAFE_INTEGER)
  const groups = Object.values(GROUPS).filter((group) => codes.some((code) => String(code) in group))
  if (groups.length !== 1)
    throw new Refused(422, { message: "'award_type_codes' must only contain types from one group.", award_type_groups: GROUPS })
  if (body['subawards'] === true || body['spending_level'] === 'subawards')
    throw new Refused(501, { sandbox: 'not_implemented', message: 'The sandbox has no sub-awards.' })

  const names = fields.map(String)
  const sort = typeof body['sort'] === 'string' ? body['sort'] : names[0]!
  const quoted = (list: readonly string[]) => `[${list.map((entry) => `'${entry}'`).join(', ')}]`
  if (!FIELD_NAMES.includes(sort)) return refuse(400, `Sort value '${sort}' not found in Award mappings: ${quoted(FIELD_NAMES)}`)
  if (!names.includes(sort)) return refuse(400, `Sort value '${sort}' not found in requested fields: ${quoted(names)}`)

  const id = body['last_record_unique_id'] ?? null
  const value = body['last_record_sort_value'] ?? null
  if ((id === null) !== (value === null))
    return refuse(
      500,
      'Using search_after functionality in Elasticsearch requires both last_record_sort_value and last_record_unique_id.',
    )
  if (id === null && (page - 1) * limit >= RESULT_WINDOW) {
    return refuse(
      422,
      `Page #${page} with limit ${limit} is over the maximum result limit ${RESULT_WINDOW}. Please provide the 'last_record_sort_value' and 'last_record_unique_id' to paginate sequentially.`,
    )
  }
  return {
    filters,
    fields: names,
    limit,
    page,
    sort,
    descending: body['order'] !== 'asc',
    after: id === null ? null : { value: String(value), id: Number(id) },
  }
}

function texts(value: JsonValue | undefined, key: string): readonly string[] {
  if (!Array.isArray(value) || value.some((entry) => typeof entry !== 'string'))
    return refuse(422, `Invalid value in 'filters|${key}'. '${JSON.stringify(value)}' is not a valid type (array)`)
  return value as readonly string[]
}

type Predicate = (shown: Shown) => boolean

function inPeriods(value: JsonValue | undefined): Predicate {
  if (!Array.isArray(value)) return refuse(422, "Invalid value in 'filters|time_period'. It is not a valid type (array)")
  const tests = value.map((entry): Predicate => {
    const period = isJsonObject(entry) ? entry : {}
    const [start, end] = ['start_date', 'end_date'].map((key) => {
      const at = typeof period[key] === 'string' ? parseUtcDate(period[key]) : null
      return (
        at ??
        refuse(
          422,
          `Invalid value in 'filters|time_period|${key}'. '${String(period[key])}' is not a valid date format (YYYY-MM-DD)`,
        )
      )
    }) as [number, number]
    const first = Math.max(start, EARLIEST) / DAY_MS
    const last = end / DAY_MS
    const type = period['date_type'] ?? null
    if (type === 'last_modified_date') return ({ state }) => state.lastModified >= first && state.lastModified <= last
    if (type === 'date_signed' || type === 'new_awards_only') return ({ award }) => award.signed >= first && award.signed <= last
    // Without a type, and with action_date, the newest action is compared with the start and the signing with the end.
    if (type === null || type === 'action_date') return ({ award, state }) => state.lastModified >= first && award.signed <= last
    return refuse(
      422,
      "Field 'filters|time_period|date_type' is outside valid values ['action_date', 'date_signed', 'last_modified_date', 'new_awards_only']",
    )
  })
  return (shown) => tests.some((test) => test(shown))
}

function byAgency(value: JsonValue | undefined): Predicate {
  if (!Array.isArray(value)) return refuse(422, "Invalid value in 'filters|agencies'. It is not a valid type (array)")
  const wanted = value.map((entry) => {
    const agency = isJsonObject(entry) ? entry : {}
    return { name: String(agency['name'] ?? ''), toptier: agency['tier'] !== 'subtier' }
  })
  return ({ award }) =>
    wanted.some(({ name, toptier }) => name === (toptier ? AGENCIES[award.agency]!.toptier.name : award.sub.name))
}

/** An id in double quotes must be equal; anything else is taken apart into words, and long words match by their beginning. */
function numberTest(ids: readonly string[]): Predicate {
  const exact = new Set<string>()
  const words: string[] = []
  for (const id of ids) {
    if (id.length > 2 && id.startsWith('"') && id.endsWith('"')) exact.add(id.slice(1, -1))
    else
      words.push(
        ...id
          .toUpperCase()
          .split(/[^A-Z0-9]+/)
          .filter((word) => word !== ''),
      )
  }
  return ({ award }) =>
    exact.has(award.awardId) ||
    words.some((word) => award.awardId === word || (word.length >= 6 && award.awardId.startsWith(word)))
}

/** The awards that may match: by number when all ids are quoted, else all that the load shows. */
function candidates(world: World, filters: JsonObject, load: EpochMs): readonly Shown[] {
  const ids = filters['award_ids']
  if (
    Array.isArray(ids) &&
    ids.every((id) => typeof id === 'string' && id.length > 2 && id.startsWith('"') && id.endsWith('"'))
  ) {
    return [...new Set(ids as readonly string[])].flatMap((id) => world.usaspending.byAwardId(id.slice(1, -1), load))
  }
  return world.usaspending.visible(load)
}

function matching(world: World, { filters }: SearchRequest, load: EpochMs): readonly Shown[] {
  const codes = new Set((filters['award_type_codes'] as readonly JsonValue[]).map(String))
  const tests: Predicate[] = [({ award }) => codes.has(award.typeCode)]
  for (const [key, value] of Object.entries(filters)) {
    if (UNSERVED_FILTERS.has(key))
      throw new Refused(501, { sandbox: 'not_implemented', message: `The sandbox does not model the filter ${key}.` })
    if (key === 'award_ids') tests.push(numberTest(texts(value, key)))
    if (key === 'time_period') tests.push(inPeriods(value))
    if (key === 'agencies') tests.push(byAgency(value))
    if (key === 'keywords')
      tests.push(
        (
          (wanted) =>
          ({ award, state }) =>
            wanted.some(
              (word) => state.description.includes(word) || award.awardId === word || award.recipient.name.includes(word),
            )
        )(texts(value, key).map((word) => word.toUpperCase())),
      )
    if (key === 'recipient_search_text')
      tests.push(
        (
          (wanted) =>
          ({ award }) =>
            wanted.some((word) => award.recipient.uei === word || award.recipient.name.includes(word))
        )(texts(value, key).map((word) => word.toUpperCase())),
      )
  }
  return candidates(world, filters, load).filter((shown) => tests.every((test) => test(shown)))
}

type Key = string | number | null

function compareKeys(a: Key, b: Key): number {
  if (a === b) return 0
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a) < String(b) ? -1 : 1
}

export type Ranked = { readonly shown: Shown; readonly key: Key }

/** All matches in the requested order, ties broken by the surrogate id, rows without a value last. */
export function rank(world: World, request: SearchRequest, load: EpochMs): readonly Ranked[] {
  const direction = request.descending ? -1 : 1
  return matching(world, request, load)
    .map((shown) => ({ shown, key: sortValue(request.sort, shown, load) }))
    .sort((a, b) => {
      if ((a.key === null) !== (b.key === null)) return a.key === null ? 1 : -1
      return direction * (compareKeys(a.key, b.key) || a.shown.award.surrogate - b.shown.award.surrogate)
    })
}

/** The cursor carries the value as Python writes it: whole amounts with `.0`, dates as whole milliseconds. */
function keyText(key: Key, sort: string): string {
  if (key === null) return 'None'
  return typeof key === 'number' && Number.isInteger(key) && !sort.endsWith('Date') ? `${key}.0` : String(key)
}

/** First row behind the cursor. The list is sorted the same way, so this is a binary search. */
function positionAfter(ranked: readonly Ranked[], request: SearchRequest): number {
  const { value, id } = request.after!
  const numeric = typeof ranked.find(({ key }) => key !== null)?.key === 'number'
  const wanted: Key = numeric ? Number(value) : value
  if (numeric && Number.isNaN(wanted)) return refuse(500, `failed to parse search_after value [${value}]`)
  const direction = request.descending ? -1 : 1
  let low = 0
  let high = ranked.length
  while (low < high) {
    const middle = (low + high) >> 1
    const { key, shown } = ranked[middle]!
    const order =
      key === null
        ? value === 'None'
          ? direction * (shown.award.surrogate - id)
          : 1
        : direction * (compareKeys(key, wanted) || shown.award.surrogate - id)
    if (order <= 0) low = middle + 1
    else high = middle
  }
  return low
}

/** The page that the request asks for, as the provider's envelope. */
export function searchPage(ranked: readonly Ranked[], request: SearchRequest, load: EpochMs): JsonObject {
  const { limit, page, fields } = request
  const from = request.after === null ? (page - 1) * limit : positionAfter(ranked, request)
  const rows = ranked.slice(from, from + limit)
  const hasNext = from + limit < ranked.length
  const last = hasNext ? rows[rows.length - 1]! : null
  const unknown = Object.keys(request.filters).filter((key) => !SERVED_FILTERS.has(key))
  return {
    spending_level: 'awards',
    limit,
    results: rows.map(({ shown }) => searchRow(shown, fields, load)),
    page_metadata: {
      page,
      hasNext,
      last_record_unique_id: last?.shown.award.surrogate ?? null,
      last_record_sort_value: last === null ? 'None' : keyText(last.key, request.sort),
    },
    messages:
      unknown.length === 0
        ? [DATE_NOTE]
        : [
            DATE_NOTE,
            `The following filters from the request were not used: {${unknown.map((key) => `'${key}'`).join(', ')}}. See https://api.usaspending.gov/docs/endpoints for a list of appropriate filters`,
          ],
  }
}
