/** All commands, in the order in which help lists them. */
import type { Command } from '../command.ts'
import { checkpointsList, checkpointsReset, checkpointsShow } from './checkpoints.ts'
import { configCheck, configSchemaCommand, configShow } from './config.ts'
import { events } from './events.ts'
import { exportCommand } from './export.ts'
import { freshness } from './freshness.ts'
import { identitiesClear, identitiesList, identitiesSet, identitiesShow } from './identities.ts'
import { ingest } from './ingest.ts'
import { partitions } from './partitions.ts'
import { pendingAdd, pendingList } from './pending.ts'
import { plan } from './plan.ts'
import { quarantineDrop, quarantineList, quarantineReplay, quarantineShow } from './quarantine.ts'
import { quota } from './quota.ts'
import { refresh } from './refresh.ts'
import { report } from './report.ts'
import { sandbox } from './sandbox.ts'
import { sourcesCheck, sourcesList } from './sources.ts'

export const commands: readonly Command[] = [
  ingest,
  plan,
  refresh,
  report,
  freshness,
  events,
  partitions,
  checkpointsList,
  checkpointsShow,
  checkpointsReset,
  quota,
  sourcesList,
  sourcesCheck,
  identitiesList,
  identitiesShow,
  identitiesSet,
  identitiesClear,
  pendingList,
  pendingAdd,
  quarantineList,
  quarantineShow,
  quarantineReplay,
  quarantineDrop,
  exportCommand,
  sandbox,
  configCheck,
  configSchemaCommand,
  configShow,
]
