/** Where the companies' domains are hosted: a few real networks, addresses that move, and the usual mistakes. */
import { DAY_MS, type EpochMs } from '../../model/time.ts'
import type { Company } from './companies.ts'
import { type Evolution, evolve } from './evolution.ts'
import { Rng, streamId } from './prng.ts'
import type { World } from './world.ts'

export type HostNetwork = {
  readonly asn: number
  readonly holder: string
  /** First 16 bits of its IPv4, first 32 bits of its IPv6 addresses. */
  readonly v4: string
  readonly v6: string
  readonly country: string
  readonly countryName: string
  readonly region: string
  readonly regionName: string
  readonly city: string
  readonly latitude: number
  readonly longitude: number
  readonly timeZone: string
}

type Shape = readonly [number, string, string, string, string, string, string, string, string, number, number, string]
const SHAPES: readonly Shape[] = [
  [
    13335,
    'CLOUDFLARENET - Cloudflare, Inc.',
    '104.16',
    '2606:4700',
    'US',
    'United States',
    'CA',
    'California',
    'San Francisco',
    37.7621,
    -122.3971,
    'America/Los_Angeles',
  ],
  [
    16509,
    'AMAZON-02 - Amazon.com, Inc.',
    '52.95',
    '2600:1f18',
    'US',
    'United States',
    'VA',
    'Virginia',
    'Ashburn',
    39.0469,
    -77.4903,
    'America/New_York',
  ],
  [
    15169,
    'GOOGLE - Google LLC',
    '142.250',
    '2607:f8b0',
    'US',
    'United States',
    'CA',
    'California',
    'Mountain View',
    37.4223,
    -122.085,
    'America/Los_Angeles',
  ],
  [
    8075,
    'MICROSOFT-CORP-MSN-AS-BLOCK - Microsoft Corporation',
    '20.43',
    '2603:1030',
    'US',
    'United States',
    'IA',
    'Iowa',
    'Des Moines',
    41.6021,
    -93.6124,
    'America/Chicago',
  ],
  [
    26496,
    'AS-26496-GO-DADDY-COM-LLC - GoDaddy.com, LLC',
    '160.153',
    '2603:3',
    'US',
    'United States',
    'AZ',
    'Arizona',
    'Tempe',
    33.4053,
    -111.9296,
    'America/Phoenix',
  ],
  [
    63949,
    'AKAMAI-LINODE-AP - Akamai Connected Cloud',
    '172.104',
    '2600:3c00',
    'US',
    'United States',
    'NJ',
    'New Jersey',
    'Cedar Knolls',
    40.8229,
    -74.4592,
    'America/New_York',
  ],
  [
    16276,
    'OVH - OVH SAS',
    '51.38',
    '2001:41d0',
    'FR',
    'France',
    'HDF',
    'Hauts-de-France',
    'Roubaix',
    50.6974,
    3.178,
    'Europe/Paris',
  ],
  [
    24940,
    'HETZNER-AS - Hetzner Online GmbH',
    '88.198',
    '2a01:4f8',
    'DE',
    'Germany',
    'SN',
    'Saxony',
    'Falkenstein',
    50.4777,
    12.3649,
    'Europe/Berlin',
  ],
]
export const HOST_NETWORKS: readonly HostNetwork[] = SHAPES.map(
  ([asn, holder, v4, v6, country, countryName, region, regionName, city, latitude, longitude, timeZone]) => ({
    asn,
    holder,
    v4,
    v6,
    country,
    countryName,
    region,
    regionName,
    city,
    latitude,
    longitude,
    timeZone,
  }),
)

export type DnsState = {
  /** `ok`; `nxdomain`: not registered any more; `empty`: no website; `servfail`: broken name servers. */
  readonly kind: 'ok' | 'nxdomain' | 'empty' | 'servfail'
  readonly alias: string | null
  readonly v4: readonly string[]
  readonly v6: readonly string[]
}

export type IpWorld = {
  company(domain: string): Company | null
  readonly evolution: Evolution<DnsState>
  /** The network that an address belongs to; null for all others. */
  networkOf(address: string): HostNetwork | null
}

const STREAM = streamId('dns_process')
const MOVES_EVERY_MS = 250 * DAY_MS
const NOBODY: DnsState = { kind: 'nxdomain', alias: null, v4: [], v6: [] }

function hosted(rng: Rng): DnsState {
  const network = rng.pick(HOST_NETWORKS)
  const v4 = Array.from({ length: rng.chance(0.3) ? 2 : 1 }, () => `${network.v4}.${rng.below(256)}.${rng.between(1, 254)}`)
  const v6 = rng.chance(0.35) ? [`${network.v6}::${rng.between(1, 0xffff).toString(16)}`] : []
  // An entry meant for the office network, published to all the world.
  if (rng.chance(0.02)) v4.push(`10.${rng.below(256)}.${rng.below(256)}.${rng.between(1, 254)}`)
  return { kind: 'ok', alias: rng.chance(0.2) ? `sites.as${network.asn}.example` : null, v4, v6 }
}

export function ipWorld(world: World): IpWorld {
  const { seed, startAt } = world.options
  const byDomain = new Map(world.companies.map((company) => [company.domain, company]))
  const begins = startAt - 700 * DAY_MS
  const evolution = evolve<DnsState>({
    rng: (index) => new Rng(seed, STREAM, index),
    begin(index, rng) {
      if (!world.companies[index]!.hasWebsite && rng.chance(0.7)) return { at: begins, state: NOBODY }
      const kind = rng.next()
      const state = hosted(rng)
      if (kind < 0.02) return { at: begins, state: { ...NOBODY, kind: 'empty' } }
      return { at: begins, state: kind < 0.03 ? { ...NOBODY, kind: 'servfail' } : state }
    },
    next: (_index, rng, state, at) =>
      state.kind === 'ok' ? Math.ceil(at + rng.exponential(MOVES_EVERY_MS)) : Number.POSITIVE_INFINITY,
    apply: (_index, rng) => (rng.chance(0.04) ? NOBODY : hosted(rng)),
  })
  return {
    company: (domain) => byDomain.get(domain) ?? null,
    evolution,
    networkOf: (address) =>
      HOST_NETWORKS.find(({ v4, v6 }) => (address.includes(':') ? address.startsWith(`${v6}:`) : address.startsWith(`${v4}.`))) ??
      null,
  }
}

/** Domains and their true public addresses at a moment. */
export function* truePairs(
  world: World,
  moment: EpochMs,
): Generator<{ readonly domain: string; readonly providerKey: string; readonly asn: number }> {
  const { evolution, networkOf } = world.part(ipWorld)
  for (const company of world.companies) {
    const { v4, v6 } = evolution.at(company.index, moment)
    for (const address of [...v4, ...v6]) {
      const network = networkOf(address)
      if (network !== null) yield { domain: company.domain, providerKey: address, asn: network.asn }
    }
  }
}
