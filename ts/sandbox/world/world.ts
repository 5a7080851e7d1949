import { DAY_MS, type DurationMs, type EpochMs } from '../../model/time.ts'
import { AGENCIES } from './agencies.ts'
import { type Company, generateCompanies } from './companies.ts'
import { createSamWorld, type SamWorld } from './sam-world.ts'
import { createSbirWorld, type SbirWorld } from './sbir-world.ts'
import { createUsaspendingWorld, type UsaspendingWorld } from './usaspending-world.ts'

export type WorldOptions = {
  readonly seed: number
  readonly companies: number
  readonly awards: number
  /** The instant at which the world is handed over: everything before it is history, everything after it is still to come. */
  readonly startAt: EpochMs
  /** How often SBIR.gov publishes a new bulk file; the first one is published at `startAt`. Default 30 days. */
  readonly sbirPublishEvery?: DurationMs
}

/** One consistent world behind all providers. Its state at any moment is a function of the options and that moment alone. */
export type World = {
  readonly options: Required<WorldOptions>
  readonly companies: readonly Company[]
  readonly sbir: SbirWorld
  readonly usaspending: UsaspendingWorld
  readonly sam: SamWorld
  /**
   * A part of the world that only some providers know, made when it is first asked for and then kept: `world.part(peopleWorld)`.
   * `make` must be a module-level function of the world alone.
   */
  part<T>(make: (world: World) => T): T
}

export const DEFAULT_START_AT: EpochMs = Date.UTC(2026, 10, 21, 6)
const MAX_ENTITIES = 5_000_000

/** Throws a RangeError when a count is no sensible number. Takes about 10 µs per company and award. */
export function createWorld(options: WorldOptions): World {
  for (const [name, value] of [
    ['companies', options.companies],
    ['awards', options.awards],
  ] as const) {
    if (!Number.isInteger(value) || value < 1 || value > MAX_ENTITIES)
      throw new RangeError(`${name} is ${value}; give a whole number between 1 and ${MAX_ENTITIES}`)
  }
  const { seed, startAt, awards } = options
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed is ${seed}; give a whole number`)
  const sbirPublishEvery = options.sbirPublishEvery ?? 30 * DAY_MS
  if (!(sbirPublishEvery > 0)) throw new RangeError(`sbirPublishEvery is ${sbirPublishEvery} ms; give more than 0`)
  const companies = generateCompanies(
    seed,
    options.companies,
    AGENCIES.map(({ weight }) => weight),
  )
  const sbir = createSbirWorld(seed, startAt, companies, awards, sbirPublishEvery)
  const parts = new Map<unknown, unknown>()
  const world: World = {
    part<T>(make: (world: World) => T): T {
      if (!parts.has(make)) parts.set(make, make(world))
      return parts.get(make) as T
    },
    options: { ...options, sbirPublishEvery },
    companies,
    sbir,
    usaspending: createUsaspendingWorld(seed, startAt, companies, sbir.awardsUntil, awards),
    sam: createSamWorld(seed, startAt, companies),
  }
  return world
}
