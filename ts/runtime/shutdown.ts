/**
 * Stopping in two stages. The first SIGINT or SIGTERM aborts `signal`: nothing new is begun, what is under way ends and
 * is saved, then the releasers run in reverse order. If that takes longer than `lastResortMs`, or a second signal arrives,
 * the process ends at once; durable state is written so that this loses nothing but time.
 */
import { messageOf } from '../model/errors.ts'
import type { DurationMs } from '../model/time.ts'

export const EXIT_INTERRUPTED = 130

type StopSignal = 'SIGINT' | 'SIGTERM'
type SignalSource = {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown
  off(signal: StopSignal, listener: (signal: StopSignal) => void): unknown
}

export type ShutdownOptions = {
  /** From the first signal to the forced end. */
  readonly lastResortMs: DurationMs
  readonly say: (message: string) => void
  /** Where signals come from and how the process ends; the process itself unless a test says otherwise. */
  readonly signals?: SignalSource
  readonly exit?: (code: number) => void
}

export type Shutdown = {
  /** Aborts at the first signal (or `request`). */
  readonly signal: AbortSignal
  /** True once a stop was asked for. */
  readonly requested: boolean
  /** Registers what must be let go of at the end; returns how to take it back once it was let go of early. */
  onRelease(name: string, release: () => void | Promise<void>): () => void
  /** Begins stopping, as a signal would. */
  request(reason: string): void
  /** Runs the releasers, last registered first, each once, whatever the others do. Rejects with the first error after all ran. */
  release(): Promise<void>
}

export function createShutdown(options: ShutdownOptions): Shutdown {
  const { say, lastResortMs } = options
  const signals = options.signals ?? process
  const exit = options.exit ?? ((code: number) => process.exit(code))
  const controller = new AbortController()
  const releasers: { readonly name: string; readonly release: () => void | Promise<void> }[] = []
  let lastResort: NodeJS.Timeout | undefined
  let releasing: string | null = null

  function force(why: string): void {
    say(`${why}; ending now${releasing === null ? '' : ` while releasing ${releasing}`}. State is saved up to the last commit.`)
    exit(EXIT_INTERRUPTED)
  }

  function request(reason: string): void {
    if (controller.signal.aborted) return
    say(`${reason}: finishing what is under way (at most ${Math.ceil(lastResortMs / 1000)} s). Once more to end at once.`)
    // Unref'd: a process with nothing left to do ends by itself before it fires.
    lastResort = setTimeout(() => force('Stopping took too long'), lastResortMs)
    lastResort.unref()
    controller.abort(new Error(reason))
  }

  function onSignal(signal: StopSignal): void {
    if (controller.signal.aborted) force(`Second ${signal}`)
    else request(signal)
  }

  signals.on('SIGINT', onSignal)
  signals.on('SIGTERM', onSignal)

  return {
    signal: controller.signal,
    get requested() {
      return controller.signal.aborted
    },
    onRelease(name, release) {
      const entry = { name, release }
      releasers.push(entry)
      return () => {
        const index = releasers.indexOf(entry)
        if (index >= 0) releasers.splice(index, 1)
      }
    },
    request,
    async release() {
      let first: { error: unknown } | null = null
      for (let entry = releasers.pop(); entry !== undefined; entry = releasers.pop()) {
        releasing = entry.name
        try {
          await entry.release()
        } catch (error) {
          first ??= { error }
          say(`Releasing ${entry.name} failed: ${messageOf(error)}`)
        }
      }
      releasing = null
      clearTimeout(lastResort)
      signals.off('SIGINT', onSignal)
      signals.off('SIGTERM', onSignal)
      if (first !== null) throw first.error
    },
  }
}
