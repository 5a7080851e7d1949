/** Faults on request: what goes wrong on the way between an honest answer and its reader. */
import type { EpochMs } from '../model/time.ts'
import type { Dialect } from './dialects/dialect.ts'
import { textResponse } from './dialects/dialect.ts'
import { Rng, streamId } from './world/prng.ts'

export const FAULT_KINDS = [
  'latency',
  'reset',
  'truncate',
  '500',
  '503-empty',
  'html-200',
  '429-with-body',
  'slow-drip',
  'gzip-bomb',
  'stall',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export type FaultSpec = {
  /** Prefix of the provider (`usaspending`, `sbir_files`, ...) or `*`. */
  readonly source: string
  readonly kind: FaultKind
  /** Share of matching requests, 0 to 1. Default 1. */
  readonly rate?: number
  /** At most so many times. Default: no end. */
  readonly count?: number
  /** Only requests whose path and query contain this text, or match the pattern behind `re:`. */
  readonly match?: string
  /** `latency`: delay (default 1000). `stall`: none. */
  readonly ms?: number
  /** `slow-drip`: bytes per second (default 64). `truncate`: bytes sent before the break (default half). */
  readonly bytes?: number
  /** `gzip-bomb`: decoded size in MB (default 512). */
  readonly megabytes?: number
  /** `429-with-body`: seconds in Retry-After (default 30). */
  readonly retry_after?: number
  /** `stall`: before or after the headers (default `request`: nothing is ever sent). */
  readonly after?: 'request' | 'headers'
}

/** What the server does to the socket. */
export type Delivery =
  | { readonly kind: 'normal' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'truncate'; readonly bytes: number | null }
  | { readonly kind: 'slow-drip'; readonly bytesPerSecond: number }
  | { readonly kind: 'gzip-bomb'; readonly megabytes: number }
  | { readonly kind: 'stall'; readonly after: 'request' | 'headers' }

export type AppliedFault = {
  readonly kinds: readonly FaultKind[]
  readonly delayMs: number
  readonly delivery: Delivery
  readonly response: Response | null
}

export type ActiveFault = FaultSpec & { readonly id: number; readonly applied: number }

type Entry = {
  readonly id: number
  readonly spec: FaultSpec
  readonly test: (path: string) => boolean
  readonly rng: Rng
  applied: number
}

const NUMBERS = ['rate', 'count', 'ms', 'bytes', 'megabytes', 'retry_after'] as const
const KEYS = new Set<string>(['source', 'kind', 'match', 'after', ...NUMBERS])

/** Checks a fault as it came in by JSON; a text is the problem. */
export function parseFault(value: unknown, prefixes: readonly string[]): FaultSpec | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'send a JSON object such as {"source":"usaspending","kind":"latency","ms":500}'
  const fault = value as Record<string, unknown>
  const unknown = Object.keys(fault).filter((key) => !KEYS.has(key))
  if (unknown.length > 0) return `unknown ${unknown.join(', ')}; known are ${[...KEYS].join(', ')}`
  if (typeof fault['source'] !== 'string' || !['*', ...prefixes].includes(fault['source']))
    return `source is one of ${['*', ...prefixes].join(', ')}`
  if (!(FAULT_KINDS as readonly unknown[]).includes(fault['kind'])) return `kind is one of ${FAULT_KINDS.join(', ')}`
  for (const key of NUMBERS) {
    const number = fault[key]
    if (number !== undefined && (typeof number !== 'number' || !Number.isFinite(number) || number < 0))
      return `${key} is a number from 0`
  }
  if (typeof fault['rate'] === 'number' && fault['rate'] > 1) return 'rate is a share between 0 and 1'
  if (fault['after'] !== undefined && fault['after'] !== 'request' && fault['after'] !== 'headers')
    return 'after is request or headers'
  if (fault['match'] !== undefined) {
    if (typeof fault['match'] !== 'string') return 'match is a text, or a pattern written re:awards/CONT_'
    try {
      matcher(fault['match'])
    } catch (error) {
      return `match: ${(error as Error).message}`
    }
  }
  return fault as FaultSpec
}

