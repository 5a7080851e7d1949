import { describe, expect, it } from 'vitest'
import type { Candidate } from '../../../ts/adapters/adapter.ts'
import { isFilingDay } from '../../../ts/adapters/edgar/daily-index.ts'
import { edgar } from '../../../ts/adapters/edgar.ts'
import type { Entity } from '../../../ts/model/entity.ts'
import type { JsonObject } from '../../../ts/model/json.ts'
import { DAY_MS, parseUtcDate, toUtcDate } from '../../../ts/model/time.ts'
import { payloadHash } from '../../../ts/refresh/canonical.ts'
import { diffRecords } from '../../../ts/refresh/diff.ts'
import { CHANGES_BY_SOURCE } from '../../../ts/sandbox/changes.ts'
import { edgarDialect } from '../../../ts/sandbox/dialects/edgar.ts'
import { createSandbox } from '../../../ts/sandbox/sandbox.ts'
import type { Company } from '../../../ts/sandbox/world/companies.ts'
import { edgarWorld, isOpenDay, truePairs } from '../../../ts/sandbox/world/edgar-world.ts'
import { hasRecordings, recordedView, viewOf } from '../../contract/recorded.ts'
import { askerOf, shapeDifferences, targetOf } from './ask.ts'

const AGENT = { 'user-agent': 'Test Company test@example.com' }
const OPTIONS = { company_facts: true, history_pages: 2, search_former_names: true }
let ms = 0
const sandbox = createSandbox(
  { seed: 7, companies: 1_000, awards: 50 },
  { now: () => 0, monotonic: () => (ms += 1_000) },
  'http://sandbox.test',
)
const { world } = sandbox
const asker = askerOf(sandbox, edgar, AGENT, OPTIONS)
const { now } = asker.context
const filers = world.part(edgarWorld).all
const seen = filers.filter(({ filings }) => filings[0] !== undefined && filings[0].at <= now)

function entityOf(company: Company): Entity {
  const { city, state } = company.place
  return {
    kind: 'company',
    key: `name:${company.name}|${company.index}`,
    attributes: { name: company.name, city: city.toUpperCase(), state, zip: company.zip5, uei: company.uei },
    aliases: [],
  }
}
const filerTarget = (cik: string) => targetOf({ kind: 'company', key: `k:${cik}`, attributes: { name: 'X' }, aliases: [] }, cik)

async function send(path: string, headers: Record<string, string> = AGENT) {
  const { response, departed } = await sandbox.answer(new Request(`http://sandbox.test/${path}`, { headers }))
  const text = await response.text()
  departed()
  return { status: response.status, text }
}

