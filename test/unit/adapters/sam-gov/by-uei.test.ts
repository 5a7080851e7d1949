import { describe, expect, it } from 'vitest'
import type { Target } from '../../../../ts/adapters/adapter.ts'
import { samGov } from '../../../../ts/adapters/sam-gov.ts'
import { MalformedAnswer } from '../../../../ts/adapters/shared/malformed.ts'
import type { JsonObject, JsonValue } from '../../../../ts/model/json.ts'
import type { ResponseView } from '../../../../ts/model/response.ts'
import { payloadHash } from '../../../../ts/refresh/canonical.ts'

const CONTEXT = { now: 0, options: {} }
const batch = samGov.batch!
const UEIS = Array.from({ length: 10 }, (_, i) => `AAAAAAAAAA${10 + i}`)

function target(uei: string | null, providerKey: string | null = null): Target {
  return {
    entity: { kind: 'company', key: `uei:${uei}`, attributes: { uei }, aliases: [] },
    providerKey,
    validators: { etag: null, lastModified: null },
  }
}
function row(uei: string, eft: string | null = null, members: JsonObject = {}): JsonObject {
  return {
    entityRegistration: {
      ueiSAM: uei,
      entityEFTIndicator: eft,
      legalBusinessName: `Company ${uei}`,
      registrationStatus: 'Active',
      ...members,
    },
  }
}
function view(totalRecords: JsonValue, entityData: JsonValue): ResponseView {
  const json = { totalRecords, entityData, links: { selfLink: 'https://api.sam.gov/?api_key=REPLACE_WITH_API_KEY' } }
  return { status: 200, headers: {}, text: JSON.stringify(json), json, receivedAt: 0 }
}

describe('the request', () => {
  it('names ten UEIs, two sections and no key', () => {
    expect(
      batch.request(
        UEIS.map((uei) => target(uei)),
        'entities',
        null,
        CONTEXT,
      ),
    ).toEqual({
      method: 'GET',
      path: '/entity-information/v4/entities',
      query: [
        ['ueiSAM', `[${UEIS.join('~')}]`],
        ['includeSections', 'entityRegistration,coreData'],
        ['page', '0'],
        ['size', '10'],
      ],
      label: 'entities.batch',
    })
    expect(samGov.credentials).toEqual([{ name: 'api_key', placement: { in: 'header', name: 'X-Api-Key' }, required: true }])
  })

  it('asks by the UEI that an operator decided, and by either version', () => {
    expect(samGov.lookup!.request(target('AAAAAAAAAA10', 'BBBBBBBBBB20+0686'), CONTEXT).query?.[0]).toEqual([
      'ueiSAM',
      'BBBBBBBBBB20',
    ])
    expect(samGov.lookup!.request(target('AAAAAAAAAA10'), { ...CONTEXT, options: { api_version: 'v3' } }).path).toBe(
      '/entity-information/v3/entities',
    )
  })

  it('cannot ask about companies without a UEI', () => {
    expect(samGov.unresolvable(target(null).entity)).toBe('no UEI')
    expect(samGov.unresolvable(target('12345').entity)).toMatch(/12 letters and digits/)
    expect(samGov.unresolvable(target('AAAAAAAAAA10').entity)).toBeNull()
  })
})

