import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCli } from '../../../ts/cli/app.ts'
import type { EngineHandle } from '../../../ts/cli/engine.ts'
import { errorShape, SHAPES } from '../../../ts/cli/json-shapes.ts'
import type { Checkpoint } from '../../../ts/model/checkpoint.ts'
import { NO_COUNTS } from '../../../ts/model/checkpoint.ts'
import { EngineError } from '../../../ts/model/errors.ts'
import { GOOD } from '../config/fake-adapters.ts'
import { type Collector, testWorld } from './world.ts'

let home: string
let flags: readonly string[]

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'cli-app-'))
  await mkdir(join(home, 'config'))
  await writeFile(join(home, 'config', 'base.yaml'), GOOD)
  await writeFile(join(home, 'config', 'dev.yaml'), '')
  flags = ['--config-dir', join(home, 'config')]
})
afterEach(() => rm(home, { recursive: true, force: true }))

const checkpoint: Checkpoint = {
  partition: 'a:x',
  version: 3,
  status: 'open',
  strategy: 'batch',
  passStartedAt: 0,
  window: null,
  cursor: 'c',
  counts: NO_COUNTS,
  updatedAt: 1,
  finishedAt: null,
  durationMs: null,
  runId: 'run_1',
  ledgerWatermark: null,
}

function engineWith(store: Partial<EngineHandle['store']>, more: Partial<EngineHandle> = {}): Partial<EngineHandle> {
  return {
    store: store as EngineHandle['store'],
    clock: { now: () => 5, monotonic: () => ({ ms: 0, boot: 'b' }), sleep: async () => {} },
    ...more,
  }
}

describe('results', () => {
  it('go to stdout as one document with --json, and as a table without', async () => {
    const world = testWorld({ engine: engineWith({ checkpoints: async () => [checkpoint] }) })
    expect(await runCli(['checkpoints', 'list', '--json', ...flags], world)).toBe(0)
    expect(SHAPES['checkpoints list']!.parse(JSON.parse(world.stdout.text))).toMatchObject({
      checkpoints: [{ partition: 'a:x', status: 'open' }],
    })
    expect(world.stderr.text).toBe('')

    const people = testWorld({ engine: engineWith({ checkpoints: async () => [checkpoint] }) })
    expect(await runCli(['checkpoints', 'list', ...flags], people)).toBe(0)
    expect(people.stdout.text).toMatch(/^partition +pass +strategy/)
    expect(people.stdout.text).not.toContain('\u001b')
  })

  it('have bold titles on a terminal only, and not with NO_COLOR', async () => {
    const shown = async (variables: Record<string, string>) => {
      const world = testWorld({ variables, engine: engineWith({ checkpoints: async () => [checkpoint] }) })
      world.stdout.isTTY = true
      await runCli(['checkpoints', 'list', ...flags], world)
      return world.stdout.text
    }
    expect(await shown({})).toContain('\u001b[1mpartition')
    expect(await shown({ NO_COLOR: '1' })).not.toContain('\u001b')
  })

  it('never hold a secret, whatever the store holds', async () => {
    const variables = { B_KEY: 'very-secret-key-1' }
    for (const json of [[], ['--json']]) {
      const world = testWorld({
        variables,
        engine: engineWith({ checkpoints: async () => [{ ...checkpoint, runId: 'x very-secret-key-1 y' }] }),
      })
      await runCli(['checkpoints', 'list', ...json, ...flags], world)
      expect(world.stdout.text).toContain('[redacted]')
      expect(world.stdout.text).not.toContain('very-secret-key-1')
    }
  })

  it('close the engine, also after an error', async () => {
    let closed = 0
    const close = async () => {
      closed += 1
    }
    await runCli(['checkpoints', 'list', ...flags], testWorld({ engine: engineWith({ checkpoints: async () => [] }, { close }) }))
    await runCli(
      ['checkpoints', 'list', ...flags],
      testWorld({
        engine: engineWith(
          {
            checkpoints: async () => {
              throw new Error('x')
            },
          },
          { close },
        ),
      }),
    )
    expect(closed).toBe(2)
  })
})

