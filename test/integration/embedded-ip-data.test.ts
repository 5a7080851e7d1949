/** The address data that ship with the program, database files, and the resolver, as providers in this process. */
import { existsSync, readdirSync } from 'node:fs'
import { copyFile, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asn } from '../../ts/adapters/asn.ts'
import { geoip } from '../../ts/adapters/geoip.ts'
import { rangesOfCsv } from '../../ts/embedded/ip-csv.ts'
import { ipDataProvider } from '../../ts/embedded/ip-data.ts'
import { mmdbFiles } from '../../ts/embedded/mmdb.ts'
import type { EmbeddedAnswer } from '../../ts/runtime/embedded.ts'
import { dnsProvider } from '../../ts/runtime/embedded-dns.ts'
import { RECEIVED_AT, viewOf } from '../contract/recorded.ts'

const RECORDINGS = fileURLToPath(new URL('../../../shared/recordings/', import.meta.url))
const MAXMIND = `${RECORDINGS}maxmind/`
const { signal } = new AbortController()
const provider = ipDataProvider()
const get = (path: string, query = ''): Promise<EmbeddedAnswer> =>
  provider({ method: 'GET', path, query: new URLSearchParams(query), json: null, signal })

describe('the embedded tables', () => {
  it.each([
    ['8.8.8.8', 15169, 'Google LLC', 'US'],
    ['1.1.1.1', 13335, 'Cloudflare, Inc.', 'AU'],
    ['193.0.6.139', 3333, /RIPE NCC/, 'NL'],
    ['2001%3A4860%3A4860%3A%3A8888', 15169, 'Google LLC', 'US'],
    ['9.9.9.9', 19281, 'Quad9', 'US'],
    ['140.82.121.4', 36459, 'GitHub, Inc.', 'US'],
  ])('know %s', async (ip, number, organization, country) => {
    expect(await get(`/asn/${ip}`)).toEqual({
      status: 200,
      json: {
        asn: number,
        organization: expect.stringMatching(organization),
        network: expect.stringMatching(/^[0-9a-f.:]+-[0-9a-f.:]+$/),
        data_date: '2026-06-17',
        sources: expect.arrayContaining([expect.stringContaining('CC BY 4.0')]),
      },
    })
    expect(await get(`/country/${ip}`)).toMatchObject({ status: 200, json: { country, data_date: '2026-06-17' } })
  })

  it('say what they do not know, and what is no address', async () => {
    expect(await get('/asn/240.0.0.1')).toMatchObject({ status: 404, json: { code: 'not_found' } })
    expect(await get('/asn/8.8.8')).toMatchObject({ status: 400, json: { code: 'bad_address' } })
    expect(await get('/nothing/8.8.8.8')).toMatchObject({ status: 400 })
    expect(await get('/asn/8.8.8.8/more')).toMatchObject({ status: 400 })
  })

  it('become records with their provenance', async () => {
    const entity = { kind: 'ip', key: '8.8.8.8', attributes: {}, aliases: [] } as const
    const target = { entity, providerKey: null, validators: { etag: null, lastModified: null } }
    for (const [adapter, expected] of [
      [asn, { ip: '8.8.8.8', version: 4, asns: [{ asn: 'AS15169', holder: 'Google LLC' }] }],
      [geoip, { ip: '8.8.8.8', version: 4, country: 'US', city: null }],
    ] as const) {
      const context = { now: RECEIVED_AT, options: adapter.options.parse({}) }
      const request = adapter.lookup!.request(target, context)
      expect(request).toMatchObject({ base: 'embedded', credits: 0 })
      const { status, json } = await get(request.path)
      const view = viewOf({ status, body: json })
      expect(adapter.classify(view, request, context).class).toBe('ok')
      expect(adapter.lookup!.parse(view, target, context)).toMatchObject({
        kind: 'record',
        record: {
          ...expected,
          provenance: { provider: 'embedded', data_date: '2026-06-17', network: expect.stringContaining('-8.') },
        },
      })
    }
  })

  it.skipIf(!existsSync(`${RECORDINGS}ip-location-db`))('read the recorded samples of their sources', async () => {
    for (const [name, version] of [
      ['asn-ipv4-num-sample', 4],
      ['asn-ipv6-num-sample', 6],
    ] as const) {
      const ranges = [...rangesOfCsv(await readFile(`${RECORDINGS}ip-location-db/${name}.csv`, 'utf8'), 'asn', version)]
      expect(ranges.length).toBeGreaterThan(3)
      for (const { label } of ranges) expect(label).toMatch(/^\d+ \S/)
    }
  })
})

