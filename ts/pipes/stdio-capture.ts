/**
 * Copies what this process prints to someone who asked for it (`include_stdio_in_messages`). What goes to the descriptors
 * past Node's streams (child processes, the Pipes channel itself) is not seen, and need not be.
 */
type StreamName = 'stdout' | 'stderr'
type Streams = Readonly<Record<StreamName, { write: NodeJS.WriteStream['write'] }>>

/** Calls back with text as it is printed; returns how to stop. A copy that cannot be delivered is dropped: the text was printed. */
export function captureStdio(forward: (stream: StreamName, text: string) => void, streams: Streams = process): () => void {
  // Shared: what is printed while a copy is under way is about the copy.
  let isForwarding = false
  const restore = (['stdout', 'stderr'] as const).map((name) => {
    const stream = streams[name]
    const original = stream.write
    const decoder = new TextDecoder()
    const write = (chunk: Uint8Array | string, ...rest: unknown[]): boolean => {
      if (!isForwarding) {
        isForwarding = true
        try {
          forward(name, typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }))
        } catch {
          // See above.
        } finally {
          isForwarding = false
        }
      }
      return (original as (...args: unknown[]) => boolean).call(stream, chunk, ...rest)
    }
    stream.write = write as NodeJS.WriteStream['write']
    return () => {
      stream.write = original
    }
  })
  return () => {
    for (const undo of restore) undo()
  }
}
