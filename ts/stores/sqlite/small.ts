/** Quarantine, runs and ingests; state, pending entries and identities have files of their own. */
import type { JsonObject } from '../../model/json.ts'
import type { RunReport } from '../../model/run-report.ts'
import { unknownRun } from '../errors.ts'
import { capUtf8, MAX_QUARANTINE_BYTES } from '../limits.ts'
import type { IngestFact, QuarantineItem, SmallStore, StoredRun } from '../store.ts'
import type { Connection } from './connection.ts'
import { getFact, putFact } from './facts.ts'
import { clearIdentity, identitiesOf, listIdentities, putIdentities } from './identities.ts'
import { addPending, listPending } from './pending.ts'

type RunRow = {
  readonly run_id: string
  readonly started_at: number
  readonly finished_at: number | null
  readonly command: string
  readonly report: string | null
}
type IngestRow = {
  readonly ingest_id: string
  readonly loader: string
  readonly file: string
  readonly sha256: string
  readonly row_count: number
  readonly at: number
  readonly detail: string
}

export function createSmall(db: Connection): Omit<SmallStore, 'unresolved'> {
  return {
    getState: (name) => getFact(db, name),
    putState: (name, expected, value) => putFact(db, name, expected, value),
    addPending: (changes) => addPending(db, changes),
    pending: (source) => listPending(db, source),
    identities: (query) => listIdentities(db, query),
    identitiesOf: (source, entities) => identitiesOf(db, source, entities),
    putIdentities: (identities) => putIdentities(db, identities),
    clearIdentity: (source, entity) => clearIdentity(db, source, entity),

    addQuarantine: (items) =>
      db.write('add_quarantine', () => {
        for (const { id, origin, where, reason, payload, at } of items) {
          db.run(
            "INSERT INTO quarantine (id, origin, place, reason, payload, at, state) VALUES (?, ?, ?, ?, ?, ?, 'open') ON CONFLICT (id) DO NOTHING",
            id,
            origin,
            where,
            reason,
            capUtf8(payload, MAX_QUARANTINE_BYTES),
            at,
          )
        }
      }),

    quarantine: (query) =>
      db.read(() =>
        db
          .all<QuarantineItem>(
            `SELECT id, origin, place AS "where", reason, payload, at, state FROM quarantine
           WHERE (?1 IS NULL OR origin = ?1) AND (?2 IS NULL OR state = ?2) ORDER BY at DESC, id LIMIT ?3`,
            query.origin ?? null,
            query.state ?? null,
            query.limit,
          )
          .map((row) => ({ ...row })),
      ),

    setQuarantineState: (id, state) =>
      db.write('set_quarantine_state', () => db.run('UPDATE quarantine SET state = ? WHERE id = ?', state, id) > 0),

    startRun: ({ runId, startedAt, command }) =>
      db.write('start_run', () => {
        db.run(
          'INSERT INTO run (run_id, started_at, command) VALUES (?, ?, ?) ON CONFLICT (run_id) DO NOTHING',
          runId,
          startedAt,
          command,
        )
      }),

    finishRun: (runId, report) =>
      db.write('finish_run', () => {
        const changed = db.run(
          'UPDATE run SET finished_at = ?, report = ? WHERE run_id = ?',
          report.finishedAt,
          JSON.stringify(report),
          runId,
        )
        if (changed === 0) throw unknownRun(runId)
      }),

    runs: (limit) =>
      db.read(() =>
        db.all<RunRow>('SELECT * FROM run ORDER BY started_at DESC, run_id DESC LIMIT ?', limit).map(
          (row): StoredRun => ({
            runId: row.run_id,
            startedAt: row.started_at,
            finishedAt: row.finished_at,
            command: row.command,
            report: row.report === null ? null : db.json<RunReport>(row.report),
          }),
        ),
      ),

    addIngest: (ingest) =>
      db.write('add_ingest', () => {
        db.run(
          'INSERT OR REPLACE INTO ingest (ingest_id, loader, file, sha256, row_count, at, detail) VALUES (?, ?, ?, ?, ?, ?, ?)',
          ingest.ingestId,
          ingest.loader,
          ingest.file,
          ingest.sha256,
          ingest.rows,
          ingest.at,
          JSON.stringify(ingest.detail),
        )
      }),

    ingests: (limit) =>
      db.read(() =>
        db.all<IngestRow>('SELECT * FROM ingest ORDER BY at DESC, ingest_id DESC LIMIT ?', limit).map(
          (row): IngestFact => ({
            ingestId: row.ingest_id,
            loader: row.loader,
            file: row.file,
            sha256: row.sha256,
            rows: row.row_count,
            at: row.at,
            detail: db.json<JsonObject>(row.detail),
          }),
        ),
      ),
  }
}
