/** What an ingest did, for people and programs. */
import type { EntityKind } from '../model/keys.ts'
import type { UpsertSummary } from '../stores/store.ts'
import type { LoaderId } from './columns.ts'
import type { WarningKind } from './facts.ts'

export type IngestReport = {
  readonly ingestId: string
  readonly loader: LoaderId
  readonly file: string
  readonly sha256: string
  readonly bytes: number
  /** `same_file`: the last ingest of this loader read the very same bytes, nothing was done. */
  readonly outcome: 'ingested' | 'same_file'
  /** The ingest under which the store marks the file's entities as seen: an earlier one for the same file. */
  readonly seenAs: string
  /** Rows of data, broken ones included; the header and empty lines are none. */
  readonly rows: number
  /** Rows of the last ingest of this loader; null when there was none. */
  readonly previousRows: number | null
  /** No row was quarantined: what the file does not name, its publisher does not have. */
  readonly whole: boolean
  readonly entities: Readonly<Partial<Record<EntityKind, UpsertSummary>>>
  /** Rows about something that another row stands for: `exact` say the same, `differing` do not. */
  readonly duplicates: { readonly exact: number; readonly differing: number }
  readonly quarantined: number
  /** The first of them. */
  readonly problems: readonly { readonly line: number; readonly reason: string }[]
  readonly warnings: Readonly<Partial<Record<WarningKind, number>>>
  readonly companies: {
    readonly joinedByDuns: number
    readonly joinedByName: number
    /** Could be one of several companies; kept apart. */
    readonly ambiguous: number
    readonly sharedDomains: number
  }
}
