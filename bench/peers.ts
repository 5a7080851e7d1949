/**
 * The engine beside dlt and the Airbyte CDK: same server, same bodies, same order, one after the other in the same run. Their
 * released packages are installed into a virtual environment outside the repository (`$TMPDIR/enrichment-bench-peers`); needs
 * Python 3.10 or newer and a package index. Not part of the default run, nor of CI.
 *
 *     node scripts/with-node.mjs bench/run.ts peers
 *
 * What each does differs, and it is in their favour: dlt replaces a DuckDB table (no hash, no comparison, no history), the
 * CDK only prints. Ours keeps ledger, records and events with an fsync per commit.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Loopback, startLoopback } from './support/loopback.ts'
import { median, type ResultRow } from './support/row.ts'
import { benchLists, benchLookups } from './throughput.ts'

const PACKAGES = ['dlt[duckdb,parquet]==1.31.0', 'airbyte-cdk==7.39.1', 'aiohttp==3.14.5', 'orjson==3.13.0']
const run = promisify(execFile)
const python = (home: string): string => join(home, 'venv', 'bin', 'python')

/** Installs once; a half-made environment is made again. */
async function install(home: string): Promise<void> {
  if (existsSync(join(home, 'installed'))) return
  console.error(`Installing ${PACKAGES.join(', ')} into ${home} …`)
  await mkdir(home, { recursive: true })
  try {
    await run('python3', ['-m', 'venv', '--clear', join(home, 'venv')])
    await run(python(home), ['-m', 'pip', 'install', '--quiet', ...PACKAGES], { maxBuffer: 64_000_000 })
  } catch (error) {
    throw new Error(`could not install the peers; needs Python >= 3.10 with venv and a package index: ${String(error)}`, {
      cause: error,
    })
  }
  await mkdir(join(home, 'installed'))
}

type Measured = {
  readonly perSecond: number
  readonly extractPerSecond?: number
  readonly cpuUs: number
  readonly peakMb: number
}

async function measure(
  home: string,
  script: string,
  server: Loopback,
  mode: string,
  items: number,
  size: number,
): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), 'enrichment-bench-peer-'))
  try {
    const file = join(import.meta.dirname, 'peers', script)
    const { stdout } = await run(python(home), [file, mode, server.origin, String(items), directory, String(size)], {
      maxBuffer: 64_000_000,
      cwd: directory,
    })
    return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Measured
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const CASES = [
  { name: 'dlt 1.31.0, into DuckDB', script: 'dlt_bench.py', mode: 'lookups', items: 20_000, size: 0 },
  { name: 'dlt 1.31.0, Arrow into DuckDB, pages of 100', script: 'dlt_bench.py', mode: 'list', items: 200_000, size: 100 },
  { name: 'dlt 1.31.0, Arrow into DuckDB, pages of 1000', script: 'dlt_bench.py', mode: 'list', items: 200_000, size: 1000 },
  { name: 'airbyte-cdk 7.39.1, to /dev/null', script: 'airbyte_bench.py', mode: 'lookups', items: 5_000, size: 0 },
  { name: 'airbyte-cdk 7.39.1, to /dev/null, pages of 100', script: 'airbyte_bench.py', mode: 'list', items: 100_000, size: 100 },
] as const

export async function benchPeers(rounds = 3, scale = 1): Promise<readonly ResultRow[]> {
  const home = join(tmpdir(), 'enrichment-bench-peers')
  await install(home)
  const rows: ResultRow[] = []
  const server = await startLoopback()
  try {
    for (const { name, script, mode, items, size } of CASES) {
      const all: Measured[] = []
      for (let round = 0; round < rounds; round++)
        all.push(await measure(home, script, server, mode, Math.round(items * scale), size))
      const rates = all.map(({ perSecond }) => perSecond)
      const extract = all[0]!.extractPerSecond
      rows.push({
        what: `${mode === 'list' ? 'list rows' : 'look-ups'}, ${name}`,
        value: median(rates),
        best: Math.max(...rates),
        worst: Math.min(...rates),
        unit: mode === 'list' ? 'rows/s' : 'look-ups/s',
        cpuUs: median(all.map(({ cpuUs }) => cpuUs)),
        note: `${Math.round(median(all.map(({ peakMb }) => peakMb)))} MB${extract === undefined ? '' : `, extraction alone ${Math.round(extract).toLocaleString('en')}/s`}`,
      })
    }
  } finally {
    await server.close()
  }
  const ours = [
    ...(await benchLookups(Math.round(50_000 * scale), rounds)),
    ...(await benchLists(Math.round(100_000 * scale), rounds)),
  ]
  return [...rows, ...ours.map((row) => ({ ...row, what: `ours: ${row.what}` }))]
}
