import { describe, expect, it } from 'vitest'
import type { Target } from '../../../ts/adapters/adapter.ts'
import { clearbit } from '../../../ts/adapters/clearbit.ts'
import { peopleDataLabs } from '../../../ts/adapters/people-data-labs.ts'
import type { Entity } from '../../../ts/model/entity.ts'
import type { JsonObject } from '../../../ts/model/json.ts'
import type { RequestSpec, ResponseView } from '../../../ts/model/response.ts'
import { DAY_MS, MINUTE_MS } from '../../../ts/model/time.ts'
import { diffRecords } from '../../../ts/refresh/diff.ts'
import { SANDBOX_CLEARBIT_KEY } from '../../../ts/sandbox/dialects/clearbit.ts'
import type { Sandbox } from '../../../ts/sandbox/sandbox.ts'
import { commercialWorld, hasOptedOut, truePairs } from '../../../ts/sandbox/world/commercial-world.ts'
import { virtualSandbox } from './helpers.ts'

const HEADERS = {
  'x-api-key': 'SANDBOX-KEY',
  authorization: `Bearer ${SANDBOX_CLEARBIT_KEY}`,
  'content-type': 'application/json',
}

async function ask(
  sandbox: Sandbox,
  prefix: string,
  spec: RequestSpec,
  headers: Record<string, string> = HEADERS,
): Promise<ResponseView> {
  const query = (spec.query ?? []).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')
  const init = { method: spec.method, headers, ...(spec.json === undefined ? {} : { body: JSON.stringify(spec.json) }) }
  const { response } = await sandbox.answer(new Request(`http://sandbox.test/${prefix}${spec.path}?${query}`, init))
  const text = await response.text()
  const isJson = (response.headers.get('content-type') ?? '').includes('json')
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    text,
    json: isJson ? JSON.parse(text) : undefined,
    receivedAt: sandbox.clock.now(),
  }
}

const target = (entity: Entity, providerKey: string | null = null): Target => ({
  entity,
  providerKey,
  validators: { etag: null, lastModified: null },
})
const companyOf = (name: string, domain: string, place: { city: string; state: string }): Entity => ({
  kind: 'company',
  key: `name:${name}`,
  attributes: { name, domain, city: place.city, state: place.state },
  aliases: [],
})
const PDL = { now: 0, options: peopleDataLabs.options.parse({}) as JsonObject }
const CLEARBIT = { now: 0, options: clearbit.options.parse({}) as JsonObject }

