/**
 * Walks a source's change feed, slice by slice and page by page. A page is committed with the place after it, so an
 * interrupted walk goes on at the next page; the next pages are asked for meanwhile. A complete walk proves unchanged what it
 * did not list.
 */
import type { AdapterContext, FeedItem, SourceAdapter } from '../adapters/adapter.ts'
import { MalformedAnswer } from '../adapters/shared/malformed.ts'
import type { SourceClient } from '../http/source-client.ts'
import { messageOf } from '../model/errors.ts'
import type { JsonValue } from '../model/json.ts'
import { type EntityRef, entityId } from '../model/keys.ts'
import type { ResponseView } from '../model/response.ts'
import { DAY_MS, type DurationMs, type EpochMs } from '../model/time.ts'
import type { Window } from '../model/window.ts'
import { endingOf } from './ask-unit.ts'
import { type Judged, judge } from './commit-batch.ts'
import { type IdentityRule, weighed } from './identity.ts'
import { noteRefusedKey } from './identity-keys.ts'
import { PageCommits } from './page-commits.ts'
import type { PartitionSession } from './partition-session.ts'
import { prepareItems, unaskable } from './prepare-items.ts'
import { quarantinePage } from './quarantine-item.ts'
import { isOfCohort, type Scope, scopeText } from './scope.ts'
import type { FeedFact } from './strategy-cost.ts'
import { targetOf } from './unit-queue.ts'

export type FeedRunDeps = {
  readonly adapter: SourceAdapter
  readonly client: SourceClient
  readonly options: AdapterContext['options']
  readonly window: Window
  /** Rows known at least since then are proven unchanged by a complete walk; null: the walk proves nothing (a window of the operator's). */
  readonly knownSince: EpochMs | null
  readonly fact: FeedFact | null
  /** Of what the walk lists only these entities are judged; null: all. Its cohorts and its limit count, the window is the walk's own. */
  readonly scope: Scope | null
  readonly takeEntity: () => boolean
  /** How many pages may be without a commit at any moment, the one that is asked for included. 1: one page after another. */
  readonly maxInFlight: number
  /** By which identities count; null where there are none to judge. */
  readonly rule: IdentityRule | null
}

/** Where the walk stands: kept as the checkpoint's cursor. */
type FeedCursor = {
  readonly slices: readonly string[]
  readonly page: string | null
  readonly pages: number
  readonly marker: string | null
  readonly knownSince: EpochMs | null
  /** For which part of the source it walks; null: all. */
  readonly scope?: string | null
}

export const feedFactName = (source: string): string => `feed:${source}`

/** A page that was received, and where the walk stands after it. */
type ReceivedPage = { readonly items: readonly FeedItem[]; readonly next: FeedCursor; readonly askedAt: EpochMs }

/** Rows that pages share one transaction for: keeps a commit in the single-digit milliseconds. */
const MAX_COMMIT_ROWS = 500
/** Guards against pages that never end; a walk that is longer goes on with the next run. */
const MAX_PAGES = 100_000

const placeOf = (slice: string, page: string | null): string => JSON.stringify([slice, page])

/** A provider error, not a bug of ours: the walk stops where it is and the partition fails with the reason. */
class FeedStopped extends Error {}

function readCursor(text: string | null): FeedCursor | null {
  if (text === null) return null
  try {
    const value = JSON.parse(text) as FeedCursor
    return Array.isArray(value.slices) ? value : null
  } catch {
    return null
  }
}

async function callOnce(
  session: PartitionSession,
  deps: FeedRunDeps,
  request: Parameters<SourceClient['call']>[0],
  waited: { ms: DurationMs },
): Promise<ResponseView | null> {
  const result = await deps.client.call(request, { signal: session.deps.signal })
  session.noteUncommittedCalls(result.stats.calls)
  waited.ms += result.stats.quotaWaitMs
  const ending = endingOf(result)
  if (ending !== null || result.kind === 'refused') {
    if (session.ending === null)
      session.feed(ending!.status === 'interrupted' ? { kind: 'interrupted' } : { kind: 'stop', ending: ending! })
    return null
  }
  const responseClass = result.classified.class
  if ((responseClass === 'ok' || responseClass === 'empty') && result.view !== null) return result.view
  throw new FeedStopped(`the feed answered ${responseClass}: ${result.classified.reason}`)
}

