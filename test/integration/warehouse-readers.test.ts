import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exportWarehouse } from '../../ts/warehouse/export.ts'
import { fakeStore } from '../unit/warehouse/fake-store.ts'
import { addCohort, exportDeps, query, temporaryDirectory, VIEWS } from '../unit/warehouse/world.ts'

const LOOP = fileURLToPath(new URL('../unit/warehouse/export-loop.ts', import.meta.url))
const CLI_VERSION = '1.5.6'

/** The `duckdb` that people run: from the path, else from the Python registry; null when neither can be had. */
function stockDuckdb(): string | null {
  const works = (command: string) => {
    const version = /^v(\d+)\.(\d+)\./.exec(spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout ?? '')
    // Older ones cannot be expected to read what a newer one wrote.
    return version !== null && Number(version[1]) * 1000 + Number(version[2]) >= 1_004
  }
  if (works('duckdb')) return 'duckdb'
  const environment = join(tmpdir(), `enrichment-refresh-duckdb-cli-${CLI_VERSION}`)
  const installed = join(environment, 'bin', 'duckdb')
  if (existsSync(installed) && works(installed)) return installed
  if (spawnSync('python3', ['-m', 'venv', environment], { timeout: 60_000 }).status !== 0) return null
  spawnSync(
    join(environment, 'bin', 'pip'),
    ['install', '--quiet', '--disable-pip-version-check', `duckdb-cli==${CLI_VERSION}`],
    { timeout: 120_000 },
  )
  return existsSync(installed) && works(installed) ? installed : null
}

const stock = stockDuckdb()

/** True in every row when ledger, events and export facts are of one and the same export. */
const ONE_ROUND = `SELECT count(*) = 600 AND min(attempts) = max(attempts) AS whole, max(attempts) * 5 = (SELECT count(*) FROM events) AS same,
  (SELECT max(position) FROM events) = (SELECT events_through FROM export_info) AS position, (SELECT export FROM export_info) AS export FROM ledger`

let directory: ReturnType<typeof temporaryDirectory>
let exporter: ChildProcess | undefined
beforeEach(() => {
  directory = temporaryDirectory()
})
afterEach(async () => {
  if (exporter !== undefined && exporter.exitCode === null && exporter.signalCode === null) {
    const closed = new Promise((resolve) => exporter?.on('close', resolve))
    exporter.kill('SIGKILL')
    await closed
  }
  exporter = undefined
  directory.remove()
})

async function startExporter(rounds: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [LOOP, directory.path, String(rounds)], { stdio: ['ignore', 'pipe', 'inherit'] })
  exporter = child
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve())
    child.once('close', (code) => reject(new Error(`the exporter ended with ${code}`)))
  })
  return child
}

function runStock(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(stock!, args, { cwd: '/' }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : 1, stdout, stderr }))
  })
}

/** Reads until enough exports were seen; the exporter would go on and is killed afterwards. */
async function readWhileExporting(
  read: () => Promise<Record<string, unknown>>,
): Promise<{ reads: number; exports: Set<string> }> {
  const child = await startExporter(1_000)
  const exports = new Set<string>()
  let reads = 0
  while (child.exitCode === null && (reads < 20 || exports.size < 8)) {
    const row = await read()
    expect(row).toMatchObject({ whole: true, same: true, position: true })
    exports.add(String(row['export']))
    reads += 1
  }
  return { reads, exports }
}

describe('while exports run', () => {
  it('a reader in another process always sees one whole export', async () => {
    const { reads, exports } = await readWhileExporting(async () => (await query(directory.path, ONE_ROUND))[0]!)
    expect(reads).toBeGreaterThanOrEqual(20)
    expect(exports.size).toBeGreaterThanOrEqual(8)
  })

  it.skipIf(stock === null)('so does the stock duckdb command line, from any directory', async () => {
    const database = join(directory.path, 'enrichment.duckdb')
    const { reads, exports } = await readWhileExporting(async () => {
      const answer = await runStock(['-readonly', '-json', database, '-c', ONE_ROUND])
      expect(answer.stderr).toBe('')
      return (JSON.parse(answer.stdout) as Record<string, unknown>[])[0]!
    })
    expect(reads).toBeGreaterThanOrEqual(20)
    expect(exports.size).toBeGreaterThanOrEqual(8)
  })
})

describe.skipIf(stock === null)('the stock duckdb command line', () => {
  it('reads every view, with and without -readonly', async () => {
    const store = fakeStore()
    addCohort(store, 'uei_batch_0001', 5)
    await exportWarehouse(exportDeps(directory.path, store), { rebuild: false })
    const database = join(directory.path, 'enrichment.duckdb')
    for (const view of VIEWS) {
      for (const mode of [['-readonly'], []]) {
        const answer = await runStock([...mode, '-json', database, '-c', `SELECT count(*) AS n FROM ${view}`])
        expect(answer.stderr, view).toBe('')
        expect(Number((JSON.parse(answer.stdout) as { n: number }[])[0]!.n), view).toBeGreaterThan(0)
      }
    }
    expect(existsSync(`${database}.wal`)).toBe(false)
  })

  it('reads a moved directory after SET VARIABLE, and the Parquet files by themselves', async () => {
    const store = fakeStore()
    addCohort(store, 'uei_batch_0001', 5)
    await exportWarehouse(exportDeps(join(directory.path, 'before'), store), { rebuild: false })
    const moved = join(directory.path, 'after')
    spawnSync('mv', [join(directory.path, 'before'), moved])
    const answer = await runStock([
      '-readonly',
      '-csv',
      '-noheader',
      join(moved, 'enrichment.duckdb'),
      '-c',
      `SET VARIABLE warehouse = '${moved}'; SELECT count(*) FROM event_changes`,
    ])
    expect(answer).toMatchObject({ code: 0, stdout: '5\n' })
    const files = await runStock([
      '-csv',
      '-noheader',
      '-c',
      `SELECT count(*), count(DISTINCT source) FROM '${moved}/ledger/**/*.parquet'`,
    ])
    expect(files).toMatchObject({ code: 0, stdout: '5,1\n' })
  })
})
