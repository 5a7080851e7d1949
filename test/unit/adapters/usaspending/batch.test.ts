import { describe, expect, it } from 'vitest'
import type { Answer, Target } from '../../../../ts/adapters/adapter.ts'
import { MalformedAnswer } from '../../../../ts/adapters/shared/malformed.ts'
import { awardIdOfKey, chunksOf } from '../../../../ts/adapters/usaspending/batch.ts'
import { usaspending } from '../../../../ts/adapters/usaspending.ts'
import type { JsonObject } from '../../../../ts/model/json.ts'
import type { ResponseView } from '../../../../ts/model/response.ts'

const CONTEXT = { now: 0, options: {} }
const batch = usaspending.batch!
const lookup = usaspending.lookup!

function target(contract: string, attributes: JsonObject = {}, providerKey: string | null = null): Target {
  const entity = {
    kind: 'award' as const,
    key: `v1:${contract}`,
    attributes: { contract, agency: 'Department of Defense', company_name: 'Acme, Inc.', uei: 'AAAAAAAAAAA1', ...attributes },
    aliases: [],
  }
  return { entity, providerKey, validators: { etag: null, lastModified: null } }
}

function row(awardId: string, members: JsonObject = {}): JsonObject {
  return {
    internal_id: 1,
    'Award ID': awardId,
    'Recipient Name': 'OTHER LLC',
    'Recipient UEI': 'BBBBBBBBBBB2',
    'Awarding Agency': 'Department of Defense',
    'Awarding Agency Code': '097',
    'Award Amount': 100.1,
    generated_internal_id: `CONT_AWD_${awardId}_9700_-NONE-_-NONE-`,
    ...members,
  }
}

function view(results: readonly JsonObject[], after: readonly [string, number] | null = null): ResponseView {
  const page_metadata = {
    page: 1,
    hasNext: after !== null,
    last_record_unique_id: after?.[1] ?? null,
    last_record_sort_value: after?.[0] ?? 'None',
  }
  const json = { limit: 100, results, page_metadata, messages: [] }
  return { status: 200, headers: {}, text: JSON.stringify(json), json, receivedAt: 0 }
}

function parse(rows: readonly JsonObject[], targets: readonly Target[], group = 'contracts'): readonly Answer[] {
  return batch.parse(view(rows), targets, group, null, CONTEXT).answers
}

describe('the request', () => {
  it('quotes both forms of the number, names one group and asks for a full page in a fixed order', () => {
    const { json, path, method, label } = batch.request([target('FA8651-14-C-0132')], 'contracts', null, CONTEXT)
    expect({ path, method, label }).toEqual({ path: '/api/v2/search/spending_by_award/', method: 'POST', label: 'awards.search' })
    expect(json).toMatchObject({
      filters: { award_ids: ['"FA865114C0132"', '"FA8651-14-C-0132"'], award_type_codes: ['A', 'B', 'C', 'D'] },
      sort: 'Award ID',
      order: 'asc',
      limit: 100,
      page: 1,
      subawards: false,
    })
    expect(json).not.toHaveProperty('last_record_unique_id')
  })

  it('asks a known award by its one exact number', () => {
    const { json } = batch.request(
      [target('FA8651-14-C-0132', {}, 'CONT_AWD_FA865114C0132_9700_-NONE-_-NONE-')],
      'contracts',
      null,
      CONTEXT,
    )
    expect(json).toMatchObject({ filters: { award_ids: ['"FA865114C0132"'] } })
  })

  it('reads the number out of a generated id', () => {
    expect(awardIdOfKey('CONT_AWD_36C10G24F0004_3600_36C10G21D0001_3600')).toBe('36C10G24F0004')
    expect(awardIdOfKey('CONT_IDV_FA304715A0037_9700')).toBe('FA304715A0037')
    expect(awardIdOfKey('ASST_NON_DE-SC0022800_8900')).toBe('DE-SC0022800')
    expect(awardIdOfKey('something else')).toBeNull()
  })

  it('puts at most 100 ids into a call and keeps the forms of an award together', () => {
    const hyphenated = Array.from({ length: 100 }, (_, i) => target(`FA8651-14-C-${1000 + i}`))
    const chunks = chunksOf(hyphenated)
    expect(chunks.map((chunk) => [chunk.targets.length, chunk.ids.length])).toEqual([
      [50, 100],
      [50, 100],
    ])
    expect(chunksOf(Array.from({ length: 100 }, (_, i) => target(`FA865114C${1000 + i}`)))).toHaveLength(1)
    expect(chunksOf(Array.from({ length: 100 }, () => target('FA865114C1000')))[0]!.ids).toEqual(['FA865114C1000'])
  })
})

