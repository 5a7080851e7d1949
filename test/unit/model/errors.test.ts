import { describe, expect, test } from 'vitest'
import { EngineError, EXIT_CODES, isEngineError, messageOf, RECOVERIES } from '../../../ts/model/errors.ts'
import { isJsonObject, textOrNull } from '../../../ts/model/json.ts'
import { objectBody } from '../../../ts/model/response.ts'
import { view } from '../../support/fake-client.ts'

describe('EngineError', () => {
  test('carries what to do next, a stable code, a hint and its cause', () => {
    const cause = new Error('inner')
    const error = new EngineError('try_later', 'lease_held', 'held by another', { hint: 'wait', cause })
    expect(error).toMatchObject({
      recovery: 'try_later',
      code: 'lease_held',
      message: 'held by another',
      hint: 'wait',
      cause,
      name: 'EngineError',
    })
    expect('cause' in new EngineError('usage', 'x', 'y')).toBe(false)
  })

  test('is told from others, and by code', () => {
    const error = new EngineError('failed', 'lease_lost', 'gone')
    expect([
      isEngineError(error),
      isEngineError(error, 'lease_lost'),
      isEngineError(error, 'other'),
      isEngineError(new Error('x')),
      isEngineError(null),
    ]).toEqual([true, true, false, false, false])
  })

  test('every recovery has an exit code of its own, none of them 0', () => {
    const codes = RECOVERIES.map((recovery) => EXIT_CODES[recovery])
    expect(new Set(codes).size).toBe(RECOVERIES.length)
    expect(codes).not.toContain(0)
  })

  test('anything thrown has a message', () => {
    expect([messageOf(new Error('a')), messageOf('b'), messageOf(undefined), messageOf({ toString: () => 'c' })]).toEqual([
      'a',
      'b',
      'undefined',
      'c',
    ])
  })
})

describe('JSON helpers', () => {
  test('textOrNull: "unknown" in three ways', () => {
    expect([
      textOrNull(' x '),
      textOrNull(''),
      textOrNull('  '),
      textOrNull(null),
      textOrNull(undefined),
      textOrNull(7),
      textOrNull(true),
      textOrNull(['x']),
    ]).toEqual(['x', null, null, null, null, '7', null, null])
  })

  test('an object is neither null nor a list', () => {
    expect([isJsonObject({}), isJsonObject(null), isJsonObject([]), isJsonObject('x')]).toEqual([true, false, false, false])
    expect([objectBody(view({ a: 1 })), objectBody(view([1])), objectBody(view(null)), objectBody(view(undefined))]).toEqual([
      { a: 1 },
      null,
      null,
      null,
    ])
  })
})
