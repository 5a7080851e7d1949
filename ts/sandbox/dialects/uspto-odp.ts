/** USPTO Open Data Portal: the application search, with its 404 for nothing, its 413 for too much, and its one request at a time. */
import { createHash } from 'node:crypto'
import { http, type RequestHandler } from 'msw'
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts'
import { DAY_MS, type EpochMs, parseUtcDate, toUtcDate } from '../../model/time.ts'
import { type Application, applicantsOf, assigneeAt, patentWorld, statusAt, wordsOf } from '../world/patent-world.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, unplanned } from './dialect.ts'

export const SANDBOX_USPTO_KEY = 'sandboxusptokey0000000000000'
const MAX_BYTES = 6_000_000
const RESULT_WINDOW = 10_000
const NUMBERS = /^applicationNumberText:\(?([^()]+)\)?$/
const NAMES = /^([A-Za-z.]+):\(?([^()]+)\)?$/
const APPLICANT = ['applicationMetaData.applicantBag.applicantNameText', 'applicationMetaData.firstApplicantName']
const ASSIGNEE = 'assignmentBag.assigneeBag.assigneeNameText'

class Refused {
  readonly details: string
  constructor(details: string) {
    this.details = details
  }
}

const date = (day: number): string => toUtcDate(day * DAY_MS)
const identifier = (text: string): string => {
  const hex = createHash('md5').update(text).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function inventorOf(name: string, application: Application): JsonObject {
  const parts = name.split(' ')
  return {
    firstName: parts[0]!,
    lastName: parts.at(-1)!,
    countryCode: 'US',
    inventorNameText: name,
    correspondenceAddressBag: [
      {
        cityName: application.city,
        geographicRegionCode: application.state,
        countryCode: 'US',
        postalAddressCategory: 'residence',
      },
    ],
  }
}

/** The whole record, as `/applications/{number}` would show it. Members that a pending application has not are missing. */
export function applicationRow(application: Application, moment: EpochMs): JsonObject {
  const status = statusAt(application, moment)
  const assignee = assigneeAt(application, moment)
  const published = application.filed + 550
  const isPublished = published * DAY_MS <= moment
  const grant: JsonObject = status.isGranted ? { patentNumber: application.patentNumber, grantDate: date(status.date) } : {}
  const publication: JsonObject = isPublished
    ? {
        publicationDateBag: [date(published)],
        publicationSequenceNumberBag: [application.number.slice(1)],
        earliestPublicationDate: date(published),
        earliestPublicationNumber: `US${date(published).slice(0, 4)}${application.number.slice(1)}A1`,
      }
    : {}
  return {
    applicationNumberText: application.number,
    applicationMetaData: {
      firstInventorToFileIndicator: 'Y',
      applicationStatusCode: status.code,
      applicationTypeCode: 'UTL',
      entityStatusData: { smallEntityStatusIndicator: true, businessEntityStatusCategory: 'Small' },
      filingDate: date(application.filed),
      nationalStageIndicator: false,
      firstInventorName: application.inventors[0]!,
      cpcClassificationBag: [...application.cpc],
      effectiveFilingDate: date(application.filed),
      ...publication,
      applicationTypeLabelName: 'Utility',
      applicationStatusDate: date(status.date),
      class: '429',
      applicationTypeCategory: 'REGULAR',
      inventorBag: application.inventors.map((name) => inventorOf(name, application)),
      applicationStatusDescriptionText: status.text,
      ...grant,
      applicantBag: applicantsOf(application).map((name) => ({
        applicantNameText: name,
        correspondenceAddressBag: [
          {
            cityName: application.city,
            geographicRegionName: application.stateName,
            geographicRegionCode: application.state,
            countryCode: 'US',
            countryName: 'UNITED STATES',
            postalAddressCategory: 'postal',
          },
        ],
      })),
      firstApplicantName: applicantsOf(application)[0]!,
      customerNumber: 22434,
      groupArtUnitNumber: '1727',
      inventionTitle: application.title,
      applicationConfirmationNumber: application.confirmation,
      examinerNameText: 'DOVE, TRACY MAE',
      subclass: '144',
      publicationCategoryBag: ['Pre-Grant Publications - PGPub'],
      docketNumber: `SB-${application.number.slice(-4)}`,
    },
    ...(assignee !== null
      ? {
          assignmentBag: [
            {
              reelAndFrameNumber: `0${application.number.slice(2, 7)}/0${application.number.slice(-3)}`,
              conveyanceText: 'ASSIGNMENT OF ASSIGNORS INTEREST (SEE DOCUMENT FOR DETAILS).',
              assignmentRecordedDate: date(application.filed + 30),
              assigneeBag: [
                {
                  assigneeAddress: {
                    cityName: application.city.toUpperCase(),
                    geographicRegionCode: application.state,
                    postalCode: '00000',
                    addressLineOneText: '1 MAIN STREET',
                  },
                  assigneeNameText: assignee,
                },
              ],
            },
          ],
        }
      : {}),
    // Changes whenever the portal takes the record in again, whether it changed or not.
    lastIngestionDateTime: `${toUtcDate(moment)}T04:10:07`,
  }
}

type Clause = { readonly isAssignee: boolean; readonly words: readonly string[] }

/** `field:(A AND B)`, one or several with OR between them. */
function clausesOf(q: string): readonly Clause[] {
  return q.split(/\s+OR\s+(?=[A-Za-z.]+:)/).map((text) => {
    const [, field = '', name = ''] = NAMES.exec(text.trim()) ?? []
    if (field !== ASSIGNEE && !APPLICANT.includes(field))
      throw new Refused('Invalid request, review the q parameter and try again')
    const words = name.split(/\s+AND\s+/).map((word) => word.replaceAll('"', '').trim().toUpperCase())
    return { isAssignee: field === ASSIGNEE, words }
  })
}

function meets(application: Application, { isAssignee, words }: Clause, moment: EpochMs): boolean {
  const assignee = assigneeAt(application, moment)
  const names = isAssignee ? (assignee === null ? [] : [assignee]) : applicantsOf(application)
  const there = new Set(names.flatMap(wordsOf))
  return words.every((word) => there.has(word))
}

/** `q` in the two forms that are known: numbers with OR, words of the applicant's or the assignee's name with AND. */
function matching(world: World, q: string | undefined, moment: EpochMs): readonly Application[] {
  const patents = world.part(patentWorld)
  if (q === undefined || q.trim() === '') return [...patents.all(moment)]
  const numbers = NUMBERS.exec(q.trim())?.[1]
  if (numbers !== undefined)
    return [...new Set(numbers.split(/\s+OR\s+/))]
      .map((number) => patents.byNumber(number.replaceAll('"', '').trim(), moment))
      .filter((application) => application !== null)
  const found = clausesOf(q.trim()).flatMap((clause) =>
    patents
      .withWord(clause.words[0]!)
      .filter((application) => patents.byNumber(application.number, moment) !== null && meets(application, clause, moment)),
  )
  return [...new Set(found)]
}

function inRange(application: Application, filter: JsonValue, moment: EpochMs): boolean {
  if (!isJsonObject(filter)) throw new Refused('Invalid request, review patent data request filter section and try again')
  const field = String(filter['field']).replace('applicationMetaData.', '')
  const status = statusAt(application, moment)
  const values: Readonly<Record<string, number | null>> = {
    applicationStatusDate: status.date,
    filingDate: application.filed,
    grantDate: status.isGranted ? status.date : null,
  }
  const from = parseUtcDate(String(filter['valueFrom']))
  const to = parseUtcDate(String(filter['valueTo']))
  if (!Object.hasOwn(values, field) || from === null || to === null)
    throw new Refused('Invalid request, review patent data request filter section and try again')
  const day = values[field]!
  return day !== null && day * DAY_MS >= from && day * DAY_MS <= to
}

/** Only the named members; `applicationMetaData.grantDate` names one of a member. */
function project(row: JsonObject, fields: readonly string[]): JsonObject {
  const shown: Record<string, JsonValue> = {}
  for (const field of fields) {
    const [first, second] = field.split('.') as [string, string | undefined]
    const value = row[first]
    if (value === undefined) continue
    if (second === undefined) shown[first] = value
    else if (isJsonObject(value) && value[second] !== undefined)
      shown[first] = { ...(isJsonObject(shown[first]) ? shown[first] : {}), [second]: value[second] }
  }
  return shown
}

const ORDERS: Readonly<Record<string, (application: Application) => number>> = {
  applicationNumberText: ({ number }) => Number(number),
  'applicationMetaData.filingDate': ({ filed }) => filed,
}

/** `[{ field, order }]`, one after the other; by number where nothing is said. Those that are alike stay as they were. */
function sorted(found: readonly Application[], sort: JsonValue | undefined): readonly Application[] {
  const keys = (sort === undefined ? [{ field: 'applicationNumberText' }] : sort) as readonly JsonValue[]
  if (!Array.isArray(keys)) throw new Refused('Invalid request, review the sort parameter and try again')
  return (keys as readonly JsonValue[]).toReversed().reduce<readonly Application[]>((list, key) => {
    const value = isJsonObject(key) && Object.hasOwn(ORDERS, String(key['field'])) ? ORDERS[String(key['field'])] : undefined
    if (value === undefined || !isJsonObject(key)) throw new Refused('Invalid request, review the sort parameter and try again')
    const sign = String(key['order'] ?? 'asc').toLowerCase() === 'desc' ? -1 : 1
    return list.toSorted((a, b) => sign * (value(a) - value(b)))
  }, found)
}

function numberAt(value: JsonValue | undefined, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
    throw new Refused('Invalid request, review pagination and try again')
  return value
}

/** Handlers of api.uspto.gov's patent file wrapper search. `baseUrl` has no trailing slash. */
export function usptoOdpHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  async function search(request: Request): Promise<Response> {
    const key = request.headers.get('x-api-key')
    if (key !== SANDBOX_USPTO_KEY) return jsonResponse({ code: 403, error: 'Forbidden' }, 403)
    const now = deps.now()
    const body: unknown = await request.json().catch(() => null)
    const requestIdentifier = identifier(`${JSON.stringify(body)} ${now}`)
    try {
      if (!isJsonObject(body as JsonValue)) throw new Refused('Invalid request, review the body and try again')
      const asked = body as JsonObject
      const pagination = isJsonObject(asked['pagination']) ? asked['pagination'] : {}
      const offset = numberAt(pagination['offset'], 0)
      const limit = numberAt(pagination['limit'], 25)
      if (offset + limit > RESULT_WINDOW) throw new Refused('Invalid request, review pagination and try again')
      const ranges = Array.isArray(asked['rangeFilters']) ? (asked['rangeFilters'] as readonly JsonValue[]) : []
      const q = typeof asked['q'] === 'string' ? asked['q'] : undefined
      const found = sorted(
        matching(world, q, now).filter((application) => ranges.every((filter) => inRange(application, filter, now))),
        asked['sort'],
      )
      if (found.length === 0) {
        const details = 'No matching records found, refine your search criteria and try again'
        return jsonResponse({ code: 404, error: 'Not Found', errorDetails: details, requestIdentifier }, 404)
      }
      const fields = Array.isArray(asked['fields']) ? (asked['fields'] as readonly string[]) : null
      const rows = found.slice(offset, offset + limit).map((application) => {
        const row = applicationRow(application, now)
        return fields === null ? row : project(row, fields)
      })
      const answer = { count: found.length, patentFileWrapperDataBag: rows, requestIdentifier }
      if (JSON.stringify(answer).length > MAX_BYTES) {
        const detailedMessage =
          'Response payload exceeds allowed limit of 6MB, please refine your search criteria or reduce payload size by reducing page size'
        return jsonResponse({ code: '413', message: 'Payload Too Large', detailedMessage, requestIdentifier }, 413)
      }
      return jsonResponse(answer)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return jsonResponse({ code: 400, error: 'Bad Request', errorDetails: error.details, requestIdentifier }, 400)
    }
  }

  return [
    http.post(`${baseUrl}/api/v1/patent/applications/search`, ({ request }) => search(request)),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this USPTO endpoint')),
  ]
}

