/**
 * Whole lines into a file descriptor, at once: one synchronous write each, so that nothing waits in a buffer when the process
 * ends, however it ends, and no reader ever sees a line of ours mixed with another.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { messageOf } from '../model/errors.ts'
import { DagsterPipesError } from './protocol.ts'

export type LineChannel = {
  /** `line` without its end. Throws `DagsterPipesError` when it cannot be written. */
  write(line: string): void
  close(): void
}

/** As `fs.writeSync`; tests bring one that writes less or refuses. */
type Write = (fd: number, bytes: Uint8Array, offset: number, length: number) => number

/** A full pipe that does not block: wait this long and try again. */
const FULL_PIPE_WAIT_MS = 2
/** Give up on a pipe that nobody empties; a reader that only stalls is waited for. */
const FULL_PIPE_LIMIT_MS = 30_000

const waiter = new Int32Array(new SharedArrayBuffer(4))

export function createLineChannel(
  fd: number,
  options: { readonly write?: Write; readonly close?: () => void } = {},
): LineChannel {
  const writeBytes: Write = options.write ?? writeSync
  let isTorn = false
  let isClosed = false

  function writeAll(bytes: Uint8Array): void {
    let offset = 0
    let waitedMs = 0
    while (offset < bytes.length) {
      try {
        offset += writeBytes(fd, bytes, offset, bytes.length - offset)
        waitedMs = 0
      } catch (cause) {
        const isFull = (cause as NodeJS.ErrnoException).code === 'EAGAIN'
        if (isFull && waitedMs < FULL_PIPE_LIMIT_MS) {
          Atomics.wait(waiter, 0, 0, FULL_PIPE_WAIT_MS)
          waitedMs += FULL_PIPE_WAIT_MS
          continue
        }
        // Half a line stands there: the next one begins on a line of its own, so that only this one is lost.
        isTorn ||= offset > 0
        throw new DagsterPipesError(`a message to Dagster could not be written: ${messageOf(cause)}`, { cause })
      }
    }
    isTorn = false
  }

  return {
    write(line) {
      if (isClosed) throw new DagsterPipesError('the channel to Dagster is closed')
      writeAll(Buffer.from(`${isTorn ? '\n' : ''}${line}\n`, 'utf8'))
    },
    close() {
      if (isClosed) return
      isClosed = true
      options.close?.()
    },
  }
}

/** Appends to a file that is kept open. */
export function openFileChannel(path: string): LineChannel {
  let fd: number
  try {
    fd = openSync(path, 'a')
  } catch (cause) {
    throw new DagsterPipesError(`the message file ${path} cannot be opened: ${messageOf(cause)}`, { cause })
  }
  return createLineChannel(fd, { close: () => closeSync(fd) })
}
