import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeJson, FloatNumber } from '../../../ts/pipes/encode.ts'
import { DagsterPipesError } from '../../../ts/pipes/protocol.ts'

describe('what JSON.stringify loses', () => {
  test.each([
    [{ a: undefined, b: () => 1, c: Symbol('s') }, '{"a":null,"b":null,"c":null}'],
    [[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0], '[null,null,null,0]'],
    [
      [new FloatNumber(1), new FloatNumber(-3), new FloatNumber(0.5), new FloatNumber(1e21), new FloatNumber(Number.NaN)],
      '[1.0,-3.0,0.5,1e+21,null]',
    ],
    [2n ** 64n, '18446744073709551616'],
    ['half \ud83d pair', '"half \ufffd pair"'],
    [{ 'key\udc00': 1 }, '{"key\ufffd":1}'],
    [
      new Map<unknown, unknown>([
        ['a', new Set([1, 2])],
        [2, null],
      ]),
      '{"a":[1,2],"2":null}',
    ],
    [new TypeError('no'), '{"name":"TypeError","message":"no"}'],
    [{ at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
    [{ at: new Date(Number.NaN) }, '{"at":null}'],
    ['two\nlines and \u2028', JSON.stringify('two\nlines and \u2028')],
  ])('%o', (value, expected) => {
    expect(encodeJson(value)).toBe(expected)
  })

  test('a value that contains itself, or is nested too deep, is refused; one that is there twice is not', () => {
    const own: Record<string, unknown> = {}
    own['self'] = own
    expect(() => encodeJson(own)).toThrow(DagsterPipesError)
    let deep: unknown = 1
    for (let n = 0; n < 101; n += 1) deep = [deep]
    expect(() => encodeJson(deep)).toThrow('nested more than 100 deep')
    const twice = { a: 1 }
    expect(encodeJson([twice, twice])).toBe('[{"a":1},{"a":1}]')
  })
})

test('for everything that is JSON already it says the same as JSON.stringify', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(encodeJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
})

test('it is one line, and every text goes through the scrubber', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.anything()), (value) => {
      const line = encodeJson(value)
      expect(line).not.toMatch(/[\n\r]/)
      JSON.parse(line)
    }),
  )
  const scrub = (text: string): string => text.replaceAll('secret', '[redacted]')
  expect(encodeJson({ secret: ['a secret', { deep: 'secret' }] }, scrub)).not.toContain('secret')
})
