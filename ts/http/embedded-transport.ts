/** Requests to `embedded:<name>`: answered by a handler in this process, under the same deadline and size limit as over a wire. */
import type { JsonValue } from '../model/json.ts'
import { type EmbeddedProviders, embeddedName } from '../runtime/embedded.ts'
import type { Exchange, TransportOptions, WireRequest, WireResult } from './transport.ts'

type Options = Pick<TransportOptions, 'deadlineMs' | 'maxBodyBytes'> & { readonly providers: EmbeddedProviders }

/** Null when the origin is no embedded one. */
export function sendEmbedded(request: WireRequest, options: Options): Exchange | null {
  const name = embeddedName(request.origin)
  if (name === null) return null
  const handler = Object.hasOwn(options.providers, name) ? options.providers[name] : undefined
  if (handler === undefined) {
    const failure = { kind: 'failure', sent: false, failure: 'bad_request', detail: `no embedded provider "${name}"` } as const
    return { result: Promise.resolve(failure), abort() {} }
  }
  const controller = new AbortController()
  let settle: (result: WireResult) => void = () => {}
  const result = new Promise<WireResult>((resolve) => {
    settle = resolve
  })
  const giveUp = (failure: 'timeout' | 'aborted', detail: string): void => {
    settle({ kind: 'failure', sent: true, failure, detail })
    controller.abort()
  }
  const timer = setTimeout(() => giveUp('timeout', `${options.deadlineMs} ms`), options.deadlineMs)
  const mark = request.target.indexOf('?')
  const path = mark < 0 ? request.target : request.target.slice(0, mark)
  const query = new URLSearchParams(mark < 0 ? '' : request.target.slice(mark + 1))
  const json = request.body === null ? null : (JSON.parse(request.body) as JsonValue)
  // Begun in a later turn, so that a handler that throws at once is a rejection like any other.
  Promise.resolve()
    .then(() => handler({ method: request.method, path, query, json, signal: controller.signal }))
    .then(
      (answer) => {
        const text = JSON.stringify(answer.json)
        if (Buffer.byteLength(text) > options.maxBodyBytes)
          settle({ kind: 'failure', sent: true, failure: 'too_large', detail: `more than ${options.maxBodyBytes} bytes` })
        const headers = { ...answer.headers, 'content-type': 'application/json' }
        settle({ kind: 'response', sent: true, status: answer.status, headers, text, file: null })
      },
      (error: unknown) => {
        const code = (error as { code?: unknown } | null)?.code
        settle({
          kind: 'failure',
          sent: true,
          failure: 'reset',
          detail: typeof code === 'string' ? code : 'embedded provider failed',
        })
      },
    )
    .finally(() => clearTimeout(timer))
  return { result, abort: () => giveUp('aborted', '') }
}
