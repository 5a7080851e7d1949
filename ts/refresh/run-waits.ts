/**
 * Tells whoever listens to a run that it waits: for quota, or because a provider asked for it. Clients live longer than
 * runs, so runs come and go as listeners. Short waits are how quotas work and no news.
 */
import type { SourceId } from '../model/keys.ts'
import { type DurationMs, type EpochMs, formatDuration } from '../model/time.ts'
import type { Clock } from '../runtime/ports.ts'
import type { QuotaAnswer } from '../stores/store.ts'
import type { RunEvent } from './run-events.ts'

/** Waits from here on are told. */
export const TOLD_FROM_MS: DurationMs = 3_000
/** Many requests wait for the same quota, each with its own moment: one that is this near the last one is no news. */
const SAME_WAIT_MS: DurationMs = 1_000

export type WaitTeller = {
  /** Every answer of the store to a request for quota; hands it on. */
  onAnswer(source: SourceId, answer: QuotaAnswer): QuotaAnswer
  /** The provider refuses calls until then. */
  onBlock(source: SourceId, until: EpochMs, reason: string): void
  /** Returns how to stop listening. */
  tellTo(listener: (event: RunEvent) => void): () => void
}

/** `longestMs`: nobody waits longer than this; who would have to is parked, which its report tells. */
export function createWaitTeller(longestMs: DurationMs, clock: Pick<Clock, 'now'>): WaitTeller {
  const listeners = new Set<(event: RunEvent) => void>()
  const told = new Map<SourceId, EpochMs>()

  function tell(source: SourceId, waitMs: DurationMs, why: string): void {
    if (listeners.size === 0 || waitMs < TOLD_FROM_MS || waitMs > longestMs) return
    const until = clock.now() + Math.ceil(waitMs)
    if (until - (told.get(source) ?? 0) < SAME_WAIT_MS) return
    told.set(source, until)
    for (const listener of listeners) listener({ kind: 'waiting', source, until, why })
  }

  return {
    onAnswer(source, answer) {
      if (!answer.granted) {
        const { limit, perMs, unit } = answer.rule
        tell(source, answer.waitMs, `its quota of ${limit}${unit === 'credit' ? ' credits' : ''} per ${formatDuration(perMs)}`)
      }
      return answer
    },
    onBlock: (source, until, reason) => tell(source, until - clock.now(), `the provider, which asked for it (${reason})`),
    tellTo(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
        told.clear()
      }
    },
  }
}
