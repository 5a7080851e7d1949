/** Which part of the work a command is about: options shared by plan and refresh, checked against what is configured. */

import { adapterById } from '../adapters/registry.ts'
import type { LoadedConfig } from '../config/load.ts'
import { didYouMean } from '../config/suggest.ts'
import { isLoopback } from '../config/urls.ts'
import { EngineError } from '../model/errors.ts'
import { type PartitionKey, parsePartitionKey, type SourceId } from '../model/keys.ts'
import type { RefreshRequest } from '../model/plan.ts'
import type { Window } from '../model/window.ts'
import { configuredSource, sourceNames } from '../source-names.ts'
import * as arg from './arguments.ts'
import { flag, list, text } from './command.ts'

export const sourceOption = list('Only this source', 'SOURCE')

export const SELECTION_OPTIONS = {
  source: sourceOption,
  window: text('Only what changed there in these days, both included, UTC: 2023-10-01:2023-10-07', 'FROM:TO', arg.window),
  cohort: list('Only this cohort, e.g. award_year_2024', 'COHORT', arg.cohort),
  partition: list('Only this partition, e.g. sam_gov:uei_batch_0001', 'SOURCE:COHORT', arg.partition),
  force: flag('Everything selected, due or not'),
  limit: text(
    'At most so many entities; of a bulk file or a change feed only so many are judged, and nothing is proven about the rest',
    'N',
    arg.count,
  ),
  'max-calls': text('At most so many calls, over all sources', 'N', arg.count),
}

export type SelectionArgs = {
  readonly source: readonly string[]
  readonly window: Window | undefined
  readonly cohort: readonly string[]
  readonly partition: readonly PartitionKey[]
  readonly force: boolean
  readonly limit: number | undefined
  readonly 'max-calls': number | undefined
}

export function refreshRequest(args: SelectionArgs, { config }: Pick<LoadedConfig, 'config'>): RefreshRequest {
  const sources = knownSources(args.source, { config })
  const named = args.partition.map((key) => parsePartitionKey(key)!.source)
  knownSources(named, { config })
  const astray =
    sources.length === 0 ? undefined : args.partition.find((key) => !sources.includes(parsePartitionKey(key)!.source))
  if (astray !== undefined) {
    throw new EngineError(
      'usage',
      'usage',
      `--partition ${astray} is not of the sources named by --source (${sources.join(', ')})`,
      { hint: 'leave --source out, or name that source too' },
    )
  }
  return {
    sources,
    cohorts: [...new Set(args.cohort)],
    partitions: [...new Set(args.partition)],
    window: args.window ?? null,
    force: args.force,
    limit: args.limit ?? null,
    maxCalls: args['max-calls'] ?? null,
  }
}

/** The sources named, each once; empty when none was. Unknown ones are a usage error that says what was likely meant. */
export function knownSources(names: readonly string[], { config }: Pick<LoadedConfig, 'config'>): readonly SourceId[] {
  const known = sourceNames(config)
  for (const name of names) {
    if (known.includes(name)) continue
    throw new EngineError('usage', 'unknown_source', `there is no source "${name}"${didYouMean(name, known)}`, {
      hint: known.length === 0 ? 'register one under enrichment in config/base.yaml' : `use one of: ${known.join(', ')}`,
    })
  }
  return [...new Set(names)]
}

/** One source of the config, or a usage error. */
export function knownSource(name: string, loaded: Pick<LoadedConfig, 'config'>): SourceId {
  return knownSources([name], loaded)[0]!
}

/** The sources named, or all. */
export function sourcesOrAll(names: readonly string[], loaded: Pick<LoadedConfig, 'config'>): readonly SourceId[] {
  const named = knownSources(names, loaded)
  return named.length === 0 ? sourceNames(loaded.config) : named
}

/** The sources of the configuration that are named, or all; one that finds identities stands for the one it finds them for. */
export function configuredSources(names: readonly string[], loaded: Pick<LoadedConfig, 'config'>): readonly SourceId[] {
  return [...new Set(sourcesOrAll(names, loaded).map((name) => configuredSource(loaded.config, name)))]
}

/** Why a source cannot answer any more, wherever it is asked: its provider is gone for good. Null on loopback, where the sandbox stands in. */
export function goneReason(source: SourceId, { config }: Pick<LoadedConfig, 'config'>): string | null {
  const own = config.enrichment[configuredSource(config, source)]
  return own === undefined || isLoopback(own.base_url) ? null : (adapterById(own.adapter).hostGone ?? null)
}

/** Remarks about the sources of a request, the named ones or those enabled, that are gone for good. */
export function goneRemarks(
  { sources }: Pick<RefreshRequest, 'sources'>,
  loaded: Pick<LoadedConfig, 'config'>,
): readonly string[] {
  const { enrichment, enrichment_refresh: policies } = loaded.config
  const asked = sources.length > 0 ? sources : Object.keys(enrichment).filter((source) => policies[source]?.enabled === true)
  return [...new Set(asked.map((source) => configuredSource(loaded.config, source)))].flatMap((source) => {
    const reason = goneReason(source, loaded)
    return reason === null ? [] : [`${source} cannot answer: ${reason}`]
  })
}
