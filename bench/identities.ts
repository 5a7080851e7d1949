/**
 * How right the identities are that a refresh finds in the sandbox's world, whose names have the noise of real ones. A source is
 * measured when its world says the truth here.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sandboxEnvironment } from '../scripts/sandbox-env.ts'
import { ADAPTERS } from '../ts/adapters/registry.ts'
import { companyNameKey, normalizePersonName } from '../ts/adapters/shared/names.ts'
import { loadConfig } from '../ts/config/load.ts'
import type { Entity } from '../ts/model/entity.ts'
import type { SourceId } from '../ts/model/keys.ts'
import { type EpochMs, HOUR_MS } from '../ts/model/time.ts'
import type { SandboxClock } from '../ts/runtime/sandbox-clock.ts'
import { startSandbox } from '../ts/sandbox/server.ts'
import { truePairs as trueCodes } from '../ts/sandbox/world/cage-world.ts'
import { commercialWorld, truePairs as trueItems } from '../ts/sandbox/world/commercial-world.ts'
import { truePairs as trueFilers } from '../ts/sandbox/world/edgar-world.ts'
import { trueEmployers } from '../ts/sandbox/world/fec-world.ts'
import { patentWorld } from '../ts/sandbox/world/patent-world.ts'
import { truePairs as trueIds } from '../ts/sandbox/world/people-world.ts'
import { truePairs as trueCompanies } from '../ts/sandbox/world/registry-world.ts'
import type { World } from '../ts/sandbox/world/world.ts'
import { openEngine } from '../ts/wiring.ts'
import { identityQuality } from './support/identity-quality.ts'
import { atLeast, type ResultRow } from './support/row.ts'

/** Per source: a text per true thing of the world, the same text per entity of ours, and which sources must be refreshed for it. */
type Measured = {
  readonly source: SourceId
  readonly kind: Entity['kind']
  /** Where one source knows entities of several kinds. */
  readonly label?: string
  /** Several keys: each of them is right. */
  readonly pairs: (
    world: World,
    moment: EpochMs,
  ) => Iterable<readonly [hint: string, providerKey: string | readonly string[] | null]>
  readonly hintOf: (entity: Entity) => string
}

const MEASURED: readonly Measured[] = [
  {
    source: 'dla_cage',
    kind: 'company',
    *pairs(world, moment) {
      for (const { uei, providerKey } of trueCodes(world, moment)) yield [uei, providerKey]
    },
    hintOf: (entity) => String(entity.attributes['uei']),
  },
  {
    source: 'orcid',
    kind: 'person',
    *pairs(world, moment) {
      for (const { name, company, providerKey } of trueIds(world, moment))
        yield [`${normalizePersonName(name)}|uei:${company.uei}`, providerKey]
    },
    hintOf: (entity) => `${normalizePersonName(String(entity.attributes['name']))}|${String(entity.attributes['company_key'])}`,
  },
  {
    source: 'edgar',
    kind: 'company',
    *pairs(world, moment) {
      const filers = new Map([...trueFilers(world, moment)].map(({ uei, providerKey }) => [uei, providerKey]))
      for (const { uei } of world.companies) if (uei !== null) yield [uei, filers.get(uei) ?? null]
    },
    hintOf: (entity) => String(entity.attributes['uei']),
  },
  {
    source: 'opencorporates',
    kind: 'company',
    *pairs(world) {
      for (const { company, providerKey } of trueCompanies(world)) if (company.uei !== null) yield [company.uei, providerKey]
    },
    hintOf: (entity) => String(entity.attributes['uei']),
  },
  {
    source: 'uspto_odp',
    kind: 'company',
    // Who applies under names of its own: any of these, with the state, is right. A namesake elsewhere is not.
    *pairs(world, moment) {
      const keys = new Map<string, Set<string>>()
      for (const { company, applicant, state } of world.part(patentWorld).all(moment)) {
        if (company?.uei == null) continue
        const own = keys.get(company.uei) ?? new Set<string>()
        keys.set(company.uei, own.add(`${companyNameKey(applicant)}|${state}`))
      }
      for (const { uei } of world.companies) if (uei !== null) yield [uei, keys.has(uei) ? [...keys.get(uei)!] : null]
    },
    hintOf: (entity) => String(entity.attributes['uei']),
  },
  {
    source: 'openfec',
    kind: 'company',
    // The key is a name: right when most of those who give under it work there, and not at another company of that name.
    *pairs(world, moment) {
      const employers = new Map(
        [...trueEmployers(world, moment, firstPeriod(moment))].map((one) => [one.company.uei, one.employers]),
      )
      for (const { uei } of world.companies) {
        const texts = uei === null ? undefined : employers.get(uei)
        if (uei !== null) yield [uei, texts === undefined || texts.length === 0 ? null : texts.map(companyNameKey)]
      }
    },
    hintOf: (entity) => String(entity.attributes['uei']),
  },
  {
    source: 'people_data_labs',
    label: 'people_data_labs companies',
    kind: 'company',
    *pairs(world) {
      const ids = new Map(
        [...trueItems(world)].flatMap(({ kind, company, providerKey }) =>
          kind === 'company' ? [[company.uei, providerKey]] : [],
        ),
      )
      for (const { uei } of world.companies) if (uei !== null) yield [uei, ids.get(uei) ?? null]
    },
    hintOf: (entity) => String(entity.attributes['uei']),
  },
  {
    source: 'people_data_labs',
    label: 'people_data_labs persons',
    kind: 'person',
    *pairs(world) {
      for (const { company, pi } of world.sbir.awardsUntil(world.options.startAt)) {
        const { uei } = world.companies[company]!
        if (uei !== null) yield [personHint(pi, uei), null]
      }
      for (const { kind, name, company, providerKey } of trueItems(world))
        if (kind === 'person' && company.uei !== null) yield [personHint(name, company.uei), providerKey]
    },
    hintOf: (entity) =>
      personHint(String(entity.attributes['name']), String(entity.attributes['company_key']).replace(/^uei:/, '')),
  },
  {
    source: 'clearbit',
    kind: 'company',
    // It is asked by domain alone: whom it has and we know no domain of is not found.
    *pairs(world) {
      const { company, uuidOf } = world.part(commercialWorld)
      for (const one of world.companies) {
        if (one.uei === null || !one.hasWebsite) continue
        yield [one.uei, company({ domain: one.domain }, 'clearbit') === null ? null : uuidOf(one)]
      }
    },
    hintOf: (entity) => String(entity.attributes['uei']),
  },
]

