import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareRefs, compareText } from '../../../ts/stores/text-order.ts'

describe('compareText', () => {
  it('orders as the UTF-8 bytes do', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', 'é', '\uD7FF', '\uE000', '\uFF21', '\uFFFF', '\u{10000}', '\u{1F600}', '\0'),
    })
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareText(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
      }),
    )
  })
})

describe('compareRefs', () => {
  it('orders by kind, then key', () => {
    const refs = [
      { kind: 'person', key: 'a' },
      { kind: 'award', key: 'b' },
      { kind: 'award', key: 'B' },
    ] as const
    expect([...refs].sort(compareRefs)).toEqual([refs[2], refs[1], refs[0]])
  })
})
