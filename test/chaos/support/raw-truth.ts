/**
 * What records ought to hold, worked out from what the sandbox's world says without any code of the adapters or of ingest:
 * a mistake there must not be made here as well.
 */
import { hash } from 'node:crypto'
import { expect } from 'vitest'
import type { JsonObject, JsonValue } from '../../../ts/model/json.ts'
import type { Home } from './home.ts'

type Row = Readonly<Record<string, string>>

/** RFC 4180: quoted cells may hold commas, line breaks and doubled quotes. */
export function csvRows(text: string): readonly Row[] {
  const lines: string[][] = [[]]
  for (const [, comma, quoted, plain] of text.matchAll(/(^|,|\r?\n)(?:"((?:[^"]|"")*)"|([^,\r\n]*))/g)) {
    if (comma !== ',' && comma !== '') lines.push([])
    lines.at(-1)!.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'))
  }
  const [header, ...rows] = lines as [string[], ...string[][]]
  return rows
    .filter((cells) => cells.length === header.length)
    .map((cells) => Object.fromEntries(header.map((name, i) => [name, cells[i]!])))
}

/** The award file that the sandbox serves now. */
export async function servedAwards(home: Pick<Home, 'sandbox'>): Promise<readonly Row[]> {
  const response = await fetch(`${home.sandbox.url}/sbir_files/mod_awarddatapublic_no_abstract/award_data_no_abstract.csv`)
  return csvRows((await response.text()).replace(/^\uFEFF/, ''))
}

const text = (cell: string): string | null => cell.replace(/\s+/g, ' ').trim() || null
const integer = (cell: string): number | null => (cell === '' ? null : Number(cell.replaceAll(',', '')))
const amount = (cell: string): string | null => (cell === '' ? null : String(Number(cell.replace(/[$,]/g, ''))))

/** The file writes both ways of dates; empty is unknown. */
function date(cell: string): string | null {
  const us = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(cell)
  if (us !== null) return `${us[3]}-${us[1]!.padStart(2, '0')}-${us[2]!.padStart(2, '0')}`
  return cell === '' ? null : cell.slice(0, 10)
}

const AWARD: Readonly<Record<string, readonly [string, (cell: string) => JsonValue]>> = {
  title: ['Award Title', text],
  agency: ['Agency', text],
  branch: ['Branch', text],
  phase: ['Phase', text],
  program: ['Program', text],
  agency_tracking_number: ['Agency Tracking Number', text],
  contract: ['Contract', text],
  proposal_award_date: ['Proposal Award Date', date],
  contract_end_date: ['Contract End Date', date],
  solicitation_number: ['Solicitation Number', text],
  solicitation_year: ['Solicitation Year', integer],
  solicitation_close_date: ['Solicitation Close Date', date],
  proposal_receipt_date: ['Proposal Receipt Date', date],
  date_of_notification: ['Date of Notification', date],
  topic_code: ['Topic Code', text],
  award_year: ['Award Year', integer],
  award_amount: ['Award Amount', amount],
  ri_name: ['RI Name', text],
}
const COMPANY: typeof AWARD = {
  name: ['Company', text],
  uei: ['UEI', text],
  duns: ['Duns', text],
  address1: ['Address1', text],
  address2: ['Address2', text],
  city: ['City', text],
  state: ['State', text],
  zip: ['Zip', text],
  website: ['Company Website', text],
  number_employees: ['Number Employees', integer],
  hubzone_owned: ['HUBZone Owned', text],
  woman_owned: ['Woman Owned', text],
  disadvantaged: ['Socially and Economically Disadvantaged', text],
}

const record = (row: Row, fields: typeof AWARD): JsonObject =>
  Object.fromEntries(Object.entries(fields).map(([name, [column, read]]) => [name, read(row[column]!)]))

const NEVER_NULL = (value: JsonValue | undefined): string =>
  String(value ?? '')
    .replace(/\s+/g, ' ')
    .trim()
    .toUpperCase()

