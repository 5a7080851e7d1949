/** The sandbox without sockets: world, clock, quotas, faults and log around the providers' handlers. */
import { getResponse, type RequestHandler } from 'msw'
import type { JsonValue } from '../model/json.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import { createWorldClock, type WorldClock } from './clock.ts'
import { type Dialect, unplanned } from './dialects/dialect.ts'
import { DEFAULT_QUOTAS, DIALECTS } from './dialects/index.ts'
import { samExclusionsHandlers } from './dialects/sam-exclusions.ts'
import { samGovHandlers } from './dialects/sam-gov.ts'
import { sbirFilesHandlers, sbirGovHandlers } from './dialects/sbir-gov.ts'
import { createFaultBox, type Delivery, type FaultBox } from './faults.ts'
import { createQuotaMeter, type QuotaMeter, type QuotaRule } from './quota.ts'
import { createRequestLog, type RequestLog, withoutSecrets } from './request-log.ts'
import { createWorld, DEFAULT_START_AT, type World } from './world/world.ts'

export type SandboxSettings = {
  readonly seed: number
  readonly companies: number
  readonly awards: number
  /** World time at the start. Default: a fixed instant, so that the same seed always gives the same demonstration. */
  readonly startAt?: EpochMs
  /** World time runs this many times as fast as real time, and quota windows are that much shorter on the wire. Default 1. */
  readonly speed?: number
  /** Replaces the quotas of a source; an empty list lifts them. */
  readonly quotas?: Readonly<Record<string, readonly QuotaRule[]>>
  readonly sbirPublishEvery?: DurationMs
  /** How the switched-off SBIR.gov API answers. Default `429`. */
  readonly sbirApi?: '429' | '403' | '429-body-403'
  /** Begin the bulk CSV with a byte order mark. Default false. */
  readonly csvBom?: boolean
  /** SAM.gov keys that are let in. Default `SANDBOX-KEY`. */
  readonly samKeys?: readonly string[]
}

export type SandboxPorts = {
  /** Real time in ms, for the world's clock; only differences count. */
  now(): number
  /** Monotonic ms, for quotas. */
  monotonic(): number
}

export type Answered = {
  readonly response: Response
  readonly delivery: Delivery
  readonly delayMs: DurationMs
  /** To be called once, when the answer has left or the asker is gone: until then the request counts as under way. */
  readonly departed: () => void
}

export type Sandbox = {
  readonly world: World
  readonly clock: WorldClock
  readonly faults: FaultBox
  readonly log: RequestLog
  readonly quotas: ReadonlyMap<string, QuotaMeter>
  readonly settings: SandboxSettings
  /**
   * Answers one request to `<origin>/<prefix>/...`. `arrivedAt`: monotonic ms of its arrival, default now. Never throws for a bad
   * request; what nobody planned for is a 501 that names the path.
   */
  answer(request: Request, arrivedAt?: number): Promise<Answered>
}

/** The provider's handlers with the sandbox's settings, mounted at `baseUrl`. */
function handlersOf(
  dialect: Dialect,
  world: World,
  baseUrl: string,
  settings: SandboxSettings,
  now: () => EpochMs,
): RequestHandler[] {
  switch (dialect.prefix) {
    case 'sam_exclusions':
      return samExclusionsHandlers(world, baseUrl, settings.samKeys === undefined ? { now } : { now, keys: settings.samKeys })
    case 'sam_gov':
      return samGovHandlers(world, baseUrl, settings.samKeys === undefined ? { now } : { now, keys: settings.samKeys })
    case 'sbir_gov':
      return sbirGovHandlers(world, baseUrl, { now, off: settings.sbirApi ?? '429' })
    case 'sbir_files':
      return sbirFilesHandlers(world, baseUrl, { now, csv: { bom: settings.csvBom ?? false } })
    default:
      return dialect.handlers(world, baseUrl, { now })
  }
}

/** Those that the answer has already stay. */
function withHeaders(response: Response, headers: Readonly<Record<string, string>>): Response {
  const all = new Headers(response.headers)
  for (const [name, value] of Object.entries(headers)) if (!all.has(name)) all.set(name, value)
  return new Response(response.body, { status: response.status, headers: all })
}

