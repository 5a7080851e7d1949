/** One YAML file as a layer of configuration: plain JSON, the line of each value, and what cannot be read. Pure. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import type { JsonValue } from '../model/json.ts'
import { formatPath, type PathSegment } from './path.ts'
import type { ConfigProblem } from './problems.ts'
import { EMPTY_TREE, FORBIDDEN_KEYS, type Origins, type Tree } from './tree.ts'

/** Aliases can make a small file enormous; no configuration of ours comes near this. */
const MAX_NODES = 100_000
const MAX_DEPTH = 40

export type Layer = { readonly tree: Tree; readonly problems: readonly ConfigProblem[] }

/** @param file Name shown in problems, e.g. `config/base.yaml`. */
export function parseYamlLayer(text: string, file: string): Layer {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  const problems: ConfigProblem[] = document.errors.map((error) => ({
    path: '(root)',
    origin: `${file}:${lines.linePos(error.pos[0]).line}`,
    message: `is no valid YAML: ${error.message}`,
    fix: 'correct that line (indent with spaces, each key once, quote text that holds ": " or " #")',
  }))
  if (problems.length > 0) return { tree: EMPTY_TREE, problems }

  const origins: Origins = new Map()
  let nodes = 0
  const originOfNode = (node: unknown): string => {
    const start = (node as { range?: readonly number[] | null } | null)?.range?.[0]
    return start === undefined ? file : `${file}:${lines.linePos(start).line}`
  }

  const convert = (node: unknown, path: readonly PathSegment[], origin: string): JsonValue => {
    nodes += 1
    if (nodes > MAX_NODES || path.length > MAX_DEPTH) throw new RangeError('it is too large or too deep for a configuration')
    if (isAlias(node)) {
      const target = node.resolve(document)
      if (target !== undefined) return convert(target, path, origin)
      problems.push({
        path: formatPath(path),
        origin: originOfNode(node),
        message: `is no valid YAML: nothing is named &${node.source}`,
        fix: 'quote the text if it is meant to begin with *',
      })
      return null
    }
    if (path.length > 0) origins.set(formatPath(path), origin)
    if (isMap(node)) {
      const map: Record<string, JsonValue> = {}
      for (const pair of node.items) {
        const at = originOfNode(pair.key)
        const key = isScalar(pair.key) ? String(pair.key.value) : null
        if (key === null || FORBIDDEN_KEYS.has(key)) {
          const shown = key === null ? 'a list or map' : `"${key}"`
          problems.push({
            path: formatPath(path),
            origin: at,
            message: `has ${shown} as a key`,
            fix: 'remove it; keys are plain words',
          })
          continue
        }
        map[key] = convert(pair.value, [...path, key], at)
      }
      return map
    }
    if (isSeq(node)) return node.items.map((item, index) => convert(item, [...path, index], originOfNode(item)))
    return scalarValue(isScalar(node) ? node.value : null)
  }

  try {
    const root = document.contents as Node | null
    if (root === null || (isScalar(root) && root.value === null)) return { tree: EMPTY_TREE, problems }
    if (!isMap(root)) {
      const problem = {
        path: '(root)',
        origin: originOfNode(root),
        message: 'holds no map',
        fix: 'write sections such as `enrichment:`',
      }
      return { tree: EMPTY_TREE, problems: [problem] }
    }
    const value = convert(root, [], file) as Tree['value']
    return { tree: { value, origins }, problems }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const problem = {
      path: '(root)',
      origin: file,
      message: `cannot be used: ${error.message}`,
      fix: 'remove the anchors and aliases that repeat',
    }
    return { tree: EMPTY_TREE, problems: [problem] }
  }
}

/** YAML has values that JSON has not; they stay text, so that the schema refuses them by name. */
export function scalarValue(value: unknown): JsonValue {
  if (value === null || value === undefined) return null
  if (typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  return String(value)
}
