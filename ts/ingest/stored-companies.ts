/** Looks companies of a file up in the store, in bounded queries, and keeps of each what identifies it. */

import type { Entity } from '../model/entity.ts'
import { textOrNull } from '../model/json.ts'
import type { EntityKind } from '../model/keys.ts'
import type { PopulationStore } from '../stores/store.ts'
import type { Unit } from './company-register.ts'
import type { StoredCompany } from './company-resolution.ts'
import { datedFrom } from './facts.ts'
import { FewStrings } from './few-strings.ts'

const LOOKUP_SIZE = 500

/** All identifiers of a unit as keys and aliases write them. */
export function identifiersOf(unit: Unit): readonly string[] {
  return [
    ...(unit.uei === null ? [] : [`uei:${unit.uei}`]),
    ...[...unit.duns].map((duns) => `duns:${duns}`),
    ...[...unit.nameKeys].map((nameKey) => `name:${nameKey}`),
  ]
}

/** Entities that have one of the keys. */
export async function storedByKey(
  store: Pick<PopulationStore, 'entitiesByAlias'>,
  kind: EntityKind,
  keys: readonly string[],
): Promise<ReadonlyMap<string, Entity>> {
  if (keys.length === 0) return new Map()
  const found = await store.entitiesByAlias(kind, keys)
  return new Map(
    [...found].flatMap(([key, entities]) =>
      entities.filter((entity) => entity.key === key).map((entity) => [key, entity] as const),
    ),
  )
}

/**
 * Of the domains that are stored as another company's, those where that company has the newer award: domain -> its key. Companies
 * that the file names (`inFile`) have already been compared by what it says of them; what was stored of them is about to change.
 */
export async function newerDomainOwners(
  store: Pick<PopulationStore, 'entitiesByAlias'>,
  owners: readonly (readonly [string, { readonly company: { readonly key: string }; readonly dated: number }])[],
  inFile: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string>> {
  const ours = new Map(owners)
  const others = new Map<string, string>()
  for (const [domain, entity] of await storedByKey(store, 'domain', [...ours.keys()])) {
    const key = textOrNull(entity.attributes['company_key'])
    if (key !== null && key !== ours.get(domain)!.company.key && !inFile.has(key)) others.set(domain, key)
  }
  const companies = await storedByKey(store, 'company', [...new Set(others.values())])
  return new Map(
    [...others].filter(([domain, key]) => {
      const { attributes } = companies.get(key) ?? { attributes: {} as Entity['attributes'] }
      return attributes['domain'] === domain && datedFrom(attributes['newest_award']) > ours.get(domain)!.dated
    }),
  )
}

function toStoredCompany(entity: Entity): StoredCompany {
  const identifiers = [entity.key, ...entity.aliases]
  const valuesOf = (prefix: string): readonly string[] =>
    identifiers.filter((identifier) => identifier.startsWith(prefix)).map((identifier) => identifier.slice(prefix.length))
  const duns = textOrNull(entity.attributes['duns'])
  return {
    key: entity.key,
    uei: textOrNull(entity.attributes['uei']) ?? valuesOf('uei:')[0] ?? null,
    mainDuns: duns,
    duns: new FewStrings([...(duns === null ? [] : [duns]), ...valuesOf('duns:')]),
    nameKeys: new FewStrings(valuesOf('name:')),
    name: textOrNull(entity.attributes['name']),
    domain: textOrNull(entity.attributes['domain']),
    dated: datedFrom(entity.attributes['newest_award']),
  }
}

/** Asks the store for identifiers, in bounded queries, each once. */
class Lookup {
  readonly found = new Map<string, readonly StoredCompany[]>()
  readonly #store: Pick<PopulationStore, 'entitiesByAlias'>
  readonly #byKey = new Map<string, StoredCompany>()

  constructor(store: Pick<PopulationStore, 'entitiesByAlias'>) {
    this.#store = store
  }

  async ask(identifiers: Iterable<string>): Promise<void> {
    let pending = new Set<string>()
    for (const identifier of identifiers) {
      if (this.found.has(identifier)) continue
      pending.add(identifier)
      if (pending.size < LOOKUP_SIZE) continue
      await this.#query([...pending])
      pending = new Set()
    }
    if (pending.size > 0) await this.#query([...pending])
  }

  async #query(identifiers: readonly string[]): Promise<void> {
    for (const [identifier, entities] of await this.#store.entitiesByAlias('company', identifiers)) {
      const companies = entities.map((entity) => {
        const company = this.#byKey.get(entity.key) ?? toStoredCompany(entity)
        this.#byKey.set(entity.key, company)
        return company
      })
      if (companies.length > 0) this.found.set(identifier, companies)
    }
  }
}

function* ownOf(units: readonly Unit[]): Generator<string> {
  for (const unit of units) yield unit.own
}

/** The other identifiers of units that their own does not settle. */
function* othersOf(units: readonly Unit[], found: ReadonlyMap<string, readonly StoredCompany[]>): Generator<string> {
  for (const unit of units) {
    const known = found.get(unit.own) ?? []
    const isSettled = known.length === 1 || known.some((company) => company.key === unit.own)
    if (!isSettled) yield* identifiersOf(unit)
  }
}

/** The stored companies that any of the units may be, by identifier. Units that are found by their own identifier need no other. */
export async function findStoredCompanies(
  store: Pick<PopulationStore, 'entitiesByAlias'>,
  units: readonly Unit[],
): Promise<ReadonlyMap<string, readonly StoredCompany[]>> {
  const lookup = new Lookup(store)
  await lookup.ask(ownOf(units))
  await lookup.ask(othersOf(units, lookup.found))
  return lookup.found
}