describe('People Data Labs in the sandbox', () => {
  it('answers bulk calls in an order of its own, matches by website, and misses what it does not know', async () => {
    const { sandbox } = virtualSandbox()
    const { world } = sandbox
    const truth = new Map(
      [...truePairs(world)].filter(({ kind }) => kind === 'company').map(({ domain, providerKey }) => [domain, providerKey]),
    )
    const targets = world.companies
      .filter(({ hasWebsite }) => hasWebsite)
      .slice(0, 60)
      .map(({ name, domain, place }) => target(companyOf(name, domain, place)))
    const request = peopleDataLabs.batch!.request(targets, 'company', null, PDL)
    const view = await ask(sandbox, 'people_data_labs', request)
    expect(peopleDataLabs.classify(view, request, PDL).class).toBe('ok')
    const { answers } = peopleDataLabs.batch!.parse(view, targets, 'company', null, PDL)
    expect(answers).toHaveLength(targets.length)
    for (const [at, answer] of answers.entries()) {
      const domain = String(targets[at]!.entity.attributes['domain'])
      const known = truth.get(domain)
      const { guess, buyer } = world.part(commercialWorld)
      const other = known === undefined ? (guess({ domain }) ?? buyer({ domain })) : null
      // Who has the domain now is elsewhere and has another name, or a domain of its own.
      if (other !== null && other.place !== null)
        expect(answer).toMatchObject({ identity: { providerKey: other.id, confidence: expect.closeTo(0.7, 1) } })
      else if (other !== null) expect(answer).toMatchObject({ identity: { providerKey: other.id } })
      else if (known === undefined) expect(answer.kind).toBe('absent')
      else expect(answer).toMatchObject({ kind: 'record', identity: { providerKey: known }, record: { inferred_revenue: null } })
    }
    expect(answers.filter(({ kind }) => kind === 'absent').length).toBeGreaterThan(3)
    expect(answers.filter(({ kind }) => kind === 'record').length).toBeGreaterThan(20)
  })

  it('bills matches, tells what is left, and answers 402 until the month is over when nothing is', async () => {
    const { sandbox, time } = virtualSandbox()
    const known = sandbox.world.companies.find(
      (one) => one.hasWebsite && sandbox.world.part(commercialWorld).company({ domain: one.domain }, 'pdl') !== null,
    )!
    const [hit, miss] = [companyOf(known.name, known.domain, known.place), companyOf('Zz', 'zz-nobody.example', known.place)]
    const bulk = (...entities: Entity[]) => {
      const request = peopleDataLabs.batch!.request(
        entities.map((entity) => target(entity)),
        'company',
        null,
        PDL,
      )
      return ask(sandbox, 'people_data_labs', request)
    }
    const left = async (view: Promise<ResponseView>) => {
      const { status, headers } = await view
      return [status, headers['x-call-credits-spent'], headers['x-totallimit-remaining']]
    }
    expect(await left(bulk(hit, miss, hit))).toEqual([200, '2', '998'])
    expect(await left(bulk(miss))).toEqual([200, '0', '998'])
    expect(await left(ask(sandbox, 'people_data_labs', peopleDataLabs.probe(PDL)))).toEqual([400, '0', '998'])
    for (let calls = 0; calls < 10; calls += 1) await bulk(...Array.from({ length: 100 }, () => hit))
    const request = peopleDataLabs.lookup!.request(target(hit), PDL)
    const spent = await ask(sandbox, 'people_data_labs', request)
    expect(spent).toMatchObject({ status: 402, json: { error: { type: 'payment_required' } } })
    const verdict = peopleDataLabs.classify(spent, request, PDL)
    const date = new Date(sandbox.clock.now())
    expect(verdict).toMatchObject({
      class: 'quota_exhausted',
      until: Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1),
    })
    // Objections are free.
    expect(
      (await ask(sandbox, 'people_data_labs', { method: 'GET', path: '/person/subjectrequest', label: 'person.opt_out' })).status,
    ).toBe(200)
    time.ms += 32 * DAY_MS
    expect((await ask(sandbox, 'people_data_labs', request)).status).toBe(200)
  })

  it('changes once a month: in between only counts and coordinates move', async () => {
    const { sandbox, time } = virtualSandbox()
    const company = sandbox.world.companies.find(
      (one) => one.hasWebsite && sandbox.world.part(commercialWorld).company({ domain: one.domain }, 'pdl') !== null,
    )!
    const one = target(companyOf(company.name, company.domain, company.place))
    const record = async (): Promise<JsonObject> => {
      const answer = peopleDataLabs.lookup!.parse(
        await ask(sandbox, 'people_data_labs', peopleDataLabs.lookup!.request(one, PDL)),
        one,
        PDL,
      )
      return answer.kind === 'record' ? answer.record : {}
    }
    const before = await record()
    time.ms += 5 * DAY_MS
    expect(await record()).toEqual(before)
    time.ms += 10 * DAY_MS
    expect(diffRecords(before, await record(), peopleDataLabs).filter(({ path }) => /count|geo/.test(path))).toEqual([])
  })

  it('lists who opted out, and then knows nothing of them', async () => {
    const { sandbox } = virtualSandbox({ awards: 3_000 })
    const { workers } = sandbox.world.part(commercialWorld)
    const gone = workers.find((worker) => hasOptedOut(worker, sandbox.clock.now()))!
    const there = workers.find(({ optedOutAt }) => optedOutAt === null)!
    const personOf = ({ givenName, familyName, company, id }: typeof gone) =>
      target(
        {
          kind: 'person',
          key: `pi:${id}`,
          attributes: { name: `${givenName} ${familyName}`, company_name: company.name },
          aliases: [],
        },
        id,
      )
    const targets = [personOf(gone), personOf(there)]
    const list = await ask(sandbox, 'people_data_labs', peopleDataLabs.batch!.request(targets, 'opt_out', null, PDL))
    expect(peopleDataLabs.batch!.parse(list, targets, 'opt_out', null, PDL).answers).toMatchObject([
      { entity: { key: `pi:${gone.id}` }, record: { opted_out: true } },
    ])
    const view = await ask(sandbox, 'people_data_labs', peopleDataLabs.batch!.request(targets, 'person', null, PDL))
    const { answers } = peopleDataLabs.batch!.parse(view, targets, 'person', null, PDL)
    expect(answers).toMatchObject([{ kind: 'absent' }, { kind: 'record', record: { pdl_id: there.id } }])
    const unknown = target({ ...targets[1]!.entity }, null)
    const found = await ask(sandbox, 'people_data_labs', peopleDataLabs.batch!.request([unknown], 'person', null, PDL))
    expect(peopleDataLabs.batch!.parse(found, [unknown], 'person', null, PDL).answers).toMatchObject([
      { kind: 'record', identity: { providerKey: there.id, method: 'name+company' } },
    ])
  })

  it('has persons who object later, and companies whose website moved', async () => {
    const { sandbox } = virtualSandbox({ companies: 400, awards: 3_000 })
    const commercial = sandbox.world.part(commercialWorld)
    const start = sandbox.clock.now()
    const later = commercial.workers.filter((worker) => !hasOptedOut(worker, start) && hasOptedOut(worker, start + 200 * DAY_MS))
    expect(later.length).toBeGreaterThan(3)
    const { id, optedOutAt } = later[0]!
    const enriched = async () =>
      (await ask(sandbox, 'people_data_labs', { method: 'GET', path: '/person/enrich', query: [['pdl_id', id]], label: 'x' }))
        .status
    const isListed = async () =>
      (await ask(sandbox, 'people_data_labs', { method: 'GET', path: '/person/subjectrequest', label: 'x' })).text.includes(id)
    sandbox.clock.advance(optedOutAt! - start - DAY_MS)
    expect([await enriched(), await isListed()]).toEqual([200, false])
    sandbox.clock.advance(2 * DAY_MS)
    expect([await enriched(), await isListed()]).toEqual([404, true])
    const moved = sandbox.world.companies.find(
      (one) =>
        one.hasWebsite &&
        commercial.company({ domain: one.domain }, 'pdl') !== null &&
        commercial.spelling(one) === one.name &&
        commercial.websiteOf(one) !== one.domain,
    )!
    const one = target(companyOf(moved.name, moved.domain, moved.place))
    const view = await ask(sandbox, 'people_data_labs', peopleDataLabs.lookup!.request(one, PDL))
    expect(peopleDataLabs.lookup!.parse(view, one, PDL)).toMatchObject({
      record: { website: commercial.websiteOf(moved) },
      identity: { providerKey: commercial.idOf(moved), method: 'domain_redirect', confidence: 0.9, evidence: { town: 'same' } },
    })
  })

  it('refuses without a key, beyond a hundred, and beyond its quota', async () => {
    const { sandbox } = virtualSandbox({ quotas: { people_data_labs: [{ limit: 3, per: MINUTE_MS }] } })
    const probe = peopleDataLabs.probe(PDL)
    const classOf = async (spec: RequestSpec, headers?: Record<string, string>) =>
      peopleDataLabs.classify(await ask(sandbox, 'people_data_labs', spec, headers), spec, PDL)
    expect((await classOf(probe, {})).class).toBe('auth')
    expect((await classOf(probe)).class).toBe('invalid_request')
    const requests = Array.from({ length: 101 }, () => ({ params: { website: 'x.example' }, metadata: { row: '0' } }))
    expect(
      (await classOf({ method: 'POST', path: '/company/enrich/bulk', json: { requests }, label: 'company.bulk' })).class,
    ).toBe('invalid_request')
    await classOf(probe)
    expect(await classOf(probe)).toMatchObject({ class: 'rate_limited', until: sandbox.clock.now() + MINUTE_MS })
  })
})

