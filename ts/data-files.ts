/** Data files that the configuration names, opened and checked before anything is asked: one that cannot be used is a mistake of the configuration. */
import type { SourceAdapter } from './adapters/adapter.ts'
import { ADAPTERS } from './adapters/registry.ts'
import type { Config } from './config/schema.ts'
import { openMmdb } from './embedded/mmdb.ts'
import { messageOf } from './model/errors.ts'
import type { JsonObject } from './model/json.ts'
import type { SourceId } from './model/keys.ts'

export type DataFileProblem = {
  readonly source: SourceId
  /** `enrichment.geoip.options.mmdb`. */
  readonly path: string
  /** Names the file and says what to do. */
  readonly message: string
  /** False when another provider is asked in its place. */
  readonly needed: boolean
}

type Reader = {
  readonly source: SourceId
  readonly adapter: Pick<SourceAdapter, 'options' | 'dataFiles'>
  /** As configured. */
  readonly options: JsonObject
}

/** Each file is read once. Never rejects. */
export async function dataFileProblems(readers: readonly Reader[]): Promise<readonly DataFileProblem[]> {
  const problems: DataFileProblem[] = []
  for (const { source, adapter, options } of readers) {
    const parsed = adapter.dataFiles === undefined ? null : adapter.options.safeParse(options)
    for (const file of parsed?.success === true ? adapter.dataFiles!(parsed.data) : []) {
      const problem = await openMmdb(file.path, file.use).then(() => null, messageOf)
      if (problem !== null)
        problems.push({ source, path: `enrichment.${source}.options.${file.option}`, message: problem, needed: file.needed })
    }
  }
  return problems
}

/** The sources of a configuration that are switched on. */
export function readersOf(config: Pick<Config, 'enrichment' | 'enrichment_refresh'>): readonly Reader[] {
  return Object.entries(config.enrichment).flatMap(([source, registered]) => {
    const adapter = ADAPTERS.find(({ id }) => id === registered.adapter)
    if (adapter === undefined || config.enrichment_refresh[source]?.enabled !== true) return []
    return [{ source, adapter, options: registered.options as JsonObject }]
  })
}
