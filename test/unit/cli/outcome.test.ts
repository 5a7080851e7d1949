import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { checksExitCode } from '../../../ts/cli/commands/sources.ts'
import { dryRunText } from '../../../ts/cli/dry-run-text.ts'
import { runExitCode } from '../../../ts/cli/run-exit-code.ts'
import { runText } from '../../../ts/cli/run-text.ts'
import { debouncedSignals } from '../../../ts/cli/signals.ts'
import { NO_COUNTS } from '../../../ts/model/checkpoint.ts'
import type { Plan } from '../../../ts/model/plan.ts'
import type { PartitionReport, PartitionStatus, RunReport } from '../../../ts/model/run-report.ts'
import type { SourceCheck } from '../../../ts/wiring.ts'
import { plannedPartition } from '../../support/builders.ts'

function part(status: PartitionStatus, reason: string | null = null, code: PartitionReport['code'] = null): PartitionReport {
  return {
    partition: `s:${status}`,
    source: 's',
    strategy: 'batch',
    window: null,
    status,
    code,
    reason,
    until: null,
    resumed: false,
    reconciled: null,
    counts: NO_COUNTS,
    slaGapsClosed: 0,
    quotaWaitMs: 0,
    durationMs: 1,
  }
}

function run(partitions: readonly PartitionReport[], more: Partial<RunReport> = {}): RunReport {
  return {
    runId: 'run_1',
    startedAt: 0,
    finishedAt: 10,
    dryRun: false,
    partitions,
    sources: [],
    heldBack: [],
    interrupted: false,
    ...more,
  }
}

describe('exit code of a run', () => {
  it.each([
    [0, []],
    [0, [part('done')]],
    [1, [part('done'), part('failed', 'HTTP 500')]],
    [1, [part('failed', 'HTTP 500'), part('parked')]],
    [1, [part('failed', 'HTTP 500'), part('failed', 'no key', 'credentials')]],
    [78, [part('failed', 'HTTP 401', 'credentials'), part('not_started')]],
    [78, [part('done'), part('failed', '/x.mmdb is damaged', 'configuration')]],
    [78, [part('failed', 's needs the credential "api_key"', 'credentials'), part('parked', 'quota', 'quota')]],
    [75, [part('done'), part('parked', 'quota')]],
    [75, [part('lease_held')]],
  ] as const)('is %i', (code, partitions) => {
    expect(runExitCode(run(partitions))).toBe(code)
  })

  it('is 75 when a source was held back although something is due there', () => {
    const held = [{ source: 's', due: 3, why: 'source down' }]
    expect(runExitCode(run([], { heldBack: held }))).toBe(75)
    expect(runExitCode(run([part('failed')], { heldBack: held }))).toBe(1)
    const text = runText(run([], { heldBack: held }), { tableWidth: null, bold: (line: string) => line })
    expect(text).toContain('s was not asked, 3 due there: source down')
    expect(text).not.toContain('Nothing to do')
  })

  it('is 130 whenever it was stopped, and 0 for a dry run', () => {
    expect(runExitCode(run([part('failed')], { interrupted: true }))).toBe(130)
    expect(runExitCode(run([part('not_started')], { dryRun: true }))).toBe(0)
  })
})

describe('a run for people', () => {
  const context = { tableWidth: null, bold: (text: string) => text }
  it('lists what is not done and why, and sums up the rest', () => {
    const text = runText(run([part('done'), part('parked', 'quota spent')]), context)
    expect(text).toContain('s:parked')
    expect(text).toContain('quota spent')
    expect(text).not.toContain('s:done')
    expect(text).toContain('1 of 2 partitions done; the others are listed above.')
    expect(text).not.toContain('Calls saved')
  })
  it('says which way saved how many calls', () => {
    const counted = (strategy: 'batch' | 'feed', items: number, calls: number) => ({
      ...part('done'),
      strategy,
      counts: { ...NO_COUNTS, items, calls },
    })
    const text = runText(run([counted('batch', 120, 12), counted('feed', 1_500, 3), counted('batch', 5, 1)]), context)
    expect(text).toContain('Calls saved against one look-up each: batch 112, feed 1,497.')
  })
  it('says what a dry run would ask, under the limit, and what is held back', () => {
    const planned = [
      plannedPartition({ partition: 's:a', entities: 1_200, calls: 12 }),
      plannedPartition({ partition: 's:b', entities: 34, calls: 1 }),
    ]
    const plan: Plan = { at: 0, sources: [], partitions: planned }
    const report = run([part('not_started')], { dryRun: true })
    const text = dryRunText(report, plan, null, context)
    expect(text).toMatch(/s:a +batch +0 +0 +1,200 +12 /)
    expect(text).toContain('2 partitions would be worked on: 1,234 entities, about 13 calls.')
    expect(text).toContain('Nothing was asked, nothing was written.')
    expect(dryRunText(report, plan, 50, context)).toContain('of which --limit lets 50 be asked about')
    const held = run([], { dryRun: true, heldBack: [{ source: 's', due: 3, why: 'source down' }] })
    expect(dryRunText(held, { ...plan, partitions: [] }, null, context)).toContain('1 source would not be asked')
  })

  it('shows what was held back also where no entity is due', () => {
    const heldBack = [{ source: 's', due: 0, why: 'bulk_file failed' }]
    expect(runText(run([], { heldBack }), context)).toContain('s was not asked: bulk_file failed\n\nNothing was asked.')
    expect(runExitCode(run([], { heldBack }))).toBe(75)
  })

  it('says when there was nothing to do', () => {
    expect(runText(run([]), context)).toContain('Nothing to do')
    expect(runText(run([part('interrupted')], { interrupted: true }), context)).toContain('The same command goes on')
  })
})

describe('exit code of checks', () => {
  const check = (result: SourceCheck['result'], more: Partial<SourceCheck> = {}): SourceCheck => ({
    source: 's',
    title: '',
    enabled: true,
    ok: false,
    result,
    reason: '',
    status: null,
    until: null,
    durationMs: 1,
    ...more,
  })
  it.each([
    [0, [check('ok', { ok: true })]],
    [0, [check('source_down', { enabled: false })]],
    [1, [check('source_down'), check('rate_limited')]],
    [75, [check('rate_limited'), check('quota_exhausted')]],
    [75, [check('refused', { until: 5 })]],
    [78, [check('auth'), check('source_down')]],
    [78, [check('refused')]],
  ] as const)('is %i', (code, checks) => {
    expect(checksExitCode(checks)).toBe(code)
  })
})

describe('signals', () => {
  it('that come together count once, later ones again, and a closed terminal is a stop', async () => {
    const emitter = new EventEmitter()
    const signals = debouncedSignals(emitter, 40)
    const seen: string[] = []
    const listener = (signal: string) => void seen.push(signal)
    signals.on('SIGINT', listener)
    signals.on('SIGTERM', listener)
    emitter.emit('SIGINT')
    emitter.emit('SIGINT')
    emitter.emit('SIGTERM')
    expect(seen).toEqual(['SIGINT'])
    await sleep(80)
    emitter.emit('SIGHUP')
    expect(seen).toEqual(['SIGINT', 'SIGTERM'])
    signals.off('SIGINT', listener)
    signals.off('SIGTERM', listener)
    expect(emitter.eventNames()).toEqual([])
  })
})