/** The adapter's own choice: this period and the two before. */
function firstPeriod(moment: EpochMs): number {
  const year = new Date(moment).getUTCFullYear()
  return year + (year % 2) - 4
}

/** First and last name: PDL has no middle names here. */
function personHint(name: string, uei: string): string {
  const words = normalizePersonName(name).split(' ')
  return `${words[0]}|${words.at(-1)}|${uei}`
}

const SOURCES = ['sbir_gov', 'sam_gov', ...new Set(MEASURED.map(({ source }) => source))]
/** Sources whose every identity counts. */
const EVERY_ONE_COUNTS = { minConfidence: 0, minMargin: 0 }
/** A wrong identity costs more than a missing one. */
const PRECISION_BAR = 0.98

export async function benchIdentities(companies: number): Promise<readonly ResultRow[]> {
  const dir = await mkdtemp(join(tmpdir(), 'bench-identities-'))
  const quotas = Object.fromEntries(SOURCES.map((source) => [source, []]))
  const sandbox = await startSandbox({ seed: 7, companies, awards: companies * 3, port: 0, quotas })
  const settings: Record<string, unknown> = { 'clock.sandbox_url': sandbox.url, 'warehouse.export_after_run': false }
  const { config } = await loadConfig({
    dir: join(import.meta.dirname, '../config'),
    environment: 'sandbox',
    variables: sandboxEnvironment(join(import.meta.dirname, '..'), sandbox.port),
    settings: Object.entries(settings).map(
      ([path, value]) => `${path}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    ),
    statePath: join(dir, 'state.sqlite'),
    adapters: { byId: (id) => ADAPTERS.find((adapter) => adapter.id === id) ?? null, ids: ADAPTERS.map(({ id }) => id) },
  })
  const keep = <T>(map: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(SOURCES.flatMap((source) => (map[source] === undefined ? [] : [[source, map[source]]])))
  // Nothing here is about quotas.
  const ample = [{ limit: 1_000_000, per: '1s', resets: 'sliding' as const }]
  const policies = Object.entries(keep(config.enrichment_refresh)).map(([source, policy]) => [
    source,
    { ...policy, enabled: true, quotas: ample },
  ])
  const engine = await openEngine({
    config: { ...config, enrichment: keep(config.enrichment), enrichment_refresh: Object.fromEntries(policies) },
    logger: { log() {} },
    env: () => undefined,
  })
  try {
    const base = { cohorts: [], partitions: [], window: null, force: false, limit: null, maxCalls: null }
    const options = { dryRun: false, signal: new AbortController().signal }
    await engine.refresh({ ...base, sources: ['sbir_gov'] }, options)
    await engine.refresh({ ...base, sources: [] }, options)
    // Clearbit looks some up before it answers: they are asked about again.
    sandbox.sandbox.clock.advance(HOUR_MS)
    await (engine.clock as SandboxClock).refresh()
    await engine.refresh({ ...base, sources: ['clearbit'] }, options)
    const rows: ResultRow[] = []
    for (const { source, label = source, kind, pairs, hintOf } of MEASURED) {
      const known = new Map(pairs(sandbox.sandbox.world, engine.clock.now()))
      const found = await engine.store.identities({ source, limit: Number.MAX_SAFE_INTEGER })
      const keys = new Map(found.filter(({ entity }) => entity.kind === kind).map((one) => [one.entity.key, one.providerKey]))
      const truth = new Map<string, string | null>()
      for await (const entity of engine.store.entities(kind)) {
        const expected = known.get(hintOf(entity))
        if (expected === undefined) continue
        const right = typeof expected === 'string' ? [expected] : (expected ?? [])
        const key = keys.get(entity.key)
        truth.set(entity.key, key !== undefined && right.includes(key) ? key : (right[0] ?? null))
      }
      const rule = engine.sources.find(({ adapter }) => adapter.id === source)?.identity ?? EVERY_ONE_COUNTS
      const quality = identityQuality(found, truth, rule)
      rows.push(
        {
          what: `${label}: true of ${quality.counted} identities that count`,
          value: quality.precision,
          unit: 'share',
          bar: atLeast(PRECISION_BAR),
        },
        { what: `${label}: found of ${quality.toBeFound} there are`, value: quality.recall, unit: 'share' },
        ...quality.methods.flatMap(({ method, found: all, counted, right, rightBelow, recall }) => [
          {
            what: `${label}, ${method}: true of ${counted} that count (${all} found)`,
            value: counted === 0 ? 1 : right / counted,
            unit: 'share',
          },
          {
            what: `${label}, ${method}: found of ${quality.toBeFound} there are (${rightBelow} true ones wait for a person)`,
            value: recall,
            unit: 'share',
          },
        ]),
      )
    }
    return rows
  } finally {
    await engine.close()
    await sandbox.close()
    await rm(dir, { recursive: true, force: true })
  }
}
