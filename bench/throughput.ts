/**
 * Durable look-ups and list rows a second: the real engine (`openEngine`, SQLite state with fsync, the whole HTTP pipeline)
 * against a lean server in another process, no quota. In the same run the limit: undici's `request` and JSON.parse in a
 * loop, and the same with the canonical hash.
 *
 *     node scripts/with-node.mjs bench/run.ts lookups lists [--items 50000] [--rounds 3]
 */
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import type { JsonObject } from '../ts/model/json.ts'
import { payloadHash } from '../ts/refresh/canonical.ts'
import { keepHeapSmall } from '../ts/runtime/heap.js'
import { runApart } from './support/child.ts'
import { startLoopback } from './support/loopback.ts'
import { itemId } from './support/payload.ts'
import { atLeast, median, type ResultRow } from './support/row.ts'
import { benchAdapter, type Offer, openBenchEngine } from './support/source.ts'

/** One timed pass: how much, how long, at what CPU cost of this process. */
type Pass = { readonly what: string; readonly perSecond: number; readonly cpuUs: number }

type PassKind = 'created' | 'unchanged' | 'changed'

async function timedPass(what: string, work: () => Promise<number>): Promise<Pass> {
  const cpu = process.cpuUsage()
  const since = performance.now()
  const items = await work()
  const seconds = (performance.now() - since) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { what, perSecond: items / seconds, cpuUs: (user + system) / items }
}

async function bareLoop(origin: string, items: number, parallel: number, one: (value: JsonObject) => void): Promise<number> {
  const pool = new Pool(origin, { connections: parallel, pipelining: 1, allowH2: false })
  let next = 0
  const loop = async (): Promise<void> => {
    while (next < items) {
      const { body } = await pool.request({ method: 'GET', path: `/v1/items/${itemId(next++)}` })
      one(JSON.parse(await body.text()) as JsonObject)
    }
  }
  await Promise.all(Array.from({ length: parallel }, loop))
  await pool.close()
  return items
}

/** In a process of its own: the bare loops at several widths, then three passes of the engine. */
async function measureLookups(items: number, parallel: number): Promise<readonly Pass[]> {
  const server = await startLoopback()
  const passes: Pass[] = []
  const rules = benchAdapter({ kind: 'lookup' })
  for (const [name, one] of [
    ['bare', () => {}],
    ['bare and hash', (value: JsonObject) => void payloadHash(value, rules)],
  ] as const) {
    await bareLoop(server.origin, Math.min(items, 5000), 64, one)
    const widths: Pass[] = []
    for (const width of [32, 64, 128]) widths.push(await timedPass(name, () => bareLoop(server.origin, items, width, one)))
    passes.push(widths.reduce((best, pass) => (pass.perSecond > best.perSecond ? pass : best)))
  }
  passes.push(...(await enginePasses(server, { kind: 'lookup' }, items, parallel, ['created', 'unchanged', 'changed'])))
  await server.close()
  return passes
}

async function enginePasses(
  server: Awaited<ReturnType<typeof startLoopback>>,
  offer: Offer,
  items: number,
  parallel: number,
  kinds: readonly PassKind[],
): Promise<readonly Pass[]> {
  const bench = await openBenchEngine({ origin: server.origin, offer, entities: items, parallel })
  const passes: Pass[] = []
  for (const what of kinds) {
    if (what === 'changed') await server.setRevision(2)
    passes.push(
      await timedPass(what, async () => {
        const now = bench.engine.clock.now()
        const report = await bench.pass(
          offer.kind === 'feed'
            ? { partitions: ['bench:change_feed'], window: { from: now - 86_400_000, to: now } }
            : { force: true },
        )
        const { counts } = report.sources[0]!
        if (counts.items !== items || (what === 'unchanged' ? counts.unchanged : counts.changed) !== items)
          throw new Error(`the ${what} pass over ${items} items counted ${JSON.stringify(counts)}`)
        return items
      }),
    )
  }
  await bench.close()
  await server.setRevision(1)
  return passes
}

async function measureList(offer: Offer, items: number, parallel: number): Promise<readonly Pass[]> {
  const server = await startLoopback()
  const passes = await enginePasses(server, offer, items, parallel, ['created', 'unchanged'])
  await server.close()
  return passes
}

function summarize(
  rounds: readonly (readonly Pass[])[],
  unit: string,
  name: (what: string) => string,
  bar: (what: string) => ResultRow['bar'],
): ResultRow[] {
  return rounds[0]!.map(({ what }, at) => {
    const rates = rounds.map((passes) => passes[at]!.perSecond)
    return {
      what: name(what),
      value: median(rates),
      best: Math.max(...rates),
      worst: Math.min(...rates),
      unit,
      cpuUs: median(rounds.map((passes) => passes[at]!.cpuUs)),
      bar: bar(what),
    }
  })
}

async function repeat(rounds: number, args: readonly string[]): Promise<(readonly Pass[])[]> {
  const all: (readonly Pass[])[] = []
  for (let round = 0; round < rounds; round++) all.push(await runApart<readonly Pass[]>(fileURLToPath(import.meta.url), args))
  return all
}

const LOOKUP_NAMES: Readonly<Record<string, string>> = {
  bare: 'limit: undici request + JSON.parse, best of 32/64/128 wide',
  'bare and hash': 'limit: the same and the canonical hash',
  created: 'durable look-ups, all created (record, event and ledger row each)',
  unchanged: 'durable look-ups, all unchanged',
  changed: 'durable look-ups, all changed (diff, record, event and ledger row)',
}

export async function benchLookups(items = 50_000, rounds = 3, parallel = 256): Promise<readonly ResultRow[]> {
  const all = await repeat(rounds, ['lookups', String(items), String(parallel)])
  return summarize(
    all,
    'look-ups/s',
    (what) => LOOKUP_NAMES[what]!,
    (what) => (what === 'created' || what === 'unchanged' ? atLeast(10_000) : undefined),
  )
}

export async function benchLists(items = 100_000, rounds = 3): Promise<readonly ResultRow[]> {
  const rows: ResultRow[] = []
  for (const [kind, size, parallel] of [
    ['batch', 100, 8],
    ['batch', 1000, 4],
    ['feed', 100, 4],
    ['feed', 1000, 4],
  ] as const) {
    const all = await repeat(rounds, [kind, String(items), String(parallel), String(size)])
    const name =
      kind === 'batch'
        ? `batches of ${size}, ${parallel} at once`
        : `feed, pages of ${size}, asked for one after another, ${parallel} without a commit`
    rows.push(
      ...summarize(
        all,
        'rows/s',
        (what) => `list rows, ${name}, all ${what}`,
        () => atLeast(60_000),
      ),
    )
  }
  return rows
}

if (import.meta.main) {
  const [kind, items, parallel, size] = process.argv.slice(2)
  // As the command line does it.
  keepHeapSmall()
  const rows = Number(items)
  const passes =
    kind === 'lookups'
      ? await measureLookups(rows, Number(parallel))
      : await measureList(
          kind === 'batch' ? { kind, size: Number(size) } : { kind: 'feed', size: Number(size), total: rows },
          rows,
          Number(parallel),
        )
  console.log(JSON.stringify(passes))
}
