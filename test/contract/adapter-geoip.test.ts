import { describe, expect, it } from 'vitest'
import type { Target } from '../../ts/adapters/adapter.ts'
import { geoip } from '../../ts/adapters/geoip.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import { readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ErrorCase } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'maxmind'
const OPTIONS = geoip.options.parse({ providers: ['embedded', 'mmdb', 'maxmind'], mmdb: '/data/city.mmdb' }) as JsonObject
const CONTEXT = { now: RECEIVED_AT, options: OPTIONS }
const WEB = { now: RECEIVED_AT, options: geoip.options.parse({ providers: ['maxmind'] }) as JsonObject }
const ip = (key: string): Entity => ({ kind: 'ip', key, attributes: { address: key }, aliases: [] })
const target: Target = { entity: ip('8.8.8.8'), providerKey: null, validators: { etag: null, lastModified: null } }

const CITY = {
  city: { names: { en: 'Ashburn', de: 'Ashburn' } },
  country: { iso_code: 'US' },
  location: { latitude: 39.0469, longitude: -77.4903, accuracy_radius: 20, time_zone: 'America/New_York' },
  postal: { code: '20149' },
  subdivisions: [{ iso_code: 'VA', names: { en: 'Virginia' } }],
  traits: { network: '52.95.0.0/16' },
} satisfies JsonObject
const recordOf = (body: JsonObject): JsonObject => {
  const answer = geoip.lookup!.parse(viewOf({ body }), target, WEB)
  if (answer.kind !== 'record') throw new Error(answer.kind)
  return answer.record
}

const error = (status: number, code: string): ErrorCase['answer'] => ({
  status,
  body: { code, error: 'words' },
  headers: { 'content-type': 'application/vnd.maxmind.com-error+json' },
})
const ERRORS: readonly ErrorCase[] = [
  { name: 'IP_ADDRESS_INVALID', label: 'geoip.maxmind', answer: error(400, 'IP_ADDRESS_INVALID'), class: 'invalid_request' },
  { name: 'IP_ADDRESS_RESERVED', label: 'geoip.maxmind', answer: error(400, 'IP_ADDRESS_RESERVED'), class: 'not_found' },
  { name: 'IP_ADDRESS_NOT_FOUND', label: 'geoip.maxmind', answer: error(404, 'IP_ADDRESS_NOT_FOUND'), class: 'not_found' },
  { name: 'a wrong path', label: 'geoip.maxmind', answer: { status: 404, text: 'x' }, class: 'invalid_request' },
  { name: 'AUTHORIZATION_INVALID', label: 'geoip.maxmind', answer: error(401, 'AUTHORIZATION_INVALID'), class: 'auth' },
  { name: 'LICENSE_KEY_REQUIRED', label: 'geoip.maxmind', answer: error(401, 'LICENSE_KEY_REQUIRED'), class: 'auth' },
  { name: 'PERMISSION_REQUIRED', label: 'geoip.maxmind', answer: error(403, 'PERMISSION_REQUIRED'), class: 'auth' },
  {
    name: 'OUT_OF_QUERIES',
    label: 'geoip.maxmind',
    answer: error(402, 'OUT_OF_QUERIES'),
    class: 'quota_exhausted',
    untilMs: 21 * 3_600_000,
  },
  {
    name: 'INSUFFICIENT_FUNDS',
    label: 'geoip.maxmind',
    answer: error(402, 'INSUFFICIENT_FUNDS'),
    class: 'quota_exhausted',
    untilMs: 21 * 3_600_000,
  },
  { name: 'overload', label: 'geoip.maxmind', answer: { status: 503, text: '' }, class: 'transient' },
  { name: 'a page', label: 'geoip.maxmind', answer: { text: '<html>' }, class: 'malformed' },
  {
    name: 'embedded: nothing there',
    label: 'geoip.embedded',
    answer: { status: 404, body: { error: 'no entry' } },
    class: 'not_found',
  },
  {
    name: 'a database that cannot be read',
    label: 'geoip.mmdb',
    answer: { status: 503, body: { error: 'ENOENT' } },
    class: 'source_down',
  },
]

const NOTHING = viewOf({ status: 404, body: { code: 'IP_ADDRESS_NOT_FOUND', error: 'x' } })

