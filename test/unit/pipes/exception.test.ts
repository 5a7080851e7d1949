import { expect, test } from 'vitest'
import { toPipesException } from '../../../ts/pipes/exception.ts'

test('five keys, frames with their line ends, causes in a chain', () => {
  const thrown = new TypeError('outer', { cause: new RangeError('inner', { cause: 'a text' }) })
  const told = toPipesException(thrown)
  expect(Object.keys(told).sort()).toEqual(['cause', 'context', 'message', 'name', 'stack'])
  expect(told).toMatchObject({
    message: 'outer',
    name: 'TypeError',
    context: null,
    cause: { message: 'inner', name: 'RangeError' },
  })
  expect(told.cause!.cause).toEqual({ message: 'a text', stack: [], name: null, cause: null, context: null })
  expect(told.stack[0]).toMatch(/^\s+at .*exception\.test\.ts.*\n$/)
})

test('messages of several lines do not end up among the frames', () => {
  expect(toPipesException(new Error('one\n  two\nthree')).stack.every((frame) => frame.trim().startsWith('at '))).toBe(true)
})

test.each([
  ['text', 'text'],
  [{ code: 7 }, '{"code":7}'],
  [undefined, 'undefined'],
  [null, 'null'],
  [7n, '[object BigInt]'],
])('thrown %o is told', (thrown, message) => {
  expect(toPipesException(thrown)).toEqual({ message, stack: [], name: null, cause: null, context: null })
})

test('a chain that returns to itself ends, and so does one without end', () => {
  const a = new Error('a')
  const b = new Error('b', { cause: a })
  a.cause = b
  expect(toPipesException(a).cause!.cause).toBeNull()
  let deep = new Error('0')
  for (let n = 1; n < 100; n += 1) deep = new Error(String(n), { cause: deep })
  let length = 0
  for (let at = toPipesException(deep) as { cause: unknown } | null; at !== null; at = at.cause as typeof at) length += 1
  expect(length).toBe(16)
})

test('errors beside the error are its context', () => {
  expect(toPipesException(new AggregateError([new Error('first'), new Error('second')], 'both')).context).toMatchObject({
    message: 'first',
  })
})
