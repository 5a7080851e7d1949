/**
 * A real process that opens the engine and does what a script says, for tests that kill it. The script comes as JSON on
 * stdin; the last line of stdout is one JSON document. Crash points come in through `openEngine`: nothing in the engine
 * knows of them. Steps that were finished are remembered beside the state, as a person remembers which command to repeat.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import type { Config } from '../../ts/config/schema.ts'
import type { LoaderId } from '../../ts/ingest/ingest.ts'
import type { Identity } from '../../ts/model/entity.ts'
import type { EntityRef } from '../../ts/model/keys.ts'
import type { RefreshRequest } from '../../ts/model/plan.ts'
import type { RunReport } from '../../ts/model/run-report.ts'
import { createLogger } from '../../ts/runtime/logger.ts'
import type { Clock, CrashPoints } from '../../ts/runtime/ports.ts'
import { openSandboxClock } from '../../ts/runtime/sandbox-clock.ts'
import { createScrubber } from '../../ts/runtime/scrub.ts'
import { systemClock } from '../../ts/runtime/system.ts'
import type { PendingChange } from '../../ts/stores/store.ts'
import { type Engine, openEngine } from '../../ts/wiring.ts'

/** A pass of a named point, counted from 1 within the process. */
export type Pass = { readonly point: string; readonly pass: number }

export type Step =
  | { readonly do: 'ingest'; readonly loader: LoaderId; readonly path: string }
  /** `stopAt`: the run's signal aborts there, as SIGTERM would make it. */
  | { readonly do: 'refresh'; readonly request?: Partial<RefreshRequest>; readonly stopAt?: Pass }
  /** Runs again until a run leaves nothing undone: for several workers on one source. */
  | { readonly do: 'refresh_until_done'; readonly request?: Partial<RefreshRequest>; readonly giveUpAfterMs: number }
  | { readonly do: 'add_pending'; readonly changes: readonly PendingChange[] }
  | { readonly do: 'put_identities'; readonly identities: readonly Identity[] }
  | { readonly do: 'clear_identity'; readonly source: string; readonly entity: EntityRef }
  | { readonly do: 'reset_checkpoint'; readonly partition: string }
  | { readonly do: 'drop_quarantined' }

/** The wall clock is set by so much at that moment of the machine's monotonic clock: for all processes at once, as real ones are. */
export type WallStep = { readonly atMonotonicMs: number; readonly byMs: number }

export type WorkerScript = {
  readonly config: Config
  readonly steps: readonly Step[]
  readonly env?: Readonly<Record<string, string>>
  readonly crash?: Pass | null
  /** Moves the monotonic clock, as if the process had been started later: leases and slots of the dead have run out. */
  readonly monotonicAheadMs?: number
  readonly wallSteps?: readonly WallStep[]
  /** File that remembers how many steps are done; null: all are done each time. */
  readonly progressFile?: string | null
}

export type WorkerResult = {
  readonly points: Readonly<Record<string, number>>
  readonly reports: readonly RunReport[]
  readonly error: string | null
}

const script = JSON.parse(await text(process.stdin)) as WorkerScript
const points: Record<string, number> = {}
let stop: { readonly at: Pass; readonly controller: AbortController; passes: number } | null = null

const crashPoints: CrashPoints = {
  reach(name) {
    points[name] = (points[name] ?? 0) + 1
    if (script.crash?.point === name && script.crash.pass === points[name]) process.kill(process.pid, 'SIGKILL')
    if (stop?.at.point === name) {
      stop.passes += 1
      if (stop.passes === stop.at.pass) stop.controller.abort()
    }
  },
}

async function clockOf(config: Config): Promise<Clock> {
  const system = systemClock()
  const clock = config.clock.source === 'sandbox' ? await openSandboxClock(config.clock.sandbox_url!, system) : system
  const ahead = script.monotonicAheadMs ?? 0
  const steps = script.wallSteps ?? []
  const stepped = (): number => {
    const at = clock.monotonic().ms
    return steps.reduce((sum, step) => (step.atMonotonicMs <= at ? sum + step.byMs : sum), 0)
  }
  return {
    now: () => clock.now() + stepped(),
    monotonic: () => ({ ...clock.monotonic(), ms: clock.monotonic().ms + ahead }),
    sleep: (duration, signal) => clock.sleep(duration, signal),
  }
}

const EVERYTHING: RefreshRequest = {
  sources: [],
  cohorts: [],
  partitions: [],
  window: null,
  force: false,
  limit: null,
  maxCalls: null,
}

async function refresh(engine: Engine, request: Partial<RefreshRequest>, signal: AbortSignal): Promise<RunReport> {
  return engine.refresh({ ...EVERYTHING, ...request }, { dryRun: false, signal })
}

async function perform(engine: Engine, step: Step): Promise<RunReport[]> {
  switch (step.do) {
    case 'ingest':
      await engine.ingest({ loader: step.loader, path: step.path })
      return []
    case 'refresh': {
      const controller = new AbortController()
      stop = step.stopAt === undefined ? null : { at: step.stopAt, controller, passes: 0 }
      const report = await refresh(engine, step.request ?? {}, controller.signal)
      stop = null
      return [report]
    }
    case 'refresh_until_done': {
      const reports: RunReport[] = []
      const until = performance.now() + step.giveUpAfterMs
      while (performance.now() < until) {
        const report = await refresh(engine, step.request ?? {}, new AbortController().signal)
        reports.push(report)
        if (report.partitions.every((part) => part.status === 'done')) return reports
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
      throw new Error('gave up: work was still left')
    }
    case 'add_pending':
      await engine.store.addPending(step.changes)
      return []
    case 'put_identities':
      await engine.store.putIdentities(step.identities)
      return []
    case 'clear_identity':
      await engine.store.clearIdentity(step.source, step.entity)
      return []
    case 'reset_checkpoint':
      await engine.store.resetCheckpoint(step.partition, engine.clock.monotonic())
      return []
    case 'drop_quarantined':
      for (const item of await engine.store.quarantine({ state: 'open', limit: 1000 }))
        await engine.store.setQuarantineState(item.id, 'dropped')
      return []
  }
}

function stepsDone(): number {
  if (script.progressFile == null) return 0
  try {
    return Number(readFileSync(script.progressFile, 'utf8'))
  } catch {
    return 0
  }
}

async function main(): Promise<WorkerResult> {
  const reports: RunReport[] = []
  const scrubber = createScrubber()
  const clock = await clockOf(script.config)
  const logger = createLogger({ level: 'debug', format: 'text', write: (line) => process.stderr.write(line), scrubber, clock })
  const env = (name: string): string | undefined => script.env?.[name]
  const engine = await openEngine({ config: script.config, logger, scrubber, env, clock, crashPoints })
  try {
    for (const [index, step] of script.steps.entries()) {
      if (index < stepsDone()) continue
      reports.push(...(await perform(engine, step)))
      if (script.progressFile != null) writeFileSync(script.progressFile, String(index + 1))
    }
  } finally {
    await engine.close()
  }
  return { points, reports, error: null }
}

function say(result: WorkerResult): void {
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

try {
  say(await main())
} catch (error) {
  say({ points, reports: [], error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  process.exitCode = 1
}
