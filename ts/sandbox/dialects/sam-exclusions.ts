/** SAM.gov's exclusions API v4, on the same key and quota as its entity API. */
import { http, type RequestHandler } from 'msw'
import { DAY_MS, type EpochMs, parseUtcDate, toIso, toUtcDate } from '../../model/time.ts'
import type { Day } from '../world/awards.ts'
import type { Company } from '../world/companies.ts'
import type { Registration } from '../world/sam-world.ts'
import type { World } from '../world/world.ts'
import { type Dialect, jsonResponse, textResponse, unplanned } from './dialect.ts'
import { DEFAULT_SAM_KEY, type SamDeps, samGovDialect } from './sam-gov.ts'

const KNOWN = ['api_key', 'q', 'ueiSAM', 'updateDate', 'classification', 'recordStatus', 'page', 'size']
const AGENCIES = [
  ['AF', 'DEPT OF THE AIR FORCE'],
  ['DLA', 'DEFENSE LOGISTICS AGENCY'],
  ['HHS', 'HEALTH AND HUMAN SERVICES, DEPARTMENT OF'],
  ['NASA', 'NATIONAL AERONAUTICS AND SPACE ADMINISTRATION'],
] as const
const TYPES = ['Ineligible (Proceedings Pending)', 'Ineligible (Proceedings Completed)', 'Prohibition/Restriction'] as const

class Refused {
  readonly message: string
  readonly detail: string
  readonly errorCode: string | undefined
  constructor(message: string, detail: string, errorCode?: string) {
    this.message = message
    this.detail = detail
    this.errorCode = errorCode
  }
}

const dashed = (day: Day): string => toUtcDate(day * DAY_MS).replace(/^(\d{4})-(\d{2})-(\d{2})$/, '$2-$3-$1')

function dayOf(text: string): Day {
  const match = /^(\d{2})\/(\d{2})\/(\d{4})$/.exec(text.trim())
  const at = match === null ? null : parseUtcDate(`${match[3]}-${match[1]}-${match[2]}`)
  if (at === null)
    throw new Refused(
      'Dates must be specified in the MM/DD/YYYY format.',
      'Any Date parameter must be provided in the MM/DD/YYYY format.',
    )
  return at / DAY_MS
}

const NO_ADDRESS = {
  addressLine1: null,
  addressLine2: null,
  city: null,
  stateOrProvinceCode: null,
  zipCode: null,
  zipCodePlus4: null,
  countryCode: null,
}

/** The company's exclusion as the API shows it; null while it has none. Only active ones are ever shown. */
export function exclusionRow(company: Company, registration: Registration): object | null {
  const { excludedOn } = registration
  if (excludedOn === null) return null
  const [code, name] = AGENCIES[company.index % AGENCIES.length]!
  return {
    exclusionDetails: {
      classificationType: 'Firm',
      exclusionType: TYPES[company.index % TYPES.length],
      exclusionProgram: 'Reciprocal',
      excludingAgencyCode: code,
      excludingAgencyName: name,
    },
    exclusionIdentification: {
      ueiSAM: company.uei,
      cageCode: registration.cage,
      npi: null,
      prefix: null,
      firstName: null,
      middleName: null,
      lastName: null,
      suffix: null,
      entityName: company.name,
      dnbOpenData: null,
    },
    exclusionActions: {
      listOfActions: [
        {
          createDate: dashed(excludedOn),
          updateDate: dashed(excludedOn),
          activateDate: dashed(excludedOn - (company.index % 6)),
          terminationDate: null,
          terminationType: 'Indefinite',
          recordStatus: 'Active',
        },
      ],
    },
    exclusionPrimaryAddress: {
      ...NO_ADDRESS,
      addressLine1: registration.address1,
      city: company.place.city,
      stateOrProvinceCode: company.place.state,
      zipCode: registration.zip5,
      zipCodePlus4: registration.zip4,
      countryCode: 'USA',
    },
    exclusionSecondaryAddress: [],
    exclusionOtherInformation: {
      isFASCSAOrder: 'No',
      additionalComments: null,
      ctCode: company.index % 3 === 0 ? 'A' : null,
      evsInvestigationStatus: null,
      references: { referencesList: [] },
      moreLocations: [],
    },
    vesselDetails: { callSign: null, type: null, tonnage: null, grt: null, flag: null, owner: null },
  }
}

/** `((ueiSAM:A) OR (ueiSAM:B))`, and one alone. */
function ueisOfQ(text: string): readonly string[] {
  const inner = text
    .trim()
    .replace(/^\((.*)\)$/, '$1')
    .split(/\s+OR\s+/)
  return inner.map((part) => {
    const uei = /^\(?ueiSAM:([A-Za-z0-9]{12})\)?$/.exec(part.trim())?.[1]
    if (uei === undefined) throw new Refused('Invalid input', `The value ${part} is not valid for parameter ‘Query Param (q)’`)
    return uei.toUpperCase()
  })
}

