/** A source client with everything around it faked but the sockets: adapter, store of quotas and states, time to sleep. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { SourceAdapter } from '../../ts/adapters/adapter.ts'
import { configSchema, refreshSchema, sourceSchema } from '../../ts/config/schema.ts'
import { createCallBudget } from '../../ts/http/call-budget.ts'
import { type ClosableSourceClient, createSourceClient, type SourceClientDeps } from '../../ts/http/pipeline.ts'
import type { CallResult } from '../../ts/http/source-client.ts'
import type { JsonValue } from '../../ts/model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../../ts/model/response.ts'
import type { Clock, LogLevel } from '../../ts/runtime/ports.ts'
import { createScrubber } from '../../ts/runtime/scrub.ts'
import { systemClock } from '../../ts/runtime/system.ts'
import type { QuotaGrant, QuotaRule } from '../../ts/stores/store.ts'

export type SkippingClock = Clock & { readonly sleeps: number[]; skip(ms: number): void }

/** Real time, except that sleeping is instant: the time slept is skipped. */
export function skippingClock(): SkippingClock {
  const system = systemClock()
  let skipped = 0
  const sleeps: number[] = []
  return {
    sleeps,
    now: () => system.now() + skipped,
    monotonic: () => ({ ...system.monotonic(), ms: system.monotonic().ms + skipped }),
    async sleep(duration, signal) {
      if (signal?.aborted) return
      sleeps.push(duration)
      skipped += duration
      await new Promise((resolve) => setImmediate(resolve))
    },
    skip(ms) {
      skipped += ms
    },
  }
}

export type FakeControlStore = SourceClientDeps['store'] & {
  readonly states: Map<string, { version: number; value: JsonValue }>
  readonly blocks: Map<string, number>
  readonly counts: { acquired: number; released: number; refunded: number; reads: number }
  /** Slots neither free nor released yet. */
  held(): number
}

/** The few methods the pipeline uses, with the semantics of `stores/store.ts`, in a few lines. */
export function fakeControlStore(): FakeControlStore {
  const states = new Map<string, { version: number; value: JsonValue }>()
  const blocks = new Map<string, number>()
  const rings = new Map<string, { freeAt: number; grant: string | null }[]>()
  const counts = { acquired: 0, released: 0, refunded: 0, reads: 0 }
  let grants = 0
  const ringOf = (rule: QuotaRule) => {
    const key = `${rule.quotaPartition}/${rule.kind}/${rule.limit}/${rule.perMs}`
    let ring = rings.get(key)
    if (ring === undefined) {
      ring = Array.from({ length: rule.limit }, () => ({ freeAt: 0, grant: null }))
      rings.set(key, ring)
    }
    return ring
  }
  const eachSlot = (grant: QuotaGrant, change: (slot: { freeAt: number; grant: string | null }, rule: QuotaRule) => void) => {
    grant.rules.forEach((rule, index) => {
      const slot = ringOf(rule)[grant.slots[index]!]!
      if (slot.grant === grant.id) change(slot, rule)
    })
  }
  return {
    states,
    blocks,
    counts,
    held: () => [...rings.values()].flat().filter((slot) => slot.grant !== null).length,
    async acquireQuota(rules, _holder, leaseMs, monotonic, now) {
      const slots: number[] = []
      for (const rule of rules) {
        const blocked = (blocks.get(rule.quotaPartition) ?? 0) - now
        if (blocked > 0) return { granted: false, waitMs: blocked, rule }
        const ring = ringOf(rule)
        const index = ring.findIndex((slot) => slot.freeAt <= monotonic.ms)
        if (index < 0) return { granted: false, waitMs: Math.min(...ring.map((slot) => slot.freeAt)) - monotonic.ms, rule }
        slots.push(index)
      }
      const grant = { id: `g${++grants}`, rules, slots }
      rules.forEach((rule, index) => {
        ringOf(rule)[slots[index]!] = { freeAt: monotonic.ms + leaseMs + rule.perMs, grant: grant.id }
      })
      counts.acquired++
      return { granted: true, grant }
    },
    async releaseQuota(grant, monotonic) {
      counts.released++
      eachSlot(grant, (slot, rule) => Object.assign(slot, { freeAt: monotonic.ms + rule.perMs, grant: null }))
    },
    async refundQuota(grant) {
      counts.refunded++
      eachSlot(grant, (slot) => Object.assign(slot, { freeAt: 0, grant: null }))
    },
    async blockQuota(quotaPartition, until) {
      blocks.set(quotaPartition, Math.max(until, blocks.get(quotaPartition) ?? 0))
    },
    async getState(name) {
      counts.reads++
      return states.get(name) ?? null
    },
    async putState(name, expected, value) {
      if ((states.get(name)?.version ?? 0) !== expected) return false
      states.set(name, { version: expected + 1, value })
      return true
    },
  }
}

