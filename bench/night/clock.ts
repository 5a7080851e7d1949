/**
 * Virtual time: it stands while anybody works and moves to the next moment that somebody waits for when nobody does, so that
 * sources overlap as they do in a real run.
 */
import type { EpochMs } from '../../ts/model/time.ts'
import type { Clock } from '../../ts/runtime/ports.ts'

/** Turns of the event loop without a new sleeper after which everybody is taken to wait; a shared commit takes two. */
const IDLE_TURNS = 4

type Sleeper = { readonly at: EpochMs; readonly resolve: () => void }

export class VirtualClock implements Clock {
  at: EpochMs
  private readonly start: EpochMs
  private readonly sleepers: Sleeper[] = []
  private turns = 0
  private isTurning = false

  constructor(start: EpochMs) {
    this.at = start
    this.start = start
  }

  now(): EpochMs {
    return this.at
  }

  monotonic(): { ms: number; boot: string } {
    return { ms: this.at - this.start, boot: 'virtual' }
  }

  /** What the engine itself sleeps for (heartbeats of leases) lasts until it is ended. */
  sleep(_duration: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
  }

  /** What the provider's double waits for. */
  pass(duration: number): Promise<void> {
    return new Promise((resolve) => {
      this.sleepers.push({ at: this.at + duration, resolve })
      this.turns = 0
      if (!this.isTurning) {
        this.isTurning = true
        setImmediate(() => this.turn())
      }
    })
  }

  private turn(): void {
    this.turns += 1
    if (this.turns >= IDLE_TURNS) {
      // As many as there are requests in flight: too few for a heap to be worth it.
      let first = 0
      for (let index = 1; index < this.sleepers.length; index++)
        if (this.sleepers[index]!.at < this.sleepers[first]!.at) first = index
      const [next] = this.sleepers.splice(first, 1)
      this.at = Math.max(this.at, next!.at)
      this.turns = 0
      next!.resolve()
    }
    if (this.sleepers.length > 0) setImmediate(() => this.turn())
    else this.isTurning = false
  }
}
