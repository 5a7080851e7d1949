/**
 * The shape of the source, held by a test: who may import whom, where time, chance, environment and sockets may be touched,
 * and that no files need each other to load. Every exception is listed with its reason, and must still be needed.
 */
import { describe, expect, test } from 'vitest'
import { importsOf, readSources, type SourceFile, scan, valueCycles } from './support/source-scan.ts'

const FILES = readSources('ts')

/** `ts/refresh/plan.ts` -> `refresh`; `ts/wiring.ts` -> `wiring`. */
function layerOf(path: string): string {
  const [, first = '', second] = path.split('/')
  return second === undefined ? first.replace(/\.(?:ts|js)$/, '') : first
}

/** All that the composition root puts together. */
const ENGINE = [
  'model',
  'runtime',
  'config',
  'adapters',
  'embedded',
  'http',
  'refresh',
  'source-names',
  'stores',
  'warehouse',
  'graph',
  'jobs',
  'ingest',
  'sandbox',
]

/** What a layer may import by value; `layer/file` means that file, `layer/folder/` everything in it. Types are freer: see below. */
const MAY_USE: Readonly<Record<string, readonly string[]>> = {
  model: [],
  runtime: ['model'],
  config: ['model', 'runtime'],
  adapters: ['model'],
  embedded: ['model', 'runtime', 'adapters/shared/'],
  http: ['model', 'runtime', 'config'],
  refresh: ['model', 'runtime/ports.ts', 'adapters/shared/'],
  stores: ['model', 'runtime', 'refresh'],
  warehouse: ['model', 'runtime', 'refresh', 'stores'],
  // Names are compared in one place, whoever compares them.
  ingest: ['model', 'runtime', 'config', 'stores', 'adapters/shared/names.ts'],
  sandbox: ['model', 'runtime'],
  graph: ['model', 'runtime', 'refresh', 'stores'],
  jobs: ['model', 'runtime', 'config', 'adapters', 'http', 'refresh', 'stores'],
  // What the configuration, the adapters and the engine call by a name, for whoever is given one.
  'source-names': ['model', 'config', 'adapters', 'refresh'],
  // The parts of the composition root that are decisions of their own.
  'configured-sources': ['model', 'config', 'adapters', 'http', 'refresh', 'source-names'],
  'source-check': ['model', 'runtime', 'http', 'refresh'],
  'data-files': ['model', 'config', 'adapters', 'embedded'],
  wiring: [...ENGINE, 'configured-sources', 'data-files', 'source-check'],
  cli: [...ENGINE, 'data-files', 'wiring'],
  api: [...ENGINE, 'wiring'],
  // A sibling of the command line: it shares how results are told (documents, errors, exit codes), not how they are asked for.
  pipes: [
    ...ENGINE,
    'wiring',
    ...['documents', 'errors', 'format', 'judge', 'run-exit-code', 'signals', 'commands/ingest'].map((file) => `cli/${file}.ts`),
  ],
  'refresh-cli': ['cli'],
}

/** Interfaces that are named upwards: erased at run time, so the direction of calls stays as above. */
const MAY_NAME: Readonly<Record<string, readonly string[]>> = {
  http: ['adapters/adapter.ts', 'stores/store.ts'],
  refresh: ['adapters/adapter.ts', 'http/source-client.ts', 'stores/store.ts', 'runtime/ports.ts'],
  ingest: ['stores/store.ts', 'refresh', 'adapters/adapter.ts'],
  stores: ['adapters/adapter.ts'],
}

/** Packages (and Node's own modules) that only some layers may load. A layer that is not named here is free. */
const PACKAGES: Readonly<Record<string, RegExp>> = {
  model: /^$/,
  adapters: /^(?:zod|node:crypto|any-ascii|fastest-levenshtein)$/,
  refresh: /^(?:node:crypto)$/,
}

