/**
 * Every fault of the sandbox in the middle of a refresh: what becomes of the entities asked, of the partition, of the rest;
 * and that a later run without the fault heals all of it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runExitCode } from '../../ts/cli/run-exit-code.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import { entityId } from '../../ts/model/keys.ts'
import type { LedgerEntry } from '../../ts/model/ledger.ts'
import type { PartitionReport } from '../../ts/model/run-report.ts'
import type { SandboxClock } from '../../ts/runtime/sandbox-clock.ts'
import { FAULT_KINDS, type FaultKind } from '../../ts/sandbox/faults.ts'
import type { Engine } from '../../ts/wiring.ts'
import {
  admin,
  advance,
  arrived,
  type Home,
  loadFiles,
  openHome,
  openTestEngine,
  refreshAll,
  requestsSince,
} from '../chaos/support/home.ts'

const SOURCES = ['usaspending', 'sam_gov', 'sbir_gov'] as const
type Source = (typeof SOURCES)[number]
const WORLD = { seed: 11, companies: 60, awards: 60 }
const TIMEOUT_MS = 700
/** Consecutive failures after which the breaker opens, and what may be under way beside the last of them. */
const BREAKER_FAILURES = 5
const PARALLEL = 2

/** How a kind shows itself, and what the engine makes of it when it does not pass. */
const KINDS: Readonly<
  Record<FaultKind, { readonly parameters: JsonObject; readonly class: 'transient' | 'malformed' | 'rate_limited' }>
> = {
  latency: { parameters: { ms: TIMEOUT_MS + 500 }, class: 'transient' },
  reset: { parameters: {}, class: 'transient' },
  truncate: { parameters: {}, class: 'transient' },
  '500': { parameters: {}, class: 'transient' },
  '503-empty': { parameters: {}, class: 'transient' },
  'slow-drip': { parameters: {}, class: 'transient' },
  stall: { parameters: { after: 'headers' }, class: 'transient' },
  'html-200': { parameters: {}, class: 'malformed' },
  'gzip-bomb': { parameters: { megabytes: 16 }, class: 'malformed' },
  '429-with-body': { parameters: { retry_after: 3600 }, class: 'rate_limited' },
}

type Life = { readonly home: Home; readonly engine: Engine }

async function begin(): Promise<Life> {
  const home = await openHome(WORLD)
  const retry = { base_delay: '5ms', max_delay: '20ms' }
  const settings = Object.fromEntries(
    SOURCES.flatMap((source) => [
      [`enrichment_refresh.${source}.timeout`, `${TIMEOUT_MS}ms`],
      [`enrichment_refresh.${source}.retry`, retry],
      [`enrichment_refresh.${source}.breaker.failures`, BREAKER_FAILURES],
    ]),
  )
  const config = await home.config({
    ...settings,
    'enrichment_refresh.sam_gov.cohort.size': 15,
    'run.max_quota_wait': '5s',
    'warehouse.export_after_run': false,
    'http.max_body_bytes': 4_000_000,
    'http.max_file_bytes': 4_000_000,
  })
  const engine = await openTestEngine(config)
  await loadFiles(engine, home.files)
  return { home, engine }
}

async function end({ home, engine }: Life): Promise<void> {
  await engine.close()
  await home.close()
}

async function later({ home, engine }: Life, by: string): Promise<void> {
  await advance(home, by)
  await (engine.clock as SandboxClock).refresh()
}

async function rowsOf(engine: Engine, source: Source): Promise<readonly LedgerEntry[]> {
  const rows: LedgerEntry[] = []
  for await (const row of engine.store.ledger(source)) if (row.cohort !== 'unresolved') rows.push(row)
  return rows
}

/** Everything a source knows, by entity. */
async function known(engine: Engine, source: Source): Promise<ReadonlyMap<string, string | null>> {
  return new Map((await rowsOf(engine, source)).map((row) => [entityId(row.entity), row.payloadHash]))
}

