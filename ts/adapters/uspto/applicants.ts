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
import { companyNameKey, companyNameSimilarity } from '../shared/names.ts'
import { type Party, parties } from './record.ts'
import { numberOfRow, searchPage, searchRequest } from './search.ts'

const PAGE = 100
/** A name with more applications than this is that of a giant, or of many. */
const MAX_PAGES = 10
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
  return companyNameKey(attributeText(entity, 'name') ?? '')
}

function page(name: string, offset: number): RequestSpec {
  const words = wordsOf(name).slice(0, 8)
  return searchRequest({
    label: 'applicants.search',
    q: NAMED_AS.map((field) => `${field}:(${words.join(' AND ')})`).join(' OR '),
    fields: FIELDS,
    offset,
    limit: PAGE,
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

/** The next page of a name's applications, given those there are; null after the last one. */
function nextPage(views: readonly ResponseView[], name: string): RequestSpec | null {
  const last = views.at(-1)
  if (last === undefined) return page(name, 0)
  const { rows, total } = searchPage(last)
  const offset = views.length * PAGE
  return rows.length === 0 || offset >= total || views.length >= MAX_PAGES ? null : page(name, offset)
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
function confidenceOf(applicant: Applicant, target: Target): { readonly method: string; readonly confidence: number } {
  const name = attributeText(target.entity, 'name') ?? ''
  const home = attributeText(target.entity, 'state')
  const isExact = applicant.key === companyNameKey(name)
  const alike = isExact ? 1 : Math.max(...[...applicant.names].map((spelled) => companyNameSimilarity(spelled, name)))
  const place = applicant.state === null || home === null ? 'unknown' : applicant.state === home ? 'same' : 'other'
  const factor = place === 'same' ? 0.95 : place === 'unknown' ? 0.82 : 0.6
  const likeness = isExact ? 'exact_name' : 'similar_name'
  const method = `${applicant.applied === 0 ? 'assignee_' : ''}${likeness}${place === 'same' ? '+state' : ''}`
  return { method, confidence: Math.round(alike * (isExact ? 1 : 0.95) * factor * 1000) / 1000 }
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

function allRows(views: readonly ResponseView[]): readonly JsonObject[] {
  return views.flatMap((view) => searchPage(view).rows)
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
  version: 2,
  cohort: 'applicant_batch',
  dependsOn: { sbir_gov: ['$.name', '$.state'] },
  unresolvable: (entity) => (wordsOf(nameOf(entity)).length === 0 ? 'no name that can be searched for' : null),
  request: (views: readonly ResponseView[], { entity }: Target, _context: AdapterContext) => nextPage(views, nameOf(entity)),
  parse(views, target) {
    const name = attributeText(target.entity, 'name') ?? ''
    const found = applicantsIn(allRows(views), name).map((applicant) => ({ applicant, ...confidenceOf(applicant, target) }))
    if (found.length === 0) return { candidates: [], reason: 'the Office knows no applicant of that name' }
    const candidates: Candidate[] = found.map(({ applicant, method, confidence }) => ({
      providerKey: keyOf(applicant),
      method,
      confidence,
      evidence: {
        names: [...applicant.names].sort().slice(0, 5),
        state: applicant.state,
        applications: applicant.rows.length,
        as_applicant: applicant.applied,
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
    discovered: (views, target) => patentsOf(rowsOfApplicant(allRows(views), target.providerKey ?? ''), target),
  },
}
