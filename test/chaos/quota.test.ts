/**
 * One source, one quota, one to four processes: what arrives at the provider. Undisturbed, at least 98 % of the quota is used
 * while work waits; killed, stopped and started at random, never more than the quota arrives in any window, what was
 * answered is recorded once, and no more is asked again than was in flight.
 */
import { afterAll, describe, expect, it } from 'vitest'
import { arrivalsAt } from './support/arrivals.ts'
import { createGate, reapAll } from './support/child.ts'
import { admin } from './support/home.ts'
import {
  askedAt,
  askedUndisturbed,
  type Cell,
  disturb,
  expectFewRepeats,
  expectRecordedOnce,
  expectWithinQuota,
  openCell,
  report,
  startWorker,
} from './support/quota-cells.ts'
import { chaosSeed, ROUNDS, rngOf } from './support/seed.ts'

afterAll(reapAll)

const LATENCY_MS = 20

/** Runs the cell to its end; quota, ledger and use of the quota are as they ought to be. `windows`: that many must have been full. */
async function expectUsed(cell: Cell, windows: number): Promise<void> {
  const { home, config } = await openCell(cell)
  try {
    await admin(home, 'faults', { source: cell.source, kind: 'latency', ms: LATENCY_MS })
    const workers = Array.from({ length: cell.processes }, () => startWorker(config, cell.source))
    for (const worker of workers) {
      const ended = await worker.ended
      expect(ended.code, ended.stderr.slice(-2000) + ended.stdout.slice(-2000)).toBe(0)
    }
    await expectWithinQuota(home, cell)
    const seen = arrivalsAt(home, cell.source, cell.quota)
    const entities = await expectRecordedOnce(config, cell.source)
    report(
      `${cell.source}, ${cell.processes} processes, ${cell.quota.limit} per ${cell.quota.perMs} ms, latency ${LATENCY_MS} ms: ` +
        `${seen.count} calls for ${entities} entities, at most ${seen.maxInWindow} in a window, utilisation ${(seen.utilisation * 100).toFixed(2)} %`,
    )
    expect(seen.count).toBeGreaterThanOrEqual(windows * cell.quota.limit)
    expect(seen.utilisation).toBeGreaterThanOrEqual(0.98)
  } finally {
    await home.close()
  }
}

describe('undisturbed, while work waits', () => {
  const sam = { source: 'sam_gov', quota: { limit: 60, perMs: 10_000 }, world: { companies: 360, awards: 400 } } as const
  const cells: Cell[] = [
    { ...sam, processes: 1 },
    { ...sam, processes: 2 },
    { ...sam, processes: 4 },
    { source: 'usaspending', processes: 2, quota: { limit: 60, perMs: 10_000 }, world: { companies: 80, awards: 240 } },
  ]

  it.concurrent.each(cells)('$processes processes use at least 98 % of the quota of $source, and no more than it', (cell) =>
    expectUsed(cell, 3),
  )
})

// Side by side: the one mostly waits while the others work.
describe.concurrent('at length, and under chaos', () => {
  const published = { limit: 60, perMs: 60_000 }
  // Four windows in soaks; two and a bit, so two minutes, otherwise.
  const world = ROUNDS > 1 ? { companies: 360, awards: 400 } : { companies: 210, awards: 230 }

  it('2 processes use at least 98 % of the published quota of 60 per 60 s, and no more than it', () =>
    expectUsed({ source: 'sam_gov', processes: 2, quota: published, world }, 2))

  describe('killed, stopped and started at random', () => {
    const seed = chaosSeed('quota under chaos')
    // Two at once: more processes than processors would only test the scheduler.
    const gate = createGate(2)
    const quota = { limit: 25, perMs: 2_500 }
    const sam = { source: 'sam_gov', quota, world: { companies: 330, awards: 360 } } as const
    const usaspending = { source: 'usaspending', quota, world: { companies: 60, awards: 160 } } as const
    type ChaosCell = Cell & { readonly kills: number; readonly stalls: number }
    const cells: ChaosCell[] = [
      { ...sam, processes: 1, kills: 6, stalls: 0 },
      { ...sam, processes: 2, kills: 10, stalls: 0 },
      { ...sam, processes: 4, kills: 10, stalls: 5 },
      // Batches: several pages each where a company has several registrations.
      { ...sam, quota: { limit: 5, perMs: 2_500 }, processes: 2, kills: 8, stalls: 0, batchSize: 10 },
      // Awards are looked for in one group of types after another.
      { ...usaspending, processes: 2, kills: 12, stalls: 0 },
      { ...usaspending, processes: 4, kills: 10, stalls: 5 },
      { ...usaspending, quota: { limit: 10, perMs: 2_500 }, processes: 2, kills: 8, stalls: 0, batchSize: 4 },
    ]
    const rounds = Array.from({ length: ROUNDS }, (_, round) => cells.map((cell, index) => ({ ...cell, round, index }))).flat()

    it.each(rounds)('$processes processes on $source, $kills kills, $stalls stalls (round $round)', (cell) =>
      gate(async () => {
        const rng = rngOf(seed + cell.round * 1009 + cell.index)
        const { home, config } = await openCell(cell)
        try {
          // Long enough that kills meet requests under way, short enough that none times out by itself.
          await admin(home, 'faults', { source: cell.source, kind: 'latency', ms: 60 })
          await admin(home, 'faults', { source: cell.source, kind: 'latency', ms: 300, rate: 0.15 })
          const done = await disturb(config, cell, rng, cell)
          await expectWithinQuota(home, cell)
          const entities = await expectRecordedOnce(config, cell.source)
          const { maxInWindow } = arrivalsAt(home, cell.source, cell.quota)
          const seen = askedAt(home, cell.source)
          const repeats = expectFewRepeats(seen, await askedUndisturbed(cell), cell, done)
          report(
            `${cell.source}, ${cell.processes} processes, ${cell.batchSize ?? 1} a call: ${done.kills} kills, ${done.stalls} stalls, ` +
              `${done.starts} starts; ${seen.count} calls for ${entities} entities, at most ${maxInWindow} of ${cell.quota.limit} in a window, ${repeats}`,
          )
        } finally {
          await home.close()
        }
      }),
    )
  })
})
