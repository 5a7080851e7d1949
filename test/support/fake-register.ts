/**
 * A register of companies double that knows them by numbers of its own: search by name, then the entry, then its officers. The
 * adapter can only ask by number, so that identities must be found first.
 */
import type { SourceAdapter } from '../../ts/adapters/adapter.ts'
import { companyNameSimilarity } from '../../ts/adapters/shared/names.ts'
import type { CallResult } from '../../ts/http/source-client.ts'
import { isJsonObject, type JsonObject, textOrNull } from '../../ts/model/json.ts'
import { objectBody, type RequestSpec, type ResponseView } from '../../ts/model/response.ts'
import { DAY_MS } from '../../ts/model/time.ts'
import { withIdentitySource } from '../../ts/refresh/identity-source.ts'
import { fakeAdapter } from './fake-adapter.ts'
import { answered, ok } from './fake-client.ts'
import type { RefreshWorld, SourceParts, TestSource } from './refresh-world.ts'

export const REGISTER = 'register'
export const REGISTER_IDENTITY = 'register_identity'

export type RegisterEntry = { number: string; name: string; state: string; status?: string; officers?: string[] }

export class FakeRegister {
  readonly entries = new Map<string, RegisterEntry>()

  put(...entries: readonly RegisterEntry[]): void {
    for (const entry of entries) this.entries.set(entry.number, entry)
  }

  readonly respond = (request: RequestSpec): CallResult => {
    const [, what, number = '', part] = request.path.split('/')
    if (what === 'search') {
      const name = request.query?.find(([key]) => key === 'name')?.[1] ?? ''
      const found = [...this.entries.values()].filter((entry) => companyNameSimilarity(entry.name, name) > 0.4)
      return ok({ found: found.map((entry) => ({ number: entry.number, name: entry.name, state: entry.state })) })
    }
    const entry = this.entries.get(number)
    if (entry === undefined) return answered('not_found')
    if (part === 'officers') return ok({ officers: entry.officers ?? [] })
    return ok({ number: entry.number, name: entry.name, status: entry.status ?? 'active' })
  }
}

function candidatesOf(view: ResponseView | undefined): readonly JsonObject[] {
  const found = view === undefined ? [] : objectBody(view)?.['found']
  return Array.isArray(found) ? found.filter(isJsonObject) : []
}

/** `number` among the attributes says the identity without a question. */
export function registerAdapter(parts: Partial<SourceAdapter> = {}): SourceAdapter {
  return fakeAdapter([], {
    id: REGISTER,
    title: 'The register',
    unresolvable: () => null,
    identityRequired: true,
    lookup: {
      request: (target) => ({ method: 'GET', path: `/entries/${target.providerKey}`, label: 'entry' }),
      more: (views, target) =>
        views.length > 1 || views[0]?.status !== 200
          ? null
          : { method: 'GET', path: `/entries/${target.providerKey}/officers`, label: 'officers' },
      parse(view, target, _context, earlier = []) {
        const [entry] = earlier
        if (entry === undefined) return { kind: 'absent', entity: target.entity, reason: 'no such number' }
        const record = { ...objectBody(entry), officers: objectBody(view)?.['officers'] ?? [] }
        return { kind: 'record', entity: target.entity, record }
      },
    },
    resolve: {
      entityKinds: ['company'],
      version: 1,
      cohort: 'name_batch',
      unresolvable: (entity) => (textOrNull(entity.attributes['name']) === null ? 'no name' : null),
      request(views, target) {
        if (views.length > 0 || target.entity.attributes['number'] !== undefined) return null
        return { method: 'GET', path: '/search', label: 'search', query: [['name', String(target.entity.attributes['name'])]] }
      },
      parse(views, target) {
        const { name, state, number } = target.entity.attributes
        if (typeof number === 'string')
          return { candidates: [{ providerKey: number, method: 'stated', confidence: 1, evidence: {} }] }
        const candidates = candidatesOf(views[0]).map((found) => {
          const similarity = companyNameSimilarity(String(name), String(found['name']))
          const sameState = found['state'] === state
          return {
            providerKey: String(found['number']),
            method: sameState ? 'name+state' : 'name',
            confidence: similarity * (sameState ? 1 : 0.8),
            evidence: { name: String(found['name']), similarity },
          }
        })
        return { candidates, reason: 'no entry has a name like it' }
      },
    },
    ...parts,
  })
}

/** The register and the source that finds its identities, in a world. */
export function addRegister(
  world: RefreshWorld,
  parts: SourceParts & { readonly rule?: { readonly minConfidence: number; readonly minMargin: number } } = {},
): { readonly main: TestSource; readonly identities: TestSource; readonly register: FakeRegister } {
  const register = new FakeRegister()
  // Time passes with each answer, as it does: a pass that begins later asks again what was asked before it.
  const respond: SourceParts['respond'] = (request) => {
    world.clock.skip(1)
    return register.respond(request)
  }
  const main = world.addSource({ adapter: registerAdapter(), respond, ...parts })
  const [judged, derived] = withIdentitySource(main.run, {
    enabled: true,
    cadenceMs: 90 * DAY_MS,
    slaMs: 180 * DAY_MS,
    rule: parts.rule ?? { minConfidence: 0.85, minMargin: 0.05 },
    cohortSize: 100,
    maxParallelRequests: null,
    coverageThreshold: 0.9,
  })
  const renewed: TestSource = Object.assign(main, { run: judged! })
  const identities: TestSource = { ...main, run: derived! }
  world.sources.push(identities)
  return { main: renewed, identities, register }
}
