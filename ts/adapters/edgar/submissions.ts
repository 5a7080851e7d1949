/** A filer's page, its older filings where there are any, and its figures: one look-up of one to several requests. */
import type { JsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { AdapterContext, LookupCapability } from '../adapter.ts'
import { refOf } from '../shared/entity.ts'
import { listOf, memberAt, requireObject, requireObjects, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { paddedCik } from './cik.ts'
import { factsOf } from './facts.ts'
import { columnRows, recordOfPage } from './record.ts'

export function submissionsRequest(cik: string): RequestSpec {
  return { method: 'GET', path: `/submissions/CIK${cik}.json`, label: 'filer.submissions' }
}

/** Pages of older filings, those after the recent ones first. The names are the provider's: nothing but a page of this filer's is asked for. */
function olderPages(page: ResponseView, cik: string, { options }: AdapterContext): readonly string[] {
  const most = typeof options['history_pages'] === 'number' ? options['history_pages'] : 0
  const names = listOf(memberAt(page.json, 'filings', 'files')).map((file) => textAt(file, 'name') ?? '')
  return [...new Set(names)]
    .filter((name) => /^CIK\d{10}-submissions-\d{3}\.json$/.test(name) && name.includes(cik))
    .slice(0, most)
}

/** Filers without XBRL have no figures, and asking for them is a 404. */
function hasFacts(page: ResponseView, { options }: AdapterContext): boolean {
  return options['company_facts'] === true && listOf(memberAt(page.json, 'filings', 'recent', 'isXBRL')).includes(1)
}

function steps(page: ResponseView, cik: string, context: AdapterContext) {
  const older = page.status === 404 ? [] : olderPages(page, cik, context)
  return { older, facts: page.status !== 404 && hasFacts(page, context) }
}

export const lookup: LookupCapability = {
  request: (target) => submissionsRequest(target.providerKey ?? ''),
  more(views, target, context) {
    const cik = target.providerKey ?? ''
    const { older, facts } = steps(views[0]!, cik, context)
    const at = views.length - 1
    if (at < older.length) return { method: 'GET', path: `/submissions/${older[at]!}`, label: 'filer.older_filings' }
    if (at === older.length && facts)
      return { method: 'GET', path: `/api/xbrl/companyfacts/CIK${cik}.json`, label: 'filer.facts' }
    return null
  },
  parse(view, target, context, earlier = []) {
    const views = [...earlier, view]
    const page = views[0]!
    const cik = target.providerKey ?? ''
    const entity = refOf(target.entity)
    if (page.status === 404) return { kind: 'absent', entity, reason: `EDGAR has no filer ${cik}` }
    const body = requireObject(page, 'the answer about a filer')
    if (paddedCik(body['cik']) !== cik) throw new MalformedAnswer(`asked about ${cik}, EDGAR answered about another filer`)
    const { older, facts } = steps(page, cik, context)
    const recent = memberAt(body, 'filings', 'recent')
    const [table] = requireObjects(recent === undefined || recent === null ? [] : [recent], 'filings.recent')
    if (table === undefined) throw new MalformedAnswer('the answer about a filer has no filings.recent')
    const rows: JsonObject[] = [...columnRows(table)]
    for (const olderView of views.slice(1, 1 + older.length)) {
      if (olderView.status === 404) throw new MalformedAnswer('a page of older filings is not there')
      rows.push(...columnRows(requireObject(olderView, 'a page of older filings')))
    }
    const figures = facts ? views[1 + older.length] : undefined
    return {
      kind: 'record',
      entity,
      record: recordOfPage(body, cik, rows, figures === undefined || figures.status === 404 ? [] : factsOf(figures, cik)),
    }
  },
}
