/** The thresholds by which the store counts due and stale rows, from the configuration. */
import { parseDuration } from '../model/time.ts'
import { timesOf } from '../source-names.ts'
import type { Judge } from '../stores/store.ts'
import type { EngineHandle } from './engine.ts'

export function judgeOf({ config, clock }: Pick<EngineHandle, 'config' | 'clock'>, source: string): Judge {
  const policy = timesOf(config, source)
  return { now: clock.now(), cadenceMs: parseDuration(policy.cadence)!, slaMs: parseDuration(policy.sla)! }
}
