import type { Entity, EntityLink } from '../../model/entity.ts'
import { type EntityKind, type EntityRef, entityId } from '../../model/keys.ts'
import { sameJson } from '../json-equal.ts'
import { SIGHTINGS_KEPT } from '../limits.ts'
import type { EntityUpsert, LedgerStore, PopulationStore } from '../store.ts'
import { compareRefs, compareText } from '../text-order.ts'
import { copy, type Data, getOrAdd } from './data.ts'

type Verdict = 'added' | 'changed' | 'unchanged'

function nextRevision(data: Data, kind: EntityKind): number {
  const revision = (data.revisions.get(kind) ?? 0) + 1
  data.revisions.set(kind, revision)
  return revision
}

function putEntity(data: Data, { kind, key, attributes, aliases }: EntityUpsert): Verdict {
  const id = entityId({ kind, key })
  const stored = data.entities.get(id)
  const known = stored?.entity.aliases ?? []
  const added = [...new Set(aliases)].filter((alias) => !known.includes(alias))
  if (stored !== undefined && added.length === 0 && sameJson(copy(attributes), stored.entity.attributes)) return 'unchanged'
  const entity: Entity = { kind, key, attributes: copy(attributes), aliases: [...known, ...added] }
  const next = { id: stored?.id ?? data.entities.size + 1, entity, revision: nextRevision(data, kind) }
  if (stored === undefined) data.entities.set(id, next)
  // Rows point at the stored entity, so it is changed in place.
  else Object.assign(stored, next)
  for (const name of [key, ...added]) getOrAdd(data.aliases, `${kind}/${name}`, () => new Set<string>()).add(id)
  return stored === undefined ? 'added' : 'changed'
}

function putLink(data: Data, { from, kind, to }: EntityLink): boolean {
  const id = JSON.stringify([from.kind, from.key, kind, to.kind, to.key])
  if (data.links.has(id)) return false
  const link = { from: { kind: from.kind, key: from.key }, kind, to: { kind: to.kind, key: to.key } }
  data.links.set(id, link)
  getOrAdd(data.linksFrom, entityId(from), () => []).push(link)
  getOrAdd(data.linksTo, entityId(to), () => []).push(link)
  return true
}

function sightingsOf(data: Data, ingestId: string): Set<string> {
  const seen = getOrAdd(data.sightings, ingestId, () => new Set<string>())
  for (const oldest of data.sightings.keys()) {
    if (data.sightings.size <= SIGHTINGS_KEPT) break
    data.sightings.delete(oldest)
  }
  return seen
}

function sortedLinks(links: readonly EntityLink[] | undefined): readonly EntityLink[] {
  return [...(links ?? [])].sort((a, b) => compareText(a.kind, b.kind) || compareRefs(a.from, b.from) || compareRefs(a.to, b.to))
}

export function createPopulation(data: Data): PopulationStore & Pick<LedgerStore, 'seenBy' | 'lastIngest'> {
  return {
    upsertEntities: (batch, ingestId) =>
      data.step(() => {
        const summary = { added: 0, changed: 0, unchanged: 0 }
        if (ingestId !== null && data.lastIngest?.id !== ingestId)
          data.lastIngest = { id: ingestId, alone: !data.sightings.has(ingestId) }
        const seen = ingestId === null ? null : sightingsOf(data, ingestId)
        const verdicts = batch.map((entity) => putEntity(data, entity))
        batch.forEach((entity, index) => {
          seen?.add(entityId(entity))
          const linked = entity.links.filter((link) => putLink(data, link)).length
          const verdict = verdicts[index]!
          summary[verdict === 'unchanged' && linked > 0 ? 'changed' : verdict] += 1
        })
        return summary
      }),
    entity: (ref) =>
      data.step(() => {
        const stored = data.entities.get(entityId(ref))
        return stored === undefined ? null : stored.entity
      }),
    entitiesByAlias: (kind, aliases) =>
      data.step(() => {
        const found = new Map<string, readonly Entity[]>()
        for (const alias of aliases) {
          const ids = data.aliases.get(`${kind}/${alias}`)
          if (ids === undefined) continue
          const entities = [...ids].map((id) => data.entities.get(id)!.entity)
          found.set(alias, entities.sort(compareRefs))
        }
        return found
      }),
    entityRefsByAlias: (kind, aliases) =>
      data.step(() => {
        const found = new Map<string, readonly EntityRef[]>()
        for (const alias of aliases) {
          const ids = data.aliases.get(`${kind}/${alias}`)
          if (ids === undefined) continue
          const refs = [...ids].map((id) => ({ kind, key: data.entities.get(id)!.entity.key }))
          found.set(alias, refs.sort(compareRefs))
        }
        return found
      }),
    entities: async function* (kind) {
      const all = await data.step(() => [...data.entities.values()].filter(({ entity }) => entity.kind === kind))
      for (const { entity } of all) yield entity
    },
    countEntities: () =>
      data.step(() => {
        const counts: Partial<Record<EntityKind, number>> = {}
        for (const { entity } of data.entities.values()) counts[entity.kind] = (counts[entity.kind] ?? 0) + 1
        return counts
      }),
    links: (from) => data.step(() => sortedLinks(data.linksFrom.get(entityId(from)))),
    linksTo: (to) => data.step(() => sortedLinks(data.linksTo.get(entityId(to)))),
    lastIngest: () => data.step(() => (data.lastIngest?.alone === true ? data.lastIngest.id : null)),
    seenBy: (entities, ingestId) =>
      data.step(() => {
        const seen = data.sightings.get(ingestId)
        return seen === undefined ? null : new Set(entities.map(entityId).filter((id) => seen.has(id)))
      }),
  }
}