describe('errors', () => {
  const failing = (error: unknown) =>
    testWorld({
      engine: engineWith({
        checkpoints: async () => {
          throw error
        },
      }),
    })

  it.each([
    ['usage', 2],
    ['configuration', 78],
    ['try_later', 75],
    ['interrupted', 130],
    ['failed', 1],
  ] as const)('of recovery %s end with %i', async (recovery, code) => {
    const world = failing(new EngineError(recovery, 'some_code', 'what happened', { hint: 'what to do' }))
    expect(await runCli(['checkpoints', 'list', ...flags], world)).toBe(code)
    expect(world.stderr.text).toBe('error: what happened\nnext: what to do\n')
    expect(world.stdout.text).toBe('')

    const json = failing(new EngineError(recovery, 'some_code', 'what happened'))
    expect(await runCli(['checkpoints', 'list', '--json', ...flags], json)).toBe(code)
    expect(errorShape.parse(JSON.parse(json.stdout.text)).error).toMatchObject({
      code: 'some_code',
      recovery,
      exit_code: code,
      next: null,
    })
    expect(json.stderr.text).toBe('')
  })

  it('that are bugs show where, and say so', async () => {
    const world = failing(new TypeError('x is not a function', { cause: new Error('deep') }))
    expect(await runCli(['checkpoints', 'list', '--json', ...flags], world)).toBe(1)
    expect(errorShape.parse(JSON.parse(world.stdout.text)).error.code).toBe('bug')
    expect(world.stderr.text).toMatch(/TypeError: x is not a function\n +at .*app\.test\.ts/)
    expect(world.stderr.text).toContain('caused by: Error: deep')
    expect(world.stderr.text).toContain('this is a bug in the program')
  })

  it('after a signal are an interruption', async () => {
    const world = failing(Object.assign(new Error('aborted'), { name: 'AbortError' }))
    world.stop.abort()
    expect(await runCli(['checkpoints', 'list', ...flags], world)).toBe(130)
    expect(world.stderr.text).toContain('stopped by a signal')
  })

  it('of the configuration list all problems, for people and programs', async () => {
    await writeFile(join(home, 'config', 'dev.yaml'), 'run: { max_cals: 1 }\nlog: { level: loud }')
    const people = testWorld()
    expect(await runCli(['plan', ...flags], people)).toBe(78)
    expect(people.stderr.text).toContain('the configuration has 2 problems')
    expect(people.stderr.text).toContain('run.max_cals (config/dev.yaml:1) is unknown (did you mean "max_calls"?)')
    const json = testWorld()
    expect(await runCli(['plan', '--json', ...flags], json)).toBe(78)
    expect(errorShape.parse(JSON.parse(json.stdout.text)).error.problems.map((problem) => problem.path)).toEqual([
      'log.level',
      'run.max_cals',
    ])
  })

  it('of arguments answer in JSON too', async () => {
    const world = testWorld()
    expect(await runCli(['plan', '--jsno', '--json'], world)).toBe(2)
    expect(errorShape.parse(JSON.parse(world.stdout.text)).error.message).toContain('--jsno')
  })

  it('name unknown sources and what was likely meant', async () => {
    const world = testWorld({ engine: engineWith({}) })
    expect(await runCli(['refresh', '--source', 'aa', ...flags], world)).toBe(2)
    expect(world.stderr.text).toBe('error: there is no source "aa" (did you mean "a"?)\nnext: use one of: a, b\n')
    const astray = testWorld({ engine: engineWith({}) })
    expect(await runCli(['refresh', '--source', 'a', '--partition', 'b:x', ...flags], astray)).toBe(2)
    expect(astray.stderr.text).toContain('--partition b:x is not of the sources named')
  })
})

