/**
 * The quota over everything at once: processes x kills x stalls x steps of the wall clock, judged by the provider's log. The test
 * run takes a diagonal through it; `CHAOS_FULL=1` (or CHAOS_ROUNDS above 1) all of it.
 */
import { afterAll, describe, expect, it } from 'vitest'
import { arrivalsAt } from './support/arrivals.ts'
import { createGate, reapAll } from './support/child.ts'
import { admin } from './support/home.ts'
import {
  type Asked,
  askedAt,
  askedUndisturbed,
  type Cell,
  disturb,
  expectFewRepeats,
  expectRecordedOnce,
  expectWithinQuota,
  openCell,
  report,
} from './support/quota-cells.ts'
import { chaosSeed, ROUNDS, rngOf } from './support/seed.ts'
import type { WallStep } from './worker.ts'

afterAll(reapAll)

const HOUR_MS = 3_600_000
const PROCESSES = [1, 2, 4] as const
const KILLS = [0, 5] as const
const STALLS = [0, 3] as const
/** Beyond any window, and below the cadence of six days: what was answered is not due again. */
const CLOCKS = {
  'steady clock': [],
  'clock set ahead': [36 * HOUR_MS],
  'clock set back': [-36 * HOUR_MS],
  'clock to and fro': [2 * HOUR_MS, -7 * HOUR_MS, 30_000, -1_500],
} as const
type ClockName = keyof typeof CLOCKS

type MatrixCell = {
  readonly processes: number
  readonly kills: number
  readonly stalls: number
  readonly clock: ClockName
  readonly index: number
  readonly round: number
}

const IS_FULL = ROUNDS > 1 || process.env['CHAOS_FULL'] === '1'
/** The hardest combination, and each value of each dimension at least once. */
const DIAGONAL = new Set([
  '1 0 3 clock to and fro',
  '1 5 0 clock set ahead',
  '2 0 0 clock set back',
  '2 5 3 steady clock',
  '4 0 3 clock set ahead',
  '4 5 0 clock to and fro',
  '4 5 3 clock set back',
])

const matrix: MatrixCell[] = Array.from({ length: ROUNDS }, (_, round) =>
  PROCESSES.flatMap((processes) =>
    KILLS.flatMap((kills) =>
      STALLS.flatMap((stalls) =>
        (Object.keys(CLOCKS) as ClockName[]).map((clock) => ({ processes, kills, stalls, clock, round })),
      ),
    ),
  ),
)
  .flat()
  .map((cell, index) => ({ ...cell, index }))
const cells = IS_FULL
  ? matrix
  : matrix.filter(({ processes, kills, stalls, clock }) => DIAGONAL.has([processes, kills, stalls, clock].join(' ')))

const seed = chaosSeed('quota matrix')
const gate = createGate(3)
const COMMON = { source: 'sam_gov', quota: { limit: 15, perMs: 2_000 }, world: { companies: 180, awards: 200 } } as const

/** Steps begin three seconds in, when processes work, and follow each other faster than a window passes. */
function stepsOf(clock: ClockName, startMs: number): readonly WallStep[] {
  return CLOCKS[clock].map((byMs, index) => ({ atMonotonicMs: startMs + 3_000 + 1_700 * index, byMs }))
}

let calm: Promise<Asked> | null = null

describe('processes x kills x stalls x clock steps', () => {
  it('has at least 36 cells, of which the test run takes some of each kind', () => {
    expect(matrix.length / ROUNDS).toBeGreaterThanOrEqual(36)
    expect(cells.length).toBe(IS_FULL ? matrix.length : DIAGONAL.size)
  })

  it.concurrent.each(cells)(
    '$processes processes, $kills kills, $stalls stalls, $clock: never more than the quota, all recorded once (round $round)',
    (cell) =>
      gate(async () => {
        const of: Cell = { ...COMMON, processes: cell.processes }
        calm ??= askedUndisturbed(of)
        const { home, config } = await openCell(of)
        try {
          await admin(home, 'faults', { source: of.source, kind: 'latency', ms: 60 })
          await admin(home, 'faults', { source: of.source, kind: 'latency', ms: 300, rate: 0.15 })
          const rng = rngOf(seed + cell.index)
          const steps = stepsOf(cell.clock, Number(process.hrtime.bigint()) / 1e6)
          const done = await disturb(config, of, rng, cell, steps)
          await expectWithinQuota(home, of)
          const entities = await expectRecordedOnce(config, of.source)
          const seen = arrivalsAt(home, of.source, of.quota)
          const repeats = expectFewRepeats(askedAt(home, of.source), await calm, of, done)
          report(
            `matrix: ${cell.processes} processes, ${done.kills} kills, ${done.stalls} stalls, ${cell.clock}: ${seen.count} calls for ${entities} entities, ` +
              `at most ${seen.maxInWindow} of ${of.quota.limit} in a window, used ${(seen.utilisation * 100).toFixed(1)} %, ${repeats}`,
          )
        } finally {
          await home.close()
        }
      }),
  )
})
