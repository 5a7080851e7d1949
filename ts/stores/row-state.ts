/**
 * What a ledger row is, apart from time, and what time makes of it. Both stores judge by these words: the memory store
 * calls the functions, the SQLite store keeps `rowState` in an indexed column and compares times in SQL.
 */
import { type LedgerEntry, UNRESOLVED_ERROR } from '../model/ledger.ts'
import type { EpochMs } from '../model/time.ts'
import type { Judge, LedgerQuery } from './store.ts'

/** Skipped without an attempt, or since its identity was taken back: the source cannot be asked about the entity. Never due. */
export const UNRESOLVED = 0
export const NEVER_ATTEMPTED = 1
export const NEVER_SUCCEEDED = 2
export const KNOWN = 3
/** Skipped by an answer that could not be told apart: asked again when its back-off ends. */
export const AMBIGUOUS = 4
/** Added to each of the above while a status change is pending. */
export const PENDING = 8

type Facts = Pick<LedgerEntry, 'outcome' | 'lastAttemptAt' | 'lastSuccessAt' | 'pendingSince'> & {
  readonly errorClass?: LedgerEntry['errorClass']
}

export function rowState(entry: Facts): number {
  return rowKind(entry) + (entry.pendingSince === null ? 0 : PENDING)
}

function rowKind(entry: Facts): number {
  if (entry.outcome === 'skipped')
    return entry.lastAttemptAt === null || entry.errorClass === UNRESOLVED_ERROR ? UNRESOLVED : AMBIGUOUS
  if (entry.lastSuccessAt !== null) return KNOWN
  return entry.lastAttemptAt === null ? NEVER_ATTEMPTED : NEVER_SUCCEEDED
}

export type Timing = { readonly state: number; readonly lastSuccessAt: EpochMs | null; readonly nextAttemptAt: EpochMs | null }
export type Verdict = { readonly due: boolean; readonly backingOff: boolean; readonly stale: boolean; readonly fresh: boolean }

/** Latest success that makes a row due, and the one before which it is stale. */
export function thresholds(judge: Judge): { readonly dueUpTo: EpochMs; readonly staleBefore: EpochMs } {
  return { dueUpTo: judge.now - judge.cadenceMs, staleBefore: judge.now - judge.slaMs }
}

export function judgeRow({ state, lastSuccessAt, nextAttemptAt }: Timing, judge: Judge): Verdict {
  const kind = state % PENDING
  const isPending = state >= PENDING
  const { dueUpTo, staleBefore } = thresholds(judge)
  const isSkipped = kind === UNRESOLVED || kind === AMBIGUOUS
  const wanted = kind !== UNRESOLVED && (isPending || lastSuccessAt === null || lastSuccessAt <= dueUpTo)
  const waits = nextAttemptAt !== null && nextAttemptAt > judge.now
  const stale = !isSkipped && (isPending || kind === NEVER_SUCCEEDED || (lastSuccessAt !== null && lastSuccessAt < staleBefore))
  return { due: wanted && !waits, backingOff: wanted && waits, stale, fresh: kind === KNOWN && !stale }
}

/** Whether a query of work items selects the row. */
export function isSelected(entry: LedgerEntry, query: LedgerQuery, judge: Judge): boolean {
  const state = rowState(entry)
  if (state % PENDING === UNRESOLVED) return false
  if (query.notAttemptedSince !== null && entry.lastAttemptAt !== null && entry.lastAttemptAt >= query.notAttemptedSince)
    return false
  return (
    query.select === 'all' ||
    judgeRow({ state, lastSuccessAt: entry.lastSuccessAt, nextAttemptAt: entry.nextAttemptAt }, judge).due
  )
}

/** Order of work: stale, then never attempted, then the rest; inside each the oldest success first. */
export function workRank(state: number, stale: boolean): number {
  if (stale) return 0
  return state === NEVER_ATTEMPTED ? 1 : 2
}

/** A row as it stands right after assignment. */
export function unattempted(place: Pick<LedgerEntry, 'source' | 'entity' | 'cohort'>, unresolvable: string | null): LedgerEntry {
  return {
    ...place,
    lastAttemptAt: null,
    lastSuccessAt: null,
    outcome: unresolvable === null ? null : 'skipped',
    responseStatus: null,
    payloadHash: null,
    normalizerVersion: null,
    validators: { etag: null, lastModified: null },
    attempts: 0,
    consecutiveFailures: 0,
    nextAttemptAt: null,
    errorClass: null,
    error: unresolvable,
    runId: null,
    pendingSince: null,
  }
}

/** A row that could not be asked about and now can be. What was known came of another identity, if of any: it is asked about at once. */
export function madeAskable(entry: LedgerEntry, cohort: string): LedgerEntry {
  return {
    ...entry,
    cohort,
    lastSuccessAt: null,
    outcome: null,
    consecutiveFailures: 0,
    nextAttemptAt: null,
    errorClass: null,
    error: null,
  }
}

/** A row that cannot be asked about, or not any more; its cohort and what is known stay. */
export function madeUnaskable(entry: LedgerEntry, cohort: string, reason: string): LedgerEntry {
  const errorClass = entry.lastAttemptAt === null ? null : UNRESOLVED_ERROR
  return { ...entry, cohort, outcome: 'skipped', nextAttemptAt: null, errorClass, error: reason }
}

/**
 * Whether writing `entry` closes a status change pending since `openedAt`: it says so (`pendingSince` null), the source
 * answered, and the attempt is not older than the change, so an entry opened meanwhile stays open.
 */
export function closesPending(entry: LedgerEntry, openedAt: EpochMs): boolean {
  return (
    entry.pendingSince === null &&
    entry.outcome !== null &&
    entry.outcome !== 'failed' &&
    entry.lastAttemptAt !== null &&
    entry.lastAttemptAt >= openedAt
  )
}
