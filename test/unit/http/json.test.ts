import { describe, expect, test } from 'vitest'
import { MAX_CONTAINERS, parseJson } from '../../../ts/http/json.ts'

function read(text: string): unknown {
  const parsed = parseJson(text, 64)
  if (!parsed.ok) throw new Error(parsed.why)
  return parsed.value
}

describe('numbers', () => {
  test.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', '9007199254740992'],
    ['9007199254740993', '9007199254740993'],
    ['-9007199254740993', '-9007199254740993'],
    ['123456789012345678901234567890', '123456789012345678901234567890'],
    ['1234567890.12345678901234', Number('1234567890.12345678901234')],
    ['0.1234567890123456789', Number('0.1234567890123456789')],
    ['1e400', '1e400'],
    ['-1E+400', '-1E+400'],
    ['1e3', 1000],
    ['1e20', 1e20],
    ['12345678901234567890.5', Number('12345678901234567890.5')],
    ['-0', -0],
  ])('%s', (text, expected) => {
    expect(read(`{"a":[${text}]}`)).toEqual({ a: [expected] })
    expect(read(text)).toEqual(expected)
  })

  test('digits inside strings and keys stay as they are', () => {
    const text = '{"id 9007199254740993": "x: 9007199254740993, \\"9007199254740993\\\\", "n": 9007199254740993}'
    expect(read(text)).toEqual({ 'id 9007199254740993': 'x: 9007199254740993, "9007199254740993\\', n: '9007199254740993' })
  })

  test('a run of digits is found wherever it lies against the stride', () => {
    for (let shift = 0; shift < 40; shift++) {
      expect(read(`["${'x'.repeat(shift)}",9007199254740993]`)).toEqual(['x'.repeat(shift), '9007199254740993'])
    }
  })

  test.each([
    '0000000000000000009',
    '[-00000000000000000001]',
    '9007199254740993.',
    '[9007199254740993 1]',
    '-',
    '{"a":9007199254740993',
  ])('%s is still no JSON', (text) => {
    expect(parseJson(text, 64)).toEqual({ ok: false, why: 'not_json' })
  })
})

describe('bounds', () => {
  test('depth', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
    expect(parseJson(nested(64), 64).ok).toBe(true)
    expect(parseJson(nested(65), 64)).toEqual({ ok: false, why: 'too_deep' })
    expect(parseJson(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`, 64)).toEqual({ ok: false, why: 'too_deep' })
  })

  test('brackets inside strings hide no depth', () => {
    const hidden = '["]","]",'.repeat(100)
    expect(parseJson(`${hidden}1${']'.repeat(100)}`, 64)).toEqual({ ok: false, why: 'too_deep' })
  })

  test('containers', () => {
    const many = `[${'[],'.repeat(MAX_CONTAINERS)}1]`
    expect(parseJson(many, 64)).toEqual({ ok: false, why: 'too_many' })
    expect(parseJson('['.repeat(MAX_CONTAINERS * 4), 64)).toEqual({ ok: false, why: 'too_many' })
    expect(parseJson(`[${'[],'.repeat(1_000)}1]`, 64).ok).toBe(true)
  })

  test('a bomb is refused without being built', () => {
    const bomb = '['.repeat(10_000_000) + ']'.repeat(10_000_000)
    const before = process.memoryUsage().rss
    expect(parseJson(bomb, 64)).toEqual({ ok: false, why: 'too_many' })
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000)
  })
})

test('members named __proto__ are data, and of duplicates the last one holds', () => {
  const value = read('{"__proto__":{"polluted":1},"a":1,"a":2,"constructor":{"prototype":{"polluted":1}}}') as Record<
    string,
    unknown
  >
  expect(Object.keys(value)).toEqual(['__proto__', 'a', 'constructor'])
  expect(value['a']).toBe(2)
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
})

test.each(['', ' ', '<html>', 'undefined', '{', '[1,]', "{'a':1}", '\u0000', 'NaN', '// x\n1'])('%j is no JSON', (text) => {
  expect(parseJson(text, 64)).toEqual({ ok: false, why: 'not_json' })
})
