import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type GuardedContext, type GuardedProcess, guardProcess } from '../../../ts/pipes/guard.ts'
import { watchParent } from '../../../ts/pipes/parent.ts'
import { captureStdio } from '../../../ts/pipes/stdio-capture.ts'

class Host extends EventEmitter {
  exitCode: number | string | null | undefined = undefined
  readonly exits: number[] = []
  exit(code?: number): void {
    this.exits.push(code ?? 0)
    this.emit('exit', code ?? 0)
  }
}

class Guarded implements GuardedContext {
  state: GuardedContext['state'] = 'open'
  isFailed = false
  isGuarded = false
  readonly ends: unknown[] = []
  broken = false
  close(exception?: unknown): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.isFailed = (exception ?? null) !== null
    this.ends.push(exception ?? null)
    if (this.broken) {
      this.isFailed = true
      throw new Error('no channel')
    }
  }
}

let host: Host
let context: Guarded
let said: string[]
beforeEach(() => {
  host = new Host()
  context = new Guarded()
  said = []
  guardProcess(context, {
    say: (text) => void said.push(text),
    exitCodeOf: (error) => (error instanceof RangeError ? 78 : 1),
    process: host as unknown as GuardedProcess,
  })
})

describe('the last word', () => {
  test('an uncaught error', () => {
    const error = new RangeError('uncaught')
    host.emit('uncaughtException', error)
    expect([context.ends, host.exits]).toEqual([[error], [78]])
    expect(said.join('')).toContain('uncaught')
  })

  test('an uncaught error while somebody else listens: told, but theirs to end', () => {
    host.on('uncaughtException', () => {})
    host.emit('uncaughtException', new Error('x'))
    expect([context.ends.length, host.exits]).toEqual([1, []])
  })

  test('a signal that nobody handles ends the process; one that somebody handles is theirs', () => {
    host.on('SIGTERM', () => {})
    host.emit('SIGTERM')
    expect(context.ends).toEqual([])
    host.emit('SIGINT')
    expect(context.ends).toEqual([expect.objectContaining({ name: 'Interrupted', message: expect.stringContaining('SIGINT') })])
    expect(host.exits).toEqual([130])
  })

  test('the end without a close: not finished, exit code 1', () => {
    host.emit('exit', 0)
    expect(context.ends).toEqual([expect.objectContaining({ name: 'Unfinished' })])
    expect(host.exitCode).toBe(1)
  })

  test('an exit code of its own is kept', () => {
    host.emit('exit', 75)
    expect(context.ends).toEqual([expect.objectContaining({ name: 'ExitCode' })])
    expect(host.exitCode).toBeUndefined()
  })

  test('`using`: clean when the process ends well, failed when it does not', () => {
    context.state = 'disposed'
    host.emit('exit', 0)
    expect([context.ends, host.exitCode]).toEqual([[null], undefined])
  })

  test('`using` and then an error: the error', () => {
    context.state = 'disposed'
    const error = new Error('after')
    host.emit('uncaughtException', error)
    expect(context.ends).toEqual([error])
  })

  test('a clean close and exit code 0 stay as they are; closed with an exception they do not', () => {
    context.close()
    host.emit('exit', 0)
    expect(host.exitCode).toBeUndefined()
    context.isFailed = true
    host.emit('exit', 0)
    expect(host.exitCode).toBe(1)
  })

  test('a channel that is broken hides neither the error nor the exit code', () => {
    context.broken = true
    host.emit('exit', 0)
    expect(host.exitCode).toBe(1)
    expect(said.join('')).toContain('no channel')
  })
})

describe('the parent', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('is missed once, when the process has another one', () => {
    let parent = 10
    const onOrphaned = vi.fn()
    watchParent({ onOrphaned, parentPid: () => parent })
    vi.advanceTimersByTime(10_000)
    expect(onOrphaned).not.toHaveBeenCalled()
    parent = 1
    vi.advanceTimersByTime(200)
    vi.advanceTimersByTime(10_000)
    expect(onOrphaned).toHaveBeenCalledTimes(1)
  })

  test('may be process 1 from the beginning, as in a container', () => {
    const onOrphaned = vi.fn()
    watchParent({ onOrphaned, parentPid: () => 1 })
    vi.advanceTimersByTime(10_000)
    expect(onOrphaned).not.toHaveBeenCalled()
  })

  test('is not the only one: a launcher behind it counts too, until the watch is stopped', () => {
    const alive = new Set([77])
    const onOrphaned = vi.fn()
    const options = { onOrphaned, launcherPid: 77, parentPid: () => 10, isAlive: (pid: number) => alive.has(pid) }
    const stop = watchParent(options)
    watchParent({ ...options, everyMs: 500 })
    stop()
    alive.clear()
    vi.advanceTimersByTime(499)
    expect(onOrphaned).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(onOrphaned).toHaveBeenCalledTimes(1)
  })
})

test('captured output is printed and copied; a copy that fails is no reason not to print', () => {
  const printed: unknown[] = []
  const stream = () => ({ write: ((chunk: unknown) => printed.push(chunk) > 0) as NodeJS.WriteStream['write'] })
  const streams = { stdout: stream(), stderr: stream() }
  const copies: string[] = []
  const stop = captureStdio((name, text) => {
    if (text === 'bad') throw new Error('no')
    copies.push(`${name}:${text}`)
    streams.stderr.write('from within')
  }, streams)
  streams.stdout.write('one')
  streams.stderr.write(Buffer.from('ü'))
  streams.stdout.write('bad')
  stop()
  streams.stdout.write('after')
  expect(copies).toEqual(['stdout:one', 'stderr:ü'])
  expect(printed.map(String)).toEqual(['from within', 'one', 'from within', 'ü', 'bad', 'after'])
})
