/** What the sources about addresses have in common: providers asked one after the other, until one of them knows the address. */
import type { Entity } from '../../model/entity.ts'
import type { JsonObject, JsonValue } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { AdapterContext, LookupCapability, SourceAdapter } from '../adapter.ts'
import { attributeText, refOf } from '../shared/entity.ts'
import { parseIp, specialPurpose } from '../shared/ip.ts'

/** `other_urls` entry of the data that ships with the program. */
export const EMBEDDED = 'embedded'

export type IpProvider = {
  readonly id: string
  request(ip: string, options: JsonObject): RequestSpec
  /** What the answer says of the address, without `provider`; null when it has nothing. Throws `MalformedAnswer`. */
  read(view: ResponseView): { readonly facts: JsonObject; readonly provenance: JsonObject } | null
}

/** The address of an entity in its one spelling. */
export function addressOf(entity: Entity): string {
  const text = attributeText(entity, 'address') ?? entity.key
  return parseIp(text)?.text ?? text
}

/** An address of the public internet, or why nobody can say whose it is. Then no request is made at all. */
export function addressProblem(entity: Entity): string | null {
  const ip = parseIp(attributeText(entity, 'address') ?? entity.key)
  if (ip === null) return 'no IP address'
  const special = specialPurpose(ip)
  return special === null ? null : `a special-purpose address: ${special}`
}

export const ipCohort: SourceAdapter['cohort'] = { numbered: true, name: () => 'ip_batch', date: () => null }

/** A request to the data that ships with the program, or to a database file of the user; it costs nobody anything. */
export function localRequest(label: string, path: string, ip: string, query: RequestSpec['query'] = []): RequestSpec {
  return { method: 'GET', base: EMBEDDED, path: `/${path}/${encodeURIComponent(ip)}`, query, credits: 0, label }
}

export function textOption(options: JsonObject, name: string): string | null {
  const value = options[name]
  return typeof value === 'string' && value !== '' ? value : null
}

/** The providers chosen by the option `providers`, in its order. */
export function chosen(all: readonly IpProvider[], options: JsonObject): readonly IpProvider[] {
  const names: readonly JsonValue[] = Array.isArray(options['providers']) ? (options['providers'] as readonly JsonValue[]) : []
  const found = names.flatMap((name) => all.filter(({ id }) => id === name))
  return found.length === 0 ? all.slice(0, 1) : found
}

/** `empty`: what the absence of an answer means, for people. */
export function ipLookup(all: readonly IpProvider[], empty: string): LookupCapability {
  const at = (index: number, { options }: AdapterContext): IpProvider => {
    const list = chosen(all, options)
    return list[Math.min(index, list.length - 1)]!
  }
  return {
    request: ({ entity }, context) => at(0, context).request(addressOf(entity), context.options),
    more(views, { entity }, context) {
      const last = views.at(-1)
      if (last === undefined || views.length >= chosen(all, context.options).length) return null
      if (at(views.length - 1, context).read(last) !== null) return null
      return at(views.length, context).request(addressOf(entity), context.options)
    },
    parse(view, { entity }, context, earlier = []) {
      const provider = at(earlier.length, context)
      const found = provider.read(view)
      if (found === null) {
        const asked = chosen(all, context.options).map(({ id }) => id)
        return { kind: 'absent', entity: refOf(entity), reason: `${empty} (asked: ${asked.join(', ')})` }
      }
      const ip = addressOf(entity)
      const provenance = { provider: provider.id, ...found.provenance }
      return {
        kind: 'record',
        entity: refOf(entity),
        record: { ip, version: ip.includes(':') ? 6 : 4, ...found.facts, provenance },
      }
    },
  }
}