adapterSuite(geoip, {
  exampleEntities: [ip('8.8.8.8'), ip('2001:4860:4860::8888'), ip('192.168.0.1')],
  options: OPTIONS,
  recordings: hasRecordings(PROVIDER)
    ? [
        {
          name: 'web-service-city-8.8.8.8',
          label: 'geoip.maxmind',
          view: viewOf({ body: recording(PROVIDER, 'web-service-city-8.8.8.8') }),
          class: 'ok',
          reads: readingsOf(geoip, WEB).record(target),
          check: () =>
            expect(recordOf(recording(PROVIDER, 'web-service-city-8.8.8.8') as JsonObject)).toEqual({
              ip: '8.8.8.8',
              version: 4,
              country: 'US',
              region: 'CA',
              region_name: 'California',
              city: 'Mountain View',
              postal_code: '94035',
              latitude: 37.386,
              longitude: -122.0838,
              accuracy_radius_km: 1000,
              time_zone: 'America/Los_Angeles',
              provenance: { provider: 'maxmind', network: '8.8.8.0/24', data_date: null, sources: ['MaxMind'] },
            }),
        },
      ]
    : [],
  conversations: [
    {
      name: 'one provider after the other',
      by: 'lookup',
      targets: [target],
      answers: [NOTHING, NOTHING, NOTHING],
      requests: 3,
    },
  ],
  instants: 'answers have no dates; those of databases are days',
  noise: ['geoname_id'],
  errors: ERRORS,
  unchangedPairs: [
    {
      name: 'how exact it claims to be, in which network',
      before: recordOf(CITY),
      after: recordOf({ ...CITY, location: { ...CITY.location, accuracy_radius: 500 }, traits: { network: '52.95.0.0/24' } }),
    },
    {
      name: 'names in other languages',
      before: recordOf(CITY),
      after: recordOf({ ...CITY, city: { names: { en: 'Ashburn', fr: 'x' } } }),
    },
  ],
  changedPairs: [
    {
      name: 'another city',
      before: recordOf(CITY),
      after: recordOf({ ...CITY, city: { names: { en: 'Dulles' } } }),
      path: '$.city',
    },
  ],
})

describe('geoip', () => {
  const nothing = viewOf({ status: 404, body: { code: 'IP_ADDRESS_NOT_FOUND', error: 'x' } })

  it('goes from the embedded countries to a database file to the web service', () => {
    const { lookup } = geoip
    expect(lookup!.request(target, CONTEXT)).toMatchObject({ base: 'embedded', path: '/country/8.8.8.8', credits: 0 })
    expect(lookup!.more!([nothing], target, CONTEXT)).toMatchObject({ base: 'embedded', path: '/mmdb/8.8.8.8' })
    expect(lookup!.more!([nothing, nothing], target, CONTEXT)).toEqual({
      method: 'GET',
      path: '/geoip/v2.1/city/8.8.8.8',
      label: 'geoip.maxmind',
    })
    expect(lookup!.more!([nothing, nothing, nothing], target, CONTEXT)).toBeNull()
    expect(lookup!.parse(nothing, target, CONTEXT, [nothing, nothing])).toMatchObject({ kind: 'absent' })
  })

  it('takes a record without a place for no answer', () => {
    const empty = viewOf({ body: { traits: { ip_address: '8.8.8.8' } } })
    expect(geoip.lookup!.parse(empty, target, WEB)).toMatchObject({ kind: 'absent' })
    expect(recordOf({ registered_country: { iso_code: 'nl' } })).toMatchObject({ country: 'NL', city: null })
  })

  it('knows the country alone from the embedded data', () => {
    const body = { country: 'US', network: '8.0.0.0-8.255.255.255', data_date: '2026-06-17', sources: ['NRO'] }
    expect(geoip.lookup!.parse(viewOf({ body }), target, CONTEXT)).toMatchObject({
      record: { country: 'US', city: null, latitude: null, provenance: { provider: 'embedded', data_date: '2026-06-17' } },
    })
  })
})

describe.skipIf(!hasRecordings(PROVIDER))('geoip against recordings', () => {
  it('has an expectation for every recording', () => {
    // The others are the sources of the test databases, which test/integration/embedded-ip-data.test.ts reads.
    expect(recordingNames(PROVIDER).filter((name) => !/-Test$/.test(name))).toEqual(['web-service-city-8.8.8.8'])
  })

  it('places what the sources of the test databases hold', () => {
    for (const name of ['GeoLite2-City-Test', 'GeoIP2-City-Test', 'GeoLite2-Country-Test']) {
      const networks = (recording(PROVIDER, name) as JsonObject[]).flatMap((one) => Object.entries(one))
      expect(networks.length).toBeGreaterThan(50)
      for (const [network, body] of networks) {
        const answer = geoip.lookup!.parse(viewOf({ body: body as JsonObject }), target, WEB)
        if (answer.kind === 'record') expect(answer.record['country'] ?? answer.record['latitude'], network).not.toBeNull()
        else expect(answer.kind, network).toBe('absent')
      }
    }
  })
})