describe.skipIf(!existsSync(MAXMIND))('database files of the user', () => {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mmdb-'))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))
  const ask = (file: string, ip: string, use: 'place' | 'network' = /ASN/.test(file) ? 'network' : 'place') =>
    get(`/mmdb/${encodeURIComponent(ip)}`, `file=${encodeURIComponent(file)}&use=${use}`)

  it('answer with their own record and where it comes from', async () => {
    expect(await ask(`${MAXMIND}GeoLite2-City-Test.mmdb`, '2.125.160.216')).toMatchObject({
      status: 200,
      json: {
        city: { names: { en: 'Boxford' } },
        country: { iso_code: 'GB' },
        location: { time_zone: 'Europe/London' },
        network: '2.125.160.216/29',
        data_date: expect.stringMatching(/^\d{4}-\d{2}-\d{2}$/),
        sources: ['GeoLite2-City'],
      },
    })
    expect(await ask(`${MAXMIND}GeoLite2-ASN-Test.mmdb`, '1.128.0.1')).toMatchObject({
      status: 200,
      json: { autonomous_system_number: 1221, network: '1.128.0.0/11' },
    })
    expect(await ask(`${MAXMIND}GeoLite2-ASN-Test.mmdb`, '203.1.2.3')).toMatchObject({ status: 404 })
    expect(await ask(`${MAXMIND}GeoLite2-Country-Test.mmdb`, '2001:218::1')).toMatchObject({
      json: { country: { iso_code: 'JP' } },
    })
  })

  it('agree with the sources that they were made from', async () => {
    const sources = JSON.parse(await readFile(`${MAXMIND}GeoLite2-ASN-Test.json`, 'utf8')) as Record<
      string,
      { autonomous_system_number?: number }
    >[]
    let compared = 0
    for (const [network, record] of sources.flatMap((one) => Object.entries(one))) {
      const address = network.split('/')[0]!.replace(/^::(?=\d+\.)/, '')
      const { status, json } = await ask(`${MAXMIND}GeoLite2-ASN-Test.mmdb`, address)
      if (status !== 200) continue
      // A more specific network may begin at the same address.
      const known = sources
        .flatMap((one) => Object.entries(one))
        .filter(([other]) => other.split('/')[0] === network.split('/')[0])
      expect(known.map(([, other]) => other.autonomous_system_number)).toContain(
        (json as { autonomous_system_number?: number }).autonomous_system_number,
      )
      expect(record).toBeDefined()
      compared += 1
    }
    expect(compared).toBeGreaterThan(50)
  })

  /** What each recorded file is for each use; a new file without a line fails. */
  const EXPECTED: Readonly<Record<string, Readonly<Record<'place' | 'network', readonly [code: string, why: string] | null>>>> = {
    'GeoIP2-City-Test-Broken-Double-Format': {
      place: ['file_damaged', 'a value of type 3 has 5 bytes'],
      network: ['file_damaged', 'a value of type 3 has 5 bytes'],
    },
    'GeoLite2-ASN-Test': { place: ['wrong_database', 'of type "GeoLite2-ASN"'], network: null },
    'GeoLite2-City-Test': { place: null, network: ['wrong_database', 'of type "GeoLite2-City"'] },
    'GeoLite2-Country-Test': { place: null, network: ['wrong_database', 'of type "GeoLite2-Country"'] },
    'invalid-data-record-offset': { place: ['file_damaged', 'is damaged ('], network: ['file_damaged', 'is damaged ('] },
    'libmaxminddb-corrupt-search-tree': {
      place: ['wrong_database', 'of type "Test"'],
      network: ['wrong_database', 'of type "Test"'],
    },
    'libmaxminddb-metadata-marker-only': { place: ['file_damaged', 'is damaged ('], network: ['file_damaged', 'is damaged ('] },
  }
  const recorded = existsSync(MAXMIND) ? readdirSync(MAXMIND).filter((name) => name.endsWith('.mmdb')) : []

  it.each(recorded)('have one outcome whatever is asked: %s', async (name) => {
    const expected = EXPECTED[name.replace('.mmdb', '')]
    expect(expected, `${name} has no line in EXPECTED`).toBeDefined()
    for (const use of ['place', 'network'] as const) {
      for (const ip of ['1.1.1.1', '2.125.160.216', '255.0.0.1', '2001:218::1', '193.0.6.139']) {
        const { status, json } = await ask(`${MAXMIND}${name}`, ip, use)
        if (expected![use] === null) {
          expect([200, 404]).toContain(status)
          continue
        }
        const [code, why] = expected![use]
        // Never "not there": that would be an event.
        expect({ status, json }).toEqual({ status: 503, json: { code, error: expect.stringContaining(why) } })
        const { error } = json as { error: string }
        expect(error).toContain(`${MAXMIND}${name}`)
        expect(error).toContain('options.mmdb')
      }
    }
  })

  it('that were damaged on the way are refused wherever the damage is', async () => {
    const whole = await readFile(`${MAXMIND}GeoLite2-City-Test.mmdb`)
    const damage: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
      'cut off': (bytes) => bytes.subarray(0, 9_000),
      'cut inside the tree, the end kept': (bytes) =>
        Buffer.concat([bytes.subarray(0, 5_000), bytes.subarray(bytes.length - 400)]),
      'the tree points nowhere': (bytes) => bytes.fill(0xff, 7_000, 7_021),
      'zeros in the data': (bytes) => bytes.fill(0, 11_000, 13_000),
      'noise in the data': (bytes) => bytes.fill(0xa7, 12_000, 12_400),
      'the tree runs in circles': (bytes) => bytes.fill(0, 0, 7),
      'no separator': (bytes) => bytes.fill(1, 10_255, 10_271),
      'a page of HTML': () => Buffer.from('<html>licence key missing</html>'),
    }
    for (const [name, change] of Object.entries(damage)) {
      const file = join(directory, `${name}.mmdb`)
      await writeFile(file, change(Buffer.from(whole)))
      expect(await ask(file, '2.125.160.216'), name).toMatchObject({ status: 503, json: { code: 'file_damaged' } })
    }
  })

  it('that say the right type and hold something else are refused', async () => {
    const bytes = await readFile(`${MAXMIND}GeoLite2-City-Test.mmdb`)
    const at = bytes.lastIndexOf('GeoLite2-City', bytes.length, 'latin1')
    const file = join(directory, 'renamed.mmdb')
    bytes.write('GeoLite2-ASNs', at, 'latin1')
    await writeFile(file, bytes)
    expect(await ask(file, '2.125.160.216', 'network')).toMatchObject({
      status: 503,
      json: { code: 'wrong_database', error: expect.stringContaining('has no autonomous_system_number') },
    })
  })

  it('are opened once, also when they cannot be used', async () => {
    const file = join(directory, 'once.mmdb')
    await copyFile(`${MAXMIND}GeoLite2-City-Test.mmdb`, file)
    const open = mmdbFiles()
    expect(await open(file, 'place')).toBe(await open(file, 'place'))
    const refused = () => open(file, 'network').catch((error: unknown) => error)
    const first = await refused()
    expect(first).toMatchObject({ code: 'wrong_database' })
    expect(await refused()).toBe(first)
  })

  it('that are not there are told apart from addresses that are not there', async () => {
    expect(await ask('/nowhere/x.mmdb', '8.8.8.8')).toMatchObject({
      status: 503,
      json: {
        code: 'file_missing',
        error: expect.stringContaining('/nowhere/x.mmdb is not there (ENOENT); put the database there'),
      },
    })
    expect(await ask(directory, '8.8.8.8')).toMatchObject({ status: 503, json: { code: 'file_unreadable' } })
    await writeFile(join(directory, 'empty.mmdb'), '')
    expect(await ask(join(directory, 'empty.mmdb'), '8.8.8.8')).toMatchObject({ status: 503, json: { code: 'file_damaged' } })
    expect(await get('/mmdb/8.8.8.8')).toMatchObject({ status: 400 })
    expect(await get('/mmdb/8.8.8.8', 'file=/x')).toMatchObject({ status: 400, json: { error: expect.stringContaining('use') } })
  })

  it('that are replaced are opened anew', async () => {
    const file = join(directory, 'changing.mmdb')
    await copyFile(`${MAXMIND}GeoLite2-ASN-Test.mmdb`, file)
    expect(await ask(file, '2.125.160.216')).toMatchObject({ status: 503, json: { code: 'wrong_database' } })
    await rm(file)
    await copyFile(`${MAXMIND}GeoLite2-City-Test.mmdb`, file)
    await utimes(file, 1_000, 1_000)
    expect(await ask(file, '2.125.160.216')).toMatchObject({ json: { sources: ['GeoLite2-City'] } })
  })
})

