/**
 * Before new work, the checkpoint must agree with the ledger (requirement "Checkpoint validation"). Both are written in one
 * transaction, so they differ only when something outside the engine touched the state: a restored backup, an edited file,
 * a row deleted by hand. Pure: says what is wrong and what the checkpoint should say instead.
 */
import type { Checkpoint } from '../model/checkpoint.ts'
import { type EpochMs, toIso } from '../model/time.ts'

export type CheckpointVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly message: string; readonly repaired: Checkpoint }

function at(moment: EpochMs | null): string {
  return moment === null ? 'never' : toIso(moment)
}

/**
 * `newestAttemptAt`: newest attempt in the partition's ledger rows. `explainedUpTo`: newest attempt that passes over the
 * whole source (feed, file) account for; they move rows of every cohort without touching the cohorts' own checkpoints.
 */
export function checkCheckpoint(
  checkpoint: Checkpoint | null,
  newestAttemptAt: EpochMs | null,
  explainedUpTo: EpochMs | null,
  now: EpochMs,
): CheckpointVerdict {
  if (checkpoint === null) return { ok: true }
  const expected = checkpoint.ledgerWatermark
  if (expected === newestAttemptAt) return { ok: true }
  const ledgerIsBehind = newestAttemptAt === null || (expected !== null && newestAttemptAt < expected)
  if (!ledgerIsBehind && explainedUpTo !== null && newestAttemptAt <= explainedUpTo) return { ok: true }
  const message = ledgerIsBehind
    ? `the checkpoint knows of attempts up to ${at(expected)}, the ledger only up to ${at(newestAttemptAt)}: rows were lost or restored from an older copy; the pass starts over for what the ledger does not show as done`
    : `the ledger knows of attempts up to ${at(newestAttemptAt)}, the checkpoint only up to ${at(expected)}: the checkpoint is older than the ledger; it now follows the ledger`
  return {
    ok: false,
    message,
    repaired: { ...checkpoint, version: checkpoint.version + 1, cursor: null, ledgerWatermark: newestAttemptAt, updatedAt: now },
  }
}
