/**
 * Single values laid over the files: `ENRICHMENT__<PATH>__<LEAF>=value` and `--set path=value`. Both are checked against
 * the schema as they are applied, because a misspelt override that does nothing is the worst kind. Pure.
 */
import { type Document, parseDocument, visit } from 'yaml'
import { isJsonObject, type JsonObject, type JsonValue } from '../model/json.ts'
import { configJsonSchema, type SchemaNode } from './json-schema.ts'
import { formatPath, type PathSegment, splitPath } from './path.ts'
import type { ConfigProblem } from './problems.ts'
import { didYouMean } from './suggest.ts'
import { FORBIDDEN_KEYS, type Origins, originsBelow, type Tree, valueAt, withValueAt } from './tree.ts'
import { scalarValue } from './yaml-layer.ts'

export const ENVIRONMENT_PREFIX = 'ENRICHMENT__'

export type Override = {
  /** Keys as written; environment variables have upper-case ones, matched whatever their case. */
  readonly segments: readonly string[]
  readonly raw: string
  /** `environment variable ENRICHMENT__…` or `--set run.max_calls`. */
  readonly origin: string
}

/** Reads all variables with our prefix, shortest path first, so that a whole map set by one can be refined by another. */
export function environmentOverrides(variables: Readonly<Record<string, string | undefined>>): readonly Override[] {
  return Object.entries(variables)
    .filter((entry): entry is [string, string] => entry[0].startsWith(ENVIRONMENT_PREFIX) && entry[1] !== undefined)
    .map(([name, raw]) => ({
      segments: name.slice(ENVIRONMENT_PREFIX.length).split('__'),
      raw,
      origin: `environment variable ${name}`,
    }))
    .sort((a, b) => a.segments.length - b.segments.length || (a.origin < b.origin ? -1 : 1))
}

/** Parses `path=value`; the value may hold `=`. */
export function parseSetting(text: string): Override | ConfigProblem {
  const equals = text.indexOf('=')
  const path = equals < 0 ? text : text.slice(0, equals)
  const segments = splitPath(path.trim())
  if (equals < 0 || segments === null) {
    // It is not repeated: without the sign, what looks like a path may be a value.
    const fix = 'write it as --set path=value, e.g. --set run.max_calls=500'
    return { path: '(root)', origin: '--set', message: 'is no setting', fix }
  }
  return { segments, raw: text.slice(equals + 1), origin: `--set ${path.trim()}` }
}

/** Lays overrides over a tree, in order. Those that fit nowhere are left out and reported. */
export function applyOverrides(
  tree: Tree,
  overrides: readonly Override[],
  schema: SchemaNode = configJsonSchema(),
): { readonly tree: Tree; readonly problems: readonly ConfigProblem[] } {
  const problems: ConfigProblem[] = []
  let value: JsonObject = tree.value
  const origins: Origins = new Map(tree.origins)
  for (const override of overrides) {
    const located = locate(schema, value, override.segments, isWholeMap(override.raw))
    const parsed = 'message' in located ? located : parseValue(override.raw, located.node)
    if ('message' in located || 'message' in parsed) {
      const { path, message, fix } = { path: formatPath(override.segments.map(lower)), ...located, ...parsed } as ConfigProblem
      problems.push({ path, origin: override.origin, message, fix })
      continue
    }
    value = withValueAt(value, located.segments, parsed.value) as JsonObject
    for (const [path, origin] of originsBelow(parsed.value, located.segments, override.origin)) origins.set(path, origin)
  }
  return { tree: { value, origins }, problems }
}

type Misfit = { readonly message: string; readonly fix: string }
type Located = { readonly segments: readonly PathSegment[]; readonly node: SchemaNode }

const lower = (segment: string): string => (segment === segment.toUpperCase() ? segment.toLowerCase() : segment)

