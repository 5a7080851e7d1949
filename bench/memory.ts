/**
 * Peak memory of a refresh over a large source: the population is made in one process, then another one runs the engine
 * over it with a limit of look-ups. Run at two sizes of the population, the difference is what the population costs.
 *
 *     node scripts/with-node.mjs bench/run.ts memory [--entities 1000000]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { keepHeapSmall } from '../ts/runtime/heap.js'
import { runApart } from './support/child.ts'
import { startLoopback } from './support/loopback.ts'
import { atMost, type ResultRow } from './support/row.ts'
import { openBenchEngine } from './support/source.ts'

type Run = { readonly items: number; readonly seconds: number; readonly peakMb: number; readonly startMb: number }

async function populate(directory: string, entities: number): Promise<void> {
  const bench = await openBenchEngine({
    origin: 'http://127.0.0.1:9',
    offer: { kind: 'lookup' },
    entities,
    parallel: 1,
    populate: directory,
  })
  await bench.close()
}

async function refresh(directory: string, origin: string, limit: number, parallel: number): Promise<Run> {
  const startMb = process.memoryUsage.rss() / 1e6
  const bench = await openBenchEngine({ origin, offer: { kind: 'lookup' }, entities: 0, parallel, directory })
  const since = performance.now()
  const report = await bench.pass({ limit, force: true })
  const seconds = (performance.now() - since) / 1000
  await bench.close()
  return { items: report.sources[0]!.counts.items, seconds, peakMb: process.resourceUsage().maxRSS / 1000, startMb }
}

export async function benchMemory(entities = 1_000_000, limit = 20_000): Promise<readonly ResultRow[]> {
  const rows: ResultRow[] = []
  const file = fileURLToPath(import.meta.url)
  for (const size of [Math.round(entities / 10), entities]) {
    const directory = await mkdtemp(join(tmpdir(), 'enrichment-bench-memory-'))
    const server = await startLoopback()
    try {
      await runApart(file, ['populate', directory, String(size)])
      for (const parallel of [8, 256]) {
        const run = await runApart<Run>(file, ['refresh', directory, server.origin, String(limit), String(parallel)])
        if (run.items !== limit) throw new Error(`asked about ${run.items} entities instead of ${limit}`)
        rows.push({
          what: `peak memory: ${limit.toLocaleString('en')} look-ups, ${parallel} at once, of ${size.toLocaleString('en')} entities`,
          value: run.peakMb,
          unit: 'MB',
          bar: atMost(200),
          note: `${Math.round(run.startMb)} MB at the start, with the engine's modules loaded`,
        })
      }
    } finally {
      await server.close()
      await rm(directory, { recursive: true, force: true })
    }
  }
  return rows
}

if (import.meta.main) {
  const [command, directory, ...rest] = process.argv.slice(2)
  // As the command line does it.
  keepHeapSmall()
  if (command === 'populate') {
    await populate(directory!, Number(rest[0]))
    console.log('null')
  } else console.log(JSON.stringify(await refresh(directory!, rest[0]!, Number(rest[1]), Number(rest[2]))))
}