function allows(list: readonly string[], target: string): boolean {
  const inside = target.replace(/^ts\//, '')
  return list.some((one) =>
    one.endsWith('/') ? inside.startsWith(one) : one.includes('/') ? inside === one : layerOf(target) === one,
  )
}

function misplacedImports(file: SourceFile): readonly string[] {
  const layer = layerOf(file.path)
  const used = MAY_USE[layer]
  if (used === undefined) return [`${file.path}: ts/${layer} is no known layer; give it a place in MAY_USE`]
  return file.imports.flatMap((one) => {
    if (one.target === null)
      return one.typeOnly || PACKAGES[layer] === undefined || PACKAGES[layer].test(one.specifier)
        ? []
        : [`${file.path} loads ${one.specifier}`]
    if (!one.target.startsWith('ts/')) return [`${file.path} imports ${one.target} from outside ts/`]
    if (layerOf(one.target) === layer || allows(used, one.target)) return []
    if (one.typeOnly && allows(MAY_NAME[layer] ?? [], one.target)) return []
    return [`${file.path} imports ${one.typeOnly ? 'types of ' : ''}${one.target}`]
  })
}

type Rule = {
  readonly what: string
  readonly found: (file: SourceFile) => boolean
  readonly allowed: Readonly<Record<string, string>>
}

const inCode = (pattern: RegExp) => (file: SourceFile) => pattern.test(file.code)
const loads = (pattern: RegExp) => (file: SourceFile) => file.imports.some((one) => !one.typeOnly && pattern.test(one.specifier))
const LAUNCHER = 'decides which Node runs the program, before anything of the engine is loaded'

function isAllowed(rule: Rule, path: string): boolean {
  return Object.keys(rule.allowed).some((allowed) => (allowed.endsWith('/') ? path.startsWith(allowed) : path === allowed))
}

/** `ts/runtime/` may do all of it: it is where the world begins. Path (or folder) -> why this file may, too. */
const RULES: readonly Rule[] = [
  {
    what: 'the wall clock',
    found: inCode(/\bDate\s*\.\s*now\b|\bnew\s+Date\s*(?:\(\s*\)|(?![\s\w(]))|(?<!new\s)(?<![.\w])Date\s*\(\s*\)/),
    allowed: {},
  },
  {
    what: 'the monotonic clock',
    found: inCode(/\bperformance\s*\.\s*(?:now|timeOrigin)\b|\bprocess\s*\.\s*hrtime\b/),
    allowed: {
      'ts/stores/sqlite/': 'measures how long it waited for a lock that another process holds; nothing stored depends on it',
      'ts/sandbox/server.ts': 'the server is where the sandbox meets real time; its world gets it as an input',
    },
  },
  {
    what: 'chance',
    found: inCode(/\bMath\s*\.\s*random\b|\brandomUUID\b|\brandomBytes\b|\bgetRandomValues\b|\brandomInt\b/),
    allowed: {
      'ts/stores/sqlite/open.ts': 'spreads the attempts of processes that wait for one lock, when nobody brings a Random',
    },
  },
  {
    what: 'the environment',
    found: inCode(/\bprocess\s*\.\s*env\b/),
    allowed: { 'ts/cli.js': LAUNCHER, 'ts/refresh-cli.js': LAUNCHER, 'ts/cli/launcher.js': LAUNCHER },
  },
  {
    what: 'sockets',
    found: loads(/^(?:node:)?(?:net|http|https|http2|tls|dgram|dns|dns\/promises)$|^undici$/),
    allowed: {
      'ts/http/transport.ts': 'the one place where requests leave for providers',
      'ts/http/url.ts': 'isIP and BlockList of node:net: arithmetic on addresses, no socket',
      'ts/sandbox/server.ts': 'serves the sandbox on loopback',
    },
  },
  {
    what: 'the global fetch',
    found: inCode(/(?<![.\w$])fetch\s*\(|\bglobalThis\s*\.\s*fetch\b/),
    allowed: { 'ts/stores/sqlite/paging.ts': 'a parameter of that name: it fetches a page of rows' },
  },
]

const LAUNCHERS: ReadonlySet<string> = new Set(['ts/cli.js', 'ts/refresh-cli.js', 'ts/cli/launcher.js'])

describe('imports', () => {
  test('run one way', () => {
    expect(FILES.flatMap(misplacedImports)).toEqual([])
  })

  test('make no cycle by value: every file can be loaded before those that use it', () => {
    expect(valueCycles(FILES)).toEqual([])
  })

  test('no file of the program imports a test, a bench or a script', () => {
    const outside = FILES.flatMap((file) =>
      file.imports
        .filter((one) => one.target !== null && !one.target.startsWith('ts/'))
        .map((one) => `${file.path} -> ${one.target}`),
    )
    expect(outside).toEqual([])
  })
})

describe('the world is touched only in ts/runtime and the files listed', () => {
  test.each(RULES)('$what', (rule) => {
    const elsewhere = FILES.filter(
      (file) => layerOf(file.path) !== 'runtime' && !isAllowed(rule, file.path) && rule.found(file),
    ).map((file) => file.path)
    expect(elsewhere).toEqual([])
  })

  test('every exception is still needed', () => {
    const idle = RULES.flatMap(({ what, found, allowed }) =>
      Object.keys(allowed)
        .filter((path) => !LAUNCHERS.has(path))
        .filter((path) => !FILES.some((file) => file.path.startsWith(path) && found(file)))
        .map((path) => `${path}: ${what}`),
    )
    expect(idle).toEqual([])
  })
})

test('large files are reported, so that they are split by decision', () => {
  const large = FILES.filter((file) => file.lines > 400).map((file) => `${file.path} (${file.lines} lines)`)
  if (large.length > 0) console.log(`more than 400 lines: ${large.join(', ')}`)
  expect(FILES.length).toBeGreaterThan(50)
})

describe('the scan sees what it should', () => {
  const codeOf = (text: string): string => scan(text).code

  test('comments and strings are no code, expressions in templates are', () => {
    const hole = (inner: string): string => `$\u007b${inner}}`
    const nested = `\`now: ${hole(`\`${hole('Math.random()')} inner\``)} Date.now()\``
    expect(codeOf('a // Date.now()\nb /* Math.random() */ c \'process.env\' "x" ')).not.toMatch(/Date|Math|process|x/)
    expect(codeOf(`\`now: ${hole('Date.now()')} at\``)).toMatch(/Date\.now\(\)/)
    expect(codeOf(nested)).toMatch(/Math\.random/)
    expect(codeOf(nested)).not.toMatch(/Date/)
    expect(codeOf(`\`${hole('{ a: { b: 1 } }.a')} Date.now()\`; process.env`)).toMatch(/process\.env/)
    expect(codeOf(`\`${hole('{ a: { b: 1 } }.a')} Date.now()\`; process.env`)).not.toMatch(/Date/)
  })

  test('regular expressions hide no quotes and divisions hide no code', () => {
    expect(codeOf('const q = /[\'"`]/; Date.now()')).toMatch(/Date\.now/)
    expect(codeOf("a / b; 'Date.now()' / c; Math.random()")).toMatch(/Math\.random/)
    expect(codeOf("a / b; 'Date.now()' / c")).not.toMatch(/Date/)
    expect(codeOf("return /it's/.test(x) ? Date.now() : 'no'")).toMatch(/Date\.now/)
  })

  test('rules find what they forbid, and nothing that only looks like it', () => {
    const finds = (what: string, text: string): boolean => {
      const { withoutComments, code } = scan(text)
      return RULES.find((rule) => rule.what === what)!.found({
        path: 'ts/x.ts',
        lines: 1,
        code,
        imports: importsOf('ts/x.ts', withoutComments),
      })
    }
    expect([
      finds('the wall clock', 'const t = new Date()'),
      finds('the wall clock', 'Date . now()'),
      finds('the wall clock', 'Date()'),
    ]).toEqual([true, true, true])
    expect([
      finds('the wall clock', 'new Date(at)'),
      finds('the wall clock', 'toUtcDate()'),
      finds('the wall clock', 'x.Date()'),
    ]).toEqual([false, false, false])
    expect([
      finds('sockets', "import { Pool } from 'undici'"),
      finds('sockets', "import type { Pool } from 'undici'"),
      finds('sockets', "const net = await import('node:net')"),
    ]).toEqual([true, false, true])
    expect([
      finds('the global fetch', 'await fetch(url)'),
      finds('the global fetch', 'store.fetch(url)'),
      finds('the global fetch', 'prefetch(url)'),
    ]).toEqual([true, false, false])
  })

  test('imports are read with what is type only', () => {
    const text =
      "import { a, type B } from './a.ts'\nimport type { C } from './c.ts'\nimport { type D, type E } from './d.ts'\nexport * from './e.ts'\nimport './f.ts'\n// import './no.ts'\n"
    expect(importsOf('ts/x/y.ts', scan(text).withoutComments).map(({ target, typeOnly }) => [target, typeOnly])).toEqual([
      ['ts/x/a.ts', false],
      ['ts/x/c.ts', true],
      ['ts/x/d.ts', true],
      ['ts/x/e.ts', false],
      ['ts/x/f.ts', false],
    ])
  })

  test('cycles are found around corners, and type imports make none', () => {
    const file = (path: string, ...imports: [string, boolean][]): SourceFile => ({
      path,
      lines: 1,
      code: '',
      imports: imports.map(([target, typeOnly]) => ({ specifier: target, typeOnly, dynamic: false, target })),
    })
    expect(
      valueCycles([file('a', ['b', false]), file('b', ['c', false]), file('c', ['a', false]), file('d', ['a', false])]),
    ).toEqual([['a', 'b', 'c']])
    expect(valueCycles([file('a', ['b', false]), file('b', ['a', true])])).toEqual([])
    expect(valueCycles([file('a', ['a', false])])).toEqual([['a']])
  })
})
