import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { PartitionStatus } from '../../ts/model/run-report.ts'
import {
  type Ending,
  INITIAL_STATE,
  maySend,
  type PartitionEvent,
  type PartitionState,
  transition,
} from '../../ts/refresh/partition-state.ts'

// Many runs each, and no statement about speed.
vi.setConfig({ testTimeout: 120_000 })

const MAX_IN_FLIGHT = 3

/** What the shell knows for itself: how many units it sent that have not come back, and the first reason it gave to stop. */
type Model = { outstanding: number; reason: Ending | null; leaseLost: boolean; interrupted: boolean; sent: number; back: number }
type Real = { state: PartitionState; readonly history: PartitionState[] }

function feed(real: Real, event: PartitionEvent): void {
  const before = real.state
  real.state = transition(Object.freeze(before), event)
  real.history.push(real.state)
  if (before.kind === 'ended') expect(real.state).toBe(before)
}

/** Holds after every step, whatever came before it. */
function checkInvariants(model: Model, { state }: Real): void {
  if (state.kind === 'working' || state.kind === 'draining') expect(state.inFlight).toBe(model.outstanding)
  if (state.kind === 'draining') expect(state.inFlight).toBeGreaterThan(0)
  if (state.kind === 'ended') {
    // Every unit sent was waited for, unless the lease is gone and nothing may be recorded any more.
    if (!model.leaseLost) expect(model.outstanding).toBe(0)
    expect(model.sent - model.back).toBe(model.outstanding)
    const expected: PartitionStatus = model.leaseLost
      ? 'failed'
      : model.interrupted
        ? 'interrupted'
        : (model.reason?.status ?? 'done')
    expect(state.ending.status).toBe(expected)
    if (!model.leaseLost && !model.interrupted && model.reason !== null) expect(state.ending).toBe(model.reason)
  }
}

class Command implements fc.Command<Model, Real> {
  private readonly name: string
  private readonly when: (model: Model, state: PartitionState) => boolean
  private readonly effect: (model: Model, real: Real) => void

  constructor(name: string, when: (model: Model, state: PartitionState) => boolean, effect: (model: Model, real: Real) => void) {
    this.name = name
    this.when = when
    this.effect = effect
  }

  /** fast-check asks the model only, so whether the machine would take the event is decided at run time. */
  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    if (!this.when(model, real.state)) return
    this.effect(model, real)
    checkInvariants(model, real)
  }

  toString(): string {
    return this.name
  }
}

const isOpen = (state: PartitionState): boolean => state.kind === 'working' || state.kind === 'draining'

const send = new Command(
  'send',
  (_model, state) => maySend(state, MAX_IN_FLIGHT),
  (model, real) => {
    model.sent += 1
    model.outstanding += 1
    feed(real, { kind: 'unit_sent' })
    expect(model.outstanding).toBeLessThanOrEqual(MAX_IN_FLIGHT)
  },
)
const back = new Command(
  'back',
  (model) => model.outstanding > 0,
  (model, real) => {
    model.back += 1
    model.outstanding -= 1
    feed(real, { kind: 'unit_back' })
  },
)
const exhausted = new Command(
  'exhausted',
  (_model, state) => isOpen(state) || state.kind === 'ended',
  (_model, real) => feed(real, { kind: 'exhausted' }),
)
const interrupt = new Command(
  'interrupt',
  () => true,
  (model, real) => {
    if (real.state.kind !== 'ended') model.interrupted = true
    feed(real, { kind: 'interrupted' })
  },
)
const loseLease = new Command(
  'lose lease',
  (_model, state) => state.kind !== 'idle',
  (model, real) => {
    if (real.state.kind !== 'ended') model.leaseLost = true
    feed(real, { kind: 'lease_lost', reason: 'overtaken' })
  },
)
const stopWith = (status: 'parked' | 'failed', reason: string): Command =>
  new Command(
    `stop(${status}, ${reason})`,
    () => true,
    (model, real) => {
      const ending: Ending = { status, reason, until: null }
      if (real.state.kind !== 'ended') model.reason ??= ending
      feed(real, { kind: 'stop', ending })
      // The machine keeps the very ending it was given first.
      if (real.state.kind === 'draining' && !model.interrupted) expect(real.state.ending.reason).toBe(model.reason?.reason)
    },
  )

const commands = fc.commands(
  [
    fc.constant(send),
    fc.constant(send),
    fc.constant(back),
    fc.constant(back),
    fc.constant(exhausted),
    fc.constant(interrupt),
    fc.constant(loseLease),
    fc
      .tuple(fc.constantFrom<('parked' | 'failed')[]>('parked', 'failed'), fc.constantFrom('quota', 'credentials', 'down'))
      .map(([status, reason]) => stopWith(status, reason)),
  ],
  { maxCommands: 40 },
)

function freshModel(): Model {
  return { outstanding: 0, reason: null, leaseLost: false, interrupted: false, sent: 0, back: 0 }
}

describe('the state machine of a partition', () => {
  test('counts what is in flight, waits for it, keeps its first reason, and never leaves its end', () => {
    fc.assert(
      fc.property(commands, (steps) => {
        fc.modelRun(() => {
          const real: Real = { state: INITIAL_STATE, history: [] }
          feed(real, { kind: 'lease_granted' })
          feed(real, { kind: 'checkpoint_ok' })
          return { model: freshModel(), real }
        }, steps)
      }),
      { numRuns: 2_000 },
    )
  })

  test('from any reachable state the partition ends as soon as every unit is back and no more come', () => {
    fc.assert(
      fc.property(commands, (steps) => {
        const model = freshModel()
        const real: Real = { state: INITIAL_STATE, history: [] }
        feed(real, { kind: 'lease_granted' })
        feed(real, { kind: 'checkpoint_ok' })
        fc.modelRun(() => ({ model, real }), steps)
        if (real.state.kind === 'working') feed(real, { kind: 'exhausted' })
        while (model.outstanding > 0) {
          model.outstanding -= 1
          feed(real, { kind: 'unit_back' })
        }
        expect(real.state.kind).toBe('ended')
      }),
      { numRuns: 500 },
    )
  })
})
