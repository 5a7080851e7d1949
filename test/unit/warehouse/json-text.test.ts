import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonText } from '../../../ts/warehouse/json-text.ts'

describe('jsonText', () => {
  it('replaces lone surrogates, and nothing else', () => {
    expect(JSON.parse(jsonText({ a: 'x\uD800y', '\uDFFF': '😀' }))).toEqual({ a: 'x\uFFFDy', '\uFFFD': '😀' })
    expect(JSON.parse(jsonText('a text that says \\ud800'))).toBe('a text that says \\ud800')
    expect(JSON.parse(jsonText('\\\uD800'))).toBe('\\\uFFFD')
  })

  it('is JSON.stringify for well-formed values', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(jsonText(value)).toBe(JSON.stringify(value))
      }),
    )
  })

  it('never leaves an escaped surrogate', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom('\\', '\uD800', '\uDC00', 'u', 'd800'), fc.string({ unit: 'binary' }))),
        (parts) => {
          const value = parts.join('')
          expect(JSON.parse(jsonText(value))).toBe(value.toWellFormed())
        },
      ),
    )
  })
})
