/** The only place that reads the real clock, real randomness, the process's identity and its environment. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { DurationMs, EpochMs } from '../model/time.ts'
import { toIso } from '../model/time.ts'
import { onAbort } from './abort-hub.ts'
import type { Clock, Ids, Monotonic, Random } from './ports.ts'

const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id'
/** Longest delay that `setTimeout` takes; a longer one would fire at once. */
const MAX_TIMER_MS = 2_147_483_647

function readBootId(): string | null {
  try {
    const id = readFileSync(BOOT_ID_FILE, 'utf8').trim()
    return id === '' ? null : id
  } catch {
    return null
  }
}

/**
 * A reading common to all processes of one boot. On Linux `hrtime` is CLOCK_MONOTONIC and the kernel names the boot.
 * Elsewhere neither is known to be shared, so it is wall time that never goes back within the process.
 */
function monotonicReader(bootId: string | null): () => Monotonic {
  if (bootId !== null) return () => ({ ms: Number(process.hrtime.bigint()) / 1e6, boot: bootId })
  let last = 0
  return () => {
    last = Math.max(last, Date.now())
    return { ms: last, boot: 'wall' }
  }
}

/** Resolves after `duration` of real time, or at once when the signal aborts; never rejects. */
export function realSleep(duration: DurationMs, signal?: AbortSignal): Promise<void> {
  if (!(duration > 0) || signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    let left = duration
    let timer: NodeJS.Timeout
    const finish = () => {
      clearTimeout(timer)
      unhook?.()
      resolve()
    }
    const unhook = signal === undefined ? null : onAbort(signal, finish)
    const arm = () => {
      const step = Math.min(left, MAX_TIMER_MS)
      left -= step
      timer = setTimeout(left > 0 ? arm : finish, step)
    }
    arm()
  })
}

export function systemClock(bootId: string | null = readBootId()): Clock {
  return { now: () => Date.now(), monotonic: monotonicReader(bootId), sleep: realSleep }
}

export const systemRandom: Random = { next: () => Math.random() }

/** `run_20261121T030000_4f2a9c`; the holder is one name for the life of the process. */
export function systemIds(): Ids {
  const holder = `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`
  const unique = (prefix: string, now: EpochMs) =>
    `${prefix}_${toIso(now).slice(0, 19).replace(/[-:]/g, '')}_${randomBytes(3).toString('hex')}`
  return { runId: (now) => unique('run', now), unique, holder: () => holder }
}

/** The value of an environment variable; undefined when it is not set or holds only white space. */
export function environment(name: string): string | undefined {
  const value = process.env[name]
  return value === undefined || value.trim() === '' ? undefined : value
}

/** Writes a line to stderr, which on Linux is synchronous for files, terminals and pipes alike. */
export function writeStderr(line: string): void {
  process.stderr.write(line)
}
