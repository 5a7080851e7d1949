import { describe, expect, test } from 'vitest'
import { canonicalJson, payloadHash } from '../../../ts/refresh/canonical.ts'
import { compilePathRules, NO_RULES } from '../../../ts/refresh/path-rules.ts'

describe('canonicalJson', () => {
  test('sorts members by code unit and leaves out null, at every depth', () => {
    expect(canonicalJson({ b: 1, a: { d: null, c: [{ y: 1, x: null }] }, Z: 'é' })).toBe('{"Z":"é","a":{"c":[{"y":1}]},"b":1}')
  })

  test('keeps nulls that are elements: they hold a place', () => {
    expect(canonicalJson({ a: [null, 1] })).toBe('{"a":[null,1]}')
  })

  test('keeps the order of arrays unless a rule says it means nothing', () => {
    expect(canonicalJson({ a: [2, 1] })).toBe('{"a":[2,1]}')
    expect(canonicalJson({ a: [2, 1] }, { ...NO_RULES, unordered: ['$.a'] })).toBe('{"a":[1,2]}')
    expect(canonicalJson({ a: [{ k: 2 }, { k: 1 }] }, { ...NO_RULES, arrayKeys: { '$.a': ['k'] } })).toBe(
      '{"a":[{"k":1},{"k":2}]}',
    )
  })

  test('writes numbers one way', () => {
    expect(canonicalJson({ a: -0, b: 1e21, c: 0.1, d: 100 })).toBe('{"a":0,"b":1e+21,"c":0.1,"d":100}')
  })
})

describe('payloadHash', () => {
  test('is the SHA-256 of the canonical text: a fixed point that stored ledgers rely on', () => {
    expect(payloadHash({})).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a')
    expect(payloadHash({ status: 'active', n: 1 })).toBe(payloadHash({ n: 1, status: 'active', gone: null }))
    expect(payloadHash({ status: 'active' })).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe('compilePathRules', () => {
  test('refuses what is no path, naming the place', () => {
    expect(() => compilePathRules({ ...NO_RULES, volatile: ['links'] })).toThrow('"links" is no path; it begins with $')
    expect(() => compilePathRules({ ...NO_RULES, unordered: ['$.a[0]'] })).toThrow('cannot read it from character 4')
    expect(() => compilePathRules({ ...NO_RULES, arrayKeys: { '$..a': ['k'] } })).toThrow('cannot read it from character 2')
  })

  test('compiles a rules object once', () => {
    const rules = { ...NO_RULES, volatile: ['$.a'] }
    expect(compilePathRules(rules)).toBe(compilePathRules(rules))
  })
})
