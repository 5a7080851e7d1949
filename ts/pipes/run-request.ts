/** What Dagster asks of the worker: the extras of the step and its partition, checked. Pure. */
import { z } from 'zod'
import { EngineError } from '../model/errors.ts'
import { type PartitionKey, parsePartitionKey, type SourceId } from '../model/keys.ts'
import { parseWindow, type Window } from '../model/window.ts'

export const MODES = ['refresh', 'partitions', 'coverage', 'plan', 'ingest'] as const
export type Mode = (typeof MODES)[number]

export const COVERAGE_CHECK = 'coverage_at_threshold'

const text = z.string().min(1).nullish()
const count = z.number().int().positive().nullish()

/** Names are part of the contract in docs/dagster-pipes.md. Null and left out mean the same everywhere. */
export const extrasSchema = z.strictObject({
  mode: z.enum(MODES).nullish(),
  partition: text,
  sources: z.array(z.string().min(1)).nullish(),
  window: text,
  force: z.boolean().nullish(),
  limit: count,
  max_calls: count,
  config_dir: text,
  env: text,
  settings: z.array(z.string().min(1)).nullish(),
  awards: text,
  companies: text,
  map: text,
  allow_shrink: z.boolean().nullish(),
  asset_key: text,
  checks: z.array(z.string().min(1)).nullish(),
  launcher_pid: count,
})

export type RunRequest = {
  readonly mode: Mode
  readonly partition: PartitionKey | null
  /** Empty: all. */
  readonly sources: readonly SourceId[]
  readonly window: Window | null
  readonly force: boolean
  readonly limit: number | null
  readonly maxCalls: number | null
  readonly configDir: string | null
  readonly environment: string | null
  /** `path=value`, as --set of the command line. */
  readonly settings: readonly string[]
  readonly awards: string | null
  readonly companies: string | null
  readonly map: string | null
  readonly allowShrink: boolean
  /** Which asset is reported, when the step has several. */
  readonly assetKey: string | null
  /** Checks that the step declares: another one would fail it. */
  readonly checks: readonly string[]
  readonly launcherPid: number | null
}

function refuse(problems: readonly string[]): EngineError {
  return new EngineError(
    'configuration',
    'pipes_request',
    `the run request is not one:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
    {
      hint: 'correct the extras that the asset passes; docs/dagster-pipes.md lists them',
    },
  )
}

function describeIssue(issue: z.core.$ZodIssue): readonly string[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `"${key}" is no extra; known are ${Object.keys(extrasSchema.shape).join(', ')}`)
  return [`extra "${issue.path.join('.')}": ${issue.message}`]
}

/**
 * `partitionKey`: the step's own, null when it has none (also in a run over a range of partitions). Extras outrank it. Throws
 * `pipes_request` (configuration: no retry helps) with all problems at once.
 */
export function readRunRequest(extras: unknown, partitionKey: string | null): RunRequest {
  const parsed = extrasSchema.safeParse(extras)
  if (!parsed.success) throw refuse(parsed.error.issues.flatMap(describeIssue))
  const given = parsed.data
  const mode = given.mode ?? 'refresh'
  const problems: string[] = []

  const named = mode === 'refresh' || mode === 'plan' ? (given.partition ?? partitionKey) : null
  if (named !== null && parsePartitionKey(named) === null)
    problems.push(`"${named}" is no partition; write it as source:cohort, e.g. sam_gov:uei_batch_0001`)
  const sources = [...new Set(given.sources ?? [])]
  if (mode === 'refresh' && named === null && sources.length === 0)
    problems.push(
      'a refresh needs a partition (or "sources"); a run over a range of partitions names none: use one run per partition',
    )
  if (named !== null && sources.length > 0) problems.push('"partition" and "sources" exclude each other')

  const window = given.window == null ? null : parseWindow(given.window)
  if (window !== null && 'problem' in window) problems.push(window.problem)
  if (mode === 'ingest' && given.awards == null && given.companies == null)
    problems.push('an ingest needs "awards", "companies" or both')
  if (given.map != null && given.awards != null && given.companies != null)
    problems.push('"map" is about one file: ingest the two in steps of their own')

  if (problems.length > 0) throw refuse(problems)
  return {
    mode,
    partition: named,
    sources,
    window: window as Window | null,
    force: given.force ?? false,
    limit: given.limit ?? null,
    maxCalls: given.max_calls ?? null,
    configDir: given.config_dir ?? null,
    environment: given.env ?? null,
    settings: given.settings ?? [],
    awards: given.awards ?? null,
    companies: given.companies ?? null,
    map: given.map ?? null,
    allowShrink: given.allow_shrink ?? false,
    assetKey: given.asset_key ?? null,
    checks: given.checks ?? [COVERAGE_CHECK],
    launcherPid: given.launcher_pid ?? null,
  }
}
