/**
 * Rows of contributions -> sums, page by page. Sums are what is kept: who gave, and where they live, is nobody's business here, and by law not to
 * be used for soliciting or commerce (52 U.S.C. 30111(a)(4)).
 */
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts'
import { calendarDate } from '../shared/dates.ts'
import { canonicalDecimal } from '../shared/decimal.ts'
import { countOf, memberAt, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { companyNameKey, companyNameSimilarity } from '../shared/names.ts'
import { clipText } from '../shared/text.ts'

/** From it on, an employer as somebody typed it is taken for the company. */
const SAME_EMPLOYER = 0.92
const LEADS =
  /\b(?:CEO|CTO|CFO|COO|CSO|CMO|CIO|PRESIDENT|VP|FOUNDER|CO-?FOUNDER|OWNER|CO-?OWNER|CHAIR(?:MAN|WOMAN|PERSON)?|CHIEF [A-Z ]*OFFICER|CHIEF SCIENTIST|(?:EXECUTIVE|MANAGING) (?:DIRECTOR|MEMBER|PARTNER))\b/

/** A number of contributions and their amount in whole cents. */
type Sum = { count: number; cents: bigint }
type Committee = Sum & { name: string | null; party: string | null }

export type Sums = {
  readonly total: Sum
  readonly leadership: Sum
  readonly sameState: Sum
  readonly exactName: Sum
  readonly cycles: Map<string, Sum>
  readonly committees: Map<string, Committee>
  latest: string | null
  /** Rows of the company that count elsewhere already: memo entries, and what the FEC itself does not count as given by an individual. */
  notCounted: number
  /** Rows of other employers. */
  others: number
}

const none = (): Sum => ({ count: 0, cents: 0n })

export function emptySums(): Sums {
  return {
    total: none(),
    leadership: none(),
    sameState: none(),
    exactName: none(),
    cycles: new Map(),
    committees: new Map(),
    latest: null,
    notCounted: 0,
    others: 0,
  }
}

/** An amount of dollars as whole cents, exactly; throws `MalformedAnswer` for what is no such amount. */
export function centsOf(value: JsonValue | undefined): bigint {
  const text = canonicalDecimal(value)
  const match = /^(-?)(\d{1,15})(?:\.(\d{1,2}))?$/.exec(text ?? '')
  if (match === null) throw new MalformedAnswer('a contribution has no amount in dollars and cents')
  const cents = BigInt(match[2]!) * 100n + BigInt((match[3] ?? '').padEnd(2, '0'))
  return match[1] === '-' ? -cents : cents
}

function add(sum: Sum, cents: bigint): void {
  sum.count += 1
  sum.cents += cents
}

function at<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key) ?? make()
  map.set(key, known)
  return known
}

/** Likeness of an employer to the nearest of ours: 1 for the same key. */
function likeness(employer: string | null, ours: readonly string[]): number {
  if (employer === null) return 0
  const key = companyNameKey(employer)
  return ours.includes(key) ? 1 : Math.max(0, ...ours.map((name) => companyNameSimilarity(name, key)))
}

/** `employers`: keys of the company's names; `state`: the company's, as a code. */
export function addRow(sums: Sums, row: JsonObject, employers: readonly string[], state: string | null): void {
  const alike = likeness(textAt(row, 'contributor_employer'), employers)
  if (alike < SAME_EMPLOYER) {
    sums.others += 1
    return
  }
  if (textAt(row, 'memo_code')?.toUpperCase() === 'X' || memberAt(row, 'is_individual') === false) {
    sums.notCounted += 1
    return
  }
  const cents = centsOf(row['contribution_receipt_amount'])
  add(sums.total, cents)
  if (alike === 1) add(sums.exactName, cents)
  if (LEADS.test((textAt(row, 'contributor_occupation') ?? '').toUpperCase())) add(sums.leadership, cents)
  if (state !== null && textAt(row, 'contributor_state')?.toUpperCase() === state) add(sums.sameState, cents)
  add(at(sums.cycles, textAt(row, 'two_year_transaction_period') ?? 'unknown', none), cents)
  const committee = textAt(row, 'committee_id')
  if (committee !== null) {
    const known = at(sums.committees, committee, (): Committee => ({ ...none(), name: null, party: null }))
    add(known, cents)
    known.name ??= clip(textAt(row, 'committee', 'name') ?? textAt(row, 'committee_name'))
    known.party ??= clip(textAt(row, 'committee', 'party'))
  }
  const date = calendarDate(row['contribution_receipt_date'])
  if (date !== null && (sums.latest === null || date > sums.latest)) sums.latest = date
}

