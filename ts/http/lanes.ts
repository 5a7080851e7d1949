/**
 * How many requests of a source are under way at once in this process, and who goes first. A lane is taken before the
 * quota is asked, because a slot's lease runs from the moment it is granted: a slot must never wait in a queue.
 *
 * Bottleneck does this for every source that a published quota slows down anyway. It dispatches through two chained
 * 1 ms timers, at most 444 jobs a second whatever the concurrency (measured), so where more is allowed a plain gate of
 * the same behaviour takes its place.
 */
import Bottleneck from 'bottleneck'
import { onAbort } from '../runtime/abort-hub.ts'
import type { QuotaRule } from '../stores/store.ts'

/** 0 goes first, 9 last. */
export const DEFAULT_PRIORITY = 5
/** Bottleneck must not be what limits: it is used up to less than half of what it can do. */
const BOTTLENECK_MAX_PER_SECOND = 200

export const ABORTED = Symbol('aborted')

export type Lanes = {
  /** Runs the job when a lane is free; `ABORTED` when the signal aborts before that. Rejects only as the job does. */
  run<T>(priority: number, signal: AbortSignal, job: () => Promise<T>): Promise<T | typeof ABORTED>
}

/** First in, first out; one that gave up is skipped when its turn comes. */
type Waiter = { readonly start: () => void; gone: boolean }
type Queue = { waiters: Waiter[]; head: number }

/** Heads this far in are cut off, so that a queue costs what is in it and each waiter is moved at most twice. */
const COMPACT_FROM = 1_024

function shift(queue: Queue): Waiter | undefined {
  while (queue.head < queue.waiters.length) {
    const waiter = queue.waiters[queue.head++]!
    if (queue.head >= COMPACT_FROM && queue.head * 2 >= queue.waiters.length) {
      queue.waiters = queue.waiters.slice(queue.head)
      queue.head = 0
    }
    if (!waiter.gone) return waiter
  }
  return undefined
}

/** A gate with `width` lanes and first-come order within each of ten priorities. */
export function gateLanes(width: number): Lanes {
  const queues: Queue[] = Array.from({ length: 10 }, () => ({ waiters: [], head: 0 }))
  let free = width

  function next(): void {
    for (const queue of queues) {
      const waiter = shift(queue)
      if (waiter !== undefined) {
        waiter.start()
        return
      }
    }
    free++
  }

  function wait(priority: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const stay = onAbort(signal, () => {
        waiter.gone = true
        resolve(false)
      })
      const waiter: Waiter = {
        gone: false,
        start: () => {
          stay()
          resolve(true)
        },
      }
      queues[priority]!.waiters.push(waiter)
    })
  }

  return {
    async run(priority, signal, job) {
      if (signal.aborted) return ABORTED
      if (free > 0) free--
      else if (!(await wait(clampPriority(priority), signal))) return ABORTED
      try {
        return await job()
      } finally {
        next()
      }
    },
  }
}

export function bottleneckLanes(width: number): Lanes {
  const limiter = new Bottleneck({ maxConcurrent: width })
  neverWaitForTheClock(limiter)
  return {
    run(priority, signal, job) {
      if (signal.aborted) return Promise.resolve(ABORTED)
      return new Promise((resolve, reject) => {
        // Bottleneck cannot take a job out of its queue: an abandoned one stays and does nothing when its turn comes.
        const stay = onAbort(signal, () => resolve(ABORTED))
        limiter
          .schedule({ priority: clampPriority(priority) }, async () => {
            stay()
            return signal.aborted ? ABORTED : job()
          })
          .then(resolve, reject)
      })
    },
  }
}

/**
 * Bottleneck stamps the start of the next job by the wall clock even when no gap between jobs is asked for; after the
 * clock was set back by an hour every job would wait an hour. Without a gap the stamp has no use, so it is kept at zero.
 */
function neverWaitForTheClock(limiter: Bottleneck): void {
  const { _store: store } = limiter as unknown as { _store: object }
  Object.defineProperty(store, '_nextRequest', { get: () => 0, set() {} })
}

function clampPriority(priority: number): number {
  return Math.min(9, Math.max(0, Math.trunc(priority)))
}

/** Lanes that fit the source's quotas. */
export function createLanes(width: number, rules: readonly QuotaRule[]): Lanes {
  const isSlow = rules.some((rule) => rule.limit / (rule.perMs / 1000) <= BOTTLENECK_MAX_PER_SECOND)
  return isSlow ? bottleneckLanes(width) : gateLanes(width)
}
