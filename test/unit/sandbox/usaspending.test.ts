import { describe, expect, it } from 'vitest'
import { DAY_MS, parseUtcDate } from '../../../ts/model/time.ts'
import { bodyOf, CONTRACTS, GRANTS, get, NO_QUOTAS, post, type Row, SEARCH, virtualSandbox } from './helpers.ts'

const { sandbox, time } = virtualSandbox({ quotas: NO_QUOTAS })
const load = sandbox.world.usaspending.loadedAt(sandbox.clock.now())
const shown = sandbox.world.usaspending.visible(load)
const contracts = shown.filter(({ award }) => award.group === 'contracts')
const FIELDS = ['Award ID', 'Recipient Name', 'Award Amount', 'End Date', 'Last Modified Date']
const search = async (body: object) => bodyOf(await post(sandbox, SEARCH, { fields: FIELDS, ...body }))

/** Walks all pages by both cursor values. */
async function walk(body: object, limit: number) {
  const rows: Row[] = []
  let cursor = {}
  for (let page = 1; ; page += 1) {
    const answer = await search({ ...body, limit, page, ...cursor })
    rows.push(...answer.results)
    const { hasNext, last_record_unique_id, last_record_sort_value } = answer.page_metadata
    if (!hasNext) return { rows, pages: page, last: answer.page_metadata }
    cursor = { last_record_unique_id, last_record_sort_value }
  }
}

describe('spending_by_award', () => {
  it('finds exactly the quoted ids, of the asked group', async () => {
    const wanted = contracts.slice(0, 40).map(({ award }) => award.awardId)
    const { results } = await search({
      filters: { award_type_codes: CONTRACTS, award_ids: wanted.map((id) => `"${id}"`) },
      limit: 100,
    })
    expect(new Set(results.map((row: Record<string, string>) => row['Award ID']))).toEqual(new Set(wanted))
    const none = await search({ filters: { award_type_codes: GRANTS, award_ids: wanted.map((id) => `"${id}"`) } })
    expect(none.results).toEqual([])
  })

  it('takes an id without quotes apart and finds more than was meant', async () => {
    const id = contracts.find(({ award }) => /^FA\d{4}/.test(award.awardId))!.award.awardId
    const hyphenated = `${id.slice(0, 6)}-${id.slice(6, 8)}-${id.slice(8, 9)}-${id.slice(9)}`
    const loose = await search({ filters: { award_type_codes: CONTRACTS, award_ids: [hyphenated] }, limit: 100 })
    expect(loose.results.length).toBeGreaterThan(1)
    const exact = await search({ filters: { award_type_codes: CONTRACTS, award_ids: [`"${hyphenated}"`] } })
    expect(exact.results).toEqual([])
  })

  it.each([
    ['Award Amount', 'desc'],
    ['Last Modified Date', 'asc'],
    ['Award ID', 'desc'],
  ])('walks all rows once by cursor, sorted by %s %s', async (sort, order) => {
    const filters = { award_type_codes: CONTRACTS }
    const { rows, pages, last } = await walk({ filters, sort, order }, 37)
    expect(pages).toBe(Math.ceil(contracts.length / 37))
    expect(rows.map((row) => row.generated_internal_id).sort()).toEqual(contracts.map(({ award }) => award.id).sort())
    expect(last).toMatchObject({ hasNext: false, last_record_unique_id: null, last_record_sort_value: 'None' })
    const values = rows.map((row) => row[sort])
    const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    expect(values).toEqual(order === 'asc' ? sorted : sorted.reverse())
  })

  it('gives the same rows by page number', async () => {
    const filters = { award_type_codes: CONTRACTS }
    const byCursor = await walk({ filters, sort: 'Award Amount' }, 50)
    const third = await search({ filters, sort: 'Award Amount', limit: 50, page: 3 })
    expect(third.results).toEqual(byCursor.rows.slice(100, 150))
  })

  it('lists in a window exactly what was modified on its days, both included', async () => {
    const day = (at: number) => new Date(at).toISOString().slice(0, 10)
    const from = day(load - 60 * DAY_MS)
    const to = day(load - 20 * DAY_MS)
    const { rows } = await walk(
      {
        filters: {
          award_type_codes: CONTRACTS,
          time_period: [{ start_date: from, end_date: to, date_type: 'last_modified_date' }],
        },
        sort: 'Last Modified Date',
      },
      100,
    )
    const expected = contracts.filter(
      ({ state }) => state.lastModified * DAY_MS >= parseUtcDate(from)! && state.lastModified * DAY_MS <= parseUtcDate(to)!,
    )
    expect(expected.length).toBeGreaterThan(2)
    expect(rows.map((row) => row.generated_internal_id).sort()).toEqual(expected.map(({ award }) => award.id).sort())
  })

  it('filters by recipient and agency', async () => {
    const { award } = contracts.find((entry) => entry.award.recipient.uei !== null)!
    const byUei = await walk({ filters: { award_type_codes: CONTRACTS, recipient_search_text: [award.recipient.uei] } }, 100)
    expect(byUei.rows.map((row) => row.generated_internal_id)).toContain(award.id)
    const nasa = await walk(
      {
        filters: {
          award_type_codes: CONTRACTS,
          agencies: [{ type: 'awarding', tier: 'toptier', name: 'National Aeronautics and Space Administration' }],
        },
      },
      100,
    )
    expect(nasa.rows.length).toBe(contracts.filter((entry) => entry.award.sub.abbreviation === 'NASA').length)
  })

  it('answers what is wrong with a request the way the provider does', async () => {
    const filters = { award_type_codes: CONTRACTS }
    const cases: [object, number, string][] = [
      [
        { filters, sort: 'End Date', fields: ['Award ID'] },
        400,
        "Sort value 'End Date' not found in requested fields: ['Award ID']",
      ],
      [{ filters, sort: 'Nonsense' }, 400, "Sort value 'Nonsense' not found in Award mappings"],
      [{ filters: {} }, 422, "Missing value: 'filters|award_type_codes' is a required field"],
      [{ filters, fields: undefined }, 422, "Missing value: 'fields' is a required field"],
      [{ filters, page: 0 }, 422, "Field 'page' value '0' is below min '1'"],
      [{ filters, last_record_unique_id: 5 }, 500, 'requires both'],
      [{ filters, last_record_sort_value: 'x' }, 500, 'requires both'],
      [{ filters, sort: 'Award Amount', last_record_unique_id: 5, last_record_sort_value: 'None' }, 500, 'search_after'],
      [{ filters: { ...filters, time_period: [{ start_date: '11/01/2026', end_date: '2026-11-02' }] } }, 422, 'not a valid date'],
      [{ filters: { award_type_codes: ['ZZ'] } }, 422, 'outside valid values'],
    ]
    for (const [body, status, detail] of cases) {
      const response = await post(sandbox, SEARCH, { fields: FIELDS, ...body })
      expect([response.status, (await bodyOf(response)).detail]).toEqual([status, expect.stringContaining(detail)])
    }
  })

  it('says 501 to a filter that the provider has and the sandbox has not, instead of ignoring it', async () => {
    const response = await post(sandbox, SEARCH, {
      fields: FIELDS,
      filters: { award_type_codes: CONTRACTS, naics_codes: ['541715'] },
    })
    expect([response.status, (await bodyOf(response)).message]).toEqual([501, expect.stringContaining('naics_codes')])
  })

  it('shows an award number that two agencies use twice', async () => {
    const counts = new Map<string, number>()
    for (const { award } of shown) counts.set(award.awardId, (counts.get(award.awardId) ?? 0) + 1)
    const [number] = [...counts].find(([, count]) => count > 1)!
    const group = shown.find(({ award }) => award.awardId === number)!.award.group === 'contracts' ? CONTRACTS : GRANTS
    const { results } = await search({
      filters: { award_type_codes: group, award_ids: [`"${number}"`] },
      fields: ['Award ID', 'Awarding Agency'],
    })
    expect(new Set(results.map((row: Record<string, string>) => row['Awarding Agency'])).size).toBe(2)
  })
})

