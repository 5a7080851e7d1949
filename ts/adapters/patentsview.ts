/**
 * PatentsView's PatentSearch API, which its provider switched off on 2026-03-20. Kept for whoever has data of its time, and for the day
 * it comes back; patents are at `uspto_odp` now. `docs/adapters/patentsview.md`.
 */
import { z } from 'zod'
import type { Entity } from '../model/entity.ts'
import type { JsonObject } from '../model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../model/response.ts'
import { parseUtcDate } from '../model/time.ts'
import type { Answer, SourceAdapter, Target } from './adapter.ts'
import { classified, classifyByStatus, explanation } from './shared/classify.ts'
import { badCursor, readCursor, writeCursor } from './shared/cursor.ts'
import { calendarDate } from './shared/dates.ts'
import { attributeText, refOf } from './shared/entity.ts'
import { countOf, listOf, memberAt, requireObject, requireObjects, textAt } from './shared/json.ts'
import { MalformedAnswer } from './shared/malformed.ts'
import { clipText } from './shared/text.ts'

const RETIRED = 'PatentsView was switched off on 2026-03-20; patents are at uspto_odp now'
const PAGE = 100
const FIELDS = [
  'patent_id',
  'patent_title',
  'patent_date',
  'patent_type',
  'withdrawn',
  'application.filing_date',
  'assignees.assignee_organization',
  'assignees.assignee_city',
  'assignees.assignee_state',
  'assignees.assignee_country',
  'inventors.inventor_name_first',
  'inventors.inventor_name_last',
  'cpc_current.cpc_group_id',
  'gov_interest_contract_award_numbers',
]

/** `US 11,646,472 B2` -> `11646472`; design patents keep their `D`. Null when it is no patent number. */
function patentNumber(text: string | null): string | null {
  const number = (text ?? '')
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '')
    .replace(/^US/, '')
    .replace(/[BSEP]\d$/, '')
  return /^(?:D|RE|PP|H|T)?\d{4,8}$/.test(number) ? number : null
}

function numberOf(target: Target): string {
  return patentNumber(target.providerKey) ?? patentNumber(attributeText(target.entity, 'patent_number')) ?? ''
}

/** Sorted by the only unique key: pages by date lose rows. */
function searchRequest(label: string, numbers: readonly string[], after: string | null, fields = FIELDS): RequestSpec {
  const json = {
    q: { patent_id: [...numbers] },
    f: [...fields],
    s: [{ patent_id: 'asc' }],
    o: { size: PAGE, ...(after === null ? {} : { after }) },
  }
  return { method: 'POST', path: '/api/v1/patent/', json, label }
}

function names(row: JsonObject, list: string, ...members: readonly string[]): string[] {
  const found = listOf(row[list]).map((item) =>
    members
      .map((member) => textAt(item, member))
      .filter((part) => part !== null)
      .join(' '),
  )
  return [...new Set(found.filter((name) => name !== ''))].sort()
}

/** Ids of assignees and inventors are left out: they are clustered anew with every load. */
export function recordOfPatent(row: JsonObject): JsonObject {
  const cpc = listOf(row['cpc_current']).map((group) => textAt(group, 'cpc_group_id'))
  return {
    patent_id: textAt(row, 'patent_id'),
    title: textAt(row, 'patent_title'),
    date: calendarDate(memberAt(row, 'patent_date')),
    type: textAt(row, 'patent_type'),
    withdrawn: memberAt(row, 'withdrawn') === true,
    filing_date: calendarDate(memberAt(listOf(row['application'])[0], 'filing_date')),
    assignees: names(row, 'assignees', 'assignee_organization'),
    inventors: names(row, 'inventors', 'inventor_name_first', 'inventor_name_last'),
    cpc: [...new Set(cpc.filter((id) => id !== null))].sort(),
    government_awards: listOf(row['gov_interest_contract_award_numbers'])
      .filter((item) => typeof item === 'string')
      .sort(),
  }
}

type Place = { readonly after: string; readonly answered: readonly string[] }

function placeOf(cursor: string | null): Place | null {
  if (cursor === null) return null
  const { after, answered } = readCursor(cursor)
  const list = listOf(answered)
  if (typeof after !== 'string' || after === '' || list.some((number) => typeof number !== 'string')) throw badCursor(cursor)
  return { after, answered: list as readonly string[] }
}

