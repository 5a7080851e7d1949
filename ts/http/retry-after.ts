/** `Retry-After` as a moment. Providers write seconds, HTTP dates by a clock of their own, negatives and nonsense. */
import type { DurationMs, EpochMs } from '../model/time.ts'
import { DAY_MS, SECOND_MS } from '../model/time.ts'

/**
 * No published quota has a window longer than a month, so a longer wait is a mistake of the provider's; obeying it would
 * silence the source for years.
 */
export const LONGEST_WAIT_MS: DurationMs = 32 * DAY_MS

/** RFC 9110 allows `Sun, 06 Nov 1994 08:49:37 GMT` and two obsolete forms, all of which begin with the day's name. */
const HTTP_DATE = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? /i
/** The second obsolete form, `Sun Nov  6 08:49:37 1994`, names no zone; it is UTC. */
const ASCTIME = /^[a-z]{3} [a-z]{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/i

function parseHttpDate(text: string): EpochMs | null {
  if (!HTTP_DATE.test(text)) return null
  const at = Date.parse(ASCTIME.test(text) ? `${text} GMT` : text)
  return Number.isNaN(at) ? null : at
}

/** The moment clamped to what makes sense: not before now, not beyond the longest wait. */
export function clampUntil(until: EpochMs, now: EpochMs): EpochMs {
  return Math.min(Math.max(until, now), now + LONGEST_WAIT_MS)
}

/**
 * When the provider wants to be asked again; null when the header says nothing usable. A date is read relative to the
 * answer's own `Date` header when it has one, so that a provider whose clock is off still means the same span.
 */
export function parseRetryAfter(value: string | undefined, now: EpochMs, dateHeader?: string): EpochMs | null {
  const text = value?.trim() ?? ''
  if (text === '') return null
  if (/^[+-]?\d+(?:\.\d+)?$/.test(text)) return clampUntil(now + Math.ceil(Number(text) * SECOND_MS), now)
  const at = parseHttpDate(text)
  if (at === null) return null
  const theirs = dateHeader === undefined ? null : parseHttpDate(dateHeader.trim())
  return clampUntil(theirs === null ? at : now + (at - theirs), now)
}