const tooMany = (): Response => jsonResponse({ code: 429, error: 'Too Many Requests', errorDetails: 'Rate limit exceeded' }, 429)

export const usptoOdpDialect: Dialect = {
  prefix: 'uspto_odp',
  source: 'uspto_odp',
  // "Burst 1": no two requests of a key at once; 4-15 a second one after the other.
  quotas: [
    { limit: 1, per: 1, concurrency: true },
    { limit: 15, per: 1_000 },
  ],
  credential(request) {
    const key = request.headers.get('x-api-key')
    return key === null ? 'no-key' : `key-${createHash('sha256').update(key).digest('hex').slice(0, 8)}`
  },
  keysAsked: (_path, _query, body) => {
    const numbers = /applicationNumberText:\(([^)]*)\)/.exec(body)?.[1]
    return numbers === undefined ? [] : numbers.split(' OR ')
  },
  overQuota: tooMany,
  throttled: (_now, seconds) => {
    const response = tooMany()
    response.headers.set('retry-after', String(seconds))
    return response
  },
  handlers: usptoOdpHandlers,
  /** By application number. */
  truth(world, key, moment) {
    const application = world.part(patentWorld).byNumber(key, moment)
    return application === null ? null : applicationRow(application, moment)
  },
  *keys(world, moment) {
    for (const { number } of world.part(patentWorld).all(moment)) yield number
  },
}
