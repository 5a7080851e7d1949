/** Providers one after the other: whatever is wrong with one, the next is asked at once, and nothing that is wrong outlives its repair. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runExitCode } from '../../ts/cli/run-exit-code.ts'
import { dataFileProblems, readersOf } from '../../ts/data-files.ts'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import type { RunReport } from '../../ts/model/run-report.ts'
import type { Logger } from '../../ts/runtime/ports.ts'
import { HOST_NETWORKS } from '../../ts/sandbox/world/ip-world.ts'
import type { Engine } from '../../ts/wiring.ts'
import { configFor, type Home, openHome, openTestEngine, refreshAll } from '../chaos/support/home.ts'

/** All of them are in the embedded data. */
const ADDRESSES = ['8.8.8.8', '1.1.1.1', '9.9.9.9', '193.0.6.139', '140.82.121.4', '8.8.4.4', '1.0.0.1', '149.112.112.112']
const AMPLE = [{ limit: 1_000_000, per: '1s' }]

let home: Home
let directory: string
beforeAll(async () => {
  home = await openHome({ quotas: { asn: [], geoip: [] } })
  directory = await mkdtemp(join(tmpdir(), 'ip-providers-'))
})
afterAll(async () => {
  await home.close()
  await rm(directory, { recursive: true, force: true })
})

const warnings: string[] = []
const logger: Logger = { log: (level, message) => void (level === 'warn' && warnings.push(message)) }
let states = 0

async function configOf(source: 'asn' | 'geoip', options: JsonObject, policy: Readonly<Record<string, JsonValue>>, dir: string) {
  return await configFor(
    dir,
    home.sandbox.url,
    {
      [`enrichment.${source}.base_url`]: `${home.sandbox.url}/${source}`,
      [`enrichment_refresh.${source}.quotas`]: AMPLE,
      [`enrichment.${source}.options`]: options,
      // Open at the first word of it, for long.
      [`enrichment_refresh.${source}.breaker`]: { failures: 1_000, cooldown: '2h' },
      [`enrichment_refresh.${source}.retry`]: { max_attempts: 2, base_delay: '1s', max_delay: '1s' },
      'warehouse.export_after_run': false,
      ...policy,
    },
    undefined,
    [source],
  )
}

type Scene = {
  refresh(options: JsonObject, force?: boolean): Promise<RunReport>
  records(): Promise<ReadonlyMap<string, JsonObject>>
  /** Their kinds. */
  events(): Promise<readonly string[]>
  close(): Promise<void>
}

/** The same state, whatever the options of the run. */
async function scene(
  source: 'asn' | 'geoip',
  policy: Readonly<Record<string, JsonValue>> = {},
  addresses: readonly string[] = ADDRESSES,
): Promise<Scene> {
  const dir = join(directory, `state-${++states}`)
  let engine: Engine | null = null
  const opened = async (options: JsonObject): Promise<Engine> => {
    await engine?.close()
    engine = await openTestEngine(await configOf(source, options, policy, dir), { logger })
    const at = engine.clock.now()
    const entities = addresses.map((key) => ({
      kind: 'ip' as const,
      key,
      attributes: { address: key, version: 4 },
      aliases: [],
      links: [],
    }))
    await engine.store.upsertEntities(entities, 'addresses', at)
    return engine
  }
  warnings.length = 0
  return {
    refresh: async (options, force = false) => refreshAll(await opened(options), { sources: [source], force }),
    async records() {
      const found = new Map<string, JsonObject>()
      for await (const { entity, record, present } of engine!.store.currentRecords(source))
        if (present) found.set(entity.key, record)
      return found
    },
    async events() {
      const kinds: string[] = []
      for await (const { kind } of engine!.store.events({ source, limit: 1_000 })) kinds.push(kind)
      return kinds
    },
    async close() {
      await engine?.close()
      await fetch(`${home.sandbox.url}/_admin/faults`, { method: 'DELETE' })
    },
  }
}

const fault = (source: string, kind: string, parts: JsonObject = {}): Promise<Response> =>
  fetch(`${home.sandbox.url}/_admin/faults`, { method: 'POST', body: JSON.stringify({ source, kind, ...parts }) })

const asked = (part: string): number =>
  home.sandbox.sandbox.log.after(0, 100_000).filter(({ path }) => path.includes(part)).length

