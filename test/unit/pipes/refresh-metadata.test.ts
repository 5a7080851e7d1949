import { describe, expect, test } from 'vitest'
import { type Counts, NO_COUNTS } from '../../../ts/model/checkpoint.ts'
import type { PartitionReport, RunReport } from '../../../ts/model/run-report.ts'
import { DAY_MS, HOUR_MS } from '../../../ts/model/time.ts'
import { coverageMetadata, coverageText, staleCohortsMarkdown } from '../../../ts/pipes/coverage-metadata.ts'
import { ingestMetadata, ingestText } from '../../../ts/pipes/ingest-metadata.ts'
import { normalizeMetadata } from '../../../ts/pipes/metadata.ts'
import { type RefreshFacts, refreshMetadata, reportMarkdown } from '../../../ts/pipes/refresh-metadata.ts'
import { MOST_GAPS, slaGaps, tally } from '../../../ts/pipes/tallies.ts'
import { callsSavedByStrategy } from '../../../ts/refresh/calls-saved.ts'
import { sourceFreshness } from '../../../ts/refresh/coverage.ts'
import { checkpoint, partitionStats, SOURCE } from '../../support/builders.ts'
import { TEST_EPOCH } from '../../support/fake-clock.ts'

const counts = (parts: Partial<Counts>): Counts => ({ ...NO_COUNTS, ...parts })

function part(parts: Partial<PartitionReport> = {}): PartitionReport {
  return {
    partition: `${SOURCE}:batch_0001`,
    source: SOURCE,
    strategy: 'batch',
    window: null,
    status: 'done',
    code: null,
    reason: null,
    until: null,
    resumed: false,
    reconciled: null,
    counts: counts({ items: 50, changed: 2, unchanged: 40, notModified: 3, absent: 4, failed: 1, events: 3, calls: 5 }),
    slaGapsClosed: 12,
    quotaWaitMs: 1_500,
    durationMs: 4_000,
    ...parts,
  }
}

function facts(parts: Partial<RefreshFacts> = {}, report: Partial<RunReport> = {}): RefreshFacts {
  return {
    report: {
      runId: 'run_1',
      startedAt: TEST_EPOCH,
      finishedAt: TEST_EPOCH + 4_000,
      dryRun: false,
      partitions: [part()],
      sources: [],
      heldBack: [],
      interrupted: false,
      ...report,
    },
    source: SOURCE,
    cohort: 'batch_0001',
    window: null,
    before: [partitionStats({ population: 60, unresolved: 10, fresh: 38, due: 50, stale: 12 })],
    after: [partitionStats({ population: 60, unresolved: 10, fresh: 49, due: 1, stale: 0, oldestSuccessAt: TEST_EPOCH })],
    checkpoints: [checkpoint()],
    links: { providerDocs: 'https://docs.example/', providerUrl: null, warehouse: '/data/warehouse' },
    ...parts,
  }
}

const raw = (given: RefreshFacts): Record<string, unknown> =>
  Object.fromEntries(Object.entries(normalizeMetadata(refreshMetadata(given))!).map(([name, value]) => [name, value.raw_value]))

