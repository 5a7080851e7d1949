/**
 * Companies -> the names under which they apply for patents, and the applications that come to light on the way. The Office knows
 * applicants by name alone: no UEI, no id, and anybody may spell it as they like.
 */
import type { Entity } from '../../model/entity.ts'
import type { JsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { AdapterContext, Candidate, Discovered, ResolveCapability, Target } from '../adapter.ts'
import { calendarDate } from '../shared/dates.ts'
import { attributeText, refOf } from '../shared/entity.ts'
import { memberAt, textAt } from '../shared/json.ts'
import { companyNameKey, companyNameSimilarity } from '../shared/names.ts'
import { applicantNames, applicantStates } from './record.ts'
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
]

function wordsOf(entity: Entity): readonly string[] {
  const key = companyNameKey(attributeText(entity, 'name') ?? '')
  // Letters and digits only: everything else has a meaning in the query language.
  return key.split(' ').filter((word) => /^[A-Z0-9]{2,}$/.test(word) && !['AND', 'OR', 'NOT', 'TO'].includes(word))
}

function page(entity: Entity, offset: number): RequestSpec {
  const words = wordsOf(entity).slice(0, 8)
  return searchRequest({
    label: 'applicants.search',
    q: `applicationMetaData.applicantBag.applicantNameText:(${words.join(' AND ')})`,
    fields: FIELDS,
    offset,
    limit: PAGE,
  })
}

/** A stable key for an applicant: the name without its form, and the state where it says one. */
type Applicant = { readonly key: string; readonly state: string | null; readonly names: Set<string>; readonly rows: JsonObject[] }

function keyOf({ key, state }: Applicant): string {
  return state === null ? key : `${key}|${state}`
}

function applicantsIn(rows: readonly JsonObject[], name: string): readonly Applicant[] {
  const found = new Map<string, Applicant>()
  for (const row of rows) {
    const states = applicantStates(row)
    for (const applicant of applicantNames(row)) {
      const key = companyNameKey(applicant)
      if (key === '' || companyNameSimilarity(applicant, name) < ALIKE) continue
      const state = states.length === 1 ? states[0]! : null
      const id = `${key}|${state ?? ''}`
      const known = found.get(id) ?? { key, state, names: new Set<string>(), rows: [] }
      known.names.add(applicant)
      if (known.rows.at(-1) !== row) known.rows.push(row)
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
  const method = `${isExact ? 'exact_name' : 'similar_name'}${place === 'same' ? '+state' : ''}`
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

export const applicants: ResolveCapability = {
  entityKinds: ['company'],
  version: 1,
  cohort: 'applicant_batch',
  unresolvable: (entity) => (wordsOf(entity).length === 0 ? 'no name that can be searched for' : null),
  request(views: readonly ResponseView[], { entity }: Target, _context: AdapterContext) {
    const last = views.at(-1)
    if (last === undefined) return page(entity, 0)
    const { rows, total } = searchPage(last)
    const offset = views.length * PAGE
    return rows.length === 0 || offset >= total || views.length >= MAX_PAGES ? null : page(entity, offset)
  },
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
      },
    }))
    // Computed or decided by a person: what the engine hands in as the key is known to be ours.
    const isOurs = (key: string): boolean => target.providerKey === key
    const sure = found.filter(({ applicant, confidence }) => confidence >= DISCOVER_FROM || isOurs(keyOf(applicant)))
    const patents = sure.flatMap(({ applicant }) => applicant.rows.map((row) => patentOf(row, target)))
    const byKey = new Map(patents.filter((patent) => patent !== null).map((patent) => [patent.key, patent]))
    return { candidates, discovered: [...byKey.values()] }
  },
}
