import { describe, expect, test } from 'vitest'
import {
  type Ending,
  IllegalTransition,
  INITIAL_STATE,
  maySend,
  type PartitionEvent,
  type PartitionEventKind,
  type PartitionState,
  type PartitionStateKind,
  transition,
} from '../../../ts/refresh/partition-state.ts'

const DONE: Ending = { status: 'done', reason: null, until: null }
const PARKED: Ending = { status: 'parked', reason: 'quota spent', until: 5 }
const LATER: Ending = { status: 'failed', reason: 'a later reason', until: null }
const INTERRUPTED: Ending = { status: 'interrupted', reason: 'stopped by a signal; the checkpoint is saved', until: null }
const LOST: Ending = { status: 'failed', reason: 'overtaken', until: null, code: 'lease_lost' }

const EVENTS: { readonly [K in PartitionEventKind]: PartitionEvent & { readonly kind: K } } = {
  lease_granted: { kind: 'lease_granted' },
  lease_denied: { kind: 'lease_denied', reason: 'held' },
  checkpoint_ok: { kind: 'checkpoint_ok' },
  unit_sent: { kind: 'unit_sent' },
  unit_back: { kind: 'unit_back' },
  exhausted: { kind: 'exhausted' },
  stop: { kind: 'stop', ending: LATER },
  interrupted: { kind: 'interrupted' },
  lease_lost: { kind: 'lease_lost', reason: 'overtaken' },
}

/** `same`: the very object that went in. */
type Expectation = PartitionState | 'same' | 'illegal'
type Row = { readonly state: PartitionState; readonly on: Readonly<Record<PartitionEventKind, Expectation>> }

const ended = (ending: Ending): PartitionState => ({ kind: 'ended', ending })

/** The compiler refuses a missing cell: every state kind is here, with every event kind. States with a second face have more rows. */
const TABLE: Readonly<Record<PartitionStateKind, readonly Row[]>> = {
  idle: [
    {
      state: INITIAL_STATE,
      on: {
        lease_granted: { kind: 'validating' },
        lease_denied: ended({ status: 'lease_held', reason: 'held', until: null }),
        checkpoint_ok: 'illegal',
        unit_sent: 'illegal',
        unit_back: 'illegal',
        exhausted: 'illegal',
        stop: ended(LATER),
        interrupted: ended(INTERRUPTED),
        lease_lost: 'illegal',
      },
    },
  ],
  validating: [
    {
      state: { kind: 'validating' },
      on: {
        lease_granted: 'illegal',
        lease_denied: 'illegal',
        checkpoint_ok: { kind: 'working', inFlight: 0, exhausted: false },
        unit_sent: 'illegal',
        unit_back: 'illegal',
        exhausted: 'illegal',
        stop: ended(LATER),
        interrupted: ended(INTERRUPTED),
        lease_lost: ended(LOST),
      },
    },
  ],
  working: [
    {
      state: { kind: 'working', inFlight: 0, exhausted: false },
      on: {
        lease_granted: 'illegal',
        lease_denied: 'illegal',
        checkpoint_ok: 'illegal',
        unit_sent: { kind: 'working', inFlight: 1, exhausted: false },
        unit_back: 'illegal',
        exhausted: ended(DONE),
        stop: ended(LATER),
        interrupted: ended(INTERRUPTED),
        lease_lost: ended(LOST),
      },
    },
    {
      state: { kind: 'working', inFlight: 2, exhausted: false },
      on: {
        lease_granted: 'illegal',
        lease_denied: 'illegal',
        checkpoint_ok: 'illegal',
        unit_sent: { kind: 'working', inFlight: 3, exhausted: false },
        unit_back: { kind: 'working', inFlight: 1, exhausted: false },
        exhausted: { kind: 'working', inFlight: 2, exhausted: true },
        stop: { kind: 'draining', inFlight: 2, ending: LATER },
        interrupted: { kind: 'draining', inFlight: 2, ending: INTERRUPTED },
        lease_lost: ended(LOST),
      },
    },
    {
      state: { kind: 'working', inFlight: 1, exhausted: false },
      on: {
        lease_granted: 'illegal',
        lease_denied: 'illegal',
        checkpoint_ok: 'illegal',
        unit_sent: { kind: 'working', inFlight: 2, exhausted: false },
        unit_back: { kind: 'working', inFlight: 0, exhausted: false },
        exhausted: { kind: 'working', inFlight: 1, exhausted: true },
        stop: { kind: 'draining', inFlight: 1, ending: LATER },
        interrupted: { kind: 'draining', inFlight: 1, ending: INTERRUPTED },
        lease_lost: ended(LOST),
      },
    },
    {
      state: { kind: 'working', inFlight: 1, exhausted: true },
      on: {
        lease_granted: 'illegal',
        lease_denied: 'illegal',
        checkpoint_ok: 'illegal',
        unit_sent: 'illegal',
        unit_back: ended(DONE),
        exhausted: 'same',
        stop: { kind: 'draining', inFlight: 1, ending: LATER },
        interrupted: { kind: 'draining', inFlight: 1, ending: INTERRUPTED },
        lease_lost: ended(LOST),
      },
    },
  ],
  draining: [
    {
      state: { kind: 'draining', inFlight: 2, ending: PARKED },
      on: {
        lease_granted: 'illegal',
        lease_denied: 'illegal',
        checkpoint_ok: 'illegal',
        unit_sent: 'illegal',
        unit_back: { kind: 'draining', inFlight: 1, ending: PARKED },
        exhausted: 'same',
        stop: 'same',
        interrupted: { kind: 'draining', inFlight: 2, ending: INTERRUPTED },
        lease_lost: ended(LOST),
      },
    },
    {
      state: { kind: 'draining', inFlight: 1, ending: INTERRUPTED },
      on: {
        lease_granted: 'illegal',
        lease_denied: 'illegal',
        checkpoint_ok: 'illegal',
        unit_sent: 'illegal',
        unit_back: ended(INTERRUPTED),
        exhausted: 'same',
        stop: 'same',
        interrupted: 'same',
        lease_lost: ended(LOST),
      },
    },
  ],
  ended: [
    {
      state: ended(DONE),
      on: {
        lease_granted: 'illegal',
        lease_denied: 'illegal',
        checkpoint_ok: 'illegal',
        unit_sent: 'illegal',
        unit_back: 'same',
        exhausted: 'same',
        stop: 'same',
        interrupted: 'same',
        lease_lost: 'same',
      },
    },
  ],
}