describe('the resolver', () => {
  const resolver = (outcome: readonly { address: string; ttl: number }[] | string) =>
    dnsProvider(() =>
      typeof outcome === 'string' ? Promise.reject(Object.assign(new Error('x'), { code: outcome })) : Promise.resolve(outcome),
    )
  const ask = (handler: ReturnType<typeof dnsProvider>, query: string, path = '/resolve') =>
    handler({ method: 'GET', path, query: new URLSearchParams(query), json: null, signal })

  it('speaks DNS in JSON', async () => {
    expect(await ask(resolver([{ address: '93.184.216.34', ttl: 60 }]), 'name=example.com&type=A')).toEqual({
      status: 200,
      json: {
        Status: 0,
        Question: [{ name: 'example.com.', type: 1 }],
        Answer: [{ name: 'example.com.', type: 1, TTL: 60, data: '93.184.216.34' }],
      },
    })
  })

  it.each([
    ['ENOTFOUND', 3],
    ['ENODATA', 0],
    ['ESERVFAIL', 2],
    ['EREFUSED', 5],
  ])('%s is DNS status %i', async (code, status) => {
    expect(await ask(resolver(code), 'name=example.com&type=AAAA')).toMatchObject({ status: 200, json: { Status: status } })
  })

  it('lets through what is no answer, and refuses what is no question', async () => {
    await expect(ask(resolver('ETIMEOUT'), 'name=example.com&type=A')).rejects.toMatchObject({ code: 'ETIMEOUT' })
    expect(await ask(resolver([]), 'name=example.com&type=MX')).toMatchObject({ status: 400 })
    expect(await ask(resolver([]), 'type=A')).toMatchObject({ status: 400 })
    expect(await ask(resolver([]), 'name=a.b&type=A', '/x')).toMatchObject({ status: 404 })
  })
})
