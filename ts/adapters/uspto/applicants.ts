/**
 * Companies -> the names under which they apply for patents or have them assigned, and the applications that come to light on the way.
 * The Office knows both by name alone: no UEI, no id, and anybody may spell it as they like.
 */
import type { Entity } from '../../model/entity.ts'
import type { JsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { AdapterContext, Candidate, Discovered, ResolveCapability, Target } from '../adapter.ts'
import { calendarDate } from '../shared/dates.ts'
import { attributeText, refOf } from '../shared/entity.ts'
import { memberAt, textAt } from '../shared/json.ts'
import { companyNameKey, companyNameSimilarity, companySearchName } from '../shared/names.ts'
import { type Party, parties } from './record.ts'
import { APPLICANTS_LABEL, isTooLarge, numberOfRow, searchPage, searchRequest } from './search.ts'

const PAGE = 100
/** A name with more applications than this is that of a giant, or of many: the newest are read. */
const MAX_ROWS = 1_000
/** Questions about one name, those included whose answer was too large. */
const MAX_QUESTIONS = 20
/** Applications that were not read may have shown other applicants of the name, or more of the same. */
const UNREAD = 0.97
/** Below it a name has nothing to do with ours. */
const ALIKE = 0.8
/** Applications are taken over from an applicant who is surely ours; for others a person has to decide first. */
const DISCOVER_FROM = 0.85

const FIELDS = [
  'applicationNumberText',
  'applicationMetaData.inventionTitle',
  'applicationMetaData.patentNumber',
  'applicationMetaData.filingDate',
  'applicationMetaData.grantDate',
  'applicationMetaData.firstApplicantName',
  'applicationMetaData.applicantBag',
  'assignmentBag',
]
const NAMED_AS = ['applicationMetaData.applicantBag.applicantNameText', 'assignmentBag.assigneeBag.assigneeNameText'] as const

/** Letters and digits only: everything else has a meaning in the query language. */
function wordsOf(key: string): readonly string[] {
  return key.split(' ').filter((word) => /^[A-Z0-9]{2,}$/.test(word) && !['AND', 'OR', 'NOT', 'TO'].includes(word))
}

function nameOf(entity: Entity): string {
  return companySearchName(attributeText(entity, 'name') ?? '')
}

/** Newest first: where not all are read, those that came last are not missed. */
function page(name: string, offset: number, limit: number): RequestSpec {
  const words = wordsOf(name).slice(0, 8)
  return searchRequest({
    label: APPLICANTS_LABEL,
    q: NAMED_AS.map((field) => `${field}:(${words.join(' AND ')})`).join(' OR '),
    fields: FIELDS,
    sort: { field: 'applicationMetaData.filingDate', order: 'desc' },
    offset,
    limit,
  })
}

/** A stable key for an applicant: the name without its form, and the state where it says one. */
type Applicant = {
  readonly key: string
  readonly state: string | null
  readonly names: Set<string>
  readonly rows: JsonObject[]
  /** Rows in which it is among the applicants; in the others the application was assigned to it. */
  applied: number
}

function keyOf({ key, state }: Applicant): string {
  return state === null ? key : `${key}|${state}`
}

/** Longer ones are no names of companies. */
const MAX_KEY_CHARS = 200

/**
 * `ACME ROBOTICS|MA`: what that name applied for from that state; `ACME ROBOTICS`: from wherever. Null when it is none: the name must
 * be in the form in which names are compared, with a word that can be searched for.
 */
export function readApplicantKey(text: string): { readonly name: string; readonly state: string | null } | null {
  if (text.length > MAX_KEY_CHARS) return null
  const [name = '', state = null, ...rest] = text.split('|')
  if (rest.length > 0 || companyNameKey(name) !== name || wordsOf(name).length === 0) return null
  return state === null || /^[A-Z0-9][A-Z0-9 -]{0,39}$/i.test(state) ? { name, state } : null
}

/** The next page of a name's applications, given those there are; null after the last one. Pages that were too large are asked for in halves. */
function nextPage(views: readonly ResponseView[], name: string): RequestSpec | null {
  let [offset, limit] = [0, PAGE]
  for (const view of views) {
    if (isTooLarge(view)) limit = Math.max(1, Math.floor(limit / 2))
    else {
      const { rows, total } = searchPage(view)
      offset += limit
      if (rows.length === 0 || offset >= total) return null
    }
  }
  return offset >= MAX_ROWS || views.length >= MAX_QUESTIONS ? null : page(name, offset, limit)
}

/** With the key of each name. An assignee without an address is the applicant of that name, where there is one. */
function partiesIn(row: JsonObject): readonly (Party & { readonly key: string })[] {
  const all = parties(row).map((party) => ({ ...party, key: companyNameKey(party.name) }))
  return all.filter(
    ({ key, state, role }) =>
      role === 'applicant' || state !== null || !all.some((other) => other.key === key && other.state !== null),
  )
}

function applicantsIn(rows: readonly JsonObject[], name: string): readonly Applicant[] {
  const found = new Map<string, Applicant>()
  for (const row of rows) {
    for (const { key, state, name: spelled, role } of partiesIn(row)) {
      if (key === '' || companyNameSimilarity(spelled, name) < ALIKE) continue
      const id = `${key}|${state ?? ''}`
      const known = found.get(id) ?? { key, state, names: new Set<string>(), rows: [], applied: 0 }
      known.names.add(spelled)
      if (known.rows.at(-1) !== row) {
        known.rows.push(row)
        if (role === 'applicant') known.applied += 1
      }
      found.set(id, known)
    }
  }
  return [...found.values()]
}

/** The name decides, the state confirms it or makes it doubtful; a name is never enough to be sure. */
function confidenceOf(
  applicant: Applicant,
  target: Target,
  unread: number,
): { readonly method: string; readonly confidence: number } {
  const name = attributeText(target.entity, 'name') ?? ''
  const home = attributeText(target.entity, 'state')
  const isExact = applicant.key === companyNameKey(name)
  const alike = isExact ? 1 : Math.max(...[...applicant.names].map((spelled) => companyNameSimilarity(spelled, name)))
  const place = applicant.state === null || home === null ? 'unknown' : applicant.state === home ? 'same' : 'other'
  const factor = place === 'same' ? 0.95 : place === 'unknown' ? 0.82 : 0.6
  const likeness = isExact ? 'exact_name' : 'similar_name'
  const method = `${applicant.applied === 0 ? 'assignee_' : ''}${likeness}${place === 'same' ? '+state' : ''}`
  return { method, confidence: Math.round(alike * (isExact ? 1 : 0.95) * factor * (unread > 0 ? UNREAD : 1) * 1000) / 1000 }
}

function patentOf(row: JsonObject, target: Target): Discovered | null {
  const number = numberOfRow(row)
  if (number === '') return null
  const patent = textAt(row, 'applicationMetaData', 'patentNumber')
  const ref = { kind: 'patent' as const, key: `us_app:${number}` }
  return {
    ...ref,
    attributes: {
      application_number: number,
      patent_number: patent,
      title: textAt(row, 'applicationMetaData', 'inventionTitle'),
      filing_date: calendarDate(memberAt(row, 'applicationMetaData', 'filingDate')),
      grant_date: calendarDate(memberAt(row, 'applicationMetaData', 'grantDate')),
      company_key: target.entity.key,
    },
    aliases: patent === null ? [] : [`us_patent:${patent}`],
    links: [{ from: ref, kind: 'assigned_to', to: refOf(target.entity) }],
  }
}

type Found = {
  readonly rows: readonly JsonObject[]
  /** Applications that match and were not read: too many, or the list moved between two pages. */
  readonly unread: number
}

/** Each application once: a day's filings have no order, and may come again on the next page. */
function readRows(views: readonly ResponseView[]): Found {
  const pages = views.filter((view) => !isTooLarge(view)).map(searchPage)
  const rows = new Map(pages.flatMap((one) => one.rows).map((row, at) => [numberOfRow(row) || `row ${at}`, row]))
  return { rows: [...rows.values()], unread: Math.max(0, ...pages.map(({ total }) => total - rows.size)) }
}

function patentsOf(rows: readonly JsonObject[], target: Target): readonly Discovered[] {
  const patents = rows.map((row) => patentOf(row, target)).filter((patent) => patent !== null)
  return [...new Map(patents.map((patent) => [patent.key, patent])).values()]
}

function rowsOfApplicant(rows: readonly JsonObject[], providerKey: string): readonly JsonObject[] {
  const key = readApplicantKey(providerKey)
  if (key === null) return []
  return rows.filter((row) =>
    partiesIn(row).some((party) => party.key === key.name && (key.state === null || party.state === key.state)),
  )
}

export const applicants: ResolveCapability = {
  entityKinds: ['company'],
  version: 3,
  cohort: 'applicant_batch',
  dependsOn: { sbir_gov: ['$.name', '$.state'] },
  unresolvable: (entity) => (wordsOf(nameOf(entity)).length === 0 ? 'no name that can be searched for' : null),
  request: (views: readonly ResponseView[], { entity }: Target, _context: AdapterContext) => nextPage(views, nameOf(entity)),
  parse(views, target) {
    const name = attributeText(target.entity, 'name') ?? ''
    const { rows, unread } = readRows(views)
    const found = applicantsIn(rows, name).map((applicant) => ({ applicant, ...confidenceOf(applicant, target, unread) }))
    if (found.length === 0) {
      const among = unread === 0 ? '' : ` among the newest ${rows.length} of ${rows.length + unread} applications with its words`
      return { candidates: [], reason: `the Office knows no applicant of that name${among}` }
    }
    const candidates: Candidate[] = found.map(({ applicant, method, confidence }) => ({
      providerKey: keyOf(applicant),
      method,
      confidence,
      evidence: {
        names: [...applicant.names].sort().slice(0, 5),
        state: applicant.state,
        applications: applicant.rows.length,
        as_applicant: applicant.applied,
        unread,
      },
    }))
    // Computed or decided by a person: what the engine hands in as the key is known to be ours.
    const isOurs = (key: string): boolean => target.providerKey === key
    const sure = found.filter(({ applicant, confidence }) => confidence >= DISCOVER_FROM || isOurs(keyOf(applicant)))
    return {
      candidates,
      discovered: patentsOf(
        sure.flatMap(({ applicant }) => applicant.rows),
        target,
      ),
    }
  },
  // Asked by the name that was decided, which may be quite another than the company's.
  ofDecided: {
    request: (views, { providerKey }) => {
      const key = readApplicantKey(providerKey ?? '')
      return key === null ? null : nextPage(views, key.name)
    },
    discovered: (views, target) => patentsOf(rowsOfApplicant(readRows(views).rows, target.providerKey ?? ''), target),
  },
}
