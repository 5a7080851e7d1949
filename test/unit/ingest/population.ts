import type { JsonObject } from '../../../ts/model/json.ts'
import { ENTITY_KINDS, type EntityKind, entityId } from '../../../ts/model/keys.ts'
import type { Store } from '../../../ts/stores/store.ts'

export type Seen = { readonly attributes: JsonObject; readonly aliases: readonly string[]; readonly links: readonly string[] }
/** Everything a store knows of its population, by `kind/key`, in an order of its own. */
export type Population = Readonly<Record<string, Seen>>

export async function populationOf(store: Store): Promise<Population> {
  const all: [string, Seen][] = []
  for (const kind of ENTITY_KINDS) {
    for await (const { key, attributes, aliases } of store.entities(kind)) {
      const links = (await store.links({ kind, key })).map((link) => `${link.kind} ${entityId(link.to)}`)
      all.push([entityId({ kind, key }), { attributes, aliases: [...aliases].sort(), links: [...links].sort() }])
    }
  }
  return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)))
}

export function keysOf(population: Population, kind: EntityKind): readonly string[] {
  return Object.keys(population)
    .filter((id) => id.startsWith(`${kind}/`))
    .map((id) => id.slice(kind.length + 1))
}
