/** The conformance cases of Dagster's own suite, and those it has none for, over real processes and real files. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { GOLDEN, golden, type Message, parseMessages, session, start } from './pipes-support.ts'

const methods = (messages: readonly Message[]): readonly string[] => messages.map((message) => message.method)
const only = (messages: readonly Message[], method: string): readonly Message[] =>
  messages.filter((message) => message.method === method)
const closedOf = (messages: readonly Message[]): Message['params'] => only(messages, 'closed')[0]?.params

const EXCEPTION_KEYS = ['cause', 'context', 'message', 'name', 'stack']

describe('context', () => {
  const EXTRAS = [
    {},
    { foo: 'bar' },
    { foo: { bar: [1, 2.5, null, true, { deep: 'ünï ⚙' }] }, baz: 12_345, corge: null },
    { 'sam_gov:uei_batch_0001': ['a', ''], __proto__x: 1 },
  ]

  test.each(EXTRAS.flatMap((extras) => [false, true].map((inline) => ({ extras, inline }))))(
    'extras arrive as they were sent, inline $inline',
    async ({ extras, inline }) => {
      const dagster = session(
        { extras, partition_key: 'sam_gov:uei_batch_0001', partition_key_range: { start: 'a', end: 'a' } },
        { inline },
      )
      expect((await golden({ steps: [{ echo: true }] }, dagster.env)).code).toBe(0)
      const messages = dagster.messages()
      expect(methods(messages)).toEqual(['opened', 'report_custom_message', 'closed'])
      expect(messages[1]!.params.payload).toMatchObject({ extras, job_name: 'a_job', partition_key: 'sam_gov:uei_batch_0001' })
      expect(messages[1]!.params.payload.extras).toEqual(extras)
    },
  )

  test('command-line arguments work as well as the environment', async () => {
    const dagster = session({ extras: { by: 'arguments' } })
    expect((await golden({ steps: [{ echo: true }] }, {}, dagster.cliArguments)).code).toBe(0)
    expect(dagster.messages()[1]!.params.payload.extras).toEqual({ by: 'arguments' })
  })

  test('outside Dagster everything is a no-op, and the process succeeds', async () => {
    const steps = [{ log: ['hello', 'INFO'] }, { custom: 1 }, { materialize: {} }, { echo: true }]
    const ended = await golden({ steps }, {})
    expect(ended).toMatchObject({ code: 0, stdout: '' })
    expect(ended.stderr).toContain('not launched by Dagster')
  })

  test('a context that cannot be read is told to Dagster, and the exit code is not 0', async () => {
    const dagster = session({ run_id: 7 })
    const ended = await golden({ steps: [] }, dagster.env)
    expect(ended.code).not.toBe(0)
    expect(methods(dagster.messages())).toEqual(['opened', 'closed'])
    expect(closedOf(dagster.messages()).exception.message).toContain('run_id')
  })

  test('a mangled variable is an error that names it', async () => {
    const dagster = session()
    const ended = await golden({ steps: [] }, { ...dagster.env, DAGSTER_PIPES_MESSAGES: 'bm90IHpsaWI=' })
    expect(ended.code).not.toBe(0)
    expect(ended.stderr).toContain('DAGSTER_PIPES_MESSAGES is not what Dagster writes there')
  })
})

describe('messages', () => {
  test('envelope and key sets are exactly those that Dagster takes', async () => {
    const dagster = session()
    const steps = [
      { log: ['hello', 'INFO'] },
      { custom: 'x' },
      { materialize: {} },
      { check: { name: 'one', passed: true, severity: 'WARN' } },
    ]
    expect((await golden({ steps }, dagster.env)).code).toBe(0)
    const messages = dagster.messages()
    for (const message of messages) {
      expect(Object.keys(message).sort()).toEqual(['__dagster_pipes_version', 'method', 'params'])
      expect(message.__dagster_pipes_version).toBe('0.1')
    }
    expect(messages.map(({ method, params }) => [method, Object.keys(params).sort()])).toEqual([
      ['opened', ['extras']],
      ['log', ['level', 'message']],
      ['report_custom_message', ['payload']],
      ['report_asset_materialization', ['asset_key', 'data_version', 'metadata']],
      ['report_asset_check', ['asset_key', 'check_name', 'metadata', 'passed', 'severity']],
      ['closed', []],
    ])
  })

  test('logs at five levels', async () => {
    const dagster = session()
    const levels = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']
    expect((await golden({ steps: levels.map((level) => ({ log: [`${level} message`, level] })) }, dagster.env)).code).toBe(0)
    expect(only(dagster.messages(), 'log').map((message) => message.params)).toEqual(
      levels.map((level) => ({ message: `${level} message`, level })),
    )
  })

  test.each([[{ foo: 'bar' }], [1], [1.5], ['text'], [[1, 2, 3]], [null], [{ nested: { list: [null] } }]])(
    'custom payload %j',
    async (payload) => {
      const dagster = session()
      expect((await golden({ steps: [{ custom: payload }] }, dagster.env)).code).toBe(0)
      expect(dagster.messages()[1]!.params.payload).toEqual(payload)
    },
  )

  const CASES = [undefined, 'alpha'].flatMap((dataVersion) =>
    [undefined, 'my_asset'].map((assetKey) => ({ dataVersion, assetKey })),
  )
  test.each(CASES)('materialization, data version $dataVersion, asset key $assetKey', async (given) => {
    const dagster = session()
    expect((await golden({ steps: [{ materialize: given }] }, dagster.env)).code).toBe(0)
    const { asset_key, data_version, metadata } = only(dagster.messages(), 'report_asset_materialization')[0]!.params
    expect([asset_key, data_version]).toEqual(['my_asset', given.dataVersion ?? null])
    for (const value of Object.values<object>(metadata)) expect(Object.keys(value).sort()).toEqual(['raw_value', 'type'])
    expect(metadata.float).toEqual({ type: 'float', raw_value: 1 })
    expect(metadata.not_a_number).toEqual({ type: '__infer__', raw_value: null })
    expect(metadata.float_not_a_number).toEqual({ type: 'null', raw_value: null })
    expect(metadata.plain_undefined).toEqual({ type: '__infer__', raw_value: null })
    expect(metadata.plain_int).toEqual({ type: '__infer__', raw_value: 1 })
    expect(metadata.timestamp).toEqual({ type: 'timestamp', raw_value: 1_700_000_000.5 })
    expect(metadata.looks_typed.type).toBe('json')
    expect(metadata.table.raw_value.records[1]).toEqual({ partition: 'empty', closed: null, share: null, ok: null })
    // What JavaScript's own parser hides: 1.0 stays a float, the bigint keeps every digit.
    const line = readFileSync(dagster.messagesFile, 'utf8')
    expect(line).toContain('"float":{"raw_value":1.0,"type":"float"}')
    expect(line).toContain('1180591620717411303424')
  })

  test.each([true, false].flatMap((passed) => ['WARN', 'ERROR'].map((severity) => ({ passed, severity }))))(
    'check passed $passed, severity $severity',
    async ({ passed, severity }) => {
      const dagster = session()
      expect((await golden({ steps: [{ check: { name: 'my_check', passed, severity } }] }, dagster.env)).code).toBe(0)
      expect(only(dagster.messages(), 'report_asset_check')[0]!.params).toMatchObject({
        asset_key: 'my_asset',
        check_name: 'my_check',
        passed,
        severity,
      })
    },
  )

  test('a second materialization of the asset is refused in the process, and fails it', async () => {
    const dagster = session()
    const ended = await golden({ steps: [{ materialize: {} }, { materialize: {} }] }, dagster.env)
    expect(ended.code).toBe(1)
    expect(only(dagster.messages(), 'report_asset_materialization')).toHaveLength(1)
    expect(closedOf(dagster.messages()).exception.name).toBe('DagsterPipesError')
  })

  test('keys with slashes inside their parts are found as Dagster writes them', async () => {
    const dagster = session({ asset_keys: ['coverage/sam\\/gov', 'other'] })
    expect((await golden({ steps: [{ materialize: { assetKey: 'coverage/sam\\/gov' } }] }, dagster.env)).code).toBe(0)
    expect(only(dagster.messages(), 'report_asset_materialization')[0]!.params.asset_key).toBe('coverage/sam\\/gov')
  })

  test('secrets are taken out of every text', async () => {
    const dagster = session()
    const steps = [
      { log: ['key is CANARY-1', 'INFO'] },
      { custom: { CANARY: { 'CANARY-1': ['xCANARY-1x'] } } },
      { throw: 'CANARY-1' },
    ]
    const ended = await golden({ steps, secret: 'CANARY-1' }, dagster.env)
    expect(ended.code).toBe(1)
    expect(readFileSync(dagster.messagesFile, 'utf8') + ended.stderr + ended.stdout).not.toContain('CANARY-1')
    expect(ended.stderr).toContain('TypeError: [redacted]')
  })

  test('too many logs are left out, counted, and said', async () => {
    const dagster = session()
    expect((await golden({ steps: [{ flood: { count: 400, bytes: 10, as: 'log' } }] }, dagster.env)).code).toBe(0)
    const logs = only(dagster.messages(), 'log')
    expect(logs.length).toBeLessThan(120)
    expect(logs.at(-1)!.params).toMatchObject({
      level: 'WARNING',
      message: expect.stringMatching(/^\d+ log messages were left out/),
    })
  })
})

describe('channels', () => {
  test.each(['stderr', 'stdout'] as const)('%s: one message a line, other output beside it', async (stream) => {
    const dagster = session({}, { channel: { stdio: stream }, inline: true })
    const ended = await golden({ steps: [{ print: 'plain line\n' }, { custom: { n: 1 } }] }, dagster.env)
    const lines = ended[stream].split('\n').filter((line) => line.includes('__dagster_pipes_version'))
    expect(methods(parseMessages(lines.map((line) => `${line}\n`).join('')))).toEqual([
      'opened',
      'report_custom_message',
      'closed',
    ])
    expect(ended.stdout).toContain('plain line\n')
  })

  test('buffered stdio: all at once at the end, also after an error', async () => {
    const dagster = session({}, { channel: { buffered_stdio: 'stdout' } })
    const ended = await golden({ steps: [{ custom: 1 }, { print: 'printed\n' }, { throw: 'no' }] }, dagster.env)
    expect(ended.code).toBe(1)
    const [first, ...rest] = ended.stdout.split('\n')
    expect(first).toBe('printed')
    expect(methods(parseMessages(rest.join('\n')))).toEqual(['opened', 'report_custom_message', 'closed'])
  })

  test('a long message through a pipe that is read slowly arrives whole', async () => {
    const dagster = session({}, { channel: { stdio: 'stdout' } })
    const child = start([GOLDEN, JSON.stringify({ steps: [{ flood: { count: 30, bytes: 300_000 } }] })], dagster.env)
    child.stdout!.pause()
    setTimeout(() => child.stdout!.resume(), 500)
    const ended = await child.finished
    expect(ended.code).toBe(0)
    expect(only(parseMessages(ended.stdout), 'report_custom_message').map((message) => message.params.payload.n)).toEqual(
      Array.from({ length: 30 }, (_, n) => n),
    )
  })

  test('with include_stdio_in_messages what is printed goes along, and is printed', async () => {
    const dagster = session()
    const channel = { path: dagster.messagesFile, include_stdio_in_messages: true }
    const { env } = session({}, { channel })
    const ended = await golden({ steps: [{ print: 'for both\n' }] }, env)
    expect(ended).toMatchObject({ code: 0, stdout: 'for both\n' })
    expect(only(dagster.messages(), 'log_external_stream')[0]!.params).toEqual({
      stream: 'stdout',
      text: 'for both\n',
      extras: {},
    })
  })

  test('parameters for another kind of writer are refused by name', async () => {
    const ended = await golden({ steps: [] }, session({}, { channel: { bucket: 'b', key_prefix: 'p' } }).env)
    expect(ended.code).not.toBe(0)
    expect(ended.stderr).toContain('bucket, key_prefix')
  })
})

describe('how it ends', () => {
  test.each([
    { step: { throw: 'Very bad error has happened!' } },
    { step: { throw: 'Very bad error has happened!' }, using: true },
  ])('an error nobody caught: closed with the exception, exit 1 (%j)', async ({ step, ...more }) => {
    const dagster = session()
    const ended = await golden({ steps: [step], ...more }, dagster.env)
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('Very bad error has happened!')
    const { exception } = closedOf(dagster.messages())
    expect(Object.keys(exception).sort()).toEqual(EXCEPTION_KEYS)
    expect(exception).toMatchObject({ message: 'Very bad error has happened!', name: 'TypeError', context: null })
    expect(exception.stack.length).toBeGreaterThan(0)
    expect(Object.keys(exception.cause).sort()).toEqual(EXCEPTION_KEYS)
    expect(exception.cause.cause).toEqual({ message: 'the root', stack: [], name: null, cause: null, context: null })
  })

  test('a rejection nobody handled: the same', async () => {
    const dagster = session()
    expect((await golden({ steps: [{ reject: 'left alone' }, { sleepMs: 5_000 }] }, dagster.env)).code).toBe(1)
    expect(closedOf(dagster.messages()).exception).toMatchObject({ message: 'left alone', name: 'RangeError' })
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s: closed with exception, exit 128 + n', async (signal) => {
    const dagster = session()
    const child = start([GOLDEN, JSON.stringify({ steps: [{ custom: 'ready' }, { sleepMs: 30_000 }] })], dagster.env)
    await waitFor(() => dagster.messages().length === 2)
    child.kill(signal)
    const ended = await child.finished
    expect(ended.code).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal])
    expect(closedOf(dagster.messages()).exception).toMatchObject({
      name: 'Interrupted',
      message: expect.stringContaining(signal),
    })
  })

  test('SIGKILL leaves whole lines and no closed', async () => {
    const dagster = session()
    const flood = { flood: { count: 30_000, perSecond: 1_000, bytes: 5_000 } }
    const child = start([GOLDEN, JSON.stringify({ steps: [flood] })], dagster.env)
    await waitFor(() => dagster.messages().length > 50)
    child.kill('SIGKILL')
    expect((await child.finished).signal).toBe('SIGKILL')
    expect(closedOf(dagster.messages())).toBeUndefined()
  })

  test('process.exit in the middle loses nothing that was reported', async () => {
    const dagster = session()
    const steps = [{ flood: { count: 500, bytes: 10_000 } }, { exit: 0 }]
    expect((await golden({ steps }, dagster.env)).code).toBe(1)
    expect(only(dagster.messages(), 'report_custom_message')).toHaveLength(500)
    expect(closedOf(dagster.messages()).exception.name).toBe('Unfinished')
  })

  test('process.exit with a code of its own keeps the code', async () => {
    const dagster = session()
    expect((await golden({ steps: [{ exit: 75 }] }, dagster.env)).code).toBe(75)
    expect(closedOf(dagster.messages()).exception.message).toContain('exit code 75')
  })

  test('work that stops half way is no success', async () => {
    const dagster = session()
    expect((await golden({ steps: [{ stall: true }] }, dagster.env)).code).not.toBe(0)
    expect(closedOf(dagster.messages()).exception).toMatchObject({ name: 'ExitCode' })
  })

  test('closing with an exception makes the exit code 1: Dagster looks at nothing else', async () => {
    const dagster = session()
    expect((await golden({ steps: [{ close: 'it did not work' }] }, dagster.env)).code).toBe(1)
    expect(closedOf(dagster.messages()).exception.message).toBe('it did not work')
  })

  test('`using` without an error: a clean closed, exit 0', async () => {
    const dagster = session()
    expect((await golden({ steps: [{ custom: 1 }], using: true }, dagster.env)).code).toBe(0)
    expect(closedOf(dagster.messages())).toEqual({})
  })

  test('a worker whose parent is killed notices within a second', async () => {
    const dagster = session()
    const worker = `${JSON.stringify(process.execPath)}, ${JSON.stringify([GOLDEN, '{"steps":[{"custom":"up"},{"untilOrphaned":true}]}'])}`
    const parent = start(
      ['-e', `require('node:child_process').spawn(${worker}, { stdio: 'ignore' }); setInterval(() => {}, 1000)`],
      dagster.env,
    )
    await waitFor(() => dagster.messages().length === 2)
    parent.kill('SIGKILL')
    await waitFor(() => dagster.messages().at(-1)?.method === 'closed')
    expect(
      dagster
        .messages()
        .map((message) => message.params.payload)
        .filter(Boolean),
    ).toEqual(['up', 'orphaned'])
  })
})

test('a flood keeps its order and loses nothing', async () => {
  const dagster = session()
  const steps = [{ flood: { count: 2_000, perSecond: 1_000, bytes: 300 } }, { flood: { count: 20, bytes: 100_000 } }]
  expect((await golden({ steps }, dagster.env)).code).toBe(0)
  const numbers = only(dagster.messages(), 'report_custom_message').map((message) => message.params.payload.n)
  expect(numbers).toEqual([...Array.from({ length: 2_000 }, (_, n) => n), ...Array.from({ length: 20 }, (_, n) => n)])
})

async function waitFor(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000
  for (;;) {
    // A line that is being written has no end yet.
    try {
      if (condition()) return
    } catch {}
    if (Date.now() > deadline) throw new Error('waited in vain')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
