import { describe, expect, it } from 'vitest'
import type { Target } from '../../ts/adapters/adapter.ts'
import { recordOfDetail, recordOfRow } from '../../ts/adapters/usaspending/record.ts'
import { usaspending } from '../../ts/adapters/usaspending.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ChangedPair, type ErrorCase, type RecordedCase, type RecordPair } from './adapter-suite.ts'
import { hasRecordings, recordedView, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'usaspending'
const CONTEXT = { now: Date.UTC(2026, 10, 21), options: {} }

function award(key: string, attributes: JsonObject): Entity {
  return {
    kind: 'award',
    key,
    attributes: {
      contract: null,
      uei: null,
      company_name: null,
      agency: null,
      award_year: null,
      proposal_award_date: null,
      ...attributes,
    },
    aliases: [],
  }
}

const TRACERS = award('v1:tracers', {
  contract: '80GSFC-18-C-0008',
  uei: 'Z1H9VJS8NG16',
  company_name: 'The University of Iowa',
  agency: 'NASA',
  award_year: 2018,
  proposal_award_date: '2018-03-05',
})
const NSSTC = award('v1:nsstc', {
  contract: 'NNM11AA01A',
  company_name: 'University of Alabama in Huntsville',
  agency: 'National Aeronautics and Space Administration',
  award_year: 2011,
})
const NIH = award('v1:nih', { contract: '1R43EY036753-01', company_name: 'HUMAN CELL CO', agency: 'HHS', award_year: 2024 })
const NONE = award('v1:none', { company_name: 'NO NUMBER INC', agency: 'DOD' })

/** Every recording, with the request that it answers and its class. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, { label: string; class: ResponseClass }>> = {
  award_detail_contract: { label: 'awards.detail', class: 'ok' },
  award_detail_grant: { label: 'awards.detail', class: 'ok' },
  award_detail_idv: { label: 'awards.detail', class: 'ok' },
  award_detail_loan: { label: 'awards.detail', class: 'ok' },
  award_funding_grant_page1: { label: 'awards.funding', class: 'ok' },
  awards_last_updated_reconstructed: { label: 'awards.last_updated', class: 'ok' },
  contract_doc_award_assistance: { label: 'awards.detail', class: 'ok' },
  contract_doc_award_contract: { label: 'awards.detail', class: 'ok' },
  contract_doc_award_funding: { label: 'awards.funding', class: 'ok' },
  contract_doc_award_idv: { label: 'awards.detail', class: 'ok' },
  contract_doc_bulk_download_awards_accepted: { label: 'download', class: 'ok' },
  contract_doc_bulk_download_status_finished: { label: 'download', class: 'ok' },
  contract_doc_download_count: { label: 'download', class: 'ok' },
  contract_doc_recipient_list: { label: 'recipients', class: 'ok' },
  contract_doc_recipient_overview: { label: 'recipients', class: 'ok' },
  contract_doc_references_award_types: { label: 'references', class: 'ok' },
  contract_doc_references_submission_periods: { label: 'references', class: 'ok' },
  contract_doc_spending_by_transaction: { label: 'transactions', class: 'ok' },
  contract_doc_transactions: { label: 'transactions', class: 'ok' },
  download_assistance_accepted: { label: 'download', class: 'ok' },
  download_status: { label: 'download', class: 'ok' },
  errors_reconstructed: { label: 'errors', class: 'ok' },
  recipient_overview_child: { label: 'recipients', class: 'ok' },
  recipient_overview_university: { label: 'recipients', class: 'ok' },
  spending_by_award_contracts_limit2: { label: 'awards.feed', class: 'ok' },
  spending_by_award_contracts_limit4: { label: 'awards.feed', class: 'ok' },
  spending_by_award_grants: { label: 'awards.feed', class: 'ok' },
  spending_by_award_grants_page1_cache_hit: { label: 'awards.feed', class: 'ok' },
  spending_by_award_grants_seq_page1of9: { label: 'awards.feed', class: 'ok' },
  spending_by_award_grants_seq_page2of9: { label: 'awards.feed', class: 'ok' },
  spending_by_award_grants_seq_page8of9: { label: 'awards.feed', class: 'ok' },
  spending_by_award_grants_seq_page9of9: { label: 'awards.feed', class: 'ok' },
  spending_by_award_new_awards_only_by_uei: { label: 'awards.feed', class: 'ok' },
  transactions_contract_page1: { label: 'transactions', class: 'ok' },
}

function bodyOf(name: string): JsonObject {
  return recordedView(PROVIDER, name).json as JsonObject
}

function rowsOf(name: string): readonly JsonObject[] {
  return bodyOf(name)['results'] as readonly JsonObject[]
}

/** A detail is read as a record, a search page as feed items whose rows are records, the gate as a marker. */
function check(name: string, label: string): () => void {
  const view = recordedView(PROVIDER, name)
  return () => {
    if (label === 'awards.detail') {
      const record = recordOfDetail(view.json as JsonObject)
      expect(record['award_id']).not.toBeNull()
      expect(record['total_obligation']).toMatch(/^-?\d+(\.\d+)?$/)
      expect(record['last_modified_date']).toMatch(/^\d{4}-\d{2}-\d{2}$/)
    } else if (label === 'awards.feed') {
      const { items, next } = usaspending.feed!.parse(view, 'grants', null, CONTEXT)
      expect(items).toHaveLength(rowsOf(name).length)
      const more = (bodyOf(name)['page_metadata'] as JsonObject)['hasNext']
      expect(next !== null).toBe(more)
      for (const item of items) {
        expect(item.providerKey).toMatch(/^(CONT_AWD|CONT_IDV|ASST_NON)_/)
        const record = recordOfRow(item.row)
        expect(record['total_obligation']).toMatch(/^-?\d+(\.\d+)?$/)
        expect(item.aliases).toContain(`award_id:${String(record['award_id']).replace(/[^A-Z0-9]/g, '')}`)
      }
    } else if (label === 'awards.last_updated') {
      expect(usaspending.feed!.gate!.marker(view)).toBe('2026-05-18')
    }
  }
}

/** What sheet and server call noise: none of it may reach the hash. */
function disturbed(detail: JsonObject): JsonObject {
  return {
    ...detail,
    id: 1,
    total_account_outlay: 1,
    total_account_obligation: 2,
    total_outlay: 3,
    account_outlays_by_defc: [],
    subaward_count: 1,
    cfda_info: [...((detail['cfda_info'] as readonly JsonValue[] | undefined) ?? [])].reverse(),
    a_new_member: { of: 'the provider' },
    recipient: { ...(detail['recipient'] as JsonObject), recipient_hash: 'another-level-R', business_categories: [] },
  }
}

function pairs(): { unchanged: RecordPair[]; changed: ChangedPair[] } {
  const cached = rowsOf('spending_by_award_grants_page1_cache_hit')
  const sequence = rowsOf('spending_by_award_grants_seq_page1of9').map((row, index) => ({
    name: `the same page half a year later, row ${index + 1}`,
    before: recordOfRow(row),
    after: recordOfRow(cached[index]!),
  }))
  const contracts = rowsOf('spending_by_award_contracts_limit4')
  const grant = rowsOf('spending_by_award_grants')[0]!
  const contractDetail = bodyOf('award_detail_contract')
  const grantDetail = bodyOf('award_detail_grant')
  const idvDetail = bodyOf('award_detail_idv')
  return {
    unchanged: [
      ...sequence,
      { name: 'a contract by search and by look-up', before: recordOfRow(contracts[4]!), after: recordOfDetail(contractDetail) },
      { name: 'a grant by search and by look-up', before: recordOfRow(grant), after: recordOfDetail(grantDetail) },
      {
        name: 'internal ids and outlays of a contract',
        before: recordOfDetail(contractDetail),
        after: recordOfDetail(disturbed(contractDetail)),
      },
      {
        name: 'internal ids and order of listings of a grant',
        before: recordOfDetail(grantDetail),
        after: recordOfDetail(disturbed(grantDetail)),
      },
      {
        name: 'internal ids and outlays of an IDV',
        before: recordOfDetail(idvDetail),
        after: recordOfDetail(disturbed(idvDetail)),
      },
      {
        name: 'internal ids of a row',
        before: recordOfRow(grant),
        after: recordOfRow({ ...grant, internal_id: 1, recipient_id: 'x-R', 'Total Outlays': 1, def_codes: [] }),
      },
    ],
    changed: [
      {
        name: 'a contract two modifications later',
        before: recordOfRow(contracts[0]!),
        after: recordOfRow(contracts[4]!),
        path: '$.total_obligation',
      },
      {
        name: 'the day of its last modification',
        before: recordOfRow(contracts[0]!),
        after: recordOfRow(contracts[4]!),
        path: '$.last_modified_date',
      },
    ],
  }
}

const ERROR_CLASSES: Readonly<Record<string, { label: string; class: ResponseClass }>> = {
  'award not found': { label: 'awards.detail', class: 'not_found' },
  'limit above max': { label: 'awards.search', class: 'invalid_request' },
  'page past result window, awards': { label: 'awards.feed', class: 'invalid_request' },
  'page past result window, transactions': { label: 'awards.feed', class: 'invalid_request' },
  'sort not among fields (transactions)': { label: 'awards.search', class: 'invalid_request' },
  'filters missing': { label: 'awards.search', class: 'invalid_request' },
  'award types from two groups': { label: 'awards.search', class: 'invalid_request' },
  'elasticsearch down / timeout': { label: 'awards.search', class: 'transient' },
  'filter key ignored': { label: 'awards.search', class: 'invalid_request' },
}

type QuotedError = { case: string; response: { status: number; body?: JsonValue; body_fragment?: JsonObject } }

function recordedErrors(): ErrorCase[] {
  if (!hasRecordings(PROVIDER)) return []
  const { cases } = recording(PROVIDER, 'errors_reconstructed') as unknown as { cases: QuotedError[] }
  return cases.map(({ case: name, response }) => {
    const expected = ERROR_CLASSES[name]
    if (expected === undefined) throw new Error(`the quoted error "${name}" has no expectation`)
    const body =
      response.body_fragment === undefined
        ? response.body
        : { results: [], page_metadata: { page: 1, hasNext: false }, ...response.body_fragment }
    return {
      name,
      label: expected.label,
      class: expected.class,
      answer: { status: response.status, ...(body === null || body === undefined ? { text: '' } : { body }) },
    }
  })
}

const OWN_ERRORS: ErrorCase[] = [
  {
    name: 'rows of a search whose filter was ignored',
    label: 'awards.search',
    answer: {
      body: { results: [{}], messages: ['a note', "The following filters from the request were not used: {'award_idz'}. See …"] },
    },
    class: 'invalid_request',
  },
  { name: '504 with an empty body', label: 'awards.search', answer: { status: 504, text: '' }, class: 'transient' },
  { name: '200 with an empty body, under load', label: 'awards.search', answer: { status: 200, text: '' }, class: 'transient' },
  { name: '200 with a page', label: 'awards.search', answer: { status: 200, text: '<html>' }, class: 'malformed' },
  { name: '200 without results', label: 'awards.search', answer: { status: 200, body: { detail: 'x' } }, class: 'malformed' },
  {
    name: '200 with no rows',
    label: 'awards.search',
    answer: { status: 200, body: { results: [], messages: [] } },
    class: 'empty',
  },
  {
    name: 'a path without its slash',
    label: 'awards.search',
    answer: { status: 301, text: '', headers: { location: '/api/v2/' } },
    class: 'invalid_request',
  },
  { name: '403 at the edge', label: 'awards.search', answer: { status: 403, text: '<html>' }, class: 'source_down' },
  { name: '404 of a search', label: 'awards.search', answer: { status: 404, text: 'x' }, class: 'invalid_request' },
  {
    name: '429 with Retry-After',
    label: 'awards.search',
    answer: { status: 429, body: {}, headers: { 'retry-after': '120' } },
    class: 'rate_limited',
    untilMs: 120_000,
  },
  { name: '500 for half a cursor', label: 'awards.feed', answer: { status: 500, body: { detail: 'x' } }, class: 'transient' },
]

const reads = readingsOf(usaspending, CONTEXT)
const ELSEWHERE: Readonly<Record<string, string>> = {
  'awards.funding': 'money by accounts is never asked for',
  download: 'downloads are never ordered: the search answers about ours alone',
  recipients: 'recipients are never asked for: awards name them',
  references: 'lists of codes are never asked for',
  transactions: 'transactions are never asked for: a record is of an award',
  errors: 'a list of errors, each of which is tried below',
}
function readBy(label: string): EmptyReading {
  if (label === 'awards.detail')
    return { kind: 'record', parser: 'recordOfDetail', parse: (view) => [recordOfDetail(view.json as JsonObject)] }
  if (label === 'awards.last_updated') return reads.gate()
  if (label !== 'awards.feed') return reads.other(ELSEWHERE[label] ?? '')
  return {
    kind: 'feed',
    parser: 'feed.parse',
    parse: (view) => usaspending.feed!.parse(view, 'grants', null, CONTEXT).items.map((item) => recordOfRow(item.row)),
  }
}
const searched = (id: string, hasNext: boolean) =>
  viewOf({
    body: {
      results: [{ generated_internal_id: `ASST_NON_NNM11AA01A_08${id.length}`, 'Award ID': 'NNM11AA01A' }],
      page_metadata: { page: 1, hasNext, last_record_unique_id: Number(id.length), last_record_sort_value: id },
    },
  })
const recordings: RecordedCase[] = hasRecordings(PROVIDER)
  ? recordingNames(PROVIDER).map((name) => {
      const { label, class: expected } = EXPECTED[name] ?? { label: 'none', class: 'malformed' as const }
      return { name, label, class: expected, view: recordedView(PROVIDER, name), check: check(name, label), reads: readBy(label) }
    })
  : []
const { unchanged, changed } = hasRecordings(PROVIDER) ? pairs() : { unchanged: [], changed: [] }

adapterSuite(usaspending, {
  exampleEntities: [TRACERS, NSSTC, NIH, NONE],
  providerKeys: { [TRACERS.key]: 'CONT_AWD_80GSFC18C0008_8000_-NONE-_-NONE-', [NSSTC.key]: 'ASST_NON_NNM11AA01A_080' },
  recordings,
  errors: [...recordedErrors(), ...OWN_ERRORS],
  unchangedPairs: unchanged,
  changedPairs: changed,
  conversations: [
    {
      name: 'pages of a search',
      by: 'batch',
      targets: [{ entity: NSSTC, providerKey: null, validators: { etag: null, lastModified: null } }],
      answers: [searched('A', true), searched('BB', true), searched('CCC', true)],
      requests: 4,
    },
    {
      name: 'pages of what changed',
      by: 'feed',
      slice: 'grants',
      answers: [searched('A', true), searched('BB', true), searched('CCC', false)],
      requests: 3,
    },
  ],
  instants: [
    {
      text: 'last_modified_date: 2023-09-26 21:31:28',
      read: () =>
        recordOfDetail({
          generated_unique_award_id: 'ASST_NON_X_080',
          period_of_performance: { last_modified_date: '2023-09-26 21:31:28' },
        })['last_modified_date'],
      utc: '2023-09-26',
    },
  ],
  noise: [
    'id',
    'total_account_outlay',
    'total_account_obligation',
    'subaward_count',
    'total_subaward_amount',
    'executive_details',
  ],
})

describe.skipIf(!hasRecordings(PROVIDER))('usaspending against recordings', () => {
  const target = (entity: Entity, providerKey: string | null = null): Target => ({
    entity,
    providerKey,
    validators: { etag: null, lastModified: null },
  })

  it('has an expectation for every recording', () => {
    expect(recordingNames(PROVIDER)).toEqual(Object.keys(EXPECTED).sort())
  })

  it('finds our contract among rows by number and UEI, the newer of two states', () => {
    const body = { ...bodyOf('spending_by_award_contracts_limit4'), page_metadata: { page: 1, hasNext: false } }
    const { answers, next } = usaspending.batch!.parse(viewOf({ body }), [target(TRACERS)], 'contracts', null, CONTEXT)
    expect(next).toBeNull()
    expect(answers).toMatchObject([
      {
        kind: 'record',
        entity: { kind: 'award', key: 'v1:tracers' },
        identity: { providerKey: 'CONT_AWD_80GSFC18C0008_8000_-NONE-_-NONE-', method: 'award_id+uei', confidence: 1 },
      },
    ])
    expect(answers[0]).toMatchObject({ record: { total_obligation: '172213419.67', last_modified_date: '2025-08-19' } })
  })

  it('finds our grant by number and name when we have no UEI', () => {
    const body = { ...bodyOf('spending_by_award_grants'), page_metadata: { page: 1, hasNext: false } }
    const { answers } = usaspending.batch!.parse(viewOf({ body }), [target(NSSTC)], 'grants', null, CONTEXT)
    expect(answers).toMatchObject([{ kind: 'record', identity: { method: 'award_id+name', confidence: 0.95 } }])
  })

  it('answers a look-up and a feed row about an award alike', () => {
    const key = 'ASST_NON_NNM11AA01A_080'
    const looked = usaspending.lookup!.parse(recordedView(PROVIDER, 'award_detail_grant'), target(NSSTC, key), CONTEXT)
    const { items } = usaspending.feed!.parse(recordedView(PROVIDER, 'spending_by_award_grants'), 'grants', null, CONTEXT)
    const fed = items
      .map((item) => usaspending.feed!.answer(item, target(NSSTC, key), CONTEXT))
      .filter((answer) => answer !== null)
    expect(fed).toHaveLength(1)
    expect(fed[0]).toEqual(looked)
  })

  it('keeps no personal or volatile value of a look-up', () => {
    const text = JSON.stringify(recordOfDetail(bodyOf('award_detail_grant')))
    for (const noise of ['89948049', '52414684', 'executive', 'recipient_hash', 'OSTEM']) expect(text).not.toContain(noise)
  })
})
