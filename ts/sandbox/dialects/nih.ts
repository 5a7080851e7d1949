/** NIH RePORTER v2's project search: Pascal case in, snake case out, and what it does not understand it does not mention. */
import { http, type RequestHandler } from 'msw'
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts'
import { DAY_MS, type EpochMs, MINUTE_MS, parseUtcDate, toUtcDate } from '../../model/time.ts'
import { nihWorld, type ProjectYear } from '../world/nih-world.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, unplanned } from './dialect.ts'

const MAX_LIMIT = 500
const MAX_OFFSET = 14_999

/** Without zone, as since 2023. */
const instant = (day: number): string => `${toUtcDate(day * DAY_MS)}T00:00:00`

function personOf(name: string): JsonObject {
  const parts = name.split(' ')
  return {
    profile_id: 7_000_000 + name.length * 1_013,
    first_name: parts[0] ?? '',
    middle_name: parts.slice(1, -1).join(' '),
    last_name: parts.at(-1) ?? '',
    is_contact_pi: true,
    // Two blanks between the names, as there.
    full_name: `${parts.slice(0, -1).join(' ')}  ${parts.at(-1) ?? ''}`,
    title: 'PRESIDENT',
  }
}

/** A row as the service shows it when all fields are asked for. */
export function projectRow(year: ProjectYear, moment: EpochMs): JsonObject {
  const { company } = year
  const upper = company.name.toUpperCase()
  return {
    appl_id: year.applId,
    subproject_id: null,
    fiscal_year: year.fiscalYear,
    project_num: year.projectNum,
    project_serial_num: year.core.slice(3),
    core_project_num: year.core,
    organization: {
      org_name: upper,
      city: null,
      country: null,
      org_city: company.place.city.toUpperCase(),
      org_country: 'UNITED STATES',
      org_state: company.place.state,
      org_state_name: null,
      dept_type: null,
      fips_country_code: null,
      org_duns: company.duns === null ? [] : [company.duns],
      org_ueis: company.uei === null ? [] : [company.uei],
      primary_duns: company.duns,
      primary_uei: company.uei,
      org_fips: 'US',
      org_ipf_code: String(10_000_000 + company.index),
      org_zipcode: company.zip5,
      external_org_id: 10_000_000 + company.index,
    },
    award_type: year.projectNum.slice(0, 1),
    activity_code: year.activity,
    award_amount: year.amount,
    is_active: year.budgetEnd * DAY_MS > moment,
    is_new: year.added * DAY_MS > moment - 30 * DAY_MS,
    principal_investigators: year.pi === '' ? [] : [personOf(year.pi)],
    contact_pi_name: year.pi.toUpperCase(),
    program_officers: [],
    agency_ic_admin: {
      code: year.institute,
      abbreviation: `NI${year.institute}`,
      name: `National Institute ${year.institute}`,
      admin_org_id: '12500024',
      admin_funding_url: '',
    },
    cong_dist: `${company.place.state}-01`,
    project_start_date: instant(year.projectStart),
    project_end_date: instant(year.projectEnd),
    opportunity_number: `PA-${String(year.fiscalYear).slice(2)}-176`,
    full_study_section: { srg_code: 'ZRG1', name: 'Special Emphasis Panel' },
    award_notice_date: instant(year.notice),
    arra_funded: 'N',
    budget_start: instant(year.budgetStart),
    budget_end: instant(year.budgetEnd),
    cfda_code: '93.855',
    funding_mechanism: 'SBIR/STTR',
    direct_cost_amt: null,
    indirect_cost_amt: null,
    project_detail_url: `https://reporter.nih.gov/project-details/${year.applId}`,
    date_added: `${toUtcDate(year.added * DAY_MS)}T05:12:09`,
    agency_code: 'NIH',
    project_title: year.title,
    // Filled in a year later.
    spending_categories: year.added * DAY_MS < moment - 365 * DAY_MS ? [276, 338] : null,
    terms: '<sensor><therapy>',
  }
}

const snake = (field: string): string =>
  field.replace(/[A-Z]/g, (letter, at: number) => `${at === 0 ? '' : '_'}${letter.toLowerCase()}`)

/** Only entries in Pascal case count; when none does, everything comes. */
function project(row: JsonObject, fields: readonly JsonValue[]): JsonObject {
  const wanted = fields
    .filter((field) => typeof field === 'string' && /^[A-Z]/.test(field))
    .map((field) => snake(field as string))
  const kept = Object.entries(row).filter(([name]) => wanted.includes(name))
  return kept.length === 0 ? row : Object.fromEntries(kept)
}

const list = (value: JsonValue | undefined): readonly JsonValue[] => (Array.isArray(value) ? (value as readonly JsonValue[]) : [])
const numberOf = (value: JsonValue | undefined, fallback: number): number => (typeof value === 'number' ? value : fallback)

type Test = (year: ProjectYear) => boolean

