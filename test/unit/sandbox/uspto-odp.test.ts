import { describe, expect, it } from 'vitest'
import type { Candidate } from '../../../ts/adapters/adapter.ts'
import { searchPage } from '../../../ts/adapters/uspto/search.ts'
import { usptoOdp } from '../../../ts/adapters/uspto-odp.ts'
import type { Entity } from '../../../ts/model/entity.ts'
import type { JsonObject } from '../../../ts/model/json.ts'
import { SANDBOX_USPTO_KEY } from '../../../ts/sandbox/dialects/uspto-odp.ts'
import { createSandbox } from '../../../ts/sandbox/sandbox.ts'
import { applicantsOf, patentWorld, truePairs } from '../../../ts/sandbox/world/patent-world.ts'
import { hasRecordings, recordedView } from '../../contract/recorded.ts'
import { askerOf, shapeDifferences, targetOf } from './ask.ts'

const KEY = { 'x-api-key': SANDBOX_USPTO_KEY }
let ms = 0
const sandbox = createSandbox(
  { seed: 7, companies: 400, awards: 50 },
  { now: () => 0, monotonic: () => (ms += 1_000) },
  'http://sandbox.test',
)
const { world } = sandbox
const asker = askerOf(sandbox, usptoOdp, KEY)
const { now } = asker.context
const patents = world.part(patentWorld)
const DAY = 86_400_000

function patentEntity(number: string): Entity {
  return { kind: 'patent', key: `us_app:${number}`, attributes: { application_number: number }, aliases: [] }
}

