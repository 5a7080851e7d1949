/** Random sources for the planner: counts that fit together, policies, quotas, checkpoints, requests. */
import fc from 'fast-check'
import type { Checkpoint } from '../../ts/model/checkpoint.ts'
import { partitionKey } from '../../ts/model/keys.ts'
import type { RefreshRequest } from '../../ts/model/plan.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../ts/model/time.ts'
import type { PlanSource } from '../../ts/refresh/plan.ts'
import { itemCursor } from '../../ts/refresh/resume.ts'
import type { PartitionStats } from '../../ts/stores/store.ts'
import { checkpoint, EVERYTHING, partitionStats } from './builders.ts'
import { type Capability, fakeAdapter, fakeFeed } from './fake-adapter.ts'
import { TEST_EPOCH } from './fake-clock.ts'

const count = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat(300) })

/** Rows of one partition by what they are; the counts that a store would give follow from it. */
const rowOf = (source: string, cohort: string): fc.Arbitrary<PartitionStats> =>
  fc
    .record({
      never: count,
      aged: count,
      overdue: count,
      pending: fc.nat(3),
      failing: fc.nat(3),
      backingOff: fc.nat(3),
      fresh: count,
      unresolved: fc.nat(2),
      age: fc.integer({ min: 1, max: 40 * 24 }),
    })
    .map(({ never, aged, overdue, pending, failing, backingOff, fresh, unresolved, age }) => {
      const succeeded = aged + overdue + fresh
      return partitionStats({
        source,
        cohort,
        population: never + aged + overdue + pending + failing + backingOff + fresh + unresolved,
        due: never + aged + overdue + pending + failing,
        neverAttempted: never,
        stale: overdue + pending + failing,
        backingOff,
        unresolved,
        fresh: aged + fresh,
        pending,
        oldestSuccessAt: succeeded === 0 ? null : TEST_EPOCH - age * HOUR_MS,
        newestAttemptAt: succeeded === 0 ? null : TEST_EPOCH - HOUR_MS,
      })
    })

const capabilities: fc.Arbitrary<readonly Capability[]> = fc.constantFrom<readonly Capability[]>(
  ['lookup'],
  ['batch'],
  ['lookup', 'batch'],
  ['batch', 'feed'],
  ['lookup', 'feed'],
  ['lookup', 'batch', 'feed'],
  ['file'],
  ['feed'],
)

const openPass = (source: string, cohort: string): fc.Arbitrary<Checkpoint | null> =>
  fc.option(
    fc
      .record({
        all: fc.boolean(),
        open: fc.boolean(),
        strategy: fc.constantFrom('batch' as const, 'lookup' as const),
        settled: fc.nat(9),
      })
      .map(({ all, open, strategy, settled }) =>
        checkpoint({
          partition: partitionKey(source, cohort),
          status: open ? 'open' : 'complete',
          strategy,
          cursor: open ? itemCursor(all, settled) : null,
        }),
      ),
    { nil: null, freq: 3 },
  )

export const COHORTS = ['c1', 'c2', 'c3', 'c4'] as const

export function planSource(id: string): fc.Arbitrary<PlanSource> {
  return fc
    .record({
      able: capabilities,
      cohorts: fc.subarray([...COHORTS, 'unresolved']),
      enabled: fc.boolean(),
      batchSize: fc.integer({ min: 1, max: 120 }),
      limit: fc.integer({ min: 1, max: 2_000 }),
      cadenceHours: fc.integer({ min: 1, max: 72 }),
      pages: fc.record({ rowsPerDay: fc.integer({ min: 1, max: 4_000 }), rowsPerPage: fc.integer({ min: 1, max: 100 }) }),
      gate: fc.boolean(),
      windowDays: fc.integer({ min: 1, max: 30 }),
      downFor: fc.option(fc.integer({ min: -5, max: 5 }), { nil: null, freq: 6 }),
      blockedFor: fc.option(fc.integer({ min: -5, max: 5 }), { nil: null, freq: 6 }),
    })
    .chain((parts) =>
      fc.tuple(
        fc.constant(parts),
        fc.tuple(...parts.cohorts.map((cohort) => rowOf(id, cohort))),
        fc.tuple(...parts.cohorts.map((cohort) => openPass(id, cohort))),
      ),
    )
    .map(([parts, rows, passes]) => {
      const { gate: _gate, ...ungated } = fakeFeed
      const feed = { ...(parts.gate ? fakeFeed : ungated), estimate: parts.pages }
      const adapter = fakeAdapter(parts.able, { id, ...(parts.able.includes('feed') ? { feed } : {}) })
      const rule = { quotaPartition: id, kind: 'slots', limit: parts.limit, perMs: MINUTE_MS } as const
      return {
        adapter,
        options: {},
        policy: {
          enabled: parts.enabled,
          cadenceMs: parts.cadenceHours * HOUR_MS,
          slaMs: 2 * parts.cadenceHours * HOUR_MS,
          windowMs: parts.windowDays * DAY_MS,
          batchSize: parts.batchSize,
          rules: [rule],
        },
        stats: rows.map((row) =>
          row.cohort === 'unresolved'
            ? partitionStats({ source: id, cohort: 'unresolved', population: row.population, unresolved: row.population })
            : row,
        ),
        checkpoints: passes.filter((pass) => pass !== null),
        quota: [
          {
            rule,
            used: 0,
            remaining: parts.limit,
            freesAt: null,
            blockedUntil: parts.blockedFor === null ? null : TEST_EPOCH + parts.blockedFor * HOUR_MS,
          },
        ],
        downUntil: parts.downFor === null ? null : TEST_EPOCH + parts.downFor * HOUR_MS,
        feedFact: null,
      }
    })
}

export const SOURCE_IDS = ['s1', 's2', 's3'] as const
export const planSources: fc.Arbitrary<readonly PlanSource[]> = fc
  .tuple(...SOURCE_IDS.map(planSource))
  .chain((all) => fc.subarray(all))

export const refreshRequest: fc.Arbitrary<RefreshRequest> = fc.oneof(
  fc.constant(EVERYTHING),
  fc
    .record({
      sources: fc.subarray([...SOURCE_IDS]),
      cohorts: fc.subarray([...COHORTS, 'change_feed', 'bulk_file']),
      partitions: fc.subarray(
        [...SOURCE_IDS.flatMap((id) => [...COHORTS, 'change_feed'].map((cohort) => partitionKey(id, cohort)))],
        { maxLength: 3 },
      ),
      window: fc.option(fc.constant({ from: TEST_EPOCH - 3 * DAY_MS, to: TEST_EPOCH }), { nil: null, freq: 3 }),
      force: fc.boolean(),
      maxCalls: fc.option(fc.integer({ min: 0, max: 200 }), { nil: null }),
    })
    .map((request) => ({ ...EVERYTHING, ...request })),
)
