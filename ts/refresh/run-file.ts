/**
 * Refreshes a source from its bulk file: one conditional download, an ingest, then the comparison of every entity the file
 * names with what was known, in commits of bounded size.
 *
 * Stages, each resumable: `downloaded` (the file is on disk, not yet loaded) -> `loaded` (the population follows the file)
 * -> rows compared (the ledger itself says which). The file is paid for once even when the process dies after it.
 */
import type { AdapterContext, SourceAdapter } from '../adapters/adapter.ts'
import type { SourceClient } from '../http/source-client.ts'
import { EngineError, messageOf } from '../model/errors.ts'
import type { JsonValue } from '../model/json.ts'
import { entityId } from '../model/keys.ts'
import type { Validators } from '../model/response.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import type { Judge, WorkItem } from '../stores/store.ts'
import { endingOf } from './ask-unit.ts'
import { UNRESOLVED_COHORT } from './cohort.ts'
import { judge } from './commit-batch.ts'
import type { PartitionSession } from './partition-session.ts'

/** What the engine's loader reports of a file. */
export type LoadedFile = {
  /** Under which its entities are marked as seen. */
  readonly ingestId: string
  /** Nothing was refused: what it does not name, the provider does not have. */
  readonly whole: boolean
  readonly rows: number
}

/** What is remembered of the last file: its validators, and how it was loaded, so that a 304 can speak for it. */
export type FileFact = {
  readonly asOf: EpochMs
  readonly validators: Validators
  readonly sha256: string
  readonly loaded: LoadedFile
}

export type FileRunDeps = {
  readonly adapter: SourceAdapter
  readonly client: SourceClient
  readonly options: AdapterContext['options']
  readonly judge: Judge
  readonly fact: FileFact | null
  readonly force: boolean
  /** Loads the file into the population, and gives new entities their cohorts. Idempotent. */
  readonly load: (path: string, now: EpochMs) => Promise<LoadedFile>
  readonly fileExists: (path: string, bytes: number) => Promise<boolean>
  readonly removeFile: (path: string) => Promise<void>
  /** Removes downloads that an earlier pass left behind when it was killed. Only under the partition's lease. */
  readonly sweepFiles: () => Promise<void>
}

type Download = { readonly path: string; readonly bytes: number; readonly sha256: string; readonly validators: Validators }
type FileCursor =
  | { readonly stage: 'downloaded'; readonly download: Download }
  | { readonly stage: 'loaded'; readonly download: Download; readonly loaded: LoadedFile }
  /** A 304: the file of the last pass still holds, and settles what is still due (never asked, pending, failing). */
  | { readonly stage: 'not_modified'; readonly fact: FileFact }

export const fileFactName = (source: string): string => `file:${source}`

const COMMIT_ROWS = 500

function readCursor(text: string | null): FileCursor | null {
  if (text === null) return null
  try {
    const value = JSON.parse(text) as FileCursor
    return value.stage === 'downloaded' || value.stage === 'loaded' || value.stage === 'not_modified' ? value : null
  } catch {
    return null
  }
}

/** Downloads when something new is there. Null: the pass cannot go on. */
async function download(session: PartitionSession, deps: FileRunDeps, waited: { ms: DurationMs }): Promise<FileCursor | null> {
  const { adapter, fact } = deps
  const { clock } = session.deps
  const known = fact !== null && !deps.force ? fact.validators : { etag: null, lastModified: null }
  const result = await deps.client.call(adapter.file!.request(known, { now: clock.now(), options: deps.options }), {
    signal: session.deps.signal,
  })
  session.noteUncommittedCalls(result.stats.calls)
  waited.ms += result.stats.quotaWaitMs
  const ending = endingOf(result)
  if (ending !== null || result.kind === 'refused') {
    if (session.ending === null)
      session.feed(ending!.status === 'interrupted' ? { kind: 'interrupted' } : { kind: 'stop', ending: ending! })
    return null
  }
  const { view, classified } = result
  if (classified.class === 'not_modified' && fact !== null) {
    const asOf = session.checkpoint.passStartedAt
    const cursor: FileCursor = { stage: 'not_modified', fact: { ...fact, asOf } }
    await session.commit({
      judged: [],
      calls: 0,
      cursor: JSON.stringify(cursor),
      provenUnchanged: { asOf, knownSince: fact.asOf, responseStatus: 304, outcome: 'not_modified' },
    })
    return cursor
  }
  if (classified.class !== 'ok' || view?.file === undefined || !view.file.complete) {
    session.stop('failed', `the file did not arrive whole: ${classified.class}, ${classified.reason}`)
    return null
  }
  const { path, bytes, sha256 } = view.file
  const validators = { etag: view.headers['etag'] ?? null, lastModified: view.headers['last-modified'] ?? null }
  const cursor: FileCursor = { stage: 'downloaded', download: { path, bytes, sha256, validators } }
  await session.commit({ judged: [], calls: 0, cursor: JSON.stringify(cursor) })
  session.deps.crashPoints.reach('file.after_download')
  return cursor
}

