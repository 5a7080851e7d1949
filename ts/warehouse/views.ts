/** The SQL of `enrichment.duckdb`: views over the files that a manifest names, one by one. Pure. */
import { dueAtLaterSql, slaDeltaSql, staleSql } from './derived-sql.ts'
import type { TableName } from './layout.ts'
import type { FileEntry, Manifest } from './manifest.ts'
import { sqlName, sqlText } from './sql.ts'
import { SPECS } from './tables.ts'

/** Rows of the given files; a typed empty relation when there are none, because `read_parquet([])` is an error. */
function relation(table: TableName, files: readonly FileEntry[]): string {
  const { output } = SPECS[table]
  if (files.length === 0) {
    return `SELECT ${output.map((column) => `CAST(NULL AS ${column.type}) AS ${sqlName(column.name)}`).join(', ')} WHERE false`
  }
  const names = output.map((column) => sqlName(column.name)).join(', ')
  const paths = files.map((entry) => `warehouse_file(${sqlText(entry.file)})`)
  return `SELECT ${names} FROM read_parquet([${paths.join(', ')}])`
}

function ledgerAt(): string {
  const lastSuccess = 'epoch_ms("last_success_at")'
  const moment = 'epoch_ms(CAST("moment" AS TIMESTAMP))'
  const recomputed: Readonly<Record<string, string>> = {
    due_at: dueAtLaterSql('CAST("moment" AS TIMESTAMP)'),
    as_of: 'CAST("moment" AS TIMESTAMP)',
    stale: staleSql('"sla_seconds" * 1000', moment, lastSuccess),
    sla_delta_seconds: slaDeltaSql('"sla_seconds" * 1000', moment, lastSuccess),
  }
  const columns = SPECS.ledger.output.map(({ name }) => {
    const from = recomputed[name]
    return from === undefined ? sqlName(name) : `${from} AS ${sqlName(name)}`
  })
  const due = `coalesce((${dueAtLaterSql('CAST("moment" AS TIMESTAMP)')}) <= CAST("moment" AS TIMESTAMP), false) AS "due"`
  return `CREATE MACRO ledger_at("moment") AS TABLE SELECT ${columns.join(', ')}, ${due} FROM ledger`
}

/** UTC without the time-zone extension, which not every client has. */
const NOW = 'make_timestamp(epoch_us(now()))'

const EVENT_CHANGES = `CREATE VIEW event_changes AS
  SELECT "position", "event_id", "source", "entity_kind", "entity_key", "kind", "at", "run_id", "confidence",
    "change"."path" AS "path", "change"."old" AS "old", "change"."new" AS "new"
  FROM (
    SELECT *, unnest(from_json("changes", '[{"path":"VARCHAR","old":"JSON","new":"JSON"}]')) AS "change" FROM events
  )`

const STALE_COHORTS = `CREATE VIEW stale_cohorts AS
  SELECT "source", "cohort", count(*) AS "population", count(*) FILTER ("stale") AS "stale", count(*) FILTER ("due") AS "due",
    count(*) FILTER ("pending_since" IS NOT NULL) AS "pending", min("last_success_at") AS "oldest_success_at",
    max("sla_delta_seconds") AS "max_sla_delta_seconds"
  FROM ledger_now GROUP BY "source", "cohort" HAVING count(*) FILTER ("stale") > 0
  ORDER BY "stale" DESC, "source", "cohort"`

/** An export's coverage rows are all in one chunk, the newest. */
function coverageLatest(manifest: Manifest): string {
  const newest = relation('coverage', manifest.coverage.slice(-1))
  return `CREATE VIEW coverage_latest AS SELECT * FROM (${newest}) WHERE "export" = ${manifest.generation} ORDER BY "source", "cohort" NULLS FIRST`
}

/** Statements that make the catalog of a manifest whose directory is `root` (absolute). */
export function catalogStatements(manifest: Manifest, root: string): readonly string[] {
  const kept = (table: 'ledger' | 'records') => manifest.partitions.map((entry) => entry[table]).filter((entry) => entry !== null)
  return [
    // Views resolve relative paths against the reader's working directory, so they are absolute. A directory that was
    // moved is read by `SET VARIABLE warehouse = '/its/new/place'`, or repaired by the next export.
    `CREATE MACRO warehouse_file("file") AS coalesce(CAST(getvariable('warehouse') AS VARCHAR), ${sqlText(root)}) || '/' || "file"`,
    `CREATE VIEW ledger AS ${relation('ledger', kept('ledger'))}`,
    ledgerAt(),
    `CREATE VIEW ledger_now AS SELECT * FROM ledger_at(${NOW})`,
    `CREATE VIEW records AS ${relation('records', kept('records'))}`,
    `CREATE VIEW events AS ${relation('events', manifest.events)}`,
    EVENT_CHANGES,
    `CREATE VIEW coverage AS ${relation('coverage', manifest.coverage)}`,
    coverageLatest(manifest),
    STALE_COHORTS,
    `CREATE VIEW export_info AS SELECT CAST(${manifest.generation} AS BIGINT) AS "export", CAST(${sqlText(manifest.exported_at.replace('Z', ''))} AS TIMESTAMP) AS "exported_at",
      CAST(${manifest.schema_version} AS BIGINT) AS "schema_version", CAST(${manifest.events.at(-1)?.last_position ?? 'NULL'} AS BIGINT) AS "events_through"`,
  ]
}