let clean: Life
let callsOfClean: ReadonlyMap<string, number>
beforeAll(async () => {
  clean = await begin()
  await later(clean, '13h')
  const report = await refreshAll(clean.engine)
  expect(runExitCode(report)).toBe(0)
  callsOfClean = countBySource(clean, 0)
})
afterAll(() => end(clean))

function countBySource({ home }: Life, after: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { source } of requestsSince(home, after)) counts.set(source, (counts.get(source) ?? 0) + 1)
  return counts
}

function expectLater(parts: readonly PartitionReport[], until: number): void {
  for (const part of parts) {
    expect(['parked', 'not_started'], part.reason ?? '').toContain(part.status)
    expect(part.until, part.partition).toBeGreaterThanOrEqual(until)
  }
}

describe('a fault that passes', () => {
  it.each(FAULT_KINDS)('%s: the request is made again or the batch is asked in halves, and nothing is missing', async (kind) => {
    const life = await begin()
    try {
      await later(life, '13h')
      const parameters = kind === '429-with-body' ? { retry_after: 1 } : KINDS[kind].parameters
      await admin(life.home, 'faults', { source: 'sam_gov', kind, count: 1, ...parameters })
      const before = arrived(life.home)
      const report = await refreshAll(life.engine)
      expect(report.partitions.filter((part) => part.status !== 'done')).toEqual([])
      expect(report.partitions.reduce((sum, part) => sum + part.counts.failed, 0)).toBe(0)
      expect(runExitCode(report)).toBe(0)
      const calls = countBySource(life, before)
      expect(calls.get('sam_gov')).toBe(callsOfClean.get('sam_gov')! + (KINDS[kind].class === 'malformed' ? 2 : 1))
      for (const source of SOURCES) expect(await known(life.engine, source), source).toEqual(await known(clean.engine, source))
    } finally {
      await end(life)
    }
  })
})

