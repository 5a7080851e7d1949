/**
 * Which interrupted passes a plan goes on with. Beginning anew is always safe, the ledger knows what is done; going on with
 * a pass that was about something else is not: it would leave out what this request asks for, or prove what was never walked.
 */
import type { Checkpoint } from '../model/checkpoint.ts'
import { isJsonObject, type JsonValue } from '../model/json.ts'
import type { Strategy } from '../model/plan.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import type { Window } from '../model/window.ts'

/** Cursor of a pass over a partition's entities: how many it settled, of those that were due or of all. */
export function itemCursor(all: boolean, settled: number): string {
  return `${all ? 'all' : 'due'}:${settled}`
}

/** Inverse of `itemCursor`; null when the pass settled nothing yet, or the text is something else. */
export function readItemCursor(cursor: string | null): { readonly all: boolean; readonly settled: number } | null {
  const match = /^(all|due):(\d+)$/.exec(cursor ?? '')
  return match === null ? null : { all: match[1] === 'all', settled: Number(match[2]) }
}

function sameWindow(a: Window | null, b: Window | null): boolean {
  return a?.from === b?.from && a?.to === b?.to
}

/**
 * `all`: the request wants entities that are not due, too. `pending`: status changes are open in the partition; those that
 * came after the pass had asked about their entities would wait for its end, so a pass over what is due begins anew.
 */
export function resumesItems(
  point: Checkpoint | undefined,
  wanted: { readonly strategy: Strategy; readonly window: Window | null; readonly all: boolean; readonly pending: number },
): boolean {
  if (
    point === undefined ||
    point.status !== 'open' ||
    point.strategy !== wanted.strategy ||
    !sameWindow(point.window, wanted.window)
  )
    return false
  const cursor = readItemCursor(point.cursor)
  if (cursor !== null && cursor.all !== wanted.all) return false
  return wanted.all ? cursor !== null : wanted.pending === 0
}

/** `window`: the operator's, or null for a walk of the plan's own, which proves what it does not list (its cursor says since when). */
export function resumesFeed(point: Checkpoint | undefined, window: Window | null, scope: string | null = null): boolean {
  if (point === undefined || point.status !== 'open' || point.strategy !== 'feed' || point.cursor === null) return false
  if ((memberOf(point.cursor, 'scope') ?? null) !== scope) return false
  const proves = typeof memberOf(point.cursor, 'knownSince') === 'number'
  return window === null ? proves : !proves && sameWindow(point.window, window)
}

function memberOf(cursor: string, name: string): JsonValue {
  try {
    const value: unknown = JSON.parse(cursor)
    return isJsonObject(value) ? (value[name] ?? null) : null
  } catch {
    return null
  }
}

/** A download is worth going on with while it is younger than the cadence; older, its contents would be recorded as news. */
export function resumesFile(point: Checkpoint | undefined, now: EpochMs, cadenceMs: DurationMs): boolean {
  return (
    point !== undefined &&
    point.status === 'open' &&
    point.strategy === 'file' &&
    point.cursor !== null &&
    now - point.passStartedAt < cadenceMs
  )
}
