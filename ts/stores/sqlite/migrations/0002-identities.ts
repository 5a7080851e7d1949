/** Placement by identity, and quotas that count credits. */
import type { Migration } from '../migrate.ts'

const PLACEMENT = `
-- Sources whose placement depends on identities, with the rule by which they were judged last.
CREATE TABLE identity_placement (source_id INTEGER PRIMARY KEY, rule TEXT NOT NULL) STRICT;
-- Pairs to be offered for placement again, because the identity (or the rule) changed.
CREATE TABLE placement_due (source_id INTEGER NOT NULL, entity_id INTEGER NOT NULL, PRIMARY KEY (source_id, entity_id)) STRICT, WITHOUT ROWID;
`

const CREDITS = `
ALTER TABLE quota_unit ADD COLUMN units INTEGER NOT NULL DEFAULT 1; -- counters: how much was charged
`

export const identities: Migration = { version: 2, name: 'identities', sql: [PLACEMENT, CREDITS] }
