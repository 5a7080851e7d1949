/** Configuration before validation: plain JSON with, for each place, where its value was written. */
import { isJsonObject, type JsonObject, type JsonValue } from '../model/json.ts'
import { formatPath, type PathSegment } from './path.ts'

/** Display path -> `config/base.yaml:12`, an environment variable or a flag. */
export type Origins = Map<string, string>
export type Tree = { readonly value: JsonObject; readonly origins: ReadonlyMap<string, string> }

/** Keys that could reach an object's prototype somewhere downstream. They are refused wherever they are written. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

export const EMPTY_TREE: Tree = { value: {}, origins: new Map() }

/** Maps merge key by key; everything else, lists included, is replaced by what lies over it. */
export function mergeTrees(under: Tree, over: Tree): Tree {
  const origins: Origins = new Map(under.origins)
  const value = mergeMaps(under.value, over.value, [], origins)
  for (const [path, origin] of over.origins) origins.set(path, origin)
  return { value, origins }
}

function mergeMaps(under: JsonObject, over: JsonObject, at: readonly PathSegment[], origins: Origins): JsonObject {
  const merged: Record<string, JsonValue> = { ...under }
  for (const [key, upper] of Object.entries(over)) {
    const lower = Object.hasOwn(under, key) ? under[key] : undefined
    const path = [...at, key]
    if (isJsonObject(lower) && isJsonObject(upper)) merged[key] = mergeMaps(lower, upper, path, origins)
    else {
      forgetBelow(origins, formatPath(path))
      merged[key] = upper
    }
  }
  return merged
}

/** Drops the origins of what a replaced value held. */
function forgetBelow(origins: Origins, path: string): void {
  for (const known of origins.keys()) {
    if (known.startsWith(path) && (known[path.length] === '.' || known[path.length] === '[')) origins.delete(known)
  }
}

export function valueAt(value: JsonValue | undefined, segments: readonly PathSegment[]): JsonValue | undefined {
  let current = value
  for (const segment of segments) {
    if (Array.isArray(current)) current = (current as readonly JsonValue[])[Number(segment)]
    else if (isJsonObject(current) && Object.hasOwn(current, segment)) current = current[segment]
    else return undefined
  }
  return current
}

/** A copy with one place replaced; maps on the way are created. Positions in lists must exist. */
export function withValueAt(value: JsonValue | undefined, segments: readonly PathSegment[], replacement: JsonValue): JsonValue {
  const [first, ...rest] = segments
  if (first === undefined) return replacement
  if (Array.isArray(value)) {
    const list = value as readonly JsonValue[]
    return list.map((element, index) => (index === Number(first) ? withValueAt(element, rest, replacement) : element))
  }
  const map = isJsonObject(value) ? value : {}
  return { ...map, [first]: withValueAt(Object.hasOwn(map, first) ? map[first] : undefined, rest, replacement) }
}

/** Where the value at a path, or the nearest thing around it, was written; null when nothing was. */
export function originOf(origins: ReadonlyMap<string, string>, segments: readonly PathSegment[]): string | null {
  for (let length = segments.length; length > 0; length -= 1) {
    const origin = origins.get(formatPath(segments.slice(0, length)))
    if (origin !== undefined) return origin
  }
  return null
}

/** Gives every place of a value the same origin. */
export function* originsBelow(
  value: JsonValue,
  at: readonly PathSegment[],
  origin: string,
): Generator<readonly [string, string]> {
  yield [formatPath(at), origin]
  if (Array.isArray(value)) {
    for (const [index, element] of (value as readonly JsonValue[]).entries()) yield* originsBelow(element, [...at, index], origin)
  } else if (isJsonObject(value)) {
    for (const [key, member] of Object.entries(value)) yield* originsBelow(member, [...at, key], origin)
  }
}
