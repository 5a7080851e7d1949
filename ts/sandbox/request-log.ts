import type { EpochMs } from '../model/time.ts'

export type LogEntry = {
  /** Number of the arrival, from 1, over all providers. */
  readonly n: number
  /** World time of the arrival. */
  readonly at: EpochMs
  /** The same moment in ms of the clock that quotas are measured by. */
  readonly real_ms: number
  /** Prefix of the provider. */
  readonly source: string
  readonly method: string
  /** Path and query without secrets. */
  readonly path: string
  /** Provider keys that were asked for. */
  readonly keys: readonly string[]
  /** Null while under way, and for answers that were never sent. */
  status: number | null
  /** Faults that were applied to it. */
  faults: readonly string[]
  /** True when the quota refused it. */
  refused: boolean
}

export type RequestLog = {
  next(): number
  add(entry: LogEntry): void
  /** Entries with a number above `after`, oldest first, at most `limit`. */
  after(after: number, limit: number): readonly LogEntry[]
  readonly total: number
  readonly dropped: number
}

/** Keeps the newest `capacity` to `1.25 capacity` arrivals. */
export function createRequestLog(capacity = 400_000): RequestLog {
  let entries: LogEntry[] = []
  let total = 0
  return {
    next() {
      total += 1
      return total
    },
    add(entry) {
      entries.push(entry)
      if (entries.length > capacity * 1.25) entries = entries.slice(entries.length - capacity)
    },
    after(after, limit) {
      const first = entries[0]?.n ?? 1
      const from = Math.max(0, after + 1 - first)
      return entries.slice(from, from + limit)
    },
    get total() {
      return total
    },
    get dropped() {
      return total - entries.length
    },
  }
}

/** Credentials in a query are never logged. */
export function withoutSecrets(pathAndQuery: string): string {
  return pathAndQuery.replace(/([?&](?:api[_-]?key|key|token)=)[^&]*/gi, '$1***')
}
