/**
 * One line per message on stderr, as JSON for programs or as text for people. Whatever goes in may come from a provider:
 * secrets are scrubbed, terminal escapes and bidirectional controls stripped, and no field is longer than 4 kB, so that
 * a log line can neither leak a key nor forge another line.
 */
import { toIso } from '../model/time.ts'
import type { Clock, Logger, LogLevel } from './ports.ts'
import type { Scrubber } from './scrub.ts'

export const MAX_FIELD_CHARS = 4_096
const MAX_DEPTH = 6
/** A field of such a name gets an underscore behind it: it cannot pose as the line's own. */
const RESERVED = new Set(['at', 'level', 'message'])
const LEVELS: Readonly<Record<LogLevel, number>> = { debug: 10, info: 20, warn: 30, error: 40 }

const TERMINAL_SEQUENCE = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|[@-Z\\-_])/g
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g

/** Text that cannot move a cursor, forge a line or reorder what is read. */
export function stripControls(text: string): string {
  return text.replace(TERMINAL_SEQUENCE, '').replace(CONTROL, ' ').replace(BIDI, '')
}

export type LoggerOptions = {
  readonly level: LogLevel
  readonly format: 'json' | 'text'
  readonly write: (line: string) => void
  readonly scrubber: Pick<Scrubber, 'scrub'>
  readonly clock: Pick<Clock, 'now'>
}

export function createLogger(options: LoggerOptions): Logger {
  const { scrubber, clock, write } = options
  const threshold = LEVELS[options.level]

  // Scrubbed before it is cut, so that half a key never stays; and again after stripping, so that a key that was broken
  // up by control characters does not come together unseen.
  function clean(text: string): string {
    const bounded = text.length > MAX_FIELD_CHARS * 8 ? scrubber.scrub(text).slice(0, MAX_FIELD_CHARS * 8) : text
    const safe = scrubber.scrub(stripControls(scrubber.scrub(bounded)))
    return safe.length > MAX_FIELD_CHARS ? `${safe.slice(0, MAX_FIELD_CHARS - 1)}…` : safe
  }

  function plain(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return clean(value)
    if (typeof value === 'bigint') return value.toString()
    if (typeof value === 'function' || typeof value === 'symbol') return clean(String(value))
    if (typeof value !== 'object' || value === null) return value
    if (depth >= MAX_DEPTH) return '[nested]'
    if (value instanceof Error) return errorFields(value, depth)
    const toJson = (value as { toJSON?: unknown }).toJSON
    if (typeof toJson === 'function') return plain(toJson.call(value), depth + 1)
    if (Array.isArray(value)) return value.slice(0, 100).map((item) => plain(item, depth + 1))
    return Object.fromEntries(
      Object.entries(value)
        .slice(0, 100)
        .map(([key, item]) => [clean(key), plain(item, depth + 1)]),
    )
  }

  function errorFields(error: Error, depth: number): unknown {
    const { code } = error as { code?: unknown }
    return {
      name: clean(error.name),
      message: clean(error.message),
      ...(code === undefined ? {} : { code: plain(code, depth + 1) }),
      ...(error.cause === undefined ? {} : { cause: plain(error.cause, depth + 1) }),
    }
  }

  function field(value: unknown): unknown {
    const result = plain(value, 0)
    if (typeof result !== 'object' || result === null) return result
    const text = JSON.stringify(result)
    return text.length > MAX_FIELD_CHARS ? `${text.slice(0, MAX_FIELD_CHARS - 1)}…` : result
  }

  function asText(value: unknown): string {
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
    return /^[^\s="]+$/.test(text) ? text : typeof value === 'string' ? JSON.stringify(text) : text
  }

  return {
    log(level, message, fields = {}) {
      if (LEVELS[level] < threshold) return
      const at = toIso(clock.now())
      const cleaned = Object.entries(fields).map(([key, value]) => [clean(key), field(value)] as const)
      if (options.format === 'json') {
        const own = cleaned.map(([key, value]) => [RESERVED.has(key) ? `${key}_` : key, value] as const)
        write(`${JSON.stringify({ at, level, message: clean(message), ...Object.fromEntries(own) })}\n`)
        return
      }
      const rest = cleaned.filter(([, value]) => value !== undefined).map(([key, value]) => ` ${key}=${asText(value)}`)
      write(`${at} ${level.padEnd(5)} ${clean(message)}${rest.join('')}\n`)
    },
  }
}

export const NO_LOGGER: Logger = { log() {} }
