import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { capUtf8 } from '../../../ts/stores/limits.ts'

describe('capUtf8', () => {
  it('leaves texts that fit', () => {
    expect(capUtf8('äb', 3)).toBe('äb')
    expect(capUtf8('', 0)).toBe('')
  })

  it('never cuts a character in two', () => {
    expect(capUtf8('aä', 2)).toBe('a')
    expect(capUtf8('a😀b', 4)).toBe('a')
    expect(capUtf8('a😀b', 5)).toBe('a😀')
  })

  it('gives the longest whole beginning', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(30), (text, bytes) => {
        const capped = capUtf8(text, bytes)
        expect(text.startsWith(capped)).toBe(true)
        expect(Buffer.byteLength(capped)).toBeLessThanOrEqual(bytes)
        const next = String.fromCodePoint(text.codePointAt(capped.length) ?? 0)
        if (capped.length < text.length) expect(Buffer.byteLength(capped + next)).toBeGreaterThan(bytes)
      }),
    )
  })
})
