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
import { parseDocument } from 'yaml'
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
  if (!isEntityKind(values.entity)) throw new UsageError(`--entity ${values.entity} is none of ${ENTITY_KINDS.join(', ')}`)
  const baseUrl = values['base-url'] ?? `https://api.${id.replaceAll('_', '-')}.example`
  if (!URL.canParse(baseUrl) || !/^https?:$/.test(new URL(baseUrl).protocol))
    throw new UsageError(`--base-url ${baseUrl} is no http(s) URL`)
  const keyHeader = values['key-header'] ?? null
  if (keyHeader !== null && !/^[A-Za-z][A-Za-z0-9-]*$/.test(keyHeader))
    throw new UsageError(`--key-header ${keyHeader} is no name of a header`)
  const entity: EntityKind = values.entity
  return {
    source: { id, entity, baseUrl: baseUrl.replace(/\/+$/, ''), keyHeader, title: values.title ?? id.replaceAll('_', ' ') },
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

/** The config file with the two blocks at the end of their sections; comments and order of the rest stay. */
function configWith(text: string, source: NewSource): string {
  const { enrichment, refresh } = configBlocks(source)
  const document = parseDocument(text)
  for (const section of ['enrichment', 'enrichment_refresh'])
    if (!document.has(section)) throw new UsageError(`config/base.yaml has no section ${section}; add the source by hand`)
  const into = (body: string, section: string, block: string): string => {
    const lines = body.split('\n')
    const start = lines.findIndex((line) => line.startsWith(`${section}:`))
    let end = start + 1
    while (end < lines.length && !/^\S/.test(lines[end]!)) end += 1
    // Comments and empty lines before the next section belong to it.
    while (end > start + 1 && /^\s*$/.test(lines[end - 1]!)) end -= 1
    return [...lines.slice(0, end), '', ...block.trimEnd().split('\n'), ...lines.slice(end)].join('\n')
  }
  return into(into(text, 'enrichment_refresh', refresh), 'enrichment', enrichment)
}

/** Sorts imports and breaks lines as everywhere else. Without it the files are right, only not as the linter wants them. */
function format(root: string, files: readonly string[]): void {
  const biome = join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome')
  const done = spawnSync(process.execPath, [biome, 'check', '--write', ...files], { cwd: root, encoding: 'utf8' })
  if (done.status !== 0) process.stderr.write(`The formatter failed; run: npm run format\n${done.stderr ?? ''}`)
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
  const taken = [...created.keys()].filter((path) => existsSync(path))
  if (taken.length > 0)
    throw new UsageError(`${taken.map((path) => relative(root, path)).join(', ')} exist already; nothing was written`)
  if (parseDocument(readFileSync(config, 'utf8')).hasIn(['enrichment', source.id]))
    throw new UsageError(`config/base.yaml has a source ${source.id} already; nothing was written`)
  // Everything is made before anything is written: a refusal leaves the tree as it was.
  const changed = new Map([
    [registry, registryWith(readFileSync(registry, 'utf8'), source)],
    [config, configWith(readFileSync(config, 'utf8'), source)],
  ])
  const said = dryRun ? 'would be' : 'is'
  for (const [path, text] of [...created, ...changed]) {
    if (!dryRun) writeFileSync(path, text)
    process.stdout.write(`${relative(root, path)} ${said} ${created.has(path) ? 'written' : 'extended'}\n`)
  }
  if (!dryRun)
    format(
      root,
      [...created.keys(), ...changed.keys()].filter((path) => path.endsWith('.ts')),
    )
  process.stdout.write(`
What to do now:
  1. fill in the places marked FILL IN in ts/adapters/${file}.ts: requests, record, classes of the provider's errors
  2. put its answers and errors into test/contract/adapter-${file}.test.ts, and run it:
       node scripts/with-node.mjs node_modules/vitest/vitest.mjs run test/contract/adapter-${file}.test.ts
  3. give it its published quotas, cadence and SLA in config/base.yaml, set enabled: true, and run: node ts/cli.js config check
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
