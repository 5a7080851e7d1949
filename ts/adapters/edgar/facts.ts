/** The figures of annual reports out of companyfacts, which is every number a filer ever tagged (megabytes): the newest year of a few. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import type { ResponseView } from '../../model/response.ts'
import { DAY_MS, parseUtcDate } from '../../model/time.ts'
import { calendarDate } from '../shared/dates.ts'
import { canonicalDecimal } from '../shared/decimal.ts'
import { listOf, memberAt, requireObject, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { paddedCik } from './cik.ts'

type Wanted = {
  readonly fact: string
  readonly taxonomy: 'us-gaap' | 'dei'
  /** Which tag a filer uses depends on the filer and the year; the one with the newest figure counts, of equally new ones the first. */
  readonly tags: readonly string[]
  readonly unit: 'USD' | 'shares'
  /** Of a year, or at a moment. */
  readonly over: 'year' | 'moment'
}

const WANTED: readonly Wanted[] = [
  {
    fact: 'revenue',
    taxonomy: 'us-gaap',
    tags: ['Revenues', 'RevenueFromContractWithCustomerExcludingAssessedTax', 'SalesRevenueNet'],
    unit: 'USD',
    over: 'year',
  },
  { fact: 'net_income', taxonomy: 'us-gaap', tags: ['NetIncomeLoss', 'ProfitLoss'], unit: 'USD', over: 'year' },
  {
    fact: 'research_and_development',
    taxonomy: 'us-gaap',
    tags: ['ResearchAndDevelopmentExpense', 'ResearchAndDevelopmentExpenseExcludingAcquiredInProcessCost'],
    unit: 'USD',
    over: 'year',
  },
  { fact: 'assets', taxonomy: 'us-gaap', tags: ['Assets'], unit: 'USD', over: 'moment' },
  { fact: 'public_float', taxonomy: 'dei', tags: ['EntityPublicFloat'], unit: 'USD', over: 'moment' },
  { fact: 'shares_outstanding', taxonomy: 'dei', tags: ['EntityCommonStockSharesOutstanding'], unit: 'shares', over: 'moment' },
]
const ANNUAL = /^(?:10-K|20-F|40-F)/

type Figure = { readonly end: string; readonly filed: string; readonly row: JsonValue; readonly value: string }

function isYear(row: JsonValue): boolean {
  const start = parseUtcDate(textAt(row, 'start') ?? '')
  const end = parseUtcDate(textAt(row, 'end') ?? '')
  if (start === null || end === null) return false
  const days = (end - start) / DAY_MS
  return days >= 340 && days <= 385
}

/** Of the newest period the figure as it was told last: annual reports repeat, and correct, earlier years. */
function newest(rows: readonly JsonValue[], over: Wanted['over']): Figure | null {
  let best: Figure | null = null
  for (const row of rows) {
    const end = calendarDate(memberAt(row, 'end'))
    const filed = calendarDate(memberAt(row, 'filed'))
    const value = canonicalDecimal(memberAt(row, 'val'))
    if (end === null || filed === null || value === null || !ANNUAL.test(textAt(row, 'form') ?? '')) continue
    if (over === 'year' && !isYear(row)) continue
    if (best === null || end > best.end || (end === best.end && filed > best.filed)) best = { end, filed, row, value }
  }
  return best
}

/** Throws `MalformedAnswer` when the answer is about another filer. */
export function factsOf(view: ResponseView, cik: string): readonly JsonObject[] {
  const body = requireObject(view, 'the answer with figures')
  if (paddedCik(body['cik']) !== cik) throw new MalformedAnswer(`asked for the figures of ${cik}, EDGAR sent another filer's`)
  return WANTED.flatMap(({ fact, taxonomy, tags, unit, over }) => {
    let found: (Figure & { readonly tag: string }) | null = null
    for (const tag of tags) {
      const figure = newest(listOf(memberAt(body, 'facts', taxonomy, tag, 'units', unit)), over)
      if (figure !== null && (found === null || figure.end > found.end)) found = { ...figure, tag }
    }
    if (found === null) return []
    const { tag, end, value, row } = found
    return [{ fact, tag, unit, end, value, form: textAt(row, 'form'), accession_number: textAt(row, 'accn') }]
  })
}