describe('a run as metadata', () => {
  test('the numbers', () => {
    expect(raw(facts())).toMatchObject({
      coverage_before: { value: 0.76 },
      coverage_after: { value: 0.98 },
      due: 50,
      due_after: 1,
      refreshed: 49,
      changed: 2,
      unchanged: 43,
      absent: 4,
      failed: 1,
      deltas: 3,
      api_calls: 5,
      calls_saved: 45,
      calls_saved_by_strategy: { batch: 45 },
      quota_wait_s: { value: 1.5 },
      duration_s: { value: 4 },
      sla_gaps_closed: 12,
      sla_gaps_left: 0,
      source: SOURCE,
      cohort: 'batch_0001',
      window: 'none',
      strategy: 'batch',
      'enrichment/run_id': 'run_1',
      'dagster/row_count': 60,
    })
  })

  test('names and types are the same whatever the run came to', () => {
    const typesOf = (given: RefreshFacts): object =>
      Object.fromEntries(Object.entries(normalizeMetadata(refreshMetadata(given))!).map(([name, value]) => [name, value.type]))
    const nothing = facts({ before: [], after: [], checkpoints: [] }, { partitions: [] })
    expect(typesOf(nothing)).toEqual(typesOf(facts()))
    expect(raw(nothing)).toMatchObject({ coverage_before: { value: 1 }, strategy: 'none', refreshed: 0, checkpoint: [] })
  })

  test('of several partitions checkpoints are a list, and a window is named', () => {
    const two = facts({
      cohort: null,
      checkpoints: [checkpoint(), checkpoint({ partition: `${SOURCE}:batch_0002` })],
      window: { from: Date.parse('2023-10-01'), to: Date.parse('2023-10-08') },
    })
    expect(raw(two)).toMatchObject({
      cohort: 'all',
      window: '2023-10-01:2023-10-07',
      checkpoint: [{}, { partition: `${SOURCE}:batch_0002` }],
    })
  })

  test('calls saved are told by strategy, and never negative', () => {
    const parts = [
      part(),
      part({ strategy: 'feed', counts: counts({ items: 900, calls: 10 }) }),
      part({ strategy: 'lookup', counts: counts({ items: 5, calls: 9 }) }),
    ]
    expect(callsSavedByStrategy(parts)).toEqual({ batch: 45, feed: 890, lookup: 0 })
  })

  test('the report is a table that a reason cannot break', () => {
    const text = reportMarkdown(
      facts({}, { partitions: [part({ status: 'parked', reason: 'a | b\nc', reconciled: 'it was | older' })] }),
    )
    const row = text.split('\n').find((line) => line.startsWith('| fake_source:batch_0001'))!
    expect(row).toContain('a \\| b c')
    expect(row.replaceAll('\\|', '').split('|')).toHaveLength(14)
    expect(text).toContain('checkpoint repaired before the first call: it was \\| older')
    expect(reportMarkdown(facts({}, { partitions: Array.from({ length: 60 }, () => part()) }))).toContain('… and 10 more.')
  })
})

describe('SLA gaps', () => {
  test('most closed first; what was never behind is left out', () => {
    const before = [
      partitionStats({ cohort: 'a', stale: 3 }),
      partitionStats({ cohort: 'b', stale: 9 }),
      partitionStats({ cohort: 'c' }),
      partitionStats({ cohort: 'd', stale: 2 }),
    ]
    const after = [
      partitionStats({ cohort: 'a', stale: 0 }),
      partitionStats({ cohort: 'b', stale: 1 }),
      partitionStats({ cohort: 'c' }),
      partitionStats({ cohort: 'd', stale: 5 }),
      partitionStats({ cohort: 'new', stale: 1 }),
    ]
    expect(slaGaps(before, after).map((gap) => [gap.partition, gap.staleBefore, gap.staleAfter, gap.closed])).toEqual([
      [`${SOURCE}:b`, 9, 1, 8],
      [`${SOURCE}:a`, 3, 0, 3],
      [`${SOURCE}:d`, 2, 5, 0],
      [`${SOURCE}:new`, 0, 1, 0],
    ])
  })

  test('the table is bounded', () => {
    const many = Array.from({ length: 500 }, (_, n) => partitionStats({ cohort: `c${n}`, stale: 1, population: 1 }))
    const table = raw(facts({ before: many, after: many.map((row) => ({ ...row, stale: 0 })) }))['sla_gaps'] as {
      records: unknown[]
    }
    expect(table.records).toHaveLength(MOST_GAPS)
  })

  test('a tally of nothing is covered', () => {
    expect(tally([])).toEqual({ population: 0, due: 0, stale: 0, unresolved: 0, coverage: 1 })
  })
})

