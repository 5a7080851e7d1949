import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseJson } from '../../ts/http/json.ts'

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

const safeNumber = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .filter((value) => !Number.isInteger(value) || Number.isSafeInteger(value))
const tree = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 6 },
    fc.string(),
    safeNumber,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('node')),
    fc.dictionary(fc.string(), tie('node')),
  ),
})).node

test('where a double can hold every number, it is JSON.parse', () => {
  fc.assert(
    fc.property(tree, (value) => {
      const text = JSON.stringify(value)
      expect(parseJson(text, 64)).toEqual({ ok: true, value: JSON.parse(text) })
    }),
    { numRuns: 500 },
  )
})

test('what is no JSON is refused exactly when JSON.parse refuses it', () => {
  const damaged = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom('', '"', '}', ',', '\\', '9'.repeat(20), '-', 'e400', '00000000000000000'))
    .map(([text, at, insert]) => {
      const cut = at % (text.length + 1)
      return text.slice(0, cut) + insert + text.slice(cut + (at % 2))
    })
  fc.assert(
    fc.property(fc.oneof(fc.string(), damaged), (text) => {
      let valid = true
      try {
        JSON.parse(text)
      } catch {
        valid = false
      }
      const parsed = parseJson(text, 1_000)
      expect(parsed.ok || parsed.why !== 'not_json').toBe(valid)
    }),
    { numRuns: 2_000 },
  )
})

test('integers come out digit for digit, wherever they stand', () => {
  const integer = fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n })
  const around = fc.constantFrom(
    (token: string) => token,
    (token: string) => `[${token}]`,
    (token: string) => `{"a":${token},"b":[1,${token}]}`,
    (token: string) => `  {"x" : ${token}\n}`,
  )
  fc.assert(
    fc.property(integer, around, fc.string(), (number, wrap, noise) => {
      const token = number.toString()
      const text = `{"noise":${JSON.stringify(`${noise}"${token}`)},"value":${wrap(token)}}`
      const parsed = parseJson(text, 64)
      if (!parsed.ok) throw new Error(parsed.why)
      const isSafe = Number.isSafeInteger(Number(token))
      const expected = JSON.parse(
        text.replace(
          /("value":)(.*)$/s,
          (_all, key: string, rest: string) => key + (isSafe ? rest : rest.replaceAll(token, `"${token}"`)),
        ),
      )
      expect(parsed.value).toEqual(expected)
    }),
    { numRuns: 1_000 },
  )
})

test('depth is counted exactly', () => {
  fc.assert(
    fc.property(tree, fc.integer({ min: 0, max: 8 }), (value, limit) => {
      const parsed = parseJson(JSON.stringify(value), limit)
      expect(parsed.ok).toBe(depthOf(value) <= limit)
    }),
    { numRuns: 500 },
  )
})

test('__proto__, constructor and prototype are plain data', () => {
  const key = fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'a')
  const hostile = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      fc.constant(1),
      fc.constant('x'),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.array(fc.tuple(key, tie('node')), { maxLength: 4 }),
    ),
  })).node
  const render = (node: unknown): string => {
    if (!Array.isArray(node)) return JSON.stringify(node)
    const isMembers = node.every((item) => Array.isArray(item) && item.length === 2 && typeof item[0] === 'string')
    return isMembers
      ? `{${node.map(([name, item]) => `${JSON.stringify(name)}:${render(item)}`).join(',')}}`
      : `[${node.map(render).join(',')}]`
  }
  const check = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    expect(Object.getPrototypeOf(value)).toBe(Array.isArray(value) ? Array.prototype : Object.prototype)
    for (const name of Object.getOwnPropertyNames(value))
      if (name !== 'length') check(Object.getOwnPropertyDescriptor(value, name)?.value)
  }
  fc.assert(
    fc.property(hostile, (node) => {
      const parsed = parseJson(render(node), 64)
      if (parsed.ok) check(parsed.value)
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    }),
  )
})