/** `origin`: without trailing slash, e.g. `http://127.0.0.1:8585`. Throws a RangeError for settings that make no sense. */
export function createSandbox(settings: SandboxSettings, ports: SandboxPorts, origin = 'http://sandbox.invalid'): Sandbox {
  const { seed, companies, awards, startAt = DEFAULT_START_AT, speed = 1, sbirPublishEvery } = settings
  const clock = createWorldClock(startAt, speed, ports.now)
  const world = createWorld({ seed, companies, awards, startAt, ...(sbirPublishEvery === undefined ? {} : { sbirPublishEvery }) })
  const faults = createFaultBox(seed)
  const log = createRequestLog()
  const rules = { ...DEFAULT_QUOTAS, ...settings.quotas }
  const unknown = Object.keys(rules).filter((source) => !DIALECTS.some((dialect) => dialect.source === source))
  if (unknown.length > 0)
    throw new RangeError(
      `quotas for unknown source ${unknown.join(', ')}; known are ${[...new Set(DIALECTS.map(({ source }) => source))].join(', ')}`,
    )
  const quotas = new Map(Object.entries(rules).map(([source, list]) => [source, createQuotaMeter(list, speed)]))
  const refused = new Map<string, number>()
  const mounts = new Map(
    DIALECTS.map((dialect) => [
      dialect.prefix,
      { dialect, handlers: handlersOf(dialect, world, `${origin}/${dialect.prefix}`, settings, clock.now) },
    ]),
  )

  return {
    world,
    clock,
    faults,
    log,
    quotas,
    settings,
    async answer(request, arrivedAt = ports.monotonic()) {
      const at = clock.now()
      const url = new URL(request.url)
      const slash = url.pathname.indexOf('/', 1)
      const mount = mounts.get(url.pathname.slice(1, slash < 0 ? undefined : slash))
      if (mount === undefined) {
        const found = `this path; providers are served under ${[...mounts.keys()].map((prefix) => `/${prefix}`).join(', ')}, the admin interface under /_admin/`
        return { response: unplanned(request, found), delivery: { kind: 'normal' }, delayMs: 0, departed: () => {} }
      }
      const { dialect, handlers } = mount
      const path = slash < 0 ? '/' : url.pathname.slice(slash)
      const n = log.next()
      const credential = dialect.credential(request)
      const credits = dialect.credits?.(path, url.searchParams) ?? 1
      const quota = quotas.get(dialect.source)!
      const refusal = quota.arrive(n, credential, arrivedAt, at, credits)
      let meter = { now: at, credits, quotas: quota.status(credential, arrivedAt, at) }
      const body = request.method === 'POST' ? await request.clone().text() : ''
      const entry = {
        n,
        at,
        real_ms: arrivedAt,
        source: dialect.prefix,
        method: request.method,
        path: withoutSecrets(path + url.search),
        keys: dialect.keysAsked(path, url.searchParams, body),
        status: null as number | null,
        faults: [] as readonly string[],
        refused: refusal !== null,
      }
      log.add(entry)
      const fault = faults.apply(dialect, path + url.search, at)
      if (fault !== null) entry.faults = fault.kinds
      let response = fault?.response ?? null
      if (response === null && refusal !== null) {
        const count = (refused.get(dialect.source) ?? 0) + 1
        refused.set(dialect.source, count)
        response = dialect.overQuota(refusal, count, meter)
      }
      response ??= (await getResponse(handlers, request)) ?? unplanned(request, 'this request')
      if (fault === null && refusal === null && dialect.spent !== undefined && credits > 0) {
        const said = (await response
          .clone()
          .json()
          .catch(() => null)) as JsonValue
        const spent = dialect.spent(said)
        quota.settle(credential, at, spent - credits)
        meter = { now: at, credits: spent, quotas: quota.status(credential, arrivedAt, at) }
      }
      if (fault === null && dialect.quotaHeaders !== undefined) response = withHeaders(response, dialect.quotaHeaders(meter))
      const delivery = fault?.delivery ?? { kind: 'normal' }
      const neverSent = delivery.kind === 'reset' || (delivery.kind === 'stall' && delivery.after === 'request')
      entry.status = neverSent ? null : response.status
      const departed = refusal === null ? () => quota.depart(credential) : () => {}
      return { response, delivery, delayMs: fault?.delayMs ?? 0, departed }
    },
  }
}
