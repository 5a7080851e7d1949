import { describe, expect, it } from 'vitest'
import type { PopulationFile } from '../../ts/adapters/adapter.ts'
import { sbirGov } from '../../ts/adapters/sbir-gov.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import type { EmptyReading } from './adapter-readings.ts'
import { adapterSuite, type ErrorCase, type RecordedCase } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recordedView, recording, recordingNames } from './recorded.ts'

const PROVIDER = 'sbir'
const CONTEXT = { now: RECEIVED_AT, options: {} }

const AWARD: Entity = {
  kind: 'award',
  key: 'v1:a',
  attributes: {
    title: 'SBIR Phase I: soft skills',
    agency: 'NSF',
    branch: null,
    phase: 'Phase I',
    program: 'SBIR',
    agency_tracking_number: '2317077',
    contract: '2317077',
    proposal_award_date: '2024-01-01',
    contract_end_date: '2024-06-30',
    solicitation_number: 'NSF 23-515',
    solicitation_year: 2023,
    solicitation_close_date: null,
    proposal_receipt_date: null,
    date_of_notification: null,
    topic_code: 'LC',
    award_year: 2023,
    award_amount: '274993',
    company_name: 'LIVEDX INC.',
    company_key: 'name:LIVEDX|CO',
    uei: null,
    duns: null,
    ri_name: null,
    pi_name: 'Geeta Verma',
  },
  aliases: ['award_id:2317077'],
}
const COMPANY: Entity = {
  kind: 'company',
  key: 'name:LIVEDX|CO',
  attributes: {
    name: 'LIVEDX INC.',
    uei: null,
    duns: null,
    address1: '1625 S BIRCH ST',
    address2: 'APT 909',
    city: 'Denver',
    state: 'CO',
    zip: '80222',
    country: 'US',
    website: null,
    domain: 'livedx.example',
    number_employees: 4,
    hubzone_owned: 'N',
    woman_owned: 'Y',
    disadvantaged: 'N',
    number_awards: 1,
  },
  aliases: [],
}

function withAttributes(entity: Entity, attributes: JsonObject): Entity {
  return { ...entity, attributes: { ...entity.attributes, ...attributes } }
}
const bulkFile = sbirGov.file as PopulationFile
const recordOf = (entity: Entity): JsonObject => bulkFile.record(entity, CONTEXT)

/** Every recording with its class as an answer of the JSON API; null for what is no answer. A new file fails the test. */
const EXPECTED: Readonly<Record<string, ResponseClass | null>> = {
  awards_end_of_pages: 'empty',
  awards_page1_rows100_start0: 'ok',
  awards_page2_rows100_start100: 'ok',
  awards_single: 'ok',
  bulk_award_data_csv_header_and_shape: null,
  bulk_csv_http_facts: null,
  error_403_forbidden: 'source_down',
  error_429_api_not_available: 'source_down',
  firm_search_shape_UNVERIFIED: 'ok',
  solicitations_open_3: 'ok',
}

/** It is switched off: whether it is back is all that is asked of it. */
const JSON_API: EmptyReading = {
  kind: 'other',
  why: 'the JSON API is switched off and never read: the bulk file says what it said',
}
const recordings: RecordedCase[] = recordingNames(PROVIDER)
  .filter((name) => EXPECTED[name] !== null)
  .map((name) => ({
    name,
    label: 'awards',
    view: recordedView(PROVIDER, name),
    class: EXPECTED[name] ?? 'not_found',
    reads: JSON_API,
  }))

