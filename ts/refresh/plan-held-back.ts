/** What keeps a source from being asked at all now: its breaker, the provider's word, a spent counter. Pure. */
import { type EpochMs, formatDuration, toIso } from '../model/time.ts'
import type { QuotaUse } from '../stores/store.ts'

export type Held = {
  readonly why: string
  /** Null when nobody knows. */
  readonly until: EpochMs | null
}

export type HeldBy = {
  readonly quota: readonly QuotaUse[]
  /** The breaker lets nothing through before this moment. */
  readonly downUntil: EpochMs | null
}

export function heldBack({ quota, downUntil }: HeldBy, now: EpochMs): Held | null {
  if (downUntil !== null && downUntil > now) return { why: `source down, next probe at ${toIso(downUntil)}`, until: downUntil }
  for (const { rule, remaining, blockedUntil, freesAt } of quota) {
    if (blockedUntil !== null && blockedUntil > now)
      return { why: `the provider refuses calls until ${toIso(blockedUntil)}`, until: blockedUntil }
    // Where credits are spent, calls that cost none still go through.
    if (rule.kind === 'counter' && rule.unit !== 'credit' && remaining <= 0) {
      const until = freesAt === null ? 'its reset' : toIso(freesAt)
      return { why: `quota of ${rule.limit} per ${formatDuration(rule.perMs)} spent until ${until}`, until: freesAt }
    }
  }
  return null
}
