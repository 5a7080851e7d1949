/**
 * Many waiters, one listener per signal. `addEventListener` walks the list of listeners it already has, so a hundred
 * thousand of them on the signal of a run would take minutes to register (measured: 75 s).
 */
type Callback = () => void

const waiting = new WeakMap<AbortSignal, Set<Callback>>()

/** Calls back once when the signal aborts (it must not have aborted yet); returns how to take it back. */
export function onAbort(signal: AbortSignal, callback: Callback): () => void {
  let callbacks = waiting.get(signal)
  if (callbacks === undefined) {
    const created = new Set<Callback>()
    callbacks = created
    waiting.set(signal, created)
    signal.addEventListener(
      'abort',
      () => {
        waiting.delete(signal)
        for (const each of created) each()
      },
      { once: true },
    )
  }
  const joined = callbacks
  joined.add(callback)
  return () => void joined.delete(callback)
}
