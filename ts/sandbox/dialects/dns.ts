import { http, type RequestHandler } from 'msw'
import type { JsonObject, JsonValue } from '../../model/json.ts'
import type { EpochMs } from '../../model/time.ts'
import { ipWorld } from '../world/ip-world.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, textResponse, unplanned } from './dialect.ts'

const TYPES: Readonly<Record<string, number>> = { A: 1, CNAME: 5, AAAA: 28 }
const TTL_SECONDS = 300

function answerFor(world: World, name: string, type: 'A' | 'AAAA', moment: EpochMs): JsonObject {
  const { company, evolution } = world.part(ipWorld)
  const base = { TC: false, RD: true, RA: true, AD: false, CD: false, Question: [{ name: `${name}.`, type: TYPES[type]! }] }
  const known = company(name)
  const state = known === null ? null : evolution.at(known.index, moment)
  if (state === null || state.kind === 'nxdomain') return { Status: 3, ...base }
  if (state.kind === 'servfail') return { Status: 2, ...base, Comment: 'Name servers did not answer.' }
  const addresses = type === 'A' ? state.v4 : state.v6
  if (addresses.length === 0) return { Status: 0, ...base }
  const owner = state.alias === null ? `${name}.` : `${state.alias}.`
  const alias = state.alias === null ? [] : [{ name: `${name}.`, type: TYPES['CNAME']!, TTL: TTL_SECONDS, data: owner }]
  // Name servers turn the list with every answer.
  const turn = Math.floor(moment / 1000) % addresses.length
  const turned = [...addresses.slice(turn), ...addresses.slice(0, turn)]
  const records = turned.map((data) => ({ name: owner, type: TYPES[type]!, TTL: 60 + (Math.floor(moment / 1000) % 240), data }))
  return { Status: 0, ...base, Answer: [...alias, ...records] }
}

/** A resolver that speaks DNS in JSON over HTTP, as public ones do. */
export function dnsHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  return [
    http.get(`${baseUrl}/resolve`, ({ request }) => {
      const { searchParams } = new URL(request.url)
      const name = (searchParams.get('name') ?? '').toLowerCase().replace(/\.$/, '')
      const type = searchParams.get('type') ?? 'A'
      if (name === '' || (type !== 'A' && type !== 'AAAA')) return jsonResponse({ error: 'Invalid name or type.' }, 400)
      return jsonResponse(answerFor(world, name, type, deps.now()), 200, { 'content-type': 'application/dns-json' })
    }),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this resolver path')),
  ]
}

const tooMany = () => textResponse('Too Many Requests', 429, 'text/plain', { 'retry-after': '1' })

export const dnsDialect: Dialect = {
  prefix: 'dns',
  source: 'dns',
  quotas: [{ limit: 1_000, per: 1_000, enforce: false }],
  credential: () => 'anonymous',
  keysAsked: (_path, query) => query.getAll('name'),
  overQuota: tooMany,
  throttled: tooMany,
  handlers: dnsHandlers,
  /** By domain; `view` AAAA for the other question. */
  truth(world, key, moment, view): JsonValue | null {
    if (world.part(ipWorld).company(key) === null) return null
    return answerFor(world, key, view === 'AAAA' ? 'AAAA' : 'A', moment)
  },
  *keys(world) {
    for (const { domain } of world.companies) yield domain
  },
}
