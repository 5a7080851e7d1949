/**
 * The pure state machine of one partition's run. The shell performs the effects and feeds back what happened; the machine
 * says whether work goes on and how the partition ends.
 *
 *   idle --lease_granted--> validating --checkpoint_ok--> working --exhausted--> (last unit back) --> ended(done)
 *     |                         |                            |
 *     lease_denied          lease_lost, interrupted      stop, interrupted, lease_lost
 *     v                         v                            v
 *   ended(lease_held)         ended                       draining --last unit back--> ended
 *
 * - Units sent are always waited for: what was asked for and paid for is recorded, except after `lease_lost`, when
 *   nothing may be written any more.
 * - The first reason to stop decides the ending; only `interrupted` and `lease_lost` replace an earlier one.
 */
import type { EndingCode, PartitionStatus } from '../model/run-report.ts'
import type { EpochMs } from '../model/time.ts'

export type Ending = {
  readonly status: PartitionStatus
  readonly reason: string | null
  readonly until: EpochMs | null
  readonly code?: EndingCode
}

export type PartitionState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'validating' }
  | { readonly kind: 'working'; readonly inFlight: number; readonly exhausted: boolean }
  | { readonly kind: 'draining'; readonly inFlight: number; readonly ending: Ending }
  | { readonly kind: 'ended'; readonly ending: Ending }

export type PartitionEvent =
  | { readonly kind: 'lease_granted' }
  | { readonly kind: 'lease_denied'; readonly reason: string }
  | { readonly kind: 'checkpoint_ok' }
  | { readonly kind: 'unit_sent' }
  /** The unit's answer was committed (or it was refused, and nothing had to be). */
  | { readonly kind: 'unit_back' }
  /** No more units will come from the work list. */
  | { readonly kind: 'exhausted' }
  /** No more units shall be sent: quota, budget, breaker, credentials, source down, or an error. */
  | { readonly kind: 'stop'; readonly ending: Ending }
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'lease_lost'; readonly reason: string }

export type PartitionEventKind = PartitionEvent['kind']
export type PartitionStateKind = PartitionState['kind']

export const INITIAL_STATE: PartitionState = { kind: 'idle' }

const DONE: Ending = { status: 'done', reason: null, until: null }
const INTERRUPTED: Ending = { status: 'interrupted', reason: 'stopped by a signal; the checkpoint is saved', until: null }

/** Thrown for an event that cannot happen in a state: a bug in the shell, never a condition of the world. */
export class IllegalTransition extends Error {
  constructor(state: PartitionState, event: PartitionEvent) {
    super(`a partition that is ${state.kind} cannot take the event ${event.kind}`)
    this.name = 'IllegalTransition'
  }
}

function settle(inFlight: number, ending: Ending): PartitionState {
  return inFlight === 0 ? { kind: 'ended', ending } : { kind: 'draining', inFlight, ending }
}

function lost(reason: string): Ending {
  return { status: 'failed', reason, until: null, code: 'lease_lost' }
}

/** The next state; the very same object when the event changes nothing. */
export function transition(state: PartitionState, event: PartitionEvent): PartitionState {
  switch (state.kind) {
    case 'idle':
      if (event.kind === 'lease_granted') return { kind: 'validating' }
      if (event.kind === 'lease_denied')
        return { kind: 'ended', ending: { status: 'lease_held', reason: event.reason, until: null } }
      if (event.kind === 'interrupted') return { kind: 'ended', ending: INTERRUPTED }
      if (event.kind === 'stop') return { kind: 'ended', ending: event.ending }
      break
    case 'validating':
      if (event.kind === 'checkpoint_ok') return { kind: 'working', inFlight: 0, exhausted: false }
      if (event.kind === 'interrupted') return { kind: 'ended', ending: INTERRUPTED }
      if (event.kind === 'stop') return { kind: 'ended', ending: event.ending }
      if (event.kind === 'lease_lost') return { kind: 'ended', ending: lost(event.reason) }
      break
    case 'working':
      if (event.kind === 'unit_sent' && !state.exhausted) return { ...state, inFlight: state.inFlight + 1 }
      if (event.kind === 'unit_back' && state.inFlight > 0) {
        const inFlight = state.inFlight - 1
        return inFlight === 0 && state.exhausted ? { kind: 'ended', ending: DONE } : { ...state, inFlight }
      }
      if (event.kind === 'exhausted')
        return state.inFlight === 0 ? { kind: 'ended', ending: DONE } : state.exhausted ? state : { ...state, exhausted: true }
      if (event.kind === 'stop') return settle(state.inFlight, event.ending)
      if (event.kind === 'interrupted') return settle(state.inFlight, INTERRUPTED)
      if (event.kind === 'lease_lost') return { kind: 'ended', ending: lost(event.reason) }
      break
    case 'draining':
      if (event.kind === 'unit_back') return settle(state.inFlight - 1, state.ending)
      if (event.kind === 'exhausted' || event.kind === 'stop') return state
      if (event.kind === 'interrupted') return state.ending.status === 'interrupted' ? state : { ...state, ending: INTERRUPTED }
      if (event.kind === 'lease_lost') return { kind: 'ended', ending: lost(event.reason) }
      break
    case 'ended':
      // Late echoes of work that was under way when the end came.
      if (
        event.kind !== 'lease_granted' &&
        event.kind !== 'lease_denied' &&
        event.kind !== 'checkpoint_ok' &&
        event.kind !== 'unit_sent'
      )
        return state
      break
  }
  throw new IllegalTransition(state, event)
}

/** Whether another unit may be sent now. */
export function maySend(state: PartitionState, maxInFlight: number): boolean {
  return state.kind === 'working' && !state.exhausted && state.inFlight < maxInFlight
}
