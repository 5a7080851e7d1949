import { describe, expect, test } from 'vitest'
import { type Counts, NO_COUNTS } from '../../../ts/model/checkpoint.ts'
import type { PartitionReport, RunReport } from '../../../ts/model/run-report.ts'
import { createNarrator, type Told } from '../../../ts/pipes/narrator.ts'
import { plannedPartition, SOURCE } from '../../support/builders.ts'
import { TEST_EPOCH } from '../../support/fake-clock.ts'

const PARTITION = `${SOURCE}:batch_0001`
const counts = (parts: Partial<Counts>): Counts => ({ ...NO_COUNTS, ...parts })
const logs = (told: readonly Told[]): readonly string[] =>
  told.flatMap((one) => ('log' in one ? [`${one.level} ${one.log}`] : []))
const kinds = (told: readonly Told[]): readonly string[] => told.flatMap((one) => ('message' in one ? [one.message.kind] : []))

function report(parts: Partial<PartitionReport> = {}): PartitionReport {
  return {
    partition: PARTITION,
    source: SOURCE,
    strategy: 'batch',
    window: null,
    status: 'done',
    code: null,
    reason: null,
    until: null,
    resumed: false,
    reconciled: null,
    counts: counts({ items: 50, changed: 2, unchanged: 40, notModified: 8, events: 3, calls: 5 }),
    slaGapsClosed: 7,
    quotaWaitMs: 0,
    durationMs: 61_000,
    ...parts,
  }
}

const progress = (items: number) => ({
  kind: 'progress' as const,
  partition: PARTITION,
  counts: counts({ items, calls: items / 10 }),
  planned: plannedPartition({ due: 50 }),
})

describe('progress', () => {
  test('messages are told every two seconds, lines every ten, however often it goes on', () => {
    const narrator = createNarrator(0)
    const told: Told[] = []
    for (let at = 0; at < 60_000; at += 100) told.push(...narrator.onEvent(progress(at / 100), at))
    expect(kinds(told).length).toBe(30)
    expect(logs(told).length).toBe(5)
    expect(logs(told)[0]).toBe('INFO fake_source:batch_0001 100 asked, 0 changed, 0 unchanged, 0 events, 10 calls')
  })

  test('several partitions are one line', () => {
    const narrator = createNarrator(0)
    narrator.onEvent(progress(10), 0)
    const other = { ...progress(20), partition: `${SOURCE}:batch_0002` }
    expect(logs(narrator.onEvent(other, 10_000))[0]).toMatch(
      /^INFO 2 partitions so far: fake_source:batch_0001 .*; fake_source:batch_0002 /,
    )
  })

  test('a message holds every count and what was planned', () => {
    const narrator = createNarrator(1_000)
    narrator.onEvent(
      { kind: 'partition_started', partition: PARTITION, planned: plannedPartition({ due: 50 }), resumed: false },
      1_000,
    )
    const [message] = narrator.onEvent(progress(10), 3_500)
    expect(message).toEqual({
      message: {
        kind: 'progress',
        run_id: '',
        partition: PARTITION,
        due: 50,
        items: 10,
        changed: 0,
        unchanged: 0,
        not_modified: 0,
        absent: 0,
        failed: 0,
        skipped: 0,
        events: 0,
        calls: 1,
        elapsed_s: 2.5,
      },
    })
  })

  test('while nothing happens it still tells that it lives', () => {
    const narrator = createNarrator(0)
    narrator.onEvent(progress(1), 0)
    expect(narrator.onBeat(9_999)).toEqual([])
    expect(narrator.onBeat(10_000)).toEqual([{ message: { kind: 'heartbeat', run_id: '', elapsed_s: 10, idle_s: 10 } }])
    expect(narrator.onBeat(11_000)).toEqual([])
    expect(narrator.onBeat(20_000)).toMatchObject([{ message: { idle_s: 20 } }])
  })
})

