import { describe, expect, it } from 'vitest'
import type { Answer, Target } from '../../ts/adapters/adapter.ts'
import { dns } from '../../ts/adapters/dns.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import { readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ErrorCase } from './adapter-suite.ts'
import { RECEIVED_AT, viewOf } from './recorded.ts'

const CONTEXT = { now: RECEIVED_AT, options: dns.options.parse({}) as JsonObject }
const domain = (key: string): Entity => ({ kind: 'domain', key, attributes: { domain: key, company_key: 'uei:A' }, aliases: [] })
const target: Target = { entity: domain('example.com'), providerKey: null, validators: { etag: null, lastModified: null } }

const a = (data: string, TTL = 60): JsonObject => ({ name: 'example.com.', type: 1, TTL, data })
const aaaa = (data: string): JsonObject => ({ name: 'example.com.', type: 28, TTL: 60, data })
const CNAME: JsonObject = { name: 'example.com.', type: 5, TTL: 60, data: 'cdn.example.net.' }
const reply = (Status: number, Answer?: readonly JsonObject[]): JsonObject => ({
  Status,
  TC: false,
  Question: [{ name: 'example.com.', type: 1 }],
  ...(Answer === undefined ? {} : { Answer }),
})
const ask = (...bodies: readonly JsonObject[]): Answer => {
  const views = bodies.map((body) => viewOf({ body }))
  return dns.lookup!.parse(views.at(-1)!, target, CONTEXT, views.slice(0, -1))
}
const recordOf = (...bodies: readonly JsonObject[]): JsonObject => {
  const answer = ask(...bodies)
  if (answer.kind !== 'record') throw new Error(answer.kind)
  return answer.record
}

const ERRORS: readonly ErrorCase[] = [
  { name: 'NXDOMAIN', label: 'dns.a', answer: { body: reply(3) }, class: 'not_found' },
  // The domain's own failure, not the resolver's: it must not stop the others.
  { name: 'SERVFAIL', label: 'dns.a', answer: { body: reply(2) }, class: 'ok' },
  { name: 'no status', label: 'dns.a', answer: { body: { Answer: [] } }, class: 'malformed' },
  { name: 'a page', label: 'dns.aaaa', answer: { text: '<html>' }, class: 'malformed' },
  {
    name: 'too many',
    label: 'dns.a',
    answer: { status: 429, text: '', headers: { 'retry-after': '2' } },
    class: 'rate_limited',
    untilMs: 2_000,
  },
  { name: 'a bad question', label: 'dns.a', answer: { status: 400, text: '' }, class: 'invalid_request' },
  { name: 'overload', label: 'dns.a', answer: { status: 503, text: '' }, class: 'transient' },
]

adapterSuite(dns, {
  exampleEntities: [domain('example.com'), domain('xn--mnchen-3ya.example'), domain('localhost')],
  recordings: [
    {
      name: 'two addresses behind a CNAME',
      label: 'dns.a',
      view: viewOf({ body: reply(0, [CNAME, a('93.184.216.34'), a('8.8.8.8')]) }),
      class: 'ok',
      reads: readingsOf(dns, CONTEXT).record(target),
    },
  ],
  conversations: [
    {
      name: 'IPv4, then IPv6',
      by: 'lookup',
      targets: [target],
      answers: [viewOf({ body: reply(0, [a('8.8.8.8')]) }), viewOf({ body: reply(0) })],
      requests: 2,
    },
  ],
  instants: 'answers have no dates, only times to live, which are left out',
  noise: ['TTL', 'Question'],
  errors: ERRORS,
  unchangedPairs: [
    {
      name: 'order and times to live',
      before: recordOf(reply(0, [a('8.8.8.8'), a('8.8.4.4')]), reply(0)),
      after: recordOf(reply(0, [a('8.8.4.4', 5), a('8.8.8.8', 9)]), reply(0)),
    },
    { name: 'a CNAME on the way', before: recordOf(reply(0, [a('8.8.8.8')])), after: recordOf(reply(0, [CNAME, a('8.8.8.8')])) },
    {
      name: 'spelling of an address',
      before: recordOf(reply(0), reply(0, [aaaa('2606:4700:0:0::1')])),
      after: recordOf(reply(0), reply(0, [aaaa('2606:4700::1')])),
    },
  ],
  changedPairs: [
    {
      name: 'a move',
      before: recordOf(reply(0, [a('8.8.8.8')])),
      after: recordOf(reply(0, [a('8.8.4.4')])),
      path: '$.addresses[address=8.8.4.4]',
    },
  ],
})