/** A page that makes no sense is kept for whoever has to find out why, and ends the walk where it is. */
async function parsePage(session: PartitionSession, deps: FeedRunDeps, view: ResponseView, slice: string, cursor: string | null) {
  const { store, clock } = session.deps
  try {
    return deps.adapter.feed!.parse(view, slice, cursor, { now: clock.now(), options: deps.options })
  } catch (error) {
    if (!(error instanceof MalformedAnswer)) throw error
    const page = { slice, cursor, passStartedAt: session.checkpoint.passStartedAt }
    await store.addQuarantine([quarantinePage(deps.adapter.id, page, { view, reason: messageOf(error) }, clock.now())])
    throw new FeedStopped(`the feed answered malformed: ${messageOf(error)}`)
  }
}

/** The entities that a page's items may be about, with their rows. */
async function matchItems(session: PartitionSession, deps: FeedRunDeps, items: readonly FeedItem[]): Promise<Judged[]> {
  const { store, clock } = session.deps
  const { adapter } = deps
  const byKey = await store.entitiesByProviderKey(adapter.id, [...new Set(items.map((item) => item.providerKey))])
  const aliases = [...new Set(items.flatMap((item) => item.aliases))]
  const byAlias = new Map<string, readonly EntityRef[]>()
  for (const kind of adapter.entityKinds) {
    for (const [alias, entities] of await store.entityRefsByAlias(kind, aliases))
      byAlias.set(alias, [...(byAlias.get(alias) ?? []), ...entities])
  }
  const candidates = new Map<string, { ref: EntityRef; items: FeedItem[] }>()
  for (const item of items) {
    const refs = new Map<string, EntityRef>()
    for (const ref of [...(byKey.get(item.providerKey) ?? []), ...item.aliases.flatMap((alias) => byAlias.get(alias) ?? [])])
      refs.set(entityId(ref), ref)
    for (const [id, ref] of refs) {
      const known = candidates.get(id)
      if (known === undefined) candidates.set(id, { ref, items: [item] })
      else known.items.push(item)
    }
  }
  if (candidates.size === 0) return []
  const { rule } = deps
  const found = await store.items(
    adapter.id,
    [...candidates.values()].map(({ ref }) => ref),
  )
  const prepared = await prepareItems(found, { adapter, store, rule })
  const rows = prepared.filter((row) => isOfCohort(deps.scope, row.entry.cohort))
  const context = { now: clock.now(), options: deps.options }
  const judged: Judged[] = []
  for (const row of rows) {
    const reason = unaskable(row, { adapter, rule })
    if (reason !== null) {
      // It changed, and nobody can say of what it is: the walk must not prove it unchanged.
      if (row.entry.outcome === 'skipped') continue
      if (adapter.identityRequired !== true) await noteRefusedKey(store, adapter.id)
      const answer = { kind: 'unresolved' as const, entity: row.entry.entity, reason }
      judged.push({ item: row, answer, status: null, hash: null })
      continue
    }
    if (!deps.takeEntity()) break
    for (const item of candidates.get(entityId(row.entry.entity))?.items ?? []) {
      const answer = adapter.feed!.answer(item, targetOf(row, adapter, rule), context)
      if (answer !== null) judged.push(judge(adapter, row, weighed(adapter, row, answer, rule), 200))
    }
  }
  return judged
}

