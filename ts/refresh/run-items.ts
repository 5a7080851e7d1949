/** Asks about a partition's entities in batches or one by one, as many at once as the policy allows, committing each answer. */
import type { AdapterContext, SourceAdapter } from '../adapters/adapter.ts'
import type { SourceClient } from '../http/source-client.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import { isInWindow, type Window } from '../model/window.ts'
import type { Judge, WorkItem } from '../stores/store.ts'
import { askUnit, type UnitResult } from './ask-unit.ts'
import { GroupCommit } from './group-commit.ts'
import type { IdentityRule } from './identity.ts'
import { noteRefusedKey } from './identity-keys.ts'
import type { PartitionSession } from './partition-session.ts'
import { type PreparedItem, preparePages, unaskable } from './prepare-items.ts'
import { quarantineItem } from './quarantine-item.ts'
import { itemCursor, readItemCursor } from './resume.ts'
import { effectiveBatchSize } from './strategy-cost.ts'
import { type Unit, UnitQueue } from './unit-queue.ts'

export type ItemRunDeps = {
  readonly adapter: SourceAdapter
  readonly client: SourceClient
  readonly options: AdapterContext['options']
  readonly batchSize: number
  readonly maxInFlight: number
  readonly judge: Judge
  readonly force: boolean
  readonly window: Window | null
  /** By which identities count; null where there are none to judge. */
  readonly rule: IdentityRule | null
  /** False when the run may not work on another entity (`--limit`, over all partitions). */
  readonly takeEntity: () => boolean
}

/** Rows one transaction may carry: keeps a commit in the single-digit milliseconds. */
const MAX_COMMIT_ROWS = 500
/** A refused batch is halved at most this often in one run, so that a broken query cannot multiply the calls. */
const MAX_SPLITS = 32

async function* selectItems(
  source: AsyncIterable<WorkItem>,
  adapter: SourceAdapter,
  window: Window | null,
  takeEntity: () => boolean,
): AsyncGenerator<WorkItem> {
  for await (const item of source) {
    if (window !== null) {
      const date = adapter.cohort.date(item.entity)
      if (date === null || !isInWindow(window, date)) continue
    }
    if (!takeEntity()) return
    yield item
  }
}

export async function runItems(session: PartitionSession, deps: ItemRunDeps): Promise<{ quotaWaitMs: DurationMs }> {
  const { adapter } = deps
  const { store, clock, signal } = session.deps
  const context = (): AdapterContext => ({ now: clock.now(), options: deps.options })
  const all = deps.force || deps.window !== null
  const rows = store.workItems(
    {
      source: adapter.id,
      cohort: session.planned.cohort,
      select: all ? 'all' : 'due',
      notAttemptedSince: session.checkpoint.passStartedAt,
      limit: null,
    },
    deps.judge,
  )
  const resumed = readItemCursor(session.checkpoint.cursor)
  const queue = new UnitQueue(
    askable(selectItems(rows, adapter, deps.window, deps.takeEntity)),
    adapter,
    effectiveBatchSize(adapter, deps.batchSize),
    context,
    deps.rule,
    resumed?.waiting,
  )
  let settled = resumed?.settled ?? 0
  const commits = new GroupCommit(async ({ judged, calls }) => {
    settled += judged.length
    queue.settled(judged.map(({ item }) => item.entry.entity))
    // The ledger says which entities are done; the cursor is the same fact as a count, for people and for the artifact.
    await session.commit({ judged, calls, cursor: itemCursor(all, settled, queue.waiting) })
  }, MAX_COMMIT_ROWS)

  /** Prepared items, less those that were set aside because their identity does not count any more. */
  async function* askable(items: AsyncIterable<WorkItem>): AsyncGenerator<PreparedItem> {
    for await (const item of preparePages(items, { adapter, store, rule: deps.rule })) {
      const reason = unaskable(item, { adapter, rule: deps.rule })
      if (reason === null) {
        yield item
        continue
      }
      if (adapter.identityRequired !== true) await noteRefusedKey(store, adapter.id)
      const answer = { kind: 'unresolved' as const, entity: item.entry.entity, reason }
      await commits.enqueue({ judged: [{ item, answer, status: null, hash: null }], calls: 0 })
    }
  }

  let splitsLeft = MAX_SPLITS
  let quotaWaitMs = 0
  let wake: () => void = () => {}

  const settle = async (unit: Unit, result: UnitResult, askedAt: EpochMs): Promise<void> => {
    quotaWaitMs += result.quotaWaitMs
    if (result.kind === 'stopped') {
      session.noteUncommittedCalls(result.calls)
      if (session.ending === null)
        session.feed(result.ending.status === 'interrupted' ? { kind: 'interrupted' } : { kind: 'stop', ending: result.ending })
      return
    }
    if (result.kind === 'rejected') {
      if (unit.targets.length > 1 && splitsLeft > 0) {
        splitsLeft -= 1
        session.noteUncommittedCalls(result.calls)
        queue.split(unit)
        return
      }
      await store.addQuarantine([quarantineItem(adapter.id, unit, result, clock.now())])
      await commits.enqueue({ judged: result.judged.map((judged) => ({ ...judged, askedAt })), calls: result.calls })
      return
    }
    const absent = queue.handBack(result.unlisted).map(({ item }) => ({
      item,
      answer: { kind: 'absent' as const, entity: item.entry.entity, reason: 'the provider lists no such record' },
      status: 200,
      hash: null,
      askedAt,
    }))
    const judged = [...result.judged.map((one) => ({ ...one, askedAt })), ...absent]
    await commits.enqueue({ judged, calls: result.calls })
  }

  const send = async (unit: Unit): Promise<void> => {
    try {
      const asked = context()
      await settle(
        unit,
        await askUnit(unit, { adapter, client: deps.client, context: asked, signal, rule: deps.rule }),
        asked.now,
      )
    } catch (error) {
      session.fail(error)
    } finally {
      session.feed({ kind: 'unit_back' })
      inFlight -= 1
      wake()
    }
  }

  let inFlight = 0
  try {
    while (session.isWorking) {
      while (session.maySend(deps.maxInFlight)) {
        const unit = await queue.next()
        if (unit === null) break
        if (!session.isWorking) break
        session.feed({ kind: 'unit_sent' })
        inFlight += 1
        void send(unit)
      }
      if (!session.isWorking) break
      if (inFlight === 0 && queue.isEmpty) {
        await session.complete()
        break
      }
      // A unit may have handed targets back while the queue was being asked.
      if (inFlight === 0) continue
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } catch (error) {
    session.fail(error)
  } finally {
    // Units under way are always waited for: their answers are recorded, or their calls counted.
    while (inFlight > 0) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    await queue.close()
  }
  return { quotaWaitMs }
}
