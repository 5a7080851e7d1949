/** Which network (autonomous system) announces an address: embedded data, a database of the user, RIPEstat. `docs/adapters/asn.md`. */
import { z } from 'zod'
import type { JsonObject } from '../model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../model/response.ts'
import type { SourceAdapter } from './adapter.ts'
import { asName, classifyLocal, foundBody, provenanceOf } from './ip/local.ts'
import {
  addressProblem,
  chosen,
  type IpProvider,
  ipCohort,
  ipLookup,
  localRequest,
  mmdbRequest,
  providerFacts,
} from './ip/providers.ts'
import { classifyRipestat, readRipestat, ripestatRequest } from './ip/ripestat.ts'
import { listOf, textAt } from './shared/json.ts'

function local(view: ResponseView, number: string, holder: string): ReturnType<IpProvider['read']> {
  const body = foundBody(view)
  if (body === null || body[number] === null || body[number] === undefined) return null
  const asns: JsonObject[] = [{ asn: asName(body[number]), holder: textAt(body, holder) }]
  return { facts: { asns }, provenance: provenanceOf(body) }
}

export const ASN_PROVIDERS: readonly IpProvider[] = [
  {
    id: 'embedded',
    request: (ip) => localRequest('asn.embedded', 'asn', ip),
    read: (view) => local(view, 'asn', 'organization'),
  },
  {
    id: 'mmdb',
    request: (ip, options) => mmdbRequest('asn.mmdb', ip, options, 'network'),
    read: (view) => local(view, 'autonomous_system_number', 'autonomous_system_organization'),
  },
  { id: 'ripestat', request: ripestatRequest, read: readRipestat },
]

function classify(view: ResponseView, request: RequestSpec): Classified {
  return request.label === 'asn.ripestat' ? classifyRipestat(view) : classifyLocal(view)
}

export const asn: SourceAdapter = {
  id: 'asn',
  title: 'Networks (autonomous systems) of IP addresses',
  docs: 'https://stat.ripe.net/docs/data-api/api-endpoints/prefix-overview',
  entityKinds: ['ip'],
  normalizerVersion: 1,
  recordOptions: ['mmdb'],
  credentials: [],
  options: z
    .strictObject({
      providers: z
        .array(z.enum(['embedded', 'mmdb', 'ripestat']))
        .min(1)
        .default(['embedded'])
        .describe('Who is asked, in this order, until one knows the address'),
      mmdb: z
        .string()
        .regex(/^(?:$|\/|[A-Za-z]:[\\/])/, { error: 'is no absolute path' })
        .default('')
        .describe('Absolute path of an ASN database in MMDB format (GeoLite2-ASN, GeoIP2-ISP, DB-IP), for the provider mmdb'),
      ripestat_sourceapp: z
        .string()
        .regex(/^[\w.-]{1,60}$/)
        .default('enrichment-refresh')
        .describe('Who we are to RIPEstat; register it with them for more than 1,000 requests a day'),
    })
    .refine(({ providers, mmdb }) => !providers.includes('mmdb') || mmdb !== '', {
      path: ['mmdb'],
      error: 'is needed by the provider mmdb; give the path of the database file',
    }),

  cohort: ipCohort,
  unresolvable: addressProblem,
  lookup: ipLookup(ASN_PROVIDERS, 'no AS announces the address'),
  // An address that has been announced for as long as there has been a web.
  probe: ({ options }) => chosen(ASN_PROVIDERS, options)[0]!.request('193.0.6.139', options),
  classify,
  ...providerFacts(ASN_PROVIDERS, 'network'),
  // RIPEstat is asked about what the first provider does not know: one address in twenty of the sandbox's world.
  creditsPerCall: ({ providers }) => (listOf(providers)[0] === 'ripestat' ? 1 : 0.05),

  // Where it was looked up, and in which data.
  volatile: ['$.provenance'],
  arrayKeys: { '$.asns': ['asn'] },
  unordered: [],
}
