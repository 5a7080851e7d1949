/** One harmless question to a source, and what its answer says about whether the source can be asked. */
import type { SourceClient } from './http/source-client.ts'
import type { SourceId } from './model/keys.ts'
import type { ResponseClass } from './model/response.ts'
import type { DurationMs, EpochMs } from './model/time.ts'
import type { RunSource } from './refresh/run-partition.ts'
import type { Clock } from './runtime/ports.ts'

export type SourceCheck = {
  readonly source: SourceId
  readonly title: string
  readonly enabled: boolean
  readonly ok: boolean
  /** The class of the answer, or why no question was asked. */
  readonly result: ResponseClass | 'refused'
  readonly reason: string
  readonly status: number | null
  readonly until: EpochMs | null
  readonly durationMs: DurationMs
}

/** Answers that show a provider at work, whatever it knows of what was asked about. */
const GOOD: ReadonlySet<ResponseClass> = new Set(['ok', 'empty', 'not_modified', 'not_found'])

export async function checkSource(
  { adapter, options, policy }: RunSource,
  client: SourceClient,
  clock: Clock,
  signal: AbortSignal,
): Promise<SourceCheck> {
  const startedAt = clock.monotonic().ms
  const result = await client.call(adapter.probe({ now: clock.now(), options }), { signal })
  const base = {
    source: adapter.id,
    title: adapter.title,
    enabled: policy.enabled,
    durationMs: Math.round(clock.monotonic().ms - startedAt),
  }
  // No key is worth having for what is gone for good.
  if (result.kind === 'refused' && result.until === null && adapter.hostGone !== undefined)
    return { ...base, ok: false, result: 'source_down', reason: adapter.hostGone, status: null, until: null }
  if (result.kind === 'refused')
    return { ...base, ok: false, result: 'refused', reason: result.message, status: null, until: result.until }
  const { class: responseClass, reason, until = null } = result.classified
  const ok = responseClass === adapter.probeAnswer || GOOD.has(responseClass)
  return { ...base, ok, result: responseClass, reason, status: result.view?.status ?? null, until }
}
