import { describe, expect, it } from 'vitest'
import { commands } from '../../../ts/cli/commands/index.ts'
import { GLOBAL_OPTIONS } from '../../../ts/cli/globals.ts'
import { type Parsed, parseArguments } from '../../../ts/cli/parse.ts'
import type { EngineError } from '../../../ts/model/errors.ts'
import { DAY_MS } from '../../../ts/model/time.ts'

const parse = (...argv: string[]): Parsed => parseArguments(argv, commands, '1.2.3', 100)

function run(...argv: string[]) {
  const parsed = parse(...argv)
  if (parsed.kind !== 'run') throw new Error('expected a command to run')
  return parsed
}

function usageError(...argv: string[]): EngineError {
  try {
    parse(...argv)
  } catch (error) {
    return error as EngineError
  }
  throw new Error(`${argv.join(' ')} was accepted`)
}

describe('good command lines', () => {
  it('give handlers typed values', () => {
    const { command, args } = run(
      'refresh',
      '--source',
      'a',
      '--source=b',
      '--window',
      '2023-10-01:2023-10-07',
      '--limit',
      '5',
      '--force',
    )
    expect(command.name).toBe('refresh')
    expect(args).toMatchObject({
      source: ['a', 'b'],
      window: { from: Date.UTC(2023, 9, 1), to: Date.UTC(2023, 9, 8) },
      limit: 5,
      force: true,
      'dry-run': false,
      'max-calls': undefined,
      cohort: [],
    })
  })

  it('take global options before and after the command', () => {
    const { globals } = run(
      '--env',
      'prod',
      'plan',
      '--json',
      '--set',
      'run.max_calls=5',
      '--set',
      'a.b=c=d',
      '--state',
      'x.sqlite',
    )
    expect(globals).toEqual({
      json: true,
      configDir: undefined,
      environment: 'prod',
      state: 'x.sqlite',
      settings: ['run.max_calls=5', 'a.b=c=d'],
      verbose: false,
      quiet: false,
    })
  })

  it('keep text as it is: no numbers, no dots, no camel case', () => {
    const { args } = run(
      'identities',
      'set',
      '--source',
      'a',
      '--entity',
      'company:duns:007',
      '--provider-key',
      '1e3',
      '--reason',
      '0x10',
    )
    expect(args).toMatchObject({ 'provider-key': '1e3', reason: '0x10', entity: { kind: 'company', key: 'duns:007' } })
    expect(run('plan', '--set', '__proto__.x=1').globals.settings).toEqual(['__proto__.x=1'])
  })

  it('do not let a repeatable option swallow what follows', () => {
    expect(run('checkpoints', 'reset', 's:a', 's:b').args['partition']).toEqual(['s:a', 's:b'])
    expect(run('plan', '--cohort', 'a', '--source', 's').args).toMatchObject({ cohort: ['a'], source: ['s'] })
  })

  it('run the default of a group', () => {
    expect(run('sources').command.name).toBe('sources list')
    expect(run('sources', '--source', 'a').args['source']).toEqual(['a'])
    expect(run('sources', 'check').command.name).toBe('sources check')
  })

  it('read options with and without a value', () => {
    expect(run('freshness').args['fail-under']).toBeUndefined()
    expect(run('freshness', '--fail-under').args['fail-under']).toBeNull()
    expect(run('freshness', '--fail-under', '0.95').args['fail-under']).toBe(0.95)
  })

  it('read moments', () => {
    expect(run('events', '--since', '24h').args['since']).toEqual({ agoMs: DAY_MS })
    expect(run('events', '--since', '2026-11-21').args['since']).toEqual({ at: Date.UTC(2026, 10, 21) })
    expect(run('events', '--since', '2026-11-21T03:00Z').args['since']).toEqual({ at: Date.UTC(2026, 10, 21, 3) })
  })
})

describe('usage errors', () => {
  it.each([
    [['refrsh'], 'unknown command "refrsh" (did you mean "refresh"?)'],
    [['zzz'], 'unknown command or argument "zzz"'],
    [[], 'no command was given'],
    [['checkpoints'], 'checkpoints needs one of: list, show, reset'],
    [['checkpoints', 'shwo', 'a:b'], 'did you mean "show"?'],
    [['refresh', '--forse'], 'unknown option --forse (did you mean "--force"?)'],
    [['refresh', '--no-force'], 'unknown option --no-force'],
    [['refresh', '--maxCalls', '5'], 'unknown option --maxCalls (did you mean "--max-calls"?)'],
    [['refresh', 'now'], 'unknown command or argument "now"'],
    [['refresh', '--source'], '--source needs a value'],
    [['refresh', '--source='], '--source needs a value'],
    [['refresh', '--limit', 'abc'], '--limit must be a whole number above 0, not "abc"'],
    [['refresh', '--limit', '-3'], '--limit'],
    [['refresh', '--limit', '1e3'], '--limit must be a whole number above 0, not "1e3"'],
    [['refresh', '--limit', '1', '--limit', '2'], '--limit was given more than once'],
    [['refresh', '--limit.x', '1'], 'unknown option --limit.x'],
    [['refresh', '--window', '2023-10-07:2023-10-01'], 'ends before it begins'],
    [['refresh', '--window', '2023-02-30'], 'is not a window'],
    [['refresh', '--partition', 'sam_gov'], '--partition must be a partition such as'],
    [['refresh', '--cohort', 'a,b'], '--cohort must be a cohort such as'],
    [['checkpoints', 'show'], 'checkpoints show needs PARTITION'],
    [['checkpoints', 'show', 'x'], 'PARTITION must be a partition'],
    [['events', '--kind', 'gone'], '--kind must be one of created, changed, absent, returned'],
    [['events', '--entity', 'firm:x'], '--entity must be kind:key'],
    [['events', '--since', 'yesterday'], '--since must be a time ago'],
    [['freshness', '--fail-under', '7'], '--fail-under must be a share'],
    [['pending', 'add', '--source', 'a', '--entity', 'company:x'], '--reason is needed'],
    [['plan', '--verbose', '--quiet'], '--verbose and --quiet exclude each other'],
    [['sandbox', '--port', '70000'], '--port must be a port'],
    [['refresh', '--dry-run=yes'], '--dry-run takes no value: write --dry-run, or leave it out'],
    [['plan', '--json=1', '--force='], '--force takes no value'],
  ])('%j: %s', (argv, message) => {
    const error = usageError(...argv)
    expect(error).toMatchObject({ recovery: 'usage', code: 'usage' })
    expect(error.message).toContain(message)
    expect(error.hint).toMatch(/^see: node ts\/cli\.js .*--help$/)
  })

  it('points to the help of what was called, not to a command that has the name of an option’s value', () => {
    expect(usageError('--env', 'sandbox').hint).toBe('see: node ts/cli.js --help')
    expect(usageError('refrsh', '--env', 'sandbox')).toMatchObject({
      message: 'unknown command "refrsh" (did you mean "refresh"?)',
      hint: 'see: node ts/cli.js --help',
    })
    expect(usageError('--state', 'export', 'plan', '--nonsense').hint).toBe('see: node ts/cli.js plan --help')
  })

  it('lists all that is wrong at once', () => {
    const { message } = usageError('refresh', '--limit', 'x', '--max-calls', 'y', '--window', 'z')
    expect(message).toContain('--limit')
    expect(message).toContain('--max-calls')
    expect(message).toContain('--window')
  })
})

