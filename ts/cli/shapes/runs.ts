/** Documents about work: ingest, plan, refresh, reports, freshness, quotas, export. */
import { z } from 'zod'
import { ENTITY_KINDS } from '../../model/keys.ts'
import { STRATEGIES } from '../../model/plan.ts'
import { ENDING_CODES, PARTITION_STATUSES } from '../../model/run-report.ts'
import { howMany, instant, milliseconds, partitionKey, shareOf, source, window } from './common.ts'

export const countsShape = z.strictObject({
  items: howMany.describe('Entities worked on'),
  changed: howMany,
  unchanged: howMany,
  not_modified: howMany.describe('Answered 304, or proven unchanged by a feed or file'),
  absent: howMany,
  failed: howMany,
  skipped: howMany,
  events: howMany,
  calls: howMany.describe('Requests that left for the provider'),
})

const sourcePlan = z.strictObject({
  source,
  population: howMany,
  due: howMany,
  stale: howMany,
  never_attempted: howMany,
  backing_off: howMany,
  unresolved: howMany.describe('Entities the source cannot be asked about'),
  strategy: z.enum(STRATEGIES).nullable(),
  calls_by_strategy: z.partialRecord(z.enum(STRATEGIES), howMany).describe('What each strategy would take'),
  calls: howMany,
  eta_ms: milliseconds.nullable().describe('Time the calls take at the quota'),
  feasible: z.boolean().describe('Whether the SLA can be met at the quota at all'),
  utilisation: z.number().min(0).describe('Share of the quota that keeping the SLA takes; may exceed 1'),
  repair: z.string().nullable().describe('What would make it feasible, in a sentence: `repairs`, the cheapest first'),
  repairs: z
    .array(
      z.strictObject({
        kind: z.enum(['batch_size', 'cadence', 'sla', 'entities', 'quota']),
        text: z.string(),
        changes: z
          .array(
            z.strictObject({
              what: z.string().describe('Below the policy of the source, e.g. quotas[1].limit; entities: how many there are'),
              from: z.number(),
              to: z.number(),
              unit: z.enum(['ms', 'entities', 'requests', 'credits']),
            }),
          )
          .describe('All of them together'),
      }),
    )
    .describe('Each of them alone would make it feasible, and a smaller change of its kind would not'),
  held_back: z.string().nullable().describe('Why the source is not asked now, whether or not something is due'),
})

const plannedPartition = z.strictObject({
  partition: partitionKey,
  source,
  cohort: z.string(),
  strategy: z.enum(STRATEGIES),
  window,
  due: howMany,
  stale: howMany,
  entities: howMany.describe('That would be asked about, or settled by the walk or file: what is due, or all when forced'),
  calls: howMany,
  resume: z.boolean(),
  reason: z.string(),
})

export const planShape = z.strictObject({
  at: instant,
  sources: z.array(sourcePlan),
  partitions: z.array(plannedPartition).describe('In the order of work'),
})

const partitionReport = z.strictObject({
  partition: partitionKey,
  source,
  strategy: z.enum(STRATEGIES),
  window,
  status: z.enum(PARTITION_STATUSES),
  code: z.enum(ENDING_CODES).nullable().describe('Why it stopped early, for programs'),
  reason: z.string().nullable(),
  until: instant.nullable().describe('Earliest moment at which going on makes sense'),
  resumed: z.boolean(),
  reconciled: z.string().nullable().describe('What the checkpoint check repaired'),
  counts: countsShape,
  sla_gaps_closed: howMany,
  quota_wait_ms: milliseconds,
  duration_ms: milliseconds,
})

export const runReportShape = z.strictObject({
  run_id: z.string(),
  started_at: instant,
  finished_at: instant,
  duration_ms: milliseconds,
  dry_run: z.boolean(),
  interrupted: z.boolean(),
  exit_code: z.number().int(),
  partitions: z.array(partitionReport),
  sources: z.array(
    z.strictObject({
      source,
      counts: countsShape,
      coverage_before: shareOf,
      coverage_after: shareOf,
      sla_gaps_closed: howMany.describe('Entities stale before that are not after'),
      quota_wait_ms: milliseconds,
      calls_saved: howMany.describe('Calls that one look-up per entity would have taken, less the calls made'),
    }),
  ),
  held_back: z
    .array(z.strictObject({ source, due: howMany, why: z.string() }))
    .describe('Sources that were not asked at all although there is work; `due` may be 0, e.g. for a file that was never loaded'),
})

export const refreshShape = runReportShape.extend({
  plan: planShape.nullable().describe('Of a dry run: what would be asked, as `plan` prints it; else null'),
})

export const reportShape = z.strictObject({
  runs: z.array(
    z.strictObject({
      run_id: z.string(),
      command: z.string(),
      started_at: instant,
      finished_at: instant.nullable().describe('Null while it runs, or after it was killed'),
      report: runReportShape.nullable(),
    }),
  ),
})

