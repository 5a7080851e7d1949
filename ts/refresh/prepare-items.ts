/** Work items with what an adapter needs beside them: records of other sources, read page by page, and only identities that count. */
import type { SourceAdapter, Target } from '../adapters/adapter.ts'
import type { JsonObject } from '../model/json.ts'
import { entityId, type SourceId } from '../model/keys.ts'
import type { LedgerStore, SmallStore, WorkItem } from '../stores/store.ts'
import { type IdentityRule, identityReason, storedKeyReason, withCountingIdentity } from './identity.ts'

export type PreparedItem = WorkItem & { readonly related?: Target['related'] }

export type PrepareDeps = {
  readonly adapter: SourceAdapter
  readonly store: Pick<LedgerStore, 'records'> & Pick<SmallStore, 'identitiesOf'>
  /** Null for sources without identities to judge. */
  readonly rule: IdentityRule | null
}

/** Rows read ahead, and records asked for at once. */
const PAGE_ROWS = 100

/** One query per source that is read, whatever the number of items. */
export async function prepareItems(items: readonly WorkItem[], deps: PrepareDeps): Promise<readonly PreparedItem[]> {
  const { adapter, store, rule } = deps
  const entities = items.map((item) => item.entry.entity)
  const related = new Map<string, Record<SourceId, JsonObject>>()
  for (const source of items.length === 0 ? [] : (adapter.reads ?? [])) {
    for (const { entity, record, present } of await store.records(source, entities)) {
      if (!present) continue
      const id = entityId(entity)
      related.set(id, { ...related.get(id), [source]: record })
    }
  }
  const withRelated = (item: WorkItem): PreparedItem =>
    adapter.reads === undefined ? item : { ...item, related: related.get(entityId(item.entry.entity)) ?? {} }
  if (adapter.resolvesFor === undefined) return items.map((item) => withCountingIdentity(withRelated(item), rule))
  // Whoever looks for an identity is told the one that is stored, whether it counts or not.
  const identities = new Map(
    (await store.identitiesOf(adapter.resolvesFor, entities)).map((identity) => [entityId(identity.entity), identity]),
  )
  return items.map((item) => ({ ...withRelated(item), identity: identities.get(entityId(item.entry.entity)) ?? null }))
}

/**
 * Why the source cannot be asked about a prepared item after all: its identity was taken back since it was placed, or is none that could
 * be asked by. Whoever looks for identities asks all the same: a better one may be found.
 */
export function unaskable(item: WorkItem, { adapter, rule }: Pick<PrepareDeps, 'adapter' | 'rule'>): string | null {
  if (adapter.resolvesFor !== undefined) return null
  if (adapter.identityRequired !== true || rule === null) return storedKeyReason(adapter, item.entity, item.identity)
  return identityReason(adapter, item.entity, item.identity, rule)
}

/** The same for a stream. Read ahead only where there is something to read; else each item passes as it comes. */
export async function* preparePages(items: AsyncIterable<WorkItem>, deps: PrepareDeps): AsyncGenerator<PreparedItem> {
  const { adapter, rule } = deps
  if (adapter.resolvesFor === undefined && (adapter.reads ?? []).length === 0) {
    for await (const item of items) yield withCountingIdentity<PreparedItem>(item, rule)
    return
  }
  let page: WorkItem[] = []
  for await (const item of items) {
    page.push(item)
    if (page.length < PAGE_ROWS) continue
    for (const prepared of await prepareItems(page, deps)) yield prepared
    page = []
  }
  for (const prepared of await prepareItems(page, deps)) yield prepared
}
