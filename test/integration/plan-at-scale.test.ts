/**
 * The plan for the population the engine is made for (70,000 companies, 200,000 awards), with the adapters there are and the published
 * quotas of config/base.yaml: which source can keep its SLA, how much of its quota that takes, and what would help where it cannot.
 */
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { adapterById } from '../../ts/adapters/registry.ts'
import { loadConfig } from '../../ts/config/load.ts'
import type { Config } from '../../ts/config/schema.ts'
import { quotaRules } from '../../ts/http/quota.ts'
import type { EntityKind } from '../../ts/model/keys.ts'
import type { SourcePlan } from '../../ts/model/plan.ts'
import { DAY_MS, parseDuration } from '../../ts/model/time.ts'
import { DEFAULT_RULE, identityAdapter } from '../../ts/refresh/identity.ts'
import { type PlanSource, planRefresh } from '../../ts/refresh/plan.ts'
import { identitySettings } from '../../ts/source-names.ts'
import { CATALOG, REPOSITORY } from '../chaos/support/home.ts'
import { EVERYTHING, partitionStats } from '../support/builders.ts'

const NOW = Date.UTC(2026, 10, 21)
const POPULATION: Readonly<Record<EntityKind, number>> = {
  award: 200_000,
  company: 70_000,
  person: 60_000,
  domain: 45_000,
  patent: 120_000,
  project: 0,
  ip: 60_000,
}
/** Where far fewer than all of a kind can be asked about. */
const ASKABLE: Readonly<Record<string, number>> = {
  sam_gov: 35_000,
  sam_exclusions: 35_000,
  nih: 60_000,
  edgar: 7_000,
  orcid: 25_000,
  openalex: 25_000,
}
/** Cohorts by an attribute; the others are filled to 500. */
const COHORTS: Readonly<Record<string, number>> = { usaspending: 44, sbir_gov: 44, nih: 1_400, uspto_odp: 320, patentsview: 320 }

function planned(config: Config): readonly SourcePlan[] {
  const sources = Object.entries(config.enrichment).flatMap(([source, registered]): PlanSource[] => {
    const policy = config.enrichment_refresh[source]!
    const adapter = { ...adapterById(registered.adapter), id: source }
    const rules = quotaRules(source, policy)
    const of = (
      id: string,
      kinds: readonly EntityKind[],
      times: { cadenceMs: number; slaMs: number },
      what: PlanSource['adapter'],
    ): PlanSource => {
      const population = ASKABLE[id] ?? kinds.reduce((sum, kind) => sum + POPULATION[kind], 0)
      const cohorts = COHORTS[id] ?? Math.ceil(population / 500)
      const stats = Array.from({ length: cohorts }, (_, index) => {
        const rows = Math.floor((population * (index + 1)) / cohorts) - Math.floor((population * index) / cohorts)
        return partitionStats({
          source: id,
          cohort: `c_${index}`,
          population: rows,
          fresh: rows,
          oldestSuccessAt: NOW - times.cadenceMs / 2,
        })
      })
      return {
        adapter: what,
        policy: { enabled: true, ...times, windowMs: parseDuration(policy.window)!, batchSize: policy.batch_size, rules },
        options: registered.options as PlanSource['options'],
        stats,
        checkpoints: [],
        quota: [],
        downUntil: null,
        feedFact: null,
      }
    }
    const main = of(
      source,
      adapter.entityKinds,
      { cadenceMs: parseDuration(policy.cadence)!, slaMs: parseDuration(policy.sla)! },
      adapter,
    )
    if (adapter.resolve === undefined) return [main]
    const { cadenceMs, slaMs } = identitySettings(policy)
    const derived = identityAdapter(adapter, DEFAULT_RULE)!
    return [main, of(derived.id, derived.entityKinds, { cadenceMs, slaMs }, derived)]
  })
  return planRefresh({ now: NOW, request: { ...EVERYTHING, sources: sources.map(({ adapter }) => adapter.id) }, sources }).sources
}

