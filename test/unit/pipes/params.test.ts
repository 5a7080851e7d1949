import { deflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { PipesDefaultContextLoader, readContext } from '../../../ts/pipes/context-loader.ts'
import {
  argumentValue,
  decodeParams,
  defaultParamsLoader,
  encodeParams,
  withoutPipesArguments,
} from '../../../ts/pipes/params.ts'

describe('parameters', () => {
  test('come through base64 and zlib', () => {
    expect(decodeParams(encodeParams({ path: '/x', n: [1, null] }), 'NAME')).toEqual({ path: '/x', n: [1, null] })
  })

  test.each(['', '!!!', 'bm90IHpsaWI=', deflateSync('no json').toString('base64')])('%j is refused by name', (text) => {
    expect(() => decodeParams(text, 'NAME')).toThrow('NAME is not what Dagster writes')
  })

  test.each(['[]', 'null', '1'])('%s is no object', (json) => {
    expect(() => decodeParams(deflateSync(json).toString('base64'), 'NAME')).toThrow('NAME does not hold an object')
  })

  test('the environment outranks the arguments; without either the process is not Dagster’s', () => {
    const variables = (values: Readonly<Record<string, string>>) => (name: string) => values[name]
    const argv = [
      '--dagster-pipes-context',
      encodeParams({ path: 'arg' }),
      `--dagster-pipes-messages=${encodeParams({ path: 'm' })}`,
      'x',
    ]
    const both = defaultParamsLoader(
      variables({ DAGSTER_PIPES_CONTEXT: encodeParams({ path: 'env' }), DAGSTER_PIPES_MESSAGES: '' }),
      argv,
    )
    expect(both.loadContextParams()).toEqual({ path: 'env' })
    const arguments_ = defaultParamsLoader(variables({}), argv)
    expect([arguments_.isDagsterPipesProcess(), arguments_.loadContextParams(), arguments_.loadMessagesParams()]).toEqual([
      true,
      { path: 'arg' },
      { path: 'm' },
    ])
    expect(defaultParamsLoader(variables({}), ['x']).isDagsterPipesProcess()).toBe(false)
    expect(withoutPipesArguments(argv)).toEqual(['x'])
  })

  test('one of the two is not enough', () => {
    const loader = defaultParamsLoader((name) => (name === 'DAGSTER_PIPES_CONTEXT' ? encodeParams({}) : undefined), [])
    expect(() => loader.loadMessagesParams()).toThrow('DAGSTER_PIPES_MESSAGES is not set')
  })

  test('the last argument of a name counts', () => {
    expect(argumentValue(['--a', '1', '--a=2'], '--a')).toBe('2')
    expect(argumentValue(['--ab', '1'], '--a')).toBeUndefined()
  })
})

describe('the context', () => {
  test('keys that are left out are null, and so is null', () => {
    const bare = readContext({ run_id: 'r' })
    expect(bare).toMatchObject({
      run_id: 'r',
      asset_keys: null,
      partition_key: null,
      retry_number: 0,
      extras: {},
      job_name: null,
    })
    expect(readContext({ ...bare, extras: null })).toEqual(bare)
  })

  test.each([
    [null, 'not an object'],
    [{}, 'no run_id'],
    [{ run_id: 'r', asset_keys: 'a' }, 'asset_keys of the context is not a list of texts'],
    [{ run_id: 'r', partition_key_range: { start: 'a' } }, 'partition_key_range'],
    [{ run_id: 'r', retry_number: 1.5 }, 'retry_number'],
    [{ run_id: 'r', extras: [] }, 'extras'],
  ])('%j is refused', (value, expected) => {
    expect(() => readContext(value)).toThrow(expected)
  })

  test('a file that is not there, and parameters for another loader, say so', () => {
    const loader = new PipesDefaultContextLoader()
    expect(() => loader.loadContext({ path: '/nowhere/context' })).toThrow('/nowhere/context cannot be read')
    expect(() => loader.loadContext({ bucket: 'b' })).toThrow('bucket')
    expect(loader.loadContext({ data: { run_id: 'r' } }).run_id).toBe('r')
  })
})