function nameOf(state: PartitionState): string {
  if (state.kind === 'working') return `working, ${state.inFlight} in flight${state.exhausted ? ', exhausted' : ''}`
  if (state.kind === 'draining') return `draining, ${state.inFlight} in flight, ${state.ending.status}`
  return state.kind
}

const CELLS = Object.values(TABLE)
  .flat()
  .flatMap(({ state, on }) =>
    Object.values(EVENTS).map((event) => ({ state, event, expected: on[event.kind], name: `${nameOf(state)} on ${event.kind}` })),
  )

describe('transition', () => {
  test.each(CELLS)('$name', ({ state, event, expected }) => {
    const frozen = Object.freeze(state)
    if (expected === 'illegal') expect(() => transition(frozen, event)).toThrow(IllegalTransition)
    else if (expected === 'same') expect(transition(frozen, event)).toBe(frozen)
    else expect(transition(frozen, event)).toEqual(expected)
  })

  test('an illegal event is called what it is', () => {
    expect(() => transition(INITIAL_STATE, EVENTS.unit_sent)).toThrow('a partition that is idle cannot take the event unit_sent')
  })
})

describe('maySend', () => {
  test('only while working, not exhausted, and below the limit', () => {
    expect(maySend({ kind: 'working', inFlight: 1, exhausted: false }, 2)).toBe(true)
    expect(maySend({ kind: 'working', inFlight: 2, exhausted: false }, 2)).toBe(false)
    expect(maySend({ kind: 'working', inFlight: 0, exhausted: true }, 2)).toBe(false)
    for (const state of [
      INITIAL_STATE,
      { kind: 'validating' } as const,
      { kind: 'draining', inFlight: 1, ending: PARKED } as const,
      ended(DONE),
    ])
      expect(maySend(state, 9)).toBe(false)
  })
})
