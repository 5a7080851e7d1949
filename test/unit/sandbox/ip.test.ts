import { describe, expect, it } from 'vitest'
import type { SourceAdapter, Target } from '../../../ts/adapters/adapter.ts'
import { asn } from '../../../ts/adapters/asn.ts'
import { dns } from '../../../ts/adapters/dns.ts'
import { geoip } from '../../../ts/adapters/geoip.ts'
import { parseIp, specialPurpose } from '../../../ts/adapters/shared/ip.ts'
import type { Entity } from '../../../ts/model/entity.ts'
import type { JsonObject } from '../../../ts/model/json.ts'
import type { RequestSpec, ResponseView } from '../../../ts/model/response.ts'
import { DAY_MS } from '../../../ts/model/time.ts'
import { SANDBOX_BASIC } from '../../../ts/sandbox/dialects/geoip.ts'
import type { Sandbox } from '../../../ts/sandbox/sandbox.ts'
import { truePairs } from '../../../ts/sandbox/world/ip-world.ts'
import { get, virtualSandbox } from './helpers.ts'

const BASIC = { authorization: `Basic ${SANDBOX_BASIC}` }

async function view(sandbox: Sandbox, prefix: string, spec: RequestSpec): Promise<ResponseView> {
  const query = (spec.query ?? []).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')
  const response = await get(sandbox, `/${prefix}${spec.path}?${query}`, BASIC)
  const text = await response.text()
  const headers = Object.fromEntries(response.headers)
  return { status: response.status, headers, text, json: JSON.parse(text), receivedAt: 0 }
}

async function lookUp(sandbox: Sandbox, adapter: SourceAdapter, entity: Entity, options: JsonObject) {
  const context = { now: sandbox.clock.now(), options: adapter.options.parse(options) }
  const target: Target = { entity, providerKey: null, validators: { etag: null, lastModified: null } }
  const views: ResponseView[] = []
  for (let spec: RequestSpec | null = adapter.lookup!.request(target, context); spec !== null; ) {
    const found = await view(sandbox, adapter.id, spec)
    expect(['ok', 'not_found']).toContain(adapter.classify(found, spec, context).class)
    views.push(found)
    spec = adapter.lookup!.more?.(views, target, context) ?? null
  }
  return adapter.lookup!.parse(views.at(-1)!, target, context, views.slice(0, -1))
}

const domainOf = (key: string): Entity => ({ kind: 'domain', key, attributes: { domain: key }, aliases: [] })
const ipOf = (key: string): Entity => ({ kind: 'ip', key, attributes: { address: key }, aliases: [] })

describe('addresses in the sandbox', () => {
  it('are found from domains, and their networks and places from them', async () => {
    const { sandbox } = virtualSandbox()
    const { world } = sandbox
    const truth = new Map<string, Set<string>>()
    for (const { domain, providerKey } of truePairs(world, sandbox.clock.now()))
      truth.set(domain, (truth.get(domain) ?? new Set()).add(providerKey))
    const kinds = { record: 0, absent: 0, failed: 0 }
    const found = new Set<string>()
    for (const { domain } of world.companies) {
      const answer = await lookUp(sandbox, dns, domainOf(domain), {})
      kinds[answer.kind as keyof typeof kinds] += 1
      if (answer.kind !== 'record') continue
      const keys = (answer.discovered ?? []).map(({ key }) => key)
      expect(new Set(keys)).toEqual(truth.get(domain) ?? new Set())
      for (const key of keys) {
        found.add(key)
        expect(specialPurpose(parseIp(key)!)).toBeNull()
      }
    }
    expect(kinds.record).toBeGreaterThan(50)
    expect(kinds.absent).toBeGreaterThan(10)
    expect(found.size).toBeGreaterThan(50)
    const asns = new Map([...truePairs(world, sandbox.clock.now())].map(({ providerKey, asn: number }) => [providerKey, number]))
    for (const key of [...found].slice(0, 40)) {
      expect(await lookUp(sandbox, asn, ipOf(key), { providers: ['ripestat'] })).toMatchObject({
        record: { asns: [{ asn: `AS${asns.get(key)}` }] },
      })
      expect(await lookUp(sandbox, geoip, ipOf(key), { providers: ['maxmind'] })).toMatchObject({
        record: { country: expect.stringMatching(/^[A-Z]{2}$/), city: expect.any(String) },
      })
    }
  })

  it('move as time passes', async () => {
    const { sandbox, time } = virtualSandbox()
    const before = JSON.stringify([...truePairs(sandbox.world, sandbox.clock.now())])
    time.ms += 30 * DAY_MS
    expect(JSON.stringify([...truePairs(sandbox.world, sandbox.clock.now())])).not.toBe(before)
  })

  it('are unknown to both when nobody hosts there', async () => {
    const { sandbox } = virtualSandbox()
    expect(await lookUp(sandbox, asn, ipOf('203.0.113.9'), { providers: ['ripestat'] })).toMatchObject({ kind: 'absent' })
    expect(await lookUp(sandbox, geoip, ipOf('9.9.9.9'), { providers: ['maxmind'] })).toMatchObject({ kind: 'absent' })
  })

  it('errors come as the providers write them', async () => {
    const { sandbox } = virtualSandbox()
    const ripe = await get(sandbox, '/asn/data/prefix-overview/data.json?resource=x&sourceapp=t')
    expect([ripe.status, await ripe.json()]).toMatchObject([400, { status: 'error', messages: [['error', expect.any(String)]] }])
    for (const [path, headers, status, code] of [
      ['city/8.8.8.8', {}, 401, 'AUTHORIZATION_INVALID'],
      ['city/10.0.0.1', BASIC, 400, 'IP_ADDRESS_RESERVED'],
      ['city/x', BASIC, 400, 'IP_ADDRESS_INVALID'],
      ['city/9.9.9.9', BASIC, 404, 'IP_ADDRESS_NOT_FOUND'],
      ['insights/9.9.9.9', BASIC, 403, 'PERMISSION_REQUIRED'],
    ] as const) {
      const response = await get(sandbox, `/geoip/geoip/v2.1/${path}`, headers)
      expect([response.status, await response.json()]).toMatchObject([status, { code, error: expect.any(String) }])
      expect(response.headers.get('content-type')).toContain('application/vnd.maxmind.com-error+json')
    }
    expect((await get(sandbox, '/dns/resolve?name=x&type=MX')).status).toBe(400)
  })

  it('a day of MaxMind is over when its quota is', async () => {
    const { sandbox } = virtualSandbox({ quotas: { geoip: [{ limit: 2, per: DAY_MS, resets: 'utc_day' }] } })
    const statuses: number[] = []
    for (let call = 0; call < 3; call += 1) statuses.push((await get(sandbox, '/geoip/geoip/v2.1/city/9.9.9.9', BASIC)).status)
    expect(statuses).toEqual([404, 404, 402])
  })
})
