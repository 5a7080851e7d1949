/**
 * Old and new record -> the fields that changed, as JSON paths. Arrays that an adapter compares by key are matched by it
 * (`$.registrations[eft=0686].status`), unordered arrays are reported whole, others by position. A missing member and a
 * null are the same thing here, as they are in the payload hash.
 */
import { isJsonObject, type JsonObject, type JsonValue } from '../model/json.ts'
import type { FieldChange } from '../model/record.ts'
import { canonicalText } from './canonical.ts'
import { compilePathRules, NO_RULES, type PathNode, type PathRules } from './path-rules.ts'

const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

function memberPath(path: string, name: string): string {
  return PLAIN_NAME.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`
}

/** The object's own member: a provider's `__proto__` or `constructor` is data, and what objects inherit is none. */
function memberOf(object: JsonObject, name: string): JsonValue {
  return Object.hasOwn(object, name) ? (object[name] ?? null) : null
}

/** Elements whose canonical texts are equal have equal keys: what is volatile or ordered differently does not show. */
function keyOf(item: JsonValue, keys: readonly string[], element: PathNode | null): string {
  if (!isJsonObject(item) || element?.volatile) return canonicalText(item, element)
  return keys
    .map((key) => {
      const child = element?.members.get(key) ?? null
      const value = memberOf(item, key)
      return `${key}=${typeof value === 'string' && !child?.volatile ? value : canonicalText(value, child)}`
    })
    .join(',')
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Elements by key; elements that share one are kept in canonical order, so that equal multisets pair up. */
function groupByKey(items: readonly JsonValue[], keys: readonly string[], element: PathNode | null): Map<string, JsonValue[]> {
  const groups = new Map<string, JsonValue[]>()
  for (const item of items) {
    const key = keyOf(item, keys, element)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  for (const group of groups.values()) {
    if (group.length > 1) group.sort((a, b) => compareText(canonicalText(a, element), canonicalText(b, element)))
  }
  return groups
}

function collect(before: JsonValue, after: JsonValue, node: PathNode | null, path: string, changes: FieldChange[]): void {
  if (node?.volatile) return
  if (isJsonObject(before) && isJsonObject(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)])
    for (const name of [...names].sort()) {
      collect(memberOf(before, name), memberOf(after, name), node?.members.get(name) ?? null, memberPath(path, name), changes)
    }
    return
  }
  if (Array.isArray(before) && Array.isArray(after) && !node?.unordered) {
    collectArray(before, after, node, path, changes)
    return
  }
  if (canonicalText(before, node) !== canonicalText(after, node)) changes.push({ path, old: before, new: after })
}

function collectArray(
  before: readonly JsonValue[],
  after: readonly JsonValue[],
  node: PathNode | null,
  path: string,
  changes: FieldChange[],
): void {
  const element = node?.element ?? null
  if (node?.keys) {
    const oldGroups = groupByKey(before, node.keys, element)
    const newGroups = groupByKey(after, node.keys, element)
    for (const key of [...new Set([...oldGroups.keys(), ...newGroups.keys()])].sort()) {
      const olds = oldGroups.get(key) ?? []
      const news = newGroups.get(key) ?? []
      for (let i = 0; i < Math.max(olds.length, news.length); i++) {
        collectElement(olds, news, i, element, `${path}[${key}${i === 0 ? '' : `#${i + 1}`}]`, changes)
      }
    }
    return
  }
  for (let i = 0; i < Math.max(before.length, after.length); i++)
    collectElement(before, after, i, element, `${path}[${i}]`, changes)
}

/** An element that is there on one side only is a change even when it is null or holds nothing that counts. */
function collectElement(
  olds: readonly JsonValue[],
  news: readonly JsonValue[],
  i: number,
  element: PathNode | null,
  path: string,
  changes: FieldChange[],
): void {
  if (i < olds.length && i < news.length) collect(olds[i]!, news[i]!, element, path, changes)
  else changes.push({ path, old: olds[i] ?? null, new: news[i] ?? null })
}

/** Empty exactly when both records have the same payload hash under the same rules. */
export function diffRecords(before: JsonObject, after: JsonObject, rules: PathRules = NO_RULES): readonly FieldChange[] {
  const changes: FieldChange[] = []
  collect(before, after, compilePathRules(rules), '$', changes)
  return changes
}
