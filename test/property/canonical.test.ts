import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import { canonicalJson, payloadHash } from '../../ts/refresh/canonical.ts'
import { diffRecords } from '../../ts/refresh/diff.ts'
import { mutated, pathRules, record, shuffledMembers } from '../support/arbitrary-records.ts'

// Many runs each, and no statement about speed.
vi.setConfig({ testTimeout: 120_000 })

/** Records that differ in a few places, or in nothing that counts, far more often than two random ones would. */
const pair = record.chain((before) => fc.tuple(fc.constant(before), fc.oneof(mutated(before), shuffledMembers(before), record)))

describe('payload hash and diff', () => {
  test('two records hash alike exactly when the diff finds nothing, whatever the rules', () => {
    fc.assert(
      fc.property(pair, pathRules, ([before, after], rules) => {
        expect(payloadHash(before, rules) === payloadHash(after, rules)).toBe(diffRecords(before, after, rules).length === 0)
      }),
      { numRuns: 2_000 },
    )
  })

  test('a record never differs from itself, nor from itself with its members in another order', () => {
    const shuffled = record.chain((value) => fc.tuple(fc.constant(value), shuffledMembers(value)))
    fc.assert(
      fc.property(shuffled, pathRules, ([value, other], rules) => {
        expect(diffRecords(value, other, rules)).toEqual([])
        expect(payloadHash(other, rules)).toBe(payloadHash(value, rules))
      }),
      { numRuns: 1_000 },
    )
  })

  test('the diff is symmetric: the way back names the same paths with old and new exchanged', () => {
    fc.assert(
      fc.property(pair, pathRules, ([before, after], rules) => {
        const there = diffRecords(before, after, rules).map(({ path, old, new: now }) => [path, old, now])
        const back = diffRecords(after, before, rules).map(({ path, old, new: now }) => [path, now, old])
        expect(back).toEqual(there)
      }),
      { numRuns: 500 },
    )
  })

  test('canonical JSON of a record without odd numbers is JSON that says the same', () => {
    fc.assert(
      fc.property(record, (value) => {
        const text = canonicalJson(value)
        expect(canonicalJson(JSON.parse(text) as JsonObject)).toBe(text)
      }),
    )
  })

  test('a member that is null counts as missing, at any depth', () => {
    fc.assert(
      fc.property(record, fc.string(), (value, name) => {
        const withNull: JsonObject = Object.hasOwn(value, name)
          ? value
          : { ...value, ...JSON.parse(`{${JSON.stringify(name)}:null}`) }
        expect(payloadHash({ deep: [withNull] })).toBe(payloadHash({ deep: [value] }))
        expect(diffRecords({ deep: [withNull] }, { deep: [value] })).toEqual([])
      }),
    )
  })

  test('does not change what it is given', () => {
    fc.assert(
      fc.property(pair, pathRules, ([before, after], rules) => {
        const copies = JSON.stringify([before, after])
        payloadHash(before, rules)
        diffRecords(before, after, rules)
        expect(JSON.stringify([before, after])).toBe(copies)
      }),
      { numRuns: 200 },
    )
  })

  test('a hundred thousand elements are hashed and compared without quadratic work', () => {
    const rows: JsonValue[] = Array.from({ length: 100_000 }, (_, i) => ({ code: String(i), score: i % 7 }))
    const rules = { volatile: [], unordered: [], arrayKeys: { '$.rows': ['code'] } }
    expect(diffRecords({ rows }, { rows: [...rows].reverse() }, rules)).toEqual([])
    expect(payloadHash({ rows }, rules)).toBe(payloadHash({ rows: [...rows].reverse() }, rules))
  })
})