function matcher(match: string | undefined): (path: string) => boolean {
  if (match === undefined) return () => true
  if (!match.startsWith('re:')) return (path) => path.includes(match)
  const expression = new RegExp(match.slice(3))
  return (path) => expression.test(path)
}

const MAINTENANCE =
  '<!DOCTYPE html><html><head><title>Scheduled maintenance</title></head><body><h1>We will be right back</h1></body></html>'
const SERVER_ERROR =
  '<html><head><title>500 Internal Server Error</title></head><body><center><h1>500 Internal Server Error</h1></center></body></html>'

function effect(
  spec: FaultSpec,
  dialect: Dialect,
  now: EpochMs,
): { readonly delayMs?: number; readonly delivery?: Delivery; readonly response?: Response } {
  switch (spec.kind) {
    case 'latency':
      return { delayMs: spec.ms ?? 1000 }
    case 'reset':
      return { delivery: { kind: 'reset' } }
    case 'truncate':
      return { delivery: { kind: 'truncate', bytes: spec.bytes ?? null } }
    case '500':
      return { response: textResponse(SERVER_ERROR, 500, 'text/html') }
    case '503-empty':
      return { response: new Response(null, { status: 503 }) }
    case 'html-200':
      return { response: textResponse(MAINTENANCE, 200, 'text/html; charset=utf-8') }
    case '429-with-body':
      return { response: dialect.throttled(now, spec.retry_after ?? 30) }
    case 'slow-drip':
      return { delivery: { kind: 'slow-drip', bytesPerSecond: Math.max(1, spec.bytes ?? 64) } }
    case 'gzip-bomb':
      return { delivery: { kind: 'gzip-bomb', megabytes: spec.megabytes ?? 512 } }
    case 'stall':
      return { delivery: { kind: 'stall', after: spec.after ?? 'request' } }
  }
}

export type FaultBox = {
  add(spec: FaultSpec): ActiveFault
  /** Removes one, or all; says how many. */
  remove(id?: number): number
  list(): readonly ActiveFault[]
  /** Decides what happens to a request. Delays add up; of everything else the oldest fault wins. */
  apply(dialect: Dialect, path: string, now: EpochMs): AppliedFault | null
}

export function createFaultBox(seed: number): FaultBox {
  const entries: Entry[] = []
  let nextId = 1
  const shown = ({ id, spec, applied }: Entry): ActiveFault => ({ ...spec, id, applied })
  return {
    add(spec) {
      const id = nextId++
      const entry: Entry = { id, spec, test: matcher(spec.match), rng: new Rng(seed, streamId('fault'), id), applied: 0 }
      entries.push(entry)
      return shown(entry)
    },
    remove(id) {
      if (id === undefined) return entries.splice(0).length
      const at = entries.findIndex((entry) => entry.id === id)
      return at < 0 ? 0 : entries.splice(at, 1).length
    },
    list: () => entries.map(shown),
    apply(dialect, path, now) {
      const kinds: FaultKind[] = []
      let delayMs = 0
      let delivery: Delivery | null = null
      let response: Response | null = null
      for (const entry of entries) {
        const { spec } = entry
        if (spec.source !== '*' && spec.source !== dialect.prefix) continue
        if (spec.count !== undefined && entry.applied >= spec.count) continue
        if (spec.kind !== 'latency' && (delivery !== null || response !== null)) continue
        if (!entry.test(path) || !entry.rng.chance(spec.rate ?? 1)) continue
        entry.applied += 1
        kinds.push(spec.kind)
        const found = effect(spec, dialect, now)
        delayMs += found.delayMs ?? 0
        delivery ??= found.delivery ?? null
        response ??= found.response ?? null
      }
      return kinds.length === 0 ? null : { kinds, delayMs, delivery: delivery ?? { kind: 'normal' }, response }
    },
  }
}
