/**
 * One request, one answer, or the reason why there is none. undici's dispatch interface without anything on top: no
 * redirects (a key in a custom header would travel with them), no retries, no cache. One hard deadline from dispatch to the
 * last byte, because undici's own timeouts only measure silence and a slow drip never ends.
 *
 * This file and the sandbox's server are the only ones that open sockets, and only here a secret is revealed.
 */
import { constants } from 'node:crypto'
import { type Dispatcher, Pool } from 'undici'
import type { DurationMs } from '../model/time.ts'
import type { EmbeddedProviders } from '../runtime/embedded.ts'
import type { CrashPoints, Logger } from '../runtime/ports.ts'
import type { Scrubber } from '../runtime/scrub.ts'
import { BodyError, type BodySink, type DownloadedFile, fileSink, memorySink, type ReceivedBody } from './body.ts'
import type { PlacedCredential } from './credentials.ts'
import { type Coding, codingOf, decodeText } from './decode.ts'
import { sendEmbedded } from './embedded-transport.ts'
import { codeOf, type Failure, failureOf } from './failure.ts'

export type WireRequest = {
  readonly origin: string
  readonly target: string
  readonly method: 'GET' | 'POST'
  /** Name, value, name, value, … */
  readonly headers: readonly string[]
  readonly body: string | null
  readonly credentials: readonly PlacedCredential[]
  /** File name stem when a 2xx answer is to be streamed to disk. */
  readonly download: string | null
}

export type WireResult =
  | {
      readonly kind: 'response'
      readonly sent: true
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly text: string
      readonly file: (DownloadedFile & { readonly complete: boolean }) | null
    }
  | { readonly kind: 'failure'; readonly sent: boolean; readonly failure: Failure; readonly detail: string }

export type Exchange = { readonly result: Promise<WireResult>; abort(): void }
export type Transport = { send(request: WireRequest): Exchange; close(): Promise<void> }

export type TransportOptions = {
  readonly deadlineMs: DurationMs
  readonly connections: number
  readonly maxBodyBytes: number
  readonly maxFileBytes: number
  readonly downloadDir: string
  readonly scrubber: Pick<Scrubber, 'scrub'>
  readonly crashPoints: CrashPoints
  readonly logger: Logger
  /** Who answers requests to `embedded:<name>`. */
  readonly embedded?: EmbeddedProviders
  /** Replaced by tests that cannot produce a real handshake failure. */
  readonly openPool?: (origin: string, options: Pool.Options) => Pick<Pool, 'dispatch' | 'destroy'>
}

const MAX_HEADER_BYTES = 16_384
const CONNECT_TIMEOUT_MS = 10_000
/** Below what servers commonly allow (Node: 5 s), so that we are the one to close an idle connection: no race with a reset. */
const KEEP_ALIVE_MS = 3_000
const KEEP_ALIVE_HINT_MAX_MS = 30_000
/** OpenSSL 3 refuses servers that cannot renegotiate safely. api.sam.gov has been one of them. */
const UNSAFE_RENEGOTIATION = 'ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED'

const CLOSED: WireResult = { kind: 'failure', sent: false, failure: 'aborted', detail: 'closed' }

export function createTransport(options: TransportOptions): Transport {
  const openPool = options.openPool ?? ((origin: string, poolOptions: Pool.Options) => new Pool(origin, poolOptions))
  const pools = new Map<string, Pick<Pool, 'dispatch' | 'destroy'>>()
  const legacyOrigins = new Set<string>()
  let closed = false

  function poolOf(origin: string): Pick<Pool, 'dispatch' | 'destroy'> {
    let pool = pools.get(origin)
    if (pool === undefined) {
      pool = openPool(origin, {
        connections: options.connections,
        pipelining: 1,
        allowH2: false,
        headersTimeout: 0,
        bodyTimeout: 0,
        connectTimeout: Math.min(CONNECT_TIMEOUT_MS, options.deadlineMs),
        keepAliveTimeout: KEEP_ALIVE_MS,
        keepAliveMaxTimeout: KEEP_ALIVE_HINT_MAX_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
        ...(legacyOrigins.has(origin) ? { connect: { secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT } } : {}),
      })
      pools.set(origin, pool)
    }
    return pool
  }

  /** Only for an origin that has just failed in this very way, and only the check that failed is turned off. */
  async function allowLegacy(origin: string): Promise<void> {
    if (!legacyOrigins.has(origin)) {
      options.logger.log('warn', 'server cannot renegotiate TLS safely; connecting without that check', { origin })
      legacyOrigins.add(origin)
    }
    const old = pools.get(origin)
    pools.delete(origin)
    await old?.destroy()
  }

  return {
    send(request) {
      if (closed) return { result: Promise.resolve(CLOSED), abort() {} }
      const embedded = sendEmbedded(request, { ...options, providers: options.embedded ?? {} })
      if (embedded !== null) return embedded
      let current = dispatch(poolOf(request.origin), request, options)
      const result = current.result.then(async (first) => {
        if (first.kind === 'response' || first.sent || first.detail !== UNSAFE_RENEGOTIATION) return first
        await allowLegacy(request.origin)
        current = dispatch(poolOf(request.origin), request, options)
        return current.result
      })
      return { result, abort: () => current.abort() }
    },
    async close() {
      closed = true
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
      pools.clear()
    },
  }
}

