/** Where messages go: a file, a standard stream, or a standard stream all at once at the end. */

import { createLineChannel, type LineChannel, openFileChannel } from './line-channel.ts'
import { DagsterPipesError, makeMessage, type PipesMessage, type PipesParams } from './protocol.ts'
import { captureStdio } from './stdio-capture.ts'

/** A message as the line that is written: encoded and free of secrets. */
export type EncodeMessage = (message: PipesMessage) => string

export abstract class PipesMessageWriter {
  abstract open(params: PipesParams): void
  abstract writeMessage(message: PipesMessage): void
  /** Writes what is still held and lets go of the channel. Idempotent. */
  abstract close(): void
  /** Goes to Dagster with the first message; a launcher may read it. */
  openedExtras(): Readonly<Record<string, unknown>> {
    return {}
  }
}

const DESCRIPTORS = { stdout: 1, stderr: 2 } as const
type StreamName = keyof typeof DESCRIPTORS

function streamName(value: unknown, key: string): StreamName {
  if (value === 'stdout' || value === 'stderr') return value
  throw new DagsterPipesError(`"${key}" of the message parameters must be stdout or stderr, not ${JSON.stringify(value)}`)
}

/** Holds all lines until it is closed: for launchers that read a stream once the process has ended. */
function heldBack(channel: LineChannel): LineChannel {
  const lines: string[] = []
  return {
    write: (line) => void lines.push(line),
    close() {
      for (const line of lines.splice(0)) channel.write(line)
      channel.close()
    },
  }
}

/** `{path}`, `{stdio}` or `{buffered_stdio}`. With `include_stdio_in_messages` what the process prints goes along. */
export class PipesDefaultMessageWriter extends PipesMessageWriter {
  readonly #encode: EncodeMessage
  readonly #openStream: (fd: number) => LineChannel
  #channel: LineChannel | null = null
  #stopCapture: (() => void) | null = null

  constructor(encode: EncodeMessage, openStream: (fd: number) => LineChannel = (fd) => createLineChannel(fd)) {
    super()
    this.#encode = encode
    this.#openStream = openStream
  }

  open(params: PipesParams): void {
    const { path, stdio, buffered_stdio: buffered } = params
    if (typeof path === 'string') {
      this.#channel = openFileChannel(path)
      if (params['include_stdio_in_messages'] === true) {
        this.#stopCapture = captureStdio((stream, text) =>
          this.writeMessage(makeMessage('log_external_stream', { stream, text, extras: {} })),
        )
      }
    } else if (stdio !== undefined) {
      this.#channel = this.#openStream(DESCRIPTORS[streamName(stdio, 'stdio')])
    } else if (buffered !== undefined) {
      this.#channel = heldBack(this.#openStream(DESCRIPTORS[streamName(buffered, 'buffered_stdio')]))
    } else {
      throw new DagsterPipesError(
        `the message parameters hold none of "path", "stdio", "buffered_stdio" (but ${Object.keys(params).join(', ') || 'nothing'}); pass a message writer that fits the launcher's reader`,
      )
    }
  }

  writeMessage(message: PipesMessage): void {
    if (this.#channel === null) throw new DagsterPipesError('the message writer is not open')
    this.#channel.write(this.#encode(message))
  }

  close(): void {
    this.#stopCapture?.()
    this.#stopCapture = null
    this.#channel?.close()
    this.#channel = null
  }
}
