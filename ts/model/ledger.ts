import type { EntityRef, SourceId } from './keys.ts'
import type { Validators } from './response.ts'
import type { EpochMs } from './time.ts'

/**
 * What an attempt came to. `changed` is the requirement's `delta_detected`; `not_modified` is a 304;
 * `absent`: the provider answered that it does not have the entity; `skipped`: not asked, with the reason in `error`.
 */
export const OUTCOMES = ['changed', 'unchanged', 'not_modified', 'absent', 'failed', 'skipped'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** Outcomes after which the engine knows what the provider says now. They move `lastSuccessAt`. */
export const SUCCESS_OUTCOMES: ReadonlySet<Outcome> = new Set(['changed', 'unchanged', 'not_modified', 'absent'])

/** `errorClass` of a row that was asked about once and cannot be any more, e.g. because its identity was taken back. Never due. */
export const UNRESOLVED_ERROR = 'unresolved'

/** Facts about one (entity, source) pair. Due and stale are derived from it, never stored. */
export type LedgerEntry = {
  readonly source: SourceId
  readonly entity: EntityRef
  readonly cohort: string
  readonly lastAttemptAt: EpochMs | null
  readonly lastSuccessAt: EpochMs | null
  readonly outcome: Outcome | null
  /** HTTP status of the answer that decided the outcome; null when none was received. */
  readonly responseStatus: number | null
  readonly payloadHash: string | null
  readonly normalizerVersion: number | null
  readonly validators: Validators
  /** All attempts ever; a change of it marks that the row was worked on. */
  readonly attempts: number
  readonly consecutiveFailures: number
  /** Back-off: not before this moment, whatever the due time says. */
  readonly nextAttemptAt: EpochMs | null
  readonly errorClass: string | null
  readonly error: string | null
  readonly runId: string | null
  /** Since when a status-change entry is open for the pair; it makes the entity due at once, and stale until a success. */
  readonly pendingSince: EpochMs | null
}