/** As `docs/ingest.md` describes the key: an award's record can only be stored under the key of its own row. */
function awardKeyOf(award: JsonObject, company: string): string {
  const agency = NEVER_NULL(award['agency'])
  const parts = [
    company,
    award['agency_tracking_number'],
    award['contract'],
    agency === 'DEPARTMENT OF WAR' ? 'DEPARTMENT OF DEFENSE' : agency,
    award['branch'],
    award['phase'],
    award['program'],
    award['proposal_award_date'],
    award['solicitation_number'],
  ]
  return `v1:${hash('sha256', parts.map(NEVER_NULL).join('\u001f'))}`
}

/** What the file says: awards by what tells them apart, companies by what they are called. */
export class SbirTruth {
  readonly #awards = new Map<string, JsonObject[]>()
  readonly #companies = new Map<string, JsonObject[]>()

  constructor(rows: readonly Row[]) {
    for (const row of rows) {
      const award = record(row, AWARD)
      const company = record(row, COMPANY)
      push(this.#awards, awardKeyOf(award, row['Company']!), award)
      push(this.#companies, String(company['name']), company)
    }
  }

  /** Every field, and no other, as one and the same row of the file says. */
  expectStored(kind: string, key: string, stored: JsonObject): void {
    const candidates = kind === 'award' ? this.#awards.get(key) : this.#companies.get(String(stored['name']))
    const found = candidates ?? []
    const same = found.filter((said) => JSON.stringify(sorted(said)) === JSON.stringify(sorted(stored)))
    if (same.length === 0) expect(sorted(stored), `${kind} ${key}`).toEqual(sorted(found[0] ?? {}))
    if (kind !== 'company') return
    // A company that had no UEI when it came keeps the key of then: the identifier of the key is still its own.
    const form = key.slice(0, key.indexOf(':'))
    if (form === 'name') expect(key.endsWith(`|${String(stored['state'] ?? '')}`), `${key} ${String(stored['state'])}`).toBe(true)
    else expect(`${form}:${String(stored[form])}`, key).toBe(key)
  }
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const known = map.get(key)
  if (known === undefined) map.set(key, [value])
  else known.push(value)
}

const sorted = (value: JsonObject): JsonObject => Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))

type Json = JsonValue | undefined
const at = (value: Json, path: string): Json =>
  path.split('.').reduce<Json>((inner, name) => (inner as JsonObject | null | undefined)?.[name], value)
/** Runs of white space are folded, as everywhere. */
const orNull = (value: Json): JsonValue => (typeof value === 'string' ? text(value) : (value ?? null))

/** Path in our record -> path in the body of the award's page, where both hold the same. */
const USASPENDING: Readonly<Record<string, string>> = {
  generated_unique_award_id: 'generated_unique_award_id',
  type_description: 'type_description',
  description: 'description',
  date_signed: 'date_signed',
  start_date: 'period_of_performance.start_date',
  end_date: 'period_of_performance.end_date',
  last_modified_date: 'period_of_performance.last_modified_date',
  'awarding_agency.name': 'awarding_agency.toptier_agency.name',
  'awarding_agency.code': 'awarding_agency.toptier_agency.code',
  'awarding_agency.sub_agency_name': 'awarding_agency.subtier_agency.name',
  'awarding_agency.sub_agency_code': 'awarding_agency.subtier_agency.code',
  'funding_agency.name': 'funding_agency.toptier_agency.name',
  'funding_agency.code': 'funding_agency.toptier_agency.code',
  'recipient.name': 'recipient.recipient_name',
  'recipient.uei': 'recipient.recipient_uei',
  'recipient.location.address_line1': 'recipient.location.address_line1',
  'recipient.location.city_name': 'recipient.location.city_name',
  'recipient.location.state_code': 'recipient.location.state_code',
  'recipient.location.zip5': 'recipient.location.zip5',
  'place_of_performance.country_code': 'place_of_performance.location_country_code',
  'place_of_performance.state_code': 'place_of_performance.state_code',
  'place_of_performance.county_code': 'place_of_performance.county_code',
  'place_of_performance.zip5': 'place_of_performance.zip5',
}

