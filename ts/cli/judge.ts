/** The thresholds by which the store counts due and stale rows, from the configuration. */
import { parseDuration } from '../model/time.ts'
import type { Judge } from '../stores/store.ts'
import type { EngineHandle } from './engine.ts'

export function judgeOf({ config, clock }: Pick<EngineHandle, 'config' | 'clock'>, source: string): Judge {
  const policy = config.enrichment_refresh[source]!
  return { now: clock.now(), cadenceMs: parseDuration(policy.cadence)!, slaMs: parseDuration(policy.sla)! }
}
