import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../../ts/model/json.ts'
import { payloadHash } from '../../../ts/refresh/canonical.ts'
import { diffRecords } from '../../../ts/refresh/diff.ts'
import { NO_RULES, type PathRules } from '../../../ts/refresh/path-rules.ts'

function parsed(text: string): JsonObject {
  return JSON.parse(text) as JsonObject
}

/** Diff and hash must agree in every case below, so each asks both. */
function changes(
  before: JsonObject,
  after: JsonObject,
  rules: PathRules = NO_RULES,
): readonly (readonly [string, JsonValue | null, JsonValue | null])[] {
  const found = diffRecords(before, after, rules)
  expect(payloadHash(before, rules) === payloadHash(after, rules)).toBe(found.length === 0)
  return found.map(({ path, old, new: now }) => [path, old, now] as const)
}

describe('diffRecords', () => {
  test('names scalar changes by path, sorted by member', () => {
    expect(changes({ status: 'A', address: { city: 'X', zip: '1' } }, { address: { city: 'Y', zip: '1' }, status: 'B' })).toEqual(
      [
        ['$.address.city', 'X', 'Y'],
        ['$.status', 'A', 'B'],
      ],
    )
  })

  test('a missing member and a null are the same', () => {
    expect(changes({ a: null }, {})).toEqual([])
    expect(changes({ a: { b: null } }, { a: {} })).toEqual([])
    expect(changes({ a: {} }, {})).toEqual([['$.a', {}, null]])
    expect(changes({ a: 1 }, { a: null })).toEqual([['$.a', 1, null]])
  })

  test('false, zero and the empty string are values, not absence', () => {
    expect(changes({ a: false }, {})).toEqual([['$.a', false, null]])
    expect(changes({ a: 0 }, { a: '' })).toEqual([['$.a', 0, '']])
    expect(changes({ a: '0' }, { a: 0 })).toEqual([['$.a', '0', 0]])
  })

  test('-0 is 0, 1e21 is a number, and an overflowing number is not null', () => {
    expect(changes({ a: -0 }, { a: 0 })).toEqual([])
    expect(changes({ a: 1e21 }, { a: 1e21 })).toEqual([])
    expect(changes({ a: 1e21 }, { a: '1e+21' })).toHaveLength(1)
    expect(changes(parsed('{"a":1e999}'), {})).toHaveLength(1)
    expect(changes(parsed('{"a":1e999}'), parsed('{"a":-1e999}'))).toHaveLength(1)
  })

  test('members that objects inherit are not mistaken for data', () => {
    expect(changes({}, parsed('{"constructor":{"prototype":1}}'))).toEqual([['$.constructor', null, { prototype: 1 }]])
    expect(changes({}, parsed('{"toString":"x"}'))).toEqual([['$.toString', null, 'x']])
    expect(changes({}, parsed('{"__proto__":{}}'))).toHaveLength(1)
    expect(changes(parsed('{"__proto__":{"polluted":1}}'), parsed('{"__proto__":{"polluted":2}}'))).toEqual([
      ['$.__proto__.polluted', 1, 2],
    ])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  test('text is compared by code unit: two spellings of é are two values, a lone surrogate is one', () => {
    expect(changes({ a: '\u00e9' }, { a: 'e\u0301' })).toHaveLength(1)
    expect(changes({ a: '\ud800' }, { a: '\ud800' })).toEqual([])
    expect(changes({ a: '\ud800' }, { a: '\ufffd' })).toHaveLength(1)
  })

  test('odd member names are quoted', () => {
    expect(changes({ 'a.b': { 'c d': 1 } }, { 'a.b': { 'c d': 2 } })).toEqual([['$["a.b"]["c d"]', 1, 2]])
  })

  test('arrays without rules are compared by position', () => {
    expect(changes({ a: [1, 2] }, { a: [2, 1, 3] })).toEqual([
      ['$.a[0]', 1, 2],
      ['$.a[1]', 2, 1],
      ['$.a[2]', null, 3],
    ])
    expect(changes({ a: [null] }, { a: [] })).toEqual([['$.a[0]', null, null]])
  })

  test('an unordered array is reported whole, and only when its contents differ', () => {
    const rules = { ...NO_RULES, unordered: ['$.tags'] }
    expect(changes({ tags: ['a', 'b', 'a'] }, { tags: ['b', 'a', 'a'] }, rules)).toEqual([])
    expect(changes({ tags: ['a'] }, { tags: ['a', 'a'] }, rules)).toEqual([['$.tags', ['a'], ['a', 'a']]])
  })

  test('volatile members are left out at any depth, volatile elements count but their contents do not', () => {
    const rules = { ...NO_RULES, volatile: ['$.served_at', '$.rows[*].score', '$.cache[*]'] }
    expect(changes({ served_at: 1, rows: [{ id: 1, score: 2 }] }, { served_at: 2, rows: [{ id: 1, score: 3 }] }, rules)).toEqual(
      [],
    )
    expect(changes({ rows: [{ id: 1, score: 2 }] }, { rows: [{ id: 2, score: 2 }] }, rules)).toEqual([['$.rows[0].id', 1, 2]])
    expect(changes({ cache: [1, 2] }, { cache: [3, 4] }, rules)).toEqual([])
    expect(changes({ cache: [1, 2] }, { cache: [3] }, rules)).toEqual([['$.cache[1]', 2, null]])
  })

  test('elements are matched by key over order; equal keys pair up in canonical order', () => {
    const rules = { ...NO_RULES, arrayKeys: { '$.regs': ['eft'] } }
    expect(
      changes(
        {
          regs: [
            { eft: '1', s: 'A' },
            { eft: '2', s: 'A' },
          ],
        },
        {
          regs: [
            { eft: '2', s: 'B' },
            { eft: '1', s: 'A' },
          ],
        },
        rules,
      ),
    ).toEqual([['$.regs[eft=2].s', 'A', 'B']])
    expect(
      changes(
        {
          regs: [
            { eft: '1', s: 'A' },
            { eft: '1', s: 'B' },
          ],
        },
        {
          regs: [
            { eft: '1', s: 'B' },
            { eft: '1', s: 'A' },
          ],
        },
        rules,
      ),
    ).toEqual([])
    expect(changes({ regs: [{ eft: '1' }] }, { regs: [{ eft: '1' }, { eft: '1' }] }, rules)).toEqual([
      ['$.regs[eft=1#2]', null, { eft: '1' }],
    ])
    expect(changes({ regs: [] }, { regs: [{ eft: '9' }] }, rules)).toEqual([['$.regs[eft=9]', null, { eft: '9' }]])
  })

  test('several members make a key; a key that is an object does not depend on the order of its members', () => {
    const rules = { ...NO_RULES, arrayKeys: { '$.rows': ['type', 'at'] } }
    expect(
      changes({ rows: [{ type: 'x', at: { d: 1, h: 2 }, v: 1 }] }, { rows: [{ type: 'x', at: { h: 2, d: 1 }, v: 2 }] }, rules),
    ).toEqual([['$.rows[type=x,at={"d":1,"h":2}].v', 1, 2]])
  })

  test('nested arrays by key inside arrays by key', () => {
    const rules = { ...NO_RULES, arrayKeys: { '$.a': ['id'], '$.a[*].b': ['id'] } }
    const before = {
      a: [
        {
          id: 1,
          b: [
            { id: 'x', v: 1 },
            { id: 'y', v: 1 },
          ],
        },
      ],
    }
    const after = {
      a: [
        {
          id: 1,
          b: [
            { id: 'y', v: 2 },
            { id: 'x', v: 1 },
          ],
        },
      ],
    }
    expect(changes(before, after, rules)).toEqual([['$.a[id=1].b[id=y].v', 1, 2]])
  })

  test('a value that changes its type is one change', () => {
    expect(changes({ a: [1] }, { a: { 0: 1 } })).toEqual([['$.a', [1], { 0: 1 }]])
    expect(changes({ a: { b: 1 } }, { a: 'b' })).toEqual([['$.a', { b: 1 }, 'b']])
  })

  test('records nested a thousand deep are compared', () => {
    const nest = (leaf: number): JsonObject =>
      Array.from({ length: 1_000 }).reduce<JsonObject>((inner) => ({ in: inner }), { leaf })
    expect(changes(nest(1), nest(1))).toEqual([])
    expect(changes(nest(1), nest(2))[0]?.[0]).toBe(`$${'.in'.repeat(1_000)}.leaf`)
  })
})
