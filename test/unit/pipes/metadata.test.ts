import { describe, expect, test } from 'vitest'
import { encodeJson } from '../../../ts/pipes/encode.ts'
import { metadata, normalizeMetadata, type PipesMetadataInput } from '../../../ts/pipes/metadata.ts'

const one = (value: PipesMetadataInput): unknown => JSON.parse(encodeJson(normalizeMetadata({ value })!['value']))

describe('plain values are inferred by Dagster', () => {
  test.each([
    ['text', { raw_value: 'text', type: '__infer__' }],
    [1, { raw_value: 1, type: '__infer__' }],
    [1.5, { raw_value: 1.5, type: '__infer__' }],
    [true, { raw_value: true, type: '__infer__' }],
    [null, { raw_value: null, type: '__infer__' }],
    [undefined, { raw_value: null, type: '__infer__' }],
    [Number.NaN, { raw_value: null, type: '__infer__' }],
    [{ a: 1 }, { raw_value: { a: 1 }, type: 'json' }],
    [[1, Number.NaN], { raw_value: [1, null], type: 'json' }],
    [new Date(1_500), { raw_value: 1.5, type: 'timestamp' }],
  ])('%o', (value, expected) => {
    expect(one(value)).toEqual(expected)
  })

  test('an object is a typed value only when it is exactly one', () => {
    expect(one({ type: 'text', raw_value: 'x' })).toEqual({ type: 'text', raw_value: 'x' })
    expect(one({ type: 'mine', raw_value: 'x' })).toEqual({ type: 'json', raw_value: { type: 'mine', raw_value: 'x' } })
    expect(one({ type: 'text', raw_value: 'x', unit: 'm' })).toMatchObject({ type: 'json' })
    expect(one({ raw_value: 'x' })).toMatchObject({ type: 'json' })
  })

  test('none at all is null, as the wire wants it', () => {
    expect([normalizeMetadata(null), normalizeMetadata(undefined), normalizeMetadata({})]).toEqual([null, null, {}])
  })
})

describe('typed values', () => {
  test('floats keep their fraction, and what is not finite is null', () => {
    expect(encodeJson(normalizeMetadata({ value: metadata.float(3) }))).toBe('{"value":{"raw_value":3.0,"type":"float"}}')
    expect(one(metadata.float(Number.POSITIVE_INFINITY))).toEqual({ raw_value: null, type: 'null' })
  })

  test('tables are complete, cell by cell', () => {
    const columns = [
      { name: 'a', type: 'int' },
      { name: 'b', type: 'string', constraints: { unique: true } },
    ]
    expect(one(metadata.table(columns, [{ a: 1 }, { a: 2n ** 60n, b: 'x' }]))).toEqual({
      type: 'table',
      raw_value: {
        records: [
          { a: 1, b: null },
          { a: 2 ** 60, b: 'x' },
        ],
        schema: [
          { name: 'a', type: 'int', description: null, tags: null, constraints: null },
          { name: 'b', type: 'string', description: null, tags: null, constraints: { nullable: true, unique: true, other: [] } },
        ],
      },
    })
  })

  test('lineage and schema', () => {
    expect(one(metadata.columnLineage({ c: [{ asset: ['a', 'b'], column: 'x' }] }))).toEqual({
      type: 'table_column_lineage',
      raw_value: { deps_by_column: { c: [{ asset_key: ['a', 'b'], column_name: 'x' }] } },
    })
    expect(one(metadata.tableSchema([{ name: 'a', type: 'int' }]))).toMatchObject({ raw_value: { columns: [{ name: 'a' }] } })
    expect(one(metadata.asset(['a', 'b']))).toEqual({ type: 'asset', raw_value: 'a/b' })
  })

  test.each<[string, PipesMetadataInput, string]>([
    ['an int with a fraction', { type: 'int', raw_value: 1.5 }, 'a whole number'],
    ['an int beyond 2^53', { type: 'int', raw_value: 2 ** 60 }, 'a bigint beyond 2^53'],
    ['a text that is none', { type: 'text', raw_value: 1 }, 'text'],
    ['a bool that is none', { type: 'bool', raw_value: 1 }, 'true or false'],
    ['json that is a text', { type: 'json', raw_value: 'x' }, 'an object or a list'],
    ['a moment that is none', { type: 'timestamp', raw_value: 'now' }, 'a moment'],
    ['an asset with a slash in a part', metadata.asset(['a/b']), 'without slashes'],
    ['an asset without parts', metadata.asset([]), 'parts of a key'],
    ['a table without columns', metadata.table([], []), 'at least one column'],
    [
      'a table with a column twice',
      metadata.table(
        [
          { name: 'a', type: 'int' },
          { name: 'a', type: 'int' },
        ],
        [],
      ),
      'distinct columns',
    ],
    ['a row with a stray column', metadata.table([{ name: 'a', type: 'int' }], [{ b: 1 }]), '"b" is none'],
    [
      'a cell that is an object',
      { type: 'table', raw_value: { schema: [{ name: 'a', type: 'x' }], records: [{ a: {} }] } },
      'made of text',
    ],
    ['lineage of something else', { type: 'table_column_lineage', raw_value: { a: 1 } }, '{asset, column}'],
  ])('%s is refused, with its place', (_what, value, expected) => {
    expect(() => normalizeMetadata({ 'my/value': value })).toThrow('metadata my/value')
    expect(() => normalizeMetadata({ 'my/value': value })).toThrow(expected)
  })
})
