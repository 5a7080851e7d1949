import { describe, expect, it } from 'vitest'
import { scaleQuotas } from '../../../ts/config/sandbox-speed.ts'
import { type Config, configSchema } from '../../../ts/config/schema.ts'

function config(clock: object, per: string): Config {
  return configSchema.parse({
    enrichment: { a: { adapter: 'a', base_url: 'http://127.0.0.1:1/a' } },
    enrichment_refresh: {
      a: {
        enabled: true,
        cadence: '1d',
        sla: '2d',
        max_parallel_requests: 1,
        quotas: [
          { limit: 60, per },
          { limit: 1000, per: '1d', resets: 'utc_day' },
        ],
      },
    },
    clock,
  })
}
const SANDBOX = { source: 'sandbox', sandbox_url: 'http://127.0.0.1:1', scale_quotas: true }
const windows = (scaled: Config): readonly string[] => scaled.enrichment_refresh['a']!.quotas.map(({ per }) => per)

describe('quotas in a world that runs faster', () => {
  it('shorten sliding windows, never below a millisecond, and leave those of the calendar', () => {
    expect(windows(scaleQuotas(config(SANDBOX, '60s'), 10))).toEqual(['6000ms', '1d'])
    expect(windows(scaleQuotas(config(SANDBOX, '100ms'), 1000))).toEqual(['1ms', '1d'])
    // Rounded up: never more than the sandbox allows.
    expect(windows(scaleQuotas(config(SANDBOX, '1s'), 3))).toEqual(['334ms', '1d'])
  })

  it('stay as they are at the speed of the wall clock', () => {
    expect(windows(scaleQuotas(config(SANDBOX, '60s'), 1))).toEqual(['60s', '1d'])
    expect(windows(scaleQuotas(config(SANDBOX, '60s'), 0))).toEqual(['60s', '1d'])
  })
})