export function expectUsaspending(stored: JsonObject, body: JsonObject): void {
  const id = String(body['generated_unique_award_id'])
  const pick = (value: JsonObject, paths: readonly string[]): JsonObject =>
    Object.fromEntries(paths.map((path, i) => [Object.keys(USASPENDING)[i]!, orNull(at(value, path))]))
  expect(pick(stored, Object.keys(USASPENDING)), id).toEqual(pick(body, Object.values(USASPENDING)))
  expect(stored['award_id'], id).toBe(body['piid'] ?? body['fain'])
  expect(stored['total_obligation'], id).toBe(String(body['total_obligation']))
  expect(stored['category'], id).toBe(id.startsWith('CONT_AWD_') ? 'contract' : id.startsWith('CONT_IDV_') ? 'idv' : 'assistance')
  const contract = body['latest_transaction_contract_data']
  if (contract !== null && contract !== undefined)
    expect({ naics: stored['naics'], psc: stored['psc'] }, id).toEqual({
      naics: orNull(at(contract, 'naics')),
      psc: orNull(at(contract, 'product_or_service_code')),
    })
}

/** Sections of a SAM.gov row that a registration holds under the same names, less what it leaves out. */
const SECTIONS = ['entityInformation', 'physicalAddress', 'mailingAddress', 'generalInformation', 'financialInformation']
const NOT_KEPT = new Set(['ueiSAM', 'entityEFTIndicator', 'exclusionURL'])

export function expectSam(stored: JsonObject, uei: string, rows: readonly JsonObject[]): void {
  expect(stored['uei']).toBe(uei)
  const registrations = stored['registrations'] as readonly JsonObject[]
  expect(registrations.map((one) => one['entityEFTIndicator']).sort(), uei).toEqual(
    rows.map((row) => orNull(at(row, 'entityRegistration.entityEFTIndicator')) ?? '').sort(),
  )
  for (const row of rows) {
    const indicator = orNull(at(row, 'entityRegistration.entityEFTIndicator')) ?? ''
    const registration = registrations.find((one) => one['entityEFTIndicator'] === indicator)!
    for (const [name, value] of Object.entries(row['entityRegistration'] as JsonObject))
      if (!NOT_KEPT.has(name)) expect(registration[name], `${uei} ${name}`).toEqual(orNull(value))
    for (const section of SECTIONS)
      for (const [name, value] of Object.entries((at(row, `coreData.${section}`) ?? {}) as JsonObject))
        expect(at(registration, `${section}.${name}`), `${uei} ${section}.${name}`).toEqual(orNull(value))
    const codes = (list: Json, name: string): readonly JsonValue[] =>
      ((list ?? []) as readonly JsonObject[])
        .map((one) => orNull(one[name]))
        .filter((code) => code !== null)
        .sort()
    const types = at(row, 'coreData.businessTypes.businessTypeList')
    expect(codes(registration['businessTypes'], 'businessTypeCode'), uei).toEqual(codes(types, 'businessTypeCode'))
    const sba = at(row, 'coreData.businessTypes.sbaBusinessTypeList')
    expect(codes(registration['sbaBusinessTypes'], 'sbaBusinessTypeCode'), uei).toEqual(codes(sba, 'sbaBusinessTypeCode'))
    for (const name of ['certificationEntryDate', 'certificationExitDate'])
      expect(codes(registration['sbaBusinessTypes'], name), `${uei} ${name}`).toEqual(codes(sba, name))
    expect(registration['congressionalDistrict'], `${uei} congressionalDistrict`).toEqual(
      orNull(at(row, 'coreData.congressionalDistrict')),
    )
  }
}
