import { describe, expect, it } from 'vitest'
import type { Target } from '../../ts/adapters/adapter.ts'
import { asn } from '../../ts/adapters/asn.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { diffRecords } from '../../ts/refresh/diff.ts'
import { readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ErrorCase, type RecordedCase } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'ripestat'
const OPTIONS = asn.options.parse({ providers: ['embedded', 'mmdb', 'ripestat'], mmdb: '/data/asn.mmdb' }) as JsonObject
const CONTEXT = { now: RECEIVED_AT, options: OPTIONS }
const RIPE_FIRST = { now: RECEIVED_AT, options: asn.options.parse({ providers: ['ripestat'] }) as JsonObject }

const ip = (key: string): Entity => ({
  kind: 'ip',
  key,
  attributes: { address: key, version: key.includes(':') ? 6 : 4 },
  aliases: [],
})
const target = (key = '193.0.6.139'): Target => ({
  entity: ip(key),
  providerKey: null,
  validators: { etag: null, lastModified: null },
})

/** What today's API wraps around the recorded `data` of 2017. */
const envelope = (data: JsonValue, more: JsonObject = {}): JsonObject => ({
  messages: [],
  status: 'ok',
  status_code: 200,
  data_call_status: 'supported',
  data,
  ...more,
})
const overview = (asns: JsonValue, more: JsonObject = {}): JsonObject => ({
  resource: '193.0.0.0/21',
  announced: true,
  asns,
  ...more,
})
const recordOf = (body: JsonObject): JsonObject => {
  const answer = asn.lookup!.parse(viewOf({ body }), target(), RIPE_FIRST)
  if (answer.kind !== 'record') throw new Error(answer.kind)
  return answer.record
}
const RIPE = [{ asn: 3333, holder: 'RIPE-NCC-AS' }]

