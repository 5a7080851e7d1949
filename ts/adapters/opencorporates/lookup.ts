/** A company, its officers, the statements of who controls it: one call for the first, one a page for the others, as far as they are wanted. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { Answer, LookupCapability, Target } from '../adapter.ts'
import { refOf } from '../shared/entity.ts'
import { countOf, memberAt, requireObject, requireObjects, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { isWithoutList, LABELS, placeOfLocation } from './classify.ts'
import { type CompanyKey, companyKeyText, companyPath, isSameCompany, readCompanyKey } from './ids.ts'
import { recordOfCompany, recordOfOfficers, recordOfOwners, unwrapped } from './record.ts'

const PER_PAGE = 100
export const DEFAULT_MAX_PAGES = 3
/** As sure as the best match by name: it was sure enough to be asked for under the old number. */
const RENUMBERED = 0.96
const LISTS = [
  { option: 'officers', wrapper: 'officer' },
  { option: 'statements', wrapper: 'statement' },
] as const
type ListName = (typeof LISTS)[number]['option']
type Options = { readonly [name: string]: JsonValue }

/** `sparse` leaves out officers and filings: these come page by page, those are not wanted. */
function companyRequest(key: CompanyKey): RequestSpec {
  return { method: 'GET', path: companyPath(key), query: [['sparse', 'true']], label: LABELS.company }
}

function listRequest(key: CompanyKey, list: ListName, page: number): RequestSpec {
  const query = [['per_page', String(PER_PAGE)] as const, ['page', String(page)] as const]
  return { method: 'GET', path: `${companyPath(key)}/${list}`, query, label: LABELS[list] }
}

/** A key that is none can only have been set by hand. It is asked for harmlessly, and the answer says what is wrong. */
function unusable(target: Target): RequestSpec {
  const plain = (target.providerKey ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .slice(0, 40)
  return companyRequest({ jurisdiction: 'us', number: plain === '' ? 'none' : plain })
}

/** The counters are inside `results`, not beside it. */
function pagesOf(view: ResponseView): number {
  return isWithoutList(view) ? 0 : (countOf(memberAt(view.json, 'results', 'total_pages')) ?? 1)
}

function companyIn(view: ResponseView, key: CompanyKey): JsonObject {
  const body = memberAt(requireObject(view, 'the answer about a company'), 'results', 'company') ?? null
  const [company] = requireObjects([body], 'results.company')
  const given = `${textAt(company, 'jurisdiction_code') ?? ''}/${textAt(company, 'company_number') ?? ''}`
  const answered = readCompanyKey(given)
  if (answered === null || !isSameCompany(answered, key))
    throw new MalformedAnswer(`asked about ${companyKeyText(key)}, OpenCorporates answered with ${given}`)
  return company!
}

type Walk = {
  readonly next: RequestSpec | null
  readonly key: CompanyKey
  /** Null: there is none, or it leads in a circle. */
  readonly company: JsonObject | null
  readonly circles: boolean
  readonly pages: Readonly<Record<ListName, readonly ResponseView[]>>
}

/** Which answer is which, and what is to be asked next. Throws `MalformedAnswer` for another company. */
function walk(views: readonly ResponseView[], asked: CompanyKey, options: Options): Walk {
  const pages: Record<ListName, ResponseView[]> = { officers: [], statements: [] }
  const moved = placeOfLocation(views[0]!)
  const key = moved ?? asked
  const end = (next: RequestSpec | null, company: JsonObject | null = null, circles = false): Walk => ({
    next,
    key,
    company,
    circles,
    pages,
  })
  if (moved !== null && isSameCompany(moved, asked)) return end(null, null, true)
  let at = moved === null ? 0 : 1
  const first = views[at]
  if (first === undefined) return end(companyRequest(key))
  if (placeOfLocation(first) !== null) return end(null, null, true)
  if (first.status === 404) return end(null)
  const company = companyIn(first, key)
  const most = typeof options['max_pages'] === 'number' ? options['max_pages'] : DEFAULT_MAX_PAGES
  for (const { option } of LISTS) {
    if (options[option] !== true) continue
    for (let page = 1; page <= most; page += 1) {
      at += 1
      const view = views[at]
      if (view === undefined) return end(listRequest(key, option, page), company)
      pages[option].push(view)
      if (page >= pagesOf(view)) break
    }
  }
  return end(null, company)
}

/** Null when it was not asked for, or the provider has no such list. */
function rowsOf(views: readonly ResponseView[], list: ListName, wrapper: string): readonly JsonObject[] | null {
  const [first] = views
  if (first === undefined || isWithoutList(first)) return null
  return views
    .filter((view) => !isWithoutList(view))
    .flatMap((view) => unwrapped(memberAt(requireObject(view, `the ${list}`), 'results', list), wrapper))
}

export const lookup: LookupCapability = {
  request(target) {
    const key = readCompanyKey(target.providerKey)
    return key === null ? unusable(target) : companyRequest(key)
  },
  more(views, target, { options }) {
    const key = readCompanyKey(target.providerKey)
    return key === null ? null : walk(views, key, options).next
  },
  parse(view, target, { options }, earlier = []): Answer {
    const entity = refOf(target.entity)
    const asked = readCompanyKey(target.providerKey)
    if (asked === null) {
      const reason = `"${(target.providerKey ?? '').slice(0, 80)}" is no key of OpenCorporates; they look like us_ca/C3268102`
      return { kind: 'skipped', entity, reason }
    }
    const { key, company, circles, pages } = walk([...earlier, view], asked, options)
    if (circles) return { kind: 'skipped', entity, reason: `${companyKeyText(asked)} is redirected in a circle` }
    if (company === null) return { kind: 'absent', entity, reason: `OpenCorporates has no company ${companyKeyText(key)}` }
    const officers = rowsOf(pages.officers, 'officers', 'officer')
    const statements = rowsOf(pages.statements, 'statements', 'statement')
    const complete = (views_: readonly ResponseView[]): boolean | null =>
      views_[0] === undefined || isWithoutList(views_[0]) ? null : pagesOf(views_[0]) <= views_.length
    const record = {
      ...recordOfCompany(company),
      officers: officers === null ? null : recordOfOfficers(officers),
      officers_complete: complete(pages.officers),
      owners: statements === null ? null : recordOfOwners(statements),
      owners_complete: complete(pages.statements),
    }
    if (companyKeyText(key) === companyKeyText(asked)) return { kind: 'record', entity, record }
    // The register itself says that it is the same company: it is asked for under the new number from now on.
    const evidence = { renumbered_from: companyKeyText(asked), name: textAt(company, 'name') }
    const identity = { providerKey: companyKeyText(key), method: 'renumbered', confidence: RENUMBERED, evidence }
    return { kind: 'record', entity, record, identity }
  },
}
