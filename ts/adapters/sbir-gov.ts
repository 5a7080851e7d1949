/**
 * SBIR.gov: the awards themselves, from the bulk file. The JSON API has answered every request with an error since 2025, so
 * it is only probed. `docs/adapters/sbir_gov.md`.
 */
import { z } from 'zod'
import type { Entity } from '../model/entity.ts'
import { isJsonObject, type JsonObject } from '../model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../model/response.ts'
import type { SourceAdapter } from './adapter.ts'
import { classified, classifyByStatus, describeBody, explanation } from './shared/classify.ts'
import { attributeText, awardDate, awardYearCohort } from './shared/entity.ts'
import { textAt } from './shared/json.ts'
import { usStateCode } from './shared/us-states.ts'

const FILES = {
  no_abstract: '/mod_awarddatapublic_no_abstract/award_data_no_abstract.csv',
  with_abstract: '/mod_awarddatapublic/award_data.csv',
} as const

/** What the file says about the award itself. The people in it are entities of their own; their contacts are not kept. */
const AWARD_FIELDS = [
  'title',
  'agency',
  'branch',
  'phase',
  'program',
  'agency_tracking_number',
  'contract',
  'proposal_award_date',
  'contract_end_date',
  'solicitation_number',
  'solicitation_year',
  'solicitation_close_date',
  'proposal_receipt_date',
  'date_of_notification',
  'topic_code',
  'award_year',
  'award_amount',
  'ri_name',
]
/** What the award file says about the company. The number of awards and the country come from the company file alone. */
const COMPANY_FIELDS = [
  'name',
  'uei',
  'duns',
  'address1',
  'address2',
  'city',
  'state',
  'zip',
  'website',
  'number_employees',
  'hubzone_owned',
  'woman_owned',
  'disadvantaged',
]

/**
 * SBIR.gov writes a company's present data back onto all of its award rows. Hashed apart, a move of one company is one
 * change of that company, not a change of each of its awards.
 */
function recordOf(entity: Entity): JsonObject {
  const names = entity.kind === 'company' ? COMPANY_FIELDS : AWARD_FIELDS
  return Object.fromEntries(names.map((name) => [name, entity.attributes[name] ?? null]))
}

/** Companies have no year; they are grouped by state, which keeps a cohort below a fifth of the population. */
function cohortOf(entity: Entity): string {
  if (entity.kind !== 'company') return awardYearCohort(entity)
  const state = attributeText(entity, 'state')
  return `company_state_${state === null ? 'unknown' : (usStateCode(state) ?? 'other')}`
}

function classifyFile(view: ResponseView): Classified {
  const { status } = view
  if (status >= 200 && status < 300) {
    const type = view.headers['content-type'] ?? ''
    if (/html|json|xml/i.test(type)) return classified('malformed', `the bulk file came as ${describeBody(view)}`)
    if (view.file === undefined) return classified('malformed', 'the bulk file came without a body')
    return view.file.complete
      ? classified('ok', `${view.file.bytes} bytes`)
      : classified('transient', `the bulk file broke off after ${view.file.bytes} bytes`)
  }
  // The store answers 403 AccessDenied for a path that is not there any more.
  if (status === 403 || status === 404) return classified('invalid_request', `${explanation(view)}: no bulk file at this path`)
  return classifyByStatus(view)
}

function classifyApi(view: ResponseView): Classified {
  const said = `${textAt(view.json, 'Message') ?? ''} ${textAt(view.json, 'message') ?? ''}`
  if (/not available at this time/i.test(said)) return classified('source_down', `${explanation(view)}: the API is switched off`)
  // There is no key that could be wrong: the gateway in front refuses everybody.
  if (view.status === 403 || view.status === 401) return classified('source_down', `${explanation(view)}: refused by the gateway`)
  if (isJsonObject(view.json) && /no record found/i.test(textAt(view.json, 'ERROR') ?? ''))
    return classified('empty', 'no record found')
  const verdict = classifyByStatus(view)
  if (verdict.class !== 'ok') return verdict
  if (!Array.isArray(view.json)) return classified('malformed', `a list was expected (${describeBody(view)})`)
  return view.json.length === 0 ? classified('empty', 'no record found') : verdict
}

/** Never throws. */
function classify(view: ResponseView, request: RequestSpec): Classified {
  return request.label === 'awards_file' ? classifyFile(view) : classifyApi(view)
}

export const sbirGov: SourceAdapter = {
  id: 'sbir_gov',
  title: 'SBIR.gov award data',
  docs: 'https://www.sbir.gov/data-resources',
  entityKinds: ['award', 'company'],
  normalizerVersion: 1,
  credentials: [],
  options: z.strictObject({
    bulk_file: z
      .enum(['no_abstract', 'with_abstract'])
      .default('no_abstract')
      .describe('Which award file: 91 MB without abstracts, 290 MB with them; both load alike'),
  }),

  cohort: { numbered: false, name: cohortOf, date: (entity) => (entity.kind === 'award' ? awardDate(entity) : null) },
  unresolvable: () => null,

  file: {
    request: (validators, { options }) => ({
      method: 'GET',
      base: 'files',
      path: FILES[options['bulk_file'] === 'with_abstract' ? 'with_abstract' : 'no_abstract'],
      validators,
      expect: 'file',
      label: 'awards_file',
    }),
    loader: 'sbir_awards',
    record: recordOf,
  },
  // Switched off since May 2026; the work goes through the bulk file. Any other answer is news.
  probeAnswer: 'source_down',
  probe: () => ({
    method: 'GET',
    path: '/public/api/awards',
    query: [
      ['agency', 'NSF'],
      ['rows', '1'],
      ['start', '0'],
    ],
    label: 'awards',
  }),
  classify,

  volatile: [],
  arrayKeys: {},
  unordered: [],
}
