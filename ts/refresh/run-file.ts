/**
 * Refreshes a source from its bulk file: one conditional download, an ingest, then the comparison of every entity the file
 * names with what was known, in commits of bounded size.
 *
 * Stages, each resumable: `downloaded` (the file is on disk, not yet loaded) -> `loaded` (the population follows the file)
 * -> rows compared (the ledger itself says which). The file is paid for once even when the process dies after it.
 *
 * A keyed file is not loaded but checked as a whole, and then read for the rows of our identities (`run-keyed-file.ts`).
 */
import type { AdapterContext, KeyedFile, PopulationFile, SourceAdapter } from '../adapters/adapter.ts'
import type { SourceClient } from '../http/source-client.ts'
import { EngineError } from '../model/errors.ts'
import type { JsonValue } from '../model/json.ts'
import { entityId } from '../model/keys.ts'
import type { Classified, RequestSpec, ResponseView, Validators } from '../model/response.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import type { Judge, WorkItem } from '../stores/store.ts'
import { endingOf } from './ask-unit.ts'
import { UNRESOLVED_COHORT } from './cohort.ts'
import { judge } from './commit-batch.ts'
import type { PartitionSession } from './partition-session.ts'
import { compareKeyed, leavesWork, type ReadTable } from './run-keyed-file.ts'
import { fileScopeText, isInWindow, isOfCohort, type Scope } from './scope.ts'

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
  /** Only these entities are judged; null: all. Such a pass proves nothing, and is not remembered as one over the file. */
  readonly scope: Scope | null
  /** False once as many entities as allowed were taken. */
  readonly takeEntity: () => boolean
  /** Loads the file into the population, and gives new entities their cohorts. Idempotent. */
  readonly load: (path: string, now: EpochMs) => Promise<LoadedFile>
  readonly readTable: ReadTable
  /** A file with less than this share of the last one's rows is taken for truncated. */
  readonly minRowShare: number
  readonly fileExists: (path: string, bytes: number) => Promise<boolean>
  readonly removeFile: (path: string) => Promise<void>
  /** Removes downloads that an earlier pass left behind when it was killed. Only under the partition's lease. */
  readonly sweepFiles: () => Promise<void>
}

type Download = { readonly path: string; readonly bytes: number; readonly sha256: string; readonly validators: Validators }
/** `scope`: for which part of the source the pass was begun; null: all. */
type FileCursor = { readonly scope?: string | null } & FileStage
type FileStage =
  | { readonly stage: 'downloaded'; readonly download: Download }
  | { readonly stage: 'loaded'; readonly download: Download; readonly loaded: LoadedFile }
  /** A 304: the file of the last pass still holds, and settles what is still due (never asked, pending, failing). */
  | { readonly stage: 'not_modified'; readonly fact: FileFact }

export const fileFactName = (source: string): string => `file:${source}`

const COMMIT_ROWS = 500
/** Codes of errors that are about the file, not about the moment. */
const REFUSED = 'file_'

const isPopulation = (file: PopulationFile | KeyedFile): file is PopulationFile => 'loader' in file

function readCursor(text: string | null): FileCursor | null {
  if (text === null) return null
  try {
    const value = JSON.parse(text) as FileCursor
    return value.stage === 'downloaded' || value.stage === 'loaded' || value.stage === 'not_modified' ? value : null
  } catch {
    return null
  }
}

/** Asks until there is an answer worth reading. Null: the pass cannot go on. */
async function ask(
  session: PartitionSession,
  deps: FileRunDeps,
  waited: { ms: DurationMs },
  request: RequestSpec,
): Promise<{ readonly view: ResponseView | null; readonly classified: Classified } | null> {
  const result = await deps.client.call(request, { signal: session.deps.signal })
  session.noteUncommittedCalls(result.stats.calls)
  waited.ms += result.stats.quotaWaitMs
  const ending = endingOf(result)
  if (ending !== null || result.kind === 'refused') {
    if (session.ending === null)
      session.feed(ending!.status === 'interrupted' ? { kind: 'interrupted' } : { kind: 'stop', ending: ending! })
    return null
  }
  return { view: result.view ?? null, classified: result.classified }
}

/** The request for the file itself; a keyed file may have to be looked for first. */
async function fileRequest(
  session: PartitionSession,
  deps: FileRunDeps,
  waited: { ms: DurationMs },
  known: Validators,
): Promise<RequestSpec | null> {
  const file = deps.adapter.file!
  const context = { now: session.deps.clock.now(), options: deps.options }
  if (isPopulation(file)) return file.request(known, context)
  if (file.locate === undefined) return file.request(known, context)
  const answer = await ask(session, deps, waited, file.locate(context))
  if (answer === null) return null
  if (answer.classified.class !== 'ok' || answer.view === null) {
    session.stop('failed', `where the file is could not be learned: ${answer.classified.class}, ${answer.classified.reason}`)
    return null
  }
  return file.request(known, context, answer.view)
}

