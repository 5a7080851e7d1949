import { describe, expect, it } from 'vitest'
import type { Target } from '../../../../ts/adapters/adapter.ts'
import { MalformedAnswer } from '../../../../ts/adapters/shared/malformed.ts'
import { usaspending } from '../../../../ts/adapters/usaspending.ts'
import type { JsonObject, JsonValue } from '../../../../ts/model/json.ts'
import type { ResponseView } from '../../../../ts/model/response.ts'
import { parseWindow, type Window } from '../../../../ts/model/window.ts'

const CONTEXT = { now: 0, options: {} }
const feed = usaspending.feed!

function view(json: JsonValue): ResponseView {
  return { status: 200, headers: {}, text: JSON.stringify(json), json, receivedAt: 0 }
}
function windowOf(text: string): Window {
  return parseWindow(text) as Window
}
function period(window: Window): JsonObject {
  const { json } = feed.request(window, 'grants', null, CONTEXT)
  return (json as { filters: { time_period: JsonObject[] } }).filters.time_period[0]!
}
function target(providerKey: string | null): Target {
  const attributes = { contract: '2317077', agency: 'NSF', company_name: 'LIVEDX INC.', uei: null }
  return {
    entity: { kind: 'award', key: 'v1:a', attributes, aliases: [] },
    providerKey,
    validators: { etag: null, lastModified: null },
  }
}

const ROW = {
  'Award ID': '2317077',
  'Recipient Name': 'LIVEDX INC',
  'Awarding Agency': 'National Science Foundation',
  'Awarding Agency Code': '049',
  'Award Amount': 274993,
  generated_internal_id: 'ASST_NON_2317077_4900',
}

describe('the window', () => {
  it('is named in days, both included', () => {
    expect(period(windowOf('2026-11-01:2026-11-07'))).toEqual({
      start_date: '2026-11-01',
      end_date: '2026-11-07',
      date_type: 'last_modified_date',
    })
    expect(period({ from: Date.UTC(2026, 10, 1, 12), to: Date.UTC(2026, 10, 2, 0, 0, 1) })).toMatchObject({
      start_date: '2026-11-01',
      end_date: '2026-11-02',
    })
  })

  it('begins no earlier than the search reaches', () => {
    expect(period(windowOf('1998-01-01:2008-01-01'))).toMatchObject({ start_date: '2007-10-01', end_date: '2008-01-01' })
    expect(feed.slices(windowOf('1998-01-01:2007-09-30'), CONTEXT)).toEqual([])
  })

  it('is walked once per group of award types', () => {
    expect(feed.slices(windowOf('2026-11-01'), CONTEXT)).toEqual([
      'contracts',
      'idvs',
      'grants',
      'direct_payments',
      'other_financial_assistance',
    ])
    expect(() => feed.request(windowOf('2026-11-01'), 'loans', null, CONTEXT)).toThrow(
      expect.objectContaining({ code: 'bad_cursor' }),
    )
  })
})

describe('the award type codes', () => {
  const codes = (options: JsonObject): JsonValue => {
    const { json } = feed.request(windowOf('2026-11-01'), 'grants', null, { now: 0, options })
    return (json as { filters: JsonObject }).filters['award_type_codes']!
  }

  it('are of one group, the new assistance codes included unless they are switched off', () => {
    expect(codes({})).toEqual(['02', '03', '04', '05', 'F001', 'F002'])
    expect(codes({ new_assistance_codes: false })).toEqual(['02', '03', '04', '05'])
  })
})

describe('the pages', () => {
  it('follow both search-after values', () => {
    const { next, items } = feed.parse(
      view({
        results: [ROW],
        page_metadata: { page: 1, hasNext: true, last_record_unique_id: '90071992547409931', last_record_sort_value: 'A1' },
      }),
      'grants',
      null,
      CONTEXT,
    )
    expect(items).toEqual([{ providerKey: 'ASST_NON_2317077_4900', aliases: ['award_id:2317077'], row: ROW }])
    expect(feed.request(windowOf('2026-11-01'), 'grants', next, CONTEXT).json).toMatchObject({
      page: 2,
      last_record_sort_value: 'A1',
      last_record_unique_id: '90071992547409931',
    })
  })

  it('end where there is no next one, whatever the last values say', () => {
    const last = view({
      results: [],
      page_metadata: { page: 9, hasNext: false, last_record_unique_id: null, last_record_sort_value: 'None' },
    })
    expect(feed.parse(last, 'grants', null, CONTEXT).next).toBeNull()
  })

  it('refuse rows without an id', () => {
    expect(() => feed.parse(view({ results: [{ 'Award ID': 'x' }] }), 'grants', null, CONTEXT)).toThrow(MalformedAnswer)
    expect(() => feed.parse(view({ results: ['x'] }), 'grants', null, CONTEXT)).toThrow(MalformedAnswer)
  })
})

describe('what a row says', () => {
  const item = (row: JsonObject): { providerKey: string; aliases: string[]; row: JsonObject } => ({
    providerKey: String(row['generated_internal_id']),
    aliases: [],
    row,
  })

  it('is the record of the award it is known to be', () => {
    expect(feed.answer(item(ROW), target('ASST_NON_2317077_4900'), CONTEXT)).toMatchObject({
      kind: 'record',
      record: { total_obligation: '274993' },
    })
    expect(feed.answer(item(ROW), target('ASST_NON_OTHER_4900'), CONTEXT)).toBeNull()
  })

  it('identifies nothing: another award may carry the same number', () => {
    const bare = { ...ROW, 'Recipient Name': null, 'Awarding Agency': null, 'Awarding Agency Code': null }
    for (const row of [ROW, bare]) expect(feed.answer(item(row), target(null), CONTEXT)).toMatchObject({ kind: 'due' })
    expect(feed.answer(item({ ...bare, 'Awarding Agency Code': '097' }), target(null), CONTEXT)).toBeNull()
  })
})

describe('the gate', () => {
  it('is the day of the last load', () => {
    expect(feed.gate!.request(CONTEXT)).toEqual({
      method: 'GET',
      path: '/api/v2/awards/last_updated/',
      label: 'awards.last_updated',
    })
    expect(feed.gate!.marker(view({ last_updated: '05/18/2026' }))).toBe('2026-05-18')
    expect(() => feed.gate!.marker(view({ last_updated: 'soon' }))).toThrow(MalformedAnswer)
  })
})
