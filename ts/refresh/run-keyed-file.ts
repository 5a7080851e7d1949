/**
 * The comparison of a keyed file: which of its rows are about entities of ours. Entities are taken by the thousand and the
 * table is read once for each of these groups, so that memory is bounded whatever the population and the file are.
 */
import type { AdapterContext, Answer, FileRow, FileTable, KeyedFile, SourceAdapter } from '../adapters/adapter.ts'
import { EngineError } from '../model/errors.ts'
import type { Judge, WorkItem } from '../stores/store.ts'
import { UNRESOLVED_COHORT } from './cohort.ts'
import { judge } from './commit-batch.ts'
import type { PartitionSession } from './partition-session.ts'
import type { LoadedFile } from './run-file.ts'
import { isInWindow, isOfCohort, type Scope } from './scope.ts'

const ITEMS_PER_READ = 20_000
const COMMIT_ROWS = 500
const ROWS_PER_KEY = 1_000

/** Reads the whole table and hands out rows with a wanted key. Rejects when anything is wrong with the file. */
export type ReadTable = (
  path: string,
  table: FileTable,
  wanted: ReadonlySet<string> | null,
  onRow: (key: string, row: FileRow) => void,
) => Promise<{ readonly rows: number; readonly badRows: number }>

export type KeyedFileDeps = {
  readonly adapter: SourceAdapter
  readonly options: AdapterContext['options']
  readonly judge: Judge
  readonly readTable: ReadTable
  readonly force: boolean
  readonly scope: Scope | null
  readonly takeEntity: () => boolean
}

/** Resolvable entities that are to be compared, in key order. An identity that was taken away leaves nothing to match by. */
async function* wantedItems(
  session: PartitionSession,
  deps: KeyedFileDeps,
  select: 'all' | 'due',
  isAskable: (item: WorkItem) => boolean = ({ identity }) => identity !== null,
): AsyncGenerator<WorkItem, void, undefined> {
  const { store } = session.deps
  const { adapter } = deps
  for (const { cohort } of await store.partitionStats(adapter.id, deps.judge)) {
    if (cohort === UNRESOLVED_COHORT || !isOfCohort(deps.scope, cohort)) continue
    const query = { source: adapter.id, cohort, select, notAttemptedSince: session.checkpoint.passStartedAt, limit: null }
    for await (const item of store.workItems(query, deps.judge))
      if (isAskable(item) && isInWindow(deps.scope, item, adapter)) yield item
  }
}

/** Whether a file that still holds leaves entities unanswered (new ones, pending ones): their rows are in no ledger. */
export async function leavesWork(
  session: PartitionSession,
  deps: KeyedFileDeps,
  isAskable?: (item: WorkItem) => boolean,
): Promise<boolean> {
  for await (const _item of wantedItems(session, deps, 'due', isAskable)) return true
  return false
}

function answerOf(
  file: KeyedFile,
  item: WorkItem,
  rows: readonly FileRow[] | undefined,
  loaded: LoadedFile,
  context: AdapterContext,
): Answer {
  const { entity, entry, identity } = item
  const providerKey = identity!.providerKey
  if (rows !== undefined) return file.answer(rows, { entity, providerKey, validators: entry.validators }, context)
  const ref = { kind: entity.kind, key: entity.key }
  return loaded.whole
    ? { kind: 'absent', entity: ref, reason: `this edition of the file does not list ${providerKey}` }
    : { kind: 'skipped', entity: ref, reason: `${providerKey} was not found, and some rows of the file could not be read` }
}

/** Compares what the pass has not compared yet, in commits of bounded size. */
export async function compareKeyed(
  session: PartitionSession,
  deps: KeyedFileDeps,
  file: KeyedFile,
  path: string,
  loaded: LoadedFile,
  cursor: string,
): Promise<void> {
  const settle = async (items: readonly WorkItem[]): Promise<void> => {
    const found = new Map<string, FileRow[]>()
    const wanted = new Set(items.map(({ identity }) => identity!.providerKey))
    await deps.readTable(path, file.table, wanted, (key, row) => {
      const rows = found.get(key)
      if (rows === undefined) found.set(key, [row])
      else if (rows.push(row) > ROWS_PER_KEY)
        throw new EngineError('failed', 'file_repeats', `the file holds more than ${ROWS_PER_KEY} rows of ${key}`)
    })
    const context = { now: session.deps.clock.now(), options: deps.options }
    for (let at = 0; at < items.length && session.isWorking; at += COMMIT_ROWS) {
      const judged = items.slice(at, at + COMMIT_ROWS).map((item) => ({
        ...judge(deps.adapter, item, answerOf(file, item, found.get(item.identity!.providerKey), loaded, context), 200),
        // The file says what was so when it was asked for, however long it took to read.
        askedAt: session.checkpoint.passStartedAt,
      }))
      await session.commit({ judged, calls: 0, cursor })
    }
  }
  let items: WorkItem[] = []
  // The rest of the file is left alone; of a part what is due is compared, unless it was asked for by its date.
  const select = deps.scope === null || deps.scope.window !== null || deps.force ? 'all' : 'due'
  for await (const item of wantedItems(session, deps, select)) {
    if (!session.isWorking) return
    if (!deps.takeEntity()) break
    items.push(item)
    if (items.length >= ITEMS_PER_READ) {
      await settle(items)
      items = []
    }
  }
  if (items.length > 0 && session.isWorking) await settle(items)
}