describe('help and version', () => {
  const printed = (...argv: string[]): string => {
    const parsed = parse(...argv)
    return parsed.kind === 'print' ? parsed.text : ''
  }

  it('says what a command takes, also while other arguments are wrong or missing', () => {
    expect(printed('checkpoints', 'show', '--help')).toContain('node ts/cli.js checkpoints show PARTITION [options]')
    expect(printed('refresh', '--nonsense', '--help')).toContain('--max-calls N')
    expect(printed('--env', 'prod', 'plan', '-h')).toContain('Examples:')
    expect(printed('--env', 'sandbox', 'plan', '--help')).toMatch(/^node ts\/cli\.js plan /)
    expect(printed('checkpoints', '--help')).toMatch(/checkpoints list[\s\S]*checkpoints reset/)
  })

  it('lists every command', () => {
    const overview = printed('--help')
    for (const command of commands) expect(overview).toContain(command.name)
    expect(printed('--version')).toBe('1.2.3\n')
  })

  it('keeps to the width', () => {
    for (const command of commands) {
      const parsed = parseArguments([...command.name.split(' '), '--help'], commands, '', 80)
      if (parsed.kind !== 'print') throw new Error('no help')
      const prose = parsed.text.split('\nExamples:')[0]!
      for (const line of prose.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80)
    }
  })
})

describe('every command', () => {
  it('has names of its own: none of its options is one of those that all commands take', () => {
    for (const command of commands) {
      const own = [...Object.keys(command.options), ...Object.keys(command.positionals)]
      expect(
        own.filter((name) => name in GLOBAL_OPTIONS),
        command.name,
      ).toEqual([])
    }
    expect(new Set(commands.map((command) => command.name)).size).toBe(commands.length)
  })

  it.each(commands.map((command) => [command.name, command] as const))(
    '%s has a summary, and examples that are accepted',
    (_name, command) => {
      expect(command.summary).toMatch(/^[A-Z].*[^.]$/)
      expect(command.examples.length).toBeGreaterThan(0)
      for (const example of command.examples) {
        const argv = (example.command.split(' > ')[0]!.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ''))
        expect(run(...argv).command.name).toMatch(/^[a-z ]+$/)
        expect(example.does).toMatch(/\.\)?$/)
      }
      for (const spec of Object.values(command.options)) expect(spec.describe.length).toBeGreaterThan(5)
    },
  )
})

describe('--set', () => {
  it('without a value is a usage error that does not repeat what was written', async () => {
    const { GLOBAL_OPTIONS } = await import('../../../ts/cli/globals.ts')
    const parsed = GLOBAL_OPTIONS.set.schema.safeParse(['hunter2'])
    expect(parsed.success).toBe(false)
    expect(JSON.stringify(parsed.error?.issues)).toContain('path=value')
    expect(JSON.stringify(parsed.error?.issues)).not.toMatch(/hunter2|must/)
  })

  it('of a credential is not kept with the command', async () => {
    const { commandLineOf } = await import('../../../ts/cli/context.ts')
    const path = 'enrichment.sam_gov.credentials.api_key'
    for (const [written, kept] of [
      [`${path}.loopback_value=hunter2`, `${path}.loopback_value=[redacted]`],
      [`${path}.LOOPBACK_VALUE=two words, hunter2`, `${path}.LOOPBACK_VALUE=[redacted]`],
      [`${path}={"env":"A","loopback_value":"hunter2"}`, `${path}=[redacted]`],
      [`--set=${path}={env: A, loopback_value: hunter2}`, `--set=${path}=[redacted]`],
    ] as const) {
      expect(commandLineOf(['refresh', '--set', written, '--limit', '5'])).toBe(`refresh --set ${kept} --limit 5`)
    }
    expect(commandLineOf(['plan', '--set', 'run.max_calls=5'])).toBe('plan --set run.max_calls=5')
  })
})
