/**
 * JSON from providers. Numbers that a double cannot hold come out as strings, digit for digit (identifiers that look like
 * numbers are the rule, not the exception); nesting and the number of containers are bounded; `__proto__` stays plain
 * data, and of duplicate members the last one holds, as JSON.parse has it.
 *
 * JSON.parse does the work. Around it are two checks that together cost about a tenth of it: counting brackets with
 * `indexOf` before (a bomb must not be built), and one walk after, which sees depth and large numbers. Only when there is
 * a large number the text is read again, to put quotes around those that were not kept exactly.
 */
import type { JsonValue } from '../model/json.ts'

/** 20 MB of `[` make 700 MB of arrays (measured); this many make 10 MB, and a page of 100,000 records passes. */
export const MAX_CONTAINERS = 250_000

export type ParsedJson =
  | { readonly ok: true; readonly value: JsonValue }
  | { readonly ok: false; readonly why: 'not_json' | 'too_deep' | 'too_many' }

/** `maxDepth`: containers inside each other, the outermost included; at most 1000. */
export function parseJson(text: string, maxDepth: number): ParsedJson {
  if (hasMoreContainersThan(MAX_CONTAINERS, text)) return { ok: false, why: 'too_many' }
  let value = tryParse(text)
  if (value === undefined) return { ok: false, why: 'not_json' }
  let found = inspect(value, maxDepth)
  if (found === 'large_number') {
    value = tryParse(quoteLargeNumbers(text))!
    // What is still large was written as a decimal or with an exponent, and is a double like any other.
    found = isTooDeep(value, maxDepth) ? 'too_deep' : 'fine'
  }
  return found === 'too_deep' ? { ok: false, why: 'too_deep' } : { ok: true, value }
}

/** JSON texts never are `undefined`, so that it can stand for "is none". */
function tryParse(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    return undefined
  }
}

/** Brackets inside strings count too: it bounds what can be built, it need not be exact. */
function hasMoreContainersThan(limit: number, text: string): boolean {
  if (text.length <= limit) return false
  let count = 0
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++count > limit) return true
    }
  }
  return false
}

type Finding = 'fine' | 'too_deep' | 'large_number'

/** A double beyond this may stand for another integer than the text said, or for none (1e400). */
function isLarge(value: number): boolean {
  return value > Number.MAX_SAFE_INTEGER || value < -Number.MAX_SAFE_INTEGER
}

/** Recursion is bounded by `levels`. */
function inspect(value: JsonValue, levels: number): Finding {
  if (typeof value === 'number') return isLarge(value) ? 'large_number' : 'fine'
  if (typeof value !== 'object' || value === null) return 'fine'
  if (levels === 0) return 'too_deep'
  if (Array.isArray(value)) return inspectItems(value, levels - 1)
  // One call per container and none per scalar: this loop sees every value of every answer.
  const members = value as Readonly<Record<string, JsonValue>>
  for (const key in members) {
    const member = members[key]!
    if (typeof member === 'object') {
      if (member === null) continue
      const found = inspect(member, levels - 1)
      if (found !== 'fine') return found
    } else if (typeof member === 'number' && isLarge(member)) return 'large_number'
  }
  return 'fine'
}

function inspectItems(items: readonly JsonValue[], levels: number): Finding {
  for (let index = 0; index < items.length; index++) {
    const item = items[index]!
    if (typeof item === 'object') {
      if (item === null) continue
      const found = inspect(item, levels)
      if (found !== 'fine') return found
    } else if (typeof item === 'number' && isLarge(item)) return 'large_number'
  }
  return 'fine'
}

function isTooDeep(value: JsonValue, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  return Object.values(value).some((member) => isTooDeep(member, levels - 1))
}

/** Index of the quote that closes the string opened at `open`; the text's end when none does. */
function closingQuote(text: string, open: number): number {
  for (let at = text.indexOf('"', open + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0
    while (text.charCodeAt(at - 1 - backslashes) === 92) backslashes++
    if (backslashes % 2 === 0) return at
  }
  return text.length
}

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y

function isUnsafe(token: string): boolean {
  const value = Number(token)
  if (!Number.isFinite(value)) return true
  return /^-?\d+$/.test(token) && !Number.isSafeInteger(value)
}

/** Puts quotes around numbers that a double cannot hold. The text is known to be JSON. */
function quoteLargeNumbers(text: string): string {
  const parts: string[] = []
  let copied = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 34) {
      at = closingQuote(text, at)
    } else if (code === 45 || (code >= 48 && code <= 57)) {
      NUMBER.lastIndex = at
      const token = NUMBER.exec(text)?.[0]
      if (token === undefined) continue
      if (isUnsafe(token)) {
        parts.push(text.slice(copied, at), '"', token, '"')
        copied = at + token.length
      }
      at += token.length - 1
    }
  }
  if (copied === 0) return text
  parts.push(text.slice(copied))
  return parts.join('')
}