async function walk(session: PartitionSession, deps: FeedRunDeps, waited: { ms: DurationMs }): Promise<void> {
  const { adapter } = deps
  const feed = adapter.feed!
  const { clock } = session.deps
  const context = (): AdapterContext => ({ now: clock.now(), options: deps.options })
  const asOf = session.checkpoint.passStartedAt
  let cursor = readCursor(session.checkpoint.cursor)
  if (cursor === null) {
    let marker: string | null = null
    if (feed.gate !== undefined && deps.knownSince !== null) {
      const view = await callOnce(session, deps, feed.gate.request(context()), waited)
      if (view === null) return
      marker = feed.gate.marker(view)
      if (deps.fact !== null && deps.fact.marker === marker) {
        // Nothing was published since the last complete walk: what was known at its end is still so.
        await session.complete({
          calls: 0,
          provenUnchanged: { asOf, knownSince: deps.fact.asOf, responseStatus: view.status, outcome: 'not_modified' },
        })
        return
      }
    }
    cursor = {
      slices: [...feed.slices(deps.window, context())],
      page: null,
      pages: 0,
      marker,
      knownSince: deps.knownSince,
      scope: scopeText(deps.scope),
    }
    await session.commit({ judged: [], calls: 0, cursor: JSON.stringify(cursor) })
  }
  const commits = new PageCommits<ReceivedPage>(
    async (pages) => {
      const judged: Judged[] = []
      for (const { items, askedAt } of pages)
        for (const one of items.length === 0 ? [] : await matchItems(session, deps, items)) judged.push({ ...one, askedAt })
      await session.commit({ judged, calls: 0, cursor: JSON.stringify(pages.at(-1)!.next) })
    },
    { maxPages: deps.maxInFlight, maxItems: MAX_COMMIT_ROWS },
  )
  let end: FeedCursor | null
  try {
    end = await askPages(session, deps, cursor, commits, waited)
  } finally {
    // Whyever the walk stops: what was received is recorded.
    await commits.drained()
  }
  if (end === null) return
  const days = Math.max(1, (deps.window.to - deps.window.from) / DAY_MS)
  const fact: FeedFact = { asOf, marker: end.marker, pagesPerDay: end.pages / days }
  await session.complete({
    calls: 0,
    ...(end.knownSince === null
      ? {}
      : {
          facts: { [feedFactName(adapter.id)]: fact as unknown as JsonValue },
          ...(feed.complete
            ? { provenUnchanged: { asOf, knownSince: end.knownSince, responseStatus: 200, outcome: 'unchanged' as const } }
            : {}),
        }),
  })
}

/** Asks for page after page and hands them over; returns the place at the end of the walk, or null when it stops before. */
async function askPages(
  session: PartitionSession,
  deps: FeedRunDeps,
  from: FeedCursor,
  commits: PageCommits<ReceivedPage>,
  waited: { ms: DurationMs },
): Promise<FeedCursor | null> {
  const feed = deps.adapter.feed!
  const { clock } = session.deps
  let cursor = from
  /** Places asked in this run: a provider whose pages or slices go in a circle is found out at once. */
  const asked = new Set<string>()
  while (cursor.slices.length > 0) {
    await commits.room()
    if (!session.isWorking) return null
    const slice: string = cursor.slices[0]!
    const askedAt = clock.now()
    const context: AdapterContext = { now: askedAt, options: deps.options }
    const view = await callOnce(session, deps, feed.request(deps.window, slice, cursor.page, context), waited)
    if (view === null) return null
    const page = await parsePage(session, deps, view, slice, cursor.page)
    asked.add(placeOf(slice, cursor.page))
    if (page.next !== null && asked.has(placeOf(slice, page.next)))
      throw new FeedStopped(`the page cursor "${page.next}" of slice ${slice} repeats itself`)
    const rest = cursor.slices.slice(1)
    const next: FeedCursor =
      page.split !== undefined
        ? { ...cursor, slices: [...page.split, ...rest], page: null, pages: cursor.pages + 1 }
        : page.next !== null
          ? { ...cursor, page: page.next, pages: cursor.pages + 1 }
          : { ...cursor, slices: rest, page: null, pages: cursor.pages + 1 }
    if (page.split?.some((part) => asked.has(placeOf(part, null))))
      throw new FeedStopped(`slice ${slice} splits into one that was asked before`)
    if (asked.size > MAX_PAGES) throw new FeedStopped(`more than ${MAX_PAGES} pages in one run`)
    commits.add({ items: page.split === undefined ? page.items : [], next, askedAt })
    cursor = next
  }
  return cursor
}

export async function runFeed(session: PartitionSession, deps: FeedRunDeps): Promise<{ quotaWaitMs: DurationMs }> {
  const waited = { ms: 0 }
  try {
    await walk(session, deps, waited)
  } catch (error) {
    if (error instanceof FeedStopped) {
      if (session.ending === null) session.stop('failed', messageOf(error))
    } else session.fail(error)
  }
  return { quotaWaitMs: waited.ms }
}
