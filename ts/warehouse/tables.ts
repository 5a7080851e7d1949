/**
 * The exported tables as data: what is staged of each row (plain facts), and which typed columns the file gets. Numbers
 * are staged as DOUBLE, which holds every integer of JavaScript exactly, and become BIGINT or TIMESTAMP in the file.
 * What is the same for a whole file (`source`, `cohort`, `as_of`, the policy) is a DuckDB variable, never part of the SQL.
 */
import type { LedgerEntry } from '../model/ledger.ts'
import type { CurrentRecord, DeltaEvent } from '../model/record.ts'
import type { CoverageRow } from './coverage-rows.ts'
import { dueAtSql, slaDeltaSql, staleSql } from './derived-sql.ts'
import { jsonText } from './json-text.ts'
import type { TableName } from './layout.ts'
import { sqlName, sqlTimestamp } from './sql.ts'

export type Cell = string | number | boolean | null

export type StagedColumn<Row> = {
  readonly name: string
  readonly type: 'VARCHAR' | 'DOUBLE' | 'BOOLEAN'
  readonly value: (row: Row) => Cell
}

/** `from`: SQL over the staged columns and the variables. */
export type OutputColumn = {
  readonly name: string
  readonly type: 'VARCHAR' | 'BIGINT' | 'DOUBLE' | 'BOOLEAN' | 'TIMESTAMP' | 'JSON'
  readonly from: string
}

export type TableSpec<Row> = {
  readonly table: TableName
  readonly staged: readonly StagedColumn<Row>[]
  readonly output: readonly OutputColumn[]
  /** Rows that the Parquet writer holds at once; small where rows carry JSON of any size. */
  readonly rowGroupSize: number
}

/** Values that hold for all rows of a file. Numbers are epoch milliseconds or milliseconds; null without a policy. */
export type FileVariables = {
  readonly source: string
  readonly cohort: string
  readonly as_of_ms: number
  readonly cadence_ms: number | null
  readonly sla_ms: number | null
}

export function fileVariable(name: keyof FileVariables): string {
  return `getvariable('${name}')`
}

function text<Row>(name: string, value: (row: Row) => string | null): StagedColumn<Row> {
  return { name, type: 'VARCHAR', value }
}
function number<Row>(name: string, value: (row: Row) => number | null): StagedColumn<Row> {
  return { name, type: 'DOUBLE', value }
}
function flag<Row>(name: string, value: (row: Row) => boolean | null): StagedColumn<Row> {
  return { name, type: 'BOOLEAN', value }
}

function out(type: OutputColumn['type'], name: string, from?: string): OutputColumn {
  const column = sqlName(name)
  if (type === 'TIMESTAMP') return { name, type, from: from ?? sqlTimestamp(column) }
  return { name, type, from: from ?? `CAST(${column} AS ${type})` }
}

export const LEDGER: TableSpec<LedgerEntry> = {
  table: 'ledger',
  rowGroupSize: 30_720,
  staged: [
    text('entity_kind', (row) => row.entity.kind),
    text('entity_key', (row) => row.entity.key),
    number('last_attempt_at', (row) => row.lastAttemptAt),
    number('last_success_at', (row) => row.lastSuccessAt),
    number('response_status', (row) => row.responseStatus),
    text('outcome', (row) => row.outcome),
    text('payload_hash', (row) => row.payloadHash),
    number('normalizer_version', (row) => row.normalizerVersion),
    text('etag', (row) => row.validators.etag),
    text('last_modified', (row) => row.validators.lastModified),
    number('attempts', (row) => row.attempts),
    number('consecutive_failures', (row) => row.consecutiveFailures),
    number('next_attempt_at', (row) => row.nextAttemptAt),
    text('error_class', (row) => row.errorClass),
    text('error', (row) => row.error),
    text('run_id', (row) => row.runId),
    number('pending_since', (row) => row.pendingSince),
  ],
  output: [
    out('VARCHAR', 'entity_kind'),
    out('VARCHAR', 'entity_key'),
    out('VARCHAR', 'source', `CAST(${fileVariable('source')} AS VARCHAR)`),
    out('VARCHAR', 'cohort', `CAST(${fileVariable('cohort')} AS VARCHAR)`),
    out('TIMESTAMP', 'last_attempt_at'),
    out('TIMESTAMP', 'last_success_at'),
    out('BIGINT', 'response_status'),
    out('VARCHAR', 'outcome'),
    out('BOOLEAN', 'delta_detected', `coalesce("outcome" = 'changed', false)`),
    out('VARCHAR', 'payload_hash'),
    out('BIGINT', 'normalizer_version'),
    out('VARCHAR', 'etag'),
    out('VARCHAR', 'last_modified'),
    out('BIGINT', 'attempts'),
    out('BIGINT', 'consecutive_failures'),
    out('TIMESTAMP', 'next_attempt_at'),
    out('VARCHAR', 'error_class'),
    out('VARCHAR', 'error'),
    out('VARCHAR', 'run_id'),
    out('TIMESTAMP', 'pending_since'),
    out('TIMESTAMP', 'due_at', sqlTimestamp(dueAtSql(fileVariable('cadence_ms'), fileVariable('as_of_ms')))),
    out('BIGINT', 'sla_seconds', `CAST(${fileVariable('sla_ms')} / 1000 AS BIGINT)`),
    out('TIMESTAMP', 'as_of', sqlTimestamp(fileVariable('as_of_ms'))),
    out('BOOLEAN', 'stale', staleSql(fileVariable('sla_ms'), fileVariable('as_of_ms'))),
    out('BIGINT', 'sla_delta_seconds', slaDeltaSql(fileVariable('sla_ms'), fileVariable('as_of_ms'))),
  ],
}