const FILE = { path: '/tmp/f.csv', bytes: 91_504_083, sha256: '0'.repeat(64), complete: true }
const CSV = { 'content-type': 'text/csv' }
const ERRORS: ErrorCase[] = [
  {
    name: 'the API is switched off',
    label: 'awards',
    answer: {
      status: 429,
      body: { Code: 'TooManyRequestsError', Message: 'The SBIR Public API is not available at this time.' },
    },
    class: 'source_down',
  },
  {
    name: 'the same words under 403',
    label: 'awards',
    answer: {
      status: 403,
      body: { Code: 'TooManyRequestsError', Message: 'The SBIR Public API is not available at this time.' },
    },
    class: 'source_down',
  },
  {
    name: 'the gateway forbids',
    label: 'awards',
    answer: { status: 403, body: { message: 'Forbidden' }, headers: { 'x-amzn-errortype': 'ForbiddenException' } },
    class: 'source_down',
  },
  {
    name: 'too many, as a working API says it',
    label: 'awards',
    answer: { status: 429, body: { message: 'Too Many Requests' }, headers: { 'retry-after': '5' } },
    class: 'rate_limited',
    untilMs: 5_000,
  },
  {
    name: 'no record, as an object',
    label: 'awards',
    answer: { status: 404, body: { ERROR: 'No record found.' } },
    class: 'empty',
  },
  { name: 'no record, as a list', label: 'awards', answer: { body: [] }, class: 'empty' },
  { name: 'an object where a list belongs', label: 'awards', answer: { body: { awards: [] } }, class: 'malformed' },
  { name: 'a page', label: 'awards', answer: { text: '<html>' }, class: 'malformed' },
  { name: 'the bulk file', label: 'awards_file', answer: { text: '', headers: CSV, file: FILE }, class: 'ok' },
  {
    name: 'the bulk file as octets',
    label: 'awards_file',
    answer: { text: '', headers: { 'content-type': 'binary/octet-stream' }, file: FILE },
    class: 'ok',
  },
  {
    name: 'the bulk file, unchanged',
    label: 'awards_file',
    answer: { status: 304, text: '', headers: CSV },
    class: 'not_modified',
  },
  {
    name: 'the bulk file, cut off',
    label: 'awards_file',
    answer: { text: '', headers: CSV, file: { ...FILE, complete: false } },
    class: 'transient',
  },
  {
    name: 'a page for the bulk file',
    label: 'awards_file',
    answer: { text: '<html>', headers: { 'content-type': 'text/html' }, file: FILE },
    class: 'malformed',
  },
  { name: 'the bulk file without a file', label: 'awards_file', answer: { text: '', headers: CSV }, class: 'malformed' },
  {
    name: 'a path that is gone',
    label: 'awards_file',
    answer: { status: 403, text: '<Error><Code>AccessDenied</Code></Error>', headers: { 'content-type': 'application/xml' } },
    class: 'invalid_request',
  },
  {
    name: 'the file host in trouble',
    label: 'awards_file',
    answer: { status: 503, text: '', headers: { 'retry-after': '30' } },
    class: 'transient',
    untilMs: 30_000,
  },
]

adapterSuite(sbirGov, {
  exampleEntities: [AWARD, COMPANY, withAttributes(AWARD, { award_year: null, proposal_award_date: null })],
  recordings,
  errors: ERRORS,
  instants: 'the file has days without a time',
  unchangedPairs: [
    {
      name: 'an award whose company moved',
      before: recordOf(AWARD),
      after: recordOf(
        withAttributes(AWARD, { company_name: 'LIVEDX LLC', company_key: 'uei:AAAAAAAAAAA1', uei: 'AAAAAAAAAAA1' }),
      ),
    },
    {
      name: 'an award whose investigator is spelled otherwise',
      before: recordOf(AWARD),
      after: recordOf(withAttributes(AWARD, { pi_name: 'G. Verma' })),
    },
    {
      name: 'a company whose domain was worked out otherwise',
      before: recordOf(COMPANY),
      after: recordOf(withAttributes(COMPANY, { domain: null, number_awards: 2, country: null })),
    },
  ],
  changedPairs: [
    {
      name: 'an award amended',
      before: recordOf(AWARD),
      after: recordOf(withAttributes(AWARD, { award_amount: '299993' })),
      path: '$.award_amount',
    },
    {
      name: 'a company that moved',
      before: recordOf(COMPANY),
      after: recordOf(withAttributes(COMPANY, { city: 'Boulder' })),
      path: '$.city',
    },
  ],
})

