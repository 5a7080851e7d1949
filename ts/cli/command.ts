/**
 * A command is data: what it is called, what it takes, examples, and a handler. `parse.ts` registers all of them with
 * yargs, `help.ts` prints them, `docs/cli.md` is generated from them, and a test checks that each has what it needs.
 */
import { z } from 'zod'
import type { CliContext } from './context.ts'

/** `text`: one value · `flag`: present or not · `list`: repeatable · `optional`: present, with or without a value. */
export type OptionKind = 'text' | 'flag' | 'list' | 'optional'

export type OptionSpec<T = unknown> = {
  readonly kind: OptionKind
  readonly describe: string
  /** What stands for the value in help: `SOURCE`. */
  readonly placeholder: string
  /** From what yargs found (undefined when absent) to what the handler gets. */
  readonly schema: z.ZodType<T>
}
export type Options = Readonly<Record<string, OptionSpec>>

/** All of ours are needed; what may be left out is an option. */
export type PositionalSpec<T = unknown> = {
  readonly describe: string
  readonly placeholder: string
  readonly many: boolean
  readonly schema: z.ZodType<T>
}
export type Positionals = Readonly<Record<string, PositionalSpec>>

export type ArgsOf<O extends Options, P extends Positionals> = {
  readonly [K in keyof O]: O[K] extends OptionSpec<infer T> ? T : never
} & { readonly [K in keyof P]: P[K] extends PositionalSpec<infer T> ? T : never }

export type Example = {
  /** Without the program's name: `refresh --source sam_gov`. */
  readonly command: string
  readonly does: string
}

export type Command = {
  /** One or two words: `plan`, `checkpoints reset`. */
  readonly name: string
  /** One line, for lists. */
  readonly summary: string
  /** Paragraphs for `--help`. */
  readonly description?: string
  readonly options: Options
  readonly positionals: Positionals
  readonly examples: readonly Example[]
  /** True for the subcommand that runs when its group is called without one. */
  readonly isDefault?: boolean
  /** Returns the exit code; nothing means 0. */
  readonly handler: (context: CliContext, args: Readonly<Record<string, unknown>>) => Promise<number> | Promise<void>
}

/** Ties the handler's argument type to the options and positionals beside it. */
export function defineCommand<const O extends Options, const P extends Positionals = Record<never, never>>(
  command: Omit<Command, 'options' | 'positionals' | 'handler'> & {
    readonly options?: O
    readonly positionals?: P
    readonly handler: (context: CliContext, args: ArgsOf<O, P>) => Promise<number> | Promise<void>
  },
): Command {
  return {
    ...command,
    options: command.options ?? {},
    positionals: command.positionals ?? {},
    handler: command.handler as Command['handler'],
  }
}

// ---------------------------------------------------------------- options

/** What an option or argument is when nothing else is said. */
const anyText = z.string().min(1, 'needs a value')
type Value = z.ZodType

const once = (value: unknown, check: z.core.$RefinementCtx): unknown => {
  if (!Array.isArray(value)) return value
  check.addIssue({ code: 'custom', message: 'was given more than once' })
  return z.NEVER
}

export function text(describe: string, placeholder: string): OptionSpec<string | undefined>
export function text<T>(describe: string, placeholder: string, schema: z.ZodType<T>): OptionSpec<T | undefined>
export function text(describe: string, placeholder: string, schema: Value = anyText): OptionSpec {
  return {
    kind: 'text',
    describe,
    placeholder,
    schema: z
      .unknown()
      .transform(once)
      .pipe(schema.optional() as Value),
  }
}

export function requiredText(describe: string, placeholder: string): OptionSpec<string>
export function requiredText<T>(describe: string, placeholder: string, schema: z.ZodType<T>): OptionSpec<T>
export function requiredText(describe: string, placeholder: string, schema: Value = anyText): OptionSpec {
  const present = z.unknown().transform((value, check) => {
    if (value === undefined) check.addIssue({ code: 'custom', message: 'is needed' })
    return value === undefined ? z.NEVER : once(value, check)
  })
  return { kind: 'text', describe: `${describe} (needed)`, placeholder, schema: present.pipe(schema) }
}

export function flag(describe: string): OptionSpec<boolean> {
  const schema = z.unknown().transform((value) => value === true || (Array.isArray(value) && value.includes(true)))
  return { kind: 'flag', describe, placeholder: '', schema }
}

export function list(describe: string, placeholder: string): OptionSpec<readonly string[]>
export function list<T>(describe: string, placeholder: string, schema: z.ZodType<T>): OptionSpec<readonly T[]>
export function list(describe: string, placeholder: string, schema: Value = anyText): OptionSpec {
  const all = z.unknown().transform((value) => (value === undefined ? [] : Array.isArray(value) ? (value as unknown[]) : [value]))
  return { kind: 'list', describe: `${describe} (repeatable)`, placeholder, schema: all.pipe(z.array(schema)) }
}

/** `undefined` when absent, `null` when present without a value. */
export function optionalText<T>(describe: string, placeholder: string, schema: z.ZodType<T>): OptionSpec<T | null | undefined> {
  const value = z.union([z.undefined(), z.literal('').transform(() => null), schema])
  return {
    kind: 'optional',
    describe,
    placeholder,
    schema: z.unknown().transform(once).pipe(value) as z.ZodType<T | null | undefined>,
  }
}

export function positional(describe: string, placeholder: string): PositionalSpec<string>
export function positional<T>(describe: string, placeholder: string, schema: z.ZodType<T>): PositionalSpec<T>
export function positional(describe: string, placeholder: string, schema: Value = anyText): PositionalSpec {
  return { describe, placeholder, many: false, schema }
}

export function positionals(describe: string, placeholder: string): PositionalSpec<readonly string[]>
export function positionals<T>(describe: string, placeholder: string, schema: z.ZodType<T>): PositionalSpec<readonly T[]>
export function positionals(describe: string, placeholder: string, schema: Value = anyText): PositionalSpec {
  return { describe, placeholder, many: true, schema: z.array(schema).min(1, 'is needed') }
}