function answerOf(target: Target, row: JsonObject): Answer {
  const number = numberOf(target)
  const entity = refOf(target.entity)
  const record = recordOfPatent(row)
  if (target.providerKey === number) return { kind: 'record', entity, record }
  return {
    kind: 'record',
    entity,
    record,
    identity: { providerKey: number, method: 'patent_number', confidence: 1, evidence: {} },
  }
}

function parse(view: ResponseView, targets: readonly Target[], cursor: string | null) {
  const place = placeOf(cursor)
  const body = requireObject(view, 'the patents answer')
  const total = countOf(body['total_hits'])
  if (total === null) throw new MalformedAnswer('the patents answer has no total_hits')
  const rows = requireObjects(listOf(body['patents']), 'patents')
  const asked = Map.groupBy(targets, numberOf)
  const numbers = rows.map((row) => patentNumber(textAt(row, 'patent_id')) ?? '')
  if (total > asked.size || numbers.some((number) => !asked.has(number)))
    throw new MalformedAnswer(`asked about ${asked.size} patents, ${total} matched; was the query ignored?`)
  if (place !== null && numbers.some((number) => place.answered.includes(number)))
    throw new MalformedAnswer('a patent came on two pages')
  const answers = rows.flatMap((row, index) => asked.get(numbers[index]!)!.map((target) => answerOf(target, row)))
  const answered = [...(place?.answered ?? []), ...numbers]
  // The end of the pages is a short one; the sort value of the last row leads to the next.
  const last = textAt(rows.at(-1), 'patent_id')
  const next = rows.length === PAGE && last !== null && answered.length < total ? writeCursor({ after: last, answered }) : null
  return { answers, next }
}

/** Never throws. The reason of a 400 is in a header alone, and what is left of the hosts redirects to a page about the move. */
function classify(view: ResponseView): Classified {
  const { status } = view
  if (status >= 300 && status < 400 && /uspto\.gov/.test(view.headers['location'] ?? ''))
    return classified('source_down', RETIRED)
  const reason = view.headers['x-status-reason']
  if (status === 400 && reason !== undefined) return classified('invalid_request', `HTTP 400: ${clipText(reason)}`)
  if (status >= 500)
    return classified('transient', reason === undefined ? explanation(view) : `HTTP ${status}: ${clipText(reason)}`)
  // A search without a hit is an empty list: this is about the path, never about a patent.
  if (status === 404) return classified('invalid_request', explanation(view))
  const usual = classifyByStatus(view)
  if (usual.class !== 'ok') return usual
  if (memberAt(view.json, 'error') === true) return classified('invalid_request', 'HTTP 200 with error: true')
  const total = countOf(memberAt(view.json, 'total_hits'))
  return total === 0 ? classified('empty', 'no patent matches') : usual
}

function grantedOn(entity: Entity): string | null {
  return attributeText(entity, 'grant_date')
}

export const patentsview: SourceAdapter = {
  id: 'patentsview',
  title: 'PatentsView PatentSearch (switched off on 2026-03-20; patents are at uspto_odp)',
  docs: 'https://data.uspto.gov/support/transition-guide/patentsview',
  entityKinds: ['patent'],
  normalizerVersion: 1,
  credentials: [{ name: 'api_key', placement: { in: 'header', name: 'X-Api-Key' }, required: true }],
  options: z.strictObject({}),

  cohort: {
    numbered: false,
    name: (entity) => `grant_month_${/^(\d{4}-\d{2})-\d{2}$/.exec(grantedOn(entity) ?? '')?.[1] ?? 'unknown'}`,
    date: (entity) => parseUtcDate(grantedOn(entity) ?? ''),
  },
  providerKeyProblem: (key) =>
    patentNumber(key) === key ? null : 'a key of PatentsView is a patent number without country, commas and kind: 11646472',
  unresolvable: (entity) => (patentNumber(attributeText(entity, 'patent_number')) === null ? 'no patent number' : null),

  batch: {
    maxSize: 500,
    groups: () => ['patents'],
    request: (targets, _group, cursor) =>
      searchRequest('patents.batch', [...new Set(targets.map(numberOf))], placeOf(cursor)?.after ?? null),
    parse: (view, targets, _group, cursor) => parse(view, targets, cursor),
  },
  probe: () => searchRequest('patents.probe', ['10000000'], null, ['patent_id']),
  classify,
  hostGone: RETIRED,

  volatile: [],
  arrayKeys: {},
  unordered: ['$.assignees', '$.inventors', '$.cpc', '$.government_awards'],
}