describe('EDGAR in the sandbox', () => {
  it('has filers of every kind, and one with more filings than a page holds', () => {
    for (const kind of ['public', 'private', 'person']) expect(filers.some((filer) => filer.kind === kind)).toBe(true)
    expect(Math.max(...seen.map(({ filings }) => filings.filter(({ at }) => at <= now).length))).toBeGreaterThan(1_000)
    expect(seen.some(({ company }) => company === null)).toBe(true)
    expect(filers.every(({ filings }) => filings.every(({ at }) => isFilingDay(parseUtcDate(toUtcDate(at))!)))).toBe(true)
  })

  it.skipIf(!hasRecordings('edgar'))('answers in the shape of the recorded answers', async () => {
    const filer = seen.find(({ kind }) => kind === 'public')!
    const ours = JSON.parse((await send(`edgar/submissions/CIK${filer.cik}.json`)).text) as JsonObject
    const theirs = recordedView('edgar', 'submissions-small-cap-v2').json as JsonObject
    const differences = shapeDifferences(ours, theirs).filter((line) => !line.endsWith('isXBRLNumeric'))
    expect(differences).toEqual([])
    const facts = JSON.parse((await send(`edgar/api/xbrl/companyfacts/CIK${filer.cik}.json`)).text) as JsonObject
    const recorded = recordedView('edgar', 'companyfacts.trimmed').json as JsonObject
    const floatOf = (body: JsonObject) => ((body['facts'] as JsonObject)['dei'] as JsonObject)['EntityPublicFloat'] as JsonObject
    expect(shapeDifferences(floatOf(facts), floatOf(recorded)).filter((line) => !line.endsWith('.frame'))).toEqual([])
  })

  it('is read by the adapter, older filings and figures included', async () => {
    for (const filer of seen.slice(0, 60)) {
      const answer = await asker.lookup(filerTarget(filer.cik))
      if (answer.kind !== 'record') throw new Error(answer.kind)
      const filings = filer.filings.filter(({ at }) => at <= now)
      expect((answer.record['filings'] as unknown[]).length).toBe(filings.length)
      const reports = filings.filter(({ form }) => form === '10-K')
      const facts = answer.record['facts'] as JsonObject[]
      expect(facts.length > 0).toBe(reports.length > 0)
      if (reports.length > 0)
        expect(facts[0]).toMatchObject({ fact: 'revenue', end: `${Number(toUtcDate(reports.at(-1)!.at).slice(0, 4)) - 1}-12-31` })
    }
  })

  it('changes by what was filed, although other servers render it otherwise from day to day', async () => {
    const read = async (filer: (typeof seen)[number], at: number) => {
      const view = viewOf({ body: edgarDialect.truth(world, filer.cik, at, null)! })
      const context = { now: at, options: { ...OPTIONS, company_facts: false, history_pages: 0 } }
      const answer = edgar.lookup!.parse(view, filerTarget(filer.cik), context)
      if (answer.kind !== 'record') throw new Error(answer.kind)
      return answer.record
    }
    let filed = 0
    const truth = new Set(CHANGES_BY_SOURCE['edgar']!(world, now, now + 7 * DAY_MS).map(({ key }) => key))
    for (const filer of seen.filter(({ filings }) => filings.length < 900).slice(0, 80)) {
      const [before, after] = [await read(filer, now), await read(filer, now + 7 * DAY_MS)]
      const added = filer.filings.filter(({ at }) => at > now && at <= now + 7 * DAY_MS)
      filed += added.length
      expect(truth.has(filer.cik)).toBe(added.length > 0)
      if (added.length === 0) expect(payloadHash(after, edgar)).toBe(payloadHash(before, edgar))
      else
        expect(diffRecords(before, after, edgar).map(({ path }) => path)).toEqual(
          expect.arrayContaining(added.map(({ accession }) => `$.filings[accession_number=${accession}]`)),
        )
    }
    expect(filed).toBeGreaterThan(0)
  })

  it('lists who filed on a day, once the day is over', async () => {
    const byDay = Map.groupBy(
      seen.flatMap((filer) => filer.filings.map(({ at }) => ({ cik: filer.cik, day: toUtcDate(at) }))),
      ({ day }) => day,
    )
    const day = [...byDay.keys()]
      .filter((text) => parseUtcDate(text)! < now - 5 * DAY_MS)
      .sort()
      .at(-1)!
    const from = parseUtcDate(day)!
    const window = { from, to: from + DAY_MS }
    const { view, classified } = await asker.ask(edgar.feed!.request(window, day, null, asker.context))
    expect(classified.class).toBe('ok')
    const { items } = edgar.feed!.parse(view, day, null, asker.context)
    const listed = new Set(items.map(({ providerKey }) => providerKey))
    for (const { cik } of byDay.get(day)!) expect(listed).toContain(cik)
    for (const other of ['2026-11-22', '2026-11-30', '2026-12-25']) {
      expect(isOpenDay(other) ? isFilingDay(parseUtcDate(other)!) : true).toBe(true)
      const missing = await asker.ask(edgar.feed!.request(window, other, null, asker.context))
      expect(missing.classified.class).toBe('empty')
    }
  })

  it('refuses as the SEC does: without a contact, too fast, and what is not there', async () => {
    const [filer] = seen
    const page = `edgar/submissions/CIK${filer!.cik}.json`
    expect(await send(page, { 'user-agent': 'curl/8' })).toMatchObject({ status: 403, text: expect.stringMatching(/Undeclared/) })
    expect(await send('edgar/submissions/CIK0000000001.json')).toMatchObject({
      status: 404,
      text: expect.stringMatching(/NoSuchKey/),
    })
    expect(await send('edgar/submissions/CIK1.json')).toMatchObject({ status: 404 })
    expect(await send('edgar_efts/LATEST/search-index?q=x')).toMatchObject({ status: 501 })
    expect(JSON.parse((await send('edgar_www/files/company_tickers.json')).text)).toMatchObject({
      0: { ticker: expect.any(String) },
    })
    const stopped = createSandbox(
      { seed: 7, companies: 50, awards: 5 },
      { now: () => 0, monotonic: () => 0 },
      'http://sandbox.test',
    )
    const fast = askerOf(stopped, edgar, AGENT, OPTIONS)
    const classes: string[] = []
    for (let call = 0; call < 12; call += 1) {
      const { classified } = await fast.ask(edgar.probe(fast.context))
      classes.push(classified.class)
    }
    expect(classes.filter((name) => name === 'rate_limited')).toHaveLength(2)
  })

  it('lets nobody who was too fast in again before he was slow for ten minutes', async () => {
    let real = 0
    const own = createSandbox(
      { seed: 7, companies: 50, awards: 5 },
      { now: () => real, monotonic: () => real },
      'http://sandbox.test',
    )
    const one = askerOf(own, edgar, AGENT, OPTIONS)
    const asked = async (): Promise<string> => (await one.ask(edgar.probe(one.context))).classified.class
    for (let call = 0; call < 12; call += 1) await asked()
    real = 6_000
    expect(await asked()).toBe('rate_limited')
    real = 599_000
    expect(await asked()).toBe('rate_limited')
    real = 600_000
    expect(await asked()).not.toBe('rate_limited')
  })

  it('is one limit for its three hosts', () => {
    expect(sandbox.quotas.get('edgar')!.report()).toMatchObject([{ limit: 10, per_ms: 1_000 }])
    expect(sandbox.quotas.has('edgar_www')).toBe(false)
  })

  it('leads from companies to the right filer: nearly never to a wrong one', async () => {
    const truth = new Map([...truePairs(world, now)].map(({ name, providerKey }) => [providerKey, name]))
    let right = 0
    let wrong = 0
    let former = 0
    for (const company of world.companies) {
      const target = targetOf(entityOf(company))
      if (edgar.resolve!.unresolvable(target.entity) !== null) continue
      const { candidates } = await asker.resolve(target)
      const [best, next] = [...candidates].sort((a: Candidate, b: Candidate) => b.confidence - a.confidence)
      if (best === undefined || best.confidence < 0.85 || best.confidence - (next?.confidence ?? 0) < 0.05) continue
      if (truth.get(best.providerKey) === company.name) right += 1
      else wrong += 1
      if (best.method.startsWith('former_name')) former += 1
    }
    expect(truth.size).toBeGreaterThan(80)
    expect(right / truth.size).toBeGreaterThan(0.8)
    expect(wrong / (right + wrong)).toBeLessThan(0.03)
    expect(former).toBeGreaterThan(0)
  })
})
