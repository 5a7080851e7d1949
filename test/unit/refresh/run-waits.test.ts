import { describe, expect, it } from 'vitest'
import { MINUTE_MS } from '../../../ts/model/time.ts'
import type { RunEvent } from '../../../ts/refresh/run-events.ts'
import { createWaitTeller } from '../../../ts/refresh/run-waits.ts'
import type { QuotaAnswer } from '../../../ts/stores/store.ts'
import { slotRule } from '../../support/builders.ts'

const NOW = Date.UTC(2026, 10, 21, 12)
const refused = (waitMs: number): QuotaAnswer => ({ granted: false, waitMs, rule: slotRule(10) })

function world(longestMs = 15 * MINUTE_MS) {
  let now = NOW
  const teller = createWaitTeller(longestMs, { now: () => now })
  const told: RunEvent[] = []
  const stop = teller.tellTo((event) => told.push(event))
  return {
    teller,
    told,
    stop,
    pass(ms: number) {
      now += ms
    },
  }
}

describe('waits of a run', () => {
  it('are told with source, moment and reason, once for all who wait for the same', () => {
    const { teller, told, pass } = world()
    const answer = refused(5_000)
    expect(teller.onAnswer('sam_gov', answer)).toBe(answer)
    teller.onAnswer('sam_gov', refused(5_400))
    expect(told).toEqual([{ kind: 'waiting', source: 'sam_gov', until: NOW + 5_000, why: 'its quota of 10 per 1m' }])
    pass(6_000)
    teller.onAnswer('sam_gov', refused(4_000))
    teller.onAnswer('usaspending', refused(9_000))
    expect(told).toHaveLength(3)
  })

  it('are no news when they are short, granted, or longer than anybody waits', () => {
    const { teller, told } = world(MINUTE_MS)
    teller.onAnswer('a', refused(2_999))
    teller.onAnswer('a', refused(MINUTE_MS + 1))
    teller.onBlock('a', NOW + 1_000, 'HTTP 429')
    teller.onBlock('a', NOW - 1_000, 'HTTP 429')
    expect(told).toEqual([])
    teller.onBlock('a', NOW + 30_000, 'HTTP 429')
    expect(told).toEqual([
      { kind: 'waiting', source: 'a', until: NOW + 30_000, why: 'the provider, which asked for it (HTTP 429)' },
    ])
  })

  it('are told to nobody after the run', () => {
    const { teller, told, stop } = world()
    stop()
    teller.onBlock('a', NOW + 30_000, 'HTTP 429')
    expect(told).toEqual([])
  })
})
