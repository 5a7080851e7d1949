/** Companies -> their entries in registers: by name, in the register of the state and in Delaware's, where many are founded. */
import type { RequestSpec } from '../../model/response.ts'
import type { ResolveCapability, Target } from '../adapter.ts'
import { attributeText } from '../shared/entity.ts'
import { countOf, memberAt, requireObject, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { companyNameKey } from '../shared/names.ts'
import { LABELS } from './classify.ts'
import { jurisdictionOf, readCompanyKey, USUAL_HOME } from './ids.ts'
import { likelyCompanies, type RegisterEntry } from './likeness.ts'
import { unwrapped } from './record.ts'

const PER_PAGE = 100
const MAX_QUERY = 120

/** Words alone: nearly every other character means something in their query language. */
function queryOf(name: string): string {
  return companyNameKey(name.replace(/[^\p{L}\p{N}]+/gu, ' ').trim())
    .slice(0, MAX_QUERY)
    .trim()
}

function registersOf(target: Target): readonly string[] {
  const home = jurisdictionOf(target.entity)
  return [...new Set([home ?? USUAL_HOME, USUAL_HOME])]
}

function request(target: Target): RequestSpec {
  return {
    method: 'GET',
    path: '/v0.4/companies/search',
    query: [
      ['q', queryOf(attributeText(target.entity, 'name') ?? '')],
      ['jurisdiction_code', registersOf(target).join('|')],
      ['order', 'score'],
      ['per_page', String(PER_PAGE)],
      ['page', '1'],
    ],
    label: LABELS.search,
  }
}

export const resolve: ResolveCapability = {
  entityKinds: ['company'],
  version: 1,
  cohort: 'name_batch',
  dependsOn: { sbir_gov: ['$.name', '$.city', '$.state', '$.zip'] },
  unresolvable(entity) {
    const name = attributeText(entity, 'name')
    if (name === null) return 'no name'
    if (queryOf(name).replaceAll(' ', '').length < 2) return 'its name is too short to be searched for'
    return jurisdictionOf(entity) === null ? 'no state whose register OpenCorporates has' : null
  },
  request: (views, target) => (views.length === 0 ? request(target) : null),
  parse(views, target) {
    const results = memberAt(requireObject(views[0]!, 'the answer of the search'), 'results')
    const rows = unwrapped(memberAt(results, 'companies'), 'company')
    const asked = registersOf(target)
    const entries = rows.flatMap((company): readonly RegisterEntry[] => {
      const jurisdiction = textAt(company, 'jurisdiction_code') ?? ''
      if (!asked.includes(jurisdiction))
        throw new MalformedAnswer(`the answer is about other jurisdictions (${jurisdiction}) than ${asked.join(', ')}`)
      const key = readCompanyKey(`${jurisdiction}/${textAt(company, 'company_number') ?? ''}`)
      return key === null ? [] : [{ key, company }]
    })
    // Counters are inside `results`; what is behind the first page fits worse.
    const unread = Math.max(0, (countOf(memberAt(results, 'total_count')) ?? rows.length) - rows.length)
    const home = jurisdictionOf(target.entity) ?? USUAL_HOME
    const unique = [...new Map(entries.map((entry) => [`${entry.key.jurisdiction}/${entry.key.number}`, entry])).values()]
    const candidates = likelyCompanies(target.entity, home, unique, unread)
    return candidates.length > 0 ? { candidates } : { candidates, reason: `no entry of that name in ${asked.join(' or ')}` }
  },
}