describe('the patents of the sandbox', () => {
  it('are read by the adapter, a hundred in a call', async () => {
    const targets = [...patents.all(now)].slice(0, 100).map(({ number }) => targetOf(patentEntity(number)))
    const { view, classified } = await asker.ask(usptoOdp.batch!.request(targets, 'applications', null, asker.context))
    expect(classified.class).toBe('ok')
    const { answers } = usptoOdp.batch!.parse(view, targets, 'applications', null, asker.context)
    expect(answers).toHaveLength(100)
    for (const answer of answers) {
      if (answer.kind !== 'record') throw new Error(answer.kind)
      const truth = patents.byNumber(answer.record['application_number'] as string, now)!
      expect(answer.record).toMatchObject({ title: truth.title, applicants: applicantsOf(truth).map((name) => name.trim()) })
      expect(answer.record['patent_number']).toBe(truth.granted && truth.decided * DAY <= now ? truth.patentNumber : null)
    }
  })

  it.skipIf(!hasRecordings('uspto_odp'))('have only members that the recorded record has', async () => {
    const [application] = [...patents.all(now)].filter(({ granted, decided }) => granted && decided * DAY < now)
    const { response, departed } = await sandbox.answer(
      new Request('http://sandbox.test/uspto_odp/api/v1/patent/applications/search', {
        method: 'POST',
        headers: KEY,
        body: JSON.stringify({ q: `applicationNumberText:(${application!.number})` }),
      }),
    )
    const rowOf = (body: JsonObject): JsonObject => (body['patentFileWrapperDataBag'] as JsonObject[])[0]!
    const ours = rowOf((await response.json()) as JsonObject)
    departed()
    const theirs = rowOf(recordedView('uspto_odp', 'search_one_full_record').json as JsonObject)
    const extra = shapeDifferences(ours, theirs).filter((line) => !line.startsWith('only theirs'))
    // An assignment is in other recordings than this one.
    expect(extra.filter((line) => !line.includes('assignmentBag'))).toEqual([])
  })

  it('answer as the Office does: 404 for nothing, 413 for too much, 403, 400', async () => {
    const send = async (body: unknown, headers: Record<string, string> = KEY) => {
      const { response, departed } = await sandbox.answer(
        new Request('http://sandbox.test/uspto_odp/api/v1/patent/applications/search', {
          method: 'POST',
          headers,
          body: JSON.stringify(body),
        }),
      )
      departed()
      return { status: response.status, body: (await response.json()) as JsonObject }
    }
    expect(await send({ q: 'applicationNumberText:(99999999)' })).toMatchObject({ status: 404, body: { code: 404 } })
    expect(await send({ q: 'applicationNumberText:(1)' }, {})).toMatchObject({ status: 403, body: { error: 'Forbidden' } })
    expect(await send({ q: 'inventionTitle:(x' })).toMatchObject({ status: 400 })
    expect(await send({ pagination: { offset: 9_990, limit: 25 } })).toMatchObject({ status: 400 })
    expect(await send({ sort: [{ field: 'nothing', order: 'asc' }] })).toMatchObject({ status: 400 })
  })

  it('come in the order that was asked for', async () => {
    const daysIn = async (sort?: JsonObject[]): Promise<readonly string[]> => {
      const { response, departed } = await sandbox.answer(
        new Request('http://sandbox.test/uspto_odp/api/v1/patent/applications/search', {
          method: 'POST',
          headers: KEY,
          body: JSON.stringify({ pagination: { offset: 0, limit: 50 }, ...(sort === undefined ? {} : { sort }) }),
        }),
      )
      departed()
      const { patentFileWrapperDataBag: rows } = (await response.json()) as { patentFileWrapperDataBag: JsonObject[] }
      return rows.map((row) => String((row['applicationMetaData'] as JsonObject)['filingDate']))
    }
    const newest = await daysIn([{ field: 'applicationMetaData.filingDate', order: 'desc' }])
    expect(newest).toEqual(newest.toSorted().toReversed())
    const oldest = await daysIn([{ field: 'applicationMetaData.filingDate', order: 'asc' }])
    expect(oldest).toEqual(oldest.toSorted())
    expect(newest[0]! > oldest.at(-1)!).toBe(true)
  })

  it('are refused with 413 beyond 6 MB, which is invalid for the whole and right for a part', async () => {
    const large = createSandbox(
      { seed: 7, companies: 4_000, awards: 50 },
      { now: () => 0, monotonic: () => (ms += 1_000) },
      'http://sandbox.test',
    )
    const ask = (limit: number) =>
      askerOf(large, usptoOdp, KEY).ask({
        method: 'POST',
        path: '/api/v1/patent/applications/search',
        json: { pagination: { offset: 0, limit } },
        label: 'applications.batch',
      })
    expect([...large.world.part(patentWorld).all(now)].length).toBeGreaterThan(4_500)
    const whole = await ask(4_500)
    expect(whole.view).toMatchObject({ status: 413, json: { code: '413' } })
    expect(whole.classified.class).toBe('invalid_request')
    expect((await ask(20)).classified.class).toBe('ok')
  })

  it('are asked for one request at a time', async () => {
    const ask = () =>
      sandbox.answer(
        new Request('http://sandbox.test/uspto_odp/api/v1/patent/applications/search', {
          method: 'POST',
          headers: { 'x-api-key': SANDBOX_USPTO_KEY },
          body: JSON.stringify({ q: 'applicationNumberText:(99999999)' }),
        }),
      )
    const first = await ask()
    const second = await ask()
    expect(second.response.status).toBe(429)
    first.departed()
    second.departed()
    const third = await ask()
    expect(third.response.status).toBe(404)
    third.departed()
  })

  it('are granted as time goes by, and new ones are filed', () => {
    const later = now + 400 * DAY
    expect([...patents.all(later)].length).toBeGreaterThan([...patents.all(now)].length)
    expect([...truePairs(world, now)].length).toBeGreaterThan(100)
  })

  it('are listed by the day of their status', async () => {
    const [application] = [...patents.all(now)].filter(({ decided }) => decided * DAY < now)
    const day = application!.decided * DAY
    const window = { from: day, to: day + DAY }
    const [slice] = usptoOdp.feed!.slices(window, asker.context)
    const { view } = await asker.ask(usptoOdp.feed!.request(window, slice!, null, asker.context))
    const { items } = usptoOdp.feed!.parse(view, slice!, null, asker.context)
    const item = items.find(({ providerKey }) => providerKey === application!.number)!
    expect(usptoOdp.feed!.answer(item, targetOf(patentEntity(application!.number)), asker.context)).toMatchObject({
      kind: 'record',
    })
  })

  it('lead from companies to applicants that are truly theirs, nearly always', async () => {
    let accepted = 0
    let wrong = 0
    let withPatents = 0
    const owners = new Map<string, string | null>()
    for (const application of patents.all(now)) owners.set(application.number, application.company?.name ?? null)
    for (const company of world.companies) {
      const own = [...patents.all(now)].filter((application) => application.company === company)
      if (own.length > 0) withPatents += 1
      const attributes = { name: company.name, state: company.place.state, uei: company.uei }
      const entity: Entity = { kind: 'company', key: `name:${company.name}`, attributes, aliases: [] }
      if (usptoOdp.resolve!.unresolvable(entity) !== null) continue
      const { candidates, discovered = [] } = await asker.resolve(targetOf(entity))
      const [best] = [...candidates].sort((a: Candidate, b: Candidate) => b.confidence - a.confidence)
      if (best === undefined || best.confidence < 0.85) continue
      accepted += 1
      if (discovered.some(({ attributes: found }) => owners.get(found['application_number'] as string) !== company.name))
        wrong += 1
    }
    expect(withPatents).toBeGreaterThan(50)
    expect(accepted / withPatents).toBeGreaterThan(0.8)
    expect(wrong / accepted).toBeLessThan(0.05)
  })

  it('of inventors who assigned them are found by the assignee', async () => {
    const assigned = [...patents.all(now)].filter(({ byInventors, company }) => byInventors && company !== null)
    expect(assigned.length).toBeGreaterThan(50)
    // Of companies all of whose applications are so.
    const only = world.companies.filter((company) => {
      const own = [...patents.all(now - 60 * DAY)].filter((application) => application.company === company)
      return own.length > 0 && own.every(({ byInventors, applicant }) => byInventors && applicant.trim() === company.name)
    })
    expect(only.length).toBeGreaterThan(3)
    for (const { name, place } of only) {
      const entity: Entity = {
        kind: 'company',
        key: `name:${name}`,
        attributes: { name, state: place.state, uei: null },
        aliases: [],
      }
      if (usptoOdp.resolve!.unresolvable(entity) !== null) continue
      const { candidates, discovered } = await asker.resolve(targetOf(entity))
      const ours = candidates.find(({ method }) => method === 'assignee_exact_name+state')
      expect(ours, name).toMatchObject({ confidence: 0.95 })
      expect(discovered!.length, name).toBeGreaterThan(0)
    }
  })

  it('come page by page, each once', async () => {
    const day = '2024-01-01'
    const window = { from: 0, to: now }
    const ranges = { field: 'applicationMetaData.filingDate', valueFrom: '2012-01-01', valueTo: day }
    const expected = [...patents.all(now)].filter(({ filed }) => filed * DAY <= Date.UTC(2024, 0, 1)).map(({ number }) => number)
    const seen: string[] = []
    for (let cursor: string | null = '0'; cursor !== null; ) {
      const request = usptoOdp.feed!.request(window, day, cursor, asker.context)
      const { view } = await asker.ask({ ...request, json: { ...(request.json as JsonObject), rangeFilters: [ranges] } })
      expect(searchPage(view).total).toBe(expected.length)
      const { rows, total } = searchPage(view)
      seen.push(...rows.map((row) => String(row['applicationNumberText'])))
      cursor = seen.length < total ? String(seen.length) : null
    }
    expect(expected.length).toBeGreaterThan(300)
    expect(seen).toEqual([...expected].sort())
  })
})
