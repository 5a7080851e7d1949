import { constants } from 'node:crypto'
import { tmpdir } from 'node:os'
import type { Dispatcher, Pool } from 'undici'
import { expect, test } from 'vitest'
import { createTransport, type WireRequest } from '../../../ts/http/transport.ts'
import { NO_CRASH_POINTS } from '../../../ts/runtime/ports.ts'

const REQUEST: WireRequest = {
  origin: 'https://api.sam.gov',
  target: '/x',
  method: 'GET',
  headers: [],
  body: null,
  credentials: [],
  download: null,
}

/** Pools whose connections fail with `code` unless they were opened without the check for safe renegotiation. */
function setUp(code: string) {
  const opened: { origin: string; legacy: boolean }[] = []
  const logs: string[] = []
  let dispatched = 0
  const transport = createTransport({
    deadlineMs: 1_000,
    connections: 1,
    maxBodyBytes: 100,
    maxFileBytes: 100,
    downloadDir: tmpdir(),
    scrubber: { scrub: (text) => text },
    crashPoints: NO_CRASH_POINTS,
    logger: { log: (_level, message) => void logs.push(message) },
    openPool: (origin, options: Pool.Options) => {
      const connect = options.connect as { secureOptions?: number } | undefined
      const legacy = connect?.secureOptions === constants.SSL_OP_LEGACY_SERVER_CONNECT
      opened.push({ origin, legacy })
      return {
        dispatch(_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) {
          dispatched++
          if (!legacy) {
            queueMicrotask(() => handler.onResponseError?.(null as never, Object.assign(new Error('tls'), { code })))
            return true
          }
          const controller = {
            abort() {},
            pause() {},
            resume() {},
            aborted: false,
            paused: false,
            reason: null,
          } as Dispatcher.DispatchController
          handler.onRequestStart?.(controller, {})
          handler.onResponseStart?.(controller, 200, { 'content-type': 'application/json' })
          handler.onResponseData?.(controller, Buffer.from('{}'))
          handler.onResponseEnd?.(controller, {})
          return true
        },
        destroy: async () => {},
      } as unknown as Pick<Pool, 'dispatch' | 'destroy'>
    },
  })
  return { transport, opened, logs, dispatched: () => dispatched }
}

test('a server that cannot renegotiate safely is connected to without that check, from then on', async () => {
  const { transport, opened, logs, dispatched } = setUp('ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED')
  expect(await transport.send(REQUEST).result).toMatchObject({ kind: 'response', status: 200 })
  expect(await transport.send(REQUEST).result).toMatchObject({ kind: 'response', status: 200 })
  expect(opened).toEqual([
    { origin: 'https://api.sam.gov', legacy: false },
    { origin: 'https://api.sam.gov', legacy: true },
  ])
  expect(dispatched()).toBe(3)
  expect(logs).toHaveLength(1)
})

test('several that fail at once switch once, and each is sent again', async () => {
  const { transport, opened } = setUp('ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED')
  const results = await Promise.all([1, 2, 3].map(() => transport.send(REQUEST).result))
  expect(results.map((result) => result.kind)).toEqual(['response', 'response', 'response'])
  expect(opened.filter((pool) => pool.legacy)).toHaveLength(1)
})

test.each(['CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_TLS_CERT_ALTNAME_INVALID'])(
  '%s stays a failure',
  async (code) => {
    const { transport, opened } = setUp(code)
    expect(await transport.send(REQUEST).result).toEqual({ kind: 'failure', sent: false, failure: 'tls', detail: code })
    expect(opened).toEqual([{ origin: 'https://api.sam.gov', legacy: false }])
  },
)

test('other origins keep the check', async () => {
  const { transport, opened } = setUp('ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED')
  await transport.send(REQUEST).result
  await transport.send({ ...REQUEST, origin: 'https://other.example.org' }).result
  expect(opened[2]).toEqual({ origin: 'https://other.example.org', legacy: false })
})
