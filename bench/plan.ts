/**
 * The whole plan (`makePlan`: membership, counts, checkpoints, quotas, the pure planner) over a ledger of a million rows: ten
 * sources that offer batches, over 100,000 entities, in cohorts of 500. In a process of its own, so that memory is the plan's.
 *
 *     node scripts/with-node.mjs bench/run.ts plan [--rows 1000000]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SourceAdapter } from '../ts/adapters/adapter.ts'
import { NO_COUNTS } from '../ts/model/checkpoint.ts'
import { partitionKey } from '../ts/model/keys.ts'
import type { LedgerEntry } from '../ts/model/ledger.ts'
import { DAY_MS } from '../ts/model/time.ts'
import { assignCohorts, makePlan } from '../ts/refresh/run.ts'
import type { RunSource } from '../ts/refresh/run-partition.ts'
import { systemClock } from '../ts/runtime/system.ts'
import { openSqliteStore } from '../ts/stores/sqlite/open.ts'
import { runApart } from './support/child.ts'
import { atMost, median, quantile, type ResultRow } from './support/row.ts'
import { benchAdapter, benchEntity, EVERYTHING } from './support/source.ts'

const SOURCES = 10
const COHORT_SIZE = 500

const sources: readonly RunSource[] = Array.from({ length: SOURCES }, (_, at) => {
  const adapter: SourceAdapter = { ...benchAdapter({ kind: 'batch', size: 100 }), id: `bench_${at}` }
  return {
    adapter,
    client: { call: () => Promise.reject(new Error('a plan makes no call')) },
    options: {},
    policy: {
      enabled: true,
      cadenceMs: 3 * DAY_MS,
      slaMs: 4 * DAY_MS,
      windowMs: 3 * DAY_MS,
      batchSize: 100,
      rules: [{ quotaPartition: adapter.id, kind: 'slots', limit: 60, perMs: 60_000 }],
      maxParallelRequests: 8,
      cohortSize: COHORT_SIZE,
      coverageThreshold: 0.9,
    },
    followUps: [],
    downUntil: async () => null,
  }
})

async function fill(path: string, entities: number): Promise<void> {
  const store = await openSqliteStore({ path, busyTimeoutMs: 5000 })
  const clock = systemClock()
  const now = clock.now()
  for (let from = 0; from < entities; from += 2000) {
    const size = Math.min(2000, entities - from)
    await store.upsertEntities(
      Array.from({ length: size }, (_, offset) => benchEntity(from + offset)),
      'bench',
      now,
    )
  }
  await assignCohorts({ store, clock }, sources)
  const judge = { now, cadenceMs: DAY_MS, slaMs: DAY_MS }
  for (const { adapter } of sources) {
    for (const { cohort } of await store.partitionStats(adapter.id, judge)) {
      const partition = partitionKey(adapter.id, cohort)
      const lease = await store.acquireLease(partition, 'bench', 60_000, clock.monotonic())
      const ledger: LedgerEntry[] = []
      // Successes spread over a week: more than half are due, less than half stale.
      for await (const { entry } of store.workItems(
        { source: adapter.id, cohort, select: 'all', notAttemptedSince: null, limit: null },
        judge,
      )) {
        const at = now - ((ledger.length * 2_654_435_761) % (7 * DAY_MS))
        ledger.push({
          ...entry,
          lastAttemptAt: at,
          lastSuccessAt: at,
          outcome: 'unchanged' as const,
          attempts: 1,
          runId: 'run_0',
        })
      }
      await store.commit({
        lease: lease!,
        runId: 'run_0',
        checkpoint: {
          partition,
          version: 1,
          status: 'complete',
          strategy: 'batch',
          passStartedAt: now,
          window: null,
          cursor: null,
          counts: NO_COUNTS,
          updatedAt: now,
          finishedAt: now,
          durationMs: 1,
          runId: 'run_0',
          ledgerWatermark: now,
        },
        ledger,
        records: [],
        events: [],
        identities: [],
        pending: [],
      })
      await store.releaseLease(lease!)
    }
  }
  await store.close()
}

type Planned = { readonly times: readonly number[]; readonly partitions: number; readonly due: number; readonly peakMb: number }

async function plan(path: string): Promise<Planned> {
  const store = await openSqliteStore({ path, busyTimeoutMs: 5000, readOnly: true })
  const times: number[] = []
  let last = { partitions: 0, due: 0 }
  for (let run = 0; run < 9; run++) {
    const since = performance.now()
    const made = await makePlan({ store, clock: systemClock(), sources }, EVERYTHING, false)
    times.push(performance.now() - since)
    last = { partitions: made.partitions.length, due: made.sources.reduce((sum, source) => sum + source.due, 0) }
  }
  await store.close()
  return { ...last, times, peakMb: process.resourceUsage().maxRSS / 1000 }
}

export async function benchPlan(rows = 1_000_000): Promise<readonly ResultRow[]> {
  const file = fileURLToPath(import.meta.url)
  const result: ResultRow[] = []
  for (const size of [rows / 4, rows]) {
    const directory = await mkdtemp(join(tmpdir(), 'enrichment-bench-plan-'))
    const path = join(directory, 'state.sqlite')
    try {
      await runApart(file, ['fill', path, String(Math.round(size / SOURCES))])
      const { times, partitions, due, peakMb } = await runApart<Planned>(file, ['plan', path])
      if (due === 0 || partitions === 0) throw new Error('nothing was due')
      result.push(
        {
          what: `plan over ${size.toLocaleString('en')} ledger rows (${partitions.toLocaleString('en')} partitions with work)`,
          value: median(times),
          best: Math.min(...times),
          worst: quantile(times, 0.95),
          unit: 'ms',
          bar: atMost(2000),
          note: 'worst: p95',
        },
        { what: `peak memory of that process`, value: peakMb, unit: 'MB', bar: atMost(300) },
      )
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }
  return result
}

if (import.meta.main) {
  const [command, path, entities] = process.argv.slice(2)
  if (command === 'fill') {
    await fill(path!, Number(entities))
    console.log('null')
  } else console.log(JSON.stringify(await plan(path!)))
}
