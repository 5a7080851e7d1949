import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { generateDocs } from '../scripts/generate-docs.ts'
import { commands } from '../ts/cli/commands/index.ts'
import { SHAPES } from '../ts/cli/json-shapes.ts'
import { parseArguments } from '../ts/cli/parse.ts'
import { parseSetting } from '../ts/config/overrides.ts'

const ROOT = join(import.meta.dirname, '..')

function pages(): readonly string[] {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'))
  return ['README.md', 'CONTRIBUTING.md', ...docs.map((name) => join('docs', name))].filter((name) =>
    existsSync(join(ROOT, name)),
  )
}

/** `node ts/cli.js …` wherever it is written as code, with continued lines joined. */
function commandLines(text: string): readonly string[] {
  const code = [...text.matchAll(/```[^\n]*\n([\s\S]*?)```/g)].flatMap((block) => block[1]!.replaceAll(/\\\n/g, ' ').split('\n'))
  const inline = [...text.matchAll(/`(node ts\/cli\.js [^`]*)`/g)].map((match) => match[1]!)
  return [...code, ...inline].flatMap((line) => /(?:^|\s)node ts\/cli\.js\s+(.*)$/.exec(line)?.[1] ?? [])
}

/** As a shell would split it, up to a comment, a pipe, a redirection or the next command. */
function words(line: string): readonly string[] {
  const found = line.match(/"[^"]*"|'[^']*'|[^\s"']+/g) ?? []
  const end = found.findIndex((word) => /^(#|\||>|&|;|2>)/.test(word))
  return (end < 0 ? found : found.slice(0, end)).map((word) => word.replaceAll(/["']/g, ''))
}

describe('generated pages', () => {
  it.each([...generateDocs()])(
    'docs/%s is what the program makes (node scripts/with-node.mjs scripts/generate-docs.ts)',
    (name, text) => {
      expect(readFileSync(join(ROOT, 'docs', name), 'utf8')).toBe(text)
    },
  )

  it('have a section for every command and every document', () => {
    const cli = readFileSync(join(ROOT, 'docs/cli.md'), 'utf8')
    const json = readFileSync(join(ROOT, 'docs/json-output.md'), 'utf8')
    for (const { name } of commands) {
      expect(cli).toContain(`\n## ${name}\n`)
      expect(json).toContain(`\n## ${name}\n`)
    }
    expect(Object.keys(SHAPES).sort()).toEqual(commands.map((command) => command.name).sort())
  })
})

describe('command lines in the documentation', () => {
  const lines = pages().flatMap((page) =>
    commandLines(readFileSync(join(ROOT, page), 'utf8')).map((line) => [page, line] as const),
  )

  it('are found', () => {
    expect(lines.length).toBeGreaterThan(30)
  })

  it.each(lines)('%s: %s', (_page, line) => {
    // `<command>`, `[options]` and `…` stand for something else: such a line shows a form, not a command.
    if (/<\w+>|\[options\]|…/.test(line)) return
    const argv = words(line)
    const parsed = parseArguments(argv, commands, '0', 100)
    if (parsed.kind === 'run')
      for (const setting of parsed.globals.settings) expect(parseSetting(setting)).not.toHaveProperty('fix')
  })
})

describe('links', () => {
  const links = pages().flatMap((page) => {
    const text = readFileSync(join(ROOT, page), 'utf8').replaceAll(/```[\s\S]*?```/g, '')
    return [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)]*)?\)/g)].map((match) => [page, match[1]!] as const)
  })

  it.each(links)('%s -> %s leads somewhere', (page, target) => {
    const path = join(ROOT, dirname(page), target)
    expect(existsSync(path), relative(ROOT, path)).toBe(true)
  })
})