describe('sbir_gov', () => {
  it('asks for the file on the other host, with what is known of the last one', () => {
    const validators = { etag: '"abc"', lastModified: 'Sat, 01 Aug 2026 00:00:00 GMT' }
    expect(bulkFile.request(validators, CONTEXT)).toMatchObject({
      base: 'files',
      expect: 'file',
      validators,
      path: '/mod_awarddatapublic_no_abstract/award_data_no_abstract.csv',
    })
    expect(bulkFile.request(validators, { ...CONTEXT, options: { bulk_file: 'with_abstract' } }).path).toBe(
      '/mod_awarddatapublic/award_data.csv',
    )
  })

  it('groups awards by year and companies by state', () => {
    const cohort = (entity: Entity): string => sbirGov.cohort.name(entity)
    expect(cohort(AWARD)).toBe('award_year_2023')
    expect(cohort(withAttributes(AWARD, { award_year: null }))).toBe('award_year_unknown')
    expect(cohort(COMPANY)).toBe('company_state_CO')
    expect(cohort(withAttributes(COMPANY, { state: 'Colorado' }))).toBe('company_state_CO')
    expect(cohort(withAttributes(COMPANY, { state: 'ONTARIO, CA' }))).toBe('company_state_other')
    expect(cohort(withAttributes(COMPANY, { state: null }))).toBe('company_state_unknown')
    expect(sbirGov.cohort.date(AWARD)).toBe(Date.UTC(2024, 0, 1))
    expect(sbirGov.cohort.date(COMPANY)).toBeNull()
  })

  it('keeps people out of its records', () => {
    expect(JSON.stringify([recordOf(AWARD), recordOf(COMPANY)])).not.toContain('Verma')
  })
})

describe.skipIf(!hasRecordings(PROVIDER))('sbir_gov against recordings', () => {
  it('has an expectation for every recording', () => {
    expect(recordingNames(PROVIDER)).toEqual(Object.keys(EXPECTED).sort())
  })

  it('owns nothing that the bulk file does not carry', () => {
    const { header } = recording(PROVIDER, 'bulk_award_data_csv_header_and_shape') as { header: readonly string[] }
    const columns: Readonly<Record<string, string>> = {
      title: 'Award Title',
      name: 'Company',
      website: 'Company Website',
      hubzone_owned: 'HUBZone Owned',
      disadvantaged: 'Socially and Economically Disadvantaged',
    }
    const names = new Set(header.map((column) => column.toLowerCase().replaceAll(' ', '_')))
    for (const member of [...Object.keys(recordOf(AWARD)), ...Object.keys(recordOf(COMPANY))]) {
      expect(columns[member] === undefined ? names.has(member) : header.includes(columns[member]), member).toBe(true)
    }
  })

  it('asks for the file that was reported', () => {
    const facts = recording(PROVIDER, 'bulk_csv_http_facts') as { no_abstract: { url: string }; with_abstract: { url: string } }
    const request = (bulk_file: string): string =>
      `https://data.www.sbir.gov${bulkFile.request({ etag: null, lastModified: null }, { ...CONTEXT, options: { bulk_file } }).path}`
    expect(request('no_abstract')).toBe(facts.no_abstract.url)
    expect(request('with_abstract')).toBe(facts.with_abstract.url)
  })

  it('recorded pages are whole and disjoint by the award key of the sheet', () => {
    const key = (row: JsonValue): string =>
      ['agency', 'agency_tracking_number', 'contract', 'phase'].map((name) => (row as JsonObject)[name]).join('|')
    const keys = ['awards_page1_rows100_start0', 'awards_page2_rows100_start100'].flatMap((name) =>
      (recording(PROVIDER, name) as readonly JsonValue[]).map(key),
    )
    expect(new Set(keys).size).toBe(200)
  })
})
