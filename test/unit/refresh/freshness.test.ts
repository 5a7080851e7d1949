import { describe, expect, test } from 'vitest'
import type { LedgerEntry } from '../../../ts/model/ledger.ts'
import { DAY_MS, HOUR_MS } from '../../../ts/model/time.ts'
import { dueAt, failureBackoff, isDue, isFresh, isStale } from '../../../ts/refresh/freshness.ts'
import { ledgerEntry } from '../../support/builders.ts'
import { TEST_EPOCH } from '../../support/fake-clock.ts'

const NOW = TEST_EPOCH
const POLICY = { cadenceMs: DAY_MS, slaMs: 2 * DAY_MS }

function verdict(entry: Partial<LedgerEntry>): { due: boolean; stale: boolean; fresh: boolean } {
  const row = ledgerEntry(entry)
  return { due: isDue(row, POLICY, NOW), stale: isStale(row, POLICY, NOW), fresh: isFresh(row, POLICY, NOW) }
}

const success = (age: number): Partial<LedgerEntry> => ({
  outcome: 'unchanged',
  lastAttemptAt: NOW - age,
  lastSuccessAt: NOW - age,
})

describe('due, stale and fresh', () => {
  test.each<[string, Partial<LedgerEntry>, { due: boolean; stale: boolean; fresh: boolean }]>([
    ['never attempted: due, but nothing was promised yet', {}, { due: true, stale: false, fresh: false }],
    ['a success one ms inside the cadence', success(DAY_MS - 1), { due: false, stale: false, fresh: true }],
    ['a success exactly as old as the cadence', success(DAY_MS), { due: true, stale: false, fresh: true }],
    ['a success exactly as old as the SLA', success(2 * DAY_MS), { due: true, stale: false, fresh: true }],
    ['a success one ms past the SLA', success(2 * DAY_MS + 1), { due: true, stale: true, fresh: false }],
    ['a success in the future (the clock was set back)', success(-HOUR_MS), { due: false, stale: false, fresh: true }],
    [
      'attempted and never succeeded, back-off over',
      { outcome: 'failed', lastAttemptAt: NOW - HOUR_MS, nextAttemptAt: NOW },
      { due: true, stale: true, fresh: false },
    ],
    [
      'attempted and never succeeded, backing off',
      { outcome: 'failed', lastAttemptAt: NOW - HOUR_MS, nextAttemptAt: NOW + 1 },
      { due: false, stale: true, fresh: false },
    ],
    [
      'failing within the SLA: the last success still counts',
      { ...success(HOUR_MS), outcome: 'failed', nextAttemptAt: NOW + 1 },
      { due: false, stale: false, fresh: true },
    ],
    [
      'a pending change makes a fresh row due and stale at once',
      { ...success(HOUR_MS), pendingSince: NOW },
      { due: true, stale: true, fresh: false },
    ],
    [
      'a pending change does not cut a back-off short',
      { ...success(HOUR_MS), outcome: 'failed', pendingSince: NOW - 1, nextAttemptAt: NOW + 1 },
      { due: false, stale: true, fresh: false },
    ],
    [
      'skipped without an attempt: the source cannot be asked',
      { outcome: 'skipped', error: 'no UEI' },
      { due: false, stale: false, fresh: false },
    ],
    [
      'skipped by an answer: due again when its time comes, never stale',
      { outcome: 'skipped', lastAttemptAt: NOW - DAY_MS, nextAttemptAt: NOW },
      { due: true, stale: false, fresh: false },
    ],
    [
      'skipped by an answer after successes: not fresh either, it does not count',
      { ...success(HOUR_MS), outcome: 'skipped', nextAttemptAt: NOW + 1 },
      { due: false, stale: false, fresh: false },
    ],
    ['absent is knowledge like any other', { ...success(HOUR_MS), outcome: 'absent' }, { due: false, stale: false, fresh: true }],
  ])('%s', (_name, entry, expected) => {
    expect(verdict(entry)).toEqual(expected)
  })

  test('dueAt is the moment at which isDue turns', () => {
    for (const entry of [
      success(HOUR_MS),
      { ...success(HOUR_MS), nextAttemptAt: NOW + 3 * DAY_MS },
      { ...success(HOUR_MS), pendingSince: NOW - 5 },
    ]) {
      const row = ledgerEntry(entry)
      const at = dueAt(row, POLICY)!
      expect([isDue(row, POLICY, at - 1), isDue(row, POLICY, at)]).toEqual([false, true])
    }
    expect(dueAt(ledgerEntry({ outcome: 'skipped' }), POLICY)).toBeNull()
  })
})

test('back-off grows with failures in a row and stays at its last step', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 1_000].map(failureBackoff)).toEqual([
    0, 60_000, 300_000, 1_800_000, 7_200_000, 43_200_000, 43_200_000, 43_200_000,
  ])
})
