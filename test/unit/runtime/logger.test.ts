import { describe, expect, test } from 'vitest'
import { createLogger, type LoggerOptions, MAX_FIELD_CHARS, stripControls } from '../../../ts/runtime/logger.ts'
import { createScrubber } from '../../../ts/runtime/scrub.ts'
import { Secret } from '../../../ts/runtime/secrets.ts'

const CANARY = 'canary-8f3a2b1c'
const AT = Date.UTC(2026, 10, 21, 3)

function setUp(changes: Partial<LoggerOptions> = {}) {
  const lines: string[] = []
  const scrubber = createScrubber()
  scrubber.add(new Secret('KEY', CANARY))
  const logger = createLogger({
    level: 'debug',
    format: 'json',
    write: (line) => void lines.push(line),
    scrubber,
    clock: { now: () => AT },
    ...changes,
  })
  const log = (...args: Parameters<typeof logger.log>): string => {
    logger.log(...args)
    return lines.at(-1) ?? ''
  }
  return { lines, log }
}

test('JSON: one object a line', () => {
  const { log } = setUp()
  expect(JSON.parse(log('warn', 'slow', { source: 'sam_gov', ms: 12, ok: true, none: null }))).toEqual({
    at: '2026-11-21T03:00:00.000Z',
    level: 'warn',
    message: 'slow',
    source: 'sam_gov',
    ms: 12,
    ok: true,
    none: null,
  })
})

test('text: for people, quoted where needed', () => {
  const { log } = setUp({ format: 'text' })
  expect(
    log('info', 'asked again', { source: 'sam_gov', why: 'HTTP 503, later', n: 2, undef: undefined, list: [1, 'a b'] }),
  ).toBe('2026-11-21T03:00:00.000Z info  asked again source=sam_gov why="HTTP 503, later" n=2 list=[1,"a b"]\n')
})

test('levels below the threshold are not written', () => {
  const { log, lines } = setUp({ level: 'warn' })
  log('debug', 'x')
  log('info', 'x')
  expect(lines).toHaveLength(0)
  log('warn', 'x')
  log('error', 'x')
  expect(lines).toHaveLength(2)
})

describe.each(['json', 'text'] as const)('%s: secrets', (format) => {
  const cause = Object.assign(new Error(`cause ${CANARY}`), { code: CANARY })
  test.each<[string, Record<string, unknown>]>([
    ['in a string', { a: `x${CANARY}y` }],
    ['in a key', { [CANARY]: 1 }],
    ['nested', { a: { b: [{ c: CANARY }] } }],
    ['in an error and its cause', { error: new Error(`boom ${CANARY}`, { cause }) }],
    ['as a Secret', { a: new Secret('KEY', CANARY) }],
    ['percent-encoded', { a: encodeURIComponent(CANARY) }],
    ['in base64', { a: Buffer.from(`user:${CANARY}`).toString('base64') }],
    ['in a URL', { url: new URL(`https://x.example/?k=${CANARY}`) }],
    ['across the cut', { a: 'x'.repeat(MAX_FIELD_CHARS - 5) + CANARY }],
    ['broken up by control characters', { a: `${CANARY.slice(0, 5)}\u202e${CANARY.slice(5)}` }],
  ])('%s', (_name, fields) => {
    const line = setUp({ format }).log('error', `message ${CANARY}`, fields)
    expect(line).not.toContain(CANARY)
    expect(line).not.toContain(CANARY.slice(0, 12))
    expect(line).not.toContain(Buffer.from(CANARY).toString('base64').slice(2, 12))
  })
})

describe.each(['json', 'text'] as const)('%s: hostile text', (format) => {
  test.each([
    ['another line', 'a\n{"level":"error"}\r\nb'],
    ['colours', '\x1b[31mred\x1b[0m'],
    ['a cleared screen', '\x1b[2J\x1b[H'],
    ['a window title', '\x1b]0;owned\x07x'],
    ['a link', '\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\'],
    ['C1', '\x9b31mred\x85'],
    ['line separators', 'a\u2028b\u2029c'],
    ['text that runs backwards', '\u202egnp.exe\u2066x\u2069\u200f'],
    ['a bell, a backspace, a NUL', 'a\x07b\x08c\x00d'],
  ])('%s is taken apart', (_name, text) => {
    const line = setUp({ format }).log('info', text, { field: text, nested: { deep: text }, [text]: 1 })
    expect(line.trimEnd()).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/)
    expect(line.endsWith('\n')).toBe(true)
    expect(line).not.toMatch(/\\u00[01]|\\n|\\u001b/)
    if (format === 'json') expect(JSON.parse(line)).toMatchObject({ level: 'info' })
  })
})

test('what remains of stripped text is readable', () => {
  expect(stripControls('\x1b[1;31mError\x1b[0m: a\tb\nc')).toBe('Error: a b c')
})

test('fields are capped, however they are built', () => {
  const { log } = setUp()
  const line = log('info', 'm'.repeat(100_000), {
    text: 'x'.repeat(10_000_000),
    list: Array.from({ length: 5_000 }, () => 'abc'),
    deep: nest(50),
    wide: Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, i])),
  })
  expect(line.length).toBeLessThan(6 * MAX_FIELD_CHARS)
  expect(() => JSON.parse(line)).not.toThrow()
})

function nest(depth: number): unknown {
  return depth === 0 ? 1 : { inner: nest(depth - 1) }
}

test('fields cannot pose as the time or the level', () => {
  const line = setUp().log('info', 'x', { at: 'never', level: 'error', message: 'forged' })
  expect(JSON.parse(line)).toEqual({
    at: '2026-11-21T03:00:00.000Z',
    level: 'info',
    message: 'x',
    at_: 'never',
    level_: 'error',
    message_: 'forged',
  })
})

test('odd values do not throw', () => {
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  const line = setUp().log('info', 'x', {
    circular,
    big: 12n,
    fn: () => 1,
    symbol: Symbol('s'),
    date: new Date(0),
    bare: Object.create(null),
    map: new Map([[1, 2]]),
  })
  expect(JSON.parse(line)).toMatchObject({ big: '12', date: '1970-01-01T00:00:00.000Z' })
})
