/**
 * JSON as Python reads it. `JSON.stringify` loses what Dagster is strict about: it drops members that are undefined, has no
 * way to write 1.0 or a bigint, refuses to write the latter at all, and passes on half surrogates, which Python reads but
 * cannot store.
 */
import { DagsterPipesError } from './protocol.ts'

/** Deeper values are refused: Python's parser ends at its recursion limit. */
const MAX_DEPTH = 100

/** A number that Python must read as a float: 1 is written as 1.0. */
export class FloatNumber {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

/** NaN and the infinities have no JSON. */
function encodeNumber(value: number): string {
  return Number.isFinite(value) ? JSON.stringify(value) : 'null'
}

function encodeFloat(value: number): string {
  const text = encodeNumber(value)
  return /^-?\d+$/.test(text) ? `${text}.0` : text
}

/**
 * One line of JSON. What has no JSON (undefined, functions, symbols, NaN, infinities) is null, so that no key goes missing;
 * bigints are integers; maps are objects, sets are lists, errors are their name and message. Every text goes through `scrub`.
 * Throws `DagsterPipesError` for a value that contains itself or is nested more than 100 deep.
 */
export function encodeJson(value: unknown, scrub: (text: string) => string = (text) => text): string {
  const above = new Set<object>()
  const text = (raw: string): string => JSON.stringify(scrub(raw).toWellFormed())

  function members(entries: Iterable<readonly [unknown, unknown]>): string {
    const parts: string[] = []
    for (const [key, item] of entries) parts.push(`${text(String(key))}:${encode(item)}`)
    return `{${parts.join(',')}}`
  }

  function structure(item: object): string {
    if (Array.isArray(item)) return `[${item.map(encode).join(',')}]`
    if (item instanceof Map) return members(item)
    if (item instanceof Set) return `[${[...item].map(encode).join(',')}]`
    if (item instanceof Error) return members([...Object.entries({ name: item.name, message: item.message })])
    return members(Object.entries(item))
  }

  function encode(item: unknown): string {
    switch (typeof item) {
      case 'string':
        return text(item)
      case 'number':
        return encodeNumber(item)
      case 'boolean':
        return String(item)
      case 'bigint':
        return item.toString()
      case 'object':
        break
      default:
        return 'null'
    }
    if (item === null) return 'null'
    if (item instanceof FloatNumber) return encodeFloat(item.value)
    if (above.has(item)) throw new DagsterPipesError('the value contains itself and has no JSON')
    if (above.size >= MAX_DEPTH) throw new DagsterPipesError(`the value is nested more than ${MAX_DEPTH} deep`)
    above.add(item)
    const toJson = (item as { toJSON?: unknown }).toJSON
    const encoded = typeof toJson === 'function' ? encode(toJson.call(item)) : structure(item)
    above.delete(item)
    return encoded
  }

  return encode(value)
}
