/** The worker as Dagster starts it: a process of its own, the sandbox as provider, real state, real message files. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { admin, advance, arrived, type Home, openHome, openTestEngine, requestsSince } from '../chaos/support/home.ts'
import { type Finished, type Message, ROOT, type STEP, session, start } from './pipes-support.ts'

const MAIN = join(ROOT, 'ts/pipes/main.js')
const CANARY = 'canary-0123456789-key'

let home: Home
let quotas: Record<string, string>

beforeAll(async () => {
  home = await openHome({ seed: 7, companies: 220, awards: 600 })
  quotas = {}
})
afterAll(() => home.close())

function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { url } = home.sandbox
  const ample = JSON.stringify([{ limit: 1_000_000, per: '1s' }])
  return {
    ENRICHMENT_ENV: 'sandbox',
    ENRICHMENT__STATE__PATH: join(home.dir, 'state.sqlite'),
    ENRICHMENT__WAREHOUSE__PATH: join(home.dir, 'warehouse'),
    ENRICHMENT__CLOCK__SANDBOX_URL: url,
    ENRICHMENT__ENRICHMENT__USASPENDING__BASE_URL: `${url}/usaspending`,
    ENRICHMENT__ENRICHMENT__USASPENDING__OPTIONS: '{"feed_rows_per_day":50000}',
    ENRICHMENT__ENRICHMENT__SAM_GOV__BASE_URL: `${url}/sam_gov`,
    ENRICHMENT__ENRICHMENT__SBIR_GOV__BASE_URL: `${url}/sbir_gov`,
    ENRICHMENT__ENRICHMENT__SBIR_GOV__OTHER_URLS__FILES: `${url}/sbir_files`,
    ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__COHORT__SIZE: '50',
    ENRICHMENT__ENRICHMENT_REFRESH__USASPENDING__QUOTAS: ample,
    ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__QUOTAS: ample,
    // On the same key, so under the same quotas.
    ENRICHMENT__ENRICHMENT_REFRESH__SAM_EXCLUSIONS__QUOTAS: ample,
    ENRICHMENT__ENRICHMENT_REFRESH__SBIR_GOV__QUOTAS: ample,
    ...quotas,
    ...more,
  }
}

type Step = Partial<Record<keyof typeof STEP, unknown>>
type Worked = Finished & {
  readonly messages: readonly Message[]
  readonly logs: readonly { readonly message: string; readonly level: string }[]
  // biome-ignore lint/suspicious/noExplicitAny: tests look into payloads of any shape
  readonly told: readonly any[]
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly result: any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly metadata: any
  readonly exception: Message['params']
}

function read(ended: Finished, messages: readonly Message[]): Worked {
  const of = (method: string): readonly Message['params'][] =>
    messages.filter((message) => message.method === method).map((message) => message.params)
  const told = of('report_custom_message').map((params) => params.payload)
  const typed: Readonly<Record<string, { readonly raw_value: unknown }>> = of('report_asset_materialization')[0]?.metadata ?? {}
  return {
    ...ended,
    messages,
    logs: of('log'),
    told,
    result: told.at(-1),
    metadata: Object.fromEntries(Object.entries(typed).map(([name, value]) => [name, value.raw_value])),
    exception: of('closed')[0]?.exception,
  }
}

async function worker(step: Step, env: Readonly<Record<string, string>> = {}): Promise<Worked> {
  const dagster = session({ asset_keys: ['enrichment_refresh'], ...step })
  const ended = await start([MAIN], { ...environment(env), ...dagster.env }).finished
  return read(ended, dagster.messages())
}

const partition = (key: string): Step => ({ partition_key: key, partition_key_range: { start: key, end: key } })

describe('before anything is loaded', () => {
  test('there are no partitions, and that is no error', async () => {
    const { code, told } = await worker({ extras: { mode: 'partitions' } })
    expect(code).toBe(0)
    expect(told[0]).toEqual({ kind: 'partitions', at: null, partitions: [], sources: [], state: 'missing' })
  })

  test('a partition that does not exist is refused for good', async () => {
    const { code, exception, metadata, logs } = await worker(partition('sam_gov:uei_batch_0001'))
    expect(code).toBe(78)
    expect(exception).toMatchObject({ name: 'ConfigurationError', message: expect.stringContaining('there is no partition') })
    expect(metadata).toEqual({})
    expect(logs.at(-1)).toMatchObject({ level: 'ERROR' })
    rmSync(join(home.dir, 'state.sqlite'), { force: true })
  })
})

describe('a working day', () => {
  test('ingest: one materialization with what came in', async () => {
    const { awards, companies } = home.files
    const first = await worker({ asset_keys: ['enriched_sbir_awards'], extras: { mode: 'ingest', awards, companies } })
    expect(first.stderr).not.toContain('error')
    expect(first.code).toBe(0)
    expect(first.metadata).toMatchObject({ same_file: false, quarantined: 0, rows: expect.any(Number) })
    expect(first.metadata.added).toBeGreaterThan(600)
    expect(first.metadata.entities.records.map((row: { entity: string }) => row.entity)).toContain('award')
    const again = await worker({ asset_keys: ['enriched_sbir_awards'], extras: { mode: 'ingest', awards, companies } })
    expect(again.metadata).toMatchObject({ same_file: true, added: 0 })
  })

  test('a file that is not there: no retry helps', async () => {
    const { code, exception } = await worker({ extras: { mode: 'ingest', awards: join(home.dir, 'none.csv') } })
    expect(code).toBe(78)
    expect(exception.message).toContain('none.csv')
  })

  test('partitions: every partition, in the order in which to work on them', async () => {
    const { code, told, result } = await worker({ extras: { mode: 'partitions' } })
    expect(code).toBe(0)
    const [list] = told
    const keys = list.partitions.map((row: { partition: string }) => row.partition)
    expect(keys).toEqual(expect.arrayContaining(['sam_gov:uei_batch_0001', 'sam_gov:uei_batch_0002', 'sbir_gov:bulk_file']))
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys.some((key: string) => key.endsWith(':unresolved'))).toBe(false)
    const row = list.partitions.find((one: { partition: string }) => one.partition === 'sam_gov:uei_batch_0001')
    expect(row).toMatchObject({
      kind: 'cohort',
      due: row.population,
      planned: true,
      checkpoint: null,
      leased: false,
      overdue_ratio: 0,
    })
    expect(row.calls).toBe(Math.ceil(row.due / 10))
    const planned = list.partitions.map((one: { planned: boolean }) => one.planned)
    expect(planned.indexOf(false)).toBeGreaterThan(planned.lastIndexOf(true))
    expect(list.sources.map((one: { source: string }) => one.source)).toEqual(
      expect.arrayContaining(['sam_gov', 'sbir_gov', 'usaspending']),
    )
    expect(result).toMatchObject({ kind: 'result', mode: 'partitions', exit_code: 0, partitions: keys.length })
  })

  test('a partition: logs, live messages, and one materialization with stable names', async () => {
    const before = arrived(home)
    const { code, logs, told, metadata, messages, result, stderr } = await worker(partition('sam_gov:uei_batch_0001'))
    expect(stderr).not.toContain('error')
    expect(code).toBe(0)
    expect(messages.at(-1)).toMatchObject({ method: 'closed', params: {} })
    expect(messages.filter((message) => message.method === 'report_asset_materialization')).toHaveLength(1)
    expect(metadata).toMatchObject({
      coverage_before: 0,
      coverage_after: 1,
      due: 50,
      due_after: 0,
      refreshed: 50,
      failed: 0,
      api_calls: 5,
      calls_saved: 45,
      calls_saved_by_strategy: { batch: 45 },
      source: 'sam_gov',
      cohort: 'uei_batch_0001',
      window: 'none',
      strategy: 'batch',
      sla_gaps_closed: 0,
    })
    expect(metadata.deltas).toBeGreaterThan(0)
    expect(metadata.checkpoint).toMatchObject({ partition: 'sam_gov:uei_batch_0001', status: 'complete' })
    expect(metadata.report).toContain('| sam_gov:uei_batch_0001 | done | batch | 50 |')
    expect(metadata['enrichment/run_id']).toBe(result.run_id)
    expect(logs.map((log) => log.message).join('\n')).toMatch(
      /1 partition to work on[\s\S]*sam_gov:uei_batch_0001: 50 never attempted[\s\S]*1 of 1 partition done/,
    )
    expect(told.map((one) => one.kind)).toEqual(
      expect.arrayContaining(['run_started', 'partition_started', 'progress', 'partition_finished', 'result']),
    )
    expect(requestsSince(home, before).filter((entry) => entry.source === 'sam_gov')).toHaveLength(5)
  })

  test('the same partition again: nothing due, nothing asked, still a materialization', async () => {
    const before = arrived(home)
    const { code, metadata } = await worker(partition('sam_gov:uei_batch_0001'))
    expect(code).toBe(0)
    expect(metadata).toMatchObject({
      coverage_before: 1,
      coverage_after: 1,
      due: 0,
      refreshed: 0,
      api_calls: 0,
      strategy: 'none',
    })
    expect(metadata.report).toContain('Nothing was due')
    expect(requestsSince(home, before).filter((entry) => entry.source === 'sam_gov')).toEqual([])
  })

  test('extras outrank the partition of the step; force asks although nothing is due', async () => {
    const { code, metadata } = await worker({
      ...partition('sam_gov:uei_batch_0002'),
      extras: { partition: 'sam_gov:uei_batch_0001', force: true },
    })
    expect(code).toBe(0)
    expect(metadata).toMatchObject({ cohort: 'uei_batch_0001', refreshed: 50, changed: 0, deltas: 0 })
    expect(metadata.unchanged + metadata.absent).toBe(50)
  })

  test('a window', async () => {
    const { code, metadata } = await worker({ ...partition('sam_gov:change_feed'), extras: { window: '2026-10-01:2026-10-07' } })
    expect(code).toBe(0)
    expect(metadata).toMatchObject({ window: '2026-10-01:2026-10-07', strategy: 'feed', cohort: 'change_feed' })
  })

  test('two weeks later: SLA gaps are listed, closed, and counted', async () => {
    await advance(home, '14d')
    const coverage = await worker({ asset_keys: ['enrichment_coverage/sam_gov'], extras: { mode: 'coverage' } })
    expect(coverage.code).toBe(0)
    expect(coverage.metadata).toMatchObject({ source: 'sam_gov', coverage: 0, below_threshold: true })
    expect(coverage.metadata.stale).toBeGreaterThanOrEqual(50)
    expect(coverage.metadata.stale_cohorts).toContain('| uei_batch_0001 | 50 | 0 | 50 | 50 | 0.0 % |')
    const check = coverage.messages.find((message) => message.method === 'report_asset_check')!
    expect(check.params).toMatchObject({
      asset_key: 'enrichment_coverage/sam_gov',
      check_name: 'coverage_at_threshold',
      passed: false,
      severity: 'ERROR',
    })

    const list = (await worker({ extras: { mode: 'partitions', sources: ['sam_gov'] } })).told[0]
    expect(list.partitions[0]).toMatchObject({
      partition: 'sam_gov:uei_batch_0001',
      stale: 50,
      overdue_ratio: expect.closeTo(2, 1),
    })
    expect(list.sources[0]).toMatchObject({ below_threshold: true })

    const run = await worker(partition('sam_gov:uei_batch_0001'))
    expect(run.metadata).toMatchObject({ coverage_before: 0, coverage_after: 1, sla_gaps_closed: 50, sla_gaps_left: 0 })
    expect(run.metadata.sla_gaps.records).toEqual([
      expect.objectContaining({ partition: 'sam_gov:uei_batch_0001', stale_before: 50, stale_after: 0, closed: 50 }),
    ])
    expect(run.result).toMatchObject({ sla_gaps_closed: 50, exit_code: 0 })
  })

  test('several coverage assets in one step, each with its own; a check that is not declared is not reported', async () => {
    const keys = ['enrichment_coverage/sam_gov', 'enrichment_coverage/usaspending']
    const { code, messages } = await worker({ asset_keys: keys, extras: { mode: 'coverage', checks: [] } })
    expect(code).toBe(0)
    const reported = messages.filter((message) => message.method === 'report_asset_materialization')
    expect(reported.map((message) => message.params.asset_key).sort()).toEqual(keys)
    expect(messages.some((message) => message.method === 'report_asset_check')).toBe(false)
  })

  test('plan: what would be done, without doing it', async () => {
    const before = arrived(home)
    const { code, told } = await worker({ extras: { mode: 'plan', sources: ['usaspending'] } })
    expect(code).toBe(0)
    expect(told[0]).toMatchObject({ kind: 'plan', sources: [expect.objectContaining({ source: 'usaspending' })] })
    expect(told[0].partitions.length).toBeGreaterThan(0)
    expect(requestsSince(home, before).filter((entry) => entry.source === 'usaspending')).toEqual([])
  })
})

describe('ends that are no success', () => {
  // The same files again change nothing: this is for running these tests alone.
  beforeAll(async () => {
    const { code, stderr } = await worker({ asset_keys: ['a'], extras: { mode: 'ingest', ...home.files } })
    expect(code, stderr).toBe(0)
  })

  test.each([
    ['an unknown extra', { extras: { parttion: 'x' } }, 'parttion'],
    [
      'no partition at all, as in a run over a range',
      { partition_key_range: { start: 'a:b', end: 'a:c' } },
      'one run per partition',
    ],
    ['a source that is not there', partition('sam_gvo:uei_batch_0001'), 'did you mean "sam_gov"'],
    ['a window that is none', { ...partition('sam_gov:change_feed'), extras: { window: 'last week' } }, 'last week'],
    ['two assets and no word which', { ...partition('sam_gov:uei_batch_0001'), asset_keys: ['a', 'b'] }, 'asset_key'],
    [
      'a configuration that is broken',
      { ...partition('sam_gov:uei_batch_0001'), extras: { settings: ['run.lease=soon'] } },
      'run.lease',
    ],
  ])('%s: exit 78, and why', async (_what, step, expected) => {
    const { code, exception, result, metadata } = await worker(step)
    expect(code).toBe(78)
    expect(exception).toMatchObject({ name: 'ConfigurationError', message: expect.stringContaining(expected) })
    expect(result).toMatchObject({ kind: 'result', exit_code: 78, error: { recovery: 'configuration' } })
    expect(metadata).toEqual({})
  })

  test('a call budget that is spent: exit 75, the rest later', async () => {
    const { code, exception, result, metadata } = await worker({
      ...partition('sam_gov:uei_batch_0002'),
      extras: { max_calls: 1 },
    })
    expect(code).toBe(75)
    expect(exception).toMatchObject({ name: 'TryLater' })
    expect(result).toMatchObject({ exit_code: 75, report: { partitions: [expect.objectContaining({ status: 'parked' })] } })
    expect(metadata).toEqual({})
  })

  test('a day quota that is spent: exit 75 with the seconds until its reset', async () => {
    const day = JSON.stringify([{ limit: 1, per: '1d', resets: 'utc_day' }])
    const step = { ...partition('sam_gov:uei_batch_0003'), extras: { force: true } }
    const quotas = {
      ENRICHMENT__ENRICHMENT_REFRESH__SAM_GOV__QUOTAS: day,
      ENRICHMENT__ENRICHMENT_REFRESH__SAM_EXCLUSIONS__QUOTAS: day,
    }
    await worker(step, quotas)
    const { code, result } = await worker(step, quotas)
    expect(code).toBe(75)
    expect(result.retry_after_s).toBeGreaterThan(0)
    expect(result.retry_after_s).toBeLessThanOrEqual(86_400)
  })

  test('a lease that another process holds: exit 75, and when to come back', async () => {
    const engine = await openTestEngine(await home.config())
    const key = 'sam_gov:uei_batch_0002'
    const lease = await engine.store.acquireLease(key, 'someone else', 60_000, engine.clock.monotonic())
    const { code, result } = await worker({ ...partition(key), extras: { force: true } })
    await engine.store.releaseLease(lease!)
    await engine.close()
    expect(code).toBe(75)
    expect(result.report.partitions[0]).toMatchObject({ status: 'lease_held' })
    expect(result.retry_after_s).toBe(60)
  })

  test('credentials that are refused: exit 78, and the key is nowhere', async () => {
    const step = { ...partition('sam_gov:uei_batch_0001'), extras: { force: true } }
    const { code, messages, stderr, stdout } = await worker(step, { SAM_GOV_API_KEY: CANARY })
    expect(code).toBe(78)
    expect(JSON.stringify(messages) + stderr + stdout).not.toContain(CANARY)
  })

  /** Twenty-five calls of 300 ms each, two at a time. */
  const slow: Step = {
    ...partition('sam_gov:uei_batch_0002'),
    asset_keys: ['enrichment_refresh'],
    extras: { force: true, settings: ['enrichment_refresh.sam_gov.batch_size=2'] },
  }
  const isUnderWay = (dagster: { messages(): readonly Message[] }): boolean =>
    dagster.messages().some((message) => message.params.payload?.kind === 'progress')
  const keysSince = (n: number): readonly string[] =>
    requestsSince(home, n)
      .filter((entry) => entry.source === 'sam_gov')
      .flatMap((entry) => entry.keys)

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s in the middle: exit 130, and the next run asks for nothing twice',
    async (signal) => {
      await admin(home, 'faults', { source: 'sam_gov', kind: 'latency', ms: 300 })
      const start0 = arrived(home)
      const dagster = session(slow)
      const child = start([MAIN], { ...environment(), ...dagster.env })
      await until(() => isUnderWay(dagster))
      child.kill(signal)
      const ended = read(await child.finished, dagster.messages())
      await admin(home, 'faults', undefined, 'DELETE')
      expect(ended.code).toBe(130)
      expect(ended.exception).toMatchObject({ name: 'Interrupted' })
      expect(ended.metadata).toEqual({})
      expect(ended.result).toMatchObject({ exit_code: 130, report: { interrupted: true } })
      const first = keysSince(start0)
      expect(first.length).toBeGreaterThan(0)
      expect(first.length).toBeLessThan(50)

      const start1 = arrived(home)
      const next = await worker(slow)
      expect(next.code).toBe(0)
      expect(next.metadata).toMatchObject({ resumed: true })
      const second = keysSince(start1)
      expect(second.filter((key) => first.includes(key))).toEqual([])
      expect(new Set([...first, ...second]).size).toBe(50)
    },
  )

  test('the launcher is killed: the worker stops by itself and gives its lease back', async () => {
    await admin(home, 'faults', { source: 'sam_gov', kind: 'latency', ms: 300 })
    const dagster = session(slow)
    const child = `${JSON.stringify(process.execPath)}, [${JSON.stringify(MAIN)}], { stdio: 'ignore' }`
    const launcher = `require('node:child_process').spawn(${child}); setInterval(() => {}, 1000)`
    const parent = start(['-e', launcher], { ...environment(), ...dagster.env })
    await until(() => isUnderWay(dagster))
    parent.kill('SIGKILL')
    await until(() => dagster.messages().at(-1)?.method === 'closed')
    await admin(home, 'faults', undefined, 'DELETE')
    expect(dagster.messages().at(-1)!.params.exception).toMatchObject({ name: 'Interrupted' })
    const engine = await openTestEngine(await home.config(), { readOnly: true })
    expect(await engine.store.leases(engine.clock.monotonic())).toEqual([])
    await engine.close()
  })

  test('a launcher further away is watched too, when it gave its pid', async () => {
    await admin(home, 'faults', { source: 'sam_gov', kind: 'latency', ms: 300 })
    const launcher = start(['-e', 'setInterval(() => {}, 1000)'])
    const dagster = session({ ...slow, extras: { ...(slow.extras as object), launcher_pid: launcher.pid } })
    const child = start([MAIN], { ...environment(), ...dagster.env })
    await until(() => isUnderWay(dagster))
    launcher.kill('SIGKILL')
    const ended = await child.finished
    await admin(home, 'faults', undefined, 'DELETE')
    expect(ended.code).toBe(130)
    expect(ended.stderr).toContain('The process that started this one is gone')
  })
})

describe('outside Dagster', () => {
  test('the request is the argument, the answer is on stdout, a line each', async () => {
    const ended = await start([MAIN, '{"mode":"partitions"}'], environment()).finished
    expect(ended.code).toBe(0)
    const lines = ended.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly kind: string })
    expect(lines.map((line) => line.kind)).toEqual(['partitions', 'result'])
  })

  test('without a request it says what it takes', async () => {
    const ended = await start([MAIN], environment()).finished
    expect(ended).toMatchObject({ code: 78, stdout: '' })
    expect(ended.stderr).toContain('run request as JSON')
  })

  test('parameters that Dagster did not write are refused before any work', async () => {
    const ended = await start([MAIN], { ...environment(), DAGSTER_PIPES_CONTEXT: 'x', DAGSTER_PIPES_MESSAGES: 'y' }).finished
    expect(ended.code).toBe(78)
    expect(ended.stderr).toContain('DAGSTER_PIPES_MESSAGES')
  })
})

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 40_000
  for (;;) {
    try {
      if (condition()) return
    } catch {
      // The last line is being written.
    }
    if (Date.now() > deadline) throw new Error('waited in vain')
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
