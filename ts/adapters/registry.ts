/** The adapters there are. A new one is a file beside these and a line here; the config says which sources use it. */
import { EngineError } from '../model/errors.ts'
import type { SourceAdapter } from './adapter.ts'
import { samGov } from './sam-gov.ts'
import { sbirGov } from './sbir-gov.ts'
import { usaspending } from './usaspending.ts'

export const ADAPTERS: readonly SourceAdapter[] = [sbirGov, usaspending, samGov]

const BY_ID: ReadonlyMap<string, SourceAdapter> = new Map(ADAPTERS.map((adapter) => [adapter.id, adapter]))

/** Throws `unknown_adapter` (configuration) with the ids there are. */
export function adapterById(id: string): SourceAdapter {
  const adapter = BY_ID.get(id)
  if (adapter !== undefined) return adapter
  throw new EngineError('configuration', 'unknown_adapter', `there is no adapter "${id}"`, {
    hint: `use one of ${[...BY_ID.keys()].join(', ')}`,
  })
}
