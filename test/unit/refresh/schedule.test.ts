import { describe, expect, test } from 'vitest'
import { NO_COUNTS } from '../../../ts/model/checkpoint.ts'
import type { EntityKind } from '../../../ts/model/keys.ts'
import type { PlannedPartition } from '../../../ts/model/plan.ts'
import type { PartitionReport } from '../../../ts/model/run-report.ts'
import { emptyReport, mergeReports, readOrder, type ScheduleDeps, schedule } from '../../../ts/refresh/schedule.ts'

type Adapter = ScheduleDeps['adapters'][number]

function adapter(id: string, parts: Partial<Adapter> = {}): Adapter {
  return { id, entityKinds: ['company'], ...parts }
}

function part(source: string, cohort = 'a', parts: Partial<PlannedPartition> = {}): PlannedPartition {
  const base = {
    source,
    cohort,
    strategy: 'lookup' as const,
    window: null,
    due: 1,
    stale: 0,
    entities: 1,
    calls: 1,
    provesSince: null,
  }
  return { ...base, partition: `${source}:${cohort}`, resume: false, reason: 'due', ...parts }
}

function done(planned: PlannedPartition, items = 1): PartitionReport {
  return { ...emptyReport(planned, 'x', null), status: 'done', reason: null, counts: { ...NO_COUNTS, items } }
}

/** Runs a schedule and notes when each partition began and ended. */
async function play(
  adapters: readonly Adapter[],
  partitions: readonly PlannedPartition[],
  parts: Partial<ScheduleDeps> = {},
): Promise<{ log: string[]; reports: PartitionReport[] }> {
  const log: string[] = []
  const reports = await schedule(partitions, {
    adapters,
    signal: new AbortController().signal,
    maxParallelPartitions: 4,
    notStarted: emptyReport,
    replan: async () => [],
    ...parts,
    runOne: async (planned, onDiscovered) => {
      log.push(`+${planned.partition}`)
      await new Promise((resolve) => setImmediate(resolve))
      const report = (await parts.runOne?.(planned, onDiscovered)) ?? done(planned)
      log.push(`-${planned.partition}`)
      return report
    },
  })
  return { log, reports }
}

describe('readOrder', () => {
  test('a source comes after those it reads and their identities; never after itself or its own', () => {
    const order = readOrder([
      adapter('a'),
      adapter('a_identity', { resolvesFor: 'a' }),
      adapter('b', { reads: ['a', 'b', 'missing'] }),
      adapter('b_identity', { reads: ['a', 'b'], resolvesFor: 'b' }),
    ])
    expect(Object.fromEntries([...order].map(([id, before]) => [id, [...before]]))).toEqual({
      a: [],
      a_identity: [],
      b: ['a', 'a_identity'],
      b_identity: ['a', 'a_identity'],
    })
  })

  test('a circle is broken where it closes', () => {
    const order = readOrder([adapter('a', { reads: ['b'] }), adapter('b', { reads: ['c'] }), adapter('c', { reads: ['a'] })])
    expect([...order.values()].map((before) => [...before])).toEqual([['b'], ['c'], []])
  })
})

describe('schedule', () => {
  const main = adapter('m')
  const identities = adapter('m_identity', { resolvesFor: 'm' })

  test('what is known first, then identities, then what became askable; twice worked on is one report', async () => {
    let plans = 0
    const { log, reports } = await play([main, identities], [part('m_identity'), part('m')], {
      replan: async (source) => {
        plans += 1
        expect(source).toBe('m')
        return [part('m'), part('m', 'b')]
      },
    })
    expect(log).toEqual(['+m:a', '-m:a', '+m_identity:a', '-m_identity:a', '+m:a', '+m:b', '-m:a', '-m:b'])
    expect(plans).toBe(1)
    expect(reports.map((report) => [report.partition, report.counts.items])).toEqual([
      ['m:a', 2],
      ['m_identity:a', 1],
      ['m:b', 1],
    ])
  })

  test('identities that were not looked for, or a source that said later, plan nothing anew', async () => {
    const replan = async (): Promise<never> => {
      throw new Error('planned anew')
    }
    const idle = await play([main, identities], [part('m_identity')], { replan, runOne: async (planned) => done(planned, 0) })
    expect(idle.log).toHaveLength(2)
    const parked = await play([main, identities], [part('m_identity'), part('m')], {
      replan,
      runOne: async (planned) => ({ ...done(planned), status: planned.source === 'm' ? 'parked' : 'done' }),
    })
    expect(parked.log).toHaveLength(4)
  })

  test('a source waits for those it reads, and nobody waits for ever', async () => {
    const { log } = await play([adapter('r', { reads: ['m'] }), main], [part('r'), part('m'), part('m', 'b')])
    expect(log.indexOf('+r:a')).toBeGreaterThan(log.indexOf('-m:b'))
    const afterNew = await play([adapter('r', { reads: ['m'] }), main, identities], [part('r'), part('m_identity')], {
      replan: async (source) => (source === 'm' ? [part('m')] : []),
    })
    expect(afterNew.log).toEqual(['+m_identity:a', '-m_identity:a', '+m:a', '-m:a', '+r:a', '-r:a'])
    const circle = await play([adapter('a', { reads: ['b'] }), adapter('b', { reads: ['a'] })], [part('a'), part('b')])
    expect(circle.log).toEqual(['+b:a', '-b:a', '+a:a', '-a:a'])
  })

  test('what came to light is asked about in the same run, at most so often', async () => {
    const kinds: ReadonlySet<EntityKind> = new Set(['ip'])
    let rounds = 0
    const { log } = await play([main, adapter('ip', { entityKinds: ['ip'] })], [part('m')], {
      replan: async () => {
        rounds += 1
        return [part('ip', `round_${rounds}`)]
      },
      runOne: async (planned, onDiscovered) => {
        onDiscovered(kinds)
        return done(planned)
      },
    })
    expect(log.filter((line) => line.startsWith('+'))).toEqual(['+m:a', '+ip:round_1', '+ip:round_2', '+ip:round_3'])
  })

  test('after a signal nothing is begun or planned', async () => {
    const controller = new AbortController()
    const { log, reports } = await play([main, identities], [part('m'), part('m_identity')], {
      signal: controller.signal,
      runOne: async (planned) => {
        controller.abort()
        return done(planned)
      },
    })
    expect(log).toEqual(['+m:a', '-m:a'])
    expect(reports.map((report) => report.status)).toEqual(['done', 'not_started'])
  })
})

test('merged reports add up, and end as the last one did', () => {
  const first = { ...done(part('m'), 3), durationMs: 5, reconciled: 'repaired', resumed: true }
  const second: PartitionReport = { ...done(part('m'), 4), status: 'parked', code: 'quota', durationMs: 2 }
  expect(mergeReports([first, done(part('o')), second])).toEqual([
    { ...second, counts: { ...NO_COUNTS, items: 7 }, durationMs: 7, reconciled: 'repaired', resumed: true },
    done(part('o')),
  ])
})