function rangeTest(value: JsonValue | undefined, dayOf: (year: ProjectYear) => number): Test | null {
  if (!isJsonObject(value)) return null
  const from = parseUtcDate(String(value['from_date'] ?? '1900-01-01'))
  const to = parseUtcDate(String(value['to_date'] ?? '2999-01-01'))
  return from === null || to === null ? null : (year) => dayOf(year) * DAY_MS >= from && dayOf(year) * DAY_MS <= to
}

function found(world: World, criteria: JsonObject, moment: EpochMs): readonly ProjectYear[] {
  const nih = world.part(nihWorld)
  const numbers = list(criteria['project_nums']).map(String)
  const ids = list(criteria['appl_ids'])
  let rows: readonly ProjectYear[]
  if (numbers.length > 0) {
    rows = numbers.flatMap((number) => {
      const core = /^\d?([A-Z0-9]{3}[A-Z]{2}\d{6})/.exec(number)?.[1] ?? ''
      const years = nih.project(core, moment)
      return number === core ? years : years.filter(({ projectNum }) => projectNum === number)
    })
  } else if (ids.length > 0) {
    rows = ids.map((id) => nih.byApplId(Number(id), moment)).filter((year) => year !== null)
  } else rows = [...nih.all(moment)]
  const years = list(criteria['fiscal_years']).map(Number)
  const activities = list(criteria['activity_codes']).map(String)
  const tests: (Test | null)[] = [
    years.length === 0 ? null : ({ fiscalYear }) => years.includes(fiscalYear),
    activities.length === 0 ? null : ({ activity }) => activities.includes(activity),
    rangeTest(criteria['date_added'], ({ added }) => added),
    rangeTest(criteria['award_notice_date'], ({ notice }) => notice),
    rangeTest(criteria['project_start_date'], ({ projectStart }) => projectStart),
    rangeTest(criteria['project_end_date'], ({ projectEnd }) => projectEnd),
  ]
  // Whatever else is in the criteria is left out without a word.
  const unique = new Map(rows.map((year) => [year.applId, year]))
  return [...unique.values()].filter((year) => tests.every((test) => test?.(year) ?? true)).sort((a, b) => a.applId - b.applId)
}

/** Handlers of api.reporter.nih.gov. `baseUrl` has no trailing slash. */
export function nihHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  async function search(request: Request): Promise<Response> {
    const body: unknown = await request.json().catch(() => null)
    if (!isJsonObject(body as JsonValue)) return jsonResponse(['The request body is not valid.'], 400)
    const asked = body as JsonObject
    const limit = numberOf(asked['limit'], 50)
    const offset = numberOf(asked['offset'], 0)
    if (limit > MAX_LIMIT)
      return jsonResponse([`System doesn't support limit value greater than ${MAX_LIMIT}. Please reduce your limit value.`], 400)
    if (offset > MAX_OFFSET)
      return jsonResponse(
        ["System doesn't support offset value greater than 14,999. Please narrow down your search criteria."],
        400,
      )
    const now = deps.now()
    const rows = found(world, isJsonObject(asked['criteria']) ? asked['criteria'] : {}, now)
    const fields = list(asked['include_fields'])
    return jsonResponse({
      meta: {
        search_id: `sandbox-${now.toString(36)}`,
        total: rows.length,
        offset,
        limit,
        sort_field: asked['sort_field'] ?? null,
        sort_order: 'ASC',
        sorted_by_relevance: false,
        properties: { URL: 'https:/reporter.nih.gov/search/sandbox/projects' },
      },
      results: rows.slice(offset, offset + limit).map((year) => project(projectRow(year, now), fields)),
    })
  }
  const path = `${baseUrl}/v2/projects/search`
  return [
    http.post(path, ({ request }) => search(request)),
    http.all(path, () => new Response(null, { status: 405 })),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this RePORTER endpoint')),
  ]
}

export const nihDialect: Dialect = {
  prefix: 'nih',
  source: 'nih',
  quotas: [{ limit: 25, per: MINUTE_MS }],
  credential: () => 'anonymous',
  keysAsked: (_path, _query, body) => {
    const numbers = /"project_nums":\[([^\]]*)\]/.exec(body)?.[1]
    return numbers === undefined ? [] : numbers.split(',').map((number) => number.replaceAll('"', ''))
  },
  overQuota: ({ until }) =>
    jsonResponse(['Too many requests.'], 429, {
      'x-rate-limit-limit': '1m',
      'x-rate-limit-remaining': '0',
      'x-rate-limit-reset': `${new Date(until).toISOString().slice(0, -1)}0000Z`,
    }),
  throttled: (_now, seconds) => jsonResponse(['Too many requests.'], 429, { 'retry-after': String(seconds) }),
  handlers: nihHandlers,
  /** By project: all its rows. */
  truth(world, key, moment) {
    const years = world.part(nihWorld).project(key, moment)
    return years.length === 0 ? null : { results: years.map((year) => projectRow(year, moment)) }
  },
  *keys(world, moment) {
    const seen = new Set<string>()
    for (const { core } of world.part(nihWorld).all(moment)) {
      if (seen.has(core)) continue
      seen.add(core)
      yield core
    }
  },
}
