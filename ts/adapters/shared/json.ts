/** Reading members of provider JSON that may have any shape. None of these throws unless it says so. */
import { isJsonObject, type JsonObject, type JsonValue, textOrNull } from '../../model/json.ts'
import type { ResponseView } from '../../model/response.ts'
import { MalformedAnswer } from './malformed.ts'
import { foldText } from './text.ts'

/** The value at a path of members, `undefined` as soon as one is missing. */
export function memberAt(value: JsonValue | undefined, ...path: readonly string[]): JsonValue | undefined {
  let at = value
  for (const name of path) {
    if (!isJsonObject(at) || !Object.hasOwn(at, name)) return undefined
    at = at[name]
  }
  return at
}

/** Text with white space folded; null for missing, empty and anything that is neither text nor number. */
export function textAt(value: JsonValue | undefined, ...path: readonly string[]): string | null {
  const text = textOrNull(memberAt(value, ...path))
  return text === null ? null : foldText(text)
}

/** A list that providers collapse to its only element, or leave out when it is empty. */
export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  if (Array.isArray(value)) return value as readonly JsonValue[]
  return value === undefined || value === null ? [] : [value]
}

/** A count that may arrive as text; null when it is no whole number. */
export function countOf(value: JsonValue | undefined): number | null {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value.trim()) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : null
}

/** The body as an object. Throws `MalformedAnswer` when it is none. */
export function requireObject(view: ResponseView, what: string): JsonObject {
  if (!isJsonObject(view.json)) throw new MalformedAnswer(`${what} is no JSON object`)
  return view.json
}

/** Elements of a list, each an object. Throws `MalformedAnswer` when one is not. */
export function requireObjects(list: readonly JsonValue[], what: string): readonly JsonObject[] {
  for (const item of list) if (!isJsonObject(item)) throw new MalformedAnswer(`${what} holds an element that is no object`)
  return list as readonly JsonObject[]
}
