import { http, type RequestHandler } from 'msw'
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { DAY_MS, type EpochMs, toIso } from '../../model/time.ts'
import { ipWorld, truePairs } from '../world/ip-world.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, unplanned } from './dialect.ts'

const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f:]{2,45})$/i

function overview(world: World, resource: string, moment: EpochMs): JsonObject {
  const network = world.part(ipWorld).networkOf(resource)
  const isV6 = resource.includes(':')
  const prefix = network === null ? resource : isV6 ? `${network.v6}::/32` : `${network.v4}.0.0/16`
  return {
    is_less_specific: network !== null,
    announced: network !== null,
    asns: network === null ? [] : [{ asn: network.asn, holder: network.holder }],
    related_prefixes: [],
    resource: prefix,
    type: 'prefix',
    block: {
      resource: isV6 ? '2000::/3' : `${resource.split('.')[0]}.0.0.0/8`,
      desc: 'Administered by ARIN',
      name: isV6 ? 'IANA IPv6 Global Unicast Address Assignments' : 'IANA IPv4 Address Space Registry',
    },
    actual_num_related: 0,
    query_time: toIso(moment).slice(0, 19),
    num_filtered_out: 0,
  }
}

function envelope(data: JsonObject, moment: EpochMs, status = 200, messages: readonly JsonValue[] = []): Response {
  return jsonResponse(
    {
      messages,
      see_also: [],
      version: '1.3',
      data_call_name: 'prefix-overview',
      data_call_status: 'supported',
      cached: false,
      data,
      query_id: `${toIso(moment).replace(/\D/g, '').slice(0, 14)}-sandbox`,
      process_time: 12,
      server_id: 'sandbox',
      build_version: 'live',
      status: status === 200 ? 'ok' : 'error',
      status_code: status,
      time: toIso(moment).slice(0, 19),
    },
    status,
  )
}

/** Handlers of stat.ripe.net. */
export function ripestatHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  return [
    http.get(`${baseUrl}/data/prefix-overview/data.json`, ({ request }) => {
      const now = deps.now()
      const resource = (new URL(request.url).searchParams.get('resource') ?? '').toLowerCase()
      if (ADDRESS.test(resource)) return envelope(overview(world, resource, now), now)
      return envelope({}, now, 400, [['error', `${resource === '' ? 'No' : 'An invalid'} resource was given.`]])
    }),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this RIPEstat data call')),
  ]
}

const tooMany = () => jsonResponse({ status: 'error', status_code: 429, messages: [['error', 'Too many requests.']] }, 429)

export const asnDialect: Dialect = {
  prefix: 'asn',
  source: 'asn',
  // Nothing is refused below that; beyond, one is asked to register.
  quotas: [{ limit: 1_000, per: DAY_MS, resets: 'utc_day', enforce: false }],
  credential: (request) => new URL(request.url).searchParams.get('sourceapp') ?? 'anonymous',
  keysAsked: (_path, query) => query.getAll('resource'),
  overQuota: tooMany,
  throttled: tooMany,
  handlers: ripestatHandlers,
  truth: (world, key, moment) => (world.part(ipWorld).networkOf(key) === null ? null : overview(world, key, moment)),
  *keys(world, moment) {
    for (const { providerKey } of truePairs(world, moment)) yield providerKey
  },
}
