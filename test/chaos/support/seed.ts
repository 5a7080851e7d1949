/** The seed of random choices: CHAOS_SEED, else a new one, printed so that a failed round can be run again. */
import { randomInt } from 'node:crypto'

export type Rng = { next(): number; int(below: number): number; pick<T>(list: readonly T[]): T }

/** mulberry32: small, and the same everywhere. */
export function rngOf(seed: number): Rng {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (below: number): number => Math.floor(next() * below)
  return { next, int, pick: (list) => list[int(list.length)]! }
}

export function chaosSeed(suite: string): number {
  const given = process.env['CHAOS_SEED']
  const seed = given === undefined || given === '' ? randomInt(1_000_000_000) : Number(given)
  process.stderr.write(`${suite}: CHAOS_SEED=${seed}\n`)
  return seed
}

/** CHAOS_ROUNDS: how many times longer than in the test run, for soaks. */
export const ROUNDS = Math.max(1, Number(process.env['CHAOS_ROUNDS'] ?? 1))
