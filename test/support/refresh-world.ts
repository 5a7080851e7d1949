/** A whole engine around a real store: virtual clock, fake provider, one or more sources. Restarts like a process does. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SourceAdapter } from '../../ts/adapters/adapter.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import type { RefreshRequest } from '../../ts/model/plan.ts'
import type { RunReport } from '../../ts/model/run-report.ts'
import { DAY_MS, MINUTE_MS } from '../../ts/model/time.ts'
import type { FollowUpRule } from '../../ts/refresh/commit-batch.ts'
import { runRefresh } from '../../ts/refresh/run.ts'
import type { RunEvent } from '../../ts/refresh/run-events.ts'
import type { FileAccess, RunSource } from '../../ts/refresh/run-partition.ts'
import type { CrashPoints, Ids, LogLevel } from '../../ts/runtime/ports.ts'
import { openMemoryStore } from '../../ts/stores/memory/open.ts'
import { openSqliteStore } from '../../ts/stores/sqlite/open.ts'
import type { Store } from '../../ts/stores/store.ts'
import { EVERYTHING, entity } from './builders.ts'
import { fakeAdapter } from './fake-adapter.ts'
import { type FakeClient, fakeClient, type Respond } from './fake-client.ts'
import { FakeClock, TEST_EPOCH } from './fake-clock.ts'
import { FakeProvider } from './fake-provider.ts'

export const STORES = ['memory', 'sqlite'] as const
export type StoreKind = (typeof STORES)[number]

export type OpenedStore = { readonly store: Store; readonly cleanup: () => Promise<void> }

export async function openStore(kind: StoreKind): Promise<OpenedStore> {
  if (kind === 'memory') {
    const store = openMemoryStore()
    return { store, cleanup: () => store.close() }
  }
  const directory = await mkdtemp(join(tmpdir(), 'refresh-'))
  const store = await openSqliteStore({ path: join(directory, 'state.sqlite'), busyTimeoutMs: 5_000 })
  return {
    store,
    async cleanup() {
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export const LEASE_MS = MINUTE_MS

type PolicyParts = Partial<RunSource['policy']>
export type SourceParts = {
  readonly adapter?: SourceAdapter
  readonly policy?: PolicyParts
  readonly provider?: FakeProvider
  /** Between the engine and the provider: faults, interruptions. */
  readonly respond?: Respond
  readonly followUps?: readonly FollowUpRule[]
}

export type TestSource = {
  readonly provider: FakeProvider
  readonly client: FakeClient
  readonly run: RunSource
  respond: Respond
}

const NO_FILES: FileAccess = {
  load: () => Promise.reject(new Error('no files in this test')),
  readTable: () => Promise.reject(new Error('no files in this test')),
  minRowShare: 0.5,
  exists: () => Promise.resolve(false),
  remove: () => Promise.resolve(),
  sweep: () => Promise.resolve(),
}

/** Thrown where a process would have died. */
export class Killed extends Error {
  constructor(where: string) {
    super(`killed at ${where}`)
    this.name = 'Killed'
  }
}

/** One process: once killed, it writes and asks nothing any more. */
class Process {
  dead: string | null = null
  private readonly reached = new Map<string, number>()
  private readonly plan: { readonly point: string; readonly pass: number } | null

  constructor(plan: { readonly point: string; readonly pass: number } | null) {
    this.plan = plan
  }

  readonly crashPoints: CrashPoints = {
    reach: (name) => {
      this.assertAlive()
      const pass = (this.reached.get(name) ?? 0) + 1
      this.reached.set(name, pass)
      if (this.plan !== null && this.plan.point === name && this.plan.pass === pass) {
        this.dead = `${name} #${pass}`
        this.assertAlive()
      }
    },
  }

  assertAlive(): void {
    if (this.dead !== null) throw new Killed(this.dead)
  }

  /** The store as this process sees it. */
  guard(store: Store): Store {
    return new Proxy(store, {
      get: (target, name) => {
        const member = Reflect.get(target, name) as unknown
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => {
          this.assertAlive()
          return (member as (...args: unknown[]) => unknown).apply(target, args)
        }
      },
    })
  }
}

export type RunOptions = {
  readonly request?: Partial<RefreshRequest>
  readonly dryRun?: boolean
  readonly signal?: AbortSignal
  readonly crash?: { readonly point: string; readonly pass: number }
  readonly files?: FileAccess
  readonly holder?: string
  readonly maxParallelPartitions?: number
  readonly store?: Store
  readonly onEvent?: (event: RunEvent) => void
}

export class RefreshWorld {
  readonly store: Store
  clock: FakeClock
  readonly sources: TestSource[] = []
  readonly events: RunEvent[] = []
  readonly logs: { readonly level: LogLevel; readonly message: string }[] = []
  private boots = 0
  private ids = 0