describe('what is worth a line', () => {
  const plan = { at: TEST_EPOCH, sources: [], partitions: [plannedPartition({ due: 50, calls: 5 })] }
  const source = {
    source: SOURCE,
    population: 9,
    due: 9,
    stale: 0,
    neverAttempted: 9,
    backingOff: 0,
    unresolved: 0,
    strategy: null,
    callsByStrategy: {},
    calls: 0,
    etaMs: null,
    feasibility: { feasible: true, utilisation: 0, repairs: [], repair: null },
    heldBack: 'source down, next probe at 2026-11-21T03:00:00.000Z',
  }

  test('the plan, and what it holds back', () => {
    const told = createNarrator(0).onEvent({ kind: 'run_started', runId: 'run_1', plan: { ...plan, sources: [source] } }, 0)
    expect(logs(told)).toEqual([
      'WARNING run run_1: 1 partition to work on, about 5 calls; fake_source is not asked, 9 due there: source down, next probe at 2026-11-21T03:00:00.000Z',
    ])
    expect(told[1]).toMatchObject({
      message: { kind: 'run_started', run_id: 'run_1', partitions: [PARTITION], held_back: [{ due: 9 }] },
    })
    const nothing = createNarrator(0).onEvent({ kind: 'run_started', runId: 'run_1', plan: { ...plan, partitions: [] } }, 0)
    expect(logs(nothing)).toEqual(['INFO run run_1: nothing to do: nothing that was selected is due'])
  })

  test.each<[Partial<PartitionReport>, string]>([
    [{}, 'INFO fake_source:batch_0001: done after 1m 1s; 50 asked, 2 changed, 48 unchanged, 3 events, 5 calls'],
    [
      { status: 'parked', reason: 'quota spent', until: TEST_EPOCH },
      `WARNING fake_source:batch_0001: parked after 1m 1s; 50 asked, 2 changed, 48 unchanged, 3 events, 5 calls; quota spent, again at ${new Date(TEST_EPOCH).toISOString().slice(0, 16).replace('T', ' ')}Z`,
    ],
    [
      { status: 'lease_held', reason: 'another process', counts: NO_COUNTS },
      'WARNING fake_source:batch_0001: lease held after 1m 1s; 0 asked, 0 changed, 0 unchanged, 0 events, 0 calls; another process',
    ],
    [
      { status: 'failed', reason: 'no\u001b[31m way' },
      'ERROR fake_source:batch_0001: failed after 1m 1s; 50 asked, 2 changed, 48 unchanged, 3 events, 5 calls; no way',
    ],
  ])('the end of a partition: %j', (parts, expected) => {
    const told = createNarrator(0).onEvent({ kind: 'partition_finished', report: report(parts) }, 0)
    expect(logs(told)).toEqual([expected])
    expect(kinds(told)).toEqual(['progress', 'partition_finished'])
  })

  test('a checkpoint that did not match is a warning; a wait is one line, however often it is told', () => {
    const narrator = createNarrator(0)
    expect(
      logs(narrator.onEvent({ kind: 'checkpoint_mismatch', partition: PARTITION, message: 'older than the ledger' }, 0))[0],
    ).toMatch(/^WARNING .*older than the ledger/)
    const waiting = { kind: 'waiting' as const, source: SOURCE, until: null, why: 'quota' }
    expect(logs(narrator.onEvent(waiting, 0))).toEqual(['INFO fake_source waits for quota'])
    expect(logs(narrator.onEvent(waiting, 1))).toEqual([])
    expect(logs(narrator.onEvent({ ...waiting, why: 'the breaker' }, 2))).toEqual(['INFO fake_source waits for the breaker'])
  })

  test('the end of the run', () => {
    const run: RunReport = {
      runId: 'run_1',
      startedAt: 0,
      finishedAt: 1,
      dryRun: false,
      partitions: [report(), report({ status: 'parked' })],
      sources: [
        {
          source: SOURCE,
          counts: NO_COUNTS,
          coverageBefore: 0,
          coverageAfter: 1,
          slaGapsClosed: 7,
          quotaWaitMs: 0,
          callsSaved: 0,
        },
      ],
      heldBack: [],
      interrupted: true,
    }
    expect(logs(createNarrator(0).onEvent({ kind: 'run_finished', report: run }, 0))).toEqual([
      'INFO run run_1: 1 of 2 partitions done, 7 SLA gaps closed; stopped, state saved',
    ])
  })
})
