/** The query of GET /entity-information/v4/entities: checks with the provider's words, and filters over rows. */
import { DAY_MS } from '../../model/time.ts'
import type { Day } from '../world/awards.ts'
import { cageOf, type SamRow, SECTIONS, type Section } from './sam-shapes.ts'

/** `body` keys as in v3 and v4; `status`, `timestamp` and `transaction_id` are added by the handler. */
export class BadQuery {
  readonly status: number
  readonly message: string
  readonly detail: string
  readonly errorCode: string
  constructor(message: string, detail: string, errorCode: string, status = 400) {
    this.status = status
    this.message = message
    this.detail = detail
    this.errorCode = errorCode
  }
}

const MAX_SIZE = 10
const MAX_VALUES = 100
const RESULT_WINDOW = 10_000
const DATE_FIELDS: Readonly<Record<string, (row: SamRow) => Day>> = {
  updateDate: ({ registration }) => registration.lastUpdate,
  registrationDate: ({ registration }) => registration.registered,
  activationDate: ({ registration }) => registration.activated,
  registrationExpirationDate: ({ registration }) => registration.expires,
  ueiCreationDate: ({ registration }) => registration.registered - 2,
}
const TEXT_FIELDS: Readonly<Record<string, (row: SamRow) => string | null>> = {
  legalBusinessName: ({ registration }) => registration.legalName,
  dbaName: ({ registration }) => registration.dbaName,
  physicalAddressProvinceOrStateCode: ({ company }) => company.place.state,
  physicalAddressCity: ({ company }) => company.place.city.toUpperCase(),
  physicalAddressCountryCode: () => 'USA',
  physicalAddressZipPostalCode: ({ registration }) => registration.zip5,
  exclusionStatusFlag: ({ registration }) => (registration.excluded ? 'Y' : 'N'),
  entityEFTIndicator: ({ eft }) => eft,
}
const OTHER = ['api_key', 'ueiSAM', 'cageCode', 'includeSections', 'page', 'size', 'registrationStatus', 'samRegistered'] as const
/** Parameters of the real API that the sandbox does not model. */
const UNSERVED = new Set([
  'q',
  'naicsCode',
  'primaryNaics',
  'pscCode',
  'businessTypeCode',
  'businessTypeDesc',
  'format',
  'emailId',
  'entityStructureCode',
  'purposeOfRegistrationCode',
  'proceedingsData',
  'token',
])

export type EntityQuery = {
  readonly ueis: readonly string[] | null
  readonly tests: readonly ((row: SamRow) => boolean)[]
  readonly sections: readonly Section[]
  readonly page: number
  readonly size: number
  /** `samRegistered=No`: the sandbox has no such entities. */
  readonly nothing: boolean
}