function withCredentials(request: WireRequest): { path: string; headers: string[] } {
  const headers = request.headers.slice()
  let path = request.target
  for (const { spec, secret } of request.credentials) {
    const { placement } = spec
    if (placement.in === 'header') headers.push(placement.name, `${placement.prefix ?? ''}${secret.reveal()}`)
    else path += `${path.includes('?') ? '&' : '?'}${encodeURIComponent(placement.name)}=${encodeURIComponent(secret.reveal())}`
  }
  return { path, headers }
}

function joinHeaders(raw: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const joined: Record<string, string> = {}
  for (const name in raw) {
    const value = raw[name]
    if (value !== undefined && name !== '__proto__') joined[name] = typeof value === 'string' ? value : value.join(', ')
  }
  return joined
}

function dispatch(pool: Pick<Pool, 'dispatch'>, request: WireRequest, options: TransportOptions): Exchange {
  const handler = new ExchangeHandler(request, options)
  const { path, headers } = withCredentials(request)
  try {
    pool.dispatch({ method: request.method, path, headers, body: request.body }, handler)
  } catch (error) {
    handler.onResponseError(null, error)
  }
  return { result: handler.result, abort: () => handler.giveUp('aborted', '') }
}

class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly result: Promise<WireResult>
  readonly #request: WireRequest
  readonly #options: TransportOptions
  readonly #timer: NodeJS.Timeout
  #resolve: (result: WireResult) => void = () => {}
  #controller: Dispatcher.DispatchController | null = null
  #settled = false
  #status = 0
  #headers: Record<string, string> = {}
  #sink: BodySink | null = null

  constructor(request: WireRequest, options: TransportOptions) {
    this.#request = request
    this.#options = options
    this.result = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#timer = setTimeout(() => this.giveUp('timeout', `${options.deadlineMs} ms`), options.deadlineMs)
  }

  get #sent(): boolean {
    return this.#controller !== null
  }

  #settle(result: WireResult): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    this.#resolve(result)
  }

  /** Ends the exchange from our side; a request that still waits for a connection is never written. */
  giveUp(failure: Failure, detail: string): void {
    if (this.#settled) return
    this.#settle({ kind: 'failure', sent: this.#sent, failure, detail })
    const error = new BodyError(failure, detail)
    this.#sink?.destroy(error)
    this.#controller?.abort(error)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#settled) controller.abort(new BodyError('aborted', 'before it was sent'))
    else this.#controller = controller
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return
    this.#status = status
    this.#headers = joinHeaders(headers)
    const isDownload = this.#request.download !== null && status < 300 && status !== 204
    const maxBytes = isDownload ? this.#options.maxFileBytes : this.#options.maxBodyBytes
    const announced = Number(this.#headers['content-length'] ?? 0)
    const coding = codingOf(this.#headers['content-encoding'])
    if (coding === null) this.giveUp('bad_encoding', 'unknown or several content codings')
    else if (announced > maxBytes) this.giveUp('too_large', `announces ${announced} bytes`)
    else this.#sink = this.#openSink(controller, coding, maxBytes, isDownload)
  }

  #openSink(controller: Dispatcher.DispatchController, coding: Coding, maxBytes: number, isDownload: boolean): BodySink {
    const upstream = {
      pause: () => controller.pause(),
      resume: () => controller.resume(),
      abort: (error: Error) => this.#bodyFailed(error),
    }
    const { downloadDir: directory, crashPoints } = this.#options
    if (!isDownload) return memorySink(coding, maxBytes, upstream)
    return fileSink(coding, maxBytes, upstream, { directory, name: this.#request.download!, crashPoints })
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#settled) return
    try {
      this.#sink!.write(chunk)
    } catch (error) {
      this.#bodyFailed(error)
    }
  }

  onResponseEnd(): void {
    if (this.#settled) return
    clearTimeout(this.#timer)
    this.#sink!.end().then(
      (body) => this.#settle(this.#response(body)),
      (error: unknown) => this.#bodyFailed(error),
    )
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: unknown): void {
    if (this.#settled) return
    const code = codeOf(error)
    this.#settle({ kind: 'failure', sent: this.#sent, failure: failureOf(code, this.#sent), detail: code })
    this.#sink?.destroy(error instanceof Error ? error : new Error(code))
  }

  #bodyFailed(error: unknown): void {
    if (error instanceof BodyError) this.giveUp(error.failure, error.detail)
    else this.giveUp('bad_encoding', codeOf(error))
  }

  #response(body: ReceivedBody): WireResult {
    const headers = this.#headers
    const common = { kind: 'response', sent: true, status: this.#status, headers } as const
    if (body.kind === 'file') {
      // Neither a length nor chunks: the end of the connection is the end of the body, and a cut looks the same.
      const complete = headers['content-length'] !== undefined || /chunked/i.test(headers['transfer-encoding'] ?? '')
      return { ...common, text: '', file: { ...body.file, complete } }
    }
    const text = decodeText(body.bytes, headers['content-type'])
    return this.#withoutEchoes({ ...common, text, file: null })
  }

  /**
   * Providers repeat request URLs, keys included, in links and error texts; what is stored must not hold them. All forms
   * are looked for, because an echo inside JSON has its quotes and slashes escaped.
   */
  #withoutEchoes(response: WireResult & { kind: 'response' }): WireResult {
    if (this.#request.credentials.every(({ isPublic }) => isPublic)) return response
    const { scrubber } = this.#options
    const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, scrubber.scrub(value)]))
    return { ...response, text: scrubber.scrub(response.text), headers }
  }
}
