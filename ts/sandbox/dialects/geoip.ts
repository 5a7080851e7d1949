import { createHash } from 'node:crypto'
import { http, type RequestHandler } from 'msw'
import type { JsonObject } from '../../model/json.ts'
import { DAY_MS } from '../../model/time.ts'
import { ipWorld, truePairs } from '../world/ip-world.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, unplanned } from './dialect.ts'

/** `42:sandbox-licence` as HTTP Basic wants it. */
export const SANDBOX_BASIC = Buffer.from('42:sandbox-licence').toString('base64')
const RESERVED = /^(?:10\.|127\.|169\.254\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|fe80:|f[cd])/i

function cityOf(world: World, ip: string): JsonObject | null {
  const network = world.part(ipWorld).networkOf(ip)
  if (network === null) return null
  const country = { iso_code: network.country, names: { en: network.countryName }, geoname_id: 6_252_001 }
  return {
    city: { geoname_id: 5_000_000 + network.asn, names: { en: network.city } },
    continent: {
      code: network.country === 'US' ? 'NA' : 'EU',
      names: { en: network.country === 'US' ? 'North America' : 'Europe' },
    },
    country,
    location: { accuracy_radius: 20, latitude: network.latitude, longitude: network.longitude, time_zone: network.timeZone },
    registered_country: country,
    subdivisions: [{ iso_code: network.region, names: { en: network.regionName } }],
    traits: { ip_address: ip, network: ip.includes(':') ? `${network.v6}::/32` : `${network.v4}.0.0/16` },
  }
}

function failure(status: number, code: string, error: string): Response {
  const headers = { 'content-type': 'application/vnd.maxmind.com-error+json; charset=UTF-8; version=2.0' }
  return new Response(JSON.stringify({ code, error }), { status, headers })
}

/** Handlers of geolite.info and geoip.maxmind.com. */
export function maxmindHandlers(world: World, baseUrl: string, _deps: DialectDeps): RequestHandler[] {
  function place(request: Request, ip: string, isCity: boolean): Response {
    if (request.headers.get('authorization') !== `Basic ${SANDBOX_BASIC}`)
      return failure(401, 'AUTHORIZATION_INVALID', 'Your account ID or license key could not be authenticated.')
    if (!/^[0-9a-f:.]+$/i.test(ip)) return failure(400, 'IP_ADDRESS_INVALID', `The value ${ip} is not a valid IP address.`)
    if (RESERVED.test(ip)) return failure(400, 'IP_ADDRESS_RESERVED', `The IP address '${ip}' is a reserved IP address.`)
    const found = cityOf(world, ip)
    if (found === null) return failure(404, 'IP_ADDRESS_NOT_FOUND', `The address ${ip} is not in our database.`)
    const { continent, country, registered_country, traits } = found
    const body = isCity
      ? found
      : { continent: continent!, country: country!, registered_country: registered_country!, traits: traits! }
    const type = `application/vnd.maxmind.com-${isCity ? 'city' : 'country'}+json; charset=UTF-8; version=2.1`
    return new Response(JSON.stringify(body), { headers: { 'content-type': type } })
  }
  return [
    http.get(`${baseUrl}/geoip/v2.1/city/:ip`, ({ request, params }) =>
      place(request, decodeURIComponent(String(params['ip'])), true),
    ),
    http.get(`${baseUrl}/geoip/v2.1/country/:ip`, ({ request, params }) =>
      place(request, decodeURIComponent(String(params['ip'])), false),
    ),
    http.get(`${baseUrl}/geoip/v2.1/insights/:ip`, () =>
      failure(403, 'PERMISSION_REQUIRED', 'You do not have permission to use the service.'),
    ),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this MaxMind service')),
  ]
}

const spent = () => failure(402, 'OUT_OF_QUERIES', 'The license key you have provided is out of queries.')

export const geoipDialect: Dialect = {
  prefix: 'geoip',
  source: 'geoip',
  quotas: [{ limit: 1_000, per: DAY_MS, resets: 'utc_day' }],
  credential(request) {
    const basic = request.headers.get('authorization')
    return basic === null ? 'no-key' : `key-${createHash('sha256').update(basic).digest('hex').slice(0, 8)}`
  },
  keysAsked: (path) => [decodeURIComponent(path.split('/').at(-1) ?? '')],
  overQuota: spent,
  throttled: (_now, seconds) => new Response('', { status: 503, headers: { 'retry-after': String(seconds) } }),
  handlers: maxmindHandlers,
  truth: (world, key) => cityOf(world, key),
  *keys(world, moment) {
    for (const { providerKey } of truePairs(world, moment)) yield providerKey
  },
}