describe('the answers', () => {
  it('takes a total that is text and a single entity that is no list', () => {
    const { answers } = batch.parse(view('1', row('AAAAAAAAAA10')), [target('AAAAAAAAAA10')], 'entities', null, CONTEXT)
    expect(answers).toMatchObject([
      { kind: 'record', record: { uei: 'AAAAAAAAAA10', registrations: [{ legalBusinessName: 'Company AAAAAAAAAA10' }] } },
    ])
  })

  it('reads on while rows are missing, and merges registrations from different pages', () => {
    const targets = UEIS.map((uei) => target(uei))
    const first = batch.parse(
      view(
        11,
        UEIS.map((uei) => row(uei)),
      ),
      targets,
      'entities',
      null,
      CONTEXT,
    )
    expect(first.answers).toEqual([])
    expect(batch.request(targets, 'entities', first.next, CONTEXT).query?.[2]).toEqual(['page', '1'])
    const { answers, next } = batch.parse(
      view(11, [row('AAAAAAAAAA19', '0001', { cageCode: '1ABC2' })]),
      targets,
      'entities',
      first.next,
      CONTEXT,
    )
    expect(next).toBeNull()
    expect(answers).toHaveLength(10)
    expect(answers[9]).toMatchObject({
      record: { registrations: [{ entityEFTIndicator: '' }, { entityEFTIndicator: '0001', cageCode: '1ABC2' }] },
      identity: { providerKey: 'AAAAAAAAAA19+0001' },
    })
  })

  it('is done with a page that is just full', () => {
    const targets = UEIS.map((uei) => target(uei))
    const { answers, next } = batch.parse(
      view(
        10,
        UEIS.map((uei) => row(uei)),
      ),
      targets,
      'entities',
      null,
      CONTEXT,
    )
    expect(next).toBeNull()
    expect(answers).toHaveLength(10)
  })

  it('does not believe a list that moves, ends early, or is about others', () => {
    const targets = UEIS.map((uei) => target(uei))
    const { next } = batch.parse(
      view(
        11,
        UEIS.map((uei) => row(uei)),
      ),
      targets,
      'entities',
      null,
      CONTEXT,
    )
    expect(() => batch.parse(view(11, [row('AAAAAAAAAA10')]), targets, 'entities', next, CONTEXT)).toThrow(
      /moved between two pages/,
    )
    expect(() => batch.parse(view(11, []), targets, 'entities', next, CONTEXT)).toThrow(/none came/)
    expect(() => batch.parse(view(30, []), targets, 'entities', null, CONTEXT)).toThrow(/page 0 is empty/)
    expect(() => batch.parse(view(1, [row('ZZZZZZZZZZ99')]), targets, 'entities', null, CONTEXT)).toThrow(/filter ignored/)
    expect(() => batch.parse(view(867_000, [row('AAAAAAAAAA10')]), targets, 'entities', null, CONTEXT)).toThrow(MalformedAnswer)
    expect(() => batch.parse(view(null, []), targets, 'entities', null, CONTEXT)).toThrow(/totalRecords/)
    expect(() => batch.parse(view(1, [{}]), targets, 'entities', null, CONTEXT)).toThrow(/ueiSAM/)
  })

  it('says absent, not gone, for a UEI that is not shown', () => {
    const { answers } = batch.parse(view(0, []), [target('AAAAAAAAAA10')], 'entities', null, CONTEXT)
    expect(answers).toEqual([
      {
        kind: 'absent',
        entity: { kind: 'company', key: 'uei:AAAAAAAAAA10' },
        reason: 'SAM.gov shows no registration of UEI AAAAAAAAAA10: not registered, or not for public display',
      },
    ])
  })

  it('leaves an identity alone that says the same', () => {
    const { answers } = batch.parse(
      view(1, [row('AAAAAAAAAA10')]),
      [target('AAAAAAAAAA10', 'AAAAAAAAAA10')],
      'entities',
      null,
      CONTEXT,
    )
    expect(answers[0]).not.toHaveProperty('identity')
  })

  it('reads one page in a look-up and says so when there is more', () => {
    const rows = Array.from({ length: 10 }, (_, i) => row('AAAAAAAAAA10', String(i)))
    expect(samGov.lookup!.parse(view(14, rows), target('AAAAAAAAAA10'), CONTEXT)).toMatchObject({
      kind: 'skipped',
      reason: expect.stringContaining('batch'),
    })
  })

  it('reads lists of codes whatever their order and however empty lists are written', () => {
    const typed = (list: JsonValue): JsonObject => {
      const json = {
        ...row('AAAAAAAAAA10'),
        coreData: { businessTypes: { businessTypeList: list, sbaBusinessTypeList: [{ sbaBusinessTypeCode: null }] } },
      }
      const [answer] = batch.parse(view(1, [json]), [target('AAAAAAAAAA10')], 'entities', null, CONTEXT).answers
      return (answer as { record: JsonObject }).record
    }
    const [a, b] = [
      { businessTypeCode: '2X', businessTypeDesc: 'For Profit' },
      { businessTypeCode: 'F', businessTypeDesc: 'Business' },
    ]
    expect(payloadHash(typed([a, b]), samGov)).toBe(payloadHash(typed([b, a]), samGov))
    expect(payloadHash(typed([a]), samGov)).not.toBe(payloadHash(typed([a, b]), samGov))
    expect(typed({ ...a })).toEqual(typed([a]))
    expect(typed([{ businessTypeCode: null, businessTypeDesc: null }])).toMatchObject({
      registrations: [{ businessTypes: [], sbaBusinessTypes: [] }],
    })
  })

  it('keeps the later of two rows with one indicator', () => {
    const rows = [
      row('AAAAAAAAAA10', null, { lastUpdateDate: '2026-02-01', dbaName: 'NEW' }),
      row('AAAAAAAAAA10', null, { lastUpdateDate: '2025-02-01', dbaName: 'OLD' }),
    ]
    const { answers } = batch.parse(view(2, rows), [target('AAAAAAAAAA10')], 'entities', null, CONTEXT)
    expect(answers).toMatchObject([{ record: { registrations: [{ dbaName: 'NEW' }] } }])
  })
})