describe('a fault that stays', () => {
  it.each(FAULT_KINDS)('%s: ends as it is documented, disturbs nothing else, and is healed by a later run', async (kind) => {
    const expected = KINDS[kind]
    const life = await begin()
    const { home, engine } = life
    try {
      await admin(home, 'faults', { source: 'sam_gov', kind, ...expected.parameters })
      const before = arrived(home)
      const startedAt = engine.clock.now()
      const report = await refreshAll(engine)
      const parts = report.partitions.filter((part) => part.source === 'sam_gov')
      const rows = await rowsOf(engine, 'sam_gov')
      const failed = rows.filter((row) => row.outcome === 'failed')
      const calls = countBySource(life, before).get('sam_gov')!

      // The others: as if nothing were.
      expect(report.partitions.filter((part) => part.source !== 'sam_gov' && part.status !== 'done')).toEqual([])
      expect((await known(engine, 'sbir_gov')).size).toBe((await known(clean.engine, 'sbir_gov')).size)
      for (const source of ['usaspending', 'sbir_gov'] as const)
        expect(
          (await rowsOf(engine, source)).filter((row) => row.attempts !== 1),
          source,
        ).toEqual([])

      // No row knows more than it was told, and nothing was recorded as a success.
      expect(rows.filter((row) => row.lastSuccessAt !== null || row.payloadHash !== null)).toEqual([])
      for (const row of failed) {
        expect(row).toMatchObject({ errorClass: expected.class, attempts: 1, consecutiveFailures: 1 })
        expect(row.nextAttemptAt).toBeGreaterThan(startedAt)
      }
      if (expected.class === 'rate_limited') {
        // The provider said when: nobody is at fault, and all stop until then.
        expect(failed).toEqual([])
        expect(calls).toBeLessThanOrEqual(PARALLEL + 1)
        expectLater(parts, startedAt + 3_600_000)
        expect(runExitCode(report)).toBe(75)
      } else {
        // After so many failures the source is left alone, whatever is still due.
        expect(calls).toBeLessThanOrEqual(BREAKER_FAILURES + PARALLEL)
        const wentThrough = parts.filter((part) => part.status === 'done' || part.code === 'all_failed')
        expectLater(
          parts.filter((part) => !wentThrough.includes(part)),
          startedAt,
        )
        expect(parts.some((part) => part.status === 'parked' && part.reason!.includes('is not asked for now'))).toBe(true)
        for (const part of wentThrough) expect(part.counts.failed).toBe(part.counts.items)
        expect(runExitCode(report)).not.toBe(0)
        const quarantined = await engine.store.quarantine({ origin: 'sam_gov', limit: 1000 })
        if (expected.class === 'transient') expect(quarantined).toEqual([])
      }
      expect(
        (
          await engine.plan({
            sources: ['sam_gov'],
            cohorts: [],
            partitions: [],
            window: null,
            force: false,
            limit: null,
            maxCalls: null,
          })
        ).partitions,
      ).toEqual([])

      await admin(home, 'faults', undefined, 'DELETE')
      await later(life, '13h')
      const healed = await refreshAll(engine)
      expect(healed.partitions.filter((part) => part.status !== 'done')).toEqual([])
      expect(runExitCode(healed)).toBe(0)
      for (const source of SOURCES) expect(await known(engine, source), source).toEqual(await known(clean.engine, source))
      for (const row of await rowsOf(engine, 'sam_gov'))
        expect(row).toMatchObject({ consecutiveFailures: 0, errorClass: null, error: null, nextAttemptAt: null })
    } finally {
      await end(life)
    }
  })

  it.each(FAULT_KINDS)(
    '%s at the bulk file: refused as a whole, no entity is touched, the next run downloads it anew',
    async (kind) => {
      const expected = KINDS[kind]
      const life = await begin()
      const { home, engine } = life
      try {
        await admin(home, 'faults', { source: 'sbir_files', kind, ...expected.parameters })
        const report = await refreshAll(engine)
        const [part] = report.partitions.filter((one) => one.source === 'sbir_gov')
        if (expected.class === 'rate_limited')
          expect(part).toMatchObject({ status: 'parked', reason: expect.stringContaining('the provider says later') })
        else
          expect(part).toMatchObject({
            status: 'failed',
            reason: expect.stringContaining(`the file did not arrive whole: ${expected.class}`),
          })
        expect((await rowsOf(engine, 'sbir_gov')).filter((row) => row.attempts > 0)).toEqual([])
        expect(report.partitions.filter((one) => one.source !== 'sbir_gov' && one.status !== 'done')).toEqual([])
        await admin(home, 'faults', undefined, 'DELETE')
        await later(life, '13h')
        expect((await refreshAll(engine, { sources: ['sbir_gov'] })).partitions.map((one) => one.status)).toEqual(['done'])
        expect(await known(engine, 'sbir_gov')).toEqual(await known(clean.engine, 'sbir_gov'))
      } finally {
        await end(life)
      }
    },
  )
})

describe('faults at random', () => {
  it('of all kinds at all sources leave a state that later runs heal', { timeout: 180_000 }, async () => {
    const life = await begin()
    const { home, engine } = life
    try {
      for (const [index, kind] of FAULT_KINDS.entries()) {
        const parameters = kind === '429-with-body' ? { retry_after: 1 } : KINDS[kind].parameters
        await admin(home, 'faults', { source: '*', kind, rate: 0.04 + (index % 3) * 0.02, ...parameters })
      }
      for (let run = 0; run < 3; run += 1) {
        await refreshAll(engine)
        await later(life, '1h')
      }
      await admin(home, 'faults', undefined, 'DELETE')
      await later(life, '10h')
      // The last failed attempt may back off for longer than an hour.
      await refreshAll(engine, { force: true })
      for (const source of SOURCES) expect(await known(engine, source), source).toEqual(await known(clean.engine, source))
    } finally {
      await end(life)
    }
  })
})
