/** A provider with its own credentials, quotas and SLA, e.g. `sam_gov`. Matches `SOURCE_ID`. */
export type SourceId = string

/** `source:cohort`, the unit of scheduling, lease, retry and checkpoint, e.g. `sam_gov:uei_batch_0001`. */
export type PartitionKey = string

export const ENTITY_KINDS = ['award', 'company', 'person', 'domain', 'patent', 'project', 'ip'] as const
export type EntityKind = (typeof ENTITY_KINDS)[number]

/** One thing of ours that is kept fresh. `key` is stable for its whole life; other keys it is known by are aliases. */
export type EntityRef = { readonly kind: EntityKind; readonly key: string }

const SOURCE_ID = /^[a-z][a-z0-9_]{0,39}$/
/**
 * Cohort names become partition keys of Dagster: no comma (its UI cannot backfill such keys), no colon (ours separates),
 * none of `[ ] * " |` or white space (its range and glob input parses them), at most 120 characters.
 */
const COHORT = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,119}$/

/** Cohorts that stand for one pass over a whole source instead of a group of its entities. */
export const FEED_COHORT = 'change_feed'
export const FILE_COHORT = 'bulk_file'

export function isSourceId(text: string): boolean {
  return SOURCE_ID.test(text)
}

export function isCohortName(text: string): boolean {
  return COHORT.test(text) && !text.includes('..')
}

export function partitionKey(source: SourceId, cohort: string): PartitionKey {
  return `${source}:${cohort}`
}

/** Splits `source:cohort`; null when either half is not valid. */
export function parsePartitionKey(text: string): { source: SourceId; cohort: string } | null {
  const colon = text.indexOf(':')
  if (colon < 0) return null
  const source = text.slice(0, colon)
  const cohort = text.slice(colon + 1)
  return isSourceId(source) && isCohortName(cohort) ? { source, cohort } : null
}

export function isEntityKind(text: string): text is EntityKind {
  return (ENTITY_KINDS as readonly string[]).includes(text)
}

/** One string per entity, for maps: `company/uei:ABCDEFGHIJK1`. Kinds hold no slash, so it is unambiguous. */
export function entityId(ref: EntityRef): string {
  return `${ref.kind}/${ref.key}`
}