describe('output', () => {
  it('that nobody reads any more is no error', async () => {
    const gone = Object.assign(
      new Writable({
        write(_chunk, _encoding, done) {
          done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
        },
      }),
      { text: '', isTTY: false, columns: 100 },
    )
    const world = { ...testWorld({ engine: engineWith({ checkpoints: async () => [checkpoint] }) }), stdout: gone }
    expect(await runCli(['checkpoints', 'list', ...flags], world)).toBe(0)
  })

  it('that cannot be written is one', async () => {
    const full = Object.assign(
      new Writable({
        write(_chunk, _encoding, done) {
          done(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }))
        },
      }),
      { isTTY: false, columns: 100 },
    )
    const world = { ...testWorld({ engine: engineWith({ checkpoints: async () => [checkpoint] }) }), stdout: full }
    expect(await runCli(['checkpoints', 'list', ...flags], world)).toBe(1)
    expect((world.stderr as Collector).text).toContain('the output cannot be written: no space left')
  })

  it('waits for a slow reader', async () => {
    let taken = 0
    const slow = Object.assign(
      new Writable({
        highWaterMark: 1,
        write(chunk: Buffer, _encoding, done) {
          setTimeout(() => {
            taken += chunk.length
            done()
          }, 5)
        },
      }),
      { isTTY: false, columns: 100 },
    )
    const many = Array.from({ length: 3000 }, (_, index) => ({ ...checkpoint, partition: `a:${index}` }))
    const world = { ...testWorld({ engine: engineWith({ checkpoints: async () => many }) }), stdout: slow }
    await runCli(['checkpoints', 'list', '--json', ...flags], world)
    expect(taken).toBeGreaterThan(1_000_000)
  })
})

describe('config commands', () => {
  it('check, with the exit code of the finding', async () => {
    const good = testWorld()
    expect(await runCli(['config', 'check', '--json', ...flags], good)).toBe(0)
    const document = SHAPES['config check']!.parse(JSON.parse(good.stdout.text)) as { warnings: { path: string }[] }
    expect(document).toMatchObject({ ok: true, environment: 'dev', problems: [] })
    expect(document.warnings.map((warning) => warning.path)).toEqual(['enrichment.b.credentials.api_key'])
    const bad = testWorld()
    expect(await runCli(['config', 'check', '--set', 'enrichment_refresh.a.sla=1h', ...flags], bad)).toBe(78)
    expect(bad.stdout.text).toContain('enrichment_refresh.a.sla (--set enrichment_refresh.a.sla) is shorter than cadence')
    expect(bad.stdout.text).toContain('fix: ')
  })

  it('show what results, and where it came from', async () => {
    const world = testWorld({ variables: { ENRICHMENT__RUN__MAX_CALLS: '7' } })
    expect(await runCli(['config', 'show', '--json', ...flags], world)).toBe(0)
    const document = SHAPES['config show']!.parse(JSON.parse(world.stdout.text)) as {
      config: { run: unknown }
      origins: Record<string, string>
    }
    expect(document.config.run).toMatchObject({ max_calls: 7 })
    expect(document.origins['run.max_calls']).toBe('environment variable ENRICHMENT__RUN__MAX_CALLS')
    const people = testWorld()
    await runCli(['config', 'show', '--origins', ...flags], people)
    expect(people.stdout.text).toContain('enrichment.a.adapter: config/base.yaml:4\n')
  })

  it('print a JSON Schema that says what is needed', async () => {
    const world = testWorld()
    expect(await runCli(['config', 'schema', '--json', ...flags], world)).toBe(0)
    const schema = SHAPES['config schema']!.parse(JSON.parse(world.stdout.text)) as { required: string[] }
    expect(schema.required).toEqual(['enrichment', 'enrichment_refresh'])
  })

  it('take the environment from ENRICHMENT_ENV, and --env before it', async () => {
    await writeFile(join(home, 'config', 'prod.yaml'), '')
    const shown = async (argv: readonly string[], variables: Record<string, string>) => {
      const world = testWorld({ variables })
      await runCli(['config', 'check', '--json', ...argv, ...flags], world)
      return (JSON.parse(world.stdout.text) as { environment: string }).environment
    }
    expect(await shown([], { ENRICHMENT_ENV: 'prod' })).toBe('prod')
    expect(await shown(['--env', 'dev'], { ENRICHMENT_ENV: 'prod' })).toBe('dev')
    expect(await shown([], { ENRICHMENT_ENV: '' })).toBe('dev')
  })
})