describe('dns', () => {
  it('asks for IPv4, then for IPv6, unless the name does not exist or IPv6 is not wanted', () => {
    const { lookup } = dns
    expect(lookup!.request(target, CONTEXT)).toMatchObject({
      path: '/resolve',
      query: [
        ['name', 'example.com'],
        ['type', 'A'],
      ],
    })
    const found = viewOf({ body: reply(0, [a('8.8.8.8')]) })
    expect(lookup!.more!([found], target, CONTEXT)).toMatchObject({
      query: [
        ['name', 'example.com'],
        ['type', 'AAAA'],
      ],
    })
    expect(lookup!.more!([found, found], target, CONTEXT)).toBeNull()
    for (const status of [2, 3]) expect(lookup!.more!([viewOf({ body: reply(status) })], target, CONTEXT)).toBeNull()
    expect(lookup!.more!([found], target, { ...CONTEXT, options: { ipv6: false } })).toBeNull()
  })

  it('brings public addresses to light, and keeps special ones to itself', () => {
    const answer = ask(reply(0, [a('10.1.2.3'), a('8.8.8.8'), a('8.8.8.8')]), reply(0, [aaaa('2606:4700::1'), aaaa('fd00::1')]))
    expect(answer).toEqual({
      kind: 'record',
      entity: { kind: 'domain', key: 'example.com' },
      record: {
        domain: 'example.com',
        addresses: [
          { address: '8.8.8.8', version: 4 },
          { address: '2606:4700::1', version: 6 },
        ],
        special_addresses: [
          { address: '10.1.2.3', purpose: 'private use (10.0.0.0/8)' },
          { address: 'fd00::1', purpose: 'unique local (fc00::/7)' },
        ],
        address_count: 4,
      },
      discovered: ['8.8.8.8', '2606:4700::1'].map((key) => ({
        kind: 'ip',
        key,
        attributes: { address: key, version: key.includes(':') ? 6 : 4 },
        aliases: [],
        links: [{ from: { kind: 'domain', key: 'example.com' }, kind: 'has_address', to: { kind: 'ip', key } }],
      })),
    })
  })

  it('tells a name without addresses from one that does not exist, and both from name servers that fail', () => {
    expect(recordOf(reply(0), reply(0))).toMatchObject({ addresses: [], address_count: 0 })
    expect(ask(reply(3))).toMatchObject({ kind: 'absent', reason: expect.stringContaining('NXDOMAIN') })
    expect(ask(reply(2))).toMatchObject({
      kind: 'failed',
      errorClass: 'transient',
      reason: expect.stringContaining('DNS status 2'),
    })
    // NXDOMAIN for one type of a name that has the other: a broken name server, and no reason to lose the address.
    expect(recordOf(reply(0, [a('8.8.8.8')]), reply(3))).toMatchObject({ address_count: 1 })
    expect(ask(reply(0, [a('8.8.8.8')]), reply(2))).toMatchObject({ kind: 'failed' })
  })

  it('keeps a bounded set of a name with hundreds, whatever their order', () => {
    const many = Array.from({ length: 500 }, (_, i) => a(`8.8.${Math.floor(i / 250)}.${i % 250}`))
    const record = recordOf(reply(0, many))
    expect(record).toMatchObject({ address_count: 500 })
    expect((record['addresses'] as readonly JsonObject[]).length).toBe(64)
    expect(recordOf(reply(0, many.reverse()))).toEqual(record)
  })

  it.each(['localhost', 'not a name', '-x.com', '10.0.0.1', 'a..b', `${'x'.repeat(64)}.com`, ''])(
    'cannot ask about %j',
    (key) => {
      expect(dns.unresolvable(domain(key))).not.toBeNull()
    },
  )
})
