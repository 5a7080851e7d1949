/**
 * How many log messages may go to Dagster. Each is a write to its event log (a SQLite one takes about 490 a second in all), so
 * a chatty run would slow down every other. What is left out is counted and said. Pure: time comes in.
 */
import type { PipesLogLevel } from './protocol.ts'

/** `burst` at once, and `perSecond` in the long run; a class each, so that chatter cannot crowd out an error. */
export type LogRate = { readonly burst: number; readonly perSecond: number }
export type LogRates = { readonly chatter: LogRate; readonly trouble: LogRate }

export const DEFAULT_LOG_RATES: LogRates = {
  chatter: { burst: 50, perSecond: 5 },
  trouble: { burst: 200, perSecond: 10 },
}
export const UNLIMITED_LOGS: LogRates = {
  chatter: { burst: Number.POSITIVE_INFINITY, perSecond: 0 },
  trouble: { burst: Number.POSITIVE_INFINITY, perSecond: 0 },
}
/** Between two remarks about what was left out. */
const REMARK_EVERY_MS = 5_000

export type LogCap = {
  /** Whether the message may go, and a remark that must go before it. */
  admit(level: PipesLogLevel, nowMs: number): { readonly admitted: boolean; readonly remark: string | null }
  /** The last remark, if anything was left out since. */
  flush(): string | null
}

export function createLogCap(rates: LogRates): LogCap {
  const bucketOf = (kind: keyof LogRates): { left: number; at: number | null } => ({ left: rates[kind].burst, at: null })
  const buckets = { chatter: bucketOf('chatter'), trouble: bucketOf('trouble') }
  const leftOut = new Map<PipesLogLevel, number>()
  let remarkedAt = Number.NEGATIVE_INFINITY

  function take(kind: keyof LogRates, nowMs: number): boolean {
    const bucket = buckets[kind]
    const { burst, perSecond } = rates[kind]
    const passed = bucket.at === null ? 0 : Math.max(0, nowMs - bucket.at)
    bucket.left = Math.min(burst, bucket.left + (passed / 1000) * perSecond)
    bucket.at = nowMs
    if (bucket.left < 1) return false
    bucket.left -= 1
    return true
  }

  function remark(): string | null {
    if (leftOut.size === 0) return null
    const total = [...leftOut.values()].reduce((sum, count) => sum + count, 0)
    const parts = [...leftOut].map(([level, count]) => `${count} ${level}`).join(', ')
    leftOut.clear()
    return `${total} log ${total === 1 ? 'message was' : 'messages were'} left out to spare Dagster's event log (${parts})`
  }

  return {
    admit(level, nowMs) {
      const kind = level === 'DEBUG' || level === 'INFO' ? 'chatter' : 'trouble'
      if (!take(kind, nowMs)) {
        leftOut.set(level, (leftOut.get(level) ?? 0) + 1)
        return { admitted: false, remark: null }
      }
      if (leftOut.size === 0 || nowMs - remarkedAt < REMARK_EVERY_MS) return { admitted: true, remark: null }
      remarkedAt = nowMs
      return { admitted: true, remark: remark() }
    },
    flush: remark,
  }
}
