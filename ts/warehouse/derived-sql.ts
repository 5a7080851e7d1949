/**
 * Due, stale and the distance to the SLA in SQL: the same rules as `refresh/freshness.ts` (a property test holds the two
 * together). Arguments are SQL expressions in milliseconds; a null cadence or SLA (a source without policy) gives null.
 */

/** `skipped` rows that were never attempted cannot be asked about and are never due. */
const UNASKABLE = `("outcome" IS NOT DISTINCT FROM 'skipped' AND ("last_attempt_at" IS NULL OR "error_class" IS NOT DISTINCT FROM 'unresolved'))`
/** Nothing names a moment: such a row is due at once, whenever one looks. */
const DUE_AT_ONCE = `("pending_since" IS NULL AND "last_success_at" IS NULL AND "next_attempt_at" IS NULL)`

/** Epoch ms at which a staged row is due, back-off included; rows that are due at once get the moment of the export. */
export function dueAtSql(cadenceMs: string, asOfMs: string): string {
  return `CASE
    WHEN ${cadenceMs} IS NULL OR ${UNASKABLE} THEN NULL
    WHEN ${DUE_AT_ONCE} THEN ${asOfMs}
    ELSE greatest(coalesce("pending_since", "last_success_at" + ${cadenceMs}, 0), coalesce("next_attempt_at", 0))
  END`
}

/** The same from an exported row, at another moment: only rows that are due at once move with it. */
export function dueAtLaterSql(moment: string): string {
  return `CASE WHEN "due_at" IS NOT NULL AND ${DUE_AT_ONCE} THEN ${moment} ELSE "due_at" END`
}

export function staleSql(slaMs: string, asOfMs: string, lastSuccessMs = '"last_success_at"'): string {
  return `CASE
    WHEN ${slaMs} IS NULL THEN NULL
    WHEN "outcome" IS NOT DISTINCT FROM 'skipped' THEN false
    WHEN "pending_since" IS NOT NULL THEN true
    WHEN "last_success_at" IS NULL THEN "last_attempt_at" IS NOT NULL
    ELSE ${asOfMs} - ${lastSuccessMs} > ${slaMs}
  END`
}

/** Whole seconds past the SLA (positive) or left until it (negative); null without a success or a policy. */
export function slaDeltaSql(slaMs: string, asOfMs: string, lastSuccessMs = '"last_success_at"'): string {
  return `CAST(floor((${asOfMs} - ${lastSuccessMs} - ${slaMs}) / 1000) AS BIGINT)`
}
