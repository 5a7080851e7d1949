import { describe, expect, it } from 'vitest'
import type { Answer } from '../../../ts/adapters/adapter.ts'
import { openfec } from '../../../ts/adapters/openfec.ts'
import type { Entity } from '../../../ts/model/entity.ts'
import type { JsonObject } from '../../../ts/model/json.ts'
import { DAY_MS, HOUR_MS } from '../../../ts/model/time.ts'
import { CHANGES_BY_SOURCE } from '../../../ts/sandbox/changes.ts'
import { openfecDialect } from '../../../ts/sandbox/dialects/openfec.ts'
import type { Sandbox } from '../../../ts/sandbox/sandbox.ts'
import type { Company } from '../../../ts/sandbox/world/companies.ts'
import { fecWorld, trueGiving } from '../../../ts/sandbox/world/fec-world.ts'
import { hasRecordings, recording } from '../../contract/recorded.ts'
import { type Asker, askerOf, shapeDifferences, targetOf } from './ask.ts'
import { bodyOf, get, virtualSandbox } from './helpers.ts'

const KEY = { 'x-api-key': 'SANDBOX-KEY' }
const PATH = '/openfec/v1/schedules/schedule_a/'
const { sandbox } = virtualSandbox({ quotas: { openfec: [] }, companies: 500, awards: 500 })
const { world } = sandbox
const now = sandbox.clock.now()
const fec = world.part(fecWorld)
const asker = askerOf(sandbox, openfec, KEY)
const rowsOf = (company: Company) => fec.of(company, now)
const generous = [...world.companies].sort((a, b) => rowsOf(b).length - rowsOf(a).length)[0]!
const ask = (query: string, headers: Record<string, string> = KEY) => get(sandbox, `${PATH}?${query}`, headers)
const employer = (name: string) => `contributor_employer=${encodeURIComponent(name)}&sort=contribution_receipt_date`

function entityOf({ name, place }: Company): Entity {
  return { kind: 'company', key: `name:${name}|${place.state}`, attributes: { name, state: place.state }, aliases: [] }
}

/** All pages of a company, as the engine walks them; how many calls it took. */
async function walk(asking: Asker, company: Company): Promise<{ answer: Answer; calls: number }> {
  const target = targetOf(entityOf(company))
  const { batch } = openfec
  let cursor: string | null = null
  for (let calls = 1; calls <= 60; calls += 1) {
    const { view, classified } = await asking.ask(batch!.request([target], 'employer', cursor, asking.context))
    if (classified.class !== 'ok' && classified.class !== 'empty') throw new Error(classified.reason)
    const parsed: ReturnType<NonNullable<typeof batch>['parse']> = batch!.parse(
      view,
      [target],
      'employer',
      cursor,
      asking.context,
    )
    if (parsed.next === null) return { answer: parsed.answers[0]!, calls }
    cursor = parsed.next
  }
  throw new Error('pages without end')
}

describe('schedule A', () => {
  it('pages by every member of last_indexes, rows without a date last, until a page is empty', async () => {
    const seen: string[] = []
    const dates: (string | null)[] = []
    let place = ''
    let count = -1
    for (let pages = 0; ; pages += 1) {
      const body = await bodyOf(await ask(`${employer(generous.name)}&per_page=3${place}`))
      count = count < 0 ? body.pagination.count : count
      expect([body.pagination.count, 'page' in body.pagination]).toEqual([count, false])
      if (body.results.length === 0) {
        expect(body.pagination.last_indexes).toBeNull()
        break
      }
      for (const row of body.results) {
        seen.push(row.sub_id)
        dates.push(row.contribution_receipt_date)
      }
      place = Object.entries(body.pagination.last_indexes)
        .map(([name, value]) => `&${name}=${encodeURIComponent(String(value))}`)
        .join('')
      expect(pages).toBeLessThan(500)
    }
    expect(count).toBeGreaterThan(9)
    expect([seen.length, new Set(seen).size]).toEqual([count, count])
    expect([...dates].sort((a, b) => ((a ?? 'z') < (b ?? 'z') ? -1 : 1))).toEqual(dates)
  })

  it('writes link_id as a number that no double holds', async () => {
    const text = await (await ask(`${employer(generous.name)}&per_page=1`)).text()
    expect(text).toMatch(/"link_id":\d{19}[,}]/)
    expect(text).toMatch(/"sub_id":"\d{19}"/)
  })

  it('refuses as the application and the gateway do', async () => {
    const refusal = async (query: string, headers?: Record<string, string>) => {
      const response = await ask(query, headers)
      return [response.status, await bodyOf(response)] as const
    }
    if (hasRecordings('openfec')) {
      for (const [query, name, status] of [
        ['per_page=20', 'error-400-missing-secondary-filter', 400],
        [`${employer('x')}&per_page=x`, 'error-422-field-errors-object', 422],
        [`${employer('x')}&per_page=101`, 'error-422-per-page', 422],
        [Array.from({ length: 11 }, () => employer('x')).join('&'), 'error-422-too-many-values', 422],
      ] as const)
        expect(await refusal(query)).toEqual([status, recording('openfec', name)])
      expect(await refusal('', {})).toEqual([403, recording('openfec', 'error-403-api-key-missing')])
      expect(await refusal('', { 'x-api-key': 'other' })).toEqual([403, recording('openfec', 'error-403-api-key-invalid')])
    }
    expect((await refusal(`${employer('x')}&last_index=1`))[0]).toBe(422)
    expect((await ask('two_year_transaction_period=2026&sort=contribution_receipt_date')).status).toBe(501)
    expect((await ask('contributor_employer=x')).status).toBe(501)
    expect((await get(sandbox, '/openfec/v1/committee/C1/', KEY)).status).toBe(404)
    expect((await asker.ask(openfec.probe(asker.context))).classified.class).toBe('ok')
  })
})