let plans: ReadonlyMap<string, SourcePlan>
beforeAll(async () => {
  const { config } = await loadConfig({
    dir: join(REPOSITORY, 'config'),
    environment: 'prod',
    variables: { ENRICHMENT__HTTP__USER_AGENT: 'a team that refreshes (data@team.example)' },
    settings: [],
    adapters: CATALOG,
  })
  plans = new Map(planned(config).map((plan) => [plan.source, plan]))
})

describe('the plan for 70,000 companies and 200,000 awards', () => {
  it('says of each source whether its SLA can be kept, and of those that cannot what would help', () => {
    for (const { source, feasibility } of plans.values()) {
      expect(Number.isFinite(feasibility.utilisation), source).toBe(true)
      expect(feasibility.feasible, source).toBe(feasibility.utilisation <= 1)
      if (!feasibility.feasible) expect(feasibility.repair, source).toMatch(/^needs .*(SLA|quota)/)
    }
  })

  it('keeps every SLA of the sources that are on by default', () => {
    const off = ['opencorporates', 'openfec', 'people_data_labs', 'clearbit', 'patentsview']
    const misses = [...plans.values()].filter(
      ({ source, feasibility }) => !feasibility.feasible && !off.some((name) => source.startsWith(name)),
    )
    expect(misses.map(({ source, feasibility }) => `${source}: ${feasibility.repair}`)).toEqual([])
  })

  it('names the cheapest repair for the free tier of OpenCorporates', () => {
    for (const source of ['opencorporates', 'opencorporates_identity']) {
      const { feasibility } = plans.get(source)!
      expect(feasibility.feasible).toBe(false)
      expect(feasibility.utilisation).toBeGreaterThan(50)
      expect(feasibility.repair).toMatch(/a quota of \d+ per \w+ instead of \d+/)
      expect(feasibility.repairs.map(({ kind }) => kind)).toContain('quota')
    }
  })

  it('counts the credits of People Data Labs by record, not by call', () => {
    const { feasibility } = plans.get('people_data_labs')!
    // 130,000 records in 90 days, of 1,000 in 30.
    expect(feasibility.feasible).toBe(false)
    expect(feasibility.utilisation).toBeCloseTo(130_000 / 3_000, 1)
    const changes = feasibility.repairs.map(({ kind, changes: [change] }) => [kind, change!.unit, change!.to])
    expect(changes).toContainEqual(['quota', 'credits', 43_334])
    expect(changes).toContainEqual(['entities', 'entities', 3_000])
    expect(feasibility.repair).toMatch(/a quota of 43334 credits per 30d instead of 1000/)
  })

  it('shares SAM’s quota between two sources that fit into it together', () => {
    const [registrations, exclusions] = ['sam_gov', 'sam_exclusions'].map((source) => plans.get(source)!.feasibility)
    // 500 + 350 calls of 1,000 a day: each says what both take.
    expect(registrations!.utilisation).toBeCloseTo(0.85, 2)
    expect(exclusions!.utilisation).toBeCloseTo(0.85, 2)
  })

  it('fits into the calls that a night is meant to take, for the sources that are on', () => {
    const perDay = [...plans.values()].reduce((sum, { source, feasibility }) => {
      if (/opencorporates|openfec|people_data_labs|clearbit|patentsview/.test(source)) return sum
      const capacity = capacityOf(source)
      return sum + (Number.isFinite(capacity) ? feasibility.utilisation * capacity : 0)
    }, 0)
    expect(perDay).toBeLessThan(25_000)
  })
})

/** Calls a day that the source's quotas allow, as feasibility counts them. */
function capacityOf(source: string): number {
  const main = source.replace(/_identity$/, '')
  const quotas = CAPACITY.get(main)!
  return Math.min(...quotas.map(({ limit, perMs }) => (limit * DAY_MS) / perMs))
}
const CAPACITY = new Map<string, readonly { readonly limit: number; readonly perMs: number }[]>()
beforeAll(async () => {
  const { config } = await loadConfig({
    dir: join(REPOSITORY, 'config'),
    environment: 'prod',
    variables: { ENRICHMENT__HTTP__USER_AGENT: 'a team that refreshes (data@team.example)' },
    settings: [],
    adapters: CATALOG,
  })
  for (const [source, policy] of Object.entries(config.enrichment_refresh)) CAPACITY.set(source, quotaRules(source, policy))
})