describe('coverage as metadata', () => {
  const stats = [
    partitionStats({ cohort: 'good', population: 100, fresh: 100, oldestSuccessAt: TEST_EPOCH - HOUR_MS }),
    partitionStats({ cohort: 'bad', population: 50, fresh: 10, due: 40, stale: 40, oldestSuccessAt: TEST_EPOCH - 3 * DAY_MS }),
    partitionStats({ cohort: 'new', population: 10, due: 10, neverAttempted: 10 }),
  ]
  const given = { freshness: sourceFreshness(SOURCE, stats, 0.9), plan: null, slaMs: DAY_MS, now: TEST_EPOCH }

  test('the numbers, and why the check failed', () => {
    const values = Object.fromEntries(
      Object.entries(normalizeMetadata(coverageMetadata(given))!).map(([name, value]) => [name, value.raw_value]),
    )
    expect(values).toMatchObject({
      coverage: { value: 110 / 160 },
      below_threshold: true,
      stale: 40,
      never_attempted: 10,
      oldest_success_age_s: { value: 259_200 },
      sla_s: { value: 86_400 },
      held_back: 'no',
    })
    expect((values['cohorts'] as { records: { cohort: string }[] }).records.map((row) => row.cohort)).toEqual([
      'new',
      'bad',
      'good',
    ])
    expect(coverageText(given)).toBe('fake_source: 68.7 % fresh, below 90.0 %; 40 past the SLA, 10 never asked')
  })

  test('the table lists cohorts that are behind, and says so when none is', () => {
    expect(staleCohortsMarkdown(given).split('\n')).toHaveLength(3)
    expect(staleCohortsMarkdown(given)).toContain('| bad | 50 | 10 | 40 | 40 | 20.0 % |')
    const fine = { ...given, freshness: sourceFreshness(SOURCE, stats.slice(0, 1), 0.9) }
    expect(staleCohortsMarkdown(fine)).toBe('No cohort of fake_source has an entity past its SLA of 1d.')
  })

  test('a source without anything has no oldest knowledge', () => {
    const empty = { ...given, freshness: sourceFreshness(SOURCE, [], 0.9) }
    expect(normalizeMetadata(coverageMetadata(empty))).toMatchObject({
      oldest_success_at: { type: 'null' },
      coverage: { raw_value: { value: 1 } },
    })
  })
})

test('an ingest of two files is added up', () => {
  const file = (parts: object) =>
    ({
      ingestId: 'i',
      loader: 'sbir_awards',
      file: 'a.csv',
      sha256: 'x',
      bytes: 1,
      outcome: 'ingested',
      seenAs: 'i',
      rows: 10,
      previousRows: null,
      whole: true,
      entities: { award: { added: 3, changed: 1, unchanged: 6 } },
      duplicates: { exact: 0, differing: 0 },
      quarantined: 1,
      problems: [],
      warnings: {},
      companies: { joinedByDuns: 0, joinedByName: 0, ambiguous: 0, sharedDomains: 0 },
      ...parts,
    }) as Parameters<typeof ingestText>[0]
  const both = [
    file({}),
    file({
      loader: 'sbir_companies',
      file: 'c.csv',
      rows: 5,
      entities: { company: { added: 5, changed: 0, unchanged: 0 } },
      quarantined: 0,
    }),
  ]
  const values = Object.fromEntries(
    Object.entries(normalizeMetadata(ingestMetadata(both))!).map(([name, value]) => [name, value.raw_value]),
  )
  expect(values).toMatchObject({
    rows: 15,
    added: 8,
    changed: 1,
    unchanged: 6,
    quarantined: 1,
    same_file: false,
    'dagster/row_count': 15,
  })
  expect(ingestText(both[0]!)).toBe('a.csv: 10 rows; award 3 added, 1 changed, 6 unchanged; 1 row quarantined')
  expect(ingestText(file({ outcome: 'same_file' }))).toBe('a.csv: 10 rows, the same file as last time; nothing to do')
})