/** Follows a path through schema and tree together: free keys must exist in the tree, because a new one would be a slip. */
function locate(schema: SchemaNode, tree: JsonObject, written: readonly string[], wholeMap: boolean): Located | Misfit {
  const segments: PathSegment[] = []
  let node = schema
  for (const [index, word] of written.entries()) {
    const isLast = index === written.length - 1
    const here = valueAt(tree, segments)
    if (FORBIDDEN_KEYS.has(word.toLowerCase())) return { message: `has "${word}" as a key`, fix: 'remove it' }
    if (node.items !== undefined) {
      const length = Array.isArray(here) ? here.length : 0
      if (!/^\d+$/.test(word) || Number(word) >= length) {
        const fix =
          length === 0 ? 'set the whole list as JSON' : `use a position from 0 to ${length - 1}, or set the whole list as JSON`
        return { message: `names no element of a list of ${length}`, fix }
      }
      segments.push(Number(word))
      node = node.items
    } else if (node.properties !== undefined) {
      const key = matchKey(word, Object.keys(node.properties))
      if (key === null) return unknownKey(word, segments, Object.keys(node.properties))
      segments.push(key)
      node = node.properties[key]!
    } else if (typeof node.additionalProperties === 'object') {
      const known = isJsonObject(here) ? Object.keys(here) : []
      const key = matchKey(word, known)
      const isSourceMap = segments.length === 1
      if (key === null && isSourceMap && !(isLast && wholeMap)) return unknownKey(word, segments, known)
      segments.push(key ?? lower(word))
      node = node.additionalProperties
    } else if (node.type === undefined) {
      // Options of adapters are free JSON; their own schema judges them later.
      const known = isJsonObject(here) ? Object.keys(here) : []
      segments.push(Array.isArray(here) && /^\d+$/.test(word) ? Number(word) : (matchKey(word, known) ?? lower(word)))
    } else {
      return { message: `goes below ${formatPath(segments)}, which is one value`, fix: `set ${formatPath(segments)} itself` }
    }
  }
  return { segments, node }
}

function matchKey(word: string, keys: readonly string[]): string | null {
  if (keys.includes(word)) return word
  return keys.find((key) => key.toLowerCase() === word.toLowerCase()) ?? null
}

function unknownKey(word: string, at: readonly PathSegment[], keys: readonly string[]): Misfit {
  const place = at.length === 0 ? 'the configuration' : formatPath(at)
  const fix = keys.length === 0 ? `${place} is empty` : `use one of: ${keys.join(', ')}`
  return { message: `is unknown: ${place} has no "${lower(word)}"${didYouMean(word, keys)}`, fix }
}

function isWholeMap(raw: string): boolean {
  return raw.trimStart().startsWith('{')
}

/** The value as YAML, except that where the schema wants text, what reads as a number or a truth value stays text. */
function parseValue(raw: string, node: SchemaNode): { readonly value: JsonValue } | Misfit {
  if (raw.trim() === '') return { message: 'is set to nothing', fix: 'give it a value, or remove the override' }
  const document = parseDocument(raw, { prettyErrors: false })
  const isFlow = /^\s*[[{]/.test(raw)
  if (document.errors.length > 0) {
    if (node.type === 'string' && !isFlow) return { value: raw }
    return { message: 'has a value that is neither a plain value nor JSON', fix: 'quote it, or write lists and maps as JSON' }
  }
  const parsed = hasAlias(document) ? undefined : toJson(document.toJS() as unknown)
  if (parsed === undefined)
    return {
      message: 'holds something that is not plain data',
      fix: 'remove aliases and the keys __proto__, constructor and prototype',
    }
  if (node.type === 'string' && typeof parsed !== 'string') return { value: raw }
  if (!isFlow && typeof parsed === 'object') return { value: raw }
  return { value: parsed }
}

function hasAlias(document: Document): boolean {
  let found = false
  visit(document, {
    Alias: () => {
      found = true
      return visit.BREAK
    },
  })
  return found
}

function toJson(value: unknown): JsonValue | undefined {
  if (Array.isArray(value)) {
    const list = value.map(toJson)
    return list.some((element) => element === undefined) ? undefined : (list as JsonValue[])
  }
  if (typeof value !== 'object' || value === null) return scalarValue(value)
  const map: Record<string, JsonValue> = {}
  for (const [key, member] of Object.entries(value)) {
    const converted = FORBIDDEN_KEYS.has(key) ? undefined : toJson(member)
    if (converted === undefined) return undefined
    map[key] = converted
  }
  return map
}