function intOf(text: string | null, name: string, fallback: number, max: number): number {
  if (text === null) return fallback
  const value = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN
  if (!(value <= max)) throw new Refused(`The ${name} is out of range.`, `${name} must be between 0 and ${max}.`)
  return value
}

type Found = { readonly company: Company; readonly registration: Registration }

function* matching(world: World, query: URLSearchParams, now: EpochMs): Generator<Found> {
  const q = query.get('q')
  const uei = query.get('ueiSAM')
  const wanted = q !== null ? ueisOfQ(q) : uei !== null ? [uei.trim().toUpperCase()] : null
  const classification = query.get('classification')
  if (classification !== null && classification !== 'Firm') return
  const between =
    query
      .get('updateDate')
      ?.replace(/^\[(.*)\]$/, '$1')
      .split(',')
      .map(dayOf) ?? null
  const companies =
    wanted === null
      ? world.sam.companies
      : [...new Set(wanted)].map((one) => world.sam.company(one)).filter((company) => company !== null)
  for (const company of companies) {
    const registration = world.sam.at(company, now)
    const { excludedOn } = registration
    if (excludedOn === null) continue
    if (between !== null && (excludedOn < between[0]! || excludedOn > (between[1] ?? between[0]!))) continue
    yield { company, registration }
  }
}

/** Handlers of api.sam.gov's exclusions API. `baseUrl` has no trailing slash. */
export function samExclusionsHandlers(world: World, baseUrl: string, deps: SamDeps): RequestHandler[] {
  const keys = new Set(deps.keys ?? [DEFAULT_SAM_KEY])
  const path = `${baseUrl}/entity-information/v4/exclusions`

  function answer(request: Request): Response {
    const { searchParams } = new URL(request.url)
    if (/application\/json/.test(request.headers.get('accept') ?? '')) return new Response(null, { status: 406 })
    const key = request.headers.get('x-api-key') ?? searchParams.get('api_key')
    if (key === null)
      return textResponse('No api_key was supplied in request body. Please submit with a valid API key.', 403, 'text/plain')
    if (!keys.has(key))
      return textResponse('An invalid API key was supplied. Please submit with a valid API key.', 403, 'text/plain')
    for (const name of searchParams.keys())
      if (!KNOWN.includes(name))
        throw new Refused(
          `The search parameter, ${name} does not exist.`,
          'Please refer to https://open.gsa.gov/api/exclusions-api/ for a list of allowable search parameters.',
          'INVALID_SEARCH_PARAMETER',
        )
    if (searchParams.get('q') === '')
      throw new Refused('Invalid input', 'The value null/empty is not valid for parameter ‘Query Param (q)’')
    if ((searchParams.get('recordStatus') ?? 'Active') !== 'Active')
      throw new Refused(
        "The search parameter 'recordStatus' will only accept Active as the value.",
        'Only Active records are returned.',
      )
    const page = intOf(searchParams.get('page'), 'page', 0, 999)
    const size = Math.max(1, intOf(searchParams.get('size'), 'size', 10, 10))
    const found = [...matching(world, searchParams, deps.now())]
    const shown = found.slice(page * size, (page + 1) * size)
    const link = (at: number): string => `${path}?api_key=REPLACE_WITH_API_KEY&page=${at}&size=${size}`
    const links = { selfLink: link(page), ...((page + 1) * size < found.length ? { nextLink: link(page + 1) } : {}) }
    const rows = shown.map(({ company, registration }) => exclusionRow(company, registration))
    return jsonResponse({ totalRecords: found.length, excludedEntity: rows, ...(found.length === 0 ? {} : { links }) })
  }

  return [
    http.get(path, ({ request }) => {
      try {
        return answer(request)
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        const { message, detail, errorCode } = error
        const body = { status: 400, timestamp: toIso(deps.now()), message, detail, transaction_id: '0' }
        return jsonResponse(errorCode === undefined ? body : { ...body, errorCode }, 400)
      }
    }),
    http.all(path, () => textResponse('Method Not Allowed.', 405, 'text/plain')),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this SAM.gov endpoint')),
  ]
}

export const samExclusionsDialect: Dialect = {
  prefix: 'sam_exclusions',
  // One key, one quota.
  source: 'sam_gov',
  credential: samGovDialect.credential,
  keysAsked(_path, query) {
    const uei = query.get('ueiSAM')
    return uei !== null ? [uei] : [...(query.get('q') ?? '').matchAll(/ueiSAM:([A-Za-z0-9]+)/g)].map((match) => match[1]!)
  },
  overQuota: samGovDialect.overQuota,
  throttled: samGovDialect.throttled,
  handlers: samExclusionsHandlers,
  truth(world, key, moment) {
    const company = world.sam.company(key.toUpperCase())
    const row = company === null ? null : exclusionRow(company, world.sam.at(company, moment))
    return row === null ? null : (JSON.parse(JSON.stringify({ totalRecords: 1, excludedEntity: [row] })) as never)
  },
  *keys(world, moment) {
    for (const company of world.sam.companies) if (world.sam.at(company, moment).excludedOn !== null) yield company.uei!
  },
}
