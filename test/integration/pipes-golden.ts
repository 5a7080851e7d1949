/**
 * A small worker for the conformance cases: does what it is told on its command line, one step after the other, over the
 * Pipes client. Driven by `pipes-golden.test.ts` and, against the installed Dagster, by `dagster_project/tests/pipes`.
 */
import {
  DEFAULT_LOG_RATES,
  metadata,
  openDagsterPipes,
  type PipesLogLevel,
  UNLIMITED_LOGS,
  watchParent,
} from '../../ts/pipes/index.ts'

type Step = {
  readonly log?: readonly [string, PipesLogLevel]
  readonly custom?: unknown
  /** Tells what the context holds. */
  readonly echo?: true
  readonly materialize?: { readonly metadata?: 'static' | 'none'; readonly dataVersion?: string; readonly assetKey?: string }
  readonly check?: { readonly name: string; readonly passed: boolean; readonly severity: 'WARN' | 'ERROR' }
  /** `perSecond` left out: as fast as it goes. */
  readonly flood?: { readonly count: number; readonly bytes: number; readonly perSecond?: number; readonly as?: 'log' | 'custom' }
  readonly print?: string
  readonly throw?: string
  readonly reject?: string
  readonly exit?: number
  /** Ends the work half way, with nothing left to do. */
  readonly stall?: true
  readonly sleepMs?: number
  readonly untilOrphaned?: true
  readonly close?: string
}
type Case = {
  readonly steps: readonly Step[]
  readonly unlimitedLogs?: boolean
  readonly secret?: string
  readonly using?: boolean
}

const STATIC_METADATA = {
  text: metadata.text('foo'),
  url: metadata.url('https://dagster.io'),
  path: metadata.path('/dev/null'),
  notebook: metadata.notebook('book.ipynb'),
  json: metadata.json({ foo: 'bar', baz: [1, null, { deep: true }] }),
  md: metadata.md('**bold**'),
  float: metadata.float(1),
  int: metadata.int(42),
  bool_true: metadata.bool(true),
  bool_false: metadata.bool(false),
  dagster_run: metadata.dagsterRun('db892d7f-0031-4747-973d-22e8b9095d9d'),
  asset: metadata.asset(['foo', 'bar']),
  timestamp: metadata.timestamp(1_700_000_000_500),
  null: metadata.nothing(),
  table: metadata.table(
    [
      { name: 'partition', type: 'string', description: 'what', constraints: { nullable: false, unique: true } },
      { name: 'closed', type: 'int', tags: { unit: 'entities' } },
      { name: 'share', type: 'float' },
      { name: 'ok', type: 'bool' },
    ],
    [
      { partition: 'sam_gov:uei_batch_0001', closed: 3, share: 0.5, ok: true },
      { partition: 'empty', closed: null },
    ],
  ),
  table_schema: metadata.tableSchema([{ name: 'a', type: 'int' }]),
  table_column_lineage: metadata.columnLineage({ a: [{ asset: ['up', 'stream'], column: 'x' }] }),
  plain_int: 1,
  plain_float: 1.5,
  plain_text: 'text',
  plain_bool: true,
  plain_null: null,
  plain_list: [1, 'two'],
  plain_undefined: undefined,
  not_a_number: Number.NaN,
  infinite: Number.POSITIVE_INFINITY,
  float_not_a_number: metadata.float(Number.NaN),
  huge: 2n ** 70n,
  looks_typed: { type: 'mine', raw_value: 1, more: 2 },
  half_a_surrogate: `broken ${'\ud83d'} pair`,
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function flood({ count, bytes, perSecond, as = 'custom' }: NonNullable<Step['flood']>): Promise<void> {
  const filler = 'x'.repeat(bytes)
  const startedAt = performance.now()
  for (let n = 0; n < count; ) {
    const dueNow = perSecond === undefined ? count : ((performance.now() - startedAt) / 1000) * perSecond
    for (; n < count && n <= dueNow; n += 1) {
      if (as === 'log') context.log(`flood ${n} ${filler}`)
      else context.reportCustomMessage({ n, filler })
    }
    await sleep(1)
  }
}

async function run(step: Step): Promise<void> {
  if (step.log !== undefined) context.log(...step.log)
  if ('custom' in step) context.reportCustomMessage(step.custom)
  if (step.echo) {
    const { runID, jobName, retryNumber, extras, isActive, isAssetStep, isPartitionStep } = context
    context.reportCustomMessage({
      run_id: runID,
      job_name: jobName,
      retry_number: retryNumber,
      extras,
      active: isActive,
      asset_keys: isAssetStep ? context.assetKeys : null,
      code_version: isAssetStep && context.assetKeys.length === 1 ? context.codeVersion : null,
      partition_key: isPartitionStep ? context.partitionKey : null,
      partition_time_window: context.partitionTimeWindow,
    })
  }
  if (step.materialize !== undefined) {
    const { metadata: which = 'static', dataVersion, assetKey } = step.materialize
    context.reportAssetMaterialization(which === 'static' ? STATIC_METADATA : null, dataVersion ?? null, assetKey ?? null)
  }
  if (step.check !== undefined) {
    const { name, passed, severity } = step.check
    context.reportAssetCheck(name, passed, severity, STATIC_METADATA)
  }
  if (step.flood !== undefined) await flood(step.flood)
  if (step.print !== undefined) process.stdout.write(step.print)
  if (step.throw !== undefined) throw new TypeError(step.throw, { cause: new Error('the cause', { cause: 'the root' }) })
  if (step.reject !== undefined) void Promise.reject(new RangeError(step.reject))
  if (step.exit !== undefined) process.exit(step.exit)
  if (step.stall) await new Promise(() => {})
  if (step.sleepMs !== undefined) await sleep(step.sleepMs)
  if (step.untilOrphaned) {
    const alive = setInterval(() => {}, 1_000)
    await new Promise<void>((resolve) => watchParent({ onOrphaned: resolve }))
    clearInterval(alive)
    context.reportCustomMessage('orphaned')
  }
  if (step.close !== undefined) context.close(step.close)
}

const what = JSON.parse(process.argv[2] ?? '{"steps":[]}') as Case
const scrub = what.secret === undefined ? null : (text: string) => text.replaceAll(what.secret!, '[redacted]')
const context = openDagsterPipes(null, null, null, {
  logRates: what.unlimitedLogs ? UNLIMITED_LOGS : DEFAULT_LOG_RATES,
  ...(scrub === null ? {} : { scrub }),
})

if (what.using) {
  using _own = context
  for (const step of what.steps) await run(step)
} else {
  for (const step of what.steps) await run(step)
  context.close()
}
