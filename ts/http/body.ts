/**
 * Receives the bytes of one answer. Small bodies are kept and decoded at once; large encoded ones and downloads go through
 * streams with back pressure, so that what is in memory stays small whatever the provider sends.
 */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { renameDurably, temporaryPath } from '../runtime/atomic-file.ts'
import type { CrashPoints } from '../runtime/ports.ts'
import { type Coding, createDecoder, DECODE_AT_ONCE_BYTES, decodeAtOnce, decodedLimit } from './decode.ts'
import type { Failure } from './failure.ts'

/** Why a body was given up; `detail` is a size or a code. */
export class BodyError extends Error {
  readonly failure: Failure
  readonly detail: string
  constructor(failure: Failure, detail: string) {
    super(`${failure}: ${detail}`)
    this.name = 'BodyError'
    this.failure = failure
    this.detail = detail
  }
}

export type DownloadedFile = { readonly path: string; readonly bytes: number; readonly sha256: string }
export type ReceivedBody =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'file'; readonly file: DownloadedFile }

/** Whom to slow down, and whom to tell when the body is given up before its end. */
export type Upstream = { pause(): void; resume(): void; abort(error: Error): void }

export type BodySink = {
  /** Throws a `BodyError` when it is too much. */
  write(chunk: Buffer): void
  /** The last byte was written. Rejects with a `BodyError`. */
  end(): Promise<ReceivedBody>
  /** There will be no more: cleans up. */
  destroy(error: Error): void
}

function tooLarge(limit: number): BodyError {
  return new BodyError('too_large', `more than ${limit} bytes`)
}

function isDiskError(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException).syscall === 'string'
}

function asBodyError(error: unknown): BodyError {
  if (error instanceof BodyError) return error
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
  if (code === 'ERR_BUFFER_TOO_LARGE') return new BodyError('too_large', 'decoded')
  return isDiskError(error) ? new BodyError('disk', code) : new BodyError('bad_encoding', code)
}

/** Keeps a body of at most `maxBytes`, decoded. */
export function memorySink(coding: Coding, maxBytes: number, upstream: Upstream): BodySink {
  let chunks: Buffer[] = []
  let wireBytes = 0
  let stream: StreamedBody | null = null

  return {
    write(chunk) {
      wireBytes += chunk.length
      if (wireBytes > maxBytes) throw tooLarge(maxBytes)
      if (stream !== null) return stream.write(chunk)
      chunks.push(chunk)
      if (coding === 'identity' || wireBytes <= DECODE_AT_ONCE_BYTES) return
      stream = streamBody(coding, maxBytes, upstream, collect)
      for (const kept of chunks) stream.write(kept)
      chunks = []
    },
    async end() {
      if (stream !== null) return stream.end()
      const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
      if (coding === 'identity' || bytes.length === 0) return { kind: 'bytes', bytes }
      try {
        return { kind: 'bytes', bytes: decodeAtOnce(coding, bytes, decodedLimit(wireBytes, maxBytes)) }
      } catch (error) {
        throw asBodyError(error)
      }
    },
    destroy(error) {
      chunks = []
      stream?.destroy(error)
    },
  }
}

/** Writes a body of at most `maxBytes`, decoded, to a file named after its content. */
export function fileSink(coding: Coding, maxBytes: number, upstream: Upstream, target: DownloadTarget): BodySink {
  return streamBody(coding, maxBytes, upstream, (counted) => download(counted, target))
}

type StreamedBody = BodySink

/** Bytes on their way through decoder and counter to `consume`. */
function streamBody(
  coding: Coding,
  maxBytes: number,
  upstream: Upstream,
  consume: (body: AsyncIterable<Buffer>) => Promise<ReceivedBody>,
): StreamedBody {
  const source = new PassThrough({ highWaterMark: 262_144 })
  let wireBytes = 0
  let outcome: Promise<ReceivedBody> | null = null

  async function* counted(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let decoded = 0
    for await (const chunk of body) {
      decoded += chunk.length
      const limit = coding === 'identity' ? maxBytes : decodedLimit(wireBytes, maxBytes)
      if (decoded > limit) throw tooLarge(limit)
      yield chunk
    }
  }

  function begin(firstByte: number | undefined): Promise<ReceivedBody> {
    const run = async (body: AsyncIterable<Buffer>): Promise<ReceivedBody> => consume(counted(body))
    const flow: Promise<ReceivedBody> =
      coding === 'identity' ? pipeline(source, run) : pipeline(source, createDecoder(coding, firstByte), run)
    flow.catch((error: unknown) => upstream.abort(asBodyError(error)))
    return flow
  }

  return {
    write(chunk) {
      wireBytes += chunk.length
      outcome ??= begin(chunk[0])
      if (source.destroyed || source.write(chunk)) return
      upstream.pause()
      source.once('drain', () => upstream.resume())
    },
    async end() {
      outcome ??= begin(undefined)
      source.end()
      try {
        return await outcome
      } catch (error) {
        throw asBodyError(error)
      }
    },
    destroy(error) {
      // Before the first byte nothing listens to the stream, and nothing needs cleaning.
      if (outcome !== null) source.destroy(error)
    },
  }
}

async function collect(body: AsyncIterable<Buffer>): Promise<ReceivedBody> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return { kind: 'bytes', bytes: Buffer.concat(chunks) }
}

export type DownloadTarget = { readonly directory: string; readonly name: string; readonly crashPoints: CrashPoints }

/** Temporary file, fsync, rename to `<name>-<first 16 of sha256>`, so that the same content is the same file. */
async function download(body: AsyncIterable<Buffer>, { directory, name, crashPoints }: DownloadTarget): Promise<ReceivedBody> {
  await mkdir(directory, { recursive: true })
  const temporary = temporaryPath(join(directory, name))
  const hash = createHash('sha256')
  let bytes = 0
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const chunk of body) {
      hash.update(chunk)
      bytes += chunk.length
      yield chunk
    }
  }
  try {
    await pipeline(
      hashed as () => AsyncGenerator<Buffer> & Readable,
      createWriteStream(temporary, { flags: 'wx', mode: 0o600, flush: true }),
    )
    const sha256 = hash.digest('hex')
    const path = join(directory, `${name}-${sha256.slice(0, 16)}`)
    crashPoints.reach('download.before_rename')
    await renameDurably(temporary, path)
    crashPoints.reach('download.after_rename')
    return { kind: 'file', file: { path, bytes, sha256 } }
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw error
  }
}
