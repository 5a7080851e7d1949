import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportWarehouse } from '../../ts/warehouse/export.ts'
import { contentOf, exportDeps, query, steppedStore, temporaryDirectory, VIEWS } from '../unit/warehouse/world.ts'

const CHILD = fileURLToPath(new URL('../unit/warehouse/export-child.ts', import.meta.url))
const POINTS = [
  ...['export.before_file', 'export.after_temp', 'export.after_rename'].flatMap((name) =>
    [1, 2, 4, 6].map((pass) => ({ name, pass })),
  ),
  ...['export.before_manifest', 'export.after_manifest', 'export.before_database', 'export.after_database'].map((name) => ({
    name,
    pass: 1,
  })),
]

const root = temporaryDirectory()
afterAll(() => root.remove())

type Ended = { readonly signal: NodeJS.Signals | null; readonly code: number | null; readonly output: string }

function runChild(args: readonly string[], killAfterMs?: number): Promise<Ended> {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ signal, code, output })
    })
  })
}

describe('an export killed at any point', () => {
  let before: Awaited<ReturnType<typeof contentOf>>
  let after: Awaited<ReturnType<typeof contentOf>>
  beforeAll(async () => {
    const [one, two] = [join(root.path, 'one'), join(root.path, 'two')]
    await exportWarehouse(exportDeps(one, steppedStore(1)), { rebuild: false })
    await exportWarehouse(exportDeps(two, steppedStore(2)), { rebuild: false })
    before = await contentOf(one)
    after = await contentOf(two)
    expect(after).not.toEqual(before)
  })

  /** Old or new as a whole, every view readable; then the next export repairs, and leaves no rubbish. */
  async function checkAndRepair(directory: string, mayBeNew: boolean): Promise<void> {
    for (const view of VIEWS) await query(directory, `FROM ${view}`)
    const seen = await contentOf(directory)
    if (!mayBeNew || JSON.stringify(seen) !== JSON.stringify(after)) expect(seen).toEqual(before)
    const repaired = await exportWarehouse(exportDeps(directory, steppedStore(2)), { rebuild: false })
    expect(repaired).toMatchObject({ status: 'done', rebuildReason: null, rows: { ledger: 90, records: 90, events: 90 } })
    expect(await contentOf(directory)).toEqual(after)
    expect(readdirSync(join(directory, '.tmp'))).toEqual([])
    expect(readdirSync(directory).sort()).toEqual(
      expect.arrayContaining(['coverage', 'enrichment.duckdb', 'events', 'ledger', 'manifest.json', 'records']),
    )
    expect(
      readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((file) =>
        /partial|\.tmp-|next\.duckdb|\.wal/.test(file),
      ),
    ).toEqual([])
  }

  it.each(POINTS)('$name, pass $pass', async ({ name, pass }) => {
    const directory = join(root.path, `${name}-${pass}`)
    await exportWarehouse(exportDeps(directory, steppedStore(1)), { rebuild: false })
    const killed = await runChild([directory, '2', name, String(pass)])
    expect(killed, killed.output).toMatchObject({ signal: 'SIGKILL' })
    await checkAndRepair(directory, name === 'export.after_database')
  })

  it('even the very first one', async () => {
    const directory = join(root.path, 'first')
    for (const { name, pass } of POINTS.filter((point) => point.pass !== 2 && point.pass !== 4)) {
      expect(await runChild([directory, '1', name, String(pass)]), name).toMatchObject({ signal: 'SIGKILL' })
    }
    expect(await runChild([directory, '1'])).toMatchObject({ code: 0 })
    expect(await contentOf(directory)).toEqual(before)
    expect(readdirSync(join(directory, '.tmp'))).toEqual([])
  })

  it('or at random moments', async () => {
    const directory = join(root.path, 'random')
    await exportWarehouse(exportDeps(directory, steppedStore(1)), { rebuild: false })
    for (let trial = 0; trial < 8; trial += 1) {
      await runChild([directory, '2'], 120 + trial * 30)
      for (const view of VIEWS) await query(directory, `FROM ${view}`)
      const seen = await contentOf(directory)
      if (JSON.stringify(seen) !== JSON.stringify(after)) expect(seen).toEqual(before)
    }
    await checkAndRepair(directory, true)
  })
})
