/**
 * Which interrupted passes a plan goes on with. Beginning anew is always safe, the ledger knows what is done; going on with
 * a pass that was about something else is not: it would leave out what this request asks for, or prove what was never walked.
 */
import { hash } from 'node:crypto'
import type { Checkpoint } from '../model/checkpoint.ts'
import { isJsonObject, type JsonValue } from '../model/json.ts'
import { type EntityRef, entityId } from '../model/keys.ts'
import type { Strategy } from '../model/plan.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import type { Window } from '../model/window.ts'

/** Where entities go on that an earlier group of their source did not list: `waitingId` of each -> the group it is to be asked in next. */
export type WaitingGroups = ReadonlyMap<string, string>

export type ItemCursor = { readonly all: boolean; readonly settled: number; readonly waiting: WaitingGroups }

const NOBODY: WaitingGroups = new Map()

/** Short, because a cursor is written with every commit; two entities of one name would cost a call at worst, see `UnitQueue`. */
export function waitingId(entity: EntityRef): string {
  return hash('sha256', entityId(entity), 'hex').slice(0, 16)
}

/**
 * Cursor of a pass over a partition's entities: how many it settled, of those that were due or of all; behind it those that were
 * asked about in one group and have not been in the next, so that a kill does not make the first group's answer be asked for again.
 */
export function itemCursor(all: boolean, settled: number, waiting: WaitingGroups = NOBODY): string {
  const count = `${all ? 'all' : 'due'}:${settled}`
  if (waiting.size === 0) return count
  const groups = new Map<string, string[]>()
  for (const [id, group] of waiting) {
    const ids = groups.get(group)
    if (ids === undefined) groups.set(group, [id])
    else ids.push(id)
  }
  return `${count} ${JSON.stringify(Object.fromEntries(groups))}`
}

/** Inverse of `itemCursor`; null when the pass settled nothing yet, or the text is something else. */
export function readItemCursor(cursor: string | null): ItemCursor | null {
  const match = /^(all|due):(\d+)(?: (\{.*\}))?$/.exec(cursor ?? '')
  if (match === null) return null
  const waiting = match[3] === undefined ? NOBODY : readWaiting(match[3])
  return waiting === null ? null : { all: match[1] === 'all', settled: Number(match[2]), waiting }
}

function readWaiting(text: string): WaitingGroups | null {
  const waiting = new Map<string, string>()
  try {
    for (const [group, ids] of Object.entries(JSON.parse(text) as Record<string, unknown>)) {
      if (!Array.isArray(ids)) return null
      for (const id of ids) waiting.set(String(id), group)
    }
  } catch {
    return null
  }
  return waiting
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

/**
 * A download is worth going on with while it is younger than the cadence; older, its contents would be recorded as news. A pass for a
 * part of the source (`scope`) reads what a pass over all of it paid for, and leaves it open; a pass over another part is nobody else's.
 */
export function resumesFile(
  point: Checkpoint | undefined,
  now: EpochMs,
  cadenceMs: DurationMs,
  scope: string | null = null,
): boolean {
  const begunFor = point?.cursor == null ? null : (memberOf(point.cursor, 'scope') ?? null)
  return (
    point !== undefined &&
    (begunFor === null || begunFor === scope) &&
    point.status === 'open' &&
    point.strategy === 'file' &&
    point.cursor !== null &&
    now - point.passStartedAt < cadenceMs
  )
}
