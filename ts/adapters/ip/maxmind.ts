/** MaxMind: its web service, and databases in its format, which hold the same record. */
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../../model/response.ts'
import { HOUR_MS } from '../../model/time.ts'
import { classified, classifyByStatus, explanation } from '../shared/classify.ts'
import { nextUtcMidnight } from '../shared/dates.ts'
import { listOf, memberAt, textAt } from '../shared/json.ts'
import { textOption } from './providers.ts'

export function maxmindRequest(ip: string, options: JsonObject): RequestSpec {
  const service = textOption(options, 'maxmind_service') ?? 'city'
  return { method: 'GET', path: `/geoip/v2.1/${service}/${encodeURIComponent(ip)}`, label: 'geoip.maxmind' }
}

/** Errors carry `{code, error}`; clients must not repeat a 4xx. Never throws. */
export function classifyMaxmind(view: ResponseView): Classified {
  const code = textAt(view.json, 'code') ?? ''
  const reason = code === '' ? explanation(view) : `HTTP ${view.status}: ${code}`
  if (view.status >= 200 && view.status < 300) return isJsonObject(view.json) ? classified('ok', 'found') : classifyByStatus(view)
  if (code === 'IP_ADDRESS_NOT_FOUND' || code === 'IP_ADDRESS_RESERVED') return classified('not_found', reason)
  // Bought queries come back when they are paid for, free ones the next day.
  if (view.status === 402) return classified('quota_exhausted', reason, nextUtcMidnight(view.receivedAt))
  if (view.status === 401 || view.status === 403) return classified('auth', reason)
  // Without the code it is no answer about an address but a wrong path.
  if (view.status === 404) return classified('invalid_request', reason)
  const verdict = classifyByStatus(view)
  // It names no moment; another provider may be asked meanwhile.
  return verdict.class === 'rate_limited' ? { ...verdict, until: verdict.until ?? view.receivedAt + HOUR_MS } : verdict
}

function numberAt(value: JsonValue | undefined, ...path: readonly string[]): number | null {
  const found = memberAt(value, ...path)
  return typeof found === 'number' && Number.isFinite(found) ? found : null
}

const englishName = (value: JsonValue | undefined): string | null => textAt(value, 'names', 'en')

/** Where a city record says the address is; null when it says nothing of use. */
export function placeOf(body: JsonObject): JsonObject | null {
  const country = textAt(body, 'country', 'iso_code') ?? textAt(body, 'registered_country', 'iso_code')
  const [region] = listOf(body['subdivisions'])
  if (country === null && numberAt(body, 'location', 'latitude') === null) return null
  return {
    country: country?.toUpperCase() ?? null,
    region: textAt(region, 'iso_code'),
    region_name: englishName(region),
    city: englishName(body['city']),
    postal_code: textAt(body, 'postal', 'code'),
    latitude: numberAt(body, 'location', 'latitude'),
    longitude: numberAt(body, 'location', 'longitude'),
    accuracy_radius_km: numberAt(body, 'location', 'accuracy_radius'),
    time_zone: textAt(body, 'location', 'time_zone'),
  }
}
