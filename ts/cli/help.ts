/** Help as text, from the commands' data. Pure; `docs/cli.md` is made of the same parts. */
import type { Command, OptionSpec, Options } from './command.ts'
import { GLOBAL_OPTIONS } from './globals.ts'

/** How the program is called in examples and messages. */
export const PROGRAM = 'node ts/cli.js'

export function usageLine(command: Command): string {
  const parts = Object.values(command.positionals).map(({ placeholder, many }) => (many ? `${placeholder}…` : placeholder))
  return [PROGRAM, command.name, ...parts, '[options]'].join(' ')
}

export function optionTerm(name: string, spec: OptionSpec): string {
  if (spec.kind === 'flag') return `--${name}`
  return spec.kind === 'optional' ? `--${name} [${spec.placeholder}]` : `--${name} ${spec.placeholder}`
}

export function helpText(command: Command, columns: number): string {
  const sections = [usageLine(command), wrap(command.description ?? command.summary, columns)]
  const arguments_ = Object.values(command.positionals).map((spec) => [spec.placeholder, spec.describe] as const)
  if (arguments_.length > 0) sections.push(`Arguments:\n${definitions(arguments_, columns)}`)
  if (Object.keys(command.options).length > 0) sections.push(`Options:\n${optionList(command.options, columns)}`)
  sections.push(`Options of every command:\n${optionList(GLOBAL_OPTIONS, columns)}`)
  sections.push(
    `Examples:\n${command.examples.map(({ command: line, does }) => `  ${PROGRAM} ${line}\n      ${does}`).join('\n')}`,
  )
  return `${sections.join('\n\n')}\n`
}

export function overviewText(commands: readonly Command[], columns: number): string {
  const entries = commands.map((command) => [command.name, command.summary] as const)
  return [
    `${PROGRAM} <command> [options]`,
    wrap("Keeps records fresh from many external sources, under each source's quota and SLA, and tells what changed.", columns),
    `Commands:\n${definitions(entries, columns)}`,
    `Options of every command:\n${optionList(GLOBAL_OPTIONS, columns)}`,
    wrap(
      'Exit codes: 0 done · 1 some of it failed · 2 usage · 75 try later · 78 configuration or credentials · 130 interrupted, state saved',
      columns,
    ),
    `More: ${PROGRAM} <command> --help\n`,
  ].join('\n\n')
}

function optionList(options: Options, columns: number): string {
  return definitions(
    Object.entries(options).map(([name, spec]) => [optionTerm(name, spec), spec.describe] as const),
    columns,
  )
}

function definitions(entries: readonly (readonly [string, string])[], columns: number): string {
  const width = Math.min(30, Math.max(...entries.map(([term]) => term.length)))
  // Beside the terms there must be room for a few words; on a narrow terminal they go below.
  const isNarrow = columns < width + 40
  const indent = ' '.repeat(isNarrow ? 6 : width + 4)
  return entries
    .map(([term, description]) => {
      const body = wrap(description, columns - indent.length).replaceAll('\n', `\n${indent}`)
      return isNarrow || term.length > width ? `  ${term}\n${indent}${body}` : `  ${term.padEnd(width)}  ${body}`
    })
    .join('\n')
}

/** Breaks at spaces; words longer than a line stay whole. Paragraphs are kept. */
export function wrap(text: string, columns: number): string {
  const width = Math.max(30, columns)
  return text
    .split('\n')
    .map((paragraph) => {
      const lines: string[] = []
      let line = ''
      for (const word of paragraph.split(' ')) {
        if (line !== '' && line.length + 1 + word.length > width) {
          lines.push(line)
          line = word
        } else line = line === '' ? word : `${line} ${word}`
      }
      return [...lines, line].join('\n')
    })
    .join('\n')
}
