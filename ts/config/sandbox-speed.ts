/** The sandbox's world may run faster than the clock on the wall; its quota windows are then that much shorter, and ours with them. */
import { parseDuration } from '../model/time.ts'
import type { Config } from './schema.ts'

/**
 * The config with sliding windows shortened by `speed`, at least 1 ms each. Counters that begin
 * again at a moment of the calendar follow the world's clock by themselves.
 */
export function scaleQuotas(config: Config, speed: number): Config {
  if (!(speed > 0) || speed === 1) return config
  const policies = Object.entries(config.enrichment_refresh).map(([source, policy]) => {
    const quotas = policy.quotas.map((quota) =>
      quota.resets === 'sliding' ? { ...quota, per: `${Math.max(1, Math.ceil(parseDuration(quota.per)! / speed))}ms` } : quota,
    )
    return [source, { ...policy, quotas }] as const
  })
  return { ...config, enrichment_refresh: Object.fromEntries(policies) }
}
