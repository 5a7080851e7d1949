import { DAY_MS, type EpochMs, parseUtcDate, toUtcDate } from './time.ts'

/** Half-open time interval `[from, to)`. */
export type Window = { readonly from: EpochMs; readonly to: EpochMs }

/**
 * Parses `2023-10-01:2023-10-07`: two UTC days, both named days included (an operator who says "the 1st to the 7th"
 * means the 7th too), so the window ends at the start of the 8th. A single day is a window of one day.
 */
export function parseWindow(text: string): Window | { readonly problem: string } {
  const [first, last = first, ...rest] = text.split(':')
  const from = parseUtcDate(first ?? '')
  const lastDay = parseUtcDate(last ?? '')
  if (rest.length > 0 || from === null || lastDay === null) {
    return { problem: `"${text}" is not a window; write it as 2023-10-01:2023-10-07 (both days included, UTC)` }
  }
  if (lastDay < from) return { problem: `window "${text}" ends before it begins; swap the two days` }
  return { from, to: lastDay + DAY_MS }
}

/** The inverse of `parseWindow` for windows of whole days. */
export function formatWindow(window: Window): string {
  return `${toUtcDate(window.from)}:${toUtcDate(window.to - 1)}`
}

export function isInWindow(window: Window, at: EpochMs): boolean {
  return at >= window.from && at < window.to
}