describe('a provider that fails', { timeout: 60_000 }, () => {
  it.each([
    ['500', {}],
    ['503-empty', {}],
    ['429-with-body', {}],
    ['stall', { 'enrichment_refresh.asn.timeout': '1s', 'enrichment_refresh.asn.breaker': { failures: 3, cooldown: '2h' } }],
    ['reset', {}],
    ['html-200', {}],
  ])('%s: every address goes to the next one at once, from the first on, and in the next run as well', async (kind, policy) => {
    const { refresh, records, close } = await scene('asn', policy)
    try {
      expect((await fault('asn', kind)).ok).toBe(true)
      const before = asked('prefix-overview')
      const options = { providers: ['ripestat', 'embedded'] }
      const report = await refresh(options)
      expect(report.partitions.map(({ status, counts }) => [status, counts.changed, counts.failed])).toEqual([
        ['done', ADDRESSES.length, 0],
      ])
      expect(asked('prefix-overview')).toBeGreaterThan(before)
      for (const record of (await records()).values())
        expect(record['provenance']).toMatchObject({ provider: 'embedded', instead_of: ['ripestat'] })
      // What keeps RIPEstat from being asked (its breaker, its block) keeps nobody from the embedded data.
      const again = await refresh(options, true)
      expect(again.heldBack).toEqual([])
      expect(again.partitions.map(({ status, counts }) => [status, counts.items, counts.failed])).toEqual([
        ['done', ADDRESSES.length, 0],
      ])
    } finally {
      await close()
    }
  })

  it('takes nothing away of what it said: the next one is no word about it, and nothing that differs is a change', async () => {
    // Of networks that both know.
    const known = HOST_NETWORKS.slice(0, 8).map(({ v4 }) => `${v4}.5.5`)
    const { refresh, records, events, close } = await scene('asn', {}, known)
    const options = { providers: ['ripestat', 'embedded'] }
    try {
      await refresh(options)
      const before = await records()
      expect([...before.values()].map(({ provenance }) => (provenance as JsonObject)['provider'])).toContain('ripestat')
      expect(await events()).toEqual(known.map(() => 'created'))
      await fault('asn', '500')
      const during = await refresh(options, true)
      const ofRipestat = [...before.values()].filter(
        ({ provenance }) => (provenance as JsonObject)['provider'] === 'ripestat',
      ).length
      expect(during.partitions[0]!.counts).toMatchObject({ changed: 0, failed: ofRipestat })
      expect(await records()).toEqual(before)
      await fetch(`${home.sandbox.url}/_admin/faults`, { method: 'DELETE' })
      // Another choice of providers is ours as well.
      const chosen = await refresh({ providers: ['embedded'] }, true)
      expect(chosen.partitions[0]!.counts).toMatchObject({ changed: 0, failed: 0 })
      for (const { provenance } of (await records()).values()) expect(provenance).toMatchObject({ provider: 'embedded' })
      // What none of the chosen knows is absent; all else stays as it was told.
      expect((await events()).filter((kind) => kind !== 'absent')).toEqual(known.map(() => 'created'))
    } finally {
      await close()
    }
  })

  it('and is the only one leaves the address open', async () => {
    const { refresh, records, close } = await scene('geoip')
    try {
      await fault('geoip', '500')
      // There is nobody else.
      const report = await refresh({ providers: ['maxmind'] })
      expect(report.partitions[0]!.counts).toMatchObject({ absent: 0, changed: 0, failed: ADDRESSES.length })
      expect(await records()).toEqual(new Map())
    } finally {
      await close()
    }
  })
})

describe('a database file that cannot be used', { timeout: 60_000 }, () => {
  const broken = async (text = 'no database'): Promise<string> => {
    const file = join(directory, 'broken.mmdb')
    await writeFile(file, text)
    return file
  }

  it.each(['missing', 'damaged'])('%s: the next provider answers, and a warning names the file', async (what) => {
    const { refresh, records, close } = await scene('geoip')
    try {
      const mmdb = what === 'missing' ? join(directory, 'nowhere.mmdb') : await broken()
      const report = await refresh({ providers: ['mmdb', 'embedded'], mmdb })
      expect(report.partitions.map(({ status, counts }) => [status, counts.changed])).toEqual([['done', ADDRESSES.length]])
      for (const record of (await records()).values())
        expect(record['provenance']).toMatchObject({ provider: 'embedded', instead_of: ['mmdb'] })
      expect(warnings).toEqual([expect.stringContaining(`enrichment.geoip.options.mmdb: ${mmdb} is`)])
      expect(warnings[0]).toContain('other providers are asked instead')
    } finally {
      await close()
    }
  })

  it('alone is a mistake of the configuration: nothing is said about any address, and the repaired one works at once', async () => {
    const { refresh, records, close } = await scene('geoip')
    try {
      const mmdb = await broken()
      expect((await refresh({ providers: ['embedded'] })).partitions[0]!.counts.changed).toBe(ADDRESSES.length)
      const report = await refresh({ providers: ['mmdb'], mmdb }, true)
      expect(report.partitions).toMatchObject([
        { status: 'failed', code: 'configuration', until: null, counts: { items: 0, absent: 0, events: 0 } },
      ])
      expect(report.partitions[0]!.reason).toContain(`${mmdb} is damaged`)
      expect(report.partitions[0]!.reason).toContain('options.mmdb')
      expect(runExitCode(report)).toBe(78)
      expect((await records()).size).toBe(ADDRESSES.length)
      const repaired = await refresh({ providers: ['embedded'] }, true)
      expect(repaired.heldBack).toEqual([])
      expect(repaired.partitions.map(({ status, counts }) => [status, counts.unchanged])).toEqual([['done', ADDRESSES.length]])
    } finally {
      await close()
    }
  })

  it('is told before anything is asked', async () => {
    const mmdb = await broken()
    const told = async (options: JsonObject) =>
      (await dataFileProblems(readersOf(await configOf('geoip', options, {}, directory)))).map(({ path, message, needed }) => [
        path,
        message.includes(`${mmdb} is damaged`),
        needed,
      ])
    expect(await told({ providers: ['mmdb'], mmdb })).toEqual([['enrichment.geoip.options.mmdb', true, true]])
    expect(await told({ providers: ['mmdb', 'embedded'], mmdb })).toEqual([['enrichment.geoip.options.mmdb', true, false]])
    // One that nobody asks is nobody's concern.
    expect(await told({ providers: ['embedded'], mmdb })).toEqual([])
  })
})