describe('the way through chunks and pages', () => {
  const targets = Array.from({ length: 100 }, (_, i) => target(`FA8651-14-C-${1000 + i}`))

  it('goes to the second chunk when the first is answered', () => {
    const first = batch.parse(view([row('FA865114C1000')]), targets, 'contracts', null, CONTEXT)
    expect(first.answers.map((answer) => answer.entity.key)).toEqual(['v1:FA8651-14-C-1000'])
    const { json } = batch.request(targets, 'contracts', first.next, CONTEXT)
    expect((json as { filters: { award_ids: string[] } }).filters.award_ids[0]).toBe('"FA865114C1050"')
    expect(json).toMatchObject({ page: 1 })
    const second = batch.parse(view([row('FA865114C1099')]), targets, 'contracts', first.next, CONTEXT)
    expect(second.answers.map((answer) => answer.entity.key)).toEqual(['v1:FA8651-14-C-1099'])
    expect(second.next).toBeNull()
  })

  it('decides only when all pages of a chunk are there, with both values in the next request', () => {
    const one = [target('FA865114C1000')]
    const page1 = batch.parse(view([row('FA865114C1000')], ['FA865114C1000', 7]), one, 'contracts', null, CONTEXT)
    expect(page1.answers).toEqual([])
    expect(batch.request(one, 'contracts', page1.next, CONTEXT).json).toMatchObject({
      page: 2,
      last_record_sort_value: 'FA865114C1000',
      last_record_unique_id: 7,
    })
    const better = row('FA865114C1000', {
      'Recipient UEI': 'AAAAAAAAAAA1',
      generated_internal_id: 'CONT_AWD_FA865114C1000_9700_X_9700',
    })
    const page2 = batch.parse(view([better]), one, 'contracts', page1.next, CONTEXT)
    expect(page2.answers).toMatchObject([
      {
        kind: 'record',
        identity: {
          providerKey: 'CONT_AWD_FA865114C1000_9700_X_9700',
          confidence: 1,
          alternatives: [{ provider_key: 'CONT_AWD_FA865114C1000_9700_-NONE-_-NONE-' }],
        },
      },
    ])
  })

  it('stops as soon as every known award is there', () => {
    const known = target('FA8651-14-C-1000', {}, 'CONT_AWD_FA865114C1000_9700_-NONE-_-NONE-')
    const page = view([row('FA865114C1000')], ['FA865114C1000', 7])
    expect(batch.parse(page, [known], 'contracts', null, CONTEXT)).toMatchObject({ next: null, answers: [{ kind: 'record' }] })
    expect(batch.parse(page, [known, target('FA8651-14-C-2000')], 'contracts', null, CONTEXT)).toMatchObject({ answers: [] })
  })

  it('never feeds "None" back and notices a page that leads to itself', () => {
    const one = [target('FA865114C1000')]
    const more = { page: 1, hasNext: true, last_record_unique_id: null, last_record_sort_value: 'None' }
    const broken = { ...view([]), json: { results: [], page_metadata: more } }
    expect(() => batch.parse(broken, one, 'contracts', null, CONTEXT)).toThrow(MalformedAnswer)
    expect(() => batch.parse(view([], ['None', 7]), one, 'contracts', null, CONTEXT)).toThrow(/not where it goes on/)
    const page1 = batch.parse(view([row('FA865114C1000')], ['A', 7]), one, 'contracts', null, CONTEXT)
    expect(() => batch.parse(view([row('FA865114C1000')], ['A', 7]), one, 'contracts', page1.next, CONTEXT)).toThrow(
      /where it came from/,
    )
  })

  it('gives up on numbers that crowds of awards share', () => {
    const one = [target('FA865114C1000'), target('FA865114C2000')]
    let cursor: string | null = null
    let answers: readonly Answer[] = []
    for (let page = 0; page < 25; page++) {
      const rows = Array.from({ length: 100 }, (_, i) => row('FA865114C1000', { generated_internal_id: `CONT_AWD_${page}_${i}` }))
      const parsed = batch.parse(view(rows, ['FA865114C1000', page + 1]), one, 'contracts', cursor, CONTEXT)
      expect((parsed.next ?? '').length).toBeLessThan(20_000)
      answers = parsed.answers
      cursor = parsed.next
      if (cursor === null) break
    }
    expect(cursor).toBeNull()
    expect(answers).toMatchObject([
      { kind: 'skipped', reason: expect.stringContaining('more than 25 awards') },
      { kind: 'failed', errorClass: 'invalid_request' },
    ])
  })

  it('refuses rows that answer another question', () => {
    expect(() => parse([row('ZZ999914C1000')], [target('FA865114C1000')])).toThrow(/filter ignored/)
  })

  it('refuses a place that it never wrote', () => {
    for (const cursor of [
      'x',
      '{}',
      '{"chunk":9,"page":1,"after":null,"held":[]}',
      '{"chunk":0,"page":2,"after":{"sortValue":1},"held":[]}',
    ]) {
      expect(() => batch.request([target('FA865114C1000')], 'contracts', cursor, CONTEXT)).toThrow(
        expect.objectContaining({ code: 'bad_cursor' }),
      )
    }
  })
})

