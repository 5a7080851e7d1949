/** The store's verdicts on rows are those of `ts/refresh/freshness.ts`, which the export and the reports use. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type LedgerEntry, OUTCOMES, UNRESOLVED_ERROR } from '../../ts/model/ledger.ts'
import { isDue, isStale } from '../../ts/refresh/freshness.ts'
import { judgeRow, rowState } from '../../ts/stores/row-state.ts'
import { company, entry } from '../contract/store-fixtures.ts'

const NOW = 1000
const moment = fc.integer({ min: 0, max: 2000 })
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null })
const rows: fc.Arbitrary<LedgerEntry> = fc
  .record({
    lastAttemptAt: maybe(moment),
    lastSuccessAt: maybe(moment),
    outcome: maybe(fc.constantFrom(...OUTCOMES)),
    nextAttemptAt: maybe(moment),
    pendingSince: maybe(fc.nat(NOW)),
    errorClass: maybe(fc.constantFrom('ambiguous', 'transient', UNRESOLVED_ERROR)),
  })
  // A success is an attempt.
  .map((facts) => entry(company('A'), { ...facts, lastAttemptAt: facts.lastAttemptAt ?? facts.lastSuccessAt }))

describe('judgeRow', () => {
  it('agrees with the freshness of a row', () => {
    fc.assert(
      fc.property(rows, fc.nat(1500), fc.nat(1500), (row, cadenceMs, slaMs) => {
        const verdict = judgeRow(
          { state: rowState(row), lastSuccessAt: row.lastSuccessAt, nextAttemptAt: row.nextAttemptAt },
          { now: NOW, cadenceMs, slaMs },
        )
        expect(verdict.due).toBe(isDue(row, { cadenceMs, slaMs }, NOW))
        expect(verdict.stale).toBe(isStale(row, { cadenceMs, slaMs }, NOW))
        // A row is due or waits for its back-off, and is stale or fresh; never both.
        expect(verdict.due && verdict.backingOff).toBe(false)
        expect(verdict.stale && verdict.fresh).toBe(false)
      }),
    )
  })
})
