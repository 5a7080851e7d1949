/**
 * Where text leaves the program. Writes wait for the reader (a slow pipe must not fill memory), nothing is lost at exit
 * because every write is awaited, and a reader that went away (`… | head`) is no error.
 */
import type { Writable } from 'node:stream'
import { EngineError } from '../model/errors.ts'

export type Output = {
  readonly isTerminal: boolean
  /** Width of the terminal; 100 when there is none. */
  readonly columns: number
  /** True once the reader is gone: commands that stream stop there. */
  readonly closed: boolean
  /** Collects small pieces; resolves when they may be followed by more. */
  write(text: string): Promise<void>
  /** Resolves when everything written has been handed over. */
  flush(): Promise<void>
}

const CHUNK = 64 * 1024

export function createOutput(stream: Writable & { isTTY?: boolean; columns?: number }): Output {
  let pending = ''
  let closed = false
  let failure: Error | null = null
  let tail: Promise<void> = Promise.resolve()
  stream.on('error', (error: NodeJS.ErrnoException) => {
    closed = true
    pending = ''
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') failure = error
  })
  const send = (text: string): Promise<void> =>
    closed
      ? Promise.resolve()
      : new Promise((resolve) => {
          stream.write(text, () => resolve())
        })
  const flush = async (): Promise<void> => {
    const text = pending
    pending = ''
    if (text !== '') tail = tail.then(() => send(text))
    await tail
    if (failure === null) return
    const hint = 'make room on the disk or write elsewhere; what the command did is saved'
    throw new EngineError('failed', 'output_failed', `the output cannot be written: ${failure.message}`, { hint, cause: failure })
  }
  return {
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns ?? 100
    },
    get closed() {
      return closed
    },
    write(text) {
      if (closed) return failure === null ? Promise.resolve() : flush()
      pending += text
      return pending.length < CHUNK ? Promise.resolve() : flush()
    },
    flush,
  }
}
