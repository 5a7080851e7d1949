/** What the answers mean. A spent quota is a 429, or a 403 that says so; HTML is what a blocked address gets, under whatever status. */
import type { Classified, RequestSpec, ResponseView } from '../../model/response.ts'
import type { EpochMs } from '../../model/time.ts'
import { classified, classifyByStatus, explanation, retryAfter } from '../shared/classify.ts'
import { nextUtcMidnight } from '../shared/dates.ts'
import { countOf, memberAt } from '../shared/json.ts'
import { type CompanyKey, readCompanyKey } from './ids.ts'

export const LABELS = {
  search: 'companies.search',
  company: 'company.lookup',
  officers: 'company.officers',
  statements: 'company.statements',
  account: 'account.status',
} as const

/** Where each answer has what it is about, inside `results`. */
const HOLDS: Readonly<Record<string, string>> = {
  [LABELS.search]: 'companies',
  [LABELS.company]: 'company',
  [LABELS.officers]: 'officers',
  [LABELS.statements]: 'statements',
  [LABELS.account]: 'account_status',
}

function nextUtcMonth(at: EpochMs): EpochMs {
  const date = new Date(at)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
}

/** Until the provider says, else until the counter that is meant starts again; without a word it is the day's. */
function spent(view: ResponseView, reason: string): Classified {
  const reset = /month/i.test(reason) ? nextUtcMonth(view.receivedAt) : nextUtcMidnight(view.receivedAt)
  return classified('quota_exhausted', reason, retryAfter(view) ?? reset)
}

/** The account says what is left of the month; the day's counter is found out by itself. */
function accountOf(view: ResponseView): Classified {
  const left = memberAt(view.json, 'results', 'account_status', 'calls_remaining')
  if (countOf(memberAt(left, 'this_month')) === 0) return spent(view, 'no calls are left this month')
  return countOf(memberAt(left, 'today')) === 0
    ? spent(view, 'no calls are left today')
    : classified('ok', 'the account is known')
}

/** Where a company is that has another number now; null when the answer does not say so. */
export function placeOfLocation({ status, headers }: ResponseView): CompanyKey | null {
  const location = headers['location']
  if (status < 301 || status > 308 || status === 304 || location === undefined) return null
  const base = 'https://api.opencorporates.com'
  return URL.canParse(location, base) ? readCompanyKey(new URL(location, base).href) : null
}

function isList(label: string): boolean {
  return label === LABELS.officers || label === LABELS.statements
}

function ofPlan(reason: string): boolean {
  return /\bplan\b|subscri|upgrade|permission|not available/i.test(reason)
}

/** Whether a list is one that is not there, or not in the plan: the answer about it was taken for `not_found`. */
export function isWithoutList({ status }: ResponseView): boolean {
  return status === 404 || status === 403
}

/** Never throws. */
export function classifyOpencorporates(view: ResponseView, { label }: RequestSpec): Classified {
  const { status, json } = view
  if (json === undefined && (status === 403 || /higher than expected rate/i.test(view.text.slice(0, 5_000))))
    return classified(
      'source_down',
      'OpenCorporates has blocked this address; asking on makes it no better, write to them or wait',
    )
  const reason = explanation(view)
  if (status === 429) return spent(view, reason)
  if (status === 403) {
    // "Access is limited to …" is no limit that is reached.
    if (/\blimits?\b|quota|exceed/i.test(reason)) return spent(view, reason)
    // What the plan has not is missing from the record; the company itself is what every plan has.
    return isList(label) && ofPlan(reason) ? classified('not_found', reason) : classified('auth', reason)
  }
  // Registers renumber companies; the look-up goes on where the answer points.
  if (label === LABELS.company && placeOfLocation(view) !== null)
    return classified('not_found', 'the company has another number now')
  if (status === 404 && (label === LABELS.search || label === LABELS.account)) return classified('invalid_request', reason)
  const usual = classifyByStatus(view)
  if (usual.class !== 'ok') return usual
  const member = HOLDS[label]
  if (member !== undefined && (memberAt(json, 'results', member) ?? null) === null)
    return classified('malformed', `the answer has no results.${member}`)
  return label === LABELS.account ? accountOf(view) : usual
}