describe('Clearbit in the sandbox', () => {
  it('finds by domain, queues some first, and knows only old keys', async () => {
    const { sandbox, time } = virtualSandbox()
    const { company, buyer, websiteOf } = sandbox.world.part(commercialWorld)
    const counts = { record: 0, absent: 0, failed: 0 }
    const queued: Target[] = []
    for (const { name, domain, place, hasWebsite } of sandbox.world.companies) {
      if (!hasWebsite) continue
      const one = target(companyOf(name, domain, place))
      const spec = clearbit.lookup!.request(one, CLEARBIT)
      const view = await ask(sandbox, 'clearbit', spec)
      expect(['ok', 'not_found']).toContain(clearbit.classify(view, spec, CLEARBIT).class)
      const answer = clearbit.lookup!.parse(view, one, CLEARBIT)
      counts[answer.kind as keyof typeof counts] += 1
      const other = company({ domain }, 'clearbit') === null ? buyer({ domain }) : null
      expect(answer.kind === 'absent').toBe(company({ domain }, 'clearbit') === null && other === null)
      if (answer.kind === 'record' && other?.place != null)
        expect(answer.identity).toMatchObject({ method: 'domain_redirect', confidence: expect.closeTo(0.7, 1) })
      if (answer.kind === 'failed') queued.push(one)
    }
    expect(counts.record).toBeGreaterThan(20)
    expect(counts.absent).toBeGreaterThan(10)
    expect(counts.failed).toBeGreaterThan(0)
    time.ms += MINUTE_MS
    for (const one of queued) {
      const view = await ask(sandbox, 'clearbit', clearbit.lookup!.request(one, CLEARBIT))
      const domain = String(one.entity.attributes['domain'])
      const { index } = sandbox.world.companies.find((candidate) => candidate.domain === domain)!
      const isThere = company({ domain }, 'clearbit') !== null && websiteOf(sandbox.world.companies[index]!) === domain
      const method = isThere ? 'domain' : 'domain_redirect'
      expect(clearbit.lookup!.parse(view, one, CLEARBIT)).toMatchObject({ kind: 'record', identity: { method } })
    }
    const probe = clearbit.probe(CLEARBIT)
    expect(clearbit.classify(await ask(sandbox, 'clearbit', probe), probe, CLEARBIT).class).toBe(clearbit.probeAnswer)
    expect(clearbit.classify(await ask(sandbox, 'clearbit', probe, {}), probe, CLEARBIT)).toMatchObject({
      class: 'auth',
      reason: expect.stringContaining('before 2024'),
    })
  })
})
