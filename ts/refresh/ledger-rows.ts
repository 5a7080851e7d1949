/** What an answer makes of an entity's ledger row. Pure. */
import { type LedgerEntry, type Outcome, UNRESOLVED_ERROR } from '../model/ledger.ts'
import type { CommitInput, Judged } from './commit-batch.ts'
import { failureBackoff } from './freshness.ts'

const MAX_ERROR_CHARS = 500

export function succeed(
  entry: LedgerEntry,
  input: CommitInput,
  outcome: Outcome,
  judged: Judged,
  payload: string | null,
): LedgerEntry {
  const validators = judged.answer.kind === 'record' ? judged.answer.validators : undefined
  return {
    ...entry,
    lastAttemptAt: judged.askedAt ?? input.now,
    lastSuccessAt: judged.askedAt ?? input.now,
    outcome,
    responseStatus: judged.status,
    payloadHash: payload,
    // A 304 vouches for what an earlier normalizer may have hashed; claiming the current one would turn the next answer into a change.
    normalizerVersion:
      payload === null ? null : outcome === 'not_modified' ? entry.normalizerVersion : input.adapter.normalizerVersion,
    validators: validators ?? (outcome === 'not_modified' ? entry.validators : { etag: null, lastModified: null }),
    attempts: entry.attempts + 1,
    consecutiveFailures: 0,
    nextAttemptAt: null,
    errorClass: null,
    error: null,
    runId: input.runId,
    pendingSince: null,
  }
}

export function fail(entry: LedgerEntry, input: CommitInput, judged: Judged, errorClass: string, reason: string): LedgerEntry {
  const failures = entry.consecutiveFailures + 1
  return {
    ...entry,
    lastAttemptAt: judged.askedAt ?? input.now,
    outcome: 'failed',
    responseStatus: judged.status,
    attempts: entry.attempts + 1,
    consecutiveFailures: failures,
    nextAttemptAt: input.now + failureBackoff(failures),
    errorClass,
    error: reason.slice(0, MAX_ERROR_CHARS),
    runId: input.runId,
  }
}

/** The source was asked and cannot tell which of its records is ours: a person decides, and the cadence asks again. */
export function skip(entry: LedgerEntry, input: CommitInput, judged: Judged, reason: string): LedgerEntry {
  return {
    ...entry,
    lastAttemptAt: judged.askedAt ?? input.now,
    outcome: 'skipped',
    responseStatus: judged.status,
    attempts: entry.attempts + 1,
    consecutiveFailures: 0,
    nextAttemptAt: input.now + input.askAmbiguousAgainMs,
    pendingSince: null,
    errorClass: 'ambiguous',
    error: reason.slice(0, MAX_ERROR_CHARS),
    runId: input.runId,
  }
}

/** Not asked, and not due until its identity counts again; what is known stays. */
export function setAside(entry: LedgerEntry, input: CommitInput, reason: string): LedgerEntry {
  return {
    ...entry,
    outcome: 'skipped',
    nextAttemptAt: null,
    errorClass: entry.lastAttemptAt === null ? null : UNRESOLVED_ERROR,
    error: reason.slice(0, MAX_ERROR_CHARS),
    runId: input.runId,
  }
}
