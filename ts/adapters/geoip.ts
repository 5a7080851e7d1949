/** Where an address is: embedded countries, a database of the user, MaxMind's web service. `docs/adapters/geoip.md`. */
import { z } from 'zod'
import type { JsonObject } from '../model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../model/response.ts'
import type { SourceAdapter } from './adapter.ts'
import { classifyLocal, foundBody, provenanceOf } from './ip/local.ts'
import { classifyMaxmind, maxmindRequest, placeOf } from './ip/maxmind.ts'
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
import { listOf, textAt } from './shared/json.ts'

/** A country is all that the embedded data know. */
const UNKNOWN_PLACE: JsonObject = {
  country: null,
  region: null,
  region_name: null,
  city: null,
  postal_code: null,
  latitude: null,
  longitude: null,
  accuracy_radius_km: null,
  time_zone: null,
}

export const GEOIP_PROVIDERS: readonly IpProvider[] = [
  {
    id: 'embedded',
    request: (ip) => localRequest('geoip.embedded', 'country', ip),
    read(view) {
      const body = foundBody(view)
      const country = body === null ? null : textAt(body, 'country')
      return body === null || country === null ? null : { facts: { ...UNKNOWN_PLACE, country }, provenance: provenanceOf(body) }
    },
  },
  {
    id: 'mmdb',
    request: (ip, options) => mmdbRequest('geoip.mmdb', ip, options, 'place'),
    read(view) {
      const body = foundBody(view)
      const facts = body === null ? null : placeOf(body)
      return body === null || facts === null ? null : { facts, provenance: provenanceOf(body) }
    },
  },
  {
    id: 'maxmind',
    request: maxmindRequest,
    read(view) {
      const body = foundBody(view)
      const facts = body === null || view.status !== 200 ? null : placeOf(body)
      if (body === null || facts === null) return null
      return { facts, provenance: { network: textAt(body, 'traits', 'network'), data_date: null, sources: ['MaxMind'] } }
    },
  },
]

function classify(view: ResponseView, request: RequestSpec): Classified {
  return request.label === 'geoip.maxmind' ? classifyMaxmind(view) : classifyLocal(view)
}

export const geoip: SourceAdapter = {
  id: 'geoip',
  title: 'Places of IP addresses',
  docs: 'https://dev.maxmind.com/geoip/docs/web-services/',
  entityKinds: ['ip'],
  normalizerVersion: 1,
  recordOptions: ['maxmind_service', 'mmdb'],
  // HTTP Basic: the variable holds base64 of `account id:licence key`.
  credentials: [{ name: 'basic', placement: { in: 'header', name: 'Authorization', prefix: 'Basic ' }, required: false }],
  options: z
    .strictObject({
      providers: z
        .array(z.enum(['embedded', 'mmdb', 'maxmind']))
        .min(1)
        .default(['embedded'])
        .describe('Who is asked, in this order, until one knows the address'),
      mmdb: z
        .string()
        .regex(/^(?:$|\/|[A-Za-z]:[\\/])/, { error: 'is no absolute path' })
        .default('')
        .describe('Absolute path of a city or country database in MMDB format, for the provider mmdb'),
      maxmind_service: z
        .enum(['country', 'city', 'insights'])
        .default('city')
        .describe('Which of the web services; GeoLite accounts have country and city'),
    })
    .refine(({ providers, mmdb }) => !providers.includes('mmdb') || mmdb !== '', {
      path: ['mmdb'],
      error: 'is needed by the provider mmdb; give the path of the database file',
    }),

  cohort: ipCohort,
  unresolvable: addressProblem,
  lookup: ipLookup(GEOIP_PROVIDERS, 'no provider knows where the address is'),
  probe: ({ options }) => chosen(GEOIP_PROVIDERS, options)[0]!.request('193.0.6.139', options),
  classify,
  ...providerFacts(GEOIP_PROVIDERS, 'place'),
  // MaxMind's web service is asked first, or about what the others do not know, or not at all.
  creditsPerCall: ({ providers }) => (listOf(providers)[0] === 'maxmind' ? 1 : listOf(providers).includes('maxmind') ? 0.05 : 0),

  // How exact an estimate claims to be changes with every edition; where it is does not.
  volatile: ['$.provenance', '$.accuracy_radius_km'],
  arrayKeys: {},
  unordered: [],
}
