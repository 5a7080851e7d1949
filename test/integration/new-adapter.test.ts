/** `npm run new-adapter` in a copy of the tree: what it writes runs, passes the suite, and is refused where it must be. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
let copy = ''

/** The environment without what this run of vitest put into it. */
function outsideVitest(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(VITEST|VITE_|NODE_ENV|TEST$|MODE$|DEV$|PROD$|FORCE_COLOR)/.test(name),
  )
  return { ...Object.fromEntries(entries), NO_COLOR: '1' }
}

function node(args: readonly string[], cwd = copy): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [...args], {
    cwd,
    encoding: 'utf8',
    env: outsideVitest(),
    timeout: 120_000,
  })
}
const scaffold = (...args: string[]): SpawnSyncReturns<string> =>
  node([join(ROOT, 'scripts', 'new-adapter.ts'), '--root', copy, ...args])
const read = (...parts: string[]): string => readFileSync(join(copy, ...parts), 'utf8')

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'new-adapter-'))
  for (const part of [
    'ts',
    'config',
    'scripts',
    'docs',
    'test',
    'package.json',
    'tsconfig.json',
    'vitest.config.ts',
    'biome.json',
    '.gitignore',
  ])
    cpSync(join(ROOT, part), join(copy, part), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

describe('new-adapter', () => {
  it('says what it would do, and does nothing, with --dry-run', () => {
    const before = read('ts', 'adapters', 'registry.ts')
    const done = scaffold('acme_ratings', '--dry-run')
    expect(done.stderr).toBe('')
    expect(done.status).toBe(0)
    expect(done.stdout).toContain('ts/adapters/acme-ratings.ts would be written')
    expect(read('ts', 'adapters', 'registry.ts')).toBe(before)
    expect(existsSync(join(copy, 'ts', 'adapters', 'acme-ratings.ts'))).toBe(false)
  })

  it('writes an adapter that passes the suite, is formatted, type-checks, and is a source of the config', () => {
    for (const args of [
      ['acme_ratings', '--base-url', 'https://api.acme.example/', '--key-header', 'X-Api-Key', '--title', "Acme's ratings"],
      ['open_people', '--entity', 'person'],
    ]) {
      const done = scaffold(...args)
      expect(done.stderr).toBe('')
      expect(done.status).toBe(0)
      expect(done.stdout).toContain('What to do now')
    }
    const written = ['ts/adapters/acme-ratings.ts', 'ts/adapters/open-people.ts', 'ts/adapters/registry.ts']
    const tests = ['test/contract/adapter-acme-ratings.test.ts', 'test/contract/adapter-open-people.test.ts']
    const output = join(copy, 'report.json')
    const suite = node(['node_modules/vitest/vitest.mjs', 'run', '--reporter=json', `--outputFile=${output}`, ...tests])
    expect(existsSync(output), suite.stdout + suite.stderr).toBe(true)
    const report = JSON.parse(readFileSync(output, 'utf8')) as { numPassedTests: number; numFailedTests: number }
    expect(report.numFailedTests, JSON.stringify(report).slice(0, 4_000)).toBe(0)
    expect(report.numPassedTests).toBeGreaterThan(30)
    const format = node(['node_modules/@biomejs/biome/bin/biome', 'check', ...written, ...tests])
    expect(format.status, format.stdout + format.stderr).toBe(0)
    const types = node(['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.'])
    // Only what was written: the rest of the tree has its own check.
    expect(types.stdout.split('\n').filter((line) => /acme-ratings|open-people|registry\.ts/.test(line))).toEqual([])
    const sources = node(['ts/cli.js', 'config', 'show', '--json'])
    expect(sources.status, sources.stderr).toBe(0)
    expect(sources.stdout).toContain('ACME_RATINGS_API_KEY')
    expect(sources.stdout).toContain('open_people')
    for (const file of ['ts/adapters/acme-ratings.ts', 'docs/adapters/acme_ratings.md', ...tests])
      expect(read(file)).toContain('FILL IN')
  })

  it('writes what every environment accepts, as it is and when the printed steps were taken', () => {
    const check = (environment: string): SpawnSyncReturns<string> =>
      node(['ts/cli.js', 'config', 'check', '--env', environment, '--json'])
    const everywhere = (): void => {
      for (const environment of ['dev', 'prod', 'sandbox']) {
        const done = check(environment)
        expect(done.status, environment + done.stdout + done.stderr).toBe(0)
      }
    }
    everywhere()
    const base = read('config', 'base.yaml')
    for (const id of ['acme_ratings', 'open_people'])
      expect(base).toMatch(new RegExp(`^  ${id}:\\n(?:    #.*\\n)*    enabled: false`, 'm'))
    const steps = base.replace(/^( {2}(?:acme_ratings|open_people):\n(?: {4}#.*\n)* {4}enabled: )false/gm, '$1true')
    expect(steps).not.toBe(base)
    writeFileSync(join(copy, 'config', 'base.yaml'), steps)
    everywhere()
    // The sandbox is as usable as before: the new source is off there, and refused by name, because it is a real provider.
    const state = ['--state', join(copy, 'state.sqlite'), '--set', 'clock.source=system']
    const listed = node(['ts/cli.js', 'sources', 'list', '--env', 'sandbox', '--json', ...state.slice(2)])
    expect(listed.status, listed.stderr).toBe(0)
    const { sources } = JSON.parse(listed.stdout) as { sources: { source: string; enabled: boolean }[] }
    expect(sources.find(({ source }) => source === 'acme_ratings')).toMatchObject({ enabled: false })
    writeFileSync(join(copy, 'config', 'base.yaml'), base)
    const docs = node(['scripts/generate-docs.ts'])
    expect(docs.status, docs.stderr).toBe(0)
  })

  it('says that the formatter failed, instead of what to do next', () => {
    writeFileSync(join(copy, 'biome.json'), '{ "no such key": 1 }')
    const done = scaffold('badly_formatted')
    cpSync(join(ROOT, 'biome.json'), join(copy, 'biome.json'))
    expect(done.status).toBe(1)
    expect(done.stderr).toContain('the formatter failed')
    expect(done.stderr).toContain('npm run format')
    expect(done.stdout).not.toContain('What to do now')
  })

  it.each([
    ['class', 'reserved word'],
    ['await', 'already means'],
    ['record_of', 'already means'],
    ['contract', 'already means'],
    ['yes', 'already means'],
    ['nul', 'already means'],
    ['constructor', 'already means'],
    ['acme__x', 'underscore too many'],
    ['acme_', 'underscore too many'],
    ['acme_rating_s_', 'underscore too many'],
  ])('refuses the name %s and offers another', (id, said) => {
    const done = scaffold(id, '--dry-run')
    expect(done.status, done.stdout).toBe(2)
    expect(done.stderr).toContain(said)
    expect(done.stderr).toMatch(/for instance [a-z0-9_]+_source/)
    const offered = /for instance ([a-z0-9_]+)/.exec(done.stderr)![1]!
    expect(scaffold(offered, '--dry-run').status).toBe(0)
  })

  it('keeps the comments of the config', () => {
    const comments = (text: string): readonly string[] => text.split('\n').filter((line) => line.trim().startsWith('#'))
    for (const file of ['base.yaml', 'sandbox.yaml']) {
      const now = comments(read('config', file))
      for (const line of comments(readFileSync(join(ROOT, 'config', file), 'utf8'))) expect(now).toContain(line)
    }
  })

  it('refuses what exists, what is no id, and what it does not know, and writes nothing', () => {
    const before = read('ts', 'adapters', 'registry.ts') + read('config', 'base.yaml')
    for (const [args, said] of [
      [['sam_gov'], 'exist already'],
      [['Acme-Ratings'], 'no source id'],
      [[], 'name the source'],
      [['one', 'two'], 'one source at a time'],
      [['ratings', '--entity', 'planet'], 'is none of'],
      [['ratings', '--base-url', 'ftp://x.example'], 'no http(s) URL'],
      [['ratings', '--key-header', 'X Api: Key'], 'no name of a header'],
      [['ratings', '--key-header', 'Host'], 'a meaning of its own'],
      [['ratings', '--base-url', 'http://api.x.example'], 'is not encrypted'],
      [['ratings', '--base-url', 'https://api.x.example?key=1'], 'holds a query'],
      [['ratings', '--title', 'a\nb'], 'one line'],
      [['ratings', '--no-such-option'], 'no-such-option'],
      [['edgar_identity'], 'taken for the identities'],
    ] as const) {
      const done = scaffold(...args)
      expect(done.status, args.join(' ')).toBe(2)
      expect(done.stderr).toContain(said)
      expect(done.stderr).not.toContain('    at ')
    }
    expect(read('ts', 'adapters', 'registry.ts') + read('config', 'base.yaml')).toBe(before)
  })

  it('explains itself', () => {
    const done = scaffold('--help')
    expect(done.status).toBe(0)
    expect(done.stdout).toContain('Example:')
  })
})
