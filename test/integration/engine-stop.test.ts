/** SIGINT and SIGTERM to a real `refresh`: it ends in time, keeps what it was answered, and goes on where it stopped. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { runReportDocument } from '../../ts/cli/documents.ts'
import type { LogEntry } from '../../ts/sandbox/request-log.ts'
import { type Child, type Ended, reapAll } from '../chaos/support/child.ts'
import { processesOf, startCli } from '../chaos/support/cli.ts'
import {
  admin,
  arrived,
  type Home,
  loadFiles,
  openHome,
  openTestEngine,
  REPOSITORY,
  requestsSince,
} from '../chaos/support/home.ts'

const ONE_AT_A_TIME = {
  ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__BATCH_SIZE: '4',
  ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__COHORT__SIZE: '40',
  ENRICHMENT__RUN__LEASE: '60s',
}

let home: Home
beforeEach(async () => {
  home = await openHome({ seed: 9, companies: 140, awards: 150 })
  const engine = await openTestEngine(await home.config({ 'enrichment_refresh.sam_gov.cohort.size': 40 }))
  await loadFiles(engine, home.files)
  await engine.close()
})
afterEach(() => home.close())
afterAll(reapAll)

async function untilArrived(count: number, child: Child): Promise<void> {
  for (let i = 0; i < 600; i += 1) {
    if (arrived(home) >= count) return
    if (!child.isAlive()) throw new Error(`it ended before: ${child.stderr()}`)
    await sleep(25)
  }
  throw new Error(`no ${count} requests within 15 s: ${child.stderr()}`)
}

type Stored = {
  readonly attempted: ReadonlySet<string>
  readonly open: readonly string[]
  readonly leases: number
  readonly interrupted: boolean
}

async function stored(): Promise<Stored> {
  const engine = await openTestEngine(await home.config(), { readOnly: true })
  try {
    const attempted = new Set<string>()
    for await (const row of engine.store.ledger('sam_gov')) {
      expect(row.attempts, row.entity.key).toBeLessThanOrEqual(1)
      if (row.attempts === 1) attempted.add(row.entity.key.slice('uei:'.length))
    }
    const open = (await engine.store.checkpoints('sam_gov'))
      .filter((point) => point.status === 'open')
      .map((point) => point.partition)
    const leases = (await engine.store.leases(engine.clock.monotonic())).length
    const [run] = await engine.store.runs(1)
    return { attempted, open, leases, interrupted: run?.report?.interrupted ?? false }
  } finally {
    await engine.close()
  }
}

const keysOf = (log: readonly LogEntry[]): readonly string[] => log.flatMap((entry) => entry.keys)

async function stop(child: Child, signal: NodeJS.Signals): Promise<Ended & { readonly stoppedInMs: number }> {
  const at = performance.now()
  child.kill(signal)
  const ended = await child.ended
  return { ...ended, stoppedInMs: performance.now() - at }
}

const REFRESH = ['refresh', '--source', 'sam_gov', '--json']

describe.each([
  { name: 'SIGINT', signal: 'SIGINT', before: [] },
  { name: 'SIGTERM', signal: 'SIGTERM', before: [] },
  {
    name: 'SIGTERM to the launcher that found a newer Node',
    signal: 'SIGTERM',
    before: [join(REPOSITORY, 'scripts', 'with-node.mjs')],
  },
] as const)('$name in the middle of a refresh', ({ signal, before }) => {
  it('ends with 130 within ten seconds, saves what was answered, and the same command asks only the rest', async () => {
    await admin(home, 'faults', { source: 'sam_gov', kind: 'latency', ms: 400 })
    const child = startCli(home, REFRESH, ONE_AT_A_TIME, before)
    await untilArrived(5, child)
    const ended = await stop(child, signal)
    expect(ended.code, ended.stderr).toBe(130)
    expect(ended.stoppedInMs).toBeLessThan(10_000)
    expect(ended.stderr).toContain('finishing what is under way')
    const document = JSON.parse(ended.stdout) as ReturnType<typeof runReportDocument>
    expect(document).toMatchObject({ interrupted: true, exit_code: 130 })
    expect(processesOf(home.dir)).toEqual([])

    // Every request that arrived was answered, and every answer is in the ledger.
    const asked = requestsSince(home, 0)
    const state = await stored()
    expect(asked.every((entry) => entry.status === 200)).toBe(true)
    expect([...state.attempted].sort()).toEqual([...new Set(keysOf(asked))].sort())
    expect(state).toMatchObject({ leases: 0, interrupted: true })
    expect(state.open.length).toBeGreaterThan(0)

    await admin(home, 'faults', undefined, 'DELETE')
    const again = await startCli(home, REFRESH, ONE_AT_A_TIME, before).ended
    expect(again.code, again.stderr).toBe(0)
    const keys = keysOf(requestsSince(home, 0))
    expect(new Set(keys).size).toBe(keys.length)
    expect((await stored()).open).toEqual([])
    expect((await stored()).attempted.size).toBe(keys.length)
    expect(existsSync(join(home.dir, 'state.json'))).toBe(true)
  })
})

describe('a provider that never answers', () => {
  it('does not keep a stop waiting: nothing is recorded for it, and it is asked again', async () => {
    await admin(home, 'faults', { source: 'sam_gov', kind: 'stall', after: 'headers' })
    const child = startCli(home, REFRESH, { ...ONE_AT_A_TIME, ENRICHMENT__RUN__STOP_WITHIN: '2s' })
    await untilArrived(2, child)
    const ended = await stop(child, 'SIGTERM')
    expect(ended.code, ended.stderr).toBe(130)
    expect(ended.stoppedInMs).toBeLessThan(10_000)
    const state = await stored()
    expect(state.attempted.size).toBe(0)
    expect(state.leases).toBe(0)
    expect(processesOf(home.dir)).toEqual([])
    await admin(home, 'faults', undefined, 'DELETE')
    expect((await startCli(home, REFRESH, ONE_AT_A_TIME).ended).code).toBe(0)
    expect((await stored()).attempted.size).toBeGreaterThan(50)
  })

  it('a second signal ends the process at once, with the state as it was committed', async () => {
    await admin(home, 'faults', { source: 'sam_gov', kind: 'stall' })
    const child = startCli(home, REFRESH, ONE_AT_A_TIME)
    await untilArrived(2, child)
    child.kill('SIGINT')
    await sleep(900)
    const ended = await stop(child, 'SIGINT')
    expect(ended.code, ended.stderr).toBe(130)
    expect(ended.stoppedInMs).toBeLessThan(2_000)
    expect((await stored()).attempted.size).toBe(0)
    expect(processesOf(home.dir)).toEqual([])
  })
})
