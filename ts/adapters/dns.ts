/**
 * The addresses of a domain, by DNS in JSON (`/resolve?name=…&type=A`): the resolver of the system (`embedded:dns`), or a public one
 * over HTTPS. Addresses of the public internet become entities of their own. `docs/adapters/dns.md`.
 */
import { z } from 'zod'
import type { Entity } from '../model/entity.ts'
import { isJsonObject, type JsonObject } from '../model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../model/response.ts'
import type { Discovered, SourceAdapter } from './adapter.ts'
import { classified, classifyByStatus, describeBody } from './shared/classify.ts'
import { attributeText, refOf } from './shared/entity.ts'
import { type IpAddress, parseIp, specialPurpose } from './shared/ip.ts'
import { countOf, listOf, memberAt, textAt } from './shared/json.ts'
import { MalformedAnswer } from './shared/malformed.ts'

const NO_ERROR = 0
const NO_SUCH_NAME = 3
const TYPES = { A: 1, AAAA: 28 } as const
/** A name with more addresses is a load balancer showing off; the lowest are kept, so that the set is stable. */
const MAX_ADDRESSES = 64
const NAME = /^(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/

function nameOf(entity: Entity): string {
  return (attributeText(entity, 'domain') ?? entity.key).toLowerCase()
}

function resolveRequest(label: string, name: string, type: keyof typeof TYPES): RequestSpec {
  return {
    method: 'GET',
    path: '/resolve',
    query: [
      ['name', name],
      ['type', type],
    ],
    headers: { accept: 'application/dns-json' },
    label,
  }
}

function statusOf(view: ResponseView): number | null {
  return countOf(memberAt(view.json, 'Status'))
}

/**
 * A failure that is the domain's own (its name servers are broken) is `ok` here and becomes the entity's failure in `parse`: it says
 * nothing about the resolver, which the breaker guards. Never throws.
 */
function classify(view: ResponseView): Classified {
  if (view.status < 200 || view.status >= 300) return classifyByStatus(view)
  const status = statusOf(view)
  if (!isJsonObject(view.json) || status === null) return classified('malformed', `no DNS status (${describeBody(view)})`)
  if (status === NO_SUCH_NAME) return classified('not_found', 'NXDOMAIN')
  return classified('ok', `DNS status ${status}`)
}

/** Addresses of one answer; CNAME and other records on the way to them are passed over. */
function addressesIn(view: ResponseView): readonly IpAddress[] {
  const found: IpAddress[] = []
  for (const answer of listOf(memberAt(view.json, 'Answer'))) {
    const type = countOf(memberAt(answer, 'type'))
    if (type !== TYPES.A && type !== TYPES.AAAA) continue
    const ip = parseIp(textAt(answer, 'data') ?? '')
    if (ip === null) throw new MalformedAnswer('an address record holds no address')
    found.push(ip)
  }
  return found
}

function discover(entity: Entity, address: IpAddress): Discovered {
  const to = { kind: 'ip', key: address.text } as const
  return {
    ...to,
    attributes: { address: address.text, version: address.version },
    aliases: [],
    links: [{ from: refOf(entity), kind: 'has_address', to }],
  }
}

const byValue = (a: IpAddress, b: IpAddress): number =>
  a.version - b.version || (a.value < b.value ? -1 : a.value > b.value ? 1 : 0)

export const dns: SourceAdapter = {
  id: 'dns',
  title: 'Addresses of domains (DNS)',
  docs: 'https://developers.google.com/speed/public-dns/docs/doh/json',
  entityKinds: ['domain'],
  normalizerVersion: 1,
  recordOptions: ['ipv6'],
  credentials: [],
  options: z.strictObject({
    ipv6: z.boolean().default(true).describe('Also ask for IPv6 addresses, a second question per domain'),
  }),

  cohort: { numbered: true, name: () => 'domain_batch', date: () => null },
  unresolvable: (entity) => (NAME.test(nameOf(entity)) ? null : 'no host name that DNS could be asked for'),

  lookup: {
    request: ({ entity }) => resolveRequest('dns.a', nameOf(entity), 'A'),
    more: (views, { entity }, { options }) =>
      views.length === 1 && options['ipv6'] !== false && statusOf(views[0]!) === NO_ERROR
        ? resolveRequest('dns.aaaa', nameOf(entity), 'AAAA')
        : null,
    parse(view, { entity }, _context, earlier = []) {
      const views = [...earlier, view]
      const ref = refOf(entity)
      // A name that exists for one type exists: an odd NXDOMAIN to the second question is not believed.
      if (statusOf(views[0]!) === NO_SUCH_NAME)
        return { kind: 'absent', entity: ref, reason: 'the name does not exist (NXDOMAIN)' }
      for (const one of views) {
        const status = statusOf(one)
        if (status === null) throw new MalformedAnswer('the answer has no DNS status')
        if (status !== NO_ERROR && status !== NO_SUCH_NAME)
          return { kind: 'failed', entity: ref, errorClass: 'transient', reason: `its name servers fail (DNS status ${status})` }
      }
      const all = new Map(views.flatMap(addressesIn).map((ip) => [ip.text, ip]))
      const sorted = [...all.values()].sort(byValue).slice(0, MAX_ADDRESSES)
      const open = sorted.filter((ip) => specialPurpose(ip) === null)
      const record: JsonObject = {
        domain: nameOf(entity),
        addresses: open.map(({ text, version }) => ({ address: text, version })),
        // Not looked up any further: nobody outside can say whose they are.
        special_addresses: sorted.flatMap((ip) => {
          const purpose = specialPurpose(ip)
          return purpose === null ? [] : [{ address: ip.text, purpose }]
        }),
        address_count: all.size,
      }
      return { kind: 'record', entity: ref, record, discovered: open.map((ip) => discover(entity, ip)) }
    },
  },
  probe: () => resolveRequest('dns.a', 'example.com', 'A'),
  classify,

  volatile: [],
  arrayKeys: { '$.addresses': ['address'], '$.special_addresses': ['address'] },
  unordered: [],
}