describe('which row is our award', () => {
  const ours = target('FA8651-14-C-0132')
  const same = 'FA865114C0132'

  it.each([
    ['the UEI', { 'Recipient UEI': 'aaaaaaaaaaa1' }, 'award_id+uei', 1],
    ['the recipient', { 'Recipient Name': 'ACME INCORPORATED' }, 'award_id+name', 0.95],
    ['the agency', {}, 'award_id+agency', 0.9],
    ['the number alone', { 'Awarding Agency': null, 'Awarding Agency Code': null }, 'award_id', 0.8],
  ])('by its number and %s', (_what, members, method, confidence) => {
    expect(parse([row(same, members)], [ours])).toMatchObject([
      {
        kind: 'record',
        entity: { kind: 'award', key: 'v1:FA8651-14-C-0132' },
        identity: { method, confidence },
        record: { total_obligation: '100.1' },
      },
    ])
  })

  const another = { generated_internal_id: 'CONT_AWD_2', 'Awarding Agency': 'Department of Energy', 'Awarding Agency Code': '89' }

  it('not when agency and recipient are others; the next group is asked', () => {
    expect(parse([row(same, another)], [ours])).toEqual([])
    expect(parse([row(same, another)], [ours], 'grants')).toMatchObject([
      {
        kind: 'skipped',
        reason: expect.stringContaining('other agencies'),
        alternatives: [{ provider_key: 'CONT_AWD_2', total_obligation: '100.1' }],
      },
    ])
  })

  it('the likelier of two, with the other as alternative', () => {
    expect(parse([row(same), row(same, another)], [ours])).toMatchObject([
      { kind: 'record', identity: { method: 'award_id+agency', alternatives: [{ provider_key: 'CONT_AWD_2' }] } },
    ])
  })

  it('cannot be told of two that are alike', () => {
    const order = { generated_internal_id: 'CONT_AWD_FA865114C0132_9700_OTHER_9700' }
    expect(parse([row(same), row(same, order)], [ours])).toMatchObject([
      { kind: 'skipped', reason: '2 awards carry this number and cannot be told apart', alternatives: [{}, {}] },
    ])
  })

  it('breaks a tie of UEIs by name and agency', () => {
    const uei = { 'Recipient UEI': 'AAAAAAAAAAA1' }
    const [answer] = parse(
      [row(same, uei), row(same, { ...uei, generated_internal_id: 'CONT_AWD_2', 'Recipient Name': 'ACME INC' })],
      [ours],
    )
    expect(answer).toMatchObject({ kind: 'record', identity: { providerKey: 'CONT_AWD_2', confidence: 1 } })
  })

  it('the one already decided, whatever else matches, and no other in its place', () => {
    const decided = target('FA8651-14-C-0132', {}, 'CONT_AWD_FA865114C0132_9700_OTHER_9700')
    const other = row(same, { 'Recipient UEI': 'AAAAAAAAAAA1' })
    const known = row(same, { generated_internal_id: decided.providerKey!, 'Award Amount': 7 })
    const [answer] = parse([other, known], [decided])
    expect(answer).toMatchObject({ kind: 'record', record: { total_obligation: '7' } })
    expect(answer).not.toHaveProperty('identity')
    expect(parse([other], [decided])).toMatchObject([{ kind: 'skipped', reason: expect.stringContaining('not listed any more') }])
  })

  it('several of ours with one number each get the row', () => {
    const again = { ...ours, entity: { ...ours.entity, key: 'v1:other' } }
    expect(parse([row(same)], [ours, again]).map((answer) => answer.entity.key)).toEqual(['v1:FA8651-14-C-0132', 'v1:other'])
  })

  it('is absent only after the last group', () => {
    expect(parse([], [ours])).toEqual([])
    expect(parse([], [ours], 'grants')).toMatchObject([
      { kind: 'absent', reason: 'USAspending lists no award FA8651-14-C-0132 among contracts, grants' },
    ])
  })

  it('finds an NIH application by its award', () => {
    const nih = target('1R43EY036753-01', { agency: 'HHS' })
    const grant = row('R43EY036753', {
      generated_internal_id: 'ASST_NON_R43EY036753_7529',
      'Awarding Agency': 'Department of Health and Human Services',
      'Awarding Agency Code': '075',
    })
    expect(parse([grant], [nih], 'grants')).toMatchObject([
      { kind: 'record', identity: { providerKey: 'ASST_NON_R43EY036753_7529', confidence: 0.9 } },
    ])
  })
})