/** Every recorded data call, in today's envelope; all but one are not the call that is made. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, 'prefix-overview' | 'another call'>> = {
  abuseContactFinder: 'another call',
  addressSpaceHierarchy: 'another call',
  announcedPrefixes: 'another call',
  asOverview: 'another call',
  geolocation: 'another call',
  networkInfo: 'another call',
  prefixOverview: 'prefix-overview',
  reverseDNSIP: 'another call',
  rir: 'another call',
  routingStatus: 'another call',
  searchComplete: 'another call',
  whois: 'another call',
}

const reads = readingsOf(asn, RIPE_FIRST)
const RECORDED: readonly RecordedCase[] = hasRecordings(PROVIDER)
  ? Object.entries(EXPECTED).map(([name, call]) => {
      const data = recording(PROVIDER, name)
      return {
        name,
        label: 'asn.ripestat',
        view: viewOf({ body: envelope(data) }),
        class: (Array.isArray(data) ? 'malformed' : 'ok') as ResponseClass,
        reads: call === 'another call' ? reads.other('one data call alone is made: prefix-overview') : reads.record(target()),
        ...(call === 'prefix-overview'
          ? {
              check: () =>
                expect(recordOf(envelope(data))).toEqual({
                  ip: '193.0.6.139',
                  version: 4,
                  asns: [
                    { asn: 'AS3333', holder: 'RIPE-NCC-AS Reseaux IP Europeens Network Coordination Centre (RIPE NCC), NL' },
                  ],
                  provenance: {
                    provider: 'ripestat',
                    network: '193.0.0.0/21',
                    data_date: '2017-07-22',
                    sources: ['RIPEstat (RIPE NCC)'],
                  },
                }),
            }
          : {}),
      }
    })
  : []

const ERRORS: readonly ErrorCase[] = [
  {
    name: 'a bad resource',
    label: 'asn.ripestat',
    answer: { status: 400, body: { status: 'error', status_code: 400, messages: [['error', 'not a resource']] } },
    class: 'invalid_request',
  },
  {
    name: 'an error inside a 200',
    label: 'asn.ripestat',
    answer: { body: envelope({}, { messages: [['error', 'back end timed out']] }) },
    class: 'transient',
  },
  {
    name: 'a notice inside a 200',
    label: 'asn.ripestat',
    answer: { body: envelope(overview(RIPE), { messages: [['info', 'Results exclude routes with low visibility']] }) },
    class: 'ok',
  },
  {
    name: 'maintenance',
    label: 'asn.ripestat',
    answer: { body: envelope({}, { data_call_status: 'maintenance - back soon' }) },
    class: 'source_down',
  },
  { name: 'no envelope', label: 'asn.ripestat', answer: { body: {} }, class: 'malformed' },
  {
    name: 'too many',
    label: 'asn.ripestat',
    answer: { status: 429, headers: { 'retry-after': '60' }, text: '' },
    class: 'rate_limited',
    untilMs: 60_000,
  },
  { name: 'refused', label: 'asn.ripestat', answer: { status: 403, text: '' }, class: 'rate_limited', untilMs: 3_600_000 },
  { name: 'overload', label: 'asn.ripestat', answer: { status: 502, text: '' }, class: 'transient' },
  {
    name: 'embedded: nothing there',
    label: 'asn.embedded',
    answer: { status: 404, body: { code: 'not_found', error: 'no entry' } },
    class: 'not_found',
  },
  {
    name: 'embedded: damaged',
    label: 'asn.embedded',
    answer: { status: 503, body: { error: 'cannot be read' } },
    class: 'source_down',
  },
  {
    name: 'embedded: no address',
    label: 'asn.embedded',
    answer: { status: 400, body: { error: 'x' } },
    class: 'invalid_request',
  },
]

const NOTHING = viewOf({ status: 404, body: { code: 'not_found', error: 'no entry' } })

adapterSuite(asn, {
  exampleEntities: [ip('193.0.6.139'), ip('2001:67c:2e8::1'), ip('10.0.0.1')],
  options: OPTIONS,
  recordings: RECORDED,
  conversations: [
    {
      name: 'one provider after the other',
      by: 'lookup',
      targets: [target()],
      answers: [NOTHING, NOTHING, NOTHING],
      requests: 3,
    },
  ],
  instants: 'query_time has no zone; its day alone is kept, and that is volatile',
  noise: ['query_time', 'is_less_specific', 'related_prefixes'],
  errors: ERRORS,
  unchangedPairs: [
    {
      name: 'another network, another day',
      before: recordOf(envelope(overview(RIPE))),
      after: recordOf(envelope(overview(RIPE, { resource: '193.0.0.0/20', query_time: '2026-11-21T00:00:00' }))),
    },
    {
      name: 'order of several',
      before: recordOf(envelope(overview([...RIPE, { asn: 1, holder: 'x' }]))),
      after: recordOf(envelope(overview([{ asn: 1, holder: 'x' }, ...RIPE]))),
    },
    {
      name: 'a number as text',
      before: recordOf(envelope(overview(RIPE))),
      after: recordOf(envelope(overview([{ asn: '3333', holder: 'RIPE-NCC-AS' }]))),
    },
  ],
  changedPairs: [
    {
      name: 'another holder',
      before: recordOf(envelope(overview(RIPE))),
      after: recordOf(envelope(overview([{ asn: 3333, holder: 'NEW' }]))),
      path: '$.asns[asn=AS3333].holder',
    },
  ],
})

describe('asn', () => {
  const embedded = viewOf({
    body: { asn: 3333, organization: 'RIPE', network: '193.0.0.0-193.0.7.255', data_date: '2026-06-17', sources: ['x', 1] },
  })
  const nothing = viewOf({ status: 404, body: { code: 'not_found', error: 'no entry' } })

  it('asks one provider after the other until one knows the address', () => {
    const { lookup } = asn
    expect(lookup!.request(target(), CONTEXT)).toMatchObject({ base: 'embedded', path: '/asn/193.0.6.139', credits: 0 })
    expect(lookup!.more!([embedded], target(), CONTEXT)).toBeNull()
    expect(lookup!.more!([nothing], target(), CONTEXT)).toMatchObject({
      base: 'embedded',
      path: '/mmdb/193.0.6.139',
      query: [
        ['file', '/data/asn.mmdb'],
        ['use', 'network'],
      ],
      credits: 0,
    })
    const last = lookup!.more!([nothing, nothing], target(), CONTEXT)
    expect(last).toMatchObject({
      path: '/data/prefix-overview/data.json',
      query: [
        ['resource', '193.0.6.139'],
        ['sourceapp', 'enrichment-refresh'],
      ],
    })
    expect(last?.credits ?? 1).toBe(1)
    expect(lookup!.more!([nothing, nothing, nothing], target(), CONTEXT)).toBeNull()
  })

  it('says who answered, and when nobody did, who was asked', () => {
    const answer = asn.lookup!.parse(embedded, target(), CONTEXT)
    expect(answer).toMatchObject({ record: { asns: [{ asn: 'AS3333' }], provenance: { provider: 'embedded', sources: ['x'] } } })
    const mmdb = viewOf({
      body: { autonomous_system_number: 3333, autonomous_system_organization: 'RIPE NCC', network: '193.0.0.0/21' },
    })
    const second = asn.lookup!.parse(mmdb, target(), CONTEXT, [nothing])
    expect(second).toMatchObject({ record: { asns: [{ asn: 'AS3333', holder: 'RIPE NCC' }], provenance: { provider: 'mmdb' } } })
    // Which provider it was is no change; how it spells the holder is.
    const records = [answer, second].map((one) => (one.kind === 'record' ? one.record : {}))
    expect(diffRecords(records[0]!, records[1]!, asn).map(({ path }) => path)).toEqual(['$.asns[asn=AS3333].holder'])
    const none = viewOf({ body: envelope(overview([], { announced: false })) })
    expect(asn.lookup!.parse(none, target(), CONTEXT, [nothing, nothing])).toEqual({
      kind: 'absent',
      entity: { kind: 'ip', key: '193.0.6.139' },
      reason: 'no AS announces the address (asked: embedded, mmdb, ripestat)',
    })
  })

  it('never asks about addresses that are nobody’s', () => {
    expect(asn.unresolvable(ip('10.0.0.1'))).toBe('a special-purpose address: private use (10.0.0.0/8)')
    expect(asn.unresolvable(ip('::ffff:8.8.8.8'))).toContain('IPv4-mapped')
    expect(asn.unresolvable(ip('example.com'))).toBe('no IP address')
    expect(asn.lookup!.request(target('2001:067C:02E8::1'), CONTEXT).path).toBe('/asn/2001%3A67c%3A2e8%3A%3A1')
  })

  it('wants the path of a database with the provider that reads it', () => {
    expect(asn.options.safeParse({ providers: ['mmdb'] }).success).toBe(false)
    expect(asn.options.safeParse({ providers: ['mmdb'], mmdb: 'relative.mmdb' }).success).toBe(false)
    expect(asn.options.safeParse({ providers: [] }).success).toBe(false)
    expect(asn.options.safeParse({ providers: ['elsewhere'] }).success).toBe(false)
  })
})

describe.skipIf(!hasRecordings(PROVIDER))('asn against recordings', () => {
  it('has an expectation for every recording', () => {
    expect(recordingNames(PROVIDER)).toEqual(Object.keys(EXPECTED).sort())
  })
})
