/** Reads the project's own source as text: imports, and code without comments and strings. For tests about the source itself. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

export type Import = {
  readonly specifier: string
  /** Erased before the program runs. */
  readonly typeOnly: boolean
  /** `import('…')`: loaded when the statement is reached. */
  readonly dynamic: boolean
  /** Path from the root when it is one of the project's files; null for packages. */
  readonly target: string | null
}

export type SourceFile = {
  /** From the root, with forward slashes: `ts/model/keys.ts`. */
  readonly path: string
  readonly lines: number
  /** Comments and the contents of strings blanked out, line breaks kept. */
  readonly code: string
  readonly imports: readonly Import[]
}

const REGEX_MAY_FOLLOW = /(?:^|[=([{,;:!&|?+\-*%~^<>]|\b(?:return|typeof|case|in|of|do|else|void|await|yield))\s*$/

type Scanned = { readonly withoutComments: string; readonly code: string }

/** One pass over the text. `code` also loses what is inside quotes; expressions inside templates stay. */
export function scan(text: string): Scanned {
  let withoutComments = ''
  let code = ''
  let at = 0
  /** Depth of braces at which each open template goes on as text. */
  const templates: number[] = []
  let depth = 0
  const keep = (part: string): void => {
    withoutComments += part
    code += part
  }
  const quote = (part: string): void => {
    withoutComments += part
    code += part.replace(/[^\n]/g, ' ')
  }
  const blank = (part: string): void => {
    const spaces = part.replace(/[^\n]/g, ' ')
    withoutComments += spaces
    code += spaces
  }
  const readTemplate = (): void => {
    const part = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y
    part.lastIndex = at
    const body = part.exec(text)![0]
    quote(body)
    at += body.length
    if (text.startsWith('${', at)) {
      templates.push(depth)
      depth += 1
      keep('${')
      at += 2
    } else {
      keep(text.slice(at, at + 1))
      at += 1
    }
  }
  while (at < text.length) {
    const char = text[at]!
    const rest = text.slice(at, at + 2)
    if (rest === '//' || rest === '/*' || (at === 0 && rest === '#!')) {
      const end = rest === '/*' ? text.indexOf('*/', at) + 2 : text.indexOf('\n', at)
      const stop = end < at + 2 && rest !== '//' ? text.length : end === -1 ? text.length : end
      blank(text.slice(at, stop))
      at = stop
    } else if (char === "'" || char === '"') {
      const literal = new RegExp(`${char}(?:[^${char}\\\\\n]|\\\\[\\s\\S])*${char}?`, 'y')
      literal.lastIndex = at
      const found = literal.exec(text)![0]
      keep(char)
      quote(found.slice(1, -1))
      if (found.length > 1) keep(found.at(-1)!)
      at += found.length
    } else if (char === '`') {
      keep(char)
      at += 1
      readTemplate()
    } else if (char === '/' && REGEX_MAY_FOLLOW.test(code.slice(-40))) {
      const literal = /\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y
      literal.lastIndex = at
      const found = literal.exec(text)?.[0] ?? char
      quote(found)
      at += found.length
    } else {
      if (char === '{') depth += 1
      if (char === '}') depth -= 1
      keep(char)
      at += 1
      if (char === '}' && templates.at(-1) === depth) {
        templates.pop()
        readTemplate()
      }
    }
  }
  return { withoutComments, code }
}

const STATIC_IMPORT = /^\s*(?:import|export)\s+(?:(type)\s+)?(?:([^'";]*?)\s+from\s+)?'([^']+)'/gm
const DYNAMIC_IMPORT = /\bimport\(\s*'([^']+)'\s*\)/g

function isTypeOnlyClause(clause: string | undefined): boolean {
  const braces = /^\{([\s\S]*)\}$/.exec(clause?.trim() ?? '')
  if (braces === null) return false
  const names = braces[1]!.split(',').filter((name) => name.trim() !== '')
  return names.length > 0 && names.every((name) => /^\s*type\s/.test(name))
}

export function importsOf(path: string, withoutComments: string): readonly Import[] {
  const target = (specifier: string): string | null =>
    specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(path), specifier)) : null
  const found: Import[] = []
  for (const [, type, clause, specifier] of withoutComments.matchAll(STATIC_IMPORT)) {
    found.push({
      specifier: specifier!,
      typeOnly: type !== undefined || isTypeOnlyClause(clause),
      dynamic: false,
      target: target(specifier!),
    })
  }
  for (const [, specifier] of withoutComments.matchAll(DYNAMIC_IMPORT))
    found.push({ specifier: specifier!, typeOnly: false, dynamic: true, target: target(specifier!) })
  return found
}

/** Every TypeScript and JavaScript file under a directory of the repository. */
export function readSources(directory: string): readonly SourceFile[] {
  return readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:ts|js|mjs)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => {
      const path = relative(ROOT, file).split(sep).join('/')
      const text = readFileSync(file, 'utf8')
      const { withoutComments, code } = scan(text)
      return { path, lines: text.split('\n').length, code, imports: importsOf(path, withoutComments) }
    })
}

/** Groups of files that import each other by value, directly or around corners; each sorted. Empty when there is no cycle. */
export function valueCycles(files: readonly SourceFile[]): readonly (readonly string[])[] {
  const graph = new Map(
    files.map((file) => [
      file.path,
      file.imports.filter((one) => !one.typeOnly && !one.dynamic && one.target !== null).map((one) => one.target!),
    ]),
  )
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const cycles: string[][] = []
  const visit = (node: string): void => {
    index.set(node, index.size)
    low.set(node, index.get(node)!)
    stack.push(node)
    for (const next of graph.get(node) ?? []) {
      if (!index.has(next)) {
        visit(next)
        low.set(node, Math.min(low.get(node)!, low.get(next)!))
      } else if (stack.includes(next)) low.set(node, Math.min(low.get(node)!, index.get(next)!))
    }
    if (low.get(node) !== index.get(node)) return
    const group = stack.splice(stack.indexOf(node))
    if (group.length > 1 || (graph.get(node) ?? []).includes(node)) cycles.push(group.sort())
  }
  for (const node of graph.keys()) if (!index.has(node)) visit(node)
  return cycles
}
