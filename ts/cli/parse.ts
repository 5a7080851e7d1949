/** From argv to a command and its checked arguments. yargs splits and refuses what is unknown; zod gives values their meaning. */
import yargs, { type Argv } from 'yargs'
import type { z } from 'zod'
import { didYouMean } from '../config/suggest.ts'
import { EngineError } from '../model/errors.ts'
import type { Command, OptionSpec, Options } from './command.ts'
import { GLOBAL_OPTIONS, type GlobalArgs } from './globals.ts'
import { helpText, overviewText, PROGRAM } from './help.ts'

export type Parsed =
  | {
      readonly kind: 'run'
      readonly command: Command
      readonly args: Readonly<Record<string, unknown>>
      readonly globals: GlobalArgs
    }
  | { readonly kind: 'print'; readonly text: string }

type Raw = Readonly<Record<string, unknown>>

/** Throws `EngineError` of recovery `usage` for anything that does not fit. */
export function parseArguments(argv: readonly string[], commands: readonly Command[], version: string, columns: number): Parsed {
  const words = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined)
  if (words.includes('--version')) return { kind: 'print', text: `${version}\n` }
  if (words.includes('--help') || words.includes('-h')) return { kind: 'print', text: helpFor(words, commands, columns) }

  const { command, raw } = splitArguments(argv, commands)
  const problems: string[] = flagsWithValues(words, command)
  const args: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(command.positionals)) {
    args[name] = check(spec.schema, raw[name], spec.placeholder, problems)
  }
  for (const [name, spec] of Object.entries(command.options)) args[name] = check(spec.schema, raw[name], `--${name}`, problems)
  const globals = readGlobals(raw, problems)
  if (problems.length > 0) throw usage(problems.join('\n       '), command.name)
  return { kind: 'run', command, args, globals }
}

function check<T>(schema: z.ZodType<T>, value: unknown, shown: string, problems: string[]): T | undefined {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  for (const issue of innermost(parsed.error.issues)) {
    const given = value === undefined || Array.isArray(value) || value === '' ? '' : `, not "${String(value)}"`
    problems.push(
      issue.message.startsWith(':')
        ? `${shown}${issue.message}`
        : `${shown} ${issue.message}${issue.message.includes('must') ? given : ''}`,
    )
  }
  return undefined
}

/** A union reports that none of its branches fits; what its last branch says is what helps. */
function innermost(issues: readonly z.core.$ZodIssue[]): readonly z.core.$ZodIssue[] {
  return issues.flatMap((issue) => (issue.code === 'invalid_union' ? innermost(issue.errors.at(-1) ?? []) : [issue]))
}

/** `--dry-run=yes` must not be a run: what is present or not takes no value, and a value it does not know would be "no". */
function flagsWithValues(words: readonly string[], command: Command): string[] {
  const options: Options = { ...GLOBAL_OPTIONS, ...command.options }
  return words.flatMap((word) => {
    const [, name = '', value = ''] = /^--([^=]+)=(.*)$/s.exec(word) ?? []
    if (options[name]?.kind !== 'flag' || value === 'true' || value === 'false') return []
    return [`--${name} takes no value: write --${name}, or leave it out`]
  })
}

function readGlobals(raw: Raw, problems: string[]): GlobalArgs {
  const read = <K extends keyof typeof GLOBAL_OPTIONS>(name: K) =>
    check(GLOBAL_OPTIONS[name].schema as z.ZodType, raw[name], `--${name}`, problems) as z.output<
      (typeof GLOBAL_OPTIONS)[K]['schema']
    >
  if (read('verbose') && read('quiet')) problems.push('--verbose and --quiet exclude each other')
  return {
    json: read('json'),
    configDir: read('config-dir'),
    environment: read('env'),
    state: read('state'),
    warehouse: read('warehouse'),
    settings: read('set') ?? [],
    verbose: read('verbose'),
    quiet: read('quiet'),
  }
}

// ---------------------------------------------------------------- yargs

function splitArguments(argv: readonly string[], commands: readonly Command[]): { readonly command: Command; readonly raw: Raw } {
  let matched: { command: Command; raw: Raw } | null = null
  const record = (command: Command) => (raw: unknown) => {
    matched = { command, raw: raw as Raw }
  }
  const parser = yargs([])
    .scriptName(PROGRAM)
    .locale('en')
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .help(false)
    .version(false)
    .exitProcess(false)
    .recommendCommands()
    .strict()
    .fail((message: string, error: Error | undefined) => {
      throw error instanceof EngineError ? error : usageOf(message ?? error?.message ?? 'is not understood', argv, commands)
    })
  register(parser, GLOBAL_OPTIONS)
  for (const [head, members] of byFirstWord(commands)) registerGroup(parser, head, members, record)
  parser.demandCommand(1, 'no command was given').parseSync([...argv])
  if (matched === null) throw usageOf('no command was given', argv, commands)
  return matched
}

export function byFirstWord(commands: readonly Command[]): ReadonlyMap<string, readonly Command[]> {
  return Map.groupBy(commands, (command) => command.name.split(' ')[0]!)
}