/** `A`, `[A~B]` or `A~B`. */
function valuesOf(name: string, text: string): readonly string[] {
  if (/[&|{}^\\`]/.test(text))
    throw new BadQuery(
      `The search parameter, ${name} contains invalid characters.`,
      'The characters & | { } ^ ` \\ are not allowed in parameter values.',
      'INVALID_CHARACTER',
    )
  return text
    .replace(/^\[(.*)\]$/, '$1')
    .split('~')
    .map((value) => value.trim().toUpperCase())
    .filter((value) => value !== '')
}

function dayOfUs(text: string): Day {
  const match = /^(\d{2})\/(\d{2})\/(\d{4})$/.exec(text.trim())
  const at = match === null ? Number.NaN : Date.parse(`${match[3]}-${match[1]}-${match[2]}T00:00:00Z`)
  const exact = match !== null && !Number.isNaN(at) && new Date(at).getUTCDate() === Number(match[2])
  if (!exact)
    throw new BadQuery(
      'Dates must be specified in the MM/DD/YYYY format.',
      'Any Date parameter must be provided in the MM/DD/YYYY format.',
      'INVALID_DATE_FORMAT',
    )
  return at / DAY_MS
}

function dateTest(name: string, text: string): (row: SamRow) => boolean {
  const [first = '', last = first, ...more] = text.replace(/^\[(.*)\]$/, '$1').split(',')
  const from = dayOfUs(first)
  const to = more.length > 0 ? dayOfUs('') : dayOfUs(last)
  return (row) => {
    const day = DATE_FIELDS[name]!(row)
    return day >= from && day <= to
  }
}

/** `!` negates, `*` stands for anything, `''` for "has none". */
function textTest(name: string, text: string): (row: SamRow) => boolean {
  const negated = text.startsWith('!')
  const wanted = valuesOf(name, negated ? text.slice(1) : text)
  const tests = wanted.map((value) => {
    if (value === "''") return (found: string | null) => found === null
    if (!value.includes('*'))
      return (found: string | null) =>
        found !== null && (name === 'legalBusinessName' || name === 'dbaName' ? found.includes(value) : found === value)
    const parts = value.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    const pattern = new RegExp(`^${parts.join('.*')}$`)
    return (found: string | null) => found !== null && pattern.test(found)
  })
  return (row) => tests.some((test) => test(TEXT_FIELDS[name]!(row))) !== negated
}

function sectionsOf(text: string | null): readonly Section[] {
  if (text === null) return ['entityRegistration', 'coreData']
  const asked = text.split(',').map((entry) => entry.trim())
  if (asked.some((entry) => entry.toLowerCase() === 'all')) return SECTIONS
  for (const entry of asked) {
    if (entry === 'repsAndCerts' || entry === 'integrityInformation')
      throw new BadQuery('sandbox: not implemented', `The sandbox does not model the section ${entry}.`, 'SANDBOX', 501)
    if (!(SECTIONS as readonly string[]).includes(entry))
      throw new BadQuery(
        `The includeSections value, ${entry} does not exist.`,
        `Please use one or more of: ${SECTIONS.join(', ')}, repsAndCerts, integrityInformation, All.`,
        'INVALID_SECTION',
      )
  }
  return SECTIONS.filter((section) => asked.includes(section))
}

function wholeNumber(text: string | null, fallback: number, name: string): number {
  if (text === null) return fallback
  if (!/^\d{1,9}$/.test(text))
    throw new BadQuery(
      `The ${name} value, ${text} is not valid.`,
      `Please provide a non-negative number for ${name}.`,
      'INVALID_PAGINATION',
    )
  return Number(text)
}

/** Throws `BadQuery`. */
export function parseQuery(query: URLSearchParams): EntityQuery {
  const tests: ((row: SamRow) => boolean)[] = []
  let ueis: readonly string[] | null = null
  for (const [name, text] of query) {
    if (UNSERVED.has(name))
      throw new BadQuery('sandbox: not implemented', `The sandbox does not model the parameter ${name}.`, 'SANDBOX', 501)
    if (name in DATE_FIELDS) tests.push(dateTest(name, text))
    else if (name in TEXT_FIELDS) tests.push(textTest(name, text))
    else if (!(OTHER as readonly string[]).includes(name)) {
      throw new BadQuery(
        `The search parameter, ${name} does not exist.`,
        'Please refer to https://open.gsa.gov/api/entity-api/ for a list of allowable search parameters.',
        'INVALID_SEARCH_PARAMETER',
      )
    }
    if (name === 'ueiSAM') ueis = valuesOf(name, text)
    if (name === 'cageCode') {
      const cages = new Set(valuesOf(name, text))
      tests.push((row) => cages.has(cageOf(row) ?? ''))
    }
    if (name === 'registrationStatus') {
      const wanted = text.toUpperCase()
      if (wanted !== 'A' && wanted !== 'E')
        throw new BadQuery(
          'The registrationStatus value is not valid.',
          'Please use A for active or E for expired.',
          'INVALID_SEARCH_PARAMETER',
        )
      tests.push(({ registration }) => registration.active === (wanted === 'A'))
    }
  }
  if (ueis !== null && ueis.length > MAX_VALUES)
    throw new BadQuery('More than 100 UEI SAM are not allowed.', 'Please limit the number of UEI SAM to 100.', 'UEI_LIMIT')
  const size = wholeNumber(query.get('size'), MAX_SIZE, 'size')
  const page = wholeNumber(query.get('page'), 0, 'page')
  if (size > MAX_SIZE) throw new BadQuery(`size is ${size}`, 'Size Cannot Exceed 10 Records', 'SCE')
  if (size < 1) throw new BadQuery(`size is ${size}`, 'Size must be at least 1', 'INVALID_PAGINATION')
  if ((page + 1) * size > RESULT_WINDOW) {
    throw new BadQuery(
      'Results Too Large',
      'The Page and Size search has exceeded 10,000 records (Page multiplied by Size). Please change the Page and Size accordingly.',
      'RTL',
    )
  }
  return {
    ueis,
    tests,
    sections: sectionsOf(query.get('includeSections')),
    page,
    size,
    nothing: query.get('samRegistered')?.toLowerCase() === 'no',
  }
}
