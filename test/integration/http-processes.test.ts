/** Several real processes on one state file: what only holds if it holds between them. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { afterMs, type FaultServer, json, stall, startFaultServer } from '../support/fault-server.ts'

const SCRIPT = fileURLToPath(new URL('../support/client-process.ts', import.meta.url))

let server: FaultServer
let directory: string
let children: ChildProcess[]
/** What the children wrote to stderr. */
let said: string

beforeEach(async () => {
  server = await startFaultServer()
  directory = await mkdtemp(join(tmpdir(), 'http-processes-'))
  children = []
  said = ''
})
afterEach(async () => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
  await server.close()
  await rm(directory, { recursive: true, force: true })
})

async function start(count: number, policy: Record<string, unknown>): Promise<void> {
  const one = async () => {
    const child = fork(SCRIPT, [server.origin, join(directory, 'state.sqlite'), JSON.stringify(policy)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    children.push(child)
    child.stderr!.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    await once(child, 'message')
  }
  // The first one makes the state file.
  await one()
  await Promise.all(Array.from({ length: count - 1 }, one))
  for (const child of children) child.send('go')
}

type Ended = { readonly counts: Record<string, number>; readonly code: number | null; readonly ms: number }

async function stop(how: (child: ChildProcess) => void): Promise<Ended[]> {
  expect(
    children.filter((child) => child.exitCode !== null).length,
    `processes that ended by themselves; they said: ${said}`,
  ).toBe(0)
  return Promise.all(
    children.map(async (child) => {
      const startedAt = performance.now()
      const [message, exited] = [once(child, 'message'), once(child, 'exit')]
      how(child)
      const [{ counts }] = (await message) as [{ counts: Record<string, number> }]
      const [code] = (await exited) as [number | null]
      return { counts, code, ms: performance.now() - startedAt }
    }),
  )
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('four processes send a failing provider one probe per cool-down, and all come back when it does', async () => {
  const cooldownMs = 500
  server.plan(json({}, 503))
  await start(4, {
    breaker: { failures: 5, cooldown: `${cooldownMs}ms` },
    retry: { max_attempts: 1, base_delay: '1ms', max_delay: '1ms' },
  })
  await pause(1_500)
  const from = performance.now()
  await pause(4_000)
  const probes = server.arrivals.filter((arrival) => arrival.atMs >= from).map((arrival) => arrival.atMs)
  expect(probes.length).toBeGreaterThan(2)
  for (let i = 1; i < probes.length; i++) expect(probes[i]! - probes[i - 1]!).toBeGreaterThanOrEqual(cooldownMs - 5)
  // Before it opened each process saw at most its own threshold and what it had under way.
  expect(server.arrivals.length - probes.length).toBeLessThan(4 * (5 + 4) + 1_500 / cooldownMs + 20)

  server.plan(json({ fine: true }))
  await pause(2_000)
  const ended = await stop((child) => child.send('stop'))
  for (const { counts } of ended) {
    expect(counts['ok']).toBeGreaterThan(0)
    expect(counts['breaker_open']).toBeGreaterThan(0)
  }
})

test('four processes together stay within one quota and use it', async () => {
  const [limit, perMs] = [20, 1_000]
  server.plan(afterMs(5, json({ fine: true })))
  await start(4, { quotas: [{ limit, per: `${perMs}ms` }] })
  await pause(6_000)
  await stop((child) => child.send('stop'))
  const times = server.arrivals.map((arrival) => arrival.atMs)
  for (let i = limit; i < times.length; i++) expect(times[i]! - times[i - limit]!).toBeGreaterThanOrEqual(perMs)
  expect(times.length).toBeGreaterThan(limit * 4)
})

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s ends processes in the middle of silent requests, within the grace, with 130',
  async (signal) => {
    server.plan(stall)
    await start(2, { timeout: '60s', run: { stop_within: '500ms' } })
    await expect.poll(() => server.arrivals.length, { timeout: 10_000 }).toBe(8)
    const ended = await stop((child) => child.kill(signal))
    for (const { counts, code, ms } of ended) {
      expect(counts).toEqual({ aborted: 4 })
      expect(code).toBe(130)
      expect(ms).toBeLessThan(10_000)
    }
  },
)

test('a second signal ends a process at once', async () => {
  server.plan(stall)
  await start(1, { timeout: '60s', run: { stop_within: '50s' } })
  await expect.poll(() => server.arrivals.length, { timeout: 10_000 }).toBe(4)
  const [child] = children as [ChildProcess]
  const exited = once(child, 'exit')
  child.kill('SIGINT')
  await pause(200)
  expect(child.exitCode).toBeNull()
  child.kill('SIGINT')
  expect(await exited).toEqual([130, null])
})