/** Downloads when something new is there, or `anyway`. Null: the pass cannot go on. */
async function download(
  session: PartitionSession,
  deps: FileRunDeps,
  waited: { ms: DurationMs },
  anyway: boolean,
): Promise<FileCursor | null> {
  const { fact } = deps
  const scope = fileScopeText(deps.scope)
  const known = fact !== null && !anyway ? fact.validators : { etag: null, lastModified: null }
  const request = await fileRequest(session, deps, waited, known)
  if (request === null) return null
  const answer = await ask(session, deps, waited, request)
  if (answer === null) return null
  const { view, classified } = answer
  if (classified.class === 'not_modified' && fact !== null && !anyway) {
    const asOf = session.checkpoint.passStartedAt
    const cursor: FileCursor = { stage: 'not_modified', fact: { ...fact, asOf }, scope }
    await session.commit({
      judged: [],
      calls: 0,
      cursor: JSON.stringify(cursor),
      ...(deps.scope === null
        ? { provenUnchanged: { asOf, knownSince: fact.asOf, responseStatus: 304, outcome: 'not_modified' as const } }
        : {}),
    })
    return cursor
  }
  if (classified.class !== 'ok' || view === null || view.file === undefined || !view.file.complete) {
    session.stop('failed', `the file did not arrive whole: ${classified.class}, ${classified.reason}`)
    return null
  }
  const { path, bytes, sha256 } = view.file
  const validators = { etag: view.headers['etag'] ?? null, lastModified: view.headers['last-modified'] ?? null }
  const cursor: FileCursor = { stage: 'downloaded', download: { path, bytes, sha256, validators }, scope }
  await session.commit({ judged: [], calls: 0, cursor: JSON.stringify(cursor) })
  session.deps.crashPoints.reach('file.after_download')
  return cursor
}

