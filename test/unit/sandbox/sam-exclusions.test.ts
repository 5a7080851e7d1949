import { describe, expect, it } from 'vitest'
import { samExclusions } from '../../../ts/adapters/sam-exclusions.ts'
import type { Entity } from '../../../ts/model/entity.ts'
import type { JsonObject } from '../../../ts/model/json.ts'
import { createSandbox } from '../../../ts/sandbox/sandbox.ts'
import { hasRecordings, recordedView } from '../../contract/recorded.ts'
import { askerOf, shapeDifferences, targetOf } from './ask.ts'

const KEY = { 'x-api-key': 'SANDBOX-KEY' }
let ms = 0
const sandbox = createSandbox(
  { seed: 7, companies: 2_000, awards: 50 },
  { now: () => 0, monotonic: () => (ms += 2_000) },
  'http://sandbox.test',
)
const { world } = sandbox
const asker = askerOf(sandbox, samExclusions, KEY)
const now = asker.context.now
const excluded = world.sam.companies.filter((company) => world.sam.at(company, now).excluded)
const entity = (uei: string): Entity => ({ kind: 'company', key: `uei:${uei}`, attributes: { name: 'X', uei }, aliases: [] })

describe('the exclusions of the sandbox', () => {
  it('are those of its registrations', () => {
    expect(excluded.length).toBeGreaterThan(1)
    for (const company of world.sam.companies) {
      const { excluded: flag, excludedOn } = world.sam.at(company, now)
      expect(flag).toBe(excludedOn !== null)
    }
  })

  it('answer a batch of a hundred on one page, and the adapter reads it', async () => {
    const ueis = [...excluded.slice(0, 2).map(({ uei }) => uei!), ...world.sam.companies.slice(0, 98).map(({ uei }) => uei!)]
    const targets = [...new Set(ueis)].map((uei) => targetOf(entity(uei)))
    const { view, classified } = await asker.ask(samExclusions.batch!.request(targets, 'exclusions', null, asker.context))
    expect(classified.class).toBe('ok')
    const { answers, next } = samExclusions.batch!.parse(view, targets, 'exclusions', null, asker.context)
    expect(next).toBeNull()
    const listed = new Set(excluded.map(({ uei }) => `uei:${uei}`))
    for (const answer of answers) expect(answer.kind, answer.entity.key).toBe(listed.has(answer.entity.key) ? 'record' : 'absent')
  })

  it('are as the provider shapes them', async () => {
    const { view } = await asker.ask(samExclusions.lookup!.request(targetOf(entity(excluded[0]!.uei!)), asker.context))
    if (!hasRecordings('sam_exclusions')) return
    const rowOf = (body: JsonObject): JsonObject => (body['excludedEntity'] as JsonObject[])[0]!
    const theirs = rowOf(recordedView('sam_exclusions', 'exclusions_firm_va_1').json as JsonObject)
    expect(shapeDifferences(rowOf(view.json as JsonObject), theirs)).toEqual([])
  })

  it('refuse as the provider does', async () => {
    const send = async (path: string, headers: Record<string, string> = KEY) => {
      const { response } = await sandbox.answer(
        new Request(`http://sandbox.test/sam_exclusions/entity-information/v4/exclusions${path}`, { headers }),
      )
      return { status: response.status, text: await response.text() }
    }
    expect(await send('?ueiSAM=A', { ...KEY, accept: 'application/json' })).toMatchObject({ status: 406 })
    expect(await send('?ueiSAM=A', {})).toMatchObject({ status: 403 })
    expect(await send('?ueiSAM=A', { 'x-api-key': 'wrong' })).toMatchObject({ status: 403 })
    for (const bad of ['?limit=5', '?q=', '?recordStatus=Inactive', '?updateDate=2026-01-01', '?q=(name:x)', '?page=1000'])
      expect((await send(bad)).status, bad).toBe(400)
  })

  it('end without a trace: the feed lists the day, and a later look-up nothing', async () => {
    const day = 86_400_000
    let ended = 0
    for (const company of world.sam.companies) {
      const later = now + 200 * day
      if (world.sam.at(company, now).excluded && !world.sam.at(company, later).excluded) ended += 1
    }
    expect(ended).toBeGreaterThan(0)
    const window = { from: now - 3 * day, to: now }
    const slices = samExclusions.feed!.slices(window, asker.context)
    const { classified } = await asker.ask(samExclusions.feed!.request(window, slices[0]!, null, asker.context))
    expect(['ok', 'empty']).toContain(classified.class)
  })

  it('count against the quota of the registrations', () => {
    expect(sandbox.quotas.get('sam_exclusions')).toBeUndefined()
    expect(sandbox.quotas.get('sam_gov')!.report()[0]!.arrivals).toBeGreaterThan(5)
  })
})
