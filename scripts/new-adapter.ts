/**
 * Writes the first version of an adapter: the adapter, its line in the registry, its config block, its test and its page. What
 * it writes passes the conformance suite at once, and every place that must be filled in for the provider is marked `FILL IN`.
 *
 *   npm run new-adapter -- acme_ratings --entity company --base-url https://api.acme.example --key-header X-Api-Key
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Script } from 'node:vm'
import { parseDocument } from 'yaml'
import { baseUrlProblem } from '../ts/config/urls.ts'
import { ENTITY_KINDS, type EntityKind, isEntityKind, isSourceId } from '../ts/model/keys.ts'
import { adapterFile, camelCase, configBlocks, docsPage, type NewSource, testFile } from './new-adapter-templates.ts'

const HELP = `npm run new-adapter -- <source> [options]

Writes a first version of an adapter that passes the conformance suite, and says what to fill in.

  <source>              id of the source: lower case letters, digits and _, e.g. acme_ratings
  --entity KIND         what it is asked about: ${ENTITY_KINDS.join(', ')} (default: company)
  --base-url URL        the provider's origin (default: https://api.<source>.example)
  --key-header NAME     the header that carries the key (default: none, an open API)
  --title TEXT          the name for people
  --dry-run             says what it would write
  --help

Example:
  npm run new-adapter -- acme_ratings --base-url https://api.acme.example --key-header X-Api-Key

All about adapters: docs/adapters/CONTRACT.md`

class UsageError extends Error {}

/** Names that are used in what is written, in the registry, or mean something to YAML, to Windows, or to every object. */
const TAKEN_NAMES: ReadonlySet<string> = new Set([
  ...['parse', 'expect', 'z', 'body', 'answer', 'adapters', 'await', 'type', 'as', 'undefined', 'constructor', 'prototype'],
  ...['yes', 'no', 'on', 'off', 'y', 'n', 'con', 'nul', 'aux', 'prn', 'contract', 'shared', 'adapter', 'registry', 'index'],
])
/** Those of the generated files that are made of several words. */
const TAKEN_IDENTIFIERS: ReadonlySet<string> = new Set([
  ...['askedBy', 'attributeText', 'refOf', 'requireObject', 'textAt', 'classifyByStatus', 'recordOf', 'viewOf', 'adapterSuite'],
  ...['readingsOf', 'adapterById'],
])
/** Headers that are the pipeline's, or that no key goes into. */
const OTHER_HEADERS = /^(?:host|content-.*|accept.*|user-agent|connection|transfer-encoding|cookie|if-.*|range|date)$/i

function isReserved(name: string): boolean {
  try {
    new Script(`'use strict'; const ${name} = 1`)
    return false
  } catch {
    return true
  }
}

/** What is wrong with an id that is one as far as its letters go, and what to call the source instead. */
function nameProblem(id: string): string | null {
  const other = `choose another, for instance ${id.replace(/_+$/, '').replace(/_+/g, '_')}_source`
  if (/__|_$/.test(id)) return `"${id}" has an underscore too many, which file and variable could not show; ${other}`
  if (isReserved(camelCase(id)))
    return `"${id}" is a reserved word of the language, so that no variable can have the name; ${other}`
  if (TAKEN_NAMES.has(id) || TAKEN_IDENTIFIERS.has(camelCase(id)) || /^(?:com|lpt)\d$/.test(id))
    return `"${id}" already means something where it would be written; ${other}`
  return null
}

type Options = { readonly source: NewSource; readonly root: string; readonly dryRun: boolean }

