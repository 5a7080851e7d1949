/** What waits at a source although it may be due: passes that failed and back off, and whole sources that are not asked now. */
import { type PartitionKey, partitionKey, type SourceId } from '../model/keys.ts'
import { type EpochMs, toIso, toIsoOrNull } from '../model/time.ts'
import { backoffReason, passBackoffs } from '../refresh/pass-backoff.ts'
import { heldBack } from '../refresh/plan-held-back.ts'
import type { EngineHandle } from './engine.ts'
import { plainText } from './format.ts'

export type Waiting = {
  readonly source: SourceId
  /** Null when it is the whole source that waits. */
  readonly partition: PartitionKey | null
  readonly reason: string
  readonly until: EpochMs | null
}

/** Entities that back off are not listed: their number is counted with their source and cohort. */
export async function waitingWork(engine: EngineHandle, sources: readonly SourceId[]): Promise<readonly Waiting[]> {
  const { store, clock } = engine
  const now = clock.now()
  const waiting: Waiting[] = []
  for (const { adapter, policy, downUntil } of engine.sources) {
    const source = adapter.id
    if (!sources.includes(source)) continue
    const quota = await store.quotaUse(policy.rules, clock.monotonic(), now)
    const held = heldBack({ quota, downUntil: await downUntil() }, now)
    if (held !== null) waiting.push({ source, partition: null, reason: held.why, until: held.until })
    for (const [cohort, backoff] of await passBackoffs(store, source, now)) {
      const partition = partitionKey(source, cohort)
      waiting.push({ source, partition, reason: backoffReason(backoff), until: backoff.nextAttemptAt })
    }
  }
  return waiting
}

export function waitingDocument({ source, partition, reason, until }: Waiting) {
  return { source, partition, reason, until: toIsoOrNull(until) }
}

export function waitingText(waiting: readonly Waiting[]): string {
  return waiting
    .map(({ source, partition, reason, until }) => {
      const moment = until === null || reason.includes(toIso(until)) ? '' : `, until ${toIso(until)}`
      return `${partition ?? source} waits: ${plainText(reason)}${moment}${partition === null ? '' : ' (refresh --force tries it now)'}\n`
    })
    .join('')
}