const clip = (text: string | null): string | null => (text === null ? null : clipText(text, 120))

/** As a number while a double holds it exactly, as digits beyond. */
function amount(cents: bigint): number | string {
  const number = Number(cents)
  return Number.isSafeInteger(number) ? number : String(cents)
}

const shown = ({ count, cents }: Sum): JsonObject => ({ contributions: count, amount_cents: amount(cents) })
const sorted = <V>(map: ReadonlyMap<string, V>): readonly (readonly [string, V])[] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1))

/** `since`: the first two-year period that was asked for. The last one is the calendar's, and no word of the provider's. */
export function recordOfSums(sums: Sums, employers: readonly string[], since: number): JsonObject {
  return {
    employers: [...employers].sort(),
    since,
    ...shown(sums.total),
    leadership: shown(sums.leadership),
    same_state: shown(sums.sameState),
    by_period: sorted(sums.cycles).map(([period, sum]) => ({ period, ...shown(sum) })),
    committees: sorted(sums.committees).map(([id, { name, party, ...sum }]) => ({
      committee_id: id,
      name,
      party,
      ...shown(sum),
    })),
    latest_contribution: sums.latest,
    rows_not_counted: sums.notCounted,
  }
}

/** For a cursor. */
export function writeSums(sums: Sums): JsonObject {
  const flat = ({ count, cents }: Sum): JsonValue => [count, String(cents)]
  return {
    total: flat(sums.total),
    leadership: flat(sums.leadership),
    sameState: flat(sums.sameState),
    exactName: flat(sums.exactName),
    cycles: Object.fromEntries([...sums.cycles].map(([key, sum]) => [key, flat(sum)])),
    committees: Object.fromEntries([...sums.committees].map(([key, item]) => [key, [flat(item), item.name, item.party]])),
    latest: sums.latest,
    notCounted: sums.notCounted,
    others: sums.others,
  }
}

function readSum(value: JsonValue | undefined): Sum | null {
  if (!Array.isArray(value)) return null
  const [count, cents] = value as readonly JsonValue[]
  if (countOf(count) === null || typeof cents !== 'string' || !/^-?\d{1,30}$/.test(cents)) return null
  return { count: countOf(count)!, cents: BigInt(cents) }
}

/** Null when it is not what `writeSums` wrote. */
export function readSums(value: JsonValue | undefined): Sums | null {
  if (!isJsonObject(value) || !isJsonObject(value['cycles']) || !isJsonObject(value['committees'])) return null
  const [total, leadership, sameState, exactName] = ['total', 'leadership', 'sameState', 'exactName'].map((name) =>
    readSum(value[name]),
  )
  const [notCounted, others] = [countOf(value['notCounted']), countOf(value['others'])]
  if (!total || !leadership || !sameState || !exactName || notCounted === null || others === null) return null
  const cycles = new Map<string, Sum>()
  for (const [key, item] of Object.entries(value['cycles'])) {
    const sum = readSum(item)
    if (sum === null) return null
    cycles.set(key, sum)
  }
  const committees = new Map<string, Committee>()
  for (const [key, item] of Object.entries(value['committees'])) {
    const parts = Array.isArray(item) ? (item as readonly JsonValue[]) : []
    const sum = readSum(parts[0])
    if (sum === null) return null
    committees.set(key, { ...sum, name: textAt(parts[1]), party: textAt(parts[2]) })
  }
  return { total, leadership, sameState, exactName, cycles, committees, latest: textAt(value['latest']), notCounted, others }
}
