/** What zod finds, in words an operator can act on: place, what is wrong, what to write instead. Pure. */
import type { z } from 'zod'
import type { JsonValue } from '../model/json.ts'
import { configJsonSchema, type SchemaNode } from './json-schema.ts'
import { formatPath, type PathSegment } from './path.ts'
import type { ConfigProblem } from './problems.ts'
import { didYouMean } from './suggest.ts'
import { originOf, type Tree, valueAt } from './tree.ts'

type Issue = z.core.$ZodIssue

/** Values below these keys may be, or may by mistake be, secrets or personal: they are never repeated. */
const NEVER_SHOWN = new Set(['credentials', 'options', 'base_url', 'other_urls', 'sandbox_url', 'user_agent'])

/** What to write for keys that are most often missing. */
const EXAMPLES: Readonly<Record<string, string>> = {
  adapter: 'adapter: usaspending',
  base_url: 'base_url: https://api.example.gov',
  enabled: 'enabled: true',
  cadence: 'cadence: 20h (due again this long after a success)',
  sla: 'sla: 24h (stale after this long)',
  quotas: 'quotas: [{ limit: 60, per: 60s }] (what the provider publishes)',
  max_parallel_requests: 'max_parallel_requests: 2',
  limit: 'limit: 60',
  per: 'per: 60s',
  env: 'env: MY_API_KEY (the name of the variable)',
}

export function problemsOfIssues(
  issues: readonly Issue[],
  tree: Tree,
  at: readonly PathSegment[] = [],
  schema: SchemaNode | null = configJsonSchema(),
): readonly ConfigProblem[] {
  return issues.flatMap((issue) => {
    const path = [...at, ...issue.path.map((segment) => (typeof segment === 'symbol' ? String(segment) : segment))]
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(key, path, tree, schema))
    const value = valueAt(tree.value, path)
    const { message, fix } = describe(issue, path, value)
    return [{ path: formatPath(path), origin: originOf(tree.origins, path), message, fix }]
  })
}

function unknownKey(key: string, parent: readonly PathSegment[], tree: Tree, schema: SchemaNode | null): ConfigProblem {
  const known = schema === null ? [] : Object.keys(schemaAt(schema, parent)?.properties ?? {})
  const path = [...parent, key]
  return {
    path: formatPath(path),
    origin: originOf(tree.origins, path),
    message: `is unknown${didYouMean(key, known)}`,
    fix: known.length === 0 ? 'remove it' : `remove it or use one of: ${known.join(', ')}`,
  }
}

function describe(issue: Issue, path: readonly PathSegment[], value: JsonValue | undefined): { message: string; fix: string } {
  const key = String(path.at(-1) ?? '')
  const shown = path.some((segment) => NEVER_SHOWN.has(String(segment))) ? '' : showValue(value)
  const example = EXAMPLES[key]
  if (value === undefined && issue.code !== 'custom') {
    return { message: 'is missing', fix: `add ${example ?? `${key}: …`}` }
  }
  if (value === null)
    return {
      message: 'is empty',
      fix: `give it a value${example === undefined ? '' : ` such as ${example}`}, or remove the line`,
    }
  switch (issue.code) {
    case 'invalid_type':
      return { message: `must be ${typeWord(issue.expected)}${shown}`, fix: typeFix(issue.expected, key, value) }
    case 'invalid_value':
      return { message: `is not one of the values allowed${shown}`, fix: `use one of: ${issue.values.map(String).join(', ')}` }
    case 'too_small':
      if (issue.origin === 'array')
        return { message: 'is an empty list', fix: `list at least ${issue.minimum}, e.g. ${example ?? key}` }
      if (issue.origin === 'string') return { message: 'is too short', fix: `write at least ${issue.minimum} characters` }
      return {
        message: `is too small${shown}`,
        fix: `use ${issue.inclusive === true ? 'at least' : 'more than'} ${issue.minimum}`,
      }
    case 'too_big':
      return { message: `is too large${shown}`, fix: `use at most ${issue.maximum}` }
    case 'invalid_key': {
      const [inner] = issue.issues
      return { message: inner?.message ?? 'is no valid key', fix: 'rename it' }
    }
    case 'invalid_format':
      if (key === 'env') {
        const fix =
          'give the NAME of the variable that holds the secret, e.g. SAM_GOV_API_KEY, and put the secret into that variable'
        return { message: `${issue.message} (is it the secret itself?)`, fix }
      }
      return { message: `${issue.message}${shown}`, fix: formatFix(issue.message, key) }
    default:
      return { message: `${issue.message}${shown}`, fix: formatFix(issue.message, key) }
  }
}

function formatFix(message: string, key: string): string {
  if (message.includes('duration') || message.includes('zero'))
    return `write a number and a unit, e.g. ${key}: 24h (ms, s, m, h, d, w)`
  if (message.includes('URL')) return 'write the whole address, e.g. https://api.example.gov'
  return 'correct it; docs/configuration.md describes each key'
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
}

function typeWord(expected: string): string {
  return TYPE_WORDS[expected] ?? expected
}

function typeFix(expected: string, key: string, value: JsonValue | undefined): string {
  if (
    expected === 'string' &&
    typeof value === 'number' &&
    /^(cadence|sla|per|timeout|window|lease|cooldown|.*_delay|.*_wait|.*_within|.*_timeout)$/.test(key)
  ) {
    return `add the unit, e.g. ${key}: ${value}s`
  }
  if (expected === 'string') return `put it in quotes: ${key}: "…"`
  if (expected === 'boolean') return `write ${key}: true or ${key}: false`
  if (expected === 'number' || expected === 'int') return `write a ${expected === 'int' ? 'whole ' : ''}number without quotes`
  return `write ${typeWord(expected)}`
}

function showValue(value: JsonValue | undefined): string {
  if (value === undefined) return ''
  const text = JSON.stringify(value)
  return `: ${text.length > 60 ? `${text.slice(0, 57)}…` : text}`
}

/** The schema node at a place; free keys step into the map's element. */
export function schemaAt(schema: SchemaNode, path: readonly PathSegment[]): SchemaNode | null {
  let node: SchemaNode | undefined = schema
  for (const segment of path) {
    if (typeof segment === 'number') node = node.items
    else if (node.properties?.[segment] !== undefined) node = node.properties[segment]
    else node = typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined
    if (node === undefined) return null
  }
  return node
}