function registerGroup(
  parser: Argv,
  head: string,
  members: readonly Command[],
  record: (command: Command) => (raw: unknown) => void,
): void {
  const [only] = members
  if (members.length === 1 && only !== undefined && only.name === head) {
    parser.command(signature(only, head), only.summary, (inner) => build(inner, only), record(only))
    return
  }
  const names = members.map((command) => command.name.split(' ')[1]).join(', ')
  const hasDefault = members.some((command) => command.isDefault)
  parser.command(head, names, (group) => {
    for (const command of members) {
      const own = signature(command, command.name.split(' ')[1]!)
      group.command(command.isDefault ? [own, '$0'] : own, command.summary, (inner) => build(inner, command), record(command))
    }
    return hasDefault ? group : group.demandCommand(1, `${head} needs one of: ${names}`)
  })
}

function signature(command: Command, word: string): string {
  const parts = Object.entries(command.positionals).map(([name, spec]) => {
    const inner = spec.many ? `${name}..` : name
    return `<${inner}>`
  })
  return [word, ...parts].join(' ')
}

function build(parser: Argv, command: Command): Argv {
  for (const [name, spec] of Object.entries(command.positionals))
    parser.positional(name, { type: 'string', describe: spec.describe })
  return register(parser, command.options)
}

function register(parser: Argv, options: Options): Argv {
  for (const [name, spec] of Object.entries(options)) parser.option(name, yargsOption(spec))
  return parser
}

function yargsOption(spec: OptionSpec): { type: 'string' | 'boolean'; requiresArg?: boolean } {
  if (spec.kind === 'flag') return { type: 'boolean' }
  return spec.kind === 'optional' ? { type: 'string' } : { type: 'string', requiresArg: true }
}

// ---------------------------------------------------------------- help and usage errors

/** Options that take the word after them as their value, whichever command they are of. */
function takesNextWord(word: string, commands: readonly Command[]): boolean {
  const name = /^--([^=]+)$/.exec(word)?.[1]
  if (name === undefined) return false
  const specs = [GLOBAL_OPTIONS as Options, ...commands.map((command) => command.options)].map((options) => options[name])
  return specs.some((spec) => spec?.kind === 'text' || spec?.kind === 'list')
}

/** The command or group that the words name. The value of an option (`--env sandbox`) names none. */
function findNamed(words: readonly string[], commands: readonly Command[]): readonly Command[] {
  const plain = words.filter((word, at) => !word.startsWith('-') && !takesNextWord(words[at - 1] ?? '', commands))
  const groups = byFirstWord(commands)
  const head = plain.findIndex((word) => groups.has(word))
  if (head < 0) return []
  const members = groups.get(plain[head]!)!
  const exact = members.filter((command) => command.name === `${plain[head]} ${plain[head + 1]}`)
  return exact.length > 0 ? exact : members
}

function helpFor(words: readonly string[], commands: readonly Command[], columns: number): string {
  const named = findNamed(words, commands)
  return named.length === 0 ? overviewText(commands, columns) : named.map((command) => helpText(command, columns)).join('\n')
}

function usage(message: string, commandName: string | null): EngineError {
  const hint = commandName === null ? `see: ${PROGRAM} --help` : `see: ${PROGRAM} ${commandName} --help`
  return new EngineError('usage', 'usage', message, { hint })
}

function usageOf(message: string, argv: readonly string[], commands: readonly Command[]): EngineError {
  const named = findNamed(argv, commands)
  const options = [GLOBAL_OPTIONS, ...named.map((command) => command.options)].flatMap(Object.keys).map((key) => `--${key}`)
  const name = named.length === 0 ? null : named.length === 1 ? named[0]!.name : named[0]!.name.split(' ')[0]!
  const unknown = /^Unknown (?:argument|command)s?: (.*)$/s.exec(message)
  if (unknown !== null) {
    const words = unknown[1]!.split(', ')
    const isOption = (word: string): boolean =>
      argv.some((given) => given.startsWith('-') && given.replace(/^-+/, '').split('=')[0] === word)
    const heads =
      named.length === 0 ? [...byFirstWord(commands).keys()] : named.map((command) => command.name.split(' ')[1] ?? '')
    const lines = words.map((word) =>
      isOption(word)
        ? `unknown option --${word}${didYouMean(`--${word}`, options)}`
        : `unknown command or argument "${word}"${didYouMean(word, heads)}`,
    )
    return usage(lines.join('\n       '), name)
  }
  const missing = /^Not enough arguments following: (.*)$/.exec(message)
  if (missing !== null) return usage(`--${missing[1]} needs a value`, name)
  if (message.startsWith('Not enough non-option arguments')) {
    const wanted = Object.values(named[0]?.positionals ?? {})[0]
    return usage(
      `${name ?? PROGRAM} needs ${wanted === undefined ? 'another argument' : `${wanted.placeholder}: ${wanted.describe}`}`,
      name,
    )
  }
  const meant = /^Did you mean (.*)\?$/.exec(message)
  if (meant !== null) {
    const word = argv.find((given) => !given.startsWith('-') && !byFirstWord(commands).has(given)) ?? ''
    return usage(`unknown command "${word}" (did you mean "${meant[1]}"?)`, name)
  }
  return usage(message, name)
}
