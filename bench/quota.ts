/**
 * How much of a published quota is used while work waits, and that it is never exceeded: the server counts arrivals over
 * sliding windows. Scaled to 60 calls per 6 s; `--long` measures the true 60 per 60 s.
 *
 *     node scripts/with-node.mjs bench/run.ts quota [--long]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runApart } from './support/child.ts'
import { startLoopback } from './support/loopback.ts'
import { atLeast, atMost, type ResultRow } from './support/row.ts'
import { EVERYTHING, openBenchEngine } from './support/source.ts'

const LIMIT = 60
const WINDOWS = 4
/** What a provider's answer takes; a slot is free again a window after it. */
const LATENCY_MS = 50

const engineOptions = (origin: string, perMs: number) =>
  ({
    origin,
    offer: { kind: 'lookup', path: '/v1/limited' },
    entities: 2000,
    parallel: 8,
    cohortSize: 100,
    quotas: [{ limit: LIMIT, per: `${perMs}ms` }],
  }) as const

async function work(directory: string, origin: string, perMs: number): Promise<void> {
  const bench = await openBenchEngine({ ...engineOptions(origin, perMs), directory })
  const signal = AbortSignal.timeout((WINDOWS + 0.5) * perMs)
  await bench.engine.refresh(EVERYTHING, { dryRun: false, signal })
  await bench.close()
}

/** Most arrivals in any window of `perMs`. */
function most(arrivals: readonly number[], perMs: number): number {
  let highest = 0
  for (let last = 0, first = 0; last < arrivals.length; last++) {
    while (arrivals[last]! - arrivals[first]! >= perMs) first++
    highest = Math.max(highest, last - first + 1)
  }
  return highest
}

/** Whole windows' worth of calls against the time until the first call of the next: drift from window to window counts. */
function share(arrivals: readonly number[], perMs: number): number {
  const windows = Math.floor((arrivals.length - 1) / LIMIT)
  if (windows < WINDOWS - 1) throw new Error(`only ${arrivals.length} calls arrived`)
  return (windows * perMs) / (arrivals[windows * LIMIT]! - arrivals[0]!)
}

export async function benchQuota(long = false): Promise<readonly ResultRow[]> {
  const perMs = long ? 60_000 : 6_000
  const file = fileURLToPath(import.meta.url)
  const rows: ResultRow[] = []
  for (const processes of [1, 2]) {
    const directory = await mkdtemp(join(tmpdir(), 'enrichment-bench-quota-'))
    const server = await startLoopback()
    try {
      const filled = await openBenchEngine({ ...engineOptions(server.origin, perMs), populate: directory })
      await filled.close()
      await server.setQuota(LIMIT, perMs)
      await server.setLatency(LATENCY_MS)
      await Promise.all(
        Array.from({ length: processes }, () => runApart(file, ['work', directory, server.origin, String(perMs)])),
      )
      const { arrivals, refused } = await server.counters()
      const used = share(arrivals, perMs)
      const name = `${LIMIT} per ${perMs / 1000} s, ${processes} process${processes === 1 ? '' : 'es'}, answers take ${LATENCY_MS} ms`
      rows.push(
        { what: `quota used while work waits: ${name}`, value: used * 100, unit: '%', bar: atLeast(98) },
        {
          what: `most arrivals in any window: ${name}`,
          value: most(arrivals, perMs),
          unit: 'calls',
          bar: atMost(LIMIT),
          note: `${refused} answers 429`,
        },
      )
    } finally {
      await server.close()
      await rm(directory, { recursive: true, force: true })
    }
  }
  return rows
}

if (import.meta.main) {
  const [, directory, origin, perMs] = process.argv.slice(2)
  await work(directory!, origin!, Number(perMs))
  console.log('null')
}
