import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalDecimal } from '../../../../ts/adapters/shared/decimal.ts'
import { countOf, listOf, memberAt, textAt } from '../../../../ts/adapters/shared/json.ts'
import { clipText, foldText, stripId } from '../../../../ts/adapters/shared/text.ts'
import { usStateCode } from '../../../../ts/adapters/shared/us-states.ts'

describe('canonicalDecimal', () => {
  it.each([
    ['274993.00', '274993'],
    ['275000', '275000'],
    ['1249999.50', '1249999.5'],
    ['274,993.10', '274993.1'],
    ['$1,000', '1000'],
    ['-$5.50', '-5.5'],
    ['007', '7'],
    ['-0.00', '0'],
    ['+3', '3'],
    ['12.', '12'],
    ['1e3', '1000'],
  ])('reads %s', (text, decimal) => {
    expect(canonicalDecimal(text)).toBe(decimal)
  })

  it.each([
    [4345585999.01, '4345585999.01'],
    [0.1 + 0.2, '0.3'],
    [0, '0'],
    [-0, '0'],
    [1e21, '1000000000000000000000'],
    [1.5e-7, '0.00000015'],
    [717015404040, '717015404040'],
  ])('reads the number %d', (number, decimal) => {
    expect(canonicalDecimal(number)).toBe(decimal)
  })

  it.each(['', 'abc', '1,00', '1.2.3', '--1', 'NaN', '1e9999', '0x10', null, true, {}, []])('refuses %s', (value) => {
    expect(canonicalDecimal(value)).toBeNull()
  })

  it('gives cents back as they were, from number and text alike', () => {
    fc.assert(
      fc.property(fc.integer({ min: -9_999_999_999_999, max: 9_999_999_999_999 }), (cents) => {
        const text = `${cents < 0 ? '-' : ''}${Math.trunc(Math.abs(cents) / 100)}.${String(Math.abs(cents) % 100).padStart(2, '0')}`
        const decimal = canonicalDecimal(text)
        expect(canonicalDecimal(cents / 100)).toBe(decimal)
        expect(Number(decimal)).toBe(cents === 0 ? 0 : cents / 100)
        expect(canonicalDecimal(decimal!)).toBe(decimal)
      }),
    )
  })

  it('never writes an exponent', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(canonicalDecimal(number)).toMatch(/^-?\d+(\.\d+)?$/)
      }),
    )
  })
})

describe('text', () => {
  it('folds white space and what spreadsheets leave behind', () => {
    expect(foldText(' a_x000D_\n_x000D_\n b\t c ')).toBe('a b c')
  })

  it('folds any text as its definition says', () => {
    const piece = fc.constantFrom(' ', '  ', '\t', '\n', '\u00a0', '_x000D_', 'a', 'b c', '')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join('')),
        ),
        (text) => {
          const folded = foldText(text)
          expect(folded).toBe(
            text
              .replaceAll('_x000D_', ' ')
              .split(/\s+/)
              .filter((word) => word !== '')
              .join(' '),
          )
          expect(foldText(folded)).toBe(folded)
        },
      ),
    )
  })

  it('strips award numbers to letters and digits', () => {
    expect(stripId(' fa8651-14-c-0132 ')).toBe('FA865114C0132')
  })

  it('keeps provider text to one harmless line', () => {
    expect(clipText('a\u001b[31m\nb\u202ec')).toBe('a [31m b c')
    expect(clipText('x'.repeat(500))).toHaveLength(200)
  })
})

describe('members of provider JSON', () => {
  it('reads along a path and never beyond', () => {
    expect(memberAt({ a: { b: 1 } }, 'a', 'b')).toBe(1)
    expect(memberAt({ a: [] }, 'a', 'length')).toBeUndefined()
    expect(memberAt({}, 'toString')).toBeUndefined()
    expect(memberAt({}, 'constructor', 'name')).toBeUndefined()
    expect(textAt({ a: ' x  y ' }, 'a')).toBe('x y')
    expect(textAt({ a: '' }, 'a')).toBeNull()
  })

  it('reads lists that collapsed and counts that are text', () => {
    expect([listOf([1]), listOf({ a: 1 }), listOf(null), listOf(undefined)]).toEqual([[1], [{ a: 1 }], [], []])
    expect([countOf('46'), countOf(46), countOf('x'), countOf(-1), countOf(1.5), countOf(null)]).toEqual([
      46,
      46,
      null,
      null,
      null,
      null,
    ])
  })

  it('knows states by code and by name', () => {
    expect([usStateCode('ca'), usStateCode('Massachusetts'), usStateCode('Ontario')]).toEqual(['CA', 'MA', null])
  })
})
