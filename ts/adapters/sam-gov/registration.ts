/**
 * Registrations of one UEI as one record. A UEI has one row per EFT indicator (a bank account with its own CAGE code), so
 * the record holds a list keyed by it; nearly all companies have the one with the empty indicator.
 *
 * Only known members are taken: new ones of the provider change nothing until they are listed here. Left out: `links` and
 * `exclusionURL` (they echo the request and its key placeholder) and points of contact (personal data, never asked for).
 */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { calendarDate } from '../shared/dates.ts'
import { listOf, memberAt, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'

const TEXTS = [
  'samRegistered',
  'cageCode',
  'dodaac',
  'legalBusinessName',
  'dbaName',
  'purposeOfRegistrationCode',
  'purposeOfRegistrationDesc',
  'registrationStatus',
  'evsSource',
  'ueiStatus',
  'publicDisplayFlag',
  'exclusionStatusFlag',
  'dnbOpenData',
]
const DATES = [
  'registrationDate',
  'lastUpdateDate',
  'registrationExpirationDate',
  'activationDate',
  'ueiExpirationDate',
  'ueiCreationDate',
]
const ADDRESS = ['addressLine1', 'addressLine2', 'city', 'stateOrProvinceCode', 'zipCode', 'zipCodePlus4', 'countryCode']
const GENERAL = [
  'entityStructureCode',
  'entityStructureDesc',
  'entityTypeCode',
  'entityTypeDesc',
  'profitStructureCode',
  'profitStructureDesc',
  'organizationStructureCode',
  'organizationStructureDesc',
  'stateOfIncorporationCode',
  'stateOfIncorporationDesc',
  'countryOfIncorporationCode',
  'countryOfIncorporationDesc',
]
const BUSINESS_TYPE = ['businessTypeCode', 'businessTypeDesc']
const SBA_TYPE = ['sbaBusinessTypeCode', 'sbaBusinessTypeDesc']

function texts(value: JsonValue | undefined, names: readonly string[]): Record<string, JsonValue> {
  return Object.fromEntries(names.map((name) => [name, textAt(value, name)]))
}

function dates(value: JsonValue | undefined, names: readonly string[]): Record<string, JsonValue> {
  return Object.fromEntries(names.map((name) => [name, calendarDate(memberAt(value, name))]))
}

/** Elements with a code; SAM writes one element of nulls for an empty list, and a bare object for a list of one. */
function coded(value: JsonValue | undefined, code: string, read: (item: JsonValue) => JsonObject): readonly JsonObject[] {
  return listOf(value)
    .map(read)
    .filter((item) => item[code] !== null)
}

/** UEI of a row, upper case. Throws `MalformedAnswer` when it has none. */
export function ueiOfRow(row: JsonObject): string {
  const uei = textAt(row, 'entityRegistration', 'ueiSAM')
  if (uei === null) throw new MalformedAnswer('an entity has no entityRegistration.ueiSAM')
  return uei.toUpperCase()
}

/** Empty for the main registration. */
export function eftOfRow(row: JsonObject): string {
  return textAt(row, 'entityRegistration', 'entityEFTIndicator') ?? ''
}

function registrationOf(row: JsonObject): JsonObject {
  const registration = memberAt(row, 'entityRegistration')
  const core = memberAt(row, 'coreData')
  const information = memberAt(core, 'entityInformation')
  return {
    entityEFTIndicator: eftOfRow(row),
    ...texts(registration, TEXTS),
    ...dates(registration, DATES),
    entityInformation: {
      ...texts(information, ['entityURL', 'entityDivisionName', 'entityDivisionNumber', 'fiscalYearEndCloseDate']),
      ...dates(information, ['entityStartDate', 'submissionDate']),
    },
    physicalAddress: texts(memberAt(core, 'physicalAddress'), ADDRESS),
    mailingAddress: texts(memberAt(core, 'mailingAddress'), ADDRESS),
    congressionalDistrict: textAt(core, 'congressionalDistrict'),
    generalInformation: texts(memberAt(core, 'generalInformation'), GENERAL),
    businessTypes: coded(memberAt(core, 'businessTypes', 'businessTypeList'), 'businessTypeCode', (item) =>
      texts(item, BUSINESS_TYPE),
    ),
    sbaBusinessTypes: coded(memberAt(core, 'businessTypes', 'sbaBusinessTypeList'), 'sbaBusinessTypeCode', (item) => ({
      ...texts(item, SBA_TYPE),
      ...dates(item, ['certificationEntryDate', 'certificationExitDate']),
    })),
    financialInformation: texts(memberAt(core, 'financialInformation'), ['creditCardUsage', 'debtSubjectToOffset']),
  }
}

/** Rows of one UEI -> its record, registrations in the order of their indicators. Of two rows with one indicator the later updated counts. */
export function recordOfRows(uei: string, rows: readonly JsonObject[]): JsonObject {
  const byIndicator = new Map<string, JsonObject>()
  for (const row of rows) {
    const registration = registrationOf(row)
    const known = byIndicator.get(eftOfRow(row))
    if (known === undefined || String(known['lastUpdateDate'] ?? '') <= String(registration['lastUpdateDate'] ?? ''))
      byIndicator.set(eftOfRow(row), registration)
  }
  const registrations = [...byIndicator.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, registration]) => registration)
  return { uei, registrations }
}

/** How a UEI is remembered: with its further indicators, so that a feed row can be seen to be a part only. */
export function providerKeyOf(uei: string, rows: readonly JsonObject[]): string {
  const indicators = [...new Set(rows.map(eftOfRow))].filter((indicator) => indicator !== '').sort()
  return [uei, ...indicators].join('+')
}
