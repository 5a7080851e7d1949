import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../../ts/model/json.ts'
import { sameJson } from '../../../ts/stores/json-equal.ts'

describe('sameJson', () => {
  it('ignores the order of members, not of elements', () => {
    expect(sameJson({ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 })).toBe(true)
    expect(sameJson([1, 2], [2, 1])).toBe(false)
  })

  it('tells apart what looks alike', () => {
    const pairs: [JsonValue, JsonValue][] = [
      [null, {}],
      [[], {}],
      [{ a: null }, {}],
      [{ a: 1 }, { b: 1 }],
      ['1', 1],
      [JSON.parse('{"__proto__":1}') as JsonValue, {}],
      [JSON.parse('{"__proto__":{"x":1}}') as JsonValue, JSON.parse('{"__proto__":{"x":2}}') as JsonValue],
      [{ toString: 1 }, { valueOf: 1 }],
    ]
    for (const [a, b] of pairs) expect([sameJson(a, b), sameJson(b, a)]).toEqual([false, false])
  })

  it('finds every value equal to its copy', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(sameJson(value as JsonValue, JSON.parse(JSON.stringify(value)) as JsonValue)).toBe(true)
      }),
    )
  })
})
