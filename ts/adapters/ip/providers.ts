/** What the sources about addresses have in common: providers asked one after the other, until one of them knows the address. */
import type { Entity } from '../../model/entity.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { AdapterContext, DataFile, LookupCapability, SourceAdapter } from '../adapter.ts'
import { attributeText, refOf } from '../shared/entity.ts'
import { parseIp, specialPurpose } from '../shared/ip.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { isNoAnswer } from '../shared/no-answer.ts'

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

/** `use`: what the database must be about. */
export function mmdbRequest(label: string, ip: string, options: JsonObject, use: 'place' | 'network'): RequestSpec {
  return localRequest(label, 'mmdb', ip, [
    ['file', textOption(options, 'mmdb') ?? ''],
    ['use', use],
  ])
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

/** What a provider said: where the address is, nothing, or no answer that can be read. */
type Said = ReturnType<IpProvider['read']> | { readonly silent: MalformedAnswer | null }

function saidBy(provider: IpProvider, view: ResponseView): Said {
  if (isNoAnswer(view)) return { silent: null }
  try {
    return provider.read(view)
  } catch (error) {
    if (!(error instanceof MalformedAnswer)) throw error
    return { silent: error }
  }
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
      const said = saidBy(at(views.length - 1, context), last)
      if (said !== null && 'facts' in said) return null
      return at(views.length, context).request(addressOf(entity), context.options)
    },
    // The last one, too, once another has answered: what that one does not know waits, what it knows does not.
    dispensable: (views, _target, context) =>
      views.length + 1 < chosen(all, context.options).length || views.some((view) => !isNoAnswer(view)),
    parse(view, { entity }, context, earlier = []) {
      const views = [...earlier, view]
      const said = views.map((one, index) => saidBy(at(index, context), one))
      const silent = said.flatMap((one, index) => (one !== null && 'silent' in one ? [at(index, context).id] : []))
      const found = said.at(-1) ?? null
      if (found !== null && 'facts' in found) {
        const ip = addressOf(entity)
        const instead = silent.length === 0 ? {} : { instead_of: silent }
        const provenance = { provider: at(earlier.length, context).id, ...instead, ...found.provenance }
        return {
          kind: 'record',
          entity: refOf(entity),
          record: { ip, version: ip.includes(':') ? 6 : 4, ...found.facts, provenance },
        }
      }
      for (const one of said) if (one !== null && 'silent' in one && one.silent !== null) throw one.silent
      if (silent.length > 0) {
        const reason = `${silent.join(' and ')} cannot be asked now, and who else was asked does not know the address`
        return { kind: 'failed', entity: refOf(entity), errorClass: 'source_down', reason }
      }
      const asked = chosen(all, context.options).map(({ id }) => id)
      return { kind: 'absent', entity: refOf(entity), reason: `${empty} (asked: ${asked.join(', ')})` }
    },
  }
}

/** A provider that answers in this process, whoever else is down. */
function isLocal(provider: IpProvider, options: JsonObject): boolean {
  return provider.request('192.0.2.1', options).base === EMBEDDED
}

/** What both sources say of their providers besides how they are asked. */
export function providerFacts(
  all: readonly IpProvider[],
  use: DataFile['use'],
): Required<Pick<SourceAdapter, 'ownFault' | 'dataFiles' | 'worksAlone' | 'origin'>> {
  return {
    origin: ({ provenance }) => {
      const told = isJsonObject(provenance) ? provenance : {}
      return { by: textOption(told, 'provider') ?? '', standsIn: told['instead_of'] !== undefined }
    },
    ownFault: (_view, { base }) => base === EMBEDDED,
    dataFiles(options) {
      const list = chosen(all, options)
      const path = textOption(options, 'mmdb')
      if (path === null || !list.some(({ id }) => id === 'mmdb')) return []
      return [{ option: 'mmdb', path, use, needed: list.length === 1 }]
    },
    worksAlone: (options) => chosen(all, options).some((provider) => isLocal(provider, options)),
  }
}
