/**
 * `npm run bench [-- part…]`: runs the named parts (all but `peers` when none is named), prints one table and writes
 * `bench/results.json`. Every part measures in processes of its own. `--help` lists the parts; `bench/README.md` says what
 * was found, on what machine.
 */
import { writeFile } from 'node:fs/promises'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchIdentities } from './identities.ts'
import { benchIngest } from './ingest.ts'
import { benchMemory } from './memory.ts'
import { benchNight } from './night.ts'
import { benchPeers } from './peers.ts'
import { benchPlan } from './plan.ts'
import { benchQuota } from './quota.ts'
import type { BenchRow } from './store.ts'
import { runApart } from './support/child.ts'
import { atLeast, atMost, printRows, type ResultRow } from './support/row.ts'
import { benchLists, benchLookups } from './throughput.ts'

type Options = { readonly rounds: number; readonly long: boolean; readonly scale: number }
type Part = { readonly title: string; readonly run: (options: Options) => Promise<readonly ResultRow[]> }

const here = import.meta.dirname
const scaled = (count: number, { scale }: Options): number => Math.max(1000, Math.round((count * scale) / 1000) * 1000)

function fromTable(table: readonly BenchRow[]): readonly ResultRow[] {
  return table.map(({ what, value, best, unit, bar }) => ({
    what,
    value,
    best: best ?? undefined,
    unit,
    bar: bar === null ? undefined : unit.endsWith('/s') ? atLeast(bar) : atMost(bar),
  }))
}

async function http(): Promise<readonly ResultRow[]> {
  const result = await runApart<Record<string, number>>(join(here, 'http.ts'), ['--json'])
  return [
    {
      what: `bare undici requests, ${result['parallel']} wide, ${result['body_bytes']} B`,
      value: result['bare_undici_per_second']!,
      unit: 'requests/s',
    },
    { what: 'the same through the source client', value: result['source_client_per_second']!, unit: 'requests/s' },
  ]
}

async function ingest(options: Options): Promise<readonly ResultRow[]> {
  const { rows, fileMb, first, again, rowsPerSecond } = await benchIngest(scaled(220_000, options))
  const what = `${rows.toLocaleString('en')} award rows, ${fileMb} MB`
  return [
    { what: `ingest of ${what}`, value: rowsPerSecond, unit: 'rows/s', cpuUs: (first.cpuSeconds * 1e6) / rows },
    { what: 'seconds of it', value: first.seconds, unit: 's' },
    {
      what: 'the same rows in other bytes, all unchanged',
      value: rows / again.seconds,
      unit: 'rows/s',
      cpuUs: (again.cpuSeconds * 1e6) / rows,
    },
    { what: 'peak memory of the ingest', value: first.peakRssMb, unit: 'MB' },
  ]
}

const PARTS: Readonly<Record<string, Part>> = {
  http: { title: 'the HTTP pipeline alone', run: http },
  lookups: { title: 'durable look-ups, no quota', run: (options) => benchLookups(scaled(50_000, options), options.rounds) },
  lists: { title: 'list rows, no quota', run: (options) => benchLists(scaled(100_000, options), options.rounds) },
  store: {
    title: 'the state store at a million ledger rows',
    run: async (options) =>
      fromTable(await runApart(join(here, 'store.ts'), ['--json', '--rows', String(scaled(1_000_000, options))])),
  },
  plan: { title: 'planning', run: (options) => benchPlan(scaled(1_000_000, options)) },
  memory: { title: 'memory of a refresh', run: (options) => benchMemory(scaled(1_000_000, options), scaled(20_000, options)) },
  ingest: { title: 'bulk load', run: ingest },
  warehouse: {
    title: 'warehouse export',
    run: async (options) =>
      fromTable(await runApart(join(here, 'warehouse.ts'), [String(scaled(1_000_000, options)), '200', 'no', '--json'])),
  },
  identities: {
    title: 'identities in the world of the sandbox',
    run: ({ scale }) => benchIdentities(Math.max(100, Math.round(1_000 * scale))),
  },
  quota: { title: 'quota use', run: ({ long }) => benchQuota(long) },
  night: { title: 'a month of nights in virtual time', run: ({ scale }) => benchNight(scale) },
  peers: {
    title: 'side by side with dlt and the Airbyte CDK (installs them outside the repository)',
    run: ({ rounds, scale }) => benchPeers(rounds, scale),
  },
}

function usage(): string {
  const parts = Object.entries(PARTS).map(([name, { title }]) => `  ${name.padEnd(10)} ${title}`)
  return `npm run bench -- [part…] [--rounds 3] [--scale 1] [--long]\n\n${parts.join('\n')}\n\nWithout a part: all but peers. --scale 0.1 is a quick look; --long measures 60 calls per 60 s instead of per 6 s.`
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
    long: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const unknown = positionals.filter((name) => PARTS[name] === undefined)
if (values.help || unknown.length > 0) {
  if (unknown.length > 0) console.error(`no part is called ${unknown.join(', ')}\n`)
  console.log(usage())
  process.exit(unknown.length > 0 ? 2 : 0)
}

const options: Options = { rounds: Number(values.rounds), scale: Number(values.scale), long: values.long }
const names = positionals.length > 0 ? positionals : Object.keys(PARTS).filter((name) => name !== 'peers')
const machine = {
  at: new Date().toISOString(),
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryMb: Math.round(totalmem() / 1e6),
  kernel: release(),
  node: process.version,
}
console.log(
  `${machine.at}, ${machine.cores} x ${machine.cpu}, ${machine.memoryMb} MB, Linux ${machine.kernel}, Node ${machine.node}`,
)
const results: { part: string; loadBefore: number; seconds: number; rows: readonly ResultRow[] }[] = []
for (const name of names) {
  const loadBefore = loadavg()[0]!
  const since = performance.now()
  const rows = await PARTS[name]!.run(options)
  const seconds = (performance.now() - since) / 1000
  results.push({ part: name, loadBefore, seconds, rows })
  printRows(`${name}: ${PARTS[name]!.title} (${seconds.toFixed(0)} s, load average before it ${loadBefore.toFixed(1)})`, rows)
}
await writeFile(join(here, 'results.json'), `${JSON.stringify({ machine, options, results }, null, 2)}\n`)
