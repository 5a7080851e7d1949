/** Values as people read them. Pure; programs get the exact ones by --json. */
import type { JsonValue } from '../model/json.ts'
import { DAY_MS, type DurationMs, type EpochMs, HOUR_MS, MINUTE_MS, SECOND_MS, toIso } from '../model/time.ts'
import { stripControls } from '../runtime/logger.ts'

/** One line without anything that a terminal would act on: providers' text may hold escape sequences and worse. */
export const plainText = stripControls

/** Like `plainText`, but keeps line breaks: for whole messages. */
export function plainLines(text: string): string {
  return text.split('\n').map(plainText).join('\n')
}

export function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 1 })
}

/** Rounded down, so that 100 % means all of them. */
export function percent(share: number): string {
  return `${(Math.floor(share * 1000 + 1e-9) / 10).toFixed(1)} %`
}

/** `2026-11-21 03:00Z`, or a dash. */
export function instant(at: EpochMs | null): string {
  return at === null ? '-' : `${toIso(at).slice(0, 16).replace('T', ' ')}Z`
}

/** When a wait ends: `12:00:05Z`, with the day when it is not today's. */
export function untilText(at: EpochMs, now: EpochMs): string {
  const [day, time] = toIso(at).slice(0, 19).split('T') as [string, string]
  return toIso(now).startsWith(day) ? `${time}Z` : `${day} ${time}Z`
}

/** `1d 4h`, `3m 20s`, `850ms`: two units at most. */
export function duration(span: DurationMs | null): string {
  if (span === null) return '-'
  const total = Math.max(0, Math.round(span))
  if (total < SECOND_MS) return `${total}ms`
  const units: readonly (readonly [string, number])[] = [
    ['d', DAY_MS],
    ['h', HOUR_MS],
    ['m', MINUTE_MS],
    ['s', SECOND_MS],
  ]
  const first = units.findIndex(([, size]) => total >= size)
  const [name, size] = units[first]!
  const next = units[first + 1]
  const rest = next === undefined ? 0 : Math.floor((total % size) / next[1])
  return `${Math.floor(total / size)}${name}${rest > 0 ? ` ${rest}${next![0]}` : ''}`
}

/** A value of a record, short: text in quotes, maps and lists as JSON. */
export function jsonValue(value: JsonValue | null, longest = 60): string {
  const text = JSON.stringify(value)
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text
}

/** Old and new value, each short; of long texts that begin alike, the stretch where they differ. */
export function jsonChange(old: JsonValue | null, now: JsonValue | null, longest = 60): string {
  const texts = [JSON.stringify(old), JSON.stringify(now)] as const
  let same = 0
  while (same < texts[0].length && texts[0][same] === texts[1][same]) same += 1
  const start = texts.some((text) => text.length > longest) && same > longest / 2 ? same - 15 : 0
  return texts
    .map((text) => {
      const rest = start > 0 ? `…${text.slice(start)}` : text
      return rest.length > longest ? `${rest.slice(0, longest - 1)}…` : rest
    })
    .join(' -> ')
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`
}

/** `812 B`, `1.2 kB`, `290 MB`. */
export function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = size
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