describe('the feed', () => {
  const feed = samGov.feed!

  it('takes a main registration for the whole company only when no other is listed with it', () => {
    const items = (rows: readonly JsonObject[]) => feed.parse(view(rows.length, rows), '2026-11-20', null, CONTEXT).items
    const company = target('AAAAAAAAAA10')
    expect(feed.answer(items([row('AAAAAAAAAA10')])[0]!, company, CONTEXT)).toMatchObject({
      kind: 'record',
      identity: { providerKey: 'AAAAAAAAAA10' },
    })
    expect(feed.answer(items([row('AAAAAAAAAA10'), row('AAAAAAAAAA10', '0001')])[0]!, company, CONTEXT)).toMatchObject({
      kind: 'due',
    })
    expect(feed.answer(items([row('AAAAAAAAAA10', '0001')])[0]!, company, CONTEXT)).toMatchObject({ kind: 'due' })
  })

  it('ends at an empty page and at the last row, and refuses a part of which not all can be reached', () => {
    expect(feed.parse(view(46, []), '2026-11-20', '2', CONTEXT).next).toBeNull()
    const full = Array.from({ length: 10 }, (_, i) => row(`AAAAAAAAAA${10 + i}`))
    expect(feed.parse(view(10_000, full), '2026-11-20/CA', '998', CONTEXT).next).toBe('999')
    expect(feed.parse(view(10_000, full), '2026-11-20/CA', '999', CONTEXT).next).toBeNull()
    expect(() => feed.parse(view(12_000, full), '2026-11-20/CA', '0', CONTEXT)).toThrow(/12000 .*only 10000/)
  })

  it('refuses slices and places that it never wrote', () => {
    expect(() => feed.request({ from: 0, to: 1 }, '2026-02-30', null, CONTEXT)).toThrow(
      expect.objectContaining({ code: 'bad_cursor' }),
    )
    expect(() => feed.request({ from: 0, to: 1 }, '2026-02-20', '-1', CONTEXT)).toThrow(
      expect.objectContaining({ code: 'bad_cursor' }),
    )
    expect(() => batch.request([target('AAAAAAAAAA10')], 'entities', '{"page":0,"held":[]}', CONTEXT)).toThrow(
      expect.objectContaining({ code: 'bad_cursor' }),
    )
  })
})