/** What an adapter would decide, in its simplest form. */
export function classifySimply(view: ResponseView): Classified {
  const { status, json } = view
  const reason = `HTTP ${status}`
  if (status === 304) return { class: 'not_modified', reason }
  if (status === 401 || status === 403) return { class: 'auth', reason }
  if (status === 404 || status === 410) return { class: 'not_found', reason }
  if (status === 429) {
    const until = typeof json === 'object' && json !== null && 'until' in json ? Number(json['until']) : undefined
    return until === undefined ? { class: 'rate_limited', reason } : { class: 'quota_exhausted', reason, until }
  }
  if (status === 408 || status >= 500) return { class: 'transient', reason }
  if (status >= 300) return { class: 'invalid_request', reason }
  if (view.file !== undefined) return view.file.complete ? { class: 'ok', reason } : { class: 'malformed', reason: 'cut' }
  return json === undefined ? { class: 'malformed', reason: 'no JSON' } : { class: 'ok', reason }
}

export const CANARY = 'canary/Key+8f3aQ==zZ'

export function plainAdapter(overrides: Partial<SourceAdapter> = {}): SourceAdapter {
  return {
    id: 'plain',
    title: 'plain',
    docs: 'none',
    entityKinds: ['company'],
    normalizerVersion: 1,
    credentials: [{ name: 'key', placement: { in: 'header', name: 'x-api-key' }, required: true }],
    options: z.strictObject({}),
    cohort: { numbered: false, name: () => 'all', date: () => null },
    unresolvable: () => null,
    probe: () => ({ method: 'GET', path: '/', label: 'probe' }),
    classify: classifySimply,
    volatile: [],
    arrayKeys: {},
    unordered: [],
    ...overrides,
  }
}

export type LogLine = { readonly level: LogLevel; readonly message: string; readonly fields: unknown }

export type Harness = {
  readonly client: ClosableSourceClient
  readonly store: FakeControlStore
  readonly clock: SkippingClock
  readonly logs: LogLine[]
  readonly deps: SourceClientDeps
  call(spec?: Partial<RequestSpec>, signal?: AbortSignal): Promise<CallResult>
  /** Another client on the same store, as another process would be. */
  sibling(changes?: HarnessOptions): ClosableSourceClient
  close(): Promise<void>
}

export type HarnessOptions = {
  readonly adapter?: SourceAdapter
  readonly policy?: Record<string, unknown>
  readonly source?: Record<string, unknown>
  readonly http?: Record<string, unknown>
  readonly run?: Record<string, unknown>
  readonly deps?: Partial<SourceClientDeps>
}

const RUN_DEFAULTS = { max_parallel_partitions: 8, max_calls: 1000, max_quota_wait: '15m', lease: '60s', stop_within: '100ms' }
const HTTP_DEFAULTS = { user_agent: 'test-agent/1.0', max_body_bytes: 1_000_000, max_file_bytes: 10_000_000, max_json_depth: 32 }

export async function openHarness(baseUrl: string, options: HarnessOptions = {}): Promise<Harness> {
  const directory = await mkdtemp(join(tmpdir(), 'http-client-'))
  const clock = skippingClock()
  const store = fakeControlStore()
  const logs: LogLine[] = []
  const build = (changes: HarnessOptions): SourceClientDeps => {
    const config = configSchema.parse({
      enrichment: {},
      enrichment_refresh: {},
      run: { ...RUN_DEFAULTS, ...changes.run },
      http: { ...HTTP_DEFAULTS, ...changes.http },
    })
    return {
      adapter: changes.adapter ?? plainAdapter(),
      source: 'plain',
      config: sourceSchema.parse({
        adapter: 'plain',
        base_url: baseUrl,
        credentials: { key: { env: 'PLAIN_KEY' } },
        ...changes.source,
      }),
      policy: refreshSchema.parse({
        enabled: true,
        cadence: '1d',
        sla: '1d',
        max_parallel_requests: 8,
        quotas: [{ limit: 50, per: '10ms' }],
        retry: { max_attempts: 3, base_delay: '10ms', max_delay: '40ms' },
        breaker: { failures: 5, cooldown: '30s' },
        timeout: '400ms',
        ...changes.policy,
      }),
      http: config.http,
      run: config.run,
      store,
      clock,
      random: { next: () => 0.5 },
      holder: 'holder-a',
      env: (name) => (name === 'PLAIN_KEY' ? CANARY : undefined),
      secrets: createScrubber(),
      logger: { log: (level, message, fields) => void logs.push({ level, message, fields }) },
      crashPoints: { reach() {} },
      budget: createCallBudget(1000),
      downloadDir: directory,
      ...changes.deps,
    }
  }
  const deps = build(options)
  const client = createSourceClient(deps)
  const { signal: neverAborted } = new AbortController()
  return {
    client,
    store,
    clock,
    logs,
    deps,
    call: (spec = {}, signal = neverAborted) =>
      client.call({ method: 'GET', path: '/things/1', label: 'thing', ...spec }, { signal }),
    sibling: (changes = {}) =>
      createSourceClient(build({ ...options, ...changes, deps: { ...options.deps, holder: 'holder-b', ...changes.deps } })),
    async close() {
      await client.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