export const RECORDS: TableSpec<CurrentRecord> = {
  table: 'records',
  rowGroupSize: 20_480,
  staged: [
    text('entity_kind', (row) => row.entity.kind),
    text('entity_key', (row) => row.entity.key),
    text('payload_hash', (row) => row.payloadHash),
    number('normalizer_version', (row) => row.normalizerVersion),
    number('changed_at', (row) => row.changedAt),
    flag('present', (row) => row.present),
    text('run_id', (row) => row.runId),
    text('record', (row) => jsonText(row.record)),
  ],
  output: [
    out('VARCHAR', 'source', `CAST(${fileVariable('source')} AS VARCHAR)`),
    out('VARCHAR', 'entity_kind'),
    out('VARCHAR', 'entity_key'),
    out('VARCHAR', 'cohort', `CAST(${fileVariable('cohort')} AS VARCHAR)`),
    out('VARCHAR', 'payload_hash'),
    out('BIGINT', 'normalizer_version'),
    out('TIMESTAMP', 'changed_at'),
    out('BOOLEAN', 'present'),
    out('VARCHAR', 'run_id'),
    out('JSON', 'record'),
  ],
}

export type PositionedEvent = DeltaEvent & { readonly position: number }

export const EVENTS: TableSpec<PositionedEvent> = {
  table: 'events',
  rowGroupSize: 20_480,
  staged: [
    number('position', (row) => row.position),
    text('event_id', (row) => row.eventId),
    text('source', (row) => row.source),
    text('entity_kind', (row) => row.entity.kind),
    text('entity_key', (row) => row.entity.key),
    text('kind', (row) => row.kind),
    number('at', (row) => row.at),
    text('run_id', (row) => row.runId),
    text('old_hash', (row) => row.oldHash),
    text('new_hash', (row) => row.newHash),
    text('changes', (row) => jsonText(row.changes)),
    number('confidence', (row) => row.confidence),
    text('confidence_method', (row) => row.confidenceMethod),
  ],
  output: [
    out('BIGINT', 'position'),
    out('VARCHAR', 'event_id'),
    out('VARCHAR', 'source'),
    out('VARCHAR', 'entity_kind'),
    out('VARCHAR', 'entity_key'),
    out('VARCHAR', 'kind'),
    out('TIMESTAMP', 'at'),
    out('VARCHAR', 'run_id'),
    out('VARCHAR', 'old_hash'),
    out('VARCHAR', 'new_hash'),
    out('JSON', 'changes'),
    out('DOUBLE', 'confidence'),
    out('VARCHAR', 'confidence_method'),
  ],
}

const COVERAGE_COUNTS = [
  'population',
  'resolvable',
  'unresolved',
  'fresh',
  'due',
  'stale',
  'neverAttempted',
  'backingOff',
  'pending',
] as const
const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

export const COVERAGE: TableSpec<CoverageRow> = {
  table: 'coverage',
  rowGroupSize: 30_720,
  staged: [
    number('export', (row) => row.generation),
    number('as_of', (row) => row.asOf),
    text('source', (row) => row.source),
    text('cohort', (row) => row.cohort),
    ...COVERAGE_COUNTS.map((name) => number(snakeCase(name), (row: CoverageRow) => row[name])),
    number('coverage', (row) => row.coverage),
    number('threshold', (row) => row.threshold),
    flag('below_threshold', (row) => row.belowThreshold),
    number('oldest_success_at', (row) => row.oldestSuccessAt),
    number('newest_attempt_at', (row) => row.newestAttemptAt),
  ],
  output: [
    out('BIGINT', 'export'),
    out('TIMESTAMP', 'as_of'),
    out('VARCHAR', 'source'),
    out('VARCHAR', 'cohort'),
    ...COVERAGE_COUNTS.map((name) => out('BIGINT', snakeCase(name))),
    out('DOUBLE', 'coverage'),
    out('DOUBLE', 'threshold'),
    out('BOOLEAN', 'below_threshold'),
    out('TIMESTAMP', 'oldest_success_at'),
    out('TIMESTAMP', 'newest_attempt_at'),
  ],
}

export const SPECS: Readonly<Record<TableName, { readonly output: readonly OutputColumn[] }>> = {
  ledger: LEDGER,
  records: RECORDS,
  events: EVENTS,
  coverage: COVERAGE,
}