function readOptions(argv: readonly string[]): Options | null {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      entity: { type: 'string', default: 'company' },
      'base-url': { type: 'string' },
      'key-header': { type: 'string' },
      title: { type: 'string' },
      root: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const [id, ...rest] = positionals
  if (id === undefined) throw new UsageError('name the source, for instance: npm run new-adapter -- acme_ratings')
  if (rest.length > 0) throw new UsageError(`one source at a time; "${rest.join(' ')}" is left over`)
  if (!isSourceId(id)) throw new UsageError(`"${id}" is no source id: lower case letters, digits and _, beginning with a letter`)
  if (id.endsWith('_identity')) throw new UsageError(`"${id}" would be taken for the identities of "${id.slice(0, -9)}"`)
  const problem = nameProblem(id)
  if (problem !== null) throw new UsageError(problem)
  if (!isEntityKind(values.entity)) throw new UsageError(`--entity ${values.entity} is none of ${ENTITY_KINDS.join(', ')}`)
  const baseUrl = values['base-url'] ?? `https://api.${id.replaceAll('_', '-')}.example`
  if (!URL.canParse(baseUrl) || !/^https?:$/.test(new URL(baseUrl).protocol))
    throw new UsageError(`--base-url ${baseUrl} is no http(s) URL`)
  // The address itself is not repeated: it may hold a key.
  const address = baseUrlProblem(baseUrl)
  if (address !== null) throw new UsageError(`--base-url ${address.message}: ${address.fix}`)
  const keyHeader = values['key-header'] ?? null
  if (keyHeader !== null && !/^[A-Za-z][A-Za-z0-9-]*$/.test(keyHeader))
    throw new UsageError(`--key-header ${keyHeader} is no name of a header`)
  if (keyHeader !== null && OTHER_HEADERS.test(keyHeader))
    throw new UsageError(
      `--key-header ${keyHeader} is a header with a meaning of its own; name the one that the provider takes its key in`,
    )
  const title = values.title ?? id.replaceAll('_', ' ')
  if (!/^[^\p{Cc}\p{Zl}\p{Zp}]{1,100}$/u.test(title) || title.trim() === '' || title.includes('*/'))
    throw new UsageError('--title is one line of text, up to 100 characters, without */')
  const entity: EntityKind = values.entity
  return {
    source: { id, entity, baseUrl: baseUrl.replace(/\/+$/, ''), keyHeader, title },
    root: values.root === undefined ? join(dirname(fileURLToPath(import.meta.url)), '..') : resolve(values.root),
    dryRun: values['dry-run'],
  }
}

/** The registry with one import and one entry more. */
function registryWith(text: string, { id }: NewSource): string {
  const name = camelCase(id)
  const file = id.replaceAll('_', '-')
  const list = /(export const ADAPTERS: readonly SourceAdapter\[\] = \[)([\s\S]*?)(\n?\])/.exec(text)
  if (list === null) throw new UsageError('ts/adapters/registry.ts has no list ADAPTERS any more; add the adapter by hand')
  const entries = list[2]!.trim().replace(/,$/, '')
  const together = `${list[1]}\n  ${[...entries.split(/,\s*/), name].filter((entry) => entry !== '').join(',\n  ')},\n]`
  const imported = `import { ${name} } from './${file}.ts'\n`
  const lastImport = text.lastIndexOf('\nimport ')
  const end = text.indexOf('\n', lastImport + 1) + 1
  return `${text.slice(0, end)}${imported}${text.slice(end)}`.replace(list[0], together)
}

/** The config file with blocks at the end of their sections; comments and order of the rest stay. */
function configWith(file: string, text: string, blocks: Readonly<Record<string, string>>): string {
  const document = parseDocument(text)
  for (const section of Object.keys(blocks))
    if (!document.has(section)) throw new UsageError(`${file} has no section ${section}; add the source by hand`)
  const into = (body: string, section: string, block: string): string => {
    const lines = body.split('\n')
    const start = lines.findIndex((line) => line.startsWith(`${section}:`))
    let end = start + 1
    while (end < lines.length && !/^\S/.test(lines[end]!)) end += 1
    // Comments and empty lines before the next section belong to it.
    while (end > start + 1 && /^\s*$/.test(lines[end - 1]!)) end -= 1
    return [...lines.slice(0, end), '', ...block.trimEnd().split('\n'), ...lines.slice(end)].join('\n')
  }
  return Object.entries(blocks).reduce((whole, [section, block]) => into(whole, section, block), text)
}

