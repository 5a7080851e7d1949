/** What the provider saw, judged from the sandbox's request log alone: an own count beside the sandbox's. */
import type { LogEntry } from '../../../ts/sandbox/request-log.ts'
import type { Home } from './home.ts'

export type Arrivals = {
  readonly count: number
  /** Most arrivals in any half-open window of the quota's length. */
  readonly maxInWindow: number
  /** Share of the quota that was used: the window's length over the mean time from an arrival to the `limit`-th after it. */
  readonly utilisation: number
  /** Askings beyond the first of each key. */
  readonly repeats: number
  readonly refused: number
}

export function arrivalsAt(
  home: Pick<Home, 'sandbox'>,
  source: string,
  quota: { readonly limit: number; readonly perMs: number },
): Arrivals {
  const entries = home.sandbox.sandbox.log.after(0, Number.MAX_SAFE_INTEGER).filter((entry) => entry.source === source)
  const times = entries.map((entry) => entry.real_ms).sort((a, b) => a - b)
  let maxInWindow = 0
  for (let last = 0, first = 0; last < times.length; last += 1) {
    while (times[last]! - times[first]! >= quota.perMs) first += 1
    maxInWindow = Math.max(maxInWindow, last - first + 1)
  }
  const cycles = times.slice(quota.limit).map((at, index) => at - times[index]!)
  const mean = cycles.reduce((sum, cycle) => sum + cycle, 0) / Math.max(1, cycles.length)
  return {
    count: times.length,
    maxInWindow,
    utilisation: cycles.length === 0 ? 0 : quota.perMs / mean,
    repeats: repeatsOf(entries),
    refused: entries.filter((entry) => entry.refused).length,
  }
}

/** Requests that ask again what an earlier one asked: same path, same keys. */
function repeatsOf(entries: readonly LogEntry[]): number {
  const asked = new Map<string, number>()
  for (const entry of entries) for (const key of entry.keys) asked.set(key, (asked.get(key) ?? 0) + 1)
  return [...asked.values()].reduce((sum, times) => sum + times - 1, 0)
}
