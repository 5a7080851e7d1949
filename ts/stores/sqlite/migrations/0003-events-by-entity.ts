/**
 * An event's id is a hash, and its own index took a page somewhere else for each: four fifths of what a commit of new records
 * wrote. The id names one entity, so it is as unique beside the entity, where the entries of a commit lie together.
 */
import type { Migration } from '../migrate.ts'

const EVENTS = `
CREATE TABLE event_rebuilt (
  position INTEGER PRIMARY KEY,        -- commit order without gaps: one writer at a time, nothing is ever deleted
  event_id TEXT NOT NULL,
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
INSERT INTO event_rebuilt SELECT position, event_id, source_id, entity_id, kind, at, run_id, old_hash, new_hash, changes, confidence,
  confidence_method FROM event ORDER BY position;
DROP TABLE event;
ALTER TABLE event_rebuilt RENAME TO event;
CREATE UNIQUE INDEX event_by_entity ON event (entity_id, event_id);
CREATE INDEX event_by_run ON event (run_id);
CREATE INDEX event_by_time ON event (at);
`

export const eventsByEntity: Migration = { version: 3, name: 'events by entity', sql: [EVENTS] }