/** Sorts imports and breaks lines as everywhere else. False when it cannot, which it has said then. */
function format(root: string, files: readonly string[]): boolean {
  const biome = join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome')
  const done = spawnSync(process.execPath, [biome, 'check', '--write', ...files], { cwd: root, encoding: 'utf8' })
  if (done.status === 0) return true
  const said = `${done.stdout ?? ''}${done.stderr ?? ''}`.trim() || (done.error?.message ?? 'it said nothing')
  process.stderr.write(`The files are written, but the formatter failed:\n${said}\n`)
  return false
}

function run(argv: readonly string[]): number {
  const options = readOptions(argv)
  if (options === null) {
    process.stdout.write(`${HELP}\n`)
    return 0
  }
  const { source, root, dryRun } = options
  const at = (...parts: string[]): string => join(root, ...parts)
  const file = source.id.replaceAll('_', '-')
  const created = new Map([
    [at('ts', 'adapters', `${file}.ts`), adapterFile(source)],
    [at('test', 'contract', `adapter-${file}.test.ts`), testFile(source)],
    [at('docs', 'adapters', `${source.id}.md`), docsPage(source)],
  ])
  const registry = at('ts', 'adapters', 'registry.ts')
  const config = at('config', 'base.yaml')
  const sandbox = at('config', 'sandbox.yaml')
  const taken = [...created.keys()].filter((path) => existsSync(path))
  if (taken.length > 0)
    throw new UsageError(`${taken.map((path) => relative(root, path)).join(', ')} exist already; nothing was written`)
  if (parseDocument(readFileSync(config, 'utf8')).hasIn(['enrichment', source.id]))
    throw new UsageError(`config/base.yaml has a source ${source.id} already; nothing was written`)
  if (new RegExp(`\\b${camelCase(source.id)}\\b`).test(readFileSync(registry, 'utf8')))
    throw new UsageError(`ts/adapters/registry.ts has a ${camelCase(source.id)} already; choose another id; nothing was written`)
  const blocks = configBlocks(source)
  // Everything is made before anything is written: a refusal leaves the tree as it was.
  const changed = new Map([
    [registry, registryWith(readFileSync(registry, 'utf8'), source)],
    [
      config,
      configWith('config/base.yaml', readFileSync(config, 'utf8'), {
        enrichment_refresh: blocks.refresh,
        enrichment: blocks.enrichment,
      }),
    ],
    [sandbox, configWith('config/sandbox.yaml', readFileSync(sandbox, 'utf8'), { enrichment_refresh: blocks.sandbox })],
  ])
  const said = dryRun ? 'would be' : 'is'
  for (const [path, text] of [...created, ...changed]) {
    if (!dryRun) writeFileSync(path, text)
    process.stdout.write(`${relative(root, path)} ${said} ${created.has(path) ? 'written' : 'extended'}\n`)
  }
  const written = [...created.keys(), ...changed.keys()].filter((path) => path.endsWith('.ts'))
  if (!dryRun && !format(root, written)) {
    process.stderr.write('Repair what it names, then run: npm run format\n')
    return 1
  }
  process.stdout.write(`
What to do now:
  1. fill in the places marked FILL IN in ts/adapters/${file}.ts: requests, record, classes of the provider's errors
  2. put its answers and errors into test/contract/adapter-${file}.test.ts, and run it:
       node scripts/with-node.mjs node_modules/vitest/vitest.mjs run test/contract/adapter-${file}.test.ts
  3. give it its published quotas, cadence and SLA in config/base.yaml, set enabled: true, and run: node ts/cli.js config check
     (config/sandbox.yaml keeps it off: the sandbox does not speak it, until it has a dialect in ts/sandbox/dialects)
  4. describe it in docs/adapters/${source.id}.md, and run: npm run docs
docs/adapters/CONTRACT.md says what each function must hold to.
`)
  return 0
}

try {
  process.exitCode = run(process.argv.slice(2))
} catch (error) {
  const known = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true
  if (!known) throw error
  process.stderr.write(`${(error as Error).message}\nSee: npm run new-adapter -- --help\n`)
  process.exitCode = 2
}
