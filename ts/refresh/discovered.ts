/** Entities that answers bring to light, added to the population before the answer is recorded, so that its links have ends. */
import type { Discovered } from '../adapters/adapter.ts'
import type { Entity } from '../model/entity.ts'
import { type EntityKind, entityId } from '../model/keys.ts'
import type { EpochMs } from '../model/time.ts'
import type { EntityUpsert, PopulationStore } from '../stores/store.ts'
import type { Judged } from './commit-batch.ts'

/** What a bulk file says of these outranks what a source mentions in passing. */
const LOADED_KINDS: ReadonlySet<EntityKind> = new Set(['award', 'company', 'person', 'domain'])

function discoveredIn(judged: readonly Judged[]): readonly Discovered[] {
  return judged.flatMap(({ answer }) => (answer.kind === 'record' ? (answer.discovered ?? []) : []))
}

function merged(found: Discovered, known: Entity | undefined): EntityUpsert {
  const { kind, key, attributes, aliases, links } = found
  if (known === undefined) return { kind, key, attributes, aliases, links }
  const both = LOADED_KINDS.has(kind) ? { ...attributes, ...known.attributes } : { ...known.attributes, ...attributes }
  return { kind, key, attributes: both, aliases, links }
}

/** Returns the kinds of what came to light. Idempotent: an answer that is judged again after a crash adds nothing. */
export async function addDiscovered(
  store: Pick<PopulationStore, 'entitiesByAlias' | 'upsertEntities'>,
  judged: readonly Judged[],
  now: EpochMs,
): Promise<ReadonlySet<EntityKind>> {
  const byId = new Map<string, Discovered>()
  // Several answers may name one: an address that two domains have keeps both links.
  for (const found of discoveredIn(judged)) {
    const other = byId.get(entityId(found))
    byId.set(entityId(found), {
      ...found,
      attributes: { ...other?.attributes, ...found.attributes },
      aliases: [...(other?.aliases ?? []), ...found.aliases],
      links: [...(other?.links ?? []), ...found.links],
    })
  }
  const kinds = new Set([...byId.values()].map((found) => found.kind))
  if (kinds.size === 0) return kinds
  const known = new Map<string, Entity>()
  for (const kind of kinds) {
    const keys = [...byId.values()].filter((found) => found.kind === kind).map((found) => found.key)
    for (const [key, entities] of await store.entitiesByAlias(kind, keys)) {
      const own = entities.find((entity) => entity.key === key)
      if (own !== undefined) known.set(entityId(own), own)
    }
  }
  await store.upsertEntities(
    [...byId].map(([id, found]) => merged(found, known.get(id))),
    null,
    now,
  )
  return kinds
}