describe('paths', () => {
  it('redirects what lacks its slash, refuses other methods, and says 501 to the rest', async () => {
    const missing = await get(sandbox, '/usaspending/api/v2/awards/last_updated')
    expect([missing.status, missing.headers.get('location')]).toEqual([301, '/usaspending/api/v2/awards/last_updated/'])
    expect((await post(sandbox, SEARCH.slice(0, -1), {})).status).toBe(301)
    const wrong = await get(sandbox, SEARCH)
    expect([wrong.status, (await bodyOf(wrong)).detail]).toEqual([405, 'Method "GET" not allowed.'])
    const unplanned = await get(sandbox, '/usaspending/api/v2/recipient/abc/')
    expect([unplanned.status, await bodyOf(unplanned)]).toEqual([
      501,
      expect.objectContaining({ path: '/usaspending/api/v2/recipient/abc/' }),
    ])
  })

  it('knows an award by its deprecated number too', async () => {
    const { award } = shown[3]!
    const detail = await bodyOf(await get(sandbox, `/usaspending/api/v2/awards/${award.surrogate}/`))
    expect(detail.generated_unique_award_id).toBe(award.id)
    expect((await get(sandbox, '/usaspending/api/v2/awards/1/')).status).toBe(404)
  })
})

describe('time', () => {
  it('serves the truth of the moment, moves its gate with each nightly load, and lists what changed', async () => {
    const before = await bodyOf(await get(sandbox, '/usaspending/api/v2/awards/last_updated/'))
    time.ms += 3 * DAY_MS
    const after = await bodyOf(await get(sandbox, '/usaspending/api/v2/awards/last_updated/'))
    expect([before.last_updated, after.last_updated]).toEqual(['11/21/2026', '11/24/2026'])
    const now = sandbox.world.usaspending.visible(sandbox.world.usaspending.loadedAt(sandbox.clock.now()))
    const amounts = new Map(shown.map(({ award, state }) => [award.id, state]))
    const moved = now.filter(({ award, state }) => amounts.get(award.id) !== undefined && amounts.get(award.id) !== state)
    expect(moved.length).toBeGreaterThan(0)
    for (const { award, state } of moved) {
      // Published since then, and late by two days at most.
      expect(state.lastModified * DAY_MS).toBeGreaterThanOrEqual(Date.UTC(2026, 10, 19))
      const detail = await bodyOf(await get(sandbox, `/usaspending/api/v2/awards/${award.id}/`))
      expect(detail.total_obligation).toBe(state.amountCents / 100)
    }
  })
})