async function compare(
  session: PartitionSession,
  deps: FileRunDeps,
  file: PopulationFile,
  loaded: LoadedFile,
  select: 'all' | 'due',
  cursor: FileCursor,
): Promise<void> {
  const { adapter } = deps
  const { store, clock } = session.deps
  const { ingestId, whole } = loaded
  const status = cursor.stage === 'loaded' ? 200 : 304
  const cohorts = (await store.partitionStats(adapter.id, deps.judge))
    .map((row) => row.cohort)
    .filter((cohort) => cohort !== UNRESOLVED_COHORT && isOfCohort(deps.scope, cohort))
  const text = JSON.stringify(cursor)
  const flush = async (rows: readonly WorkItem[]): Promise<void> => {
    if (rows.length === 0) return
    const seen = await store.seenBy(
      rows.map((row) => row.entry.entity),
      ingestId,
    )
    // Asked after the rows were read: until now they said what the file says. The next pass asks for it anew.
    if (seen === null || !(await holds(session, loaded))) {
      session.stop('failed', 'another file was loaded while this one was compared; the next pass reads it again')
      return
    }
    const context = { now: clock.now(), options: deps.options }
    const judged = rows.flatMap((row) => {
      const { entity } = row.entry
      if (seen.has(entityId(entity)))
        return [judge(adapter, row, { kind: 'record', entity, record: file.record(row.entity, context) }, status)]
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
      if (!isInWindow(deps.scope, row, adapter)) continue
      if (!deps.takeEntity()) break
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
async function orForget<T>(session: PartitionSession, deps: FileRunDeps, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const refused = error instanceof EngineError && error.recovery === 'failed' && error.code.startsWith(REFUSED)
    const load = error instanceof EngineError && error.recovery !== 'try_later' && error.recovery !== 'interrupted'
    if (refused || (load && isPopulation(deps.adapter.file!))) {
      await session.commit({ judged: [], calls: 0, cursor: null })
      await deps.removeFile(path)
    }
    throw error
  }
}

/** Reads a keyed file once from end to end, so that nothing is recorded from one that is not whole. */
async function checkKeyed(deps: FileRunDeps, file: KeyedFile, { path, sha256 }: Download): Promise<LoadedFile> {
  const { rows, badRows } = await deps.readTable(path, file.table, null, () => {})
  const before = deps.fact?.loaded.rows ?? 0
  if (!deps.force && rows < before * deps.minRowShare) {
    throw new EngineError('failed', 'file_truncated', `the file has ${rows} rows, the last one had ${before}`, {
      hint: 'wait for the next edition; if this one is right, take it with --force, or lower ingest.min_row_share',
    })
  }
  return { ingestId: sha256, whole: badRows === 0, rows }
}

/** The place from which the pass goes on; null when its download is gone. */
async function placeOf(session: PartitionSession, deps: FileRunDeps): Promise<FileCursor | null> {
  const cursor = readCursor(session.checkpoint.cursor)
  // A loaded population needs its file no more; a keyed file is read again.
  const needsFile = cursor?.stage === 'downloaded' || (cursor?.stage === 'loaded' && !isPopulation(deps.adapter.file!))
  if (!needsFile) return cursor
  return (await deps.fileExists(cursor.download.path, cursor.download.bytes)) ? cursor : null
}

/**
 * Whether what entities say is what the loaded file says: nothing of another file was written since. Otherwise
 * somebody's own file would be told as the provider's word.
 */
async function holds(session: PartitionSession, { ingestId }: LoadedFile): Promise<boolean> {
  return (await session.deps.store.lastIngest()) === ingestId
}

async function pass(session: PartitionSession, deps: FileRunDeps, waited: { ms: DurationMs }): Promise<void> {
  const { adapter } = deps
  const file = adapter.file!
  let cursor = await placeOf(session, deps)
  if (cursor?.stage === 'loaded' && isPopulation(file) && !(await holds(session, cursor.loaded))) cursor = null
  if (cursor === null) {
    await deps.sweepFiles()
    cursor = await download(session, deps, waited, deps.force)
    if (cursor === null) return
  }
  // Of a part, as one by one: what is due; of a window or by force, all.
  const isAllOfPart = deps.scope !== null && (deps.force || deps.scope.window !== null)
  const isUnreadable = async (known: FileFact): Promise<boolean> => {
    if (!isPopulation(file)) return leavesWork(session, deps)
    if (await holds(session, known.loaded)) return false
    return isAllOfPart || leavesWork(session, deps, () => true)
  }
  if (cursor.stage === 'not_modified' && session.isWorking && (await isUnreadable(cursor.fact))) {
    // Unchanged, but what it says is not known here (any more): it is fetched once more.
    cursor = await download(session, deps, waited, true)
    if (cursor === null) return
  }
  if (cursor.stage === 'downloaded') {
    const { download: got } = cursor
    const loaded = await orForget(session, deps, got.path, () =>
      isPopulation(file) ? deps.load(got.path, session.deps.clock.now()) : checkKeyed(deps, file, got),
    )
    cursor = { stage: 'loaded', download: got, loaded, scope: cursor.scope ?? null }
    await session.commit({ judged: [], calls: 0, cursor: JSON.stringify(cursor) })
    session.deps.crashPoints.reach('file.after_load')
  }
  if (!session.isWorking) return
  const asOf = session.checkpoint.passStartedAt
  const fact: FileFact =
    cursor.stage === 'loaded'
      ? { asOf, validators: cursor.download.validators, sha256: cursor.download.sha256, loaded: cursor.loaded }
      : cursor.fact
  const isAll = deps.scope === null ? cursor.stage === 'loaded' : isAllOfPart
  if (isPopulation(file)) await compare(session, deps, file, fact.loaded, isAll ? 'all' : 'due', cursor)
  else if (cursor.stage === 'loaded') {
    const { download: got, loaded } = cursor
    const text = JSON.stringify(cursor)
    await orForget(session, deps, got.path, () => compareKeyed(session, deps, file, got.path, loaded, text))
  }
  if (!session.isWorking) return
  if ((cursor.scope ?? null) !== fileScopeText(deps.scope)) {
    // What a pass over all of the source paid for: this part of it is settled, the pass stays open, and its file on the disk.
    session.feed({ kind: 'exhausted' })
    return
  }
  const facts = deps.scope === null ? { facts: { [fileFactName(adapter.id)]: fact as unknown as JsonValue } } : {}
  await session.complete({ calls: 0, ...facts })
  if (cursor.stage === 'loaded') await deps.removeFile(cursor.download.path)
}

export async function runFile(session: PartitionSession, deps: FileRunDeps): Promise<{ quotaWaitMs: DurationMs }> {
  const waited = { ms: 0 }
  try {
    await pass(session, deps, waited)
  } catch (error) {
    // Reading that was broken off by the signal is what was asked for; the checkpoint says where to go on.
    if (session.ending?.status !== 'interrupted') session.fail(error)
  }
  return { quotaWaitMs: waited.ms }
}
