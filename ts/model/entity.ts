import type { JsonObject } from './json.ts'
import type { EntityRef, SourceId } from './keys.ts'
import type { EpochMs } from './time.ts'

/** What the bulk load knows of an entity. `attributes` is what adapters build requests from and resolve identities by. */
export type Entity = EntityRef & {
  readonly attributes: JsonObject
  /** Other keys it is known by, e.g. `duns:123456789` of a company whose key is `uei:…`. Unique per kind. */
  readonly aliases: readonly string[]
}

export const LINK_KINDS = ['awarded_to', 'led_by', 'has_domain', 'has_address', 'assigned_to'] as const
export type LinkKind = (typeof LINK_KINDS)[number]

/** A directed fact between two entities: an award is `awarded_to` a company and `led_by` a person. */
export type EntityLink = { readonly from: EntityRef; readonly kind: LinkKind; readonly to: EntityRef }

/** How a source knows one of our entities. */
export type Identity = {
  readonly source: SourceId
  readonly entity: EntityRef
  /** Empty: the source was asked and knows no such thing. */
  readonly providerKey: string
  /** How it was found, e.g. `piid+uei`; `user` when a person decided it. */
  readonly method: string
  /** 0-1. Events about the entity at this source carry it. */
  readonly confidence: number
  readonly evidence: JsonObject
  readonly alternatives: readonly JsonObject[]
  readonly resolvedAt: EpochMs
  /** A user's decision outranks a computed one and is never overwritten by one. */
  readonly decidedBy: 'computed' | 'user'
}
