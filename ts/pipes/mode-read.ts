/** The modes that only read: `partitions`, `coverage`, `plan`. None of them asks a provider or disturbs a run. */
import { planDocument } from '../cli/documents.ts'
import { duration, number, plainText, plural } from '../cli/format.ts'
import { judgeOf } from '../cli/judge.ts'
import { EngineError, isEngineError } from '../model/errors.ts'
import type { SourceId } from '../model/keys.ts'
import type { RefreshRequest } from '../model/plan.ts'
import { toIso } from '../model/time.ts'
import type { Engine } from '../wiring.ts'
import { parseAssetKey } from './asset-key.ts'
import { coverageMetadata, coverageText } from './coverage-metadata.ts'
import { metadata } from './metadata.ts'
import { knownSources, type ModeResult, type ModeWorld, succeeded } from './mode.ts'
import { refreshRequestOf } from './mode-refresh.ts'
import { type ListedSource, listPartitions, type PartitionList } from './partition-list.ts'
import type { Reporter } from './reporter.ts'
import { COVERAGE_CHECK } from './run-request.ts'

const EVERYTHING: RefreshRequest = {
  sources: [],
  cohorts: [],
  partitions: [],
  window: null,
  force: false,
  limit: null,
  maxCalls: null,
}

/** Answers with one message. Before the first ingest there is no state: then there are no partitions, which is no error. */
export async function partitionsMode(world: ModeWorld): Promise<ModeResult> {
  const wanted = knownSources(world.request.sources, world.config)
  let list: PartitionList
  try {
    list = await partitionList(await world.engine({ readOnly: true }), wanted)
  } catch (error) {
    if (!isEngineError(error, 'store_missing')) throw error
    world.reporter.log('INFO', 'there is no state yet; partitions appear after the first ingest')
    world.reporter.tell({ kind: 'partitions', at: null, partitions: [], sources: [], state: 'missing' })
    return succeeded({ partitions: 0 })
  }
  world.reporter.tell({ ...list, state: 'present' })
  return succeeded({ partitions: list.partitions.length })
}

async function partitionList(engine: Engine, wanted: readonly SourceId[]): Promise<PartitionList> {
  const plan = await engine.plan(EVERYTHING)
  const sources: ListedSource[] = []
  for (const { adapter, policy } of engine.sources) {
    if (!wanted.includes(adapter.id)) continue
    sources.push({
      source: adapter.id,
      enabled: policy.enabled,
      slaMs: policy.slaMs,
      coverageThreshold: policy.coverageThreshold,
      hasFeed: adapter.feed !== undefined,
      hasFile: adapter.file !== undefined,
      stats: await engine.store.partitionStats(adapter.id, judgeOf(engine, adapter.id)),
      checkpoints: await engine.store.checkpoints(adapter.id),
    })
  }
  const leases = await engine.store.leases(engine.clock.monotonic())
  return listPartitions({ now: engine.clock.now(), sources, plan, leased: new Set(leases.map((lease) => lease.partition)) })
}

/** Which asset a source reports on: the one given, the one that ends in the source's name, or the only one there is. */
export function coverageAsset(
  source: SourceId,
  given: string | null,
  keys: readonly string[] | null,
  sources: number,
): string | null {
  if (given !== null || keys === null) return given
  const own = keys.find((key) => parseAssetKey(key).at(-1) === source)
  if (own !== undefined) return own
  if (keys.length === 1 && sources === 1) return keys[0]!
  throw new EngineError('configuration', 'pipes_request', `no asset of the step is about ${source} (it has ${keys.join(', ')})`, {
    hint: 'name the asset enrichment_coverage/<source>, or pass the extra "asset_key"',
  })
}

/** Sources that the step is about: the extra `sources`, else those after which its assets are named, else all. */
function coverageSources(world: ModeWorld): readonly SourceId[] {
  const { request, config, reporter } = world
  if (request.sources.length > 0) return knownSources(request.sources, config)
  const known = knownSources([], config)
  if (reporter.assetKeys === null) return known
  const named = reporter.assetKeys.map((key) => parseAssetKey(key).at(-1)!).filter((name) => known.includes(name))
  if (named.length > 0) return named
  throw new EngineError('configuration', 'pipes_request', `no source is named by the assets ${reporter.assetKeys.join(', ')}`, {
    hint: `pass the extra "sources"; registered are ${known.join(', ')}`,
  })
}

/** One materialization and one check per source. That a source is below its threshold is a failed check, not a failed step. */
export async function coverageMode(world: ModeWorld): Promise<ModeResult> {
  const { request, reporter } = world
  const sources = coverageSources(world)
  for (const source of sources)
    reporter.assertReportable(coverageAsset(source, request.assetKey, reporter.assetKeys, sources.length))
  const engine = await world.engine({ readOnly: true })
  const plan = await engine.plan(EVERYTHING)
  const rows = await engine.freshness(sources)
  for (const freshness of rows) {
    const facts = {
      freshness,
      plan: plan.sources.find((one) => one.source === freshness.source) ?? null,
      slaMs: judgeOf(engine, freshness.source).slaMs,
      now: engine.clock.now(),
    }
    const assetKey = coverageAsset(freshness.source, request.assetKey, reporter.assetKeys, sources.length)
    reporter.log(freshness.belowThreshold ? 'WARNING' : 'INFO', coverageText(facts))
    reporter.materialize(coverageMetadata(facts), assetKey)
    if (request.checks.includes(COVERAGE_CHECK)) reportCheck(reporter, facts, assetKey)
  }
  return succeeded({
    sources: rows.map(({ source, coverage, threshold, belowThreshold, stale }) => ({
      source,
      coverage,
      threshold,
      below_threshold: belowThreshold,
      stale,
    })),
  })
}

function reportCheck(reporter: Reporter, facts: Parameters<typeof coverageMetadata>[0], assetKey: string | null): void {
  const { coverage, threshold, belowThreshold, stale } = facts.freshness
  reporter.check({
    name: COVERAGE_CHECK,
    passed: !belowThreshold,
    severity: 'ERROR',
    metadata: {
      coverage: metadata.float(coverage),
      threshold: metadata.float(threshold),
      stale: metadata.int(stale),
      result: metadata.text(coverageText(facts)),
    },
    assetKey,
  })
}

/** What a refresh of the same request would do. */
export async function planMode(world: ModeWorld): Promise<ModeResult> {
  const { request, reporter, config } = world
  knownSources(request.sources, config)
  const engine = await world.engine({ readOnly: true })
  const plan = await engine.plan(refreshRequestOf(request))
  for (const source of plan.sources) {
    const takes = source.etaMs === null || source.etaMs === 0 ? '' : `, ${duration(source.etaMs)} at its quota`
    const held = source.heldBack === null ? '' : `; held back: ${plainText(source.heldBack)}`
    reporter.log(
      source.feasibility.feasible && source.heldBack === null ? 'INFO' : 'WARNING',
      `${source.source}: ${number(source.due)} due, ${number(source.stale)} past the SLA; ${plural(source.calls, 'call')}${takes}${held}`,
    )
  }
  reporter.tell({ kind: 'plan', ...planDocument(plan) })
  return succeeded({ at: toIso(plan.at), planned: plan.partitions.length })
}