export const partitionsShape = z.strictObject({
  at: instant,
  partitions: z.array(
    z.strictObject({
      partition: partitionKey,
      source,
      cohort: z.string(),
      population: howMany,
      fresh: howMany,
      due: howMany,
      stale: howMany,
      never_attempted: howMany,
      backing_off: howMany,
      unresolved: howMany,
      pending: howMany.describe('Open status-change entries'),
      oldest_success_at: instant.nullable(),
      newest_attempt_at: instant.nullable(),
      checkpoint: z.enum(['open', 'complete']).nullable().describe('`open`: a pass was interrupted and will be resumed'),
      leased: z.boolean().describe('A process works on it now'),
    }),
  ),
  waiting_passes: z
    .array(
      z.strictObject({
        partition: partitionKey,
        failures: howMany.describe('In a row'),
        failed_at: instant,
        next_attempt_at: instant,
        reason: z.string(),
      }),
    )
    .describe('Bulk files and change feeds that failed and are not tried again before `next_attempt_at`'),
})

export const freshnessShape = z.strictObject({
  at: instant,
  sources: z.array(
    z.strictObject({
      source,
      population: howMany,
      resolvable: howMany,
      unresolved: howMany,
      fresh: howMany,
      due: howMany,
      stale: howMany,
      never_attempted: howMany,
      backing_off: howMany,
      pending: howMany,
      coverage: shareOf.describe('fresh / resolvable; 1 when nothing is resolvable'),
      threshold: shareOf,
      below_threshold: z.boolean(),
      oldest_success_at: instant.nullable(),
      cohorts: z.array(
        z.strictObject({
          cohort: z.string(),
          population: howMany,
          fresh: howMany,
          due: howMany,
          stale: howMany,
          coverage: shareOf,
          oldest_success_at: instant.nullable(),
        }),
      ),
    }),
  ),
  alerts: z.array(z.strictObject({ source, coverage: shareOf, threshold: shareOf, message: z.string() })),
  waiting: z
    .array(
      z.strictObject({
        source,
        partition: partitionKey.nullable().describe('Null when it is the whole source that is not asked'),
        reason: z.string(),
        until: instant.nullable(),
      }),
    )
    .describe(
      'What is not asked now whether due or not: passes that failed and back off, sources that are down, whose quota is spent or whose provider asked to wait. Entities that back off are counted in `backing_off`',
    ),
})

export const quotaShape = z.strictObject({
  at: instant,
  quotas: z.array(
    z.strictObject({
      quota_partition: z.string(),
      sources: z.array(source).describe('Who shares it'),
      limit: howMany,
      per_ms: milliseconds,
      resets: z.enum(['sliding', 'utc_day', 'utc_month']),
      unit: z.enum(['request', 'credit']).describe('What is counted'),
      used: howMany,
      remaining: howMany,
      frees_at: instant.nullable().describe('When the next unit is free again'),
      blocked_until: instant.nullable().describe('The provider said: not before'),
    }),
  ),
})

export const exportShape = z.strictObject({
  status: z.enum(['done', 'lease_held']),
  path: z.string(),
  database: z.string(),
  generation: howMany,
  as_of: instant,
  rebuild_reason: z.string().nullable().describe('Why everything was written again; null when only what changed was'),
  partitions: z.strictObject({ total: howMany, written: howMany }),
  rows: z.strictObject({ ledger: howMany, records: howMany, events: howMany, coverage: howMany }),
  events_added: howMany,
  bytes: howMany,
  files_deleted: howMany,
  duration_ms: milliseconds,
})

const upserts = z.strictObject({ added: howMany, changed: howMany, unchanged: howMany })

export const ingestShape = z.strictObject({
  files: z.array(
    z.strictObject({
      ingest_id: z.string(),
      loader: z.enum(['sbir_awards', 'sbir_companies']),
      file: z.string(),
      sha256: z.string(),
      bytes: howMany,
      outcome: z.enum(['ingested', 'same_file']),
      seen_as: z.string().describe('Ingest under which its entities are marked as seen'),
      rows: howMany,
      previous_rows: howMany.nullable(),
      whole: z.boolean().describe('No row was quarantined'),
      entities: z.partialRecord(z.enum(ENTITY_KINDS), upserts),
      duplicates: z.strictObject({ exact: howMany, differing: howMany }),
      quarantined: howMany,
      problems: z.array(z.strictObject({ line: howMany, reason: z.string() })).describe('The first of them'),
      warnings: z.record(z.string(), howMany),
      companies: z.strictObject({
        joined_by_duns: howMany,
        joined_by_name: howMany,
        ambiguous: howMany,
        shared_domains: howMany,
      }),
    }),
  ),
})
