import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatAssetKey, parseAssetKey, resolveAssetKey } from '../../../ts/pipes/asset-key.ts'

test.each([
  [['a'], 'a'],
  [['coverage', 'sam_gov'], 'coverage/sam_gov'],
  [['a', 'b/c'], 'a/b\\/c'],
  [['a\\', 'b'], 'a\\\\/b'],
])('%j is written as %s', (parts, text) => {
  expect(formatAssetKey(parts)).toBe(text)
  expect(parseAssetKey(text)).toEqual(parts)
})

test('parsing undoes writing', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), (parts) => {
      expect(parseAssetKey(formatAssetKey(parts))).toEqual(parts)
    }),
  )
})

describe('which asset a report is about', () => {
  test('the only one of the step, or the one given, as Dagster wrote it', () => {
    expect(resolveAssetKey(['a/b'], null, 'report')).toBe('a/b')
    expect(resolveAssetKey(['a/b', 'c'], 'c', 'report')).toBe('c')
    expect(resolveAssetKey(['x\\/y'], '\\x\\/y', 'report')).toBe('x\\/y')
    expect(resolveAssetKey(null, 'free', 'report')).toBe('free')
  })

  test.each([
    [null, null, 'does not target an asset'],
    [[], null, 'does not target an asset'],
    [['a', 'b'], null, 'targets several (a, b)'],
    [['a'], 'b', 'expected one of a'],
    // A slash inside a part is not a border between parts.
    [['a/b'], 'a\\/b', 'is not an asset of the step'],
  ])('%j, given %j', (known, given, expected) => {
    expect(() => resolveAssetKey(known, given, 'report')).toThrow(expected)
  })
})
