import type { EpochMs } from '../../model/time.ts'
import type { Rng } from './prng.ts'

/** How one kind of entity changes over time. All randomness comes from the entity's own generator, in event order. */
export type Process<State> = {
  rng(index: number): Rng
  /** The state before the first event, and the moment from which events are drawn. */
  begin(index: number, rng: Rng): { readonly at: EpochMs; readonly state: State }
  /** When the next event comes, at or after `at`; Infinity when none will. */
  next(index: number, rng: Rng, state: State, at: EpochMs): EpochMs
  apply(index: number, rng: Rng, state: State, at: EpochMs): State
}

type Cursor<State> = { state: State; at: EpochMs; nextAt: EpochMs; readonly rng: Rng }

/** One event of an entity: its state before and after. */
export type Step<State> = { readonly index: number; readonly at: EpochMs; readonly before: State; readonly after: State }

export type Evolution<State> = {
  /**
   * The state at a moment: a pure function of seed, index and moment. Moving forward costs one comparison when nothing
   * happened.
   */
  at(index: number, moment: EpochMs): State
  /** All events of one entity in `(after, until]`, oldest first. */
  steps(index: number, after: EpochMs, until: EpochMs): readonly Step<State>[]
}

/**
 * Evaluates a process lazily. Only the newest position per entity is kept; questions about the past start again at the
 * beginning.
 */
export function evolve<State>(process: Process<State>): Evolution<State> {
  const cursors: (Cursor<State> | undefined)[] = []

  function start(index: number): Cursor<State> {
    const rng = process.rng(index)
    const { at, state } = process.begin(index, rng)
    return { rng, state, at, nextAt: process.next(index, rng, state, at) }
  }

  function step(index: number, cursor: Cursor<State>): void {
    cursor.state = process.apply(index, cursor.rng, cursor.state, cursor.nextAt)
    cursor.at = cursor.nextAt
    cursor.nextAt = process.next(index, cursor.rng, cursor.state, cursor.at)
  }

  return {
    at(index, moment) {
      let cursor = cursors[index]
      if (cursor === undefined) {
        cursor = start(index)
        cursors[index] = cursor
      } else if (moment < cursor.at) {
        cursor = start(index)
      }
      while (cursor.nextAt <= moment) step(index, cursor)
      return cursor.state
    },
    steps(index, after, until) {
      const cursor = start(index)
      const found: Step<State>[] = []
      while (cursor.nextAt <= until) {
        const before = cursor.state
        step(index, cursor)
        if (cursor.at > after) found.push({ index, at: cursor.at, before, after: cursor.state })
      }
      return found
    },
  }
}
