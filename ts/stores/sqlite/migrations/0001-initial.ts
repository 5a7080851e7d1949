/**
 * The first schema. Inner integer ids (source, partition, entity) keep a ledger of a million rows small; they never leave
 * the store. Times are UTC milliseconds, except in `lease` and `quota_unit`, which live on the monotonic clock of a boot.
 */
import type { Migration } from '../migrate.ts'

const POPULATION = `
CREATE TABLE entity (
  id INTEGER PRIMARY KEY,              -- insertion order, never reused
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  attributes TEXT NOT NULL,            -- JSON
  aliases TEXT NOT NULL,               -- JSON array, in the order they were added
  revision INTEGER NOT NULL,           -- per kind; grows when attributes or aliases change
  UNIQUE (kind, key)
) STRICT;
CREATE INDEX entity_by_kind ON entity (kind);
CREATE UNIQUE INDEX entity_by_revision ON entity (kind, revision);

CREATE TABLE alias (kind TEXT NOT NULL, alias TEXT NOT NULL, entity_id INTEGER NOT NULL, PRIMARY KEY (kind, alias, entity_id)) STRICT, WITHOUT ROWID;

-- Ends of links that are no entities yet; their ids are negative and replaced in link when the entity arrives.
CREATE TABLE mention (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, UNIQUE (kind, key)) STRICT;
CREATE TABLE link (from_id INTEGER NOT NULL, kind TEXT NOT NULL, to_id INTEGER NOT NULL, PRIMARY KEY (from_id, kind, to_id)) STRICT, WITHOUT ROWID;
CREATE INDEX link_by_target ON link (to_id);

CREATE TABLE sighting_ingest (id INTEGER PRIMARY KEY, ingest_id TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE sighting (ingest INTEGER NOT NULL, entity_id INTEGER NOT NULL, PRIMARY KEY (ingest, entity_id)) STRICT, WITHOUT ROWID;
`

const LEDGER = `
CREATE TABLE source (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE partition (
  id INTEGER PRIMARY KEY,
  source_id INTEGER NOT NULL,
  cohort TEXT NOT NULL,
  changes INTEGER NOT NULL DEFAULT 0,  -- transactions that changed rows of the partition, or committed under its lease
  UNIQUE (source_id, cohort)
) STRICT;
-- Up to which entity revision a source has placed the entities of a kind.
CREATE TABLE assigned (source_id INTEGER NOT NULL, kind TEXT NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (source_id, kind)) STRICT, WITHOUT ROWID;

-- Clustered by partition, because work is read and written partition by partition.
CREATE TABLE ledger (
  partition_id INTEGER NOT NULL,
  entity_id INTEGER NOT NULL,
  source_id INTEGER NOT NULL,
  state INTEGER NOT NULL,              -- rowState() of row-state.ts
  last_attempt_at INTEGER,
  last_success_at INTEGER,
  outcome TEXT,
  response_status INTEGER,
  payload_hash TEXT,
  normalizer_version INTEGER,
  etag TEXT,
  last_modified TEXT,
  attempts INTEGER NOT NULL,
  consecutive_failures INTEGER NOT NULL,
  next_attempt_at INTEGER,
  error_class TEXT,
  error TEXT,
  run_id TEXT,
  pending_since INTEGER,
  PRIMARY KEY (partition_id, entity_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX ledger_by_entity ON ledger (entity_id, source_id);
-- All that counting needs, so that a million rows are counted without reading them.
CREATE INDEX ledger_by_state ON ledger (partition_id, state, last_success_at, last_attempt_at);
CREATE INDEX ledger_by_backoff ON ledger (partition_id, next_attempt_at, state, last_success_at) WHERE next_attempt_at IS NOT NULL;

CREATE TABLE pending (
  entity_id INTEGER NOT NULL, source_id INTEGER NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL, opened_by TEXT NOT NULL,
  PRIMARY KEY (entity_id, source_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE record (
  id INTEGER PRIMARY KEY,
  entity_id INTEGER NOT NULL,
  source_id INTEGER NOT NULL,
  record TEXT NOT NULL,                -- JSON
  payload_hash TEXT NOT NULL,
  normalizer_version INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  present INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  UNIQUE (entity_id, source_id)
) STRICT;

CREATE TABLE event (
  position INTEGER PRIMARY KEY,        -- commit order without gaps: one writer at a time, nothing is ever deleted
  event_id TEXT NOT NULL UNIQUE,
  source_id INTEGER NOT NULL,
  entity_id INTEGER NOT NULL,
  kind TEXT NOT NULL,
  at INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  old_hash TEXT,
  new_hash TEXT,
  changes TEXT NOT NULL,               -- JSON
  confidence REAL NOT NULL,
  confidence_method TEXT NOT NULL
) STRICT;
CREATE INDEX event_by_entity ON event (entity_id);
CREATE INDEX event_by_run ON event (run_id);
CREATE INDEX event_by_time ON event (at);

CREATE TABLE identity (
  entity_id INTEGER NOT NULL,
  source_id INTEGER NOT NULL,
  provider_key TEXT NOT NULL,
  method TEXT NOT NULL,
  confidence REAL NOT NULL,
  evidence TEXT NOT NULL,              -- JSON
  alternatives TEXT NOT NULL,          -- JSON
  resolved_at INTEGER NOT NULL,
  decided_by TEXT NOT NULL,
  PRIMARY KEY (entity_id, source_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_by_provider_key ON identity (source_id, provider_key);
`

