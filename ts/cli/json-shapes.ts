/**
 * The documents that `--json` prints, one schema each. `docs/json-output.md` is generated from them, and tests parse what
 * the commands really print with them. Members are only ever added; a change of meaning is a new member.
 */
import type { z } from 'zod'
import type { errorShape } from './shapes/common.ts'
import {
  exportShape,
  freshnessShape,
  ingestShape,
  partitionsShape,
  planShape,
  quotaShape,
  refreshShape,
  reportShape,
} from './shapes/runs.ts'
import {
  configCheckShape,
  configSchemaShape,
  configShowShape,
  sandboxShape,
  sourcesCheckShape,
  sourcesShape,
} from './shapes/setup.ts'
import {
  checkpointsListShape,
  checkpointsResetShape,
  checkpointsShowShape,
  eventsShape,
  identitiesClearShape,
  identitiesListShape,
  identitiesSetShape,
  pendingAddShape,
  pendingListShape,
  quarantineDropShape,
  quarantineListShape,
  quarantineReplayShape,
  quarantineShowShape,
} from './shapes/state.ts'

export { errorShape } from './shapes/common.ts'
export * from './shapes/runs.ts'
export * from './shapes/setup.ts'
export * from './shapes/state.ts'

/** Which document which command prints when it succeeds; `errorShape` when it does not. */
export const SHAPES: Readonly<Record<string, z.ZodType>> = {
  ingest: ingestShape,
  plan: planShape,
  refresh: refreshShape,
  report: reportShape,
  freshness: freshnessShape,
  events: eventsShape,
  partitions: partitionsShape,
  'checkpoints list': checkpointsListShape,
  'checkpoints show': checkpointsShowShape,
  'checkpoints reset': checkpointsResetShape,
  quota: quotaShape,
  'sources list': sourcesShape,
  'sources check': sourcesCheckShape,
  'identities list': identitiesListShape,
  'identities show': identitiesListShape,
  'identities set': identitiesSetShape,
  'identities clear': identitiesClearShape,
  'pending list': pendingListShape,
  'pending add': pendingAddShape,
  'quarantine list': quarantineListShape,
  'quarantine show': quarantineShowShape,
  'quarantine replay': quarantineReplayShape,
  'quarantine drop': quarantineDropShape,
  export: exportShape,
  sandbox: sandboxShape,
  'config check': configCheckShape,
  'config schema': configSchemaShape,
  'config show': configShowShape,
}

export type ErrorDocument = z.infer<typeof errorShape>