describe('the look-up', () => {
  const key = 'CONT_AWD_FA865114C0132_9700_-NONE-_-NONE-'
  const known = target('FA8651-14-C-0132', {}, key)
  const answer = (status: number, json: JsonObject): ResponseView => ({
    status,
    headers: {},
    text: JSON.stringify(json),
    json,
    receivedAt: 0,
  })

  it('goes by the generated id, encoded', () => {
    expect(lookup.request(known, CONTEXT)).toEqual({ method: 'GET', path: `/api/v2/awards/${key}/`, label: 'awards.detail' })
    expect(lookup.request(target('X12345', {}, 'ASST_NON_A/B C_1'), CONTEXT).path).toBe('/api/v2/awards/ASST_NON_A%2FB%20C_1/')
  })

  it('never makes a path out of a key that is no generated id', () => {
    for (const key of ['..', '../last_updated', 'x/y', 'CONT_AWD_\ud800']) {
      expect(lookup.request(target('FA8651-14-C-0132', {}, key), CONTEXT)).toMatchObject({
        method: 'POST',
        label: 'awards.search',
      })
    }
  })

  it('is absent for a 404 and keeps up with a renamed id', () => {
    expect(lookup.parse(answer(404, { detail: 'No Award found' }), known, CONTEXT)).toMatchObject({ kind: 'absent' })
    expect(lookup.parse(answer(200, { generated_unique_award_id: key }), known, CONTEXT)).not.toHaveProperty('identity')
    expect(lookup.parse(answer(200, { generated_unique_award_id: 'CONT_AWD_NEW' }), known, CONTEXT)).toMatchObject({
      kind: 'record',
      identity: { providerKey: 'CONT_AWD_NEW', method: 'renamed_by_provider' },
    })
    expect(() => lookup.parse(answer(200, {}), known, CONTEXT)).toThrow(MalformedAnswer)
  })

  it('searches the likeliest group without an id, and is never absent by that', () => {
    const unknown = target('FA8651-14-C-0132')
    expect(lookup.request(unknown, CONTEXT)).toMatchObject({ method: 'POST', label: 'awards.search' })
    expect(lookup.parse(view([row('FA865114C0132')]), unknown, CONTEXT)).toMatchObject({ kind: 'record' })
    expect(lookup.parse(view([]), unknown, CONTEXT)).toMatchObject({
      kind: 'skipped',
      reason: 'not among contracts; a batch refresh asks all award types',
    })
    expect(lookup.parse(view([row('FA865114C0132')], ['A', 1]), unknown, CONTEXT)).toMatchObject({ kind: 'skipped' })
  })
})