async function compare(
  session: PartitionSession,
  deps: FileRunDeps,
  loaded: LoadedFile,
  select: 'all' | 'due',
  cursor: FileCursor,
): Promise<void> {
  const { adapter } = deps
  const { store, clock } = session.deps
  const { ingestId, whole } = loaded
  const status = select === 'all' ? 200 : 304
  const cohorts = (await store.partitionStats(adapter.id, deps.judge))
    .map((row) => row.cohort)
    .filter((cohort) => cohort !== UNRESOLVED_COHORT)
  const text = JSON.stringify(cursor)
  const flush = async (rows: readonly WorkItem[]): Promise<void> => {
    if (rows.length === 0) return
    const seen = await store.seenBy(
      rows.map((row) => row.entry.entity),
      ingestId,
    )
    const context = { now: clock.now(), options: deps.options }
    const judged = rows.flatMap((row) => {
      const { entity } = row.entry
      if (seen.has(entityId(entity)))
        return [judge(adapter, row, { kind: 'record', entity, record: adapter.file!.record(row.entity, context) }, status)]
      return whole ? [judge(adapter, row, { kind: 'absent', entity, reason: 'the file does not name it' }, status)] : []
    })
    // The file says what was so when it was asked for, however long it took to load.
    const askedAt = session.checkpoint.passStartedAt
    await session.commit({ judged: judged.map((one) => ({ ...one, askedAt })), calls: 0, cursor: text })
  }
  for (const cohort of cohorts) {
    let rows: WorkItem[] = []
    for await (const row of store.workItems(
      { source: adapter.id, cohort, select, notAttemptedSince: session.checkpoint.passStartedAt, limit: null },
      deps.judge,
    )) {
      if (!session.isWorking) return
      rows.push(row)
      if (rows.length >= COMMIT_ROWS) {
        await flush(rows)
        rows = []
      }
    }
    if (!session.isWorking) return
    await flush(rows)
  }
}

/** A file that is refused (truncated, a wrong header) must not be tried again for ever: the next run asks for a new one. */
async function loadOrForget(session: PartitionSession, deps: FileRunDeps, path: string): Promise<LoadedFile> {
  try {
    return await deps.load(path, session.deps.clock.now())
  } catch (error) {
    const refused = error instanceof EngineError && error.recovery !== 'try_later' && error.recovery !== 'interrupted'
    if (refused) {
      await session.commit({ judged: [], calls: 0, cursor: null })
      await deps.removeFile(path)
    }
    throw error
  }
}

async function pass(session: PartitionSession, deps: FileRunDeps, waited: { ms: DurationMs }): Promise<void> {
  const { adapter } = deps
  let cursor = readCursor(session.checkpoint.cursor)
  if (cursor?.stage === 'downloaded' && !(await deps.fileExists(cursor.download.path, cursor.download.bytes))) cursor = null
  if (cursor === null) {
    await deps.sweepFiles()
    cursor = await download(session, deps, waited)
    if (cursor === null) return
  }
  if (cursor.stage === 'downloaded') {
    const loaded = await loadOrForget(session, deps, cursor.download.path)
    cursor = { stage: 'loaded', download: cursor.download, loaded }
    await session.commit({ judged: [], calls: 0, cursor: JSON.stringify(cursor) })
    session.deps.crashPoints.reach('file.after_load')
  }
  if (!session.isWorking) return
  const asOf = session.checkpoint.passStartedAt
  const fact: FileFact =
    cursor.stage === 'loaded'
      ? { asOf, validators: cursor.download.validators, sha256: cursor.download.sha256, loaded: cursor.loaded }
      : cursor.fact
  await compare(session, deps, fact.loaded, cursor.stage === 'loaded' ? 'all' : 'due', cursor)
  if (!session.isWorking) return
  await session.complete({ calls: 0, facts: { [fileFactName(adapter.id)]: fact as unknown as JsonValue } })
  if (cursor.stage === 'loaded') await deps.removeFile(cursor.download.path)
}

export async function runFile(session: PartitionSession, deps: FileRunDeps): Promise<{ quotaWaitMs: DurationMs }> {
  const waited = { ms: 0 }
  try {
    await pass(session, deps, waited)
  } catch (error) {
    session.deps.logger.log('error', `${session.partition}: ${messageOf(error)}`)
    session.fail(error)
  }
  return { quotaWaitMs: waited.ms }
}
