import type { JsonObject, JsonValue } from './json.ts'
import type { EntityRef, SourceId } from './keys.ts'
import type { EpochMs } from './time.ts'

/** What a source says now about an entity, normalized. */
export type CurrentRecord = {
  readonly source: SourceId
  readonly entity: EntityRef
  readonly record: JsonObject
  readonly payloadHash: string
  readonly normalizerVersion: number
  /** When this content was first seen. Later answers with the same hash do not rewrite it. */
  readonly changedAt: EpochMs
  /** False after the provider stopped having it: the last known content is kept. */
  readonly present: boolean
  readonly runId: string
}

/** One field that changed. `path` is a JSON path into the record: `$.status`, `$.addresses[type=mail].city`. */
export type FieldChange = { readonly path: string; readonly old: JsonValue | null; readonly new: JsonValue | null }

export const EVENT_KINDS = ['created', 'changed', 'absent', 'returned'] as const
export type EventKind = (typeof EVENT_KINDS)[number]

/** `enrichment_event`: the immutable fact that what a source says about an entity changed. */
export type DeltaEvent = {
  /** SHA-256 over source, entity, kind, old and new hash, and when the old content was first seen: the same fact has the same id, a later A->B another. */
  readonly eventId: string
  readonly source: SourceId
  readonly entity: EntityRef
  readonly kind: EventKind
  readonly at: EpochMs
  readonly runId: string
  readonly oldHash: string | null
  readonly newHash: string | null
  /** Empty for `created`: the record itself holds the values. */
  readonly changes: readonly FieldChange[]
  /** 0-1: how sure we are that the provider's record is about this entity, from its identity. */
  readonly confidence: number
  readonly confidenceMethod: string
}