describe('quota', () => {
  it('tells what is left, and refuses with the moment of the next free place', async () => {
    const { sandbox: limited, time } = virtualSandbox({ quotas: { openfec: [{ limit: 2, per: HOUR_MS }] } })
    const asking = askerOf(limited, openfec, KEY)
    const probe = () => asking.ask(openfec.probe(asking.context))
    expect((await probe()).view.headers).toMatchObject({ 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '1' })
    time.ms = 60_000
    await probe()
    const refused = await probe()
    expect(refused.view.headers).toMatchObject({ 'x-ratelimit-remaining': '0', 'retry-after': '3540' })
    expect(refused.classified).toMatchObject({ class: 'rate_limited', until: limited.clock.now() + HOUR_MS - 60_000 })
  })
})

describe('the adapter against the dialect', () => {
  it('sums up exactly what the people of each company gave, and nothing of its namesakes', async () => {
    const names = new Map<string, number>()
    for (const { name } of world.companies) names.set(name, (names.get(name) ?? 0) + 1)
    let [records, absent, mistaken] = [0, 0, 0]
    for (const company of world.companies) {
      // Two companies of one name cannot be told apart by what donors type.
      if (names.get(company.name)! > 1) continue
      const truth = trueGiving(world, company, now, 2022)
      const { answer } = await walk(asker, company)
      if (answer.kind === 'absent') {
        absent += 1
        expect(truth.contributions).toBe(0)
        continue
      }
      if (answer.kind !== 'record') throw new Error(`${company.name}: ${answer.reason}`)
      records += 1
      if (answer.record['contributions'] !== truth.contributions || answer.record['amount_cents'] !== truth.cents) mistaken += 1
      expect(answer.identity!.confidence).toBeLessThanOrEqual(0.9)
      expect(JSON.stringify(answer)).not.toMatch(/TREASURER|contributor_name|P\.O\. BOX/)
    }
    expect(mistaken).toBe(0)
    expect(records).toBeGreaterThan(80)
    expect(absent).toBeGreaterThan(200)
  })

  it('takes one call for a company without donors, and one more than pages for others', async () => {
    const quiet = world.companies.find((company) => rowsOf(company).length === 0)!
    expect((await walk(asker, quiet)).calls).toBe(1)
    expect((await walk(asker, generous)).calls).toBe(
      Math.ceil(rowsOf(generous).filter(({ period }) => period >= 2022).length / 100) + 1,
    )
  })

  it('sees new contributions and not that old ones were loaded again', async () => {
    const { sandbox: moving } = virtualSandbox({ quotas: { openfec: [] }, companies: 500, awards: 500 })
    const part = moving.world.part(fecWorld)
    const later = now + 40 * DAY_MS
    const steps = (company: Company) => part.evolution.steps(company.index, now, later)
    const grown = moving.world.companies.find((company) =>
      steps(company).some(({ before, after }) => after.length > before.length),
    )!
    const touched = moving.world.companies.find(
      (company) => steps(company).length > 0 && steps(company).every(({ before, after }) => after.length === before.length),
    )!
    const record = async (company: Company, sandboxNow: Sandbox) =>
      (await walk(askerOf(sandboxNow, openfec, KEY), company)).answer
    const before = [await record(grown, moving), await record(touched, moving)]
    moving.clock.advance(40 * DAY_MS)
    const after = [await record(grown, moving), await record(touched, moving)]
    expect(after[0]).not.toEqual(before[0])
    // 40 days later it is 2026 still.
    expect(after[1]).toEqual(before[1])
    const changes = new Set(CHANGES_BY_SOURCE['openfec']!(moving.world, now, later).map(({ key }) => key))
    expect([changes.has(grown.name), changes.has(touched.name)]).toEqual([true, false])
  })
})

describe.skipIf(!hasRecordings('openfec'))('shapes against the recordings', () => {
  it('of a page of contributions', async () => {
    const ours = await bodyOf(await ask(`${employer(generous.name)}&per_page=1`))
    const theirs = recording('openfec', 'schedule-a-employer-page-1') as JsonObject
    // Today's answers say whether the count is exact.
    expect(shapeDifferences(ours, theirs)).toEqual(['only ours: $.pagination.is_count_exact'])
    expect(openfecDialect.truth(world, generous.name, now, null)).toHaveLength(ours.pagination.count)
  })
})
