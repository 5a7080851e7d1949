/**
 * The JSON paths that an adapter names (`volatile`, `unordered`, `arrayKeys`) compiled into one tree that is walked
 * beside the record, so that hashing and diffing look at every path once. Grammar: `$.member.member[*].member`.
 */
import { EngineError } from '../model/errors.ts'

export type PathRules = {
  readonly volatile: readonly string[]
  readonly unordered: readonly string[]
  readonly arrayKeys: Readonly<Record<string, readonly string[]>>
}

export type PathNode = {
  readonly members: Map<string, PathNode>
  /** Rules for the elements, when the value is an array. */
  element: PathNode | null
  volatile: boolean
  unordered: boolean
  /** Members that identify an element, when the value is an array compared by key. */
  keys: readonly string[] | null
}

export const NO_RULES: PathRules = { volatile: [], unordered: [], arrayKeys: {} }

const STEP = /\.([^.[\]]+)|\[\*\]/y

function newNode(): PathNode {
  return { members: new Map(), element: null, volatile: false, unordered: false, keys: null }
}

function nodeAt(root: PathNode, path: string): PathNode {
  if (!path.startsWith('$')) throw new EngineError('configuration', 'bad_path', `"${path}" is no path; it begins with $`)
  let node = root
  STEP.lastIndex = 1
  while (STEP.lastIndex < path.length) {
    const at = STEP.lastIndex
    const step = STEP.exec(path)
    if (step === null)
      throw new EngineError('configuration', 'bad_path', `"${path}" is no path; cannot read it from character ${at + 1}`)
    const member = step[1]
    if (member === undefined) {
      node.element ??= newNode()
      node = node.element
    } else {
      const child = node.members.get(member) ?? newNode()
      node.members.set(member, child)
      node = child
    }
  }
  return node
}

const compiled = new WeakMap<PathRules, PathNode>()

/** Compiles once per rules object; adapters are constants, so this is a look-up after the first record. */
export function compilePathRules(rules: PathRules): PathNode {
  const known = compiled.get(rules)
  if (known !== undefined) return known
  const root = newNode()
  for (const path of rules.volatile) nodeAt(root, path).volatile = true
  for (const path of rules.unordered) nodeAt(root, path).unordered = true
  for (const [path, keys] of Object.entries(rules.arrayKeys)) nodeAt(root, path).keys = keys
  compiled.set(rules, root)
  return root
}
