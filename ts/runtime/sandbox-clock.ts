/**
 * Time as the provider sandbox tells it, so that its world can be moved by days and the engine moves with it. Only `now`
 * is the world's; `monotonic` and `sleep` stay real, because quota slots and leases bound real requests.
 */
import { EngineError, messageOf } from '../model/errors.ts'
import type { EpochMs } from '../model/time.ts'
import type { Clock } from './ports.ts'

export type SandboxClock = Clock & {
  /** Reads the world's time again, after it was moved. */
  refresh(): Promise<void>
  /** How many times as fast as real time the world runs; its quota windows are that much shorter on the wire. */
  readonly speed: number
}

type Reading = { readonly worldAt: EpochMs; readonly speed: number; readonly readAtMs: number }

const READ_TIMEOUT_MS = 5_000

function refuse(url: string, why: string, cause?: unknown): EngineError {
  return new EngineError('configuration', 'sandbox_clock', `The sandbox clock at ${url} ${why}.`, {
    hint: 'Start the sandbox with `node ts/cli.js sandbox`, or set clock.source to system.',
    cause,
  })
}

/** `GET <sandbox_url>/_admin/clock` answers `{now, epoch_ms, speed}`. */
async function readWorld(url: string, system: Clock): Promise<Reading> {
  const before = system.monotonic().ms
  let body: unknown
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(READ_TIMEOUT_MS) })
    if (!response.ok) throw refuse(url, `answered ${response.status}`)
    body = await response.json()
  } catch (error) {
    if (error instanceof EngineError) throw error
    throw refuse(url, `could not be read: ${messageOf(error)}`, error)
  }
  const { epoch_ms: worldAt, speed = 1 } = (body ?? {}) as { epoch_ms?: unknown; speed?: unknown }
  if (typeof worldAt !== 'number' || !Number.isFinite(worldAt)) throw refuse(url, 'gave no epoch_ms')
  if (typeof speed !== 'number' || !(speed >= 0)) throw refuse(url, 'gave no usable speed')
  // The reading is as old as half the round trip, as good as it gets.
  return { worldAt, speed, readAtMs: (before + system.monotonic().ms) / 2 }
}

/** Reads the world's time once; rejects with `sandbox_clock` when there is no sandbox, or when it is not on loopback. */
export async function openSandboxClock(sandboxUrl: string, system: Clock): Promise<SandboxClock> {
  const host = new URL(sandboxUrl).hostname
  if (!/^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(host)) throw refuse(sandboxUrl, 'is not on loopback')
  const url = `${sandboxUrl.replace(/\/+$/, '')}/_admin/clock`
  let reading = await readWorld(url, system)
  return {
    now: () => Math.round(reading.worldAt + (system.monotonic().ms - reading.readAtMs) * reading.speed),
    monotonic: () => system.monotonic(),
    sleep: (duration, signal) => system.sleep(duration, signal),
    get speed() {
      return reading.speed
    },
    async refresh() {
      reading = await readWorld(url, system)
    },
  }
}