const COORDINATION = `
CREATE TABLE checkpoint (
  partition_id INTEGER PRIMARY KEY,
  version INTEGER NOT NULL,
  status TEXT NOT NULL,
  strategy TEXT NOT NULL,
  pass_started_at INTEGER NOT NULL,
  window_from INTEGER,
  window_to INTEGER,
  cursor TEXT,
  counts TEXT NOT NULL,                -- JSON
  updated_at INTEGER NOT NULL,
  finished_at INTEGER,
  duration_ms INTEGER,
  run_id TEXT NOT NULL,
  ledger_watermark INTEGER
) STRICT;

-- A row stays after its release, so that tokens only ever grow.
CREATE TABLE lease (
  partition_id INTEGER PRIMARY KEY,
  holder TEXT,                         -- null: released
  token INTEGER NOT NULL,
  expires_ms REAL NOT NULL,
  boot TEXT NOT NULL
) STRICT;

CREATE TABLE quota_bucket (
  id INTEGER PRIMARY KEY,
  quota_partition TEXT NOT NULL,
  window TEXT NOT NULL,
  per_ms INTEGER NOT NULL,
  boot TEXT NOT NULL,
  opens_ms REAL NOT NULL,              -- slots: after a reboot nothing is granted before this moment
  window_start INTEGER NOT NULL,       -- counters
  used INTEGER NOT NULL,               -- counters
  UNIQUE (quota_partition, window, per_ms)
) STRICT;
CREATE TABLE quota_unit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  bucket_id INTEGER NOT NULL,
  grant_id INTEGER NOT NULL,
  holder TEXT NOT NULL,
  held INTEGER NOT NULL,
  free_ms REAL NOT NULL,
  window_start INTEGER NOT NULL        -- counters: the window that was charged
) STRICT;
CREATE INDEX quota_unit_by_bucket ON quota_unit (bucket_id, free_ms);
CREATE INDEX quota_unit_by_grant ON quota_unit (grant_id);
CREATE TABLE quota_sequence (last INTEGER NOT NULL) STRICT;
INSERT INTO quota_sequence VALUES (0);
CREATE TABLE quota_block (quota_partition TEXT PRIMARY KEY, until INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;
`

const SMALL = `
CREATE TABLE fact (name TEXT PRIMARY KEY, version INTEGER NOT NULL, value TEXT NOT NULL) STRICT;
CREATE TABLE quarantine (
  id TEXT PRIMARY KEY, origin TEXT NOT NULL, place TEXT NOT NULL, reason TEXT NOT NULL, payload TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL
) STRICT;
CREATE INDEX quarantine_by_time ON quarantine (at);
CREATE TABLE run (run_id TEXT PRIMARY KEY, started_at INTEGER NOT NULL, finished_at INTEGER, command TEXT NOT NULL, report TEXT) STRICT;
CREATE INDEX run_by_start ON run (started_at);
CREATE TABLE ingest (
  ingest_id TEXT PRIMARY KEY, loader TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL, row_count INTEGER NOT NULL, at INTEGER NOT NULL, detail TEXT NOT NULL
) STRICT;
`

export const initial: Migration = { version: 1, name: 'initial', sql: [POPULATION, LEDGER, COORDINATION, SMALL] }
