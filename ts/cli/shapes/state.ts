/** Documents about what is stored: events, checkpoints, identities, pending entries, quarantine. */
import { z } from 'zod'
import { STRATEGIES } from '../../model/plan.ts'
import { EVENT_KINDS } from '../../model/record.ts'
import { anyJson, entity, howMany, instant, milliseconds, partitionKey, shareOf, source, window } from './common.ts'
import { countsShape } from './runs.ts'

export const eventShape = z.strictObject({
  position: howMany.describe('Place in commit order'),
  event_id: z.string(),
  source,
  ...entity,
  kind: z.enum(EVENT_KINDS),
  at: instant,
  run_id: z.string(),
  old_hash: z.string().nullable(),
  new_hash: z.string().nullable(),
  changes: z.array(z.strictObject({ path: z.string(), old: anyJson, new: anyJson })),
  confidence: shareOf,
  confidence_method: z.string(),
})

export const eventsShape = z.strictObject({
  events: z.array(eventShape).describe('Oldest first'),
  last_position: howMany.nullable().describe('Of the last event shown; give it to --after to go on'),
  more: z.boolean().describe('The limit cut it off: later events exist (with --after, --since or --run), or earlier ones'),
})

export const checkpointShape = z.strictObject({
  partition: partitionKey,
  version: howMany,
  status: z.enum(['open', 'complete']),
  strategy: z.enum(STRATEGIES),
  pass_started_at: instant,
  window,
  cursor: z.string().nullable().describe('Opaque place inside the pass'),
  counts: countsShape,
  updated_at: instant,
  finished_at: instant.nullable(),
  duration_ms: milliseconds.nullable(),
  run_id: z.string(),
  ledger_watermark: instant.nullable(),
})

export const checkpointsListShape = z.strictObject({ checkpoints: z.array(checkpointShape) })

export const checkpointsShowShape = z.strictObject({
  checkpoint: checkpointShape,
  lease: z.strictObject({ holder: z.string(), token: howMany }).nullable().describe('Who works on the partition now'),
})

export const checkpointsResetShape = z.strictObject({
  reset: z.array(partitionKey),
  absent: z.array(partitionKey).describe('Had no checkpoint'),
})

export const identityShape = z.strictObject({
  source,
  ...entity,
  provider_key: z.string().describe('Empty: the source was asked and knows no such thing'),
  method: z.string(),
  confidence: shareOf,
  evidence: z.record(z.string(), anyJson),
  alternatives: z.array(z.record(z.string(), anyJson)),
  resolved_at: instant,
  decided_by: z.enum(['computed', 'user']),
})

export const identitiesListShape = z.strictObject({
  identities: z.array(identityShape),
  unresolved: z
    .array(
      z.strictObject({
        source,
        ...entity,
        reason: z.string().describe('Why the source cannot be asked about it'),
        identity: identityShape.nullable().describe('The best match so far, which does not count'),
      }),
    )
    .describe('Of `list` only with --unresolved'),
  more: z.boolean(),
})

export const identitiesSetShape = z.strictObject({ identity: identityShape })

export const identitiesClearShape = z.strictObject({ source, ...entity, cleared: z.boolean() })

const pendingEntry = z.strictObject({ source, ...entity, reason: z.string(), at: instant, by: z.string() })

export const pendingListShape = z.strictObject({ pending: z.array(pendingEntry) })

export const pendingAddShape = z.strictObject({
  added: howMany,
  already_open: howMany,
  entries: z.array(pendingEntry).describe('What was asked for'),
})

const quarantineItem = {
  id: z.string(),
  origin: z.string().describe('`ingest` or a source'),
  where: z.string(),
  reason: z.string(),
  at: instant,
  state: z.enum(['open', 'replayed', 'dropped']),
}

export const quarantineListShape = z.strictObject({
  items: z.array(z.strictObject({ ...quarantineItem, payload_bytes: howMany })),
  more: z.boolean(),
})

export const quarantineShowShape = z.strictObject({ item: z.strictObject({ ...quarantineItem, payload: z.string() }) })

export const quarantineReplayShape = z.strictObject({
  replayed: z.array(z.string()),
  made_due: howMany.describe('Entities that became due at once'),
  refused: z.array(z.strictObject({ id: z.string(), why: z.string() })),
})

export const quarantineDropShape = z.strictObject({ dropped: z.array(z.string()) })
