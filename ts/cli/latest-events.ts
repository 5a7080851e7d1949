/**
 * The newest events that fit a query, oldest first. The store reads forward in commit order only, so the end is found by
 * doubling and halving (some forty cheap queries), and then the stretch before it is read, wider until enough is found.
 */
import type { DeltaEvent } from '../model/record.ts'
import type { EventQuery, LedgerStore } from '../stores/store.ts'

export type PositionedEvent = DeltaEvent & { readonly position: number }
type Filter = Omit<EventQuery, 'after' | 'limit'>
type Reader = Pick<LedgerStore, 'events'>

/** The position of the last event there is; 0 when there is none. */
export async function lastPosition(store: Reader): Promise<number> {
  const nextAfter = async (after: number): Promise<number | null> => {
    for await (const event of store.events({ after, limit: 1 })) return event.position
    return null
  }
  // `low` is the position of an event (or 0); nothing lies beyond `high`.
  let low = 0
  let step = 1024
  let high: number | null = null
  while (high === null) {
    const found = await nextAfter(low + step)
    if (found === null) high = low + step
    else {
      low = found
      step *= 2
    }
  }
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const found = await nextAfter(middle)
    if (found === null) high = middle
    else low = found
  }
  return low
}

/** At most `limit` events, the newest that fit; `more` when older ones fit too. */
export async function latestEvents(
  store: Reader,
  filter: Filter,
  limit: number,
): Promise<{ readonly events: readonly PositionedEvent[]; readonly more: boolean; readonly end: number }> {
  const end = await lastPosition(store)
  for (let width = Math.max(limit * 2, 1024); ; width *= 8) {
    const after = Math.max(0, end - width)
    const kept: PositionedEvent[] = []
    let seen = 0
    for await (const event of store.events({ ...filter, after, limit: Number.MAX_SAFE_INTEGER })) {
      if (event.position > end) break
      seen += 1
      kept.push(event)
      if (kept.length > limit) kept.shift()
    }
    if (seen > limit || after === 0) return { events: kept, more: seen > limit, end }
  }
}
