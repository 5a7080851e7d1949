/**
 * Signals as the shutdown takes them. One Ctrl-C reaches this process up to three times (from the terminal, from the
 * launcher, from npm), and the shutdown takes a second signal as "end at once": so what follows within half a second of
 * another is the same one. SIGHUP (the terminal was closed) stops like SIGTERM.
 */
import type { ShutdownOptions } from '../runtime/shutdown.ts'

type Signals = NonNullable<ShutdownOptions['signals']>
type Listener = Parameters<Signals['on']>[1]
type Emitter = {
  on(name: string, listener: () => void): unknown
  off(name: string, listener: () => void): unknown
}

export const SAME_SIGNAL_WITHIN_MS = 500

export function debouncedSignals(emitter: Emitter = process, sameWithinMs = SAME_SIGNAL_WITHIN_MS): Signals {
  let quiet: NodeJS.Timeout | null = null
  const pass = (act: () => void): void => {
    if (quiet !== null) return
    quiet = setTimeout(() => {
      quiet = null
    }, sameWithinMs)
    quiet.unref()
    act()
  }
  const wrapped = new Map<Listener, Map<string, () => void>>()
  return {
    on(signal, listener) {
      const names = signal === 'SIGTERM' ? ['SIGTERM', 'SIGHUP'] : [signal]
      const own = wrapped.get(listener) ?? new Map<string, () => void>()
      wrapped.set(listener, own)
      for (const name of names) {
        const handler = (): void => pass(() => listener(signal))
        own.set(name, handler)
        emitter.on(name, handler)
      }
    },
    off(signal, listener) {
      for (const name of signal === 'SIGTERM' ? ['SIGTERM', 'SIGHUP'] : [signal]) {
        const handler = wrapped.get(listener)?.get(name)
        if (handler !== undefined) emitter.off(name, handler)
      }
    },
  }
}
