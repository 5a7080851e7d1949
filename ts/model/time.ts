/** Milliseconds since 1970-01-01T00:00:00Z. Every instant inside the engine is one of these; zones exist only at the edges. */
export type EpochMs = number

/** A span of time in milliseconds. */
export type DurationMs = number

export const SECOND_MS = 1_000
export const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS, w: 7 * DAY_MS }

/** ISO 8601 in UTC, e.g. `2026-11-21T03:00:00.000Z`. */
export function toIso(at: EpochMs): string {
  return new Date(at).toISOString()
}

export function toIsoOrNull(at: EpochMs | null): string | null {
  return at === null ? null : toIso(at)
}

/** `YYYY-MM-DD` of the UTC day that holds the instant. */
export function toUtcDate(at: EpochMs): string {
  return toIso(at).slice(0, 10)
}

/** Start of the UTC day that holds the instant. */
export function startOfUtcDay(at: EpochMs): EpochMs {
  return Math.floor(at / DAY_MS) * DAY_MS
}

/** Parses `YYYY-MM-DD` as the start of that UTC day; null when it is not a real date. */
export function parseUtcDate(text: string): EpochMs | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return null
  const at = Date.parse(`${text}T00:00:00.000Z`)
  return Number.isNaN(at) || toUtcDate(at) !== text ? null : at
}

/** Parses `90s`, `15m`, `24h`, `7d`, `2w` or `250ms`; null when it is none of these. */
export function parseDuration(text: string): DurationMs | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(text.trim())
  if (match === null) return null
  return Math.round(Number(match[1]) * UNIT_MS[match[2]!]!)
}

/** The shortest exact form of a duration: 86_400_000 -> `1d`. */
export function formatDuration(duration: DurationMs): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const size = UNIT_MS[unit]!
    if (duration >= size && duration % size === 0) return `${duration / size}${unit}`
  }
  return `${duration}ms`
}