  constructor(store: Store, start: number = TEST_EPOCH) {
    this.store = store
    this.clock = new FakeClock(start)
  }

  addSource(parts: SourceParts = {}): TestSource {
    const adapter = parts.adapter ?? fakeAdapter(['lookup', 'batch'])
    const provider = parts.provider ?? new FakeProvider()
    const source: { respond: Respond } & Omit<TestSource, 'respond'> = {
      provider,
      respond: parts.respond ?? provider.respond,
      client: fakeClient((request, index, signal) => source.respond(request, index, signal)),
      run: undefined as unknown as RunSource,
    }
    const policy = {
      enabled: true,
      cadenceMs: DAY_MS,
      slaMs: 2 * DAY_MS,
      windowMs: 7 * DAY_MS,
      batchSize: 10,
      rules: [],
      maxParallelRequests: 4,
      cohortSize: 1_000,
      coverageThreshold: 0.9,
      ...parts.policy,
    }
    const made: TestSource = Object.assign(source, {
      run: {
        adapter,
        client: source.client,
        options: {},
        policy,
        followUps: parts.followUps ?? [],
        downUntil: () => Promise.resolve(null),
      },
    })
    this.sources.push(made)
    return made
  }

  /** Companies `uei:A1`… in the population; what the provider says of them is up to the test. */
  async populate(ids: readonly string[], attributes: (id: string) => JsonObject = () => ({})): Promise<void> {
    await this.store.upsertEntities(
      ids.map((id) => ({ ...entity(`uei:${id}`, attributes(id), [`thing:${id}`]), links: [] })),
      'ingest-1',
      this.clock.now(),
    )
  }

  /** The machine starts again: same wall time, another boot, so that leases of before count as expired. */
  reboot(): void {
    this.boots += 1
    this.clock = new FakeClock(this.clock.now(), `boot-${this.boots}`)
  }

  async run(options: RunOptions = {}): Promise<RunReport> {
    const process = new Process(options.crash ?? null)
    const ids: Ids = {
      runId: () => `run_${++this.ids}`,
      unique: (prefix) => `${prefix}_${++this.ids}`,
      holder: () => `holder_${++this.ids}`,
    }
    const sources = this.sources.map(({ run }) => ({
      ...run,
      client: {
        call: (...args: Parameters<typeof run.client.call>) => {
          process.assertAlive()
          return run.client.call(...args)
        },
      },
    }))
    return await runRefresh(
      { ...EVERYTHING, ...options.request },
      {
        store: process.guard(options.store ?? this.store),
        clock: this.clock,
        logger: { log: (level, message) => this.logs.push({ level, message }) },
        crashPoints: process.crashPoints,
        emit: (event) => {
          this.events.push(event)
          options.onEvent?.(event)
        },
        signal: options.signal ?? new AbortController().signal,
        holder: options.holder ?? ids.holder(),
        leaseMs: LEASE_MS,
        ids,
        files: options.files ?? NO_FILES,
        sources,
        maxParallelPartitions: options.maxParallelPartitions ?? 4,
      },
      { dryRun: options.dryRun ?? false, command: 'refresh' },
    )
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

export type StoreDump = Awaited<ReturnType<typeof dump>>

/**
 * All that a store holds for the sources, without what differs between an undisturbed run and one that was interrupted and
 * resumed: ids of runs, versions, calls made, leases, and the member that is different in every answer.
 */
export async function dump(store: Store, sources: readonly string[]) {
  const perSource = await Promise.all(
    sources.map(async (source) => ({
      source,
      ledger: (await collect(store.ledger(source))).map(({ runId: _runId, ...row }) => row),
      records: (await collect(store.currentRecords(source))).map(
        ({ runId: _runId, record: { served_at: _volatile, ...record }, ...rest }) => ({ ...rest, record }),
      ),
      events: (await collect(store.events({ source, limit: 1_000_000 })))
        .map(({ runId: _runId, position: _position, ...event }) => event)
        .sort((a, b) => (a.eventId < b.eventId ? -1 : 1)),
      checkpoints: (await store.checkpoints(source)).map(
        ({ runId: _runId, version: _version, counts: { calls: _calls, ...counts }, ...point }) => ({ ...point, counts }),
      ),
      identities: (await store.identities({ source, limit: 1_000_000 })).map(({ evidence: _evidence, ...identity }) => identity),
      quarantined: (await store.quarantine({ origin: source, limit: 1_000_000 })).map(
        ({ where, reason }) => `${where}: ${reason}`,
      ),
      pending: (await store.pending(source)).map(({ by: _by, ...change }) => change),
      facts: {
        feed: (await store.getState(`feed:${source}`))?.value ?? null,
        file: (await store.getState(`file:${source}`))?.value ?? null,
      },
    })),
  )
  return { entities: await store.countEntities(), perSource }
}
